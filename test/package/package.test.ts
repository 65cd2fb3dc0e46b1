/** What is published, used as a stranger would: installed, imported, required, compiled against, run, extended. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { output, Packed, run } from './packed.ts'

const packed = new Packed()
/** A project of ES modules, and one as `npm init` makes it. */
let modules = ''
let commonjs = ''

beforeAll(async () => {
  await packed.pack()
  modules = await packed.project('modules', 'module')
  commonjs = await packed.project('commonjs', 'commonjs')
})

afterAll(() => packed.remove())

const used = { applied: [{ plugin: 'ack-delay', count: 1 }], same: true, raw: true, codes: true, clock: 0 }

describe('the library', () => {
  test('is imported', async () => {
    expect(JSON.parse(await output(modules, 'node', ['import.mjs']))).toEqual(used)
  })

  test('is required', async () => {
    expect(JSON.parse(await output(commonjs, 'node', ['require.cjs']))).toEqual(used)
  })

  test('is required where require cannot load ES modules', async () => {
    const flag = process.allowedNodeEnvironmentFlags.has('--no-experimental-require-module') ? ['--no-experimental-require-module'] : []
    expect(JSON.parse(await output(commonjs, 'node', [...flag, 'require.cjs']))).toEqual(used)
  })

  test('is required as Jest does it, without ES modules, import() and with globals of its own', async () => {
    expect(JSON.parse(await output(commonjs, 'node', ['require-like-jest.cjs', 'require.cjs']))).toEqual(used)
  })

  test('keeps its inner parts to itself', async () => {
    for (const inner of ['mqttest/src/server.js', 'mqttest/dist/src/index.js', 'mqttest/plugins/internal/x', 'mqttest/plugins/no-such-plugin']) {
      const { code, stderr } = await run(modules, 'node', ['--input-type=module', '-e', `await import('${inner}')`])
      expect(code, inner).not.toBe(0)
      expect(stderr, inner).toMatch(/ERR_PACKAGE_PATH_NOT_EXPORTED|ERR_MODULE_NOT_FOUND/)
    }
  })

  test('has a JSON Schema for config files', async () => {
    const script = "console.log(Object.keys(require('mqttest/config.schema.json').definitions).includes('ack-delay'))"
    expect(await output(commonjs, 'node', ['-e', script])).toBe('true')
  })

  test('reads few files when it is imported, and says whose they are where they are not ours', async () => {
    const dist = join(modules, 'node_modules/mqttest/dist/src')
    const read = new Set<string>()
    const follow = (file: string) => {
      if (read.has(file)) return
      read.add(file)
      for (const [, next = ''] of readFileSync(file, 'utf8').matchAll(/^(?:\}|import .*) ?from "(\.[^"]+)"|^import "(\.[^"]+)"/gm))
        if (next !== '') follow(join(file, '..', next))
    }
    follow(join(dist, 'index.js'))
    expect(read.size).toBeGreaterThan(1)
    expect(read.size).toBeLessThan(20)
    const licences = readFileSync(join(dist, 'LICENSES.txt'), 'utf8')
    for (const name of ['tapable', 'mqtt-packet', 'commander']) expect(licences).toMatch(new RegExp(`^${name} \\d`, 'm'))
    expect([...read].filter((file) => /from "(tapable|mqtt-packet)/.test(readFileSync(file, 'utf8')))).toEqual([])
  })

  test('brings neither sources nor tests, and names no place of the machine that built it', async () => {
    const files = JSON.parse(await output(modules, 'npm', ['ls', '--json', 'mqttest']))
    expect(files.dependencies.mqttest.version).toBe(JSON.parse(readFileSync(join(modules, 'node_modules/mqttest/package.json'), 'utf8')).version)
    const listed = await output(modules, 'find', ['node_modules/mqttest', '-type', 'f', '-not', '-path', '*/node_modules/mqttest/node_modules/*'])
    const strangers = listed
      .split('\n')
      .filter(
        (file) => !/^node_modules\/mqttest\/(dist\/.*\.(js|d\.ts|json)|dist\/src\/LICENSES\.txt|README\.md|CHANGELOG\.md|LICENSE|package\.json)$/.test(file),
      )
    expect(strangers).toEqual([])
    const { stdout } = await run(modules, 'grep', ['-rlE', `${process.cwd()}|resolved.*http`, 'node_modules/mqttest/dist'])
    expect(stdout).toBe('')
  })
})

describe('the types', () => {
  test.each([
    ['nodenext', 'nodenext', 'modules'],
    ['esnext', 'bundler', 'modules'],
    ['nodenext', 'nodenext', 'commonjs'],
    ['esnext', 'bundler', 'commonjs'],
  ])('hold with module %s, resolution %s, in a project of %s', async (module, moduleResolution, kind) => {
    const folder = kind === 'modules' ? modules : commonjs
    expect(await packed.compile(folder, { module, moduleResolution, noEmit: true }, ['consumer.mts', 'library.cts', 'testing.mts', 'mqttest.config.ts'])).toBe(
      '',
    )
  })

  test('lead to a program that runs, with a CommonJS plugin in a server of the ES module', async () => {
    expect(await packed.compile(modules, { module: 'nodenext', moduleResolution: 'nodenext' }, ['consumer.mts', 'library.cts'])).toBe('')
    const [result = '', code] = (await output(modules, 'node', ['out/consumer.mjs'])).split('\n')
    expect(JSON.parse(result)).toEqual({ code: 0, counted: ['*0 of true'], connections: 1, typed: 'function' })
    expect(code).toBe('MQTTEST_OPTION')
  })
})

describe('plugins of strangers, named in mqttest.config.ts', () => {
  // Two PINGRESP of three are lost, the third comes twice.
  const heard = '2 PINGRESP'

  test.each(['modules', 'commonjs'])('work through start({ config: true }) in a project of %s', async (kind) => {
    const [pings, applied = ''] = (await output(kind === 'modules' ? modules : commonjs, 'node', [kind === 'modules' ? 'config.mjs' : 'config.cjs'])).split(
      '\n',
    )
    expect(pings).toBe(heard)
    expect(JSON.parse(applied)).toEqual(['flaky-gateway', '@acme/flaky-gateway', 'ack-delay'])
  })

  test.each(['modules', 'commonjs'])('work through npx mqttest exec in a project of %s', async (kind) => {
    expect(await output(kind === 'modules' ? modules : commonjs, 'npx', ['--no-install', 'mqttest', 'exec', '--', 'node', 'pings.mjs'])).toBe(heard)
  })

  test('work on the command line', async () => {
    const use = ['--no-config', '--use', 'flaky-gateway:naps=1', '--use', '@acme/flaky-gateway']
    expect(await output(modules, 'npx', ['--no-install', 'mqttest', 'exec', ...use, '--', 'node', 'pings.mjs'])).toBe('4 PINGRESP')
  })

  test('work through mqttest as a server', async () => {
    // Not through npx, which does not hand on signals.
    const server = spawn(join(modules, 'node_modules/.bin/mqttest'), ['--port', '0'], { cwd: modules, stdio: ['ignore', 'pipe', 'ignore'] })
    const ended = new Promise<number | null>((resolve) => server.once('exit', resolve))
    try {
      const ready = await new Promise<string>((resolve) => createInterface(server.stdout).once('line', resolve))
      expect(await output(modules, 'node', ['pings.mjs', JSON.parse(ready).url])).toBe(heard)
    } finally {
      server.kill('SIGTERM')
    }
    expect(await ended).toBe(0)
  })
})

describe('testPlugin', () => {
  test.each([
    ['modules', 'own-plugin.test.mjs'],
    ['commonjs', 'own-plugin.test.cjs'],
  ])('tests a plugin of somebody in a project of %s', async (kind, file) => {
    const told = await output(kind === 'modules' ? modules : commonjs, 'node', ['--test', '--test-reporter=tap', file])
    expect(told).toMatch(/^# pass 10$/m)
    expect(told).toContain('acme/deaf keeps connections apart')
  })
})

describe('the command', () => {
  test('helps', async () => {
    expect(await output(modules, 'npx', ['--no-install', 'mqttest', '--help'])).toMatch(/Usage: mqttest/)
  })

  test('knows its version', async () => {
    const { version } = JSON.parse(readFileSync(join(modules, 'node_modules/mqttest/package.json'), 'utf8'))
    expect(await output(modules, 'npx', ['--no-install', 'mqttest', '--version'])).toBe(version)
  })

  test('says what is wrong with a plugin that is not installed', async () => {
    const { code, stderr } = await run(modules, 'npx', ['--no-install', 'mqttest', '--no-config', '--use', 'no-such'])
    expect(code).toBe(2)
    expect(stderr).toContain('mqttest-plugin-no-such')
  })
})
