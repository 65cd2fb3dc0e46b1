/** What may stand in a config file, and `defineConfig`, which gives an editor its types. */
import type * as builtIns from '../../plugins/index.ts'
import type * as builtInPacks from '../../plugins/packs/index.ts'
import type { Scope } from '../hooks/scope.ts'
import type { AnyPackFactory, PackFactory, PackInUse } from '../plugin/pack.ts'
import type { AnyFactory, Plugin, PluginDefinition, PluginFactory } from '../plugin/plugin.ts'
import type { StartOptions } from '../start.ts'

/**
 * Names of published plugins and their options, for the types of a config. A package adds its own:
 *
 *     declare module 'mqttest' {
 *       interface PluginRegistry { 'flaky-gateway': { rate?: number } }
 *     }
 */
export interface PluginRegistry extends Record<never, never> {}

type BuiltIns = typeof builtIns

/** Options of the built-in plugins by name, read off the plugins themselves. */
type BuiltInOptions = {
  [Key in keyof BuiltIns as BuiltIns[Key] extends PluginFactory<infer Name, infer _In> ? Name : never]: BuiltIns[Key] extends PluginFactory<string, infer In>
    ? In
    : never
}

type BuiltInPacks = typeof builtInPacks

/** Options of the built-in packs by name. */
type BuiltInPackOptions = {
  [Key in keyof BuiltInPacks as BuiltInPacks[Key] extends PackFactory<infer Name, infer _In> ? Name : never]: BuiltInPacks[Key] extends (
    options?: infer In,
  ) => unknown
    ? In
    : never
}

type KnownOptions = BuiltInOptions & BuiltInPackOptions & PluginRegistry

/** A name whose options the types know. */
type KnownName = keyof KnownOptions & string

/** A name whose options only the running program can check: a file, a package by its full name, a scoped package. */
type OtherName = `./${string}` | `../${string}` | `/${string}` | `mqttest-${string}` | `@${string}`

type NamedEntry =
  | KnownName
  | { readonly [Name in KnownName]: readonly [plugin: Name, options: KnownOptions[Name] | undefined, scope?: Scope] }[KnownName]
  | OtherName
  | readonly [plugin: OtherName, options: object | undefined, scope?: Scope]

/** What may stand in the list of plugins of a config: plugins, packs, names with their options, and empty places. */
export type ConfigEntry =
  | NamedEntry
  | Plugin
  | AnyFactory
  | PluginDefinition
  | PackInUse
  | AnyPackFactory
  | readonly [plugin: Plugin | PackInUse | AnyFactory | PluginDefinition, scope: Scope]
  | readonly [plugin: AnyFactory | AnyPackFactory | PluginDefinition, options: object | undefined, scope?: Scope]
  | ConfigList
  | false
  | null
  | undefined

/** A list within the list: a pack. */
export interface ConfigList extends ReadonlyArray<ConfigEntry> {}

/** What a config file holds: the options of `start`, and other configs that it builds on. */
export interface Config extends Omit<StartOptions, 'config' | 'plugins'> {
  /** Plugins in the order in which their taps run. Names are looked up from the folder of the config file. */
  readonly plugins?: readonly ConfigEntry[]
  /** Configs to build on: files relative to this one, npm packages, or values. Later ones win, this one wins over all. */
  readonly extends?: ConfigBase | readonly ConfigBase[]
  /** Where the JSON Schema is, for editors of JSON and YAML; not looked at here. */
  readonly $schema?: string
}

/** Something that a config builds on. */
export type ConfigBase = string | ConfigInput

/** What a config file may export: a config, a promise of one, or a function that makes one. */
export type ConfigInput = Config | Promise<Config> | (() => Config | Promise<Config>)

/** Gives types to a config: `export default defineConfig({ ... })`. Returns what it was given. */
export function defineConfig<Input extends ConfigInput>(config: Input & ConfigInput): Input {
  return config
}
