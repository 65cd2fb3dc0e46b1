/** PUBLISH at each QoS, from a client and to a client. */
import { definePlugin, type QoS } from 'mqttest'
import { describe, expect, test } from 'vitest'
import { answers, join, messages, subscribe } from '../support/client.ts'
import { memoryServer } from '../support/server.ts'

describe.each([3, 4, 5] as const)('a message from a client of level %i', (version) => {
  test('at QoS 0 is not answered', async () => {
    const client = await join(await memoryServer(), 'me', { version })
    await client.send({ cmd: 'publish', topic: 'a' }).settled()
    expect(answers(client)).toEqual(['pingresp'])
  })

  test('at QoS 1 gets PUBACK with its id [MQTT-4.3.2-4]', async () => {
    const client = await join(await memoryServer(), 'me', { version })
    await subscribe(client, 'a')
    client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 65_535 })
    expect(await client.next('puback')).toMatchObject({ messageId: 65_535, ...(version === 5 && { reasonCode: 0 }) })
  })

  test('at QoS 2 goes through PUBREC, PUBREL, PUBCOMP, and arrives once however often it is sent [MQTT-4.3.3-10]', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me', { version })
    await subscribe(client, 'a')
    client.send({ cmd: 'publish', topic: 'a', qos: 2, messageId: 9, payload: '1' })
    await client.next('pubrec', { messageId: 9 })
    client.send({ cmd: 'publish', topic: 'a', qos: 2, messageId: 9, payload: '1', dup: true })
    await client.next('pubrec', { messageId: 9 })
    await client.send({ cmd: 'pubrel', messageId: 9 }).next('pubcomp', { messageId: 9 })
    expect(messages(client)).toEqual(['a 1'])
    client.send({ cmd: 'publish', topic: 'a', qos: 2, messageId: 9, payload: '2' })
    await client.next('pubrec', { messageId: 9 })
    expect(messages(client)).toEqual(['a 1', 'a 2'])
  })

  test('that is sent again after a reconnect, between PUBREC and PUBREL, still arrives once', async () => {
    const server = await memoryServer()
    const keep = version === 5 ? { properties: { sessionExpiryInterval: 100 } } : {}
    const watcher = await join(server, 'watcher')
    await subscribe(watcher, '#')
    const first = await join(server, 'me', { version, clean: false, ...keep })
    await first.send({ cmd: 'publish', topic: 'a', qos: 2, messageId: 3, payload: 'x' }).next('pubrec')
    first.reset()
    const again = await join(server, 'me', { version, clean: false, ...keep })
    await again.send({ cmd: 'publish', topic: 'a', qos: 2, messageId: 3, payload: 'x', dup: true }).next('pubrec')
    await again.send({ cmd: 'pubrel', messageId: 3 }).next('pubcomp')
    await watcher.settled()
    expect(messages(watcher)).toEqual(['a x'])
  })

  test.each<[QoS, QoS, QoS]>([
    [0, 0, 0],
    [0, 2, 0],
    [1, 0, 0],
    [1, 1, 1],
    [1, 2, 1],
    [2, 1, 1],
    [2, 2, 2],
  ])('published at QoS %i, subscribed at QoS %i, arrives at QoS %i', async (published, granted, arrives) => {
    const server = await memoryServer()
    const subscriber = await join(server, 'subscriber', { version })
    expect(await subscribe(subscriber, 'a', granted)).toBe(granted)
    const publisher = await join(server, 'publisher', { version })
    publisher.send({ cmd: 'publish', topic: 'a', qos: published, payload: 'x', ...(published > 0 && { messageId: 1 }) })
    expect(await subscriber.next('publish')).toMatchObject({ qos: arrives, dup: false, retain: false, payload: Buffer.from('x') })
  })
})

