/** The config file: found by cosmiconfig, read by loaders of ours. */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import type { Loader } from 'cosmiconfig'
import { isMqttestError, MqttestError, nameHint } from '../errors.ts'
import { jsonErrorOffset } from './json-error.ts'
import { explainLoadError } from './load-error.ts'
import { lineAndColumn, mistake, shownPath, textOf } from './location.ts'
import { foldersUp, loadModule, moduleEndings } from './module.ts'

/** Where a config may stand in a folder, in the order in which it is looked for. */
export const searchPlaces: readonly string[] = [
  ...[...moduleEndings, '.json', '.yaml', '.yml'].map((ending) => `mqttest.config${ending}`),
  '.mqttestrc',
  ...['.json', '.yaml', '.yml', ...moduleEndings].map((ending) => `.mqttestrc${ending}`),
  'package.json',
]

/** What a config file holds, not yet looked at. */
export interface ConfigFile {
  readonly file: string
  /** The default export, or the data. */
  readonly value: unknown
}

/** cosmiconfig looks into what its loaders return; a box keeps the author's value out of its reach. */
class Box {
  readonly value: unknown

  constructor(value: unknown) {
    this.value = value
  }
}

const loadScript: Loader = async (file) => {
  const loaded = await loadModule(file).catch(async (error: unknown) => {
    // Also keeps cosmiconfig from taking the ENOENT of something that the config reads for a missing config.
    throw await explainLoadError(file, error)
  })
  if (loaded.value !== undefined) return new Box(loaded.value)
  const others = loaded.names.length > 0 ? ` (it exports ${loaded.names.join(', ')})` : ''
  throw mistake('MQTTEST_CONFIG_SYNTAX', `the config has no default export${others}: write 'export default defineConfig({ ... })'`, { file })
}

const loadJson: Loader = (file, content) => {
  let value: unknown
  try {
    value = JSON.parse(content)
  } catch (error) {
    throw mistake('MQTTEST_CONFIG_SYNTAX', jsonMessage(error), { file, ...lineAndColumn(content, jsonErrorOffset(content)) }, error)
  }
  if (basename(file) !== 'package.json') return new Box(value)
  return typeof value === 'object' && value !== null && 'mqttest' in value ? { mqttest: new Box(value.mqttest) } : {}
}

const loadYaml: Loader = async (file, content) => {
  const { defaultLoaders } = await import('cosmiconfig')
  try {
    return new Box(defaultLoaders['.yaml'](file, content))
  } catch (error) {
    const { reason, mark } = yamlProblem(error)
    throw mistake('MQTTEST_CONFIG_SYNTAX', reason, { file, ...mark }, error)
  }
}

function jsonMessage(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return `not valid JSON: ${message.replace(/ in JSON at position \d+.*$|,? *(?:\.\.\.)?".*$/s, '')}`
}

function yamlProblem(error: unknown): { reason: string; mark: { line: number; column: number } | undefined } {
  if (typeof error !== 'object' || error === null) return { reason: String(error), mark: undefined }
  const reason = 'reason' in error && typeof error.reason === 'string' ? error.reason : 'it cannot be read'
  const mark = 'mark' in error && typeof error.mark === 'object' && error.mark !== null ? error.mark : {}
  const known = 'line' in mark && typeof mark.line === 'number' && 'column' in mark && typeof mark.column === 'number'
  return { reason: `not valid YAML: ${reason}`, mark: known ? { line: Number(mark.line) + 1, column: Number(mark.column) + 1 } : undefined }
}

async function explorer() {
  const { cosmiconfig } = await import('cosmiconfig')
  const scripts = Object.fromEntries(moduleEndings.map((ending) => [ending, loadScript]))
  return cosmiconfig('mqttest', {
    searchPlaces: [...searchPlaces],
    // Up to the first folder with a package.json; the default looks at one folder only.
    searchStrategy: 'project',
    ignoreEmptySearchPlaces: false,
    cache: false,
    loaders: { ...scripts, '.json': loadJson, '.yaml': loadYaml, '.yml': loadYaml, noExt: loadYaml },
  })
}

/**
 * Whether a search can find anything. Most runs of the command line have no config, and then cosmiconfig, a sixth of the
 * start, need not be loaded.
 */
function mayHoldConfig(folder: string): boolean {
  for (const parent of foldersUp(folder)) {
    const names = existsSync(parent) ? readdirSync(parent) : []
    const description = names.includes('package.json') ? textOf(join(parent, 'package.json')) : ''
    // cosmiconfig's own settings, in .config or package.json, may name more places.
    if (/"(mqttest|cosmiconfig)"/.test(description) || names.includes('.config')) return true
    if (names.some((name) => name !== 'package.json' && searchPlaces.includes(name))) return true
    if (names.includes('package.json') || names.includes('package.yaml')) return false
  }
  return false
}

/** cosmiconfig's own complaints, such as one about its own settings in a package.json, are the author's to mend as well. */
async function asMistake<T>(look: () => Promise<T>): Promise<T> {
  try {
    return await look()
  } catch (error) {
    if (isMqttestError(error)) throw error
    throw new MqttestError('MQTTEST_CONFIG_SYNTAX', error instanceof Error ? error.message : String(error), { cause: error })
  }
}

/** The config that holds for a folder; undefined where there is none. */
export async function searchConfig(folder: string): Promise<ConfigFile | undefined> {
  if (!mayHoldConfig(folder)) return undefined
  const found = await asMistake(async () => (await explorer()).search(folder))
  return found === null ? undefined : opened(found.filepath, found.config)
}

/** The config at a path: a file, or a folder to look into. Throws MQTTEST_CONFIG_NOT_FOUND. */
export async function readConfigFile(path: string): Promise<ConfigFile> {
  const file = resolve(path)
  const status = statSync(file, { throwIfNoEntry: false })
  if (status?.isDirectory()) {
    const found = await searchConfig(file)
    if (found !== undefined) return found
    throw new MqttestError('MQTTEST_CONFIG_NOT_FOUND', `there is no config file in the folder '${shownPath(file)}'`, { location: { file } })
  }
  if (status === undefined) {
    const folder = dirname(file)
    const others = existsSync(folder) ? readdirSync(folder).filter((name) => searchPlaces.includes(name) || /config|\.ya?ml$|rc$/.test(name)) : []
    throw new MqttestError('MQTTEST_CONFIG_NOT_FOUND', `there is no config file '${shownPath(file)}'.${nameHint(basename(file), others)}`, {
      location: { file },
    })
  }
  const known = [...moduleEndings, '.json', '.yaml', '.yml']
  if (/\.\w+$/.test(basename(file).slice(1)) && !known.some((ending) => file.endsWith(ending)))
    throw mistake('MQTTEST_CONFIG_SYNTAX', `a config file ends in ${known.join(', ')}`, { file })
  const found = await asMistake(async () => (await explorer()).load(file))
  if (found === null) throw mistake('MQTTEST_CONFIG_NOT_FOUND', "there is no key 'mqttest' in it", { file })
  return opened(found.filepath, found.config)
}

/** An empty file of data is an empty config; an empty module is a mistake, since it exports nothing. */
function opened(file: string, config: unknown): ConfigFile {
  if (config instanceof Box) return { file, value: config.value ?? {} }
  if (moduleEndings.some((ending) => file.endsWith(ending)))
    throw mistake('MQTTEST_CONFIG_SYNTAX', "the config is empty: write 'export default defineConfig({ ... })'", { file })
  return { file, value: {} }
}
