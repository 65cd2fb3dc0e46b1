/**
 * The packets, decoded. Field names are those of mqtt-packet, which MQTT.js users know; so a packet seen in a test can be
 * passed to mqtt-packet as it is, and the other way round.
 */

/** Protocol levels: 3 is MQTT 3.1, 4 is MQTT 3.1.1, 5 is MQTT 5.0. */
export type ProtocolVersion = 3 | 4 | 5

/** Quality of service. 3 is illegal; it can be sent on purpose. */
export type QoS = 0 | 1 | 2

/** User properties by name; a name that came more than once has all its values, in order. */
export type UserProperties = Record<string, string | string[]>

const pairsInOrder = new WeakMap<UserProperties, [string, string][]>()

/** Adds a user property as it comes from the wire; remembers the order, which must survive forwarding [MQTT-3.3.2-18]. */
export function addUserProperty(all: UserProperties, name: string, value: string): void {
  const before = all[name]
  // One packet may hold millions of them: each is added without a look at those before it.
  if (before === undefined) all[name] = value
  else if (typeof before === 'string') all[name] = [before, value]
  else before.push(value)
  const pairs = pairsInOrder.get(all)
  if (pairs === undefined) pairsInOrder.set(all, [[name, value]])
  else pairs.push([name, value])
}

/** The user properties as pairs: in their order on the wire, unless somebody changed them since. */
export function userPropertyPairs(all: UserProperties): [string, string][] {
  const grouped = Object.entries(all).flatMap(([name, value]) => [value].flat().map((one): [string, string] => [name, one]))
  const ordered = pairsInOrder.get(all)
  if (ordered === undefined || ordered.length !== grouped.length) return grouped
  const passed = new Map<string, number>()
  const isUnchanged = ordered.every(([name, value]) => {
    const index = passed.get(name) ?? 0
    passed.set(name, index + 1)
    const values = all[name]
    return (Array.isArray(values) ? values[index] : index === 0 && values) === value
  })
  return isUnchanged ? ordered : grouped
}

/** The properties of MQTT 5, under one name each. Which packet may carry which is in wire/properties.ts. */
export interface Properties {
  payloadFormatIndicator?: boolean
  /** Seconds. */
  messageExpiryInterval?: number
  contentType?: string
  responseTopic?: string
  correlationData?: Buffer
  subscriptionIdentifier?: number | number[]
  /** Seconds; 4294967295 is never. */
  sessionExpiryInterval?: number
  assignedClientIdentifier?: string
  /** Seconds. */
  serverKeepAlive?: number
  authenticationMethod?: string
  authenticationData?: Buffer
  requestProblemInformation?: boolean
  /** Seconds. */
  willDelayInterval?: number
  requestResponseInformation?: boolean
  responseInformation?: string
  serverReference?: string
  reasonString?: string
  receiveMaximum?: number
  topicAliasMaximum?: number
  topicAlias?: number
  maximumQoS?: number
  retainAvailable?: boolean
  userProperties?: UserProperties
  /** Bytes. */
  maximumPacketSize?: number
  wildcardSubscriptionAvailable?: boolean
  subscriptionIdentifiersAvailable?: boolean
  sharedSubscriptionAvailable?: boolean
}

/** What a server publishes for a client that goes without saying goodbye. */
export interface Will {
  topic: string
  payload: Buffer
  qos: QoS
  retain: boolean
  properties?: Properties
}

/** The client's first packet. */
export interface ConnectPacket {
  cmd: 'connect'
  /** 'MQTT', or 'MQIsdp' for MQTT 3.1. */
  protocolId: string
  protocolVersion: number
  /** Clean session (MQTT 3), clean start (MQTT 5). */
  clean: boolean
  clientId: string
  /** Seconds; 0 switches keep-alive off. */
  keepalive: number
  username?: string
  password?: Buffer
  will?: Will
  properties?: Properties
  /** Set when the top bit of the protocol level was: mosquitto's bridges announce themselves so. */
  bridgeMode?: boolean
}

/** The server's answer to CONNECT. */
export interface ConnackPacket {
  cmd: 'connack'
  sessionPresent: boolean
  /** MQTT 5. */
  reasonCode?: number
  /** MQTT 3. */
  returnCode?: number
  properties?: Properties
}

/** An application message, in either direction. */
export interface PublishPacket {
  cmd: 'publish'
  topic: string
  payload: Buffer
  qos: QoS
  dup: boolean
  retain: boolean
  /** Packet identifier; only with QoS 1 and 2. */
  messageId?: number
  properties?: Properties
}

