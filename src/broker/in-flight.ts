/** QoS 1 and 2 deliveries that a client has not finished acknowledging, in the order in which they were sent. */
import type { Delivery } from './message.ts'

/** One delivery under way. */
export interface InFlightDelivery {
  readonly id: number
  readonly delivery: Delivery
  /** The number of the connection on which it was sent first. */
  readonly connection: number
  /** What the client has to send next. */
  awaits: 'puback' | 'pubrec' | 'pubcomp'
  /** Which PUBREC of the session came for it, counted from 1; undefined while none did. */
  received?: number
}

/**
 * The deliveries of one session by packet id. A plugin may choose an id that is in flight; then the older delivery is
 * acknowledged first.
 */
export class InFlight {
  readonly #deliveries = new Map<number, InFlightDelivery[]>()
  #size = 0
  #received = 0

  get size(): number {
    return this.#size
  }

  has(id: number): boolean {
    return this.#deliveries.has(id)
  }

  get(id: number): InFlightDelivery | undefined {
    return this.#deliveries.get(id)?.[0]
  }

  add(entry: InFlightDelivery): void {
    const same = this.#deliveries.get(entry.id)
    if (same === undefined) this.#deliveries.set(entry.id, [entry])
    else same.push(entry)
    this.#size++
  }

  /** Ends the oldest delivery with an id. */
  remove(id: number): InFlightDelivery | undefined {
    const same = this.#deliveries.get(id)
    if (same === undefined) return undefined
    const first = same.shift()
    if (same.length === 0) this.#deliveries.delete(id)
    if (first !== undefined) this.#size--
    return first
  }

  /** The client has a QoS 2 message: what is left to do is PUBREL and PUBCOMP. */
  received(entry: InFlightDelivery): void {
    entry.awaits = 'pubcomp'
    entry.received ??= ++this.#received
  }

  /** Those of which only PUBCOMP is awaited, in the order in which their PUBRECs came [MQTT-4.6.0-4]. */
  released(): InFlightDelivery[] {
    return [...this.all()].filter(({ awaits }) => awaits === 'pubcomp').sort((one, other) => (one.received ?? 0) - (other.received ?? 0))
  }

  /** All of them, oldest first. */
  *all(): Generator<InFlightDelivery> {
    for (const same of this.#deliveries.values()) yield* same
  }

  clear(): void {
    this.#deliveries.clear()
    this.#size = 0
  }
}
