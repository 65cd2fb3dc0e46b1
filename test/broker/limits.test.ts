/** Limits that client and server set each other: messages in flight, packet sizes, topic aliases, expiry. */
import { definePlugin } from 'mqttest'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { answers, join, joined, messages, subscribe } from '../support/client.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

describe("the client's receive maximum", () => {
  test('is the number of messages that are sent without an answer; the others wait their turn [MQTT-3.3.4-9]', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me', { properties: { receiveMaximum: 2 } })
    await subscribe(client, 'a', 2)
    for (const [index, qos] of ([1, 2, 1, 2] as const).entries()) server.publish({ topic: 'a', qos, payload: String(index) })
    await client.settled()
    expect(messages(client)).toEqual(['a 0', 'a 1'])
    await client.send({ cmd: 'puback', messageId: 1 }).settled()
    expect(messages(client)).toEqual(['a 0', 'a 1', 'a 2'])
    // PUBREC frees nothing, PUBCOMP does.
    await client.send({ cmd: 'pubrec', messageId: 2 }).settled()
    expect(messages(client)).toHaveLength(3)
    await client.send({ cmd: 'pubcomp', messageId: 2 }).settled()
    expect(messages(client)).toHaveLength(4)
  })

  test('does not hold back messages at QoS 0', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me', { properties: { receiveMaximum: 1 } })
    await subscribe(client, 'a', 1)
    server.publish({ topic: 'a', qos: 1, payload: '1' })
    server.publish({ topic: 'a', qos: 1, payload: '2' })
    server.publish({ topic: 'a', qos: 0, payload: '0' })
    await client.settled()
    expect(messages(client)).toEqual(['a 1', 'a 0'])
  })

  test('a PUBREC with an error frees a place', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me', { properties: { receiveMaximum: 1 } })
    await subscribe(client, 'a', 2)
    server.publish({ topic: 'a', qos: 2, payload: '1' })
    server.publish({ topic: 'a', qos: 2, payload: '2' })
    await client.send({ cmd: 'pubrec', messageId: 1, reasonCode: 0x83 }).settled()
    expect(messages(client)).toEqual(['a 1', 'a 2'])
  })

  test('holds for what is sent again on a new connection, which may have a smaller one', async () => {
    const server = await memoryServer()
    const first = await join(server, 'me', { clean: false, properties: { sessionExpiryInterval: 100 } })
    await subscribe(first, 'a', 1)
    for (let count = 1; count <= 4; count++) server.publish({ topic: 'a', qos: 1, payload: String(count) })
    await first.settled()
    first.reset()
    await first.end()
    server.publish({ topic: 'a', qos: 1, payload: '5' })
    const again = await join(server, 'me', { clean: false, properties: { sessionExpiryInterval: 100, receiveMaximum: 2 } })
    await again.settled()
    expect(answers(again)).toEqual(['publish DUP 1', 'publish DUP 2', 'pingresp'])
    for (let id = 1; id <= 5; id++) await again.send({ cmd: 'puback', messageId: id }).settled()
    expect(messages(again)).toEqual(['a 1', 'a 2', 'a 3', 'a 4', 'a 5'])
    expect(server.sessions[0]?.inFlight.size).toBe(0)
  })
})

describe("the server's receive maximum", () => {
  test('ends the connection of a client that sends more QoS 2 messages than that without PUBREL [MQTT-3.3.4-7]', async () => {
    const server = await memoryServer({ broker: { receiveMaximum: 2 } })
    const { client, connack } = await joined(server, 'me')
    expect(connack.properties?.receiveMaximum).toBe(2)
    for (const messageId of [1, 2]) await client.send({ cmd: 'publish', topic: 'a', qos: 2, messageId }).next('pubrec')
    await client.send({ cmd: 'pubrel', messageId: 1 }).next('pubcomp')
    await client.send({ cmd: 'publish', topic: 'a', qos: 2, messageId: 3 }).next('pubrec')
    client.send({ cmd: 'publish', topic: 'a', qos: 2, messageId: 4 })
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x93 })
  })

  test('counts what is sent again on another connection, as far as it came there', async () => {
    const server = await memoryServer({ broker: { receiveMaximum: 2 } })
    const kept = { clean: false, properties: { sessionExpiryInterval: 100 } }
    const first = await join(server, 'me', kept)
    for (const messageId of [1, 2]) await first.send({ cmd: 'publish', topic: 'a', qos: 2, messageId }).next('pubrec')
    first.reset()
    await first.end()
    const again = await join(server, 'me', kept)
    // 1 is released without being sent again: it takes no room on this connection.
    await again.send({ cmd: 'pubrel', messageId: 1 }).next('pubcomp')
    await again.send({ cmd: 'publish', topic: 'a', qos: 2, messageId: 2, dup: true }).next('pubrec')
    await again.send({ cmd: 'publish', topic: 'a', qos: 2, messageId: 3 }).next('pubrec')
    expect(server.report().violations).toEqual([])
    again.send({ cmd: 'publish', topic: 'a', qos: 2, messageId: 4 })
    expect(await again.next('disconnect')).toMatchObject({ reasonCode: 0x93 })
  })

  test('is no limit for QoS 1, which is acknowledged as it is read', async () => {
    const server = await memoryServer({ broker: { receiveMaximum: 1 } })
    const client = await join(server, 'me')
    for (let messageId = 1; messageId <= 20; messageId++) client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId })
    await client.count(21)
  })
})

