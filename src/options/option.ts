/**
 * How a plugin (and the server itself) describes its options: one description gives the types, the check, the defaults,
 * the command line form, the page of the plugin and the JSON Schema.
 *
 *     options: {
 *       delay: option.duration('how long each acknowledgement waits', '200ms'),
 *       packets: option.list(option.choice('an acknowledgement', ['puback', 'suback']), 'which ones wait', ['puback']),
 *     }
 */
import { type Duration, durationForm, readDuration } from '../duration.ts'
import { MqttestError, nameHint } from '../errors.ts'
import { type ReasonName, readReasonCode, reasonCodes } from '../wire/reason-codes.ts'

/** A JSON value. Every option has a form in JSON, so that configs, the command line and other languages can set it. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

/** One option: what it takes (`In`), what the plugin gets (`Out`), and what is said about it. */
export interface Option<In, Out> {
  /** One sentence, with the unit. */
  readonly about: string
  /** What the value may look like, for messages and pages. */
  readonly form: string
  /** The default, as it would be written; undefined where the option has none. */
  readonly fallback: In | undefined
  /** JSON Schema of the value. */
  readonly schema: { readonly [key: string]: unknown }
  /** What is inside of it, where it is an object with keys of its own, or a list of such objects. */
  readonly fields?: OptionTable
  /** Reads a value as written; returns undefined where it is not allowed. */
  read(value: unknown): { readonly value: Out } | undefined
  /** Why a value is not allowed, where there is more to say than its form. */
  hint?(value: unknown): string
  /** The value with every duration in it multiplied; not there where it holds none. */
  scale?(value: Out, factor: number): Out
}

/** The descriptions of all options of a plugin, by name. */
export type OptionTable = { readonly [name: string]: Option<unknown, unknown> }

/** What an author may write for a table of options. */
export type OptionInput<T> = { -readonly [K in keyof T]?: T[K] extends { readonly fallback: infer In } ? Exclude<In, undefined> : never }

/** What the plugin gets for a table of options. */
export type OptionOutput<T> = { readonly [K in keyof T]: T[K] extends { read(value: unknown): { readonly value: infer Out } | undefined } ? Out : never }

/** Makes the description of an option: what it is about, what its value looks like, its default, its JSON Schema, how it is read. */
export function make<In, Out>(
  about: string,
  form: string,
  fallback: In | undefined,
  schema: { [key: string]: unknown },
  read: (value: unknown) => { value: Out } | undefined,
  hint?: (value: unknown) => string,
): Option<In, Out> {
  const base = { about, form, fallback, schema, read }
  return hint === undefined ? base : { ...base, hint }
}

/** A value that may be left out: the plugin then gets undefined. */
function optional<In, Out>(inner: Option<In, Out>): Option<In, Out | undefined> {
  const { scale, hint, ...rest } = inner
  return {
    ...rest,
    ...(hint !== undefined && { hint }),
    fallback: undefined,
    read: (value) => (value === undefined || value === null ? { value: undefined } : inner.read(value)),
    ...(scale !== undefined && { scale: (value: Out | undefined, factor: number) => (value === undefined ? value : scale(value, factor)) }),
  }
}

function duration(about: string, fallback: Duration): Option<Duration, number> {
  const schema = { type: ['number', 'string'], minimum: 0, pattern: '^\\d+(\\.\\d+)?(ms|s|m|h)?$' }
  return { ...make<Duration, number>(about, durationForm, fallback, schema, (value) => wrap(readDuration(value))), scale: (value, factor) => value * factor }
}

function wrap<T>(value: T | undefined): { value: T } | undefined {
  return value === undefined ? undefined : { value }
}

