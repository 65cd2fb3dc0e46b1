/** What a client sees of `lifetime`. */
import { lifetime } from 'mqttest/plugins'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { heard, joining, publish, subscribe } from '../support/outcome.ts'
import { virtualServer } from '../support/server.ts'

type Options = Parameters<typeof lifetime>[0]

const serverWith = (options: Options) => virtualServer({ plugins: [lifetime(options)] })

describe('lifetime', () => {
  test.each([
    ['unless told otherwise', {}, 5, 'disconnect 0xa0, fin'],
    ['in MQTT 3', {}, 4, 'fin'],
    ['with another code', { answer: { disconnect: 'server-busy' } }, 5, 'disconnect 0x89, fin'],
    ['with a reset', { answer: { v3: 'reset', v5: 'close' } }, 4, 'rst'],
    ['without a word', { answer: { v3: 'reset', v5: 'close' } }, 5, 'fin'],
  ] as const)('maximum: a connection that is old is ended, %s', async (_how, options, version, expected) => {
    const { server, clock } = await serverWith({ maximum: '1h', ...options })
    const client = await joining(server, version)
    await clock.advance('30m')
    client.send({ cmd: 'pingreq' })
    await clock.advance(30 * 60_000 - 1)
    expect(client.ended).toBeUndefined()
    await clock.advance(1)
    expect(heard(client)).toBe(`pingresp, ${expected}`)
  })

  test('idle: pings do not keep it alive, everything else does', async () => {
    const { server, clock } = await serverWith({ idle: '10s' })
    const [pings, publishes, old] = [await joining(server, 5), await joining(server, 5, { clientId: 'you' }), await joining(server, 4, { clientId: 'old' })]
    for (let count = 0; count < 2; count++) {
      await clock.advance('9s')
      pings.send({ cmd: 'pingreq' })
      publishes.send(publish('a', 0))
    }
    await clock.advance('9s')
    expect([heard(pings), heard(publishes), heard(old)]).toEqual(['pingresp, disconnect 0x98, fin', '', 'fin'])
    await clock.advance('1s')
    expect(heard(publishes)).toBe('disconnect 0x98, fin')
  })

  test('activity: which packets count', async () => {
    const { server, clock } = await serverWith({ idle: '10s', activity: ['pingreq'] })
    const [pings, publishes] = [await joining(server, 5), await joining(server, 5, { clientId: 'you' })]
    await clock.advance('9s')
    pings.send({ cmd: 'pingreq' })
    publishes.send(publish('a', 0))
    await clock.advance('9s')
    expect([heard(pings), heard(publishes)]).toEqual(['pingresp', 'disconnect 0x98, fin'])
  })

  test('deliveries: messages for the client count, too', async () => {
    for (const deliveries of [true, false]) {
      const { server, clock } = await serverWith({ idle: '10s', deliveries })
      const client = await joining(server, 4)
      client.send(subscribe('a'))
      await clock.advance('9s')
      server.publish({ topic: 'a' })
      await clock.advance('9s')
      expect(heard(client)).toBe(deliveries ? 'suback 0, publish a' : 'suback 0, publish a, fin')
    }
  })

  test('idleAnswer: how it is ended', async () => {
    const { server, clock } = await serverWith({ idle: '10s', idleAnswer: { v3: 'reset', v5: { disconnect: 'maximum-connect-time' } } })
    const [five, four] = [await joining(server, 5), await joining(server, 4, { clientId: 'four' })]
    await clock.advance('10s')
    expect([heard(five), heard(four)]).toEqual(['disconnect 0xa0, fin', 'rst'])
  })

  test('connect and connectAnswer: how long a connection may be without CONNECT', async () => {
    for (const [connectAnswer, ended] of [
      ['close', 'fin'],
      ['reset', 'rst'],
      ['allow', undefined],
    ] as const) {
      const { server, clock } = await serverWith({ connect: '5s', connectAnswer })
      const [silent, begins, says] = [connectMemory(server), connectMemory(server), connectMemory(server)]
      begins.send('10 20 00 04')
      await clock.advance(4999)
      expect(silent.ended).toBeUndefined()
      await says.connect()
      await clock.advance(1)
      expect([silent.ended, begins.ended, says.ended]).toEqual([ended, ended, undefined])
      await clock.advance('1h')
      expect(silent.ended).toBe(ended)
    }
  })

  test('connectBytes: a CONNECT that is larger closes the connection at its header', async () => {
    const { server, clock } = await serverWith({ connectBytes: 100 })
    const [small, large] = [connectMemory(server, 5), connectMemory(server, 5)]
    large.send('10 64 00 04')
    await clock.advance(0)
    expect([large.ended, large.received]).toEqual(['fin', []])
    expect((await small.connect({ clientId: 'x'.repeat(80) })).reasonCode).toBe(0)
    small.send(publish('a', 0, 0, { size: 1000 }))
    await small.settled()
  })

  test('connections that end before have no timer left, nor has the plugin once it is taken off', async () => {
    const { server, clock } = await virtualServer()
    const off = server.use(lifetime({ maximum: '1m', idle: '30s' }))
    const [one, two] = [await joining(server), await joining(server, 4, { clientId: 'two' })]
    expect(clock.pending).toBe(4)
    one.reset()
    await clock.advance(0)
    expect(clock.pending).toBe(2)
    off()
    expect(clock.pending).toBe(0)
    await clock.advance('1h')
    expect(two.ended).toBeUndefined()
  })

  test('each connection has its own time, with ack-delay and a scope as well; it counts as fired at the first end', async () => {
    const { server, clock } = await virtualServer({
      plugins: [
        [lifetime({ maximum: '10s' }), { clientId: ['a', 'b'] }],
        ['ack-delay', { delay: '8s' }],
      ],
    })
    const a = await joining(server, 5, { clientId: 'a' })
    await clock.advance('5s')
    const [b, c] = [await joining(server, 5, { clientId: 'b' }), await joining(server, 5, { clientId: 'c' })]
    for (const client of [a, b, c]) client.send(publish('x'))
    expect(server.report().faults.neverFired).toContain('lifetime')
    await clock.advance('5s')
    expect(server.report().faults.neverFired).not.toContain('lifetime')
    expect([heard(a), heard(b)]).toEqual(['disconnect 0xa0, fin', ''])
    await clock.advance('5s')
    expect([heard(b), heard(c)]).toEqual(['puback 16, disconnect 0xa0, fin', 'puback 16'])
  })

  test('options that limit nothing are refused', () => {
    expect(() => lifetime({ deliveries: true })).toThrow('nothing is limited')
  })
})
