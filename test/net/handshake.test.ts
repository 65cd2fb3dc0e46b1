/** TLS handshakes that do not come to their end, whoever is to blame. */
import { connect } from 'node:net'
import { start } from 'mqttest'
import { connectTcp } from 'mqttest/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { codeOf, connectSocket, connectTls, endOf, handshake, listening, noted, notes, openSocket, portOf } from './clients.ts'

/** A ClientHello as a client of today sends it. */
async function clientHello(): Promise<Buffer> {
  const { createServer } = await import('node:net')
  const { connect: connectSecure } = await import('node:tls')
  return new Promise((resolve) => {
    const server = createServer((socket) =>
      socket.once('data', (hello: Buffer) => {
        resolve(hello)
        socket.destroy()
        server.close()
      }),
    )
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      connectSecure({ port: typeof address === 'object' ? (address?.port ?? 0) : 0, rejectUnauthorized: false }).on('error', () => undefined)
    })
  })
}

describe('stopped on purpose', () => {
  test.each([
    ['accept', 'fin'],
    ['accept', 'rst'],
    ['client-hello', 'fin'],
    ['client-hello', 'rst'],
    ['server-hello', 'fin'],
    ['server-hello', 'rst'],
  ] as const)('%s, %s: what the client sees on its socket, and what the record says', async (at, how) => {
    // Some systems tell of a reset only where nothing else is left to read.
    const passed = at === 'server-hello' && how === 'rst' ? { bytes: 0 } : {}
    const server = await listening({ tls: { handshake: { at, how, ...passed } } })
    const hello = await clientHello()
    const end = endOf(openSocket(server, at === 'accept' ? undefined : hello))
    const { how: seen, bytes } = await end
    expect(seen).toBe(how)
    expect(bytes).toHaveLength(at === 'server-hello' && how === 'fin' ? 100 : 0)
    // A handshake record.
    if (bytes.length > 0) expect(bytes[0]).toBe(0x16)
    expect(await noted(server)).toBe(`its handshake was stopped on purpose (${at}, ${how})`)
    expect(server.records({ type: 'note' })).toMatchObject([{ level: 'warn', message: expect.stringContaining(`a client of ${server.url} did not`) }])
    expect(server.connections).toEqual([])
  })

  test.each(['accept', 'client-hello', 'server-hello'] as const)('%s: a TLS client has no connection', async (at) => {
    for (const how of ['fin', 'rst'] as const) {
      const server = await listening({ tls: { handshake: { at, how } } })
      expect(await handshake(server)).toBe('ECONNRESET')
      expect(notes(server)).toHaveLength(1)
    }
  })

  test.each(['accept', 'client-hello', 'server-hello'] as const)('%s, times: the first ones alone; those that come later get through', async (at) => {
    const server = await listening({ tls: { handshake: { at, how: 'rst', times: 2 } } })
    const outcomes: string[] = []
    for (let attempts = 0; attempts < 4; attempts++) outcomes.push(await handshake(server))
    expect(outcomes).toEqual(['ECONNRESET', 'ECONNRESET', 'secure', 'secure'])
    expect(notes(server)).toHaveLength(2)
    const { client } = await connectTls(server)
    await client.connect()
  })

  test.each(['accept', 'client-hello', 'server-hello'] as const)('%s, stalled: nothing comes, until the client gives up', async (at) => {
    const server = await listening({ tls: { handshake: { at } } })
    const socket = await connectSocket(server)
    socket.write(await clientHello())
    expect(await noted(server)).toBe(`its handshake was stopped on purpose (${at}, stall)`)
    const end = endOf(socket)
    socket.end()
    expect((await end).how).toBe('fin')
    expect(notes(server)).toHaveLength(1)
  })

  test.each([0, 1, 5])('after %i bytes of the server hello', async (bytes) => {
    const server = await listening({ tls: { handshake: { at: 'server-hello', how: 'fin', bytes } } })
    const socket = await connectSocket(server)
    const end = endOf(socket)
    socket.write(await clientHello())
    expect((await end).bytes).toHaveLength(bytes)
  })

  test('after the whole of the server hello, where it is shorter than what may pass', async () => {
    const server = await listening({ tls: { handshake: { at: 'server-hello', how: 'rst', bytes: 1_000_000 } } })
    // In TLS 1.3 the client is through when it has the server's whole answer.
    const end = await connectTls(server, { maxVersion: 'TLSv1.3' }).then(({ client }) => client.end(), codeOf)
    expect(['rst', 'fin', 'ECONNRESET']).toContain(end)
    expect(await handshake(server, { maxVersion: 'TLSv1.2' })).toBe('ECONNRESET')
    expect(notes(server)).toEqual(Array(2).fill('its handshake was stopped on purpose (server-hello, rst)'))
    expect(server.connections).toEqual([])
  })
})

