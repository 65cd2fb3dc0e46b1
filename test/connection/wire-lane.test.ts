/** What the `wire` hook does to bytes: cut, held back, changed; always first in, first out in each direction. */
import { definePlugin, type Plan, type StepInput } from 'mqttest'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { virtualServer } from '../support/server.ts'

/** A plugin for one direction of the wire. */
const wire = (direction: 'in' | 'out', change: (steps: Plan) => readonly StepInput[]) =>
  definePlugin({ meta: { name: 'wire' }, setup: ({ hooks, on }) => on(hooks.wire, { direction }, change) })

const bytesOf = (steps: Plan) => Buffer.concat(steps.map((step) => ('raw' in step ? step.raw : Buffer.alloc(0))))

/** Every byte in a chunk of its own. */
const byteByByte = (steps: Plan) => [...bytesOf(steps)].map((byte) => ({ raw: Uint8Array.of(byte) }))

const connect = '100f 0004 4d515454 04 02 0000 0003 726177'

describe('bytes on their way in', () => {
  test('may come one by one', async () => {
    const { server } = await virtualServer({ plugins: [wire('in', byteByByte)] })
    const client = connectMemory(server)
    await client.connect()
    await client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 1 }] }).next('suback')
    client.send({ cmd: 'publish', topic: 'a', payload: 'x'.repeat(300), qos: 1, messageId: 2 })
    expect((await client.next('publish')).payload.length).toBe(300)
    expect(server.records({ type: 'violation' })).toEqual([])
  })

  test('may come late, in order, without making one another later', async () => {
    const { server, clock } = await virtualServer({ plugins: [wire('in', (steps) => [{ latency: 100 }, ...steps])] })
    const client = connectMemory(server)
    client.send(connect)
    await clock.advance(60)
    client.send('c000')
    await clock.advance(39)
    expect(client.received).toEqual([])
    await clock.advance(1)
    expect(client.received.map((packet) => packet.cmd)).toEqual(['connack'])
    await clock.advance(59)
    expect(client.received).toHaveLength(1)
    await clock.advance(1)
    expect(client.received.map((packet) => packet.cmd)).toEqual(['connack', 'pingresp'])
  })

  test('that wait hold back what comes behind them', async () => {
    const { server, clock } = await virtualServer()
    const client = connectMemory(server)
    await client.connect()
    server.use(
      definePlugin({ meta: { name: 'once' }, setup: ({ hooks, on }) => on(hooks.wire, { direction: 'in', nth: 1 }, (steps) => [{ wait: 50 }, ...steps]) })(),
    )
    client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 1 })
    await clock.advance(10)
    client.send({ cmd: 'pingreq' })
    await clock.advance(39)
    expect(client.received).toHaveLength(1)
    await clock.advance(1)
    expect(client.received.slice(1).map((packet) => packet.cmd)).toEqual(['puback', 'pingresp'])
  })

  test('are read before the end that stands behind them', async () => {
    const { server, clock } = await virtualServer({ plugins: [wire('in', (steps) => [{ latency: 100 }, ...steps])] })
    const client = connectMemory(server)
    const connection = await server.connection(0)
    client.send(connect, { cmd: 'publish', topic: 'a', retain: true, payload: 'x' }).close()
    await clock.advance(99)
    expect(connection.closed).toBe(false)
    await clock.advance(1)
    expect(connection.ended).toMatchObject({ by: 'client', how: 'fin' })
    expect(server.retained).toMatchObject([{ topic: 'a' }])
  })

  test('may be corrupted', async () => {
    const { server } = await virtualServer()
    const client = connectMemory(server)
    await client.connect()
    server.use(
      wire('in', (steps) => {
        const bytes = Buffer.from(bytesOf(steps))
        bytes[0] = 0xc1
        return [{ raw: bytes }]
      })(),
    )
    client.send({ cmd: 'pingreq' })
    expect(await client.end()).toBe('fin')
    expect(server.records({ type: 'violation' })).toMatchObject([{ violation: { rule: 'fixed-header-reserved-flags' } }])
  })

  test('may be swallowed', async () => {
    const { server, clock } = await virtualServer({ plugins: [wire('in', () => [])] })
    const client = connectMemory(server).sendConnect()
    await clock.advance(29_999)
    expect(client.received).toEqual([])
    await clock.advance(1)
    expect(await client.end()).toBe('fin')
  })

  test.each(['fin', 'rst'] as const)('may lead to the end: %s', async (close) => {
    const { server } = await virtualServer({ plugins: [wire('in', () => [{ close }])] })
    const client = connectMemory(server).sendConnect()
    expect(await client.end()).toBe(close)
    expect(client.received).toEqual([])
  })
})

