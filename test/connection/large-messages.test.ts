/** Messages so large that their payload is sent from where it came in: nobody can tell, neither client, record nor plugin. */
import { createHash } from 'node:crypto'
import { definePlugin, type Plan, type QoS, type Server } from 'mqttest'
import { connectTcp, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { turn } from '../../src/clock.ts'
import { encoded } from '../support/bytes.ts'
import { join, subscribe } from '../support/client.ts'
import { memoryServer, tcpServer } from '../support/server.ts'

/** A payload unlike that of its neighbours, and unlike itself a few bytes further on. */
const payloadOf = (seed: number, length = 20_000) => Buffer.alloc(length, Buffer.from(Array.from({ length: 251 }, (_, index) => (index * 7 + seed) & 255)))

/** Bytes in short, and quick to compare: how many, and their hash. */
const inShort = (bytes: Uint8Array) => `${bytes.length} ${createHash('sha1').update(bytes).digest('hex')}`

/** The messages that the server sent to a client, as they are on record: their bytes in short. */
function sentTo(server: Server, clientId: string): string[] {
  const number = server.connections.find((connection) => connection.clientId === clientId)?.number
  return server
    .records({ type: 'packet', connection: number, dir: 'out' })
    .flatMap((record) => (record.type === 'packet' && record.cmd === 'publish' ? [inShort(record.raw)] : []))
}

/** The payloads that a client received, in short. */
const payloads = (client: RawClient) => client.received.flatMap((packet) => (packet.cmd === 'publish' ? [inShort(packet.payload)] : []))

/** A client on a socket, subscribed to `large`. */
async function reader(server: Server, clientId: string, qos: QoS): Promise<RawClient> {
  const client = await connectTcp(server)
  await client.connect({ clientId })
  await subscribe(client, 'large', qos)
  return client
}

describe('a large message', () => {
  test.each([0, 1, 2] as const)('at QoS %s is on record with the bytes that its subscriber got', async (qos) => {
    const server = await tcpServer()
    const subscriber = await reader(server, 'subscriber', qos)
    const publisher = await connectTcp(server)
    await publisher.connect({ clientId: 'publisher' })
    const bytes = [1, 2, 3].map((id) => encoded({ cmd: 'publish', topic: 'large', qos, payload: payloadOf(id), ...(qos > 0 && { messageId: id }) }))
    publisher.send(Buffer.concat(bytes))
    await subscriber.count(2 + 3)
    expect(payloads(subscriber)).toEqual([1, 2, 3].map((id) => inShort(payloadOf(id))))
    // The packet ids of the first messages to a client are those that this publisher chose.
    expect(sentTo(server, 'subscriber')).toEqual(bytes.map(inShort))
    const connection = await server.connection({ clientId: 'subscriber' })
    const others = encoded({ cmd: 'connack', sessionPresent: false, returnCode: 0 }).length + encoded({ cmd: 'suback', messageId: 1, granted: [qos] }).length
    expect(connection.bytesOut).toBe(others + Buffer.concat(bytes).length)
  })

  test('reaches each subscriber behind a head of its own', async () => {
    const server = await memoryServer()
    const five = await join(server, 'five')
    const four = await join(server, 'four', { version: 4 })
    await subscribe(five, 'large', 1, {}, 77)
    await subscribe(four, 'large', 2)
    const publisher = await join(server, 'publisher')
    const payload = payloadOf(4)
    publisher.send({ cmd: 'publish', topic: 'large', qos: 2, messageId: 9, payload, properties: { contentType: 'noise' } })
    await five.next('publish', { payload })
    await four.next('publish', { payload })
    expect(sentTo(server, 'five')).toEqual([
      inShort(encoded({ cmd: 'publish', topic: 'large', qos: 1, messageId: 1, payload, properties: { contentType: 'noise', subscriptionIdentifier: 77 } }, 5)),
    ])
    expect(sentTo(server, 'four')).toEqual([inShort(encoded({ cmd: 'publish', topic: 'large', qos: 2, messageId: 1, payload }))])
  })

  test('keeps its place among small ones', async () => {
    const server = await tcpServer()
    const subscriber = await reader(server, 'subscriber', 1)
    const publisher = await connectTcp(server)
    await publisher.connect({ clientId: 'publisher' })
    const sizes = [3, 20_000, 0, 9000, 8192, 8191, 1, 70_000, 5]
    publisher.send(
      ...sizes.map((size, index) => ({ cmd: 'publish' as const, topic: 'large', qos: 1 as const, messageId: index + 1, payload: payloadOf(index, size) })),
    )
    await subscriber.count(2 + sizes.length)
    expect(payloads(subscriber)).toEqual(sizes.map((size, index) => inShort(payloadOf(index, size))))
    expect(sentTo(server, 'subscriber')).toEqual(
      sizes.map((size, index) => inShort(encoded({ cmd: 'publish', topic: 'large', qos: 1, messageId: index + 1, payload: payloadOf(index, size) }))),
    )
  })

  test('that the client does not read waits within the outbound limit, and comes whole and in order', async () => {
    const outboundLimit = 256 * 1024
    const size = 100_000
    const server = await tcpServer({ broker: { outboundLimit } })
    const subscriber = await reader(server, 'subscriber', 1)
    const connection = await server.connection({ clientId: 'subscriber' })
    subscriber.pause()
    const publisher = await connectTcp(server)
    await publisher.connect({ clientId: 'publisher' })
    let sent = 0
    // The system holds some as well; from the limit on, messages wait in line.
    while ((connection.session?.queued ?? 0) < 3) {
      publisher.send({ cmd: 'publish', topic: 'large', qos: 1, messageId: ++sent, payload: payloadOf(sent, size) })
      await publisher.next('puback', { messageId: sent })
    }
    expect(connection.outbox.unsent).toBeGreaterThan(outboundLimit)
    expect(connection.outbox.unsent).toBeLessThan(outboundLimit + 2 * size)
    subscriber.resume()
    await subscriber.count(2 + sent, 5000)
    expect(payloads(subscriber)).toEqual(Array.from({ length: sent }, (_, index) => inShort(payloadOf(index + 1, size))))
  })

  test('leaves whole before the end of the connection', async () => {
    const server = await tcpServer()
    const subscriber = await reader(server, 'subscriber', 1)
    const connection = await server.connection({ clientId: 'subscriber' })
    const publisher = await connectTcp(server)
    await publisher.connect({ clientId: 'publisher' })
    subscriber.pause()
    const payload = payloadOf(5, 500_000)
    publisher.send({ cmd: 'publish', topic: 'large', qos: 1, messageId: 1, payload })
    await publisher.next('puback')
    connection.close('fin')
    await turn()
    subscriber.resume()
    expect(await subscriber.end()).toBe('fin')
    expect(payloads(subscriber)).toEqual([inShort(payload)])
  })

  test('waits for a stall to end, and is sent again to a client that comes back', async () => {
    const server = await tcpServer()
    const subscriber = await connectTcp(server)
    await subscriber.connect({ clientId: 'subscriber', clean: false })
    await subscribe(subscriber, 'large', 1)
    const connection = await server.connection({ clientId: 'subscriber' })
    const publisher = await connectTcp(server)
    await publisher.connect({ clientId: 'publisher' })
    connection.stall()
    const payload = payloadOf(6)
    publisher.send({ cmd: 'publish', topic: 'large', qos: 1, messageId: 1, payload })
    await publisher.next('puback')
    connection.resume()
    await subscriber.next('publish', { payload, dup: false })
    subscriber.close()
    await connection.expectClose({ by: 'client' })
    const again = await connectTcp(server)
    await again.connect({ clientId: 'subscriber', clean: false })
    await again.next('publish', { payload, dup: true, messageId: 1 })
  })
})

describe('plugins see a large message in one piece', () => {
  const packet = { cmd: 'publish', topic: 'large', qos: 1, messageId: 1, payload: payloadOf(7) } as const

  test('on the wire, together with what is written with it', async () => {
    const chunks: string[] = []
    const spy = definePlugin({
      meta: { name: 'spy' },
      setup: ({ hooks, on }) =>
        on(hooks.wire, { direction: 'out' }, (steps: Plan) => {
          for (const step of steps) if ('raw' in step) chunks.push(inShort(step.raw))
          return undefined
        }),
    })
    const server = await memoryServer()
    const subscriber = await join(server, 'subscriber', { version: 4 })
    await subscribe(subscriber, 'large', 1)
    const publisher = await join(server, 'publisher', { version: 4 })
    server.use(spy())
    publisher.send(Buffer.concat([encoded(packet), encoded({ ...packet, messageId: 2 })]))
    await subscriber.count(2 + 2)
    expect(chunks).toContain(inShort(Buffer.concat([encoded(packet), encoded({ ...packet, messageId: 2 })])))
  })

  test('in their plans and on record', async () => {
    const sent: Plan[] = []
    const recorded: string[] = []
    const spy = definePlugin({
      meta: { name: 'spy' },
      setup: ({ hooks, on }) => {
        on(hooks.send, { cmd: 'publish' }, (plan: Plan) => {
          sent.push(plan)
          return undefined
        })
        on(hooks.record, {}, (record) => {
          if (record.type === 'packet' && record.direction === 'out' && record.cmd === 'publish') recorded.push(inShort(record.raw))
        })
      },
    })
    const server = await memoryServer({ plugins: [spy] })
    const subscriber = await join(server, 'subscriber', { version: 4 })
    await subscribe(subscriber, 'large', 1)
    const publisher = await join(server, 'publisher', { version: 4 })
    publisher.send(packet)
    await subscriber.next('publish', { payload: packet.payload })
    expect(sent).toEqual([[{ packet: { ...packet, dup: false, retain: false } }]])
    expect(recorded).toEqual([inShort(encoded(packet))])
  })
})
