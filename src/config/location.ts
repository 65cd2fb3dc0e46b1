/** Mistakes in files: where they stand, and one readable text that says so. */
import { readFileSync } from 'node:fs'
import { isAbsolute, relative } from 'node:path'
import { type ErrorCode, MqttestError, type SourceLocation } from '../errors.ts'

/** An author's mistake in a file. The text begins with the place and shows the line, where it is known. */
export function mistake(code: ErrorCode, message: string, location: SourceLocation, cause?: unknown): MqttestError {
  const place = [shownPath(location.file), location.line, location.line === undefined ? undefined : location.column]
  const text = `${place.filter((part) => part !== undefined).join(':')}: ${message}${excerpt(location)}`
  return new MqttestError(code, text, { location, ...(cause !== undefined && { cause }) })
}

/** A path as people read it: relative to the working folder where it is inside. */
export function shownPath(file: string): string {
  const path = relative(process.cwd(), file)
  return path === '' || path.startsWith('..') || isAbsolute(path) ? file : path
}

/** The text of a file; empty where it cannot be read. */
export function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** The offending line with a mark under the column. */
function excerpt({ file, line, column }: SourceLocation): string {
  if (line === undefined) return ''
  const source = textOf(file).split(/\r?\n/)[line - 1]
  if (source === undefined || source.trim() === '' || source.length > 200) return ''
  const number = String(line)
  const mark = column === undefined ? '' : `\n  ${' '.repeat(number.length)} | ${source.slice(0, column - 1).replace(/[^\t]/g, ' ')}^`
  return `\n  ${number} | ${source}${mark}`
}

/** Line and column of an offset in a text, both from 1. */
export function lineAndColumn(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset).split('\n')
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 }
}

/**
 * Where a chain of names stands in a text, each looked for after the one before: ['ack-delay', 'dealy']. Names that are not
 * there are passed over; undefined where none is. `skip` passes over so many places of the first name.
 */
export function findNames(text: string, names: readonly string[], skip = 0): number | undefined {
  const code = withoutComments(text)
  let from = 0
  let found: number | undefined
  for (const [index, name] of names.entries()) {
    const word = new RegExp(`(?<![\\w$-])${name.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')}(?![\\w$-])`, 'g')
    word.lastIndex = from
    let match = word.exec(code)
    for (let left = index === 0 ? skip : 0; left > 0 && match !== null; left--) match = word.exec(code)
    if (match === null) continue
    found = match.index
    from = match.index + name.length
  }
  return found
}

/** The text with the comments of JavaScript and YAML blanked, so that offsets stay. Good enough to find names. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|^[ \t]*(?:\/\/|#).*$|[ \t](?:\/\/|#)[ \t].*$/gm, (comment) => comment.replace(/[^\n]/g, ' '))
}

/** The names that the message of an author's mistake speaks of, before it says what was expected. */
export function namesIn(message: string): string[] {
  const subject = message.split(/[.:,] (?:expected|Did you mean|Known)/)[0] ?? ''
  return [...subject.matchAll(/'([^']+)'/g)].flatMap(([, name = '']) => (/^\w+(\.\w+)+$/.test(name) ? name.split('.') : [name]))
}
