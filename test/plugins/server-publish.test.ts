/** What a client sees of `server-publish`. */
import type { ProtocolVersion, StartOptions, VirtualClock } from 'mqttest'
import { ackDelay, closeAfter, serverPublish } from 'mqttest/plugins'
import { connectMemory, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { type JoinOptions, join, messages, subscribe } from '../support/client.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

type Options = Parameters<typeof serverPublish>[0]

const kept: JoinOptions = { clean: false, properties: { sessionExpiryInterval: 1000 } }

/** Everything that came, in short: 'publish 1 x' for a message of QoS 1 with packet id 1. */
const names = (client: RawClient) =>
  client.received.map((packet) => {
    const id = 'messageId' in packet && packet.messageId !== undefined ? ` ${packet.messageId}` : ''
    return packet.cmd === 'publish' ? `publish${id} ${packet.payload}` : `${packet.cmd}${id}`
  })

/** A client that is connected, has subscribed to what nobody publishes, and has pinged. */
async function subscribed(options: Options, more: StartOptions & { connect?: JoinOptions } = {}) {
  const { connect, ...start } = more
  const { server, clock } = await virtualServer({ plugins: [serverPublish({ payload: '{number}', ...options })], ...start })
  const client = await join(server, 'me', connect)
  await subscribe(client, 'none')
  await client.settled()
  return { server, clock, client }
}

/** When each message came, in milliseconds. */
async function arrivals(client: RawClient, clock: VirtualClock, forMs: number, stepMs = 50) {
  const times: string[] = []
  let seen = 0
  for (let at = 0; at <= forMs; at += stepMs) {
    await clock.advance(at === 0 ? 0 : stepMs)
    const all = messages(client)
    for (const message of all.slice(seen)) times.push(`${message.split(' ').at(-1)}@${at}`)
    seen = all.length
  }
  return times
}

describe('server-publish', () => {
  test('a message comes behind SUBACK unless told otherwise', async () => {
    const { server, clock } = await virtualServer({ plugins: [serverPublish()] })
    const client = await join(server, 'me')
    await subscribe(client, 'none')
    await clock.advance(0)
    expect(names(client)).toEqual(['connack', 'suback 1', 'publish message 1'])
    expect(client.received.at(-1)).toMatchObject({ topic: 'mqttest/1', qos: 0, retain: false, dup: false })
    expect((await server.stop()).faults.applied).toMatchObject([{ plugin: 'server-publish', count: 1 }])
  })

  test.each([4, 5] as const)('at: where it stands, for a client of level %i', async (version) => {
    const order = async (at: 'connection' | 'before-connack' | 'after-connack' | 'before-suback' | 'after-suback' | 'packet', ignoreLimits: boolean) =>
      names((await subscribed({ at, ignoreLimits }, { connect: { version } })).client).map((name) => name.split(' ')[0])
    for (const ignoreLimits of [true, false]) {
      expect(await order('before-connack', ignoreLimits)).toEqual(['publish', 'connack', 'suback', 'pingresp'])
      expect(await order('after-connack', ignoreLimits)).toEqual(['connack', 'publish', 'suback', 'pingresp'])
      expect(await order('before-suback', ignoreLimits)).toEqual(['connack', 'publish', 'suback', 'pingresp'])
      expect(await order('after-suback', ignoreLimits)).toEqual(['connack', 'suback', 'publish', 'pingresp'])
      expect(await order('packet', ignoreLimits)).toEqual(['connack', 'suback', 'pingresp', 'publish'])
    }
  })

  test('at: connection, before the client has said a word', async () => {
    const { server, clock } = await virtualServer({ plugins: [serverPublish({ at: 'connection' })] })
    const client = connectMemory(server)
    await clock.advance(0)
    expect(names(client)).toEqual(['publish message 1'])
  })

  test('a CONNACK that refuses is alone', async () => {
    const server = await memoryServer({ plugins: [serverPublish({ at: 'after-connack' }), 'reject'] })
    const client = connectMemory(server)
    client.sendConnect()
    await client.end()
    expect(names(client)).toEqual(['connack'])
  })

  test('packet, nth and every: at some packets of the client', async () => {
    for (const [which, expected] of [
      [{ nth: 2 }, ['puback 1', 'puback 2', 'publish 1', 'puback 3', 'puback 4']],
      [{ every: 2 }, ['puback 1', 'puback 2', 'publish 1', 'puback 3', 'puback 4', 'publish 2']],
    ] as const) {
      const { client } = await subscribed({ at: 'packet', packet: 'publish', ...which })
      for (const messageId of [1, 2, 3, 4]) client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId })
      await client.settled()
      expect(names(client).slice(3, -1)).toEqual(expected)
    }
  })

  test('delay, count and interval: so many, so far apart', async () => {
    const { client, clock } = await subscribed({ delay: 200, count: 3, interval: 100 })
    expect(await arrivals(client, clock, 1000)).toEqual(['1@200', '2@300', '3@400'])
  })

  test('count alone: all at once', async () => {
    const { client } = await subscribed({ retain: true, count: 1000, payload: { size: 20 } })
    expect(messages(client)).toHaveLength(1000)
    expect(client.received.at(-2)).toMatchObject({ topic: 'mqttest/1000', retain: true, payload: Buffer.alloc(20, 'x') })
  })

  test('topic, payload and properties: with names in them', async () => {
    const { client } = await subscribed({
      topic: 'to/{clientId}/{number}',
      payload: { json: { number: '{number}', of: '{clientId}' } },
      properties: { contentType: 'json', subscriptionIdentifier: 7, messageExpiryInterval: 9 },
    })
    const [message] = client.received.filter(({ cmd }) => cmd === 'publish')
    expect(message).toMatchObject({ topic: 'to/me/1', properties: { contentType: 'json', subscriptionIdentifier: 7, messageExpiryInterval: 9 } })
    expect(message).toMatchObject({ payload: Buffer.from('{"number":"1","of":"me"}') })
  })

  test('qos 1 and 2: the exchange follows, within the receive maximum; nobody is blamed', async () => {
    const { server, client, clock } = await subscribed({ count: 3, qos: 2 }, { connect: { properties: { receiveMaximum: 2 } }, lint: 'fail' })
    expect(names(client).slice(2)).toEqual(['publish 1 1', 'publish 2 2', 'pingresp'])
    client.send({ cmd: 'pubrec', messageId: 1 }, { cmd: 'pubcomp', messageId: 1 })
    await clock.advance(0)
    expect(names(client).slice(5)).toEqual(['pubrel 1', 'publish 3 3'])
    for (const messageId of [2, 3]) client.send({ cmd: 'pubrec', messageId }, { cmd: 'pubcomp', messageId })
    await client.settled()
    expect(server.sessions[0]?.inFlight.size).toBe(0)
    expect((await server.stop()).violations).toEqual([])
  })

  test('what is not acknowledged comes again on the next connection', async () => {
    const { server, client } = await subscribed({ qos: 1 }, { connect: kept })
    client.reset()
    const again = await join(server, 'me', kept)
    expect(await again.next('publish')).toMatchObject({ dup: true, payload: Buffer.from('1') })
  })

  test('ignoreLimits: beyond the receive maximum and the maximum packet size', async () => {
    const connect: JoinOptions = { properties: { receiveMaximum: 1, maximumPacketSize: 100 } }
    const options: Options = { count: 3, qos: 1, payload: { size: 200 } }
    const obeying = await subscribed(options, { connect })
    expect(messages(obeying.client)).toEqual([])
    const { server, client } = await subscribed({ ...options, ignoreLimits: true }, { connect, lint: 'fail' })
    expect(messages(client)).toHaveLength(3)
    for (const messageId of [1, 2, 3]) client.send({ cmd: 'puback', messageId })
    await client.settled()
    expect(server.sessions[0]?.inFlight.size).toBe(0)
    expect((await server.stop()).violations).toEqual([])
  })

  test('ignoreLimits: a topic alias that the client does not know, a packet id and DUP of choice', async () => {
    const { server, client } = await subscribed({ ignoreLimits: true, topic: '', properties: { topicAlias: 5 }, qos: 1, messageId: 4711, dup: true })
    expect(client.received.find(({ cmd }) => cmd === 'publish')).toMatchObject({ topic: '', dup: true, messageId: 4711, properties: { topicAlias: 5 } })
    // A client that acknowledges it is not blamed.
    await client.send({ cmd: 'puback', messageId: 4711 }).settled()
    expect((await server.stop()).violations).toEqual([])
  })

  test.each([4, 5] as const)('dup: a message of QoS 1 with DUP, which a client of level %i must take all the same', async (version: ProtocolVersion) => {
    const { client } = await subscribed({ qos: 1, dup: true }, { connect: { version } })
    expect(client.received.find(({ cmd }) => cmd === 'publish')).toMatchObject({ dup: true, messageId: 1 })
  })

  test('goes with other plugins: behind a SUBACK that is late, and in front of the end', async () => {
    const { server, clock } = await virtualServer({
      plugins: [serverPublish({ count: 2 }), ackDelay({ packets: 'suback', delay: '1s' }), closeAfter({ packet: 'suback', how: 'rst' })],
    })
    const client = await join(server, 'me')
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'none', qos: 0 }] })
    await clock.advance(999)
    expect(names(client)).toEqual(['connack'])
    await clock.advance(1)
    expect([names(client), client.ended]).toEqual([['connack', 'suback 1', 'publish message 1', 'publish message 2'], 'rst'])
  })

  test('each connection counts for itself; one that ends leaves no timer', async () => {
    const { server, client, clock } = await subscribed({ delay: 100 })
    const other = await join(server, 'other', { version: 4 })
    await subscribe(other, 'none')
    client.reset()
    await clock.advance(100)
    expect([messages(client), messages(other)]).toEqual([[], ['mqttest/1 1']])
    expect(clock.pending).toBe(0)
  })

  test('ends when it is switched off, with what it has still to send', async () => {
    const { server, client, clock } = await subscribed({}, { plugins: [] })
    const off = server.use(serverPublish({ count: 5, interval: 100 }))
    await subscribe(client, 'none')
    await clock.advance(150)
    off()
    await clock.advance(1000)
    expect(messages(client)).toHaveLength(2)
  })

  test('options that cannot be meant are refused', () => {
    expect(() => serverPublish({ at: 'packet', packet: [] })).toThrow("plugin 'server-publish': option 'packet' is empty")
    expect(() => serverPublish({ at: 'connection', nth: 1 })).toThrow("options 'nth' and 'every' count packets")
    expect(() => serverPublish({ messageId: 1 })).toThrow("option 'messageId' goes with ignoreLimits")
    expect(() => serverPublish({ properties: { topicAlias: 1 } })).toThrow('the session chooses topic aliases itself')
    expect(() => serverPublish({ dup: true })).toThrow('a message of QoS 0 has DUP only with ignoreLimits')
  })
})