describe("the server's receive maximum, where a plugin lets answers come late", () => {
  const late = (qos: 1 | 2) =>
    definePlugin({
      meta: { name: 'late' },
      setup: ({ hooks, on }) => on(hooks.send, { cmd: ['puback', 'pubrec', 'pubcomp'] }, (steps) => [{ wait: qos * 50 }, ...steps]),
    })

  test.each([1, 2] as const)('is not exceeded by a client that waits (QoS %i)', async (qos) => {
    const { server, clock } = await virtualServer({ broker: { receiveMaximum: 2 }, plugins: [late(qos)] })
    const client = await join(server, 'me')
    for (let round = 0; round < 3; round++) {
      for (const messageId of [1, 2]) client.send({ cmd: 'publish', topic: 'a', qos, messageId })
      await clock.advance(100)
      if (qos === 2) {
        for (const messageId of [1, 2]) client.send({ cmd: 'pubrel', messageId })
        await clock.advance(100)
      }
    }
    expect(server.report()).toMatchObject({ violations: [], packets: { in: { publish: 6 } } })
  })

  test.each([1, 2] as const)('ends the connection of a client that does not (QoS %i)', async (qos) => {
    const { server } = await virtualServer({ broker: { receiveMaximum: 2 }, plugins: [late(qos)] })
    const client = await join(server, 'me')
    for (const messageId of [1, 2, 3]) client.send({ cmd: 'publish', topic: 'a', qos, messageId })
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x93 })
    expect(server.report().violations).toMatchObject([{ rule: 'receive-maximum-exceeded', count: 1 }])
  })

  test('counts a message that is sent twice once', async () => {
    const { server } = await virtualServer({ broker: { receiveMaximum: 1 } })
    const client = await join(server, 'me')
    for (const dup of [false, true, true]) await client.send({ cmd: 'publish', topic: 'a', qos: 2, messageId: 1, dup }).next('pubrec')
    await client.send({ cmd: 'pubrel', messageId: 1 }).next('pubcomp')
    await client.send({ cmd: 'publish', topic: 'a', qos: 2, messageId: 2 }).next('pubrec')
  })
})

describe("the client's maximum packet size", () => {
  test('keeps packets from it that are larger; everything else goes on as if it had them [MQTT-3.1.2-24, -25]', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me', { properties: { maximumPacketSize: 30, receiveMaximum: 1 } })
    await subscribe(client, 'a', 1)
    server.publish({ topic: 'a', qos: 1, payload: 'x'.repeat(30) })
    server.publish({ topic: 'a', qos: 1, payload: 'small' })
    await client.settled()
    expect(messages(client)).toEqual(['a small'])
    expect(server.sessions[0]?.dropped.tooLarge).toBe(1)
    expect(server.report().dropped).toEqual([{ reason: 'tooLarge', count: 1, clientIds: ['me'] }])
    expect(server.records({ type: 'note', connection: 0 })).toMatchObject([{ level: 'warn', message: expect.stringContaining('larger than the client takes') }])
  })

  test('counts every byte: 22 bytes of payload make 30 at QoS 1', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me', { properties: { maximumPacketSize: 30 } })
    await subscribe(client, 'a', 1)
    for (const length of [22, 23]) server.publish({ topic: 'a', qos: 1, payload: 'x'.repeat(length) })
    await client.settled()
    expect(messages(client)).toEqual([`a ${'x'.repeat(22)}`])
    expect(Math.max(...client.chunks.map((chunk) => chunk.length))).toBe(30)
  })

  test('counts properties as well', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me', { properties: { maximumPacketSize: 100 } })
    await subscribe(client, 'a')
    server.publish({ topic: 'a', properties: { userProperties: { key: 'x'.repeat(200) } } })
    server.publish({ topic: 'a', payload: 'small' })
    await client.settled()
    expect(messages(client)).toEqual(['a small'])
  })

  test('keeps retained messages from it, too', async () => {
    const server = await memoryServer()
    server.publish({ topic: 'a', retain: true, payload: 'x'.repeat(100) })
    const client = await join(server, 'me', { properties: { maximumPacketSize: 50 } })
    await subscribe(client, 'a')
    await client.settled()
    expect(messages(client)).toEqual([])
  })
})

