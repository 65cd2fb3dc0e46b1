/**
 * Who may have an opinion, found out before anybody is asked: what a hook costs is paid only for the events, and on the connections,
 * that some tap may act on. A plugin that is on and has nothing to do should cost next to nothing.
 *
 * Only what stands fast is looked at: the fixed part of a scope, and of a filter what is in the packet. Whether a tap really acts
 * is up to the guard.
 */
import type { AuthorizeRequest } from '../broker/authorize.ts'
import type { Message } from '../broker/message.ts'
import type { Cause } from '../connection/cause.ts'
import type { Connection } from '../connection/connection.ts'
import { type Packet, type PublishPacket, packetTypes } from '../wire/packet.ts'
import { type Filter, fitsTopics, includes, kindMask, requestBit, topicsOf, typeMask } from './filter.ts'
import type { HookName } from './hooks.ts'

/** One tap, as far as it is known without calling it. */
export interface TapInterest {
  readonly hook: HookName
  readonly filter: Filter | undefined
  /** Whether its plugin is switched on. */
  isEnabled(): boolean
  /** The part of its plugin's scope that does not change on a connection once CONNECT was read; undefined where it has none. */
  readonly mayFit: ((connection: Connection) => boolean) | undefined
}

/** How many topics are remembered; a client that invents them may not fill the memory. */
const topicsKept = 1000

const nobody: readonly TapInterest[] = Object.freeze([])

/** The taps that are interested in a topic; one after the other, messages mostly have the same. */
class TopicInterest {
  readonly all: readonly TapInterest[]
  readonly #known = new Map<string, readonly TapInterest[]>()
  #lastTopic: string | undefined
  #last: readonly TapInterest[] = nobody

  constructor(taps: readonly TapInterest[]) {
    this.all = taps
  }

