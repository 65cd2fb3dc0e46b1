/**
 * TLS on an accepted socket, right or wrong on purpose: every step of the handshake can be made to fail as it does in the
 * field.
 */

import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { createServer, type TLSSocket, type Server as TlsServer } from 'node:tls'
import type { Authority } from './certificates.ts'
import type { HandshakeFault, TlsOptions } from './secure-options.ts'

/** What becomes of sockets that were accepted for TLS. */
export interface SecureHandlers {
  /** The handshake is done. `raw` is the socket below, which alone can be reset. */
  secure(socket: TLSSocket, raw: Socket): void
  /** The handshake failed, with the reason in a few words. */
  failed(reason: string, raw: Socket | undefined): void
}

/** Makes what turns accepted sockets into TLS sockets. */
export async function createSecureLayer(options: TlsOptions, authority: () => Promise<Authority>, handlers: SecureHandlers): Promise<(raw: Socket) => void> {
  const { certificate = 'good', hosts, clientCertificate = 'none', minVersion = 'TLSv1.2', maxVersion = 'TLSv1.3', alpn, sni } = options
  const own = options.cert !== undefined && options.key !== undefined ? { cert: options.cert, key: options.key } : undefined
  const issued = own ?? (await (await authority()).server(certificate, hosts))
  const server: TlsServer = createServer({
    ...issued,
    minVersion,
    maxVersion,
    // Versions before 1.2 need ciphers that OpenSSL switches off by default.
    ...((minVersion === 'TLSv1' || minVersion === 'TLSv1.1') && { ciphers: 'DEFAULT:@SECLEVEL=0' }),
    allowHalfOpen: true,
    ...(clientCertificate !== 'none' && { requestCert: true, rejectUnauthorized: clientCertificate === 'require', ca: (await authority()).ca }),
    ...(alpn !== undefined && { ALPNProtocols: [...alpn] }),
    ...(sni !== undefined && {
      SNICallback: (name: string, done: (error: Error | null) => void) => done(sni.includes(name) ? null : new Error(`no certificate for '${name}'`)),
    }),
  })
  // A TLS socket does not tell which socket it stands on, but both have the same peer.
  const rawByPeer = new Map<string, Socket>()
  const peerOf = (socket: Socket) => `${socket.remoteAddress}:${socket.remotePort}`
  server.on('secureConnection', (socket) => {
    socket.pause()
    handlers.secure(socket, rawByPeer.get(peerOf(socket)) ?? socket)
  })
  server.on('tlsClientError', (error: Error & { code?: string }, socket) => handlers.failed(error.code ?? error.message, rawByPeer.get(peerOf(socket))))
  return (raw) => {
    const peer = peerOf(raw)
    rawByPeer.set(peer, raw)
    raw.once('close', () => rawByPeer.delete(peer))
    raw.on('error', () => undefined)
    const fault = options.handshake
    if (fault === undefined) server.emit('connection', raw)
    else faultyHandshake(raw, fault, (carrier) => server.emit('connection', carrier), handlers)
  }
}

function faultyHandshake(raw: Socket, fault: HandshakeFault, proceed: (carrier: Duplex) => void, handlers: SecureHandlers): void {
  const stop = () => {
    handlers.failed(`the handshake was stopped on purpose at ${fault.at}`, raw)
    if (fault.how === 'rst') raw.resetAndDestroy()
    else if (fault.how === 'fin') raw.end()
  }
  if (fault.at === 'accept') {
    raw.resume()
    stop()
    return
  }
  if (fault.at === 'client-hello') {
    raw.once('data', stop)
    return
  }
  let left = fault.bytes ?? 100
  let stopped = false
  const carrier = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      if (!stopped) {
        raw.write(chunk.subarray(0, left))
        left -= chunk.length
        if (left <= 0) {
          stopped = true
          stop()
        }
      }
      done()
    },
  })
  raw.on('data', (chunk) => {
    if (!stopped) carrier.push(chunk)
  })
  raw.on('end', () => carrier.push(null))
  raw.on('close', () => carrier.destroy())
  proceed(carrier)
}
