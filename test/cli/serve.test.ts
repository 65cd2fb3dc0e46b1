/** `mqttest`: a server on the command line. */
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { connectTcp } from '../../src/testing.ts'
import { pluginText, project } from '../config/project.ts'
import { run } from './command.ts'

test('says where it is in one line of JSON on stdout, the rest on stderr', async () => {
  const { ready, says, ended, child } = run(['--port', '0', '--seed', 'a seed'])
  const line = await ready
  expect(line).toEqual({ url: `mqtt://127.0.0.1:${line.port}`, port: expect.any(Number), host: '127.0.0.1', urls: [line.url], pid: child.pid, seed: 'a seed' })
  const client = await connectTcp(line)
  await client.connect({ clientId: 'someone' })
  client.send({ cmd: 'publish', topic: 'a/b', payload: 'on', qos: 1, messageId: 7 })
  await client.next('puback')
  client.send({ cmd: 'disconnect' })
  await says('closed by client')
  child.kill('SIGINT')
  const { code, stdout, stderr } = await ended
  expect(code).toBe(0)
  expect(stdout.trim().split('\n')).toHaveLength(1)
  expect(stderr).toContain(`listening at ${line.url}, seed a seed; Ctrl-C stops\n`)
  expect(stderr).toMatch(/^ +\d+\.\d{3}s #0 → CONNECT MQTT 3\.1\.1 id "someone" clean keepalive 0$/m)
  expect(stderr).toMatch(/^ +\d+\.\d{3}s #0 ← PUBACK id 7$/m)
  expect(stderr).toMatch(
    /^stopped after \d+\.\d s: SIGINT\n {2}1 connection\n {2}in {3}3 packets, \d+ bytes: connect 1, publish 1, disconnect 1\n {2}out {2}2 packets, .*\n {2}seed a seed\n$/m,
  )
  expect(stderr).not.toContain('\u001b')
})

test('two servers at once: each takes a free port', async () => {
  const [one, two] = [run([]), run([])]
  const ports = [(await one.ready).port, (await two.ready).port]
  expect(new Set(ports).size).toBe(2)
  one.child.kill('SIGTERM')
  two.child.kill('SIGTERM')
  const both = await Promise.all([one.ended, two.ended])
  expect(both.map(({ code }) => code)).toEqual([0, 0])
  expect(both.map(({ stderr }) => stderr).join()).toContain('port 1883 is in use: took a free one instead; --port chooses')
})

test('a port that is asked for and in use is a mistake', async () => {
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  const address = other.address()
  const port = typeof address === 'object' ? address?.port : 0
  const { code, stdout, stderr } = await run(['-p', String(port)]).ended
  other.close()
  expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: '', stderr: `mqttest: cannot listen on 127.0.0.1:${port}: it is in use\n` })
})

test('stops by itself', async () => {
  const { code, stderr } = await run(['--port', '0', '--max-runtime', '1ms']).ended
  expect(code).toBe(0)
  expect(stderr).toMatch(/^stopped after .* s: the maximum runtime is over$/m)
})

test('takes so many connections, then stops', async () => {
  const { ready, ended } = run(['-p', '0', '-c', '1'])
  const client = await connectTcp(await ready)
  await client.connect()
  client.send({ cmd: 'disconnect' })
  const { code, stderr } = await ended
  expect(code).toBe(0)
  expect(stderr).toMatch(/^stopped after .* s: 1 connections came and went$/m)
})

test('a second Ctrl-C ends it at once', async () => {
  const folder = project({
    'hang.ts': `export default { meta: { name: 'hang' }, setup: ({ hooks, log }) => void hooks.serverStop.tap('hang', () => { log.info('stopping'); setInterval(() => {}, 1000); return new Promise(() => {}) }) }`,
  })
  const { ready, says, ended, child } = run(['-p', '0', '--no-config', '--use', './hang.ts'], { cwd: folder })
  await ready
  await says('listening')
  child.kill('SIGINT')
  await says('hang: stopping')
  child.kill('SIGINT')
  expect((await ended).code).toBe(130)
})