  about(topic: string): readonly TapInterest[] {
    if (topic === this.#lastTopic) return this.#last
    let found = this.#known.get(topic)
    if (found === undefined) {
      found = this.all.filter(({ filter }) => filter?.topic === undefined || fitsTopics(filter.topic, [topic]))
      if (this.#known.size >= topicsKept) this.#known.clear()
      this.#known.set(topic, found)
    }
    this.#lastTopic = topic
    this.#last = found
    return found
  }
}

/** The taps of one hook that is called about packets, by packet type and topic. */
class PacketInterest {
  readonly #byType: (TopicInterest | undefined)[] = []

  constructor(taps: readonly TapInterest[]) {
    for (let type = 0; type < 16; type++) {
      const interested = taps.filter(({ filter }) => (typeMask(filter) & (1 << type)) !== 0)
      this.#byType[type] = interested.length > 0 ? new TopicInterest(interested) : undefined
    }
  }

  wants(packet: Packet, kind?: string, answered?: Packet): boolean {
    const taps = this.#byType[packetTypes[packet.cmd]]
    if (taps === undefined) return false
    const message = packet.cmd === 'publish' ? packet : answered?.cmd === 'publish' ? answered : undefined
    const interested = message === undefined ? taps.all : taps.about(message.topic)
    if (interested.length === 0) return false
    for (const { filter } of interested) if (mayMatch(filter, packet, message, kind, answered)) return true
    return false
  }
}

/**
 * Whether what stands in a packet, or in the one that it answers, is what a filter asks for; `message` is the PUBLISH among them,
 * whose topic was looked at already.
 */
function mayMatch(
  filter: Filter | undefined,
  packet: Packet,
  message: PublishPacket | undefined,
  kind: string | undefined,
  answered: Packet | undefined,
): boolean {
  if (filter === undefined) return true
  const { topic, qos, retain, dup, messageId } = filter
  if (kind !== undefined && filter.kind !== undefined && !includes(filter.kind, kind)) return false
  if (messageId !== undefined && 'messageId' in packet && packet.messageId !== undefined && !includes(messageId, packet.messageId)) return false
  if (message === undefined)
    return topic === undefined || fitsTopics(topic, topicsOf(packet)) || (answered !== undefined && fitsTopics(topic, topicsOf(answered)))
  if (qos !== undefined && !includes(qos, message.qos)) return false
  if (retain !== undefined && retain !== message.retain) return false
  return dup === undefined || dup === message.dup
}

/** Those of all taps that may act on a connection. */
export function tapsFor(all: readonly TapInterest[], connection: Connection): TapInterest[] {
  return all.filter((tap) => tap.isEnabled() && (tap.mayFit === undefined || tap.mayFit(connection)))
}

/** What the taps that may act on a connection are interested in. Connections with the same taps share it. */
export class ConnectionTaps {
  /** The state of the hooks that it was made from. */
  readonly version: number
  readonly taps: readonly TapInterest[]
  readonly #send: PacketInterest
  readonly #packetIn: PacketInterest
  /** By the bit of the kind of request. */
  readonly #authorize = new Map<number, PacketInterest>()
  readonly #hooks: ReadonlySet<HookName>
  readonly #wire: { readonly in: boolean; readonly out: boolean }

  constructor(taps: readonly TapInterest[], version: number) {
    this.version = version
    this.taps = taps
    const of = (hook: HookName) => taps.filter((tap) => tap.hook === hook)
    this.#hooks = new Set(taps.map(({ hook }) => hook))
    this.#send = new PacketInterest(of('send'))
    this.#packetIn = new PacketInterest(of('packetIn'))
    const requests = of('authorize').map((tap) => ({ tap, bits: kindMask(tap.filter) }))
    for (let bit = 1; bit <= 0xffff; bit <<= 1) {
      const interested = requests.filter(({ bits }) => (bits & bit) !== 0)
      if (interested.length > 0) this.#authorize.set(bit, new PacketInterest(interested.map(({ tap }) => tap)))
    }
    const towards = (direction: 'in' | 'out') => of('wire').some(({ filter }) => filter?.direction === undefined || filter.direction === direction)
    this.#wire = { in: towards('in'), out: towards('out') }
  }

  /** Whether anybody may have an opinion on a packet before it is sent. */
  wantsSend(packet: Packet, { kind, packet: answered }: Cause): boolean {
    return this.#send.wants(packet, kind, answered)
  }

  /** Whether anybody may have an opinion on a packet after it was read. */
  wantsPacketIn(packet: Packet): boolean {
    return this.#packetIn.wants(packet)
  }

  /** Whether anybody may have an opinion on a request that a packet makes. */
  wantsAuthorize(kind: AuthorizeRequest['kind'], packet: Packet): boolean {
    return this.#authorize.get(requestBit(kind))?.wants(packet) === true
  }

  /** Whether anybody may have an opinion on the bytes of a direction. */
  wantsWire(direction: 'in' | 'out'): boolean {
    return this.#wire[direction]
  }

  /** Whether any tap of a hook may act on the connection. */
  wants(hook: HookName): boolean {
    return this.#hooks.has(hook)
  }
}

/** The taps of `route`, which is called about a message, whoever it is for. */
export class RouteTaps {
  readonly #topics: TopicInterest | undefined

  constructor(all: readonly TapInterest[]) {
    const taps = all.filter((tap) => tap.hook === 'route' && tap.isEnabled())
    this.#topics = taps.length > 0 ? new TopicInterest(taps) : undefined
  }

  /** Whether anybody may have an opinion on who gets a message. */
  wants({ topic, qos, retain }: Pick<Message, 'topic' | 'qos' | 'retain'>, reason: Message['reason']): boolean {
    if (this.#topics === undefined) return false
    for (const { filter } of this.#topics.about(topic)) {
      if (filter === undefined) return true
      if (
        (filter.qos === undefined || includes(filter.qos, qos)) &&
        (filter.retain === undefined || filter.retain === retain) &&
        (filter.kind === undefined || includes<string>(filter.kind, reason))
      )
        return true
    }
    return false
  }
}
