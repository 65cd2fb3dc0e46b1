/** Packet ids of deliveries: ascending, never one that is in flight [MQTT-2.2.1-4], unless the `packetId` hook decides. */
import type { Connection } from '../connection/connection.ts'
import type { InFlight } from './in-flight.ts'

const highest = 65_535

/** Chooses the ids of one session. */
export class PacketIds {
  #last = 0

  /** An id for a delivery, or undefined where all are in flight. */
  next(inFlight: InFlight, connection: Connection): number | undefined {
    const { hooks, hookSet } = connection.run
    if (hookSet.tapsOf(connection).wants('packetId')) {
      const chosen = hooks.packetId.call({ last: this.#last, inUse: inFlight }, connection)
      if (chosen !== undefined) {
        this.#last = chosen
        return chosen
      }
    }
    if (inFlight.size >= highest) return undefined
    let id = this.#last
    do {
      id = id >= highest ? 1 : id + 1
    } while (inFlight.has(id))
    this.#last = id
    return id
  }
}
