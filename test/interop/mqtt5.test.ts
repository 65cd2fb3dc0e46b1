/** What came with MQTT 5, in the manner of the Paho interoperability suite: one server, plain clients, virtual time. */
import type { PacketInput } from 'mqttest'
import { connectMemory, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { userPropertyPairs } from '../../src/wire/packet.ts'
import { answers, type JoinOptions, join, joined, messages, subscribe } from '../support/client.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

const forAnHour: JoinOptions = { clean: false, properties: { sessionExpiryInterval: 3600 } }

/** Says DISCONNECT, and waits until the server has closed. */
async function leave(client: RawClient, more: object = {}): Promise<void> {
  client.send({ cmd: 'disconnect', ...more })
  await client.end()
}

describe('shared subscriptions', () => {
  test('give each message to one member; beside them, plain subscribers get all [MQTT-4.8.2-4]', async () => {
    const server = await memoryServer()
    const members = [await join(server, 'one'), await join(server, 'two')]
    const plain = await join(server, 'plain')
    for (const member of members) expect(await subscribe(member, '$share/group/s/#', 1)).toBe(1)
    await subscribe(plain, 's/#')
    for (let count = 0; count < 6; count++) server.publish({ topic: `s/${count}`, payload: '' })
    for (const client of [...members, plain]) await client.settled()
    expect(members.map((member) => messages(member).length)).toEqual([3, 3])
    expect(members.flatMap(messages).sort()).toEqual(messages(plain).sort())
  })

  test('are refused where they make no sense: without a name [MQTT-4.8.2-1], a name with wildcards [MQTT-4.8.2-2], no local [MQTT-3.8.3-4]', async () => {
    const server = await memoryServer()
    for (const subscription of [
      { topic: '$share//a', qos: 0 },
      { topic: '$share/g+/a', qos: 0 },
      { topic: '$share/g/a', qos: 0, nl: true },
    ] as const) {
      const client = await join(server, 'me')
      client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [subscription] })
      expect(await client.end()).toBe('fin')
    }
  })
})

describe('subscription options', () => {
  test('no local: what a client publishes itself does not come back; what others publish does [MQTT-3.8.3-3]', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    await subscribe(client, 'n', 0, { nl: true })
    client.send({ cmd: 'publish', topic: 'n', payload: 'mine' })
    const other = await join(server, 'other')
    await other.send({ cmd: 'publish', topic: 'n', payload: 'theirs' }).settled()
    await client.settled()
    expect(messages(client)).toEqual(['n theirs'])
  })

  test('retain as published: the flag stays as it was [MQTT-3.3.1-13], else it is taken off [MQTT-3.3.1-12]', async () => {
    const server = await memoryServer()
    const keeps = await join(server, 'keeps')
    const plain = await join(server, 'plain')
    await subscribe(keeps, 'r', 0, { rap: true })
    await subscribe(plain, 'r')
    for (const retain of [true, false]) server.publish({ topic: 'r', payload: 'x', retain })
    const flags = (client: RawClient) => client.received.flatMap((packet) => (packet.cmd === 'publish' ? [packet.retain] : []))
    expect(flags(await keeps.settled())).toEqual([true, false])
    expect(flags(await plain.settled())).toEqual([false, false])
  })

  test('retain handling: 0 sends retained messages each time, 1 the first time, 2 never [MQTT-3.3.1-9, -10, -11]', async () => {
    const server = await memoryServer()
    server.publish({ topic: 'r', payload: 'x', retain: true })
    for (const [rh, times] of [
      [0, 2],
      [1, 1],
      [2, 0],
    ] as const) {
      const client = await join(server, 'me')
      await subscribe(client, 'r', 0, { rh })
      await subscribe(client, 'r', 0, { rh })
      expect(messages(await client.settled())).toHaveLength(times)
    }
  })
})

describe('subscription identifiers', () => {
  test('come with what matched: one, several, or none [MQTT-3.3.4-3, -4, -5]', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    await subscribe(client, 'i/a', 0, {}, 1)
    await subscribe(client, 'i/+', 0, {}, 268_435_455)
    await subscribe(client, 'j')
    for (const topic of ['i/a', 'i/b', 'j']) server.publish({ topic, payload: '' })
    await client.settled()
    const found = client.received.flatMap((packet) => (packet.cmd === 'publish' ? [[packet.properties?.subscriptionIdentifier ?? []].flat().sort()] : []))
    expect(found).toEqual([[1, 268_435_455], [268_435_455], []])
  })
})

