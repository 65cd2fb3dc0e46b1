/** Configs that build on others: what wins, and from where paths and names are looked up. */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { flattenPlugins, noLookup } from '../../src/plugin/plugin-list.ts'
import type { StartOptions } from '../../src/start.ts'
import { type Files, pluginText, project } from './project.ts'

async function optionsOf(files: Files, within = '.'): Promise<StartOptions> {
  return (await loadConfig(undefined, join(project(files), within)))?.options ?? {}
}

function namesOf(options: StartOptions): string[] {
  return flattenPlugins(options.plugins, noLookup).map(({ plugin }) => plugin.meta.name)
}

describe('extends', () => {
  test('the later base wins over the earlier, the file over both; plugin lists are joined', async () => {
    const options = await optionsOf({
      'mqttest.config.json': { extends: ['./one', './two.yaml'], lint: 'off', plugins: ['./p3.js'], broker: { maximumQos: 1 } },
      'one.ts': `export default { seed: 1, lint: 'fail', maxConnections: 1, plugins: ['./p1.js'], broker: { maximumQos: 0, retainAvailable: false } }`,
      'two.yaml': 'seed: 2\nlint: warn\nplugins: [./p2.js]\n',
      'p1.js': pluginText('p1'),
      'p2.js': pluginText('p2'),
      'p3.js': pluginText('p3'),
    })
    expect(options).toMatchObject({ seed: 2, lint: 'off', maxConnections: 1, broker: { maximumQos: 1, retainAvailable: false } })
    expect(namesOf(options)).toEqual(['p1', 'p2', 'p3'])
    expect(options).not.toHaveProperty('extends')
  })

  test('an npm package, a part of one, and one of a scope', async () => {
    const options = await optionsOf({
      'mqttest.config.json': { extends: ['acme-config', 'acme-config/strict', '@acme/config'] },
      'node_modules/acme-config/package.json': { type: 'module', exports: { '.': './index.js', './strict': './strict.json' } },
      'node_modules/acme-config/index.js': `export default async () => ({ seed: 'acme', plugins: ['./own.js', 'gateway'] })`,
      'node_modules/acme-config/own.js': pluginText('own'),
      'node_modules/acme-config/strict.json': { lint: 'fail' },
      'node_modules/mqttest-plugin-gateway/package.json': { type: 'module' },
      'node_modules/mqttest-plugin-gateway/index.js': pluginText('gateway'),
      'node_modules/@acme/config/package.json': { main: 'config.json' },
      'node_modules/@acme/config/config.json': { maxConnections: 3 },
    })
    expect(options).toMatchObject({ seed: 'acme', lint: 'fail', maxConnections: 3 })
    expect(namesOf(options)).toEqual(['own', 'gateway'])
  })

  test('values: objects, functions and promises', async () => {
    const options = await optionsOf({
      'mqttest.config.ts': `import base from './base.ts'
import { defineConfig } from 'mqttest'
export default defineConfig({ extends: [base, { seed: 2 }, () => ({ lint: 'off' }), Promise.resolve({ maxConnections: 9 })] })`,
      'base.ts': `export default () => ({ seed: 1, onPluginError: 'warn' })`,
    })
    expect(options).toMatchObject({ seed: 2, lint: 'off', maxConnections: 9, onPluginError: 'warn' })
  })

  test('a base that two files share is read for both', async () => {
    const options = await optionsOf({
      '.mqttestrc': 'extends: [./a.json, ./b.json]',
      'a.json': { extends: './base.json', seed: 'a' },
      'b.json': { extends: './base.json', lint: 'off' },
      'base.json': { seed: 'base', plugins: ['./p.js'] },
      'p.js': pluginText('p'),
    })
    expect(options).toMatchObject({ seed: 'base', lint: 'off' })
    expect(namesOf(options)).toEqual(['p', 'p'])
  })

  test('says of which files it was made', async () => {
    const folder = project({ '.mqttestrc': 'extends: ./deep/a.json', 'deep/a.json': { extends: './b.json' }, 'deep/b.json': {} })
    expect((await loadConfig(undefined, folder))?.files).toEqual(['deep/b.json', 'deep/a.json', '.mqttestrc'].map((name) => join(folder, name)))
  })
})

test('paths are relative to the file in which they stand', async () => {
  const folder = project({
    'mqttest.config.json': { extends: './shared/base.yaml', dump: { file: ['run.jsonl', '/tmp/x.jsonl'] }, plugins: ['./plugin.js'] },
    'plugin.js': pluginText('outer'),
    'shared/base.yaml': 'dump: base.jsonl\nlisten:\n  - path: ./socket\n  - port: 0\nplugins: [./plugin.js]\n',
    'shared/plugin.js': pluginText('inner'),
    'deep/er/x': '',
  })
  const loaded = await loadConfig(undefined, join(folder, 'deep/er'))
  expect(loaded?.options.dump).toEqual({ file: [join(folder, 'run.jsonl'), '/tmp/x.jsonl'] })
  expect(loaded?.options.listen).toEqual([{ path: join(folder, 'shared/socket') }, { port: 0 }])
  expect(namesOf(loaded?.options ?? {})).toEqual(['inner', 'outer'])
  const base = await loadConfig('shared/base.yaml', folder)
  expect(base?.options.dump).toBe(join(folder, 'shared/base.jsonl'))
})
