/** Raw clients over TLS and WebSocket, and how they see a connection end. */
import type { IncomingMessage } from 'node:http'
import { connect as connectPlain, type Socket } from 'node:net'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import type { ListenOptions, ProtocolVersion, Server, StartOptions } from 'mqttest'
import { RawClient } from 'mqttest/testing'
import { onTestFinished } from 'vitest'
import { type ClientOptions, WebSocket } from 'ws'
import { tcpServer } from '../support/server.ts'

/** A server that listens at one place. */
export function listening(listen: ListenOptions, options: StartOptions = {}): Promise<Server> {
  return tcpServer({ listen, ...options })
}

/** The port of a URL. */
export function portOf(url: string): number {
  return Number(new URL(url).port)
}

/** What the record says of clients that did not get through. */
export function notes(server: Server): string[] {
  return server.records({ type: 'note' }).flatMap((record) => (record.type === 'note' ? [record.message.replace(/^.* did not get through: /, '')] : []))
}

/** Resolves when the record has a note; with its text. */
export function noted(server: Server): Promise<string> {
  return new Promise((resolve) => {
    const look = () => {
      const [first] = notes(server)
      if (first !== undefined) resolve(first)
    }
    look()
    server.onRecord(look)
  })
}

/** A client over TLS, and its socket. */
export interface SecureClient {
  readonly client: RawClient
  readonly socket: TLSSocket
}

/** A client over TLS that trusts the server's authority and no other, and verifies. Rejects with what the handshake ends with. */
export function connectTls(server: Server, options: ConnectionOptions = {}, version: ProtocolVersion = 4): Promise<SecureClient> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: portOf(server.url), host: '127.0.0.1', ...(server.ca !== undefined && { ca: server.ca }), ...options })
    const client = rawClientOn(socket, version)
    socket.once('secureConnect', () => resolve({ client, socket }))
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('closed')))
  })
}

/** How a handshake ends at the client: 'secure', or the code of its error. */
export async function handshake(server: Server, options: ConnectionOptions = {}): Promise<string> {
  try {
    await connectTls(server, options)
    return 'secure'
  } catch (error) {
    return codeOf(error)
  }
}

/** The code of an error, or what else it says. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return 'code' in error ? String(error.code) : error.message
}

/** A plain socket to a server's first port. */
export function connectSocket(server: Server): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectPlain({ port: portOf(server.url), host: '127.0.0.1' })
    onTestFinished(() => void socket.destroy())
    socket.once('connect', () => resolve(socket))
    socket.once('error', reject)
  })
}

/** The same without waiting for the connection; says something as soon as it is there. */
export function openSocket(server: Server, bytes?: Buffer): Socket {
  const socket = connectPlain({ port: portOf(server.url), host: '127.0.0.1' })
  onTestFinished(() => void socket.destroy())
  if (bytes !== undefined) socket.write(bytes)
  return socket
}

/** How the other side ends a socket; what comes before is read and kept. */
export function endOf(socket: Socket): Promise<{ how: 'fin' | 'rst'; bytes: Buffer }> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.on('end', () => resolve({ how: 'fin', bytes: Buffer.concat(chunks) }))
    socket.on('error', () => resolve({ how: 'rst', bytes: Buffer.concat(chunks) }))
  })
}

function rawClientOn(socket: Socket, version: ProtocolVersion): RawClient {
  const client = new RawClient(
    {
      write: (bytes) => void socket.write(bytes),
      end: () => void socket.end(),
      reset: () => void socket.resetAndDestroy(),
      pause: () => void socket.pause(),
      resume: () => void socket.resume(),
    },
    version,
  )
  onTestFinished(() => void socket.destroy())
  socket.on('data', (chunk: Buffer) => client.data(chunk))
  socket.on('end', () => client.closed('fin'))
  socket.on('error', () => client.closed('rst'))
  socket.on('close', () => client.closed('fin'))
  return client
}

/** A client over WebSocket. */
export interface WebSocketClient {
  readonly client: RawClient
  readonly socket: WebSocket
  /** What the socket below it is. */
  readonly stream: Socket
  /** The code with which it closed; 1006 where no close frame came. */
  readonly closeCode: Promise<number>
  /** Whether each frame that came was binary. */
  readonly frames: readonly boolean[]
}

/** What a client says in its upgrade. */
export interface UpgradeOptions extends ClientOptions {
  /** 'mqtt' by default; none at all where it is empty. */
  readonly subprotocols?: readonly string[]
  readonly version?: ProtocolVersion
}

/** A client over WebSocket. Rejects with the error, or with the status that the upgrade was answered with. */
export function connectWebSocket(server: Server, options: UpgradeOptions = {}, url = server.url): Promise<WebSocketClient> {
  const { subprotocols = ['mqtt'], version = 4, ...rest } = options
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, [...subprotocols], { perMessageDeflate: false, ...(server.ca !== undefined && { ca: server.ca }), ...rest })
    onTestFinished(() => socket.terminate())
    const frames: boolean[] = []
    const client = new RawClient(
      {
        write: (bytes) => void socket.send(bytes),
        end: () => void socket.close(1000),
        reset: () => void stream?.destroy(),
        pause: () => void socket.pause(),
        resume: () => void socket.resume(),
      },
      version,
    )
    let stream: Socket | undefined
    let reset = false
    socket.on('upgrade', (response: IncomingMessage) => {
      stream = response.socket
      stream.on('error', () => {
        reset = true
      })
    })
    socket.on('message', (data: Buffer, isBinary) => {
      frames.push(isBinary)
      client.data(data)
    })
    const closeCode = new Promise<number>((resolveCode) => socket.on('close', (code) => resolveCode(code)))
    socket.on('close', () => client.closed(reset ? 'rst' : 'fin'))
    socket.on('error', reject)
    socket.on('unexpected-response', (_request, response) => {
      reject(new StatusError(response))
      response.resume()
    })
    socket.on('open', () => {
      if (stream !== undefined) resolve({ client, socket, stream, closeCode, frames })
    })
  })
}

/** The answer to an upgrade that was not 101. */
export class StatusError extends Error {
  readonly response: IncomingMessage

  constructor(response: IncomingMessage) {
    super(String(response.statusCode))
    this.response = response
  }
}
