/** SUBSCRIBE: a code for each filter, then the retained messages (section 3.8). */
import type { Connection } from '../connection/connection.ts'
import { type Soon, soon } from '../hooks/call-hook.ts'
import type { RuleName } from '../lint/rules.ts'
import type { QoS, SubackPacket, SubscribePacket, SubscriptionRequest } from '../wire/packet.ts'
import { placeOfFilter, placeOfProperty } from '../wire/places.ts'
import { hasWildcard, sharePrefix } from '../wire/topic-syntax.ts'
import { allowed, authorize, type Decision, endAfterAnswer, endedBy } from './authorize.ts'
import type { Broker } from './broker.ts'
import { sendGranted } from './explanation.ts'
import type { Delivery, Message } from './message.ts'
import type { Session, Subscription } from './session.ts'

/** Handles a SUBSCRIBE. */
export function handleSubscribe(broker: Broker, packet: SubscribePacket, connection: Connection, raw: Buffer): Soon<void> {
  const { session } = connection
  const { settings } = broker.run
  if (session === undefined) return undefined
  const unavailable = (rule: RuleName, detail: string, offset: number | undefined) => {
    connection.violate(rule, { packet, raw, offset, detail })
    return undefined
  }
  if (packet.properties?.subscriptionIdentifier !== undefined && !settings.subscriptionIdentifiersAvailable)
    return unavailable('subscribe-identifier-unavailable', '', placeOfProperty(raw, 'subscriptionIdentifier'))
  for (const [index, { topic }] of packet.subscriptions.entries()) {
    const place = () => placeOfFilter(raw, connection.version, index)
    if (!settings.wildcardSubscriptionAvailable && hasWildcard(topic)) return unavailable('subscribe-wildcard-unavailable', topic, place())
    if (!settings.sharedSubscriptionAvailable && connection.version === 5 && topic.startsWith(sharePrefix))
      return unavailable('subscribe-shared-unavailable', topic, place())
  }
  if (!broker.run.hookSet.tapsOf(connection).wantsAuthorize('subscribe', packet)) {
    finish(
      broker,
      packet,
      connection,
      session,
      packet.subscriptions.map(() => allowed),
    )
    return undefined
  }
  return decideAll(broker, packet, connection, raw.length).then((decisions) => {
    if (!connection.closed) finish(broker, packet, connection, session, decisions)
  })
}

async function decideAll(broker: Broker, packet: SubscribePacket, connection: Connection, size: number): Promise<Decision[]> {
  const decisions: Decision[] = []
  for (const subscription of packet.subscriptions)
    decisions.push(
      await soon<Decision>((then) =>
        authorize(broker.run, { kind: 'subscribe', packet, topic: subscription.topic, subscription, size }, connection, allowed, then),
      ),
    )
  return decisions
}

function finish(broker: Broker, packet: SubscribePacket, connection: Connection, session: Session, decisions: readonly Decision[]): void {
  if (decisions.some((decision) => endedBy(connection, decision, 'SUBSCRIBE'))) return
  const granted: number[] = []
  const retained: { subscription: Subscription; isNew: boolean }[] = []
  const later: { decision: Decision; subscription: Subscription }[] = []
  for (const [index, request] of packet.subscriptions.entries()) {
    const decision = decisions[index] ?? allowed
    const qos = lowest(request.qos, decision.maximumQos ?? 2, broker.run.settings.maximumQos)
    const refused = decision.reasonCode >= 0x80
    if (refused && decision.action !== 'accept') {
      // MQTT 3.1 has no way to say no: the client is told what it asked for, and gets nothing.
      granted.push(connection.version === 5 ? decision.reasonCode : connection.version === 4 ? 0x80 : qos)
      continue
    }
    granted.push(qos)
    if (decision.action === 'accept') continue
    const subscription = subscriptionOf(session, request, qos, packet)
    if (decision.effectDelay !== undefined) {
      later.push({ decision, subscription })
      continue
    }
    const isNew = !session.subscriptions.has(request.topic)
    broker.router.add(subscription)
    retained.push({ subscription, isNew })
  }
  if (!decisions.some((decision) => decision.action === 'drop')) {
    const reply: SubackPacket = { cmd: 'suback', messageId: packet.messageId, granted }
    const properties = decisions.find((decision) => decision.properties !== undefined)?.properties
    sendGranted(reply, properties, connection, packet) // [MQTT-3.8.4-1]
  }
  for (const decision of decisions) endAfterAnswer(connection, decision, 'SUBSCRIBE')
  for (const { subscription, isNew } of retained) sendRetained(broker, connection, subscription, isNew)
  for (const { decision, subscription } of later)
    broker.carryOut(decision, () => {
      if (session.connection === undefined && broker.sessions.get(session.clientId) !== session) return
      const isNew = !session.subscriptions.has(subscription.filter)
      broker.router.add(subscription)
      if (session.connection === connection) sendRetained(broker, connection, subscription, isNew)
    })
}

function lowest(...levels: number[]): QoS {
  const low = Math.min(...levels)
  return low <= 0 ? 0 : low === 1 ? 1 : 2
}

function subscriptionOf(session: Session, request: SubscriptionRequest, qos: QoS, packet: SubscribePacket): Subscription {
  const identifier = packet.properties?.subscriptionIdentifier
  return { session, filter: request.topic, request, qos, identifier: typeof identifier === 'number' ? identifier : undefined }
}

/** Retained messages for a subscription, by its retain handling [MQTT-3.3.1-9, -10, -11]; never for a shared one. */
function sendRetained(broker: Broker, connection: Connection, subscription: Subscription, isNew: boolean): void {
  const { hooks } = broker.run
  const handling = subscription.request.rh ?? 0
  if (handling === 2 || (handling === 1 && !isNew)) return
  let messages: readonly Message[] = broker.router.isShared(subscription.filter) ? [] : broker.retained.matching(subscription.filter)
  if (hooks.retained.isUsed()) messages = hooks.retained.call(Object.freeze(messages), subscription, connection)
  for (const message of messages) {
    const delivery: Delivery = {
      session: subscription.session,
      message: { ...message, reason: 'retained' },
      qos: lowest(message.qos, subscription.qos),
      retain: true, // [MQTT-3.3.1-8]
      subscriptionIdentifiers: subscription.identifier === undefined ? [] : [subscription.identifier],
    }
    broker.deliver([delivery], delivery.message)
  }
}
