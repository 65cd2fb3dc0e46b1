/** SUBSCRIBE and UNSUBSCRIBE: filters, options, identifiers, overlaps, shared subscriptions. */
import { definePlugin, type SubscriptionRequest } from 'mqttest'
import type { RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join, messages, subscribe } from '../support/client.ts'
import { memoryServer } from '../support/server.ts'

/** The payloads that a client has got by now. */
async function payloads(client: RawClient): Promise<string[]> {
  await client.settled()
  return client.received.flatMap((packet) => (packet.cmd === 'publish' ? [packet.payload.toString()] : []))
}

/** Subscribes to several filters in one packet. */
const subscribeAll = async (client: RawClient, subscriptions: SubscriptionRequest[], messageId = 1) =>
  (await client.send({ cmd: 'subscribe', messageId, subscriptions }).next('suback', { messageId })).granted

describe('a topic filter', () => {
  const topics = ['a', 'a/', 'a/b', 'a/b/c', '/a', '/', 'b', '$sys', '$sys/a', 'a/$b']
  test.each<[string, string[]]>([
    ['a', ['a']],
    ['a/b', ['a/b']],
    ['+', ['a', 'b']],
    ['a/+', ['a/', 'a/b', 'a/$b']],
    ['+/b', ['a/b']],
    ['+/+', ['a/', 'a/b', '/a', '/', 'a/$b']],
    ['/+', ['/a', '/']],
    ['a/#', ['a', 'a/', 'a/b', 'a/b/c', 'a/$b']],
    ['a/b/#', ['a/b', 'a/b/c']],
    ['#', ['a', 'a/', 'a/b', 'a/b/c', '/a', '/', 'b', 'a/$b']],
    ['+/#', ['a', 'a/', 'a/b', 'a/b/c', '/a', '/', 'b', 'a/$b']],
    ['/#', ['/a', '/']],
    ['$sys/#', ['$sys', '$sys/a']],
    ['$sys/+', ['$sys/a']],
    ['+/+/#', ['a/', 'a/b', 'a/b/c', '/a', '/', 'a/$b']],
  ])('%s gets what section 4.7 says, live and retained', async (filter, expected) => {
    const server = await memoryServer()
    const live = await join(server, 'live')
    await subscribe(live, filter)
    for (const topic of topics) server.publish({ topic, payload: topic, retain: true })
    expect(await payloads(live)).toEqual(expected)
    const later = await join(server, 'later')
    await subscribe(later, filter)
    expect((await payloads(later)).sort()).toEqual([...expected].sort())
  })
})

describe('SUBSCRIBE', () => {
  test.each([3, 4, 5] as const)('is answered with what is granted for each filter, in order (level %i)', async (version) => {
    const client = await join(await memoryServer(), 'me', { version })
    expect(
      await subscribeAll(client, [
        { topic: 'a', qos: 2 },
        { topic: 'b', qos: 0 },
        { topic: 'c', qos: 1 },
      ]),
    ).toEqual([2, 0, 1])
  })

  test('grants no more than the maximum QoS', async () => {
    const client = await join(await memoryServer({ broker: { maximumQos: 1 } }), 'me')
    expect(await subscribe(client, 'a', 2)).toBe(1)
  })

  test('to a filter that is subscribed replaces the subscription [MQTT-3.8.4-3]', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    await subscribe(client, 'a', 0)
    await subscribe(client, 'a', 1)
    server.publish({ topic: 'a', qos: 1, payload: 'x' })
    expect(await payloads(client)).toEqual(['x'])
    expect(server.sessions[0]?.subscriptions.size).toBe(1)
  })

  test.each<[number, object, number[]]>([
    [5, { reasonCode: 0x87 }, [0, 0x87, 1]],
    [4, { reasonCode: 0x87 }, [0, 0x80, 1]],
    [5, { reasonCode: 0, maximumQos: 0 }, [0, 0, 1]],
    [5, { reasonCode: 0x87, action: 'accept' }, [0, 1, 1]],
  ])('says of each filter what a plugin decided (level %i, %o)', async (version, decision, expected) => {
    const plugin = definePlugin({
      meta: { name: 'decides' },
      setup: ({ hooks, on }) => on(hooks.authorize, { kind: 'subscribe', topic: 'secret' }, (before) => ({ ...before, ...decision })),
    })
    const server = await memoryServer({ plugins: [plugin] })
    const client = await join(server, 'me', { version: version === 5 ? 5 : 4 })
    const granted = await subscribeAll(client, [
      { topic: 'a', qos: 0 },
      { topic: 'secret', qos: 1 },
      { topic: 'b', qos: 1 },
    ])
    expect(granted).toEqual(expected)
    server.publish({ topic: 'secret', payload: 'x' })
    expect(await payloads(client)).toEqual(Reflect.get(decision, 'reasonCode') === 0 ? ['x'] : [])
  })

  test.each([
    ['wildcards', { wildcardSubscriptionAvailable: false }, 'a/#', {}, 0xa2],
    ['shared subscriptions', { sharedSubscriptionAvailable: false }, '$share/g/a', {}, 0x9e],
    ['subscription identifiers', { subscriptionIdentifiersAvailable: false }, 'a', { properties: { subscriptionIdentifier: 1 } }, 0xa1],
  ] as const)('ends the connection where the server has no %s', async (_what, broker, topic, more, reasonCode) => {
    const client = await join(await memoryServer({ broker }), 'me')
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos: 0 }], ...more })
    expect(await client.next('disconnect')).toMatchObject({ reasonCode })
  })
})