describe('the answer to a message of MQTT 5', () => {
  test('says 0x10 where nobody subscribes, at QoS 1', async () => {
    const client = await join(await memoryServer(), 'me')
    client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 1 })
    expect(await client.next('puback')).toMatchObject({ reasonCode: 0x10 })
  })

  test('says 0x91 where a QoS 2 id that is in use comes with another message, not marked as DUP', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    client.send({ cmd: 'publish', topic: 'a', qos: 2, messageId: 1 }, { cmd: 'publish', topic: 'b', qos: 2, messageId: 1 })
    await client.count(3)
    expect(answers(client)).toEqual(['pubrec 1', 'pubrec 1 0x91'])
    expect(server.report().violations).toMatchObject([{ rule: 'packet-id-in-use', level: 'warning' }])
  })

  test.each([1, 2] as const)('at QoS %i says what a plugin decided; the message goes nowhere, and its id is free again', async (qos) => {
    const plugin = definePlugin({
      meta: { name: 'no' },
      setup: ({ hooks, on }) => on(hooks.authorize, { kind: 'publish', topic: 'no/#' }, () => ({ reasonCode: 0x87, properties: { reasonString: 'not you' } })),
    })
    const client = await join(await memoryServer({ plugins: [plugin] }), 'me')
    await subscribe(client, '#')
    client.send({ cmd: 'publish', topic: 'no/way', qos, messageId: 1 })
    expect(await client.next(qos === 1 ? 'puback' : 'pubrec')).toMatchObject({ reasonCode: 0x87, properties: { reasonString: 'not you' } })
    client.send({ cmd: 'publish', topic: 'yes', qos, messageId: 1 })
    expect(await client.next(qos === 1 ? 'puback' : 'pubrec')).toMatchObject({ reasonCode: 0 })
    expect(messages(client)).toEqual(['yes'])
  })

  test.each([
    ['accept', ['puback 1']],
    ['drop', []],
  ] as const)('under action %s', async (action, expected) => {
    const plugin = definePlugin({
      meta: { name: 'quiet' },
      setup: ({ hooks, on }) => on(hooks.authorize, { kind: 'publish' }, () => ({ reasonCode: 0x87, action })),
    })
    const client = await join(await memoryServer({ plugins: [plugin] }), 'me')
    await subscribe(client, '#')
    await client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 1 }).settled()
    expect(answers(client)).toEqual([...expected, 'pingresp'])
  })

  test('under action close is DISCONNECT', async () => {
    const plugin = definePlugin({
      meta: { name: 'out' },
      setup: ({ hooks, on }) => on(hooks.authorize, { kind: 'publish' }, () => ({ reasonCode: 0x97, action: 'disconnect' })),
    })
    const client = await join(await memoryServer({ plugins: [plugin] }), 'me')
    client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 1 })
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x97 })
    expect(await client.end()).toBe('fin')
  })
})

describe('a refused message in MQTT 3.1.1', () => {
  test('is acknowledged like any other: there is no way to say no', async () => {
    const plugin = definePlugin({ meta: { name: 'no' }, setup: ({ hooks, on }) => on(hooks.authorize, { kind: 'publish' }, () => ({ reasonCode: 0x87 })) })
    const client = await join(await memoryServer({ plugins: [plugin] }), 'me', { version: 4 })
    await subscribe(client, '#')
    client.send({ cmd: 'publish', topic: 'a', qos: 2, messageId: 1 }, { cmd: 'pubrel', messageId: 1 }, { cmd: 'publish', topic: 'a', qos: 1, messageId: 2 })
    await client.settled()
    expect(answers(client)).toEqual(['pubrec 1', 'pubcomp 1', 'puback 2', 'pingresp'])
  })
})

