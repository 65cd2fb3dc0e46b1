/** What a server keeps for one client id: subscriptions, deliveries in flight, deliveries in line. */
import type { Timer } from '../clock.ts'
import type { Connection } from '../connection/connection.ts'
import type { Run } from '../run/run.ts'
import { encodeProperties, encodePublish, encodePublishApart } from '../wire/encode.ts'
import type { Properties, PublishPacket, SubscriptionRequest } from '../wire/packet.ts'
import type { PacketBytes } from '../wire/split.ts'
import { InFlight, type InFlightDelivery } from './in-flight.ts'
import { type Delivery, encodedIndex, formsOf } from './message.ts'
import { PacketIds } from './packet-ids.ts'
import type { ExpiryRange, SessionLimits, SessionPart } from './session-plan.ts'

/** One subscription of a session. */
export interface Subscription {
  readonly session: Session
  /** The filter as the client gave it, with $share/{name}/ in front where it is shared. */
  readonly filter: string
  readonly request: SubscriptionRequest
  /** The QoS that was granted. */
  readonly qos: 0 | 1 | 2
  readonly identifier: number | undefined
}

/** Why a message was dropped for a client. */
export type DropReason = 'queueFull' | 'tooLarge' | 'expired' | 'slow'

const dropReasons: Record<DropReason, string> = {
  queueFull: 'its queue is full',
  tooLarge: 'it is larger than the client takes',
  expired: 'it expired',
  slow: 'the client does not read',
}

/** A session with nobody behind it has no limits of its own. */
const unlimited: SessionLimits = { receiveMaximum: 65_535, maximumPacketSize: Number.POSITIVE_INFINITY, topicAliasMaximum: 0 }

/** The state of one client id [MQTT-4.1.0-1]. */
export class Session {
  readonly clientId: string
  readonly run: Run
  /** The connection that uses it; undefined while the client is away. */
  connection: Connection | undefined
  readonly subscriptions = new Map<string, Subscription>()
  readonly inFlight = new InFlight()
  readonly packetIds = new PacketIds()
  /** Packet ids of QoS 2 messages from the client that are not released yet [MQTT-4.3.3-10]. */
  readonly received = new Set<number>()
  /** Those that are released, by the number of the connection on which PUBREL came last. */
  readonly #released = new Map<number, number>()
  /** Messages of the client that had no answer when its connection ended, by packet id; as long as it has not sent them again. */
  unfinished: Map<number, PublishPacket> | undefined
  limits: SessionLimits = unlimited
  /** How long it lives without a connection, in milliseconds. */
  expiryMs = 0
  /** What a DISCONNECT may change that to. */
  expiryRange: ExpiryRange | undefined
  /** The keep-alive in force, in seconds. */
  keepAlive = 0
  expiryTimer: Timer | undefined
  /** The number of the last message that was routed to it; the router's own. @internal */
  lastRouted = 0
  /** Deliveries that were dropped, by reason. */
  readonly dropped: Record<DropReason, number> = { queueFull: 0, tooLarge: 0, expired: 0, slow: 0 }
  /** What was said about them on this connection, or since it went. */
  readonly #said = new Set<DropReason>()
  #queue: Delivery[] = []
  #waitsForReader = false
  #pumping = false
  /** Deliveries in flight that wait for room to be sent again on a new connection. */
  #resends: InFlightDelivery[] = []
  /** Topic aliases towards the client, by topic; new with every connection [MQTT-3.3.2-7]. */
  #aliases: Map<string, number> | undefined

  constructor(clientId: string, run: Run) {
    this.clientId = clientId
    this.run = run
  }

  /** Deliveries that wait for the client, or for room in flight. */
  get queued(): number {
    return this.#queue.length
  }

  /** A connection takes the session up. */
  attach(connection: Connection, limits: SessionLimits): void {
    this.expiryTimer?.cancel()
    this.expiryTimer = undefined
    this.connection = connection
    this.limits = limits
    this.#aliases = undefined
    this.#resends = []
    this.#said.clear()
  }

