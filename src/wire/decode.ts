/**
 * Bytes to packets. Reads every byte of a packet once, checks all that a single packet shows, and says which byte is wrong.
 *
 * mqtt-packet's parser is not used on this side: it takes 66 of 99 malformed packets for good ones, loses the place of
 * what it refuses, and costs more than the rest of the broker. Tests hold the two together on everything that is legal.
 */
import type { RuleName } from '../lint/rules.ts'
import { Cursor } from './cursor.ts'
import type { Frame } from './frame.ts'
import { Malformed } from './malformed.ts'
import {
  type AcknowledgementPacket,
  type ConnectPacket,
  commandByType,
  type Packet,
  type Properties,
  type ProtocolVersion,
  type PublishPacket,
  type QoS,
  type SubscriptionRequest,
  type Will,
} from './packet.ts'
import { filterFault, hasWildcard } from './topic-syntax.ts'

/** Who sent the packet: a client may not send what only a server may, and the other way round. */
export type Sender = 'client' | 'server'

const cursor = new Cursor()

/** Decodes one packet. Never throws for what is in the bytes: what is wrong with them comes back as Malformed. */
export function decode(frame: Frame, version: ProtocolVersion, sender: Sender = 'client'): Packet | Malformed {
  try {
    return read(frame, version, sender)
  } catch (problem) {
    if (problem instanceof Malformed) return problem
    throw problem
  }
}

const serverOnly = new Set(['connack', 'suback', 'unsuback', 'pingresp'])
const clientOnly = new Set(['connect', 'subscribe', 'unsubscribe', 'pingreq'])

/** The flags that each type must have in its first byte [MQTT-2.1.3-1]; PUBLISH uses them, so it is not listed. */
const requiredFlags: Readonly<Record<number, number>> = { 6: 2, 8: 2, 10: 2 }

const flagRules: Readonly<Record<number, RuleName>> = {
  6: 'pubrel-flags-invalid',
  8: 'subscribe-flags-invalid',
  10: 'unsubscribe-flags-invalid',
  14: 'disconnect-flags-invalid',
  15: 'auth-flags-invalid',
}

function read(frame: Frame, version: ProtocolVersion, sender: Sender): Packet {
  const { type, flags } = frame
  const at = cursor.reset(frame.bytes, frame.bodyOffset)
  if (type === 3) return publish(at, flags, version, sender)
  const cmd = commandByType[type]
  if (cmd === undefined) throw new Malformed('packet-type-reserved', 0, 'type 0', 0x82)
  // The flags of a packet that the server could not take anyway count only where brokers look at them first.
  if (flags !== 0 && version === 5 && sender === 'client' && (cmd === 'suback' || cmd === 'unsuback')) throw new Malformed('fixed-header-reserved-flags', 0)
  if (sender === 'client' ? serverOnly.has(cmd) : clientOnly.has(cmd)) throw new Malformed('packet-wrong-direction', 0, cmd.toUpperCase())
  if (type === 15 && version !== 5) throw new Malformed('auth-not-in-mqtt3', 0)
  // MQTT 3.1 lets DUP be set on PUBREL, SUBSCRIBE and UNSUBSCRIBE, and leaves the other bits unused.
  if (flags !== (requiredFlags[type] ?? 0) && version !== 3 && !(type === 1 && isMqtt31(frame)))
    throw new Malformed(flagRules[type] ?? 'fixed-header-reserved-flags', 0, `flags are ${flags.toString(2).padStart(4, '0')}`)
  switch (cmd) {
    case 'connect':
      return connect(at)
    case 'connack':
      return connack(at, version)
    case 'puback':
    case 'pubrec':
    case 'pubrel':
    case 'pubcomp':
      return acknowledgement(at, cmd, version)
    case 'subscribe':
      return subscribe(at, version)
    case 'suback':
      return suback(at, version)
    case 'unsubscribe':
      return unsubscribe(at, version)
    case 'unsuback':
      return unsuback(at, version)
    case 'pingreq':
    case 'pingresp':
      at.finish()
      return { cmd }
    case 'disconnect':
      return disconnect(at, version, sender)
    case 'auth':
      return auth(at)
    case 'publish':
      return publish(at, flags, version, sender)
  }
}

/** MQTT 3.1 called the flags of CONNECT unused: a CONNECT that speaks it may have any. */
function isMqtt31(frame: Frame): boolean {
  return frame.bytes.toString('latin1', frame.bodyOffset + 2, frame.bodyOffset + 8) === 'MQIsdp'
}

