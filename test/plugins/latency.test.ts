/** What a client sees of `latency`. */
import { ackDelay, latency } from 'mqttest/plugins'
import { connectMemory, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { virtualServer } from '../support/server.ts'

const publish = (messageId: number) => ({ cmd: 'publish', topic: 'a', qos: 1, messageId }) as const
const names = (client: RawClient) => client.received.map((packet) => ('messageId' in packet ? `${packet.cmd} ${packet.messageId}` : packet.cmd))

async function far(options: Parameters<typeof latency>[0], version: 4 | 5 = 5, seed = 'test') {
  const { server, clock } = await virtualServer({ plugins: [latency(options)], seed })
  return { server, clock, client: connectMemory(server, version).sendConnect({ clientId: 'dev' }) }
}

describe('latency', () => {
  test('100 ms in each direction unless told otherwise', async () => {
    for (const version of [4, 5] as const) {
      const { clock, client } = await far({}, version)
      await clock.advance(199)
      expect(names(client)).toEqual([])
      await clock.advance(1)
      expect(names(client)).toEqual(['connack'])
    }
  })

  test('throughput stays: what was sent 10 ms apart arrives 10 ms apart', async () => {
    const { clock, client } = await far({ delay: '1s' })
    for (let id = 1; id <= 5; id++) {
      await clock.advance(10)
      client.send(publish(id))
    }
    await clock.advance(2000 - 41)
    expect(names(client)).toEqual(['connack'])
    for (let id = 1; id <= 5; id++) {
      await clock.advance(id === 1 ? 1 : 10)
      expect(names(client).at(-1)).toBe(`puback ${id}`)
    }
  })

  test('in and out, each on its own', async () => {
    const { server, clock, client } = await far({ delay: '1h', in: 30, out: 0 })
    await clock.advance(29)
    expect(server.records({ cmd: 'connect' })).toHaveLength(0)
    await clock.advance(1)
    expect(names(client)).toEqual(['connack'])
    const other = await far({ delay: 20, in: 0 })
    await other.clock.advance(0)
    expect(other.server.records({ cmd: 'connack' })).toHaveLength(1)
    await other.clock.advance(19)
    expect(names(other.client)).toEqual([])
    await other.clock.advance(1)
    expect(names(other.client)).toEqual(['connack'])
  })

  test('jitter: up to so much more, decided by the seed, and never out of order', async () => {
    const run = async (seed: string) => {
      const { clock, client } = await far({ delay: 0, jitter: 100 }, 5, seed)
      const seen: string[] = []
      for (let at = 0; at < 700; at++) {
        if (at < 50 && at % 5 === 0) client.send(publish(at + 1))
        const before = client.received.length
        await clock.advance(1)
        for (const name of names(client).slice(before)) seen.push(`${name}@${at}`)
      }
      return seen
    }
    const one = await run('a')
    expect(one.map((entry) => entry.split('@')[0])).toEqual(['connack', ...[1, 6, 11, 16, 21, 26, 31, 36, 41, 46].map((id) => `puback ${id}`)])
    expect(await run('a')).toEqual(one)
    expect(await run('b')).not.toEqual(one)
  })

  test('the end in order comes behind what is on its way; a reset does not wait', async () => {
    const { server, clock, client } = await far({ delay: 0, out: 50 })
    await clock.advance(10)
    server.connections[0]?.close('fin')
    await clock.advance(39)
    expect(client.ended).toBeUndefined()
    await clock.advance(1)
    expect([names(client), client.ended]).toEqual([['connack'], 'fin'])
    const other = await far({ delay: 0, out: 50 })
    await other.clock.advance(10)
    other.server.connections[0]?.close('rst')
    await other.clock.advance(0)
    expect([names(other.client), other.client.ended]).toEqual([[], 'rst'])
  })

  test('a client that goes meanwhile leaves no timer behind', async () => {
    const { clock, client } = await far({ delay: 0, out: '1h' })
    await clock.advance(10)
    client.reset()
    await clock.advance(0)
    expect(clock.pending).toBe(0)
  })

  test('two connections are late each on their own, and only those in its scope', async () => {
    const { server, clock } = await virtualServer({ plugins: [[latency({ delay: 50 }), { connection: [0, 1] }]] })
    const [one, two, three] = [0, 1, 2].map((number) => connectMemory(server).sendConnect({ clientId: `${number}` }))
    await clock.advance(0)
    expect([one, two, three].map((client) => client?.received.length)).toEqual([0, 0, 1])
    await clock.advance(100)
    expect([one, two, three].map((client) => client?.received.length)).toEqual([1, 1, 1])
  })

  test('beside ack-delay: both add up', async () => {
    const { server, clock } = await virtualServer({ plugins: [latency({ delay: 50 }), ackDelay({ delay: 30 })] })
    const client = connectMemory(server).sendConnect()
    await clock.advance(100)
    client.send(publish(1))
    await clock.advance(129)
    expect(names(client)).toEqual(['connack'])
    await clock.advance(1)
    expect(names(client)).toEqual(['connack', 'puback 1'])
  })

  test('off: delay 0 changes nothing; taken off, the next bytes are in time', async () => {
    const { server, clock, client } = await far({ delay: 0 })
    await clock.advance(0)
    expect(names(client)).toEqual(['connack'])
    expect(server.report().faults.neverFired).toEqual(['latency'])
    const off = server.use(latency({ delay: '1s' }))
    off()
    await client.settled()
  })

  test('mistakes in its options are told at once', () => {
    expect(() => latency.create({ dealy: 5 })).toThrow("unknown option 'dealy'. Did you mean 'delay'?")
  })
})
