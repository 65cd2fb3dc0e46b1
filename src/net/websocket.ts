/** MQTT over WebSocket (section 6), right or wrong on purpose. */
import { createServer, type Server as HttpServer, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Transport, TransportKind, TransportListener } from './transport.ts'
import type { WebSocketOptions } from './websocket-options.ts'

const usualSubprotocols = ['mqtt', 'mqttv3.1']

/** What becomes of upgrades. */
export interface WebSocketHandlers {
  /** The upgrade is done. */
  open(transport: Transport): void
  /** The upgrade was refused, with the reason in a few words. */
  failed(reason: string): void
}

/** Makes what turns accepted sockets into WebSocket transports. `rawOf` finds the socket below a TLS socket. */
export function createWebSocketLayer(
  options: WebSocketOptions,
  kind: TransportKind,
  rawOf: (socket: Duplex) => Socket | undefined,
  handlers: WebSocketHandlers,
): (socket: Socket) => void {
  const { path, subprotocols = usualSubprotocols, subprotocol = 'chosen', answer, stall = false } = options
  const upgrader = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    allowSynchronousEvents: true,
    handleProtocols: (offered) => {
      if (subprotocol === 'none') return false
      if (subprotocol !== 'chosen') return subprotocol.name
      return subprotocols.find((name) => offered.has(name)) ?? false
    },
  })
  const http: HttpServer = createServer((_request, response) => response.writeHead(426, { upgrade: 'websocket' }).end('MQTT over WebSocket\n'))
  http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => undefined)
    if (stall) {
      handlers.failed('the upgrade is left unanswered on purpose')
      return
    }
    if (answer !== undefined) {
      refuse(socket, answer.status, answer.headers, answer.body)
      handlers.failed(`the upgrade was answered with ${answer.status} on purpose`)
      return
    }
    if (path !== undefined && request.url?.split('?')[0] !== path) {
      refuse(socket, 404)
      handlers.failed(`the upgrade asked for ${request.url ?? '/'}, the path is ${path}`)
      return
    }
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
    const proper = offered.some((name) => subprotocols.includes(name))
    upgrader.handleUpgrade(request, socket, head, (webSocket) => {
      const transport = new WebSocketTransport(webSocket, kind, rawOf(socket), options, request)
      handlers.open(transport)
      // A client names mqtt among its subprotocols [MQTT-6.0.0-3].
      if (!proper) transport.misused('websocket-subprotocol-missing')
    })
  })
  return (socket) => void http.emit('connection', socket)
}

const statusTexts: Readonly<Record<number, string>> = {
  301: 'Moved Permanently',
  302: 'Found',
  307: 'Temporary Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
}

function refuse(socket: Duplex, status: number, headers: Readonly<Record<string, string>> = {}, body = ''): void {
  const lines = [
    `HTTP/1.1 ${status} ${statusTexts[status] ?? 'Refused'}`,
    'connection: close',
    `content-length: ${Buffer.byteLength(body)}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ]
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`)
}

/** A WebSocket as a transport: frames are no borders of packets, in either direction [MQTT-6.0.0-2]. */
class WebSocketTransport implements Transport {
  readonly kind: TransportKind
  readonly remoteAddress: string
  readonly remotePort: number
  readonly #socket: WebSocket
  readonly #raw: Socket | undefined
  readonly #options: WebSocketOptions
  #listener: TransportListener | undefined
  #paused = true
  #ended = false
  #reset = false
  #inbox: Buffer[] = []

  constructor(socket: WebSocket, kind: TransportKind, raw: Socket | undefined, options: WebSocketOptions, request: IncomingMessage) {
    this.#socket = socket
    this.#raw = raw
    this.#options = options
    this.kind = kind
    this.remoteAddress = request.socket.remoteAddress ?? ''
    this.remotePort = request.socket.remotePort ?? 0
    socket.binaryType = 'nodebuffer'
    socket.on('message', (data: Buffer, isBinary: boolean) => this.#message(data, isBinary))
    socket.on('error', () => undefined)
    socket.on('close', (code: number) => {
      // 1006: the socket ended without a close frame.
      this.#reset ||= code === 1006
      this.#listener?.closed(this.#reset)
    })
  }

  get buffered(): number {
    return this.#socket.bufferedAmount
  }

  /** The client broke a rule of section 6. */
  misused(rule: 'websocket-non-binary-frame' | 'websocket-subprotocol-missing', raw?: Buffer): void {
    this.#listener?.misused?.(rule, raw)
  }

  listen(listener: TransportListener): void {
    this.#listener = listener
  }

  write(bytes: Buffer): void {
    if (this.#ended) return
    this.#socket.send(this.#options.frames === 'text' ? bytes.toString('latin1') : bytes, () => {
      if (this.#socket.bufferedAmount === 0) this.#listener?.drain()
    })
  }

  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#socket.close(this.#options.closeCode ?? 1000)
  }

  finish(): void {
    this.end()
  }

  reset(): void {
    this.#ended = true
    this.#reset = true
    if (this.#raw === undefined) this.#socket.terminate()
    else this.#raw.resetAndDestroy()
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
    for (let chunk = this.#inbox.shift(); chunk !== undefined; chunk = this.#inbox.shift()) {
      this.#listener?.data(chunk)
      if (this.#paused) return
    }
    this.#socket.resume()
  }

  #message(data: Buffer, isBinary: boolean): void {
    if (!isBinary) {
      this.misused('websocket-non-binary-frame', data) // [MQTT-6.0.0-1]
      return
    }
    if (this.#paused) this.#inbox.push(data)
    else this.#listener?.data(data)
  }
}
