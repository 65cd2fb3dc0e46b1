/** What a client must not send: bytes, and what is wrong with them. One row is one case for decode, and for the server. */
import type { RuleName } from '../../src/lint/rules.ts'
import type { ProtocolVersion } from '../../src/wire/packet.ts'
import { framed, hex } from '../support/bytes.ts'

/** One case. */
export interface MalformedCase {
  readonly name: string
  readonly version: ProtocolVersion
  readonly bytes: Buffer
  readonly rule: RuleName
  /** Where the first offending byte stands. */
  readonly offset: number
  /** What MQTT 5 answers, in DISCONNECT or CONNACK; undefined where it only closes. */
  readonly code: number | undefined
  /** Whether it comes in place of CONNECT. */
  readonly isConnect: boolean
  /** Whether the client named an authentication method. */
  readonly hasMethod: boolean
  /** Largest packet that is allowed. */
  readonly limit: number | undefined
}

const cases: MalformedCase[] = []

interface Expected {
  readonly rule: RuleName
  readonly at: number
  readonly code?: number
  readonly hasMethod?: boolean
  readonly limit?: number
}

function bad(name: string, versions: readonly ProtocolVersion[] | ProtocolVersion, first: number | Buffer, body: string | Buffer, expected: Expected) {
  const bytes = typeof first === 'number' ? framed(first, body) : first
  for (const version of [versions].flat())
    cases.push({
      name: `${name} in ${{ 3: 'MQTT 3.1', 4: 'MQTT 3.1.1', 5: 'MQTT 5' }[version]}`,
      version,
      bytes,
      rule: expected.rule,
      offset: expected.at,
      code: version === 5 ? expected.code : undefined,
      isConnect: ((bytes[0] ?? 0) & 0xf0) === 0x10,
      hasMethod: expected.hasMethod ?? false,
      limit: expected.limit,
    })
}

const all = [3, 4, 5] as const
const signed = [4, 5] as const
const none = Buffer.alloc(0)

// framing
bad('a remaining length of five bytes', all, hex('30 80 80 80 80 01'), none, { rule: 'remaining-length-malformed', at: 1, code: 0x81 })
bad('a packet above the limit', all, hex('30 65'), none, { rule: 'packet-too-large', at: 1, code: 0x95, limit: 100 })
bad('packet type 0', all, 0x00, '', { rule: 'packet-type-reserved', at: 0, code: 0x82 })
bad('PUBACK with flags', signed, 0x41, '0001', { rule: 'fixed-header-reserved-flags', at: 0, code: 0x81 })
bad('PINGREQ with flags', signed, 0xc2, '', { rule: 'fixed-header-reserved-flags', at: 0, code: 0x81 })
bad('SUBACK with flags', 5, 0x91, '0001 00 00', { rule: 'fixed-header-reserved-flags', at: 0, code: 0x81 })
bad('CONNECT with flags', 4, 0x11, "0004 'MQTT' 04 02 0000 0001 'c'", { rule: 'fixed-header-reserved-flags', at: 0 })
bad('CONNECT with flags', 5, 0x11, "0004 'MQTT' 05 02 0000 00 0001 'c'", { rule: 'fixed-header-reserved-flags', at: 0, code: 0x81 })
bad('PUBREL with flags 0000', signed, 0x60, '0001', { rule: 'pubrel-flags-invalid', at: 0, code: 0x81 })
bad('PUBREL with flags 1010', signed, 0x6a, '0001', { rule: 'pubrel-flags-invalid', at: 0, code: 0x81 })
bad('SUBSCRIBE with flags 0000', 4, 0x80, "0001 0001 'a' 00", { rule: 'subscribe-flags-invalid', at: 0 })
bad('SUBSCRIBE with flags 0000', 5, 0x80, "0001 00 0001 'a' 00", { rule: 'subscribe-flags-invalid', at: 0, code: 0x81 })
bad('UNSUBSCRIBE with flags 0000', 4, 0xa0, "0001 0001 'a'", { rule: 'unsubscribe-flags-invalid', at: 0 })
bad('UNSUBSCRIBE with flags 0011', 5, 0xa3, "0001 00 0001 'a'", { rule: 'unsubscribe-flags-invalid', at: 0, code: 0x81 })
bad('DISCONNECT with flags', signed, 0xe1, '', { rule: 'disconnect-flags-invalid', at: 0, code: 0x81 })
bad('AUTH with flags', 5, 0xf1, '', { rule: 'auth-flags-invalid', at: 0, code: 0x81, hasMethod: true })
for (const [packet, first, body] of [
  ['CONNACK', 0x20, '0000'],
  ['SUBACK', 0x90, '0001 00'],
  ['UNSUBACK', 0xb0, '0001'],
  ['PINGRESP', 0xd0, ''],
] as const)
  bad(packet, all, first, body, { rule: 'packet-wrong-direction', at: 0, code: 0x82 })
