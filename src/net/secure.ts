/**
 * TLS on an accepted socket, right or wrong on purpose: every step of the handshake can be made to fail as it does in the
 * field.
 */
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { createSecureContext, createServer, type TlsOptions as NodeTlsOptions, TLSSocket, type Server as TlsServer } from 'node:tls'
import { MqttestError } from '../errors.ts'
import type { Authority } from './certificates.ts'
import { certificateReason, handshakeReason } from './handshake-reason.ts'
import { type HandshakeFault, type TlsOptions, versionsOf } from './secure-options.ts'

/** The fatal alert unrecognized_name (RFC 6066, section 3) as a record of its own. */
const unrecognizedName = Buffer.from('15030300020270', 'hex')

/** What becomes of sockets that were accepted for TLS. */
export interface SecureHandlers {
  /** The handshake is done. `raw` is the socket below, which alone can be reset. */
  secure(socket: TLSSocket, raw: Socket): void
  /** The handshake failed, with the reason in a few words. */
  failed(reason: string, raw: Socket): void
}

/** Makes what turns accepted sockets into TLS sockets. */
export async function createSecureLayer(options: TlsOptions, authority: () => Promise<Authority>, handlers: SecureHandlers): Promise<(raw: Socket) => void> {
  const settings = await settingsOf(options, authority)
  const through = secureLayer(options, settings, handlers)
  const fault = options.handshake
  if (fault === undefined) return through
  const nothing = () => undefined
  let left = fault.times ?? Number.POSITIVE_INFINITY
  return (raw) => {
    // Each handshake that is stopped gets a server of its own: a TLS socket on a carrier does not tell whose it is.
    if (left-- > 0)
      stopHandshake(raw, fault, handlers, (carrier) => makeServer(options, settings, () => raw, { ...handlers, secure: nothing }).emit('connection', carrier))
    else through(raw)
  }
}

function secureLayer(options: TlsOptions, settings: NodeTlsOptions, handlers: SecureHandlers): (raw: Socket) => void {
  // A TLS socket does not tell on which socket it stands, but both have the same ends.
  const raws = new Map<string, Socket>()
  const server = makeServer(options, settings, (socket) => raws.get(endsOf(socket)), handlers)
  return (raw) => {
    // A client that closes its side before it is through has left.
    raw.allowHalfOpen = false
    const ends = endsOf(raw)
    raws.set(ends, raw)
    raw.once('close', () => {
      if (raws.get(ends) === raw) raws.delete(ends)
    })
    server.emit('connection', raw)
  }
}

function endsOf({ localAddress, localPort, remoteAddress, remotePort }: Socket): string {
  return `${localAddress} ${localPort} ${remoteAddress} ${remotePort}`
}

async function settingsOf(options: TlsOptions, authority: () => Promise<Authority>): Promise<NodeTlsOptions> {
  const { certificate = 'good', hosts, cert, key, clientCertificate = 'none', alpn } = options
  const versions = versionsOf(options)
  const own = cert !== undefined && key !== undefined
  if (own) checkCertificate(cert, key)
  return {
    ...versions,
    ...(own ? { cert, key } : await (await authority()).server(certificate, hosts)),
    // Versions before 1.2 need ciphers that OpenSSL switches off by default.
    ...(versions.minVersion < 'TLSv1.2' && { ciphers: 'DEFAULT:@SECLEVEL=0' }),
    ...(clientCertificate !== 'none' && { requestCert: true, rejectUnauthorized: false, ca: (await authority()).ca }),
    ...(alpn !== undefined && { ALPNProtocols: [...alpn] }),
  }
}

/** What OpenSSL thinks of a certificate of the user's own. Throws MQTTEST_OPTION. */
function checkCertificate(cert: string, key: string): void {
  try {
    createSecureContext({ cert, key })
  } catch (cause) {
    throw new MqttestError('MQTTEST_OPTION', `option 'listen.tls': cert and key cannot be used: ${cause instanceof Error ? cause.message : cause}`, { cause })
  }
}

function makeServer(options: TlsOptions, settings: NodeTlsOptions, rawOf: (socket: TLSSocket) => Socket | undefined, handlers: SecureHandlers): TlsServer {
  const { sni, clientCertificate } = options
  const server = createServer({
    ...settings,
    ...(sni !== undefined && {
      SNICallback(this: unknown, name: string, done: (error: Error | null) => void) {
        const raw = sni.includes(name) || !(this instanceof TLSSocket) ? undefined : rawOf(this)
        if (raw !== undefined) {
          handlers.failed(`it asked for '${name}' by SNI`, raw)
          // Nothing is encrypted yet. Node would only close the connection.
          raw.write(unrecognizedName)
        }
        done(sni.includes(name) ? null : new Error(`no certificate for '${name}'`))
      },
    }),
  })
  server.on('secureConnection', (socket) => {
    const raw = rawOf(socket)
    if (raw === undefined) {
      socket.destroy()
    } else if (clientCertificate === 'require' && !socket.authorized) {
      handlers.failed(certificateReason(socket.authorizationError), raw)
      socket.destroy()
    } else {
      socket.allowHalfOpen = true
      handlers.secure(socket, raw)
    }
  })
  server.on('tlsClientError', (error, socket) => {
    // Where the socket below is closed already, that says it all.
    const raw = rawOf(socket)
    if (raw !== undefined) handlers.failed(handshakeReason(error), raw)
  })
  return server
}

/** Lets a handshake come as far as it may, and stops it there. */
function stopHandshake(raw: Socket, fault: HandshakeFault, handlers: SecureHandlers, proceed: (carrier: Duplex) => void): void {
  let stopped = false
  const stop = () => {
    stopped = true
    handlers.failed(`its handshake was stopped on purpose (${fault.at}, ${fault.how ?? 'stall'})`, raw)
    if (fault.how === 'rst') raw.resetAndDestroy()
    else if (fault.how === 'fin') raw.end()
  }
  raw.on('end', () => raw.end())
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
  let answered = false
  const carrier = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      answered = true
      if (!stopped) {
        raw.write(chunk.subarray(0, left))
        left -= chunk.length
        if (left <= 0) stop()
      }
      done()
    },
    destroy(error, done) {
      if (!stopped) raw.end()
      done(error)
    },
  })
  raw.on('data', (chunk) => {
    // The answer was shorter than what was to be let through of it.
    if (answered && !stopped) stop()
    if (!stopped) carrier.push(chunk)
  })
  raw.on('close', () => carrier.destroy())
  proceed(carrier)
}
