/** Every mistake in a config is one readable message that names the place. */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { jsonErrorOffset } from '../../src/config/json-error.ts'
import { loadConfig } from '../../src/config/load.ts'
import { findNames, lineAndColumn, namesIn } from '../../src/config/location.ts'
import { MqttestError } from '../../src/errors.ts'
import { type Files, pluginText, project } from './project.ts'

/** The error of loading the config of a project, with the folder taken out of the message. */
async function mistakeIn(files: Files, type: 'module' | 'commonjs' = 'module'): Promise<MqttestError> {
  const folder = project(files, type)
  const error: unknown = await loadConfig(undefined, folder).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof MqttestError)) throw new Error(`expected an MqttestError, got ${String(error)}`)
  expect(error.location?.file.startsWith(folder)).toBe(true)
  expect(error.message).not.toMatch(/^ {4}at /m)
  return Object.assign(error, { message: error.message.replaceAll(`${folder}/`, '') })
}

const late = `import { definePlugin, option } from 'mqttest'
export const late = definePlugin({ meta: { name: 'late' }, options: { by: option.duration('how late', 0) }, setup() {} })
export default late
`

describe('syntax', () => {
  test.each<[string, string, string]>([
    ['mqttest.config.ts', 'export default {\n  plugins: [\n  }\n', 'mqttest.config.ts:3:3: Unexpected "}"\n  3 |   }\n    |   ^'],
    [
      'mqttest.config.json',
      '{\n  "seed": 1,\n  "lint": off\n}\n',
      'mqttest.config.json:3:11: not valid JSON: Unexpected token \'o\'\n  3 |   "lint": off\n    |           ^',
    ],
    ['mqttest.config.json', '{ "seed": 1, }', 'mqttest.config.json:1:14: not valid JSON: Expected double-quoted property name'],
    ['mqttest.config.yaml', 'seed: 1\nplugins: [a, b\nlint: off\n', 'mqttest.config.yaml:3:'],
    ['.mqttestrc', 'seed: [\n', '.mqttestrc:2:1: not valid YAML: '],
    ['package.json', '{\n  "mqttest": 1,,\n}', 'package.json:2:16: not valid JSON: '],
  ])('%s: %s', async (place, text, message) => {
    const error = await mistakeIn({ [place]: text })
    expect(error.code).toBe('MQTTEST_CONFIG_SYNTAX')
    expect(error.message.slice(0, message.length)).toBe(message)
  })

  test('in a file that the config imports', async () => {
    const error = await mistakeIn({ 'mqttest.config.ts': `import './broken.ts'\nexport default {}`, 'broken.ts': '\nconst = 1' })
    expect(error).toMatchObject({ code: 'MQTTEST_CONFIG_SYNTAX', message: expect.stringMatching(/^broken\.ts:2:7: Expected identifier/) })
  })

  test('await at the top level of a CommonJS project', async () => {
    const error = await mistakeIn({ 'mqttest.config.ts': 'const seed = await Promise.resolve(1)\nexport default { seed }' }, 'commonjs')
    expect(error.message).toMatch(
      /^mqttest\.config\.ts:1:14: 'await' at the top level needs an ES module, and this file counts as CommonJS: name it mqttest\.config\.mts, or export an async function\n/,
    )
  })

  test.each([
    ['mqttest.config.ts', 'export const lint = "off"', 'mqttest.config.ts: the config has no default export (it exports lint): write '],
    ['mqttest.config.mts', 'const lint = "off"', 'mqttest.config.mts: the config has no default export: write '],
    ['mqttest.config.cts', 'export const lint = "off"', 'mqttest.config.cts: the config has no default export (it exports lint): write '],
    ['mqttest.config.ts', '\n', "mqttest.config.ts: the config is empty: write 'export default defineConfig({ ... })'"],
  ])('no default export: %s %j', async (place, text, message) => {
    expect((await mistakeIn({ [place]: text })).message).toContain(message)
  })
})

