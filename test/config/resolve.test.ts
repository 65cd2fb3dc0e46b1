/** Names of plugins and packs, from where they stand to what they are. */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { exportedTarget } from '../../src/config/packages.ts'
import { packagesFor, resolvePlugins } from '../../src/config/resolve.ts'
import { definePlugin } from '../../src/plugin/plugin.ts'
import { flattenPlugins, noLookup } from '../../src/plugin/plugin-list.ts'
import { type Files, pluginText, project } from './project.ts'

/** The names of the plugins that a list comes to. */
async function namesOf(entries: unknown, folder: string): Promise<string[]> {
  return flattenPlugins(await resolvePlugins(entries, folder), noLookup).map(({ plugin }) => plugin.meta.name)
}

/** A package that may be imported and not required, one that may be required only, and one that is both. */
function packageFiles(name: string, form: 'esm only' | 'cjs' | 'both' | 'no exports'): Files {
  const at = `node_modules/${name}`
  switch (form) {
    case 'esm only':
      return {
        [`${at}/package.json`]: { name, type: 'module', exports: { '.': { import: './lib/index.js' } } },
        [`${at}/lib/index.js`]: pluginText(`${name} esm`),
      }
    case 'cjs':
      return { [`${at}/package.json`]: { name, main: './lib' }, [`${at}/lib/index.js`]: pluginText(`${name} cjs`, 'cjs') }
    case 'both':
      return {
        [`${at}/package.json`]: { name, exports: { require: './a.cjs', import: { types: './a.d.ts', default: './a.mjs' } } },
        [`${at}/a.cjs`]: pluginText(`${name} cjs`, 'cjs'),
        [`${at}/a.mjs`]: pluginText(`${name} esm`),
      }
    case 'no exports':
      return { [`${at}/package.json`]: { name, type: 'module' }, [`${at}/index.js`]: pluginText(`${name} plain`) }
  }
}

describe('packages', () => {
  test.each([
    ['esm only', 'esm'],
    ['cjs', 'cjs'],
    ['both', 'esm'],
    ['no exports', 'plain'],
  ] as const)('a package that is %s', async (form, ending) => {
    const folder = project(packageFiles('mqttest-plugin-gateway', form))
    expect(await namesOf(['gateway'], folder)).toEqual([`mqttest-plugin-gateway ${ending}`])
    expect(await namesOf('mqttest-plugin-gateway', folder)).toEqual([`mqttest-plugin-gateway ${ending}`])
  })

  test.each([
    ['x', ['mqttest-plugin-x', 'mqttest-pack-x']],
    ['mqttest-plugin-x', ['mqttest-plugin-x']],
    ['mqttest-pack-x', ['mqttest-pack-x']],
    ['@s/x', ['@s/mqttest-plugin-x', '@s/mqttest-pack-x']],
    ['@s', ['@s/mqttest-plugin', '@s/mqttest-pack']],
    ['@s/mqttest-plugin', ['@s/mqttest-plugin']],
    ['@s/mqttest-plugin-x', ['@s/mqttest-plugin-x']],
    ['x/strict', ['mqttest-plugin-x/strict', 'mqttest-pack-x/strict']],
    ['mqttest-pack-x/strict', ['mqttest-pack-x/strict']],
  ])('%s may be %j', (name, packages) => {
    expect(packagesFor(name)).toEqual(packages)
  })

  test.each(['@acme', '@acme/gateway', '@acme/mqttest-plugin-gateway'])('%s', async (name) => {
    const wanted = name === '@acme' ? '@acme/mqttest-plugin' : '@acme/mqttest-plugin-gateway'
    const folder = project(packageFiles(wanted, 'esm only'))
    expect(await namesOf([name], folder)).toEqual([`${wanted} esm`])
  })

  test('are looked for from the folder of the config upwards', async () => {
    const folder = project({ ...packageFiles('mqttest-plugin-gateway', 'cjs'), 'deep/er/x': '' })
    expect(await namesOf(['gateway'], join(folder, 'deep/er'))).toEqual(['mqttest-plugin-gateway cjs'])
  })

  test('a package of plugins finds itself, so that its author can try it', async () => {
    const folder = project({ 'package.json': { name: 'mqttest-plugin-mine', type: 'module', exports: './mine.ts' }, 'mine.ts': pluginText('mine') })
    expect(await namesOf(['mine'], folder)).toEqual(['mine'])
  })

  test('packs: lists in lists, with names looked up from where the pack is', async () => {
    const folder = project({
      'node_modules/mqttest-pack-acme/package.json': { name: 'mqttest-pack-acme', type: 'module', exports: { '.': './index.js', './half': './half.js' } },
      'node_modules/mqttest-pack-acme/index.js': `export default ['./one.js', [null, ['gateway']], false, './half.js']`,
      'node_modules/mqttest-pack-acme/half.js': `export default ['./one.js']`,
      'node_modules/mqttest-pack-acme/one.js': pluginText('one'),
      'node_modules/mqttest-pack-acme/node_modules/mqttest-plugin-gateway/package.json': { name: 'mqttest-plugin-gateway', type: 'module' },
      'node_modules/mqttest-pack-acme/node_modules/mqttest-plugin-gateway/index.js': pluginText('inner gateway'),
    })
    expect(await namesOf(['acme'], folder)).toEqual(['one', 'inner gateway', 'one'])
    expect(await namesOf(['mqttest-pack-acme/half'], folder)).toEqual(['one'])
    await expect(namesOf(['gateway'], folder)).rejects.toThrow(/neither built in nor installed/)
  })

  test('a pack takes a scope for all that is in it', async () => {
    const folder = project({
      'pack.ts': `export default ['./one.ts', ['./one.ts', {}, { times: 1 }]]`,
      'one.ts': pluginText('one'),
      '.mqttestrc': `plugins: [[./pack, { connection: 0 }]]`,
    })
    const loaded = await loadConfig(undefined, folder)
    expect(flattenPlugins(loaded?.options.plugins, noLookup).map(({ scope }) => scope)).toEqual([{ connection: 0 }, { connection: 0, times: 1 }])
  })

  test('a pack that contains itself is a mistake', async () => {
    const folder = project({ 'pack.js': `export default ['./other.js']`, 'other.js': `export default ['./pack.js']` })
    await expect(namesOf(['./pack.js'], folder)).rejects.toThrow(/contains itself: .*pack\.js → .*other\.js → .*pack\.js/)
  })
})

