/** What a client meets behind a phone that goes in and out of coverage. */
import { flakyMobile } from 'mqttest/packs'
import { connectMemory, playScenario, scenarios } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { messages } from '../support/client.ts'
import { brokenRules } from '../support/left-over.ts'
import { publish, subscribe } from '../support/outcome.ts'
import { virtualServer } from '../support/server.ts'

type Options = Parameters<typeof flakyMobile>[0]

/** Nothing happens but what a test asks for. */
const calm = { intensity: 1, latency: 0, jitter: 0, gaps: 0, dead: 0, resets: 0, lostSessions: 0 } as const
const kept = { 4: { clean: false }, 5: { clean: false, properties: { sessionExpiryInterval: 3600 } } } as const

async function phone(options: Options, seed = 'test') {
  const { server, clock } = await virtualServer({ seed, plugins: [flakyMobile(options)] })
  const come = async (version: 4 | 5 = 5, keepalive = 0) => {
    const client = connectMemory(server, version).sendConnect({ clientId: 'phone', keepalive, ...kept[version] })
    await clock.advance('2s')
    return client
  }
  return { server, clock, come }
}

async function traces(seed: string, options: Options): Promise<readonly string[]> {
  const { server, clock } = await virtualServer({ seed, plugins: [flakyMobile(options)] })
  const all: string[] = []
  for (const scenario of scenarios) all.push(...(await playScenario({ server, clock }, scenario)))
  expect(server.report().pluginErrors).toEqual([])
  return all
}

describe('flaky-mobile', () => {
  test('is slow, and not the same each time', async () => {
    const { come, clock } = await phone({ intensity: 0 })
    const client = await come()
    const tookMs: number[] = []
    for (let messageId = 1; messageId <= 5; messageId++) {
      client.send(publish('a', 1, messageId))
      const fromMs = clock.now()
      while (client.received.length === messageId) await clock.advance(1)
      tookMs.push(clock.now() - fromMs)
    }
    expect(Math.min(...tookMs)).toBeGreaterThanOrEqual(300)
    expect(Math.max(...tookMs)).toBeLessThanOrEqual(1101)
    expect(new Set(tookMs).size).toBeGreaterThan(1)
  })

  test.each([4, 5] as const)('MQTT %i: in a gap nothing moves; then all of it comes, in order', async (version) => {
    const { come, clock } = await phone({ ...calm, gaps: 1 })
    const client = await come(version)
    client.send(publish('a', 1, 1), publish('a', 1, 2), { cmd: 'pingreq' })
    await clock.advance(7999)
    expect(client.received.map(({ cmd }) => cmd)).toEqual(['connack', 'puback'])
    await clock.advance('1m')
    expect(client.received.map(({ cmd }) => cmd)).toEqual(['connack', 'puback', 'puback', 'pingresp'])
    expect(client.ended).toBeUndefined()
  })

  test('a dead link says nothing, not even that it is dead; the server gives up after one and a half keep-alives', async () => {
    const { server, come, clock } = await phone({ ...calm, dead: 1 })
    const client = await come(5, 10)
    client.send(publish('a', 1, 1), { cmd: 'pingreq' })
    await clock.advance('9s')
    client.send({ cmd: 'pingreq' })
    await clock.advance('1h')
    expect(client.received.map(({ cmd }) => cmd)).toEqual(['connack', 'puback'])
    expect(client.ended).toBeUndefined()
    expect(server.connections[0]?.closed).toBe(true)
  })

  test.each([4, 5] as const)('MQTT %i: after a reset the session is there, and messages come again with DUP', async (version) => {
    const { server, come, clock } = await phone({ ...calm, resets: 0.4 }, 'resets')
    let client = await come(version)
    for (let tries = 0; tries < 50 && !client.received.some(({ cmd }) => cmd === 'suback'); tries++) {
      client.send(subscribe('a', 1))
      await clock.advance('2s')
      if (client.ended !== undefined) client = await come(version)
    }
    server.publish({ topic: 'a', payload: 'x', qos: 1 })
    await clock.advance('2s')
    expect(messages(client)).toEqual(['a x'])
    client.reset()
    const again = await come(version)
    expect(again.received[0]).toMatchObject({ sessionPresent: true })
    expect(again.received[1]).toMatchObject({ cmd: 'publish', dup: true })
    expect(brokenRules(server)).toEqual([])
  })

  test('the answer may be lost although the request was heard', async () => {
    const { server, come, clock } = await phone({ ...calm, resets: 0.5 }, 'b')
    for (let tries = 0; tries < 40; tries++) {
      const client = await come()
      client.send({ ...publish(`a/${tries}`, 1, 1), retain: true })
      await clock.advance('1s')
      const wasHeard = server.retained.some(({ topic }) => topic === `a/${tries}`)
      if (wasHeard && client.ended === 'rst' && client.received.length === 1) return
    }
    expect.fail('no answer was lost')
  })

  test('a session is lost now and then, and CONNACK says so', async () => {
    const { come } = await phone({ ...calm, lostSessions: 0.5 })
    const present = new Set<boolean>()
    await (await come()).close()
    for (let time = 0; time < 20; time++) {
      const client = await come()
      const [connack] = client.received
      if (connack?.cmd === 'connack') present.add(connack.sessionPresent)
      client.close()
    }
    expect(present).toEqual(new Set([true, false]))
  })

  test('the same seed gives the same, another one something else', async () => {
    const once = await traces('one', { intensity: 1 })
    expect(await traces('one', { intensity: 1 })).toEqual(once)
    expect(await traces('two', { intensity: 1 })).not.toEqual(once)
  })

  test('timeScale: the gap is shorter', async () => {
    const { come, clock } = await phone({ ...calm, gaps: 1, timeScale: 0.01 })
    const client = await come()
    client.send(publish('a', 1, 1), publish('a', 1, 2))
    await clock.advance(79)
    expect(client.received).toHaveLength(2)
    await clock.advance(1)
    expect(client.received).toHaveLength(3)
  })
})
