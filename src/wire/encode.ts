/**
 * Packets to bytes. What every message costs (PUBLISH, acknowledgements, PINGRESP, SUBACK and UNSUBACK) is written here;
 * everything that is rare goes through mqtt-packet. What is illegal can be sent as well: as far as a packet object can
 * say it (QoS 3, DUP on any packet, any reason code, no granted codes, packet id 0, ill-formed topics as a Buffer)
 * through `encode`, and everything else as bytes in a step { raw }.
 */
// Not its main file: that brings the parser and a stream library along, and half of the time that an import takes.
import type { Packet as ForeignPacket } from 'mqtt-packet'
import generatePacket from 'mqtt-packet/generate.js'
import writeToStream from 'mqtt-packet/writeToStream.js'
import { MqttestError } from '../errors.ts'
import { Memory } from './memory.ts'
import {
  type AcknowledgementPacket,
  type ConnackPacket,
  type ConnectPacket,
  type Packet,
  type Properties,
  type ProtocolVersion,
  type PublishPacket,
  packetTypes,
  type SubackPacket,
  type UnsubackPacket,
  type UserProperties,
  userPropertyPairs,
} from './packet.ts'
import { type PropertyRow, propertyRows } from './properties.ts'
import { SplitPacket } from './split.ts'

// The default builds 65,536 buffers at the first packet, and truncates frames for numbers out of range.
writeToStream.cacheNumbers = false

// Apart, because they go to different connections: a message to its subscriber, its acknowledgement to the publisher.
const messageMemory = new Memory(128 * 1024)
const acknowledgementMemory = new Memory(16 * 1024)

const pingresp = Buffer.from([0xd0, 0x00])
const pingreq = Buffer.from([0xc0, 0x00])
const noProperties = Buffer.from([0])
const none = Buffer.alloc(0)

/** The number of bytes that a remaining length, or any variable byte integer, takes. */
function varintLength(value: number): number {
  return value < 128 ? 1 : value < 16_384 ? 2 : value < 2_097_152 ? 3 : 4
}

/** Writes a variable byte integer and returns the offset behind it. */
function writeVarint(target: Buffer, value: number, offset: number): number {
  let left = value
  let index = offset
  while (left > 127) {
    target[index++] = (left & 127) | 128
    left >>>= 7
  }
  target[index++] = left
  return index
}

/** The bytes of a packet in a version. Throws MQTTEST_ENCODE, with the reason, for what no packet object can say. */
export function encode(packet: Packet, version: ProtocolVersion): Buffer {
  const bytes = encodeType(packet, version)
  // Only PUBLISH has a DUP flag; on any other packet it is illegal, and can be sent on purpose.
  return packet.cmd !== 'publish' && 'dup' in packet && packet.dup === true ? withDup(bytes) : bytes
}

function withDup(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  copy[0] = (bytes[0] ?? 0) | 8
  return copy
}

function encodeType(packet: Packet, version: ProtocolVersion): Buffer {
  switch (packet.cmd) {
    case 'connect':
      return encodeConnect(packet)
    case 'connack':
      return encodeConnack(packet, version)
    case 'publish':
      return encodePublish(packet, version, version === 5 ? encodeProperties(packet.properties) : undefined)
    case 'puback':
    case 'pubrec':
    case 'pubrel':
    case 'pubcomp':
      return encodeAcknowledgement(packet, version)
    case 'suback':
    case 'unsuback':
      return encodeGrants(packet, version)
    case 'pingresp':
      return pingresp
    case 'pingreq':
      return pingreq
    case 'disconnect':
      // The shortest of the legal forms; mqtt-packet writes the long one.
      if (version === 5 && (packet.reasonCode ?? 0) === 0 && isEmpty(packet.properties)) return Buffer.from([0xe0, 0x00])
      if (version === 5 && isEmpty(packet.properties)) return Buffer.from([0xe0, 0x01, packet.reasonCode ?? 0])
      return generate(packet, version)
    default:
      return generate(packet, version)
  }
}

function isEmpty(properties: Properties | undefined): boolean {
  return properties === undefined || Object.keys(properties).length === 0
}