describe('options of a subscription (MQTT 5)', () => {
  test('no local: a client does not get what it publishes itself [MQTT-3.8.3-3]', async () => {
    const server = await memoryServer()
    const [me, other] = [await join(server, 'me'), await join(server, 'other')]
    await subscribe(me, 'a', 0, { nl: true })
    await subscribe(other, 'a')
    await me.send({ cmd: 'publish', topic: 'a', payload: 'mine' }).settled()
    other.send({ cmd: 'publish', topic: 'a', payload: 'theirs' })
    await other.settled()
    expect(await payloads(me)).toEqual(['theirs'])
    expect(await payloads(other)).toEqual(['mine', 'theirs'])
  })

  test.each([
    [true, true],
    [false, false],
  ])('retain as published %s: the flag of a live message is %s [MQTT-3.3.1-12, -13]', async (rap, retain) => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    await subscribe(client, 'a', 0, { rap })
    server.publish({ topic: 'a', retain: true, payload: 'x' })
    expect(await client.next('publish')).toMatchObject({ retain })
    server.publish({ topic: 'a', payload: 'y' })
    expect(await client.next('publish')).toMatchObject({ retain: false })
  })

  test.each<[number, string[], string[]]>([
    [0, ['x'], ['x', 'x']],
    [1, ['x'], ['x']],
    [2, [], []],
  ])('retain handling %i: what was kept comes %j, and after subscribing again %j', async (rh, first, second) => {
    const server = await memoryServer()
    server.publish({ topic: 'a', retain: true, payload: 'x' })
    const client = await join(server, 'me')
    await subscribe(client, 'a', 0, { rh })
    expect(await payloads(client)).toEqual(first)
    await subscribe(client, 'a', 0, { rh })
    expect(await payloads(client)).toEqual(second)
    await client.send({ cmd: 'unsubscribe', messageId: 3, unsubscriptions: ['a'] }).next('unsuback')
    await subscribe(client, 'a', 0, { rh })
    expect(await payloads(client)).toHaveLength(second.length + (rh === 2 ? 0 : 1))
  })
})