describe('what travels with a message', () => {
  test('request and response: response topic and correlation data come as they were sent [MQTT-3.3.2-15, -16]', async () => {
    const server = await memoryServer()
    const [asks, replies] = [await join(server, 'asks'), await join(server, 'replies')]
    await subscribe(replies, 'request')
    await subscribe(asks, 'reply/asks')
    asks.send({ cmd: 'publish', topic: 'request', payload: '2+2', properties: { responseTopic: 'reply/asks', correlationData: Buffer.from([0, 255]) } })
    const { properties } = await replies.next('publish')
    replies.send({
      cmd: 'publish',
      topic: properties?.responseTopic ?? '',
      payload: '4',
      properties: { correlationData: properties?.correlationData ?? Buffer.alloc(0) },
    })
    expect(await asks.next('publish')).toMatchObject({ topic: 'reply/asks', properties: { correlationData: Buffer.from([0, 255]) } })
  })

  test('user properties keep their order, repeated names too [MQTT-3.3.2-17, -18]; content type and format stay [MQTT-3.3.2-4, -20]', async () => {
    const server = await memoryServer()
    const [from, to] = [await join(server, 'from'), await join(server, 'to')]
    await subscribe(to, 'u')
    // b=1, a=2, b=3
    from.send('30 1f 0001 75  1b  01 01  03 0001 78  26 0001 62 0001 31  26 0001 61 0001 32  26 0001 62 0001 33')
    await from.settled()
    const { properties } = await to.next('publish')
    expect(properties).toMatchObject({ payloadFormatIndicator: true, contentType: 'x' })
    expect(userPropertyPairs(properties?.userProperties ?? {})).toEqual([
      ['b', '1'],
      ['a', '2'],
      ['b', '3'],
    ])
  })

  test('a payload that says it is text, and is not, is refused with 0x99', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    client.send({ cmd: 'publish', topic: 'a', payload: Buffer.from([0xff]), qos: 1, messageId: 1, properties: { payloadFormatIndicator: true } })
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x99 })
  })

  test('expiry: what is left of the interval comes with the message; nothing comes when it is over [MQTT-3.3.2-5, -6]', async () => {
    const { server, clock } = await virtualServer()
    const first = await join(server, 'me', forAnHour)
    await subscribe(first, 'e/#', 1)
    await leave(first)
    const from = await join(server, 'from')
    for (const seconds of [5, 60]) {
      const message = {
        cmd: 'publish',
        topic: `e/${seconds}`,
        qos: 1,
        messageId: seconds,
        payload: '',
        properties: { messageExpiryInterval: seconds },
      } as const
      await from.send(message).next('puback')
    }
    await clock.advance('20s')
    const again = await join(server, 'me', forAnHour)
    await again.settled()
    expect(messages(again)).toEqual(['e/60'])
    expect(again.received.find((packet) => packet.cmd === 'publish')?.properties).toEqual({ messageExpiryInterval: 40 })
  })
})

describe('topic aliases', () => {
  test('of the client: stand for their topic; above the maximum they are an error [MQTT-3.3.2-9]', async () => {
    const server = await memoryServer({ broker: { topicAliasMaximum: 2 } })
    const { client, connack } = await joined(server, 'me')
    expect(connack.properties).toMatchObject({ topicAliasMaximum: 2 })
    await subscribe(client, 't/#')
    client.send(
      { cmd: 'publish', topic: 't/a', payload: '1', properties: { topicAlias: 2 } },
      { cmd: 'publish', topic: '', payload: '2', properties: { topicAlias: 2 } },
    )
    await client.settled()
    expect(messages(client)).toEqual(['t/a 1', 't/a 2'])
    expect(client.received.every((packet) => packet.cmd !== 'publish' || packet.properties === undefined)).toBe(true) // [MQTT-3.3.2-7]
    client.send({ cmd: 'publish', topic: 't', properties: { topicAlias: 3 } })
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x94 })
  })

  test('of the server: up to what the client takes [MQTT-3.1.2-26, -27]', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me', { properties: { topicAliasMaximum: 1 } })
    await subscribe(client, '#')
    for (const topic of ['a', 'a', 'b', 'b']) server.publish({ topic, payload: '' })
    await client.settled()
    const seen = client.received.flatMap((packet) => (packet.cmd === 'publish' ? [[packet.topic, packet.properties?.topicAlias]] : []))
    expect(seen).toEqual([
      ['a', 1],
      ['', 1],
      ['b', undefined],
      ['b', undefined],
    ])
  })
})

