/** What a rule of `fault` waits for: its options, and which events they mean. */
import {
  type Command,
  type Connection,
  checkFields,
  commands,
  type Filter,
  fitsPattern,
  MqttestError,
  type Option,
  type OptionInput,
  type OptionOutput,
  option,
  selected,
  selection,
} from '../../../src/index.ts'
import { checked } from './steps.ts'

const pattern = checked<object>(
  'what else stands in the packet, as in expect of a test',
  'an object of fields of a packet',
  {},
  { type: 'object' },
  (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new MqttestError('MQTTEST_STEP', 'expected an object.')
    checkFields('where', value, commands)
    return value
  },
)

const numbers = option.list(option.count('a connection', 0), 'which connections', [])

const fields = {
  cmd: option.optional(option.list(option.choice('a packet type', commands, 'publish'), 'packets of these types', [])),
  direction: option.optional(option.choice('in is what the client sends, out what the server is about to send', ['in', 'out'], 'in')),
  ...selection,
  reasonCode: option.optional(option.list(option.reasonCode('a reason code', 0), 'only packets with this reason code, or return code of MQTT 3', [])),
  where: option.optional(pattern),
  connection: option.optional(
    option.either(
      option.flag('true is every connection', true),
      numbers,
      'only on connections with these numbers; alone, the moment when it is accepted',
      true,
    ),
  ),
  clientId: option.optional(option.list(option.text('a pattern', '*'), 'only for client ids such as these; * stands for any text', [])),
  time: option.optional(option.duration('so long after the connection was accepted, or after the rule was armed', '1s')),
  disconnect: option.optional(option.flag('true is the moment when a connection is gone', true)),
} as const

/** What a rule waits for. */
export type Matcher = OptionOutput<typeof fields>

const table = option.object('what it waits for', fields, {})

/** The option `on`: a packet type, or what it waits for. */
export const matcherOption: Option<OptionInput<typeof fields> | Command, Matcher> = {
  ...table,
  form: `a packet type or ${table.form}`,
  schema: { anyOf: [{ enum: commands }, table.schema] },
  read: (value) => table.read(asFields(value)),
  hint: (value) => table.hint?.(asFields(value)) ?? '',
}

function asFields(value: unknown): unknown {
  return typeof value === 'string' ? { cmd: value } : value
}

/** The kind of events that a rule is about. */
export type EventKind = 'in' | 'out' | 'connection' | 'time' | 'disconnect'

const ways: { readonly [C in Command]: 'in' | 'out' | undefined } = {
  connect: 'in',
  subscribe: 'in',
  unsubscribe: 'in',
  pingreq: 'in',
  connack: 'out',
  suback: 'out',
  unsuback: 'out',
  pingresp: 'out',
  puback: 'out',
  pubrec: 'out',
  pubrel: 'in',
  pubcomp: 'out',
  publish: undefined,
  disconnect: undefined,
  auth: undefined,
}
const oneWay: readonly Command[] = ['connect', 'subscribe', 'unsubscribe', 'pingreq', 'connack', 'suback', 'unsuback', 'pingresp']

/** The events that a matcher is about, or what is wrong with it. */
export function eventOf(on: Matcher): { readonly kind: EventKind } | { readonly problem: string } {
  const { cmd, direction, connection, clientId: _clientId, time, disconnect, ...rest } = on
  const asked = Object.keys(filterOf(on))
  const events: readonly EventKind[] = [...(time !== undefined ? (['time'] as const) : []), ...(disconnect === true ? (['disconnect'] as const) : [])]
  const isPacket = cmd !== undefined || direction !== undefined || asked.some((key) => key !== 'probability') || rest.nth !== undefined
  if (events.length > 1) return { problem: "'time' and 'disconnect' are two events: make two rules" }
  const [event] = events
  if (event !== undefined) {
    const stranger = [cmd && 'cmd', direction && 'direction', ...asked].find((key) => key !== undefined && !countingKeys.includes(key))
    return stranger === undefined ? { kind: event } : { problem: `'${stranger}' is about packets, '${event}' is not` }
  }
  const onlyCounts = cmd === undefined && direction === undefined && asked.every((key) => countingKeys.includes(key))
  if (connection !== undefined && onlyCounts) return { kind: 'connection' }
  if (!isPacket) return { problem: "say what it waits for: a packet by 'cmd', or 'connection', 'time' or 'disconnect'" }
  if (cmd === undefined) return direction === undefined ? { problem: "say 'cmd', or whose packets: 'direction' in (the client) or out" } : { kind: direction }
  for (const one of cmd)
    if (direction !== undefined && oneWay.includes(one) && ways[one] !== direction)
      return { problem: `only a ${direction === 'in' ? 'server' : 'client'} sends ${one}: take direction ${ways[one]}` }
  if (direction !== undefined) return { kind: direction }
  const meant = new Set(cmd.map((one) => ways[one]))
  const [way] = meant
  if (meant.size === 1 && way !== undefined) return { kind: way }
  const open = cmd.find((one) => ways[one] === undefined)
  return {
    problem:
      open === undefined
        ? `${cmd.join(' and ')} go different ways: make two rules, or say 'direction'`
        : `${open} goes both ways: say direction 'in' (the client sends it) or 'out' (the server does)`,
  }
}

const countingKeys: readonly string[] = ['nth', 'from', 'every', 'probability']

/** All that is asked of a packet, and of its number among those that fit. */
export function filterOf({ cmd, reasonCode, where, ...rest }: Matcher): Filter {
  const { direction: _direction, connection: _connection, clientId: _clientId, time: _time, disconnect: _disconnect, ...which } = rest
  return selected(which, { ...(cmd !== undefined && { cmd }), ...(reasonCode !== undefined && { reasonCode }), ...(where !== undefined && { where }) })
}

/** Whether a rule is about a connection. */
export function isAbout({ connection: wanted, clientId }: Matcher, connection: Connection): boolean {
  if (Array.isArray(wanted) && !wanted.includes(connection.number)) return false
  if (wanted === false) return false
  return clientId === undefined || clientId.some((one) => connection.clientId !== undefined && fitsPattern(one, connection.clientId))
}