describe("an answer that is larger than the client's maximum packet size", () => {
  test.each(['subscribe', 'unsubscribe'] as const)('is not sent, and all goes on as if it had been: that to %s [MQTT-3.1.2-24, -25]', async (cmd) => {
    const server = await memoryServer()
    const client = await join(server, 'me', { properties: { maximumPacketSize: 12 } })
    const filters = Array.from({ length: 8 }, (_, index) => `f/${index}`)
    const subscriptions = filters.map((topic) => ({ topic, qos: 0 as const }))
    client.send(cmd === 'subscribe' ? { cmd, messageId: 1, subscriptions } : { cmd, messageId: 1, unsubscriptions: filters })
    await client.settled()
    expect(client.received.map((packet) => packet.cmd)).toEqual(['connack', 'pingresp'])
    expect(server.sessions[0]?.subscriptions.size).toBe(cmd === 'subscribe' ? 8 : 0)
    const name = cmd === 'subscribe' ? 'SUBACK' : 'UNSUBACK'
    expect(server.records({ type: 'note' })).toMatchObject([{ level: 'warn', message: `${name} 1 was not sent: it is larger than the client takes` }])
    // One that fits comes.
    await client.send({ cmd: 'subscribe', messageId: 2, subscriptions: subscriptions.slice(0, 7) }).next('suback')
  })

  test('ends the connection where it is CONNACK: with 0x95, or without a word where not even that has room [MQTT-3.1.2-24]', async () => {
    const server = await memoryServer()
    for (const [maximumPacketSize, expected] of [
      [8, [{ cmd: 'connack', reasonCode: 0 }]],
      [7, [{ cmd: 'connack', reasonCode: 0x95 }]],
      [5, [{ cmd: 'connack', reasonCode: 0x95 }]],
      [4, []],
    ] as const) {
      const client = connectMemory(server, 5).sendConnect({ clientId: 'me', properties: { maximumPacketSize } })
      if (maximumPacketSize === 8) await client.settled()
      else expect(await client.end()).toBe('fin')
      expect(client.received.filter((packet) => packet.cmd !== 'pingresp')).toMatchObject(expected)
      if (maximumPacketSize === 8) await client.send({ cmd: 'disconnect' }).end()
    }
    expect(server.sessions).toEqual([])
  })
})

describe("the server's maximum packet size", () => {
  test('ends the connection of a client that sends more, as soon as the length is known [MQTT-3.2.2-15]', async () => {
    const server = await memoryServer({ broker: { maximumPacketSize: 50 } })
    const client = await join(server, 'me')
    await client.send({ cmd: 'publish', topic: 'a', payload: 'x'.repeat(44) }).settled()
    client.send('30 ff ff ff 7f')
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x95 })
    expect(server.report().violations).toMatchObject([{ rule: 'packet-too-large' }])
  })

  test.each([5, 4] as const)('holds for CONNECT, which is refused in its own version (level %i)', async (version) => {
    const server = await memoryServer({ broker: { maximumPacketSize: 50 } })
    const client = connectMemory(server, version).sendConnect({ clientId: 'x'.repeat(100) })
    expect(await client.end()).toBe('fin')
    expect(client.received).toEqual(version === 5 ? [{ cmd: 'connack', sessionPresent: false, reasonCode: 0x95 }] : [])
    expect(server.report().violations).toMatchObject([{ rule: 'packet-too-large', count: 1 }])
  })
})

describe('topic aliases from a client', () => {
  test('stand for their topic from then on, and may get another', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    await subscribe(client, '#')
    client.send(
      { cmd: 'publish', topic: 'a', payload: '1', properties: { topicAlias: 1 } },
      { cmd: 'publish', topic: '', payload: '2', properties: { topicAlias: 1 } },
      { cmd: 'publish', topic: 'b', payload: '3', properties: { topicAlias: 1 } },
      { cmd: 'publish', topic: '', payload: '4', properties: { topicAlias: 1 } },
    )
    await client.settled()
    expect(messages(client)).toEqual(['a 1', 'a 2', 'b 3', 'b 4'])
  })

  test('end with the connection [MQTT-3.3.2-7]', async () => {
    const server = await memoryServer()
    const keep = { clean: false, properties: { sessionExpiryInterval: 100 } }
    const first = await join(server, 'me', keep)
    await first.send({ cmd: 'publish', topic: 'a', properties: { topicAlias: 1 } }).settled()
    first.reset()
    const again = await join(server, 'me', keep)
    again.send({ cmd: 'publish', topic: '', properties: { topicAlias: 1 } })
    expect(await again.next('disconnect')).toMatchObject({ reasonCode: 0x82 })
    expect(server.report().violations).toMatchObject([{ rule: 'topic-alias-unmapped' }])
  })

  test.each([
    ['above the maximum [MQTT-3.3.2-9]', 11, 0x94, 'topic-alias-above-maximum'],
    ['of 0 [MQTT-3.3.2-8]', 0, 0x94, 'topic-alias-zero'],
  ])('%s end the connection', async (_what, topicAlias, reasonCode, rule) => {
    const server = await memoryServer({ broker: { topicAliasMaximum: 10 } })
    const { client, connack } = await joined(server, 'me')
    expect(connack.properties?.topicAliasMaximum).toBe(10)
    client.send({ cmd: 'publish', topic: 'a', properties: { topicAlias } })
    expect(await client.next('disconnect')).toMatchObject({ reasonCode })
    expect(server.report().violations).toMatchObject([{ rule }])
  })
})

