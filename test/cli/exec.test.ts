/** `mqttest exec`: a server for one command. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { project } from '../config/project.ts'
import { run } from './command.ts'

const node = process.execPath

/** Words of a program that talks to the server by hand: sends hex, waits for the end of the connection. */
function talk(hex: string): string[] {
  const text = `const s = require('net').connect(process.env.MQTT_PORT, process.env.MQTT_HOST, () => s.write(Buffer.from('${hex}', 'hex'))); s.on('data', () => s.end()); s.on('error', () => {})`
  return [node, '-e', text]
}

/** A CONNECT of MQTT 3.1.1, clean, keep-alive 0, client id 'c'. */
const connect = '100d00044d5154540402000000' + '0163'

test('runs the words as they are, with the place of the server in the environment', async () => {
  const script = `console.log(JSON.stringify({ words: process.argv.slice(1), env: [process.env.MQTT_URL, process.env.MQTT_HOST, process.env.MQTT_PORT, process.env.MQTTEST_SEED] }))`
  const { code, stdout, stderr } = await run(['exec', '--seed', 's1', '--', node, '-e', script, '--', '--port', '3', 'a b', '$HOME', '*']).ended
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const { words, env } = JSON.parse(stdout)
  expect(words).toEqual(['--port', '3', 'a b', '$HOME', '*'])
  expect(env).toEqual([`mqtt://127.0.0.1:${env[2]}`, '127.0.0.1', expect.stringMatching(/^\d+$/), 's1'])
})

test('the two dashes may be left out, and options may stand before the command', async () => {
  const { code, stdout } = await run([
    '--seed',
    's2',
    '--log-level',
    'silent',
    'exec',
    node,
    '-e',
    'console.log(process.env.MQTTEST_SEED, process.argv[1])',
    '--',
    '--seed',
  ]).ended
  expect({ code, stdout }).toEqual({ code: 0, stdout: 's2 --seed\n' })
})

describe('exit codes', () => {
  test.each<[string, string[], number]>([
    ['of the command', [node, '-e', 'process.exit(7)'], 7],
    ['of a signal', [node, '-e', 'process.kill(process.pid, "SIGKILL")'], 137],
  ])('%s', async (_name, words, expected) => {
    expect((await run(['exec', '--', ...words]).ended).code).toBe(expected)
  })

  test('no such command', async () => {
    expect(await run(['exec', '--', 'no-such-command-here']).ended).toEqual({
      code: 127,
      signal: null,
      stdout: '',
      stderr: "mqttest: cannot run 'no-such-command-here': there is no such command\n",
    })
  })

  test('not executable', async () => {
    const folder = project({ plain: 'text' })
    expect(await run(['exec', '--', './plain'], { cwd: folder }).ended).toMatchObject({
      code: 126,
      stderr: "mqttest: cannot run './plain': it is not executable\n",
    })
  })

  test('3 where the command passed and a client broke a rule under --lint fail; its own where it did not pass', async () => {
    const failed = await run(['exec', '--lint', 'fail', '--', ...talk(`${connect}f000`)]).ended
    expect(failed).toMatchObject({ code: 3, stderr: expect.stringMatching(/^mqttest: the run failed: the client broke /m) })
    expect((await run(['exec', '--', ...talk(`${connect}f000`)]).ended).code).toBe(0)
    const [file = '', flag = '', text = ''] = talk(`${connect}f000`)
    expect((await run(['exec', '--lint', 'fail', '--', file, flag, `${text}; s.on('close', () => process.exit(9))`]).ended).code).toBe(9)
  })

  test('3 where a plugin failed', async () => {
    const folder = project({
      'tap.ts': `export default { meta: { name: 'bad-tap' }, setup({ hooks }) { hooks.send.tap('x', () => { throw new Error('oh') }) } }`,
    })
    const { code, stderr } = await run(['exec', '--use', './tap.ts', '--', ...talk(connect)], { cwd: folder }).ended
    expect(code).toBe(3)
    expect(stderr).toContain('oh')
  })

  test('2 where the config is wrong, and the command does not run', async () => {
    const folder = project({ '.mqttestrc': 'prot: 1', 'x.cjs': `require('fs').writeFileSync('ran', '')` })
    expect((await run(['exec', '--', node, 'x.cjs'], { cwd: folder }).ended).code).toBe(2)
    expect(() => readFileSync(join(folder, 'ran'))).toThrow()
  })
})

test('packets are shown only where they are asked for; a plugin that never fired always', async () => {
  const words = ['--use', 'ack-delay', '--', ...talk(connect)]
  const quiet = await run(['exec', ...words]).ended
  expect(quiet.stderr).toBe('  ack-delay never fired: it had no chance to do anything\n')
  const loud = await run(['exec', '--log-level', 'info', ...words]).ended
  expect(loud.stderr).toMatch(/#0 → CONNECT/)
  expect(loud.stderr).toMatch(/^stopped after .* s: '.*' ended with 0$/m)
})

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s goes to the command', async (signal) => {
  const script = `process.on('${signal}', () => { console.log('got it'); process.exit(5) }); setInterval(() => {}, 1000); console.error('set')`
  const { says, ended, child } = run(['exec', '--', node, '-e', script])
  await says('set')
  child.kill(signal)
  expect(await ended).toMatchObject({ code: 5, stdout: 'got it\n' })
})

test('a command that does not care for signals ends by them', async () => {
  const { says, ended, child } = run(['exec', '--', node, '-e', `setInterval(() => {}, 1000); console.error('set')`])
  await says('set')
  child.kill('SIGTERM')
  expect((await ended).code).toBe(143)
})