bad('AUTH', [3, 4], 0xf0, '', { rule: 'auth-not-in-mqtt3', at: 0 })

// lengths
bad('PUBLISH without a whole length of its topic', all, 0x30, '00', { rule: 'packet-length-mismatch', at: 2, code: 0x81 })
bad('PUBLISH with a topic that is cut short', all, 0x30, "0005 'abc'", { rule: 'packet-length-mismatch', at: 2, code: 0x81 })
bad('PUBLISH without a packet id', all, 0x32, "0001 'a'", { rule: 'packet-length-mismatch', at: 5, code: 0x81 })
bad('PUBLISH with half a packet id', all, 0x32, "0001 'a' 00", { rule: 'packet-length-mismatch', at: 5, code: 0x81 })
bad('PUBACK with nothing in it', all, 0x40, '', { rule: 'packet-length-mismatch', at: 2, code: 0x81 })
bad('PUBACK with a byte too many', [3, 4], 0x40, '0001 00', { rule: 'packet-length-mismatch', at: 4 })
bad('PUBACK with bytes behind its properties', 5, 0x40, '0001 00 00 00', { rule: 'packet-length-mismatch', at: 6, code: 0x81 })
bad('PINGREQ with a body', all, 0xc0, '00', { rule: 'packet-length-mismatch', at: 2, code: 0x81 })
bad('DISCONNECT with a body', [3, 4], 0xe0, '00', { rule: 'packet-length-mismatch', at: 2 })
bad('SUBSCRIBE without options', [3, 4], 0x82, "0001 0001 'a'", { rule: 'packet-length-mismatch', at: 7 })
bad('SUBSCRIBE without options', 5, 0x82, "0001 00 0001 'a'", { rule: 'packet-length-mismatch', at: 8, code: 0x81 })
bad('SUBSCRIBE with half a filter behind a whole one', 4, 0x82, "0001 0001 'a' 00 0002 'b'", { rule: 'packet-length-mismatch', at: 8 })
bad('CONNECT that ends in its keep-alive', 4, 0x10, "0004 'MQTT' 04 02 00", { rule: 'packet-length-mismatch', at: 10 })
bad('CONNECT that ends in its protocol name', 4, 0x10, "0004 'MQ'", { rule: 'packet-length-mismatch', at: 2 })
bad('CONNECT without a client id', 3, 0x10, "0006 'MQIsdp' 03 02 0000", { rule: 'packet-length-mismatch', at: 14 })
bad('CONNECT without the password that its flags announce', 4, 0x10, "0004 'MQTT' 04 c2 0000 0001 'c' 0001 'u'", { rule: 'packet-length-mismatch', at: 18 })
bad('CONNECT with bytes too many', 4, 0x10, "0004 'MQTT' 04 02 0000 0001 'c' 00", { rule: 'packet-length-mismatch', at: 15 })
bad('CONNECT with bytes too many', 5, 0x10, "0004 'MQTT' 05 02 0000 00 0001 'c' 00", { rule: 'packet-length-mismatch', at: 16, code: 0x81 })
bad('properties that go past the end', 5, 0x30, "0001 'a' 05 01 00", { rule: 'packet-length-mismatch', at: 6, code: 0x81 })
bad('a property that goes past the properties', 5, 0x30, "0001 'a' 02 02 00 000001", { rule: 'packet-length-mismatch', at: 7, code: 0x81 })
bad('a property length of five bytes', 5, 0x30, "0001 'a' 8080808001", { rule: 'packet-length-mismatch', at: 5, code: 0x81 })

// strings
for (const [what, text, at] of [
  ['a byte that begins nothing', "0003 'a' ff 'b'", 5],
  ['a sequence that is cut short', "0002 'a' c3", 5],
  ['an overlong form', '0002 c0af', 4],
  ['a surrogate', '0003 eda080', 4],
  ['a code point above U+10FFFF', '0004 f4908080', 4],
] as const)
  bad(`a topic with ${what}`, all, 0x30, text, { rule: 'utf8-ill-formed', at, code: 0x81 })
