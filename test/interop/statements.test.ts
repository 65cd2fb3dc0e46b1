/**
 * What a server has to do by its normative statements, one by one, as far as no other test names them. Statement ids of MQTT 3.1.1 and
 * of MQTT 5.0 are different things: (3.1.1) or (5.0) stands beside those that mean one of them only.
 */
import { definePlugin, type PacketInput, type Properties, type ProtocolVersion, type Server } from 'mqttest'
import { connectMemory, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { userPropertyPairs } from '../../src/wire/packet.ts'
import { framed } from '../support/bytes.ts'
import { answers, type JoinOptions, join, joined, messages, subscribe } from '../support/client.ts'
import { memoryServer, tcpServer, virtualServer } from '../support/server.ts'

const versions = [3, 4, 5] as const

/** A session that lasts. */
const kept = (version: ProtocolVersion): JoinOptions => ({
  version,
  clean: false,
  ...(version === 5 && { properties: { sessionExpiryInterval: 100 } }),
})

async function lose(client: RawClient): Promise<void> {
  client.reset()
  await client.end()
}

/** A server on which a plugin decides on what is asked for. */
async function deciding(kind: 'connect' | 'publish' | 'subscribe' | 'unsubscribe', reasonCode: number, properties?: Properties): Promise<Server> {
  const server = await memoryServer()
  server.hooks.authorize.tap('test', (decision, request) =>
    request.kind === kind ? { ...decision, reasonCode, ...(properties !== undefined && { properties }) } : undefined,
  )
  return server
}

const hello = { 3: "0006 'MQIsdp' 03", 4: "0004 'MQTT' 04", 5: "0004 'MQTT' 05" } as const

describe('bytes that no client may send end the connection [MQTT-4.8.0-1] (3.1.1) [MQTT-4.13.1-1] [MQTT-4.13.2-1] (5.0):', () => {
  test.each<[what: string, version: ProtocolVersion, bytes: Buffer, code: number | undefined]>([
    ['ill-formed text [MQTT-1.5.3-1] (3.1.1)', 4, framed(0x30, '0003 eda080'), undefined],
    ['ill-formed text [MQTT-1.5.4-1] (5.0)', 5, framed(0x30, '0003 eda080 00'), 0x81],
    ['U+0000 in text and topics [MQTT-1.5.3-2] [MQTT-4.7.3-2] (3.1.1)', 4, framed(0x30, "0003 'a' 00 'b'"), undefined],
    ['U+0000 in text and topics [MQTT-1.5.4-2] [MQTT-4.7.3-2] (5.0)', 5, framed(0x30, "0003 'a' 00 'b' 00"), 0x81],
    ['a filter with U+0000 [MQTT-4.7.3-2]', 5, framed(0x82, '0001 00 0001 00 00'), 0x81],
    ['an ill-formed name in a pair [MQTT-1.5.7-1] (5.0)', 5, framed(0x30, "0001 'a' 07 26 0001 ff 0001 'v'"), 0x81],
    ['an ill-formed value in a pair [MQTT-1.5.7-1] (5.0)', 5, framed(0x30, "0001 'a' 07 26 0001 'n' 0001 ff"), 0x81],
    ['a number that could be shorter [MQTT-1.5.5-1] (5.0)', 5, framed(0x30, "0001 'a' 8000"), 0x81],
    ['reserved flags [MQTT-2.2.2-1] [MQTT-2.2.2-2] (3.1.1)', 4, framed(0xc1, ''), undefined],
    ['reserved flags [MQTT-2.1.3-1] (5.0)', 5, framed(0xc1, ''), 0x81],
    ['no length of the properties [MQTT-2.2.2-1] (5.0)', 5, framed(0x30, "0001 'a'"), 0x81],
    ['a PUBLISH that does not begin with its topic [MQTT-3.3.2-1] (3.1.1)', 4, framed(0x30, '00'), undefined],
    ['a PUBLISH that does not begin with its topic [MQTT-3.3.2-1] (5.0)', 5, framed(0x30, '00'), 0x81],
    ['QoS 3 [MQTT-3.3.1-4] (3.1.1)', 4, framed(0x36, "0001 'a' 0001"), undefined],
    ['QoS 3 [MQTT-3.3.1-4] (5.0)', 5, framed(0x36, "0001 'a' 0001 00"), 0x81],
    ['a topic with a wildcard [MQTT-4.7.1-1] [MQTT-3.3.2-2] (3.1.1)', 4, framed(0x30, "0003 'a/#'"), undefined],
    ['a topic with a wildcard [MQTT-4.7.0-1] [MQTT-3.3.2-2] (5.0)', 5, framed(0x30, "0003 'a/+' 00"), 0x81],
    ['an empty topic [MQTT-4.7.3-1] (3.1.1)', 4, framed(0x30, '0000'), undefined],
    ['an empty filter [MQTT-4.7.3-1] (5.0)', 5, framed(0x82, '0001 00 0000 00'), 0x81],
    ['reserved subscription options [MQTT-3.8.3-5] (5.0)', 5, framed(0x82, "0001 00 0001 'a' 80"), 0x81],
    ['DISCONNECT with flags [MQTT-3.14.1-1] (3.1.1)', 4, framed(0xe1, ''), undefined],
    ['DISCONNECT with flags [MQTT-3.14.1-1] (5.0)', 5, framed(0xe1, ''), 0x81],
    ['AUTH with flags [MQTT-3.15.1-1] (5.0)', 5, framed(0xf1, "18 04 15 0001 'm'"), 0x81],
  ])('%s', async (_what, version, bytes, code) => {
    const server = await memoryServer()
    server.hooks.authorize.tap('every method is known', (decision) => ({ ...decision, reasonCode: 0 }))
    const client = await join(server, 'me', { version, ...(version === 5 && { properties: { authenticationMethod: 'm' } }) })
    client.send(bytes)
    expect(await client.end()).toBe('fin')
    expect(client.received.slice(1)).toEqual(code === undefined ? [] : [{ cmd: 'disconnect', reasonCode: code }])
  })

  test.each([4, 5] as const)('the reserved flag of CONNECT (level %i) [MQTT-3.1.2-3]', async (version) => {
    const client = connectMemory(await memoryServer(), version).send(framed(0x10, `${hello[version]} 03 0000 ${version === 5 ? '00' : ''} 0001 'c'`))
    expect(await client.end()).toBe('fin')
    expect(client.received).toEqual(version === 5 ? [{ cmd: 'connack', sessionPresent: false, reasonCode: 0x81 }] : [])
  })

  test('a failure of the server itself ends the connection of the packet, and no other [MQTT-4.8.0-2] (3.1.1)', async () => {
    const broken = definePlugin({
      meta: { name: 'broken' },
      setup: ({ hooks, on }) =>
        on(hooks.packetIn, { cmd: 'publish' }, () => {
          throw new Error('broken')
        }),
    })
    const server = await memoryServer({ plugins: [broken] })
    const [client, other] = [await join(server, 'me', { version: 4 }), await join(server, 'other', { version: 4 })]
    await client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 1 }).end()
    await other.settled()
    await expect(server.stop()).rejects.toThrow('broken')
  })
})