/** QoS of two bits that were checked not to be 3. */
function qosOf(bits: number): QoS {
  return bits === 0 ? 0 : bits === 1 ? 1 : 2
}

/** A packet id, which is never 0 [MQTT-2.2.1-3]. A 0 that is well-formed but means nothing is a protocol error. */
function packetId(at: Cursor, reasonCode?: number): number {
  const start = at.offset
  const id = at.uint16('packet id')
  if (id === 0) throw new Malformed('packet-id-zero', start, '', reasonCode)
  return id
}

function publish(at: Cursor, flags: number, version: ProtocolVersion, sender: Sender): PublishPacket {
  const qosBits = (flags >> 1) & 3
  const dup = (flags & 8) !== 0
  if (qosBits === 3) throw new Malformed('publish-qos-3', 0) // [MQTT-3.3.1-4]
  if (dup && qosBits === 0 && version !== 3) throw new Malformed('publish-dup-on-qos0', 0) // [MQTT-3.3.1-2]
  const topicStart = at.offset
  const topic = at.text('topic')
  if (topic === '' && version !== 5) throw new Malformed('topic-empty', topicStart) // [MQTT-4.7.3-1]
  const packet: PublishPacket = { cmd: 'publish', topic, payload: at.bytes, qos: qosOf(qosBits), dup, retain: (flags & 1) === 1 }
  if (qosBits > 0) {
    packet.messageId = packetId(at, 0x82)
  }
  if (version === 5) {
    const start = at.offset
    const properties = at.properties(3)
    if (properties !== undefined) {
      packet.properties = properties
      if (properties.responseTopic !== undefined) checkResponseTopic(properties.responseTopic, start)
      // One from a client does no harm; several come of several subscriptions, which only a server knows of [MQTT-3.3.4-6].
      if (sender === 'client' && Array.isArray(properties.subscriptionIdentifier)) throw new Malformed('property-duplicate', start, 'subscriptionIdentifier')
    }
    if (topic === '' && properties?.topicAlias === undefined && sender === 'client') throw new Malformed('publish-topic-empty-without-alias', topicStart)
  }
  packet.payload = at.rest()
  if (hasWildcard(topic)) throw new Malformed('publish-topic-wildcard', topicStart + 2, '', undefined, packet) // [MQTT-3.3.2-2]
  return packet
}

const reasonCodesAllowed: Readonly<Record<AcknowledgementPacket['cmd'], ReadonlySet<number>>> = {
  puback: new Set([0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]),
  pubrec: new Set([0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]),
  pubrel: new Set([0x00, 0x92]),
  pubcomp: new Set([0x00, 0x92]),
}

function acknowledgement(at: Cursor, cmd: AcknowledgementPacket['cmd'], version: ProtocolVersion): AcknowledgementPacket {
  const messageId = packetId(at, 0x82)
  if (version !== 5) {
    at.finish()
    return { cmd, messageId }
  }
  if (at.left === 0) return { cmd, messageId, reasonCode: 0 }
  const start = at.offset
  const reasonCode = at.byte('reason code')
  if (!reasonCodesAllowed[cmd].has(reasonCode))
    throw new Malformed('ack-reason-code-invalid', start, `0x${reasonCode.toString(16).padStart(2, '0')} in ${cmd.toUpperCase()}`)
  const properties = at.left > 0 ? at.properties(cmd === 'puback' ? 4 : cmd === 'pubrec' ? 5 : cmd === 'pubrel' ? 6 : 7) : undefined
  at.finish()
  return properties === undefined ? { cmd, messageId, reasonCode } : { cmd, messageId, reasonCode, properties }
}

