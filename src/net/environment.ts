/** The environment variables that tell a program where a server is. */
import type { Listener } from './listener.ts'
import type { TransportKind } from './transport.ts'

/** Environment variables that tell a program where a server is. */
export interface ServerEnvironment {
  /** Address of the first listener, with its host and port. */
  readonly MQTT_URL: string
  readonly MQTT_HOST: string
  readonly MQTT_PORT: string
  /** MQTTS_URL, MQTT_WS_URL, MQTT_WSS_URL: addresses of the first listener of each other kind, where there is one. */
  readonly [name: string]: string
}

/** The variables for some listeners. */
export function environmentOf(listeners: readonly Listener[]): ServerEnvironment {
  const { url = '', host = '', port = 0 } = listeners[0] ?? {}
  const urlOf = (kind: TransportKind) => listeners.find((listener) => listener.kind === kind)?.url
  const [tls, ws, wss] = [urlOf('tls'), urlOf('ws'), urlOf('wss')]
  return {
    MQTT_URL: url,
    MQTT_HOST: host,
    MQTT_PORT: String(port),
    ...(tls !== undefined && { MQTTS_URL: tls }),
    ...(ws !== undefined && { MQTT_WS_URL: ws }),
    ...(wss !== undefined && { MQTT_WSS_URL: wss }),
  }
}
