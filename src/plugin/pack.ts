/**
 * Packs: sets of plugins under one name, to be shared and published. A pack is a list; one with options of its own is made by
 * `definePack({ meta, options, plugins })`. Every such pack can run on other time, and without some of its plugins:
 *
 *     plugins: ['aws-iot-core', ['aws-iot-core', { timeScale: 0.01, without: ['rate-limit'] }]]
 */
import { MqttestError, nameHint } from '../errors.ts'
import type { Scope } from '../hooks/scope.ts'
import { type OptionInput, type OptionOutput, type OptionTable, plainKinds, readOptions } from '../options/option.ts'
import { type AnyFactory, isPlugin, type Plugin, type PluginDefinition, pluginApi } from './plugin.ts'

/** Something that is known about what a pack imitates. */
export interface PackFact {
  /** One sentence. */
  readonly says: string
  /** Where it is known from: an address, or 'observed' with the version of the server. */
  readonly source: string
  /** The plugin of the pack that imitates it. */
  readonly by?: string
  /** Nobody has checked it: what imitates it is off unless it is asked for. */
  readonly unverified?: boolean
}

/** What a pack says about itself. */
export interface PackMeta {
  /** Kebab-case; the pack's identity. */
  readonly name: string
  /** The version of the plugin interface that it was written for: 1. */
  readonly api?: number
  /** One sentence: what a client meets. */
  readonly summary?: string
  /** What it is known from, for its page. */
  readonly facts?: readonly PackFact[]
  /** What it does not imitate, a sentence each. */
  readonly leaves?: readonly string[]
}

/** A pack as its author writes it. */
export interface PackDefinition<S extends OptionTable = OptionTable> {
  readonly meta: PackMeta
  readonly options?: S
  /** What is wrong with options that are each right, in a few words; undefined where they go together. */
  check?(options: OptionOutput<S>): string | undefined
  /** The plugins, in the order in which their taps run. */
  plugins(options: OptionOutput<S>): readonly PluginEntry[]
}

/** A pack with its options. */
export interface PackInUse {
  readonly meta: PackMeta
  readonly entries: readonly PluginEntry[]
  /** Every duration among the options of its plugins is multiplied by this. */
  readonly timeScale: number
  /** Names of plugins that are left out. */
  readonly without: readonly string[]
  readonly '~mqttest': 'pack'
}

/** The options that every pack has. */
export const packOptions = {
  timeScale: plainKinds.number('every duration among the options of its plugins is multiplied by this: 0.01 makes 30 s 300 ms', 1, { min: 0 }),
  without: plainKinds.list(plainKinds.text('the name of a plugin', ''), 'plugins of the pack that are left out', []),
} as const

/** Makes a pack from its options; carries what is known about it. */
export interface PackFactory<Name extends string = string, In = never> {
  (options?: In & OptionInput<typeof packOptions>): PackInUse
  readonly meta: PackMeta & { readonly name: Name }
  /** The description of the options, {@link packOptions} among them. */
  readonly options: OptionTable
  /** The definition without its types, for those who have the options as data. */
  readonly create: (options?: unknown) => PackInUse
  readonly '~mqttest': 'pack'
}

/** A pack factory whose options are not looked at. */
export interface AnyPackFactory {
  readonly meta: PackMeta
  readonly options: OptionTable
  readonly create: (options?: unknown) => PackInUse
  readonly '~mqttest': 'pack'
}

/** A list of plugins under one name in a config: plugins, packs in packs, and empty places, which are skipped. */
export type Pack = readonly PluginEntry[]

/** What may stand in a list of plugins. Names are resolved from the place of the config file. */
export type PluginEntry =
  | Plugin
  | AnyFactory
  | PluginDefinition
  | PackInUse
  | AnyPackFactory
  | string
  | readonly [plugin: string | AnyFactory | AnyPackFactory | PluginDefinition, options: object | undefined, scope?: Scope]
  | readonly [plugin: Plugin | PackInUse | Pack | string, scope: Scope]
  | Pack
  | false
  | null
  | undefined

