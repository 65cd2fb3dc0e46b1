/** What only real sockets do: half-open ones, ends that come late, and ten thousand that come and go. */
import { connect as connectSocket, type Socket } from 'node:net'
import { type Server, start, virtualClock } from 'mqttest'
import { connectTcp } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { turn } from '../../src/clock.ts'
import { encoded, framed, hex } from '../support/bytes.ts'
import { brokenRules, bystander, openConnections } from '../support/left-over.ts'
import { stopWithTest, tcpServer } from '../support/server.ts'

const connect = framed(0x10, "0004 'MQTT' 04 02 0000 0000")

/** A server on a real port whose time stands still. */
async function tcpServerOnVirtualTime() {
  const clock = virtualClock()
  return { server: stopWithTest(await start({ clock, seed: 'test' })), clock }
}

/** A bare socket that is connected, and does not close because the other side does. */
function dial(server: Server): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket({ port: server.port, host: server.host, allowHalfOpen: true })
    socket.once('connect', () => resolve(socket))
    socket.once('error', reject)
  })
}

/** Resolves when something has become true: after so many turns of the event loop as it takes. */
async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await turn()
}

/** Resolves when an event has come. */
const happens = (socket: Socket, event: string) => new Promise<void>((resolve) => socket.once(event, () => resolve()))

const openSockets = () => process.getActiveResourcesInfo().filter((resource) => resource === 'TCPSocketWrap').length

describe('a socket', () => {
  test('that stays half open when the server closes is let go of after two seconds', async () => {
    const { server, clock } = await tcpServerOnVirtualTime()
    const before = openSockets()
    const socket = await dial(server)
    socket.on('error', () => undefined)
    socket.resume()
    const ended = happens(socket, 'end')
    socket.write(Buffer.concat([connect, connect]))
    await ended
    expect(openConnections(server)).toEqual([])
    expect(clock.pending).toBe(1)
    await clock.advance('2s')
    expect(clock.pending).toBe(0)
    const closed = happens(socket, 'close')
    await until(() => openSockets() <= before + 1)
    socket.destroy()
    await closed
  })

  test('that closes its half is answered to the end, and closed', async () => {
    const { server, clock } = await tcpServerOnVirtualTime()
    const socket = await dial(server)
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    const closed = happens(socket, 'close')
    socket.end(Buffer.concat([connect, encoded({ cmd: 'pingreq' }), encoded({ cmd: 'pingreq' })]))
    await closed
    expect(Buffer.concat(chunks)).toEqual(hex('20020000 d000 d000'))
    await until(() => clock.pending === 0)
    expect(openConnections(server)).toEqual([])
    expect(server.sessions).toEqual([])
  })

  test('that closes its half and does not read what was sent is let go of after two seconds', async () => {
    const { server, clock } = await tcpServerOnVirtualTime()
    const client = await connectTcp(server)
    await client.connect({ clientId: 'deaf' })
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 't', qos: 0 }] })
    await client.next('suback')
    client.pause()
    const connection = await server.connection({ clientId: 'deaf' })
    const payload = Buffer.alloc(64 * 1024)
    while (connection.outbox.unsent < 4 * payload.length) {
      server.publish({ topic: 't', payload })
      await turn()
    }
    client.close()
    await connection.expectClose({ by: 'client', how: 'fin' })
    expect(connection.outbox.unsent).toBeGreaterThan(0)
    expect(clock.pending).toBe(1)
    await clock.advance('2s')
    await until(() => connection.outbox.unsent === 0)
    expect(clock.pending).toBe(0)
    client.reset()
  })

  test('that is reset in the middle of a packet leaves one report', async () => {
    const { server, clock } = await tcpServerOnVirtualTime()
    const other = await bystander(server)
    const socket = await dial(server)
    socket.write(Buffer.concat([connect, hex("30 40 0001 't'")]))
    await happens(socket, 'data')
    const connection = await server.connection(1)
    await until(() => connection.bytesIn === connect.length + 5)
    socket.resetAndDestroy()
    await connection.expectClose({ by: 'client', how: 'rst' })
    await other.settled()
    expect(brokenRules(server)).toEqual(['1: packet-cut-short'])
    expect(clock.pending).toBe(0)
  })

  test('that asks without reading is not read from any more; the others are served', async () => {
    const server = await tcpServer({ journal: { records: 100, bytes: 1024 } })
    const other = await bystander(server)
    const client = await connectTcp(server)
    await client.connect({ clientId: 'greedy' })
    const connection = await server.connection({ clientId: 'greedy' })
    client.pause()
    // A message to itself that is long enough to fill what lies between.
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 't', qos: 0 }] })
    const message = encoded({ cmd: 'publish', topic: 't', payload: Buffer.alloc(256 * 1024) })
    const messages = 100
    for (let count = 0; count < messages; count++) client.send(message)
    await until(() => connection.outbox.congested)
    for (let round = 0; round < 50; round++) await other.settled()
    expect(connection.outbox.unsent).toBeLessThan(2 * 1024 * 1024)
    expect(connection.bytesIn).toBeLessThan(messages * message.length)
    client.resume()
    await client.count(2 + messages, 8000)
    expect(connection.outbox.congested).toBe(false)
    await client.settled()
  })
})

