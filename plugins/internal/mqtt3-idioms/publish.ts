/** Idioms in PUBLISH and PUBREL. */
import { type PublishPacket, type PubrelPacket, topicMatches } from '../../../src/index.ts'
import type { ConnectionHistory, Tell } from './history.ts'

/** "Soon after CONNACK", in packets of the client. */
const soon = 20
/** Filters that a topic is held against. */
const filtersCompared = 200
/** A topic from this length on, sent so often in full, is worth an alias. */
const longTopic = 20
const manyTimes = 10
/** Payloads above are not looked into, in bytes. */
const payloadLooked = 65_536

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Looks at a PUBLISH. */
export function lookAtPublish(packet: PublishPacket, history: ConnectionHistory, tell: Tell, looksIntoPayloads: boolean): void {
  lookAtRepeat(packet, history, tell)
  lookAtStatus(packet, history, tell)
  const { topic, payload, retain, properties } = packet
  if (topic === '') return
  if (retain) {
    if (payload.length > 0) history.retained.set(topic, true)
    else if (history.retained.delete(topic) && ++history.cleanups >= 2)
      tell('retained-cleanup', `the client takes back retained messages by hand, lately on ${topic}`)
  }
  if (!history.reported.has('own-messages-echoed') && hearsItself(topic, history))
    tell('own-messages-echoed', `the client gets back what it publishes to ${topic}`)
  if (history.connection.version !== 5) return
  if (history.topicAliasMaximum > 0 && properties?.topicAlias === undefined) lookAtLongTopic(topic, history, tell)
  if (looksIntoPayloads && properties?.payloadFormatIndicator === undefined && isText(payload))
    tell('text-payload-undeclared', `the payload on ${topic} is text, and does not say so`)
}

/** Looks at a PUBREL. */
export function lookAtPubrel(packet: PubrelPacket, history: ConnectionHistory, tell: Tell): void {
  if (history.released.has(packet.messageId)) tell('resend-while-connected', `PUBREL ${packet.messageId} came a second time on the same connection`)
  history.released.add(packet.messageId)
}

function lookAtRepeat({ messageId, dup }: PublishPacket, history: ConnectionHistory, tell: Tell): void {
  if (messageId === undefined) return
  if (dup && history.published.has(messageId)) tell('resend-while-connected', `PUBLISH ${messageId} came a second time on the same connection`)
  else history.released.delete(messageId)
  history.published.add(messageId)
}

function lookAtStatus({ topic, payload, retain }: PublishPacket, history: ConnectionHistory, tell: Tell): void {
  const will = history.connect?.will
  history.saysGoodbye = false
  if (will === undefined || topic !== will.topic) return
  const delayed = (will.properties?.willDelayInterval ?? 0) > 0
  if (will.retain && retain && payload.length > 0 && history.received <= soon && !delayed)
    tell('status-topic-with-will', `the retained message on ${topic} and the will say whether the client is there, so each short interruption is announced`)
  // Another word than the first on that topic, or the very words of the will: the client says that it goes.
  history.saysGoodbye = payload.equals(will.payload) || (history.firstStatus !== undefined && !payload.equals(history.firstStatus))
  if (payload.length <= 1024) history.firstStatus ??= payload
}

function hearsItself(topic: string, { connection }: ConnectionHistory): boolean {
  let compared = 0
  for (const { filter, request } of connection.session?.subscriptions.values() ?? []) {
    if (++compared > filtersCompared) return false
    if (request.nl !== true && !filter.startsWith('$share/') && topicMatches(filter, topic)) return true
  }
  return false
}

function lookAtLongTopic(topic: string, history: ConnectionHistory, tell: Tell): void {
  const bytes = Buffer.byteLength(topic)
  if (bytes < longTopic) return
  const times = (history.topics.get(topic) ?? 0) + 1
  history.topics.set(topic, times)
  // The first has to be in full; an alias takes three bytes in each of the others.
  if (times === manyTimes) tell('topic-alias-unused', `${topic} was sent in full ${times} times: ${(times - 1) * (bytes - 3)} bytes too many so far`)
}

function isText(payload: Buffer): boolean {
  if (payload.length === 0 || payload.length > payloadLooked) return false
  try {
    return !/[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(utf8.decode(payload))
  } catch {
    return false
  }
}
