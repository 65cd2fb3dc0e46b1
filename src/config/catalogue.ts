/** What plugins and packs there are, seen from a folder: those that come with mqttest, the installed ones, those of the config. */
import { readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Option } from '../options/option.ts'
import { definePack, isPackDefinition, isPackFactory, isPackInUse, type PackFact } from '../plugin/pack.ts'
import { isDefinition, isFactory, isPlugin, type PluginMeta } from '../plugin/plugin.ts'
import { flattenPlugins, noLookup } from '../plugin/plugin-list.ts'
import { takerOf } from './alone.ts'
import { builtIns } from './built-ins.ts'
import { loadConfig } from './load.ts'
import { foldersUp, loadModule } from './module.ts'
import { findPackage } from './packages.ts'

/** One option, in words and as JSON Schema. */
export interface OptionEntry {
  readonly name: string
  readonly about: string
  readonly takes: string
  /** As it would be written; not there where the option has none. */
  readonly default?: unknown
  readonly schema: object
  /** Whether its default, written alone, would be taken for this option: `--ack-delay 200ms`. */
  readonly alone: boolean
}

/** One plugin or pack. */
export interface CatalogueEntry {
  readonly name: string
  readonly kind: 'plugin' | 'pack'
  /** 'built in', 'installed' or 'in the config'. */
  readonly from: 'built in' | 'installed' | 'in the config'
  /** The package, where it is an installed one. */
  readonly package?: string
  readonly group?: string
  readonly summary?: string
  readonly finds?: string
  readonly spec?: readonly string[]
  readonly seenIn?: readonly string[]
  readonly options: readonly OptionEntry[]
  /** The plugins of a pack, where it can be made without options. */
  readonly plugins?: readonly string[]
  readonly facts?: readonly PackFact[]
  readonly leaves?: readonly string[]
  /** What went wrong when it was loaded. */
  readonly error?: string
}

/** Everything there is, by where it is from and by name. `config`: the path of a config file, or false for none. */
export async function catalogue(folder: string, config?: string | false): Promise<CatalogueEntry[]> {
  const all = new Map<string, CatalogueEntry>()
  const add = (entry: CatalogueEntry | undefined) => {
    if (entry !== undefined && !all.has(entry.name)) all.set(entry.name, entry)
  }
  for (const value of (await builtIns()).values()) add(entryOf(value, { from: 'built in' }))
  for (const name of installedNames(folder)) add(await installedEntry(name, folder))
  const loaded = config === false ? undefined : await loadConfig(config, folder)
  for (const { plugin } of flattenPlugins(loaded?.options.plugins ?? [], noLookup)) add(entryOf(plugin, { from: 'in the config' }))
  return [...all.values()]
}

/** Names of packages that hold plugins or packs, in every node_modules from a folder up. */
function installedNames(folder: string): string[] {
  const names = new Set<string>()
  const list = (path: string) => {
    try {
      return readdirSync(path)
    } catch {
      return []
    }
  }
  for (const up of foldersUp(folder)) {
    const modules = join(up, 'node_modules')
    for (const name of list(modules))
      for (const full of name.startsWith('@') ? list(join(modules, name)).map((part) => `${name}/${part}`) : [name])
        if (/^mqttest-(plugin|pack)(-|$)/.test(basename(full))) names.add(full)
  }
  return [...names].sort()
}

async function installedEntry(name: string, folder: string): Promise<CatalogueEntry | undefined> {
  const place = { from: 'installed', package: name } as const
  const found = findPackage(name, folder)
  if (found?.file === undefined) return undefined
  try {
    const { value } = await loadModule(found.file)
    return entryOf(value, place) ?? { name, kind: kindOf(name), options: [], ...place, error: 'its default export is neither a plugin nor a pack' }
  } catch (error) {
    return { name, kind: kindOf(name), options: [], ...place, error: error instanceof Error ? error.message : String(error) }
  }
}

function kindOf(name: string): CatalogueEntry['kind'] {
  return basename(name).startsWith('mqttest-pack') ? 'pack' : 'plugin'
}

function entryOf(given: unknown, place: Pick<CatalogueEntry, 'from' | 'package'>): CatalogueEntry | undefined {
  const value = isPackDefinition(given) ? definePack(given) : given
  if (isPackFactory(value) || isPackInUse(value)) {
    const { meta } = value
    return {
      ...metaOf(meta),
      kind: 'pack',
      ...place,
      options: optionsOf(value),
      ...(meta.facts && { facts: meta.facts }),
      ...(meta.leaves && { leaves: meta.leaves }),
      ...membersOf(value),
    }
  }
  if (isFactory(value) || isDefinition(value) || isPlugin(value)) return { ...metaOf(value.meta), kind: 'plugin', ...place, options: optionsOf(value) }
  if (Array.isArray(value)) return { name: place.package ?? 'a pack', kind: 'pack', ...place, options: [], ...membersOf(value) }
  return undefined
}

function metaOf({ name, group, summary, finds, spec, seenIn }: PluginMeta) {
  return { name, ...(group && { group }), ...(summary && { summary }), ...(finds && { finds }), ...(spec && { spec }), ...(seenIn && { seenIn }) }
}

function membersOf(pack: unknown): Pick<CatalogueEntry, 'plugins'> {
  try {
    return { plugins: [...new Set(flattenPlugins(pack, noLookup).map(({ plugin }) => plugin.meta.name))] }
  } catch {
    // It has options that must be given, or names that only its own place knows.
    return {}
  }
}

function optionsOf(value: object): OptionEntry[] {
  const table: unknown = 'options' in value && !isPlugin(value) ? value.options : undefined
  if (typeof table !== 'object' || table === null || '~standard' in table) return []
  const described = Object.entries(table).filter((entry: [string, unknown]): entry is [string, Option<unknown, unknown>] => isOption(entry[1]))
  return described.map(([name, option]) => ({
    name,
    about: option.about,
    takes: option.form,
    ...(option.fallback !== undefined && { default: option.fallback }),
    schema: option.schema,
    alone: option.fallback !== undefined && takerOf(described, [option.fallback])?.[0] === name,
  }))
}

function isOption(value: unknown): value is Option<unknown, unknown> {
  return typeof value === 'object' && value !== null && 'about' in value && 'form' in value && 'read' in value
}