test('plugins by --use, dumps, a unix socket', async () => {
  const folder = project({ 'one.js': pluginText('one') })
  const { ready, ended } = run(
    ['--use', 'ack-delay:delay=1ms,packets=[puback]', '--use', './one.js', '--dump', 'run.jsonl', '--dump', 'run-{c}.jsonl', '--socket', 'sock', '-c', '1'],
    { cwd: folder },
  )
  expect(await ready).toMatchObject({ url: 'unix:sock', port: 0, host: '' })
  const client = await connectTcp({ path: join(folder, 'sock') })
  await client.connect()
  await client.send({ cmd: 'publish', topic: 'a', payload: 'x', qos: 1, messageId: 1 }).next('puback')
  client.close()
  const { code, stderr } = await ended
  expect(code).toBe(0)
  expect(stderr).toContain('ack-delay acted 1 time\n')
  expect(stderr).toContain('one never fired')
  expect(stderr).toMatch(/ puback 1 delayed [\d.]+ ms by ack-delay\n/)
  const lines = readFileSync(join(folder, 'run.jsonl'), 'utf8').trim().split('\n')
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ type: 'open' })
  expect(existsSync(join(folder, 'run-0.jsonl'))).toBe(true)
})

describe('the config file', () => {
  const files = {
    'mqttest.config.ts': `import { defineConfig } from 'mqttest'\nexport default defineConfig({ port: 0, seed: 'from file', plugins: ['./one.js'], maxRuntime: 1 })`,
    'one.js': pluginText('one'),
  }

  test('is found, and said', async () => {
    const folder = project({ ...files, 'deep/er/x': '' })
    const { code, stdout, stderr } = await run([], { cwd: join(folder, 'deep/er') }).ended
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ seed: 'from file' })
    expect(stderr).toContain(`config ${join(folder, 'mqttest.config.ts')}\n`)
    expect(stderr).toContain('one never fired')
  })

  test('flags win; --no-config leaves it out; --config names another', async () => {
    const folder = project({ ...files, 'other.json': { seed: 'from other', port: 0, maxRuntime: 1 } })
    const seeds = await Promise.all(
      [
        ['--seed', 'from flag'],
        ['--no-config', '-p', '0', '--max-runtime', '1', '--seed', 'none'],
        ['--config', 'other.json'],
      ].map(async (words) => {
        const { stdout } = await run(words, { cwd: folder }).ended
        return JSON.parse(stdout).seed
      }),
    )
    expect(seeds).toEqual(['from flag', 'none', 'from other'])
  })

  test('a mistake in it: one message, no stack, exit code 2; --verbose has the stack', async () => {
    const folder = project({ 'mqttest.config.ts': `export default {\n  prot: 1883,\n}` })
    const { code, stdout, stderr } = await run([], { cwd: folder }).ended
    expect({ code, stdout, stderr }).toEqual({
      code: 2,
      stdout: '',
      stderr: "mqttest: mqttest.config.ts:2:3: unknown option 'prot'. Did you mean 'port'?\n  2 |   prot: 1883,\n    |   ^\n",
    })
    expect((await run(['--verbose'], { cwd: folder }).ended).stderr).toMatch(/\n {4}at /)
  })

  test.each([
    ['module', 'mqttest.config.ts:3:9: the file threw Error: not today'],
    ['commonjs', 'mqttest.config.ts:3:9: the file threw Error: not today'],
  ] as const)('one that throws (%s)', async (type, message) => {
    const folder = project({ 'mqttest.config.ts': `interface Unused {}\nexport default () => {\n  throw new Error('not today')\n}` }, type)
    const { code, stderr } = await run([], { cwd: folder }).ended
    expect({ code, first: stderr.split('\n')[0] }).toEqual({ code: 2, first: `mqttest: ${message}` })
  })

  test('a port of the file is no wish that can be overlooked', async () => {
    const folder = project({ '.mqttestrc': 'listen: false' })
    expect(await run([], { cwd: folder }).ended).toMatchObject({
      code: 2,
      stderr: 'mqttest: the config says listen: false, so there would be no server to reach\n',
    })
  })
})

