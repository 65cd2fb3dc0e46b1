/** What a client meets at RabbitMQ, in its versions. */
import { rabbitmq } from 'mqttest/packs'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join, joined, messages } from '../support/client.ts'
import { exchanged, heard, joining, publish, subscribe, welcomed } from '../support/outcome.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

type Options = Parameters<typeof rabbitmq>[0]

const serverWith = (options: Options = {}) => memoryServer({ plugins: [rabbitmq(options)] })

/** What a client gets for packets. */
async function answer(options: Options, version: 3 | 4 | 5, ...packets: readonly Parameters<typeof exchanged>[1][]) {
  return exchanged(await joining(await serverWith(options), version), ...packets)
}

const old = { version: '3' } as const

describe('CONNECT', () => {
  test('4.x says what it has not, and no receive maximum', async () => {
    expect((await joined(await serverWith(), 'me')).connack.properties).toEqual({
      maximumQoS: 1,
      topicAliasMaximum: 16,
      maximumPacketSize: 16_777_216,
      sharedSubscriptionAvailable: false,
      sessionExpiryInterval: 0,
    })
  })

  test('3.x closes the connection of MQTT 5 without a word', async () => {
    expect([await welcomed(await serverWith(old), 5), await welcomed(await serverWith(old), 4)]).toEqual(['fin', 'connack'])
  })

  test('wrong credentials get 4 or 0x86; anonymous clients get in where there are no users', async () => {
    const users = { ann: 'secret' }
    const wrong = { username: 'ann', password: Buffer.from('wrong') }
    expect(await welcomed(await serverWith({ users }), 4, wrong)).toBe('connack 4, fin')
    expect(await welcomed(await serverWith({ users }), 5, wrong)).toBe('connack 0x86, fin')
    expect(await welcomed(await serverWith({ users }), 4, { ...wrong, password: Buffer.from('secret') })).toBe('connack')
    expect([await welcomed(await serverWith({ users }), 4), await welcomed(await serverWith(), 4)]).toEqual(['connack 4, fin', 'connack'])
  })

  test('an authentication method gets 0x8C', async () => {
    expect(await welcomed(await serverWith(), 5, { properties: { authenticationMethod: 'SCRAM-SHA-1' } })).toBe('connack 0x8c, fin')
  })

  test('a large CONNECT is cut by 4.x', async () => {
    const connect = { username: 'ann', password: Buffer.alloc(65_000), will: { topic: 'a', payload: Buffer.alloc(1000), qos: 0, retain: false } } as const
    expect([await welcomed(await serverWith(), 4, connect), await welcomed(await serverWith(old), 4, connect)]).toEqual(['fin', 'connack'])
  })

  test('3.x takes no client id with a clean session, also in MQTT 3.1', async () => {
    for (const version of [3, 4] as const) {
      expect(await welcomed(await serverWith(old), version, { clientId: '' })).toBe('connack')
      expect(await welcomed(await serverWith(old), version, { clientId: '', clean: false })).toBe('connack 2, fin')
    }
  })

  test('a second CONNECT gets a second CONNACK from 3.x', async () => {
    const client = await joining(await serverWith(old))
    await client.sendConnect({ clientId: 'me' }).settled()
    expect(heard(client, 0)).toBe('connack, connack, pingresp')
  })

  test('who is taken over hears 0x8E in MQTT 5', async () => {
    const server = await serverWith()
    const first = await joining(server, 5)
    await joining(server, 5)
    await first.end()
    expect(heard(first)).toBe('disconnect 0x8e, fin')
  })
})

