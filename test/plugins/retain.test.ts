/** What publishers and subscribers see of `retain`. */
import type { Server } from 'mqttest'
import { retain, will } from 'mqttest/plugins'
import type { RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join, joined, messages, subscribe } from '../support/client.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

type Options = Parameters<typeof retain>[0]

const kept = (server: Server) => server.retained.map(({ topic }) => topic)
const published = (client: RawClient, topic: string, payload = 'x') =>
  client.send({ cmd: 'publish', topic, qos: 1, messageId: 1, retain: true, payload }).next('puback')

/** What a new subscription gets of some retained messages. */
async function delivered(options: Options, filter: string, seed = 'test') {
  const { server, clock } = await virtualServer({ plugins: [retain(options)], seed })
  for (const topic of ['c', 'a', 'b/1', 'b/2', 'd']) {
    const publisher = await join(server, 'publisher')
    await publisher.send({ cmd: 'publish', topic, payload: 'x', qos: 2, messageId: 1, retain: true }).settled()
    await clock.advance(1)
  }
  const client = await join(server, 'me')
  await subscribe(client, filter, 2)
  await client.settled()
  return client.received.flatMap((packet) => (packet.cmd === 'publish' ? [packet] : []))
}
const topics = async (options: Options, filter: string, seed?: string) => (await delivered(options, filter, seed)).map(({ topic }) => topic)

