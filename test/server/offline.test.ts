/** A server that goes away for a while, and comes back at the same place. */
import { createServer } from 'node:net'
import { connectMemory, connectTcp } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join, joined, messages, subscribe } from '../support/client.ts'
import { memoryServer, tcpServer, virtualServer } from '../support/server.ts'

describe('offline', () => {
  test('resets the clients that are there and refuses new ones, until online()', async () => {
    const server = await tcpServer()
    const { port } = server
    const client = await connectTcp(server)
    await client.connect()
    await server.offline()
    expect(await client.end()).toBe('rst')
    await expect(connectTcp({ port })).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await server.online()
    expect(server.port).toBe(port)
    await (await connectTcp(server)).connect()
  })

  test.each(['fin', 'rst'] as const)('ends connections with %s', async (how) => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    await server.offline({ connections: how })
    expect(await client.end()).toBe(how)
  })

  test('may leave clients on dead links', async () => {
    const { server, clock } = await virtualServer()
    const client = await join(server, 'me')
    await server.offline({ connections: 'stall' })
    client.send({ cmd: 'pingreq' })
    await clock.advance('1h')
    expect(client.received.map((packet) => packet.cmd)).toEqual(['connack'])
    expect(client.ended).toBeUndefined()
  })

  test('may keep the clients that are there', async () => {
    const server = await tcpServer()
    const client = await connectTcp(server)
    await client.connect()
    await server.offline({ connections: 'keep' })
    await client.settled()
    await expect(connectTcp({ port: server.port })).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  test('may lose sessions, with the wills that wait for them, and retained messages', async () => {
    const { server, clock } = await virtualServer()
    const will = { topic: 'will', payload: Buffer.from('gone'), qos: 0, retain: true, properties: { willDelayInterval: 60 } } as const
    const kept = { version: 5, clean: false, properties: { sessionExpiryInterval: 3600 } } as const
    await subscribe(await join(server, 'me', { ...kept, will }), 'a', 1)
    server.publish({ topic: 'a', payload: 'x', retain: true })
    await server.offline({ loses: ['retained'] })
    await server.online()
    expect([server.sessions.map(({ clientId }) => clientId), server.retained]).toEqual([['me'], []])
    await server.offline({ for: '1s', loses: ['sessions'] })
    expect(server.sessions).toEqual([])
    await clock.advance('2m')
    expect(server.retained).toEqual([])
    expect((await joined(server, 'me', kept)).connack.sessionPresent).toBe(false)
  })

  test.each([
    ['keep', true],
    ['stall', false],
  ] as const)('keeps the session of a client that stays connected: %s', async (connections, isKept) => {
    const { server, clock } = await virtualServer()
    const client = await join(server, 'me', { version: 4, clean: false })
    await subscribe(client, 'a')
    await server.offline({ for: '1s', connections, loses: ['sessions'] })
    await clock.advance('1s')
    server.publish({ topic: 'a', payload: 'x' })
    await clock.advance(0)
    expect(messages(client)).toEqual(isKept ? ['a x'] : [])
    const { connack } = await joined(server, 'me', { version: 4, clean: false })
    expect(connack.sessionPresent).toBe(isKept)
  })

  test('may reset new clients, or leave them without an answer', async () => {
    const { server, clock } = await virtualServer()
    await server.offline({ mode: 'reset' })
    expect(await connectMemory(server).sendConnect().end()).toBe('rst')
    await server.offline({ mode: 'unanswered' })
    const client = connectMemory(server).sendConnect()
    await clock.advance('1m')
    expect(client.received).toEqual([])
    expect(client.ended).toBeUndefined()
    // That CONNECT was not read is not the client's fault.
    expect(server.report().violations).toEqual([])
  })

  test.each([[{ for: '10s' }], ['10s']] as const)('comes back by itself: %j', async (options) => {
    const { server, clock } = await virtualServer({ listen: { port: 0 } })
    await server.offline(options)
    await clock.advance(9_999)
    await expect(connectTcp({ port: server.port })).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await clock.advance(1)
    await (await connectTcp(server)).connect()
  })

  test('says so where the port was taken meanwhile, when it comes back by itself', async () => {
    const { server, clock } = await virtualServer({ listen: { port: 0 } })
    await server.offline('10s')
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(server.port, '127.0.0.1', resolve))
    await clock.advance('10s')
    await expect(server.online()).rejects.toMatchObject({ code: 'MQTTEST_LISTEN' })
    expect(server.records({ type: 'note' })).toMatchObject([{ level: 'error', message: `cannot listen on 127.0.0.1:${server.port}: it is in use` }])
    await new Promise((resolve) => other.close(resolve))
    await server.online()
    await (await connectTcp(server)).connect()
  })

  test('keeps sessions and retained messages', async () => {
    const server = await memoryServer()
    const keep = { clean: false, properties: { sessionExpiryInterval: 100 } }
    const client = await join(server, 'me', keep)
    await subscribe(client, 'a', 1)
    await server.offline()
    server.publish({ topic: 'a', qos: 1, payload: 'meanwhile', retain: true })
    await server.online()
    const again = await joined(server, 'me', keep)
    expect(again.connack.sessionPresent).toBe(true)
    await again.client.settled()
    expect(messages(again.client)).toEqual(['a meanwhile'])
    expect(server.retained).toHaveLength(1)
  })

  test('twice, and online twice, is the same as once', async () => {
    const server = await tcpServer()
    await server.offline()
    await server.offline()
    await Promise.all([server.online(), server.online()])
    await (await connectTcp(server)).connect()
    await server.stop()
  })

  test('may be stopped', async () => {
    const server = await tcpServer()
    await server.offline('1h')
    await server.stop()
  })
})