describe('options that are wrong', () => {
  test.each<[string[], string]>([
    [['--prot', '1'], "mqttest: unknown option '--prot'\n(Did you mean --port?)\n"],
    [['-p', 'x'], "mqttest: option '-p, --port <number>' argument 'x' is invalid. Expected 0 to 65535, or a range such as '1883-2000'.\n"],
    [['-c', '0'], "mqttest: option '-c, --max-connections <number>' argument '0' is invalid. Expected a whole number above 0.\n"],
    [
      ['--max-runtime', 'soon'],
      "mqttest: option '--max-runtime <duration>' argument 'soon' is invalid. Expected milliseconds, or text such as '200ms', '1.5s', '10m', '1h'.\n",
    ],
    [['--lint', 'faill'], "mqttest: option '--lint <mode>' argument 'faill' is invalid. Allowed choices are off, warn, fail.\n"],
    [['exce'], "mqttest: there is no command 'exce'. Did you mean 'exec'?\n"],
    [['exec'], "mqttest: missing required argument 'command'\n"],
    [['--use', 'ack-dealy'], "mqttest: --use ack-dealy: plugin 'ack-dealy' is neither built in nor installed. Did you mean 'ack-delay'?"],
    [['--use', 'ack-delay:dealy=1'], "mqttest: --use ack-delay:dealy=1: plugin 'ack-delay': unknown option 'dealy'. Did you mean 'delay'?\n"],
    [['--config', 'nowhere.ts'], "mqttest: there is no config file '"],
    [['-p', '99999'], "mqttest: option 'port': expected 0 to 65535 or a range such as '1883-2000', got 99999\n"],
  ])('%j', async (words, message) => {
    const { code, stdout, stderr } = await run(words).ended
    expect({ code, stdout, stderr: stderr.slice(0, message.length) }).toEqual({ code: 2, stdout: '', stderr: message })
  })
})

test('--version and --help', async () => {
  const [version, help, execHelp] = await Promise.all([run(['--version']).ended, run(['--help']).ended, run(['exec', '--help']).ended])
  expect(version).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), stderr: '' })
  expect(help).toMatchObject({ code: 0, stdout: expect.stringContaining('mqttest exec -- npm test') })
  expect(execHelp).toMatchObject({ code: 0, stdout: expect.stringContaining('mqttest exec --use ack-delay:delay=200ms --lint fail -- cargo test') })
})

describe('the end of a run', () => {
  test('a broken rule under --lint fail: exit code 3', async () => {
    const { ready, ended } = run(['-p', '0', '-c', '1', '--lint', 'fail'])
    const client = await connectTcp(await ready)
    client.send(Buffer.from('f000', 'hex'))
    await client.end()
    const { code, stderr } = await ended
    expect(code).toBe(3)
    expect(stderr).toMatch(/^mqttest: the run failed: the client broke /m)
  })

  test('the same under --lint warn: exit code 0', async () => {
    const { ready, ended } = run(['-p', '0', '-c', '1'])
    const client = await connectTcp(await ready)
    client.send(Buffer.from('f000', 'hex'))
    await client.end()
    expect((await ended).code).toBe(0)
  })

  test('a plugin that fails: exit code 3, in its setup as well', async () => {
    const folder = project({
      'setup.ts': `export default { meta: { name: 'bad-setup' }, setup() { throw new Error('oh') } }`,
      'tap.ts': `export default { meta: { name: 'bad-tap' }, setup({ hooks }) { hooks.send.tap('x', () => { throw new Error('oh') }) } }`,
    })
    const setup = await run(['-p', '0', '--use', './setup.ts'], { cwd: folder }).ended
    expect(setup).toMatchObject({ code: 3, stdout: '', stderr: expect.stringMatching(/^mqttest: plugin 'bad-setup' failed in its setup: oh\n/) })
    const { ready, ended } = run(['-p', '0', '-c', '1', '--use', './tap.ts'], { cwd: folder })
    const client = await connectTcp(await ready)
    client.sendConnect()
    await client.end()
    expect(await ended).toMatchObject({ code: 3, stderr: expect.stringMatching(/^mqttest: the run failed: .*bad-tap.*oh/m) })
  })
})

