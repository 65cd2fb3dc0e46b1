/** What a client sees of `close-after`. */
import { definePlugin, type PacketInput } from 'mqttest'
import { ackDelay, closeAfter } from 'mqttest/plugins'
import { connectMemory, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { memoryServer, tcpServer, virtualServer } from '../support/server.ts'

const publish = (messageId: number): PacketInput => ({ cmd: 'publish', topic: 'a', qos: 1, messageId })
const subscribe: PacketInput = { cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 1 }] }

const names = (client: RawClient) => client.received.map((packet) => ('messageId' in packet ? `${packet.cmd} ${packet.messageId}` : packet.cmd))

async function connected(options: Parameters<typeof closeAfter>[0], more: Parameters<typeof virtualServer>[0] = {}) {
  const { server, clock } = await virtualServer({ plugins: [closeAfter(options)], ...more })
  const client = connectMemory(server)
  await client.connect({ clean: false, clientId: 'dev' })
  return { server, clock, client }
}

describe('close-after', () => {
  test('packets: the answer to the last packet still comes', async () => {
    const { client } = await connected({ packets: 3 })
    client.send(publish(1), publish(2), publish(3))
    expect(await client.end()).toBe('fin')
    expect(names(client)).toEqual(['connack', 'puback 1', 'puback 2'])
  })

  test('packets: 1 closes behind CONNACK', async () => {
    const server = await memoryServer({ plugins: [closeAfter({ packets: 1 })] })
    const client = connectMemory(server)
    client.sendConnect().send(publish(1))
    expect(await client.end()).toBe('fin')
    expect(names(client)).toEqual(['connack'])
  })

  test('topic and qos: only packets that fit are counted, from either side', async () => {
    const { client } = await connected({ packet: 'publish', topic: 'b/#', qos: 1, nth: 2 })
    const other = (messageId: number, qos: 1 | 2 = 1): PacketInput => ({ cmd: 'publish', topic: 'b/c', qos, messageId })
    client.send(publish(1), other(2), publish(3), other(4, 2), other(5), publish(6))
    expect(await client.end()).toBe('fin')
    expect(names(client).slice(1)).toEqual(['puback 1', 'puback 2', 'puback 3', 'pubrec 4', 'puback 5'])

    const out = await connected({ packet: 'publish', topic: 'b', direction: 'out' })
    out.client.send({ ...subscribe, subscriptions: [{ topic: '#', qos: 0 }] })
    await out.clock.advance(0)
    for (const topic of ['a', 'b', 'c']) out.server.publish({ topic })
    expect(await out.client.end()).toBe('fin')
    expect(out.client.received.flatMap((packet) => (packet.cmd === 'publish' ? packet.topic : []))).toEqual(['a', 'b'])
  })

  test('from, every and probability: the first that is chosen', async () => {
    for (const [options, last] of [
      [{ from: 3 }, 3],
      [{ every: 2 }, 2],
      [{ from: 2, every: 2 }, 3],
      [{ from: 2, nth: 4 }, 4],
    ] as const) {
      const { client } = await connected({ packet: 'publish', ...options })
      client.send(...[1, 2, 3, 4, 5].map(publish))
      expect(await client.end()).toBe('fin')
      expect(names(client).at(-1)).toBe(`puback ${last}`)
    }
    const { client } = await connected({ packet: 'publish', probability: 0 })
    await client.send(publish(1), publish(2)).settled()
    expect(client.ended).toBeUndefined()
  })

  test('after: the answer comes, however late another plugin lets it leave, in either order of the two', async () => {
    for (const plugins of [
      [closeAfter({ packet: 'publish' }), ackDelay({ delay: '5s' })],
      [ackDelay({ delay: '5s' }), closeAfter({ packet: 'publish' })],
    ]) {
      const { client, clock } = await connected({ packets: 1 }, { plugins })
      client.send(publish(1), publish(2))
      await clock.advance(4999)
      expect([names(client), client.ended]).toEqual([['connack'], undefined])
      await clock.advance(1)
      expect([names(client), client.ended]).toEqual([['connack', 'puback 1'], 'fin'])
      client.close()
      await clock.advance(0)
      expect(clock.pending).toBe(0)
    }
  })

  test('after: the answer to SUBSCRIBE comes, also where another plugin is asked whether it may', async () => {
    const slow = definePlugin({ meta: { name: 'slow' }, setup: ({ hooks }) => hooks.authorize.tap('slow', async (decision) => decision) })
    const { client } = await connected({ packets: 1 }, { plugins: [closeAfter({ packet: 'subscribe' }), slow] })
    client.send(subscribe, publish(1))
    expect(await client.end()).toBe('fin')
    expect(names(client)).toEqual(['connack', 'suback 1'])
  })

  test('before: the packet is not handled at all', async () => {
    const { server, client } = await connected({ packet: 'subscribe', when: 'before' })
    client.send(subscribe)
    expect(await client.end()).toBe('fin')
    expect(names(client)).toEqual(['connack'])
    expect(server.sessions[0]?.subscriptions.size).toBe(0)
  })

  test('instead: the packet is handled, and not answered', async () => {
    const { server, client } = await connected({ packet: 'subscribe', when: 'instead' })
    client.send(subscribe)
    expect(await client.end()).toBe('fin')
    expect(names(client)).toEqual(['connack'])
    expect(server.sessions[0]?.subscriptions.size).toBe(1)
  })

  test('instead: a message that is taken but not acknowledged reaches its subscribers', async () => {
    const { server, client } = await connected({ packet: 'publish', when: 'instead' })
    const watcher = connectMemory(server)
    await watcher.connect({ clientId: 'watcher' })
    await watcher.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '#', qos: 0 }] }).next('suback')
    client.send(publish(1))
    await client.end()
    expect(await watcher.next('publish')).toMatchObject({ topic: 'a' })
  })

  test('nth: packets of a type are counted on each connection', async () => {
    const { server, client } = await connected({ packet: 'publish', nth: 2 })
    const other = connectMemory(server)
    await other.connect({ clientId: 'other' })
    await client.send(publish(1)).next('puback')
    await other.send(publish(1)).next('puback')
    client.send({ cmd: 'pingreq' }, publish(2))
    expect(await client.end()).toBe('fin')
    expect(names(client)).toEqual(['connack', 'puback 1', 'pingresp', 'puback 2'])
    await other.settled()
    expect(other.ended).toBeUndefined()
  })

  test('at a packet of the server: it is sent with after only', async () => {
    for (const [when, expected] of [
      ['after', ['connack', 'suback 1']],
      ['instead', ['connack']],
      ['before', ['connack']],
    ] as const) {
      const { client } = await connected({ packet: 'suback', when })
      client.send(subscribe)
      expect(await client.end()).toBe('fin')
      expect(names(client)).toEqual(expected)
    }
  })

  test('direction: out is for packets that both sides send', async () => {
    const { server, client } = await connected({ packet: 'publish', direction: 'out', nth: 2, when: 'after' })
    await client.send(subscribe).next('suback')
    for (let message = 0; message < 3; message++) server.publish({ topic: 'a', payload: String(message) })
    expect(await client.end()).toBe('fin')
    expect(client.received.flatMap((packet) => (packet.cmd === 'publish' ? packet.payload.toString() : []))).toEqual(['0', '1'])
  })

  test('direction: in is for the acknowledgements of the client', async () => {
    const { server, client } = await connected({ packet: 'puback', direction: 'in' })
    await client.send(subscribe, publish(1)).next('puback')
    server.publish({ topic: 'a', qos: 1 })
    const { messageId = 0 } = await client.next('publish', { qos: 1, topic: 'a' })
    expect(client.ended).toBeUndefined()
    client.send({ cmd: 'puback', messageId })
    expect(await client.end()).toBe('fin')
  })

  test('a QoS 2 exchange can be cut at each of its packets', async () => {
    for (const [options, expected] of [
      [{ packet: 'publish', when: 'before' }, []],
      [{ packet: 'pubrec', when: 'instead' }, []],
      [{ packet: 'pubrec', when: 'after' }, ['pubrec 1']],
      [{ packet: 'pubrel', when: 'instead' }, ['pubrec 1']],
      [{ packet: 'pubcomp', when: 'after' }, ['pubrec 1', 'pubcomp 1']],
    ] as const) {
      const { client } = await connected(options)
      client.send({ cmd: 'publish', topic: 'a', qos: 2, messageId: 1 }, { cmd: 'pubrel', messageId: 1 })
      expect(await client.end()).toBe('fin')
      expect(names(client).slice(1)).toEqual(expected)
    }
  })

  test('bytes, out: exactly so many leave, in the middle of a packet', async () => {
    const { server, client } = await connected({ bytes: 4 + 5 + 6, direction: 'out' })
    await client.send(subscribe).next('suback')
    server.publish({ topic: 'a', payload: 'a long message' })
    expect(await client.end()).toBe('fin')
    expect(Buffer.concat(client.chunks).toString('hex')).toBe('20020000 9003000101 301100016161'.replaceAll(' ', ''))
  })

  test('bytes, in: what is complete by then is answered', async () => {
    const { client } = await connected({ bytes: 17 + 7 + 2 })
    client.send(publish(1), publish(2))
    expect(await client.end()).toBe('fin')
    expect(names(client)).toEqual(['connack', 'puback 1'])
  })

  test('time: the connection lasts so long after it was accepted', async () => {
    const { client, clock } = await connected({ time: '10s' })
    await clock.advance(9999)
    await client.settled()
    expect(client.ended).toBeUndefined()
    await clock.advance(1)
    expect(client.ended).toBe('fin')
  })

  test('time: a connection that ends before leaves no timer behind, and the plugin did nothing', async () => {
    const { server, client, clock } = await connected({ time: '10s' })
    client.close()
    await clock.advance(0)
    expect(clock.pending).toBe(0)
    expect((await server.stop()).faults.neverFired).toEqual(['close-after'])
  })

  test('whatever comes first ends the connection', async () => {
    const { client, clock } = await connected({ packets: 100, time: '1s', packet: 'pingreq', when: 'before' })
    client.send(publish(1), { cmd: 'pingreq' })
    await clock.advance(0)
    expect([names(client), client.ended]).toEqual([['connack', 'puback 1'], 'fin'])
  })

  test('how: rst resets, behind the answer', async () => {
    const { client } = await connected({ packet: 'publish', how: 'rst' })
    client.send(publish(1))
    expect(await client.end()).toBe('rst')
    expect(names(client)).toEqual(['connack', 'puback 1'])
  })

  test('how: stall leaves a dead link, behind the answer', async () => {
    const { client, clock } = await connected({ packet: 'publish', how: 'stall' })
    client.send(publish(1), publish(2), { cmd: 'pingreq' })
    await clock.advance('1h')
    expect([names(client), client.ended]).toEqual([['connack', 'puback 1'], undefined])
  })

  test('how: half sends FIN, and still handles what comes', async () => {
    for (const options of [{ packet: 'publish' }, { packet: 'puback' }, { bytes: 26 }, { bytes: 30 }, { time: 10 }] as const) {
      const { server, client, clock } = await connected({ ...options, how: 'half' })
      client.send(publish(1))
      await clock.advance(10)
      client.send({ cmd: 'publish', topic: 'kept', retain: true, payload: 'x', qos: 1, messageId: 2 })
      await clock.advance(10)
      expect([names(client), client.ended]).toEqual([names(client).slice(0, 2), 'fin'])
      expect(server.retained).toHaveLength(1)
      expect(server.connections[0]?.closed).toBe(false)
      client.close()
      await clock.advance(0)
      expect(server.connections[0]?.ended).toMatchObject({ by: 'client', how: 'fin' })
      expect(server.report().faults.applied).toEqual([{ plugin: 'close-after', count: 1 }])
    }
  })

  test('how: half, counted by bytes of the server: nothing more leaves, in the middle of a packet', async () => {
    const { server, client, clock } = await connected({ bytes: 6, direction: 'out', how: 'half' })
    client.send(publish(1), publish(2))
    await clock.advance(0)
    expect([Buffer.concat(client.chunks).toString('hex'), client.ended]).toEqual(['200200004002', 'fin'])
    client.send({ cmd: 'publish', topic: 'kept', retain: true, payload: 'x' })
    await clock.advance(0)
    expect(server.retained).toHaveLength(1)
  })

  test('linger: how long the server waits for the FIN of the client', async () => {
    for (const [options, ms] of [
      [{}, 2000],
      [{ linger: '1h' }, 3_600_000],
      [{ linger: 10 }, 10],
    ] as const) {
      const { client, clock } = await connected({ packet: 'publish', ...options })
      client.send(publish(1))
      await clock.advance(ms - 1)
      expect([client.ended, clock.pending]).toEqual(['fin', 1])
      await clock.advance(1)
      expect(clock.pending).toBe(0)
    }
  })

  test('linger: is over when the client closes its side', async () => {
    const { client, clock } = await connected({ packet: 'publish', linger: '1h' })
    client.send(publish(1))
    await clock.advance(0)
    client.close()
    await clock.advance(0)
    expect(clock.pending).toBe(0)
  })

  test('grace: nothing is handled any more, and the end comes later', async () => {
    const { client, clock } = await connected({ packet: 'publish', grace: '1s' })
    client.send(publish(1), publish(2))
    await clock.advance(999)
    expect([names(client), client.ended]).toEqual([['connack', 'puback 1'], undefined])
    await clock.advance(1)
    expect([names(client), client.ended]).toEqual([['connack', 'puback 1'], 'fin'])
  })

  test('grace: a client that goes meanwhile leaves no timer behind', async () => {
    for (const options of [{ packet: 'publish' }, { packet: 'puback', direction: 'out' }, { bytes: 8, direction: 'out' }, { bytes: 30 }] as const) {
      const { client, clock } = await connected({ ...options, grace: '1s' })
      client.send(publish(1), publish(2))
      await clock.advance(1)
      expect(clock.pending).toBeGreaterThan(0)
      client.reset()
      await clock.advance(0)
      expect(clock.pending).toBe(0)
    }
  })

  test('on a real socket, the answer comes before FIN and before RST', async () => {
    const { connectTcp } = await import('mqttest/testing')
    for (const how of ['fin', 'rst'] as const) {
      const server = await tcpServer({ plugins: [['close-after', { packet: 'publish', how, grace: how === 'rst' ? 20 : 0 }]] })
      const client = await connectTcp(server)
      await client.connect()
      client.send(publish(1), publish(2))
      expect(await client.end()).toBe(how)
      expect(names(client)).toEqual(['connack', 'puback 1'])
    }
  })

  test('a scope lets the second connection live', async () => {
    const server = await memoryServer({ plugins: [['close-after', { packets: 1 }, { connection: 0 }]] })
    const first = connectMemory(server)
    first.sendConnect()
    expect(await first.end()).toBe('fin')
    const second = connectMemory(server)
    await second.connect()
    await second.settled()
    expect(second.ended).toBeUndefined()
  })

  test('the call that use() returns takes it off, also what waits', async () => {
    const { server, clock } = await virtualServer()
    const off = server.use(closeAfter({ time: '1s', packet: 'publish' }))
    const client = connectMemory(server)
    await client.connect()
    off()
    expect(clock.pending).toBe(0)
    await client.send(publish(1)).next('puback')
    await client.settled()
    expect(client.ended).toBeUndefined()
  })

  test('the end is on record as its doing', async () => {
    for (const options of [{ packet: 'publish' }, { packet: 'puback', direction: 'out' }, { time: 1 }, { bytes: 30 }] as const) {
      const { server, client, clock } = await connected(options)
      client.send(publish(1), publish(2))
      await clock.advance(1)
      expect(client.ended).toBe('fin')
      expect(server.report().faults.applied).toEqual([{ plugin: 'close-after', count: 1 }])
    }
  })

  test('mistakes in its options are told at once', () => {
    expect(() => closeAfter.create({ packet: 'publsh' })).toThrow(/option 'packet'.*Did you mean 'publish'\?/)
    expect(() => closeAfter.create({ packts: 3 })).toThrow("unknown option 'packts'. Did you mean 'packets'?")
    expect(() => closeAfter.create({ packets: 0 })).toThrow(/option 'packets': expected a whole number, at least 1/)
    expect(() => closeAfter()).toThrow("plugin 'close-after': give one of the options 'packet', 'packets', 'bytes' and 'time'")
    expect(() => closeAfter({ packets: 3, nth: 2 })).toThrow("option 'nth' goes with 'packet'")
    expect(() => closeAfter({ packet: 'suback', direction: 'in' })).toThrow('only a server sends suback: take direction out')
    expect(() => closeAfter({ packet: 'pingreq', direction: 'out' })).toThrow('only a client sends pingreq: take direction in')
    expect(() => closeAfter({ packets: 2, how: 'rst', linger: 5 })).toThrow("option 'linger' goes with how fin, not with rst")
    expect(() => closeAfter({ packets: 2, direction: 'out' })).toThrow("option 'direction' goes with 'packet' and 'bytes'")
  })
})
