/** What every listener has in common, whatever carries the bytes. */
import { mkdtempSync, rmSync } from 'node:fs'
import { networkInterfaces, tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { type ListenOptions, type Server, start } from 'mqttest'
import { connectMemory, connectTcp, type RawClient } from 'mqttest/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { subscribe } from '../support/client.ts'
import { tcpServer } from '../support/server.ts'
import { connectSocket, connectTls, connectWebSocket, listening, notes, portOf } from './clients.ts'

const hasIpv6 = Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === '::1'))

interface Carrier {
  readonly name: string
  readonly listen: ListenOptions
  readonly url: RegExp
  /** A client that is through. `close` is how it ends in order. */
  connect(server: Server): Promise<RawClient>
}

const carriers: Carrier[] = [
  { name: 'tcp', listen: {}, url: /^mqtt:\/\/127\.0\.0\.1:\d+$/, connect: (server) => connectTcp(server, 5) },
  { name: 'tls', listen: { tls: true }, url: /^mqtts:\/\/127\.0\.0\.1:\d+$/, connect: async (server) => (await connectTls(server, {}, 5)).client },
  {
    name: 'tls',
    listen: { tls: { maxVersion: 'TLSv1.2' } },
    url: /^mqtts:\/\/127\.0\.0\.1:\d+$/,
    connect: async (server) => (await connectTls(server, {}, 5)).client,
  },
  { name: 'ws', listen: { ws: true }, url: /^ws:\/\/127\.0\.0\.1:\d+$/, connect: async (server) => (await connectWebSocket(server, { version: 5 })).client },
  {
    name: 'wss',
    listen: { tls: true, ws: '/mqtt' },
    url: /^wss:\/\/127\.0\.0\.1:\d+\/mqtt$/,
    connect: async (server) => (await connectWebSocket(server, { version: 5 })).client,
  },
]

/** One of them, on IPv6 where the machine has it. */
const onIpv6 = carriers.map((carrier) => ({ ...carrier, listen: { ...carrier.listen, host: '::1' } }))

/** How a client that may not even get through sees its end. */
async function endOfNew(connecting: Promise<RawClient>): Promise<'fin' | 'rst'> {
  try {
    return await (await connecting).end()
  } catch {
    return 'rst'
  }
}

/** Where the answer to the upgrade came together with a reset, some systems give the answer and an end. */
function endsAtOnce(name: string): string[] {
  return name.startsWith('ws') ? ['rst', 'fin'] : ['rst']
}

