/** What a client meets at the broker of an Azure Event Grid namespace. */
import type { ProtocolVersion } from 'mqttest'
import { azureEventGrid } from 'mqttest/packs'
import { connectMemory, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join, joined, messages } from '../support/client.ts'
import { exchanged, heard, publish, spoken, subscribe, unsubscribe } from '../support/outcome.ts'
import { type VirtualServer, virtualServer } from '../support/server.ts'

type Options = NonNullable<Parameters<typeof azureEventGrid>[0]>

const versions = [4, 5] as const
const username = 'joe'
const userProperties = { trace: '1' }
const will = { topic: 'gone', payload: Buffer.from('x'), qos: 0, retain: true } as const

function grid(options: Options = {}): Promise<VirtualServer> {
  return virtualServer({ plugins: [azureEventGrid(options)] })
}

/** What a client hears for what it says. */
async function said(version: ProtocolVersion, packet: Parameters<typeof exchanged>[1], options: Options = {}): Promise<string> {
  const { server } = await grid(options)
  return exchanged(await join(server, 'me', { version, username }), packet)
}

/** What a client hears for its CONNECT. */
async function refused({ server }: VirtualServer, version: ProtocolVersion, connect: Parameters<RawClient['sendConnect']>[0] = {}): Promise<string> {
  const client = connectMemory(server, version).sendConnect({ clientId: 'me', username, ...connect })
  await Promise.race([client.next('connack'), client.end()]).catch(() => undefined)
  return heard(client, 0)
}

describe('azure-event-grid lets in', () => {
  test('clients of MQTT 3.1.1 and 5 with a user name and a client id', async () => {
    const all = await grid()
    expect(await refused(all, 3)).toBe('connack 1, fin')
    expect(await refused(all, 4, { clientId: '' })).toBe('connack 2, fin')
    expect(await refused(all, 5, { clientId: '' })).toBe('connack 0x85, fin')
    for (const version of versions) {
      const client = connectMemory(all.server, version).sendConnect({ clientId: 'other' })
      await client.end()
      expect(heard(client, 0)).toBe(version === 4 ? 'connack 5, fin' : 'connack 0x87, fin')
      expect(await refused(all, version)).toBe('connack')
    }
  })

  test('one session of a user: another client id is refused, the same one takes over, and not that of somebody else', async () => {
    const all = await grid()
    const first = await join(all.server, 'me', { username })
    expect(await refused(all, 5, { clientId: 'another' })).toBe('connack 0x97, fin')
    expect(await refused(all, 5, { username: 'jane' })).toBe('connack 0x87, fin')
    expect(await refused(all, 4, { username: 'jane' })).toBe('connack 5, fin')
    expect(await refused(all, 5)).toBe('connack')
    expect(await first.next('disconnect')).toMatchObject({ reasonCode: 0x8e })
  })

  test('who has a web token, until that expires', async () => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const password = Buffer.from(`${part({ alg: 'none' })}.${part({ exp: 60 })}.c2ln`)
    const all = await grid({ token: true })
    expect(await refused(all, 5, { password: Buffer.from('secret') })).toBe('connack 0x87, fin')
    const client = await join(all.server, 'me', { username, password })
    await all.clock.advance('60s')
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x87 })
  })
})

describe('azure-event-grid says in CONNACK', () => {
  test('every limit', async () => {
    const { server } = await grid()
    const { connack } = await joined(server, 'me', { username, keepalive: 60, properties: { sessionExpiryInterval: 86_400 } })
    expect(connack.properties).toEqual({
      maximumQoS: 1,
      receiveMaximum: 1000,
      topicAliasMaximum: 10,
      maximumPacketSize: 524_288,
      retainAvailable: true,
      subscriptionIdentifiersAvailable: false,
      sharedSubscriptionAvailable: false,
      serverKeepAlive: 60,
      sessionExpiryInterval: 3600,
    })
  })

  test('a keep-alive of 1160 s, which MQTT 3.1.1 clients do not hear of', async () => {
    const { server, clock } = await grid({ sessionsPerUser: 2 })
    expect((await joined(server, 'new', { username, keepalive: 3600 })).connack.properties).toMatchObject({ serverKeepAlive: 1160 })
    const old = await join(server, 'old', { version: 4, username, keepalive: 3600 })
    await clock.advance('1741s')
    expect(old.ended).toBe('fin')
  })
})

