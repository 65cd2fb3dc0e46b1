/** MQTT over WebSocket (section 6), right or wrong on purpose: the upgrade. */
import { createServer, type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import type { Transport, TransportKind } from './transport.ts'
import type { WebSocketOptions } from './websocket-options.ts'
import { WebSocketTransport } from './websocket-transport.ts'

const usualSubprotocols = ['mqtt', 'mqttv3.1']

/** Longest message that is taken: a packet of MQTT has 256 MiB at most, and a frame may hold several. */
const maxPayload = 512 * 1024 * 1024

/** What becomes of upgrades; `raw` is the socket below TLS. */
export interface WebSocketHandlers {
  /** The upgrade is done. */
  open(transport: Transport, raw: Socket): void
  /** The upgrade was refused, with the reason in a few words. */
  failed(reason: string, raw: Socket): void
}

/** Makes what turns accepted sockets, and those that came out of TLS, into WebSocket transports. */
export function createWebSocketLayer(
  options: WebSocketOptions,
  kind: TransportKind,
  urlOf: () => string,
  handlers: WebSocketHandlers,
): (socket: Socket, raw: Socket) => void {
  const { path, subprotocols = usualSubprotocols, subprotocol = 'chosen', answer, stall = false } = options
  const raws = new WeakMap<Duplex, Socket>()
  const failed = (reason: string, socket: Duplex) => {
    const raw = raws.get(socket)
    if (raw !== undefined) handlers.failed(reason, raw)
  }
  const upgrader = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    allowSynchronousEvents: true,
    // Text is refused whatever stands in it.
    skipUTF8Validation: true,
    maxPayload,
    handleProtocols: (offered) => {
      if (subprotocol === 'none') return false
      if (subprotocol !== 'chosen') return subprotocol.name
      return subprotocols.find((name) => offered.has(name)) ?? false
    },
  })
  upgrader.on('wsClientError', (error, socket) => {
    refuse(socket, 400, { 'sec-websocket-version': '13' }, error.message)
    failed(`its upgrade is wrong: ${error.message}`, socket)
  })
  const http = createServer((request, response) => {
    failed(`it sent ${request.method} ${request.url} without an upgrade`, request.socket)
    response.writeHead(426, { upgrade: 'websocket', connection: 'close' }).end('MQTT over WebSocket\n')
  })
  http.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code !== 'ECONNRESET') failed(`what it sent is not HTTP: ${error.message}`, socket)
    refuse(socket, 400)
  })
  http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const raw = raws.get(socket)
    if (raw === undefined) return
    socket.on('error', () => undefined)
    if (stall) {
      failed('its upgrade is left unanswered on purpose', socket)
      letGoWithClient(socket)
    } else if (answer !== undefined) {
      failed(`its upgrade was answered with ${answer.status} on purpose`, socket)
      refuse(socket, answer.status, answer.headers, answer.body)
    } else if (path !== undefined && request.url?.split('?')[0] !== path) {
      failed(`its upgrade asked for ${request.url}, the path is ${path}`, socket)
      refuse(socket, 404)
    } else
      upgrader.handleUpgrade(request, socket, head, (webSocket) => {
        const transport = new WebSocketTransport(webSocket, request.socket, { kind, listener: urlOf(), below: raw }, options)
        handlers.open(transport, raw)
        const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
        // A client names mqtt among its subprotocols [MQTT-6.0.0-3].
        if (!offered.some((name) => subprotocols.includes(name))) transport.misused('websocket-subprotocol-missing')
      })
  })
  return (socket, raw) => {
    raws.set(socket, raw)
    http.emit('connection', socket)
  }
}

function refuse(socket: Duplex, status: number, headers: Readonly<Record<string, string>> = {}, body = ''): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}`,
    'connection: close',
    `content-length: ${Buffer.byteLength(body)}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ]
  socket.cork()
  socket.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
  socket.end(body)
  letGoWithClient(socket)
}

/** Nobody reads what the client says from here; its end is seen all the same. */
function letGoWithClient(socket: Duplex): void {
  socket.on('end', () => socket.destroy())
  socket.resume()
}
