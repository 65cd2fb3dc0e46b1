/** `mqttest init`: names, and what is not overwritten. That what it writes works is tried in test/package/init.test.ts. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { namesOf } from '../../src/cli/init/names.ts'
import { project } from '../config/project.ts'
import { run } from './command.ts'

test.each([
  ['plugin', 'flaky-gateway', ['mqttest-plugin-flaky-gateway', 'mqttest-plugin-flaky-gateway', 'flaky-gateway', 'flakyGateway']],
  ['plugin', 'mqttest-plugin-flaky', ['mqttest-plugin-flaky', 'mqttest-plugin-flaky', 'flaky', 'flaky']],
  ['pack', '@acme/storm-2', ['@acme/mqttest-pack-storm-2', 'mqttest-pack-storm-2', '@acme/storm-2', 'storm2']],
] as const)('%s %s', (kind, given, [full, folder, short, variable]) => {
  expect(namesOf(kind, given)).toEqual({ package: full, folder, short, variable })
})

test.each(['Foo', 'a b', '@acme', '-x', 'x-', '../x', ''])('%j is no name', (given) => {
  expect(() => namesOf('pack', given)).toThrow(`a pack is named in kebab-case, such as 'flaky-gateway' or '@acme/flaky-gateway', got '${given}'`)
})

describe('mqttest init', () => {
  test('writes a config where there is none', async () => {
    const folder = project({})
    const { code, stdout } = await run(['init'], { cwd: folder }).ended
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'mqttest.config.ts is written. Next: npx mqttest\n' })
    expect(readFileSync(join(folder, 'mqttest.config.ts'), 'utf8')).toContain('export default defineConfig({')
  })

  test.each([
    [{ '.mqttestrc.json': {} }, '.mqttestrc.json'],
    [{ 'package.json': { name: 'x', mqttest: {} } }, 'package.json'],
  ])('leaves a config alone that is there: %j', async (files, name) => {
    const { code, stderr } = await run(['init'], { cwd: project(files) }).ended
    expect({ code, stderr }).toEqual({ code: 2, stderr: `mqttest: there is a config here already: ${name}\n` })
  })

  test('leaves a folder alone that is not empty', async () => {
    const folder = project({ 'mqttest-pack-storm/mine.txt': 'mine' })
    const { code, stderr } = await run(['init', 'pack', 'storm'], { cwd: folder }).ended
    expect({ code, stderr }).toEqual({ code: 2, stderr: 'mqttest: the folder mqttest-pack-storm is there already, and not empty\n' })
    expect(existsSync(join(folder, 'mqttest-pack-storm/package.json'))).toBe(false)
  })

  test('knows what it can write', async () => {
    const { code, stderr } = await run(['init', 'plugins'], { cwd: project({}) }).ended
    expect({ code, stderr }).toEqual({ code: 2, stderr: "mqttest: there is nothing called 'plugins' to write. Did you mean 'plugin'?\n" })
  })
})
