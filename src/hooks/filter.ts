/** Faults are selected by event: which packet, which topic, which occurrence. Used by `on` and by every wait. */
import type { AuthorizeRequest } from '../broker/authorize.ts'
import type { Message } from '../broker/message.ts'
import { topicMatches } from '../broker/topics.ts'
import type { Connection } from '../connection/connection.ts'
import { MqttestError, nameHint } from '../errors.ts'
import { differences } from '../record/pattern.ts'
import { type Command, isCommand, type Packet, packetTypes, type QoS } from '../wire/packet.ts'
import type { HookName } from './hooks.ts'

/** One value, or several of which any may match. */
export type OneOrMore<T> = T | readonly T[]

/** Selects events. Every key that is given must match; a list matches when one of its values does. */
export interface Filter {
  /** Packet type: 'puback', ['puback', 'suback']. */
  readonly cmd?: OneOrMore<Command>
  /**
   * Topic filter that the packet's topic (or, in SUBSCRIBE and UNSUBSCRIBE, one of its filters) matches: 'a/#'. Acknowledgements
   * have the topic, the QoS and the flags of the packet that they answer.
   */
  readonly topic?: OneOrMore<string>
  readonly qos?: OneOrMore<QoS>
  readonly retain?: boolean
  readonly dup?: boolean
  /** Packet identifier. */
  readonly messageId?: OneOrMore<number>
  /** Reason code, or return code of MQTT 3. */
  readonly reasonCode?: OneOrMore<number>
  /** What else must stand in the packet: some of its fields, compared as a test's `expect` compares them. */
  readonly where?: object
  /** Kind of a timer, of an authorize request, of a send's cause; reason of a routed message; rule of a violation. */
  readonly kind?: OneOrMore<string>
  /** Direction on the `wire` hook. */
  readonly direction?: 'in' | 'out'
  /** Which of the events that match all the rest, counted from 1 on each connection: 2, or [1, 3]. */
  readonly nth?: OneOrMore<number>
  /** Every n-th of the events that match all the rest, counted on each connection. */
  readonly every?: number
  /** The first of the events that match all the rest that counts, from 1 on each connection; `every` begins there. */
  readonly from?: number
  /** How likely an event is selected that everything else selects, 0 to 1; decided by the run's seed. */
  readonly probability?: number
}

/** What a filter looks at. */
export interface Subject {
  readonly packet?: Packet | undefined
  /** The packet as the server meant to send it. */
  readonly meant?: Packet | undefined
  /** The packet that it answers. */
  readonly answered?: Packet | undefined
  readonly topic?: string | undefined
  readonly kind?: string | undefined
  readonly direction?: 'in' | 'out' | undefined
  readonly message?: Message | undefined
}

const counting = ['nth', 'every', 'from', 'probability'] as const

const keysByHook: Partial<Record<HookName, readonly (keyof Filter)[]>> = {
  wire: ['direction', ...counting],
  packetIn: ['cmd', 'topic', 'qos', 'retain', 'dup', 'messageId', 'reasonCode', 'where', ...counting],
  send: ['cmd', 'topic', 'qos', 'retain', 'dup', 'messageId', 'reasonCode', 'where', 'kind', ...counting],
  authorize: ['cmd', 'topic', 'qos', 'retain', 'kind', ...counting],
  session: [...counting],
  retained: [...counting],
  will: ['topic', ...counting],
  route: ['topic', 'qos', 'retain', 'kind', ...counting],
  packetId: [...counting],
  timer: ['kind', ...counting],
  violation: ['kind', ...counting],
  record: ['kind'],
}

/** Checks a filter for a hook. Throws MQTTEST_OPTION for a key that the hook has nothing for, and for a bad value. */
export function checkFilter(hook: HookName, filter: Filter): void {
  const known = keysByHook[hook] ?? []
  for (const key of Object.keys(filter))
    if (!known.some((name) => name === key)) throw new MqttestError('MQTTEST_OPTION', `on(hooks.${hook}): unknown filter key '${key}'.${nameHint(key, known)}`)
  for (const cmd of [filter.cmd ?? []].flat())
    if (!isCommand(cmd))
      throw new MqttestError('MQTTEST_OPTION', `on(hooks.${hook}): cmd: '${cmd}' is no packet type.${nameHint(cmd, Object.keys(packetTypes))}`)
}

/** The packet types that a filter can match, as bits: bit n for packet type n; all of them where `cmd` is not given. */
export function typeMask(filter: Filter | undefined): number {
  if (filter?.cmd === undefined) return 0xffff
  let mask = 0
  for (const cmd of [filter.cmd].flat()) mask |= 1 << packetTypes[cmd]
  return mask
}

