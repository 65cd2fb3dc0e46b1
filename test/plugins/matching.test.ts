/** What subscribers see of `matching`. */
import type { Server } from 'mqttest'
import { drop, matching } from 'mqttest/plugins'
import type { RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join, messages, subscribe } from '../support/client.ts'
import { memoryServer } from '../support/server.ts'

type Options = Parameters<typeof matching>[0]

const fired = (server: Server) => server.report().faults.applied.length > 0

/** The topics that somebody with one subscription hears, of those that are published. */
async function hears(options: Options, filter: string, topics: readonly string[], retained = false) {
  const server = await memoryServer({ plugins: [matching(options)] })
  const client = await join(server, 'me')
  const publish = () => topics.map((topic) => server.publish({ topic, payload: 'x', retain: retained }))
  if (retained) publish()
  await subscribe(client, filter)
  if (!retained) publish()
  await client.settled()
  return client.received.flatMap((packet) => (packet.cmd === 'publish' ? packet.topic : []))
}

/** The copies that somebody with several subscriptions gets: QoS, and subscription identifiers. */
async function copies(options: Options, version: 4 | 5 = 5) {
  const server = await memoryServer({ plugins: [matching(options)] })
  const client = await join(server, 'me', { version })
  await subscribe(client, 'a/#', 0, {}, version === 5 ? 1 : undefined)
  await subscribe(client, 'a/+', 2, {}, version === 5 ? 2 : undefined)
  await subscribe(client, 'a/b', 1, {}, version === 5 ? 3 : undefined)
  server.publish({ topic: 'a/b', qos: 2 })
  await client.settled()
  return client.received.flatMap((packet) => (packet.cmd === 'publish' ? [[packet.qos, packet.properties?.subscriptionIdentifier]] : []))
}

/** What three members of a shared subscription get of six messages; the last of them has gone. */
async function shared(options: Options, seed = 'test') {
  const server = await memoryServer({ plugins: [matching(options)], seed })
  const clients: RawClient[] = []
  for (const clientId of ['one', 'two', 'gone']) {
    const client = await join(server, clientId, { clean: false, properties: { sessionExpiryInterval: 100 } })
    await subscribe(client, '$share/g/a', 1)
    clients.push(client)
  }
  clients[2]?.reset()
  await clients[0]?.settled()
  for (let number = 1; number <= 6; number++) server.publish({ topic: 'a', payload: String(number), qos: 1 })
  for (const client of clients.slice(0, 2)) await client.settled()
  return clients.slice(0, 2).map((client) => messages(client).map((text) => Number(text.slice(2))))
}

