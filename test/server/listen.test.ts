/** Where a server listens, and what it says where it cannot. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type Server as NetServer } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { start } from 'mqttest'
import { connectTcp } from 'mqttest/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { tcpServer } from '../support/server.ts'

/** Somebody else on a port of 127.0.0.1. */
async function occupy(port = 0): Promise<number> {
  const other: NetServer = createServer()
  await new Promise<void>((resolve, reject) => {
    other.once('error', reject)
    other.listen(port, '127.0.0.1', resolve)
  })
  onTestFinished(() => void other.close())
  const address = other.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

function folder(): string {
  const path = mkdtempSync(joinPath(tmpdir(), 'mqttest-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

const hasIpv6 = Object.values(networkInterfaces()).some((addresses) => addresses?.some((address) => address.address === '::1'))

describe('a server listens', () => {
  test('on a free port of 127.0.0.1 by default, and tells where', async () => {
    const server = await tcpServer()
    expect(server.port).toBeGreaterThan(0)
    expect(server.host).toBe('127.0.0.1')
    expect(server.url).toBe(`mqtt://127.0.0.1:${server.port}`)
    expect(server.urls).toEqual([server.url])
    expect(server.env).toMatchObject({ MQTT_URL: server.url, MQTT_HOST: '127.0.0.1', MQTT_PORT: String(server.port) })
    const client = await connectTcp(server)
    await client.connect()
    expect(server.connections[0]).toMatchObject({ remoteAddress: '127.0.0.1' })
    expect(server.connections[0]?.remotePort).toBeGreaterThan(0)
  })

  test('on the first free port of a range', async () => {
    const taken = await occupy()
    const server = await tcpServer({ port: `${taken}-${taken + 20}` as `${number}-${number}` })
    expect(server.port).toBeGreaterThan(taken)
    expect(server.port).toBeLessThanOrEqual(taken + 20)
  })

  test('at several places', async () => {
    const server = await tcpServer({ listen: [{ port: 0 }, { port: 0 }] })
    expect(new Set(server.urls).size).toBe(2)
    for (const url of server.urls) await (await connectTcp({ port: Number(new URL(url).port) })).connect({ clientId: url })
    expect(server.connections).toHaveLength(2)
  })

  test('nowhere under listen: false', async () => {
    const server = await tcpServer({ listen: false })
    expect([server.url, server.port, server.urls]).toEqual(['', 0, []])
  })

  test.runIf(hasIpv6)('on IPv6', async () => {
    const server = await tcpServer({ host: '::1' })
    expect(server.url).toBe(`mqtt://[::1]:${server.port}`)
    const client = await connectTcp({ port: server.port, host: '::1' })
    await client.connect()
    expect(server.connections[0]?.remoteAddress).toBe('::1')
  })

  test('on a unix socket that only its owner may use, and takes it away again', async () => {
    const path = joinPath(folder(), 'mqtt.sock')
    const server = await tcpServer({ listen: { path } })
    expect(server.url).toBe(`unix:${path}`)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    const client = await connectTcp({ path })
    await client.connect()
    await server.stop()
    expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined()
  })

  test('on a unix socket that a dead server left behind', async () => {
    const path = joinPath(folder(), 'mqtt.sock')
    const { spawnSync } = await import('node:child_process')
    spawnSync(process.execPath, ['-e', `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`])
    expect(statSync(path).isSocket()).toBe(true)
    const server = await tcpServer({ listen: { path } })
    await (await connectTcp({ path })).connect()
    expect(server.connections).toHaveLength(1)
  })
})

describe('a server that cannot listen says why', () => {
  test('a port in use', async () => {
    const port = await occupy()
    await expect(start({ port })).rejects.toMatchObject({ code: 'MQTTEST_LISTEN', message: `cannot listen on 127.0.0.1:${port}: it is in use` })
  })

  test('a unix socket in use', async () => {
    const path = joinPath(folder(), 'mqtt.sock')
    await tcpServer({ listen: { path } })
    await expect(start({ listen: { path } })).rejects.toMatchObject({ code: 'MQTTEST_LISTEN', message: `cannot listen on ${path}: it is in use` })
  })

  test('a file that is no socket is left alone', async () => {
    const path = joinPath(folder(), 'precious')
    writeFileSync(path, 'do not delete')
    await expect(start({ listen: { path } })).rejects.toMatchObject({ code: 'MQTTEST_LISTEN' })
    expect(statSync(path).isFile()).toBe(true)
  })

  test('a range in which every port is in use', async () => {
    const port = await occupy()
    await expect(start({ port: `${port}-${port}` as `${number}-${number}` })).rejects.toMatchObject({ code: 'MQTTEST_LISTEN' })
  })

  test('an address that this machine does not have', async () => {
    await expect(start({ host: '192.0.2.1' })).rejects.toMatchObject({
      code: 'MQTTEST_LISTEN',
      message: 'cannot listen on 192.0.2.1:0: this machine has no such address',
    })
  })

  test('one of several places: the others are free again', async () => {
    const taken = await occupy()
    const free = await occupy().then(async (port) => port)
    await expect(start({ listen: [{ port: 0 }, { port: taken }] })).rejects.toMatchObject({ code: 'MQTTEST_LISTEN' })
    expect(free).toBeGreaterThan(0)
  })

  test.each([[70_000], ['12-'], ['9-3'], [-1], ['http']])('a port of %j', async (port) => {
    const options: object = { port }
    await expect(start(options)).rejects.toMatchObject({
      code: 'MQTTEST_OPTION',
      message: `option 'port': expected 0 to 65535 or a range such as '1883-2000', got ${JSON.stringify(port)}`,
    })
  })

  test('an unknown key', async () => {
    const options: object = { listen: { prot: 1883 } }
    await expect(start(options)).rejects.toThrow("option 'listen': unknown key 'prot'. Did you mean 'port'?")
  })
})
