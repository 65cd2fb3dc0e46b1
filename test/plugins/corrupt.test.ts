/** What a client sees of `corrupt`. */
import { chunks, corrupt } from 'mqttest/plugins'
import { connectMemory, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join } from '../support/client.ts'
import { virtualServer } from '../support/server.ts'

const publish = (messageId: number) => ({ cmd: 'publish', topic: 'a', qos: 1, messageId }) as const
const all = (client: RawClient) => Buffer.concat(client.chunks)
const hex = (client: RawClient) => all(client).toString('hex')

/** Bits in which two pieces of the same length differ. */
function bitsBetween(one: Buffer, two: Buffer): number {
  expect(one.length).toBe(two.length)
  let bits = 0
  for (const [at, byte] of one.entries()) for (let rest = byte ^ (two[at] ?? 0); rest > 0; rest >>= 1) bits += rest & 1
  return bits
}

async function spoilt(options: Parameters<typeof corrupt>[0], version: 4 | 5 = 4, seed = 'test') {
  const { server, clock } = await virtualServer({ plugins: [corrupt(options)], seed })
  const client = connectMemory(server, version).sendConnect({ clientId: 'dev' })
  await clock.advance(0)
  return { server, clock, client }
}

describe('corrupt', () => {
  test('one bit of each packet unless told otherwise', async () => {
    for (const version of [4, 5] as const) {
      const { client, clock } = await spoilt({}, version)
      expect(bitsBetween(all(client), Buffer.from(version === 5 ? '2006000003220064' : '20020000', 'hex'))).toBe(1)
      client.chunks.length = 0
      client.send('c000 c000')
      await clock.advance(0)
      expect(client.chunks).toHaveLength(1)
      const good = Buffer.from('d000d000', 'hex')
      expect(bitsBetween(all(client).subarray(0, 2), good.subarray(0, 2))).toBe(1)
      expect(bitsBetween(all(client).subarray(2), good.subarray(2))).toBe(1)
    }
  })

  test('flip: decided by the seed', async () => {
    const run = async (seed: string) => hex((await spoilt({ flip: 3 }, 5, seed)).client)
    expect(await run('a')).toBe(await run('a'))
    expect(new Set(await Promise.all(['a', 'b', 'c', 'd'].map(run))).size).toBeGreaterThan(1)
  })

  test('rate: some bytes of many have one wrong bit', async () => {
    const { server } = await virtualServer()
    const client = await join(server, 'dev', { version: 4 })
    await client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 0 }] }).next('suback')
    server.use(corrupt({ rate: 0.1 }))
    client.chunks.length = 0
    server.publish({ topic: 'a', payload: Buffer.alloc(995) })
    await server.clock.advance(0)
    const good = Buffer.concat([Buffer.from('30e607000161', 'hex'), Buffer.alloc(995)])
    const bits = bitsBetween(all(client), good)
    expect(bits).toBeGreaterThan(50)
    expect(bits).toBeLessThan(150)
  })

  test('set: bytes by their place, from the beginning and from the end', async () => {
    const { client } = await spoilt({ set: { 1: 0x7f, '-1': 5, 99: 1, '-99': 1 } })
    expect(hex(client)).toBe('207f0005')
  })

  test('packets, nth: only those, the rest of the write is left alone', async () => {
    const { client, clock } = await spoilt({ packets: ['puback'], nth: [2], set: { 0: 0xff } })
    client.send(publish(1), publish(2), { cmd: 'pingreq' }, publish(3))
    await clock.advance(0)
    expect(client.chunks.map((chunk) => chunk.toString('hex'))).toEqual(['20020000', '40020001ff020002d00040020003'])
  })

  test('truncate: bytes are missing at the end, and what follows takes their place', async () => {
    const { client, clock } = await spoilt({ packets: ['puback'], truncate: 1 })
    client.send(publish(1), { cmd: 'pingreq' })
    await clock.advance(0)
    expect(hex(client)).toBe('20020000400200d000')
    const { client: nothing } = await spoilt({ truncate: 100 })
    expect(nothing.chunks).toEqual([])
  })

  test('close: what follows the packet', async () => {
    for (const [close, ended] of [
      ['fin', 'fin'],
      ['rst', 'rst'],
      ['stall', undefined],
    ] as const) {
      const { client, clock } = await spoilt({ packets: ['puback'], truncate: 2, close })
      client.send({ cmd: 'pingreq' }, publish(1), publish(2))
      await clock.advance(10)
      expect([hex(client), client.ended]).toEqual(['20020000d0004002', ended])
    }
  })

  test('insert: garbage in front of the packet, or in it', async () => {
    expect(hex((await spoilt({ insert: 'dead' })).client)).toBe('dead20020000')
    expect(hex((await spoilt({ insert: 'dead', insertAt: 1 })).client)).toBe('20dead020000')
    expect(hex((await spoilt({ insert: 'dead', insertAt: -1 })).client)).toBe('200200dead00')
  })

  test('direction: in, what the client says comes wrong', async () => {
    const { server } = await virtualServer()
    const client = await join(server, 'dev')
    server.use(corrupt({ direction: 'in', set: { 0: 0xc1 } }))
    client.send({ cmd: 'pingreq' })
    expect(await client.end()).toBe('fin')
    expect(server.records({ type: 'violation' })).toMatchObject([{ violation: { rule: 'fixed-header-reserved-flags' } }])
    const both = await spoilt({ direction: 'both', packets: ['connect', 'connack'], nth: [2], set: { 0: 0 } })
    expect(hex(both.client)).toBe('20020000')
  })

  test('what one client gets wrong, another one gets right', async () => {
    const { server } = await virtualServer({ plugins: [['corrupt', { packets: ['publish'], set: { '-1': 0x78 } }, { clientId: 'dev' }]] })
    const [one, two] = [await join(server, 'dev'), await join(server, 'other')]
    for (const client of [one, two]) await client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 0 }] }).next('suback')
    server.publish({ topic: 'a', payload: 'abc' })
    expect([String((await one.next('publish')).payload), String((await two.next('publish')).payload)]).toEqual(['abx', 'abc'])
  })

  test('beside chunks: places count in the packet, wherever it is cut', async () => {
    const { server, clock } = await virtualServer({ plugins: [chunks({ size: 1, pause: 0 }), corrupt({ set: { 3: 9 }, truncate: 0 })] })
    const client = connectMemory(server).sendConnect()
    await clock.advance(0)
    expect(client.chunks.map((chunk) => chunk.toString('hex'))).toEqual(['20', '02', '00', '09'])
    expect(server.report().faults.applied.map(({ plugin }) => plugin)).toEqual(['chunks', 'corrupt'])
  })

  test('a packet that comes in pieces is cut at its own end', async () => {
    const { server, clock } = await virtualServer({ plugins: [chunks({ size: 3, pause: 10 }), corrupt({ truncate: 2, close: 'fin' })] })
    const client = connectMemory(server).sendConnect()
    await clock.advance(10)
    expect([hex(client), client.ended]).toEqual(['2002', 'fin'])
  })

  test('mistakes in its options are told at once', () => {
    expect(() => corrupt({ set: { first: 1 } })).toThrow("option 'set': places are whole numbers, got 'first'")
    expect(() => corrupt({ set: { 1: 256 } })).toThrow(/option 'set'/)
    expect(() => corrupt({ insertAt: 3 })).toThrow("option 'insertAt' goes with 'insert'")
    expect(() => corrupt({ insert: '00', insertAt: 0.5 })).toThrow("option 'insertAt' is a whole number")
  })
})
