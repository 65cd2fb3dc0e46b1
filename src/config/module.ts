/** Loads the author's files: JavaScript as Node does, TypeScript through tsx, which is imported only then. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, extname, join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Endings of the files that can be loaded as modules. */
export const moduleEndings = ['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs'] as const

/** What a file exports. */
export interface LoadedModule {
  /** The default export; undefined where it has none. */
  readonly value: unknown
  /** The names of the other exports. */
  readonly names: readonly string[]
}

/** Loads a file. Throws what the file throws. */
export async function loadModule(file: string): Promise<LoadedModule> {
  const exported = await importFile(file)
  const outer = defaultOf(exported)
  // CommonJS that was made from ES modules has its default export in the default export.
  const compiled = isObject(outer) && '__esModule' in outer
  const value = compiled ? defaultOf(outer) : (defaultOf(outer) ?? outer)
  const names = Object.keys(compiled ? outer : isObject(exported) ? exported : {})
  return { value, names: names.filter((name) => !['default', 'module.exports', '__esModule'].includes(name)) }
}

async function importFile(file: string): Promise<unknown> {
  const url = pathToFileURL(file).href
  if (!/\.[cm]?ts$/.test(file)) return import(/* @vite-ignore */ url)
  if (isCommonJs(file)) {
    // tsImport loads these as well, but loses the lines of their errors.
    const { require: requireTypeScript } = await import('tsx/cjs/api')
    return { default: requireTypeScript(file, file) }
  }
  const { tsImport } = await import('tsx/esm/api')
  return tsImport(url, { parentURL: url, tsconfig: nearest('tsconfig.json', dirname(file)) ?? false })
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function defaultOf(exported: unknown): unknown {
  return isObject(exported) && 'default' in exported ? exported.default : undefined
}

/** Whether a TypeScript file counts as CommonJS: by its ending, else by the package that it stands in. */
function isCommonJs(file: string): boolean {
  if (extname(file) !== '.ts') return file.endsWith('.cts')
  const description = nearest('package.json', dirname(file))
  return description === undefined || readJson(description).type !== 'module'
}

/** The nearest file of a name, from a folder upwards. */
export function nearest(name: string, folder: string): string | undefined {
  for (const parent of foldersUp(folder)) {
    const file = join(parent, name)
    if (existsSync(file)) return file
  }
  return undefined
}

/** A folder and all that it stands in, innermost first. */
export function foldersUp(folder: string): string[] {
  const folders = [folder]
  for (let parent = dirname(folder); parent !== folders.at(-1); parent = dirname(parent)) folders.push(parent)
  return folders
}

/** The object in a JSON file; empty where it holds none. */
export function readJson(file: string): { readonly [key: string]: unknown } {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'))
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}
