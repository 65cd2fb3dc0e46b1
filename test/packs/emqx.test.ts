/** What a client meets at EMQX, and at its Serverless. */
import { emqx } from 'mqttest/packs'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join, joined, messages } from '../support/client.ts'
import { exchanged, heard, joining, publish, subscribe, welcomed } from '../support/outcome.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

type Options = Parameters<typeof emqx>[0]

const serverWith = (options: Options = {}) => memoryServer({ plugins: [emqx(options)] })

/** What a client gets for packets. */
async function answer(options: Options, version: 3 | 4 | 5, ...packets: readonly Parameters<typeof exchanged>[1][]) {
  return exchanged(await joining(await serverWith(options), version), ...packets)
}

const deep = (levels: number) => Array(levels).fill('a').join('/')
const ann = { username: 'ann', password: Buffer.from('secret') }

describe('CONNECT', () => {
  test('every limit is in CONNACK', async () => {
    expect((await joined(await serverWith(), 'me')).connack.properties).toEqual({
      receiveMaximum: 32,
      retainAvailable: true,
      maximumPacketSize: 1_048_576,
      topicAliasMaximum: 65_535,
      wildcardSubscriptionAvailable: true,
      subscriptionIdentifiersAvailable: true,
      sharedSubscriptionAvailable: true,
    })
    const { connack } = await joined(await serverWith({ maximumQos: 1, retained: false }), 'me')
    expect(connack.properties).toMatchObject({ maximumQoS: 1, retainAvailable: false })
  })

  test('no client id without clean start is refused, also in MQTT 5', async () => {
    expect(await welcomed(await serverWith(), 4, { clientId: '', clean: false })).toBe('connack 2, fin')
    expect(await welcomed(await serverWith(), 5, { clientId: '', clean: false })).toBe('connack 0x85, fin')
    expect(await welcomed(await serverWith(), 5, { clientId: '' })).toBe('connack')
  })

  test('wrong credentials get 4 or 0x86; anonymous clients get in where there are no users', async () => {
    const server = await serverWith({ users: { ann: 'other' } })
    expect([await welcomed(server, 4, ann), await welcomed(server, 5, ann), await welcomed(server, 4)]).toEqual([
      'connack 4, fin',
      'connack 0x86, fin',
      'connack 4, fin',
    ])
    expect([await welcomed(await serverWith(), 4, ann), await welcomed(await serverWith(), 4)]).toEqual(['connack', 'connack'])
  })

  test('flapping: the 16th CONNECT of a minute is banned for five minutes, and its client id only', async () => {
    const { server, clock } = await virtualServer({ plugins: [emqx({ flapping: true })] })
    for (let number = 1; number <= 15; number++) expect(await welcomed(server, 5)).toBe('connack')
    expect(await welcomed(server, 5)).toBe('connack 0x8a, fin')
    expect(await welcomed(server, 5, { clientId: 'other' })).toBe('connack')
    await clock.advance('4m')
    expect(await welcomed(server, 5)).toBe('connack 0x8a, fin')
    await clock.advance('5m')
    expect(await welcomed(server, 5)).toBe('connack')
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
  test('1 MB and 128 levels are the end of it', async () => {
    const large = publish('a', 1, 7, { size: 1_048_576 })
    expect([await answer({}, 5, large), await answer({}, 4, large)]).toEqual(['disconnect 0x95, fin', 'fin'])
    expect([await answer({}, 5, publish(deep(128))), await answer({}, 5, publish(deep(129)))]).toEqual(['puback 16', 'disconnect 0x90, fin'])
    expect([await answer({}, 4, publish(deep(129))), await answer({}, 5, subscribe([deep(129), 'a']))]).toEqual(['fin', 'suback 0x8f,0'])
  })

  test('a PUBLISH to wildcards ends the connection', async () => {
    expect([await answer({}, 5, publish('a/#')), await answer({}, 4, publish('a/#'))]).toEqual(['disconnect 0x90, fin', 'fin'])
  })

  test('100 QoS 2 messages may wait for PUBREL', async () => {
    const burst = (count: number) => Array.from({ length: count }, (_, index) => publish('a', 2, index + 1))
    expect(await answer({}, 5, ...burst(100))).not.toContain('fin')
    expect(await answer({}, 5, ...burst(101))).toMatch(/disconnect 0x93, fin$/)
  })

  test('32 messages are under way to a client', async () => {
    const server = await serverWith()
    const client = await joining(server)
    await exchanged(client, subscribe('a', 1))
    for (let number = 1; number <= 40; number++) server.publish({ topic: 'a', qos: 1 })
    await client.settled()
    expect(messages(client)).toHaveLength(32)
  })

  test('what may not be published looks like a success to MQTT 3; denyAction: disconnect ends the connection', async () => {
    const options = { denyPublish: ['secret/#'] }
    const packets = [publish('secret/a', 0), publish('secret/a', 1), publish('secret/a', 2, 8)]
    expect([await answer(options, 4, ...packets), await answer(options, 5, ...packets)]).toEqual(['puback, pubrec', 'puback 0x87, pubrec 0x87'])
    const strict = { ...options, denyAction: 'disconnect' } as const
    expect([await answer(strict, 4, publish('secret/a')), await answer(strict, 5, publish('secret/a', 0))]).toEqual(['fin', 'disconnect 0x87, fin'])
  })

  test('what may not be subscribed to gets 0x80, or 0x87 in MQTT 5', async () => {
    const options = { denySubscribe: ['secret/#'] }
    expect([await answer(options, 4, subscribe(['secret/a', 'a'])), await answer(options, 5, subscribe('secret/a'))]).toEqual(['suback 0x80,0', 'suback 0x87'])
  })

  test('nobody there: 0x10 in MQTT 5', async () => {
    expect([await answer({}, 5, publish('a')), await answer({}, 4, publish('a'))]).toEqual(['puback 16', 'puback'])
  })

  test('maximumQos and retained: what is switched off ends the connection', async () => {
    expect(await answer({ maximumQos: 1 }, 5, subscribe('b', 2), publish('a', 2))).toBe('suback 1, disconnect 0x9b, fin')
    expect(await answer({ retained: false }, 5, { ...publish('a'), retain: true })).toBe('disconnect 0x9a, fin')
  })

  test('topic aliases are made for clients that allow them', async () => {
    const client = await join(await serverWith(), 'me', { properties: { topicAliasMaximum: 5 } })
    await exchanged(client, subscribe('a'), publish('a', 0))
    expect((await client.next('publish')).properties?.topicAlias).toBe(1)
  })

  test('subscriptions: more than the maximum get 0x97', async () => {
    expect(await answer({ subscriptions: 1 }, 5, subscribe(['a', 'b']))).toBe('suback 0,0x97')
    expect(await answer({ subscriptions: 1 }, 4, subscribe(['a', 'b']))).toBe('suback 0,0x80')
  })

  test('messagesPerSecond: 6 refuses what is above it, 5.8 reads it later', async () => {
    const packets = [publish('a', 1, 1), publish('a', 1, 2), publish('a', 1, 3), publish('a', 0)]
    expect(await answer({ messagesPerSecond: 2 }, 5, ...packets)).toBe('puback 16, puback 16, puback 0x97')
    const { server, clock } = await virtualServer({ plugins: [emqx({ messagesPerSecond: 2, version: '5.8' })] })
    const client = await joining(server, 5)
    client.send(...packets)
    await clock.advance(500)
    expect(heard(client)).toBe('puback 16, puback 16')
    await clock.advance(2000)
    expect(heard(client)).toBe('puback 16, puback 16, puback 16')
  })
})

describe('Serverless', () => {
  const serverless = { serverless: true, anonymous: true }

  test('nobody gets in without credentials', async () => {
    const server = await serverWith({ serverless: true })
    expect([await welcomed(server, 4), await welcomed(server, 5), await welcomed(server, 4, ann)]).toEqual(['connack 4, fin', 'connack 0x86, fin', 'connack'])
  })

  test('ten messages a second, ten subscriptions, ten levels in a filter', async () => {
    const packets = Array.from({ length: 11 }, (_, index) => publish('a', 1, index + 1))
    expect(await answer(serverless, 5, ...packets)).toBe(`${'puback 16, '.repeat(10)}puback 0x97`)
    const eleven = subscribe(Array.from({ length: 11 }, (_, index) => `${index}`))
    expect(await answer(serverless, 5, eleven)).toBe(`suback ${'0,'.repeat(10)}0x97`)
    expect(await answer(serverless, 5, subscribe([deep(10), deep(11)]))).toBe('suback 0,0x8f')
    expect(await answer(serverless, 5, publish(deep(11)))).toBe('puback 16')
  })

  test('client ids have 1024 bytes at most', async () => {
    const server = await serverWith(serverless)
    expect(await welcomed(server, 4, { clientId: 'x'.repeat(1024) })).toBe('connack')
    expect(await welcomed(server, 4, { clientId: 'x'.repeat(1025) })).toBe('connack 2, fin')
  })

  test('a thousand messages are kept for a client that is away', async () => {
    const server = await serverWith(serverless)
    const client = await joining(server, 4, { clean: false })
    await exchanged(client, subscribe('a', 1))
    client.reset()
    await server.clock.advance(1)
    for (let number = 1; number <= 1001; number++) server.publish({ topic: 'a', qos: 1 })
    expect(server.report().dropped).toEqual([{ reason: 'queueFull', count: 1, clientIds: ['me'] }])
  })
})

describe('time', () => {
  test.each([
    [{}, 15_000],
    [{ serverless: true }, 10_000],
    [{ timeScale: 0.01 }, 150],
  ])('a connection without CONNECT is closed: with %o after %d ms', async (options, afterMs) => {
    const { server, clock } = await virtualServer({ plugins: [emqx(options)] })
    const client = connectMemory(server)
    await clock.advance(afterMs - 1)
    expect(client.ended).toBeUndefined()
    await clock.advance(1)
    expect(client.ended).toBe('fin')
  })

  test('5.7 sends again what was not acknowledged, every 30 s with DUP; later versions do not', async () => {
    for (const [version, count] of [
      ['5.7', 4],
      ['5.8', 1],
      ['6', 1],
    ] as const) {
      const { server, clock } = await virtualServer({ plugins: [emqx({ version, timeScale: 0.01 })] })
      const client = await join(server, 'me')
      await exchanged(client, subscribe('a', 1))
      server.publish({ topic: 'a', qos: 1 })
      await clock.advance(900)
      const dups = client.received.flatMap((packet) => (packet.cmd === 'publish' ? packet.dup : []))
      expect(dups).toEqual([false, true, true, true].slice(0, count))
    }
  })

  test('a session of MQTT 3 lasts two hours, one of MQTT 5 as long as it asks', async () => {
    const { server, clock } = await virtualServer({ plugins: [emqx()] })
    ;(await join(server, 'three', { version: 4, clean: false })).reset()
    ;(await join(server, 'five', { clean: false, properties: { sessionExpiryInterval: 10_000 } })).reset()
    await clock.advance(7_199_000)
    expect(server.sessions.map(({ clientId }) => clientId)).toEqual(['three', 'five'])
    await clock.advance(2000)
    expect(server.sessions.map(({ clientId }) => clientId)).toEqual(['five'])
  })

  test('a silent client hears 0x8D in MQTT 5', async () => {
    const { server, clock } = await virtualServer({ plugins: [emqx()] })
    const client = await join(server, 'me', { keepalive: 2 })
    await clock.advance(3000)
    expect(heard(client)).toBe('disconnect 0x8d, fin')
  })
})