describe.each(versions)('CONNECT (level %i)', (version) => {
  test('that is sound is answered with CONNACK 0, once [MQTT-3.1.4-4] (3.1.1) [MQTT-3.1.4-5] [MQTT-3.2.0-2] (5.0), without reserved flags [MQTT-3.2.2-1] (5.0)', async () => {
    const client = connectMemory(await memoryServer(), version)
    await client.connect()
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 0 }] })
    await client.settled()
    expect(client.received.map(({ cmd }) => cmd)).toEqual(['connack', 'suback', 'pingresp'])
    expect([...(client.chunks[0]?.subarray(2, 4) ?? [])]).toEqual([0, 0])
  })

  test('that is refused has session present 0, and the connection ends [MQTT-3.2.2-4] [MQTT-3.2.2-5] (3.1.1) [MQTT-3.2.2-6] [MQTT-3.2.2-7] (5.0)', async () => {
    const server = await memoryServer()
    await lose(await join(server, 'me', kept(version)))
    server.hooks.authorize.tap('no', (decision) => ({ ...decision, reasonCode: 0x87 }))
    const { client, connack } = await joined(server, 'me', kept(version))
    expect(connack).toEqual({ cmd: 'connack', sessionPresent: false, ...(version === 5 ? { reasonCode: 0x87 } : { returnCode: 5 }) })
    expect(await client.end()).toBe('fin')
    // Nothing else was said: no DISCONNECT [MQTT-3.14.0-1] (5.0).
    expect(client.received).toHaveLength(1)
  })

  test('that is refused takes what follows with it [MQTT-3.1.4-5] (3.1.1) [MQTT-3.1.4-6] (5.0)', async () => {
    const server = await memoryServer()
    server.hooks.authorize.tap('no', (decision) => ({ ...decision, reasonCode: 0x87 }))
    const client = connectMemory(server, version)
    client.sendConnect().send({ cmd: 'publish', topic: 'a', payload: 'x', retain: true }, { cmd: 'pingreq' })
    await client.end()
    expect(client.received.map(({ cmd }) => cmd)).toEqual(['connack'])
    expect(server.retained).toEqual([])
  })

  test('finds the session of its client id, and that alone [MQTT-3.1.3-2]; there is none where none was kept [MQTT-3.2.2-3], nor for who wants none [MQTT-3.2.2-1] (3.1.1) [MQTT-3.1.4-4] (5.0)', async () => {
    const server = await memoryServer()
    const present = async (clientId: string, options = kept(version)) => {
      const { client, connack } = await joined(server, clientId, options)
      await lose(client)
      return connack.sessionPresent
    }
    // MQTT 3.1 has no such flag.
    expect([await present('a'), await present('b'), await present('a')]).toEqual([false, false, version !== 3])
    expect([await present('a', { version, clean: true }), await present('a'), await present('b')]).toEqual([false, false, version !== 3])
  })

  test('without a server keep alive, its own is in force [MQTT-3.2.2-22] (5.0)', async () => {
    const { server, clock } = await virtualServer()
    const { client, connack } = await joined(server, 'me', { version, keepalive: 10 })
    expect(connack.properties?.serverKeepAlive).toBeUndefined()
    await clock.advance(14_999)
    await client.settled()
    await clock.advance(15_000)
    expect(await client.end()).toBe('fin')
  })

  test('without a will leaves none behind [MQTT-3.1.2-12] (3.1.1), and a will that is not retained is none that is kept [MQTT-3.1.2-16] (3.1.1) [MQTT-3.1.2-14] (5.0)', async () => {
    const server = await memoryServer()
    const watcher = await join(server, 'watcher')
    await subscribe(watcher, '#', 0, { rap: true })
    await lose(await join(server, 'without', { version }))
    await lose(await join(server, 'with', { version, will: { topic: 'w', payload: Buffer.from('x'), qos: 0, retain: false } }))
    expect(await watcher.next('publish')).toMatchObject({ topic: 'w', retain: false })
    expect(messages(await watcher.settled())).toEqual(['w x'])
    expect(server.retained).toEqual([])
  })
})