bad('a client id that is no UTF-8', 5, 0x10, "0004 'MQTT' 05 02 0000 00 0002 'c' ff", { rule: 'utf8-ill-formed', at: 16, code: 0x81 })
bad('a user name that is no UTF-8', 4, 0x10, "0004 'MQTT' 04 82 0000 0001 'c' 0001 ff", { rule: 'utf8-ill-formed', at: 17 })
bad('a property that is no UTF-8', 5, 0x30, "0001 'a' 04 03 0001 ff", { rule: 'utf8-ill-formed', at: 9, code: 0x81 })
bad('a topic filter that is no UTF-8', 4, 0x82, '0001 0001 ff 00', { rule: 'utf8-ill-formed', at: 6 })
bad('a topic with U+0000', all, 0x30, "0003 'a' 00 'b'", { rule: 'utf8-null-character', at: 5, code: 0x81 })
bad('a user property with U+0000', 5, 0x30, "0001 'a' 07 26 0001 'n' 0001 00", { rule: 'utf8-null-character', at: 12, code: 0x81 })
for (const [what, text, at] of [
  ['U+0001', "0003 'a' 01 'b'", 5],
  ['DEL', '0001 7f', 4],
  ['U+0085', '0002 c285', 4],
  ['U+FFFE', '0003 efbfbe', 4],
  ['U+FDD0', '0003 efb790', 4],
] as const)
  bad(`a topic with ${what}`, all, 0x30, text, { rule: 'utf8-disallowed-code-point', at, code: 0x81 })

// properties
bad('a property length with a needless byte', 5, 0x30, "0001 'a' 8000", { rule: 'variable-byte-integer-not-minimal', at: 5, code: 0x81 })
bad('a subscription identifier with a needless byte', 5, 0x82, "0001 03 0b 8100 0001 'a' 00", { rule: 'variable-byte-integer-not-minimal', at: 6, code: 0x81 })
bad('PUBLISH without a property length', 5, 0x30, "0001 'a'", { rule: 'property-length-missing', at: 5, code: 0x81 })
bad('SUBSCRIBE without anything behind its packet id', 5, 0x82, '0001', { rule: 'property-length-missing', at: 4, code: 0x81 })
bad('CONNECT without a property length', 5, 0x10, "0004 'MQTT' 05 02 0000", { rule: 'property-length-missing', at: 12, code: 0x81 })
bad('a property of no meaning', 5, 0x30, "0001 'a' 02 7f 00", { rule: 'property-unknown', at: 6, code: 0x81 })
bad('a property number of two bytes', 5, 0x30, "0001 'a' 03 8101 00", { rule: 'property-unknown', at: 6, code: 0x81 })
bad('a server keep-alive in PUBLISH', 5, 0x30, "0001 'a' 03 13 0001", { rule: 'property-not-allowed', at: 6, code: 0x82 })
bad('a content type in SUBSCRIBE', 5, 0x82, "0001 04 03 0001 'x' 0001 'a' 00", { rule: 'property-not-allowed', at: 5, code: 0x81 })
bad('a will delay beside the properties of CONNECT', 5, 0x10, "0004 'MQTT' 05 02 0000 05 18 00000001 0001 'c'", {
  rule: 'property-not-allowed',
  at: 13,
  code: 0x82,
})
bad('a topic alias in a will', 5, 0x10, "0004 'MQTT' 05 06 0000 00 0001 'c' 03 23 0001 0001 't' 0000", { rule: 'property-not-allowed', at: 17, code: 0x82 })
bad('a content type twice', 5, 0x30, "0001 'a' 08 03 0001 'x' 03 0001 'x'", { rule: 'property-duplicate', at: 10, code: 0x82 })
bad('a receive maximum twice', 5, 0x10, "0004 'MQTT' 05 02 0000 06 21 0001 21 0001 0001 'c'", { rule: 'property-duplicate', at: 16, code: 0x82 })
bad('a subscription identifier twice in SUBSCRIBE', 5, 0x82, "0001 04 0b01 0b02 0001 'a' 00", { rule: 'property-duplicate', at: 7, code: 0x82 })
bad('a payload format of 2', 5, 0x30, "0001 'a' 02 01 02", { rule: 'property-value-out-of-range', at: 7, code: 0x82 })
bad('a request for problem information of 2', 5, 0x10, "0004 'MQTT' 05 02 0000 02 17 02 0001 'c'", { rule: 'property-value-out-of-range', at: 14, code: 0x82 })

