/** What a client meets at Mosquitto, in its versions. */
import { mosquitto } from 'mqttest/packs'
import { type ConnectInput, connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join, joined, messages } from '../support/client.ts'
import { exchanged, heard, joining, publish, subscribe, welcomed } from '../support/outcome.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

type Options = Parameters<typeof mosquitto>[0]

const serverWith = (options: Options = {}) => memoryServer({ plugins: [mosquitto(options)] })
const releases = ['1.6', '2.0', '2.1'] as const

/** What a client gets for its CONNECT. */
const welcome = async (options: Options, version: 3 | 4 | 5, connect: ConnectInput) => welcomed(await serverWith(options), version, connect)

/** What a client gets for packets. */
async function answer(options: Options, version: 3 | 4 | 5, ...packets: readonly Parameters<typeof exchanged>[1][]) {
  return exchanged(await joining(await serverWith(options), version), ...packets)
}

describe('CONNECT', () => {
  test.each([
    ['1.6', { topicAliasMaximum: 10 }],
    ['2.0', { topicAliasMaximum: 10, receiveMaximum: 20 }],
    ['2.1', { topicAliasMaximum: 10, receiveMaximum: 20, maximumPacketSize: 2_000_000 }],
  ] as const)('%s announces %o and nothing else', async (version, properties) => {
    expect((await joined(await serverWith({ version }), 'me')).connack.properties).toEqual(properties)
  })

  test('a level that does not exist gets a CONNACK of MQTT 3, from 2.1 one of MQTT 5', async () => {
    for (const version of releases) {
      const client = connectMemory(await serverWith({ version }))
      client.send('10 0c 00 04 4d 51 54 54 06 02 00 00 00 00')
      await client.end()
      expect(Buffer.concat(client.chunks).toString('hex')).toBe(version === '2.1' ? '2003008400' : '20020001')
    }
  })

  test('who has no client id is refused in MQTT 3, unless 3.1.1 wants a clean session, and gets one in MQTT 5', async () => {
    expect(await welcome({}, 3, { clientId: '' })).toBe('connack 2, fin')
    expect(await welcome({}, 4, { clientId: '', clean: false })).toBe('connack 2, fin')
    expect(await welcome({}, 4, { clientId: '' })).toBe('connack')
    const { connack } = await joined(await serverWith(), '', { clean: false })
    expect(connack.properties?.assignedClientIdentifier).toMatch(/^auto-/)
  })

  test('every wrong credential gets 5 or 0x87; anonymous clients get in where there are no users, unless told otherwise', async () => {
    const users = { ann: 'secret' }
    const wrong = { clientId: 'me', username: 'ann', password: Buffer.from('wrong') }
    const right = { ...wrong, password: Buffer.from('secret') }
    expect([await welcome({ users }, 4, wrong), await welcome({ users }, 5, wrong)]).toEqual(['connack 5, fin', 'connack 0x87, fin'])
    expect([await welcome({ users }, 4, right), await welcome({ users }, 4, {})]).toEqual(['connack', 'connack 5, fin'])
    expect([await welcome({}, 4, {}), await welcome({}, 4, wrong)]).toEqual(['connack', 'connack'])
    expect([await welcome({ users, anonymous: true }, 4, {}), await welcome({ anonymous: false }, 5, {})]).toEqual(['connack', 'connack 0x87, fin'])
  })

  test('an authentication method gets 0x8C, a password without a user name nothing in MQTT 3', async () => {
    expect(await welcome({}, 5, { clientId: 'me', properties: { authenticationMethod: 'SCRAM-SHA-1' } })).toBe('connack 0x8c, fin')
    expect(await welcome({}, 4, { clientId: 'me', password: Buffer.from('x') })).toBe('fin')
  })

  test('maximumKeepAlive: Server Keep Alive in MQTT 5, a refused client id in MQTT 3', async () => {
    expect(await welcome({ maximumKeepAlive: 60 }, 4, { clientId: 'me', keepalive: 90 })).toBe('connack 2, fin')
    expect(await welcome({ maximumKeepAlive: 60 }, 4, { clientId: 'me', keepalive: 60 })).toBe('connack')
    const { connack } = await joined(await serverWith({ maximumKeepAlive: 60 }), 'me', { keepalive: 90 })
    expect(connack.properties).toMatchObject({ serverKeepAlive: 60 })
  })

  test('a second CONNECT closes the connection without a word', async () => {
    for (const version of [4, 5] as const) {
      const client = await joining(await serverWith(), version)
      await client.sendConnect({ clientId: 'me' }).end()
      expect(heard(client)).toBe('fin')
    }
  })

  test('who is taken over hears 0x8E in MQTT 5 from 2.0 on, unless told otherwise', async () => {
    const last = async (options: Options, version: 4 | 5) => {
      const server = await serverWith(options)
      const first = await joining(server, version)
      await joining(server, version)
      await first.end()
      return heard(first)
    }
    expect(await last({}, 5)).toBe('disconnect 0x8e, fin')
    expect(await last({}, 4)).toBe('fin')
    expect(await last({ version: '1.6' }, 5)).toBe('fin')
    expect(await last({ tellTakeover: false }, 5)).toBe('fin')
  })
})

