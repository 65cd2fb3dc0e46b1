/** Why a file of the author's could not be loaded, as one readable mistake with its place. */
import { existsSync } from 'node:fs'
import { findSourceMap } from 'node:module'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { isMqttestError, type MqttestError, nameHint, type SourceLocation } from '../errors.ts'
import { builtInNames } from './built-ins.ts'
import { findNames, lineAndColumn, mistake, textOf } from './location.ts'

/** Turns whatever came out of loading a file into an MqttestError that names the place. */
export async function explainLoadError(file: string, error: unknown): Promise<MqttestError> {
  if (isMqttestError(error) && error.location !== undefined) return error
  if (!isErrorLike(error)) return mistake('MQTTEST_CONFIG_THROWS', `the file threw ${inspect(error, { depth: 1, breakLength: 120 })}`, { file }, error)
  if (isMqttestError(error)) return mistake(error.code, error.message, placeIn(file, error) ?? placeOfThrow(error) ?? { file }, error)
  return transformMistake(file, error) ?? (await missingModule(file, error)) ?? syntaxMistake(file, error) ?? thrown(file, error)
}

interface ErrorLike {
  readonly name: string
  readonly message: string
  readonly stack?: unknown
}

function isErrorLike(error: unknown): error is ErrorLike {
  return typeof error === 'object' && error !== null && 'message' in error && typeof error.message === 'string' && 'name' in error
}

/** A syntax error in TypeScript, as esbuild words it; only its text crosses the threads of the loader. */
function transformMistake(file: string, error: ErrorLike): MqttestError | undefined {
  const match = /^(.+?):(\d+):(\d+): ERROR: (.+)$/m.exec(error.message)
  if (match === null) return undefined
  const [, source = file, line, column, what = ''] = match
  const location = { file: cleanPath(source) ?? file, line: Number(line), column: Number(column) + 1 }
  if (what.includes('Top-level await')) {
    const name = basename(location.file).replace(/\.c?(ts|js)$/, '.m$1')
    const advice = `'await' at the top level needs an ES module, and this file counts as CommonJS: name it ${name}, or export an async function`
    return mistake('MQTTEST_CONFIG_SYNTAX', advice, location, error)
  }
  return mistake('MQTTEST_CONFIG_SYNTAX', what, location, error)
}

/** A syntax error in JavaScript: Node puts the place in the first line of the stack. */
function syntaxMistake(file: string, error: ErrorLike): MqttestError | undefined {
  if (error.name !== 'SyntaxError') return undefined
  const match = typeof error.stack === 'string' ? /^(\S.*?):(\d+)\r?\n(.*)\r?\n([ \t]*)\^/.exec(error.stack) : null
  const source = match?.[1] === undefined ? undefined : cleanPath(match[1])
  const location: SourceLocation =
    source === undefined ? { file } : { file: source, line: Number(match?.[2]), ...(match?.[4] !== undefined && { column: match[4].length + 1 }) }
  const advice = /await is only valid/.test(error.message) ? `: name the file ${basename(file).replace(/\.c?js$/, '.mjs')}, or export an async function` : ''
  return mistake('MQTTEST_CONFIG_SYNTAX', `${error.message}${advice}`, location, error)
}

/** Something that the file imports is not there. */
async function missingModule(file: string, error: ErrorLike): Promise<MqttestError | undefined> {
  const code = 'code' in error ? error.code : undefined
  if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND' && code !== 'ERR_PACKAGE_PATH_NOT_EXPORTED') return undefined
  const importer = cleanPath(/imported from (.+)$/m.exec(error.message)?.[1] ?? /Require stack:\n- (.+)$/m.exec(error.message)?.[1] ?? '') ?? file
  const wanted = /Cannot find (?:module|package) '([^']+)'/.exec(error.message)?.[1]
  const text = textOf(importer)
  const quirk = /mqttest[/\\](?:dist[/\\](?:cjs[/\\])?)?plugins[/\\]([\w-]+)/.exec(error.message)?.[1]
  if (quirk !== undefined) {
    const offset = findNames(text, [quirk])
    const location = { file: importer, ...(offset !== undefined && lineAndColumn(text, offset)) }
    return mistake('MQTTEST_PLUGIN_UNKNOWN', `there is no built-in plugin '${quirk}'.${nameHint(quirk, builtInNames())}`, location, error)
  }
  if (wanted === undefined) return mistake('MQTTEST_CONFIG_THROWS', firstLine(error.message), { file: importer }, error)
  // Node names a missing file by its whole path, where the import has only the end of it.
  const tail = basename(wanted).replace(/\.\w+$/, '')
  const offset = findNames(text, [wanted]) ?? findNames(text, [tail])
  const location = { file: importer, ...(offset !== undefined && lineAndColumn(text, offset)) }
  const isPackage = !/^[./]|^\w:[\\/]|^file:/.test(wanted)
  const advice = isPackage ? `: npm install --save-dev ${wanted}` : ''
  return mistake('MQTTEST_CONFIG_THROWS', `cannot find ${isPackage ? 'package' : 'file'} '${wanted}'${advice}`, location, error)
}

function thrown(file: string, error: ErrorLike): MqttestError {
  return mistake('MQTTEST_CONFIG_THROWS', `the file threw ${error.name}: ${error.message}`, placeOfThrow(error) ?? { file }, error)
}

interface Frame extends SourceLocation {
  readonly line: number
  readonly column: number
}

function framesOf(error: ErrorLike): Frame[] {
  if (typeof error.stack !== 'string') return []
  const frames: Frame[] = []
  for (const text of error.stack.split('\n')) {
    const match = /^\s+at (?:.*\()?([^()]+?):(\d+):(\d+)\)?$/.exec(text)
    const [, name = '', row, position] = match ?? []
    const file = cleanPath(name)
    if (file === undefined || !existsSync(file)) continue
    const [line, column] = mappedPlace(name, file, Number(row), Number(position))
    frames.push({ file, line, column })
  }
  return frames
}

/** Test runners print stacks in their own way, without the source maps of tsx: then the place is one of the compiled text. */
function mappedPlace(name: string, file: string, line: number, column: number): readonly [line: number, column: number] {
  const inSource = column <= (textOf(file).split('\n')[line - 1] ?? '').length + 1
  if (inSource && !name.includes('?')) return [line, column]
  const entry = findSourceMap(name.replace(/^async /, ''))?.findEntry(line - 1, column - 1) ?? {}
  if (!('originalLine' in entry && 'originalColumn' in entry)) return [line, column]
  return [Number(entry.originalLine) + 1, Number(entry.originalColumn) + 1]
}

/** The first frame within a file. */
function placeIn(file: string, error: ErrorLike): Frame | undefined {
  return framesOf(error).find((frame) => frame.file === file)
}

/** The first frame in a file of the author's own. */
function placeOfThrow(error: ErrorLike): Frame | undefined {
  return framesOf(error).find((frame) => !/[\\/]node_modules[\\/]/.test(frame.file))
}

/** A path out of what loaders and stacks name: URLs, queries and the word 'async' taken off. */
function cleanPath(name: string): string | undefined {
  const path = name.replace(/^async /, '').replace(/\?(?:namespace|tsx-namespace|t|import)=.*$/, '')
  if (path.startsWith('file:')) return fileURLToPath(path)
  return /^(?:\/|\w:[\\/])/.test(path) ? path : undefined
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? text
}