describe('azure-event-grid takes no user properties', () => {
  test('on CONNECT', async () => {
    expect(await refused(await grid(), 5, { properties: { userProperties } })).toBe('connack 0x83, fin')
  })

  test.each([
    ['SUBSCRIBE', subscribe('a')],
    ['UNSUBSCRIBE', unsubscribe('a')],
    ['DISCONNECT', { cmd: 'disconnect', reasonCode: 0 }],
  ] as const)('on %s', async (_name, packet) => {
    expect(await said(5, { ...packet, properties: { userProperties } })).toBe('disconnect 0x83, fin')
  })

  test('on PUBLISH it does', async () => {
    expect(await said(5, { ...publish('a'), properties: { userProperties } })).toBe('puback 16')
  })

  test('nor PUBACK that refuses a message', async () => {
    for (const answer of [{ reasonCode: 0x80 }, { reasonCode: 0, properties: { userProperties } }]) {
      const { server } = await grid()
      const client = await join(server, 'me', { username })
      await client.send(subscribe('a', 1)).next('suback')
      server.publish({ topic: 'a', qos: 1 })
      const { messageId = 0 } = await client.next('publish')
      expect(await exchanged(client, { cmd: 'puback', messageId, ...answer })).toBe('disconnect 0x83, fin')
    }
  })
})

describe('azure-event-grid limits', () => {
  test('QoS to 1', async () => {
    expect(await said(4, publish('a', 2))).toBe('fin')
    expect(await said(5, publish('a', 2))).toBe('disconnect 0x9b, fin')
  })

  test('a SUBSCRIBE to 10 filters, a session to 50', async () => {
    const many = (count: number, from = 0) => Array.from({ length: count }, (_, index) => `a/${from + index}`)
    expect(await said(5, subscribe(many(11)))).toBe(`suback ${Array(11).fill('0x97').join()}`)
    const { server, clock } = await grid()
    const client = await join(server, 'me', { version: 4, username })
    for (let from = 0; from < 50; from += 10) await client.send(subscribe(many(10, from))).next('suback')
    await clock.advance('1s')
    expect(await exchanged(client, subscribe('b'))).toBe('suback 0x80')
  })

  test('SUBSCRIBE to five a second', async () => {
    const { server, clock } = await grid()
    const client = await join(server, 'me', { username })
    const codes: string[] = []
    for (let index = 0; index < 6; index++) codes.push(await exchanged(client, subscribe('a')))
    await clock.advance('1s')
    codes.push(await exchanged(client, subscribe('a')))
    expect(codes).toEqual([...Array(5).fill('suback 0'), 'suback 0x97', 'suback 0'])
  })

  test('subscriptions to those that are not shared and have no identifier', async () => {
    expect(await said(5, subscribe('$share/group/a'))).toBe('disconnect 0x9e, fin')
    expect(await said(5, { ...subscribe('a'), properties: { subscriptionIdentifier: 1 } })).toBe('disconnect 0xa1, fin')
  })

  test('topics to 8 segments and 256 bytes, packets to 512 KiB', async () => {
    expect(await said(4, publish('1/2/3/4/5/6/7/8'))).toBe('puback')
    expect(await said(4, publish('1/2/3/4/5/6/7/8/9'))).toBe('fin')
    expect(await said(5, publish('x'.repeat(257)))).toBe('puback 0x90')
    expect(await said(4, publish('a', 1, 7, { size: 524_288 }))).toBe('fin')
    expect(await said(5, publish('a', 1, 7, { size: 524_288 }))).toBe('disconnect 0x95, fin')
  })

  test('topics to those of a topic space', async () => {
    const topicSpaces = ['devices/{username}/#']
    expect(await said(4, publish('devices/joe/a'), { topicSpaces })).toBe('puback')
    expect(await said(4, publish('devices/jane/a'), { topicSpaces })).toBe('fin')
    expect(await said(5, publish('devices/jane/a'), { topicSpaces })).toBe('puback 0x87')
    expect(await said(5, subscribe(['devices/joe/#', '#']), { topicSpaces })).toBe('suback 0,0x87')
  })

  test.each([
    [4, 'fin'],
    [5, 'disconnect 0x97, fin'],
  ] as const)('messages to 100 a second in its first years (version %i: %s)', async (version, end) => {
    const { server } = await grid({ early: true })
    const client = await join(server, 'me', { version, username })
    for (let index = 0; index <= 100; index++) client.send(publish('a', 0))
    await client.end()
    expect(heard(client)).toBe(end)
  })

  test('the wait of a will to five minutes', async () => {
    const { server, clock } = await grid({ sessionsPerUser: 2 })
    const watcher = await join(server, 'watcher', { username })
    await watcher.send(subscribe('gone')).next('suback')
    const properties = { sessionExpiryInterval: 3600 }
    const client = await join(server, 'me', { username, properties, will: { ...will, retain: false, properties: { willDelayInterval: 3000 } } })
    client.close()
    await clock.advance('299s')
    expect(messages(watcher)).toEqual([])
    await clock.advance('1s')
    expect(messages(watcher)).toEqual(['gone x'])
  })
})

