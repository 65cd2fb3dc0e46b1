/** What a client sees of `offline`. */
import { offline, reject } from 'mqttest/plugins'
import { connectMemory, connectTcp } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join, joined, messages, subscribe } from '../support/client.ts'
import { virtualServer } from '../support/server.ts'

async function away(options: Parameters<typeof offline>[0], scope: object = {}) {
  return virtualServer({ plugins: [[offline(options), scope]] })
}

/** How an attempt to connect ends: 'connack', or the way in which it is turned down. */
async function attempt(server: Parameters<typeof connectMemory>[0], clock: { advance(by: number): Promise<void> }): Promise<string> {
  const client = connectMemory(server).sendConnect()
  await clock.advance(0)
  return client.received[0]?.cmd ?? client.ended ?? 'nothing'
}

describe('offline', () => {
  test('from the start on, and for ever, unless told otherwise', async () => {
    const { server, clock } = await away({})
    expect(await attempt(server, clock)).toBe('rst')
    await clock.advance(3_600_000)
    expect(await attempt(server, clock)).toBe('rst')
    expect(server.report().faults.applied).toEqual([{ plugin: 'offline', count: 1 }])
  })

  test('for: it comes back', async () => {
    const { server, clock } = await away({ for: '10s' })
    await clock.advance(9_999)
    expect(await attempt(server, clock)).toBe('rst')
    await clock.advance(1)
    expect(await attempt(server, clock)).toBe('connack')
  })

  test('mode: unanswered, a connection is taken and never served', async () => {
    const { server, clock } = await away({ mode: 'unanswered', for: '10s' })
    expect(await attempt(server, clock)).toBe('nothing')
    await clock.advance(10_000)
    expect(await attempt(server, clock)).toBe('connack')
  })

  test('time: after a while; connections that exist are reset', async () => {
    const { server, clock } = await away({ time: '1m', for: '1s' })
    const client = await join(server, 'dev')
    await clock.advance(59_999)
    await client.settled()
    await clock.advance(1)
    expect(client.ended).toBe('rst')
    expect(await attempt(server, clock)).toBe('rst')
    await clock.advance(1000)
    expect(await attempt(server, clock)).toBe('connack')
    await clock.advance(3_600_000)
    expect(await attempt(server, clock)).toBe('connack')
  })

  test.each([
    ['fin', 'fin'],
    ['rst', 'rst'],
    ['stall', undefined],
  ] as const)('connections: %s', async (connections, ended) => {
    const { server, clock } = await away({ time: 10, connections })
    const client = await join(server, 'dev')
    await clock.advance(10)
    expect(client.ended).toBe(ended)
    client.send({ cmd: 'pingreq' })
    await clock.advance(10)
    expect(client.received).toHaveLength(1)
  })

  test('connections: keep leaves those that are there alone', async () => {
    const { server, clock } = await away({ time: 10, connections: 'keep' })
    const client = await join(server, 'dev')
    await clock.advance(10)
    expect(await attempt(server, clock)).toBe('rst')
    await client.settled()
  })

  test('connects: behind the CONNACK of the n-th client', async () => {
    const { server, clock } = await away({ connects: 2, connections: 'fin', for: '1s' })
    const one = await join(server, 'one')
    await one.settled()
    const two = await join(server, 'two')
    await clock.advance(0)
    expect(two.received.map(({ cmd }) => cmd)).toEqual(['connack'])
    expect([one.ended, two.ended]).toEqual(['fin', 'fin'])
    expect(await attempt(server, clock)).toBe('rst')
  })

  test('connects: a client that was refused does not count', async () => {
    const { server, clock } = await virtualServer({ plugins: [reject({ clientId: 'bad' }), offline({ connects: 1 })] })
    await join(server, 'bad')
    await join(server, 'good')
    await clock.advance(0)
    expect(await attempt(server, clock)).toBe('rst')
  })

  test('closed: when the n-th connection has ended, in its scope', async () => {
    const { server, clock } = await away({ closed: 1, for: '5s' }, { clientId: 'dev' })
    ;(await join(server, 'other')).close()
    await clock.advance(0)
    expect(await attempt(server, clock)).toBe('connack')
    const client = await join(server, 'dev')
    client.send({ cmd: 'disconnect' }).close()
    await clock.advance(0)
    expect(await attempt(server, clock)).toBe('rst')
    await clock.advance(5000)
    expect(await attempt(server, clock)).toBe('connack')
  })

  test('loses: what it has lost when it is back; nothing unless told', async () => {
    for (const [loses, expected] of [
      [[], [true, ['kept x']]],
      [['sessions'], [false, ['kept x']]],
      [['retained'], [true, []]],
      [
        ['sessions', 'retained'],
        [false, []],
      ],
    ] as const) {
      const { server, clock } = await away({ time: 10, for: 10, loses })
      await join(server, 'dev', { version: 4, clean: false })
      server.publish({ topic: 'kept', payload: 'x', retain: true })
      await clock.advance(20)
      const { client, connack } = await joined(server, 'dev', { version: 4, clean: false })
      await subscribe(client, 'kept')
      expect([connack.sessionPresent, messages(client)]).toEqual(expected)
    }
  })

  test('again: as often as it takes', async () => {
    const { server, clock } = await away({ connects: 1, for: '1s', again: true })
    for (let round = 0; round < 3; round++) {
      expect(await attempt(server, clock)).toBe('connack')
      expect(await attempt(server, clock)).toBe('rst')
      await clock.advance(1000)
    }
    expect(server.report().faults.applied).toEqual([{ plugin: 'offline', count: 3 }])
  })

  test('again, with time: it comes and goes', async () => {
    const { server, clock } = await away({ time: 100, for: 50, again: true })
    const seen = []
    for (let at = 0; at < 300; at += 50) {
      seen.push(await attempt(server, clock))
      await clock.advance(50)
    }
    expect(seen).toEqual(['connack', 'connack', 'rst', 'connack', 'connack', 'rst'])
  })

  test('on a socket: nobody listens, and then at the same port', async () => {
    const { server, clock } = await virtualServer({ listen: { port: 0 }, plugins: [offline({ for: '10s' })] })
    const { port } = server
    await expect(connectTcp({ port })).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await clock.advance('10s')
    expect((await (await connectTcp({ port })).connect()).cmd).toBe('connack')
  })

  test('on a server that runs: at once, and back when it is taken off', async () => {
    const { server, clock } = await virtualServer()
    const off = server.use(offline())
    await clock.advance(0)
    expect(await attempt(server, clock)).toBe('rst')
    off()
    expect(await attempt(server, clock)).toBe('connack')
  })

  test('mistakes in its options are told at once', () => {
    expect(() => offline({ again: true, time: 5 })).toThrow("option 'again' needs 'for'")
    expect(() => offline({ again: true, for: 5 })).toThrow("option 'again' goes with 'time', 'connects' and 'closed'")
    expect(() => offline({ connects: 0 })).toThrow(/option 'connects'/)
  })
})
