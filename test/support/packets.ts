/** Legal packets of every type and version, for fast-check: in the form in which decode gives them. */
import fc, { type Arbitrary } from 'fast-check'
import {
  addUserProperty,
  type Command,
  type ConnectPacket,
  type Packet,
  type Properties,
  type ProtocolVersion,
  packetTypes,
  type QoS,
  type UserProperties,
} from '../../src/wire/packet.ts'
import { propertyRows } from '../../src/wire/properties.ts'

const isSound = (code: number) =>
  code >= 0x20 && !(code >= 0x7f && code <= 0x9f) && !(code >= 0xd800 && code <= 0xdfff) && !(code >= 0xfdd0 && code <= 0xfdef) && code % 0x10000 < 0xfffe

const codePoint = fc
  .oneof(
    { weight: 5, arbitrary: fc.integer({ min: 0x20, max: 0x7e }) },
    { weight: 1, arbitrary: fc.integer({ min: 0xa0, max: 0x7ff }) },
    { weight: 1, arbitrary: fc.integer({ min: 0x800, max: 0xffff }) },
    { weight: 1, arbitrary: fc.integer({ min: 0x10000, max: 0x10ffff }) },
    { weight: 1, arbitrary: fc.constant(0xfeff) },
  )
  .filter(isSound)

/** Text that MQTT allows. */
export const soundText = (minLength = 0, maxLength = 12): Arbitrary<string> =>
  fc.array(codePoint, { minLength, maxLength }).map((codes) => String.fromCodePoint(...codes))