describe('messages', () => {
  const bursts = (count: number) => Array.from({ length: count }, (_, index) => publish('a', 2, index + 1))

  test('every second QoS 2 message beyond 20 gets 0x97 in MQTT 5 of 2.0 only', async () => {
    const refused = async (options: Options, version: 4 | 5) => {
      const said = await answer(options, version, ...bursts(25))
      return said
        .split(', ')
        .map((one, index) => [one, index + 1] as const)
        .filter(([one]) => one !== 'pubrec')
    }
    expect(await refused({}, 5)).toEqual([21, 23, 25].map((number) => ['pubrec 0x97', number]))
    expect([await refused({}, 4), await refused({ version: '1.6' }, 5), await refused({ version: '2.1' }, 5)]).toEqual([[], [], []])
  })

  test('the third copy of a QoS 2 message ends the connection', async () => {
    const copies = [publish('a', 2), { ...publish('a', 2), dup: true }, { ...publish('a', 2), dup: true }]
    expect(await answer({}, 5, ...copies.slice(1))).toBe('pubrec, pubrec')
    expect(await answer({}, 5, ...copies)).toBe('pubrec, pubrec, disconnect 0x82, fin')
    expect(await answer({}, 4, ...copies)).toBe('pubrec, pubrec, fin')
  })

  test('denyPublish: acknowledged in MQTT 3, refused with 0x87 in MQTT 5, and gone', async () => {
    const server = await serverWith({ denyPublish: ['secret/#'] })
    const listener = await joining(server, 5, { clientId: 'listener' })
    await exchanged(listener, subscribe('#', 2))
    const packets = [publish('secret/a', 0), publish('secret/a', 1), publish('secret/a', 2, 8)]
    expect(await exchanged(await joining(server, 4), ...packets)).toBe('puback, pubrec')
    expect(await exchanged(await joining(server, 5), ...packets)).toBe('puback 0x87, pubrec 0x87')
    await listener.settled()
    expect(messages(listener)).toEqual([])
  })

  test('denySubscribe: granted, and nothing comes; dynamicSecurity: refused, but not in MQTT 3.1', async () => {
    const options = { denySubscribe: ['secret/#'] }
    expect(await answer(options, 4, subscribe('secret/a', 1), publish('secret/a'))).toBe('suback 1, puback')
    expect(await answer(options, 5, subscribe('secret/a', 1))).toBe('suback 1')
    const answers = [3, 4, 5] as const
    const refused = answers.map((version) => answer({ ...options, dynamicSecurity: true }, version, subscribe('secret/a', 1)))
    expect(await Promise.all(refused)).toEqual(['suback 1', 'suback 0x80', 'suback 0x87'])
  })

  test('200 levels are taken, 201 end the connection, and so do wildcards in a topic', async () => {
    const deep = (levels: number) => Array(levels).fill('a').join('/')
    expect(await answer({}, 5, publish(deep(200)), subscribe(deep(200)))).toBe('puback 16, suback 0')
    expect(await answer({}, 5, publish(deep(201)))).toBe('disconnect 0x81, fin')
    expect(await answer({}, 5, subscribe(deep(201)))).toBe('disconnect 0x81, fin')
    expect(await answer({}, 4, subscribe(deep(201)))).toBe('fin')
    expect([await answer({}, 5, publish('a/#')), await answer({}, 4, publish('a/#'))]).toEqual(['disconnect 0x81, fin', 'fin'])
  })

  test('nobody there: 0x10 for QoS 1 in MQTT 5; the own message comes before PUBACK', async () => {
    expect(await answer({}, 5, publish('a'), publish('a', 2, 8))).toBe('puback 16, pubrec')
    expect(await answer({}, 4, subscribe('a'), publish('a'))).toBe('suback 0, publish a, puback')
  })

  test('topic alias 11 is too high', async () => {
    const aliased = (topicAlias: number) => ({ ...publish('a', 0), properties: { topicAlias } })
    expect(await answer({}, 5, aliased(10))).toBe('')
    expect(await answer({}, 5, aliased(11))).toBe('disconnect 0x94, fin')
  })

  test('2.1 makes topic aliases for clients that allow them, 2.0 does not', async () => {
    for (const version of releases) {
      const client = await join(await serverWith({ version }), 'me', { properties: { topicAliasMaximum: 5 } })
      await exchanged(client, subscribe('a'), publish('a', 0))
      expect((await client.next('publish')).properties?.topicAlias).toBe(version === '2.1' ? 1 : undefined)
    }
  })

  test('overlapping filters give one copy, from 2.1 on one each', async () => {
    for (const version of releases)
      expect(await answer({ version }, 4, subscribe(['a/#', 'a/+']), publish('a/b', 0))).toBe(
        `suback 0,0, publish a/b${version === '2.1' ? ', publish a/b' : ''}`,
      )
  })
})