function connect(at: Cursor): ConnectPacket {
  const nameStart = at.offset
  const protocolId = at.text('protocol name')
  if (protocolId !== 'MQTT' && protocolId !== 'MQIsdp') throw new Malformed('connect-protocol-name-invalid', nameStart, JSON.stringify(protocolId)) // [MQTT-3.1.2-1]
  const levelStart = at.offset
  const levelByte = at.byte('protocol level')
  const level = levelByte & 0x7f
  const known = protocolId === 'MQTT' ? level === 4 || levelByte === 5 : level === 3
  if (!known) throw new Malformed('connect-protocol-level-unsupported', levelStart, `${protocolId} with level ${levelByte}`) // [MQTT-3.1.2-2]
  const flagsStart = at.offset
  const flags = at.byte('connect flags')
  if ((flags & 1) !== 0 && level !== 3) throw new Malformed('connect-reserved-flag-set', flagsStart) // [MQTT-3.1.2-3]
  const willFlag = (flags & 0x04) !== 0
  const willQos = (flags >> 3) & 3
  const willRetain = (flags & 0x20) !== 0
  const hasPassword = (flags & 0x40) !== 0
  const hasUsername = (flags & 0x80) !== 0
  if (!willFlag && willQos !== 0) throw new Malformed('connect-will-qos-without-will', flagsStart) // [MQTT-3.1.2-11]
  if (!willFlag && willRetain) throw new Malformed('connect-will-retain-without-will', flagsStart) // [MQTT-3.1.2-13]
  if (willQos === 3) throw new Malformed('connect-will-qos-3', flagsStart) // [MQTT-3.1.2-12]
  if (hasPassword && !hasUsername && level !== 5) throw new Malformed('connect-password-without-username', flagsStart) // 3.1.1 [MQTT-3.1.2-22]
  const packet: ConnectPacket = {
    cmd: 'connect',
    protocolId,
    protocolVersion: level,
    clean: (flags & 2) !== 0,
    clientId: '',
    keepalive: at.uint16('keep alive'),
  }
  if (levelByte > 127) packet.bridgeMode = true
  if (level === 5) {
    const start = at.offset
    const properties = at.properties(1)
    if (properties !== undefined) packet.properties = properties
    if (properties?.authenticationData !== undefined && properties.authenticationMethod === undefined)
      throw new Malformed('connect-authentication-data-without-method', start)
  }
  packet.clientId = at.text('client id')
  if (willFlag) packet.will = will(at, qosOf(willQos), willRetain, level)
  if (hasUsername) packet.username = at.text('user name')
  if (hasPassword) packet.password = at.binary('password')
  at.finish()
  return packet
}

/** Somebody will publish to it, so it is a topic like others; that of a will is in the PUBLISH that the server makes of it. */
function checkResponseTopic(topic: string, start: number): void {
  if (topic === '') throw new Malformed('topic-empty', start, 'the response topic', 0x82) // [MQTT-4.7.3-1]
  if (hasWildcard(topic)) throw new Malformed('publish-response-topic-wildcard', start) // [MQTT-3.3.2-14]
}

function will(at: Cursor, qos: QoS, retain: boolean, level: number): Will {
  const propertiesStart = at.offset
  const properties: Properties | undefined = level === 5 ? at.properties(0) : undefined
  if (properties?.responseTopic !== undefined) checkResponseTopic(properties.responseTopic, propertiesStart)
  const start = at.offset
  const topic = at.text('will topic')
  if (topic === '') throw new Malformed('topic-empty', start)
  if (hasWildcard(topic)) throw new Malformed('publish-topic-wildcard', start + 2)
  const payload = at.binary('will payload')
  return properties === undefined ? { topic, payload, qos, retain } : { topic, payload, qos, retain, properties }
}

function subscribe(at: Cursor, version: ProtocolVersion): Packet {
  const messageId = packetId(at)
  const properties = version === 5 ? at.properties(8, 'malformed') : undefined
  const subscriptions: SubscriptionRequest[] = []
  if (at.left === 0) throw new Malformed('subscribe-empty', at.offset, '', 0x81) // [MQTT-3.8.3-2]
  while (at.left > 0) subscriptions.push(subscription(at, version))
  return properties === undefined ? { cmd: 'subscribe', messageId, subscriptions } : { cmd: 'subscribe', messageId, subscriptions, properties }
}

function subscription(at: Cursor, version: ProtocolVersion): SubscriptionRequest {
  const start = at.offset
  const topic = at.text('topic filter')
  const optionsStart = at.offset
  const options = at.byte('subscription options')
  const qos = options & 3
  if (qos === 3) throw new Malformed('subscribe-qos-3', optionsStart) // [MQTT-3.8.3-5]
  if (version === 5 ? (options & 0xc0) !== 0 : options > 2) throw new Malformed('subscribe-reserved-bits', optionsStart)
  const fault = filterFault(topic, version === 5)
  if (fault !== undefined) throw new Malformed(fault, start + 2, JSON.stringify(topic))
  if (version !== 5) return { topic, qos: qosOf(qos) }
  const nl = (options & 4) !== 0
  const rh = (options >> 4) & 3
  if (rh === 3) throw new Malformed('subscribe-retain-handling-3', optionsStart)
  if (nl && topic.startsWith('$share/')) throw new Malformed('subscribe-no-local-on-shared', optionsStart) // [MQTT-3.8.3-4]
  return { topic, qos: qosOf(qos), nl, rap: (options & 8) !== 0, rh }
}

