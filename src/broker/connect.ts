/** CONNECT: who is it, may it, which session, CONNACK (section 3.1.4). */
import type { Connection } from '../connection/connection.ts'
import { andThen, type Soon, soon } from '../hooks/call-hook.ts'
import type { RuleName } from '../lint/rules.ts'
import type { ConnackPacket, ConnectPacket, Properties } from '../wire/packet.ts'
import { placesOfConnect } from '../wire/places.ts'
import { returnCodeOf } from '../wire/reason-codes.ts'
import { decodeUtf8 } from '../wire/strings.ts'
import { allowed, authorize, type Decision, endedBy } from './authorize.ts'
import type { Broker } from './broker.ts'
import { explained, isTooLarge } from './explanation.ts'
import type { Session } from './session.ts'
import type { SessionLimits, SessionPart, SessionPlan } from './session-plan.ts'

const never = 0xffff_ffff

/** Handles a CONNECT from its checks to the messages that waited for the client. */
export function handleConnect(broker: Broker, packet: ConnectPacket, connection: Connection, raw: Buffer): Soon<void> {
  const { settings } = broker.run
  const { will } = packet
  const places = () => placesOfConnect(raw, connection.version)
  const badId = clientIdFault(packet, connection)
  // A client whose empty id a plugin tolerates gets one.
  if (badId !== undefined && connection.violate(badId, { packet, raw, offset: places().clientId }) === 'disconnect') return undefined
  if (will !== undefined && will.qos > settings.maximumQos) {
    connection.violate('connect-will-qos-unsupported', { packet, raw, offset: places().flags, detail: `QoS ${will.qos}` }) // [MQTT-3.2.2-12]
    return undefined
  }
  if (will?.retain === true && !settings.retainAvailable) {
    connection.violate('connect-will-retain-unsupported', { packet, raw, offset: places().flags }) // [MQTT-3.2.2-13]
    return undefined
  }
  if (will?.properties?.payloadFormatIndicator === true && broker.checksPayloads && decodeUtf8(will.payload) === undefined) {
    const verdict = connection.violate('payload-format-mismatch', { packet, raw, offset: places().badWill(), detail: 'that of the will' })
    if (verdict === 'disconnect') return undefined
  }
  // Without a plugin that knows the method, none is known [MQTT-4.12.0-1].
  const initial: Decision = packet.properties?.authenticationMethod === undefined ? allowed : { reasonCode: 0x8c }
  return andThen(
    soon<Decision>((then) => authorize(broker.run, { kind: 'connect', packet, size: raw.length }, connection, initial, then)),
    (decision) => {
      if (connection.closed) return undefined
      if (isRefusal(decision, connection)) {
        refuse(connection, decision)
        return undefined
      }
      return takeOver(broker, packet, connection, decision, raw.length)
    },
  )
}

/** What is wrong with the client id in this version, if anything. MQTT 3.1 demands 1 to 23 characters. */
function clientIdFault({ clientId, clean }: ConnectPacket, { version }: Connection): RuleName | undefined {
  if (version === 3) return clientId === '' ? 'connect-client-id-empty' : [...clientId].length > 23 ? 'connect-client-id-too-long' : undefined
  return clientId === '' && !clean && version === 4 ? 'connect-empty-client-id-persistent' : undefined // [MQTT-3.1.3-8] in 3.1.1
}

function isRefusal({ reasonCode, action = 'answer' }: Decision, { version }: Connection): boolean {
  if (action === 'drop' || action === 'disconnect' || action === 'close' || action === 'reset') return true
  return action !== 'accept' && (reasonCode >= 0x80 || (reasonCode > 0 && version !== 5))
}