describe('CONNACK and DISCONNECT of MQTT 5', () => {
  test.each([0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9f])(
    'refuse with reason code %i, which is one of CONNACK [MQTT-3.2.2-8]',
    async (reasonCode) => {
      const { client, connack } = await joined(await deciding('connect', reasonCode), 'me')
      expect(connack).toMatchObject({ reasonCode })
      expect(await client.end()).toBe('fin')
    },
  )

  test('a DISCONNECT of the server has a code of DISCONNECT, and no session expiry interval [MQTT-3.14.2-1] [MQTT-3.14.2-2]', async () => {
    const server = await memoryServer({ broker: { receiveMaximum: 1 } })
    const breaches: readonly (readonly [PacketInput | string, number])[] = [
      ['36 06 0001 61 0001 00', 0x81],
      ['90 03 0001 00', 0x82],
      [{ cmd: 'publish', topic: 'a', properties: { topicAlias: 60_000 } }, 0x94],
      [{ cmd: 'disconnect', properties: { sessionExpiryInterval: 7 } }, 0x82],
    ]
    for (const [breach, reasonCode] of breaches) {
      const client = await join(server, 'me')
      expect(await client.send(breach).next('disconnect')).toEqual({ cmd: 'disconnect', reasonCode })
    }
    const [older] = [await join(server, 'me', kept(5)), await join(server, 'me', kept(5))]
    expect(await older.next('disconnect')).toEqual({ cmd: 'disconnect', reasonCode: 0x8e })
  })

  test.each([
    ['connect', '[MQTT-3.2.2-20]'],
    ['subscribe', '[MQTT-3.9.2-2]'],
    ['unsubscribe', '[MQTT-3.11.2-2]'],
  ] as const)('user properties that make the answer to %s too large are left out; the rest is said %s', async (kind, _statement) => {
    const server = await deciding(kind, 0, { userProperties: { name: 'x'.repeat(100) } })
    const { client, connack } = await joined(server, 'me', { properties: { maximumPacketSize: 50 } })
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 0 }] }, { cmd: 'unsubscribe', messageId: 2, unsubscriptions: ['a'] })
    const all = [connack, await client.next('suback'), await client.next('unsuback')]
    expect(all.map(({ properties }) => properties?.userProperties)).toEqual([undefined, undefined, undefined])
    const roomy = (await joined(server, 'roomy')).client
    roomy.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 0 }] }, { cmd: 'unsubscribe', messageId: 2, unsubscriptions: ['a'] })
    await roomy.next('unsuback')
    expect(roomy.received.filter((packet) => 'properties' in packet && packet.properties?.userProperties !== undefined)).toHaveLength(1)
  })

  test('a will is kept with its session, user properties in order [MQTT-3.1.2-7] [MQTT-3.1.3-10]', async () => {
    const { server, clock } = await virtualServer()
    const watcher = await join(server, 'watcher')
    await subscribe(watcher, 'w')
    // Will delay 10 s; b=1, a=2, b=3.
    const will = "1a 18 0000000a 26 0001 'b' 0001 '1' 26 0001 'a' 0001 '2' 26 0001 'b' 0001 '3'"
    const client = connectMemory(server, 5).send(framed(0x10, `${hello[5]} 06 0000 05 11 00000064 0001 'c' ${will} 0001 'w' 0001 'x'`))
    await client.next('connack')
    await lose(client)
    await clock.advance('10s')
    const { properties } = await watcher.next('publish')
    expect(userPropertyPairs(properties?.userProperties ?? {})).toEqual([
      ['b', '1'],
      ['a', '2'],
      ['b', '3'],
    ])
  })
})