function unsubscribe(at: Cursor, version: ProtocolVersion): Packet {
  const messageId = packetId(at)
  const properties = version === 5 ? at.properties(10, 'malformed') : undefined
  const unsubscriptions: string[] = []
  if (at.left === 0) throw new Malformed('unsubscribe-empty', at.offset, '', 0x81) // [MQTT-3.10.3-2]
  while (at.left > 0) {
    const start = at.offset
    const topic = at.text('topic filter')
    const fault = filterFault(topic, version === 5)
    if (fault !== undefined) throw new Malformed(fault, start + 2, JSON.stringify(topic))
    unsubscriptions.push(topic)
  }
  return properties === undefined ? { cmd: 'unsubscribe', messageId, unsubscriptions } : { cmd: 'unsubscribe', messageId, unsubscriptions, properties }
}

const clientDisconnectCodes = new Set([0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99])
const serverDisconnectCodes = new Set([0x87, 0x89, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2])

/** Whether DISCONNECT may carry a reason code, whoever sends it. */
export function isDisconnectCode(reasonCode: number): boolean {
  return clientDisconnectCodes.has(reasonCode) || serverDisconnectCodes.has(reasonCode)
}

function disconnect(at: Cursor, version: ProtocolVersion, sender: Sender): Packet {
  if (version !== 5) {
    at.finish()
    return { cmd: 'disconnect' }
  }
  if (at.left === 0) return { cmd: 'disconnect', reasonCode: 0 }
  const start = at.offset
  const reasonCode = at.byte('reason code')
  if (!isDisconnectCode(reasonCode)) throw new Malformed('disconnect-reason-code-invalid', start, `0x${reasonCode.toString(16).padStart(2, '0')}`)
  if (sender === 'client' && serverDisconnectCodes.has(reasonCode))
    throw new Malformed('disconnect-reason-code-server-only', start, `0x${reasonCode.toString(16).padStart(2, '0')}`)
  const propertiesStart = at.offset
  const properties = at.left > 0 ? at.properties(14) : undefined
  if (sender === 'client' && properties?.serverReference !== undefined) throw new Malformed('disconnect-server-reference', propertiesStart)
  at.finish()
  return properties === undefined ? { cmd: 'disconnect', reasonCode } : { cmd: 'disconnect', reasonCode, properties }
}

const authCodes = new Set([0x00, 0x18, 0x19])

function auth(at: Cursor): Packet {
  if (at.left === 0) return { cmd: 'auth', reasonCode: 0 }
  const start = at.offset
  const reasonCode = at.byte('reason code')
  if (!authCodes.has(reasonCode)) throw new Malformed('auth-reason-code-invalid', start, `0x${reasonCode.toString(16).padStart(2, '0')}`)
  const properties = at.left > 0 ? at.properties(15) : undefined
  at.finish()
  return properties === undefined ? { cmd: 'auth', reasonCode } : { cmd: 'auth', reasonCode, properties }
}

function connack(at: Cursor, version: ProtocolVersion): Packet {
  const flagsStart = at.offset
  const flags = at.byte('acknowledge flags')
  if (flags > 1) throw new Malformed('fixed-header-reserved-flags', flagsStart)
  const code = at.byte('reason code')
  const sessionPresent = flags === 1
  // A server that refuses the version answers in the form of MQTT 3, so the properties may be missing.
  const properties = version === 5 && at.left > 0 ? at.properties(2) : undefined
  at.finish()
  if (version !== 5) return { cmd: 'connack', sessionPresent, returnCode: code }
  return properties === undefined ? { cmd: 'connack', sessionPresent, reasonCode: code } : { cmd: 'connack', sessionPresent, reasonCode: code, properties }
}

function suback(at: Cursor, version: ProtocolVersion): Packet {
  const messageId = packetId(at)
  const properties = version === 5 ? at.properties(9) : undefined
  const granted = [...at.rest()]
  return properties === undefined ? { cmd: 'suback', messageId, granted } : { cmd: 'suback', messageId, granted, properties }
}

function unsuback(at: Cursor, version: ProtocolVersion): Packet {
  const messageId = packetId(at)
  if (version !== 5) {
    at.finish()
    return { cmd: 'unsuback', messageId }
  }
  const properties = at.properties(11)
  const granted = [...at.rest()]
  return properties === undefined ? { cmd: 'unsuback', messageId, granted } : { cmd: 'unsuback', messageId, granted, properties }
}