/** A topic name. */
const topicName = soundText(1).map((name) => name.replace(/[+#]/g, '/'))

const level = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('a', 'b', '', '$a', 'ä') },
  { weight: 1, arbitrary: fc.constant('+') },
  { weight: 1, arbitrary: soundText(0, 3).map((name) => name.replace(/[+#/]/g, '')) },
)

/** A topic filter. */
export const topicFilter: Arbitrary<string> = fc
  .tuple(fc.array(level, { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([levels, all]) => [...levels, ...(all ? ['#'] : [])].join('/'))
  .filter((filter) => filter !== '' && !filter.startsWith('$share'))

/** A topic of few levels with few names, so that filters of {@link topicFilter} often match. */
export const plainTopic: Arbitrary<string> = fc
  .array(fc.constantFrom('a', 'b', '', '$a', 'ä', 'c'), { minLength: 1, maxLength: 5 })
  .map((levels) => levels.join('/'))
  .filter((topic) => topic !== '')

const bytes = (maxLength = 24) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array))
const qos: Arbitrary<QoS> = fc.constantFrom(0, 1, 2)
const packetId = fc.integer({ min: 1, max: 65_535 })

/** User properties in the order of their pairs. */
export const userProperties: Arbitrary<UserProperties> = fc
  .array(fc.tuple(fc.oneof(fc.constantFrom('a', 'b', '__proto__', ''), soundText(0, 4)), soundText(0, 6)), { minLength: 1, maxLength: 5 })
  .map((pairs) => {
    const all: UserProperties = Object.create(null)
    for (const [name, value] of pairs) addUserProperty(all, name, value)
    return all
  })

function arbitraryValue(name: keyof Properties, form: string, notZero: boolean): Arbitrary<unknown> {
  const from = notZero ? 1 : 0
  if (name === 'maximumQoS') return fc.constantFrom(0, 1)
  if (name === 'responseTopic') return topicName
  switch (form) {
    case 'flag':
      return fc.boolean()
    case 'byte':
      return fc.integer({ min: from, max: 255 })
    case 'uint16':
      return fc.integer({ min: from, max: 65_535 })
    case 'uint32':
      return fc.oneof(fc.integer({ min: from, max: 100 }), fc.integer({ min: from, max: 0xffff_ffff }), fc.constant(0xffff_ffff))
    case 'varint':
      return fc.oneof(fc.integer({ min: from, max: 200 }), fc.integer({ min: from, max: 268_435_455 }))
    case 'string':
      return soundText()
    case 'binary':
      return bytes()
    default:
      return userProperties
  }
}

/** Properties that a packet may carry, or undefined; `without` leaves some out. */
function properties(carrier: Command | 'will', without: readonly (keyof Properties)[] = []): Arbitrary<Properties | undefined> {
  const bit = 1 << (carrier === 'will' ? 0 : packetTypes[carrier])
  const rows = propertyRows.filter((row) => (row.carriers & bit) !== 0 && !without.includes(row.name))
  const model = Object.fromEntries(rows.map((row) => [row.name, arbitraryValue(row.name, row.form, row.notZero)]))
  return fc.oneof(
    { weight: 1, arbitrary: fc.constant(undefined) },
    {
      weight: 3,
      arbitrary: fc
        .record<Record<string, unknown>>(model, { requiredKeys: [] })
        .map((found): Properties | undefined => (Object.keys(found).length === 0 ? undefined : { ...found })),
    },
  )
}

/** A packet with its properties, where there are any. */
function withProperties<P extends Packet>(
  packet: Arbitrary<P>,
  carrier: Command,
  version: ProtocolVersion,
  without: readonly (keyof Properties)[] = [],
): Arbitrary<P> {
  if (version !== 5) return packet
  return fc.tuple(packet, properties(carrier, without)).map(([plain, found]) => (found === undefined ? plain : { ...plain, properties: found }))
}

const present = <T extends object>(fields: T): T =>
  Object.assign({}, ...Object.entries(fields).map(([name, value]) => (value === undefined ? {} : { [name]: value })))

function connect(version: ProtocolVersion): Arbitrary<Packet> {
  const will = fc
    .record({ topic: topicName, payload: bytes(), qos, retain: fc.boolean(), properties: version === 5 ? properties('will') : fc.constant(undefined) })
    .map(present)
  const packet = fc
    .record({
      cmd: fc.constant('connect' as const),
      protocolId: fc.constant(version === 3 ? 'MQIsdp' : 'MQTT'),
      protocolVersion: fc.constant<number>(version),
      clean: fc.boolean(),
      clientId: soundText(version === 3 ? 1 : 0),
      keepalive: fc.integer({ min: 0, max: 65_535 }),
      username: fc.option(soundText(), { nil: undefined }),
      password: fc.option(bytes(), { nil: undefined }),
      will: fc.option(will, { nil: undefined }),
      bridgeMode: version === 5 ? fc.constant(undefined) : fc.constantFrom(undefined, true as const),
    })
    .map((fields): ConnectPacket => {
      if (version === 5) return present(fields)
      // Before MQTT 5, a password needs a user name, and a session that is kept needs a client id.
      return present({ ...fields, clean: fields.clean || fields.clientId === '', password: fields.username === undefined ? undefined : fields.password })
    })
  return withProperties(packet, 'connect', version).map((one) => {
    // Authentication data without a method is a protocol error.
    if (one.properties?.authenticationData === undefined || one.properties.authenticationMethod !== undefined) return one
    return { ...one, properties: { ...one.properties, authenticationMethod: 'm' } }
  })
}

function publish(version: ProtocolVersion, sender: 'client' | 'server'): Arbitrary<Packet> {
  const packet = fc
    .record({ cmd: fc.constant('publish' as const), topic: topicName, payload: bytes(200), qos, dup: fc.boolean(), retain: fc.boolean(), messageId: packetId })
    .map(({ messageId, ...one }) => (one.qos === 0 ? { ...one, dup: one.dup && version === 3 } : { ...one, messageId }))
  return withProperties(packet, 'publish', version, sender === 'client' ? ['subscriptionIdentifier'] : [])
}

const acknowledgementCodes = {
  puback: [0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
  pubrec: [0, 0x10, 0x80, 0x87],
  pubrel: [0, 0x92],
  pubcomp: [0, 0x92],
}

function acknowledgement(cmd: keyof typeof acknowledgementCodes, version: ProtocolVersion): Arbitrary<Packet> {
  const codes = fc.constantFrom(...acknowledgementCodes[cmd])
  const packet = fc.tuple(packetId, codes).map(([messageId, reasonCode]) => (version === 5 ? { cmd, messageId, reasonCode } : { cmd, messageId }))
  return withProperties(packet, cmd, version)
}

function subscribe(version: ProtocolVersion): Arbitrary<Packet> {
  const subscription = fc
    .record({ topic: topicFilter, qos, nl: fc.boolean(), rap: fc.boolean(), rh: fc.integer({ min: 0, max: 2 }) })
    .map(({ topic, qos, ...options }) => (version === 5 ? { topic, qos, ...options } : { topic, qos }))
  const packet = fc.record({
    cmd: fc.constant('subscribe' as const),
    messageId: packetId,
    subscriptions: fc.array(subscription, { minLength: 1, maxLength: 4 }),
  })
  return withProperties(packet, 'subscribe', version)
}

function unsubscribe(version: ProtocolVersion): Arbitrary<Packet> {
  const packet = fc.record({
    cmd: fc.constant('unsubscribe' as const),
    messageId: packetId,
    unsubscriptions: fc.array(topicFilter, { minLength: 1, maxLength: 4 }),
  })
  return withProperties(packet, 'unsubscribe', version)
}

function granted(cmd: 'suback' | 'unsuback', version: ProtocolVersion): Arbitrary<Packet> {
  if (cmd === 'unsuback' && version !== 5) return packetId.map((messageId) => ({ cmd, messageId }))
  const codes = cmd === 'unsuback' ? [0, 0x11, 0x80, 0x87] : version === 5 ? [0, 1, 2, 0x80, 0x87, 0x8f, 0xa2] : [0, 1, 2, 0x80]
  const packet = fc.record({ cmd: fc.constant(cmd), messageId: packetId, granted: fc.array(fc.constantFrom(...codes), { minLength: 1, maxLength: 6 }) })
  return withProperties(packet, cmd, version)
}

function connack(version: ProtocolVersion): Arbitrary<Packet> {
  const packet = fc
    .tuple(fc.boolean(), version === 5 ? fc.constantFrom(0, 0x81, 0x84, 0x87, 0x9c) : fc.integer({ min: 0, max: 5 }))
    .map(([sessionPresent, code]) => ({ cmd: 'connack' as const, sessionPresent, ...(version === 5 ? { reasonCode: code } : { returnCode: code }) }))
  return withProperties(packet, 'connack', version)
}

function disconnect(version: ProtocolVersion, sender: 'client' | 'server'): Arbitrary<Packet> {
  if (version !== 5) return fc.constant({ cmd: 'disconnect' })
  const codes = sender === 'client' ? [0, 0x04, 0x80, 0x82, 0x93] : [0x81, 0x82, 0x87, 0x8d, 0x8e, 0x9d]
  const packet = fc.constantFrom(...codes).map((reasonCode) => ({ cmd: 'disconnect' as const, reasonCode }))
  return withProperties(packet, 'disconnect', version, sender === 'client' ? ['serverReference'] : ['sessionExpiryInterval'])
}

const auth = withProperties(
  fc.constantFrom(0, 0x18, 0x19).map((reasonCode) => ({ cmd: 'auth' as const, reasonCode })),
  'auth',
  5,
)

/** Arbitraries of every packet type that a side may send in a version. */
export function packetsBy(sender: 'client' | 'server', version: ProtocolVersion): Record<string, Arbitrary<Packet>> {
  const both = {
    publish: publish(version, sender),
    puback: acknowledgement('puback', version),
    pubrec: acknowledgement('pubrec', version),
    pubrel: acknowledgement('pubrel', version),
    pubcomp: acknowledgement('pubcomp', version),
    ...(version === 5 && { auth }),
  }
  return sender === 'client'
    ? {
        ...both,
        connect: connect(version),
        subscribe: subscribe(version),
        unsubscribe: unsubscribe(version),
        pingreq: fc.constant({ cmd: 'pingreq' }),
        disconnect: disconnect(version, sender),
      }
    : {
        ...both,
        connack: connack(version),
        suback: granted('suback', version),
        unsuback: granted('unsuback', version),
        pingresp: fc.constant({ cmd: 'pingresp' }),
        ...(version === 5 && { disconnect: disconnect(version, sender) }),
      }
}

/** Any legal packet of a side in a version. */
export function anyPacketBy(sender: 'client' | 'server', version: ProtocolVersion): Arbitrary<Packet> {
  return fc.oneof(...Object.values(packetsBy(sender, version)))
}
