/**
 * The rules that a client can break, under the names that violations carry. Each row: which numbered statements it comes
 * from (per version), how bad it is, which reason code MQTT 5 answers it with, and one sentence on what is wrong.
 *
 * `error` ends the connection unless somebody decides otherwise; `warning` and `info` are only recorded.
 */
import type { ProtocolVersion } from '../wire/packet.ts'

/** How bad a broken rule is. */
export type Level = 'error' | 'warning' | 'info'

/** One rule of the catalogue. */
export interface Rule {
  readonly level: Level
  /** Statement ids of MQTT 3.1.1; also used for MQTT 3.1, which has no numbered statements. */
  readonly v3: readonly string[]
  /** Statement ids of MQTT 5.0. */
  readonly v5: readonly string[]
  /** The reason code that the server answers with in MQTT 5. */
  readonly reasonCode: number
  /** One sentence: what is wrong. */
  readonly text: string
}

const malformed = 0x81
const protocolError = 0x82

function rule(v3: string, v5: string, reasonCode: number, text: string, level: Level = 'error'): Rule {
  const ids = (list: string) => (list === '' ? [] : list.split(' ').map((id) => `MQTT-${id}`))
  return { level, v3: ids(v3), v5: ids(v5), reasonCode, text }
}

/** Every rule that the server itself checks. Plugins may report rules of their own beside these. */
export const rules = {
  // framing
  'remaining-length-malformed': rule('', '', malformed, 'the remaining length has more than four bytes'),
  'remaining-length-not-minimal': rule('', '', malformed, 'the remaining length is not in its shortest form', 'info'),
  'packet-type-reserved': rule('', '', malformed, 'the packet type is reserved'),
  'fixed-header-reserved-flags': rule('2.2.2-1 2.2.2-2', '2.1.3-1', malformed, 'the flags of the fixed header have a forbidden value'),
  'pubrel-flags-invalid': rule('3.6.1-1', '3.6.1-1', malformed, 'the flags of PUBREL are not 0010'),
  'subscribe-flags-invalid': rule('3.8.1-1', '3.8.1-1', malformed, 'the flags of SUBSCRIBE are not 0010'),
  'unsubscribe-flags-invalid': rule('3.10.1-1', '3.10.1-1', malformed, 'the flags of UNSUBSCRIBE are not 0010'),
  'disconnect-flags-invalid': rule('3.14.1-1', '3.14.1-1', malformed, 'the flags of DISCONNECT are not 0000'),
  'auth-flags-invalid': rule('', '3.15.1-1', malformed, 'the flags of AUTH are not 0000'),
  'packet-length-mismatch': rule('', '', malformed, 'the packet does not end where its content ends'),
  'packet-too-large': rule('', '3.2.2-15', 0x95, 'the packet is larger than the server allows'),
  'packet-cut-short': rule('', '', malformed, 'the connection ended in the middle of a packet', 'warning'),

  // strings, numbers, properties
  'utf8-ill-formed': rule('1.5.3-1', '1.5.4-1', malformed, 'a string is not well-formed UTF-8'),
  'utf8-null-character': rule('1.5.3-2', '1.5.4-2', malformed, 'a string holds U+0000'),
  'utf8-disallowed-code-point': rule('', '', malformed, 'a string holds a control character or a non-character'),
  'variable-byte-integer-not-minimal': rule('', '1.5.5-1', malformed, 'a variable byte integer is not in its shortest form'),
  'property-length-missing': rule('', '2.2.2-1', malformed, 'the length of the properties is missing'),
  'property-unknown': rule('', '', malformed, 'the property is not known to MQTT 5'),
  'property-not-allowed': rule('', '', protocolError, 'the property is not allowed in this packet'),
  'property-duplicate': rule('', '', protocolError, 'the property came twice'),
  'property-value-out-of-range': rule('', '', protocolError, 'the value of the property is not allowed'),

  // CONNECT
  'first-packet-not-connect': rule('3.1.0-1', '3.1.0-1', protocolError, 'the first packet is not CONNECT'),
  'second-connect': rule('3.1.0-2', '3.1.0-2', protocolError, 'CONNECT was sent a second time'),
  'connect-protocol-name-invalid': rule('3.1.2-1', '3.1.2-1', 0x84, 'the protocol name is neither MQTT nor MQIsdp'),
  'connect-protocol-level-unsupported': rule('3.1.2-2', '3.1.2-2', 0x84, 'the protocol level is not supported'),
  'connect-reserved-flag-set': rule('3.1.2-3', '3.1.2-3', malformed, 'the reserved flag of CONNECT is set'),
  'connect-will-qos-3': rule('3.1.2-14', '3.1.2-12', malformed, 'the will QoS is 3'),
  'connect-will-qos-without-will': rule('3.1.2-13', '3.1.2-11', malformed, 'the will QoS is set without a will'),
  'connect-will-retain-without-will': rule('3.1.2-15', '3.1.2-13', malformed, 'will retain is set without a will'),
  'connect-password-without-username': rule('3.1.2-22', '', malformed, 'there is a password without a user name'),
  'connect-empty-client-id-persistent': rule('3.1.3-7 3.1.3-8', '', 0x85, 'the client id is empty, but the session is to be kept'),
  'connect-client-id-empty': rule('', '', 0x85, 'the client id is empty, which MQTT 3.1 does not allow'),
  'connect-client-id-too-long': rule('', '', 0x85, 'the client id has more than 23 characters, which MQTT 3.1 does not allow'),
  'connect-authentication-data-without-method': rule('', '', protocolError, 'there is authentication data without a method'),
  'connect-receive-maximum-zero': rule('', '', protocolError, 'receive maximum is 0'),
  'connect-maximum-packet-size-zero': rule('', '', protocolError, 'maximum packet size is 0'),
  'connect-will-qos-unsupported': rule('', '3.2.2-12', 0x9b, 'the will QoS is higher than the server supports'),
  'connect-will-retain-unsupported': rule('', '3.2.2-13', 0x9a, 'the will is retained, which the server does not support'),
  'connect-timeout': rule('3.1.4-1', '3.1.4-1', protocolError, 'no CONNECT came in time'),

  // PUBLISH and acknowledgements
  'publish-qos-3': rule('3.3.1-4', '3.3.1-4', malformed, 'the QoS is 3'),
  'publish-dup-on-qos0': rule('3.3.1-2', '3.3.1-2', malformed, 'DUP is set on a QoS 0 message'),
  'publish-qos-above-maximum': rule('', '3.2.2-11', 0x9b, 'the QoS is higher than the server supports'),
  'publish-retain-unavailable': rule('', '3.2.2-14', 0x9a, 'the message is retained, which the server does not support'),
  'topic-empty': rule('4.7.3-1', '4.7.3-1', malformed, 'the topic is empty'),
  'publish-topic-empty-without-alias': rule('', '', protocolError, 'there is neither a topic nor a topic alias'),
  'publish-topic-wildcard': rule('3.3.2-2 4.7.1-1', '3.3.2-2 4.7.0-1', malformed, 'the topic of a PUBLISH holds a wildcard'),
  'publish-response-topic-wildcard': rule('', '3.3.2-14', protocolError, 'the response topic holds a wildcard'),
  'publish-subscription-identifier': rule('', '3.3.4-6', protocolError, 'a client sent a subscription identifier in PUBLISH', 'warning'),
  'payload-format-mismatch': rule('', '', 0x99, 'the payload is declared as text, but is not well-formed UTF-8'),
  'packet-id-zero': rule('2.3.1-1', '2.2.1-3', malformed, 'the packet id is 0'),
  'packet-id-in-use': rule('2.3.1-2', '2.2.1-3', 0x91, 'the packet id is in use', 'warning'),
  'resend-without-dup': rule('3.3.1-1', '3.3.1-1', protocolError, 'a message was sent again on another connection without DUP', 'warning'),
  'ack-unknown-packet-id': rule('2.3.1-6', '2.2.1-5', 0x92, 'the acknowledgement has a packet id that is not in flight', 'warning'),
  'ack-wrong-type': rule('4.3.2-2 4.3.3-2', '4.3.2-4 4.3.3-8', protocolError, 'the acknowledgement is of the wrong type for the QoS of the message'),
  'ack-reason-code-invalid': rule('', '3.4.2-1 3.5.2-1 3.6.2-1 3.7.2-1', protocolError, 'the reason code is not one of this packet'),
  'receive-maximum-exceeded': rule('', '3.3.4-7 3.3.4-9', 0x93, 'more messages are unacknowledged than the server allows'),
  'topic-alias-zero': rule('', '3.3.2-8', 0x94, 'the topic alias is 0'),
  'topic-alias-above-maximum': rule('', '3.2.2-17 3.3.2-9', 0x94, 'the topic alias is above the maximum of the server'),
  'topic-alias-unmapped': rule('', '', protocolError, 'the topic alias has no topic yet'),

  // SUBSCRIBE and UNSUBSCRIBE
  'subscribe-empty': rule('3.8.3-3', '3.8.3-2', protocolError, 'SUBSCRIBE has no topic filter'),
  'subscribe-qos-3': rule('3.8.3-4', '3.8.3-5', malformed, 'the requested QoS is 3'),
  'subscribe-reserved-bits': rule('3.8.3-4', '3.8.3-5', malformed, 'reserved bits of the subscription options are set'),
  'subscribe-retain-handling-3': rule('', '', protocolError, 'retain handling is 3'),
  'subscribe-no-local-on-shared': rule('', '3.8.3-4', protocolError, 'no local is set on a shared subscription'),
  'subscribe-share-name-missing': rule('', '4.8.2-1', protocolError, 'the share name is missing'),
  'subscribe-share-filter-invalid': rule('', '4.8.2-2', protocolError, 'the share name holds a wildcard, or no filter follows it'),
  'subscribe-shared-unavailable': rule('', '', 0x9e, 'the server said that it has no shared subscriptions'),
  'subscribe-wildcard-unavailable': rule('', '', 0xa2, 'the server said that it has no wildcard subscriptions'),
  'subscribe-identifier-unavailable': rule('', '', 0xa1, 'the server said that it has no subscription identifiers'),
  'subscription-identifier-zero': rule('', '', protocolError, 'the subscription identifier is 0'),
  'filter-multi-level-wildcard-misplaced': rule('4.7.1-2', '4.7.1-1', malformed, '# is not a whole last level of the topic filter'),
  'filter-single-level-wildcard-misplaced': rule('4.7.1-3', '4.7.1-2', malformed, '+ is not a whole level of the topic filter'),
  'unsubscribe-empty': rule('3.10.3-2', '3.10.3-2', protocolError, 'UNSUBSCRIBE has no topic filter'),

  // WebSocket
  'websocket-non-binary-frame': rule('6.0.0-1', '6.0.0-1', protocolError, 'a WebSocket frame is not binary'),
  'websocket-subprotocol-missing': rule('6.0.0-3', '6.0.0-3', protocolError, 'the client does not offer the WebSocket subprotocol mqtt'),

  // DISCONNECT, AUTH, order, time
  'disconnect-reason-code-invalid': rule('', '3.14.2-1', malformed, 'the reason code is not one of DISCONNECT'),
  'disconnect-reason-code-server-only': rule('', '', protocolError, 'only a server may send this reason code'),
  'disconnect-session-expiry-raised': rule('', '', protocolError, 'the session expiry was 0 in CONNECT and is raised in DISCONNECT'),
  'disconnect-server-reference': rule('', '', protocolError, 'only a server may send a server reference'),
  'packet-after-disconnect': rule('3.14.4-2', '3.14.4-1', protocolError, 'bytes came after DISCONNECT', 'warning'),
  'packet-wrong-direction': rule('', '', protocolError, 'only a server may send this packet'),
  'auth-not-in-mqtt3': rule('', '', malformed, 'AUTH does not exist before MQTT 5'),
  'auth-without-method': rule('', '4.12.0-7', protocolError, 'AUTH came although CONNECT named no authentication method'),
  'auth-method-missing': rule('', '', protocolError, 'AUTH has no authentication method'),
  'auth-method-mismatch': rule('', '4.12.0-5', protocolError, 'AUTH names another authentication method than CONNECT'),
  'auth-reason-code-invalid': rule('', '3.15.2-1', malformed, 'the reason code is not one of AUTH'),
  'auth-unexpected': rule('', '', protocolError, 'AUTH came although no exchange is going on'),
  'packets-before-connack-with-auth': rule('', '3.1.2-30', protocolError, 'a packet other than AUTH or DISCONNECT came during authentication'),
  'keepalive-timeout': rule('3.1.2-24', '3.1.2-22', 0x8d, 'nothing came for one and a half times the keep-alive'),
} as const satisfies Record<string, Rule>

/** The name of a rule of the catalogue. */
export type RuleName = keyof typeof rules

/** The statement ids of a rule for a version. */
export function statementsOf(name: RuleName, version: ProtocolVersion): readonly string[] {
  return version === 5 ? rules[name].v5 : rules[name].v3
}
