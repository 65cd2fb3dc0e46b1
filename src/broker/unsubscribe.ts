/** UNSUBSCRIBE (section 3.10). */
import type { Connection } from '../connection/connection.ts'
import { type Soon, soon } from '../hooks/call-hook.ts'
import type { UnsubackPacket, UnsubscribePacket } from '../wire/packet.ts'
import { allowed, authorize, type Decision, endAfterAnswer, endedBy } from './authorize.ts'
import type { Broker } from './broker.ts'
import { sendGranted } from './explanation.ts'

/** Handles an UNSUBSCRIBE: 0x00 where a subscription was removed, 0x11 where there was none. */
export function handleUnsubscribe(broker: Broker, packet: UnsubscribePacket, connection: Connection, raw: Buffer): Soon<void> {
  if (!broker.run.hookSet.tapsOf(connection).wantsAuthorize('unsubscribe', packet)) {
    finish(broker, packet, connection, [])
    return undefined
  }
  return decideAll(broker, packet, connection, raw.length).then((decisions) => {
    if (!connection.closed) finish(broker, packet, connection, decisions)
  })
}

async function decideAll(broker: Broker, packet: UnsubscribePacket, connection: Connection, size: number): Promise<Decision[]> {
  const decisions: Decision[] = []
  for (const topic of packet.unsubscriptions)
    decisions.push(await soon<Decision>((then) => authorize(broker.run, { kind: 'unsubscribe', packet, topic, size }, connection, allowed, then)))
  return decisions
}

function finish(broker: Broker, packet: UnsubscribePacket, connection: Connection, decisions: readonly Decision[]): void {
  const { session } = connection
  if (session === undefined) return
  if (decisions.some((decision) => endedBy(connection, decision, 'UNSUBSCRIBE'))) return
  const later: { decision: Decision; filter: string }[] = []
  const granted = packet.unsubscriptions.map((filter, index) => {
    const decision = decisions[index] ?? allowed
    if (decision.action === 'accept') return 0x00
    if (decision.reasonCode >= 0x80) return decision.reasonCode
    if (decision.effectDelay === undefined) return broker.router.remove(session, filter) ? 0x00 : 0x11 // [MQTT-3.10.4-1]
    later.push({ decision, filter })
    return session.subscriptions.has(filter) ? 0x00 : 0x11
  })
  if (!decisions.some((decision) => decision.action === 'drop')) {
    const reply: UnsubackPacket = { cmd: 'unsuback', messageId: packet.messageId }
    if (connection.version === 5) reply.granted = granted
    const properties = decisions.find((decision) => decision.properties !== undefined)?.properties
    sendGranted(reply, properties, connection, packet) // [MQTT-3.10.4-4]
  }
  for (const { decision, filter } of later) broker.carryOut(decision, () => broker.router.remove(session, filter))
  for (const decision of decisions) endAfterAnswer(connection, decision, 'UNSUBSCRIBE')
}
