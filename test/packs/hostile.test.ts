/** What a client meets at a server that is right, and awkward; and that a correct client survives it. */
import type { ISubscriptionMap, MqttClient } from 'mqtt'
import { hostile } from 'mqttest/packs'
import { connectMemory, playScenario, type RawClient, scenarios } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join as joinMqttjs, makeClient } from '../mqttjs/client.ts'
import { join, joined, messages } from '../support/client.ts'
import { brokenRules } from '../support/left-over.ts'
import { publish, subscribe } from '../support/outcome.ts'
import { tcpServer, virtualServer } from '../support/server.ts'

type Options = Parameters<typeof hostile>[0]

const seeds = ['one', 'two', 'three', 'four', 'five']
const awkward = (options: Options = {}, seed = 'test') => virtualServer({ seed, plugins: [hostile(options)] })
/** Late by nothing, so that the answer is there at once. */
const prompt = { lateness: 0, without: ['reorder', 'chunks', 'ack-delay', 'delivery-delay'] } as const

/** A client that waits for its CONNACK, however late that is. */
async function come({ server, clock }: Awaited<ReturnType<typeof awkward>>): Promise<RawClient> {
  const client = connectMemory(server, 5).sendConnect({ clientId: 'dev' })
  await clock.advance('11s')
  return client
}

/** Messages of QoS 1 and 2 that a client of a trace saw, as topic and payload; and those that somebody sent to a topic. */
function delivered(trace: readonly string[]): Set<string> {
  const found = trace.map((line) => /ms {2}(\S+) ← PUBLISH (\S+ )(?:QoS \d )?.*?(".*?")/.exec(line))
  return new Set(found.flatMap((match) => (match === null || match[2]?.startsWith('mqttest/') ? [] : [`${match[1]}: ${match[2]}${match[3]}`])))
}

/** The name of a broken rule, without its connection. */
const rule = (broken: string) => broken.replace(/^\d+: /, '')

