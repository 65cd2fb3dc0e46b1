/** `--tls` and `--ws`: more places beside the plain one, and what `exec` tells its command of them. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { describe, expect, test } from 'vitest'
import { createAuthority } from '../../src/net/certificates.ts'
import { connectTcp } from '../../src/testing.ts'
import { project } from '../config/project.ts'
import { run } from './command.ts'

const node = process.execPath

function portOf(url: string | undefined): number {
  return Number(new URL(url ?? '').port)
}

describe('mqttest', () => {
  test('--tls --ws: three places, plain first, and the certificate to trust', async () => {
    const { ready, ended, child } = run(['-p', '0', '--tls', '--ws', '/mqtt'])
    const line = await ready
    expect(line.urls.map((url) => url.replace(/:\d+/, ''))).toEqual(['mqtt://127.0.0.1', 'mqtts://127.0.0.1', 'ws://127.0.0.1/mqtt'])
    expect(line).toMatchObject({ url: line.urls[0], port: portOf(line.urls[0]) })
    await (await connectTcp(line)).connect()
    const authorized = await new Promise<boolean>((resolve, reject) => {
      const socket = connect({ port: portOf(line.urls[1]), host: '127.0.0.1', ca: line.ca ?? '' }, () => {
        resolve(socket.authorized)
        socket.destroy()
      }).on('error', reject)
    })
    expect(authorized).toBe(true)
    child.kill('SIGTERM')
    expect((await ended).stderr).toContain(`listening at ${line.urls.join(', ')}, seed`)
  })

  test('ports of their own, on the host that is named, beside the places of the config file', async () => {
    const folder = project({ '.mqttestrc': 'listen:\n  - path: ./sock\n' })
    const { ready, ended, child } = run(['--ws-port', '20000-40000', '--tls-port', '20000-40000'], { cwd: folder })
    const { urls, url } = await ready
    expect(url).toBe(`unix:${join(folder, 'sock')}`)
    expect(urls.slice(1).map((one) => one.replace(/:\d+/, ''))).toEqual(['mqtts://127.0.0.1', 'ws://127.0.0.1'])
    for (const one of urls.slice(1)) expect(portOf(one)).toBeGreaterThanOrEqual(20_000)
    child.kill('SIGTERM')
    await ended
  })

  test('a client that does not get through is told of', async () => {
    const { ready, says, ended, child } = run(['-p', '0', '--tls'])
    const { urls } = await ready
    const client = await connectTcp({ port: portOf(urls[1]) })
    client.sendConnect()
    await says(`a client of ${urls[1]} did not get through: what it sent is not TLS (wrong version number)`)
    child.kill('SIGTERM')
    await ended
  })

  test.each<[string[], string]>([
    [['--ws', 'mqtt'], "mqttest: option '--ws [path]' argument 'mqtt' is invalid. Expected a path that begins with '/'"],
    [['--tls-port', 'x'], "mqttest: option '--tls-port <number>' argument 'x' is invalid. Expected 0 to 65535"],
  ])('%j is a mistake', async (words, message) => {
    const { code, stderr } = await run(words).ended
    expect({ code, stderr: stderr.slice(0, message.length) }).toEqual({ code: 2, stderr: message })
  })
})

describe('mqttest exec', () => {
  /** Verifies with what Node trusts by itself, and says what it was told. */
  const script = `
    const { MQTTS_URL, MQTT_URL, MQTT_WS_URL, MQTT_CA_FILE, NODE_EXTRA_CA_CERTS } = process.env
    const ca = require('fs').readFileSync(MQTT_CA_FILE, 'utf8')
    const socket = require('tls').connect(new URL(MQTTS_URL).port, '127.0.0.1', () => {
      console.log(JSON.stringify({ authorized: socket.authorized, MQTT_URL, MQTTS_URL, MQTT_WS_URL, MQTT_CA_FILE, NODE_EXTRA_CA_CERTS, ca, extra: require('fs').readFileSync(NODE_EXTRA_CA_CERTS, 'utf8') }))
      socket.resume().end()
    })`

  test('tells its command where TLS and WebSocket are; Node trusts the server; the file is gone afterwards', async () => {
    const folder = project({ 'tmp/x': '' })
    const { code, stdout, stderr } = await run(['exec', '--tls', '--ws', '--', node, '-e', script], {
      env: { TMPDIR: join(folder, 'tmp'), NODE_EXTRA_CA_CERTS: '' },
    }).ended
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const told = JSON.parse(stdout)
    expect(told).toMatchObject({
      authorized: true,
      MQTT_URL: expect.stringMatching(/^mqtt:\/\/127\.0\.0\.1:\d+$/),
      MQTTS_URL: expect.stringMatching(/^mqtts:\/\/127\.0\.0\.1:\d+$/),
      MQTT_WS_URL: expect.stringMatching(/^ws:\/\/127\.0\.0\.1:\d+$/),
      NODE_EXTRA_CA_CERTS: told.MQTT_CA_FILE,
      ca: expect.stringMatching(/^-----BEGIN CERTIFICATE-----/),
    })
    expect(existsSync(told.MQTT_CA_FILE)).toBe(false)
    expect(readdirSync(join(folder, 'tmp')).filter((name) => name.startsWith('mqttest-'))).toEqual([])
  })

  test('what Node trusted besides, it goes on to trust', async () => {
    const { ca } = await createAuthority()
    const folder = project({ 'mine.pem': ca })
    const { stdout } = await run(['exec', '--tls', '--', node, '-e', script], { env: { NODE_EXTRA_CA_CERTS: join(folder, 'mine.pem') } }).ended
    const told = JSON.parse(stdout)
    expect(told).toMatchObject({ authorized: true, extra: expect.stringContaining(told.ca) })
    expect(told.extra).toContain(ca.trim())
    expect(told.ca).not.toContain(ca.trim())
  })

  test('without TLS there is no such file', async () => {
    const words = 'console.log(JSON.stringify([process.env.MQTT_CA_FILE ?? null, process.env.NODE_EXTRA_CA_CERTS ?? null, process.env.MQTTS_URL ?? null]))'
    const { stdout } = await run(['exec', '--', node, '-e', words], { env: { NODE_EXTRA_CA_CERTS: '' } }).ended
    expect(JSON.parse(stdout)).toEqual([null, '', null])
  })
})
