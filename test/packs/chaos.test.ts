/** What a client meets where nothing can be expected; and that the server survives it, and can do the same again. */
import type { Server } from 'mqttest'
import { chaos } from 'mqttest/packs'
import { connectMemory, playScenario, scenarios } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { makeClient } from '../mqttjs/client.ts'
import { join } from '../support/client.ts'
import { bystander } from '../support/left-over.ts'
import { publish } from '../support/outcome.ts'
import { tcpServer, virtualServer } from '../support/server.ts'

type Options = Parameters<typeof chaos>[0]

const seeds = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight']

/** All that crossed the wire in every scenario, one after the other on one server. */
async function traces(seed: string, options: Options): Promise<readonly string[]> {
  const stage = await virtualServer({ seed, plugins: [chaos(options)] })
  const all: string[] = []
  for (const scenario of scenarios) all.push(...(await playScenario(stage, scenario)))
  expect(stage.server.report().pluginErrors).toEqual([])
  return all
}

const wrong = (trace: readonly string[]) => trace.filter((line) => /← (bytes that are no packet|a malformed packet|what is no packet)/.test(line)).length

/** Resolves when so many packets went over the wire, or, where a dead link ends the talk, when nothing goes on any more. */
function lively(server: Server, packets = 80): Promise<unknown> {
  let seen = 0
  const enough = new Promise<void>((resolve) => {
    server.onRecord(({ type }) => {
      if (type === 'packet' && ++seen >= packets) resolve()
    })
  })
  return Promise.race([enough, server.idle({ quiet: 300, within: '8s' })])
}

describe('chaos', () => {
  test('the same seed gives the same, byte for byte and at the same times; another one something else', async () => {
    for (const level of [0.2, 1]) {
      const once = await traces('one', { level })
      expect(await traces('one', { level })).toEqual(once)
      expect(await traces('two', { level })).not.toEqual(once)
    }
  })

  test('the higher the level, the more is wrong; at 0 every packet can be read', async () => {
    const counts: number[] = []
    for (const level of [0, 0.3, 1]) counts.push(wrong((await Promise.all(seeds.map((seed) => traces(seed, { level })))).flat()))
    expect(counts[0]).toBe(0)
    expect(counts[1]).toBeGreaterThan(0)
    expect(counts[2]).toBeGreaterThan((counts[1] ?? 0) * 1.5)
  })

  test.each(seeds)('the server survives it, and others do not notice (seed %s)', async (seed) => {
    const { server, clock } = await virtualServer({ seed, plugins: [[chaos({ level: 1 }), { clientId: ['anna*', 'bert*', 'carl*', ''] }]] })
    const other = await bystander(server)
    for (const scenario of scenarios) {
      await playScenario({ server, clock }, scenario)
      await other.settled()
    }
    await clock.advance('2h')
    await other.settled()
    expect(other.received.every(({ cmd }) => cmd === 'connack' || cmd === 'pingresp')).toBe(true)
    expect(server.report().pluginErrors).toEqual([])
    expect(server.report().faults.applied.map(({ plugin }) => plugin)).toContain('inject')
  })

  test.each([
    ['ack-wrong', ({ cmd }: { readonly cmd: string }) => cmd === 'pubcomp'],
    ['ack-spurious', ({ cmd }: { readonly cmd: string }) => cmd === 'unsuback'],
    ['duplicate', ({ cmd }: { readonly cmd: string }) => cmd === 'connack'],
  ])('a PUBLISH of QoS 1 may meet what %s does', async (_plugin, isStrange) => {
    for (const seed of [...seeds, ...seeds.map((one) => `${one}!`)]) {
      const { server, clock } = await virtualServer({ seed, plugins: [chaos({ level: 1, lateness: 0, without: ['chunks', 'corrupt', 'inject', 'fault'] })] })
      const client = connectMemory(server).sendConnect({ clientId: 'dev' })
      await clock.advance('1s')
      for (let messageId = 1; messageId <= 40 && client.ended === undefined; messageId++) {
        client.send(publish('a', 1, messageId))
        await clock.advance('1s')
      }
      if (client.received.slice(1).some(isStrange)) return
    }
    expect.fail('nothing of the kind came')
  })

  test('timeScale: what is late is less late', async () => {
    const { server, clock } = await virtualServer({ plugins: [chaos({ level: 0, lateness: '10s', timeScale: 0.001 })] })
    const client = join(server, 'dev')
    await clock.advance(10)
    await client
  })

  test('MQTT.js does not bring the server down, nor the server MQTT.js', async () => {
    for (const seed of seeds) {
      const server = await tcpServer({ seed, plugins: [chaos({ level: 0.5, timeScale: 0.02 })] })
      const { client } = makeClient(server, { protocolVersion: seed.length % 2 === 0 ? 4 : 5, clientId: 'dev', keepalive: 10, reconnectPeriod: 10 })
      client.subscribe('a/#', { qos: 2 }, () => undefined)
      for (let number = 0; number < 30; number++) client.publish('a/b', `${number}`, { qos: number % 3 === 0 ? 0 : number % 3 === 1 ? 1 : 2 }, () => undefined)
      await lively(server)
      expect(server.report().pluginErrors).toEqual([])
      await client.endAsync(true)
    }
  })
})
