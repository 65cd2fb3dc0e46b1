/** What a client sees of `drop`. */
import type { PacketInput, ProtocolVersion, StartOptions } from 'mqttest'
import { ackDelay, drop } from 'mqttest/plugins'
import { connectMemory, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { answers, join, messages, subscribe } from '../support/client.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

type Options = Parameters<typeof drop>[0]

const publish = (messageId: number, qos: 1 | 2 = 1): PacketInput => ({ cmd: 'publish', topic: 'a', payload: `${messageId}`, qos, messageId })

/** 'puback 7' for what came behind CONNACK; that nobody subscribes to it does not matter here. */
const names = (client: RawClient) => answers(client).map((answer) => answer.replace(' 0x10', ''))

/** A server with the plugin, and a client that keeps its session. */
async function connected(options: Options, version: ProtocolVersion = 5, more: StartOptions = {}) {
  const { server, clock } = await virtualServer({ plugins: [drop(options)], ...more })
  const client = await join(server, 'me', { version, clean: false, ...(version === 5 && { properties: { sessionExpiryInterval: 100 } }) })
  return { server, clock, client }
}

describe('drop', () => {
  test('messages do not arrive, everything else does', async () => {
    const { server, client } = await connected({})
    await subscribe(client, 'a', 1)
    server.publish({ topic: 'a' })
    client.send(publish(1), { cmd: 'unsubscribe', messageId: 2, unsubscriptions: ['a'] })
    await client.settled()
    expect(names(client)).toEqual(['puback 1', 'unsuback 2', 'pingresp'])
    const report = await server.stop()
    expect(report.faults.neverFired).toEqual([])
  })

  test.each([
    ['puback', publish(1)],
    ['pubrec', publish(1, 2)],
    ['suback', { cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'b', qos: 0 }] }],
    ['unsuback', { cmd: 'unsubscribe', messageId: 1, unsubscriptions: ['b'] }],
  ] as const)('packets: %s is never sent, although the server did what it answers', async (packets, send) => {
    const { server, client } = await connected({ packets })
    client.send(send)
    await client.settled()
    expect(names(client)).toEqual(['pingresp'])
    expect(server.records({ type: 'fault' })).toMatchObject([{ plugin: 'drop', before: [{ packet: { cmd: packets } }], after: [] }])
  })

  test.each([4, 5] as const)('packets: connack leaves a client of level %i waiting on a connection that stands', async (version) => {
    const { server, clock } = await virtualServer({ plugins: [drop({ packets: 'connack' })] })
    const client = connectMemory(server, version)
    client.sendConnect()
    await clock.advance('1h')
    expect([client.received, client.ended]).toEqual([[], undefined])
  })

  test('packets: pingresp makes the server look dead, to pings alone', async () => {
    const { client, clock } = await connected({ packets: 'pingresp' })
    client.send({ cmd: 'pingreq' }, publish(1))
    await clock.advance('1s')
    expect(names(client)).toEqual(['puback 1'])
  })

  test('a selection says which: topic and number', async () => {
    const { server, client } = await connected({ topic: 'a/#', nth: [1, 3] })
    await subscribe(client, '#')
    for (const topic of ['a/1', 'b', 'a/2', 'a/3', 'a/4']) server.publish({ topic })
    await client.settled()
    expect(messages(client)).toEqual(['b', 'a/2', 'a/4'])
  })

  test.each([4, 5] as const)('lose: on-the-wire, a message to a client of level %i comes after a reconnect, with DUP', async (version) => {
    const { server, client } = await connected({ nth: 1 }, version, { plugins: [[drop({ nth: 1 }), { connection: 0 }]] })
    await subscribe(client, 'a', 1)
    server.publish({ topic: 'a', qos: 1, payload: 'lost' })
    await client.settled()
    expect(messages(client)).toEqual([])
    expect(server.sessions[0]?.inFlight.size).toBe(1)
    client.reset()
    const again = await join(server, 'me', { version, clean: false, ...(version === 5 && { properties: { sessionExpiryInterval: 100 } }) })
    expect(await again.next('publish')).toMatchObject({ dup: true, payload: Buffer.from('lost') })
  })

  test('lose: for-good, it never comes, and takes up no room in flight', async () => {
    const { server, client } = await connected({ lose: 'for-good', nth: [1, 2, 3] })
    await subscribe(client, 'a', 2)
    for (const [index, qos] of ([0, 1, 2, 1] as const).entries()) server.publish({ topic: 'a', qos, payload: String(index) })
    await client.settled()
    expect(messages(client)).toEqual(['a 3'])
    expect(server.sessions[0]?.inFlight.size).toBe(1)
  })

  test('lose: for-good, what waits for room in flight moves up, each once and in order', async () => {
    const { server, clock } = await virtualServer({ plugins: [drop({ lose: 'for-good', every: 2 })] })
    const client = await join(server, 'me', { properties: { receiveMaximum: 1 } })
    await subscribe(client, 'a', 1)
    for (let number = 1; number <= 7; number++) server.publish({ topic: 'a', qos: 1, payload: String(number) })
    for (let acknowledged = 0; acknowledged < 4; acknowledged++) {
      const { messageId = 0 } = await client.next('publish')
      client.send({ cmd: 'puback', messageId })
      await clock.advance(0)
    }
    expect(messages(client)).toEqual(['a 1', 'a 3', 'a 5', 'a 7'])
    expect([server.sessions[0]?.inFlight.size, server.sessions[0]?.queued]).toEqual([0, 0])
  })

  test('direction: in, what the client says is not heard', async () => {
    const { server, client } = await connected({ direction: 'in', packets: ['publish', 'subscribe'], nth: 1 })
    const other = await join(server, 'other')
    await other.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 0 }] }).settled()
    await other.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 0 }] }).next('suback')
    client.send(publish(1), publish(2))
    await client.settled()
    await other.settled()
    expect(names(client)).toEqual(['puback 2', 'pingresp'])
    expect(messages(other)).toEqual(['a 2'])
  })

  test('direction: in, an acknowledgement that is lost leaves the message in flight', async () => {
    const { server, client } = await connected({ direction: 'in', packets: 'puback' })
    await subscribe(client, 'a', 1)
    server.publish({ topic: 'a', qos: 1 })
    const { messageId = 0 } = await client.next('publish')
    await client.send({ cmd: 'puback', messageId }).settled()
    expect(server.sessions[0]?.inFlight.size).toBe(1)
  })

  test('after and time: only for a while', async () => {
    const { server, client, clock } = await connected({ after: '1s', time: '2s' })
    await subscribe(client, 'a')
    for (let second = 0; second < 5; second++) {
      server.publish({ topic: 'a', payload: `at ${second} s` })
      await clock.advance('1s')
    }
    expect(messages(client)).toEqual(['a at 0 s', 'a at 3 s', 'a at 4 s'])
  })

  test('each connection counts for itself', async () => {
    const server = await memoryServer({ plugins: [drop({ packets: 'puback', nth: 2 })] })
    const [one, two] = [await join(server, 'one'), await join(server, 'two', { version: 4 })]
    one.send(publish(1))
    two.send(publish(1))
    await one.settled()
    one.send(publish(2))
    await one.settled()
    two.send(publish(2), publish(3))
    await two.settled()
    expect([names(one), names(two)]).toEqual([
      ['puback 1', 'pingresp', 'pingresp'],
      ['puback 1', 'puback 3', 'pingresp'],
    ])
  })

  test('goes with other plugins: what is left comes late', async () => {
    const { server, clock } = await virtualServer({ plugins: [drop({ packets: 'puback', every: 2 }), ackDelay({ packets: 'puback', delay: '1s' })] })
    const client = await join(server, 'me')
    client.send(publish(1), publish(2), publish(3))
    await clock.advance(999)
    expect(names(client)).toEqual([])
    await clock.advance(1)
    expect(names(client)).toEqual(['puback 1', 'puback 3'])
  })

  test('ends when it is switched off', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    const off = server.use(drop({ packets: 'puback' }))
    await client.send(publish(1)).settled()
    off()
    await client.send(publish(2)).settled()
    expect(names(client)).toEqual(['pingresp', 'puback 2', 'pingresp'])
  })

  test('options that cannot be meant are refused', () => {
    expect(() => drop({ packets: 'connect' })).toThrow("plugin 'drop': only a client sends connect: take direction in")
    expect(() => drop({ packets: 'suback', direction: 'in' })).toThrow('only a server sends suback: take direction out')
    expect(() => drop({ packets: [] })).toThrow("option 'packets' is empty")
    expect(() => drop({ packets: 'puback', lose: 'for-good' })).toThrow("option 'lose' is about messages for the client")
  })
})