describe('azure-event-grid keeps', () => {
  const retained = (size: number) => ({ ...publish('a', 1, 7, { size }), retain: true })

  test('retained messages up to 64 KB', async () => {
    const { server } = await grid()
    const client = await join(server, 'me', { version: 4, username })
    expect(await exchanged(client, retained(65_537))).toBe('puback')
    expect(server.retained).toHaveLength(0)
    expect(await exchanged(client, retained(65_536))).toBe('puback')
    expect(server.retained).toHaveLength(1)
  })

  test('none in its first years: RETAIN is refused, in a will as well', async () => {
    const early = { early: true }
    expect(await said(4, retained(1), early)).toBe('fin')
    expect(await said(5, retained(1), early)).toBe('disconnect 0x9a, fin')
    expect(await refused(await grid(early), 4, { will })).toBe('fin')
    expect(await refused(await grid(early), 5, { will })).toBe('connack 0x9a, fin')
    const { connack } = await joined((await grid(early)).server, 'me', { username })
    expect(connack.properties).toMatchObject({ retainAvailable: false, receiveMaximum: 100 })
  })

  test.each([
    ['100 messages for a session', 100, true, 100],
    ['neither messages nor session where it would be more', 101, false, 0],
  ])('%s', async (_what, count, sessionPresent, waiting) => {
    const { server, clock } = await grid()
    const connect = { version: 4, username, clean: false } as const
    const client = await join(server, 'me', connect)
    await client.send(subscribe('a', 1)).next('suback')
    client.close()
    await clock.advance('1s')
    for (let index = 0; index < count; index++) server.publish({ topic: 'a', qos: 1 })
    const { client: back, connack } = await joined(server, 'me', connect)
    expect(connack.sessionPresent).toBe(sessionPresent)
    for (let messageId = 1; messageId <= waiting; messageId++) back.send({ cmd: 'puback', messageId })
    await back.settled()
    expect(back.received.filter((packet) => packet.cmd === 'publish')).toHaveLength(waiting)
  })

  test('messages that were to expire at once', async () => {
    const { server, clock } = await grid()
    const connect = { username, clean: false, properties: { sessionExpiryInterval: 3600 } } as const
    const client = await join(server, 'me', connect)
    await client.send(subscribe('a', 1)).next('suback')
    await client.send({ ...publish('a'), properties: { messageExpiryInterval: 0 } }).next('publish')
    client.close()
    await clock.advance('30m')
    expect(spoken(await (await join(server, 'me', connect)).next('publish'))).toBe('publish a')
  })

  test('timeScale: a session of an hour for 36 seconds', async () => {
    const { server, clock } = await grid({ timeScale: 0.01 })
    const connect = { version: 4, username, clean: false } as const
    const presents: (boolean | undefined)[] = []
    for (const wait of ['0s', '35s', '37s'] as const) {
      await clock.advance(wait)
      const { client, connack } = await joined(server, 'me', connect)
      presents.push(connack.sessionPresent)
      client.close()
      await clock.advance(0)
    }
    expect(presents).toEqual([false, true, false])
  })

  test('no order, where that is asked for', async () => {
    const { server, clock } = await grid({ disorder: true })
    const client = await join(server, 'me', { username })
    await client.send(subscribe('a')).next('suback')
    const sent = Array.from({ length: 9 }, (_, index) => `a ${index}`)
    for (let index = 0; index < 9; index++) server.publish({ topic: 'a', payload: `${index}` })
    await clock.advance('100ms')
    expect(messages(client)).not.toEqual(sent)
    expect(messages(client).sort()).toEqual(sent)
  })
})