function refuse(connection: Connection, decision: Decision): void {
  if (decision.action === 'drop') return
  const ending = { reason: 'CONNECT was refused', reasonCode: decision.reasonCode }
  if (!endedBy(connection, decision, 'CONNECT'))
    connection.sendLast(
      connack(connection, decision.reasonCode, false, decision.properties),
      { kind: 'reply', reasonCode: decision.reasonCode, ...(connection.connect && { packet: connection.connect }) },
      ending, // [MQTT-3.2.2-5]
    )
}

function connack(connection: Connection, code: number, sessionPresent: boolean, properties: Properties | undefined): ConnackPacket {
  if (connection.version !== 5) return { cmd: 'connack', sessionPresent: connection.version === 4 && sessionPresent, returnCode: returnCodeOf(code) }
  return explained({ cmd: 'connack', sessionPresent, reasonCode: code }, properties, connection)
}

/** A client id that is connected already is taken over, unless the `authorize` hook decides otherwise [MQTT-3.1.4-3]. */
function takeOver(broker: Broker, packet: ConnectPacket, connection: Connection, decision: Decision, size: number): Soon<void> {
  const clientId = packet.clientId !== '' ? packet.clientId : (decision.assignedClientId ?? broker.makeClientId())
  connection.clientId = clientId
  const existing = broker.sessions.get(clientId)?.connection
  if (existing === undefined || existing === connection) return open(broker, packet, connection, decision, clientId)
  return andThen(
    soon<Decision>((then) => authorize(broker.run, { kind: 'takeover', packet, existing, size }, connection, allowed, then)),
    (takeover) => {
      if (connection.closed) return undefined
      if (isRefusal(takeover, connection)) {
        refuse(connection, takeover)
        return undefined
      }
      // It may have gone while that was decided on.
      if (existing.closed) return open(broker, packet, connection, decision, clientId)
      if (takeover.action === 'keep-both') {
        broker.sessions.part(clientId)
        return open(broker, packet, connection, decision, clientId)
      }
      existing.successor = connection
      const end = () => endExisting(existing, takeover)
      if (takeover.order === 'after') {
        broker.sessions.get(clientId)?.detach()
        return open(broker, packet, connection, decision, clientId, () => {
          // What ends a connection leaves at once; CONNACK would wait for the end of the present work.
          connection.outbox.flush()
          end()
        })
      }
      end()
      return open(broker, packet, connection, decision, clientId)
    },
  )
}

/** The connection whose session another one takes over [MQTT-3.1.4-3]. */
function endExisting(existing: Connection, { thenDisconnect = 0x8e, existing: how = 'disconnect' }: Decision): void {
  const reason = 'another connection took the session over'
  if (how === 'disconnect') existing.disconnect(thenDisconnect, reason)
  else existing.close(how === 'reset' ? 'rst' : 'fin', { reason })
}

/** Opens the session and sends CONNACK; `behind` is called when that has left, or cannot leave any more. */
function open(broker: Broker, packet: ConnectPacket, connection: Connection, decision: Decision, clientId: string, behind?: () => void): void {
  const { settings, hooks } = broker.run
  const stored = broker.sessions.get(clientId)
  const resume = stored !== undefined && !packet.clean
  let plan: SessionPlan = {
    stored: stored !== undefined,
    resume,
    sessionPresent: resume,
    expiryMs: expiryOf(packet, connection),
    limits: limitsOf(packet, connection),
  }
  if (hooks.session.isUsed()) plan = hooks.session.call(Object.freeze(plan), packet, connection)

  const answer = connack(connection, decision.reasonCode, plan.sessionPresent, announced(broker, packet, connection, decision, clientId, plan))
  if (isTooLarge(answer, connection)) {
    // Without CONNACK there is no connection [MQTT-3.1.2-24]; a refusal is shorter.
    const refusal = { reasonCode: 0x95 }
    refuse(connection, isTooLarge(connack(connection, 0x95, false, undefined), connection) ? { ...refusal, action: 'close' } : refusal)
    behind?.()
    return
  }

  // A will that waits is not published where its session goes on [MQTT-3.1.3-9]; one that is thrown away ends with its will.
  if (plan.resume) broker.wills.cancel(clientId)
  const session = plan.resume && stored !== undefined ? stored : broker.sessions.create(clientId)
  if (session === stored) for (const part of plan.lose ?? []) lose(broker, session, part)
  session.expiryMs = plan.expiryMs
  session.expiryRange = plan.expiryRange
  const told = connection.version === 5 ? (decision.properties?.serverKeepAlive ?? settings.serverKeepAlive) : undefined
  session.keepAlive = decision.keepAlive ?? told ?? packet.keepalive
  session.attach(connection, plan.limits)
  // Who is told that there is no session begins anew.
  if (!plan.sessionPresent) session.unfinished = undefined
  connection.accepted(session, session.keepAlive)
  connection.sendPacket(answer, { kind: 'reply', packet, reasonCode: decision.reasonCode }, undefined, behind)
  if (session === stored) session.resend()
}

