/** What a client sees of `maintenance`. */
import { maintenance, reject } from 'mqttest/plugins'
import { connectMemory, connectTcp, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join, joined, messages, subscribe } from '../support/client.ts'
import { type VirtualServer, virtualServer } from '../support/server.ts'

const planned = (options: Parameters<typeof maintenance>[0]) => virtualServer({ plugins: [maintenance(options)] })
const last = (client: RawClient) => client.received.at(-1)

/** How an attempt to connect ends: CONNACK with its code, or the way in which it is turned down. */
async function attempt({ server, clock }: VirtualServer, version: 4 | 5 = 5) {
  const client = connectMemory(server, version).sendConnect({ clientId: 'new' })
  await clock.advance(0)
  const [connack] = client.received
  client.close()
  await clock.advance(0)
  return connack?.cmd === 'connack' ? (connack.reasonCode ?? connack.returnCode) : client.ended
}

describe('maintenance', () => {
  test('after a minute, unless told otherwise; clients go one by one within a second; nobody is there then', async () => {
    const run = await planned({})
    const { server, clock } = run
    const [one, two] = [await join(server, 'one'), await join(server, 'two')]
    await clock.advance(60_499)
    expect([one.ended, two.ended]).toEqual([undefined, undefined])
    await clock.advance(1)
    expect([one.ended, two.ended]).toEqual(['fin', undefined])
    expect(last(one)).toEqual({ cmd: 'disconnect', reasonCode: 0x8b })
    await two.settled()
    expect(await attempt(run)).toBe(0x88)
    await clock.advance(500)
    expect(last(two)).toEqual({ cmd: 'disconnect', reasonCode: 0x8b })
    expect(await attempt(run)).toBe('rst')
    await clock.advance('10h')
    expect(await attempt(run)).toBe('rst')
    expect(server.report().faults.applied).toMatchObject([{ plugin: 'maintenance' }])
  })

  test('before it, everything is as ever', async () => {
    const run = await planned({})
    expect(await attempt(run)).toBe(0)
    await run.clock.advance(59_999)
    expect(await attempt(run)).toBe(0)
    expect(run.server.report().faults.neverFired).toEqual(['maintenance'])
  })

  test('for: the server comes back, once', async () => {
    const run = await planned({ time: 100, drain: 0, for: '10s' })
    await run.clock.advance(10_099)
    expect(await attempt(run)).toBe('rst')
    await run.clock.advance(1)
    expect(await attempt(run)).toBe(0)
    await run.clock.advance('1h')
    expect(await attempt(run)).toBe(0)
  })

  test('clients: behind the CONNACK of the n-th that got in', async () => {
    const { server, clock } = await virtualServer({ plugins: [reject({ clientId: 'bad' }), maintenance({ clients: 2, drain: '1s' })] })
    await join(server, 'bad')
    const one = await join(server, 'one')
    await clock.advance('1h')
    await one.settled()
    const two = await join(server, 'two')
    await clock.advance(1000)
    expect(two.received.map(({ cmd }) => cmd)).toEqual(['connack', 'disconnect'])
    expect([one.ended, two.ended]).toEqual(['fin', 'fin'])
  })

  test('topic, payload and notice: a message comes first', async () => {
    const { server, clock } = await planned({ time: 100, topic: 'status', payload: 'going down', notice: '5s', drain: 10 })
    const client = await join(server, 'dev')
    await subscribe(client, '#')
    await clock.advance(100)
    expect(messages(client)).toEqual(['status going down'])
    await clock.advance(5009)
    expect(client.ended).toBeUndefined()
    await clock.advance(1)
    expect(client.ended).toBe('fin')
  })

  test('reasonCode, reasonString, serverReference and refusal', async () => {
    const run = await planned({
      time: 100,
      drain: 100,
      reasonCode: 'use-another-server',
      refusal: 'server-moved',
      reasonString: 'moving',
      serverReference: 'other:1883',
    })
    const client = await join(run.server, 'dev')
    const old = await join(run.server, 'old', { version: 4 })
    await run.clock.advance(100)
    const refused = connectMemory(run.server, 5).sendConnect({ clientId: 'new' })
    await run.clock.advance(0)
    const properties = { reasonString: 'moving', serverReference: 'other:1883' }
    expect(refused.received).toEqual([{ cmd: 'connack', sessionPresent: false, reasonCode: 0x9d, properties }])
    expect(await attempt(run, 4)).toBe(3)
    await run.clock.advance(100)
    expect(last(client)).toEqual({ cmd: 'disconnect', reasonCode: 0x9c, properties })
    expect([old.received.map(({ cmd }) => cmd), old.ended]).toEqual([['connack'], 'fin'])
  })

  test('newcomers: refused, nobody listens while the clients leave', async () => {
    const run = await planned({ time: 100, drain: '1s', newcomers: 'refused', for: 50 })
    const client = await join(run.server, 'dev')
    await run.clock.advance(100)
    expect(await attempt(run)).toBe('rst')
    await client.settled()
    await run.clock.advance(1000)
    expect(client.ended).toBe('fin')
    await run.clock.advance(50)
    expect(await attempt(run)).toBe(0)
  })

  test('rounds: it happens again, so long after the server was back', async () => {
    const run = await planned({ time: '1m', drain: '1s', for: '10s', rounds: 2 })
    const client = await join(run.server, 'dev')
    await run.clock.advance('71s')
    expect(client.ended).toBe('fin')
    const again = await join(run.server, 'dev')
    await run.clock.advance('60s')
    await again.settled()
    await run.clock.advance('1s')
    expect(last(again)).toEqual({ cmd: 'disconnect', reasonCode: 0x8b })
    await run.clock.advance('10s')
    const third = await join(run.server, 'dev')
    await run.clock.advance('1h')
    await third.settled()
  })

  test('rounds with clients: the clients that come back count anew', async () => {
    const run = await planned({ clients: 1, drain: 0, for: '1s', rounds: 2 })
    for (const ended of ['fin', 'fin', undefined]) {
      const client = await join(run.server, 'dev')
      await run.clock.advance(10)
      expect(client.ended).toBe(ended)
      await run.clock.advance('1s')
    }
  })

  test.each([
    ['keep', true],
    ['lose', false],
  ] as const)('sessions: %s', async (sessions, kept) => {
    const { server, clock } = await planned({ time: 100, drain: 0, for: '1s', sessions })
    const stays = { clean: false, properties: { sessionExpiryInterval: 3600 } }
    for (const clientId of ['one', 'two']) await subscribe(await join(server, clientId, stays), 'a')
    await clock.advance(100)
    await clock.advance('1s')
    const { client, connack } = await joined(server, 'one', stays)
    expect(connack.sessionPresent).toBe(kept)
    client.close()
    await clock.advance(10)
    // Those of the time since then are there.
    expect((await joined(server, 'one', stays)).connack.sessionPresent).toBe(true)
    expect((await joined(server, 'two', stays)).connack.sessionPresent).toBe(kept)
  })

  test('loses: sessions, retained messages, or both are gone when the server is back', async () => {
    const stays = { clean: false, properties: { sessionExpiryInterval: 3600 } }
    for (const loses of [[], ['sessions'], ['retained'], ['sessions', 'retained']] as const) {
      const { server, clock } = await planned({ time: 100, drain: 0, for: '1s', loses: [...loses] })
      server.publish({ topic: 'a', payload: 'x', retain: true })
      await subscribe(await join(server, 'one', stays), 'b')
      await clock.advance('2s')
      const { connack } = await joined(server, 'one', stays)
      const kept = (memory: 'sessions' | 'retained') => !loses.some((lost) => lost === memory)
      expect([connack.sessionPresent, server.retained.length === 1]).toEqual([kept('sessions'), kept('retained')])
    }
  })

  test('a client in the middle of its CONNECT goes with the others', async () => {
    const { server, clock } = await planned({ time: 100, drain: 100 })
    const client = connectMemory(server)
    await clock.advance(200)
    expect(client.ended).toBe('fin')
  })

  test('a client that leaves by itself meanwhile is left alone', async () => {
    const { server, clock } = await planned({ time: 100, drain: 100 })
    const client = await join(server, 'dev')
    await clock.advance(150)
    client.send({ cmd: 'disconnect' }).close()
    await clock.advance(100)
    expect(server.connections[0]?.ended).toMatchObject({ by: 'client', how: 'disconnect' })
    expect(clock.pending).toBe(0)
  })

  test('on a socket: nobody listens, and then at the same port', async () => {
    const { server, clock } = await virtualServer({ listen: { port: 0 }, plugins: [maintenance({ time: 10, drain: 0, for: '10s' })] })
    const { port } = server
    await clock.advance(10)
    await expect(connectTcp({ port })).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await clock.advance('10s')
    expect((await (await connectTcp({ port })).connect()).cmd).toBe('connack')
  })

  test('taken off, it is over: in time, while the server drains, and while it is down', async () => {
    for (const ms of [50, 150, 250]) {
      const { server, clock } = await virtualServer()
      const off = server.use(maintenance({ time: 100, drain: 100 }))
      await clock.advance(ms)
      off()
      expect(clock.pending).toBe(0)
      await clock.advance('1h')
      expect(await attempt({ server, clock })).toBe(0)
    }
  })

  test('mistakes in its options are told at once', () => {
    expect(() => maintenance({ notice: 5 })).toThrow("option 'notice' goes with 'topic'")
    expect(() => maintenance({ refusal: 0 })).toThrow('a code below 0x80 refuses nothing')
    expect(() => maintenance({ rounds: 2 })).toThrow("option 'rounds' needs 'for'")
    expect(() => maintenance({ clients: 0 })).toThrow(/option 'clients'/)
  })
})