describe('bytes on their way out', () => {
  test('may leave one by one', async () => {
    const { server } = await virtualServer({ plugins: [wire('out', byteByByte)] })
    const client = connectMemory(server)
    await client.connect()
    expect(client.chunks.map((chunk) => chunk.toString('hex'))).toEqual(['20', '02', '00', '00'])
  })

  test('may leave late, in order, without making one another later', async () => {
    const { server, clock } = await virtualServer({ plugins: [wire('out', (steps) => [{ latency: 100 }, ...steps])] })
    const client = connectMemory(server).sendConnect()
    await clock.advance(100)
    const connection = await server.connection()
    connection.send({ cmd: 'publish', topic: '1' })
    await clock.advance(60)
    connection.send({ cmd: 'publish', topic: '2' })
    await clock.advance(39)
    expect(client.received).toHaveLength(1)
    await clock.advance(1)
    expect(client.received).toHaveLength(2)
    await clock.advance(59)
    expect(client.received).toHaveLength(2)
    await clock.advance(1)
    expect(client.received).toMatchObject([{ cmd: 'connack' }, { topic: '1' }, { topic: '2' }])
  })

  test('that are slow leave all the same before the end of the connection', async () => {
    const { server, clock } = await virtualServer({ plugins: [wire('out', (steps) => [{ latency: 100 }, ...steps])] })
    const client = connectMemory(server).sendConnect()
    const connection = await server.connection(0)
    await clock.advance(100)
    connection.send({ cmd: 'pingresp' })
    connection.close('fin')
    await clock.advance(99)
    expect(client.ended).toBeUndefined()
    await clock.advance(1)
    expect(client.received.map((packet) => packet.cmd)).toEqual(['connack', 'pingresp'])
    expect(client.ended).toBe('fin')
  })

  test('that are slow are dropped by a reset', async () => {
    const { server, clock } = await virtualServer({ plugins: [wire('out', (steps) => [{ latency: 100 }, ...steps])] })
    const client = connectMemory(server).sendConnect()
    const connection = await server.connection(0)
    await clock.advance(100)
    connection.send({ cmd: 'pingresp' })
    connection.close('rst')
    await clock.advance('1m')
    expect(client.received.map((packet) => packet.cmd)).toEqual(['connack'])
    expect(client.ended).toBe('rst')
    expect(clock.pending).toBe(0)
  })

  test('wait for a signal, or for a promise', async () => {
    const { server, clock } = await virtualServer()
    const client = connectMemory(server)
    await client.connect()
    const connection = await server.connection()
    let resolve = (): void => undefined
    const promise = new Promise<void>((go) => {
      resolve = go
    })
    const off = server.use(wire('out', (steps) => [{ until: promise }, { until: 'go' }, ...steps])())
    client.send({ cmd: 'pingreq' })
    await clock.advance(0)
    off()
    client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 1 })
    await clock.advance('1m')
    expect(client.received).toHaveLength(1)
    resolve()
    await clock.advance('1m')
    expect(client.received).toHaveLength(1)
    connection.signal('go')
    await clock.advance(0)
    expect(client.received.slice(1).map((packet) => packet.cmd)).toEqual(['pingresp', 'puback'])
  })

  test('may be followed by a packet that nobody asked for', async () => {
    const { server } = await virtualServer({ plugins: [wire('out', (steps) => [...steps, { packet: { cmd: 'pingresp' } }])] })
    const client = connectMemory(server)
    await client.connect()
    await client.next('pingresp')
  })

  test('that are held back do not keep the server from stopping', async () => {
    const { server, clock } = await virtualServer({ plugins: [wire('out', (steps) => [{ latency: '1h' }, ...steps])] })
    const client = connectMemory(server).sendConnect()
    await clock.advance(0)
    await server.stop()
    expect(client.ended).toBeDefined()
    expect(clock.pending).toBe(0)
  })
})
