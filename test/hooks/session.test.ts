/** Hooks around sessions: what a plan may lose, wills, retained messages, and whom a message of the server goes to. */
import { definePlugin, type PluginDefinition, type SessionPlan, type WillPlan } from 'mqttest'
import { describe, expect, test } from 'vitest'
import { join, joined, messages, subscribe } from '../support/client.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

const plugin = (setup: PluginDefinition['setup']) => definePlugin({ meta: { name: 'tried' }, setup })()
const planned = (changes: Partial<SessionPlan>) => plugin(({ hooks }) => hooks.session.tap('tried', (plan) => ({ ...plan, ...changes })))
const keep = { clean: false, properties: { sessionExpiryInterval: 100 } }

describe('the plan for a session', () => {
  test('may lose a part of what is stored', async () => {
    for (const lose of ['subscriptions', 'inFlight', 'queued'] as const) {
      const server = await memoryServer({ plugins: [planned({ lose: [lose] })] })
      const client = await join(server, 'me', { ...keep, properties: { ...keep.properties, receiveMaximum: 1 } })
      await subscribe(client, 'a', 1)
      server.publish({ topic: 'a', payload: 'flying', qos: 1 })
      server.publish({ topic: 'a', payload: 'waiting', qos: 1 })
      await client.settled()
      client.close()
      const { client: back, connack } = await joined(server, 'me', keep)
      expect(connack.sessionPresent).toBe(true)
      server.publish({ topic: 'a', payload: 'new', qos: 1 })
      await back.settled()
      const all = ['a flying', 'a waiting', 'a new']
      expect(messages(back)).toEqual(all.filter((_, index) => index !== { inFlight: 0, queued: 1, subscriptions: 2 }[lose]))
    }
  })

  test('says within which limits DISCONNECT may change the expiry', async () => {
    const server = await memoryServer({ plugins: [planned({ expiryRange: { minimumMs: 5000, maximumMs: 9000 } })] })
    for (const [asked, kept] of [
      [1, 5000],
      [7, 7000],
      [60, 9000],
    ] as const) {
      const client = await join(server, `me${asked}`, keep)
      await client.send({ cmd: 'disconnect', reasonCode: 0, properties: { sessionExpiryInterval: asked } }).end()
      expect(server.sessions.find(({ clientId }) => clientId === `me${asked}`)?.expiryMs).toBe(kept)
    }
  })
})

describe('the will hook', () => {
  const will = { topic: 'gone', payload: Buffer.from('me'), qos: 0, retain: false } as const
  const changed = (changes: Partial<WillPlan>) => plugin(({ hooks }) => hooks.will.tap('tried', (plan) => ({ ...plan, ...changes })))

  test('may publish it firmly: a client that is back changes nothing', async () => {
    const { server, clock } = await virtualServer({ plugins: [changed({ delayMs: 1000, firm: true, copies: 2 })] })
    const heard = await join(server, 'heard')
    await subscribe(heard, 'gone')
    const client = await join(server, 'me', { will })
    client.close()
    await clock.advance(500)
    await join(server, 'me')
    await clock.advance(499)
    expect(messages(heard)).toEqual([])
    await clock.advance(1)
    expect(messages(heard)).toEqual(['gone me', 'gone me'])
  })

  test('is called after a goodbye as well', async () => {
    const server = await memoryServer({ plugins: [changed({ publish: true })] })
    const heard = await join(server, 'heard')
    await subscribe(heard, 'gone')
    const client = await join(server, 'me', { will })
    await client.send({ cmd: 'disconnect' }).end()
    await heard.next('publish')
  })
})

describe('the retained hook', () => {
  test('chooses what a subscription gets, a shared one as well, and in which order', async () => {
    const reversed = plugin(({ hooks, server }) => hooks.retained.tap('tried', () => [...server.retained].reverse()))
    const server = await memoryServer({ plugins: [reversed] })
    for (const topic of ['a', 'b']) server.publish({ topic, payload: 'x', retain: true })
    const client = await join(server, 'me')
    await subscribe(client, '$share/g/a')
    await client.settled()
    expect(messages(client)).toEqual(['b x', 'a x'])
  })
})

describe('a message of the server', () => {
  test('may go to some of its subscribers only, and is not kept then', async () => {
    const everybody = plugin(({ hooks, server }) =>
      hooks.route.tap('tried', (deliveries) => deliveries.flatMap((one) => server.sessions.map((session) => ({ ...one, session })))),
    )
    const server = await memoryServer({ plugins: [everybody] })
    const [one, two] = [await join(server, 'one'), await join(server, 'two')]
    for (const client of [one, two]) await subscribe(client, 'a')
    expect(server.publish({ topic: 'a', payload: 'x', retain: true, to: 'two' })).toBe(1)
    await one.settled()
    await two.settled()
    expect([messages(one), messages(two)]).toEqual([[], ['a x']])
    expect(server.retained).toEqual([])
  })
})

describe('the route hook in a scope', () => {
  test('may add deliveries to connections in the scope, and to no others', async () => {
    const everybody = definePlugin({
      meta: { name: 'everybody' },
      setup: ({ hooks, server }) =>
        hooks.route.tap('everybody', (_deliveries, message) =>
          server.sessions.map((session) => ({ session, message, qos: 0, retain: false, subscriptionIdentifiers: [] })),
        ),
    })
    const server = await memoryServer({ plugins: [[everybody, {}, { clientId: 'mine' }]] })
    const [mine, other] = [await join(server, 'mine'), await join(server, 'other')]
    await subscribe(other, 'a')
    server.publish({ topic: 'a', payload: '1' })
    server.publish({ topic: 'b', payload: '2' })
    await mine.settled()
    await other.settled()
    expect([messages(mine), messages(other)]).toEqual([['a 1', 'b 2'], ['a 1']])
  })
})

test('a takeover that keeps both leaves each its session', async () => {
  const both = plugin(({ hooks, on }) => on(hooks.authorize, { kind: 'takeover' }, (decision) => ({ ...decision, action: 'keep-both' })))
  const { server } = await virtualServer({ plugins: [both] })
  const first = await join(server, 'same', keep)
  await subscribe(first, 'a')
  const { client: second, connack } = await joined(server, 'same', keep)
  expect(connack.sessionPresent).toBe(false)
  await subscribe(second, 'a')
  server.publish({ topic: 'a', payload: 'x' })
  await first.next('publish')
  await second.next('publish')
  first.close()
  await second.settled()
  // The first session ended with its connection: it has no client id to be found by.
  expect(server.publish({ topic: 'a' })).toBe(1)
})
