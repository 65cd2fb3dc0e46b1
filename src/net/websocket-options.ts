/** How a listener speaks WebSocket: options and their check, apart from what loads ws and node:http. */
import { MqttestError, nameHint } from '../errors.ts'

/** How a listener speaks WebSocket. */
export interface WebSocketOptions {
  /** Path of the URL; every path is accepted where it is not given. */
  readonly path?: string
  /** Subprotocols that are accepted, best first; 'mqtt' and 'mqttv3.1' by default. */
  readonly subprotocols?: readonly string[]
  /** What the answer names: the subprotocol that was chosen (default), none, or any other text. */
  readonly subprotocol?: 'chosen' | 'none' | { readonly name: string }
  /** Answers the upgrade with another status: 302, 401, 503, ... */
  readonly answer?: { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
  /** Never answers the upgrade. */
  readonly stall?: boolean
  /** Sends text frames in place of binary ones, which a client must not accept [MQTT-6.0.0-1]. */
  readonly frames?: 'binary' | 'text'
  /** Close code of the server's close frame; 1000 by default. */
  readonly closeCode?: number
}

const keys = ['path', 'subprotocols', 'subprotocol', 'answer', 'stall', 'frames', 'closeCode'] as const

/** Checks WebSocket options. Throws MQTTEST_OPTION. */
export function checkWebSocketOptions(options: WebSocketOptions): void {
  for (const key of Object.keys(options))
    if (!keys.some((known) => known === key)) throw new MqttestError('MQTTEST_OPTION', `option 'listen.ws': unknown key '${key}'.${nameHint(key, keys)}`)
  const { answer, frames, closeCode } = options
  if (answer !== undefined && !(Number.isInteger(answer.status) && answer.status >= 200 && answer.status <= 599))
    throw new MqttestError('MQTTEST_OPTION', `option 'listen.ws.answer.status': expected 200 to 599, got ${JSON.stringify(answer.status)}`)
  if (frames !== undefined && frames !== 'binary' && frames !== 'text')
    throw new MqttestError('MQTTEST_OPTION', `option 'listen.ws.frames': expected 'binary' or 'text', got ${JSON.stringify(frames)}`)
  if (closeCode !== undefined && !(Number.isInteger(closeCode) && closeCode >= 1000 && closeCode <= 4999))
    throw new MqttestError('MQTTEST_OPTION', `option 'listen.ws.closeCode': expected 1000 to 4999, got ${JSON.stringify(closeCode)}`)
}
