/** TLS listeners, as clients that verify see them. */
import { X509Certificate } from 'node:crypto'
import type { SecureVersion } from 'node:tls'
import { start } from 'mqttest'
import { describe, expect, test } from 'vitest'
import { createAuthority } from '../../src/net/certificates.ts'
import { connectTls, handshake, listening, notes, portOf } from './clients.ts'

/** What lets this OpenSSL speak versions that it finds too old. */
const old = { ciphers: 'DEFAULT:@SECLEVEL=0' }

test.each(['TLSv1.2', 'TLSv1.3'] as const)('a client that verifies strictly gets through with %s', async (version) => {
  const server = await listening({ tls: true })
  const { client, socket } = await connectTls(server, { minVersion: version, maxVersion: version })
  expect(socket.getProtocol()).toBe(version)
  expect(socket.authorized).toBe(true)
  await client.connect({ clientId: 'me' })
  expect(server.connections[0]?.transport).toMatchObject({ kind: 'tls', listener: server.url, remoteAddress: '127.0.0.1' })
  expect(server.records({ type: 'open' })).toMatchObject([{ transport: 'tls', listener: server.url, remoteAddress: '127.0.0.1' }])
  expect(notes(server)).toEqual([])
})

test('the URL says mqtts; every server has an authority of its own, and one for all its listeners', async () => {
  const server = await listening({ tls: true })
  const other = await start({ listen: [{ tls: true }, { tls: true }] })
  expect(server.url).toBe(`mqtts://127.0.0.1:${server.port}`)
  expect(new X509Certificate(server.ca ?? '').ca).toBe(true)
  expect(other.ca).not.toBe(server.ca)
  for (const url of other.urls) expect(await handshake(other, { port: portOf(url) })).toBe('secure')
  await other.stop()
  expect((await listening({})).ca).toBeUndefined()
})

