/** Idioms in SUBSCRIBE and UNSUBSCRIBE, and in the retained messages between them. */
import { type SubscribePacket, topicMatches, type UnsubscribePacket } from '../../../src/index.ts'
import type { ConnectionHistory, Tell } from './history.ts'

/** Filters of a session that a new one is held against. */
const filtersCompared = 200
/** Rounds after which it is a habit. */
const roundsOfPolling = 2

/** Looks at a SUBSCRIBE. */
export function lookAtSubscribe(packet: SubscribePacket, history: ConnectionHistory, tell: Tell): void {
  const { version } = history.connection
  for (const { topic, rh = 0 } of packet.subscriptions) {
    if (version < 5 && (topic.startsWith('$share/') || topic.startsWith('$queue/')))
      tell('share-extension', `${topic} is a shared subscription for some servers; to others it is a topic like any other`)
    if (history.inherited?.has(topic) === true && rh === 0)
      tell('resubscribe-existing', `CONNACK said that the session is there, with ${topic}; the client subscribes again`)
    const poll = history.polls.get(topic) ?? { rounds: 0, answered: false }
    history.polls.set(topic, { ...poll, answered: false })
  }
  if (version === 5 && history.identifiersAvailable && packet.properties?.subscriptionIdentifier === undefined) lookForOverlap(packet, history, tell)
}

/** Looks at an UNSUBSCRIBE. */
export function lookAtUnsubscribe(packet: UnsubscribePacket, history: ConnectionHistory, tell: Tell): void {
  for (const filter of packet.unsubscriptions) {
    history.inherited?.delete(filter)
    const poll = history.polls.get(filter)
    if (poll?.answered !== true) continue
    poll.rounds++
    poll.answered = false
    if (poll.rounds >= roundsOfPolling) tell('subscribe-to-poll-retained', `the client subscribes to ${filter} for its retained messages, and leaves again`)
  }
}

/** A retained message goes to the client. */
export function lookAtRetained(topic: string, history: ConnectionHistory): void {
  for (const [filter, poll] of history.polls) if (!poll.answered && topicMatches(filter, topic)) poll.answered = true
}

function lookForOverlap(packet: SubscribePacket, history: ConnectionHistory, tell: Tell): void {
  if (history.reported.has('overlapping-filters-without-identifier')) return
  const known: string[] = []
  for (const { filter, identifier } of history.connection.session?.subscriptions.values() ?? []) {
    if (known.length >= filtersCompared) break
    if (identifier === undefined) known.push(filter)
  }
  for (const { topic } of packet.subscriptions.slice(0, filtersCompared)) {
    const other = known.find((filter) => overlap(filter, topic))
    if (other !== undefined) {
      tell('overlapping-filters-without-identifier', `a message that fits ${other} and ${topic} does not say for which of them it came`)
      return
    }
    known.push(topic)
  }
}

/** Whether there are topics that fit both filters. The same filter twice is one subscription; shared ones stand apart. */
export function overlap(one: string, other: string): boolean {
  if (one === other || one.startsWith('$share/') || other.startsWith('$share/')) return false
  const [left, right] = [one.split('/'), other.split('/')]
  const wild = (level: string | undefined) => level === '+' || level === '#'
  // A wildcard at the beginning does not stand for $ topics [MQTT-4.7.2-1].
  if (one.startsWith('$') !== other.startsWith('$') && (wild(left[0]) || wild(right[0]))) return false
  for (let at = 0; ; at++) {
    const [a, b] = [left[at], right[at]]
    if (a === '#' || b === '#') return true
    if (a === undefined || b === undefined) return a === b
    if (a !== b && a !== '+' && b !== '+') return false
  }
}
