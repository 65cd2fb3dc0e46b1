/** How a listener speaks WebSocket: options and their check, apart from what loads ws and node:http. */
import { checkChoice, checkKeys, isKeyed, mistake, shown } from './mistake.ts'

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
  /** Close code of the server's close frame; by default 1000, or 1002 and 1003 where the client broke a rule of section 6. */
  readonly closeCode?: number
}

const keys = ['path', 'subprotocols', 'subprotocol', 'answer', 'stall', 'frames', 'closeCode'] as const
const answerKeys = ['status', 'headers', 'body'] as const

/** What may stand in a header: nothing that ends its line. */
const headerText = /^[\t\x20-\x7e\x80-\xff]*$/
/** A name as HTTP has them. */
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** Checks WebSocket options. Throws MQTTEST_OPTION. */
export function checkWebSocketOptions(options: WebSocketOptions): void {
  checkKeys('listen.ws', options, keys)
  const { path, subprotocols, subprotocol, answer, stall, frames, closeCode } = options
  if (path !== undefined && (typeof path !== 'string' || !/^\/[^\s?#]*$/.test(path)))
    throw mistake('listen.ws.path', `expected the path of a URL, such as '/mqtt', got ${shown(path)}`)
  if (subprotocols !== undefined && !(Array.isArray(subprotocols) && subprotocols.every((name) => typeof name === 'string' && token.test(name))))
    throw mistake('listen.ws.subprotocols', `expected a list of names, got ${shown(subprotocols)}`)
  if (subprotocol !== undefined && subprotocol !== 'chosen' && subprotocol !== 'none') {
    if (
      typeof subprotocol !== 'object' ||
      subprotocol === null ||
      typeof subprotocol.name !== 'string' ||
      subprotocol.name === '' ||
      !headerText.test(subprotocol.name)
    )
      throw mistake('listen.ws.subprotocol', `expected 'chosen', 'none' or { name: 'other' }, got ${shown(subprotocol)}`)
    checkKeys('listen.ws.subprotocol', subprotocol, ['name'])
  }
  if (answer !== undefined) checkAnswer(answer)
  if (stall !== undefined && typeof stall !== 'boolean') throw mistake('listen.ws.stall', `expected true or false, got ${shown(stall)}`)
  checkChoice('listen.ws.frames', frames, ['binary', 'text'])
  if (closeCode !== undefined && !isCloseCode(closeCode))
    throw mistake('listen.ws.closeCode', `expected a code that may be sent: 1000 to 1003, 1007 to 1014, 3000 to 4999; got ${shown(closeCode)}`)
}

function checkAnswer(answer: NonNullable<WebSocketOptions['answer']>): void {
  if (!isKeyed(answer)) throw mistake('listen.ws.answer', `expected an object such as { status: 503 }, got ${shown(answer)}`)
  checkKeys('listen.ws.answer', answer, answerKeys)
  const { status, headers = {}, body = '' } = answer
  if (!(Number.isInteger(status) && status >= 200 && status <= 599)) throw mistake('listen.ws.answer.status', `expected 200 to 599, got ${shown(status)}`)
  if (typeof body !== 'string') throw mistake('listen.ws.answer.body', `expected a text, got ${shown(body)}`)
  for (const [name, value] of Object.entries(headers))
    if (!token.test(name) || typeof value !== 'string' || !headerText.test(value))
      throw mistake('listen.ws.answer.headers', `expected names with texts of one line, got ${shown({ [name]: value })}`)
}

/** The codes that may stand in a close frame (RFC 6455, section 7.4). */
function isCloseCode(code: number): boolean {
  return Number.isInteger(code) && ((code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999))
}