describe('what throws', () => {
  test.each<[string, 'module' | 'commonjs', string]>([
    ['a config', 'module', `interface Unused { x: number }\n\nthrow new RangeError('too far')\nexport default {}`],
    ['a config of a CommonJS project', 'commonjs', `interface Unused { x: number }\n\nthrow new RangeError('too far')\nexport default {}`],
    ['its function', 'module', `export default () => {\n  const x: number = 1\n  throw new RangeError('too far ' + x)\n}`],
    ['its function in a CommonJS project', 'commonjs', `export default () => {\n  const x: number = 1\n  throw new RangeError('too far ' + x)\n}`],
  ])('%s', async (_name, type, text) => {
    const error = await mistakeIn({ 'mqttest.config.ts': text }, type)
    expect(error).toMatchObject({
      code: 'MQTTEST_CONFIG_THROWS',
      message: expect.stringMatching(/^mqttest\.config\.ts:3:\d+: the file threw RangeError: too far/),
    })
    expect(error.cause).toBeInstanceOf(Error)
  })

  test('a file that it imports', async () => {
    const error = await mistakeIn({ 'mqttest.config.ts': `import './thrower.ts'\nexport default {}`, 'thrower.ts': `\n\n  throw new Error('here')` })
    expect(error.message).toMatch(/^thrower\.ts:3:9: the file threw Error: here\n {2}3 \| {3}throw/)
  })

  test('something that is no error', async () => {
    expect((await mistakeIn({ 'mqttest.config.mjs': `throw { reason: 'none' }` })).message).toBe("mqttest.config.mjs: the file threw { reason: 'none' }")
  })

  test('a rejected promise', async () => {
    expect((await mistakeIn({ 'mqttest.config.mjs': `export default Promise.reject(new Error('later'))` })).message).toMatch(
      /^mqttest\.config\.mjs:1:\d+: the file threw Error: later/,
    )
  })

  test('a config that reads a file that is not there is not taken for a missing config', async () => {
    const error = await mistakeIn({
      'mqttest.config.ts': `import { readFileSync } from 'node:fs'\nexport default { seed: readFileSync('/nowhere/at/all', 'utf8') }`,
    })
    expect(error.message).toMatch(/^mqttest\.config\.ts:2:\d+: the file threw Error: ENOENT/)
  })

  test.each<['module' | 'commonjs']>([['module'], ['commonjs']])('a package that is not there (%s)', async (type) => {
    const error = await mistakeIn({ 'mqttest.config.ts': `\nimport x from 'not-installed'\nexport default { seed: x }` }, type)
    expect(error.message).toMatch(/^mqttest\.config\.ts:2:16: cannot find package 'not-installed': npm install --save-dev not-installed\n/)
  })

  test.each<['module' | 'commonjs']>([['module'], ['commonjs']])('a file that is not there (%s)', async (type) => {
    const error = await mistakeIn({ 'mqttest.config.ts': `\nimport x from './mislaid.ts'\nexport default { seed: x }` }, type)
    expect(error.message).toMatch(/^mqttest\.config\.ts:2:\d+: cannot find file '.*mislaid\.ts'\n/)
  })

  test('a plugin that refuses its options: the place in the config, not in the plugin', async () => {
    const error = await mistakeIn({
      'mqttest.config.ts': `import { defineConfig } from 'mqttest'\nimport { late } from './late.ts'\n\nexport default defineConfig({\n  plugins: [late({ yb: 1 })],\n})`,
      'late.ts': late,
    })
    expect(error.code).toBe('MQTTEST_OPTION')
    expect(error.message).toBe(
      "mqttest.config.ts:5:13: plugin 'late': unknown option 'yb'. Did you mean 'by'?\n  5 |   plugins: [late({ yb: 1 })],\n    |             ^",
    )
  })
})

