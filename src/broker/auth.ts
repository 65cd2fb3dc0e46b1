/** AUTH from a client, outside of an exchange that CONNECT began: re-authentication (section 4.12.1). */
import type { Connection } from '../connection/connection.ts'
import { andThen, type Soon, soon } from '../hooks/call-hook.ts'
import type { AuthPacket } from '../wire/packet.ts'
import { placeOfProperty } from '../wire/places.ts'
import { authorize, type Decision, endedBy } from './authorize.ts'
import type { Broker } from './broker.ts'
import { explained } from './explanation.ts'

/** Handles an AUTH that nobody waits for. */
export function handleAuth(broker: Broker, packet: AuthPacket, connection: Connection, raw: Buffer): Soon<void> {
  const method = connection.connect?.properties?.authenticationMethod
  if (method === undefined) {
    connection.violate('auth-without-method', { packet, raw, offset: 0 }) // [MQTT-4.12.0-7]
    return undefined
  }
  const given = packet.properties?.authenticationMethod
  if (given !== method) {
    if (given === undefined) connection.violate('auth-method-missing', { packet, raw, offset: 0 })
    else connection.violate('auth-method-mismatch', { packet, raw, offset: placeOfProperty(raw, 'authenticationMethod') }) // [MQTT-4.12.1-1]
    return undefined
  }
  if (packet.reasonCode !== 0x19) {
    connection.violate('auth-unexpected', { packet, raw, offset: 2 })
    return undefined
  }
  return andThen(
    soon<Decision>((then) => authorize(broker.run, { kind: 'reauth', packet, size: raw.length }, connection, { reasonCode: 0x8c }, then)),
    (decision) => {
      if (connection.closed) return
      if (endedBy(connection, decision, 'Re-authentication')) return
      if (decision.reasonCode >= 0x80)
        connection.disconnect(decision.reasonCode, 're-authentication was refused', decision.properties) // [MQTT-4.12.1-2]
      else if (decision.action !== 'drop')
        connection.sendPacket(explained({ cmd: 'auth', reasonCode: 0, properties: { authenticationMethod: method } }, decision.properties, connection), {
          kind: 'exchange',
          packet,
        })
    },
  )
}