describe('limits', () => {
  test('maximum packet size both ways [MQTT-3.1.2-24, -25] [MQTT-3.2.2-15]', async () => {
    const server = await memoryServer({ broker: { maximumPacketSize: 100 } })
    const { client, connack } = await joined(server, 'me', { properties: { maximumPacketSize: 30 } })
    expect(connack.properties).toMatchObject({ maximumPacketSize: 100 })
    await subscribe(client, 'a')
    for (const length of [10, 80]) server.publish({ topic: 'a', payload: 'x'.repeat(length) })
    await client.settled()
    expect(messages(client)).toEqual([`a ${'x'.repeat(10)}`])
    client.send({ cmd: 'publish', topic: 'a', payload: 'x'.repeat(100) })
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x95 })
  })

  test('flow control towards the client: no more in flight than its receive maximum [MQTT-3.3.4-9], and all in the end', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me', { properties: { receiveMaximum: 2 } })
    await subscribe(client, 'f', 2)
    for (let count = 0; count < 7; count++) server.publish({ topic: 'f', qos: count % 2 === 0 ? 1 : 2, payload: String(count) })
    for (let count = 0; count < 7; count++) {
      await client.settled()
      expect(server.sessions[0]?.inFlight.size).toBeLessThanOrEqual(2)
      const { qos, messageId = 0, payload } = await client.next('publish')
      expect(String(payload)).toBe(String(count))
      if (qos === 1) client.send({ cmd: 'puback', messageId })
      else client.send({ cmd: 'pubrec', messageId }, { cmd: 'pubcomp', messageId })
    }
  })

  test('flow control towards the server: it announces its receive maximum, and holds clients to it [MQTT-3.3.4-7]', async () => {
    const server = await memoryServer({ broker: { receiveMaximum: 2 } })
    const { client, connack } = await joined(server, 'me')
    expect(connack.properties).toMatchObject({ receiveMaximum: 2 })
    for (const messageId of [1, 2, 3]) client.send({ cmd: 'publish', topic: 'a', qos: 2, messageId })
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x93 })
  })

  test('server keep alive: replaces what the client asked for [MQTT-3.2.2-21]', async () => {
    const { server, clock } = await virtualServer({ broker: { serverKeepAlive: 10 } })
    const { client, connack } = await joined(server, 'me', { keepalive: 1000 })
    expect(connack.properties).toMatchObject({ serverKeepAlive: 10 })
    await clock.advance('15s')
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x8d }) // [MQTT-3.1.2-22]
  })

  test('what the server does not have is announced, and refused when it is used all the same', async () => {
    const server = await memoryServer({
      broker: {
        maximumQos: 1,
        retainAvailable: false,
        wildcardSubscriptionAvailable: false,
        sharedSubscriptionAvailable: false,
        subscriptionIdentifiersAvailable: false,
      },
    })
    const cases: readonly (readonly [packet: PacketInput, reasonCode: number])[] = [
      [{ cmd: 'publish', topic: 'a', qos: 2, messageId: 1 }, 0x9b], // [MQTT-3.2.2-11]
      [{ cmd: 'publish', topic: 'a', retain: true }, 0x9a], // [MQTT-3.2.2-14]
      [{ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '#', qos: 0 }] }, 0xa2],
      [{ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '$share/g/a', qos: 0 }] }, 0x9e],
      [{ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 0 }], properties: { subscriptionIdentifier: 1 } }, 0xa1],
    ]
    for (const [packet, reasonCode] of cases) {
      const { client, connack } = await joined(server, 'me')
      expect(connack.properties).toMatchObject({ maximumQoS: 1, retainAvailable: false, wildcardSubscriptionAvailable: false }) // [MQTT-3.2.2-9]
      expect(connack.properties).toMatchObject({ sharedSubscriptionAvailable: false, subscriptionIdentifiersAvailable: false })
      expect(await client.send(packet).next('disconnect')).toMatchObject({ reasonCode })
    }
  })
})

