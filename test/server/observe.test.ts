/** What a test sees of a server: connections, records, reports, quiet. */
import { definePlugin, describePacket, type Server } from 'mqttest'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join, messages, subscribe } from '../support/client.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

describe('server.connection', () => {
  test('resolves with the n-th, there or not yet', async () => {
    const server = await memoryServer()
    const second = server.connection(1)
    await join(server, 'one')
    await join(server, 'two')
    expect((await second).clientId).toBe('two')
    expect((await server.connection(0)).clientId).toBe('one')
  })

  test('without a number resolves with the next that was not asked for yet', async () => {
    const server = await memoryServer()
    await join(server, 'one')
    const [first, second] = [server.connection(), server.connection()]
    await join(server, 'two')
    expect([(await first).number, (await second).number]).toEqual([0, 1])
  })

  test('resolves with the latest of a client id', async () => {
    const server = await memoryServer()
    const wanted = server.connection({ clientId: 'me' })
    await join(server, 'other')
    await join(server, 'me')
    expect((await wanted).number).toBe(1)
    await join(server, 'me')
    expect((await server.connection({ clientId: 'me' })).number).toBe(2)
  })

  test('says what came instead', async () => {
    const server = await memoryServer()
    await join(server, 'one')
    await expect(server.connection(3, { within: 1 })).rejects.toThrow(
      /expected connection 3: nothing fitting came within 1 ms\. 1 connections were accepted\.[\s\S]*CONNECT MQTT 5\.0 id "one"/,
    )
    await expect(server.connection({ clientId: 'x' }, { within: 1 })).rejects.toThrow("expected a connection of client 'x'")
  })

  test('says where a connection ended long ago', async () => {
    const server = await memoryServer()
    for (let count = 0; count < 1200; count++) connectMemory(server).reset()
    await server.connection(1199)
    for (const connection of server.connections) if (!connection.closed) await connection.expectClose()
    await expect(server.connection(0)).rejects.toMatchObject({ code: 'MQTTEST_STATE', message: expect.stringContaining('ended long ago') })
  })
})

describe('server.records', () => {
  test('gives everything that happened, in order, or what is asked for', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    await subscribe(client, 'a')
    await client.settled()
    expect(server.records().map((record) => record.type)).toEqual(['open', ...Array.from({ length: 6 }, () => 'packet')])
    expect(server.records({ dir: 'in' }).map((record) => record.type === 'packet' && record.cmd)).toEqual(['connect', 'subscribe', 'pingreq'])
    expect(server.records({ cmd: 'suback' })).toMatchObject([{ direction: 'out', cause: 'reply', packet: { granted: [0] } }])
    expect(server.records({ type: 'open', connection: 0 })).toHaveLength(1)
    expect(server.records({ connection: 1 })).toEqual([])
    const serials = server.records().map((record) => record.serial)
    expect(serials).toEqual(serials.map((_, index) => index))
  })

  test('hold the bytes as they were, the time on the server clock, and the same object each time', async () => {
    const { server, clock } = await virtualServer()
    await clock.advance(1500)
    await join(server, 'me')
    const [record] = server.records({ cmd: 'connack' })
    expect(record).toMatchObject({ atMs: 1500, wallTime: 1500, raw: Buffer.from('2006000003220064', 'hex') })
    expect(server.records({ cmd: 'connack' })[0]).toBe(record)
  })

  test('of malformed packets have no packet, but their bytes', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    client.send('36 05 0001 61 0001')
    await client.end()
    expect(server.records({ cmd: 'publish' })).toMatchObject([{ packet: undefined, raw: Buffer.from('360500016100 01'.replace(' ', ''), 'hex') }])
  })

  test('reach a listener as they come, until it leaves', async () => {
    const server = await memoryServer()
    const seen: string[] = []
    const leave = server.onRecord((record) => seen.push(record.type))
    const client = await join(server, 'me')
    leave()
    await client.settled()
    expect(seen).toEqual(['open', 'packet', 'packet'])
  })
})