describe('a message that matches several subscriptions of a client', () => {
  test('comes once, at the highest QoS, with every identifier [MQTT-3.3.4-2, -3, -4]', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    await subscribe(client, 'a/#', 0, {}, 10)
    await subscribe(client, 'a/+', 2, {}, 200)
    await subscribe(client, 'a/b', 1)
    server.publish({ topic: 'a/b', qos: 2, payload: 'x' })
    const packet = await client.next('publish')
    expect(packet.qos).toBe(2)
    expect([packet.properties?.subscriptionIdentifier].flat().sort()).toEqual([10, 200])
    expect(await payloads(client)).toEqual(['x'])
  })

  test("comes once for each under overlap: 'each', with its own identifier and QoS", async () => {
    const server = await memoryServer({ broker: { overlap: 'each' } })
    const client = await join(server, 'me')
    await subscribe(client, 'a/#', 0, {}, 10)
    await subscribe(client, 'a/b', 1, {}, 20)
    server.publish({ topic: 'a/b', qos: 2, payload: 'x' })
    await client.settled()
    const got = client.received.flatMap((packet) => (packet.cmd === 'publish' ? [[packet.properties?.subscriptionIdentifier, packet.qos]] : []))
    expect(got.sort()).toEqual([
      [10, 0],
      [20, 1],
    ])
  })

  test('comes once to a client of MQTT 3.1.1 as well', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me', { version: 4 })
    await subscribe(client, 'a/#', 0)
    await subscribe(client, 'a/b', 1)
    server.publish({ topic: 'a/b', qos: 1, payload: 'x' })
    expect(await client.next('publish')).toMatchObject({ qos: 1 })
    expect(await payloads(client)).toEqual(['x'])
  })

  test('carries the identifier of a single subscription as a number, retained messages too', async () => {
    const server = await memoryServer()
    server.publish({ topic: 'a', payload: 'kept', retain: true })
    const client = await join(server, 'me')
    await subscribe(client, 'a', 0, {}, 268_435_455)
    expect((await client.next('publish')).properties).toEqual({ subscriptionIdentifier: 268_435_455 })
  })

  test('loses the identifier when the subscription is replaced by one without', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    await subscribe(client, 'a', 0, {}, 1)
    await subscribe(client, 'a')
    server.publish({ topic: 'a' })
    expect((await client.next('publish')).properties).toBeUndefined()
  })
})

describe('a shared subscription', () => {
  test('gives each message to one member, in turn [MQTT-4.8.2-4]', async () => {
    const server = await memoryServer()
    const members = await Promise.all(['a', 'b', 'c'].map((id) => join(server, id)))
    for (const member of members) await subscribe(member, '$share/group/t/#')
    for (let count = 0; count < 6; count++) server.publish({ topic: 't/x', payload: String(count) })
    const got = await Promise.all(members.map(payloads))
    expect(got.map((list) => list.length)).toEqual([2, 2, 2])
    expect(got.flat().sort()).toEqual(['0', '1', '2', '3', '4', '5'])
  })

  test('of another name, or without one, gets its own copy', async () => {
    const server = await memoryServer()
    const [one, two, plain] = await Promise.all(['a', 'b', 'c'].map((id) => join(server, id)))
    if (one === undefined || two === undefined || plain === undefined) throw new Error('unreachable')
    await subscribe(one, '$share/x/t')
    await subscribe(two, '$share/y/t')
    await subscribe(plain, 't')
    server.publish({ topic: 't', payload: 'm' })
    for (const client of [one, two, plain]) expect(await payloads(client)).toEqual(['m'])
  })

  test('beside a plain one of the same client gives it two copies', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    await subscribe(client, '$share/x/t')
    await subscribe(client, 't')
    server.publish({ topic: 't', payload: 'm' })
    expect(await payloads(client)).toEqual(['m', 'm'])
  })

  test('gets no retained messages when it begins', async () => {
    const server = await memoryServer()
    server.publish({ topic: 't', payload: 'kept', retain: true })
    const client = await join(server, 'me')
    await subscribe(client, '$share/x/t')
    expect(await payloads(client)).toEqual([])
  })

  test('passes over members that are away', async () => {
    const server = await memoryServer()
    const away = await join(server, 'away', { clean: false, properties: { sessionExpiryInterval: 100 } })
    const here = await join(server, 'here')
    await subscribe(away, '$share/x/t', 1)
    await subscribe(here, '$share/x/t', 1)
    away.reset()
    await here.settled()
    for (let count = 0; count < 3; count++) server.publish({ topic: 't', qos: 1, payload: String(count) })
    expect(await payloads(here)).toEqual(['0', '1', '2'])
  })

  test('of which a member unsubscribes goes on with the others', async () => {
    const server = await memoryServer()
    const [one, two] = [await join(server, 'one'), await join(server, 'two')]
    await subscribe(one, '$share/x/t')
    await subscribe(two, '$share/x/t')
    await one.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: ['$share/x/t'] }).next('unsuback', { granted: [0] })
    for (let count = 0; count < 2; count++) server.publish({ topic: 't', payload: String(count) })
    expect(await payloads(two)).toEqual(['0', '1'])
    expect(await payloads(one)).toEqual([])
  })
})