describe.each(carriers)('$name $listen', ({ name, listen, url, connect }) => {
  test('the URL has its scheme; connection and record name the carrier and the listener', async () => {
    const server = await listening(listen)
    expect(server.url).toMatch(url)
    await (await connect(server)).connect()
    expect(server.connections[0]?.transport).toMatchObject({ kind: name, listener: server.url })
    expect(server.connections[0]).toMatchObject({ remoteAddress: '127.0.0.1' })
    expect(server.connections[0]?.remotePort).toBeGreaterThan(0)
    expect(server.records({ type: 'open' })).toMatchObject([{ transport: name, listener: server.url }])
  })

  test('big messages go both ways whole', async () => {
    const server = await listening(listen)
    const client = await connect(server)
    await client.connect()
    await subscribe(client, 'big')
    const payload = Buffer.alloc(5_000_000, 'abcdefg')
    client.send({ cmd: 'publish', topic: 'big', payload })
    const { payload: back } = await client.next('publish', {}, '10s')
    expect(payload.equals(back)).toBe(true)
  })

  test('a reset by the server is a reset', async () => {
    const server = await listening(listen)
    const client = await connect(server)
    await client.connect()
    const connection = await server.connection()
    connection.close('rst')
    expect(await client.end()).toBe('rst')
    expect(connection.ended).toMatchObject({ by: 'server', how: 'rst' })
  })

  test('a reset by a plan, before anything was read', async () => {
    const server = await listening(listen)
    server.hooks.connection.tap('refuse', () => [{ close: 'rst' }])
    expect(endsAtOnce(name)).toContain(await endOfNew(connect(server)))
    expect(server.connections[0]?.ended).toMatchObject({ by: 'server', how: 'rst' })
  })

  test('a close in order by the server is no reset', async () => {
    const server = await listening(listen)
    const client = await connect(server)
    await client.connect()
    ;(await server.connection()).close('fin')
    expect(await client.end()).toBe('fin')
  })

  test('DISCONNECT, then the end: by the client', async () => {
    const server = await listening(listen)
    const client = await connect(server)
    await client.connect()
    client.send({ cmd: 'disconnect' })
    expect(await client.end()).toBe('fin')
    expect(server.connections[0]?.ended).toMatchObject({ by: 'client', how: 'disconnect' })
  })

  test('an end without DISCONNECT', async () => {
    const server = await listening(listen)
    const client = await connect(server)
    await client.connect()
    client.close()
    const ended = await (await server.connection()).expectClose()
    expect(ended).toMatchObject({ by: 'client', how: 'fin', reason: 'the client closed without DISCONNECT' })
  })

  test('a client that reads nothing does not make the server hoard what it sends', async () => {
    const server = await listening(listen)
    const client = await connect(server)
    await client.connect()
    await subscribe(client, 'much')
    client.pause()
    const payload = Buffer.alloc(1_000_000)
    const connection = await server.connection()
    for (let sent = 0; sent < 64; sent++) server.publish({ topic: 'much', payload })
    // 16 MiB wait, beside what the system holds; messages of QoS 0 beyond that are dropped.
    expect(connection.transport.buffered).toBeLessThan(40_000_000)
    client.resume()
    await client.send({ cmd: 'pingreq' }).next('pingresp', {}, '10s')
  })

  test('stalled: nothing is read, nothing is written, nothing ends; then it goes on', async () => {
    const server = await listening(listen)
    const client = await connect(server)
    await client.connect()
    const connection = await server.connection()
    connection.stall()
    client.send({ cmd: 'pingreq' })
    await expect(client.next('pingresp', {}, 30)).rejects.toThrow('got: nothing')
    expect(client.ended).toBeUndefined()
    connection.resume()
    await client.next('pingresp')
  })

  test('offline resets it and refuses others; online is at the same place', async () => {
    const server = await listening(listen)
    const before = server.url
    const client = await connect(server)
    await client.connect()
    await server.offline()
    expect(await client.end()).toBe('rst')
    await expect(connect(server)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await server.online()
    await (await connect(server)).connect()
    expect(server.url).toBe(before)
    expect(notes(server)).toEqual([])
  })

  test.each(['reset', 'unanswered'] as const)('offline, %s', async (mode) => {
    const server = await listening(listen)
    await server.offline({ mode })
    if (mode === 'reset') expect(endsAtOnce(name)).toContain(await endOfNew(connect(server)))
    else await expect((await connect(server)).sendConnect().next('connack', {}, 30)).rejects.toThrow('got: nothing')
  })

  test('stop() tells the client, and frees the port', async () => {
    const server = await start({ listen })
    const client = await connect(server)
    await client.connect()
    await server.stop()
    expect(await client.end()).toBe('fin')
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x8b })
    await tcpServer({ port: portOf(server.url) })
  })

  test('the first free port of a range', async () => {
    const first = await listening(listen)
    const port = portOf(first.url)
    const second = await listening({ ...listen, port: `${port}-${port + 50}` })
    expect(portOf(second.url)).toBeGreaterThan(port)
    await (await connect(second)).connect()
  })
})

describe('half-close: a client that has said all still gets its answers', () => {
  test.each(carriers.filter(({ name }) => name === 'tcp' || name === 'tls'))('$name $listen', async ({ listen, connect }) => {
    const server = await listening(listen)
    const client = await connect(server)
    client.sendConnect().send({ cmd: 'publish', topic: 'a', payload: 'x', qos: 1, messageId: 1 })
    client.close()
    expect(await client.end()).toBe('fin')
    expect(client.received.map((packet) => packet.cmd)).toEqual(['connack', 'puback'])
  })
})

describe('a reset by the client is told from an end in order', () => {
  test('tls', async () => {
    const server = await listening({ tls: true })
    const socket = await connectSocket(server)
    const { client } = await connectTls(server, { socket, servername: 'localhost' })
    await client.connect()
    socket.resetAndDestroy()
    expect(await (await server.connection()).expectClose()).toMatchObject({ by: 'client', how: 'rst', reason: 'the connection was reset' })
  })

  test('ws', async () => {
    const server = await listening({ ws: true })
    const { client, stream } = await connectWebSocket(server)
    await client.connect()
    stream.resetAndDestroy()
    expect(await (await server.connection()).expectClose()).toMatchObject({ by: 'client', how: 'rst', reason: 'the connection was reset' })
  })

  test('the end of the socket under a WebSocket, without a close frame, is no reset', async () => {
    const server = await listening({ ws: true })
    const { client, stream } = await connectWebSocket(server)
    await client.connect()
    stream.end()
    expect(await (await server.connection()).expectClose()).toMatchObject({ by: 'client', how: 'fin', reason: 'the client closed without DISCONNECT' })
  })
})