/** What an authorize request may be about. */
const requestKinds = ['connect', 'takeover', 'publish', 'subscribe', 'unsubscribe', 'reauth'] as const satisfies readonly AuthorizeRequest['kind'][]
const bits: Readonly<Record<AuthorizeRequest['kind'], number>> = { connect: 1, takeover: 2, publish: 4, subscribe: 8, unsubscribe: 16, reauth: 32 }

/** The bit that stands for a kind of authorize request in {@link kindMask}. */
export function requestBit(kind: AuthorizeRequest['kind']): number {
  return bits[kind]
}

/** The kinds of authorize requests that a filter can match, as bits; all of them where it names none. */
export function kindMask(filter: Filter | undefined): number {
  const wanted = filter?.kind ?? filter?.cmd
  if (wanted === undefined) return 0xffff
  // A takeover is asked about with the packet CONNECT, a re-authentication with AUTH.
  const fits = (kind: AuthorizeRequest['kind']) =>
    filter?.kind !== undefined
      ? includes<string>(filter.kind, kind)
      : includes<string>(filter?.cmd ?? [], kind === 'takeover' ? 'connect' : kind === 'reauth' ? 'auth' : kind)
  return requestKinds.reduce((mask, kind) => (fits(kind) ? mask | requestBit(kind) : mask), 0)
}

/** Whether a value is the wanted one, or one of the wanted ones. */
export function includes<T>(wanted: OneOrMore<T>, value: T): boolean {
  return Array.isArray(wanted) ? wanted.includes(value) : wanted === value
}

/** The topics that a packet names: the topic of a PUBLISH or a will, the filters of SUBSCRIBE and UNSUBSCRIBE. */
export function topicsOf(packet: Packet): readonly string[] {
  switch (packet.cmd) {
    case 'publish':
      return [packet.topic]
    case 'subscribe':
      return packet.subscriptions.map((subscription) => subscription.topic)
    case 'unsubscribe':
      return packet.unsubscriptions
    case 'connect':
      return packet.will === undefined ? [] : [packet.will.topic]
    default:
      return []
  }
}

/** Whether one of several topics, or topic filters, is one that is wanted. */
export function fitsTopics(wanted: OneOrMore<string>, topics: readonly string[]): boolean {
  return [wanted].flat().some((filter) => topics.some((topic) => topic === filter || topicMatches(filter, topic)))
}

/** A field of a packet or message; of an acknowledgement that has none, that of the packet which it answers. */
function fieldOf({ packet, message, answered }: Subject, name: string): unknown {
  const fields: object | undefined = packet ?? message
  return (fields && Reflect.get(fields, name)) ?? (answered && Reflect.get(answered, name))
}

function topicsAbout({ topic, packet, message, answered }: Subject): readonly string[] {
  if (topic !== undefined) return [topic]
  if (packet === undefined) return message === undefined ? [] : [message.topic]
  const topics = topicsOf(packet)
  return topics.length === 0 && answered !== undefined ? topicsOf(answered) : topics
}

type Condition = (subject: Subject) => boolean

/** Only what a filter names is asked, in the order in which it tells most apart. */
function conditionsOf({ direction, kind, cmd, topic, qos, retain, dup, messageId, reasonCode, where }: Filter): Condition[] {
  const all: Condition[] = []
  if (direction !== undefined) all.push((subject) => subject.direction === direction)
  if (kind !== undefined) all.push((subject) => subject.kind !== undefined && includes(kind, subject.kind))
  if (cmd !== undefined) all.push(({ packet }) => packet !== undefined && includes(cmd, packet.cmd))
  if (qos !== undefined) all.push((subject) => includes<unknown>(qos, fieldOf(subject, 'qos')))
  if (retain !== undefined) all.push((subject) => fieldOf(subject, 'retain') === retain)
  if (dup !== undefined) all.push((subject) => fieldOf(subject, 'dup') === dup)
  if (messageId !== undefined) all.push((subject) => includes<unknown>(messageId, fieldOf(subject, 'messageId')))
  if (reasonCode !== undefined)
    all.push(({ packet, message }) => {
      const fields: object | undefined = packet ?? message
      return includes<unknown>(reasonCode, fields && (Reflect.get(fields, 'reasonCode') ?? Reflect.get(fields, 'returnCode')))
    })
  if (topic !== undefined) all.push((subject) => fitsTopics(topic, topicsAbout(subject)))
  if (where !== undefined) all.push(({ packet }) => packet !== undefined && differences(where, packet).length === 0)
  return all
}

const known = new WeakMap<Filter, Condition>()