describe('wills', () => {
  const will = (willDelayInterval: number) => ({ topic: 'will', payload: Buffer.from('x'), qos: 0, retain: false, properties: { willDelayInterval } }) as const

  test('wait for their delay; a client that is back in time has none [MQTT-3.1.3-9]', async () => {
    const { server, clock } = await virtualServer()
    const watcher = await join(server, 'watcher')
    await subscribe(watcher, 'will')
    const lose = async () => {
      const client = await join(server, 'me', { ...forAnHour, will: will(10) })
      client.reset()
      await client.end()
    }
    await lose()
    await clock.advance('9s')
    const back = await join(server, 'me', forAnHour)
    await clock.advance('60s')
    expect(messages(await watcher.settled())).toEqual([])
    await leave(back)
    await lose()
    await clock.advance('11s')
    expect(messages(await watcher.settled())).toEqual(['will x'])
  })

  test('do not outlive the session [MQTT-3.1.2-8], and are sent after DISCONNECT 0x04', async () => {
    const { server, clock } = await virtualServer()
    const watcher = await join(server, 'watcher')
    await subscribe(watcher, 'will')
    const client = await join(server, 'me', { properties: { sessionExpiryInterval: 5 }, will: will(60) })
    await leave(client, { reasonCode: 0x04 })
    await clock.advance('4s')
    expect(messages(await watcher.settled())).toEqual([])
    await clock.advance('2s')
    expect(messages(await watcher.settled())).toEqual(['will x'])
  })
})

describe('session expiry', () => {
  const present = async (server: Parameters<typeof joined>[0]) => (await joined(server, 'me', forAnHour)).connack.sessionPresent

  test.each([
    ['0: with the connection', { sessionExpiryInterval: 0 }, {}, false],
    ['not given: with the connection', {}, {}, false],
    ['finite, and over', { sessionExpiryInterval: 10 }, {}, false],
    ['finite, and not over', { sessionExpiryInterval: 100 }, {}, true],
    ['never', { sessionExpiryInterval: 0xffff_ffff }, {}, true],
    ['changed in DISCONNECT: shorter', { sessionExpiryInterval: 100 }, { sessionExpiryInterval: 1 }, false],
    ['changed in DISCONNECT: longer', { sessionExpiryInterval: 1 }, { sessionExpiryInterval: 100 }, true],
    ['changed in DISCONNECT: never', { sessionExpiryInterval: 1 }, { sessionExpiryInterval: 0xffff_ffff }, true],
  ])('%s [MQTT-3.1.2-23]', async (_how, properties, atTheEnd, kept) => {
    const { server, clock } = await virtualServer()
    await leave(await join(server, 'me', { clean: false, properties }), { properties: atTheEnd })
    await clock.advance('20s')
    expect(await present(server)).toBe(kept)
  })

  test('that was 0 cannot be raised in DISCONNECT', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    client.send({ cmd: 'disconnect', properties: { sessionExpiryInterval: 5 } })
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x82 })
    expect(await present(server)).toBe(false)
  })
})

test('an assigned client id is a name to come back under [MQTT-3.1.3-7] [MQTT-3.2.2-16]', async () => {
  const server = await memoryServer()
  const { client, connack } = await joined(server, '', forAnHour)
  const clientId = connack.properties?.assignedClientIdentifier ?? ''
  expect(clientId).not.toBe('')
  await leave(client)
  expect(await joined(server, clientId, forAnHour)).toMatchObject({ connack: { sessionPresent: true } })
})

test('PUBACK says 0x10 where nobody subscribes; codes come back as the packets did, in order [MQTT-4.6.0-2]', async () => {
  const server = await memoryServer()
  const client = connectMemory(server, 5)
  await client.connect()
  for (const messageId of [3, 1, 2]) client.send({ cmd: 'publish', topic: 'nobody', qos: 1, messageId })
  await client.settled()
  expect(answers(client)).toEqual(['puback 3 0x10', 'puback 1 0x10', 'puback 2 0x10', 'pingresp'])
})
