/** From a config file to options: what it builds on is merged, names are resolved, every value is checked. */
import { dirname, resolve } from 'node:path'
import { chooseClock } from '../clock.ts'
import { parseDuration } from '../duration.ts'
import { isMqttestError, MqttestError, nameHint } from '../errors.ts'
import { checkListenOptions, type ListenOptions } from '../net/listen-options.ts'
import type { PluginEntry } from '../plugin/pack.ts'
import { readSettings } from '../settings.ts'
import { checkStartOptions, mergeOptions, type StartOptions, startOptionKeys } from '../start.ts'
import type { Config } from './define.ts'
import { type ConfigFile, readConfigFile, searchConfig } from './find.ts'
import { explainLoadError } from './load-error.ts'
import { findNames, lineAndColumn, mistake, namesIn, shownPath, textOf } from './location.ts'
import { findFile, findPackage, isPath } from './packages.ts'
import { makePlugins, resolvePlugins } from './resolve.ts'

/** A config that was found, and what it comes to. */
export interface LoadedConfig {
  /** The file that was found or named. */
  readonly file: string
  /** Every file that it was made of, this one last. */
  readonly files: readonly string[]
  /** Options for `start`: plugins are made, paths are absolute. */
  readonly options: StartOptions
}

/**
 * Loads the config at a path; without one, the config that holds for a folder, or undefined where there is none. Every mistake
 * in it is one MqttestError that names file and line.
 */
export async function loadConfig(path?: string, folder: string = process.cwd()): Promise<LoadedConfig | undefined> {
  const found = path === undefined ? await searchConfig(folder) : await readConfigFile(resolve(folder, path))
  if (found === undefined) return undefined
  const files: string[] = []
  const options = await readConfig(found, [], files)
  return { file: found.file, files: [...new Set(files)], options }
}

/** The keys that may stand in a config file. */
const configKeys = ['extends', '$schema', ...startOptionKeys.filter((key) => key !== 'config')]

/** `within`: the files on the way, outermost first, so that one that extends itself is noticed. */
async function readConfig(found: ConfigFile, within: readonly string[], files: string[]): Promise<StartOptions> {
  const { file } = found
  if (within.includes(file)) throw mistake('MQTTEST_OPTION', `the config extends itself: ${[...within, file].map(shownPath).join(' → ')}`, { file })
  const options = await readValue(await settled(found), file, [...within, file], files)
  files.push(file)
  return options
}

/** Calls the function, awaits the promise, that a config may be. */
async function settled({ file, value }: ConfigFile): Promise<unknown> {
  try {
    return await (typeof value === 'function' ? value() : value)
  } catch (error) {
    throw await explainLoadError(file, error)
  }
}

async function readValue(value: unknown, file: string, within: readonly string[], files: string[]): Promise<StartOptions> {
  if (!isConfig(value)) throw mistake('MQTTEST_OPTION', `a config is an object, got ${shown(value)}`, { file })
  for (const key of Object.keys(value)) {
    if (configKeys.includes(key)) continue
    const advice = key === 'config' ? " A config builds on another with 'extends'." : nameHint(key, configKeys)
    throw placed(new MqttestError('MQTTEST_OPTION', `unknown option '${key}'.${advice}`), file)
  }
  const { extends: bases, plugins, $schema: _forEditors, ...own } = value
  let merged: StartOptions = {}
  for (const base of bases === undefined ? [] : [bases].flat()) merged = mergeOptions(merged, await readBase(base, file, within, files))
  try {
    checkValues({ ...own, ...(plugins !== undefined && { plugins: [] }) })
    if (plugins !== undefined && !Array.isArray(plugins)) throw new MqttestError('MQTTEST_OPTION', `option 'plugins': expected a list, got ${shown(plugins)}`)
  } catch (error) {
    throw placed(error, file)
  }
  return mergeOptions(merged, { ...withAbsolutePaths(own, dirname(file)), ...(plugins !== undefined && { plugins: await readPlugins(plugins, file) }) })
}

