/**
 * Where a file or a package is, seen from the folder of a config file. Node's own resolution knows only the file that
 * asks, or, through `createRequire`, only what may be required: a package of ES modules need not be.
 */
import { existsSync, realpathSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { isAbsolute, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { foldersUp, moduleEndings, nearest, readJson } from './module.ts'

/** Whether a name stands for a file: './x', '../x', '/x', 'C:\x' or a file URL. */
export function isPath(name: string): boolean {
  return name === '.' || name === '..' || /^\.\.?[\\/]|^file:/.test(name) || isAbsolute(name)
}

/** The file that a path stands for; its ending may be left out. undefined where there is none. */
export function findFile(path: string, folder: string, endings: readonly string[] = moduleEndings): string | undefined {
  const file = path.startsWith('file:') ? fileURLToPath(path) : resolve(folder, path)
  // A config in TypeScript may name './x.js' and mean './x.ts', as its imports do.
  const typed = file.replace(/\.([cm]?)js$/, '.$1ts')
  const candidates = [file, typed, ...endings.map((ending) => file + ending), ...endings.map((ending) => join(file, `index${ending}`))]
  return candidates.find((candidate) => statSync(candidate, { throwIfNoEntry: false })?.isFile())
}

/** The outcome of looking for a package. */
export type FoundPackage =
  | { readonly file: string }
  /** The package is there, but has nothing to load under that name. */
  | { readonly folder: string; readonly file?: undefined }

/** Looks for a package, or for something within one ('name/part'). undefined where it is not installed. */
export function findPackage(specifier: string, folder: string): FoundPackage | undefined {
  const [, name = specifier, part = ''] = /^(@[^/]+\/[^/]+|[^/]+)(\/.*)?$/.exec(specifier) ?? []
  const home = packageFolder(name, folder)
  if (home !== undefined) {
    const file = entryOf(home, part)
    return file === undefined ? { folder: home } : { file: realpathSync(file) }
  }
  try {
    // Places that only Node knows of: NODE_PATH, Plug'n'Play.
    return { file: createRequire(join(folder, 'config.js')).resolve(specifier) }
  } catch {
    return undefined
  }
}

/** The folder of a package: in a node_modules on the way up, or the package that the folder itself belongs to. */
function packageFolder(name: string, folder: string): string | undefined {
  const installed = foldersUp(folder)
    .map((parent) => join(parent, 'node_modules', name))
    .find((candidate) => existsSync(join(candidate, 'package.json')))
  if (installed !== undefined) return installed
  const own = nearest('package.json', folder)
  return own !== undefined && readJson(own).name === name ? join(own, '..') : undefined
}

function entryOf(home: string, part: string): string | undefined {
  const { exports: exported, main } = readJson(join(home, 'package.json'))
  if (exported !== undefined && exported !== null) {
    const target = exportedTarget(exported, `.${part}`)
    return target === undefined ? undefined : findFile(target, home, [])
  }
  if (part !== '') return findFile(`.${part}`, home, [...moduleEndings, '.json'])
  const named = typeof main === 'string' ? findFile(main, home) : undefined
  return named ?? findFile('index', home)
}

/** What `import` would get: the conditions that Node has for it. */
const conditions = ['node', 'import', 'module-sync', 'default']

/** The path within a package that its `exports` give to a part of it ('.', './part'). */
export function exportedTarget(exported: unknown, part: string): string | undefined {
  const table = isTable(exported) && Object.keys(exported).some((key) => key.startsWith('.')) ? exported : { '.': exported }
  if (Object.hasOwn(table, part)) return target(table[part], '')
  const patterns = Object.keys(table).filter((key) => key.includes('*'))
  // The longest text before the star wins, as in Node.
  patterns.sort((one, two) => two.indexOf('*') - one.indexOf('*'))
  for (const pattern of patterns) {
    const [before = '', after = ''] = pattern.split('*')
    if (part.startsWith(before) && part.endsWith(after) && part.length >= pattern.length)
      return target(table[pattern], part.slice(before.length, part.length - after.length))
  }
  return undefined
}

function target(value: unknown, star: string): string | undefined {
  if (typeof value === 'string') return value.replaceAll('*', star)
  if (Array.isArray(value)) return value.map((one) => target(one, star)).find((one) => one !== undefined)
  if (!isTable(value)) return undefined
  for (const [condition, inner] of Object.entries(value)) {
    if (!conditions.includes(condition)) continue
    const found = target(inner, star)
    if (found !== undefined) return found
  }
  return undefined
}

function isTable(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
