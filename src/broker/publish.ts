/** PUBLISH from a client, at each QoS (section 3.3). */
import type { Connection } from '../connection/connection.ts'
import { andThen, type Soon, soon } from '../hooks/call-hook.ts'
import type { AcknowledgementPacket, PublishPacket } from '../wire/packet.ts'
import { placeOfBadText, placeOfProperty } from '../wire/places.ts'
import { decodeUtf8 } from '../wire/strings.ts'
import { allowed, authorize, type Decision, endAfterAnswer, endedBy } from './authorize.ts'
import type { Broker } from './broker.ts'
import { explained } from './explanation.ts'
import { formsAsReceived } from './message.ts'

/** Handles a PUBLISH: checks, authorization, routing, acknowledgement. */
export function handlePublish(broker: Broker, packet: PublishPacket, connection: Connection, raw: Buffer): Soon<void> {
  const { session } = connection
  if (session === undefined || !isAllowed(broker, packet, connection, raw)) return undefined
  if (connection.version === 5 && !resolveAlias(broker, packet, connection, raw)) return undefined
  const { messageId } = packet
  if (packet.qos === 2 && messageId !== undefined) {
    if (session.received.has(messageId)) {
      // The message is there already; only its acknowledgement is repeated [MQTT-4.3.3-10].
      // That the id is in use is on record already.
      return answer(connection, packet, !packet.dup && connection.version === 5 ? 0x91 : 0)
    }
  }
  if (!broker.run.hookSet.tapsOf(connection).wantsAuthorize('publish', packet))
    return commit(broker, packet, connection, allowed, raw, isUntouched(broker, packet, connection))
  return andThen(
    soon<Decision>((then) => authorize(broker.run, { kind: 'publish', packet, topic: packet.topic, size: raw.length }, connection, allowed, then)),
    (decision) => {
      if (!connection.closed) commit(broker, packet, connection, decision, raw, decision === allowed && isUntouched(broker, packet, connection))
    },
  )
}

function isAllowed(broker: Broker, packet: PublishPacket, connection: Connection, raw: Buffer): boolean {
  const { settings } = broker.run
  if (packet.qos > settings.maximumQos) connection.violate('publish-qos-above-maximum', { packet, raw, offset: 0, detail: `QoS ${packet.qos}` })
  else if (packet.retain && !settings.retainAvailable) connection.violate('publish-retain-unavailable', { packet, raw, offset: 0 })
  else if (packet.properties?.subscriptionIdentifier === undefined) return true
  // Not passed on, so it does no harm [MQTT-3.3.4-6].
  else return connection.violate('publish-subscription-identifier', { packet, raw, offset: placeOfProperty(raw, 'subscriptionIdentifier') }) !== 'disconnect'
  return false
}

/** Puts the topic in place of its alias; aliases live as long as the connection [MQTT-3.3.2-7]. */
function resolveAlias(broker: Broker, packet: PublishPacket, connection: Connection, raw: Buffer): boolean {
  const alias = packet.properties?.topicAlias
  if (alias === undefined) return true
  const maximum = connection.topicAliasMaximum ?? broker.run.settings.topicAliasMaximum
  if (alias > maximum) {
    connection.violate('topic-alias-above-maximum', { packet, raw, offset: placeOfProperty(raw, 'topicAlias'), detail: `${alias} of ${maximum}` }) // [MQTT-3.3.2-9]
    return false
  }
  const aliases = connection.state(makeAliases)
  if (packet.topic !== '') {
    aliases.set(alias, packet.topic)
    return true
  }
  const topic = aliases.get(alias)
  if (topic === undefined) {
    connection.violate('topic-alias-unmapped', { packet, raw, offset: placeOfProperty(raw, 'topicAlias'), detail: `alias ${alias}` })
    return false
  }
  packet.topic = topic
  return true
}

const makeAliases = () => new Map<number, string>()

/** Whether no plugin had, or will have, the message or its bytes in hand: then it goes on as it came. */
function isUntouched({ run }: Broker, packet: PublishPacket, connection: Connection): boolean {
  const taps = run.hookSet.tapsOf(connection)
  return !taps.wantsWire('in') && !taps.wantsPacketIn(packet) && !run.hookSet.wantsRoute(packet, 'live')
}

function commit(broker: Broker, packet: PublishPacket, connection: Connection, decision: Decision, raw: Buffer, asReceived: boolean): void {
  const { session } = connection
  if (session === undefined) return
  const { reasonCode, action = 'answer' } = decision
  if (endedBy(connection, decision, 'PUBLISH')) return
  const refused = reasonCode >= 0x80
  if (packet.qos === 2 && packet.messageId !== undefined && action !== 'drop' && !(refused && connection.version === 5)) session.received.add(packet.messageId)
  let subscribers = 0
  if (!refused && action === 'answer') {
    if (packet.properties?.payloadFormatIndicator === true && connection.version === 5 && broker.checksPayloads && decodeUtf8(packet.payload) === undefined) {
      // Who tolerates it takes the message as it is.
      if (connection.violate('payload-format-mismatch', { packet, raw, offset: placeOfBadText(raw, packet.payload) }) === 'disconnect') {
        session.received.delete(packet.messageId ?? 0)
        return
      }
    }
    const encoded = asReceived ? formsAsReceived(packet, raw, connection.version) : undefined
    const taken = takenAs(packet, decision)
    const { clientId } = connection
    if (decision.effectDelay !== undefined) {
      const acknowledge = (sessions: number) => answer(connection, packet, sessions === 0 ? 0x10 : 0, decision)
      const isLater = decision.effectDelay > 0
      if (isLater) acknowledge(1)
      broker.carryOut(decision, () => broker.publish(taken, connection, 'live', clientId, {}, isLater ? undefined : acknowledge))
      endAfterAnswer(connection, decision, 'PUBLISH')
      return
    }
    subscribers = broker.publish(taken, connection, 'live', clientId, encoded)
  }
  if (action !== 'drop' && packet.qos > 0) answer(connection, packet, action === 'accept' ? 0 : refused ? reasonCode : subscribers === 0 ? 0x10 : 0, decision)
  endAfterAnswer(connection, decision, 'PUBLISH')
}

/** The message as the decision lets it in: at a lower QoS, or without its retain flag. */
function takenAs(packet: PublishPacket, { maximumQos = 2, retain }: Decision): PublishPacket {
  const isPlain = maximumQos >= packet.qos && (retain === undefined || !packet.retain)
  return isPlain ? packet : { ...packet, qos: maximumQos < packet.qos ? maximumQos : packet.qos, retain: packet.retain && retain !== false }
}

/** PUBACK or PUBREC. In MQTT 3 there is no way to say no, so a refused message is acknowledged like any other. */
function answer(connection: Connection, packet: PublishPacket, code: number, decision?: Decision): void {
  if (packet.messageId === undefined) return
  const reply: AcknowledgementPacket = { cmd: packet.qos === 1 ? 'puback' : 'pubrec', messageId: packet.messageId }
  if (connection.version === 5) {
    // In PUBREC the cases agree on 0x00 where nobody subscribes; PUBACK says 0x10.
    reply.reasonCode = packet.qos === 2 && code === 0x10 ? 0 : code
  }
  connection.sendPacket(explained(reply, decision?.properties, connection), { kind: 'reply', packet, reasonCode: code })
}