interface Acknowledgement {
  messageId: number
  /** MQTT 5; 0 when left out on the wire. */
  reasonCode?: number
  properties?: Properties
  /**
   * MQTT 5, to send it: the form on the wire. 'short' ends with the packet id, 'code' with the reason code, 'full' has properties
   * also where there are none. The shortest one that says everything, unless given.
   */
  form?: 'short' | 'code' | 'full'
}

/** Ends a QoS 1 delivery. */
export interface PubackPacket extends Acknowledgement {
  cmd: 'puback'
}

/** Second packet of a QoS 2 delivery. */
export interface PubrecPacket extends Acknowledgement {
  cmd: 'pubrec'
}

/** Third packet of a QoS 2 delivery. */
export interface PubrelPacket extends Acknowledgement {
  cmd: 'pubrel'
}

/** Ends a QoS 2 delivery. */
export interface PubcompPacket extends Acknowledgement {
  cmd: 'pubcomp'
}

/** One topic filter of a SUBSCRIBE with its options. */
export interface SubscriptionRequest {
  topic: string
  qos: QoS
  /** No local (MQTT 5): do not send me what I publish. */
  nl?: boolean
  /** Retain as published (MQTT 5): keep the retain flag as the publisher set it. */
  rap?: boolean
  /** Retain handling (MQTT 5): 0 send retained messages, 1 only for a new subscription, 2 never. */
  rh?: number
}

/** Asks for messages. */
export interface SubscribePacket {
  cmd: 'subscribe'
  messageId: number
  subscriptions: SubscriptionRequest[]
  properties?: Properties
}

/** Answers SUBSCRIBE: one code for each filter, in order; 0, 1, 2 grant that QoS, 0x80 and above refuse. */
export interface SubackPacket {
  cmd: 'suback'
  messageId: number
  granted: number[]
  properties?: Properties
}

/** Ends subscriptions. */
export interface UnsubscribePacket {
  cmd: 'unsubscribe'
  messageId: number
  unsubscriptions: string[]
  properties?: Properties
}

/** Answers UNSUBSCRIBE; with codes in MQTT 5, without in MQTT 3. */
export interface UnsubackPacket {
  cmd: 'unsuback'
  messageId: number
  granted?: number[]
  properties?: Properties
}

/** A sign of life from the client. */
export interface PingreqPacket {
  cmd: 'pingreq'
}

/** Answers PINGREQ. */
export interface PingrespPacket {
  cmd: 'pingresp'
}

/** Says goodbye; from the server only in MQTT 5. */
export interface DisconnectPacket {
  cmd: 'disconnect'
  reasonCode?: number
  properties?: Properties
}

/** One step of an enhanced authentication (MQTT 5). */
export interface AuthPacket {
  cmd: 'auth'
  reasonCode?: number
  properties?: Properties
}

/** Any packet; `cmd` tells which. */
export type Packet =
  | ConnectPacket
  | ConnackPacket
  | PublishPacket
  | PubackPacket
  | PubrecPacket
  | PubrelPacket
  | PubcompPacket
  | SubscribePacket
  | SubackPacket
  | UnsubscribePacket
  | UnsubackPacket
  | PingreqPacket
  | PingrespPacket
  | DisconnectPacket
  | AuthPacket

/** The name of a packet type, lower case. */
export type Command = Packet['cmd']

/** The packet that goes by a name. */
export type PacketOf<C extends Command> = Extract<Packet, { cmd: C }>

/** The packets that acknowledge a PUBLISH or one another. */
export type AcknowledgementPacket = PubackPacket | PubrecPacket | PubrelPacket | PubcompPacket

/** The number on the wire of each packet type. */
export const packetTypes: Readonly<Record<Command, number>> = {
  connect: 1,
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  subscribe: 8,
  suback: 9,
  unsubscribe: 10,
  unsuback: 11,
  pingreq: 12,
  pingresp: 13,
  disconnect: 14,
  auth: 15,
}

/** Whether a text is the name of a packet type. */
export function isCommand(name: string): name is Command {
  return Object.hasOwn(packetTypes, name)
}

/** The names of all packet types, in the order of their numbers on the wire. */
export const commands: readonly Command[] = Object.freeze(Object.keys(packetTypes).filter(isCommand))

/** The name of each packet type at its number on the wire; 0 is reserved. */
export const commandByType: readonly (Command | undefined)[] = Object.freeze([undefined, ...commands])