describe('topic aliases to a client', () => {
  test('are used up to its maximum: the topic once, then the alias alone [MQTT-3.1.2-26]', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me', { properties: { topicAliasMaximum: 2 } })
    await subscribe(client, '#')
    for (const topic of ['a', 'b', 'c', 'a', 'b', 'c']) server.publish({ topic })
    await client.settled()
    const got = client.received.flatMap((packet) => (packet.cmd === 'publish' ? [[packet.topic, packet.properties?.topicAlias]] : []))
    expect(got).toEqual([
      ['a', 1],
      ['b', 2],
      ['c', undefined],
      ['', 1],
      ['', 2],
      ['c', undefined],
    ])
  })

  test('are not used where the client names no maximum', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    await subscribe(client, '#')
    server.publish({ topic: 'a' })
    expect((await client.next('publish')).properties).toBeUndefined()
  })

  test('begin anew with each connection, for what is sent again as well', async () => {
    const server = await memoryServer()
    const keep = { clean: false, properties: { sessionExpiryInterval: 100, topicAliasMaximum: 5 } }
    const first = await join(server, 'me', keep)
    await subscribe(first, 'a', 1)
    server.publish({ topic: 'a', qos: 1 })
    server.publish({ topic: 'a', qos: 1 })
    await first.settled()
    first.reset()
    const again = await join(server, 'me', keep)
    await again.settled()
    const got = again.received.flatMap((packet) => (packet.cmd === 'publish' ? [[packet.topic, packet.properties?.topicAlias]] : []))
    expect(got).toEqual([
      ['a', 1],
      ['', 1],
    ])
  })
})

describe('message expiry', () => {
  const keep = { clean: false, properties: { sessionExpiryInterval: 1000 } }

  test('drops what waited too long for a client that is away; the rest is told what is left [MQTT-3.3.2-5, -6]', async () => {
    const { server, clock } = await virtualServer()
    const first = await join(server, 'me', keep)
    await subscribe(first, 'a', 1)
    first.reset()
    await first.end()
    server.publish({ topic: 'a', qos: 1, payload: 'short', properties: { messageExpiryInterval: 5 } })
    server.publish({ topic: 'a', qos: 1, payload: 'long', properties: { messageExpiryInterval: 60 } })
    server.publish({ topic: 'a', qos: 1, payload: 'ever' })
    await clock.advance('5s')
    const again = await join(server, 'me', keep)
    await again.settled()
    expect(messages(again)).toEqual(['a long', 'a ever'])
    expect(server.report().dropped).toEqual([{ reason: 'expired', count: 1, clientIds: ['me'] }])
    expect(again.received.find((packet) => packet.cmd === 'publish')).toMatchObject({ properties: { messageExpiryInterval: 55 } })
    expect(server.sessions[0]?.dropped.expired).toBe(1)
  })

  test('drops what waited too long for room in flight', async () => {
    const { server, clock } = await virtualServer()
    const client = await join(server, 'me', { properties: { receiveMaximum: 1 } })
    await subscribe(client, 'a', 1)
    server.publish({ topic: 'a', qos: 1, payload: '1' })
    server.publish({ topic: 'a', qos: 1, payload: '2', properties: { messageExpiryInterval: 5 } })
    server.publish({ topic: 'a', qos: 1, payload: '3' })
    await clock.advance('5s')
    await client.send({ cmd: 'puback', messageId: 1 }).settled()
    expect(messages(client)).toEqual(['a 1', 'a 3'])
  })

  test('travels on as it came where the message is delivered at once', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    await subscribe(client, 'a')
    client.send({ cmd: 'publish', topic: 'a', properties: { messageExpiryInterval: 7 } })
    expect((await client.next('publish')).properties).toEqual({ messageExpiryInterval: 7 })
  })
})