  /**
   * PUBREL came. Tells whether its id was in flight: 'again' is a PUBREL that was answered on another connection, on which the
   * answer may have been lost; a client has to say it again [MQTT-4.4.0-1].
   */
  release(id: number, connection: Connection): 'known' | 'again' | 'unknown' {
    const known = this.received.delete(id)
    this.unfinished?.delete(id)
    const before = this.#released.get(id)
    if (!known && (before === undefined || before === connection.number)) return 'unknown'
    this.#released.set(id, connection.number)
    return known ? 'known' : 'again'
  }

  /** The connection is about to go: messages that it leaves without an answer are remembered, with those before them. */
  left(unfinished: Map<number, PublishPacket> | undefined): void {
    if (this.unfinished === undefined) this.unfinished = unfinished
    else if (unfinished !== undefined) for (const [id, packet] of unfinished) this.unfinished.set(id, packet)
  }

  /** The connection is gone; what is in flight stays. */
  detach(): void {
    this.connection = undefined
    this.#aliases = undefined
    this.#resends = []
    this.#said.clear()
  }

  /**
   * Sends again what was in flight, in order, with DUP set [MQTT-4.4.0-1, MQTT-3.3.1-1, MQTT-4.6.0-1, -4], as far as the client's
   * receive maximum has room; the rest follows when there is some. What a plugin has sent on this connection already, around
   * CONNACK, does not come again.
   */
  resend(): void {
    const { connection } = this
    if (connection === undefined) return
    const isBefore = (entry: InFlightDelivery) => entry.connection !== connection.number
    this.#resends = [...this.inFlight.all()].filter((entry) => isBefore(entry) && entry.awaits !== 'pubcomp')
    for (const { id } of this.inFlight.released().filter(isBefore)) connection.sendPacket({ cmd: 'pubrel', messageId: id }, { kind: 'resend' })
    this.pump()
  }

  /** Sends a message now, or keeps it in line. */
  deliver(delivery: Delivery): void {
    const { connection } = this
    if (delivery.qos === 0) {
      if (connection === undefined) return
      if (connection.outbox.unsent > this.run.settings.outboundLimit) {
        this.#drop('slow', delivery)
        return
      }
      this.#send(connection, delivery, undefined, false)
      return
    }
    if (connection !== undefined && this.#queue.length === 0 && this.#hasRoom(connection) && this.#begin(connection, delivery)) return
    if (this.#queue.length < (this.limits.queueLimit ?? this.run.settings.queueLimit)) this.#queue.push(delivery)
    else this.#overflow(delivery)
  }

  /** The line is full. */
  #overflow(delivery: Delivery): void {
    const { overflow = 'newest' } = this.limits
    const oldest = overflow === 'oldest' ? this.#queue.shift() : undefined
    this.#drop('queueFull', oldest ?? delivery)
    if (oldest !== undefined) this.#queue.push(delivery)
    if (overflow !== 'session') return
    this.expiryMs = 0
    if (this.connection === undefined) this.run.broker().sessions.end(this)
    else this.connection.disconnect(0x97, 'its queue is full')
  }

  /** Whether the client may be sent one more [MQTT-4.9.0-1]. */
  #hasRoom(connection: Connection): boolean {
    return this.#resends.length === 0 && this.inFlight.size < this.limits.receiveMaximum && this.#reads(connection)
  }