describe('sizes', () => {
  test('2.1 takes no packet beyond 2000000 bytes, 2.0 any', async () => {
    const large = publish('a', 1, 7, { size: 2_000_000 })
    expect(await answer({ version: '2.1' }, 5, large)).toBe('disconnect 0x95, fin')
    expect(await answer({ version: '2.1' }, 4, large)).toBe('rst')
    expect(await answer({ version: '2.0' }, 4, large)).toBe('puback')
  })

  test('2.1 resets an MQTT 5 client for a large SUBSCRIBE, CONNECT or acknowledgement, and takes them in MQTT 3', async () => {
    const filters = subscribe(Array.from({ length: 2 }, (_, index) => `${index}${'x'.repeat(51_000)}`))
    expect(await answer({ version: '2.1' }, 5, filters)).toBe('rst')
    expect(await answer({ version: '2.1' }, 4, filters)).toBe('suback 0,0')
    expect(await answer({ version: '2.0' }, 5, filters)).toBe('suback 0,0')
    const connect = { clientId: 'me', username: 'x'.repeat(60_000), password: Buffer.alloc(60_000) }
    expect([await welcome({ version: '2.1' }, 5, connect), await welcome({ version: '2.1' }, 4, connect)]).toEqual(['rst', 'connack'])
    const told = { cmd: 'puback', messageId: 1, reasonCode: 0, properties: { reasonString: 'x'.repeat(11_000) } } as const
    expect(await answer({ version: '2.1' }, 5, told)).toBe('rst')
  })

  test('maximumPacketSize ends the connection, messageSizeLimit loses the message', async () => {
    const large = publish('a', 1, 7, { size: 1000 })
    expect(await answer({ maximumPacketSize: 500 }, 5, large)).toBe('disconnect 0x95, fin')
    expect(await answer({ maximumPacketSize: 500 }, 4, large)).toBe('fin')
    const client = await joining(await serverWith({ messageSizeLimit: 999 }), 5)
    expect(await exchanged(client, subscribe('a'), large)).toBe('suback 0')
    // No code that MQTT has for PUBACK.
    expect(client.malformed.map((bytes) => bytes.subarray(2, 5).toString('hex'))).toEqual(['000795'])
    expect(await answer({ messageSizeLimit: 999 }, 4, subscribe('a'), large)).toBe('suback 0, puback')
  })

  test('200 filters in one SUBSCRIBE are taken', async () => {
    const filters = subscribe(Array.from({ length: 200 }, (_, index) => `${index}`))
    expect((await answer({}, 4, filters)).split(',')).toHaveLength(200)
  })

  test('maximumQos and retained: what is switched off ends the connection, and is announced', async () => {
    const { connack } = await joined(await serverWith({ maximumQos: 1, retained: false }), 'me')
    expect(connack.properties).toMatchObject({ maximumQoS: 1, retainAvailable: false })
    expect(await answer({ maximumQos: 1 }, 5, publish('a', 2))).toBe('disconnect 0x9b, fin')
    expect(await answer({ retained: false }, 5, { ...publish('a'), retain: true })).toBe('disconnect 0x9a, fin')
  })
})

describe('time', () => {
  test('a silent client is closed without a word, at the next look of 5 s', async () => {
    const { server, clock } = await virtualServer({ plugins: [mosquitto()] })
    const client = await join(server, 'me', { keepalive: 2 })
    await clock.advance(4900)
    expect(client.ended).toBeUndefined()
    await clock.advance(100)
    expect(heard(client)).toBe('fin')
  })

  test('numbers come below $SYS every 10 s, and every 100 ms with a timeScale of 0.01', async () => {
    for (const [timeScale, intervalMs] of [
      [1, 10_000],
      [0.01, 100],
    ] as const) {
      const { server, clock } = await virtualServer({ plugins: [mosquitto({ timeScale })] })
      const client = await join(server, 'me')
      await exchanged(client, subscribe('$SYS/broker/uptime'))
      const before = messages(client).length
      await clock.advance(3 * intervalMs)
      expect(messages(client).length - before).toBe(3)
    }
  })

  test('sessionExpiry: a session ends sooner than CONNACK lets the client believe', async () => {
    const { server, clock } = await virtualServer({ plugins: [mosquitto({ sessionExpiry: '1h', timeScale: 0.01 })] })
    const kept = { clean: false, properties: { sessionExpiryInterval: 3600 } }
    const { client, connack } = await joined(server, 'me', kept)
    expect(connack.properties?.sessionExpiryInterval).toBeUndefined()
    client.reset()
    await clock.advance('37s')
    expect((await joined(server, 'me', kept)).connack.sessionPresent).toBe(false)
  })

  test.each([
    ['1.6', 100],
    ['2.0', 1000],
  ] as const)('%s keeps %d messages for a client that is away', async (version, kept) => {
    const server = await serverWith({ version })
    const client = await joining(server, 4, { clean: false })
    await exchanged(client, subscribe('a', 1))
    client.reset()
    await server.clock.advance(1)
    for (let number = 1; number <= 1100; number++) server.publish({ topic: 'a', payload: `${number}`, qos: 1 })
    const back = await joining(server, 4, { clean: false })
    await back.settled()
    expect(messages(back)).toHaveLength(kept)
  })
})
