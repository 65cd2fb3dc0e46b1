/** The boundaries of the house: what each room may know of the others. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { errorCodes } from 'mqttest'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))

interface Source {
  /** From the top of the project: 'src/wire/frame.ts'. */
  readonly path: string
  readonly text: string
  /** The text without comments and the content of strings. */
  readonly code: string
  readonly imports: readonly Import[]
}

interface Import {
  /** Whether only types are imported. */
  readonly typeOnly: boolean
  /** As it stands there. */
  readonly from: string
  /** A path from the top of the project, or the name of a package. */
  readonly target: string
}

/** Code without comments, and with empty strings, so that a word in a text is not taken for a call. */
function codeOf(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|(?<!:)\/\/.*|'(?:\\.|[^'\\\n])*'/g, (found) => (found.startsWith("'") ? "''" : ''))
}

function importsOf(path: string, text: string): Import[] {
  const statements = text.matchAll(/^(?:import|export)\s+(type\s)?(?:[^'";]*?\sfrom\s+)?'([^']+)'|\bimport\('([^']+)'\)/gm)
  return [...statements].map(([, type, named, called]) => {
    const from = named ?? called ?? ''
    return { typeOnly: type !== undefined, from, target: from.startsWith('.') ? join(dirname(path), from) : from }
  })
}

function sourcesUnder(folder: string): Source[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .sort()
    .map((name) => {
      const path = join(folder, name)
      const text = readFileSync(join(root, path), 'utf8')
      return { path, text, code: codeOf(text), imports: importsOf(path, text) }
    })
}

const sources = sourcesUnder('src')
const plugins = sourcesUnder('plugins')

/** 'src/a.ts: setTimeout(' for every place where a word is used and may not be. */
function uses(word: RegExp, allowed: (path: string) => boolean, among: readonly Source[] = [...sources, ...plugins]): string[] {
  return among.filter(({ path }) => !allowed(path)).flatMap(({ path, code }) => [...code.matchAll(word)].map(([found]) => `${path}: ${found}`))
}

/** 'src/a.ts imports b' for every import that may not be. */
function imports(wrong: (one: Import, path: string) => boolean, among: readonly Source[]): string[] {
  return among.flatMap(({ path, imports: all }) => all.filter((one) => wrong(one, path)).map((one) => `${path} imports ${one.from}`))
}

/** Packages that have to do with sockets. */
const sockets = /^(node:)?(net|tls|dgram|http|https|http2)$|^ws$/

describe('the rooms', () => {
  test('this test sees them', () => {
    expect(sources.length).toBeGreaterThan(50)
    expect(sources.find(({ path }) => path === 'src/index.ts')?.imports.length).toBeGreaterThan(10)
    expect(codeOf("a('setTimeout(') // setTimeout(\n/* x( */ b")).toBe("a('') \n b")
  })

  test('a plugin imports only the public entry, as a stranger would', () => {
    const entry = 'src/index.ts'
    const wrong = ({ from, target }: Import, path: string) => {
      if (target === entry || from === 'node:buffer') return false
      if (path === 'plugins/index.ts' || path === 'plugins/by-name.ts' || path.startsWith('plugins/packs/') || path.startsWith('plugins/internal/'))
        return !target.startsWith('plugins/')
      return !target.startsWith('plugins/internal/')
    }
    expect(imports(wrong, plugins)).toEqual([])
  })

  test('the core does not know the plugins', () => {
    // The config needs the list as a whole, for the names and for their types; it names no plugin.
    const wrong = ({ target }: Import, path: string) =>
      target.startsWith('plugins/') && !(/^plugins\/((packs\/)?index|by-name)\.ts$/.test(target) && path.startsWith('src/config/'))
    expect(imports(wrong, sources)).toEqual([])
  })

  test('only clock.ts starts timers', () => {
    expect(uses(/\bset(?:Timeout|Interval|Immediate)\b(?=\s*\()|\btimers(?=\/promises)/g, (path) => path === 'src/clock.ts')).toEqual([])
    expect(imports(({ target }) => /^(node:)?timers/.test(target), [...sources, ...plugins])).toEqual([])
  })

  test('only random.ts draws random numbers', () => {
    expect(uses(/\bMath\.random\b|\brandom(?:Bytes|UUID|Int|Fill|FillSync)\b|\bgetRandomValues\b/g, (path) => path === 'src/random.ts')).toEqual([])
  })

  test('only net/ opens sockets, and the raw client of tests', () => {
    const allowed = (path: string) => path.startsWith('src/net/') || path === 'src/testing/raw-client.ts'
    expect(imports(({ target }, path) => /^(node:)?(net|tls)$|^ws$/.test(target) && !allowed(path), [...sources, ...plugins])).toEqual([])
  })

  test('wire/ and broker/ know no socket, no file and no timer', () => {
    const rooms = sources.filter(({ path }) => /^src\/(wire|broker)\//.test(path))
    expect(rooms.length).toBeGreaterThan(15)
    const wrong = ({ target, typeOnly }: Import) =>
      sockets.test(target) || target.startsWith('src/net/') || /^(node:)?fs/.test(target) || (!typeOnly && target === 'src/clock.ts')
    expect(imports(wrong, rooms)).toEqual([])
  })

  test('wire/ knows nothing of what lies above it but the names of the rules', () => {
    const wrong = ({ target, typeOnly }: Import) =>
      target.startsWith('src/') && !target.startsWith('src/wire/') && target !== 'src/errors.ts' && !(typeOnly && target === 'src/lint/rules.ts')
    expect(
      imports(
        wrong,
        sources.filter(({ path }) => path.startsWith('src/wire/')),
      ),
    ).toEqual([])
  })

  test('only the command line prints', () => {
    expect(uses(/\bconsole\.\w+|\bprocess\.std(?:out|err)\b/g, (path) => path.startsWith('src/cli/'))).toEqual([])
  })

  test('only the command line and the config know the process', () => {
    expect(uses(/\bprocess\.(?:exit|exitCode|argv|on|once)\b/g, (path) => path.startsWith('src/cli/'))).toEqual([])
  })

  test('import.meta, which CommonJS lacks, stands in the command line only', () => {
    expect(uses(/\bimport\.meta\b/g, (path) => path.startsWith('src/cli/'))).toEqual([])
  })

  test('no any, and no cast that silences the compiler', () => {
    expect(uses(/\bas any\b|:\s*any\b|<any>|\bas unknown as\b|\bas never\b/g, () => false)).toEqual([])
    const silenced = [...sources, ...plugins].filter(({ text }) => /@ts-(ignore|expect-error|nocheck)/.test(text)).map(({ path }) => path)
    expect(silenced).toEqual([])
  })
})

describe('the public entry', () => {
  const byPath = new Map(sources.map((source) => [source.path, source]))

  /** What an entry exports, with the file that declares it: name → path. */
  function exportsOf(path: string): Map<string, string> {
    const found = new Map<string, string>()
    const { text = '' } = byPath.get(path) ?? {}
    for (const [, names = '', from = ''] of text.matchAll(/^export (?:type )?\{([^}]*)\} from '([^']+)'/gm))
      for (const name of names.split(',').map((part) => part.replace(/\btype\b/, '').trim()))
        if (name !== '') found.set(name.split(' as ')[0] ?? name, join(dirname(path), from))
    for (const [, from = ''] of text.matchAll(/^export (?:type )?\* from '([^']+)'/gm))
      for (const [name, file] of declaredIn(join(dirname(path), from))) found.set(name, file)
    for (const [name, file] of declaredIn(path)) found.set(name, file)
    return found
  }

  function declaredIn(path: string): [name: string, path: string][] {
    const { text = '' } = byPath.get(path) ?? {}
    return [...text.matchAll(/^export (?:declare )?(?:abstract )?(?:async )?(?:const|let|function|class|interface|type)\s+(\w+)/gm)].map(([, name = '']) => [
      name,
      path,
    ])
  }

  test.each(['src/index.ts', 'src/testing.ts'])('every name of %s has a comment that says what it is', (entry) => {
    const bare: string[] = []
    const names = exportsOf(entry)
    expect(names.size).toBeGreaterThan(2)
    for (const [name, path] of names) {
      const { text = '' } = byPath.get(path) ?? {}
      const lines = text.split('\n')
      const at = lines.findIndex((line) =>
        new RegExp(`^(?:export )?(?:declare )?(?:abstract )?(?:async )?(?:const|let|function|class|interface|type) ${name}\\b`).test(line),
      )
      if (at < 0) bare.push(`${name}: not found in ${path}`)
      else if (!(lines[at - 1] ?? '').trim().endsWith('*/')) bare.push(`${name} in ${path}`)
    }
    expect(bare).toEqual([])
  })
})

test('the top of the project holds what it should, and nothing else', () => {
  const allowed = ['package.json', 'package-lock.json', 'tsconfig.json', 'src', 'plugins', 'mqttest.config.ts', 'test', 'README.md', 'LICENSE', 'CHANGELOG.md']
  const built = ['node_modules', 'dist']
  const strangers = readdirSync(root).filter((name) => !name.startsWith('.') && !allowed.includes(name) && !built.includes(name))
  expect(strangers).toEqual([])
})

test('the lock file has the packages of every platform, without which npm ci refuses it, and no address of a registry', () => {
  const text = readFileSync(join(root, 'package-lock.json'), 'utf8')
  const packages: { [place: string]: { optionalDependencies?: { [name: string]: string } } } = JSON.parse(text).packages
  const names = new Set(Object.keys(packages).map((place) => place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length)))
  const missing = Object.values(packages)
    .flatMap(({ optionalDependencies = {} }) => Object.entries(optionalDependencies))
    .flatMap(([name, version]) => (names.has(name) || !/^\d/.test(version) ? [] : [name]))
  expect(missing, 'node .build/complete-lock.mjs adds them').toEqual([])
  expect(text).not.toMatch(/"resolved": "http/)
})

test('the README lists every code of an error with what it means, and no other', () => {
  const section = /^## Errors$([\s\S]*?)^## /m.exec(readFileSync(join(root, 'README.md'), 'utf8'))?.[1] ?? ''
  const listed = [...section.matchAll(/^\| `(MQTTEST_\w+)` \| (.*?) \|$/gm)].map(([, code, meaning]) => [code, meaning])
  expect(listed.filter(([code]) => code !== 'MQTTEST_PLUGIN_FAILED')).toEqual(Object.entries(errorCodes))
  // The one code that every PluginError has.
  expect(listed.map(([code]) => code)).toContain('MQTTEST_PLUGIN_FAILED')
})