describe('messages', () => {
  test('QoS 2 is answered with PUBACK in MQTT 3, and with DISCONNECT in MQTT 5', async () => {
    for (const version of ['3', '4'] as const) expect(await answer({ version }, 4, subscribe('a', 2), publish('a', 2))).toBe('suback 1, publish a, puback')
    expect(await answer({}, 5, subscribe('a', 2))).toBe('suback 1')
    expect(await answer({}, 5, publish('a', 2))).toBe('disconnect 0x9b, fin')
  })

  test('nobody there: 0x10 in MQTT 5', async () => {
    expect([await answer({}, 5, publish('a')), await answer({}, 4, publish('a'))]).toEqual(['puback 16', 'puback'])
  })

  test('dots come back as slashes', async () => {
    expect(await answer({}, 4, subscribe('d/#'), publish('d.e', 0))).toBe('suback 0, publish d/e')
    expect(await answer({}, 4, subscribe('d.e'), publish('d/e', 0))).toBe('suback 0, publish d/e')
  })

  test('overlapping filters give one copy each', async () => {
    const server = await serverWith()
    const client = await joining(server)
    const filters = {
      cmd: 'subscribe',
      messageId: 9,
      subscriptions: [
        { topic: 'a/#', qos: 0 },
        { topic: 'a/+', qos: 1 },
      ],
    } as const
    await exchanged(client, filters)
    server.publish({ topic: 'a/b', qos: 1 })
    await client.settled()
    expect(client.received.flatMap((packet) => (packet.cmd === 'publish' ? packet.qos : [])).sort()).toEqual([0, 1])
  })

  test('retained messages come for a topic, not for wildcards', async () => {
    const server = await serverWith()
    server.publish({ topic: 'r/a', payload: 'x', retain: true })
    const [exact, wild] = [await joining(server, 4, { clientId: 'exact' }), await joining(server, 4, { clientId: 'wild' })]
    expect(await exchanged(exact, subscribe('r/a'))).toBe('suback 0, publish r/a')
    expect(await exchanged(wild, subscribe('r/#'))).toBe('suback 0')
  })

  test('no more than 10 messages are under way', async () => {
    const server = await serverWith()
    const client = await joining(server)
    await exchanged(client, subscribe('a', 1))
    for (let number = 1; number <= 15; number++) server.publish({ topic: 'a', qos: 1 })
    await client.settled()
    expect(messages(client)).toHaveLength(10)
    await client.send({ cmd: 'puback', messageId: 1 }).settled()
    expect(messages(client)).toHaveLength(11)
  })

  test('a shared subscription ends the connection in MQTT 5', async () => {
    expect(await answer({}, 5, subscribe('$share/group/a'))).toBe('disconnect 0x9e, fin')
  })

  test('topic alias 17 and packets beyond 16 MiB end it, too', async () => {
    const aliased = (topicAlias: number) => ({ ...publish('a', 0), properties: { topicAlias } })
    expect([await answer({}, 5, aliased(16)), await answer({}, 5, aliased(17))]).toEqual(['', 'disconnect 0x94, fin'])
    // The header of a PUBLISH of 17 MB is enough.
    expect(await answer({}, 5, '30 80 80 80 09')).toBe('disconnect 0x95, fin')
  })

  test('what may not be published closes the connection', async () => {
    const options = { denyPublish: ['secret/#'] }
    for (const qos of [0, 1] as const) {
      expect(await answer(options, 4, publish('secret/a', qos))).toBe('fin')
      expect(await answer({ ...options, ...old }, 4, publish('secret/a', qos))).toBe('fin')
      expect(await answer(options, 5, publish('secret/a', qos))).toBe('disconnect 0x87, fin')
    }
    expect(await answer({ ...options, disconnectOnUnauthorized: false }, 5, publish('secret/a'))).toBe('puback 0x87')
  })

  test('what may not be subscribed to is refused and closed on, by 3.x only closed on', async () => {
    const options = { denySubscribe: ['secret/#'] }
    expect(await answer(options, 4, subscribe('secret/a'))).toBe('suback 0x80, fin')
    expect(await answer(options, 5, subscribe('secret/a'))).toBe('suback 0x87, disconnect 0x87, fin')
    expect(await answer({ ...options, ...old }, 4, subscribe('secret/a'))).toBe('fin')
    expect(await answer({ ...options, disconnectOnUnauthorized: false }, 5, subscribe('secret/a'))).toBe('suback 0x87')
  })

  test('3.x takes a will that may not be published, and does not publish it', async () => {
    const server = await serverWith({ ...old, denyPublish: ['secret/#'] })
    const watcher = await joining(server, 4, { clientId: 'watcher' })
    await exchanged(watcher, subscribe('#'))
    const client = connectMemory(server)
    await client.connect({ clientId: 'me', will: { topic: 'secret/will', payload: Buffer.from('x'), qos: 0, retain: false } })
    client.reset()
    await watcher.settled()
    expect(messages(watcher)).toEqual([])
  })

  test('3.x takes a PUBLISH to wildcards', async () => {
    expect(await answer(old, 4, publish('ok/#'))).toBe('puback')
    expect(await answer({}, 4, publish('ok/#'))).toBe('fin')
  })
})

describe('time', () => {
  test.each([
    [1, 10_000],
    [0.01, 100],
  ])('a connection without CONNECT is closed: with a timeScale of %d after %d ms', async (timeScale, afterMs) => {
    const { server, clock } = await virtualServer({ plugins: [rabbitmq({ timeScale })] })
    const client = connectMemory(server)
    await clock.advance(afterMs - 1)
    expect(client.ended).toBeUndefined()
    await clock.advance(1)
    expect(client.ended).toBe('fin')
  })

  test('a silent client is cut by 3.x after three keep-alives, by 4.x after one and a half', async () => {
    for (const [version, afterMs] of [
      ['3', 6000],
      ['4', 3000],
    ] as const) {
      const { server, clock } = await virtualServer({ plugins: [rabbitmq({ version })] })
      const client = await join(server, 'me', { version: 4, keepalive: 2 })
      await clock.advance(afterMs - 1)
      expect(client.ended).toBeUndefined()
      await clock.advance(1)
      expect(heard(client)).toBe('fin')
    }
    const { server, clock } = await virtualServer({ plugins: [rabbitmq()] })
    const client = await join(server, 'me', { keepalive: 2 })
    await clock.advance(3000)
    expect(heard(client)).toBe('disconnect 0x8d, fin')
  })

  test('a session lasts a day at most, and CONNACK says so', async () => {
    const kept = (sessionExpiryInterval: number) => ({ clean: false, properties: { sessionExpiryInterval } })
    const server = await serverWith()
    expect((await joined(server, 'one', kept(1_000_000))).connack.properties?.sessionExpiryInterval).toBe(86_400)
    expect((await joined(server, 'two', kept(60))).connack.properties?.sessionExpiryInterval).toBe(60)
  })

  test('tokenLifetime: the connection ends with 0xA0', async () => {
    const { server, clock } = await virtualServer({ plugins: [rabbitmq({ tokenLifetime: '1h', timeScale: 0.01 })] })
    const client = await join(server, 'me', { username: 'ann', password: Buffer.from('token') })
    await clock.advance('36s')
    expect(heard(client)).toBe('disconnect 0xa0, fin')
  })
})
