/** What a client sees of `chunks`. */
import { ackDelay, chunks } from 'mqttest/plugins'
import { connectMemory, connectTcp, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { tcpServer, virtualServer } from '../support/server.ts'

const publish = (messageId: number) => ({ cmd: 'publish', topic: 'a', qos: 1, messageId }) as const
const subscribe = { cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'b', qos: 0 }] } as const
const writes = (client: RawClient) => client.chunks.map((chunk) => chunk.toString('hex'))

async function cut(options: Parameters<typeof chunks>[0], version: 4 | 5 = 4) {
  const { server, clock } = await virtualServer({ plugins: [chunks(options)] })
  const client = connectMemory(server, version).sendConnect({ clientId: 'dev' })
  await clock.advance(100)
  return { server, clock, client }
}

describe('chunks', () => {
  test('byte by byte unless told otherwise', async () => {
    for (const version of [4, 5] as const) {
      const { client, clock, server } = await cut({}, version)
      expect(client.chunks.every((chunk) => chunk.length === 1)).toBe(true)
      expect(client.received).toHaveLength(1)
      client.send(subscribe)
      await clock.advance(100)
      server.publish({ topic: 'b', payload: 'x'.repeat(300) })
      await clock.advance(1000)
      expect(client.received.map(({ cmd }) => cmd)).toEqual(['connack', 'suback', 'publish'])
    }
  })

  test('pause: so long between two pieces', async () => {
    const { server, clock } = await virtualServer({ plugins: [chunks({ at: [1], pause: '20ms' })] })
    const client = connectMemory(server).sendConnect()
    await clock.advance(19)
    expect(writes(client)).toEqual(['20'])
    await clock.advance(1)
    expect(writes(client)).toEqual(['20', '020000'])
  })

  test('pause: 0 writes at once, piece by piece', async () => {
    const { server, clock } = await virtualServer({ plugins: [chunks({ pause: 0 })] })
    const client = connectMemory(server).sendConnect()
    await clock.advance(0)
    expect(writes(client)).toEqual(['20', '02', '00', '00'])
  })

  test('size: pieces of so many bytes; packets begin with a piece of their own', async () => {
    const { client, clock } = await cut({ size: 3 })
    expect(writes(client)).toEqual(['200200', '00'])
    client.chunks.length = 0
    client.send(publish(1), publish(2))
    await clock.advance(100)
    expect(writes(client)).toEqual(['400200', '01', '400200', '02'])
  })

  test('at: places from the beginning and from the end', async () => {
    const { client } = await cut({ at: [1, -1, 50] })
    expect(writes(client)).toEqual(['20', '0200', '00'])
  })

  test('packets: only those, wherever they stand in a write', async () => {
    const { client, clock } = await cut({ packets: ['pingresp'], at: [1] })
    expect(writes(client)).toEqual(['20020000'])
    client.chunks.length = 0
    client.send(publish(1), { cmd: 'pingreq' }, publish(2))
    await clock.advance(100)
    expect(writes(client)).toEqual(['40020001d0', '0040020002'])
  })

  test('nth, from, every: which of them', async () => {
    const { client, clock } = await cut({ packets: ['puback'], nth: [2], size: 2 })
    client.chunks.length = 0
    for (const id of [1, 2, 3]) {
      client.send(publish(id))
      await clock.advance(100)
    }
    expect(writes(client)).toEqual(['40020001', '4002', '0002', '40020003'])
  })

  test('of: write cuts what is written at once', async () => {
    const { client, clock } = await cut({ of: 'write', size: 6, from: 2 })
    client.chunks.length = 0
    client.send(publish(1), publish(2))
    await clock.advance(100)
    expect(writes(client)).toEqual(['400200014002', '0002'])
  })

  test('join: what comes within so long leaves in one write', async () => {
    const { client, clock, server } = await cut({ packets: ['suback'], join: '20ms' })
    client.chunks.length = 0
    client.send(subscribe)
    await clock.advance(10)
    server.publish({ topic: 'b', payload: 'x' })
    await clock.advance(9)
    expect(writes(client)).toEqual([])
    await clock.advance(1)
    expect(writes(client)).toEqual(['900300010030040001' + '6278'])
    client.send(publish(1))
    await clock.advance(0)
    expect(writes(client)).toHaveLength(2)
  })

  test('join, of: write gathers everything', async () => {
    const { client, clock } = await cut({ of: 'write', join: 10 })
    client.chunks.length = 0
    for (const id of [1, 2, 3]) {
      client.send(publish(id))
      await clock.advance(4)
    }
    expect(writes(client)).toEqual(['400200014002000240020003'])
  })

  test('direction: in, what the client says comes to the server in pieces', async () => {
    const { server, clock } = await virtualServer({ plugins: [chunks({ direction: 'in', at: [2], pause: 50 })] })
    const client = connectMemory(server).sendConnect()
    await clock.advance(49)
    expect(client.received).toEqual([])
    await clock.advance(1)
    expect(writes(client)).toEqual(['20020000'])
    const both = await cut({ direction: 'both', pause: 0 })
    expect(writes(both.client)).toHaveLength(4)
  })

  test('a connection that ends takes the pieces that wait with it, or lets them leave first', async () => {
    for (const how of ['rst', 'fin'] as const) {
      const { server, clock, client } = await cut({ pause: 10 })
      client.chunks.length = 0
      client.send({ cmd: 'pingreq' })
      await clock.advance(5)
      server.connections[0]?.close(how)
      await clock.advance(5)
      expect([writes(client), client.ended]).toEqual([how === 'rst' ? ['d0'] : ['d0', '00'], how])
    }
  })

  test('two connections are cut each on their own', async () => {
    const { server, clock, client } = await cut({ packets: ['puback'], nth: [1], pause: 0 })
    const other = connectMemory(server).sendConnect({ clientId: 'other' })
    await clock.advance(0)
    client.send(publish(1), publish(2))
    other.send(publish(3))
    await clock.advance(10)
    expect(writes(client).slice(1)).toEqual(['40', '02', '00', '0140020002'])
    expect(writes(other).slice(1)).toEqual(['40', '02', '00', '03'])
  })

  test('beside ack-delay, and twice with different options', async () => {
    const { server, clock } = await virtualServer({
      plugins: [ackDelay({ delay: 50 }), chunks({ packets: ['puback'], at: [1], pause: 0 }), chunks({ packets: ['connack'], at: [2], pause: 0 })],
    })
    const client = connectMemory(server).sendConnect().send(publish(1))
    await clock.advance(50)
    expect(writes(client)).toEqual(['2002', '0000', '40', '020001'])
    expect(server.report().faults.applied).toEqual([
      { plugin: 'ack-delay', count: 1 },
      { plugin: 'chunks', count: 2 },
    ])
  })

  test('on a socket a packet comes together again', async () => {
    const server = await tcpServer({ plugins: [chunks()] })
    const client = await connectTcp(server)
    await client.connect()
    await client.settled()
  })

  test('mistakes in its options are told at once', () => {
    expect(() => chunks({ join: 5, size: 1 })).toThrow("option 'join' is the opposite of 'size' and 'at'")
    expect(() => chunks({ of: 'write', packets: ['publish'] })).toThrow("option 'packets' goes with 'of: packet'")
    expect(() => chunks({ at: [1.5] })).toThrow("option 'at' holds whole numbers")
  })
})
