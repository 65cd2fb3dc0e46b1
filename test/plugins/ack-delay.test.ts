/** What a client sees of `ack-delay`. */
import type { PacketInput } from 'mqttest'
import { ackDelay } from 'mqttest/plugins'
import { connectMemory, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { virtualServer } from '../support/server.ts'

const publish = (messageId: number, qos: 1 | 2 = 1) => ({ cmd: 'publish', topic: 'a', qos, messageId }) as const
const subscribe = (messageId: number): PacketInput => ({ cmd: 'subscribe', messageId, subscriptions: [{ topic: 'b', qos: 0 }] })

/** 'puback 7' for what came behind CONNACK. */
const answers = (client: RawClient) => client.received.slice(1).map((packet) => ('messageId' in packet ? `${packet.cmd} ${packet.messageId}` : packet.cmd))

async function connected(options: Parameters<typeof ackDelay>[0], seed = 'test') {
  const { server, clock } = await virtualServer({ plugins: [ackDelay(options)], seed })
  const client = connectMemory(server)
  await client.connect()
  return { server, clock, client }
}

/** When each packet came, in milliseconds of the server. */
async function arrivals(client: RawClient, clock: { advance(by: number): Promise<void>; now(): number }, forMs: number) {
  const times: string[] = []
  let seen = client.received.length
  const from = clock.now()
  for (let at = 0; at <= forMs; at++) {
    for (const packet of client.received.slice(seen)) times.push(`${'messageId' in packet ? packet.messageId : packet.cmd}@${at}`)
    seen = client.received.length
    await clock.advance(at === 0 ? 0 : from + at - clock.now())
    for (const packet of client.received.slice(seen)) times.push(`${'messageId' in packet ? packet.messageId : packet.cmd}@${at}`)
    seen = client.received.length
  }
  return times
}

describe('ack-delay', () => {
  test('PUBACK and SUBACK come 200 ms late unless told otherwise', async () => {
    const { client, clock } = await connected({})
    client.send(publish(1), subscribe(2))
    await clock.advance(199)
    expect(client.received).toHaveLength(1)
    await clock.advance(1)
    expect(client.received.slice(1)).toEqual([
      { cmd: 'puback', messageId: 1 },
      { cmd: 'suback', messageId: 2, granted: [0] },
    ])
  })

  test('everything else comes at once, also between a packet and its late acknowledgement', async () => {
    const { server, client, clock } = await connected({ delay: '1s' })
    client.send(subscribe(1), publish(2), publish(3, 2), { cmd: 'unsubscribe', messageId: 4, unsubscriptions: ['x'] }, { cmd: 'pingreq' })
    await clock.advance(0)
    server.publish({ topic: 'b', payload: 'now' })
    await clock.advance(0)
    expect(answers(client)).toEqual(['pubrec 3', 'unsuback 4', 'pingresp', 'publish'])
  })

  test('the message is taken at once: only its acknowledgement is late', async () => {
    const { server, client, clock } = await connected({})
    const other = connectMemory(server)
    await other.connect({ clientId: 'other' })
    other.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 0 }] })
    await clock.advance(200)
    client.send(publish(1))
    await clock.advance(0)
    expect(await other.next('publish')).toMatchObject({ topic: 'a' })
    expect(client.received).toHaveLength(1)
  })

  const cases: readonly (readonly ['puback' | 'pubrec' | 'pubcomp' | 'suback' | 'unsuback' | 'pingresp', 4 | 5, PacketInput])[] = [
    ['puback', 4, publish(1)],
    ['pubrec', 4, publish(1, 2)],
    ['pubcomp', 5, { cmd: 'pubrel', messageId: 1 }],
    ['suback', 5, subscribe(1)],
    ['unsuback', 5, { cmd: 'unsubscribe', messageId: 1, unsubscriptions: ['a'] }],
    ['pingresp', 4, { cmd: 'pingreq' }],
  ]
  for (const [packet, version, send] of cases)
    test(`packets: ${packet} delays ${packet.toUpperCase()} alone`, async () => {
      const { server, clock } = await virtualServer({ plugins: [ackDelay({ packets: packet, delay: 50 })] })
      const client = connectMemory(server, version)
      await client.connect()
      client.send(send)
      await clock.advance(49)
      expect(client.received).toHaveLength(1)
      await clock.advance(1)
      expect(client.received[1]?.cmd).toBe(packet)
    })

  test('packets: pubrel delays the second packet of a QoS 2 delivery', async () => {
    const { server, client, clock } = await connected({ packets: ['pubrel'], delay: 50 })
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'q', qos: 2 }] })
    await clock.advance(0)
    server.publish({ topic: 'q', qos: 2 })
    await clock.advance(0)
    client.send({ cmd: 'pubrec', messageId: 1 })
    await clock.advance(49)
    expect(answers(client)).toEqual(['suback 1', 'publish 1'])
    await clock.advance(1)
    expect(answers(client).at(-1)).toBe('pubrel 1')
    client.send({ cmd: 'pubcomp', messageId: 1 })
  })

  test('packets: connack delays CONNACK, and everything else stays behind it', async () => {
    const { server, clock } = await virtualServer({ plugins: [ackDelay({ packets: 'connack', delay: '3s' })] })
    const client = connectMemory(server)
    client.sendConnect().send(publish(1), { cmd: 'pingreq' })
    await clock.advance(2999)
    expect(client.received).toEqual([])
    await clock.advance(1)
    expect(client.received.map((packet) => packet.cmd)).toEqual(['connack', 'puback', 'pingresp'])
  })

  test('a CONNACK that refuses comes late as well, before the connection is closed', async () => {
    const { server, clock } = await virtualServer({ plugins: [ackDelay({ packets: 'connack' }), ['reject', {}]] })
    const client = connectMemory(server)
    client.sendConnect()
    await clock.advance(199)
    expect([client.received, client.ended]).toEqual([[], undefined])
    await clock.advance(1)
    expect(client.received).toEqual([{ cmd: 'connack', sessionPresent: false, returnCode: 5 }])
    expect(await client.end()).toBe('fin')
  })

  test('packets: [] and delay: 0 change nothing', async () => {
    for (const options of [{ packets: [] }, { delay: 0 }]) {
      const { server, client } = await connected(options)
      await client.send(publish(1)).next('puback')
      const report = await server.stop()
      expect(report.faults.neverFired).toEqual(['ack-delay'])
    }
  })

  test('growth makes each late acknowledgement later than the one before', async () => {
    const { client, clock } = await connected({ delay: 10, growth: 5 })
    const times = []
    for (const id of [1, 2, 3]) {
      client.send(publish(id))
      times.push(...(await arrivals(client, clock, 30)))
    }
    expect(times).toEqual(['1@10', '2@15', '3@20'])
  })

  test('growth begins anew with every connection', async () => {
    const { server, client, clock } = await connected({ delay: 10, growth: 50 })
    client.send(publish(1), publish(2))
    await clock.advance(10)
    expect(answers(client)).toEqual(['puback 1'])
    const second = connectMemory(server)
    await second.connect({ clientId: 'second' })
    second.send(publish(9))
    await clock.advance(10)
    expect(answers(second)).toEqual(['puback 9'])
  })

  test('jitter adds up to its length, decided by the seed', async () => {
    const run = async (seed: string) => {
      const { client, clock } = await connected({ delay: 100, jitter: 100, keepOrder: false }, seed)
      client.send(...[1, 2, 3, 4, 5, 6].map((id) => publish(id)))
      const times = await arrivals(client, clock, 200)
      await clock.advance(10)
      return times
    }
    const times = await run('a')
    expect(times).toHaveLength(6)
    for (const time of times) expect(Number(time.split('@')[1])).toBeGreaterThanOrEqual(100)
    expect(await run('a')).toEqual(times)
    expect(await run('b')).not.toEqual(times)
  })

  test('keepOrder: true lets acknowledgements leave in the order of what they answer, whatever the jitter', async () => {
    const ids = Array.from({ length: 50 }, (_, index) => index + 1)
    const { client, clock } = await connected({ delay: 0, jitter: 500 })
    client.send(...ids.map((id) => publish(id)))
    await clock.advance(500)
    expect(answers(client)).toEqual(ids.map((id) => `puback ${id}`))
  })

  test('keepOrder: false lets them overtake one another', async () => {
    const ids = Array.from({ length: 50 }, (_, index) => index + 1)
    const { client, clock } = await connected({ delay: 0, jitter: 500, keepOrder: false })
    client.send(...ids.map((id) => publish(id)))
    await clock.advance(500)
    expect(answers(client)).not.toEqual(ids.map((id) => `puback ${id}`))
    expect(answers(client).sort()).toEqual(ids.map((id) => `puback ${id}`).sort())
  })

  test('a connection that ends takes its late acknowledgements with it', async () => {
    const { client, clock } = await connected({})
    client.send(publish(1))
    await clock.advance(10)
    client.reset()
    await clock.advance(0)
    expect(clock.pending).toBe(0)
  })

  test('two connections wait on their own', async () => {
    const { server, client: one, clock } = await connected({ delay: 100 })
    const two = connectMemory(server)
    await two.connect({ clientId: 'two' })
    one.send(publish(1))
    await clock.advance(50)
    two.send(publish(1))
    await clock.advance(50)
    expect([answers(one), answers(two)]).toEqual([['puback 1'], []])
    one.close()
    await clock.advance(50)
    expect(answers(two)).toEqual(['puback 1'])
  })

  test('the call that use() returns takes it off: the next acknowledgement is in time', async () => {
    const { server, clock } = await virtualServer()
    const client = connectMemory(server)
    await client.connect()
    const off = server.use(ackDelay({ delay: '1h' }))
    client.send(publish(1))
    await clock.advance(0)
    off()
    client.send(publish(2))
    await clock.advance(0)
    expect(answers(client)).toEqual(['puback 2'])
    await clock.advance('1h')
    expect(answers(client)).toEqual(['puback 2', 'puback 1'])
  })

  test('is used by its name, with a scope', async () => {
    const { server, clock } = await virtualServer({ plugins: [['ack-delay', { delay: '1s' }, { connection: 1 }]] })
    const [one, two] = [connectMemory(server), connectMemory(server)]
    await one.connect({ clientId: 'one' })
    await two.connect({ clientId: 'two' })
    one.send(publish(1))
    two.send(publish(1))
    await clock.advance(999)
    expect([answers(one), answers(two)]).toEqual([['puback 1'], []])
    await clock.advance(1)
    expect(answers(two)).toEqual(['puback 1'])
  })

  test('every late acknowledgement is on record', async () => {
    const { server, client, clock } = await connected({ delay: '200ms' })
    client.send(publish(7))
    await clock.advance(200)
    expect(server.records({ type: 'fault' })).toMatchObject([
      { plugin: 'ack-delay', hook: 'send', connection: 0, after: [{ wait: 200 }, { packet: { messageId: 7 } }] },
    ])
    expect(server.records({ cmd: 'puback' })).toMatchObject([{ faults: ['ack-delay'] }])
  })

  test('mistakes in its options are told at once', () => {
    expect(() => ackDelay.create({ dealy: 5 })).toThrow("plugin 'ack-delay': unknown option 'dealy'. Did you mean 'delay'?")
    expect(() => ackDelay.create({ packets: ['pubak'] })).toThrow(/option 'packets'.*Did you mean 'puback'\?/)
    expect(() => ackDelay.create({ delay: 'soon' })).toThrow(/option 'delay': expected milliseconds/)
    expect(() => ackDelay.create({ delay: -1 })).toThrow(/option 'delay'/)
    expect(() => ackDelay.create({ keepOrder: 'yes' })).toThrow(/option 'keepOrder': expected true or false/)
  })

  describe('a selection', () => {
    const to = (topic: string, messageId: number, qos: 1 | 2 = 1) => ({ cmd: 'publish', topic, qos, messageId }) as const

    test.each<[Parameters<typeof ackDelay>[0], string[]]>([
      [{ nth: 2 }, ['puback 1', 'puback 3', 'suback 4']],
      [{ topic: 'alarm/#' }, ['puback 1', 'puback 3']],
      [{ topic: 'alarm/#', packets: 'puback' }, ['puback 1', 'puback 3', 'suback 4']],
      [{ messageId: 3 }, ['puback 1', 'puback 2', 'suback 4']],
      [{ packets: ['puback'], qos: 2 }, ['puback 1', 'puback 2', 'puback 3', 'suback 4']],
    ])('%j: an acknowledgement has the topic, the QoS and the flags of what it answers', async (options, atOnce) => {
      const { client, clock } = await connected({ delay: '1s', ...options })
      client.send(to('a', 1), to('alarm/fire', 2), to('a', 3), { cmd: 'subscribe', messageId: 4, subscriptions: [{ topic: 'alarm/fire', qos: 0 }] })
      await clock.advance(0)
      expect(answers(client)).toEqual(atOnce)
      await clock.advance('1s')
      expect(client.received).toHaveLength(5)
    })
  })
})
