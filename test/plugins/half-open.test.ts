/** What a client sees of `half-open`. */
import { ackDelay, halfOpen } from 'mqttest/plugins'
import type { RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join, messages, subscribe as subscribed } from '../support/client.ts'
import { virtualServer } from '../support/server.ts'

const publish = (messageId: number) => ({ cmd: 'publish', topic: 'a', qos: 1, messageId }) as const
const subscribe = { cmd: 'subscribe', messageId: 9, subscriptions: [{ topic: 'b', qos: 0 }] } as const
const names = (client: RawClient) => client.received.slice(1).map((packet) => ('messageId' in packet ? `${packet.cmd} ${packet.messageId}` : packet.cmd))

async function connected(options: Parameters<typeof halfOpen>[0], version: 4 | 5 = 5) {
  const { server, clock } = await virtualServer({ plugins: [halfOpen(options)] })
  const client = await join(server, 'dev', { version })
  return { server, clock, client, connection: await server.connection(0) }
}

describe('half-open', () => {
  test('dead right behind CONNACK unless told otherwise, and for ever', async () => {
    for (const version of [4, 5] as const) {
      const { server, clock, client } = await connected({}, version)
      client.send(publish(1), { cmd: 'pingreq' })
      server.publish({ topic: 'a' })
      await clock.advance('10h')
      expect([names(client), client.ended]).toEqual([[], undefined])
      expect(server.report().faults.applied).toEqual([{ plugin: 'half-open', count: 1 }])
    }
  })

  test('reading: what the client says is read and lost; false leaves it in its own system', async () => {
    for (const [reading, seen] of [
      [true, 1],
      [false, 0],
    ] as const) {
      const { clock, client, connection } = await connected({ reading, for: '1s' })
      client.send(publish(1))
      await clock.advance(999)
      expect(connection.counts[3]).toBe(seen)
      await clock.advance(1)
      client.send(publish(2))
      await clock.advance(0)
      expect(names(client)).toEqual(reading ? ['puback 2'] : ['puback 1', 'puback 2'])
    }
  })

  test('for: what the server said meanwhile comes late, in order', async () => {
    const { server, clock, client } = await connected({ packet: 'suback', for: '30s' })
    client.send(subscribe)
    await clock.advance(0)
    for (const payload of ['1', '2']) server.publish({ topic: 'b', payload })
    await clock.advance(29_999)
    expect(names(client)).toEqual(['suback 9'])
    await clock.advance(1)
    expect(client.received.flatMap((packet) => (packet.cmd === 'publish' ? String(packet.payload) : []))).toEqual(['1', '2'])
    await client.settled()
  })

  test('direction: in, the server does not hear but speaks', async () => {
    const { server, clock, client } = await connected({ packet: 'suback', direction: 'in' })
    client.send(subscribe)
    await clock.advance(0)
    client.send({ cmd: 'pingreq' })
    server.publish({ topic: 'b' })
    await clock.advance('1m')
    expect(names(client)).toEqual(['suback 9', 'publish'])
  })

  test('direction: out, the server hears but does not speak', async () => {
    const { server, clock, client } = await connected({ direction: 'out', for: '1m' })
    client.send({ cmd: 'publish', topic: 'kept', retain: true, payload: 'x', qos: 1, messageId: 1 })
    await clock.advance(59_999)
    expect(server.retained).toHaveLength(1)
    expect(names(client)).toEqual([])
    await clock.advance(1)
    expect(names(client)).toEqual(['puback 1'])
  })

  test('at a packet: before it is handled, instead of its answer, or behind it', async () => {
    for (const [when, handled, answered] of [
      ['before', 1, ['puback 1']],
      ['instead', 2, ['puback 1']],
      ['after', 2, ['puback 1', 'puback 2']],
    ] as const) {
      const { server, clock, client } = await connected({ packet: 'publish', nth: 2, when })
      client.send(publish(1), publish(2), publish(3))
      await clock.advance('1h')
      expect(names(client)).toEqual(answered)
      expect(server.records({ cmd: 'puback' })).toHaveLength(answered.length)
      expect(server.records({ type: 'packet', dir: 'in', cmd: 'publish' }).length).toBeGreaterThanOrEqual(handled)
    }
  })

  test('time: so long after CONNACK', async () => {
    const { clock, client } = await connected({ time: '5s' })
    await clock.advance(4_999)
    await client.settled()
    await clock.advance(1)
    client.send({ cmd: 'pingreq' })
    await clock.advance('1h')
    expect(names(client)).toEqual(['pingresp'])
  })

  test('bytes, out: in the middle of a packet, which is completed when the link recovers', async () => {
    const { server, clock, client } = await connected({ bytes: 5 + 6 + 4, counted: 'out', for: '1s' })
    client.send({ ...subscribe, messageId: 1 })
    await clock.advance(0)
    server.publish({ topic: 'b', payload: 'long' })
    server.publish({ topic: 'b', payload: 'next' })
    await clock.advance(999)
    expect(Buffer.concat(client.chunks).length).toBe(15)
    await clock.advance(1)
    expect(client.received.flatMap((packet) => (packet.cmd === 'publish' ? String(packet.payload) : []))).toEqual(['long', 'next'])
  })

  test('bytes, in: what is complete by then is answered', async () => {
    const { clock, client, connection } = await connected({ bytes: 17 + 1 + 8 + 3, reading: false, for: '1s' })
    client.send(publish(1), publish(2))
    await clock.advance(999)
    expect(connection.counts[3]).toBe(1)
    await clock.advance(1)
    expect(names(client)).toEqual(['puback 1', 'puback 2'])
  })

  test('a client that goes meanwhile leaves no timer behind, and is gone for the server where that still reads', async () => {
    for (const options of [{ for: '1h' }, { bytes: 22, for: '1h' }, { time: '1h' }, { packet: 'publish', for: '1h' }] as const) {
      const { clock, client, connection } = await connected(options)
      client.send(publish(1))
      await clock.advance(1)
      client.reset()
      await clock.advance(0)
      expect(connection.closed).toBe(true)
      expect(clock.pending).toBe(0)
    }
  })

  test('ends: hidden, the server learns from its own keep-alive that the client is gone, and the will comes then', async () => {
    for (const version of [4, 5] as const)
      for (const leave of ['close', 'reset', 'stays'] as const) {
        const { server, clock } = await virtualServer({ plugins: [[halfOpen({ ends: 'hidden' }), { connection: 1 }]] })
        const watcher = await join(server, 'watcher')
        await subscribed(watcher, 'gone')
        const client = await join(server, 'dev', { version, keepalive: 10, will: { topic: 'gone', payload: Buffer.from('x'), qos: 0, retain: false } })
        await clock.advance('5s')
        // What gets lost is no sign of life.
        client.send({ cmd: 'pingreq' })
        if (leave !== 'stays') client[leave]()
        await clock.advance(9_999)
        expect(messages(watcher)).toEqual([])
        await clock.advance(1)
        expect(messages(watcher)).toEqual(['gone x'])
        expect((await server.connection(1)).ended).toMatchObject({ by: 'server', reason: expect.stringContaining('nothing came') })
        expect(server.report().violations.map(({ rule }) => rule)).toEqual(['keepalive-timeout'])
        expect(client.ended === undefined).toBe(leave === 'stays')
      }
  })

  test('ends: hidden for a while, the end is heard when the link recovers', async () => {
    for (const leave of ['close', 'reset'] as const) {
      const { clock, client, connection } = await connected({ ends: 'hidden', for: '30s' })
      client[leave]()
      await clock.advance(29_999)
      expect(connection.closed).toBe(false)
      await clock.advance(1)
      expect(connection.ended).toMatchObject({ by: 'client', how: leave === 'close' ? 'fin' : 'rst' })
      await clock.advance('1m')
      expect(clock.pending).toBe(0)
    }
  })

  test('the server does not tell: neither DISCONNECT nor FIN gets through', async () => {
    const { clock, client, connection } = await connected({})
    connection.disconnect(0x8b, 'test')
    await clock.advance('1h')
    expect([names(client), client.ended]).toEqual([[], undefined])
  })

  test('two connections: each on its own', async () => {
    const { server, clock, client } = await connected({ packet: 'publish', for: '1s' })
    const other = await join(server, 'other')
    client.send(publish(1), publish(2))
    await clock.advance(500)
    await other.settled()
    other.send(publish(1))
    await clock.advance(500)
    await client.settled()
    other.send({ cmd: 'pingreq' })
    await clock.advance(499)
    expect(names(other)).toEqual(['pingresp', 'puback 1'])
  })

  test('beside ack-delay: an answer that falls due meanwhile is held back as well', async () => {
    const { server, clock } = await virtualServer({ plugins: [ackDelay({ delay: 50 }), halfOpen({ time: 10, for: 100, direction: 'out' })] })
    const client = await join(server, 'dev')
    client.send(publish(1))
    await clock.advance(109)
    expect(names(client)).toEqual([])
    await clock.advance(1)
    expect(names(client)).toEqual(['puback 1'])
  })

  test('mistakes in its options are told at once', () => {
    expect(() => halfOpen({ direction: 'out', reading: false })).toThrow("option 'reading' is about what the client says")
    expect(() => halfOpen({ ends: 'hidden', direction: 'out' })).toThrow("option 'ends'")
    expect(() => halfOpen({ ends: 'hidden', reading: false })).toThrow("option 'ends'")
    expect(() => halfOpen({ counted: 'out' })).toThrow("option 'counted' goes with 'bytes'")
    expect(() => halfOpen({ nth: 2 })).toThrow("option 'nth' goes with 'packet'")
    expect(() => halfOpen.create({ direction: 'up' })).toThrow(/option 'direction'/)
  })
})
