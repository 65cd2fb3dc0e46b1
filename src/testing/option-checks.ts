/** Checks of what a plugin says about itself and its options: no server is needed for them. */
import { isDeepStrictEqual } from 'node:util'
import { MqttestError } from '../errors.ts'
import type { OptionTable } from '../options/option.ts'
import { type OptionsSchema, type Plugin, type PluginMeta, pluginApi } from '../plugin/plugin.ts'
import { fail } from './rehearsal.ts'

/** A plugin, as the checks see it. */
export interface Subject {
  readonly meta: PluginMeta
  readonly schema: OptionsSchema
  create(options: object | undefined): Plugin
  /** Options that work. */
  readonly options: readonly object[]
}

const named = /^(@[a-z0-9][\w.-]*\/)?[a-z0-9]+([-/][a-z0-9]+)*$/

/** `meta` is complete. */
export function describesItself({ meta, schema }: Subject): void {
  const { name, api, summary, spec = [], seenIn = [] } = meta
  if (!named.test(name)) fail(`meta.name: expected words of a-z and 0-9 joined by '-', such as 'ack-delay' or 'vendor/name', got ${JSON.stringify(name)}`)
  if (api !== pluginApi)
    fail(`meta.api: expected ${pluginApi}, got ${JSON.stringify(api)}: without it a later mqttest cannot tell that the plugin is for this one`)
  if (summary === undefined || !/\S+ \S+/.test(summary))
    fail(`meta.summary: expected a sentence that says what a client notices, got ${JSON.stringify(summary)}`)
  for (const id of spec) if (!/^MQTT-\d+\.\d+\.\d+-\d+$/.test(id)) fail(`meta.spec: expected ids such as 'MQTT-4.4.0-1', got ${JSON.stringify(id)}`)
  for (const address of seenIn) if (!/^https?:\/\//.test(address)) fail(`meta.seenIn: expected addresses, got ${JSON.stringify(address)}`)
  for (const [option, { about }] of Object.entries(tableOf(schema)))
    if (!/\S+ \S+/.test(about)) fail(`option '${option}': expected a sentence that says what it does, got ${JSON.stringify(about)}`)
}

/** Wrong options are refused, by a message that helps. `wrong` are the author's own examples, each with what is said about it. */
export function refusesWrongOptions(subject: Subject, wrong: readonly (readonly [options: object, message: RegExp | string])[]): void {
  const { name } = subject.meta
  const table = tableOf(subject.schema)
  // A Standard Schema has its own opinion on what it does not know.
  if (!('~standard' in subject.schema)) {
    const [first] = Object.keys(table)
    refused(subject, { [`${first ?? 'anything'}x`]: 1 }, [
      `plugin '${name}'`,
      `unknown option '${first ?? 'anything'}x'`,
      ...(first === undefined ? [] : [`'${first}'`]),
    ])
  }
  // Nothing that JSON can hold, so that no option can take it.
  for (const option of Object.keys(table)) refused(subject, { [option]: () => undefined }, [`plugin '${name}'`, `option '${option}'`])
  for (const [options, message] of wrong) refused(subject, options, [`plugin '${name}'`, message])
}

function refused({ create }: Subject, options: object, parts: readonly (RegExp | string)[]): void {
  const written = describeOptions(options)
  let error: unknown
  try {
    create(options)
  } catch (thrown) {
    error = thrown
  }
  if (error === undefined) fail(`options ${written}: expected to be refused, but the plugin was made`)
  const message = error instanceof Error ? error.message : String(error)
  if (!(error instanceof MqttestError) || error.code !== 'MQTTEST_OPTION')
    fail(`options ${written}: expected an error with the code MQTTEST_OPTION, got: ${message}`)
  for (const part of parts)
    if (typeof part === 'string' ? !message.includes(part) : !part.test(message)) fail(`options ${written}: expected a message with ${part}, got: ${message}`)
}

/** Every option has a form in JSON, so that a config file can hold it. */
export function hasJsonOptions({ schema, create, options }: Subject): void {
  for (const [name, option] of Object.entries(tableOf(schema))) {
    const { fallback } = option
    if (fallback === undefined) continue
    if (!isDeepStrictEqual(throughJson(fallback), fallback)) fail(`option '${name}': its default is no JSON value: ${describeOptions(fallback)}`)
    if (option.read(fallback) === undefined) fail(`option '${name}': its own default ${describeOptions(fallback)} is refused`)
  }
  for (const given of options) {
    const read = throughJson(given)
    if (!isDeepStrictEqual(read, given)) fail(`options ${describeOptions(given)} are no JSON value: they come back as ${describeOptions(read)}`)
    if (typeof read === 'object' && read !== null && !isDeepStrictEqual(asData(create(read).options), asData(create(given).options)))
      fail(`options ${describeOptions(given)} mean something else when they are read from JSON`)
  }
}

function throughJson(value: unknown): unknown {
  const text = JSON.stringify(value)
  return text === undefined ? undefined : JSON.parse(text)
}

/** What a plugin makes of its options, without functions: those that were made twice are never the same. */
function asData(value: unknown): unknown {
  if (typeof value === 'function') return 'a function'
  if (Array.isArray(value)) return value.map(asData)
  if (value instanceof Map) return new Map([...value].map(([key, inner]: [unknown, unknown]) => [key, asData(inner)]))
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]: [string, unknown]) => [key, asData(inner)]))
}

function tableOf(schema: OptionsSchema): OptionTable {
  return isTable(schema) ? schema : {}
}

function isTable(schema: OptionsSchema): schema is OptionTable {
  return !('~standard' in schema)
}

/** Options as a message shows them. */
export function describeOptions(options: unknown): string {
  return JSON.stringify(options, (_key, value: unknown) => (typeof value === 'function' ? '(a function)' : value)) ?? String(options)
}
