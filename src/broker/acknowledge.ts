/** PUBACK, PUBREC, PUBREL, PUBCOMP from a client (sections 3.4 to 3.7, 4.3). */
import type { Connection } from '../connection/connection.ts'
import type { RuleName } from '../lint/rules.ts'
import type { AcknowledgementPacket } from '../wire/packet.ts'
import type { InFlightDelivery } from './in-flight.ts'

/** Handles an acknowledgement. One for an id that is not in flight is reported, and answered where there is an answer. */
export function handleAcknowledgement(packet: AcknowledgementPacket, connection: Connection, raw: Buffer): void {
  const { session } = connection
  if (session === undefined) return
  const id = packet.messageId
  if (packet.cmd === 'pubrel') {
    const found = session.release(id, connection)
    const known = found === 'known'
    if (found === 'unknown') unknown(packet, connection, raw)
    // [MQTT-4.3.3-11]; an unknown id is answered as well, else the client would repeat PUBREL for ever.
    connection.sendPacket(
      connection.version === 5 ? { cmd: 'pubcomp', messageId: id, reasonCode: known ? 0 : unknownCode(connection) } : { cmd: 'pubcomp', messageId: id },
      { kind: 'reply', packet },
    )
    return
  }
  const entry = session.inFlight.get(id)
  if (entry === undefined) {
    unknown(packet, connection, raw)
    // PUBREC with an error ended the exchange for the client: nothing is left to be released.
    if (packet.cmd === 'pubrec' && !isRefusal(packet, connection))
      connection.sendPacket(
        connection.version === 5 ? { cmd: 'pubrel', messageId: id, reasonCode: unknownCode(connection) } : { cmd: 'pubrel', messageId: id },
        {
          kind: 'reply',
          packet,
        },
      )
    return
  }
  if (!fits(entry, packet)) {
    if (!connection.forgives(id))
      connection.violate('ack-wrong-type', { packet, raw, offset: 0, detail: `${packet.cmd.toUpperCase()} ${id}, awaited is ${entry.awaits.toUpperCase()}` })
    return
  }
  if (packet.cmd === 'pubrec') {
    // PUBREC with an error ends the exchange; the id is free again (MQTT 5, section 4.3.3).
    if (isRefusal(packet, connection)) {
      session.acknowledged(id)
      return
    }
    session.inFlight.received(entry)
    connection.sendPacket(connection.version === 5 ? { cmd: 'pubrel', messageId: id, reasonCode: 0 } : { cmd: 'pubrel', messageId: id }, {
      kind: 'reply',
      packet,
    })
    return
  }
  session.acknowledged(id)
}

/** A second PUBREC is answered with a second PUBREL: the first may have been lost with a connection. */
function fits(entry: InFlightDelivery, packet: AcknowledgementPacket): boolean {
  return entry.awaits === packet.cmd || (entry.awaits === 'pubcomp' && packet.cmd === 'pubrec')
}

function unknown(packet: AcknowledgementPacket, connection: Connection, raw: Buffer): void {
  if (connection.forgives(packet.messageId)) return
  const rule: RuleName = 'ack-unknown-packet-id'
  connection.violate(rule, { packet, raw, offset: 2, detail: `${packet.cmd.toUpperCase()} ${packet.messageId}` })
}

function isRefusal(packet: AcknowledgementPacket, connection: Connection): boolean {
  return connection.version === 5 && (packet.reasonCode ?? 0) >= 0x80
}

/** What PUBREL and PUBCOMP say of an unknown id (tables 3-6 and 3-7 of MQTT 5 allow both). */
function unknownCode(connection: Connection): number {
  return connection.run.settings.unknownPacketId === 'accept' ? 0 : 0x92
}