// CONNECT
bad('the protocol name MQTX', 4, 0x10, "0004 'MQTX' 04 02 0000 0001 'c'", { rule: 'connect-protocol-name-invalid', at: 2 })
bad('the protocol name mqtt', 5, 0x10, "0004 'mqtt' 05 02 0000 00 0001 'c'", { rule: 'connect-protocol-name-invalid', at: 2, code: 0x84 })
for (const [name, level, length] of [
  ['MQTT', '06', 4],
  ['MQTT', '03', 4],
  ['MQTT', '00', 4],
  ['MQTT', '85', 4],
  ['MQIsdp', '04', 6],
] as const)
  bad(`level ${level} of ${name}`, 4, 0x10, `00${String(length).padStart(2, '0')} '${name}' ${level} 02 0000 0001 'c'`, {
    rule: 'connect-protocol-level-unsupported',
    at: 4 + length,
  })
bad('CONNECT with its reserved flag', 4, 0x10, "0004 'MQTT' 04 03 0000 0001 'c'", { rule: 'connect-reserved-flag-set', at: 9 })
bad('CONNECT with its reserved flag', 5, 0x10, "0004 'MQTT' 05 03 0000 00 0001 'c'", { rule: 'connect-reserved-flag-set', at: 9, code: 0x81 })
bad('a will QoS of 3', 3, 0x10, "0006 'MQIsdp' 03 1e 0000 0001 'c' 0001 't' 0000", { rule: 'connect-will-qos-3', at: 11 })
bad('a will QoS of 3', 4, 0x10, "0004 'MQTT' 04 1e 0000 0001 'c' 0001 't' 0000", { rule: 'connect-will-qos-3', at: 9 })
bad('a will QoS of 3', 5, 0x10, "0004 'MQTT' 05 1e 0000 00 0001 'c' 00 0001 't' 0000", { rule: 'connect-will-qos-3', at: 9, code: 0x81 })
bad('a will QoS without a will', 4, 0x10, "0004 'MQTT' 04 0a 0000 0001 'c'", { rule: 'connect-will-qos-without-will', at: 9 })
bad('a will QoS without a will', 5, 0x10, "0004 'MQTT' 05 0a 0000 00 0001 'c'", { rule: 'connect-will-qos-without-will', at: 9, code: 0x81 })
bad('a retained will without a will', 4, 0x10, "0004 'MQTT' 04 22 0000 0001 'c'", { rule: 'connect-will-retain-without-will', at: 9 })
bad('a retained will without a will', 5, 0x10, "0004 'MQTT' 05 22 0000 00 0001 'c'", { rule: 'connect-will-retain-without-will', at: 9, code: 0x81 })
bad('a password without a user name', 3, 0x10, "0006 'MQIsdp' 03 42 0000 0001 'c' 0001 'p'", { rule: 'connect-password-without-username', at: 11 })
bad('a password without a user name', 4, 0x10, "0004 'MQTT' 04 42 0000 0001 'c' 0001 'p'", { rule: 'connect-password-without-username', at: 9 })
bad('authentication data without a method', 5, 0x10, "0004 'MQTT' 05 02 0000 04 16 0001 'x' 0001 'c'", {
  rule: 'connect-authentication-data-without-method',
  at: 12,
  code: 0x82,
})
bad('a receive maximum of 0', 5, 0x10, "0004 'MQTT' 05 02 0000 03 21 0000 0001 'c'", { rule: 'connect-receive-maximum-zero', at: 14, code: 0x82 })
bad('a maximum packet size of 0', 5, 0x10, "0004 'MQTT' 05 02 0000 05 27 00000000 0001 'c'", { rule: 'connect-maximum-packet-size-zero', at: 14, code: 0x82 })
bad('a will with an empty topic', 4, 0x10, "0004 'MQTT' 04 06 0000 0001 'c' 0000 0000", { rule: 'topic-empty', at: 15 })
bad('a will with a wildcard', 5, 0x10, "0004 'MQTT' 05 06 0000 00 0001 'c' 00 0001 '#' 0000", { rule: 'publish-topic-wildcard', at: 19, code: 0x81 })
bad('a will with an empty response topic', 5, 0x10, "0004 'MQTT' 05 06 0000 00 0001 'c' 03 08 0000 0001 'a' 0000", {
  rule: 'topic-empty',
  at: 16,
  code: 0x82,
})
bad('a will with a wildcard in its response topic', 5, 0x10, "0004 'MQTT' 05 06 0000 00 0001 'c' 04 08 0001 '#' 0001 'a' 0000", {
  rule: 'publish-response-topic-wildcard',
  at: 16,
  code: 0x82,
})