  /** Whether the client takes what it is sent; where it does not, messages wait in line: there they share their payload. */
  #reads(connection: Connection): boolean {
    this.#waitsForReader = connection.outbox.unsent > this.run.settings.outboundLimit
    return !this.#waitsForReader
  }

  /** The client was written to: what waited because too much was unsent goes on. */
  written(): void {
    if (this.#waitsForReader) this.pump()
  }

  /** Sends what is in line, as far as the client's receive maximum has room. */
  pump(): void {
    const { connection } = this
    // A plugin may end a delivery while it is being sent: the loop that sends it goes on by itself.
    if (connection === undefined || this.#pumping) return
    this.#pumping = true
    try {
      this.#pump(connection)
    } finally {
      this.#pumping = false
    }
  }

  #pump(connection: Connection): void {
    while (
      this.#resends.length > 0 &&
      this.inFlight.size - this.#resends.length < this.limits.receiveMaximum &&
      !connection.closed &&
      this.#reads(connection)
    ) {
      const entry = this.#resends.shift()
      if (entry === undefined || entry.awaits === 'pubcomp') continue
      if (this.#tooLarge(connection, entry.delivery)) this.inFlight.remove(entry.id)
      else this.#send(connection, entry.delivery, entry.id, true)
    }
    let sent = 0
    for (const delivery of this.#queue) {
      if (connection.closed || !this.#hasRoom(connection) || !this.#begin(connection, delivery)) break
      sent++
    }
    if (sent > 0) this.#queue.splice(0, sent)
  }

  /**
   * Puts a delivery of QoS 1 or 2 in flight, whether there is room or not, and gives it a packet id; undefined where none is
   * left, or the client is away. Sending is up to the caller: a plugin that sends a delivery in its own way.
   */
  assign(delivery: Delivery): number | undefined {
    const { connection } = this
    if (connection === undefined || delivery.qos === 0) return undefined
    const id = this.packetIds.next(this.inFlight, connection)
    if (id !== undefined) this.inFlight.add({ id, delivery, connection: connection.number, awaits: delivery.qos === 1 ? 'puback' : 'pubrec' })
    return id
  }

  /** The client finished a delivery; or a plugin does so in its place, at any time. */
  acknowledged(id: number): InFlightDelivery | undefined {
    const entry = this.inFlight.remove(id)
    if (entry === undefined) return undefined
    if (this.#resends.length > 0) this.#resends = this.#resends.filter((other) => other !== entry)
    this.pump()
    return entry
  }

  /** Forgets messages, in flight and in line; subscriptions stay. */
  forgetMessages(): void {
    this.forget('inFlight')
    this.forget('queued')
  }

  /** Forgets a part of it: what is under way in both directions, or what is in line. */
  forget(part: Exclude<SessionPart, 'subscriptions'>): void {
    if (part === 'queued') {
      this.#queue = []
      return
    }
    this.inFlight.clear()
    this.received.clear()
    this.#released.clear()
    this.unfinished = undefined
    this.#resends = []
  }

  #begin(connection: Connection, delivery: Delivery): boolean {
    if (this.#expired(delivery) || this.#tooLarge(connection, delivery)) return true
    const id = this.assign(delivery)
    if (id === undefined) return false
    this.#send(connection, delivery, id, delivery.dup === true)
    return true
  }

  #send(connection: Connection, delivery: Delivery, id: number | undefined, dup: boolean): void {
    const { message, qos, retain } = delivery
    if (qos === 0 && (this.#expired(delivery) || this.#tooLarge(connection, delivery))) return
    const packet: PublishPacket = { cmd: 'publish', topic: message.topic, payload: message.payload, qos, dup, retain }
    if (id !== undefined) packet.messageId = id
    const kind = dup && id !== undefined && delivery.dup !== true ? 'resend' : 'delivery'
    if (connection.version !== 5) {
      connection.sendPacket(packet, { kind, delivery }, this.#bytes(connection, packet, delivery, undefined))
      return
    }
    const properties = this.#properties(packet, delivery)
    if (properties !== undefined) packet.properties = properties
    const own = properties === message.properties ? (formsOf(message).propertyBytes ??= encodeProperties(message.properties)) : encodeProperties(properties)
    connection.sendPacket(packet, { kind, delivery }, this.#bytes(connection, packet, delivery, own))
  }

  /** The bytes of a PUBLISH; one that is the same for many subscribers is made once. */
  #bytes(connection: Connection, packet: PublishPacket, delivery: Delivery, propertyBytes: Buffer | undefined): PacketBytes {
    const encoded = formsOf(delivery.message)
    if (packet.qos > 0 || packet.dup || packet.topic === '' || (propertyBytes !== undefined && propertyBytes !== encoded.propertyBytes)) {
      const encode = encoded.payloadStands === true ? encodePublishApart : encodePublish
      return encode(packet, connection.version, propertyBytes)
    }
    const index = encodedIndex(connection.version, packet.retain)
    const forms = (encoded.qos0 ??= [])
    return (forms[index] ??= encodePublish(packet, connection.version, propertyBytes))
  }

  /** The properties of a delivery: the message's own, and what belongs to this subscriber. */
  #properties(packet: PublishPacket, delivery: Delivery): Properties | undefined {
    const { message, subscriptionIdentifiers } = delivery
    let added: Properties | undefined
    if (message.expiresAtMs !== undefined) {
      // What is left of the interval, in whole seconds [MQTT-3.3.2-6].
      added = { messageExpiryInterval: Math.max(1, Math.ceil((message.expiresAtMs - this.run.clock.now()) / 1000)) }
    }
    if (subscriptionIdentifiers.length > 0)
      (added ??= {}).subscriptionIdentifier = subscriptionIdentifiers.length === 1 ? subscriptionIdentifiers[0] : [...subscriptionIdentifiers]
    const alias = this.limits.topicAliasMaximum > 0 ? this.#alias(message.topic) : undefined
    if (alias !== undefined) {
      ;(added ??= {}).topicAlias = alias.number
      if (alias.known) packet.topic = ''
    }
    if (added === undefined) return message.properties
    return { ...message.properties, ...added }
  }

  /** The alias of a topic; undefined where none is left. `known` tells whether the client has it already. */
  #alias(topic: string): { number: number; known: boolean } | undefined {
    const aliases = (this.#aliases ??= new Map())
    const number = aliases.get(topic)
    if (number !== undefined) return { number, known: true }
    if (aliases.size >= this.limits.topicAliasMaximum) return undefined // [MQTT-3.1.2-26]
    aliases.set(topic, aliases.size + 1)
    return { number: aliases.size, known: false }
  }

  #expired(delivery: Delivery): boolean {
    const { expiresAtMs } = delivery.message
    if (expiresAtMs === undefined || expiresAtMs > this.run.clock.now()) return false
    this.#drop('expired', delivery) // [MQTT-3.3.2-5]
    return true
  }

  /** A packet above the client's maximum packet size is not sent; the rest goes on as if it had been [MQTT-3.1.2-24, -25]. */
  #tooLarge(connection: Connection, delivery: Delivery): boolean {
    const { maximumPacketSize, topicAliasMaximum } = this.limits
    const { message } = delivery
    if (maximumPacketSize === Number.POSITIVE_INFINITY) return false
    // Measured only where it may be too large: a character takes 3 bytes at most, everything but user properties 32.
    const atMost = message.payload.length + message.topic.length * 3 + delivery.subscriptionIdentifiers.length * 5 + 32
    if (message.properties === undefined && atMost <= maximumPacketSize) return false
    const packet: PublishPacket = {
      cmd: 'publish',
      topic: message.topic,
      payload: message.payload,
      qos: delivery.qos,
      dup: false,
      retain: delivery.retain,
      messageId: 1,
    }
    const extra: Properties = delivery.subscriptionIdentifiers.length > 0 ? { subscriptionIdentifier: [...delivery.subscriptionIdentifiers] } : {}
    if (message.expiresAtMs !== undefined) extra.messageExpiryInterval = 1
    if (topicAliasMaximum > 0) extra.topicAlias = 1
    const size = encodePublish(packet, connection.version, connection.version === 5 ? encodeProperties({ ...message.properties, ...extra }) : undefined).length
    if (size <= maximumPacketSize) return false
    this.#drop('tooLarge', delivery)
    return true
  }

  #drop(why: DropReason, delivery: Delivery): void {
    this.dropped[why]++
    this.run.dropped(why, this.clientId)
    if (this.#said.has(why)) return
    this.#said.add(why)
    this.run.journal.add({
      type: 'note',
      connection: this.connection?.number,
      // That a message expires is what its publisher wished for.
      level: why === 'expired' ? 'info' : 'warn',
      source: 'mqttest',
      message: `a message on ${delivery.message.topic} for ${this.clientId} was dropped: ${dropReasons[why]} (said once for each connection)`,
    })
  }
}
