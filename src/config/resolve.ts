/** Names of plugins and packs → what they stand for, seen from the folder of the config file that names them. */
import { dirname, join } from 'node:path'
import { MqttestError, nameHint } from '../errors.ts'
import { checkScope } from '../hooks/scope.ts'
import { definePack, isPackDefinition, isPackFactory, isPackInUse, type PluginEntry } from '../plugin/pack.ts'
import { isDefinition, isFactory, isPlugin } from '../plugin/plugin.ts'
import { flattenPlugins, isPair, noLookup } from '../plugin/plugin-list.ts'
import { builtIn, builtInNames } from './built-ins.ts'
import { explainLoadError } from './load-error.ts'
import { mistake, shownPath } from './location.ts'
import { loadModule } from './module.ts'
import { findFile, findPackage, isPath } from './packages.ts'

/**
 * Replaces every name in a list of plugins by what it stands for, also in packs, whose own names are looked up from where the
 * pack is. Throws MQTTEST_PLUGIN_UNKNOWN and MQTTEST_PLUGIN_SHAPE.
 */
export async function resolvePlugins(entries: unknown, folder: string): Promise<unknown> {
  return resolveEntry(entries, folder, [])
}

/** What a name stands for, as it was exported: a plugin, a pack, or what makes one of them. Throws like {@link resolvePlugins}. */
export async function lookUp(name: string, folder: string): Promise<unknown> {
  return (await find(name, folder, [])).value
}

/** Makes every plugin of a list in which no names are left, and checks options and scopes. */
export function makePlugins(resolved: unknown): PluginEntry[] {
  return flattenPlugins(resolved, noLookup).map(({ plugin, scope }) => [plugin, checkScope(`plugin '${plugin.meta.name}'`, scope)])
}

/** `within`: the packs on the way, outermost first, so that one that names itself is noticed. */
async function resolveEntry(entry: unknown, folder: string, within: readonly string[]): Promise<unknown> {
  if (typeof entry === 'string') {
    const found = await find(entry, folder, within)
    return resolveEntry(found.value, found.folder, found.within)
  }
  if (isPackInUse(entry)) return { ...entry, entries: await resolveEntry(entry.entries, folder, within) }
  if (isPackFactory(entry)) return resolveEntry(entry.create(undefined), folder, within)
  if (!Array.isArray(entry)) return entry
  const [head, second, third] = entry
  if (isPair(entry)) {
    const found = typeof head === 'string' ? await find(head, folder, within) : { value: head, folder, within }
    // A pack gets its options before the names in it are looked up, from where the pack is.
    if (isPackFactory(found.value)) return [await resolveEntry(found.value.create(second), found.folder, found.within), third ?? {}]
    return [await resolveEntry(found.value, found.folder, found.within), ...entry.slice(1)]
  }
  // One after the other: files load in the order in which they are named, and the first mistake is the one that is told.
  const resolved: unknown[] = []
  for (const one of entry) resolved.push(await resolveEntry(one, folder, within))
  return resolved
}

/** What a name stands for, and from where the names in it are looked up. */
interface Found {
  readonly value: unknown
  readonly folder: string
  readonly within: readonly string[]
}

async function find(name: string, folder: string, within: readonly string[]): Promise<Found> {
  const found = await locate(name, folder)
  if ('value' in found) return { value: found.value, folder, within }
  const { file, what } = found
  if (within.includes(file)) throw new MqttestError('MQTTEST_PLUGIN_SHAPE', `${what} contains itself: ${[...within, file].map(shownPath).join(' → ')}`)
  const loaded = await loadModule(file).catch(async (error: unknown) => {
    throw await explainLoadError(file, error)
  })
  const value = isPackDefinition(loaded.value) ? definePack(loaded.value) : loaded.value
  if (Array.isArray(value) || isPackInUse(value) || isPackFactory(value)) return { value, folder: dirname(file), within: [...within, file] }
  if (isPlugin(value) || isFactory(value) || isDefinition(value)) return { value, folder, within }
  const others = loaded.names.length > 0 ? `, only ${loaded.names.map((other) => `'${other}'`).join(', ')}` : ''
  const problem = value === undefined ? `has no default export${others}` : 'has a default export that is neither a plugin nor a pack'
  throw mistake('MQTTEST_PLUGIN_SHAPE', `${what} ${problem}: a plugin is exported by 'export default definePlugin({ ... })', a pack as a list of plugins`, {
    file,
  })
}

type Located = { readonly value: unknown } | { readonly file: string; readonly what: string }

async function locate(name: string, folder: string): Promise<Located> {
  if (isPath(name)) {
    const file = findFile(name, folder)
    if (file !== undefined) return { file, what: `plugin file '${name}'` }
    throw new MqttestError('MQTTEST_PLUGIN_UNKNOWN', `there is no plugin file '${name}' (looked for ${shownPath(join(folder, name))})`)
  }
  const packages = packagesFor(name)
  // A full name of a package is never a built-in one: nothing has to be loaded to see that.
  if (packages[0] !== name) {
    const value = await builtIn(name)
    if (value !== undefined) return { value }
  }
  for (const candidate of packages) {
    const found = findPackage(candidate, folder)
    if (found?.file !== undefined) return { file: found.file, what: `package '${candidate}'` }
    if (found !== undefined)
      throw new MqttestError('MQTTEST_PLUGIN_SHAPE', `package '${candidate}' has no module to load: see "exports" and "main" in ${shownPath(found.folder)}`)
  }
  const hint = name.startsWith('@') || packages[0] === name ? '' : nameHint(name, builtInNames())
  throw new MqttestError(
    'MQTTEST_PLUGIN_UNKNOWN',
    `plugin '${name}' is neither built in nor installed.${hint} If it is a package: npm install --save-dev ${packages[0]}`,
  )
}

/** The packages that a name may stand for, in the order in which they are tried. */
export function packagesFor(name: string): readonly [string, ...string[]] {
  const [, scope = '', short = '', part = ''] = /^(?:(@[^/]+)(?:\/|$))?([^/]*)(\/.*)?$/.exec(name) ?? []
  const prefix = scope === '' ? '' : `${scope}/`
  if (short === '') return [`${prefix}mqttest-plugin`, `${prefix}mqttest-pack`]
  if (/^mqttest-(plugin|pack)(-|$)/.test(short)) return [name]
  return [`${prefix}mqttest-plugin-${short}${part}`, `${prefix}mqttest-pack-${short}${part}`]
}
