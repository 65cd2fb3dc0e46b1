/** Clients that send more than they read, or do not read at all: memory stays within bounds, and the others are served. */
import type { QoS, Server } from 'mqttest'
import { connectMemory, connectTcp, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { turn } from '../../src/clock.ts'
import { encoded, framed } from '../support/bytes.ts'
import { brokenRules, bystander, expectOnlyBystander, openConnections } from '../support/left-over.ts'
import { tcpServer, virtualServer } from '../support/server.ts'

const mebibyte = 1024 * 1024

/** A client that is subscribed to everything. */
async function subscriber(server: Server, clientId: string, qos: QoS): Promise<RawClient> {
  const client = connectMemory(server)
  await client.connect({ clientId })
  client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'flood', qos }] })
  await client.next('suback')
  return client
}

/** How many messages a client got. */
const publishes = (client: RawClient) => client.received.filter((packet) => packet.cmd === 'publish').length

/** Bytes that wait for the client of a connection. */
const unsentTo = (server: Server, clientId: string) => server.connections.find((connection) => connection.clientId === clientId)?.outbox.unsent ?? 0

describe('a client that never reads', () => {
  test.each([0, 1, 2] as const)('while others flood it at QoS %s holds no more than broker.outboundLimit, and the others get everything', async (qos) => {
    const { server, clock } = await virtualServer({ broker: { outboundLimit: mebibyte }, journal: { records: 1000, bytes: mebibyte } })
    const other = await bystander(server)
    const reader = await subscriber(server, 'reader', qos)
    const deaf = await subscriber(server, 'deaf', qos)
    deaf.pause()
    const publisher = connectMemory(server)
    await publisher.connect({ clientId: 'publisher' })
    const payload = Buffer.alloc(10_000)
    let most = 0
    for (let id = 1; id <= 1000; id++) {
      publisher.send({ cmd: 'publish', topic: 'flood', qos, payload, ...(qos > 0 && { messageId: id }) })
      if (id % 50 > 0) continue
      await publisher.settled()
      most = Math.max(most, unsentTo(server, 'deaf'))
    }
    await other.settled()
    expect(publishes(reader)).toBe(1000)
    expect(most).toBeGreaterThan(mebibyte / 2)
    expect(most).toBeLessThan(mebibyte + 2 * payload.length)
    deaf.resume()
    // At QoS 0 the rest was dropped; at QoS 1 and 2 it waited in line.
    if (qos > 0) await deaf.count(2 + 1000)
    await deaf.settled()
    if (qos === 0) expect(publishes(deaf)).toBeLessThan(120)
    else expect(publishes(deaf)).toBe(1000)
    for (const client of [deaf, reader, publisher]) client.reset()
    await expectOnlyBystander(server, clock, other)
  })

  test('and asks for more is not read from any more, until it reads', async () => {
    const { server, clock } = await virtualServer({ journal: { records: 1000, bytes: mebibyte } })
    const other = await bystander(server)
    const client = connectMemory(server)
    await client.connect({ clientId: 'greedy' })
    const connection = await server.connection({ clientId: 'greedy' })
    client.pause()
    const pings = Buffer.alloc(128 * 1024, encoded({ cmd: 'pingreq' }))
    let sent = 0
    for (; sent < 20; sent++) {
      client.send(pings)
      await turn()
    }
    const read = connection.bytesIn
    expect(read).toBeLessThan(10 * pings.length)
    expect(connection.outbox.unsent).toBeLessThan(1.5 * mebibyte)
    await other.settled()
    client.resume()
    const asked = (sent * pings.length) / 2
    await client.count(1 + asked, 5000)
    expect(connection.bytesIn).toBeGreaterThanOrEqual(sent * pings.length)
    client.send({ cmd: 'disconnect' })
    await expectOnlyBystander(server, clock, other)
    expect(brokenRules(server)).toEqual([])
  })
})

