/** What `stop-after` does to a server, and what its clients see of it. */
import { stopAfter } from 'mqttest/plugins'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { virtualServer } from '../support/server.ts'

async function comeAndGo(server: Parameters<typeof connectMemory>[0], clientId = 'raw') {
  const client = connectMemory(server)
  await client.connect({ clientId })
  await client.send({ cmd: 'disconnect' }).end()
}

describe('stop-after', () => {
  test('connections: the server stops when so many have come and gone', async () => {
    const { server } = await virtualServer({ plugins: [stopAfter({ connections: 2 })] })
    await comeAndGo(server)
    expect(server.report().reason).toBe('the run goes on')
    await comeAndGo(server)
    const report = await server.finished
    expect(report).toMatchObject({
      reason: '2 connections came and went',
      connections: 2,
      faults: { applied: [{ plugin: 'stop-after', count: 1 }], neverFired: [] },
    })
  })

  test('connections: others that are open are told with DISCONNECT 0x8B', async () => {
    const { server } = await virtualServer({ plugins: [stopAfter({ connections: 1 })] })
    const stays = connectMemory(server, 5)
    await stays.connect({ clientId: 'stays' })
    await comeAndGo(server)
    expect(await stays.next('disconnect')).toMatchObject({ reasonCode: 0x8b })
    expect((await server.finished).reason).toBe('1 connection came and went')
  })

  test('time: the server stops after so long', async () => {
    const { server, clock } = await virtualServer({ plugins: [stopAfter({ time: '1m' })] })
    const client = connectMemory(server)
    await client.connect()
    await clock.advance(59_999)
    await client.settled()
    void clock.advance(1)
    expect(await client.end()).toBe('fin')
    expect((await server.finished).reason).toBe('60000 ms are over')
  })

  test('idle: the server stops when nobody was connected for so long', async () => {
    const { server, clock } = await virtualServer({ plugins: [stopAfter({ idle: '10s' })] })
    await clock.advance('9s')
    const client = connectMemory(server)
    await client.connect()
    await clock.advance('1h')
    await client.send({ cmd: 'disconnect' }).end()
    await clock.advance('9s')
    await comeAndGo(server)
    await clock.advance(9999)
    expect(server.report().connections).toBe(2)
    await clock.advance(1)
    expect((await server.finished).reason).toBe('nobody was connected for 10000 ms')
  })

  test('idle: the server stops where nobody ever comes', async () => {
    const { server, clock } = await virtualServer({ plugins: [stopAfter({ idle: '10s' })] })
    await clock.advance('10s')
    expect((await server.finished).connections).toBe(0)
  })

  test('idle, added while a client is connected: the quiet begins when it has gone', async () => {
    const { server, clock } = await virtualServer()
    const client = connectMemory(server)
    await client.connect()
    server.use(stopAfter({ idle: '1s' }))
    await clock.advance('1h')
    await client.send({ cmd: 'disconnect' }).end()
    await clock.advance('1s')
    expect((await server.finished).reason).toMatch(/^nobody/)
  })

  test('clients see nothing of it before', async () => {
    const { server } = await virtualServer({ plugins: [stopAfter({ connections: 2, time: '1h', idle: '1h' })] })
    const client = connectMemory(server)
    expect(await client.connect()).toEqual({ cmd: 'connack', sessionPresent: false, returnCode: 0 })
    await client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 1 }).next('puback')
    await client.settled()
    expect(server.records({ type: 'fault' })).toEqual([])
  })

  test('a scope counts only its connections', async () => {
    const { server } = await virtualServer({ plugins: [['stop-after', { connections: 1 }, { clientId: 'last' }]] })
    await comeAndGo(server, 'first')
    await comeAndGo(server, 'second')
    await comeAndGo(server, 'last')
    expect((await server.finished).connections).toBe(3)
  })

  test('stop() before its time leaves nothing behind', async () => {
    const { server, clock } = await virtualServer({ plugins: [stopAfter({ time: '1h', idle: '1h' })] })
    await server.stop()
    expect(clock.pending).toBe(0)
  })

  test('the call that use() returns takes it off', async () => {
    const { server, clock } = await virtualServer()
    const off = server.use(stopAfter({ time: '1s', connections: 1 }))
    off()
    await clock.advance('1s')
    await comeAndGo(server)
    expect(server.report().reason).toBe('the run goes on')
  })

  test('mistakes in its options are told at once', () => {
    expect(() => stopAfter.create({ conections: 1 })).toThrow("unknown option 'conections'. Did you mean 'connections'?")
    expect(() => stopAfter.create({ connections: 0 })).toThrow(/expected a whole number, at least 1/)
    expect(() => stopAfter.create({ time: 'later' })).toThrow(/option 'time': expected milliseconds/)
    expect(() => stopAfter()).toThrow("give one of the options 'connections', 'time' and 'idle'")
  })
})
