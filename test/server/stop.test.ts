/** The end of a server: whoever asks for it, it comes soon, once, and leaves nothing open. */
import { getEventListeners } from 'node:events'
import { connect as connectSocket, createServer } from 'node:net'
import { definePlugin, type Server, start } from 'mqttest'
import { connectMemory, connectTcp } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join, subscribe } from '../support/client.ts'
import { memoryServer, tcpServer, virtualServer } from '../support/server.ts'

/** Resolves when somebody else could listen on that port. */
async function isFree(port: number): Promise<boolean> {
  const other = createServer()
  return new Promise((resolve) => {
    other.once('error', () => resolve(false))
    other.listen(port, '127.0.0.1', () => other.close(() => resolve(true)))
  })
}

describe('stop', () => {
  test('frees the port before it resolves', async () => {
    const server = await tcpServer()
    const client = await connectTcp(server)
    await client.connect()
    const { port } = server
    expect(await isFree(port)).toBe(false)
    await server.stop()
    expect(await isFree(port)).toBe(true)
    expect(await client.end()).toBe('fin')
  })

  test('may be called twice, at once or later: it is the same stop', async () => {
    const server = await tcpServer()
    const [one, two] = [server.stop('first'), server.stop('second')]
    expect(await one).toBe(await two)
    expect((await server.stop('third')).reason).toBe('first')
    expect(await server.finished).toBe(await one)
  })

  test('does not wait for a client that reads nothing, with megabytes on their way to it', async () => {
    const server = await tcpServer()
    const socket = connectSocket({ port: server.port, host: '127.0.0.1' })
    socket.pause()
    socket.on('error', () => undefined)
    socket.write(Buffer.from('100d00044d515454040200000001618206000100012300', 'hex'))
    const connection = await server.connection(0)
    await connection.expect('subscribe')
    for (let count = 0; count < 100; count++) server.publish({ topic: 'a', payload: Buffer.alloc(100_000) })
    await server.stop()
    socket.destroy()
  })

  test.each(['stall', 'wait'] as const)('does not wait for a connection that hangs: %s', async (how) => {
    const server = await tcpServer()
    const client = await connectTcp(server)
    await client.connect()
    const connection = await server.connection()
    if (how === 'stall') connection.stall()
    else void connection.play([{ wait: '1h', block: true }])
    await server.stop()
    client.close()
  })

  test('does not wait for a client that never closes its side', async () => {
    const server = await tcpServer()
    const socket = connectSocket({ port: server.port, host: '127.0.0.1', allowHalfOpen: true })
    socket.on('error', () => undefined)
    await server.connection()
    await server.stop()
    socket.destroy()
  })

  test('refuses clients that come meanwhile', async () => {
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const server = await memoryServer({ plugins: [definePlugin({ meta: { name: 'slow' }, setup: ({ hooks }) => hooks.serverStop.tap('x', () => held) })] })
    const stopped = server.stop()
    const late = connectMemory(server).sendConnect()
    await late.end()
    expect(late.received).toEqual([])
    release()
    expect((await stopped).connections).toBe(0)
  })

  test('ends every timer: keep-alives, expiries, wills, plans', async () => {
    const { server, clock } = await virtualServer({ maxRuntime: '1h' })
    const keep = { clean: false, properties: { sessionExpiryInterval: 100 } }
    const will = { topic: 'w', payload: Buffer.from('x'), qos: 0, retain: false, properties: { willDelayInterval: 50 } } as const
    await join(server, 'alive', { keepalive: 10 })
    const gone = await join(server, 'gone', { ...keep, will })
    gone.reset()
    connectMemory(server)
    const busy = await join(server, 'busy')
    const connection = await server.connection({ clientId: 'busy' })
    void connection.play([{ wait: '1h' }])
    await busy.settled()
    await server.offline({ for: '1h', connections: 'keep' })
    expect(clock.pending).toBeGreaterThan(5)
    await server.stop()
    expect(clock.pending).toBe(0)
  })

  test('a server that was stopped does not come back', async () => {
    const server = await tcpServer()
    const { port } = server
    await server.stop()
    await expect(server.online()).rejects.toMatchObject({ code: 'MQTTEST_STATE' })
    await expect(server.reset()).rejects.toMatchObject({ code: 'MQTTEST_STATE' })
    expect(await isFree(port)).toBe(true)
  })
})

describe('a server also stops', () => {
  test('at the end of an `await using` block', async () => {
    let outer: Server | undefined
    {
      await using server = await start()
      outer = server
    }
    expect((await outer.finished).reason).toBe('stop() was called')
    expect(await isFree(outer.port)).toBe(true)
  })

  test('when its signal is aborted', async () => {
    const abort = new AbortController()
    const server = await memoryServer({ signal: abort.signal })
    abort.abort()
    expect((await server.finished).reason).toBe('the signal was aborted')
  })

  test('at once when its signal was aborted before', async () => {
    const server = await memoryServer({ signal: AbortSignal.abort() })
    expect((await server.finished).reason).toBe('the signal was aborted')
  })

  test('without keeping anything on a signal that lives longer', async () => {
    const abort = new AbortController()
    for (let run = 0; run < 3; run++) await (await memoryServer({ signal: abort.signal })).stop()
    expect(getEventListeners(abort.signal, 'abort')).toEqual([])
  })

  test('after its longest runtime, on its own clock', async () => {
    const { server, clock } = await virtualServer({ maxRuntime: '1m' })
    let over = false
    void server.finished.then(() => {
      over = true
    })
    await clock.advance(59_999)
    expect(over).toBe(false)
    await clock.advance(1)
    expect((await server.finished).reason).toBe('the maximum runtime is over')
    expect((await server.finished).durationMs).toBe(60_000)
  })

  test('when so many connections came and went', async () => {
    const server = await tcpServer({ maxConnections: 2 })
    const first = await connectTcp(server)
    await first.connect({ clientId: 'one' })
    first.send({ cmd: 'disconnect' })
    await first.end()
    const second = await connectTcp(server)
    await second.connect({ clientId: 'two' })
    await expect(connectTcp(server)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await second.settled()
    second.close()
    expect(await server.finished).toMatchObject({ reason: '2 connections came and went', connections: 2 })
  })
})

describe('a run fails', () => {
  test('where a client broke a rule, under lint: fail; the report comes with the error', async () => {
    const server = await memoryServer({ lint: 'fail' })
    const client = await join(server, 'me')
    await subscribe(client, 'a')
    client.send({ cmd: 'puback', messageId: 7 })
    await client.settled()
    await expect(server.stop()).rejects.toMatchObject({
      code: 'MQTTEST_FAILED',
      message: expect.stringContaining('the client broke ack-unknown-packet-id'),
      report: { violations: [{ rule: 'ack-unknown-packet-id', fails: true }] },
    })
    await expect(server.finished).rejects.toMatchObject({ code: 'MQTTEST_FAILED' })
  })

  test('not for what is only information', async () => {
    const server = await memoryServer({ lint: 'fail' })
    const client = await join(server, 'me')
    await client.send('c0 80 00').next('pingresp')
    expect((await server.stop()).violations).toMatchObject([{ level: 'info', fails: false }])
  })

  test('where a tap of `violation` says so', async () => {
    const strict = definePlugin({ meta: { name: 'strict' }, setup: ({ hooks }) => hooks.violation.tap('x', () => 'fail') })
    const server = await memoryServer({ plugins: [strict] })
    const client = await join(server, 'me')
    await client.send({ cmd: 'puback', messageId: 7 }).settled()
    await expect(server.stop()).rejects.toThrow('the client broke ack-unknown-packet-id')
  })
})
