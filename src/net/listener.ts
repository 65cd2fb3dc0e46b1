/** Where a server listens: TCP on IPv4 and IPv6, a port of a range, unix sockets; plain, TLS, WebSocket, or both. */
import { chmodSync, rmSync, statSync } from 'node:fs'
import { connect, createServer, type Server as NetServer, type Socket } from 'node:net'
import { MqttestError, nameHint } from '../errors.ts'
import type { Authority } from './certificates.ts'
import { checkTlsOptions, type TlsOptions } from './secure-options.ts'
import { SocketTransport } from './socket-transport.ts'
import type { Transport, TransportKind } from './transport.ts'
import { checkWebSocketOptions, type WebSocketOptions } from './websocket-options.ts'

/** Where to listen. */
export interface ListenOptions {
  /** Port; 0 lets the system choose a free one; '1883-2000' takes the first free one of a range. */
  readonly port?: number | `${number}` | `${number}-${number}`
  /** Address or host name; '127.0.0.1' by default. '::1' for IPv6 loopback, '::' or '0.0.0.0' for every address. */
  readonly host?: string
  /** Path of a unix socket, in place of port and host. */
  readonly path?: string
  /** Speaks TLS, with a certificate of the server's own throw-away authority (`server.ca`), or as the options say. */
  readonly tls?: boolean | TlsOptions
  /** Speaks WebSocket, on every path, or as the options say; a text is the path. */
  readonly ws?: boolean | string | WebSocketOptions
}

/** What a listener tells the server. */
export interface ListenerOwner {
  /** A client is there. */
  accept(transport: Transport): void
  /** A client did not get through a TLS handshake or a WebSocket upgrade. */
  failed(reason: string, kind: TransportKind): void
  /** The server's certificates. */
  authority(): Promise<Authority>
}

/** A place that is being listened at. */
export interface Listener {
  /** 'mqtt://127.0.0.1:1883', 'mqtts://…', 'ws://…', 'wss://…', or 'unix:/path'. */
  readonly url: string
  readonly kind: TransportKind
  /** The port; 0 for a unix socket. */
  readonly port: number
  readonly host: string
  /** Stops listening. Resolves when the place is free. Connections that were accepted live on. */
  close(): Promise<void>
  /** Listens again at the same place. */
  reopen(): Promise<void>
  readonly open: boolean
}

/** The ports that an option stands for, in the order in which they are tried. */
function portsOf(port: ListenOptions['port'] = 0): { from: number; to: number } {
  const match = /^(\d+)(?:-(\d+))?$/.exec(String(port))
  const from = Number(match?.[1])
  const to = Number(match?.[2] ?? match?.[1])
  if (match === null || from > 65_535 || to > 65_535 || to < from)
    throw new MqttestError('MQTTEST_OPTION', `option 'port': expected 0 to 65535 or a range such as '1883-2000', got ${JSON.stringify(port)}`)
  return { from, to }
}

/** Checks the shape of an entry of `listen`. Throws MQTTEST_OPTION. */
export function checkListenOptions(options: ListenOptions): void {
  const known = ['port', 'host', 'path', 'tls', 'ws']
  for (const key of Object.keys(options))
    if (!known.includes(key)) throw new MqttestError('MQTTEST_OPTION', `option 'listen': unknown key '${key}'.${nameHint(key, known)}`)
  portsOf(options.port)
  if (typeof options.tls === 'object') checkTlsOptions(options.tls)
  if (typeof options.ws === 'object') checkWebSocketOptions(options.ws)
}

function kindOf({ tls, ws, path }: ListenOptions): TransportKind {
  const isSecure = tls !== undefined && tls !== false
  if (ws !== undefined && ws !== false) return isSecure ? 'wss' : 'ws'
  return isSecure ? 'tls' : path === undefined ? 'tcp' : 'unix'
}

const schemes: Readonly<Partial<Record<TransportKind, string>>> = { tcp: 'mqtt', tls: 'mqtts', ws: 'ws', wss: 'wss' }

/** What is done with each socket that is accepted, from the bottom up: TLS, WebSocket, MQTT. */
async function layersOf(options: ListenOptions, kind: TransportKind, local: string, owner: ListenerOwner): Promise<(socket: Socket) => void> {
  const { tls = false, ws = false } = options
  // A socket that came out of TLS cannot be reset; the one below it can.
  const below = new WeakMap<object, Socket>()
  const plain = (socket: Socket) => owner.accept(new SocketTransport(socket, kind, local, below.get(socket)))
  let upper = plain
  if (ws !== false) {
    const { createWebSocketLayer } = await import('./websocket.ts')
    upper = createWebSocketLayer(typeof ws === 'string' ? { path: ws } : ws === true ? {} : ws, kind, (socket) => below.get(socket), {
      open: (transport) => owner.accept(transport),
      failed: (reason) => owner.failed(reason, kind),
    })
  }
  if (tls === false)
    return (socket) => {
      below.set(socket, socket)
      upper(socket)
    }
  const { createSecureLayer } = await import('./secure.ts')
  return createSecureLayer(tls === true ? {} : tls, () => owner.authority(), {
    secure: (socket, raw) => {
      below.set(socket, raw)
      upper(socket)
    },
    failed: (reason) => owner.failed(reason, kind),
  })
}