describe('files', () => {
  test.each(['./one.ts', './one.js', './one', 'sub/../one', './folder'])('%s', async (name) => {
    const folder = project({ 'one.ts': `const name: string = 'one'\nexport default { meta: { name }, setup() {} }`, 'folder/index.mjs': pluginText('one') })
    if (name.startsWith('./')) expect(await namesOf([name], folder)).toEqual(['one'])
    else await expect(namesOf([name], folder)).rejects.toThrow(/neither built in nor installed/)
  })

  test('options and scope of a name', async () => {
    const folder = project({
      'late.ts': `import { definePlugin, option } from 'mqttest'\nexport default definePlugin({ meta: { name: 'late' }, options: { by: option.duration('how late', 0) }, setup() {} })`,
      'mqttest.config.json': { plugins: [['./late.ts', { by: '2s' }, { connection: [0, 2] }]] },
    })
    const loaded = await loadConfig(undefined, folder)
    const [entry] = flattenPlugins(loaded?.options.plugins, noLookup)
    expect(entry).toMatchObject({ plugin: { options: { by: 2000 }, given: { by: '2s' } }, scope: { connection: [0, 2] } })
  })

  test('what is no name stays what it is', async () => {
    const plugin = definePlugin({ meta: { name: 'value' }, setup() {} })()
    const entries = [plugin, [plugin, { connection: 1 }], null]
    expect(await resolvePlugins(entries, '/')).toEqual(entries)
  })
})

describe('what is wrong', () => {
  test.each<[string, Files, string, RegExp]>([
    [
      'an unknown name',
      {},
      'nonsense',
      /^plugin 'nonsense' is neither built in nor installed\..* If it is a package: npm install --save-dev mqttest-plugin-nonsense$/,
    ],
    [
      'an unknown name of a scope',
      {},
      '@acme/x',
      /^plugin '@acme\/x' is neither built in nor installed\. If it is a package: npm install --save-dev @acme\/mqttest-plugin-x$/,
    ],
    ['an unknown package', {}, 'mqttest-pack-x', /npm install --save-dev mqttest-pack-x$/],
    ['an unknown file', {}, './late.ts', /^there is no plugin file '\.\/late\.ts' \(looked for .*late\.ts\)$/],
    [
      'a package without default export',
      { 'node_modules/mqttest-plugin-x/package.json': { type: 'module' }, 'node_modules/mqttest-plugin-x/index.js': 'export const x = 1; export const y = 2' },
      'x',
      /package 'mqttest-plugin-x' has no default export, only 'x', 'y': a plugin is exported by/,
    ],
    [
      'a package whose default export is something else',
      { 'node_modules/mqttest-plugin-x/package.json': {}, 'node_modules/mqttest-plugin-x/index.js': 'module.exports = () => 1' },
      'x',
      /package 'mqttest-plugin-x' has a default export that is neither a plugin nor a pack/,
    ],
    [
      'a package with nothing to load',
      { 'node_modules/mqttest-plugin-x/package.json': { exports: { './only': './only.js' } } },
      'x',
      /package 'mqttest-plugin-x' has no module to load: see "exports" and "main" in .*mqttest-plugin-x$/,
    ],
    ['a plugin file that throws', { 'bad.ts': `\nthrow new Error('not today')` }, './bad.ts', /bad\.ts:2:7: the file threw Error: not today/],
    ['a plugin file that cannot be parsed', { 'bad.ts': `const x = 1\nexport default {\n  meta: ]\n` }, './bad.ts', /bad\.ts:3:9: Unexpected "\]"/],
  ])('%s', async (_name, files, name, message) => {
    await expect(namesOf([name], project(files))).rejects.toMatchObject({ name: 'MqttestError', message: expect.stringMatching(message) })
  })
})

test.each<[unknown, string, string | undefined]>([
  ['./a.js', '.', './a.js'],
  [{ '.': { require: './a.cjs' } }, '.', undefined],
  [{ '.': { browser: './b.js', node: { import: './n.mjs' }, default: './d.js' } }, '.', './n.mjs'],
  [{ '.': ['./first.js', './second.js'] }, '.', './first.js'],
  [{ './*': './lib/*.js', './deep/*': './deeper/*.js', './deep/secret': null }, './deep/x', './deeper/x.js'],
  [{ './*': './lib/*.js', './deep/secret': null }, './deep/secret', undefined],
  [{ './a': './a.js' }, './b', undefined],
])('the exports %j have for %s: %s', (exported, part, expected) => {
  expect(exportedTarget(exported, part)).toBe(expected)
})