describe('the record says why', () => {
  test('plain MQTT on a TLS port', async () => {
    const server = await listening({ tls: true })
    const client = await connectTcp(server)
    client.sendConnect()
    await client.end()
    expect(await noted(server)).toBe('what it sent is not TLS (wrong version number)')
  })

  test('plain HTTP on a TLS port', async () => {
    const server = await listening({ tls: true })
    const socket = await connectSocket(server)
    socket.write('GET / HTTP/1.1\r\n\r\n')
    await endOf(socket)
    expect(await noted(server)).toBe('what it sent is plain HTTP, not TLS (http request)')
  })

  test.each(['end', 'reset'] as const)('a client that is gone too early: %s', async (how) => {
    const server = await listening({ tls: true })
    const client = await connectTcp(server)
    if (how === 'end') client.close()
    else client.reset()
    expect(await noted(server)).toBe('it was gone before the TLS handshake was done')
    await handshake(server)
    expect(notes(server)).toHaveLength(1)
  })

  test('no cipher in common', async () => {
    const server = await listening({ tls: { maxVersion: 'TLSv1.2' } })
    expect(await handshake(server, { ciphers: 'AES128-SHA' })).toMatch(/^ERR_SSL_(SSLV3|SSL\/TLS)_ALERT_HANDSHAKE_FAILURE$/)
    expect(notes(server)).toEqual(['it has no cipher in common with the server (no shared cipher)'])
  })

  // Fatal ones: what clients that are not Node's send where they do not trust the server.
  test.each([
    ['unknown ca', '30'],
    ['bad certificate', '2a'],
    ['certificate unknown', '2e'],
  ])('an alert of the client: %s', async (name, code) => {
    const server = await listening({ tls: true })
    const socket = await connectSocket(server)
    socket.write(await clientHello())
    await new Promise((resolve) => socket.once('data', resolve))
    socket.write(Buffer.from(`150303000202${code}`, 'hex'))
    await endOf(socket)
    expect(await noted(server)).toBe(`it refused the handshake with the alert '${name}'`)
  })
})

describe('clients in a handshake', () => {
  test.each([
    ['nothing was said', { tls: true }, undefined],
    ['half a hello came', { tls: true }, 20],
    ['the server stalls', { tls: { handshake: { at: 'client-hello' } } }, 1_000_000],
    ['the server stalls at once', { tls: { handshake: { at: 'accept' } } }, undefined],
    ['nothing was said over WebSocket', { ws: true }, undefined],
    ['nothing was said over either', { tls: true, ws: true }, 20],
  ] as const)('stop() does not wait for them, and frees the port: %s', async (_name, listen, bytes) => {
    const server = await start({ listen })
    const socket = await connectSocket(server)
    if (bytes !== undefined) {
      const hello = await clientHello()
      await new Promise<void>((resolve) => socket.write(hello.subarray(0, bytes), () => resolve()))
    }
    // It was accepted once another is served, or refused, behind it.
    await (listen === undefined ? undefined : connectSocket(server))
    const end = endOf(socket)
    const { reason } = await server.stop()
    expect(reason).toBe('stop() was called')
    expect((await end).how).toBe('rst')
    const again = await start({ listen: { port: server.port } })
    await again.stop()
  })

  test('are reset when the server goes offline; it comes back with the same certificate', async () => {
    const server = await listening({ tls: true })
    const before = (await connectTls(server)).socket.getPeerCertificate().serialNumber
    const socket = await connectSocket(server)
    const end = endOf(socket)
    await server.offline()
    expect((await end).how).toBe('rst')
    expect(await handshake(server)).toBe('ECONNREFUSED')
    await server.online()
    expect((await connectTls(server)).socket.getPeerCertificate().serialNumber).toBe(before)
    expect(notes(server)).toEqual([])
  })

  test('do not stand in the way of others', async () => {
    const server = await listening({ tls: true })
    const stuck = connect(portOf(server.url), '127.0.0.1')
    onTestFinished(() => void stuck.destroy())
    await (await connectTls(server)).client.connect()
    expect(server.connections).toHaveLength(1)
  })
})
