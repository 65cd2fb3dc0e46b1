/** Where and how to listen: an entry of the option `listen`, and its check, apart from what opens sockets. */
import { checkKeys, isKeyed, mistake, shown } from './mistake.ts'
import { checkTlsOptions, type TlsOptions } from './secure-options.ts'
import { checkWebSocketOptions, type WebSocketOptions } from './websocket-options.ts'

/** Where to listen. */
export interface ListenOptions {
  /** Port; 0 lets the system choose a free one; '1883-2000' takes the first free one of a range. */
  readonly port?: number | `${number}` | `${number}-${number}`
  /** Address or host name; '127.0.0.1' by default. '::1' for IPv6 loopback, '::' or '0.0.0.0' for every address. */
  readonly host?: string
  /** Path of a unix socket, in place of port and host. It carries plain MQTT. */
  readonly path?: string
  /** Speaks TLS, with a certificate of the server's own throw-away authority (`server.ca`), or as the options say. */
  readonly tls?: boolean | TlsOptions
  /** Speaks WebSocket, on every path, or as the options say; a text is the path. */
  readonly ws?: boolean | string | WebSocketOptions
}

const keys = ['port', 'host', 'path', 'tls', 'ws'] as const

/** Checks the shape of an entry of `listen`. Throws MQTTEST_OPTION. */
export function checkListenOptions(options: ListenOptions): void {
  if (!isKeyed(options)) throw mistake('listen', `expected an object such as { port: 1883 }, got ${shown(options)}`)
  checkKeys('listen', options, keys)
  const { port, host, path, tls = false, ws = false } = options
  portsOf(port)
  if (host !== undefined && (typeof host !== 'string' || host === '')) throw mistake('host', `expected an address or a host name, got ${shown(host)}`)
  if (path !== undefined && (typeof path !== 'string' || path === '')) throw mistake('listen.path', `expected the path of a unix socket, got ${shown(path)}`)
  if (typeof tls !== 'boolean' && !isKeyed(tls)) throw mistake('listen.tls', `expected true, false or an object, got ${shown(tls)}`)
  if (typeof ws !== 'boolean' && typeof ws !== 'string' && !isKeyed(ws))
    throw mistake('listen.ws', `expected true, false, a path such as '/mqtt' or an object, got ${shown(ws)}`)
  if (typeof tls === 'object') checkTlsOptions(tls)
  checkWebSocketOptions(webSocketOptionsOf(ws))
  if (path === undefined) return
  if (ws !== false) throw mistake('listen', "'path' is a unix socket, which carries plain MQTT; the path of a WebSocket URL is written { ws: '/mqtt' }")
  if (tls !== false) throw mistake('listen', "'path' is a unix socket, which carries plain MQTT: 'tls' needs a port")
  if (port !== undefined || host !== undefined)
    throw mistake('listen', `a unix socket has no ${port === undefined ? 'host' : 'port'}: 'path' stands in place of 'port' and 'host'`)
}

/** Where a server listens: the option `listen`, or one TCP port made of `port` and `host`. */
export function placesOf({
  listen,
  port,
  host,
}: Pick<ListenOptions, 'port' | 'host'> & { readonly listen?: ListenOptions | readonly ListenOptions[] | false }): readonly ListenOptions[] {
  if (listen === false) return []
  if (listen !== undefined) return [listen].flat()
  return [{ ...(port !== undefined && { port }), ...(host !== undefined && { host }) }]
}

/** The WebSocket options that the option `ws` stands for. */
export function webSocketOptionsOf(ws: ListenOptions['ws']): WebSocketOptions {
  if (typeof ws === 'string') return { path: ws }
  return typeof ws === 'object' ? ws : {}
}

/** The ports that an option stands for, in the order in which they are tried. */
export function portsOf(port: ListenOptions['port'] = 0): { from: number; to: number } {
  const match = /^(\d+)(?:-(\d+))?$/.exec(String(port))
  const from = Number(match?.[1])
  const to = Number(match?.[2] ?? match?.[1])
  if (match === null || from > 65_535 || to > 65_535 || to < from)
    throw mistake('port', `expected 0 to 65535 or a range such as '1883-2000', got ${shown(port)}`)
  return { from, to }
}
