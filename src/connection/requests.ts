/**
 * What a client has asked that is not answered yet: messages at QoS 1 and 2, SUBSCRIBE, UNSUBSCRIBE. Their packet ids are in
 * use until then [MQTT-2.2.1-3], and in MQTT 5 there may be only so many messages [MQTT-3.3.4-7]; whether a client keeps to
 * both shows as soon as a plugin lets answers come late.
 */
import type { ProtocolVersion, PublishPacket, SubscribePacket, UnsubscribePacket } from '../wire/packet.ts'

/** A packet with an id that the client chose. */
export type RequestPacket = PublishPacket | SubscribePacket | UnsubscribePacket

/** The requests of one connection. */
export class Requests {
  /** The last one that came: mostly it is answered before the next one comes, and then no table is needed. */
  #newest: RequestPacket | undefined
  #newestId = 0
  /** Those before it, by packet id; made when there is one. */
  #older: Map<number, RequestPacket> | undefined
  #messages = 0

  /** How many messages have no answer yet. */
  get messages(): number {
    return this.#messages
  }

  /** The one that has no answer yet and a packet id. */
  get(id: number): RequestPacket | undefined {
    if (this.#newest !== undefined && this.#newestId === id) return this.#newest
    return this.#older?.get(id)
  }

  /** One came. It takes the place of one with the same packet id. */
  came(id: number, request: RequestPacket): void {
    this.#answered(id)
    if (this.#newest !== undefined) {
      this.#older ??= new Map()
      this.#older.set(this.#newestId, this.#newest)
    }
    this.#newest = request
    this.#newestId = id
    if (request.cmd === 'publish') this.#messages++
  }

  /** A packet was sent: PUBACK, PUBCOMP, SUBACK, UNSUBACK, and PUBREC with an error, end a request (section 4.9). */
  sent(type: number, bytes: Buffer): void {
    if (this.#newest === undefined && (this.#older === undefined || this.#older.size === 0)) return
    if (type !== 4 && type !== 5 && type !== 7 && type !== 9 && type !== 11) return
    let at = 1
    while ((bytes[at] ?? 0) >= 0x80) at++
    if (type === 5 && (bytes[at + 3] ?? 0) < 0x80) return
    this.#answered(((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0))
  }

  /** The messages that have no answer yet, by packet id; undefined where there are none. */
  unfinished(): Map<number, PublishPacket> | undefined {
    if (this.#messages === 0) return undefined
    const messages = new Map<number, PublishPacket>()
    for (const [id, request] of this.#older ?? []) if (request.cmd === 'publish') messages.set(id, request)
    if (this.#newest?.cmd === 'publish') messages.set(this.#newestId, this.#newest)
    return messages
  }

  #answered(id: number): void {
    const request = this.get(id)
    if (request === undefined) return
    if (request === this.#newest) this.#newest = undefined
    else this.#older?.delete(id)
    if (request.cmd === 'publish') this.#messages--
  }
}

/** Whether two messages with the same packet id are one, as far as their content tells. */
export function isSameMessage(one: PublishPacket, other: PublishPacket): boolean {
  return one.qos === other.qos && one.topic === other.topic && one.payload.equals(other.payload)
}

/** Whether a request with the same packet id is the earlier one, sent again: PUBLISH with DUP; in MQTT 3.1 others may be repeated too. */
export function isRepeated(earlier: RequestPacket, request: RequestPacket, version: ProtocolVersion): boolean {
  if (earlier.cmd !== 'publish' || request.cmd !== 'publish') return earlier.cmd === request.cmd && version === 3
  return request.dup && earlier.qos === request.qos && earlier.payload.equals(request.payload)
}