function encodeConnack(packet: ConnackPacket, version: ProtocolVersion): Buffer {
  const code = version === 5 ? packet.reasonCode : packet.returnCode
  if (code === undefined) return generate(packet, version)
  const properties = version === 5 ? encodeProperties(packet.properties) : none
  const remaining = 2 + properties.length
  const head = Buffer.allocUnsafe(1 + varintLength(remaining) + 2)
  head[0] = 0x20
  const at = writeVarint(head, remaining, 1)
  head[at] = packet.sessionPresent ? 1 : 0
  head[at + 1] = code
  return properties.length === 0 ? head : Buffer.concat([head, properties])
}

/**
 * The bytes of a PUBLISH. `propertyBytes` holds its properties with their length in front (MQTT 5), or is undefined
 * (MQTT 3). The caller may know them already, from the packet that brought the message.
 */
export function encodePublish(packet: PublishPacket, version: ProtocolVersion, propertyBytes: Buffer | undefined): Buffer {
  return publishBytes(packet, version, propertyBytes, false)
}

/** The same without a copy of the payload, which is sent from where it stands. */
export function encodePublishApart(packet: PublishPacket, version: ProtocolVersion, propertyBytes: Buffer | undefined): SplitPacket {
  return new SplitPacket(publishBytes(packet, version, propertyBytes, true), packet.payload)
}

/** A PUBLISH, with its payload or up to it. */
function publishBytes(packet: PublishPacket, version: ProtocolVersion, propertyBytes: Buffer | undefined, isApart: boolean): Buffer {
  const topic: string | Buffer = packet.topic
  const topicLength = typeof topic === 'string' ? Buffer.byteLength(topic) : Buffer.from(topic).length
  if (topicLength > 65_535)
    throw new MqttestError('MQTTEST_ENCODE', `a topic has at most 65535 bytes, this one has ${topicLength}; send the bytes with { raw } instead`)
  const payload = packet.payload
  const qos: number = packet.qos
  const idLength = qos > 0 ? 2 : 0
  const properties = version === 5 ? (propertyBytes ?? noProperties) : undefined
  const remaining = 2 + topicLength + idLength + (properties?.length ?? 0) + payload.length
  const bytes = messageMemory.take(1 + varintLength(remaining) + remaining - (isApart ? payload.length : 0))
  bytes[0] = 0x30 | (packet.dup ? 8 : 0) | ((qos & 3) << 1) | (packet.retain ? 1 : 0)
  let at = writeVarint(bytes, remaining, 1)
  bytes[at++] = topicLength >> 8
  bytes[at++] = topicLength & 255
  if (typeof topic === 'string') bytes.write(topic, at, topicLength === topic.length ? 'latin1' : 'utf8')
  else bytes.set(topic, at)
  at += topicLength
  if (idLength > 0) {
    const id = checkedId(packet.messageId ?? 0)
    bytes[at++] = id >> 8
    bytes[at++] = id & 255
  }
  if (properties !== undefined) {
    bytes.set(properties, at)
    at += properties.length
  }
  if (!isApart) bytes.set(payload, at)
  return bytes
}

function checkedId(id: number): number {
  if (!(id >= 0 && id <= 65_535)) throw new MqttestError('MQTTEST_ENCODE', `a packet id is 0 to 65535, got ${id}`)
  return id
}

function encodeAcknowledgement(packet: AcknowledgementPacket, version: ProtocolVersion): Buffer {
  const id = checkedId(packet.messageId)
  const first = (packetTypes[packet.cmd] << 4) | (packet.cmd === 'pubrel' ? 2 : 0)
  const reasonCode = packet.reasonCode ?? 0
  const form = packet.form ?? (!isEmpty(packet.properties) ? 'full' : reasonCode !== 0 ? 'code' : 'short')
  if (version !== 5 || form === 'short') {
    const bytes = acknowledgementMemory.take(4)
    bytes[0] = first
    bytes[1] = 2
    bytes[2] = id >> 8
    bytes[3] = id & 255
    return bytes
  }
  if (form === 'code') return Buffer.from([first, 3, id >> 8, id & 255, reasonCode])
  const properties = encodeProperties(packet.properties)
  const remaining = 3 + properties.length
  const head = Buffer.allocUnsafe(1 + varintLength(remaining) + 3)
  head[0] = first
  let at = writeVarint(head, remaining, 1)
  head[at++] = id >> 8
  head[at++] = id & 255
  head[at] = reasonCode
  return Buffer.concat([head, properties])
}

