/** `mqttest plugins`: what there is, seen from a folder. */
import { describe, expect, test } from 'vitest'
import { pluginText, project } from '../config/project.ts'
import { run } from './command.ts'

const packText = `import { definePack } from 'mqttest'
export default { meta: { name: 'storm', api: 1, summary: 'Everything at once.', facts: [{ says: 'It rains.', source: 'https://example.com/rain', by: 'ack-delay', unverified: true }], leaves: ['Hail.'] }, plugins: () => [] }`

function folder() {
  return project({
    'package.json': { name: 'mine', type: 'module' },
    'node_modules/mqttest-plugin-slow/package.json': { name: 'mqttest-plugin-slow', type: 'module', exports: './index.js' },
    'node_modules/mqttest-plugin-slow/index.js': pluginText('slow'),
    'node_modules/@acme/mqttest-pack-storm/package.json': { name: '@acme/mqttest-pack-storm', type: 'module', exports: './index.js' },
    'node_modules/@acme/mqttest-pack-storm/index.js': packText.replace(/^import.*\n/, ''),
    'node_modules/mqttest-plugin-broken/package.json': { name: 'mqttest-plugin-broken', type: 'module', exports: './index.js' },
    'node_modules/mqttest-plugin-broken/index.js': 'throw new Error("not today")',
    'mine.js': pluginText('mine'),
    'mqttest.config.json': { plugins: ['./mine.js', 'ack-delay'] },
  })
}

describe('mqttest plugins', () => {
  test('lists what is built in by group, what is installed, and what the config adds', async () => {
    const { code, stdout, stderr } = await run(['plugins'], { cwd: folder() }).ended
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^answers\n(?: {2}\S.*\n)* {2}ack-delay +Acknowledgements come late\.$/m)
    expect(stdout).toMatch(/^installed\n {2}storm +Everything at once\.\n {2}mqttest-plugin-broken +cannot be loaded: .*not today.*\n {2}slow/m)
    expect(stdout).toMatch(/^in the config\n {2}mine$/m)
  })

  test('--json says the same to programs', async () => {
    const { stdout } = await run(['plugins', '--json'], { cwd: folder() }).ended
    const all: readonly { readonly name: string }[] = JSON.parse(stdout)
    expect(all.find(({ name }) => name === 'ack-delay')).toMatchObject({
      kind: 'plugin',
      from: 'built in',
      group: 'answers',
      options: expect.arrayContaining([
        { name: 'delay', about: expect.any(String), takes: expect.any(String), default: '200ms', schema: expect.any(Object), alone: true },
      ]),
    })
    expect(all.find(({ name }) => name === 'storm')).toMatchObject({ kind: 'pack', from: 'installed', package: '@acme/mqttest-pack-storm' })
  })

  test('a name shows its page: options with defaults, how it is used, what it finds', async () => {
    const { stdout } = await run(['plugins', 'ack-delay'], { cwd: folder() }).ended
    expect(stdout).toMatch(/^ack-delay \(plugin, built in\)\n\nAcknowledgements come late\.\n\nFinds clients that/)
    expect(stdout).toContain(
      `  delay\n      how long each of them waits; 0 answers at once\n      milliseconds or text such as '200ms', '1.5s', '10m', '1h'; default "200ms"\n`,
    )
    expect(stdout).toContain('In a config:  ["ack-delay",{"delay":"200ms"}]\nOn the command line:  --use ack-delay:delay=200ms  or  --ack-delay 200ms\n')
    expect(stdout).toContain('Statements: MQTT-4.4.0-1')
  })

  test('the page of a pack names its facts with their sources, and what it leaves out', async () => {
    const { stdout } = await run(['plugins', '@acme/mqttest-pack-storm'], { cwd: folder() }).ended
    expect(stdout).toContain('storm (pack, installed, package @acme/mqttest-pack-storm)')
    expect(stdout).toContain('  It rains. (unverified) [ack-delay]\n      https://example.com/rain')
    expect(stdout).toContain('What it does not imitate:\n  Hail.')
    expect(stdout).toContain('  timeScale\n')
  })

  test('one that is not there is a mistake, with the nearest name', async () => {
    const { code, stderr } = await run(['plugins', 'ack-dely'], { cwd: folder() }).ended
    expect({ code, stderr }).toEqual({ code: 2, stderr: "mqttest: there is no plugin or pack 'ack-dely' here. Did you mean 'ack-delay'?\n" })
  })
})