describe('a client that is not read from', () => {
  /** A client that takes one chunk each time it is told to. */
  function sipper(server: Server) {
    const transport = server.joinMemory()
    transport.listen({ data: () => transport.pause(), end: () => undefined, drain: () => undefined, closed: () => undefined })
    return transport
  }

  test('because it reads slowly is not called silent while it takes something, and is when it does not', async () => {
    const { server, clock } = await virtualServer()
    const other = await bystander(server)
    const client = sipper(server)
    client.write(Buffer.concat([framed(0x10, "0004 'MQTT' 04 02 000a 0004 'slow'"), framed(0x82, "0001 0005 'flood' 00")]))
    const connection = await server.connection(1)
    await connection.expect('subscribe')
    for (let count = 0; count < 40; count++) {
      server.publish({ topic: 'flood', payload: Buffer.alloc(64 * 1024) })
      await turn()
    }
    for (let round = 0; round < 20; round++) {
      client.resume()
      client.write(encoded({ cmd: 'pingreq' }))
      await clock.advance('10s')
      expect(connection.outbox.congested).toBe(true)
    }
    expect(connection.closed).toBe(false)
    await clock.advance('31s')
    expect(connection.closed).toBe(true)
    expect(brokenRules(server)).toEqual(['1: keepalive-timeout'])
    await expectOnlyBystander(server, clock, other)
  })

  test('because a plugin thinks about what it said is not called silent', async () => {
    const { server, clock } = await virtualServer()
    const other = await bystander(server)
    let goOn = () => {}
    const thought = new Promise<void>((resolve) => (goOn = resolve))
    server.hooks.packetIn.tap('thinks', (packet) => (packet.cmd === 'publish' ? thought.then(() => undefined) : undefined))
    const client = connectMemory(server)
    await client.connect({ clientId: 'patient', keepalive: 10 })
    client.send(Buffer.concat(Array.from({ length: 1000 }, (_, index) => encoded({ cmd: 'publish', topic: 't', qos: 1, messageId: index + 1 }))))
    for (let round = 0; round < 10; round++) {
      client.send({ cmd: 'pingreq' })
      await clock.advance('10s')
    }
    expect(client.ended).toBeUndefined()
    goOn()
    await client.count(1 + 1000 + 10)
    expect(brokenRules(server)).toEqual([])
    await clock.advance('15s')
    expect(brokenRules(server)).toEqual(['1: keepalive-timeout'])
    await expectOnlyBystander(server, clock, other)
  })
})

describe('a client that sends a great deal at once', () => {
  test.each([0, 1, 2] as const)('to itself, at QoS %s, gets it all back in order', async (qos) => {
    const { server, clock } = await virtualServer()
    const other = await bystander(server)
    const client = await subscriber(server, 'busy', qos)
    const messages = Array.from({ length: 10_000 }, (_, index) =>
      encoded({ cmd: 'publish', topic: 'flood', qos, payload: String(index), ...(qos > 0 && { messageId: index + 1 }) }),
    )
    client.send(Buffer.concat(messages))
    await client.settled()
    const payloads = client.received.flatMap((packet) => (packet.cmd === 'publish' ? [Number(packet.payload)] : []))
    expect(payloads).toEqual(messages.map((_, index) => index))
    if (qos > 0) expect(client.received.filter((packet) => packet.cmd === (qos === 1 ? 'puback' : 'pubrec'))).toHaveLength(10_000)
    client.send({ cmd: 'disconnect' })
    await expectOnlyBystander(server, clock, other)
  })

  test('over TCP, to itself, before it reads anything, gets it all back', async () => {
    const server = await tcpServer()
    const client = await connectTcp(server)
    await client.connect({ clientId: 'busy' })
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'flood', qos: 1 }] })
    await client.next('suback')
    client.pause()
    const payload = Buffer.alloc(500)
    client.send(Buffer.concat(Array.from({ length: 10_000 }, (_, index) => encoded({ cmd: 'publish', topic: 'flood', qos: 1, payload, messageId: index + 1 }))))
    const other = await bystander(server)
    for (let round = 0; round < 20; round++) await other.settled()
    client.resume()
    await client.count(2 + 20_000, 8000)
    await client.settled()
    client.send({ cmd: 'disconnect' })
    expect(await client.end()).toBe('fin')
    await other.settled()
    expect(openConnections(server)).toEqual([1])
  })
})
