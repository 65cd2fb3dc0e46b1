/** What a client sees of `duplicate`. */
import type { PacketInput, StartOptions } from 'mqttest'
import { ackDelay, duplicate } from 'mqttest/plugins'
import { connectMemory, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join, messages, subscribe } from '../support/client.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

type Options = Parameters<typeof duplicate>[0]

const publish = (messageId: number, qos: 1 | 2 = 1): PacketInput => ({ cmd: 'publish', topic: 'a', qos, messageId })

/** 'publish DUP 7 x' for what came behind CONNACK. */
const names = (client: RawClient) =>
  client.received.slice(1).map((packet) => {
    const id = 'messageId' in packet && packet.messageId !== undefined ? ` ${packet.messageId}` : ''
    return packet.cmd === 'publish' ? `publish${packet.dup ? ' DUP' : ''}${id} ${packet.payload}`.trim() : `${packet.cmd}${id}`
  })

async function connected(options: Options, more: StartOptions = {}) {
  const { server, clock } = await virtualServer({ plugins: [duplicate(options)], ...more })
  const client = await join(server, 'me')
  return { server, clock, client }
}

describe('duplicate', () => {
  test.each([0, 1, 2] as const)('every message of QoS %i comes twice, exactly the same; everything else once', async (qos) => {
    const { server, client } = await connected({})
    await subscribe(client, 'a', qos)
    server.publish({ topic: 'a', qos, payload: 'x' })
    await client.settled()
    const message = qos === 0 ? 'publish x' : 'publish 1 x'
    expect(names(client)).toEqual(['suback 1', message, message, 'pingresp'])
  })

  test('the client may acknowledge each copy, and is not blamed for it', async () => {
    const { server, client } = await connected({ times: 2 }, { lint: 'fail' })
    await subscribe(client, 'a', 2)
    server.publish({ topic: 'a', qos: 1 })
    server.publish({ topic: 'a', qos: 2 })
    const puback = { cmd: 'puback', messageId: 1 } as const
    const pubrec = { cmd: 'pubrec', messageId: 2 } as const
    const pubcomp = { cmd: 'pubcomp', messageId: 2 } as const
    await client.send(puback, puback, puback, pubrec, pubrec, pubcomp, pubrec, pubcomp, pubcomp).settled()
    expect(server.sessions[0]?.inFlight.size).toBe(0)
    expect((await server.stop()).violations).toEqual([])
  })

  test('nor where the plugin may act only once', async () => {
    const { server, client } = await connected({}, { plugins: [[duplicate(), { times: 1 }]], lint: 'fail' })
    await subscribe(client, 'a', 1)
    for (const payload of ['x', 'y']) server.publish({ topic: 'a', qos: 1, payload })
    await client.settled()
    expect(names(client)).toEqual(['suback 1', 'publish 1 x', 'publish 1 x', 'publish 2 y', 'pingresp'])
    for (const messageId of [1, 1, 2]) client.send({ cmd: 'puback', messageId })
    await client.settled()
    const report = await server.stop()
    expect([report.violations, report.faults.applied]).toEqual([[], [{ plugin: 'duplicate', count: 1 }]])
  })

  test('an acknowledgement that no copy explains is reported as ever', async () => {
    const { server, client } = await connected({})
    await subscribe(client, 'a', 1)
    server.publish({ topic: 'a', qos: 1 })
    const puback = { cmd: 'puback', messageId: 1 } as const
    await client.send(puback, puback, puback).settled()
    expect((await server.stop()).violations).toMatchObject([{ rule: 'ack-unknown-packet-id', count: 1 }])
  })

  test.each([
    ['puback', publish(1)],
    ['pubrec', publish(1, 2)],
    ['suback', { cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'b', qos: 0 }] }],
    ['unsuback', { cmd: 'unsubscribe', messageId: 1, unsubscriptions: ['b'] }],
  ] as const)('packets: %s comes twice', async (packets, send) => {
    const { client } = await connected({ packets })
    client.send(send)
    await client.settled()
    expect(names(client)).toEqual([`${packets} 1`, `${packets} 1`, 'pingresp'])
  })

  test('packets: a second PUBREC may bring a second PUBREL, which is not held against the client', async () => {
    const { server, client } = await connected({ packets: ['pubrec', 'pubcomp'] }, { lint: 'fail' })
    const pubrel = { cmd: 'pubrel', messageId: 1 } as const
    await client.send(publish(1, 2), pubrel, pubrel).settled()
    expect(names(client)).toEqual(['pubrec 1', 'pubrec 1', 'pubcomp 1', 'pubcomp 1', 'pubcomp 1', 'pubcomp 1', 'pingresp'])
    expect((await server.stop()).violations).toEqual([])
  })

  test.each([4, 5] as const)('packets: connack, with a delay, comes again in the middle of a connection of level %i', async (version) => {
    const { server, clock } = await virtualServer({ plugins: [duplicate({ packets: 'connack', delay: '5s' })] })
    const client = connectMemory(server, version)
    await client.connect()
    await client.send(publish(1)).next('puback')
    await clock.advance(4999)
    expect(client.received.map(({ cmd }) => cmd)).toEqual(['connack', 'puback'])
    await clock.advance(1)
    expect(client.received.map(({ cmd }) => cmd)).toEqual(['connack', 'puback', 'connack'])
    expect(client.received[2]).toEqual(client.received[0])
  })

  test('times and delay: so many copies, so far apart', async () => {
    const { server, client, clock } = await connected({ times: 3, delay: 100 })
    await subscribe(client, 'a')
    server.publish({ topic: 'a', payload: 'x' })
    const counts: number[] = []
    for (const ms of [0, 99, 1, 100, 100, 1000]) {
      await clock.advance(ms)
      counts.push(messages(client).length)
    }
    expect(counts).toEqual([1, 1, 2, 3, 4, 4])
  })

  test('asDup marks the copies of messages of QoS 1 and 2 alone', async () => {
    const { server, client } = await connected({ asDup: true })
    await subscribe(client, 'a', 1)
    server.publish({ topic: 'a', qos: 1, payload: 'one' })
    server.publish({ topic: 'a', payload: 'zero' })
    await client.settled()
    expect(names(client)).toEqual(['suback 1', 'publish 1 one', 'publish DUP 1 one', 'publish zero', 'publish zero', 'pingresp'])
  })

  test('packetId: new makes each copy a delivery of its own', async () => {
    const { server, client } = await connected({ packetId: 'new' }, { lint: 'fail' })
    await subscribe(client, 'a', 2)
    server.publish({ topic: 'a', qos: 1, payload: 'x' })
    server.publish({ topic: 'a', qos: 2, payload: 'y' })
    await client.settled()
    expect(names(client)).toEqual(['suback 1', 'publish 1 x', 'publish 2 x', 'publish 3 y', 'publish 4 y', 'pingresp'])
    for (const messageId of [1, 2]) client.send({ cmd: 'puback', messageId })
    for (const messageId of [4, 3]) client.send({ cmd: 'pubrec', messageId }, { cmd: 'pubcomp', messageId })
    await client.settled()
    expect(server.sessions[0]?.inFlight.size).toBe(0)
    expect((await server.stop()).violations).toEqual([])
  })

  test('packetId: new keeps to the receive maximum of the client', async () => {
    const server = await memoryServer({ plugins: [duplicate({ packetId: 'new', times: 5 })] })
    const client = await join(server, 'me', { properties: { receiveMaximum: 3 } })
    await subscribe(client, 'a', 1)
    server.publish({ topic: 'a', qos: 1, payload: 'x' })
    server.publish({ topic: 'a', qos: 1, payload: 'y' })
    await client.settled()
    expect(names(client)).toEqual(['suback 1', 'publish 1 x', 'publish 2 x', 'publish 3 x', 'pingresp'])
  })

  test('a selection says which: every second message on one topic', async () => {
    const { server, client } = await connected({ topic: 'a', every: 2 })
    await subscribe(client, '#')
    for (const [index, topic] of ['a', 'b', 'a', 'a', 'a'].entries()) server.publish({ topic, payload: String(index) })
    await client.settled()
    expect(messages(client)).toEqual(['a 0', 'b 1', 'a 2', 'a 2', 'a 3', 'a 4', 'a 4'])
  })

  test('goes with other plugins: what comes late, comes late twice', async () => {
    const { server, clock } = await virtualServer({ plugins: [duplicate({ packets: 'puback' }), ackDelay({ packets: 'puback', delay: '1s' })] })
    const client = await join(server, 'me')
    client.send(publish(1))
    await clock.advance(999)
    expect(names(client)).toEqual([])
    await clock.advance(1)
    expect(names(client)).toEqual(['puback 1', 'puback 1'])
  })

  test('a connection that ends takes its copies with it, and another one keeps its own', async () => {
    const { server, client, clock } = await connected({ packets: 'puback', delay: '1s' })
    const other = await join(server, 'other')
    client.send(publish(1))
    other.send(publish(2))
    await clock.advance(500)
    client.reset()
    await clock.advance(500)
    expect([names(client), names(other)]).toEqual([['puback 1'], ['puback 2', 'puback 2']])
    expect(clock.pending).toBe(0)
  })

  test('ends when it is switched off', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    const off = server.use(duplicate({ packets: 'puback' }))
    await client.send(publish(1)).settled()
    off()
    await client.send(publish(2)).settled()
    expect(names(client)).toEqual(['puback 1', 'puback 1', 'pingresp', 'puback 2', 'pingresp'])
  })

  test('options that cannot be meant are refused', () => {
    expect(() => duplicate({ packets: [] })).toThrow("plugin 'duplicate': option 'packets' is empty")
    expect(() => duplicate({ packets: 'suback', packetId: 'new' })).toThrow("options 'packetId' and 'asDup' are about messages")
    expect(() => duplicate({ times: 0 })).toThrow("option 'times'")
  })
})