function encodeGrants(packet: SubackPacket | UnsubackPacket, version: ProtocolVersion): Buffer {
  const id = checkedId(packet.messageId)
  const properties = version === 5 ? encodeProperties(packet.properties) : undefined
  const codes = packet.cmd === 'suback' || version === 5 ? (packet.granted ?? []) : []
  const remaining = 2 + (properties?.length ?? 0) + codes.length
  const bytes = Buffer.allocUnsafe(1 + varintLength(remaining) + remaining)
  bytes[0] = packetTypes[packet.cmd] << 4
  let at = writeVarint(bytes, remaining, 1)
  bytes[at++] = id >> 8
  bytes[at++] = id & 255
  if (properties !== undefined) {
    bytes.set(properties, at)
    at += properties.length
  }
  for (const code of codes) bytes[at++] = code
  return bytes
}

/** The properties of a packet with their length in front, as they stand on the wire in MQTT 5. */
export function encodeProperties(properties: Properties | undefined): Buffer {
  if (properties === undefined || isEmpty(properties)) return noProperties
  const parts: Buffer[] = []
  let length = 0
  for (const row of propertyRows) {
    const value: unknown = properties[row.name]
    if (value === undefined || value === null) continue
    for (const part of row.name === 'userProperties' ? encodePairs(row.id, properties.userProperties ?? {}) : encodeProperty(row, value)) {
      parts.push(part)
      length += part.length
    }
  }
  const head = Buffer.allocUnsafe(varintLength(length))
  writeVarint(head, length, 0)
  return Buffer.concat([head, ...parts], head.length + length)
}

function encodeProperty(row: PropertyRow, value: unknown): Buffer[] {
  // A PUBLISH may name several subscriptions; so may any property be sent twice on purpose.
  if (Array.isArray(value)) return value.flatMap((one) => encodeProperty(row, one))
  switch (row.form) {
    case 'flag':
    case 'byte':
      return [Buffer.from([row.id, Number(value) & 255])]
    case 'uint16': {
      const number = Number(value)
      return [Buffer.from([row.id, (number >> 8) & 255, number & 255])]
    }
    case 'uint32': {
      const bytes = Buffer.from([row.id, 0, 0, 0, 0])
      bytes.writeUInt32BE(Number(value) >>> 0, 1)
      return [bytes]
    }
    case 'varint': {
      const bytes = Buffer.alloc(1 + varintLength(Number(value)))
      bytes[0] = row.id
      writeVarint(bytes, Number(value), 1)
      return [bytes]
    }
    default:
      return [Buffer.from([row.id]), encodeString(value)]
  }
}

function encodePairs(id: number, pairs: UserProperties): Buffer[] {
  return userPropertyPairs(pairs).flatMap(([name, value]) => [Buffer.from([id]), encodeString(name), encodeString(value)])
}

/** CONNECT, in the version that it names. mqtt-packet refuses some that are legal, and what a test may want to send. */
function encodeConnect(packet: ConnectPacket): Buffer {
  const { protocolId, protocolVersion, clean, clientId, keepalive, will, username, password, bridgeMode } = packet
  const five = protocolVersion === 5
  const flags =
    (clean ? 0x02 : 0) |
    (will === undefined ? 0 : 0x04 | ((will.qos & 3) << 3) | (will.retain ? 0x20 : 0)) |
    (password === undefined ? 0 : 0x40) |
    (username === undefined ? 0 : 0x80)
  const body = [
    encodeString(protocolId),
    Buffer.from([protocolVersion | (bridgeMode ? 0x80 : 0), flags, (keepalive >> 8) & 255, keepalive & 255]),
    ...(five ? [encodeProperties(packet.properties)] : []),
    encodeString(clientId),
    ...(will !== undefined && five ? [encodeProperties(will.properties)] : []),
    ...(will === undefined ? [] : [encodeString(will.topic), encodeString(will.payload)]),
    ...(username === undefined ? [] : [encodeString(username)]),
    ...(password === undefined ? [] : [encodeString(password)]),
  ]
  const remaining = body.reduce((sum, part) => sum + part.length, 0)
  const head = Buffer.allocUnsafe(1 + varintLength(remaining))
  head[0] = 0x10
  writeVarint(head, remaining, 1)
  return Buffer.concat([head, ...body])
}