describe('matching', () => {
  test("hashMatchesParent: false: 'a/#' does not match 'a'", async () => {
    for (const retained of [false, true]) {
      expect(await hears({ hashMatchesParent: false }, 'a/#', ['a', 'a/b', 'a/b/c', 'b'], retained)).toEqual(['a/b', 'a/b/c'])
      expect(await hears({ hashMatchesParent: false }, '#', ['a', 'a/b'], retained)).toEqual(['a', 'a/b'])
    }
  })

  test("hashMatchesDollar: '#' and '+' match topics that begin with '$'", async () => {
    for (const retained of [false, true]) {
      expect(await hears({ hashMatchesDollar: true }, '#', ['$SYS/a', 'a'], retained)).toEqual(['$SYS/a', 'a'])
      expect(await hears({ hashMatchesDollar: true }, '+/a', ['$SYS/a', '$SYS/b', 'a'], retained)).toEqual(['$SYS/a'])
    }
  })

  test('caseSensitive: false: upper and lower case are the same', async () => {
    for (const retained of [false, true]) expect(await hears({ caseSensitive: false }, 'A/+', ['a/x', 'A/y', 'b/z'], retained)).toEqual(['a/x', 'A/y'])
  })

  test('overlap: one copy, a copy each, or one at the lowest QoS', async () => {
    expect(await copies({ overlap: 'each' })).toEqual([
      [0, 1],
      [2, 2],
      [1, 3],
    ])
    expect(await copies({ overlap: 'each' }, 4)).toHaveLength(3)
    expect(await copies({ overlap: 'lowest-qos' })).toEqual([[0, [1, 2, 3]]])
    expect((await copies({ caseSensitive: false }))[0]?.[0]).toBe(2)
  })

  test('identifiers: the first, or none', async () => {
    expect(await copies({ identifiers: 'first' })).toEqual([[2, 1]])
    expect(await copies({ identifiers: 'none' })).toEqual([[2, undefined]])
  })

  test('repeatedFilters: merged: SUBACK has one code for both', async () => {
    const server = await memoryServer({ plugins: [matching({ repeatedFilters: 'merged' })] })
    const client = await join(server, 'me')
    const subscriptions = [
      { topic: 'a', qos: 0 },
      { topic: 'b', qos: 0 },
      { topic: 'a', qos: 2 },
    ] as const
    expect((await client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [...subscriptions] }).next('suback')).granted).toEqual([2, 0])
    expect(fired(server)).toBe(true)
  })

  test('distribution of a shared subscription: in turn, the first, everyone, any by the seed', async () => {
    expect(await shared({ offlineMembers: 'count' })).toEqual([
      [1, 4],
      [2, 5],
    ])
    expect(await shared({ distribution: 'first' })).toEqual([[1, 2, 3, 4, 5, 6], []])
    expect(await shared({ distribution: 'everyone' })).toEqual([
      [1, 2, 3, 4, 5, 6],
      [1, 2, 3, 4, 5, 6],
    ])
    const any = await shared({ distribution: 'random' })
    expect(any.flat().sort()).toEqual([1, 2, 3, 4, 5, 6])
    expect(await shared({ distribution: 'random' })).toEqual(any)
    const seeds = await Promise.all(['a', 'b', 'c', 'd'].map((seed) => shared({ distribution: 'random' }, seed)))
    expect(new Set(seeds.map((one) => JSON.stringify(one))).size).toBeGreaterThan(1)
  })

  test('distribution: sticky: the messages of a publisher go to the same member', async () => {
    const server = await memoryServer({ plugins: [matching({ distribution: 'sticky' })] })
    const members = [await join(server, 'one'), await join(server, 'two')]
    for (const member of members) await subscribe(member, '$share/g/a')
    for (const clientId of ['p', 'q']) {
      const publisher = await join(server, clientId)
      for (let number = 0; number < 3; number++) publisher.send({ cmd: 'publish', topic: 'a', payload: clientId })
      await publisher.settled()
    }
    for (const member of members) await member.settled()
    expect(members.map(messages).sort()).toEqual([Array(3).fill('a p'), Array(3).fill('a q')])
  })

  test('what is matched as ever is left to the broker: no local, retain as published, wills', async () => {
    const server = await memoryServer({ plugins: [matching({ hashMatchesDollar: true })] })
    const client = await join(server, 'me')
    await subscribe(client, 'a', 1, { nl: true, rap: true })
    client.send({ cmd: 'publish', topic: 'a', payload: 'own' })
    const other = await join(server, 'other', { will: { topic: 'a', payload: Buffer.from('will'), qos: 0, retain: true } })
    other.send({ cmd: 'publish', topic: 'a', payload: 'x' }).reset()
    await client.settled()
    await client.settled()
    expect(client.received.flatMap((packet) => (packet.cmd === 'publish' ? [[`${packet.payload}`, packet.retain]] : []))).toEqual([
      ['x', false],
      ['will', true],
    ])
    expect(fired(server)).toBe(false)
  })

  test('what another plugin takes away stays so, and a scope is kept to', async () => {
    const server = await memoryServer({ plugins: [drop({ topic: '$SYS/b' }), [matching({ hashMatchesDollar: true }), { clientId: 'one' }]] })
    const [one, two] = [await join(server, 'one'), await join(server, 'two')]
    for (const client of [one, two]) await subscribe(client, '#')
    for (const topic of ['$SYS/a', '$SYS/b', 'c']) server.publish({ topic })
    for (const client of [one, two]) await client.settled()
    expect([messages(one), messages(two)]).toEqual([['$SYS/a', 'c'], ['c']])
  })

  test('a message of the server for some clients only stays theirs', async () => {
    const server = await memoryServer({ plugins: [matching({ overlap: 'each' })] })
    const [one, two] = [await join(server, 'one'), await join(server, 'two')]
    for (const client of [one, two]) for (const filter of ['a', '+']) await subscribe(client, filter)
    expect(server.publish({ topic: 'a', to: 'one' })).toBe(2)
    for (const client of [one, two]) await client.settled()
    expect([messages(one), messages(two)]).toEqual([['a', 'a'], []])
  })

  test('switched off, the broker matches again', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    await subscribe(client, 'a/#')
    const off = server.use(matching({ hashMatchesParent: false }))
    expect(server.publish({ topic: 'a' })).toBe(0)
    off()
    expect(server.publish({ topic: 'a' })).toBe(1)
  })

  test('mistakes in its options are told at once', () => {
    expect(() => matching()).toThrow(/without an option/)
    expect(() => matching.create({ overlap: 'eech' })).toThrow("Did you mean 'each'?")
  })
})
