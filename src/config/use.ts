/**
 * Plugins in one word, for the command line:
 *
 *     ack-delay                                 a plugin with its defaults
 *     ack-delay:delay=200ms                     with options: JSON where it is JSON, else text
 *     ack-delay:packets=[puback,suback]         a list; packets=puback,packets=suback is the same
 *     ack-delay:delay=1s,@connection=0          keys with @ are the scope: the first connection only
 *     ack-delay:@clientId=dev-*,@times=3
 *     ack-delay:200ms                           a value alone goes to the first option that takes it
 *     ack-delay:200ms,-,1s                      several: one for each connection in turn; - leaves a connection alone
 */
import { isMqttestError, MqttestError, nameHint } from '../errors.ts'
import { scopeKeys } from '../hooks/scope.ts'
import type { Option } from '../options/option.ts'
import { isPackFactory, type PluginEntry } from '../plugin/pack.ts'
import { isFactory } from '../plugin/plugin.ts'
import { takerOf } from './alone.ts'
import { lookUp, makePlugins, resolvePlugins } from './resolve.ts'

/** One value as it was written, and what it is as JSON where it is that. */
interface Written {
  readonly text: string
  readonly value: unknown
}

/** A plugin in one word, taken apart. */
export interface Use {
  readonly name: string
  readonly options: ReadonlyMap<string, Written>
  readonly scope: { readonly [key: string]: unknown }
  /** What stands alone: the name of an option that is switched on, or a value. */
  readonly alone: readonly string[]
}

/** Takes a word apart. Throws MQTTEST_OPTION where it cannot be read. */
export function parseUse(word: string): Use {
  // A colon before a slash belongs to a path or a URL.
  const match = /^(.+?)(?::(?![\\/])(.*))?$/s.exec(word)
  const name = match?.[1] ?? ''
  if (name === '') throw new MqttestError('MQTTEST_OPTION', "expected 'name' or 'name:key=value,key=value'")
  const options = new Map<string, Written>()
  const scope: { [key: string]: unknown } = {}
  const alone: string[] = []
  for (const part of splitList(match?.[2] ?? '')) {
    const [, at = '', key = '', text] = /^(@?)([\w-]+)=(.*)$/s.exec(part) ?? []
    if (text === undefined || key === '') {
      if (/^[@=]/.test(part)) throw new MqttestError('MQTTEST_OPTION', `expected 'key=value', got '${part}'`)
      alone.push(part)
      continue
    }
    const written: Written = { text, value: readValue(text) }
    if (at === '@') scope[key] = Object.hasOwn(scope, key) ? [scope[key], written.value].flat() : written.value
    else options.set(key, joined(options.get(key), written))
  }
  return { name, options, scope, alone }
}

/** Makes the plugins of a word, looked up from a folder. Throws MqttestError with the word in front. */
export async function resolveUse(word: string, folder: string): Promise<PluginEntry[]> {
  try {
    const use = parseUse(word)
    const { name, options, scope } = use
    const plugin = await lookUp(name, folder)
    if (Array.isArray(plugin) && options.size + use.alone.length > 0)
      throw new MqttestError('MQTTEST_OPTION', `'${name}' is a pack: it takes a scope (${scopeKeys.map((key) => `@${key}`).join(', ')}), but no options`)
    const table = tableOf(plugin)
    const isSwitch = (text: string) => table === undefined || Object.hasOwn(table, text)
    const given = { ...Object.fromEntries(use.alone.filter(isSwitch).map((key) => [key, true])), ...optionsFor(table, options) }
    const values = use.alone.filter((text) => !isSwitch(text))
    const entries: unknown[] = []
    for (const [index, text] of values.entries())
      if (text !== '-')
        entries.push([name, { ...given, ...forValue(table ?? {}, text, given) }, values.length === 1 ? scope : { every: values.length, from: index, ...scope }])
    if (values.length === 0) entries.push([name, Object.keys(given).length > 0 ? given : undefined, scope])
    return makePlugins(await resolvePlugins(entries, folder))
  } catch (error) {
    if (!isMqttestError(error) || error.location !== undefined) throw error
    throw new MqttestError(error.code, `--use ${word}: ${error.message}`, { cause: error })
  }
}

/** How a plugin or a pack describes its options, where it does so by a table. */
function tableOf(plugin: unknown): { readonly [name: string]: unknown } | undefined {
  const table: unknown = (isFactory(plugin) || isPackFactory(plugin)) && 'options' in plugin ? plugin.options : undefined
  return isRecord(table) && !('~standard' in table) ? table : undefined
}

/** The options as the plugin wants them: `password=1234` is a text where the plugin takes only text. */
function optionsFor(table: { readonly [name: string]: unknown } | undefined, options: Use['options']): object {
  const values = [...options].map(([key, { text, value }]) => {
    const description = table?.[key]
    const asText = isOption(description) && description.read(value) === undefined && description.read(text) !== undefined
    return [key, asText ? text : value]
  })
  return Object.fromEntries(values)
}

/** The option that a value alone is for, among those that were not given by their names. */
function forValue(table: { readonly [name: string]: unknown }, text: string, given: object): object {
  const open = Object.entries(table).flatMap(([key, option]) => (isOption(option) && !Object.hasOwn(given, key) ? [[key, option] as const] : []))
  const taker = takerOf(open, [readValue(text), text])
  if (taker === undefined) throw new MqttestError('MQTTEST_OPTION', `no option takes '${text}'.${nameHint(text, Object.keys(table))}`)
  return { [taker[0]]: taker[1] }
}

function isRecord(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null
}

function isOption(value: unknown): value is Pick<Option<unknown, unknown>, 'read'> {
  return isRecord(value) && typeof value.read === 'function'
}

/** JSON where it is JSON; `[a,b]` a list of such; else text. */
function readValue(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text.startsWith('[') && text.endsWith(']') ? splitList(text.slice(1, -1)).map(readValue) : text
  }
}

/** A key that comes again makes a list. */
function joined(before: Written | undefined, next: Written): Written {
  return before === undefined ? next : { text: `${before.text},${next.text}`, value: [before.value, next.value].flat() }
}

/** Splits at commas that stand outside of brackets, braces and quotes. */
function splitList(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let quoted = false
  let from = 0
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at)
    if (character === '"' && text[at - 1] !== '\\') quoted = !quoted
    else if (quoted) continue
    else if (character === '[' || character === '{') depth++
    else if (character === ']' || character === '}') depth--
    else if (character === ',' && depth === 0) {
      parts.push(text.slice(from, at))
      from = at + 1
    }
  }
  parts.push(text.slice(from))
  return parts.map((part) => part.trim()).filter((part) => part !== '')
}