test('what is no TLS, after the handshake, ends the connection and says so', async () => {
  const server = await listening({ tls: true })
  const socket = await connectSocket(server)
  const { client } = await connectTls(server, { socket, servername: 'localhost' })
  await client.connect()
  // An application record that nobody encrypted.
  socket.write(Buffer.concat([Buffer.from('1703030020', 'hex'), Buffer.alloc(32)]))
  const { how, reason } = await (await server.connection()).expectClose({ by: 'client' })
  expect(how).toBe('rst')
  expect(reason).toMatch(/^TLS failed: /)
})

// Said aloud where it cannot be tested.
describe(hasIpv6 ? 'on IPv6' : 'on IPv6: SKIPPED, this machine has no ::1', () => {
  test.runIf(hasIpv6).each(onIpv6)('$name $listen', async ({ listen, name }) => {
    const server = await listening(listen)
    expect(new URL(server.url).hostname).toBe('[::1]')
    const at = { host: '::1' }
    const client =
      name === 'tcp'
        ? await connectTcp({ port: server.port, ...at })
        : name === 'tls'
          ? (await connectTls(server, at)).client
          : (await connectWebSocket(server)).client
    await client.connect()
    expect(server.connections[0]).toMatchObject({ remoteAddress: '::1', transport: { kind: name } })
  })
})

describe('a unix socket', () => {
  async function onUnixSocket(): Promise<{ server: Server; client: RawClient }> {
    const folder = mkdtempSync(joinPath(tmpdir(), 'mqttest-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const path = joinPath(folder, 'socket')
    const server = await listening({ path })
    const client = await connectTcp({ path })
    await client.connect()
    return { server, client }
  }

  test('is named in the record', async () => {
    const { server } = await onUnixSocket()
    expect(server.records({ type: 'open' })).toMatchObject([{ transport: 'unix', listener: server.url, remoteAddress: server.url.slice('unix:'.length) }])
  })

  test('has no reset: where one is asked for, it ends', async () => {
    const { server, client } = await onUnixSocket()
    const connection = await server.connection()
    connection.close('rst')
    await client.end()
    expect(connection.ended).toMatchObject({ by: 'server', how: 'rst' })
  })

  test('goes offline, and comes back', async () => {
    const { server, client } = await onUnixSocket()
    await server.offline()
    await client.end()
    const path = server.url.slice('unix:'.length)
    await expect(connectTcp({ path })).rejects.toMatchObject({ code: 'ENOENT' })
    await server.online()
    await (await connectTcp({ path })).connect()
  })
})

test('clients of all listeners are clients of one broker', async () => {
  const server = await tcpServer({ listen: [{}, { tls: true }, { ws: true }, { tls: true, ws: '/mqtt' }] })
  const [tcp = '', tls = '', ws = '', wss = ''] = server.urls
  expect([tcp, tls, ws, wss].map((url) => url.replace(/:\d+/, ''))).toEqual(['mqtt://127.0.0.1', 'mqtts://127.0.0.1', 'ws://127.0.0.1', 'wss://127.0.0.1/mqtt'])
  const clients = [
    connectMemory(server),
    await connectTcp(server),
    (await connectTls(server, { port: portOf(tls) })).client,
    (await connectWebSocket(server, {}, ws)).client,
    (await connectWebSocket(server, {}, wss)).client,
  ]
  for (const [index, client] of clients.entries()) {
    await client.connect({ clientId: `c${index}` })
    await subscribe(client, 'all', 1)
  }
  for (const [index, client] of clients.entries()) {
    client.send({ cmd: 'publish', topic: 'all', payload: String(index), qos: 1, messageId: 1 })
    for (const other of clients) expect((await other.next('publish')).payload.toString()).toBe(String(index))
  }
  expect(server.records({ type: 'open' }).map((record) => (record.type === 'open' ? [record.transport, record.listener] : []))).toEqual([
    ['memory', 'memory'],
    ['tcp', tcp],
    ['tls', tls],
    ['ws', ws],
    ['wss', wss],
  ])
})
