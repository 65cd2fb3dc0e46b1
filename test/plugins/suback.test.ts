/** What a client sees of `suback`. */
import type { ProtocolVersion, QoS } from 'mqttest'
import { ackDelay, suback } from 'mqttest/plugins'
import { connectMemory, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join, messages, subscribe } from '../support/client.ts'
import { virtualServer } from '../support/server.ts'

type Options = Parameters<typeof suback>[0]

async function connected(options: Options, version: ProtocolVersion = 5) {
  const { server, clock } = await virtualServer({ plugins: [suback(options)] })
  return { server, clock, client: await join(server, 'client', { version }) }
}

/** Asks for filters, QoS 2 unless told otherwise, and returns the SUBACK. */
function ask(client: RawClient, topics: readonly string[], messageId = 1, qos: QoS = 2) {
  return client.send({ cmd: 'subscribe', messageId, subscriptions: topics.map((topic) => ({ topic, qos })) }).next('suback')
}

function release(client: RawClient, unsubscriptions: string[], messageId = 9) {
  return client.send({ cmd: 'unsubscribe', messageId, unsubscriptions }).next('unsuback')
}

describe('suback', () => {
  test('codes in order: the filters that are refused are not subscribed', async () => {
    const { server, client } = await connected({ codes: [1, 'not-authorized'] })
    expect(await ask(client, ['a', 'b', 'c'])).toEqual({ cmd: 'suback', messageId: 1, granted: [1, 0x87, 2] })
    for (const topic of ['a', 'b', 'c']) server.publish({ topic })
    await client.settled()
    expect(messages(client)).toEqual(['a', 'c'])
  })

  test('codes by filter: the one that is equal, or covers the requested one', async () => {
    const { client } = await connected({ codes: { 'secret/#': 'not-authorized', '+': 1 } })
    expect((await ask(client, ['secret/a/+', 'public/a', 'x', 'secret']))?.granted).toEqual([0x87, 2, 1, 0x87])
  })

  test('effect: taken makes the subscription although it is refused', async () => {
    const { server, client } = await connected({ codes: [0x80], effect: 'taken' }, 4)
    expect((await ask(client, ['a'])).granted).toEqual([0x80])
    server.publish({ topic: 'a' })
    await client.settled()
    expect(messages(client)).toEqual(['a'])
  })

  test('effect: refused grants, and makes no subscription', async () => {
    const { server, client } = await connected({ effect: 'refused' })
    server.publish({ topic: 'a', retain: true })
    expect((await ask(client, ['a'])).granted).toEqual([2])
    server.publish({ topic: 'a' })
    await client.settled()
    expect(messages(client)).toEqual([])
  })

  test('granted: a lower QoS is said, but not kept', async () => {
    const { server, client } = await connected({ granted: 0 })
    expect((await ask(client, ['a', 'b'])).granted).toEqual([0, 0])
    server.publish({ topic: 'a', qos: 2 })
    expect(await client.next('publish')).toMatchObject({ qos: 2 })
  })

  test('effective: a lower QoS is kept, and said; with granted it is not said', async () => {
    const one = await connected({ effective: 0 })
    expect((await ask(one.client, ['a'])).granted).toEqual([0])
    const other = await connected({ effective: 0, granted: 2 })
    expect((await ask(other.client, ['a'], 1, 1)).granted).toEqual([1])
    for (const { server, client } of [one, other]) {
      server.publish({ topic: 'a', qos: 2 })
      expect(await client.next('publish')).toMatchObject({ qos: 0 })
    }
  })

  test('translate: MQTT 3 clients get 0x80, or the code of MQTT 5 as it is', async () => {
    const codes = { codes: ['not-authorized'] } as const
    expect((await ask((await connected(codes, 4)).client, ['a', 'b'])).granted).toEqual([0x80, 2])
    expect((await ask((await connected({ ...codes, translate: false }, 3)).client, ['a', 'b'])).granted).toEqual([0x87, 2])
  })

  test.each([
    ['missing', ['a', 'b'], [2]],
    ['missing', ['a'], []],
    ['extra', ['a', 'b'], [2, 2, 2]],
    ['merged', ['a', 'b', 'a'], [2, 2]],
    [0, ['a'], []],
    [4, ['a'], [2, 2, 2, 2]],
  ] as const)('count: %j for %j gives %j', async (count, topics, granted) => {
    for (const version of [4, 5] as const) expect((await ask((await connected({ count }, version)).client, topics)).granted).toEqual(granted)
  })

  test.each([
    ['next', 7, 8],
    ['next', 65_535, 1],
    ['previous', 7, 6],
    ['previous', 1, 65_535],
    ['zero', 7, 0],
    ['unused', 7, 32_774],
    [99, 7, 99],
  ] as const)('id: %j answers %i with %i', async (id, right, wrong) => {
    const { client } = await connected({ id }, 4)
    client.send({ cmd: 'subscribe', messageId: right, subscriptions: [{ topic: 'a', qos: 0 }] })
    await client.settled()
    expect(client.chunks[1]?.readUInt16BE(2)).toBe(wrong)
  })

  test('properties: a reason in words, for MQTT 5', async () => {
    const options = { properties: { reasonString: 'no', userProperties: { a: 'b' } } }
    expect(await ask((await connected(options)).client, ['a'])).toMatchObject({ properties: { reasonString: 'no', userProperties: { a: 'b' } } })
    expect(await ask((await connected(options, 4)).client, ['a'])).toEqual({ cmd: 'suback', messageId: 1, granted: [2] })
  })

  test('packets: unsuback leaves SUBACK alone', async () => {
    const { client } = await connected({ packets: 'unsuback', codes: ['unspecified-error'], count: 'extra' })
    expect((await ask(client, ['a'])).granted).toEqual([2])
    expect((await release(client, ['a', 'b'])).granted).toEqual([0x80, 0x11, 0x11])
  })

  test('an UNSUBSCRIBE that is refused leaves the subscription; effect says otherwise', async () => {
    const stays = async (options: Options, version: ProtocolVersion = 5) => {
      const { server, client } = await connected({ packets: 'unsuback', ...options }, version)
      await subscribe(client, 'a')
      const { granted } = await release(client, ['a'])
      server.publish({ topic: 'a' })
      await client.settled()
      return [granted?.[0], messages(client).length]
    }
    expect(await stays({ codes: ['not-authorized'] })).toEqual([0x87, 1])
    expect(await stays({ codes: ['not-authorized'], effect: 'taken' })).toEqual([0x87, 0])
    expect(await stays({ effect: 'refused' })).toEqual([0, 1])
    expect(await stays({ effect: 'refused' }, 4)).toEqual([undefined, 1])
  })

  test('id: is also for the UNSUBACK of MQTT 3', async () => {
    const { client } = await connected({ packets: ['suback', 'unsuback'], id: 5 }, 4)
    expect([await ask(client, ['a']), await release(client, ['a'])]).toEqual([
      { cmd: 'suback', messageId: 5, granted: [2] },
      { cmd: 'unsuback', messageId: 5 },
    ])
  })

  test('a selection says which ones: by filter, by number, by packet id', async () => {
    const { client } = await connected({ codes: [0x80], topic: 'a/#', nth: 2 })
    const granted = []
    for (const [id, topic] of ['a/1', 'b', 'a/2', 'a/3'].entries()) granted.push(...(await ask(client, [topic], id + 1)).granted)
    expect(granted).toEqual([2, 2, 0x80, 2])
  })

  test('each connection has its own count; two beside one another', async () => {
    const { server, client } = await connected({ codes: [0x80], nth: 1 })
    const other = await join(server, 'other', { version: 4 })
    expect((await ask(client, ['a'])).granted).toEqual([0x80])
    expect((await ask(other, ['a'])).granted).toEqual([0x80])
    expect((await ask(client, ['a'])).granted).toEqual([2])
  })

  test('a scope with times: what is said and what is done end together', async () => {
    const { server } = await virtualServer({ plugins: [[suback({ codes: [0x80], effect: 'taken' }), { times: 1 }]] })
    const client = await join(server, 'client')
    expect((await ask(client, ['a'])).granted).toEqual([0x80])
    expect((await ask(client, ['b'])).granted).toEqual([2])
    expect(server.report().faults.neverFired).toEqual([])
  })

  test('goes together with a late SUBACK; a connection that ends leaves nothing behind', async () => {
    const { server, clock } = await virtualServer({ plugins: [suback({ codes: [0x97] }), ackDelay({ packets: 'suback', delay: 100 })] })
    const client = connectMemory(server, 5)
    await client.connect()
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 0 }] })
    await clock.advance(100)
    expect(await client.next('suback')).toMatchObject({ granted: [0x97] })
    client.send({ cmd: 'subscribe', messageId: 2, subscriptions: [{ topic: 'a', qos: 0 }] })
    await clock.advance(50)
    client.reset()
    await clock.advance(0)
    expect(clock.pending).toBe(0)
  })

  test('the call that use() returns takes it off', async () => {
    const { server } = await virtualServer()
    const client = await join(server, 'client')
    const off = server.use(suback({ codes: [0x80] }))
    expect((await ask(client, ['a'])).granted).toEqual([0x80])
    off()
    expect((await ask(client, ['a'])).granted).toEqual([2])
  })

  test('mistakes in its options are told at once', () => {
    expect(() => suback.create()).toThrow(/give one of the options 'codes'/)
    expect(() => suback.create({ packets: [], codes: [0] })).toThrow(/'packets' is empty/)
    expect(() => suback.create({ codes: ['not-authorised'] })).toThrow(/Did you mean 'not-authorized'\?/)
    expect(() => suback.create({ packets: 'unsuback', granted: 0 })).toThrow('UNSUBACK grants no QoS')
    expect(() => suback.create({ effect: 'taken' })).toThrow(/effect taken goes with 'codes'/)
    expect(() => suback.create({ count: 'mising' })).toThrow(/Did you mean 'missing'\?/)
  })
})