describe.each(versions)('messages (level %i)', (version) => {
  test('that are retained outlive the session that they came from [MQTT-3.1.2-7] (3.1.1); QoS 0 displaces what was there [MQTT-3.3.1-7] (3.1.1)', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me', { version })
    await client.send({ cmd: 'publish', topic: 'r', payload: 'old', retain: true, qos: 1, messageId: 1 }).next('puback')
    client.send({ cmd: 'publish', topic: 'r', payload: 'new', retain: true }, { cmd: 'disconnect' })
    await client.end()
    expect(server.sessions).toEqual([])
    const later = await join(server, 'later', { version })
    await subscribe(later, 'r')
    expect(messages(await later.settled())).toEqual(['r new'])
  })

  test('without payload are not kept [MQTT-3.3.1-11] (3.1.1) [MQTT-3.3.1-7] (5.0)', async () => {
    const server = await memoryServer()
    await (await join(server, 'me', { version })).send({ cmd: 'publish', topic: 'r', payload: '', retain: true }).settled()
    expect(server.retained).toEqual([])
  })

  test('come to whom their topic concerns [MQTT-3.3.2-3], letter by letter [MQTT-4.7.3-4], byte order mark and all [MQTT-1.5.3-3] (3.1.1)', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me', { version })
    const seen = () => client.received.flatMap((packet) => (packet.cmd === 'publish' ? [packet.topic] : []))
    const topics = ['a/b', 'A/b', 'a//b', '/a/b', 'a/b/', 'a/é', 'a/e\u0301', '\ufeffa/b', ' a/b']
    for (const topic of topics) {
      await subscribe(client, topic)
      for (const other of topics) server.publish({ topic: other, payload: '' })
      await client.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: [topic] }).next('unsuback')
    }
    expect(seen()).toEqual(topics)
  })

  test('and filters may have topics of 65,535 bytes [MQTT-4.7.3-3]', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me', { version })
    const topic = 'x'.repeat(65_535)
    await subscribe(client, topic)
    client.send({ cmd: 'publish', topic, payload: '1' })
    expect((await client.next('publish')).topic).toBe(topic)
  })

  test('enter the session of every subscriber, present or not [MQTT-4.5.0-1]', async () => {
    const server = await memoryServer()
    const present = await join(server, 'present', kept(version))
    const away = await join(server, 'away', kept(version))
    for (const client of [present, away]) await subscribe(client, 'a', 1)
    await lose(away)
    await (await join(server, 'from', { version })).send({ cmd: 'publish', topic: 'a', payload: 'x', qos: 1, messageId: 1 }).next('puback')
    expect(messages(await present.settled())).toEqual(['a x'])
    expect(server.sessions.map(({ clientId, inFlight, queued }) => [clientId, inFlight.size + queued])).toEqual([
      ['present', 1],
      ['away', 1],
      ['from', 0],
    ])
  })

  test('are answered with their own packet id [MQTT-2.3.1-6] (3.1.1) [MQTT-2.2.1-5] [MQTT-4.3.3-8] (5.0), which then stands for a new message, DUP or not [MQTT-4.3.2-2] (3.1.1) [MQTT-4.3.2-5] (5.0)', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me', { version })
    await subscribe(client, 'a')
    await client.send({ cmd: 'publish', topic: 'a', payload: '1', qos: 1, messageId: 300 }).next('puback', { messageId: 300 })
    await client.send({ cmd: 'publish', topic: 'a', payload: '2', qos: 1, messageId: 300, dup: true }).next('puback', { messageId: 300 })
    await client.send({ cmd: 'publish', topic: 'a', payload: '3', qos: 2, messageId: 300 }).next('pubrec', { messageId: 300 })
    await client.send({ cmd: 'pubrel', messageId: 300 }).next('pubcomp', { messageId: 300 })
    expect(messages(await client.settled())).toEqual(['a 1', 'a 2', 'a 3'])
  })

  test('of the server have packet ids that are free [MQTT-2.3.1-4] (3.1.1) [MQTT-2.2.1-4] (5.0)', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me', { version })
    await subscribe(client, 'a', 2)
    for (let count = 0; count < 3; count++) server.publish({ topic: 'a', qos: 2 })
    await client.settled()
    client.send({ cmd: 'pubrec', messageId: 2 }, { cmd: 'pubcomp', messageId: 2 })
    await client.settled()
    for (let count = 0; count < 3; count++) server.publish({ topic: 'a', qos: 1 })
    await client.settled()
    const ids = client.received.flatMap((packet) => (packet.cmd === 'publish' ? [packet.messageId] : []))
    expect(new Set(ids.filter((id) => id !== 2)).size).toBe(ids.filter((id) => id !== 2).length)
  })

  test('that may not be published are acknowledged all the same, or refused with a code (5.0), and go nowhere [MQTT-3.3.5-2] (3.1.1)', async () => {
    const server = await deciding('publish', 0x87)
    const client = await join(server, 'me', { version })
    await subscribe(client, 'a')
    client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 1 })
    expect(await client.next('puback')).toEqual({ cmd: 'puback', messageId: 1, ...(version === 5 && { reasonCode: 0x87 }) })
    expect(messages(await client.settled())).toEqual([])
  })

  test('go over a transport that keeps all bytes in order, both ways [MQTT-7.1.1-1] (3.1.1) [MQTT-4.2.0-1] (5.0)', async () => {
    const { connectTcp } = await import('mqttest/testing')
    const client = await connectTcp(await tcpServer(), version)
    await client.connect()
    await subscribe(client, 'a')
    const payloads = Array.from({ length: 300 }, (_, index) => `${index} ${'x'.repeat(index * 7)}`)
    for (const payload of payloads) client.send({ cmd: 'publish', topic: 'a', payload })
    expect(messages(await client.settled())).toEqual(payloads.map((payload) => `a ${payload}`.trim()))
  })
})

