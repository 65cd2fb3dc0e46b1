/** What a client sees of `pid-strategy`. */
import type { Server } from 'mqttest'
import { pidStrategy } from 'mqttest/plugins'
import { connectMemory, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { memoryServer } from '../support/server.ts'

async function subscribed(server: Server, clientId = 'raw', connect: object = {}) {
  const client = connectMemory(server)
  await client.connect({ clientId, ...connect })
  await client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 1 }] }).next('suback')
  return client
}

/** The packet ids of so many messages; acknowledged at once, or not at all. */
async function ids(server: Server, client: RawClient, count: number, acknowledges = true): Promise<(number | undefined)[]> {
  const found = []
  for (let message = 0; message < count; message++) {
    server.publish({ topic: 'a', qos: 1 })
    const { messageId } = await client.next('publish')
    found.push(messageId)
    if (acknowledges && messageId !== undefined) await client.send({ cmd: 'puback', messageId }).settled()
  }
  return found
}

async function idsWith(options: Parameters<typeof pidStrategy>[0], count: number, acknowledges = true, seed = 'test') {
  const server = await memoryServer({ plugins: [pidStrategy(options)], seed })
  return ids(server, await subscribed(server), count, acknowledges)
}

describe('pid-strategy', () => {
  test('without it, ids ascend from 1', async () => {
    const server = await memoryServer()
    expect(await ids(server, await subscribed(server), 3)).toEqual([1, 2, 3])
  })

  test('sequential: ids ascend, and wrap to 1', async () => {
    expect(await idsWith({ strategy: 'sequential' }, 3)).toEqual([1, 2, 3])
    expect(await idsWith({ strategy: 'sequential', first: 65_534 }, 4)).toEqual([65_534, 65_535, 1, 2])
  })

  test('descending: ids descend, and wrap to 65535', async () => {
    expect(await idsWith({ strategy: 'descending' }, 3)).toEqual([65_535, 65_534, 65_533])
    expect(await idsWith({ strategy: 'descending', first: 2 }, 4)).toEqual([2, 1, 65_535, 65_534])
  })

  test('near-wrap: 1 comes after the third message', async () => {
    expect(await idsWith({ strategy: 'near-wrap' }, 4)).toEqual([65_533, 65_534, 65_535, 1])
  })

  test('reuse: an id comes back as soon as it is acknowledged', async () => {
    expect(await idsWith({ strategy: 'reuse' }, 3)).toEqual([1, 1, 1])
    expect(await idsWith({ strategy: 'reuse' }, 3, false)).toEqual([1, 2, 3])
    expect(await idsWith({ strategy: 'reuse', first: 40 }, 2, false)).toEqual([40, 41])
  })

  test('reuse: the lowest that was set free is next', async () => {
    const server = await memoryServer({ plugins: [pidStrategy({ strategy: 'reuse' })] })
    const client = await subscribed(server)
    await ids(server, client, 3, false)
    await client.send({ cmd: 'puback', messageId: 2 }).settled()
    expect(await ids(server, client, 2, false)).toEqual([2, 4])
  })

  test('fixed: every message has the same id, also while it is in use', async () => {
    expect(await idsWith({ strategy: 'fixed' }, 3, false)).toEqual([1, 1, 1])
    expect(await idsWith({ strategy: 'fixed', id: 7 }, 2)).toEqual([7, 7])
  })

  test('mirror: the same id is under way in both directions at the same time', async () => {
    const server = await memoryServer({ plugins: [pidStrategy({ strategy: 'mirror' })] })
    const client = await subscribed(server)
    expect(await ids(server, client, 1)).toEqual([1])
    client.send({ cmd: 'publish', topic: 'a', qos: 2, messageId: 700 })
    expect((await client.next('pubrec')).messageId).toBe(700)
    expect((await client.next('publish')).messageId).toBe(700)
    expect(await ids(server, client, 1, false)).toEqual([701])
    client.send({ cmd: 'puback', messageId: 700 }, { cmd: 'pubrel', messageId: 700 })
    expect((await client.next('pubcomp')).messageId).toBe(700)
    expect(await ids(server, client, 1, false)).toEqual([700])
    expect(server.report().violations).toEqual([])
  })

  test('mirror: each client is mirrored for itself, also by its SUBSCRIBE', async () => {
    const server = await memoryServer({ plugins: [pidStrategy({ strategy: 'mirror' })] })
    const [one, two] = [await subscribed(server, 'one'), await subscribed(server, 'two')]
    await one.send({ cmd: 'subscribe', messageId: 65_535, subscriptions: [{ topic: 'b', qos: 1 }] }).next('suback')
    await two.send({ cmd: 'unsubscribe', messageId: 9, unsubscriptions: ['b'] }).next('unsuback')
    server.publish({ topic: 'a', qos: 1 })
    server.publish({ topic: 'a', qos: 1 })
    expect([(await one.next('publish')).messageId, (await one.next('publish')).messageId]).toEqual([65_535, 1])
    expect([(await two.next('publish')).messageId, (await two.next('publish')).messageId]).toEqual([9, 10])
  })

  for (const options of [
    { strategy: 'fixed', id: 0 },
    { strategy: 'sequential', first: 0 },
    { strategy: 'reuse', first: 0 },
  ] as const)
    test(`${options.strategy}: id 0, which no client may take, when asked for`, async () => {
      const server = await memoryServer({ plugins: [pidStrategy(options)] })
      const client = await subscribed(server)
      server.publish({ topic: 'a', qos: 1 })
      await client.settled()
      expect(client.malformed.map((bytes) => bytes.toString('hex'))).toEqual(['32050001610000'])
      if (options.strategy !== 'fixed') expect(await ids(server, client, 2, false)).toEqual([1, 2])
    })

  test('random: any id from 1 to 65535, none of them in use, decided by the seed', async () => {
    const found = await idsWith({ strategy: 'random' }, 200, false)
    expect(new Set(found).size).toBe(200)
    for (const id of found) {
      expect(id).toBeGreaterThanOrEqual(1)
      expect(id).toBeLessThanOrEqual(65_535)
    }
    expect(await idsWith({}, 200, false)).toEqual(found)
    expect(await idsWith({}, 5, false, 'another seed')).not.toEqual(found.slice(0, 5))
  })

  test('never-reuse: no id comes back, in no order that a client could rely on', async () => {
    const found = await idsWith({ strategy: 'never-reuse' }, 300)
    expect(new Set(found).size).toBe(300)
    expect(found).not.toEqual([...found].sort((one, two) => Number(one) - Number(two)))
    expect(await idsWith({ strategy: 'never-reuse' }, 300)).toEqual(found)
  })

  test('never-reuse: all 65535 ids come before the first comes again', () => {
    const taps: ((ids: object, connection: object) => unknown)[] = []
    const session = {}
    const random = { integer: (low: number) => low + 2 }
    void pidStrategy({ strategy: 'never-reuse' }).install({ name: 'pid-strategy', hooks: { packetId: { tap: (_name: string, tap: never) => taps.push(tap) } } })
    const seen = new Set<unknown>()
    for (let message = 0; message < 65_535; message++) seen.add(taps[0]?.({ last: 0, inUse: new Set() }, { session, random: () => random }))
    expect(seen.size).toBe(65_535)
    expect(seen.has(taps[0]?.({ last: 0, inUse: new Set() }, { session, random: () => random }))).toBe(true)
  })

  test('a session keeps its course over reconnects; a new one begins anew', async () => {
    const server = await memoryServer({ plugins: [pidStrategy({ strategy: 'descending' })] })
    const first = await subscribed(server, 'dev', { clean: false })
    expect(await ids(server, first, 2)).toEqual([65_535, 65_534])
    await first.send({ cmd: 'disconnect' }).end()
    const again = await subscribed(server, 'dev', { clean: false })
    expect(await ids(server, again, 1)).toEqual([65_533])
    await again.send({ cmd: 'disconnect' }).end()
    const fresh = await subscribed(server, 'dev', { clean: true })
    expect(await ids(server, fresh, 1)).toEqual([65_535])
  })

  test('a message in flight is sent again under its old id', async () => {
    const server = await memoryServer({ plugins: [pidStrategy({ strategy: 'descending' })] })
    const first = await subscribed(server, 'dev', { clean: false })
    await ids(server, first, 1, false)
    await first.send({ cmd: 'disconnect' }).end()
    const again = connectMemory(server)
    await again.connect({ clientId: 'dev', clean: false })
    expect(await again.next('publish')).toMatchObject({ messageId: 65_535, dup: true })
  })

  test('two clients have courses of their own', async () => {
    const server = await memoryServer({ plugins: [pidStrategy({ strategy: 'near-wrap' })] })
    const [one, two] = [await subscribed(server, 'one'), await subscribed(server, 'two')]
    for (const expected of [65_533, 65_534, 65_535, 1]) {
      server.publish({ topic: 'a', qos: 1 })
      expect((await one.next('publish')).messageId).toBe(expected)
      expect((await two.next('publish')).messageId).toBe(expected)
    }
  })

  test('QoS 0 has no id, and other packets are left alone', async () => {
    const server = await memoryServer({ plugins: [pidStrategy({ strategy: 'fixed', id: 9 })] })
    const client = await subscribed(server)
    server.publish({ topic: 'a' })
    expect((await client.next('publish')).messageId).toBeUndefined()
    expect((await client.send({ cmd: 'publish', topic: 'x', qos: 1, messageId: 3 }).next('puback')).messageId).toBe(3)
  })

  test('the call that use() returns takes it off: ids go on from the last', async () => {
    const server = await memoryServer()
    const client = await subscribed(server)
    const off = server.use(pidStrategy.create({ strategy: 'fixed', id: 500 }))
    expect(await ids(server, client, 2)).toEqual([500, 500])
    off()
    expect(await ids(server, client, 2)).toEqual([501, 502])
  })

  test('is used by its name', async () => {
    const server = await memoryServer({ plugins: [['pid-strategy', { strategy: 'fixed', id: 77 }]] })
    expect(await ids(server, await subscribed(server), 1)).toEqual([77])
  })

  test('mistakes in its options are told at once', () => {
    expect(() => pidStrategy.create({ strategie: 'random' })).toThrow("unknown option 'strategie'. Did you mean 'strategy'?")
    expect(() => pidStrategy.create({ strategy: 'decending' })).toThrow(/option 'strategy'.*Did you mean 'descending'\?/)
    expect(() => pidStrategy.create({ strategy: 'fixed', id: 65_536 })).toThrow(/option 'id': expected a whole number from 0 to 65535/)
    expect(() => pidStrategy({ strategy: 'random', first: 4 })).toThrow(
      "plugin 'pid-strategy': option 'first' goes with sequential, descending and reuse, not with random",
    )
    expect(() => pidStrategy({ strategy: 'reuse', id: 4 })).toThrow("option 'id' goes with fixed, not with reuse")
  })
})
