/** What is done with each socket that was accepted, from the bottom up: TLS, WebSocket, MQTT; and what becomes of those that do not get through. */
import type { Socket } from 'node:net'
import type { Authority } from './certificates.ts'
import { type ListenOptions, webSocketOptionsOf } from './listen-options.ts'
import { SocketTransport } from './socket-transport.ts'
import type { Transport, TransportKind } from './transport.ts'

/** What a listener tells the server. */
export interface ListenerOwner {
  /** A client is there. */
  accept(transport: Transport): void
  /** A client did not get through a TLS handshake or a WebSocket upgrade; `url` is where it came. */
  failed(reason: string, url: string): void
  /** The server's certificates. */
  authority(): Promise<Authority>
}

/** The layers of one listener. */
export interface Layers {
  /** Takes a socket that was accepted. */
  take(socket: Socket): void
  /** Ends the sockets that are not through yet. */
  drop(): void
}

/** What carries connections, as the options say. */
export function kindOf({ tls = false, ws = false, path }: ListenOptions): TransportKind {
  if (ws !== false) return tls === false ? 'ws' : 'wss'
  return tls === false ? (path === undefined ? 'tcp' : 'unix') : 'tls'
}

/** Makes the layers of a listener. What they need is loaded here. `urlOf` tells where it listens, once it does. */
export async function makeLayers(options: ListenOptions, owner: ListenerOwner, urlOf: () => string): Promise<Layers> {
  const { tls = false, ws = false } = options
  const kind = kindOf(options)
  if (tls === false && ws === false)
    return { take: (socket) => owner.accept(new SocketTransport(socket, { kind, listener: urlOf(), below: socket })), drop: () => undefined }

  /** Sockets that are not a connection yet. */
  const waiting = new Set<Socket>()
  /** Those among them of which nothing was said yet. */
  const undecided = new Set<Socket>()
  const failed = (reason: string, raw: Socket) => {
    if (undecided.delete(raw)) owner.failed(reason, urlOf())
  }
  const through = (transport: Transport, raw: Socket) => {
    waiting.delete(raw)
    undecided.delete(raw)
    owner.accept(transport)
  }

  let upper = (socket: Socket, raw: Socket) => {
    // It flows as soon as somebody listens, unless told not to.
    socket.pause()
    through(new SocketTransport(socket, { kind, listener: urlOf(), below: raw }), raw)
  }
  if (ws !== false) {
    const { createWebSocketLayer } = await import('./websocket.ts')
    upper = createWebSocketLayer(webSocketOptionsOf(ws), kind, urlOf, { open: through, failed })
  }
  let lower = (raw: Socket) => upper(raw, raw)
  if (tls !== false) {
    const { createSecureLayer } = await import('./secure.ts')
    lower = await createSecureLayer(tls === true ? {} : tls, () => owner.authority(), { secure: upper, failed })
  }
  return {
    take(raw) {
      waiting.add(raw)
      undecided.add(raw)
      raw.on('error', () => undefined)
      raw.once('close', () => {
        waiting.delete(raw)
        failed(`it was gone before the ${tls === false ? 'WebSocket upgrade' : 'TLS handshake'} was done`, raw)
      })
      lower(raw)
    },
    drop() {
      undecided.clear()
      for (const raw of waiting) if (!raw.destroyed) raw.resetAndDestroy()
    },
  }
}
