/** A WebSocket as a transport: frames are no borders of packets, in either direction [MQTT-6.0.0-2]. */
import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import type { SocketOrigin } from './socket-transport.ts'
import type { Transport, TransportKind, TransportListener } from './transport.ts'
import type { WebSocketOptions } from './websocket-options.ts'

type Misuse = Parameters<NonNullable<TransportListener['misused']>>[0]

/** Close codes of RFC 6455: all is said; a rule was broken; a kind of data that is not taken. */
const closeCodes = { normal: 1000, protocolError: 1002, unsupportedData: 1003 } as const

/** What `ws` says where a socket ended without a close frame, and where a close frame had no code. */
const noCloseFrame = 1006
const noCode = 1005

/** Wraps a WebSocket whose upgrade is done. `stream` is the socket that it is on, TLS or not. */
export class WebSocketTransport implements Transport {
  readonly kind: TransportKind
  readonly listener: string
  readonly remoteAddress: string
  readonly remotePort: number
  readonly #socket: WebSocket
  readonly #stream: Socket
  readonly #below: Socket
  readonly #options: WebSocketOptions
  #listener: TransportListener | undefined
  #paused = true
  #ended = false
  #reset = false
  #closeCode: number = closeCodes.normal
  #trouble: string | undefined
  #inbox: { data: Buffer; isBinary: boolean }[] = []

  constructor(socket: WebSocket, stream: Socket, { kind, listener, below }: SocketOrigin, options: WebSocketOptions) {
    this.#socket = socket
    this.#stream = stream
    this.#below = below
    this.#options = options
    this.kind = kind
    this.listener = listener
    this.remoteAddress = stream.remoteAddress ?? ''
    this.remotePort = stream.remotePort ?? 0
    socket.binaryType = 'nodebuffer'
    socket.pause()
    socket.on('message', (data: Buffer, isBinary: boolean) => this.#message(data, isBinary))
    socket.on('error', (error) => {
      // The close frame that says why is in line already.
      this.#trouble ??= `the client broke the WebSocket protocol: ${error.message}`
      this.#ended = true
      stream.destroySoon()
    })
    socket.on('close', (code: number) => this.#listener?.closed(this.#reset, this.#trouble ?? whyClosed(code)))
    stream.on('error', () => {
      this.#reset = true
      // A TLS socket that failed may stay as it is; the one below it does not.
      below.destroySoon()
    })
    stream.on('drain', () => this.#listener?.drain())
  }

  get buffered(): number {
    return this.#socket.bufferedAmount
  }

  /** The client broke a rule of section 6. */
  misused(rule: Misuse, raw?: Buffer): void {
    this.#closeCode = rule === 'websocket-non-binary-frame' ? closeCodes.unsupportedData : closeCodes.protocolError
    this.#listener?.misused?.(rule, raw)
  }

  listen(listener: TransportListener): void {
    this.#listener = listener
  }

  write(bytes: Buffer): void {
    if (!this.#ended) this.#socket.send(this.#options.frames === 'text' ? bytes.toString('latin1') : bytes)
  }

  frame(kind: Parameters<NonNullable<Transport['frame']>>[0], data: Buffer, code?: number): void {
    if (this.#ended) return
    if (kind === 'ping') this.#socket.ping(data)
    else if (kind === 'pong') this.#socket.pong(data)
    else if (kind === 'close') {
      this.#ended = true
      this.#socket.close(code ?? closeCodes.normal, data)
    } else this.#socket.send(data, { binary: kind !== 'text', fin: kind !== 'fragment' })
  }

  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#socket.close(this.#options.closeCode ?? this.#closeCode)
  }

  finish(): void {
    this.end()
    this.#stream.destroySoon()
  }

  reset(): void {
    this.#ended = true
    this.#reset = true
    if (!this.#below.destroyed) this.#below.resetAndDestroy()
  }

  destroy(): void {
    this.#ended = true
    this.#socket.terminate()
  }

  pause(): void {
    this.#paused = true
    this.#socket.pause()
  }

  resume(): void {
    this.#paused = false
    for (let message = this.#inbox.shift(); message !== undefined; message = this.#inbox.shift()) {
      this.#take(message.data, message.isBinary)
      if (this.#paused) return
    }
    this.#socket.resume()
  }

  /** Messages of one chunk come one after the other, whether or not somebody paused in between. */
  #message(data: Buffer, isBinary: boolean): void {
    if (this.#paused || this.#inbox.length > 0) this.#inbox.push({ data, isBinary })
    else this.#take(data, isBinary)
  }

  #take(data: Buffer, isBinary: boolean): void {
    if (!isBinary && !this.#ended) {
      this.misused('websocket-non-binary-frame', data) // [MQTT-6.0.0-1]
      // Where that is forgiven, the bytes count.
      if (this.#ended) return
    }
    this.#listener?.data(data)
  }
}

function whyClosed(code: number): string | undefined {
  return code === closeCodes.normal || code === noCode || code === noCloseFrame ? undefined : `the client closed the WebSocket with code ${code}`
}