function count(about: string, fallback: number, limits: { min?: number; max?: number } = {}): Option<number, number> {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = limits
  const form = max === Number.MAX_SAFE_INTEGER ? `a whole number, at least ${min}` : `a whole number from ${min} to ${max}`
  return make(about, form, fallback, { type: 'integer', minimum: min, maximum: max }, (value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max ? { value } : undefined,
  )
}

function number(about: string, fallback: number, limits: { min?: number; max?: number } = {}): Option<number, number> {
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = limits
  const form = Number.isFinite(min) || Number.isFinite(max) ? `a number from ${min} to ${max}` : 'a number'
  return make(about, form, fallback, { type: 'number' }, (value) => (typeof value === 'number' && value >= min && value <= max ? { value } : undefined))
}

function probability(about: string, fallback: number): Option<number, number> {
  return number(about, fallback, { min: 0, max: 1 })
}

function text(about: string, fallback: string): Option<string, string> {
  return make(about, 'a text', fallback, { type: 'string' }, (value) => (typeof value === 'string' ? { value } : undefined))
}

function flag(about: string, fallback: boolean): Option<boolean, boolean> {
  return make(about, 'true or false', fallback, { type: 'boolean' }, (value) => (typeof value === 'boolean' ? { value } : undefined))
}

function choice<const C extends string>(about: string, choices: readonly C[], fallback: NoInfer<C>): Option<C, C> {
  return make(
    about,
    `one of ${choices.join(', ')}`,
    fallback,
    { enum: choices },
    (value) => wrap(choices.find((candidate) => candidate === value)),
    (value) => (typeof value === 'string' ? nameHint(value, choices) : ''),
  )
}

function reasonCode(about: string, fallback: ReasonName | number): Option<ReasonName | `0x${string}` | number, number> {
  return make(
    about,
    'a reason code as a number or by its name',
    fallback,
    { type: ['integer', 'string'], minimum: 0, maximum: 255 },
    (value) => wrap(readReasonCode(value)),
    (value) => (typeof value === 'string' ? nameHint(value, Object.keys(reasonCodes)) : ''),
  )
}

function list<In, Out>(item: Option<In, Out>, about: string, fallback: readonly In[]): Option<readonly In[] | In, readonly Out[]> {
  const { scale, fields } = item
  const made = make<readonly In[] | In, readonly Out[]>(
    about,
    `a list; each is ${item.form}`,
    fallback,
    { type: 'array', items: item.schema },
    (value) => {
      const values: Out[] = []
      for (const entry of Array.isArray(value) ? value : [value]) {
        const read = item.read(entry)
        if (read === undefined) return undefined
        values.push(read.value)
      }
      return { value: values }
    },
    (value) => {
      if (!Array.isArray(value)) return item.hint?.(value) ?? ''
      const index = value.findIndex((entry) => item.read(entry) === undefined)
      const hint = item.hint?.(value[index]) ?? ''
      // What is long is found by its number.
      return hint !== '' && isRecord(value[index]) && value.length > 1 ? ` Number ${index + 1} of it:${hint}` : hint
    },
  )
  const described = fields === undefined ? made : { ...made, fields }
  return scale === undefined ? described : { ...described, scale: (values, factor) => values.map((value) => scale(value, factor)) }
}

/** A value of one of two kinds: the first of them that can read it does. */
function either<In, Out, OtherIn, OtherOut>(
  one: Option<In, Out>,
  other: Option<OtherIn, OtherOut>,
  about: string,
  fallback: NoInfer<In | OtherIn>,
): Option<In | OtherIn, Out | OtherOut> {
  return make<In | OtherIn, Out | OtherOut>(
    about,
    `${one.form}; or ${other.form}`,
    fallback,
    { anyOf: [one.schema, other.schema] },
    (value) => one.read(value) ?? other.read(value),
    (value) => one.hint?.(value) || other.hint?.(value) || '',
  )
}

/** An object with names of the user's choice, such as topics or client ids, each with a value of the same kind. */
function map<In, Out>(
  item: Option<In, Out>,
  about: string,
  fallback: { readonly [name: string]: In },
): Option<{ readonly [name: string]: In }, ReadonlyMap<string, Out>> {
  const { scale } = item
  const described = make<{ readonly [name: string]: In }, ReadonlyMap<string, Out>>(
    about,
    `an object; each value is ${item.form}`,
    fallback,
    { type: 'object', additionalProperties: item.schema },
    (value) => {
      if (!isRecord(value)) return undefined
      const values = new Map<string, Out>()
      for (const [name, entry] of Object.entries(value)) {
        const read = item.read(entry)
        if (read === undefined) return undefined
        values.set(name, read.value)
      }
      return { value: values }
    },
    (value) => (isRecord(value) ? (item.hint?.(Object.values(value).find((entry) => item.read(entry) === undefined)) ?? '') : ''),
  )
  if (scale === undefined) return described
  return { ...described, scale: (values, factor) => new Map([...values].map(([name, value]) => [name, scale(value, factor)])) }
}

/** Any JSON value. */
function json(about: string, fallback: Json): Option<Json, Json> {
  return make(about, 'any JSON value', fallback, {}, (value) => (isJson(value) ? { value } : undefined))
}

function isJson(value: unknown): value is Json {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true
  if (typeof value === 'number') return Number.isFinite(value)
  if (Array.isArray(value)) return value.every(isJson)
  return isRecord(value) && Object.values(value).every((entry) => entry === undefined || isJson(entry))
}

function isRecord(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value)
}

/** The builders that need to know nothing of MQTT; {@link option} in option-kinds.ts has them all. */
export const plainKinds = { duration, count, number, probability, text, flag, choice, reasonCode, list, either, map, json, optional } as const

/** Checks values against a table; gives defaults. Throws MQTTEST_OPTION naming `owner`, option, expectation, nearest key. */
export function readOptions<T extends OptionTable>(owner: string, table: T, given: unknown): OptionOutput<T> {
  if (given !== undefined && (typeof given !== 'object' || given === null || Array.isArray(given)))
    throw new MqttestError('MQTTEST_OPTION', `${owner}: options are an object, got ${JSON.stringify(given)}`)
  const values: { [name: string]: unknown } = given === undefined ? {} : { ...given }
  const result: { [name: string]: unknown } = {}
  for (const name of Object.keys(values))
    if (!Object.hasOwn(table, name)) throw new MqttestError('MQTTEST_OPTION', `${owner}: unknown option '${name}'.${nameHint(name, Object.keys(table))}`)
  for (const [name, description] of Object.entries(table)) {
    const value = values[name] === undefined ? description.fallback : values[name]
    const read = description.read(value)
    if (read === undefined)
      throw new MqttestError(
        'MQTTEST_OPTION',
        `${owner}: option '${name}': expected ${description.form}, got ${JSON.stringify(value) ?? String(value)}.${description.hint?.(value) ?? ''}`,
      )
    result[name] = read.value
  }
  return result as OptionOutput<T>
}

/** Values as they were read, with every duration multiplied. */
export function scaleOptions(table: OptionTable, values: { readonly [name: string]: unknown }, factor: number): { readonly [name: string]: unknown } {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, table[name]?.scale?.(value, factor) ?? value]))
}
