/** Built-in plugins by name: none is listed here, so that none is forgotten. */
import { expect, test } from 'vitest'
import * as exported from '../../plugins/index.ts'
import * as packs from '../../plugins/packs/index.ts'
import { builtIn, builtInNames, builtIns } from '../../src/config/built-ins.ts'
import { loadConfig } from '../../src/config/load.ts'
import { resolvePlugins } from '../../src/config/resolve.ts'
import { isPackFactory } from '../../src/plugin/pack.ts'
import { isFactory } from '../../src/plugin/plugin.ts'
import { flattenPlugins, noLookup } from '../../src/plugin/plugin-list.ts'
import { pluginText, project } from './project.ts'

const factories = Object.values(exported).filter(isFactory)

test('by-name.ts has what index.ts and packs/index.ts export, and nothing else', async () => {
  const names = Object.values({ ...exported, ...packs }).flatMap((value) => (isFactory(value) || isPackFactory(value) ? [value.meta.name] : []))
  expect(builtInNames().sort()).toEqual(names.sort())
  expect(await builtIn('no-such-plugin')).toBeUndefined()
  expect(await builtIn('toString')).toBeUndefined()
})

test('every plugin of plugins/ is known by its name', async () => {
  expect(factories.length).toBeGreaterThan(5)
  const known = await builtIns()
  for (const factory of factories) expect(known.get(factory.meta.name)).toBe(factory)
  expect(
    await resolvePlugins(
      factories.map(({ meta }) => meta.name),
      '/',
    ),
  ).toEqual(factories)
})

test('by name, with options and scope', async () => {
  const folder = project({ 'mqttest.config.json': { plugins: [['ack-delay', { delay: '200ms' }, { connection: 0 }]] } })
  const [entry] = flattenPlugins((await loadConfig(undefined, folder))?.options.plugins, noLookup)
  expect(entry).toMatchObject({ plugin: { meta: { name: 'ack-delay' }, options: { delay: 200 } }, scope: { connection: 0 } })
})

test('imported by a config, as values', async () => {
  const folder = project({
    'mqttest.config.ts': `import { ackDelay } from 'mqttest/plugins'\nexport default { plugins: [ackDelay({ delay: '1s' }), ackDelay] }`,
  })
  const names = flattenPlugins((await loadConfig(undefined, folder))?.options.plugins, noLookup).map(({ plugin }) => plugin.meta.name)
  expect(names).toEqual(['ack-delay', 'ack-delay'])
})

test('a bare name is a built-in one, even where a package has it; the full name is the package', async () => {
  const folder = project({
    'node_modules/mqttest-plugin-ack-delay/package.json': { type: 'module' },
    'node_modules/mqttest-plugin-ack-delay/index.js': pluginText('other'),
  })
  const resolved = flattenPlugins(await resolvePlugins(['ack-delay', 'mqttest-plugin-ack-delay'], folder), noLookup)
  expect(resolved.map(({ plugin }) => plugin.meta.name)).toEqual(['ack-delay', 'other'])
})

test.each([
  [
    '.mqttestrc',
    'plugins: [ack-dealy]',
    /\.mqttestrc:1:11: plugin 'ack-dealy' is neither built in nor installed\. Did you mean 'ack-delay'\? If it is a package: npm install --save-dev mqttest-plugin-ack-dealy\n/,
  ],
  ['.mqttestrc', 'plugins: [[ack-delay, { dealy: 1 }]]', /\.mqttestrc:1:25: plugin 'ack-delay': unknown option 'dealy'\. Did you mean 'delay'\?\n/],
  ['mqttest.config.ts', `import 'mqttest/plugins/ack-dealy'\nexport default {}`, /mqttest\.config\.ts/],
])('%s %s', async (place, text, message) => {
  await expect(loadConfig(undefined, project({ [place]: text }))).rejects.toThrow(message)
})