// PUBLISH and its acknowledgements
bad('QoS 3', all, 0x36, "0001 'a' 0001", { rule: 'publish-qos-3', at: 0, code: 0x81 })
bad('DUP with QoS 0', 4, 0x38, "0001 'a'", { rule: 'publish-dup-on-qos0', at: 0 })
bad('DUP with QoS 0', 5, 0x38, "0001 'a' 00", { rule: 'publish-dup-on-qos0', at: 0, code: 0x81 })
bad('an empty topic', [3, 4], 0x30, '0000', { rule: 'topic-empty', at: 2 })
bad('an empty topic without an alias', 5, 0x30, '0000 00', { rule: 'publish-topic-empty-without-alias', at: 2, code: 0x82 })
bad('a topic with #', all, 0x30, "0003 'a/#' 00", { rule: 'publish-topic-wildcard', at: 4, code: 0x81 })
bad('a topic with +', all, 0x30, "0003 'a/+' 00", { rule: 'publish-topic-wildcard', at: 4, code: 0x81 })
bad('an empty response topic', 5, 0x30, "0001 'a' 03 08 0000", { rule: 'topic-empty', at: 5, code: 0x82 })
bad('a response topic with a wildcard', 5, 0x30, "0001 'a' 06 08 0003 'b/#'", { rule: 'publish-response-topic-wildcard', at: 5, code: 0x82 })
bad('a topic alias of 0', 5, 0x30, "0001 'a' 03 23 0000", { rule: 'topic-alias-zero', at: 7, code: 0x94 })
bad('a subscription identifier of 0 in PUBLISH', 5, 0x30, "0001 'a' 02 0b 00", { rule: 'subscription-identifier-zero', at: 7, code: 0x82 })
bad('two subscription identifiers from a client', 5, 0x30, "0001 'a' 04 0b01 0b02", { rule: 'property-duplicate', at: 5, code: 0x82 })
bad('PUBLISH with packet id 0', all, 0x32, "0001 'a' 0000 00", { rule: 'packet-id-zero', at: 5, code: 0x82 })
for (const [packet, first] of [
  ['PUBACK', 0x40],
  ['PUBREC', 0x50],
  ['PUBREL', 0x62],
  ['PUBCOMP', 0x70],
] as const) {
  bad(`${packet} with packet id 0`, all, first, '0000', { rule: 'packet-id-zero', at: 2, code: 0x82 })
  bad(`${packet} with a reason code of no meaning`, 5, first, '0001 42', { rule: 'ack-reason-code-invalid', at: 4, code: 0x82 })
  bad(`${packet} with a reason code of another packet`, 5, first, '0001 8e', { rule: 'ack-reason-code-invalid', at: 4, code: 0x82 })
}