describe('messages of MQTT 5', () => {
  test('after PUBREC with an error a packet id stands for a new message [MQTT-4.3.3-9]', async () => {
    const server = await memoryServer()
    server.hooks.authorize.tap('one', (decision, request) =>
      request.kind === 'publish' && request.topic === 'no' ? { ...decision, reasonCode: 0x97 } : undefined,
    )
    const client = await join(server, 'me')
    await subscribe(client, '#')
    expect(await client.send({ cmd: 'publish', topic: 'no', qos: 2, messageId: 7 }).next('pubrec')).toMatchObject({ reasonCode: 0x97 })
    expect(await client.send({ cmd: 'publish', topic: 'yes', qos: 2, messageId: 7 }).next('pubrec')).toMatchObject({ reasonCode: 0 })
    expect(messages(await client.settled())).toEqual(['yes'])
    expect(server.report().violations).toEqual([])
  })

  test('an exchange at QoS 2 goes to its end although the message has expired, both ways [MQTT-4.3.3-13]', async () => {
    const { server, clock } = await virtualServer()
    const client = await join(server, 'me')
    await subscribe(client, 'to/me', 2)
    server.publish({ topic: 'to/me', qos: 2, properties: { messageExpiryInterval: 5 } })
    await client.next('publish')
    await client.send({ cmd: 'publish', topic: 'from/me', qos: 2, messageId: 9, properties: { messageExpiryInterval: 5 } }).next('pubrec')
    await clock.advance('10s')
    await client.send({ cmd: 'pubrec', messageId: 1 }).next('pubrel', { messageId: 1, reasonCode: 0 })
    await client.send({ cmd: 'pubrel', messageId: 9 }).next('pubcomp', { messageId: 9, reasonCode: 0 })
  })

  test('acknowledgements have codes of their own tables only [MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.6.2-1] [MQTT-3.7.2-1]', async () => {
    const server = await memoryServer({ broker: { unknownPacketId: 'not-found' } })
    const client = await join(server, 'me')
    await subscribe(client, 'heard', 2)
    server.publish({ topic: 'heard', qos: 2 })
    client.send({ cmd: 'publish', topic: 'unheard', qos: 1, messageId: 1 }, { cmd: 'publish', topic: 'unheard', qos: 2, messageId: 2 })
    client.send({ cmd: 'publish', topic: 'other', qos: 2, messageId: 2 }, { cmd: 'pubrel', messageId: 2 })
    client.send({ cmd: 'pubrec', messageId: 1 }, { cmd: 'pubrec', messageId: 50 }, { cmd: 'pubrel', messageId: 51 })
    await client.settled()
    expect(answers(client)).toEqual([
      'publish 1',
      'puback 1 0x10',
      'pubrec 2',
      'pubrec 2 0x91',
      'pubcomp 2',
      'pubrel 1',
      'pubrel 50 0x92',
      'pubcomp 51 0x92',
      'pingresp',
    ])
    // The client's own decoder knows the tables.
    expect(client.malformed).toEqual([])
  })

  test('with no room in flight, messages wait and everything else goes on [MQTT-3.3.4-10] [MQTT-4.9.0-1] [MQTT-4.9.0-2] [MQTT-4.9.0-3]', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me', { properties: { receiveMaximum: 1 } })
    await subscribe(client, 'a', 2)
    for (const payload of ['1', '2']) server.publish({ topic: 'a', qos: 2, payload })
    server.publish({ topic: 'a', payload: 'at once' })
    client.send({ cmd: 'publish', topic: 'x', qos: 2, messageId: 9 }, { cmd: 'pubrel', messageId: 9 })
    client.send({ cmd: 'subscribe', messageId: 10, subscriptions: [{ topic: 'b', qos: 0 }] }, { cmd: 'unsubscribe', messageId: 11, unsubscriptions: ['b'] })
    client.send({ cmd: 'pubrec', messageId: 1 })
    await client.settled()
    expect(client.received.map(({ cmd }) => cmd).slice(2)).toEqual(['publish', 'publish', 'pubrec', 'pubcomp', 'suback', 'unsuback', 'pubrel', 'pingresp'])
    expect(messages(client)).toEqual(['a 1', 'a at once'])
    expect(messages(await client.send({ cmd: 'pubcomp', messageId: 1 }).settled())).toEqual(['a 1', 'a at once', 'a 2'])
  })

  test('aliases of the server end where the client says, those of the client may go to the maximum of the server [MQTT-3.3.2-11] [MQTT-3.3.2-12]', async () => {
    const server = await memoryServer({ broker: { topicAliasMaximum: 3 } })
    const client = await join(server, 'me', { properties: { topicAliasMaximum: 2 } })
    await subscribe(client, 't/#')
    for (const topicAlias of [3, 2, 1]) client.send({ cmd: 'publish', topic: `t/${topicAlias}`, payload: '', properties: { topicAlias } })
    for (const topicAlias of [1, 2, 3]) client.send({ cmd: 'publish', topic: '', payload: '', properties: { topicAlias } })
    await client.settled()
    const seen = client.received.flatMap((packet) => (packet.cmd === 'publish' ? [[packet.topic, packet.properties?.topicAlias]] : []))
    expect(seen).toEqual([
      ['t/3', 1],
      ['t/2', 2],
      ['t/1', undefined],
      ['t/1', undefined],
      ['', 2],
      ['', 1],
    ])
  })
})