describe('retain', () => {
  test('by default the flag is taken off: a message is passed on, and not kept', async () => {
    for (const version of [4, 5] as const) {
      const server = await memoryServer({ plugins: [retain()] })
      const client = await join(server, 'me', { version })
      await subscribe(client, 'a', 0, version === 5 ? { rap: true } : {})
      expect((await published(client, 'a')).reasonCode ?? 0).toBe(0)
      expect((await client.next('publish')).retain).toBe(false)
      expect(kept(server)).toEqual([])
      expect(server.report().faults.applied).toEqual([{ plugin: 'retain', count: 1 }])
    }
  })

  test('a message without RETAIN is left alone', async () => {
    const server = await memoryServer({ plugins: [retain({ answer: 'close' })] })
    const client = await join(server, 'me')
    expect((await client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 1 }).next('puback')).reasonCode).toBe(0x10)
    expect(server.report().faults.neverFired).toEqual(['retain'])
  })

  test('answer: by version, and at QoS 0', async () => {
    const server = await memoryServer({ plugins: [retain({ answer: { v3: 'close', v5: 'not-authorized', qos0: 'ignore' } })] })
    const old = await join(server, 'old', { version: 4 })
    expect(await old.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 1, retain: true }).end()).toBe('fin')
    const client = await join(server, 'me')
    expect((await published(client, 'a')).reasonCode).toBe(0x87)
    await client.send({ cmd: 'publish', topic: 'a', retain: true }).settled()
    expect(kept(server)).toEqual([])
  })

  test('prefixes and topic: only such topics', async () => {
    const server = await memoryServer({ plugins: [retain({ prefixes: ['$'], topic: ['no/#'], answer: 'topic-name-invalid' })] })
    const client = await join(server, 'me')
    for (const [topic, code] of [
      ['$aws/x', 0x90],
      ['no/a', 0x90],
      ['yes', 0x10],
    ] as const)
      expect((await published(client, topic)).reasonCode).toBe(code)
    expect(kept(server)).toEqual(['yes'])
  })

  test('marker: a user property stands in place of the flag', async () => {
    const server = await memoryServer({ plugins: [retain({ marker: 'mqtt-retain' })] })
    const client = await join(server, 'me')
    await subscribe(client, 'a')
    const device = await join(server, 'device', { version: 4 })
    device.send({ cmd: 'publish', topic: 'a', retain: true })
    expect((await client.next('publish')).properties?.userProperties).toEqual({ 'mqtt-retain': 'true' })
  })

  test('maximumSize: what is larger is passed on, and not kept', async () => {
    const server = await memoryServer({ plugins: [retain({ store: true, maximumSize: 3 })] })
    const client = await join(server, 'me')
    await subscribe(client, '#')
    for (const payload of ['abc', 'abcd']) await published(client, payload, payload)
    await client.settled()
    expect([messages(client), kept(server)]).toEqual([['abc abc', 'abcd abcd'], ['abc']])
  })

  test('a will is not kept either', async () => {
    const testament = { topic: '$gone', payload: Buffer.from('me'), qos: 0, retain: true } as const
    for (const [options, expected] of [
      [{ store: false }, []],
      [{ store: true, answer: 'close', prefixes: ['$'] }, []],
      [{ store: true, answer: 'close', prefixes: ['a'] }, ['$gone']],
    ] as const) {
      const server = await memoryServer({ plugins: [retain(options), will({ copies: 2 })] })
      const other = await join(server, 'other')
      await subscribe(other, '$gone')
      ;(await join(server, 'me', { will: testament })).reset()
      await other.settled()
      expect([messages(other), kept(server)]).toEqual([['$gone me', '$gone me'], expected])
    }
  })

  test('wildcardDelivery: false: only a filter without wildcards gets them', async () => {
    expect(await topics({ wildcardDelivery: false }, 'b/+')).toEqual([])
    expect(await topics({ wildcardDelivery: false, sharedDelivery: true }, '$share/g/#')).toEqual([])
    expect(await topics({ wildcardDelivery: false }, 'b/1')).toEqual(['b/1'])
  })

  test('sharedDelivery: a shared subscription gets them as well', async () => {
    expect(await topics({ sharedDelivery: true }, '$share/g/b/+')).toEqual(['b/1', 'b/2'])
    expect(await topics({ limit: 9 }, '$share/g/b/+')).toEqual([])
  })

  test('limit and order', async () => {
    expect(await topics({ limit: 2 }, '#')).toEqual(['c', 'a'])
    expect(await topics({ order: 'topic', limit: 3 }, '#')).toEqual(['a', 'b/1', 'b/2'])
    expect(await topics({ order: 'newest' }, '#')).toEqual(['d', 'b/2', 'b/1', 'a', 'c'])
    expect(await topics({ order: 'oldest' }, '#')).toEqual(['c', 'a', 'b/1', 'b/2', 'd'])
    const any = await topics({ order: 'random' }, '#')
    expect(await topics({ order: 'random' }, '#')).toEqual(any)
    expect(await topics({ order: 'random' }, '#', 'another')).not.toEqual(any)
  })

  test('flag: false: they look like new ones; qos: they come at a lower QoS', async () => {
    expect((await delivered({ flag: false }, 'a')).map((packet) => [packet.retain, packet.qos])).toEqual([[false, 2]])
    expect((await delivered({ qos: 1 }, 'a')).map((packet) => [packet.retain, packet.qos])).toEqual([[true, 1]])
    expect((await delivered({ qos: 0, flag: false }, 'a')).map((packet) => [packet.retain, packet.qos])).toEqual([[false, 0]])
  })

  test('announce: what CONNACK says is one thing, what is done another', async () => {
    const server = await memoryServer({ plugins: [retain({ store: true, announce: false })] })
    const { client, connack } = await joined(server, 'me')
    expect(connack.properties).toMatchObject({ retainAvailable: false })
    await published(client, 'a')
    expect(kept(server)).toEqual(['a'])
    expect((await joined(server, 'old', { version: 4 })).connack).not.toHaveProperty('properties')
    const other = await memoryServer({ plugins: [retain({ announce: true })] })
    expect((await joined(other, 'me')).connack.properties).toMatchObject({ retainAvailable: true })
  })

  test('a scope leaves others alone; switched off, messages are kept again', async () => {
    const server = await memoryServer({ plugins: [[retain(), { clientId: 'one' }]] })
    const off = server.use(retain({ topic: ['t'] }))
    const [one, two] = [await join(server, 'one'), await join(server, 'two')]
    await published(one, 'a')
    await published(two, 'b')
    await published(two, 't')
    expect(kept(server)).toEqual(['b'])
    off()
    await published(two, 't')
    expect(kept(server)).toEqual(['b', 't'])
  })

  test('mistakes in its options are told at once', () => {
    expect(() => retain.create({ order: 'newset' })).toThrow("Did you mean 'newest'?")
    expect(() => retain.create({ answer: 'clos' })).toThrow("Did you mean 'close'?")
  })
})