/** Whether everything but the count matches. */
function matches(filter: Filter, subject: Subject): boolean {
  let condition = known.get(filter)
  if (condition === undefined) {
    const all = conditionsOf(filter)
    condition = (one) => all.every((fits) => fits(one))
    known.set(filter, condition)
  }
  return condition(subject)
}

/** Whether a packet is what a filter selects, whichever it is: `nth`, `every`, `from` and `probability` are not asked. */
export function fitsFilter(filter: Filter, packet: Packet): boolean {
  return matches(filter, { packet })
}

/** A filter that counts: `nth`, `every` and `from` per connection (or for all, where an event has no connection). */
export function countingFilter(
  filter: Filter,
  chance: (probability: number, connection: Connection | undefined) => boolean,
): (subject: Subject, connection: Connection | undefined) => boolean {
  const { nth, every, from = 1, probability = 1 } = filter
  const isLucky = (connection: Connection | undefined) => probability >= 1 || chance(probability, connection)
  if (nth === undefined && every === undefined && from === 1) return (subject, connection) => matches(filter, subject) && isLucky(connection)
  const counts = new WeakMap<object, number>()
  const everybody = {}
  return (subject, connection) => {
    const { packet, meant } = subject
    // What another plugin has taken away counts as well: the second stays the second where the first is lost.
    const isGone = packet === undefined && meant !== undefined
    if (!matches(filter, isGone ? { ...subject, packet: meant } : subject)) return false
    const owner = connection ?? everybody
    const count = (counts.get(owner) ?? 0) + 1
    counts.set(owner, count)
    if (isGone && !matches(filter, subject)) return false
    if (count < from || (nth !== undefined && !includes(nth, count)) || (every !== undefined && (count - from + 1) % every !== 0)) return false
    return isLucky(connection)
  }
}

/** The subject of a hook's call, from its arguments. */
export function subjectOf(hook: HookName, args: readonly unknown[]): Subject {
  switch (hook) {
    case 'packetIn':
      return { packet: packetIn(args[0]) }
    case 'send':
      return {
        packet: packetOfPlan(args[0], meantBy(args[1])),
        meant: meantBy(args[1]),
        kind: textOf(args[1], 'kind'),
        answered: answeredBy(args[1]),
      }
    case 'wire':
      return { direction: args[1] === 'in' ? 'in' : 'out' }
    case 'authorize':
      return isRequest(args[1]) ? { packet: args[1].packet, topic: args[1].topic, kind: args[1].kind } : {}
    case 'route':
      return isMessage(args[1]) ? { message: args[1], kind: args[1].reason } : {}
    case 'will':
      return { topic: textOf(Reflect.get(Object(args[0]), 'will'), 'topic') }
    case 'timer':
      return { kind: textOf(args[1], 'kind') }
    case 'violation':
      return { kind: textOf(args[0], 'rule') }
    case 'record':
      return { kind: textOf(args[0], 'type') }
    default:
      return {}
  }
}

function textOf(value: unknown, key: string): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const text: unknown = Reflect.get(value, key)
  return typeof text === 'string' ? text : undefined
}

/** The packet that was to be sent, before any plugin. */
export function meantBy(cause: unknown): Packet | undefined {
  const packet: unknown = typeof cause === 'object' && cause !== null && 'meant' in cause ? cause.meant : undefined
  return isPacket(packet) ? packet : undefined
}

/** The packet that a cause answers. */
function answeredBy(cause: unknown): Packet | undefined {
  const packet: unknown = typeof cause === 'object' && cause !== null && 'packet' in cause ? cause.packet : undefined
  return isPacket(packet) ? packet : undefined
}

function packetIn(value: unknown): Packet | undefined {
  return isPacket(value) ? value : undefined
}

function isPacket(value: unknown): value is Packet {
  const cmd = textOf(value, 'cmd')
  return cmd !== undefined && isCommand(cmd)
}

function isRequest(value: unknown): value is AuthorizeRequest {
  return typeof value === 'object' && value !== null && 'kind' in value && 'packet' in value
}

function isMessage(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && 'topic' in value && 'reason' in value
}

/**
 * The packet that a plan is about: of the type that the server meant to send, whatever other plugins put in front of it, else the
 * first that there is.
 */
function packetOfPlan(plan: unknown, meant: Packet | undefined): Packet | undefined {
  let first: Packet | undefined
  for (const packet of packetsOf(plan)) {
    if (meant === undefined || packet.cmd === meant.cmd) return packet
    first ??= packet
  }
  return first
}

/** The packets that a plan sends. */
export function* packetsOf(plan: unknown): Generator<Packet> {
  if (!Array.isArray(plan)) return
  for (const step of plan) if (typeof step === 'object' && step !== null && 'packet' in step && isPacket(step.packet)) yield step.packet
}
