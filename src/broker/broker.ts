/** What a correct server does with a packet. Knows no socket and no quirk. */
import type { Timer } from '../clock.ts'
import type { Connection } from '../connection/connection.ts'
import type { DisconnectInfo } from '../connection/lifecycle.ts'
import type { Soon } from '../hooks/call-hook.ts'
import type { Run } from '../run/run.ts'
import type { Packet, Properties, PublishPacket, QoS, Will } from '../wire/packet.ts'
import { handleAcknowledgement } from './acknowledge.ts'
import { handleAuth } from './auth.ts'
import type { Decision } from './authorize.ts'
import { handleConnect } from './connect.ts'
import { handleDisconnect } from './disconnect.ts'
import type { Delivery, EncodedForms, Message, MessageReason } from './message.ts'
import { handlePing } from './ping.ts'
import { handlePublish } from './publish.ts'
import { Retained } from './retained.ts'
import { Router } from './router.ts'
import type { Session } from './session.ts'
import { Sessions } from './sessions.ts'
import { handleSubscribe } from './subscribe.ts'
import { handleUnsubscribe } from './unsubscribe.ts'
import { Wills } from './wills.ts'

/** What is published: the fields of a PUBLISH that a message keeps. */
export interface Publication {
  readonly topic: string
  readonly payload: Buffer
  readonly qos: QoS
  readonly retain: boolean
  readonly properties?: Properties | undefined
}

/** The broker of one server. */
export class Broker {
  readonly run: Run
  readonly router: Router
  readonly sessions: Sessions
  readonly retained: Retained
  readonly wills: Wills
  /** Whether a payload that is declared as text is checked to be text (MQTT 5 leaves it to the server). */
  readonly checksPayloads = true
  #clientIds = 0
  /** What is answered, but not yet carried out. */
  readonly #effects = new Set<Timer>()
  /** Connections whose end is dealt with: one that says a last word is gone for the broker before it is closed. */
  readonly #gone = new WeakSet<Connection>()