/** Begins to listen. Throws MQTTEST_LISTEN, saying why, where that is not possible. */
export async function listen(options: ListenOptions, owner: ListenerOwner): Promise<Listener> {
  checkListenOptions(options)
  const { path, host = '127.0.0.1' } = options
  const local = path === undefined ? host : path
  const kind = kindOf(options)
  const take = await layersOf(options, kind, local, owner)
  const isPlain = kind === 'tcp' || kind === 'unix'
  const makeServer = () => createServer({ allowHalfOpen: true, pauseOnConnect: isPlain, noDelay: true }, take)

  let server = makeServer()
  let port = 0
  if (path !== undefined) {
    await removeStaleSocket(path)
    await listenAtPath(server, path)
  } else {
    const { from, to } = portsOf(options.port)
    for (port = from; ; port++) {
      try {
        await listenAt(server, { host, port }, `${host}:${port}`)
        break
      } catch (error) {
        if (port >= to || !isCode(error, 'EADDRINUSE'))
          throw to > from && port >= to ? new MqttestError('MQTTEST_LISTEN', `no free port from ${from} to ${to} on ${host}`, { cause: error }) : error
        server = makeServer()
      }
    }
    const address = server.address()
    if (typeof address === 'object' && address !== null) port = address.port
  }
  let open = true
  let opening: Promise<void> | undefined
  return {
    port,
    host: path === undefined ? host : '',
    kind,
    url: path === undefined ? `${schemes[kind] ?? 'mqtt'}://${host.includes(':') ? `[${host}]` : host}:${port}${pathOf(options)}` : `unix:${path}`,
    get open() {
      return open
    },
    async close() {
      await opening?.catch(() => undefined)
      if (!open) return
      open = false
      await new Promise<void>((resolve) => {
        // Waits for connections as well, which is not asked for: the place is free as soon as the handle is closed.
        server.close()
        resolve()
      })
    },
    reopen() {
      if (open) return Promise.resolve()
      if (opening !== undefined) return opening
      server = makeServer()
      opening = (path === undefined ? listenAt(server, { host, port }, `${host}:${port}`) : listenAtPath(server, path))
        .then(() => {
          open = true
        })
        .finally(() => {
          opening = undefined
        })
      return opening
    },
  }
}

/** Only who runs the server may use its socket. */
async function listenAtPath(server: NetServer, path: string): Promise<void> {
  await listenAt(server, { path }, path)
  chmodSync(path, 0o600)
}

/** The path of a WebSocket URL. */
function pathOf({ ws = false }: ListenOptions): string {
  if (typeof ws === 'string') return ws
  return typeof ws === 'object' ? (ws.path ?? '') : ''
}

/** Whether nobody listens on a port yet. Somebody may, a moment later. */
export function isFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  const probe = createServer()
  return new Promise((resolve) => {
    probe.once('error', () => resolve(false))
    probe.listen({ host, port }, () => probe.close(() => resolve(true)))
  })
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof MqttestError && typeof error.cause === 'object' && error.cause !== null && Reflect.get(error.cause, 'code') === code
}

function listenAt(server: NetServer, at: { host: string; port: number } | { path: string }, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: NodeJS.ErrnoException) => {
      const why =
        cause.code === 'EADDRINUSE'
          ? 'it is in use'
          : cause.code === 'EACCES'
            ? 'permission denied'
            : cause.code === 'EADDRNOTAVAIL'
              ? 'this machine has no such address'
              : cause.message
      reject(new MqttestError('MQTTEST_LISTEN', `cannot listen on ${name}: ${why}`, { cause }))
    }
    server.once('error', failed)
    server.listen({ ...at, backlog: 1024 }, () => {
      server.off('error', failed)
      server.on('error', () => undefined)
      resolve()
    })
  })
}

/** A socket file that outlived its server would make the address look taken; one that answers is left alone. */
async function removeStaleSocket(path: string): Promise<void> {
  if (statSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return
  const answered = await new Promise<boolean>((resolve) => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', () => resolve(false))
  })
  if (!answered) rmSync(path, { force: true })
}
