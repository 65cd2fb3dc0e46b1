/** A TCP, unix or TLS socket as a transport. */
import type { Socket } from 'node:net'
import type { Transport, TransportKind, TransportListener } from './transport.ts'

/** Wraps a socket that was accepted with `allowHalfOpen` and `pauseOnConnect`. */
export class SocketTransport implements Transport {
  readonly kind: TransportKind
  readonly remoteAddress: string
  readonly remotePort: number
  readonly #socket: Socket
  /** The socket below a TLS socket, which alone can be reset. */
  readonly #below: Socket
  #failed = false

  constructor(socket: Socket, kind: TransportKind, localName: string, below: Socket = socket) {
    this.#socket = socket
    this.#below = below
    this.kind = kind
    this.remoteAddress = socket.remoteAddress ?? localName
    this.remotePort = socket.remotePort ?? 0
  }

  get buffered(): number {
    return this.#socket.writableLength
  }

  listen(listener: TransportListener): void {
    const socket = this.#socket
    socket.on('data', (chunk: Buffer) => listener.data(chunk))
    socket.on('end', () => listener.end())
    socket.on('drain', () => listener.drain())
    socket.on('error', () => {
      this.#failed = true
    })
    socket.on('close', (hadError: boolean) => listener.closed(hadError || this.#failed))
  }

  write(bytes: Buffer): void {
    if (!this.#socket.destroyed && this.#socket.writable) this.#socket.write(bytes)
  }

  writeAll(pieces: readonly Buffer[]): void {
    this.#socket.cork()
    for (const piece of pieces) this.write(piece)
    this.#socket.uncork()
  }

  end(): void {
    if (!this.#socket.destroyed) this.#socket.end()
  }

  reset(): void {
    if (!this.#below.destroyed) this.#below.resetAndDestroy()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  finish(): void {
    this.#socket.destroySoon()
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    if (!this.#socket.destroyed) this.#socket.resume()
  }
}
