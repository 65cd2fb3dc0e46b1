/** What a client sees of `bandwidth`. */
import { bandwidth, latency } from 'mqttest/plugins'
import type { RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join, subscribe } from '../support/client.ts'
import { type VirtualServer, virtualServer } from '../support/server.ts'

/** A connected client on a way that becomes narrow then. */
async function narrow(options: Parameters<typeof bandwidth>[0], version: 4 | 5 = 4) {
  const { server, clock } = await virtualServer()
  const client = await join(server, 'dev', { version })
  await subscribe(client, 'big')
  const off = server.use(bandwidth(options))
  client.chunks.length = 0
  return { server, clock, client, off }
}

const bytes = (client: RawClient) => client.chunks.reduce((sum, chunk) => sum + chunk.length, 0)

/** Publishes so that so many bytes leave for an MQTT 3 client. */
const send = (server: VirtualServer['server'], length: number) => server.publish({ topic: 'big', payload: 'x'.repeat(length - 2 - 5 - (length > 129 ? 1 : 0)) })

describe('bandwidth', () => {
  test('so many bytes per second, in pieces of 50 ms', async () => {
    const { server, clock, client } = await narrow({ bytesPerSecond: 1000 })
    send(server, 500)
    await clock.advance(49)
    expect(bytes(client)).toBe(0)
    await clock.advance(1)
    expect(bytes(client)).toBe(50)
    await clock.advance(400)
    expect(bytes(client)).toBe(450)
    expect(client.received.filter(({ cmd }) => cmd === 'publish')).toHaveLength(0)
    await clock.advance(50)
    expect(client.received.filter(({ cmd }) => cmd === 'publish')).toHaveLength(1)
  })

  test('10000 unless told otherwise', async () => {
    const { server, clock, client } = await narrow({})
    send(server, 10_000)
    await clock.advance(999)
    expect(bytes(client)).toBe(9500)
    await clock.advance(1)
    expect(bytes(client)).toBe(10_000)
  })

  test('what comes behind waits for its turn, and a rest is not saved up', async () => {
    const { server, clock, client } = await narrow({ bytesPerSecond: 100 })
    await clock.advance('1h')
    send(server, 100)
    send(server, 100)
    await clock.advance(1950)
    expect(bytes(client)).toBe(195)
    await clock.advance(50)
    expect(bytes(client)).toBe(200)
  })

  test('burst: so many at once after a rest', async () => {
    const { server, clock, client } = await narrow({ bytesPerSecond: 100, burst: 150 })
    send(server, 200)
    await clock.advance(0)
    expect(bytes(client)).toBe(150)
    await clock.advance(500)
    expect(bytes(client)).toBe(200)
    await clock.advance(2000)
    send(server, 200)
    await clock.advance(0)
    expect(bytes(client)).toBe(350)
  })

  test('piece: 1 is a trickle', async () => {
    const { server, clock, client } = await narrow({ bytesPerSecond: 1000, piece: 1 })
    send(server, 20)
    await clock.advance(20)
    expect(client.chunks.map((chunk) => chunk.length)).toEqual(Array.from({ length: 20 }, () => 1))
  })

  test('in and out: each on its own', async () => {
    const { server, clock, client } = await narrow({ in: 10 })
    send(server, 1000)
    await clock.advance(0)
    expect(bytes(client)).toBe(1000)
    client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 5 })
    await clock.advance(699)
    expect(server.records({ cmd: 'puback' })).toHaveLength(0)
    await clock.advance(100)
    expect(server.records({ cmd: 'puback' })).toHaveLength(1)
    expect(bytes(client)).toBe(1004)
    const other = await narrow({ out: 10 }, 5)
    other.client.send({ cmd: 'pingreq' })
    await other.clock.advance(199)
    expect(other.server.records({ cmd: 'pingreq' })).toHaveLength(1)
    expect(other.client.received.at(-1)?.cmd).toBe('suback')
    await other.clock.advance(1)
    expect(other.client.received.at(-1)?.cmd).toBe('pingresp')
  })

  test('two connections do not share', async () => {
    const { server, clock, client } = await narrow({ bytesPerSecond: 100 })
    const other = join(server, 'other', { version: 4 })
    await clock.advance(1000)
    const second = await other
    second.chunks.length = 0
    send(server, 50)
    second.send({ cmd: 'pingreq' })
    await clock.advance(500)
    expect([bytes(client), bytes(second)]).toEqual([50, 2])
  })

  test('the end in order comes behind what waits; a client that goes leaves no timer', async () => {
    const { server, clock, client } = await narrow({ bytesPerSecond: 100 })
    send(server, 100)
    await clock.advance(10)
    server.connections[0]?.close('fin')
    await clock.advance(989)
    expect(client.ended).toBeUndefined()
    await clock.advance(1)
    expect([bytes(client), client.ended]).toEqual([100, 'fin'])
    const other = await narrow({ bytesPerSecond: 1 })
    send(other.server, 100)
    await other.clock.advance(10)
    other.client.reset()
    await other.clock.advance(0)
    expect(other.clock.pending).toBe(0)
  })

  test('beside latency: both count', async () => {
    const { server, clock, client } = await narrow({ bytesPerSecond: 1000 })
    server.use(latency({ delay: 0, out: 30 }))
    send(server, 100)
    await clock.advance(99)
    expect(bytes(client)).toBe(50)
    await clock.advance(1)
    expect(bytes(client)).toBe(100)
    expect(server.report().faults.applied.map(({ plugin }) => plugin)).toEqual(['bandwidth', 'latency'])
  })

  test('taken off, the next bytes are fast again, behind those that wait', async () => {
    const { server, clock, client, off } = await narrow({ bytesPerSecond: 100 })
    send(server, 100)
    await clock.advance(500)
    off()
    send(server, 100)
    await clock.advance(499)
    expect(bytes(client)).toBe(95)
    await clock.advance(1)
    expect(bytes(client)).toBe(200)
  })

  test('mistakes in its options are told at once', () => {
    expect(() => bandwidth({ bytesPerSecond: 0 })).toThrow(/option 'bytesPerSecond'/)
    expect(() => bandwidth.create({ rate: 1 })).toThrow("unknown option 'rate'")
  })
})
