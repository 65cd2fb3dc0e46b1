/** DISCONNECT from a client (section 3.14). */
import type { Connection } from '../connection/connection.ts'
import type { DisconnectPacket } from '../wire/packet.ts'
import { placeOfProperty } from '../wire/places.ts'

const never = 0xffff_ffff

/** Handles a goodbye: the will is dropped, unless the client asks for it with 0x04; the session expiry may be changed. */
export function handleDisconnect(packet: DisconnectPacket, connection: Connection, raw: Buffer): void {
  const { session } = connection
  const seconds = packet.properties?.sessionExpiryInterval
  // Not where the session has gone over to another connection.
  if (seconds !== undefined && session?.connection === connection) {
    if ((connection.connect?.properties?.sessionExpiryInterval ?? 0) === 0 && seconds > 0) {
      connection.violate('disconnect-session-expiry-raised', { packet, raw, offset: placeOfProperty(raw, 'sessionExpiryInterval') })
      return
    }
    const { minimumMs = 0, maximumMs = Number.POSITIVE_INFINITY } = session.expiryRange ?? {}
    session.expiryMs = Math.min(maximumMs, Math.max(minimumMs, seconds === never ? Number.POSITIVE_INFINITY : seconds * 1000))
  }
  connection.clientDisconnected(packet.reasonCode) // [MQTT-3.14.4-3]: disconnected() looks at the reason code
}