describe.each(versions)('SUBSCRIBE and UNSUBSCRIBE (level %i)', (version) => {
  test('are answered with their own packet id [MQTT-2.3.1-7] [MQTT-3.8.4-2] (3.1.1) [MQTT-2.2.1-6] [MQTT-3.8.4-2] (5.0), one code for each filter, in order [MQTT-3.9.3-1], many filters like many packets [MQTT-3.8.4-4] (3.1.1) [MQTT-3.8.4-5] (5.0)', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me', { version })
    const subscriptions = ([2, 0, 1, 0] as const).map((qos, index) => ({ topic: `f/${index}`, qos }))
    const suback = await client.send({ cmd: 'subscribe', messageId: 4711, subscriptions }).next('suback')
    expect(suback).toMatchObject({ messageId: 4711, granted: [2, 0, 1, 0] })
    for (const { topic } of subscriptions) server.publish({ topic, payload: '' })
    expect(messages(await client.settled())).toEqual(subscriptions.map(({ topic }) => topic))
    expect(client.received.filter(({ cmd }) => cmd === 'suback')).toHaveLength(1)
  })

  test('UNSUBACK comes even where nothing was subscribed [MQTT-3.10.4-5], one for many filters [MQTT-3.10.4-6]', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me', { version })
    for (const topic of ['a', 'b']) await subscribe(client, topic)
    const first = await client.send({ cmd: 'unsubscribe', messageId: 300, unsubscriptions: ['a', 'never', 'b'] }).next('unsuback')
    expect(first).toEqual({ cmd: 'unsuback', messageId: 300, ...(version === 5 && { granted: [0, 0x11, 0] }) })
    const second = await client.send({ cmd: 'unsubscribe', messageId: 301, unsubscriptions: ['never'] }).next('unsuback')
    expect(second).toEqual({ cmd: 'unsuback', messageId: 301, ...(version === 5 && { granted: [0x11] }) })
    for (const topic of ['a', 'b']) expect(server.publish({ topic })).toBe(0)
    expect(client.received.filter(({ cmd }) => cmd === 'unsuback')).toHaveLength(2)
  })

  test('a filter with wildcards is refused where the server has none [MQTT-3.8.3-2] (3.1.1)', async () => {
    const client = await join(await memoryServer({ broker: { wildcardSubscriptionAvailable: false } }), 'me', { version })
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a/#', qos: 0 }] })
    expect(await client.end()).toBe('fin')
  })

  test('any QoS may be asked for, whatever the server has [MQTT-3.2.2-10] (5.0); each code is one that was granted, or a failure [MQTT-3.8.4-7] (5.0)', async () => {
    for (const maximumQos of [0, 1, 2] as const) {
      const client = await join(await memoryServer({ broker: { maximumQos } }), 'me', { version })
      for (const qos of [0, 1, 2] as const) expect(await subscribe(client, 'a', qos)).toBe(Math.min(qos, maximumQos))
    }
  })
})

