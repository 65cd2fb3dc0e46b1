/**
 * The options of the Rust tool mqttest that are not options of ours under the same name: `-` is none, and a list gives each
 * connection its own, in turn. Each stands for a plugin in the words of --use.
 */
import { readDuration } from '../duration.ts'
import { MqttestError } from '../errors.ts'

/** The options as commander reads them. */
export interface RustFlags {
  readonly ackTimeouts?: string
  readonly maxPkt?: string
  readonly maxPktDelay?: string
  readonly maxTime?: string
  readonly sessionExpire?: string
  readonly strict?: boolean
  readonly idprefix?: string
  readonly userpass?: string
}

/** The names of the options, and what they mean. */
export const rustFlags = [
  ['--ack-timeouts <v3[,v5]>', 'send messages again that are not acknowledged for so long, on MQTT 3 and on MQTT 5 connections'],
  ['--max-pkt <numbers>', 'close the connection after so many packets of the client, for each connection in turn'],
  ['--max-pkt-delay <duration>', 'how long that close waits'],
  ['--max-time <durations>', 'close the connection after so long, for each connection in turn'],
  ['--session-expire <durations>', 'keep sessions so long after their connection, for each connection in turn'],
  ['--strict', 'refuse client ids over 23 bytes, outside of 0-9a-zA-Z, or empty'],
  ['--idprefix <text>', 'refuse client ids that do not begin so'],
  ['--userpass <user:password>', 'refuse everybody else'],
] as const

/** The words for --use that the options stand for. Throws MQTTEST_OPTION for what cannot be read. */
export function rustUses({ ackTimeouts, maxPkt, maxPktDelay, maxTime, sessionExpire, strict, idprefix, userpass }: RustFlags): string[] {
  const uses: string[] = []
  if (ackTimeouts !== undefined) {
    const [v3 = '-', v5 = '-'] = durations('--ack-timeouts', ackTimeouts)
    if (v3 !== '-') uses.push(`resend:after=${v3},times=1000000,@protocolVersion=[3,4]`)
    if (v5 !== '-') uses.push(`resend:after=${v5},times=1000000,@protocolVersion=5`)
  }
  const grace = maxPktDelay === undefined || isNone(maxPktDelay) ? '' : `,grace=${durations('--max-pkt-delay', maxPktDelay)[0]}`
  if (maxPkt !== undefined) uses.push(...inTurn(numbers('--max-pkt', maxPkt), (count) => `close-after:packets=${count}${grace}`))
  if (maxTime !== undefined) uses.push(...inTurn(durations('--max-time', maxTime), (time) => `close-after:time=${time}`))
  if (sessionExpire !== undefined)
    uses.push(...inTurn(durations('--session-expire', sessionExpire), (expiry) => `session-override:mode=expire,expiry=${expiry}`))
  if (strict === true) uses.push('extended-ids:empty=reject')
  if (idprefix !== undefined && !isNone(idprefix) && idprefix !== '') uses.push(`client-id:prefix=${JSON.stringify(idprefix)}`)
  if (userpass !== undefined && !isNone(userpass)) {
    const [, user = '', password = ''] = /^([^:]*):(.*)$/s.exec(userpass) ?? []
    if (!userpass.includes(':')) throw new MqttestError('MQTTEST_OPTION', `--userpass: expected 'user:password', got '${userpass}'`)
    uses.push(`credentials:users=${JSON.stringify({ [user]: password })}`)
  }
  return uses
}

/** Every value that begins with a dash is none. */
function isNone(text: string): boolean {
  return text.startsWith('-')
}

function listed(flag: string, text: string, isRight: (part: string) => boolean, expected: string): string[] {
  return text.split(',').map((part) => {
    if (isNone(part)) return '-'
    if (!isRight(part)) throw new MqttestError('MQTTEST_OPTION', `${flag}: expected ${expected}, or - for none, got '${part}'`)
    return part
  })
}

const durations = (flag: string, text: string) =>
  listed(flag, text, (part) => part !== '' && readDuration(/^\d+$/.test(part) ? Number(part) : part) !== undefined, "milliseconds or text such as '200ms'")

const numbers = (flag: string, text: string) => listed(flag, text, (part) => /^[1-9]\d*$/.test(part), 'a whole number above 0')

function inTurn(values: readonly string[], use: (value: string) => string): string[] {
  return values.flatMap((value, index) => (value === '-' ? [] : [values.length === 1 ? use(value) : `${use(value)},@every=${values.length},@from=${index}`]))
}