describe('the journal', () => {
  test('lets the oldest records go, and says how many', async () => {
    const server = await memoryServer({ journal: { records: 10 } })
    const client = await join(server, 'me')
    for (let count = 0; count < 50; count++) client.send({ cmd: 'pingreq' })
    await client.count(51)
    expect(server.records()).toHaveLength(10)
    expect(server.records().at(-1)?.serial).toBe(102)
    await expect(server.expect('publish', {}, { within: 1 })).rejects.toThrow('(93 older records were let go)')
    expect((await server.stop()).recordsDropped).toBeGreaterThanOrEqual(93)
  })

  test('counts bytes of packets as well', async () => {
    const server = await memoryServer({ journal: { bytes: 10_000 } })
    const client = await join(server, 'me')
    for (let count = 0; count < 20; count++) client.send({ cmd: 'publish', topic: 'a', payload: Buffer.alloc(1000) })
    await client.settled()
    const held = server.records({ type: 'packet' }).reduce((sum, record) => sum + (record.type === 'packet' ? record.raw.length : 0), 0)
    expect(held).toBeLessThanOrEqual(10_000)
    expect(held).toBeGreaterThan(8000)
  })

  // As it came and as it went out, of every size: together with others, too large for that.
  const payloadOf = (seed: number) =>
    Buffer.alloc([1100, 5000, 30_000, 60_000, 100_000][seed % 16] ?? 20_000, Buffer.from([seed & 255, seed >> 8, 1, 2, 3, 4, 5]))
  const published = (server: Server) =>
    server.records({ cmd: 'publish' }).flatMap((record) => (record.type === 'packet' && record.packet?.cmd === 'publish' ? [record.packet.payload] : []))

  /** A client that has heard itself so often. */
  async function echoed(server: Server, times: number): Promise<void> {
    const client = await join(server, 'me')
    await subscribe(client, 'a')
    for (let seed = 0; seed < times; seed++) {
      client.send({ cmd: 'publish', topic: 'a', payload: payloadOf(seed) })
      await client.next('publish')
    }
  }

  test.each([3, 120])('holds large packets as they were, the last of %s', async (times) => {
    const server = await memoryServer({ journal: { bytes: 2_000_000 } })
    await echoed(server, times)
    const held = published(server)
    expect(held.length).toBeGreaterThan(times < 10 ? 5 : 70)
    for (const [index, payload] of held.entries()) {
      const seed = times - Math.ceil((held.length - index) / 2)
      expect(payload.equals(payloadOf(seed)), `message ${seed}`).toBe(true)
    }
  })

  test('may hold nothing at all; waiting still works', async () => {
    const server = await memoryServer({ journal: { records: 0 } })
    const wait = server.expect('publish')
    const client = await join(server, 'me')
    client.send({ cmd: 'publish', topic: 'a' })
    expect(await wait).toMatchObject({ topic: 'a' })
    expect(server.records()).toEqual([])
  })
})

describe('the report', () => {
  test('counts packets and bytes, in all and per connection', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    await subscribe(client, 'a')
    await client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 1 }).next('puback')
    client.send({ cmd: 'disconnect' })
    await client.end()
    const other = await join(server, 'other', { version: 4 })
    await other.settled()
    const report = server.report()
    expect(report).toMatchObject({
      seed: 'test',
      reason: 'the run goes on',
      connections: 2,
      packets: {
        in: { connect: 2, subscribe: 1, publish: 1, disconnect: 1, pingreq: 1 },
        out: { connack: 2, suback: 1, publish: 1, puback: 1, pingresp: 1 },
      },
      perConnection: [
        { number: 0, clientId: 'me', protocolVersion: 5, ended: { by: 'client', how: 'disconnect', reasonCode: 0 } },
        { number: 1, clientId: 'other', protocolVersion: 4, ended: undefined, packets: { in: { connect: 1, pingreq: 1 } } },
      ],
      violations: [],
      dropped: [],
      recordsDropped: 0,
    })
    const sums = { in: 0, out: 0 }
    for (const record of server.records({ type: 'packet' })) if (record.type === 'packet') sums[record.direction] += record.raw.length
    expect(report.bytes).toEqual(sums)
  })

  test('gathers violations by rule, with the connections where they were seen', async () => {
    const server = await memoryServer()
    for (const clientId of ['one', 'two']) {
      const client = await join(server, clientId)
      await client.send({ cmd: 'puback', messageId: 7 }, { cmd: 'puback', messageId: 8 }).settled()
    }
    expect(server.report().violations).toMatchObject([{ rule: 'ack-unknown-packet-id', count: 4, connections: [0, 1], statements: ['MQTT-2.2.1-5'] }])
  })

  test('says of a plugin finding the same', async () => {
    const finder = definePlugin({
      meta: { name: 'finder' },
      setup: ({ hooks, report }) => hooks.connection.tap('x', (connection) => report({ rule: 'came', message: 'a client came', level: 'info', connection })),
    })
    const server = await memoryServer({ plugins: [finder] })
    await join(server, 'me')
    expect(server.report()).toMatchObject({ violations: [{ rule: 'came', count: 1, level: 'info', connections: [0] }], faults: { neverFired: [] } })
  })

  test('under lint: off leaves out what did not end a connection', async () => {
    const server = await memoryServer({ lint: 'off' })
    const client = await join(server, 'me')
    await client.send({ cmd: 'puback', messageId: 7 }).settled()
    client.send('c1 00')
    await client.end()
    expect(server.report().violations).toMatchObject([{ rule: 'fixed-header-reserved-flags' }])
  })
})

