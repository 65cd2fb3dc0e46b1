/** Patterns: partial packets that a test expects, and what differs where they do not fit. */
import { topicMatches } from '../broker/topics.ts'
import type { Command, Packet, PacketOf } from '../wire/packet.ts'
import { describePayload } from './describe.ts'

/** What a field may be compared with: a value, a RegExp, or a condition. Objects are compared key by key. */
export type FieldPattern<T> = T extends Buffer
  ? string | Uint8Array | RegExp | ((value: Buffer) => boolean) | object
  : T extends string
    ? T | RegExp | ((value: T) => boolean)
    : T extends number | boolean
      ? T | ((value: T) => boolean)
      : T extends readonly (infer Item)[]
        ? readonly FieldPattern<Item>[] | ((value: T) => boolean)
        : T extends object
          ? { readonly [K in keyof T]?: FieldPattern<Exclude<T[K], undefined>> } | ((value: T) => boolean)
          : T

/** Some fields of a packet. `topic` may be a topic filter; `payload` may be text, bytes, or an object to find in its JSON. */
export type Pattern<C extends Command> = { readonly [K in Exclude<keyof PacketOf<C>, 'cmd'>]?: FieldPattern<Exclude<PacketOf<C>[K], undefined>> }

function show(value: unknown): string {
  if (typeof value === 'function') return value.name === '' ? 'a condition' : value.name
  if (value instanceof RegExp) return String(value)
  if (Buffer.isBuffer(value)) return describePayload(value)
  return JSON.stringify(value) ?? String(value)
}

/** What keeps a packet from fitting a pattern, one entry per field; empty where it fits. */
export function differences(pattern: object, packet: Packet): string[] {
  const found: string[] = []
  for (const [key, wanted] of Object.entries(pattern)) compare(key, wanted, Reflect.get(packet, key), found)
  return found
}

/** A pattern as a message shows it. */
export function describePattern(cmd: string, pattern: object): string {
  const fields = Object.entries(pattern).map(([key, wanted]: [string, unknown]) => `${key}: ${show(wanted)}`)
  return fields.length === 0 ? cmd.toUpperCase() : `${cmd.toUpperCase()} { ${fields.join(', ')} }`
}

function compare(path: string, wanted: unknown, actual: unknown, found: string[]): void {
  if (typeof wanted === 'function') {
    if (wanted(actual) !== true) found.push(`${path}: ${show(actual)} does not meet ${show(wanted)}`)
    return
  }
  if (Buffer.isBuffer(actual)) {
    comparePayload(path, wanted, actual, found)
    return
  }
  if (wanted instanceof RegExp) {
    if (typeof actual !== 'string' || !wanted.test(actual)) found.push(`${path}: expected ${show(wanted)}, got ${show(actual)}`)
    return
  }
  if (Array.isArray(wanted)) {
    if (!Array.isArray(actual) || actual.length !== wanted.length) found.push(`${path}: expected ${show(wanted)}, got ${show(actual)}`)
    else for (const [index, item] of wanted.entries()) compare(`${path}[${index}]`, item, actual[index], found)
    return
  }
  if (typeof wanted === 'object' && wanted !== null) {
    if (typeof actual !== 'object' || actual === null) found.push(`${path}: expected ${show(wanted)}, got ${show(actual)}`)
    else for (const [key, inner] of Object.entries(wanted)) compare(`${path}.${key}`, inner, Reflect.get(actual, key), found)
    return
  }
  if (wanted === actual) return
  if (path === 'topic' && typeof wanted === 'string' && typeof actual === 'string' && topicMatches(wanted, actual)) return
  found.push(`${path}: expected ${show(wanted)}, got ${show(actual)}`)
}

function comparePayload(path: string, wanted: unknown, actual: Buffer, found: string[]): void {
  const text = actual.toString()
  const fits =
    typeof wanted === 'string'
      ? wanted === text
      : wanted instanceof RegExp
        ? wanted.test(text)
        : wanted instanceof Uint8Array
          ? actual.equals(wanted)
          : typeof wanted === 'object' && wanted !== null
            ? fitsJson(path, wanted, text, found)
            : false
  if (fits === undefined) return
  if (!fits) found.push(`${path}: expected ${show(wanted)}, got ${show(actual)}`)
}

/** Compares a payload that is JSON key by key; undefined where the differences are in `found` already. */
function fitsJson(path: string, wanted: object, text: string, found: string[]): boolean | undefined {
  try {
    compare(path, wanted, JSON.parse(text), found)
    return undefined
  } catch {
    return false
  }
}