describe('the log', () => {
  async function logOf(words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
    const { ready, ended } = run(['-p', '0', '-c', '1', ...words], { env })
    const client = await connectTcp(await ready)
    await client.connect()
    await client.settled()
    client.send(Buffer.from('f000', 'hex'))
    await client.end()
    return (await ended).stderr
  }

  test('as JSON lines', async () => {
    const lines = (await logOf(['--log-format', 'json'])).trim().split('\n')
    const entries = lines.map((line) => JSON.parse(line))
    expect(entries[0]).toMatchObject({ level: 'info', type: 'listening', msg: expect.stringContaining('listening at') })
    expect(entries).toContainEqual(
      expect.objectContaining({ level: 'info', type: 'packet', connection: 0, dir: 'in', cmd: 'connect', msg: expect.stringContaining('CONNECT') }),
    )
    expect(entries).toContainEqual(expect.objectContaining({ level: 'warn', type: 'violation' }))
    expect(entries.at(-1)).toMatchObject({ level: 'info', type: 'report', msg: 'stopped', report: { connections: 1 } })
  })

  test('levels: nothing, what is wrong, and more than usual', async () => {
    const [silent, error, warn, debug, trace] = await Promise.all(['silent', 'error', 'warn', 'debug', 'trace'].map((level) => logOf(['--log-level', level])))
    expect(silent).toBe('')
    expect(error).toBe('')
    expect(warn?.trim().split('\n')).toHaveLength(1)
    expect(warn).toMatch(/violation/)
    expect(debug).toMatch(/← PINGRESP {2}\(.+\)$/m)
    expect(debug).not.toMatch(/^ +c000$/m)
    expect(trace).toMatch(/^ +c000$/m)
  })

  test('colours where they are asked for, never under NO_COLOR', async () => {
    expect(await logOf([], { FORCE_COLOR: '1' })).toContain('\u001b[36m→ CONNECT')
    expect(await logOf([], { FORCE_COLOR: '1', NO_COLOR: '1' })).not.toContain('\u001b')
  })
})

describe('plugins as options', () => {
  test('--ack-delay 200ms is --use ack-delay:200ms, before and after exec', async () => {
    const script = `require('node:fs').writeFileSync(1, process.env.MQTT_URL)`
    for (const words of [
      ['--ack-delay', '1s', 'exec'],
      ['exec', '--ack-delay=1s'],
    ]) {
      const { code, stderr } = await run([...words, '--', process.execPath, '-e', script, '--', '--ack-delay']).ended
      expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('ack-delay') })
    }
  })

  test.each([
    [['--ack-dely', '1s'], "mqttest: unknown option '--ack-dely'. Did you mean '--ack-delay'?\n"],
    [['--ack-delay'], 'mqttest: --ack-delay takes a value; to use the plugin with its defaults: --use ack-delay\n'],
    [['--ack-delay', '--tls'], 'mqttest: --ack-delay takes a value; to use the plugin with its defaults: --use ack-delay\n'],
    [['--ack-delay', 'soon'], "mqttest: --use ack-delay:soon: no option takes 'soon'."],
  ])('%j is a mistake that is told', async (words, text) => {
    const { code, stderr } = await run(['-p', '0', ...words]).ended
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(text) })
  })
})
