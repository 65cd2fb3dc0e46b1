/** Lists of plugins, with packs in packs, names, options and scopes, and what is left when all of that is taken apart. */
import { MqttestError, nameHint } from '../errors.ts'
import { looksLikeScope, type Scope, scopeKeys } from '../hooks/scope.ts'
import { checkWithout, definePack, isPackDefinition, isPackFactory, isPackInUse, type PackInUse } from './pack.ts'
import { instantiate, isDefinition, isFactory, isPlugin, type Plugin } from './plugin.ts'

/** A plugin with the scope that it was given in a list. */
export interface ScopedPlugin {
  readonly plugin: Plugin
  readonly scope: Scope
}

/** Looks a plugin up by its name in a config; throws where there is none. */
export type PluginLookup = (name: string) => unknown

/**
 * Flattens a list of plugins: packs in packs, names, options and scopes. Names go through `lookup`; without one they are
 * an error, since only a config knows where to look.
 */
export function flattenPlugins(entries: unknown, lookup: PluginLookup, where = 'plugins'): ScopedPlugin[] {
  if (entries === false || entries === null || entries === undefined) return []
  const one = single(entries, undefined, lookup)
  if (one !== undefined) return one
  if (typeof entries === 'string') return flattenPlugins(lookup(entries), lookup, entries)
  if (!Array.isArray(entries))
    throw new MqttestError('MQTTEST_PLUGIN_SHAPE', `${where}: expected a plugin, a name or a list of them, got ${JSON.stringify(entries) ?? String(entries)}`)
  const [head, second, third] = entries
  if (isPair(entries)) {
    const named = typeof head === 'string' ? lookup(head) : head
    // [plugin(), scope]: its options are given already. A pack takes a scope as well: it goes to every plugin in it.
    if (isPlugin(named) || isPackInUse(named) || Array.isArray(named)) return scoped(flattenPlugins(named, lookup, where), asScope(second ?? third, where))
    const made = single(named, second, lookup)
    if (made !== undefined) return scoped(made, third === undefined ? {} : asScope(third, where))
  }
  return entries.flatMap((entry) => flattenPlugins(entry, lookup, where))
}

/** Whether a list is one plugin or pack with its options, or its scope, or both. */
export function isPair(entries: readonly unknown[]): boolean {
  const [, second, third] = entries
  const pair =
    entries.length >= 2 &&
    entries.length <= 3 &&
    isRecord(second) &&
    !isPlugin(second) &&
    !isPackInUse(second) &&
    !isDefinition(second) &&
    !isPackDefinition(second)
  return pair || (entries.length === 3 && second === undefined && isRecord(third))
}

/** What stands for itself, with options where it takes some. */
function single(value: unknown, options: unknown, lookup: PluginLookup): ScopedPlugin[] | undefined {
  if (isPlugin(value)) return [{ plugin: value, scope: {} }]
  if (isPackInUse(value)) return pluginsOf(value, lookup)
  if (isPackFactory(value)) return pluginsOf(value.create(options), lookup)
  if (isPackDefinition(value)) return pluginsOf(definePack(value).create(options), lookup)
  if (isFactory(value)) return [{ plugin: value.create(options), scope: {} }]
  if (isDefinition(value)) return [{ plugin: instantiate(value, options), scope: {} }]
  return undefined
}

function pluginsOf(pack: PackInUse, lookup: PluginLookup): ScopedPlugin[] {
  const all = flattenPlugins(pack.entries, lookup, `pack '${pack.meta.name}'`)
  checkWithout(
    pack,
    all.map(({ plugin }) => plugin.meta.name),
  )
  return all
    .filter(({ plugin }) => !pack.without.includes(plugin.meta.name))
    .map(({ plugin, scope }) => ({ plugin: pack.timeScale === 1 ? plugin : (plugin.scaled?.(pack.timeScale) ?? plugin), scope }))
}

function scoped(list: readonly ScopedPlugin[], scope: Scope): ScopedPlugin[] {
  return list.map((entry) => ({ plugin: entry.plugin, scope: { ...scope, ...entry.scope } }))
}

function asScope(value: unknown, where: string): Scope {
  if (looksLikeScope(value)) return value
  const key = isRecord(value) ? Object.keys(value).find((name) => !scopeKeys.some((known) => known === name)) : undefined
  const problem =
    key === undefined ? `expected a scope, got ${JSON.stringify(value) ?? String(value)}` : `unknown scope key '${key}'.${nameHint(key, scopeKeys)}`
  throw new MqttestError('MQTTEST_OPTION', `${where}: ${problem}`)
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The lookup of a server without a config: every name is an error that says what to do. */
export const noLookup: PluginLookup = (name) => {
  throw new MqttestError(
    'MQTTEST_PLUGIN_UNKNOWN',
    `plugin '${name}' is given by name, which needs a config file: import it instead, or start with { config: true }`,
  )
}
