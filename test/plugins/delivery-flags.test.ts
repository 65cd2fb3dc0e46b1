/** What a client sees of `delivery-flags`. */
import type { QoS, StartOptions } from 'mqttest'
import { deliveryFlags, duplicate } from 'mqttest/plugins'
import type { RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { type JoinOptions, join, messages, subscribe } from '../support/client.ts'
import { memoryServer } from '../support/server.ts'

type Options = Parameters<typeof deliveryFlags>[0]

const kept: JoinOptions = { clean: false, properties: { sessionExpiryInterval: 1000 } }

/** 'qos 1 dup retain #7 topic' for every message that came. */
const flags = (client: RawClient) =>
  client.received.flatMap((packet) => {
    if (packet.cmd !== 'publish') return []
    const id = packet.messageId === undefined ? '' : ` #${packet.messageId}`
    return [`qos ${packet.qos}${packet.dup ? ' dup' : ''}${packet.retain ? ' retain' : ''}${id} ${packet.payload}`]
  })

const identifiers = (client: RawClient) => client.received.flatMap((packet) => (packet.cmd === 'publish' ? [packet.properties?.subscriptionIdentifier] : []))

async function subscribed(options: Options, qos: QoS = 2, more: StartOptions = {}) {
  const server = await memoryServer({ plugins: [deliveryFlags(options)], ...more })
  const client = await join(server, 'me', kept)
  await subscribe(client, '#', qos)
  return { server, client }
}

describe('delivery-flags', () => {
  test('setDup: cleared, what is sent again looks new', async () => {
    const { server, client } = await subscribed({ setDup: 'cleared' })
    server.publish({ topic: 'a', qos: 1, payload: 'x' })
    await client.settled()
    client.reset()
    const again = await join(server, 'me', kept)
    await again.settled()
    expect([flags(client), flags(again)]).toEqual([['qos 1 #1 x'], ['qos 1 #1 x']])
    // Where the flag was right already nothing was done.
    expect(server.records({ type: 'fault' })).toHaveLength(1)
  })

  test('setDup: set, what is new looks like a repeat; QoS 0 has no such flag', async () => {
    const { server, client } = await subscribed({ setDup: 'set' })
    for (const qos of [0, 1, 2] as const) server.publish({ topic: 'a', qos, payload: 'x' })
    await client.settled()
    expect(flags(client)).toEqual(['qos 0 x', 'qos 1 dup #1 x', 'qos 2 dup #2 x'])
  })

  test('setDup: with qos: 0, it is malformed [MQTT-3.3.1-2]', async () => {
    const { server, client } = await subscribed({ setDup: 'set', qos: 0 })
    server.publish({ topic: 'a', payload: 'x' })
    await client.settled()
    expect(client.malformed.map((bytes) => bytes[0])).toEqual([0x38])
  })

  test('setDup: inverted', async () => {
    const { server, client } = await subscribed({ setDup: 'inverted' })
    server.publish({ topic: 'a', qos: 1, payload: 'x' })
    await client.settled()
    client.reset()
    const again = await join(server, 'me', kept)
    await again.settled()
    expect([flags(client), flags(again)]).toEqual([['qos 1 dup #1 x'], ['qos 1 #1 x']])
  })

  test.each([
    ['set', {}, ['qos 0 retain old', 'qos 0 retain new']],
    ['cleared', {}, ['qos 0 old', 'qos 0 new']],
    ['inverted', {}, ['qos 0 old', 'qos 0 retain new']],
    ['inverted', { retain: false }, ['qos 0 retain old', 'qos 0 retain new']],
  ] as const)('setRetain: %s %j', async (setRetain, which, expected) => {
    const server = await memoryServer({ plugins: [deliveryFlags({ setRetain, ...which })] })
    server.publish({ topic: 'a', payload: 'old', retain: true })
    const client = await join(server, 'me', { version: 4 })
    await subscribe(client, '#')
    server.publish({ topic: 'b', payload: 'new' })
    await client.settled()
    expect(flags(client)).toEqual(expected)
  })

  test.each([
    ['lower', ['qos 0 0', 'qos 0 1', 'qos 1 #3 2']],
    ['higher', ['qos 1 #1 0', 'qos 2 #3 1', 'qos 2 #4 2']],
    ['0', ['qos 0 0', 'qos 0 1', 'qos 0 2']],
    ['1', ['qos 1 #1 0', 'qos 1 #2 1', 'qos 1 #4 2']],
    ['2', ['qos 2 #1 0', 'qos 2 #3 1', 'qos 2 #4 2']],
  ] as const)('setQos: %s, and the exchange that follows is that of the other QoS', async (setQos, expected) => {
    const { server, client } = await subscribed({ setQos }, 2, { lint: 'fail' })
    for (const qos of [0, 1, 2] as const) server.publish({ topic: 'a', qos, payload: String(qos) })
    await client.settled()
    expect(flags(client)).toEqual(expected)
    for (const packet of client.received) {
      if (packet.cmd !== 'publish' || packet.messageId === undefined) continue
      const { messageId } = packet
      if (packet.qos === 1) client.send({ cmd: 'puback', messageId })
      else client.send({ cmd: 'pubrec', messageId }, { cmd: 'pubcomp', messageId })
    }
    await client.settled()
    expect(server.sessions[0]?.inFlight.size).toBe(0)
    expect((await server.stop()).violations).toEqual([])
  })

  test('setQos keeps its level when the message is sent again', async () => {
    const { server, client } = await subscribed({ setQos: 'lower' })
    server.publish({ topic: 'a', qos: 2, payload: 'x' })
    await client.settled()
    client.reset()
    const again = await join(server, 'me', kept)
    await again.settled()
    expect([flags(client), flags(again)]).toEqual([['qos 1 #2 x'], ['qos 1 dup #2 x']])
  })

  test('setQos: higher keeps to the receive maximum', async () => {
    const server = await memoryServer({ plugins: [deliveryFlags({ setQos: 'higher' })] })
    const client = await join(server, 'me', { properties: { receiveMaximum: 1 } })
    await subscribe(client, '#', 0)
    for (const payload of ['1', '2']) server.publish({ topic: 'a', payload })
    await client.settled()
    expect(flags(client)).toEqual(['qos 1 #1 1', 'qos 0 2'])
  })

  test.each([
    ['missing', {}, [undefined]],
    ['first', {}, [7]],
    ['extra', { identifier: 99 }, [[7, 8, 99]]],
    ['other', { identifier: 99 }, [99]],
  ] as const)('identifiers: %s', async (choice, more, expected) => {
    const { server, client } = await subscribed({ identifiers: choice, ...more })
    client.send({ cmd: 'unsubscribe', messageId: 9, unsubscriptions: ['#'] })
    await subscribe(client, 'a', 0, {}, 7)
    await subscribe(client, '+', 0, {}, 8)
    server.publish({ topic: 'a', properties: { contentType: 'kept' } })
    await client.settled()
    expect(identifiers(client)).toEqual(expected)
    expect(client.received.at(-2)).toMatchObject({ properties: { contentType: 'kept' } })
  })

  test('identifiers: other with 0 is malformed; MQTT 3 has none', async () => {
    const { server, client } = await subscribed({ identifiers: 'other', identifier: 0 })
    const old = await join(server, 'old', { version: 4 })
    await subscribe(old, '#')
    server.publish({ topic: 'a' })
    await client.settled()
    await old.settled()
    expect([client.malformed.length, messages(old)]).toEqual([1, ['a']])
  })

  test('setTopic: another one', async () => {
    const { server, client } = await subscribed({ setTopic: 'elsewhere', topic: 'a', nth: 2 })
    for (const topic of ['a', 'b', 'a']) server.publish({ topic })
    await client.settled()
    expect(messages(client)).toEqual(['a', 'b', 'elsewhere'])
  })

  test('setTopic: one with a wildcard is sent as it is [MQTT-3.3.2-2], as is an empty one', async () => {
    for (const [setTopic, packet] of [
      ['h/#', '30 06 00 03 68 2f 23 00'],
      ['', '30 03 00 00 00'],
    ] as const) {
      const { server, client } = await subscribed({ setTopic })
      server.publish({ topic: 'a' })
      await client.settled()
      expect(Buffer.concat(client.chunks).includes(Buffer.from(packet.replaceAll(' ', ''), 'hex'))).toBe(true)
    }
  })

  test('goes with other plugins: a copy has the same wrong flag', async () => {
    const { server, client } = await subscribed({ setRetain: 'set' }, 1, { plugins: [duplicate(), deliveryFlags({ setRetain: 'set' })] })
    server.publish({ topic: 'a', qos: 1, payload: 'x' })
    await client.settled()
    expect(flags(client)).toEqual(['qos 1 retain #1 x', 'qos 1 retain #1 x'])
  })

  test('each connection counts for itself', async () => {
    const { server, client } = await subscribed({ setRetain: 'set', nth: 1 })
    server.publish({ topic: 'a', payload: '1' })
    const other = await join(server, 'other')
    await subscribe(other, '#')
    server.publish({ topic: 'a', payload: '2' })
    await client.settled()
    await other.settled()
    expect([flags(client), flags(other)]).toEqual([['qos 0 retain 1', 'qos 0 2'], ['qos 0 retain 2']])
  })

  test('ends when it is switched off', async () => {
    const { server, client } = await subscribed({ setRetain: 'set' }, 0, { plugins: [] })
    const off = server.use(deliveryFlags({ setRetain: 'set' }))
    server.publish({ topic: 'a', payload: '1' })
    off()
    server.publish({ topic: 'a', payload: '2' })
    await client.settled()
    expect(flags(client)).toEqual(['qos 0 retain 1', 'qos 0 2'])
  })

  test('without an option it says what it needs', () => {
    expect(() => deliveryFlags()).toThrow("plugin 'delivery-flags': give one of the options 'setDup', 'setRetain'")
    expect(() => deliveryFlags({ setDup: 'on' as 'set' })).toThrow("option 'setDup'")
  })
})