/** Names a set of plugins that has no options: a list, as it is. */
export function definePack(...entries: PluginEntry[]): Pack
/**
 * Makes a pack with options. Throws MQTTEST_PLUGIN_SHAPE where the definition is none, MQTTEST_PLUGIN_API where it was written
 * for another interface; its factory throws MQTTEST_OPTION for wrong options.
 */
export function definePack<const Name extends string, S extends OptionTable = Record<never, never>>(
  definition: PackDefinition<S> & { readonly meta: { readonly name: Name } },
): PackFactory<Name, OptionInput<S>>
export function definePack(...given: (PluginEntry | PackDefinition)[]): Pack | AnyPackFactory {
  const [first] = given
  if (given.length === 1 && isPackDefinition(first)) return factoryOf(first)
  return given.filter((entry): entry is PluginEntry => !isPackDefinition(entry))
}

function factoryOf(definition: PackDefinition): AnyPackFactory {
  const { meta } = definition
  const { name, api = pluginApi } = meta
  if (api !== pluginApi) throw new MqttestError('MQTTEST_PLUGIN_API', `pack '${name}' is written for plugin API ${api}; this mqttest has API ${pluginApi}`)
  const options: OptionTable = { ...definition.options, ...packOptions }
  const create = (given?: unknown): PackInUse => {
    const { timeScale: _scale, without: _without, ...own } = readOptions(`pack '${name}'`, options, given)
    const { timeScale, without } = readOptions(`pack '${name}'`, packOptions, pick(given, packOptions))
    const conflict = definition.check?.(own)
    if (conflict !== undefined) throw new MqttestError('MQTTEST_OPTION', `pack '${name}': ${conflict}`)
    return Object.freeze({ meta, entries: definition.plugins(own), timeScale, without, '~mqttest': 'pack' as const })
  }
  return Object.assign((given?: unknown) => create(given), { meta, options, create, '~mqttest': 'pack' as const })
}

function pick(given: unknown, table: OptionTable): object {
  return isRecord(given) ? Object.fromEntries(Object.entries(given).filter(([key]) => Object.hasOwn(table, key))) : {}
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether a value has the shape of a pack's definition. */
export function isPackDefinition(value: unknown): value is PackDefinition {
  return isRecord(value) && isRecord(value.meta) && typeof value.meta.name === 'string' && typeof value.plugins === 'function'
}

/** Whether a value is a pack with its options, from this copy of mqttest or another. */
export function isPackInUse(value: unknown): value is PackInUse {
  return isRecord(value) && value['~mqttest'] === 'pack'
}

/** Whether a value is what `definePack` makes of a definition, from this copy of mqttest or another. */
export function isPackFactory(value: unknown): value is AnyPackFactory {
  return typeof value === 'function' && '~mqttest' in value && value['~mqttest'] === 'pack'
}

/** Throws MQTTEST_OPTION, with the nearest right name, where a pack is to be without a plugin that it does not have. */
export function checkWithout({ meta, without }: PackInUse, names: readonly string[]): void {
  const wrong = without.find((name) => !names.includes(name))
  if (wrong !== undefined)
    throw new MqttestError('MQTTEST_OPTION', `pack '${meta.name}': option 'without': it has no plugin '${wrong}'.${nameHint(wrong, names)}`)
}

/** Gives the n-th connection the n-th entry, and begins again after the last; null leaves a connection alone. */
export function perConnection(
  entries: readonly (Plugin | AnyFactory | PackInUse | string | null | undefined | readonly (Plugin | PackInUse | string)[])[],
): Pack {
  const every = entries.length
  return entries.map((entry, from): PluginEntry => {
    if (entry === null || entry === undefined) return null
    const list: readonly (Plugin | AnyFactory | PackInUse | string)[] = Array.isArray(entry) ? entry : [entry]
    return list.map((plugin): PluginEntry => (isPlugin(plugin) || isPackInUse(plugin) ? [plugin, { every, from }] : [plugin, undefined, { every, from }]))
  })
}
