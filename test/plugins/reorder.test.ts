/** What a client sees of `reorder`. */
import type { PacketInput, StartOptions } from 'mqttest'
import { ackDelay, drop, reorder } from 'mqttest/plugins'
import type { RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join, messages, subscribe } from '../support/client.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

type Options = Parameters<typeof reorder>[0]

const publish = (messageId: number, qos: 1 | 2 = 1): PacketInput => ({ cmd: 'publish', topic: 'a', qos, messageId })
const publishes = (...ids: number[]) => ids.map((id) => publish(id))

/** 'puback 7' for what came behind CONNACK. */
const names = (client: RawClient) =>
  client.received.slice(1).map((packet) => ('messageId' in packet && packet.messageId !== undefined ? `${packet.cmd} ${packet.messageId}` : packet.cmd))

/** The ids of the acknowledgements that came. */
const ids = (client: RawClient) => client.received.flatMap((packet) => (packet.cmd === 'puback' ? [packet.messageId] : []))

async function connected(options: Options, more: StartOptions = {}) {
  const { server, clock } = await virtualServer({ plugins: [reorder(options)], ...more })
  const client = await join(server, 'me')
  return { server, clock, client }
}

describe('reorder', () => {
  test('acknowledgements come in pairs, the second one first; a single one that is left over 200 ms later', async () => {
    const { client, clock } = await connected({})
    client.send(...publishes(1, 2, 3, 4, 5))
    await clock.advance(199)
    expect(ids(client)).toEqual([2, 1, 4, 3])
    await clock.advance(1)
    expect(ids(client)).toEqual([2, 1, 4, 3, 5])
  })

  test('everything else passes them by', async () => {
    const { server, client, clock } = await connected({})
    client.send({ cmd: 'subscribe', messageId: 7, subscriptions: [{ topic: 'b', qos: 0 }] }, { cmd: 'pingreq' })
    await clock.advance(0)
    server.publish({ topic: 'b' })
    await clock.advance(0)
    expect(names(client)).toEqual(['pingresp', 'publish'])
    await clock.advance(200)
    expect(names(client)).toEqual(['pingresp', 'publish', 'suback 7'])
  })

  test('packets and size: answers of several types change places', async () => {
    const { client, clock } = await connected({ packets: ['puback', 'suback', 'pubrec', 'unsuback', 'pingresp'], size: 5 })
    client.send(
      publish(1),
      { cmd: 'subscribe', messageId: 2, subscriptions: [{ topic: 'b', qos: 0 }] },
      publish(3, 2),
      { cmd: 'unsubscribe', messageId: 4, unsubscriptions: ['b'] },
      { cmd: 'pingreq' },
    )
    await clock.advance(0)
    expect(names(client)).toEqual(['pingresp', 'unsuback 4', 'pubrec 3', 'suback 2', 'puback 1'])
  })

  test('packets: publish, messages of one topic come out of order, each once', async () => {
    const { server, client } = await connected({ packets: 'publish', size: 3 })
    await subscribe(client, 'a', 2)
    for (const [index, qos] of ([0, 1, 2] as const).entries()) server.publish({ topic: 'a', qos, payload: String(index) })
    await client.settled()
    expect(messages(client)).toEqual(['a 2', 'a 1', 'a 0'])
    client.send({ cmd: 'puback', messageId: 1 }, { cmd: 'pubrec', messageId: 2 }, { cmd: 'pubcomp', messageId: 2 })
    await client.settled()
    expect(server.sessions[0]?.inFlight.size).toBe(0)
  })

  test('packets: pubrel and pubcomp, the second half of QoS 2 [MQTT-4.6.0-4]', async () => {
    const { server, client, clock } = await connected({ packets: ['pubrel', 'pubcomp'] })
    await subscribe(client, 'q', 2)
    for (const payload of ['1', '2']) server.publish({ topic: 'q', qos: 2, payload })
    client.send(...[1, 2].map((messageId) => ({ cmd: 'pubrec', messageId }) as const))
    await clock.advance(0)
    expect(names(client).slice(-2)).toEqual(['pubrel 2', 'pubrel 1'])
    client.send(publish(8, 2), publish(9, 2), { cmd: 'pubrel', messageId: 8 }, { cmd: 'pubrel', messageId: 9 })
    await clock.advance(0)
    expect(names(client).slice(-2)).toEqual(['pubcomp 9', 'pubcomp 8'])
  })

  test('order: rotated sends the first one last', async () => {
    const { client, clock } = await connected({ order: 'rotated', size: 4 })
    client.send(...publishes(1, 2, 3, 4))
    await clock.advance(0)
    expect(ids(client)).toEqual([2, 3, 4, 1])
  })

  test('order: kept only collects, into one write', async () => {
    const { client, clock } = await connected({ order: 'kept', size: 50 })
    const all = Array.from({ length: 50 }, (_, index) => index + 1)
    client.send(...publishes(...all.slice(0, 49)))
    await clock.advance(100)
    expect([ids(client), client.chunks.length]).toEqual([[], 1])
    client.send(publish(50))
    await clock.advance(0)
    expect([ids(client), client.chunks.length]).toEqual([all, 2])
  })

  test('order: shuffled is decided by the seed', async () => {
    const all = Array.from({ length: 20 }, (_, index) => index + 1)
    const run = async (seed: string) => {
      const { client, clock } = await connected({ order: 'shuffled', size: 20 }, { seed })
      client.send(...publishes(...all))
      await clock.advance(0)
      return ids(client)
    }
    const order = await run('one')
    expect(order).not.toEqual(all)
    expect([...order].sort((a, b) => a - b)).toEqual(all)
    expect(await run('one')).toEqual(order)
    expect(await run('two')).not.toEqual(order)
  })

  test('within counts from the last one that came', async () => {
    const { client, clock } = await connected({ size: 10, within: '1s' })
    for (const id of [1, 2, 3]) {
      client.send(publish(id))
      await clock.advance(900)
    }
    expect(ids(client)).toEqual([])
    await clock.advance(100)
    expect(ids(client)).toEqual([3, 2, 1])
  })

  test('a selection says which: what is not chosen stays in its place', async () => {
    const { server, client } = await connected({ packets: 'publish', topic: 'a/#' })
    await subscribe(client, '#')
    for (const topic of ['a/1', 'b', 'a/2']) server.publish({ topic })
    await client.settled()
    expect(messages(client)).toEqual(['b', 'a/2', 'a/1'])
  })

  test('goes with other plugins: what is dropped is not waited for', async () => {
    const { server, clock } = await virtualServer({ plugins: [drop({ packets: 'puback', nth: 2 }), reorder()] })
    const client = await join(server, 'me')
    client.send(...publishes(1, 2, 3))
    await clock.advance(0)
    expect(ids(client)).toEqual([3, 1])
  })

  test('goes with waits of other plugins, in front of it and behind it', async () => {
    for (const plugins of [
      [reorder(), ackDelay({ delay: '1s' })],
      [ackDelay({ delay: '1s' }), reorder()],
    ]) {
      const { server, clock } = await virtualServer({ plugins })
      const client = await join(server, 'me')
      client.send(...publishes(1, 2))
      await clock.advance('2s')
      expect([...ids(client)].sort()).toEqual([1, 2])
    }
  })

  test('two connections collect on their own; one that ends leaves no timer', async () => {
    const { server, client: one, clock } = await connected({})
    const two = await join(server, 'two', { version: 4 })
    one.send(publish(1))
    two.send(publish(8))
    one.send(publish(2))
    await clock.advance(100)
    expect([ids(one), ids(two)]).toEqual([[2, 1], []])
    two.reset()
    await clock.advance(0)
    expect(clock.pending).toBe(0)
  })

  test('what waits when it is switched off leaves then', async () => {
    const { server, clock } = await virtualServer()
    const client = await join(server, 'me')
    const off = server.use(reorder({ size: 3, within: '1h' }))
    client.send(...publishes(1, 2))
    await clock.advance(0)
    expect(ids(client)).toEqual([])
    off()
    await clock.advance(0)
    expect(ids(client)).toEqual([2, 1])
    client.send(publish(3))
    await clock.advance(0)
    expect(ids(client)).toEqual([2, 1, 3])
    expect(clock.pending).toBe(0)
  })

  test('every packet that was held is on record with the plugin', async () => {
    const server = await memoryServer({ plugins: [reorder()] })
    const client = await join(server, 'me')
    await client.send(...publishes(1, 2)).settled()
    expect(server.records({ cmd: 'puback' })).toMatchObject([{ faults: ['reorder'] }, { faults: ['reorder'] }])
  })

  test('options that cannot be meant are refused', () => {
    expect(() => reorder({ packets: [] })).toThrow("plugin 'reorder': option 'packets' is empty")
    expect(() => reorder({ size: 1 })).toThrow("option 'size'")
  })
})
