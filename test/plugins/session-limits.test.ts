/** What a client sees of `session-limits`. */
import type { Server } from 'mqttest'
import { connack, sessionLimits } from 'mqttest/plugins'
import { describe, expect, test } from 'vitest'
import { join, joined, messages, subscribe } from '../support/client.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

const asks = (seconds: number) => ({ clean: false, properties: { sessionExpiryInterval: seconds } })
const announced = async (server: Server, seconds: number) => (await joined(server, `for${seconds}`, asks(seconds))).connack.properties?.sessionExpiryInterval

/** Subscribes, leaves, and finds so many messages when it is back. */
async function away(server: Server, count: number, meanwhile?: () => Promise<void>) {
  const client = await join(server, 'me', asks(1000))
  await subscribe(client, 'a', 1)
  client.reset()
  await server.clock.advance(1)
  for (let number = 1; number <= count; number++) server.publish({ topic: 'a', payload: String(number), qos: 1 })
  await meanwhile?.()
  const back = await joined(server, 'me', asks(1000))
  await back.client.settled()
  return { back: back.client, present: back.connack.sessionPresent, got: messages(back.client) }
}

describe('session-limits', () => {
  test('maximum: a longer session is cut, and CONNACK says so', async () => {
    const { server, clock } = await virtualServer({ plugins: [sessionLimits({ maximum: '60s' })] })
    expect([await announced(server, 3600), await announced(server, 0xffff_ffff), await announced(server, 30)]).toEqual([60, 60, undefined])
    ;(await join(server, 'me', asks(3600))).reset()
    await clock.advance('59s')
    expect(server.sessions.some(({ clientId }) => clientId === 'me')).toBe(true)
    await clock.advance('1s')
    expect(server.sessions.some(({ clientId }) => clientId === 'me')).toBe(false)
  })

  test('minimum: a shorter session lives longer, and CONNACK says so', async () => {
    const { server, clock } = await virtualServer({ plugins: [sessionLimits({ minimum: '60s' })] })
    expect([await announced(server, 0), await announced(server, 61)]).toEqual([60, undefined])
    ;(await join(server, 'me', asks(1))).reset()
    await clock.advance('59s')
    expect((await joined(server, 'me', asks(1))).connack.sessionPresent).toBe(true)
  })

  test('DISCONNECT cannot change it beyond the limits', async () => {
    const server = await memoryServer({ plugins: [sessionLimits({ minimum: '10s', maximum: '60s' })] })
    for (const [seconds, keptMs] of [
      [0, 10_000],
      [20, 20_000],
      [900, 60_000],
    ] as const) {
      const client = await join(server, 'me', asks(30))
      await client.send({ cmd: 'disconnect', reasonCode: 0, properties: { sessionExpiryInterval: seconds } }).end()
      expect(server.sessions[0]?.expiryMs).toBe(keptMs)
    }
  })

  test('announce: nothing keeps it a secret; a time is a lie', async () => {
    const secret = await memoryServer({ plugins: [sessionLimits({ maximum: '60s', announce: 'nothing' })] })
    expect(await announced(secret, 3600)).toBeUndefined()
    expect(secret.sessions[0]?.expiryMs).toBe(60_000)
    const liar = await memoryServer({ plugins: [sessionLimits({ maximum: '60s', announce: '2h' })] })
    expect(await announced(liar, 30)).toBe(7200)
    expect(liar.sessions[0]?.expiryMs).toBe(30_000)
    expect((await joined(liar, 'old', { version: 4, clean: false })).connack).toEqual({ cmd: 'connack', sessionPresent: false, returnCode: 0 })
  })

  test('announce: always tells it also where it is what was asked for', async () => {
    const server = await memoryServer({ plugins: [sessionLimits({ maximum: '60s', announce: 'always' })] })
    expect([await announced(server, 3600), await announced(server, 30), await announced(server, 0)]).toEqual([60, 30, 0])
    const forever = await memoryServer({ plugins: [sessionLimits({ announce: 'always' })] })
    expect(await announced(forever, 0xffff_ffff)).toBe(0xffff_ffff)
  })

  test('mqtt3: a session of MQTT 3 ends as well; a clean one with its connection', async () => {
    const { server, clock } = await virtualServer({ plugins: [sessionLimits({ mqtt3: '2h' })] })
    ;(await join(server, 'kept', { version: 4, clean: false })).reset()
    ;(await join(server, 'clean', { version: 3, clean: true })).reset()
    await clock.advance('119m')
    expect(server.sessions.map(({ clientId }) => clientId)).toEqual(['kept'])
    await clock.advance('1m')
    expect(server.sessions).toEqual([])
  })

  test('maximum goes for MQTT 3 as well', async () => {
    const server = await memoryServer({ plugins: [sessionLimits({ maximum: '1h', minimum: '1m' })] })
    await join(server, 'kept', { version: 4, clean: false })
    await join(server, 'clean', { version: 4, clean: true })
    expect(server.sessions.map(({ expiryMs }) => expiryMs)).toEqual([3_600_000, 0])
  })

  test('persistent: false keeps no session', async () => {
    const server = await memoryServer({ plugins: [sessionLimits({ persistent: false })] })
    expect(await announced(server, 3600)).toBe(0)
    for (const version of [4, 5] as const) {
      ;(await join(server, 'me', { version, ...asks(100) })).reset()
      expect((await joined(server, 'me', { version, ...asks(100) })).connack.sessionPresent).toBe(false)
    }
  })

  test('persistent: false for who has a session already: it is gone', async () => {
    const server = await memoryServer()
    ;(await join(server, 'me', asks(100))).reset()
    server.use(sessionLimits({ persistent: false }))
    expect((await joined(server, 'me', asks(100))).connack.sessionPresent).toBe(false)
  })

  test('queueLimit: so many messages are kept, the oldest ones; overflow: oldest keeps the newest', async () => {
    const newest = await memoryServer({ plugins: [sessionLimits({ queueLimit: 2 })] })
    expect((await away(newest, 4)).got).toEqual(['a 1', 'a 2'])
    const oldest = await memoryServer({ plugins: [sessionLimits({ queueLimit: 2, overflow: 'oldest' })] })
    expect((await away(oldest, 4)).got).toEqual(['a 3', 'a 4'])
    const none = await memoryServer({ plugins: [sessionLimits({ queueLimit: 0, overflow: 'oldest' })] })
    expect((await away(none, 4)).got).toEqual([])
  })

  test('overflow: session ends the session, and the connection where there is one', async () => {
    const server = await memoryServer({ plugins: [sessionLimits({ queueLimit: 2, overflow: 'session' })] })
    expect((await away(server, 2)).present).toBe(true)
    const { present, got } = await away(server, 3)
    expect([present, got]).toEqual([false, []])
    const slow = await join(server, 'slow', { ...asks(100), properties: { sessionExpiryInterval: 100, receiveMaximum: 1 } })
    await subscribe(slow, 'b', 1)
    for (let number = 0; number < 4; number++) server.publish({ topic: 'b', qos: 1 })
    expect(await slow.next('disconnect')).toMatchObject({ reasonCode: 0x97 })
    await slow.end()
    expect(server.sessions.map(({ clientId }) => clientId)).toEqual(['me'])
  })

  test('subscriptions and queued: lost, although Session Present is 1', async () => {
    const forgetful = await memoryServer({ plugins: [sessionLimits({ subscriptions: 'lose' })] })
    const first = await away(forgetful, 1)
    expect([first.present, first.got]).toEqual([true, ['a 1']])
    expect(forgetful.publish({ topic: 'a' })).toBe(0)
    const empty = await memoryServer({ plugins: [sessionLimits({ queued: 'lose' })] })
    const second = await away(empty, 1)
    expect([second.present, second.got]).toEqual([true, []])
    expect(empty.publish({ topic: 'a' })).toBe(1)
  })

  test('a scope leaves others alone, and other plugins have their say about CONNACK', async () => {
    const plugins = [connack({ set: { reasonString: 'hello' } }), [sessionLimits({ maximum: '1m', announce: '5m' }), { clientId: 'for600' }] as const]
    const server = await memoryServer({ plugins })
    expect((await joined(server, 'for600', asks(600))).connack.properties).toMatchObject({ sessionExpiryInterval: 300, reasonString: 'hello' })
    expect(await announced(server, 700)).toBeUndefined()
    expect(server.report().faults.applied).toContainEqual({ plugin: 'session-limits', count: 2 })
  })

  test('switched off while a session waits, it changes nothing any more', async () => {
    const { server, clock } = await virtualServer()
    const off = server.use(sessionLimits({ maximum: '1m' }))
    ;(await join(server, 'me', asks(3600))).reset()
    await clock.advance('1s')
    off()
    ;(await join(server, 'me', asks(3600))).reset()
    await clock.advance('30m')
    expect(server.sessions).toHaveLength(1)
  })

  test('mistakes in its options are told at once', () => {
    expect(() => sessionLimits()).toThrow(/without an option/)
    expect(() => sessionLimits({ minimum: 2, maximum: 1 })).toThrow("option 'minimum' is above 'maximum'")
    expect(() => sessionLimits({ minimum: 2, persistent: false })).toThrow(/does not go with/)
    expect(() => sessionLimits.create({ announce: 'truht' })).toThrow(/option 'announce'/)
  })
})