describe('idle', () => {
  test('resolves when nothing goes on any more', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    client.send({ cmd: 'publish', topic: 'a' })
    await server.idle({ quiet: 1 })
    expect(server.records({ cmd: 'publish' })).toHaveLength(1)
  })

  test('names the plan, or the messages, that it waits for', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    const connection = await server.connection()
    void connection.play([{ until: 'go' }])
    await expect(server.idle({ quiet: 1, within: 10 })).rejects.toThrow('the server was not idle within 10 ms: a plan waits on connection 0')
    connection.signal('go')
    await subscribe(client, 'a', 1)
    server.publish({ topic: 'a', qos: 1 })
    await expect(server.idle({ quiet: 1, within: 10 })).rejects.toThrow('1 messages are in flight on connection 0')
    client.send({ cmd: 'puback', messageId: 1 })
    await server.idle({ quiet: 1 })
  })

  test('ends with its AbortSignal, and with the server', async () => {
    const server = await memoryServer()
    await expect(server.idle({ quiet: '1h', within: '1h', signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
    const idle = server.idle({ quiet: '1h', within: '1h' })
    await server.stop()
    await idle
    await server.idle({ quiet: '1h', within: '1h' })
  })
})

describe('reset', () => {
  test('brings a server back to its start', async () => {
    const seen: number[] = []
    const counter = definePlugin({
      meta: { name: 'counter' },
      setup({ hooks }) {
        let count = 0
        hooks.connection.tap('x', () => void seen.push(count++))
      },
    })
    const { server, clock } = await virtualServer({ plugins: [counter] })
    const keep = { clean: false, properties: { sessionExpiryInterval: 100 } }
    const will = { topic: 'w', payload: Buffer.from('x'), qos: 0, retain: true } as const
    const client = await join(server, 'me', { ...keep, will })
    await subscribe(client, 'a', 1)
    server.publish({ topic: 'a', retain: true, payload: 'x', qos: 1 })
    let pings = 0
    server.use(definePlugin({ meta: { name: 'used' }, setup: ({ hooks }) => hooks.packetIn.tap('x', () => void pings++) })())
    server.hooks.send.tap('test', () => [])
    await server.reset()
    expect(await client.end()).toBe('rst')
    expect(server.records()).toEqual([])
    expect(server.sessions).toEqual([])
    expect(server.retained).toEqual([])
    expect(server.connections).toEqual([])
    expect(clock.pending).toBe(0)
    expect(server.report()).toMatchObject({
      connections: 0,
      packets: { in: {}, out: {} },
      bytes: { in: 0, out: 0 },
      violations: [],
      faults: { neverFired: ['counter'] },
    })
    const again = await join(server, 'me', keep)
    await again.settled()
    expect((await server.connection()).number).toBe(0)
    expect(pings).toBe(0)
    expect(seen).toEqual([0, 0])
    expect(messages(again)).toEqual([])
  })

  test('begins chance anew, and the hooks of the test', async () => {
    const server = await memoryServer()
    const assigned = async () => {
      await join(server, '')
      return server.connections[0]?.clientId
    }
    const first = await assigned()
    await server.reset()
    expect(await assigned()).toBe(first)
    let seen = 0
    server.hooks.packetIn.tap('x', () => void seen++)
    await join(server, 'me')
    expect(seen).toBe(1)
  })

  test('ends being offline', async () => {
    const server = await memoryServer()
    await server.offline({ mode: 'reset' })
    await server.reset()
    await join(server, 'me')
  })
})

test('a return code of MQTT 3 is described by the name that it has there', () => {
  const line = (returnCode: number) => describePacket({ cmd: 'connack', sessionPresent: false, returnCode })
  expect([0, 1, 2, 3, 4, 5, 6].map(line)).toEqual([
    'CONNACK 0x00 success',
    'CONNACK 0x01 unacceptable-protocol-version',
    'CONNACK 0x02 identifier-rejected',
    'CONNACK 0x03 server-unavailable',
    'CONNACK 0x04 bad-user-name-or-password',
    'CONNACK 0x05 not-authorized',
    'CONNACK 0x06',
  ])
  expect(describePacket({ cmd: 'connack', sessionPresent: false, reasonCode: 0x85 })).toBe('CONNACK 0x85 client-identifier-not-valid')
})