/** A string, or bytes, with its two bytes of length. */
function encodeString(value: unknown): Buffer {
  const bytes = value instanceof Uint8Array ? value : Buffer.from(String(value))
  if (bytes.length > 65_535)
    throw new MqttestError('MQTTEST_ENCODE', `a string has at most 65535 bytes, this one has ${bytes.length}; send the bytes with { raw } instead`)
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes])
}

/** Where the properties stand in the body of the packets that mqtt-packet writes. */
function propertiesAt(packet: Packet): number {
  if (packet.cmd === 'connect') return 2 + Buffer.byteLength(packet.protocolId) + 4
  return packet.cmd === 'disconnect' || packet.cmd === 'auth' ? 1 : 2
}

function generate(packet: Packet, version: ProtocolVersion): Buffer {
  // mqtt-packet would send QoS 0 in place of what it does not know.
  if (packet.cmd === 'subscribe' && packet.subscriptions.some(({ qos }) => !(qos >= 0 && qos <= 2)))
    throw new MqttestError('MQTTEST_ENCODE', 'SUBSCRIBE cannot be encoded: a QoS is 0, 1 or 2; send the bytes with { raw } instead')
  let bytes: Buffer
  try {
    bytes = generatePacket(withoutProperties(packet), { protocolVersion: version })
  } catch (cause) {
    throw new MqttestError(
      'MQTTEST_ENCODE',
      `${packet.cmd.toUpperCase()} cannot be encoded: ${cause instanceof Error ? cause.message : String(cause)}; send the bytes with { raw } instead`,
      { cause },
    )
  }
  if (bytes.length === 0)
    throw new MqttestError(
      'MQTTEST_ENCODE',
      `${packet.cmd.toUpperCase()} cannot be encoded: a field has a value that does not fit; send the bytes with { raw } instead`,
    )
  const place = propertiesAt(packet)
  // The flags stand in front of the two bytes of keep-alive.
  if (packet.cmd === 'connect' && !packet.clean) {
    const flagsAt = bodyOf(bytes) + place - 3
    bytes[flagsAt] = (bytes[flagsAt] ?? 0) & ~2
  }
  if (version !== 5) return bytes
  if (packet.cmd === 'connect' && packet.will !== undefined && !isEmpty(packet.will.properties))
    bytes = withProperties(bytes, place + 1 + 2 + Buffer.byteLength(packet.clientId), packet.will.properties)
  return 'properties' in packet && !isEmpty(packet.properties) ? withProperties(bytes, place, packet.properties) : bytes
}

/** Where the variable header begins. */
function bodyOf(bytes: Buffer): number {
  let body = 1
  while ((bytes[body++] ?? 0) > 127);
  return body
}

/** Puts properties in the place of the one byte that says that there are none; `place` counts from the variable header. */
function withProperties(bytes: Buffer, place: number, properties: Properties | undefined): Buffer {
  const written = encodeProperties(properties)
  const body = bodyOf(bytes)
  const before = bytes.subarray(body, body + place)
  const after = bytes.subarray(body + place + 1)
  const remaining = before.length + written.length + after.length
  const head = Buffer.allocUnsafe(1 + varintLength(remaining))
  head[0] = bytes[0] ?? 0
  writeVarint(head, remaining, 1)
  return Buffer.concat([head, before, written, after])
}

/**
 * A packet for mqtt-packet, without its properties: it groups user properties by name, writes nothing at all where they
 * are empty, and refuses what is illegal. It also refuses an empty client id without a clean start, which MQTT 5 allows.
 */
function withoutProperties(packet: Packet): ForeignPacket {
  const { properties: _written, ...copy }: Packet & { properties?: Properties } = packet
  if (copy.cmd === 'connect' && copy.will !== undefined) {
    const { properties: _wills, ...will } = copy.will
    copy.will = will
  }
  if (copy.cmd === 'connect' && copy.clientId === '') copy.clean = true
  // mqtt-packet's types know no bridge mode and fewer illegal values than its code does.
  return copy as ForeignPacket
}