describe('hostile', () => {
  test('CONNACK has limits, an odd client id, and explains itself', async () => {
    const { server } = await awkward(prompt)
    const { connack } = await joined(server, '', { keepalive: 300, properties: { sessionExpiryInterval: 100_000 } })
    expect(connack.properties).toMatchObject({ receiveMaximum: 2, serverKeepAlive: 30, sessionExpiryInterval: 600, reasonString: 'nothing is wrong' })
    expect(connack.properties?.assignedClientIdentifier).toMatch(/^ü .*#/)
  })

  test('who takes no explanations, or no long packets, gets none', async () => {
    const { server } = await awkward(prompt)
    for (const properties of [{ requestProblemInformation: false }, { maximumPacketSize: 100 }]) {
      const { connack } = await joined(server, 'dev', { properties })
      expect(connack.properties?.reasonString).toBeUndefined()
      expect(connack.properties?.userProperties).toBeUndefined()
    }
  })

  test('acknowledgements have every form', async () => {
    const { server } = await awkward({ ...prompt, intensity: 1 })
    const client = await join(server, 'dev')
    const seen = new Set<number>()
    for (let messageId = 1; messageId <= 40; messageId++) {
      await client.send(publish('a', 1, messageId)).next('puback', { messageId })
      seen.add(client.chunks.at(-1)?.length ?? 0)
    }
    // The packet id alone; with a code; with no properties; with some.
    expect([4, 5, 6].filter((length) => !seen.has(length))).toEqual([])
    expect(Math.max(...seen)).toBeGreaterThan(20)
  })

  test('messages come before SUBACK, and the QoS is lower now and then', async () => {
    const { server, clock } = await awkward({ ...prompt, intensity: 1, receiveMaximum: 100 })
    const client = await join(server, 'dev')
    const granted = new Set<number>()
    for (let messageId = 1; messageId <= 20; messageId++) {
      const { granted: codes } = await client.send(subscribe(`${messageId}`, 2, messageId)).next('suback', { messageId })
      for (const code of codes) granted.add(code)
    }
    expect(granted).toEqual(new Set([1, 2]))
    expect(client.received.slice(1, 7).map(({ cmd }) => cmd)).toEqual([...Array(5).fill('publish'), 'suback'])
    await clock.advance(0)
  })

  test('acknowledgements come in another order', async () => {
    const run = await awkward({ intensity: 1, receiveMaximum: 100 })
    const { clock } = run
    const client = await come(run)
    client.send(...Array.from({ length: 12 }, (_none, index) => publish('a', 1, index + 1)))
    await clock.advance('5s')
    const ids = client.received.flatMap((packet) => (packet.cmd === 'puback' ? [packet.messageId] : []))
    expect([...ids].sort((one, two) => one - two)).toEqual(Array.from({ length: 12 }, (_none, index) => index + 1))
    expect(ids).not.toEqual([...ids].sort((one, two) => one - two))
  })

  test('messages of a topic stay in order', async () => {
    for (const seed of seeds) {
      const run = await awkward({ intensity: 1, receiveMaximum: 100 }, seed)
      const { server, clock } = run
      const client = await come(run)
      client.send(subscribe('a', 1))
      await clock.advance('2s')
      for (let number = 0; number < 10; number++) server.publish({ topic: 'a', payload: `${number}`, qos: 1 })
      await clock.advance('5s')
      expect(messages(client).filter((one) => one.startsWith('a '))).toEqual(Array.from({ length: 10 }, (_none, index) => `a ${index}`))
    }
  })

  test.each([
    [4, true],
    [5, false],
  ] as const)('MQTT %i: what is not acknowledged comes again on the same connection: %s', async (version, again) => {
    const { server, clock } = await awkward({ ...prompt, intensity: 1 })
    const client = await join(server, 'dev', { version })
    client.send(subscribe('mqttest/x', 1))
    await clock.advance('2s')
    expect(client.received.some((packet) => packet.cmd === 'publish' && packet.dup)).toBe(again)
  })

  test('timeScale: it is late by less', async () => {
    const run = await awkward({ intensity: 1, lateness: '10s', timeScale: 0.01 })
    const client = await come(run)
    client.send(publish('a', 1, 1))
    await run.clock.advance(250)
    expect(client.received.map(({ cmd }) => cmd)).toEqual(['connack', 'puback'])
  })

  test('the same seed gives the same, another one something else', async () => {
    const play = async (seed: string) => {
      const stage = await awkward({ intensity: 1, ends: 0.02 }, seed)
      const all: string[] = []
      for (const scenario of scenarios) all.push(...(await playScenario(stage, scenario)))
      return all
    }
    const once = await play('one')
    expect(await play('one')).toEqual(once)
    expect(await play('two')).not.toEqual(once)
  })

  // A client that acknowledges by number, whatever came, is not correct where ids are others.
  const correct = scenarios.filter(({ steps }) => !steps('home').some((step) => 'connect' in step && step.silent))
  // Which member of a shared subscription gets a message is the server's to choose.
  const byWhom = (name: string) => (one: string) => (name.includes('shared') ? one.replace(/^\S+ /, '') : one)

  test.each(seeds)('every golden scenario: what came without it comes with it, and no rule is broken that was not (seed %s)', async (seed) => {
    let count = 0
    for (const scenario of correct) {
      const plain = await virtualServer()
      const expected = delivered(await playScenario(plain, scenario))
      count += expected.size
      const stage = await awkward({ intensity: 1, lateness: '3ms', receiveMaximum: 100 }, seed)
      const seen = new Set([...delivered(await playScenario(stage, scenario))].map(byWhom(scenario.name)))
      expect(
        [...expected].filter((one) => !seen.has(byWhom(scenario.name)(one))),
        scenario.name,
      ).toEqual([])
      // Who says goodbye without a look at what is late answers it after that.
      const before = new Set([...brokenRules(plain.server).map(rule), 'packet-after-disconnect'])
      expect(
        brokenRules(stage.server)
          .map(rule)
          .filter((one) => !before.has(one)),
        scenario.name,
      ).toEqual([])
    }
    expect(count).toBeGreaterThan(20)
  })
})

/**
 * Three habits of MQTT.js 5 are kept out of it: it hands a QoS 2 message with a topic alias out without its topic (so it is given no
 * aliases), sends again without DUP (so MQTT 5 answers 0x91 for a message that the server has), and takes a subscription
 * that was never acknowledged for one that it has (so it is ended first).
 */
describe.each([
  [4, { protocolVersion: 4 }],
  [5, { protocolVersion: 5, properties: { sessionExpiryInterval: 600 } }],
] as const)('MQTT.js over a socket, MQTT %i', (_level, options) => {
  test.each(seeds)('every message of QoS 1 and 2 arrives, over connections that end (seed %s)', async (seed) => {
    const server = await tcpServer({ seed, plugins: [hostile({ intensity: 1, ends: 0.02, timeScale: 0.02 })] })
    const kept = { ...options, clean: false, keepalive: 10 } as const
    const { client: reader } = await joinMqttjs(server, { ...kept, clientId: 'reader' })
    const { client: writer } = makeClient(server, { ...kept, clientId: 'writer' })
    const got = new Set<string>()
    const all = Array.from({ length: 60 }, (_none, number) => `news/${1 + (number % 2)} ${number}`)
    const complete = new Promise<void>((resolve) => {
      reader.on('message', (topic, payload) => {
        got.add(`${topic} ${payload}`)
        if (all.every((one) => got.has(one))) resolve()
      })
    })
    await subscribed(reader, { 'news/+': { qos: 2 }, 'news/1': { qos: 1 } })
    for (const one of all) {
      const [topic = '', payload = ''] = one.split(' ')
      await writer.publishAsync(topic, payload, { qos: topic === 'news/1' ? 1 : 2 }).catch(unlessTaken)
    }
    await complete
    expect(all.filter((one) => !got.has(one))).toEqual([])
  })
})

/** Subscribes until it works: a connection may end in between. */
async function subscribed(client: MqttClient, topics: ISubscriptionMap): Promise<void> {
  for (let tries = 0; tries < 50; tries++) {
    try {
      await client.subscribeAsync(topics)
      return
    } catch {
      await client.unsubscribeAsync(Object.keys(topics)).catch(() => undefined)
    }
  }
  throw new Error('it never worked')
}

/** The server has the message already: its packet id is in use. */
function unlessTaken(error: unknown): void {
  if (!(error instanceof Error) || !('code' in error) || error.code !== 0x91) throw error
}