describe('ten thousand connections', () => {
  /** Ways to come and go. Each resolves when the client's side is gone. */
  const ways: readonly ((socket: Socket) => void)[] = [
    (socket) => socket.destroy(),
    (socket) => socket.resetAndDestroy(),
    (socket) => {
      socket.once('data', () => socket.end(encoded({ cmd: 'disconnect' })))
      socket.write(connect)
    },
    (socket) => {
      socket.once('data', () => socket.resetAndDestroy())
      socket.write(framed(0x10, "0004 'MQTT' 04 06 0000 0000 0001 'w' 0004 'gone'"))
    },
    (socket) => socket.end(connect.subarray(0, 7)),
    (socket) => {
      socket.once('end', () => socket.end())
      socket.write(hex('ffff ffff ffff'))
    },
    (socket) => {
      socket.once('end', () => socket.destroy())
      socket.write(Buffer.concat([connect, connect]))
    },
  ]

  test('that come and go in every way leave nothing behind, and nobody else notices', { timeout: 60_000 }, async () => {
    const total = 10_000
    const abreast = 64
    const server = await tcpServer({ journal: { records: 1000, bytes: 1024 * 1024 } })
    const other = await connectTcp(server)
    await other.connect({ clientId: 'bystander' })
    const before = openSockets()
    let closed = 0
    server.onRecord((record) => {
      if (record.type === 'close') closed++
    })
    let begun = 0
    let wills = 0
    server.hooks.route.tap('wills', (_deliveries, message) => {
      if (message.reason === 'will') wills++
      return undefined
    })
    const comeAndGo = async () => {
      while (begun < total) {
        const way = ways[begun++ % ways.length]
        const socket = await dial(server)
        socket.on('error', () => undefined)
        socket.resume()
        const gone = happens(socket, 'close')
        way?.(socket)
        await gone
        if (begun % 500 === 0) await other.settled()
      }
    }
    await Promise.all(Array.from({ length: abreast }, comeAndGo))
    await until(() => closed === total)
    await until(() => openSockets() <= before)
    await other.settled()
    expect(server.report().connections).toBe(1 + total)
    expect(openConnections(server)).toEqual([0])
    expect(server.sessions.map((session) => session.clientId)).toEqual(['bystander'])
    expect(wills).toBe(Math.ceil((total - 3) / ways.length))
    expect(server.connections.length).toBeLessThan(1200)
    expect(server.report().pluginErrors).toEqual([])
    const counts = Object.fromEntries(server.report().violations.map((violation) => [violation.rule, violation.count]))
    const each = (way: number) => Math.ceil((total - way) / ways.length)
    expect(counts).toEqual({ 'packet-cut-short': each(4), 'remaining-length-malformed': each(5), 'second-connect': each(6) })
  })
})