  constructor(run: Run) {
    this.run = run
    this.router = new Router(run)
    this.sessions = new Sessions(run, this.router)
    this.retained = new Retained(run)
    this.wills = new Wills(run, (will, clientId) => this.#publishWill(will, clientId))
    this.sessions.onEnd((session) => this.wills.sessionEnded(session))
  }

  /** Handles a packet of a client. Packets of one connection come one after the other; CONNECT is the first. */
  handle(packet: Packet, connection: Connection, raw: Buffer): Soon<void> {
    switch (packet.cmd) {
      case 'connect':
        return handleConnect(this, packet, connection, raw)
      case 'publish':
        return handlePublish(this, packet, connection, raw)
      case 'puback':
      case 'pubrec':
      case 'pubrel':
      case 'pubcomp':
        return handleAcknowledgement(packet, connection, raw)
      case 'subscribe':
        return handleSubscribe(this, packet, connection, raw)
      case 'unsubscribe':
        return handleUnsubscribe(this, packet, connection, raw)
      case 'pingreq':
        return handlePing(packet, connection)
      case 'disconnect':
        return handleDisconnect(packet, connection, raw)
      case 'auth':
        return handleAuth(this, packet, connection, raw)
      default:
        // Packets that only a server may send do not get this far: decode refuses them.
        return undefined
    }
  }

  /** A connection that was accepted is gone: its will, then its session [MQTT-3.1.2-8]. */
  disconnected(connection: Connection, info: DisconnectInfo): void {
    const { session } = connection
    if (session === undefined || this.#gone.has(connection)) return
    this.#gone.add(connection)
    if (session.connection === connection) {
      session.detach()
      this.wills.left(connection, session, info)
      this.sessions.release(session)
      return
    }
    // Its session went over to another connection while this one still stood.
    this.wills.left(connection, session, info)
    if (session.connection === undefined && this.sessions.get(session.clientId) !== session) this.sessions.end(session)
  }

  /** Takes a message from a connection, or from the server itself: keeps it if it is retained, and routes it. */
  publish(
    publication: Publication,
    from: Connection | undefined,
    reason: MessageReason = 'live',
    clientId: string | undefined = from?.clientId,
    encoded: EncodedForms = {},
    before?: (sessions: number) => void,
  ): number {
    const message = this.#message(publication, from, reason, clientId, encoded)
    if (message.retain) this.retained.store(message)
    return this.router.route(message, undefined, before)
  }

  /** Publishes a message of the server's own to the subscribers among some client ids only. */
  publishTo(clientIds: readonly string[], publication: Publication): number {
    return this.router.route(this.#message(publication, undefined, 'inject', undefined, {}), (session) => clientIds.includes(session.clientId))
  }

  /** Hands deliveries out, after the `route` hook had its say. */
  deliver(deliveries: readonly Delivery[], message: Message): void {
    const chosen = this.run.hookSet.wantsRoute(message, message.reason) ? this.run.hooks.route.call(Object.freeze(deliveries), message) : deliveries
    for (const delivery of chosen) delivery.session.deliver(delivery)
  }

  /** Carries out what was answered already, as late as the decision says; the client may be gone by then. */
  carryOut({ effectDelay = 0 }: Decision, effect: () => void): void {
    if (effectDelay <= 0) {
      effect()
      return
    }
    const timer = this.run.arm('plugin', effectDelay, () => {
      if (timer !== undefined) this.#effects.delete(timer)
      effect()
    })
    if (timer !== undefined) this.#effects.add(timer)
  }

  /** A client id for a client that has none. */
  makeClientId(): string {
    return `mqttest-${this.#clientIds++}-${this.run.random().fork('client-ids').fork(String(this.#clientIds)).integer(0, 0xff_ffff).toString(36)}`
  }

  /** Forgets sessions, with the wills that wait for them, and retained messages, as a restart without a disk does. */
  lose(parts: readonly ('sessions' | 'retained')[], isLost: (session: Session) => boolean): void {
    if (parts.includes('sessions'))
      for (const session of this.sessions.all().filter(isLost)) {
        this.wills.cancel(session.clientId)
        this.sessions.end(session)
      }
    if (parts.includes('retained')) this.retained.clear()
  }

  /** Back to the beginning: no sessions, no retained messages. */
  reset(): void {
    for (const timer of this.#effects) timer.cancel()
    this.#effects.clear()
    this.wills.clear()
    this.sessions.clear()
    this.sessions.onEnd((session) => this.wills.sessionEnded(session))
    this.retained.clear()
    this.#clientIds = 0
  }

  #message(
    publication: Publication | PublishPacket,
    from: Connection | undefined,
    reason: MessageReason,
    clientId: string | undefined,
    encoded: EncodedForms,
  ): Message {
    const { topic, payload, qos, retain, properties } = publication
    const takenAtMs = this.run.clock.now()
    const seconds = properties?.messageExpiryInterval
    const message: Message = {
      topic,
      payload,
      qos,
      retain,
      properties: forwarded(properties),
      reason,
      from,
      clientId,
      takenAtMs,
      expiresAtMs: seconds === undefined ? undefined : takenAtMs + seconds * 1000,
      encoded,
    }
    encoded.of = message
    return message
  }

  #publishWill(will: Will, clientId: string): void {
    const { topic, payload, qos, retain, properties } = will
    this.publish({ topic, payload, qos, retain, properties }, undefined, 'will', clientId)
  }
}

/** What travels with a message; the rest belongs to one connection [MQTT-3.3.2-4, -15 to -20]. */
function forwarded(properties: Properties | undefined): Properties | undefined {
  if (properties === undefined) return undefined
  const { topicAlias: _alias, subscriptionIdentifier: _identifier, messageExpiryInterval: _expiry, willDelayInterval: _delay, ...rest } = properties
  return Object.keys(rest).length === 0 ? undefined : rest
}
