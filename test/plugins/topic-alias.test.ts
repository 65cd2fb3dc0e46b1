/** What a client sees of `topic-alias`. */
import type { PacketInput, StartOptions } from 'mqttest'
import { duplicate, topicAlias } from 'mqttest/plugins'
import { connectMemory, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { answers, type JoinOptions, join, joined, messages, subscribe } from '../support/client.ts'
import { memoryServer } from '../support/server.ts'

type Options = Parameters<typeof topicAlias>[0]

const allowing = (topicAliasMaximum: number): JoinOptions => ({ properties: { topicAliasMaximum } })

/** 'a=1' for a message on topic a with alias 1, '=1' for one with the alias alone. */
const aliases = (client: RawClient) =>
  client.received.flatMap((packet) =>
    packet.cmd === 'publish' ? [`${packet.topic}${packet.properties?.topicAlias === undefined ? '' : `=${packet.properties.topicAlias}`}`] : [],
  )

async function subscribed(options: Options, connect: JoinOptions = allowing(2), more: StartOptions = {}) {
  const server = await memoryServer({ plugins: [topicAlias(options)], ...more })
  const client = await join(server, 'me', connect)
  await subscribe(client, '#')
  return { server, client }
}

/** Publishes on some topics, and waits until they are there. */
async function deliver(server: Awaited<ReturnType<typeof memoryServer>>, client: RawClient, ...topics: string[]) {
  for (const topic of topics) server.publish({ topic })
  await client.settled()
}

const publish = (messageId: number, topic: string, topicAliasOfIt?: number): PacketInput => ({
  cmd: 'publish',
  topic,
  qos: 1,
  messageId,
  ...(topicAliasOfIt !== undefined && { properties: { topicAlias: topicAliasOfIt } }),
})

describe('topic-alias, towards the client', () => {
  test.each([
    ['none', ['a', 'b', 'a', 'c', 'a']],
    ['shared', ['a=1', 'b=1', 'a=1', 'c=1', 'a=1']],
    ['zero', []],
    ['above', ['a=3', 'b=3', 'a=3', 'c=3', 'a=3']],
    ['unmapped', ['=2', '=2', '=2', '=2', '=2']],
    ['kept', ['a=1', 'b=2', '=1', 'c', '=1']],
  ] as const)('toClient: %s', async (toClient, expected) => {
    const { server, client } = await subscribed({ toClient })
    await deliver(server, client, 'a', 'b', 'a', 'c', 'a')
    expect(aliases(client)).toEqual(expected)
    expect(client.malformed).toHaveLength(toClient === 'zero' ? 5 : 0)
  })

  test('toClient: shared, a topic that stays is left out', async () => {
    const { server, client } = await subscribed({ toClient: 'shared' })
    await deliver(server, client, 'a', 'a', 'b', 'b', 'a')
    expect(aliases(client)).toEqual(['a=1', '=1', 'b=1', '=1', 'a=1'])
  })

  test('toClient: kept, the next connection gets aliases without their topics; another client does not', async () => {
    const { server, client } = await subscribed({ toClient: 'kept' })
    await deliver(server, client, 'a', 'b')
    client.reset()
    const again = await join(server, 'me', allowing(1))
    await subscribe(again, '#')
    const other = await join(server, 'other', allowing(2))
    await subscribe(other, '#')
    await deliver(server, again, 'a', 'b')
    await other.settled()
    // The second one is above what the client allows now.
    expect([aliases(again), aliases(other)]).toEqual([
      ['=1', 'b'],
      ['a=1', 'b=2'],
    ])
  })

  test('a client that allows none gets none, unless that is the point', async () => {
    for (const [toClient, expected] of [
      ['shared', ['a', 'a']],
      ['kept', ['a', 'a']],
      ['above', ['a=1', 'a=1']],
      ['unmapped', ['=1', '=1']],
    ] as const) {
      const { server, client } = await subscribed({ toClient }, {})
      await deliver(server, client, 'a', 'a')
      expect(aliases(client)).toEqual(expected)
    }
  })

  test('MQTT 3 has none', async () => {
    const { server, client } = await subscribed({ toClient: 'above' }, { version: 4 })
    await deliver(server, client, 'a')
    expect(aliases(client)).toEqual(['a'])
  })

  test('a selection says which messages', async () => {
    const { server, client } = await subscribed({ toClient: 'above', nth: 2 })
    await deliver(server, client, 'a', 'a', 'a')
    expect(aliases(client)).toEqual(['a', 'a=3', 'a'])
  })

  test('goes with other plugins: a copy has the same alias', async () => {
    const { server, client } = await subscribed({ toClient: 'none' }, allowing(2), { plugins: [topicAlias({ toClient: 'above' }), duplicate()] })
    await deliver(server, client, 'a')
    expect(aliases(client)).toEqual(['a=3', 'a=3'])
  })

  test('two connections have aliases of their own', async () => {
    const { server, client } = await subscribed({ toClient: 'shared' })
    await deliver(server, client, 'a')
    const other = await join(server, 'other', allowing(5))
    await subscribe(other, '#')
    await deliver(server, client, 'a')
    await other.settled()
    expect([aliases(client), aliases(other)]).toEqual([['a=1', '=1'], ['a=1']])
  })

  test('ends when it is switched off', async () => {
    const { server, client } = await subscribed({ toClient: 'none' }, {}, { plugins: [] })
    const off = server.use(topicAlias({ toClient: 'above' }))
    await deliver(server, client, 'a')
    off()
    await deliver(server, client, 'a')
    expect(aliases(client)).toEqual(['a=1', 'a'])
  })
})

describe('topic-alias, from the client', () => {
  test('announce: what CONNACK says to MQTT 5, and nothing else', async () => {
    const server = await memoryServer({ plugins: [topicAlias({ announce: 7 })] })
    const { client, connack } = await joined(server, 'me')
    expect(connack.properties).toMatchObject({ topicAliasMaximum: 7 })
    await client.send(publish(1, 'a', 8)).next('puback')
    const old = connectMemory(server, 4)
    expect(await old.connect({ clientId: 'old' })).toEqual({ cmd: 'connack', sessionPresent: false, returnCode: 0 })
  })

  test('announce: not in a CONNACK that refuses', async () => {
    const server = await memoryServer({ plugins: [topicAlias({ announce: 7 }), 'reject'] })
    const client = connectMemory(server, 5)
    client.sendConnect()
    expect((await client.next('connack')).properties?.topicAliasMaximum).toBeUndefined()
  })

  test('maximum: what is taken, announced or not; beyond it the client has broken a rule', async () => {
    const server = await memoryServer({ plugins: [topicAlias({ maximum: 2, announce: 10 })] })
    const client = await join(server, 'me')
    await client.send(publish(1, 'a', 2), publish(2, '', 2)).settled()
    client.send(publish(3, 'a', 3))
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x94 })
    expect(answers(client).map((answer) => answer.split(' ')[0])).toEqual(['puback', 'puback', 'pingresp', 'disconnect'])
    const report = await server.stop()
    expect(report.violations).toMatchObject([{ rule: 'topic-alias-above-maximum' }])
  })

  test('maximum: more than the server takes otherwise', async () => {
    const server = await memoryServer({ plugins: [topicAlias({ maximum: 10 })], broker: { topicAliasMaximum: 0 }, lint: 'fail' })
    const watcher = await join(server, 'watcher')
    await subscribe(watcher, '#')
    const { client, connack } = await joined(server, 'me')
    expect(connack.properties?.topicAliasMaximum).toBeUndefined()
    await client.send(publish(1, 'a', 10), publish(2, '', 10)).settled()
    await watcher.settled()
    expect(messages(watcher)).toEqual(['a', 'a'])
    await server.stop()
  })

  test('answer: the acknowledgement refuses, and the connection goes on', async () => {
    const server = await memoryServer({ plugins: [topicAlias({ maximum: 2, answer: 'quota-exceeded' })], lint: 'fail' })
    const watcher = await join(server, 'watcher')
    await subscribe(watcher, '#')
    const client = await join(server, 'me')
    await client.send(publish(1, 'a', 2), publish(2, 'b', 200), publish(3, 'c')).settled()
    await watcher.settled()
    expect(answers(client)).toEqual(['puback 1', 'puback 2 0x97', 'puback 3', 'pingresp'])
    expect(messages(watcher)).toEqual(['a', 'c'])
    expect((await server.stop()).violations).toEqual([])
  })

  test('answer: close ends it without a word', async () => {
    const server = await memoryServer({ plugins: [topicAlias({ maximum: 0, answer: 'close' })] })
    const client = await join(server, 'me')
    client.send(publish(1, 'a', 1))
    await client.end()
    expect(answers(client)).toEqual([])
  })

  test('options that cannot be meant are refused', () => {
    expect(() => topicAlias()).toThrow("plugin 'topic-alias': give one of the options 'toClient', 'announce' and 'maximum'")
    expect(() => topicAlias({ toClient: 'zero', answer: 'close' })).toThrow("option 'answer' goes with 'maximum'")
  })
})
