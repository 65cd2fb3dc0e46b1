/** What a client that asks sees of `responder`. */
import type { Server } from 'mqttest'
import { responder, topicAcl } from 'mqttest/plugins'
import type { RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { answers, join, messages, subscribe } from '../support/client.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

type Rules = NonNullable<NonNullable<Parameters<typeof responder>[0]>['rules']>

async function asking(rules: Rules, version: 4 | 5 = 5) {
  const server = await memoryServer({ plugins: [responder({ rules })] })
  const client = await join(server, 'dev', { version, username: 'joe' })
  await subscribe(client, '#', 2)
  return { server, client }
}

async function ask(client: RawClient, topic: string, payload = '') {
  const before = messages(client).length
  await client.send({ cmd: 'publish', topic, payload }).settled()
  await client.settled()
  return messages(client).slice(before)
}

const acted = (server: Server) => server.report().faults.applied.find(({ plugin }) => plugin === 'responder')?.count ?? 0

describe('responder', () => {
  test('by default whoever names a Response Topic hears an echo there, with the correlation data', async () => {
    const server = await memoryServer({ plugins: [responder()] })
    const client = await join(server, 'dev')
    await subscribe(client, 'answers')
    await client.send({ cmd: 'publish', topic: 'ask', payload: 'hello', properties: { responseTopic: 'answers', correlationData: 'c1' } }).settled()
    expect(await client.next('publish')).toMatchObject({ topic: 'answers', properties: { correlationData: Buffer.from('c1') } })
    expect(messages(client)).toEqual(['answers hello'])
    await client.send({ cmd: 'publish', topic: 'ask' }).settled()
    expect(acted(server)).toBe(1)
  })

  test('the answer comes behind the acknowledgement of the request', async () => {
    const { client } = await asking([{ topic: 'get', to: 'got', payload: 'x' }])
    client.send({ cmd: 'publish', topic: 'get', qos: 1, messageId: 5 })
    await client.settled()
    await client.settled()
    expect(answers(client).filter((text) => text !== 'pingresp')).toEqual(['publish 1', 'puback 5', 'publish'])
    expect(messages(client)).toEqual(['get', 'got x'])
  })

  test('templates: what the request, the client and the wildcards were', async () => {
    for (const version of [4, 5] as const) {
      const { client } = await asking(
        [{ topic: 'a/+/get/#', to: 'a/{1}/res/{2}', payload: '{clientId} {username} {json.id} {count} {topic}', consume: true }],
        version,
      )
      expect(await ask(client, 'a/x/get/y/z', '{"id":7}')).toEqual(['a/x/res/y/z dev joe 7 1 a/x/get/y/z'])
      expect(await ask(client, 'a/x/get', '{}')).toEqual(['a/x/res/ dev joe {json.id} 2 a/x/get'])
    }
  })

  test('payload: JSON is filled value by value; bytes are as they are', async () => {
    const { client } = await asking([
      { topic: 'q', to: 'json', payload: { json: { id: '{json.id}', of: ['{clientId}'] } }, consume: true },
      { topic: 'q', to: 'hex', payload: { hex: '61 62' } },
    ])
    expect(await ask(client, 'q', '{"id":7}')).toEqual(['json {"id":7,"of":["dev"]}', 'hex ab'])
  })

  test('consume: the request goes to nobody, and is acknowledged as a success', async () => {
    const { client } = await asking([{ topic: 'q', to: 'r', consume: true }])
    expect((await client.send({ cmd: 'publish', topic: 'q', qos: 1, messageId: 2 }).next('puback')).reasonCode).toBe(0)
    await client.settled()
    expect(messages(client)).toEqual(['r'])
  })

  test('qos, properties, correlation', async () => {
    const properties = { contentType: 'for {clientId}', responseTopic: 'r/{1}', userProperties: { one: '{1}', many: ['{1}', 'b'] } }
    const { client } = await asking([{ topic: 'q/+', to: 'r', qos: 1, properties, correlation: false, consume: true }])
    client.send({ cmd: 'publish', topic: 'q/x', properties: { correlationData: 'c' } })
    expect(await client.next('publish', { topic: 'r' })).toMatchObject({
      qos: 1,
      properties: { contentType: 'for dev', responseTopic: 'r/x', userProperties: { one: 'x', many: ['x', 'b'] } },
    })
    expect(client.received.at(-1)).not.toHaveProperty('properties.correlationData')
  })

  test('delay: the answer comes so late; switched off meanwhile, it never comes', async () => {
    const { server, clock } = await virtualServer()
    const off = server.use(responder({ rules: [{ topic: 'q', to: 'r', delay: '2s' }] }))
    const client = await join(server, 'dev')
    await subscribe(client, 'r')
    await ask(client, 'q')
    await clock.advance(1999)
    expect(messages(client)).toEqual([])
    await clock.advance(1)
    expect(messages(client)).toEqual(['r'])
    await ask(client, 'q')
    off()
    await clock.advance('1m')
    expect(messages(client)).toEqual(['r'])
  })

  test('delay: who has gone meanwhile gets it with its session', async () => {
    const { server, clock } = await virtualServer({ plugins: [responder({ rules: [{ topic: 'q', to: 'r', delay: '2s', qos: 1 }] })] })
    const keep = { clean: false, properties: { sessionExpiryInterval: 100 } }
    const client = await join(server, 'dev', keep)
    await subscribe(client, 'r', 1)
    await ask(client, 'q')
    client.reset()
    await clock.advance('5s')
    await (await join(server, 'dev', keep)).next('publish', { topic: 'r' })
  })

  test('times: so often on one connection', async () => {
    const { server, client } = await asking([{ topic: 'q', to: 'r', times: 2, consume: true }])
    expect([await ask(client, 'q'), await ask(client, 'q'), await ask(client, 'q')]).toEqual([['r'], ['r'], ['q']])
    const other = await join(server, 'other')
    await subscribe(other, '#')
    expect(await ask(other, 'q')).toEqual(['r'])
  })

  test('for: the one who asked, or everybody; retained for those to come', async () => {
    const server = await memoryServer({
      plugins: [
        responder({
          rules: [
            { topic: 'mine', to: 'r', payload: 'mine' },
            { topic: 'all', to: 'r', payload: 'all', for: 'everybody', retain: true },
          ],
        }),
      ],
    })
    const [one, two] = [await join(server, 'one'), await join(server, 'two')]
    for (const client of [one, two]) await subscribe(client, 'r')
    expect(await ask(one, 'mine')).toEqual(['r mine'])
    expect(await ask(one, 'all')).toEqual(['r all'])
    await two.settled()
    expect(messages(two)).toEqual(['r all'])
    expect(server.retained.map(({ topic }) => topic)).toEqual(['r'])
  })

  test('memory: a shadow that is updated and asked for', async () => {
    const { client } = await asking([
      { topic: '$aws/things/+/shadow/update', memory: '{1}', merge: true, to: 'updated', payload: 'ok' },
      { topic: '$aws/things/+/shadow/get', memory: '{1}', to: 'shadow', payload: { json: '{memory}' } },
    ])
    expect(await ask(client, '$aws/things/t/shadow/update', '{"a":{"x":1,"y":2},"b":1}')).toEqual(['updated ok'])
    await ask(client, '$aws/things/t/shadow/update', '{"a":{"y":null,"z":3}}')
    expect(await ask(client, '$aws/things/t/shadow/get')).toEqual(['shadow {"a":{"x":1,"z":3},"b":1}'])
    expect(await ask(client, '$aws/things/other/shadow/get')).toEqual(['shadow {}'])
  })

  test('what another plugin refuses is not answered', async () => {
    const server = await memoryServer({ plugins: [responder({ rules: [{ topic: '+/q', to: 'r' }] }), topicAcl({ publish: ['allowed/#'] })] })
    const client = await join(server, 'dev')
    await subscribe(client, 'r')
    expect(await ask(client, 'denied/q')).toEqual([])
    expect(await ask(client, 'allowed/q')).toEqual(['r'])
  })

  test('an answer that would go to no topic is only noted; a scope leaves others alone', async () => {
    const server = await memoryServer({ plugins: [[responder({ rules: [{ topic: '+/q', to: '{payload}' }] }), { clientId: 'dev' }]] })
    const [client, other] = [await join(server, 'dev'), await join(server, 'other')]
    for (const one of [client, other]) await subscribe(one, '#')
    expect(await ask(client, 'a/q', 'x/#')).toEqual(['a/q x/#'])
    expect(await ask(other, 'a/q', 'r')).toEqual(['a/q r'])
    expect(acted(server)).toBe(0)
    expect(server.records({ type: 'note' })).toHaveLength(1)
  })

  test('mistakes in its rules are told at once', () => {
    expect(() => responder({ rules: [] })).toThrow(/is empty/)
    expect(() => responder({ rules: [{ merge: true }] })).toThrow("'merge' goes with 'memory'")
    expect(() => responder({ rules: [{ retain: true }] })).toThrow(/for everybody/)
    expect(() => responder.create({ rules: [{ topik: 'a' }] })).toThrow("Did you mean 'topic'?")
  })
})
