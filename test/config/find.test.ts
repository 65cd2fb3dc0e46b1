/** Which file is the config, and what may stand in it. */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { searchPlaces } from '../../src/config/find.ts'
import { loadConfig } from '../../src/config/load.ts'
import { start } from '../../src/start.ts'
import { project } from './project.ts'

function contentOf(place: string): string | object {
  if (place === 'package.json') return { name: 'x', type: 'module', mqttest: { seed: place } }
  if (place.endsWith('.json') || place === '.mqttestrc') return { seed: place }
  if (/\.ya?ml$/.test(place)) return `# a comment\nseed: ${place}\n`
  if (place.endsWith('.cjs')) return `module.exports = { seed: '${place}' }\n`
  const typed = /ts$/.test(place) ? ': string' : ''
  return `const seed${typed} = '${place}'\nexport default { seed }\n`
}

describe('the search', () => {
  test.each(searchPlaces)('%s', async (place) => {
    const folder = project({ [place]: contentOf(place) })
    const loaded = await loadConfig(undefined, folder)
    expect(loaded).toMatchObject({ file: join(folder, place), options: { seed: place } })
  })

  test.each(['mqttest.config.ts', 'mqttest.config.cts', 'mqttest.config.mts'])('%s in a CommonJS project', async (place) => {
    const folder = project({ [place]: `import { defineConfig } from 'mqttest'\nexport default defineConfig({ seed: 'x' })\n` }, 'commonjs')
    expect((await loadConfig(undefined, folder))?.options.seed).toBe('x')
  })

  test('goes up to the package and not beyond', async () => {
    const folder = project({ '.mqttestrc': 'seed: top', 'deep/er/x': '', 'other/package.json': {}, 'other/inner/x': '' })
    expect((await loadConfig(undefined, join(folder, 'deep/er')))?.options.seed).toBe('top')
    expect(await loadConfig(undefined, join(folder, 'other/inner'))).toBeUndefined()
  })

  test('finds nothing where there is nothing, also where package.json has no such key', async () => {
    expect(await loadConfig(undefined, project({}))).toBeUndefined()
  })

  test('TypeScript comes before data', async () => {
    const folder = project({ 'mqttest.config.ts': 'export default { seed: "ts" }', 'mqttest.config.json': { seed: 'json' } })
    expect((await loadConfig(undefined, folder))?.options.seed).toBe('ts')
  })

  test('an empty file of data is an empty config', async () => {
    expect((await loadConfig(undefined, project({ '.mqttestrc': '' })))?.options).toMatchObject({ plugins: [] })
  })

  test('a path names a file, or a folder to look into', async () => {
    const folder = project({ 'a/other.config.json': { seed: 1 }, 'b/.mqttestrc': 'seed: 2' })
    expect((await loadConfig('a/other.config.json', folder))?.options.seed).toBe(1)
    expect((await loadConfig(join(folder, 'b'), folder))?.options.seed).toBe(2)
  })

  test('a path to nothing says what is there', async () => {
    const folder = project({ 'mqttest.config.json': {}, 'empty/package.json': {} })
    await expect(loadConfig('mqttest.confg.json', folder)).rejects.toMatchObject({
      code: 'MQTTEST_CONFIG_NOT_FOUND',
      message: expect.stringMatching(/there is no config file .*mqttest\.confg\.json'\. Did you mean 'mqttest\.config\.json'\?/),
    })
    await expect(loadConfig('empty', folder)).rejects.toThrow(/there is no config file in the folder '.*empty'/)
  })
})

describe('what a config exports', () => {
  test.each([
    ['an object', 'export default { seed: 1 }'],
    ['a function', 'export default () => ({ seed: 1 })'],
    ['an async function', 'export default async () => ({ seed: 1 })'],
    ['a promise', 'export default Promise.resolve({ seed: 1 })'],
    ['what was compiled from ES modules', 'export default { default: { seed: 1 } }'],
    ['top-level await', 'const seed = await Promise.resolve(1)\nexport default { seed }'],
  ])('%s', async (_name, text) => {
    expect((await loadConfig(undefined, project({ 'mqttest.config.ts': text })))?.options.seed).toBe(1)
    expect((await loadConfig(undefined, project({ 'mqttest.config.mjs': text })))?.options.seed).toBe(1)
  })

  test('enums, imports without ending, of .js that is .ts', async () => {
    const folder = project({
      'mqttest.config.ts': `import { one } from './one'\nimport { two } from './two.js'\nenum Three { three = 3 }\nexport default { seed: [one, two, Three.three].join() }`,
      'one.ts': 'export const one: number = 1',
      'two.ts': 'export const two: number = 2',
    })
    expect((await loadConfig(undefined, folder))?.options.seed).toBe('1,2,3')
  })

  test('a config that is loaded again is read again', async () => {
    const folder = project({ 'mqttest.config.ts': `import { seed } from './seed.ts'\nexport default { seed }`, 'seed.ts': 'export const seed = 1' })
    expect((await loadConfig(undefined, folder))?.options.seed).toBe(1)
    const { writeFileSync } = await import('node:fs')
    writeFileSync(join(folder, 'seed.ts'), 'export const seed = 2')
    expect((await loadConfig(undefined, folder))?.options.seed).toBe(2)
  })
})

describe('start', () => {
  test('takes a config by its path; its own options win, plugin lists are joined', async () => {
    const folder = project({
      'mqttest.config.ts': `import { definePlugin } from 'mqttest'
const one = definePlugin({ meta: { name: 'one' }, setup() {} })
export default { seed: 'file', lint: 'off', plugins: [one()], broker: { maximumQos: 1 } }`,
    })
    const two = { meta: { name: 'two' }, setup() {} }
    const { definePlugin } = await import('../../src/index.ts')
    const server = await start({ config: join(folder, 'mqttest.config.ts'), seed: 'test', plugins: [definePlugin(two)] })
    const report = await server.stop()
    expect(report.seed).toBe('test')
    expect(report.faults.neverFired).toEqual(['one', 'two'])
  })
})
