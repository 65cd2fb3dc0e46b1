/** A message on its way through the broker, and its delivery to one session. */
import type { Connection } from '../connection/connection.ts'
import type { Properties, ProtocolVersion, PublishPacket, QoS } from '../wire/packet.ts'
import type { Session } from './session.ts'

/** Why a message is on its way. */
export type MessageReason = 'live' | 'retained' | 'will' | 'inject'

/** An application message, once the broker has taken it. */
export interface Message {
  readonly topic: string
  readonly payload: Buffer
  readonly qos: QoS
  /** The retain flag as the publisher set it. */
  readonly retain: boolean
  /** The properties that travel with the message, without topic alias and subscription identifiers. */
  readonly properties: Properties | undefined
  readonly reason: MessageReason
  /** The connection that published it; undefined for wills of the dead, and for messages that the server made. */
  readonly from: Connection | undefined
  /** Client id of the publisher; undefined for messages that the server made. */
  readonly clientId: string | undefined
  /** When the broker took it, on the server's clock, in milliseconds. */
  readonly takenAtMs: number
  /** When it expires, on the server's clock; undefined for never. [MQTT-3.3.2-5] */
  readonly expiresAtMs: number | undefined
  /** What the wire layer keeps to encode the message once for many; see {@link formsOf}. @internal */
  readonly encoded?: EncodedForms
}

/** Bytes that are the same for many deliveries of one message. */
export interface EncodedForms {
  /** The message that they are the bytes of. */
  of?: Message
  /** The properties with their length, for a delivery that adds none. */
  propertyBytes?: Buffer
  /** Whether the payload is large, and stands in bytes that came from a client and that nobody else had in hand: it is sent from there. */
  payloadStands?: boolean
  /** The whole packet at QoS 0, by protocol form and retain flag: [MQTT 3, MQTT 3 retained, MQTT 5, MQTT 5 retained]. */
  qos0?: (Buffer | undefined)[]
}

/** Size of a payload, in bytes, from which naming it to the system beside its head is cheaper than copying it. */
const worthSplitting = 8192

/** One message for one session. */
export interface Delivery {
  readonly session: Session
  readonly message: Message
  /** The lower of what was published and what was granted [MQTT-3.8.4-8]. */
  readonly qos: QoS
  readonly retain: boolean
  readonly dup?: boolean
  /** The identifiers of the subscriptions that matched (MQTT 5) [MQTT-3.3.4-3]. */
  readonly subscriptionIdentifiers: readonly number[]
}

/**
 * The forms of a message that nobody had in hand since it came. Its own bytes can be sent on as they are: a large
 * payload, and the whole packet at QoS 0, not retained, without properties, under a header in its shortest form.
 */
export function formsAsReceived(packet: PublishPacket, raw: Buffer, version: ProtocolVersion): EncodedForms {
  const forms: EncodedForms = {}
  if (packet.payload.length >= worthSplitting) forms.payloadStands = true
  const { length } = raw
  const header = length <= 2 + 127 ? 2 : length <= 3 + 16_383 ? 3 : length <= 4 + 2_097_151 ? 4 : 5
  const isShortest = (raw[header - 1] ?? 128) < 128 && (header === 2 || (raw[header - 2] ?? 0) > 127)
  if (raw[0] !== 0x30 || packet.properties !== undefined || !isShortest) return forms
  forms.qos0 = []
  forms.qos0[encodedIndex(version, false)] = raw
  return forms
}

/**
 * The bytes that are known of a message. A plugin may copy a message and change it: the copy still names the forms of the
 * original, which are not its own.
 */
export function formsOf(message: Message): EncodedForms {
  const { encoded } = message
  return encoded?.of === message ? encoded : {}
}

/** Which of the encoded forms a delivery at QoS 0 uses. */
export function encodedIndex(version: ProtocolVersion, retain: boolean): number {
  return (version === 5 ? 2 : 0) + (retain ? 1 : 0)
}