describe('$share/ before MQTT 5', () => {
  test.each([3, 4] as const)('shares as well, which a server may do with topics that begin with $ (level %i)', async (version) => {
    const server = await memoryServer()
    const members = [await join(server, 'one', { version }), await join(server, 'two', { version })]
    for (const member of members) await subscribe(member, '$share/g/t')
    for (const payload of ['0', '1']) server.publish({ topic: 't', payload })
    expect((await Promise.all(members.map(payloads))).flat().sort()).toEqual(['0', '1'])
  })

  test.each(['$share/g', '$share/', '$share//t', '$share/g/'])('is a topic like others where it names no share and filter: %s', async (topic) => {
    const server = await memoryServer()
    server.publish({ topic, payload: 'kept', retain: true })
    const clients = [await join(server, 'one', { version: 4 }), await join(server, 'two', { version: 4 })]
    for (const client of clients) await subscribe(client, topic)
    server.publish({ topic, payload: 'live' })
    for (const client of clients) expect(await payloads(client)).toEqual(['kept', 'live'])
    for (const client of clients) await client.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: [topic] }).next('unsuback')
    expect(server.publish({ topic })).toBe(0)
  })

  test('is a topic like others where the server has no shared subscriptions', async () => {
    const server = await memoryServer({ broker: { sharedSubscriptionAvailable: false } })
    const client = await join(server, 'me', { version: 4 })
    await subscribe(client, '$share/g/t')
    server.publish({ topic: 't', payload: 'other' })
    server.publish({ topic: '$share/g/t', payload: 'own' })
    expect(await payloads(client)).toEqual(['own'])
  })
})

describe('UNSUBSCRIBE', () => {
  test.each([3, 4, 5] as const)('ends subscriptions, and is answered [MQTT-3.10.4-4] (level %i)', async (version) => {
    const server = await memoryServer()
    const client = await join(server, 'me', { version })
    await subscribe(client, 'a/+')
    const unsuback = await client.send({ cmd: 'unsubscribe', messageId: 7, unsubscriptions: ['a/+', 'never'] }).next('unsuback')
    expect(unsuback).toEqual({ cmd: 'unsuback', messageId: 7, ...(version === 5 && { granted: [0, 0x11] }) })
    server.publish({ topic: 'a/b', payload: 'x' })
    expect(await payloads(client)).toEqual([])
  })

  test('compares filters character by character [MQTT-3.10.4-1]', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    await subscribe(client, 'a/#')
    await client.send({ cmd: 'unsubscribe', messageId: 7, unsubscriptions: ['a/b', 'A/#', '#'] }).next('unsuback', { granted: [0x11, 0x11, 0x11] })
    server.publish({ topic: 'a/b', payload: 'x' })
    expect(await payloads(client)).toEqual(['x'])
  })

  test('lets deliveries that have begun come to their end [MQTT-3.10.4-3]', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    await subscribe(client, 'a', 2)
    server.publish({ topic: 'a', qos: 2 })
    const { messageId = 0 } = await client.next('publish')
    await client.send({ cmd: 'unsubscribe', messageId: 7, unsubscriptions: ['a'] }).next('unsuback')
    await client.send({ cmd: 'pubrec', messageId }).next('pubrel', { messageId })
  })

  test('says what a plugin decided', async () => {
    const plugin = definePlugin({
      meta: { name: 'stay' },
      setup: ({ hooks, on }) => on(hooks.authorize, { kind: 'unsubscribe', topic: 'a' }, () => ({ reasonCode: 0x87 })),
    })
    const server = await memoryServer({ plugins: [plugin] })
    const client = await join(server, 'me')
    await subscribe(client, 'a')
    await client.send({ cmd: 'unsubscribe', messageId: 7, unsubscriptions: ['a', 'b'] }).next('unsuback', { granted: [0x87, 0x11] })
    server.publish({ topic: 'a', payload: 'x' })
    expect(await payloads(client)).toEqual(['x'])
  })
})

describe('many subscriptions', () => {
  test('that come and go leave nothing behind in the router', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    const filters = Array.from({ length: 200 }, (_, index) => (index % 2 === 0 ? `deep/${index}/+/x/#` : `flat/${index}`))
    await subscribeAll(
      client,
      filters.map((topic): SubscriptionRequest => ({ topic, qos: 1 })),
    )
    await client.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: filters }).next('unsuback')
    expect(server.sessions[0]?.subscriptions.size).toBe(0)
    expect(server.publish({ topic: 'deep/0/a/x/y' })).toBe(0)
    expect(messages(client)).toEqual([])
  })
})
