/** What clients see of `topic-rewrite`. */
import type { Server } from 'mqttest'
import { retain, topicRewrite } from 'mqttest/plugins'
import type { RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join, messages, subscribe } from '../support/client.ts'
import { memoryServer } from '../support/server.ts'

type Options = Parameters<typeof topicRewrite>[0]

async function all(options: Options, version: 4 | 5 = 5) {
  const server = await memoryServer({ plugins: [topicRewrite(options)] })
  const client = await join(server, 'dev', { version, username: 'joe' })
  return { server, client }
}

/** The topics that arrive at a subscriber, of one message. */
async function arrives(client: RawClient, filter: string, topic: string) {
  const before = messages(client).length
  await subscribe(client, filter)
  await client.send({ cmd: 'publish', topic, payload: 'x' }).settled()
  return messages(client).slice(before)
}

const counted = (server: Server) => server.report().faults.applied

describe('topic-rewrite', () => {
  test("replaceIn: 'd.e' comes back as 'd/e', whichever of the two was subscribed to", async () => {
    for (const version of [4, 5] as const) {
      const { client } = await all({ replaceIn: { '.': '/' } }, version)
      expect(await arrives(client, 'd.e', 'd.e')).toEqual(['d/e x'])
      expect(await arrives(client, 'f/+', 'f.g')).toEqual(['f/g x'])
      expect(await arrives(client, '$share/a.b/h.i', 'h/i')).toEqual(['h/i x'])
    }
  })

  test('UNSUBSCRIBE and wills are rewritten as well', async () => {
    const { server, client } = await all({ replaceIn: { '.': '/' } })
    await subscribe(client, 'd/e')
    expect((await client.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: ['d.e'] }).next('unsuback')).granted).toEqual([0])
    await subscribe(client, 'gone/me')
    ;(await join(server, 'me', { will: { topic: 'gone.me', payload: Buffer.from('x'), qos: 0, retain: false } })).reset()
    expect((await client.next('publish')).topic).toBe('gone/me')
  })

  test('replaceOut: only what is delivered has another name', async () => {
    const { client } = await all({ replaceOut: { '/': '.', a: 'bb' } })
    expect(await arrives(client, 'a/+', 'a/c')).toEqual(['bb.c x'])
  })

  test('mount: each client has a world of its own', async () => {
    const { server, client } = await all({ mount: 'tenants/{username}/{clientId}/' })
    const other = await join(server, 'other', { username: 'joe' })
    await subscribe(other, '#')
    expect(await arrives(client, 'a/#', 'a/b')).toEqual(['a/b x'])
    await other.settled()
    expect(messages(other)).toEqual([])
    server.publish({ topic: 'tenants/joe/other/q', payload: 'y' })
    await other.settled()
    expect(messages(other)).toEqual(['q y'])
    expect([...(server.sessions[0]?.subscriptions.keys() ?? [])]).toEqual(['tenants/joe/dev/a/#'])
  })

  test('rules: the first that fits, by direction, with captures', async () => {
    const { client } = await all({
      rules: [
        { from: 'old/+/#', to: 'new/{1}/{clientId}/{2}' },
        { from: 'old/#', to: 'never' },
        { from: 'new/+/#', to: '{2}/{1}', direction: 'out' },
      ],
    })
    expect(await arrives(client, 'new/#', 'old/a/b/c')).toEqual(['dev/b/c/a x'])
    expect(await arrives(client, 'other', 'other')).toEqual(['other x'])
  })

  test('propertyBag: user properties stand in the topic, for MQTT 3 and 5', async () => {
    const { server, client } = await all({ propertyBag: 'both', bagTopics: ['devices/+/messages/#'] })
    const old = await join(server, 'old', { version: 4 })
    for (const one of [client, old]) await subscribe(one, '#')
    old.send({ cmd: 'publish', topic: 'devices/d/messages/a=1&b%20c=%2F', payload: 'x' })
    for (const one of [client, old]) expect(await one.next('publish')).toMatchObject({ topic: 'devices/d/messages/a=1&b%20c=%2F' })
    client.send({ cmd: 'publish', topic: 'other/a=1', properties: { userProperties: { u: ['1', '2'] } } })
    expect(await client.next('publish')).toMatchObject({ topic: 'other/a=1', properties: { userProperties: { u: ['1', '2'] } } })
  })

  test('propertyBag, one way only', async () => {
    const inward = await all({ propertyBag: 'in' })
    await subscribe(inward.client, '#')
    inward.client.send({ cmd: 'publish', topic: 'd/a=1&b=2' }, { cmd: 'publish', topic: 'd/100%=x' })
    expect(await inward.client.next('publish')).toMatchObject({ topic: 'd/', properties: { userProperties: { a: '1', b: '2' } } })
    expect(await inward.client.next('publish')).toMatchObject({ topic: 'd/100%=x' })
    const outward = await all({ propertyBag: 'out' })
    await subscribe(outward.client, '#')
    outward.client.send({ cmd: 'publish', topic: 'd', properties: { userProperties: { u: ['1', '2'] }, contentType: 'c' } })
    const { topic, properties } = await outward.client.next('publish')
    expect([topic, properties]).toEqual(['d/u=1&u=2', { contentType: 'c' }])
  })

  test('packets: only these are changed', async () => {
    const { client } = await all({ replaceIn: { '.': '/' }, packets: ['subscribe'] })
    expect(await arrives(client, 'd.e', 'd.e')).toEqual([])
    expect(await arrives(client, 'd.e', 'd/e')).toEqual(['d/e x'])
  })

  test('an alias stands for the topic that it was given with', async () => {
    const { client } = await all({ replaceIn: { '.': '/' }, replaceOut: { d: 'D' } })
    await subscribe(client, 'd/e')
    const properties = { topicAlias: 1 }
    await client.send({ cmd: 'publish', topic: 'd.e', payload: '1', properties }, { cmd: 'publish', topic: '', payload: '2', properties }).settled()
    expect(messages(client)).toEqual(['D/e 1', 'D/e 2'])
  })

  test('what does not fit is left alone, other clients by a scope; beside retain', async () => {
    const server = await memoryServer({ plugins: [[topicRewrite({ replaceIn: { '.': '/' } }), { clientId: 'dev' }], retain()] })
    const [client, other] = [await join(server, 'dev'), await join(server, 'other')]
    await subscribe(other, '#')
    await client.send({ cmd: 'publish', topic: 'a/b' }).settled()
    expect(counted(server)).toEqual([])
    await other.send({ cmd: 'publish', topic: 'a.b' }).settled()
    await client.send({ cmd: 'publish', topic: 'a.b', retain: true }).settled()
    await other.settled()
    expect([messages(other), server.retained]).toEqual([['a/b', 'a.b', 'a/b'], []])
    expect(counted(server)).toEqual([
      { plugin: 'topic-rewrite', count: 1 },
      { plugin: 'retain', count: 1 },
    ])
  })

  test('switched off, topics are what they are', async () => {
    const server = await memoryServer()
    const off = server.use(topicRewrite({ mount: 'm/' }))
    const client = await join(server, 'dev')
    expect(await arrives(client, 'a', 'a')).toEqual(['a x'])
    off()
    expect(await arrives(client, 'a', 'm/a')).toEqual(['m/a x'])
  })

  test('mistakes in its options are told at once', () => {
    expect(() => topicRewrite()).toThrow(/give one of the options/)
    expect(() => topicRewrite.create({ rules: [{ form: 'a' }] })).toThrow("Did you mean 'from'?")
  })
})