// SUBSCRIBE and UNSUBSCRIBE
bad('SUBSCRIBE with packet id 0', [3, 4], 0x82, "0000 0001 'a' 00", { rule: 'packet-id-zero', at: 2 })
bad('SUBSCRIBE with packet id 0', 5, 0x82, "0000 00 0001 'a' 00", { rule: 'packet-id-zero', at: 2, code: 0x81 })
bad('UNSUBSCRIBE with packet id 0', 4, 0xa2, "0000 0001 'a'", { rule: 'packet-id-zero', at: 2 })
bad('UNSUBSCRIBE with packet id 0', 5, 0xa2, "0000 00 0001 'a'", { rule: 'packet-id-zero', at: 2, code: 0x81 })
bad('SUBSCRIBE without filters', [3, 4], 0x82, '0001', { rule: 'subscribe-empty', at: 4 })
bad('SUBSCRIBE without filters', 5, 0x82, '0001 00', { rule: 'subscribe-empty', at: 5, code: 0x81 })
bad('UNSUBSCRIBE without filters', [3, 4], 0xa2, '0001', { rule: 'unsubscribe-empty', at: 4 })
bad('UNSUBSCRIBE without filters', 5, 0xa2, '0001 00', { rule: 'unsubscribe-empty', at: 5, code: 0x81 })
bad('SUBSCRIBE with QoS 3', [3, 4], 0x82, "0001 0001 'a' 03", { rule: 'subscribe-qos-3', at: 7 })
bad('SUBSCRIBE with QoS 3', 5, 0x82, "0001 00 0001 'a' 03", { rule: 'subscribe-qos-3', at: 8, code: 0x81 })
bad('SUBSCRIBE with no local', [3, 4], 0x82, "0001 0001 'a' 04", { rule: 'subscribe-reserved-bits', at: 7 })
bad('SUBSCRIBE with reserved options', 5, 0x82, "0001 00 0001 'a' 40", { rule: 'subscribe-reserved-bits', at: 8, code: 0x81 })
bad('SUBSCRIBE with retain handling 3', 5, 0x82, "0001 00 0001 'a' 30", { rule: 'subscribe-retain-handling-3', at: 8, code: 0x82 })
bad('a shared subscription with no local', 5, 0x82, "0001 00 000a '$share/g/a' 04", { rule: 'subscribe-no-local-on-shared', at: 17, code: 0x82 })
bad('a shared subscription without a share name', 5, 0x82, "0001 00 0009 '$share//a' 00", { rule: 'subscribe-share-name-missing', at: 7, code: 0x82 })
bad('a shared subscription without a filter', 5, 0x82, "0001 00 0008 '$share/g' 00", { rule: 'subscribe-share-filter-invalid', at: 7, code: 0x82 })
bad('a shared subscription with an empty filter', 5, 0x82, "0001 00 0009 '$share/g/' 00", { rule: 'subscribe-share-filter-invalid', at: 7, code: 0x82 })
bad('$share alone', 5, 0x82, "0001 00 0006 '$share' 00", { rule: 'subscribe-share-name-missing', at: 7, code: 0x82 })
bad('UNSUBSCRIBE from a share without a name', 5, 0xa2, "0001 00 0009 '$share//a'", { rule: 'subscribe-share-name-missing', at: 7, code: 0x82 })
bad('UNSUBSCRIBE from a share without a filter', 5, 0xa2, "0001 00 0008 '$share/g'", { rule: 'subscribe-share-filter-invalid', at: 7, code: 0x82 })
bad('a share name with a wildcard', 5, 0x82, "0001 00 000a '$share/+/a' 00", { rule: 'subscribe-share-filter-invalid', at: 7, code: 0x82 })
bad('a subscription identifier of 0 in SUBSCRIBE', 5, 0x82, "0001 02 0b 00 0001 'a' 00", { rule: 'subscription-identifier-zero', at: 6, code: 0x81 })
bad('an empty filter', [3, 4], 0x82, '0001 0000 00', { rule: 'topic-empty', at: 6 })
bad('an empty filter', 5, 0x82, '0001 00 0000 00', { rule: 'topic-empty', at: 7, code: 0x81 })
bad('an empty filter in UNSUBSCRIBE', 4, 0xa2, '0001 0000', { rule: 'topic-empty', at: 6 })
for (const [filter, rule] of [
  ['a#', 'filter-multi-level-wildcard-misplaced'],
  ['#/a', 'filter-multi-level-wildcard-misplaced'],
  ['a/#b', 'filter-multi-level-wildcard-misplaced'],
  ['a+', 'filter-single-level-wildcard-misplaced'],
  ['+a/b', 'filter-single-level-wildcard-misplaced'],
  ['a/++', 'filter-single-level-wildcard-misplaced'],
] as const) {
  const length = filter.length.toString(16).padStart(4, '0')
  bad(`the filter ${filter}`, [3, 4], 0x82, `0001 ${length} '${filter}' 00`, { rule, at: 6 })
  bad(`the filter ${filter}`, 5, 0x82, `0001 00 ${length} '${filter}' 00`, { rule, at: 7, code: 0x81 })
  bad(`the filter ${filter} in UNSUBSCRIBE`, 4, 0xa2, `0001 ${length} '${filter}'`, { rule, at: 6 })
  bad(`the filter ${filter} in UNSUBSCRIBE`, 5, 0xa2, `0001 00 ${length} '${filter}'`, { rule, at: 7, code: 0x81 })
}

// DISCONNECT and AUTH
bad('DISCONNECT with a reason code of no meaning', 5, 0xe0, '42', { rule: 'disconnect-reason-code-invalid', at: 2, code: 0x81 })
bad('DISCONNECT with a reason code of the server', 5, 0xe0, '8b', { rule: 'disconnect-reason-code-server-only', at: 2, code: 0x82 })
bad('DISCONNECT with a server reference', 5, 0xe0, "00 04 1c 0001 'x'", { rule: 'disconnect-server-reference', at: 3, code: 0x82 })
bad('AUTH with a reason code of no meaning', 5, 0xf0, '42', { rule: 'auth-reason-code-invalid', at: 2, code: 0x81, hasMethod: true })

/** Every case. */
export const malformedCases: readonly MalformedCase[] = cases