describe('options', () => {
  test.each<[string, string, string]>([
    ['mqttest.config.json', '{\n  "seed": 1,\n  "prot": 1883\n}', "mqttest.config.json:3:4: unknown option 'prot'. Did you mean 'port'?"],
    ['mqttest.config.yaml', '# prot\nprot: 1883\n', "mqttest.config.yaml:2:1: unknown option 'prot'. Did you mean 'port'?"],
    ['mqttest.config.ts', 'export default {\n  // prot\n  prot: 1883,\n}', "mqttest.config.ts:3:3: unknown option 'prot'. Did you mean 'port'?"],
    ['mqttest.config.ts', 'export default { extend: 1 }', "mqttest.config.ts:1:18: unknown option 'extend'. Did you mean 'extends'?"],
    ['mqttest.config.ts', 'export default { config: 1 }', "mqttest.config.ts:1:18: unknown option 'config'. A config builds on another with 'extends'."],
    ['.mqttestrc', 'lint: faill', `.mqttestrc:1:1: option 'lint': expected one of off, warn, fail, got "faill". Did you mean 'fail'?`],
    ['.mqttestrc', 'seed: 1\nmaxConnections: 0', ".mqttestrc:2:1: option 'maxConnections': expected a whole number above 0, got 0"],
    ['.mqttestrc', 'broker:\n  maximumQoS: 1\n', ".mqttestrc:2:3: option 'broker': unknown key 'maximumQoS'. Did you mean 'maximumQos'?"],
    ['.mqttestrc', 'broker:\n  maximumQos: 3\n', ".mqttestrc:2:3: option 'broker.maximumQos': expected a whole number from 0 to 2, got 3"],
    ['.mqttestrc', 'listen:\n  - prot: 1\n', ".mqttestrc:2:5: option 'listen': unknown key 'prot'. Did you mean 'port'?"],
    ['.mqttestrc', 'port: 99999', ".mqttestrc:1:1: option 'port': expected 0 to 65535 or a range"],
    ['.mqttestrc', 'maxRuntime: soon', ".mqttestrc:1:1: option 'maxRuntime': expected milliseconds or text such as"],
    ['.mqttestrc', 'clock: sundial', ".mqttestrc:1:1: option 'clock': expected 'real', 'virtual'"],
    ['.mqttestrc', 'plugins: ack', `.mqttestrc:1:1: option 'plugins': expected a list, got "ack"`],
    ['.mqttestrc', '- a\n- b\n', '.mqttestrc: a config is an object, got ["a","b"]'],
    ['mqttest.config.ts', 'export default () => () => 1', 'mqttest.config.ts: a config is an object, got a function'],
  ])('%s %j', async (place, text, message) => {
    const error = await mistakeIn({ [place]: text })
    expect(error.code).toBe('MQTTEST_OPTION')
    expect(error.message.slice(0, message.length)).toBe(message)
  })
})

describe('plugins', () => {
  const files = { 'late.ts': late, 'one.ts': pluginText('one') }

  test.each<[string, string, string]>([
    ['.mqttestrc', 'plugins:\n  - ./one\n  - ./to\n', ".mqttestrc:3:5: there is no plugin file './to' (looked for "],
    ['.mqttestrc', 'plugins:\n  - nonsense\n', ".mqttestrc:2:5: plugin 'nonsense' is neither built in nor installed."],
    ['.mqttestrc', 'plugins:\n  - [./late, { by: 1s }]\n  - [./late, { yb: 1s }]\n', ".mqttestrc:3:16: plugin 'late': unknown option 'yb'. Did you mean 'by'?"],
    ['.mqttestrc', 'plugins:\n  - [./late, { by: soon }]\n', ".mqttestrc:2:16: plugin 'late': option 'by': expected milliseconds"],
    ['.mqttestrc', 'plugins:\n  - [./late, { by: 1s }, { conection: 0 }]\n', '.mqttestrc:2:28: '],
    ['.mqttestrc', 'plugins:\n  - [./late, { by: 1s }, { connection: -1 }]\n', '.mqttestrc:2:'],
    [
      'mqttest.config.ts',
      `export default {\n  plugins: ['./one', ['./late', { yb: '1s' }]],\n}`,
      "mqttest.config.ts:2:35: plugin 'late': unknown option 'yb'.",
    ],
    ['.mqttestrc', 'plugins:\n  - 7\n', '.mqttestrc: plugins: expected a plugin, a name or a list of them, got 7'],
  ])('%s %j', async (place, text, message) => {
    const error = await mistakeIn({ ...files, [place]: text })
    expect(error.message.slice(0, message.length)).toBe(message)
  })

  test('an unknown scope names the nearest key', async () => {
    const error = await mistakeIn({ ...files, '.mqttestrc': 'plugins:\n  - [./late, { by: 1s }, { conection: 0 }]\n' })
    expect(error.message).toContain("Did you mean 'connection'?")
  })
})

