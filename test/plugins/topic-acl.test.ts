/** What a client sees of `topic-acl`. */
import { topicAcl } from 'mqttest/plugins'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { exchanged, heard, joining, publish, subscribe } from '../support/outcome.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

type Options = Parameters<typeof topicAcl>[0]

const serverWith = (options: Options) => memoryServer({ plugins: [topicAcl(options)] })

/** What a client gets for a packet. */
async function answer(options: Options, packet: Parameters<typeof exchanged>[1], version: 3 | 4 | 5 = 5) {
  const server = await serverWith(options)
  return exchanged(await joining(server, version, { username: 'joe' }), packet)
}

describe('topic-acl', () => {
  test('publish: other topics are refused with 0x87, and these are not', async () => {
    const options = { publish: ['a/+', 'devices/{clientId}/#', 'users/{username}'] }
    for (const topic of ['a/b', 'devices/me/x/y', 'users/joe']) expect(await answer(options, publish(topic)), topic).toBe('puback 16')
    for (const topic of ['a', 'a/b/c', 'devices/you/x', 'users/jim']) expect(await answer(options, publish(topic)), topic).toBe('puback 0x87')
    expect(await answer(options, publish('b', 2))).toBe('pubrec 0x87')
    expect(await answer(options, publish('b', 0))).toBe('')
  })

  test('a refused message goes to nobody, though MQTT 3 acknowledges it', async () => {
    const server = await serverWith({ publish: 'a' })
    const client = await joining(server, 4)
    expect(await exchanged(client, subscribe('#'), publish('b'), publish('a'))).toBe('suback 0, puback, publish a, puback')
  })

  test('the reason is told in words', async () => {
    const client = await joining(await serverWith({ publish: [] }), 5)
    expect(await client.send(publish('a')).next('puback')).toMatchObject({ properties: { reasonString: 'not allowed to publish to this topic' } })
  })

  test('subscribe: a filter passes that one of these covers', async () => {
    const options = { subscribe: ['a/#', '{clientId}/+'] }
    expect(await answer(options, subscribe(['a', 'a/+', 'a/b/#', 'me/x', 'me/+', '$share/g/a/b']))).toBe('suback 0,0,0,0,0,0')
    expect(await answer(options, subscribe(['#', '+/b', 'me/#', 'you/x', '$share/g/b']))).toBe('suback 0x87,0x87,0x87,0x87,0x87')
    expect(await answer(options, subscribe(['a', '#']), 4)).toBe('suback 0,0x80')
    expect(await answer(options, publish('b'))).toBe('puback 16')
  })

  test('denyPublish and denySubscribe take away from what is allowed', async () => {
    const options = { publish: ['a/#'], denyPublish: ['a/secret/#'], denySubscribe: ['b/#'] }
    expect(await answer(options, publish('a/x'))).toBe('puback 16')
    expect(await answer(options, publish('a/secret/x'))).toBe('puback 0x87')
    expect(await answer(options, subscribe(['a', 'b/+']))).toBe('suback 0,0x87')
    expect(await answer({ denyPublish: ['{clientId}'] }, publish('me'))).toBe('puback 0x87')
    expect(await answer({ denyPublish: ['{clientId}'] }, publish('you'))).toBe('puback 16')
  })

  test('reserved: the prefix is shut but for filters that name it', async () => {
    const options = { publish: ['#', '$aws/things/{clientId}/shadow/#'], subscribe: ['#', '$aws/things/+/shadow/get'], reserved: '$aws/' }
    expect(await answer(options, publish('a'))).toBe('puback 16')
    expect(await answer(options, publish('$aws/things/me/shadow/get'))).toBe('puback 16')
    expect(await answer(options, publish('$aws/things/you/shadow/get'))).toBe('puback 0x87')
    expect(await answer(options, subscribe(['$aws/things/me/shadow/get', '$aws/#']))).toBe('suback 0,0x87')
    expect(await answer({ reserved: 'app/' }, publish('app/x'))).toBe('puback 0x87')
    expect(await answer({ reserved: 'app/' }, subscribe(['#', 'app/x']))).toBe('suback 0,0x87')
  })

  test('receive: filters are granted, but messages on other topics do not come, retained ones neither', async () => {
    const { server, clock } = await virtualServer({ plugins: [topicAcl({ receive: ['public/#', 'to/{clientId}'] })] })
    server.publish({ topic: 'secret', payload: 'x', retain: true })
    server.publish({ topic: 'public/old', payload: 'x', retain: true })
    const [me, you] = [await joining(server, 4), await joining(server, 5, { clientId: 'you' })]
    expect(await exchanged(me, subscribe('#'))).toBe('suback 0, publish public/old')
    await exchanged(you, subscribe('#'))
    for (const topic of ['secret', 'to/me', 'to/you', 'public/new']) server.publish({ topic })
    await clock.advance(0)
    expect(heard(me)).toContain('publish to/me, publish public/new')
    expect(heard(you)).toContain('publish to/you, publish public/new')
    expect(heard(me) + heard(you)).not.toContain('secret')
  })

  test.each([
    [{ v3: 'close', v5: 'not-authorized' }, 4, 'fin'],
    [{ v3: 'close', v5: 'not-authorized' }, 5, 'puback 0x87'],
    [{ v3: 'close', v31: 'accept' }, 3, 'puback'],
    [{ answer: 'not-authorized', disconnect: 'not-authorized' }, 5, 'puback 0x87, disconnect 0x87, fin'],
    ['topic-name-invalid', 5, 'puback 0x90'],
  ] as const)('publishAnswer: %j to level %i is %s', async (publishAnswer, version, expected) => {
    expect(await answer({ publish: 'a', publishAnswer }, publish('b'), version)).toBe(expected)
  })

  test('subscribeAnswer: accept grants a filter of which nothing ever comes', async () => {
    const server = await serverWith({ denySubscribe: 'secret/#', subscribeAnswer: 'accept' })
    const client = await joining(server)
    expect(await exchanged(client, subscribe(['secret/a', 'open'], 1))).toBe('suback 1,1')
    expect(await exchanged(client, publish('secret/a', 0), publish('open', 0))).toBe('publish open')
    expect(await answer({ subscribe: 'a', subscribeAnswer: { v3: 'close', v5: 'topic-filter-invalid' } }, subscribe('b'), 4)).toBe('fin')
    expect(await answer({ subscribe: 'a', subscribeAnswer: { v3: 'close', v5: 'topic-filter-invalid' } }, subscribe('b'), 5)).toBe('suback 0x8f')
  })

  test('willAnswer: a will that may not be published refuses CONNECT, or is dropped, or passes', async () => {
    const will = { topic: 'b', payload: Buffer.from('gone'), qos: 0, retain: false } as const
    const connack = async (options: Options, topic = 'b') => {
      const server = await serverWith(options)
      const other = await joining(server, 4, { clientId: 'other' })
      await exchanged(other, subscribe('b'))
      const client = connectMemory(server, 5)
      const { reasonCode } = await client.connect({ clientId: 'me', will: { ...will, topic } })
      client.close()
      await client.end()
      await other.settled()
      return [reasonCode, other.received.some((packet) => packet.cmd === 'publish')]
    }
    expect(await connack({ publish: 'a' })).toEqual([0x87, false])
    expect(await connack({ publish: 'a' }, 'a')).toEqual([0, false])
    expect(await connack({ publish: 'a', willAnswer: 'accept' })).toEqual([0, false])
    expect(await connack({ publish: 'a', willAnswer: 'allow' })).toEqual([0, true])
    expect(await connack({ subscribe: 'b' })).toEqual([0, true])
  })

  test('with a scope it leaves another client alone, and a refusal may come late', async () => {
    const { server, clock } = await virtualServer({
      plugins: [
        [topicAcl({ publish: [] }), { clientId: 'me' }],
        ['ack-delay', { delay: 100 }],
      ],
    })
    const [me, you] = [await joining(server, 5), await joining(server, 5, { clientId: 'you' })]
    me.send(publish('a'))
    you.send(publish('a'))
    await clock.advance(99)
    expect([heard(me), heard(you)]).toEqual(['', ''])
    await clock.advance(1)
    expect([heard(me), heard(you)]).toEqual(['puback 0x87', 'puback 16'])
  })

  test('a connection that ends while a refusal is on its way leaves nothing behind', async () => {
    const { server, clock } = await virtualServer({ plugins: [topicAcl({ publish: [] }), ['ack-delay', { delay: 100 }]] })
    const client = await joining(server, 5)
    client.send(publish('a'))
    await clock.advance(1)
    client.reset()
    await clock.advance(1)
    expect(clock.pending).toBe(0)
  })

  test('two clients have their own topics, and it counts as fired once it refused something', async () => {
    const server = await serverWith({ publish: '{clientId}/#' })
    const [me, you] = [await joining(server, 5), await joining(server, 5, { clientId: 'you' })]
    expect(await exchanged(me, publish('me/a'))).toBe('puback 16')
    expect(server.report().faults.neverFired).toEqual(['topic-acl'])
    expect(await exchanged(you, publish('me/a'))).toBe('puback 0x87')
    expect(server.report().faults.neverFired).toEqual([])
  })

  test('taken off, it forbids nothing any more', async () => {
    const server = await memoryServer()
    const client = await joining(server, 5)
    const off = server.use(topicAcl({ publish: [] }))
    expect(await exchanged(client, publish('a'))).toBe('puback 0x87')
    off()
    expect(await exchanged(client, publish('a'))).toBe('puback 16')
  })

  test('without a rule it is refused', () => {
    expect(() => topicAcl()).toThrow("everything is allowed: give one of the options 'publish'")
  })
})
