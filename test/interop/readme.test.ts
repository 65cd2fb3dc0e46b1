/** The README promises nothing that no test shows: each row names tests that exist, that expect something, and that run in the versions claimed. */
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

const root = new URL('../../', import.meta.url)
const section = /^## What the broker supports$([\s\S]*?)^## /m.exec(readFileSync(new URL('README.md', root), 'utf8'))?.[1] ?? ''
const rows = section
  .split('\n')
  .filter((line) => /^\| [^|\s]/.test(line))
  .map((line) => line.slice(2, -2).split(' | '))

/** A place where a test is said to be. */
interface Place {
  readonly file: string
  readonly title: string
}

/** `file`: beginning of a title; another title of the same file; `file`: … */
function placesOf(cell: string): Place[] {
  let file = ''
  return cell.split('; ').map((part) => {
    const [, named, title = part] = /^`(test\/[^`]*\.test\.ts)`: (.*)$/.exec(part) ?? []
    file = named ?? file
    return { file, title }
  })
}

const indentOf = (line: string) => line.length - line.trimStart().length

/** A test, or a group of tests, as it stands in its file: the groups around it by their first lines, and all of its own. */
interface Shown {
  readonly around: string
  readonly own: string
}

function find({ file, title }: Place): Shown | undefined {
  if (!existsSync(new URL(file, root))) return undefined
  const source = readFileSync(new URL(file, root), 'utf8')
  const lines = source.split('\n')
  const quoted = new RegExp(`^ *(?:test\\b|describe\\b|\\]|\\)).*\\(\\s*['"\`]${title.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`, 'm').exec(source)
  if (quoted === null) return undefined
  const at = source.slice(0, quoted.index).split('\n').length - 1
  const opens = (line: string) => /^\s*(test|describe)\b/.test(line)
  let first = at
  while (first > 0 && !opens(lines[first] ?? '')) first--
  const indent = indentOf(lines[first] ?? '')
  let last = at
  while (last < lines.length - 1 && !((lines[last] ?? '').startsWith(`${' '.repeat(indent)}})`) && last > at)) last++
  const around: string[] = []
  let inner = indent
  for (let index = first - 1; index >= 0; index--) {
    const line = lines[index] ?? ''
    if (line === '' || indentOf(line) >= inner || !opens(line)) continue
    around.push(line)
    inner = indentOf(line)
  }
  return { around: around.join('\n'), own: lines.slice(first, last + 1).join('\n') }
}

/** A text with what the names in it stand for: constants of its file, and the files from which its tables come. */
function unfolded(text: string, file: string, depth = 2): string {
  if (depth === 0) return text
  const source = readFileSync(new URL(file, root), 'utf8')
  const parts = [text]
  for (const [whole, name = ''] of source.matchAll(/^(?:export )?const (\w+)\b[^\n]*(?:\n(?!\w|\/\*\*|$).*)*/gm))
    if (new RegExp(`\\b${name}\\b`).test(text) && !text.includes(whole)) parts.push(unfolded(whole, file, depth - 1))
  for (const [, names = '', path = ''] of source.matchAll(/^import \{([^}]*)\} from '(\.[^']*)'/gm))
    if (names.split(',').some((name) => new RegExp(`each\\(${name.trim()}\\b`).test(text))) parts.push(readFileSync(new URL(path, new URL(file, root)), 'utf8'))
  return parts.join('\n')
}

/** The protocol levels in which a test runs; 5 where it names none, as its helpers have it. */
function levelsOf(text: string): Set<number> {
  const lists = [...text.matchAll(/\[(3, 4|3, 5|4, 5|3, 4, 5)\]/g)].flatMap(([, list = '']) => list.split(', '))
  const single = [...text.matchAll(/\b(?:version|level): ([345])\b|\b([345]) as const/g)].map(([, one, other]) => one ?? other)
  const levels = new Set([...lists, ...single].map(Number))
  return levels.size === 0 ? new Set([5]) : levels
}

describe('what the broker supports', () => {
  test('is a list', () => {
    expect(rows.length).toBeGreaterThan(25)
    for (const row of rows) expect(row, row[0]).toHaveLength(5)
    expect(new Set(rows.map(([feature]) => feature)).size).toBe(rows.length)
  })

  test.each(rows)('%s', (...row) => {
    const [, ...cells] = row
    const places = placesOf(cells.pop() ?? '')
    const levels = new Set<number>()
    for (const place of places) {
      const shown = find(place)
      const what = `${place.file}: ${place.title}`
      expect(shown, `${what} exists`).toBeDefined()
      if (shown === undefined) continue
      const { around, own } = shown
      expect(`${around}\n${own}`, `${what} runs`).not.toMatch(/\b(?:test|describe)(?:\.\w+)*\.(?:skip|todo|fails)\b/)
      expect(own, `${what} expects something`).toMatch(/\bexpect\w*\(|\.next\(/)
      for (const level of levelsOf(unfolded(`${around}\n${own}`, place.file))) levels.add(level)
    }
    const claimed = [3, 4, 5].filter((_level, index) => cells[index] !== '')
    expect(claimed, 'some version has it').not.toEqual([])
    // What is below MQTT knows no version of it.
    if (places.every(({ file }) => file.startsWith('test/net/'))) return
    for (const level of claimed) expect([...levels], 'levels in which it is shown').toContain(level)
  })

  test('a place that is none is found out', () => {
    const cells = '`test/interop/basic.test.ts`: takeover; no such title; `test/none.test.ts`: basic'
    expect(placesOf(cells).map((place) => find(place) !== undefined)).toEqual([true, false, false])
    const own = find({ file: 'test/interop/basic.test.ts', title: 'takeover' })
    expect([...levelsOf(`${own?.around}`)]).toEqual([3, 4, 5])
    expect([...levelsOf('join(server)')]).toEqual([5])
  })
})
