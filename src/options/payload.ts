/** Payloads, and other bytes inside of packets, as authors write them: also in JSON, which knows no bytes. */
import { MqttestError } from '../errors.ts'

/**
 * Bytes inside of a packet: text is UTF-8; { hex } and { base64 } are what they say; { json } is the text of a JSON value;
 * { size } is so many bytes, filled with `fill` ('x' by default).
 */
export type PayloadInput =
  | string
  | Uint8Array
  | { readonly hex: string }
  | { readonly base64: string }
  | { readonly json: unknown }
  | { readonly size: number; readonly fill?: string }

const expected = 'a text, bytes, { hex }, { base64 }, { json } or { size, fill }'

/** The bytes that are meant. Throws MQTTEST_STEP, naming `what`, for anything else. */
export function toPayload(input: PayloadInput, what: string): Buffer {
  if (typeof input === 'string') return Buffer.from(input)
  if (Buffer.isBuffer(input)) return input
  if (input instanceof Uint8Array) return Buffer.from(input.buffer, input.byteOffset, input.byteLength)
  if (typeof input === 'object' && input !== null) {
    if ('hex' in input && typeof input.hex === 'string' && /^([0-9a-f]{2}|\s)*$/i.test(input.hex)) return Buffer.from(input.hex.replace(/\s+/g, ''), 'hex')
    if ('base64' in input && typeof input.base64 === 'string') return Buffer.from(input.base64, 'base64')
    if ('json' in input) return Buffer.from(JSON.stringify(input.json) ?? 'null')
    if ('size' in input && Number.isInteger(input.size) && input.size >= 0 && input.size <= 0xfff_ffff) return Buffer.alloc(input.size, input.fill ?? 'x')
  }
  throw new MqttestError('MQTTEST_STEP', `${what}: expected ${expected}, got ${JSON.stringify(input) ?? String(input)}`)
}
