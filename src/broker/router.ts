/** From a message to the sessions that get a copy. */
import type { Run } from '../run/run.ts'
import type { QoS } from '../wire/packet.ts'
import { hasWildcard, sharedParts } from '../wire/topic-syntax.ts'
import type { Delivery, Message } from './message.ts'
import type { Session, Subscription } from './session.ts'
import { TopicTree } from './topic-tree.ts'

/** The subscribers of one filter: alone, or in groups of which each message goes to one member. */
interface Subscribers {
  readonly own: Map<Session, Subscription>
  shared: Map<string, ShareGroup> | undefined
}

interface ShareGroup {
  readonly members: Map<Session, Subscription>
  /** Goes through the members as they are: one who comes is last, one who goes is skipped. */
  round: Iterator<Subscription>
}

function lower(published: QoS, granted: QoS): QoS {
  return published < granted ? published : granted
}

const noIdentifiers: readonly number[] = Object.freeze([])

/** Every subscription of every session. */
export class Router {
  readonly #run: Run
  /** Filters without wildcards, by topic: found in one look. */
  readonly #exact = new Map<string, Subscribers>()
  readonly #wildcards = new TopicTree<Subscribers>()
  /** Counts messages; see {@link Router.#hasRepeats}. */
  #routed = 0

  constructor(run: Run) {
    this.#run = run
  }

  /** Whether a filter makes a shared subscription. Where the server has none, MQTT 3 clients may have such a filter, which is like others. */
  isShared(filter: string): boolean {
    return this.#split(filter).share !== undefined
  }

