/** Reason codes by name (MQTT 5, table 2-6), and what MQTT 3 has in their place. */
import { MqttestError, nameHint } from '../errors.ts'

/** Every reason code of MQTT 5 under its name in the standard. 0x00 has three names. */
export const reasonCodes = {
  success: 0x00,
  'normal-disconnection': 0x00,
  'granted-qos-0': 0x00,
  'granted-qos-1': 0x01,
  'granted-qos-2': 0x02,
  'disconnect-with-will': 0x04,
  'no-matching-subscribers': 0x10,
  'no-subscription-existed': 0x11,
  'continue-authentication': 0x18,
  're-authenticate': 0x19,
  'unspecified-error': 0x80,
  'malformed-packet': 0x81,
  'protocol-error': 0x82,
  'implementation-specific-error': 0x83,
  'unsupported-protocol-version': 0x84,
  'client-identifier-not-valid': 0x85,
  'bad-user-name-or-password': 0x86,
  'not-authorized': 0x87,
  'server-unavailable': 0x88,
  'server-busy': 0x89,
  banned: 0x8a,
  'server-shutting-down': 0x8b,
  'bad-authentication-method': 0x8c,
  'keep-alive-timeout': 0x8d,
  'session-taken-over': 0x8e,
  'topic-filter-invalid': 0x8f,
  'topic-name-invalid': 0x90,
  'packet-identifier-in-use': 0x91,
  'packet-identifier-not-found': 0x92,
  'receive-maximum-exceeded': 0x93,
  'topic-alias-invalid': 0x94,
  'packet-too-large': 0x95,
  'message-rate-too-high': 0x96,
  'quota-exceeded': 0x97,
  'administrative-action': 0x98,
  'payload-format-invalid': 0x99,
  'retain-not-supported': 0x9a,
  'qos-not-supported': 0x9b,
  'use-another-server': 0x9c,
  'server-moved': 0x9d,
  'shared-subscriptions-not-supported': 0x9e,
  'connection-rate-exceeded': 0x9f,
  'maximum-connect-time': 0xa0,
  'subscription-identifiers-not-supported': 0xa1,
  'wildcard-subscriptions-not-supported': 0xa2,
} as const

/** The name of a reason code. */
export type ReasonName = keyof typeof reasonCodes

const namesByCode = new Map<number, string>()
for (const [name, code] of Object.entries(reasonCodes)) if (!namesByCode.has(code)) namesByCode.set(code, name)

/** "0x87 not-authorized", or the number alone where the standard has no name for it. */
export function describeReason(code: number): string {
  const hex = `0x${code.toString(16).padStart(2, '0')}`
  const name = namesByCode.get(code)
  return name === undefined ? hex : `${hex} ${name}`
}

/** A reason code given as a number 0 to 255, as text such as '0x87', or by its name; undefined for anything else. */
export function readReasonCode(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isInteger(value) && value >= 0 && value <= 255 ? value : undefined
  if (typeof value !== 'string') return undefined
  if (/^(0x[0-9a-f]{1,2}|\d{1,3})$/i.test(value)) return readReasonCode(Number(value))
  const found = Object.entries(reasonCodes).find(([name]) => name === value.toLowerCase())
  return found?.[1]
}

/** A reason code. Throws MQTTEST_OPTION, with the nearest right name, for what is none. */
export function parseReasonCode(value: unknown, name = 'reason code'): number {
  const code = readReasonCode(value)
  if (code !== undefined) return code
  const hint = typeof value === 'string' ? nameHint(value, Object.keys(reasonCodes)) : ''
  throw new MqttestError('MQTTEST_OPTION', `${name}: expected 0 to 255 or the name of a reason code, got ${JSON.stringify(value)}.${hint}`)
}

const returnCodes: Readonly<Record<number, number>> = { 0: 0, 132: 1, 133: 2, 136: 3, 137: 3, 134: 4, 135: 5, 138: 5, 140: 5 }

/** The CONNACK return code of MQTT 3 that comes nearest to a reason code; 1 to 5 are taken for return codes already. */
export function returnCodeOf(reasonCode: number): number {
  if (reasonCode < 0x80) return reasonCode
  return returnCodes[reasonCode] ?? 3
}