/** A part of a session is gone although the session goes on: only where a plugin says so. */
function lose(broker: Broker, session: Session, part: SessionPart): void {
  if (part === 'subscriptions') broker.router.removeAll(session)
  else session.forget(part)
}

/** What CONNACK says about the server: only what differs from the protocol's defaults (section 3.2.2.3). */
function announced(
  broker: Broker,
  packet: ConnectPacket,
  connection: Connection,
  decision: Decision,
  clientId: string,
  plan: SessionPlan,
): Properties | undefined {
  if (connection.version !== 5) return undefined
  const { settings } = broker.run
  const properties: Properties = {}
  if (packet.clientId === '') properties.assignedClientIdentifier = clientId // [MQTT-3.2.2-16]
  const askedMs = expiryOf(packet, connection)
  if (plan.expiryMs !== askedMs) properties.sessionExpiryInterval = plan.expiryMs === Number.POSITIVE_INFINITY ? never : Math.ceil(plan.expiryMs / 1000)
  const method = packet.properties?.authenticationMethod
  if (method !== undefined) properties.authenticationMethod = method // [MQTT-4.12.0-5]
  if (settings.receiveMaximum < 65_535) properties.receiveMaximum = settings.receiveMaximum
  if (settings.maximumQos < 2) properties.maximumQoS = settings.maximumQos
  if (!settings.retainAvailable) properties.retainAvailable = false
  if (settings.maximumPacketSize < 268_435_460) properties.maximumPacketSize = settings.maximumPacketSize
  if (settings.topicAliasMaximum > 0) properties.topicAliasMaximum = settings.topicAliasMaximum
  if (!settings.wildcardSubscriptionAvailable) properties.wildcardSubscriptionAvailable = false
  if (!settings.subscriptionIdentifiersAvailable) properties.subscriptionIdentifiersAvailable = false
  if (!settings.sharedSubscriptionAvailable) properties.sharedSubscriptionAvailable = false
  if (settings.serverKeepAlive !== undefined) properties.serverKeepAlive = settings.serverKeepAlive // [MQTT-3.2.2-21]
  return { ...properties, ...decision.properties }
}

/** How long the session lives after the connection, in milliseconds. MQTT 3 knows only "not" and "for ever". */
function expiryOf(packet: ConnectPacket, connection: Connection): number {
  if (connection.version !== 5) return packet.clean ? 0 : Number.POSITIVE_INFINITY
  const seconds = packet.properties?.sessionExpiryInterval ?? 0
  return seconds === never ? Number.POSITIVE_INFINITY : seconds * 1000
}

function limitsOf(packet: ConnectPacket, connection: Connection): SessionLimits {
  const asked = connection.version === 5 ? packet.properties : undefined
  return {
    receiveMaximum: asked?.receiveMaximum ?? 65_535,
    maximumPacketSize: asked?.maximumPacketSize ?? Number.POSITIVE_INFINITY,
    topicAliasMaximum: asked?.topicAliasMaximum ?? 0,
  }
}
