/** The strings of MQTT (section 1.5.3 / 1.5.4): strict UTF-8, and the code points that a server should not accept. */
import { Malformed } from './malformed.ts'

// Buffer's own decoder repairs ill-formed bytes silently and TextDecoder drops a leading U+FEFF unless told not to
// [MQTT-1.5.4-3].
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Text of well-formed UTF-8; undefined where the bytes are none. A leading U+FEFF is kept. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes)
  } catch {
    return undefined
  }
}

/** Index of the first byte that is not part of well-formed UTF-8, or -1. */
export function firstIllFormed(bytes: Buffer, start: number, end: number): number {
  let index = start
  while (index < end) {
    const lead = bytes[index] ?? 0
    const length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0
    if (length === 0 || index + length > end || decodeUtf8(bytes.subarray(index, index + length)) === undefined) return index
    index += length
  }
  return -1
}

/** Whether a code point is a control character or a non-character: a receiver may close the connection on it. */
function isDisallowed(code: number): boolean {
  return code < 0x20 || (code >= 0x7f && code <= 0x9f) || (code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffe) === 0xfffe
}

/**
 * Reads the bytes from `start` to `end` as a string of MQTT. Throws Malformed, with the offset of the first offending
 * byte, for ill-formed UTF-8 and surrogates [MQTT-1.5.4-1], U+0000 [MQTT-1.5.4-2], and disallowed code points.
 */
export function readText(bytes: Buffer, start: number, end: number): string {
  for (let index = start; index < end; index++) {
    const byte = bytes[index] ?? 0
    if (byte < 0x20 || byte > 0x7e) return readUnusual(bytes, start, end)
  }
  return bytes.toString('latin1', start, end)
}

function readUnusual(bytes: Buffer, start: number, end: number): string {
  const text = decodeUtf8(bytes.subarray(start, end))
  if (text === undefined) throw new Malformed('utf8-ill-formed', Math.max(start, firstIllFormed(bytes, start, end)))
  let offset = start
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0
    if (code === 0) throw new Malformed('utf8-null-character', offset)
    if (isDisallowed(code)) throw new Malformed('utf8-disallowed-code-point', offset, `U+${code.toString(16).toUpperCase().padStart(4, '0')}`)
    offset += Buffer.byteLength(character)
  }
  return text
}
