/** Where a server listens: TCP on IPv4 and IPv6, a port of a range, unix sockets; plain, TLS, WebSocket, or both. */
import { chmodSync, rmSync, statSync } from 'node:fs'
import { connect, createServer, type Server as NetServer } from 'node:net'
import { MqttestError } from '../errors.ts'
import { kindOf, type ListenerOwner, makeLayers } from './layers.ts'
import { checkListenOptions, type ListenOptions, portsOf, webSocketOptionsOf } from './listen-options.ts'
import type { TransportKind } from './transport.ts'

/** A place that is being listened at. */
export interface Listener {
  /** 'mqtt://127.0.0.1:1883', 'mqtts://…', 'ws://…', 'wss://…', or 'unix:/path'. */
  readonly url: string
  readonly kind: TransportKind
  /** The port; 0 for a unix socket. */
  readonly port: number
  readonly host: string
  /** Stops listening. Resolves when the place is free. Connections live on; clients in a handshake are reset. */
  close(): Promise<void>
  /** Listens again at the same place. */
  reopen(): Promise<void>
  readonly open: boolean
}

/** Longest path of a unix socket in bytes, on Linux and elsewhere. Windows has pipes, with names of any length. */
const longestPath = process.platform === 'win32' ? Number.POSITIVE_INFINITY : process.platform === 'linux' ? 107 : 103

const schemes: Readonly<Partial<Record<TransportKind, string>>> = { tcp: 'mqtt', tls: 'mqtts', ws: 'ws', wss: 'wss' }

/** Begins to listen. Throws MQTTEST_LISTEN, saying why, where that is not possible. */
export async function listen(options: ListenOptions, owner: ListenerOwner): Promise<Listener> {
  checkListenOptions(options)
  const { path, host = '127.0.0.1' } = options
  const kind = kindOf(options)
  let url = ''
  const layers = await makeLayers(options, owner, () => url)
  const isPlain = kind === 'tcp' || kind === 'unix'
  const makeServer = () => createServer({ allowHalfOpen: true, pauseOnConnect: isPlain, noDelay: true }, (socket) => layers.take(socket))

  let server = makeServer()
  let port = 0
  if (path !== undefined) {
    // Node would cut it off, and listen there.
    if (Buffer.byteLength(path) > longestPath) throw new MqttestError('MQTTEST_LISTEN', `cannot listen on ${path}: the path is too long for a unix socket`)
    await removeStaleSocket(path)
    await listenAtPath(server, path)
  } else {
    const { from, to } = portsOf(options.port)
    for (port = from; ; port++) {
      try {
        await listenAt(server, { host, port }, `${host}:${port}`)
        break
      } catch (error) {
        if (port >= to || !isInUse(error))
          throw to > from && port >= to ? new MqttestError('MQTTEST_LISTEN', `no free port from ${from} to ${to} on ${host}`, { cause: error }) : error
        server = makeServer()
      }
    }
    const address = server.address()
    if (typeof address === 'object' && address !== null) port = address.port
  }
  const { path: urlPath = '' } = webSocketOptionsOf(options.ws)
  url = path === undefined ? `${schemes[kind] ?? 'mqtt'}://${host.includes(':') ? `[${host}]` : host}:${port}${urlPath}` : `unix:${path}`
  let open = true
  let opening: Promise<void> | undefined
  return {
    port,
    host: path === undefined ? host : '',
    kind,
    url,
    get open() {
      return open
    },
    async close() {
      await opening?.catch(() => undefined)
      if (!open) return
      open = false
      // Its callback would wait for connections as well: the place is free as soon as the handle is closed.
      server.close()
      layers.drop()
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

/** Whether nobody listens on a port yet. Somebody may, a moment later. */
export function isFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  const probe = createServer()
  return new Promise((resolve) => {
    probe.once('error', () => resolve(false))
    probe.listen({ host, port }, () => probe.close(() => resolve(true)))
  })
}

/** Whether listening failed because somebody else listens there. */
export function isInUse(error: unknown): boolean {
  return isCode(error, 'EADDRINUSE')
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