describe('properties of a message', () => {
  test('travel with it, user properties in their order [MQTT-3.3.2-4, -15 to -20]', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    await subscribe(client, '#')
    // payload format 1, content type, response topic, correlation data, user properties b=1, a=2, b=3
    const properties = '0101 03 0004 74657874 08 0001 72 09 0002 cafe 26 0001 62 0001 31 26 0001 61 0001 32 26 0001 62 0001 33'.replaceAll(' ', '')
    const length = properties.length / 2
    client.send(`30 ${(3 + 1 + length + 2).toString(16).padStart(2, '0')} 0001 74 ${length.toString(16)} ${properties} 6869`)
    const packet = await client.next('publish')
    expect(packet).toMatchObject({ topic: 't', payload: Buffer.from('hi') })
    expect(client.chunks.at(-1)?.toString('hex')).toContain(properties)
    expect(packet.properties).toMatchObject({
      payloadFormatIndicator: true,
      contentType: 'text',
      responseTopic: 'r',
      correlationData: Buffer.from('cafe', 'hex'),
    })
  })

  test('are left out for older clients', async () => {
    const server = await memoryServer()
    const old = await join(server, 'old', { version: 4 })
    await subscribe(old, '#')
    server.publish({ topic: 'a', payload: 'x', properties: { contentType: 'text' } })
    expect(await old.next('publish')).toEqual({ cmd: 'publish', topic: 'a', payload: Buffer.from('x'), qos: 0, dup: false, retain: false })
  })

  test('that belong to one connection do not travel', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    await subscribe(client, '#')
    client.send({ cmd: 'publish', topic: 'a', properties: { topicAlias: 3 } })
    expect((await client.next('publish')).properties).toBeUndefined()
  })

  test('a subscription identifier from a client is reported, and goes no further [MQTT-3.3.4-6]', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    await subscribe(client, 'a')
    client.send({ cmd: 'publish', topic: 'a', properties: { subscriptionIdentifier: 5 } })
    expect((await client.next('publish')).properties).toBeUndefined()
    expect(server.report().violations).toMatchObject([{ rule: 'publish-subscription-identifier', level: 'warning' }])
  })

  test('two of them end the connection, and the message goes nowhere', async () => {
    const server = await memoryServer()
    const [client, other] = [await join(server, 'me'), await join(server, 'other')]
    await subscribe(other, 'a')
    client.send({ cmd: 'publish', topic: 'a', properties: { subscriptionIdentifier: [5, 6] } })
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x82 })
    await other.settled()
    expect(other.received.filter(({ cmd }) => cmd === 'publish')).toEqual([])
  })

  test('a payload that is declared as text, but is none, ends the connection', async () => {
    const client = await join(await memoryServer(), 'me')
    client.send({ cmd: 'publish', topic: 'a', payload: Buffer.from([0xff]), properties: { payloadFormatIndicator: true } })
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x99 })
  })
})

describe('what the server announced in CONNACK', () => {
  test.each([
    ['the maximum QoS [MQTT-3.2.2-11]', { maximumQos: 1 }, { qos: 2, messageId: 1 }, 0x9b],
    ['that it keeps no messages [MQTT-3.2.2-14]', { retainAvailable: false }, { retain: true }, 0x9a],
  ] as const)('holds: %s', async (_what, broker, packet, reasonCode) => {
    const client = await join(await memoryServer({ broker }), 'me')
    client.send({ cmd: 'publish', topic: 'a', ...packet })
    expect(await client.next('disconnect')).toMatchObject({ reasonCode })
    expect(await client.end()).toBe('fin')
  })
})

describe('messages in order', () => {
  test('arrive in the order in which they were published, at every QoS [MQTT-4.6.0-5, -6]', async () => {
    const server = await memoryServer()
    const subscriber = await join(server, 'subscriber')
    await subscribe(subscriber, '#', 2)
    const publisher = await join(server, 'publisher')
    for (let count = 0; count < 30; count++) {
      const qos = count % 3 === 0 ? 0 : count % 3 === 1 ? 1 : 2
      publisher.send({ cmd: 'publish', topic: 't', qos, payload: String(count), ...(qos > 0 && { messageId: count + 1 }) })
    }
    await publisher.settled()
    await subscriber.settled()
    expect(messages(subscriber)).toEqual(Array.from({ length: 30 }, (_, count) => `t ${count}`))
  })
})

describe('server.publish', () => {
  test('reaches subscribers, and tells how many', async () => {
    const server = await memoryServer()
    const [one, two] = [await join(server, 'one'), await join(server, 'two', { version: 4 })]
    await subscribe(one, 'a/+', 1)
    await subscribe(two, '#')
    expect(server.publish({ topic: 'a/b', payload: 'x', qos: 1 })).toBe(2)
    expect(server.publish({ topic: 'c', payload: Buffer.from('y') })).toBe(1)
    expect(await one.next('publish')).toMatchObject({ qos: 1, messageId: 1 })
    await two.settled()
    expect(messages(two)).toEqual(['a/b x', 'c y'])
  })
})