describe('reason codes of SUBACK and UNSUBACK', () => {
  test.each([0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2])(
    'SUBACK refuses with %i in MQTT 5, with 0x80 in 3.1.1 [MQTT-3.9.3-2]',
    async (reasonCode) => {
      const server = await deciding('subscribe', reasonCode)
      expect(await subscribe(await join(server, 'five'), 'a')).toBe(reasonCode)
      expect(await subscribe(await join(server, 'four', { version: 4 }), 'a')).toBe(0x80)
      expect(server.sessions.map(({ subscriptions }) => subscriptions.size)).toEqual([0, 0])
    },
  )

  test.each([0x80, 0x83, 0x87, 0x8f, 0x91])('UNSUBACK refuses with %i in MQTT 5 [MQTT-3.11.3-2]', async (reasonCode) => {
    const server = await deciding('unsubscribe', reasonCode)
    const client = await join(server, 'me')
    await subscribe(client, 'a')
    await client.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: ['a'] }).next('unsuback', { granted: [reasonCode] })
    expect(server.sessions[0]?.subscriptions.size).toBe(1)
  })
})

describe('subscriptions of MQTT 5', () => {
  test('one that is replaced sends retained messages again, and loses nothing [MQTT-3.8.4-4]', async () => {
    const server = await memoryServer()
    server.publish({ topic: 'r/kept', payload: 'k', retain: true })
    const client = await join(server, 'me', { properties: { receiveMaximum: 1 } })
    await subscribe(client, 'r/+', 1)
    for (const topic of ['r/1', 'r/2', 'r/3']) server.publish({ topic, payload: '', qos: 1 })
    await subscribe(client, 'r/+', 1)
    for (const messageId of [1, 2, 3]) {
      await client.settled()
      client.send({ cmd: 'puback', messageId })
    }
    expect(messages(await client.settled())).toEqual(['r/kept k', 'r/1', 'r/kept k', 'r/2', 'r/3'])
  })

  test('shared: each member gets messages at the QoS that it was granted [MQTT-4.8.2-3]', async () => {
    const server = await memoryServer()
    const members = await Promise.all(([0, 1, 2] as const).map((qos) => join(server, `q${qos}`)))
    for (const [qos, member] of members.entries()) await subscribe(member, '$share/g/s', qos === 0 ? 0 : qos === 1 ? 1 : 2)
    for (let count = 0; count < 6; count++) server.publish({ topic: 's', payload: String(count), qos: 2 })
    for (const [qos, member] of members.entries()) {
      await member.settled()
      expect(member.received.flatMap((packet) => (packet.cmd === 'publish' ? [packet.qos] : []))).toEqual([qos, qos])
    }
  })

  test('shared: a QoS 2 message that was sent to a member whose session ends goes to nobody else [MQTT-4.8.2-5]', async () => {
    const { server, clock } = await virtualServer()
    const first = await join(server, 'first', { clean: false, properties: { sessionExpiryInterval: 5 } })
    const second = await join(server, 'second')
    for (const member of [first, second]) await subscribe(member, '$share/g/s', 2)
    server.publish({ topic: 's', payload: 'x', qos: 2 })
    await first.next('publish')
    await lose(first)
    await clock.advance('6s')
    expect(server.sessions.map(({ clientId }) => clientId)).toEqual(['second'])
    expect(messages(await second.settled())).toEqual([])
  })

  test.each([
    [1, { cmd: 'puback', messageId: 1, reasonCode: 0x83 }],
    [2, { cmd: 'pubrec', messageId: 1, reasonCode: 0x97 }],
  ] as const)('shared: a message at QoS %i that a member rejects is dropped [MQTT-4.8.2-6]', async (qos, rejection) => {
    const server = await memoryServer()
    const [first, second] = [await join(server, 'first'), await join(server, 'second')]
    for (const member of [first, second]) await subscribe(member, '$share/g/s', qos)
    server.publish({ topic: 's', payload: 'x', qos })
    await first.next('publish')
    await first.send(rejection).settled()
    expect(server.sessions.map(({ inFlight, queued }) => inFlight.size + queued)).toEqual([0, 0])
    expect(messages(await second.settled())).toEqual([])
  })
})
