/** A TCP, unix or TLS socket as a transport. */
import type { Socket } from 'node:net'
import type { Transport, TransportKind, TransportListener } from './transport.ts'

/** Where a socket came in, and what it stands on. */
export interface SocketOrigin {
  readonly kind: TransportKind
  /** URL of the listener. */
  readonly listener: string
  /** The socket below a TLS socket, which alone can be reset; else the socket itself. */
  readonly below: Socket
}

/** Wraps a socket that was accepted with `allowHalfOpen`, and is paused. */
export class SocketTransport implements Transport {
  readonly kind: TransportKind
  readonly listener: string
  readonly remoteAddress: string
  readonly remotePort: number
  readonly #socket: Socket
  readonly #below: Socket
  #failure: NodeJS.ErrnoException | undefined

  constructor(socket: Socket, { kind, listener, below }: SocketOrigin) {
    this.#socket = socket
    this.#below = below
    this.kind = kind
    this.listener = listener
    this.remoteAddress = socket.remoteAddress ?? listener.replace(/^unix:/, '')
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
    socket.on('error', (error) => {
      this.#failure ??= error
      // A TLS socket that failed may stay as it is; the one below it does not.
      this.#below.destroySoon()
    })
    socket.on('close', (hadError: boolean) => listener.closed(hadError || this.#failure !== undefined, this.#whyClosed()))
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
    // A second end does nothing but make an error for nobody, which costs more than the rest of a short connection's end.
    if (!this.#socket.destroyed && !this.#socket.writableEnded) this.#socket.end()
  }

  reset(): void {
    if (this.#below.destroyed) return
    // A unix socket has no reset: it can only be let go of.
    if (this.kind === 'unix') this.#below.destroy()
    else this.#below.resetAndDestroy()
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

  /** What TLS says that is not about the network. */
  #whyClosed(): string | undefined {
    return this.#failure?.code?.startsWith('ERR_SSL') === true ? `TLS failed: ${this.#failure.message}` : undefined
  }
}