describe('extends', () => {
  test.each<[string, Files, string]>([
    ['a file that is not there', { '.mqttestrc': 'seed: 1\nextends: ./base\n' }, ".mqttestrc:2:10: extends './base': there is no such file"],
    [
      'a package that is not there',
      { '.mqttestrc': 'extends: base\n' },
      ".mqttestrc:1:10: extends 'base': the package is not installed: npm install --save-dev base; for a file write './base'",
    ],
    [
      'a mistake in the base',
      { '.mqttestrc': 'extends: ./base.json\n', 'base.json': '{\n  "prot": 1\n}' },
      "base.json:2:4: unknown option 'prot'. Did you mean 'port'?",
    ],
    [
      'a circle',
      { '.mqttestrc.json': { extends: './a.json' }, 'a.json': { extends: './.mqttestrc.json' } },
      '.mqttestrc.json: the config extends itself: .mqttestrc.json → a.json → .mqttestrc.json',
    ],
  ])('%s', async (_name, files, message) => {
    expect((await mistakeIn(files)).message).toContain(message)
  })
})

test.each<[text: string, rest: string]>([
  ['', ''],
  ['{', ''],
  ['{"a"', ''],
  ['{"a": x}', 'x}'],
  ['{"a": 1,}', '}'],
  ['[1, 2,]', ']'],
  ['[1 2]', '2]'],
  ['{a: 1}', 'a: 1}'],
  ['{"a" 1}', '1}'],
  ['{"a": 1} x', 'x'],
  ['{"a": 01}', '01}'],
  ['{"a": "b\nc"}', '"b\nc"}'],
  ['{"a": tru}', 'tru}'],
  ['{"a": [{"b": [null, true, -1.5e3, "\\u00e9\\n"]}, {}, []] ]', ']'],
  ["{'a': 1}", "'a': 1}"],
])('JSON stops at its first mistake: %j', (text, rest) => {
  expect(() => JSON.parse(text)).toThrow()
  expect(text.slice(jsonErrorOffset(text))).toBe(rest)
})

test('names are found as words, in order, outside of comments', () => {
  const text = '// dealy\n{ "dealyed": 1, "a": { "dealy": 2 }, "b": { "dealy": 3 } }'
  const place = (...names: string[]) => lineAndColumn(text, findNames(text, names) ?? 0)
  expect(place('dealy')).toEqual({ line: 2, column: 25 })
  expect(place('b', 'dealy')).toEqual({ line: 2, column: 46 })
  expect(place('missing', 'dealy')).toEqual({ line: 2, column: 25 })
  expect(findNames(text, ['missing'])).toBeUndefined()
  expect(namesIn("option 'broker.maximumQos': expected a 'number', got 'x'. Did you mean 'y'?")).toEqual(['broker', 'maximumQos'])
})

test('a place in the working folder is shown relative to it', async () => {
  const { shownPath } = await import('../../src/config/location.ts')
  expect(shownPath(join(process.cwd(), 'a/b.ts'))).toBe('a/b.ts')
  expect(shownPath('/elsewhere/b.ts')).toBe('/elsewhere/b.ts')
})