  /** Takes $share/{name}/ off a filter. */
  #split(filter: string): { share: string | undefined; topicFilter: string } {
    const parts = this.#run.settings.sharedSubscriptionAvailable ? sharedParts(filter) : undefined
    return parts ?? { share: undefined, topicFilter: filter }
  }

  /** Adds a subscription, or replaces the one with the same filter [MQTT-3.8.4-3]. */
  add(subscription: Subscription): void {
    const { session, filter } = subscription
    session.subscriptions.set(filter, subscription)
    const { share, topicFilter } = this.#split(filter)
    const wild = hasWildcard(topicFilter)
    let subscribers = wild ? this.#wildcards.get(topicFilter) : this.#exact.get(topicFilter)
    if (subscribers === undefined) {
      subscribers = { own: new Map(), shared: undefined }
      if (wild) this.#wildcards.set(topicFilter, subscribers)
      else this.#exact.set(topicFilter, subscribers)
    }
    if (share === undefined) {
      subscribers.own.set(session, subscription)
      return
    }
    subscribers.shared ??= new Map()
    let group = subscribers.shared.get(share)
    if (group === undefined) {
      const members = new Map<Session, Subscription>()
      group = { members, round: members.values() }
      subscribers.shared.set(share, group)
    }
    group.members.set(session, subscription)
  }

  /** Removes a subscription; false where there was none. */
  remove(session: Session, filter: string): boolean {
    if (!session.subscriptions.delete(filter)) return false
    const { share, topicFilter } = this.#split(filter)
    const wild = hasWildcard(topicFilter)
    const subscribers = wild ? this.#wildcards.get(topicFilter) : this.#exact.get(topicFilter)
    if (subscribers === undefined) return true
    if (share === undefined) subscribers.own.delete(session)
    else {
      const group = subscribers.shared?.get(share)
      group?.members.delete(session)
      if (group?.members.size === 0) subscribers.shared?.delete(share)
    }
    if (subscribers.own.size === 0 && (subscribers.shared?.size ?? 0) === 0) {
      if (wild) this.#wildcards.delete(topicFilter)
      else this.#exact.delete(topicFilter)
    }
    return true
  }

  /** Removes every subscription of a session that ends. */
  removeAll(session: Session): void {
    for (const filter of [...session.subscriptions.keys()]) this.remove(session, filter)
  }

  /**
   * Sends a message to everybody who subscribed to its topic, and whom `accepts` takes. Returns how many sessions that were;
   * `before` hears of it before the first of them is served.
   */
  route(message: Message, accepts?: (session: Session) => boolean, before?: (sessions: number) => void): number {
    let deliveries: readonly Delivery[] = this.#deliveries(message)
    if (accepts !== undefined) deliveries = deliveries.filter(({ session }) => accepts(session))
    if (this.#run.hookSet.wantsRoute(message, message.reason)) deliveries = this.#run.hooks.route.call(Object.freeze(deliveries), message)
    // Nobody else, whatever was added.
    if (accepts !== undefined) deliveries = deliveries.filter(({ session }) => accepts(session))
    before?.(deliveries.length)
    for (const delivery of deliveries) delivery.session.deliver(delivery)
    return deliveries.length
  }

  #deliveries(message: Message): Delivery[] {
    const found: Subscription[] = []
    const collect = (subscribers: Subscribers) => this.#collect(subscribers, message, found)
    const exact = this.#exact.get(message.topic)
    if (exact !== undefined) collect(exact)
    this.#wildcards.matchTopic(message.topic, collect)
    if (found.length === 1 || this.#run.settings.overlap === 'each' || !this.#hasRepeats(found))
      return found.map((subscription) => this.#delivery(message, [subscription]))
    const bySession = new Map<Session, Subscription[]>()
    const apart: Delivery[] = []
    for (const subscription of found) {
      // A shared subscription is a delivery of its own, also beside a plain one [MQTT-4.8.2-4].
      if (this.isShared(subscription.filter)) {
        apart.push(this.#delivery(message, [subscription]))
        continue
      }
      const same = bySession.get(subscription.session)
      if (same === undefined) bySession.set(subscription.session, [subscription])
      else same.push(subscription)
    }
    return [...[...bySession.values()].map((subscriptions) => this.#delivery(message, subscriptions)), ...apart]
  }

  /** One copy for a session: the highest QoS and every identifier of the subscriptions that match [MQTT-3.3.4-2, -3]. */
  #delivery(message: Message, subscriptions: readonly Subscription[]): Delivery {
    const first = subscriptions[0]
    if (first === undefined) throw new Error('a delivery needs a subscription')
    let granted: QoS = 0
    let keepRetain = false
    let identifiers = noIdentifiers
    for (const subscription of subscriptions) {
      if (subscription.qos > granted) granted = subscription.qos
      if (subscription.request.rap === true) keepRetain = true
      if (subscription.identifier !== undefined) identifiers = [...identifiers, subscription.identifier]
    }
    return { session: first.session, message, qos: lower(message.qos, granted), retain: keepRetain && message.retain, subscriptionIdentifiers: identifiers } // [MQTT-3.3.1-12, -13]
  }

  /** Whether a session is among them twice. Each is marked with the number of the message, which is cheaper than a set. */
  #hasRepeats(found: readonly Subscription[]): boolean {
    const number = ++this.#routed
    for (const { session } of found) {
      if (session.lastRouted === number) return true
      session.lastRouted = number
    }
    return false
  }

  #collect(subscribers: Subscribers, message: Message, found: Subscription[]): void {
    for (const subscription of subscribers.own.values()) {
      if (subscription.request.nl === true && subscription.session.clientId === message.clientId) continue // [MQTT-3.8.3-3]
      found.push(subscription)
    }
    if (subscribers.shared !== undefined)
      for (const group of subscribers.shared.values()) {
        const chosen = choose(group)
        if (chosen !== undefined) found.push(chosen)
      }
  }
}

/** The members of a group take turns; those who are away only get what nobody else can take. */
function choose(group: ShareGroup): Subscription | undefined {
  let away: Subscription | undefined
  for (let left = group.members.size; left > 0; left--) {
    const member = nextMember(group)
    if (member === undefined || member.session.connection !== undefined) return member
    away ??= member
  }
  // All were asked, so it is the turn of the first of them again: it has it, and the next one is next.
  return away === undefined ? undefined : nextMember(group)
}

function nextMember(group: ShareGroup): Subscription | undefined {
  let step = group.round.next()
  if (step.done === true) {
    group.round = group.members.values()
    step = group.round.next()
  }
  return step.done === true ? undefined : step.value
}
