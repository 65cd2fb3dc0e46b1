/** What a plugin's decision may add to an answer of the server in MQTT 5: what the client asked for, as far as it fits. */
import type { Connection } from '../connection/connection.ts'
import type { Packet, Properties, SubackPacket, UnsubackPacket } from '../wire/packet.ts'

/** The properties of a packet that can have some. */
type Answer = Extract<Packet, { properties?: Properties }>

/**
 * Adds what explains an answer. A client that set request problem information to 0 is told neither reason strings nor user
 * properties but in CONNACK and DISCONNECT [MQTT-3.1.2-29]; response information goes only to who asked for it
 * [MQTT-3.1.2-28]; and what would make the packet larger than the client takes is left out, user properties first
 * [MQTT-3.2.2-19, -20, MQTT-3.4.2-2, -3, MQTT-3.5.2-2, -3, MQTT-3.9.2-1, -2, MQTT-3.11.2-1, -2, MQTT-3.15.2-2, -3].
 */
export function explained<P extends Answer>(answer: P, added: Properties | undefined, connection: Connection): P {
  if (connection.version !== 5 || added === undefined) return answer
  const asked = connection.connect?.properties
  const properties: Properties = { ...answer.properties, ...added }
  if (asked?.requestProblemInformation === false && answer.cmd !== 'connack' && answer.cmd !== 'disconnect') {
    delete properties.reasonString
    delete properties.userProperties
  }
  if (asked?.requestResponseInformation !== true) delete properties.responseInformation
  for (const name of ['userProperties', 'reasonString'] as const) {
    if (properties[name] !== undefined && isTooLarge({ ...answer, properties }, connection)) delete properties[name]
  }
  return Object.keys(properties).length === 0 ? answer : { ...answer, properties }
}

/** Whether a packet is larger than the client said that it takes [MQTT-3.1.2-24]. */
export function isTooLarge(packet: Packet, connection: Connection): boolean {
  const largest = connection.version === 5 ? connection.connect?.properties?.maximumPacketSize : undefined
  return largest !== undefined && connection.encode(packet).length > largest
}

/** Sends SUBACK or UNSUBACK. One that is larger than the client takes is not sent, and all goes on as if it had been [MQTT-3.1.2-25]. */
export function sendGranted(answer: SubackPacket | UnsubackPacket, added: Properties | undefined, connection: Connection, packet: Packet): void {
  const reply = explained(answer, added, connection)
  if (!isTooLarge(reply, connection)) connection.sendPacket(reply, { kind: 'reply', packet })
  else
    connection.run.journal.add({
      type: 'note',
      connection: connection.number,
      level: 'warn',
      source: 'mqttest',
      message: `${reply.cmd.toUpperCase()} ${reply.messageId} was not sent: it is larger than the client takes`,
    })
}