describe('the certificate', () => {
  test.each([
    ['is for localhost', { servername: 'localhost' }],
    ['is for 127.0.0.1', { host: '127.0.0.1' }],
    ['is for a host of the option', { servername: 'broker.example' }],
  ])('%s', async (_name, options) => {
    const server = await listening({ tls: { hosts: ['broker.example', '10.1.2.3'] } })
    const { socket } = await connectTls(server, options)
    expect(socket.getPeerCertificate().subjectaltname).toBe(
      'DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, DNS:broker.example, IP Address:10.1.2.3',
    )
  })

  test('is for no other name', async () => {
    const server = await listening({ tls: true })
    expect(await handshake(server, { servername: 'other.example' })).toBe('ERR_TLS_CERT_ALTNAME_INVALID')
  })

  test.each([
    ['expired', 'CERT_HAS_EXPIRED'],
    ['not-yet-valid', 'CERT_NOT_YET_VALID'],
    ['wrong-host', 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ['unknown-ca', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    ['self-signed', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
  ] as const)('%s: the client says %s; one that does not verify gets through', async (certificate, code) => {
    const server = await listening({ tls: { certificate } })
    expect(await handshake(server)).toBe(code)
    const { client } = await connectTls(server, { rejectUnauthorized: false })
    await client.connect()
  })

  test('of the wrong host can be that of a host of your choice', async () => {
    const server = await listening({ tls: { certificate: 'wrong-host', hosts: ['other.example'] } })
    expect(await handshake(server)).toBe('ERR_TLS_CERT_ALTNAME_INVALID')
    expect(await handshake(server, { servername: 'other.example' })).toBe('secure')
  })

  test('can be your own', async () => {
    const authority = await createAuthority()
    const server = await listening({ tls: await authority.server('good', ['mine.example']) })
    expect(server.ca).toBeUndefined()
    const { socket } = await connectTls(server, { ca: authority.ca, servername: 'mine.example' })
    expect(socket.authorized).toBe(true)
  })
})

describe('a client certificate', () => {
  const choices = ['none', 'request', 'require'] as const

  test.each(choices)('that the server signed gets through: %s', async (clientCertificate) => {
    const server = await listening({ tls: { clientCertificate } })
    const { client, socket } = await connectTls(server, await server.clientCertificate('device 7'))
    await client.connect()
    expect(socket.authorized).toBe(true)
  })

  test.each(['none', 'request'] as const)('may be missing, or of somebody else: %s', async (clientCertificate) => {
    const server = await listening({ tls: { clientCertificate } })
    await (await connectTls(server)).client.connect()
    const foreign = await (await createAuthority()).client('stranger')
    await (await connectTls(server, foreign)).client.connect()
    expect(notes(server)).toEqual([])
  })

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('is required with %s: who has none, or one of somebody else, is closed out', async (version) => {
    const server = await listening({ tls: { clientCertificate: 'require' } })
    const foreign = await (await createAuthority()).client('stranger')
    for (const options of [{}, foreign]) {
      // In TLS 1.3 the client believes that it is through before the server has seen its certificate.
      const end = await connectTls(server, { ...options, minVersion: version, maxVersion: version }).then(
        ({ client }) => client.sendConnect().end(),
        () => 'refused',
      )
      expect(['fin', 'rst', 'refused']).toContain(end)
    }
    expect(notes(server)).toEqual(['it showed no certificate', 'its certificate was refused: UNABLE_TO_VERIFY_LEAF_SIGNATURE'])
    expect(server.connections).toEqual([])
  })
})

describe('ALPN', () => {
  test('is not looked at where the option does not say so', async () => {
    const server = await listening({ tls: true })
    const { socket } = await connectTls(server, { ALPNProtocols: ['anything'] })
    expect(socket.alpnProtocol).toBe(false)
  })

  test('one of the client’s protocols is chosen; none offered is fine; others are refused with an alert', async () => {
    const server = await listening({ tls: { alpn: ['mqtt', 'x-amzn-mqtt-ca'] } })
    const { socket } = await connectTls(server, { ALPNProtocols: ['other', 'x-amzn-mqtt-ca'] })
    expect(socket.alpnProtocol).toBe('x-amzn-mqtt-ca')
    expect(await handshake(server)).toBe('secure')
    expect(notes(server)).toEqual([])
    expect(await handshake(server, { ALPNProtocols: ['h2'] })).toBe('ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL')
    expect(notes(server)).toEqual(['it offers no ALPN protocol that is accepted here (no application protocol)'])
  })
})

describe('SNI', () => {
  test.each(['TLSv1.2', 'TLSv1.3'] as const)('a name that is accepted, none, and one that is refused with an alert: %s', async (version) => {
    const server = await listening({ tls: { sni: ['localhost'] } })
    const only = { minVersion: version, maxVersion: version }
    expect(await handshake(server, { ...only, servername: 'localhost' })).toBe('secure')
    expect(await handshake(server, only)).toBe('secure')
    expect(await handshake(server, { ...only, servername: 'other.example' })).toBe('ERR_SSL_TLSV1_UNRECOGNIZED_NAME')
    expect(notes(server)).toEqual(["it asked for 'other.example' by SNI"])
  })
})

describe('versions', () => {
  const only = (version: SecureVersion) => ({ minVersion: version, maxVersion: version })

  test.each([
    ['TLSv1.2', 'TLSv1.3'],
    ['TLSv1.3', 'TLSv1.2'],
  ] as const)('a server with %s alone refuses a client with %s alone', async (version, other) => {
    const server = await listening({ tls: only(version) })
    expect(await handshake(server, only(version))).toBe('secure')
    expect(await handshake(server, only(other))).toBe('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION')
    expect(notes(server)).toEqual(['it speaks no version of TLS that is allowed here (unsupported protocol)'])
  })

  test.each(['TLSv1', 'TLSv1.1'] as const)('a server that is stuck at %s is refused by clients of today, and taken by old ones', async (version) => {
    const server = await listening({ tls: { maxVersion: version } })
    expect(await handshake(server)).toBe('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION')
    expect(notes(server)).toEqual(['it speaks no version of TLS that is allowed here (unsupported protocol)'])
    const { socket } = await connectTls(server, { minVersion: 'TLSv1', maxVersion: version, ...old })
    expect(socket.getProtocol()).toBe(version)
  })
})

test('a session is resumed, over connections', async () => {
  const server = await listening({ tls: { maxVersion: 'TLSv1.2' } })
  const first = await connectTls(server)
  const session = first.socket.getSession()
  const again = await connectTls(server, session === undefined ? {} : { session })
  expect(again.socket.isSessionReused()).toBe(true)
})