async function readBase(base: unknown, file: string, within: readonly string[], files: string[]): Promise<StartOptions> {
  if (typeof base !== 'string') return readValue(await settled({ file, value: base }), file, within, files)
  const folder = dirname(file)
  const known = isPath(base) ? findFile(base, folder, ['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs', '.json', '.yaml', '.yml']) : undefined
  if (known !== undefined) return readConfig(await readConfigFile(known), within, files)
  if (isPath(base)) throw placed(new MqttestError('MQTTEST_CONFIG_NOT_FOUND', `extends '${base}': there is no such file`), file)
  const found = findPackage(base, folder)
  if (found?.file !== undefined) return readConfig(await readConfigFile(found.file), within, files)
  const problem =
    found === undefined
      ? `the package is not installed: npm install --save-dev ${base}; for a file write './${base}'`
      : 'the package has no module to load: see "exports" and "main" in its package.json'
  throw placed(new MqttestError('MQTTEST_CONFIG_NOT_FOUND', `extends '${base}': ${problem}`), file)
}

/** Checks what `start` would only find when it is too late to name the file. */
function checkValues(options: StartOptions): void {
  checkStartOptions(options)
  readSettings(options.broker)
  const { listen, port, maxRuntime, clock } = options
  for (const place of listen === undefined || listen === false ? [] : [listen].flat()) checkListenOptions(place)
  checkListenOptions({ ...(port !== undefined && { port }) })
  if (maxRuntime !== undefined) parseDuration(maxRuntime, "option 'maxRuntime'")
  if (clock !== undefined) chooseClock(clock)
}

/** Makes the plugins of one file, one entry after the other, so that a mistake can be placed. */
async function readPlugins(entries: readonly unknown[], file: string): Promise<PluginEntry[]> {
  const made: PluginEntry[] = []
  const seen = new Map<string, number>()
  for (const entry of entries) {
    const name = typeof entry === 'string' ? entry : Array.isArray(entry) && typeof entry[0] === 'string' ? entry[0] : undefined
    const before = name === undefined ? 0 : (seen.get(name) ?? 0)
    if (name !== undefined) seen.set(name, before + 1)
    try {
      made.push(...makePlugins(await resolvePlugins(entry, dirname(file))))
    } catch (error) {
      throw placed(error, file, name, before)
    }
  }
  return made
}

/** The error with its place in the file: where the names that it speaks of stand, after the name of the entry. */
function placed(error: unknown, file: string, entry?: string, skip = 0): unknown {
  if (!isMqttestError(error) || error.location !== undefined) return error
  const text = textOf(file)
  const names = [...(entry === undefined ? [] : [entry]), ...namesIn(error.message).filter((name) => name !== entry)]
  const offset = findNames(text, names, skip)
  return mistake(error.code, error.message, { file, ...(offset !== undefined && lineAndColumn(text, offset)) }, error)
}

/** Paths in a config are relative to its file. */
function withAbsolutePaths(options: StartOptions, folder: string): StartOptions {
  const { dump, listen } = options
  const absolute = (path: string) => resolve(folder, path)
  const files = (given: string | readonly string[]) => (typeof given === 'string' ? absolute(given) : given.map(absolute))
  const place = (given: ListenOptions): ListenOptions => (given.path === undefined ? given : { ...given, path: absolute(given.path) })
  return {
    ...options,
    ...(dump !== undefined && { dump: typeof dump === 'object' && 'file' in dump ? { ...dump, file: files(dump.file) } : files(dump) }),
    ...(listen !== undefined && listen !== false && { listen: [listen].flat().map(place) }),
  }
}

function isConfig(value: unknown): value is Config {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function shown(value: unknown): string {
  return typeof value === 'function' ? 'a function' : (JSON.stringify(value) ?? String(value))
}
