/** What a client sees of `ack-spurious`. */
import type { PacketInput, ProtocolVersion } from 'mqttest'
import { ackDelay, ackSpurious, closeAfter, reject } from 'mqttest/plugins'
import { connectMemory, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join, messages, subscribe } from '../support/client.ts'
import { virtualServer } from '../support/server.ts'

type Options = Parameters<typeof ackSpurious>[0]

const publish = (messageId: number, qos: 0 | 1 | 2 = 1) => ({ cmd: 'publish', topic: 'a', qos, ...(qos > 0 && { messageId }) }) as const

async function connected(options: Options, version: ProtocolVersion = 4) {
  const { server, clock } = await virtualServer({ plugins: [ackSpurious(options)] })
  const client = await join(server, 'client', { version })
  await clock.advance(0)
  return { server, clock, client }
}

/** What came: type and packet id. */
const all = (client: RawClient) => client.received.map((packet) => ('messageId' in packet ? `${packet.cmd} ${packet.messageId}` : packet.cmd))

describe('ack-spurious', () => {
  test('PUBACK 4242 comes right behind CONNACK, and nothing else changes', async () => {
    for (const version of [3, 4, 5] as const) {
      const { client } = await connected({}, version)
      await client.send(publish(1)).settled()
      expect(all(client)).toEqual(['connack', 'puback 4242', 'puback 1', 'pingresp'])
    }
  })

  test('packets: one of each type, in order', async () => {
    const { client } = await connected({ packets: ['puback', 'pubrec', 'pubrel', 'pubcomp', 'suback', 'unsuback', 'connack', 'pingresp'] })
    expect(all(client)).toEqual(['connack', 'puback 4242', 'pubrec 4242', 'pubrel 4242', 'pubcomp 4242', 'suback 4242', 'unsuback 4242', 'connack', 'pingresp'])
  })

  test('id: several, one round for each; also 0', async () => {
    const { client } = await connected({ id: [1, 0], packets: ['puback', 'suback'] })
    expect(
      client.chunks
        .map((chunk) => chunk.toString('hex'))
        .join('')
        .slice(8),
    ).toBe('40020001' + '9003000100' + '40020000' + '9003000000')
  })

  test('id: same is that of the packet at which they come; one without gets none', async () => {
    const { client } = await connected({ id: 'same', at: ['publish', 'connect'], count: 2 })
    await client.send(publish(7), publish(0, 0), publish(8, 2)).settled()
    expect(all(client)).toEqual(['connack', 'puback 7', 'puback 7', 'puback 7', 'pubrec 8', 'puback 8', 'puback 8', 'pingresp'])
  })

  test('where a client may answer with the same packet again, they come at ten packets of a connection; rounds says at how many', async () => {
    const subscription = { cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 0 }] } as const
    const comesAt = async (options: Options, seen: string, input: PacketInput) => {
      const { client } = await connected(options)
      for (let time = 0; time < 12; time++) await client.send(input).settled()
      return client.received.slice(1).filter(({ cmd }) => cmd === seen).length
    }
    expect(await comesAt({ packets: 'connack', at: 'subscribe' }, 'connack', subscription)).toBe(10)
    expect(await comesAt({ packets: 'pubrec', at: 'pubrel' }, 'pubrec', { cmd: 'pubrel', messageId: 1 })).toBe(10)
    expect(await comesAt({ packets: 'pubrel', at: 'pubcomp' }, 'pubrel', { cmd: 'pubcomp', messageId: 1 })).toBe(10)
    expect(await comesAt({ packets: 'connack', at: 'subscribe', rounds: 11 }, 'connack', subscription)).toBe(11)
    expect(await comesAt({ at: 'subscribe' }, 'puback', subscription)).toBe(12)
    expect(await comesAt({ at: 'subscribe', rounds: 2 }, 'puback', subscription)).toBe(2)
  })

  test('reasonCode: is carried in MQTT 5, by SUBACK and by CONNACK', async () => {
    const five = await connected({ packets: ['puback', 'suback', 'connack'], reasonCode: 'not-authorized' }, 5)
    expect(five.client.received.slice(1)).toMatchObject([{ reasonCode: 0x87 }, { granted: [0x87] }, { reasonCode: 0x87 }])
    const three = await connected({ packets: 'connack', reasonCode: 5 })
    expect(three.client.received[1]).toMatchObject({ returnCode: 5 })
  })

  test('at: behind the answer to a packet of a type, chosen as a selection says', async () => {
    const { client } = await connected({ packets: 'connack', at: 'subscribe', nth: 2 })
    await subscribe(client, 'a')
    await subscribe(client, 'b')
    expect(all(client)).toEqual(['connack', 'suback 1', 'suback 1', 'connack'])
  })

  test('when: before comes before the answer, and before CONNACK', async () => {
    const { client } = await connected({ id: 'same', at: 'publish', when: 'before' })
    await client.send(publish(7)).settled()
    expect(all(client)).toEqual(['connack', 'puback 7', 'puback 7', 'pingresp'])
    const early = await connected({ packets: 'pingresp', when: 'before' })
    expect(all(early.client)).toEqual(['pingresp', 'connack'])
  })

  test('delay: so long after it; messages go on meanwhile', async () => {
    const { client, clock } = await connected({ delay: 100 })
    await client.send(publish(1)).settled()
    await clock.advance(99)
    expect(all(client)).toEqual(['connack', 'puback 1', 'pingresp'])
    await clock.advance(1)
    expect(all(client).at(-1)).toBe('puback 4242')
  })

  test('count and interval: again and again', async () => {
    const { client, clock } = await connected({ packets: 'pingresp', count: 3, interval: '10s' })
    const seen = []
    for (let time = 0; time < 4; time++) {
      seen.push(all(client).length - 1)
      await clock.advance('10s')
    }
    expect(seen).toEqual([1, 2, 3, 3])
  })

  test('count, interval and delay together', async () => {
    const { client, clock } = await connected({ delay: 50, count: 2, interval: 100 })
    await clock.advance(49)
    expect(all(client)).toHaveLength(1)
    await clock.advance(1)
    expect(all(client)).toHaveLength(2)
    await clock.advance(99)
    expect(all(client)).toHaveLength(2)
    await clock.advance(1)
    expect(all(client)).toHaveLength(3)
  })

  test('what a client answers is not held against it', async () => {
    const { server, client } = await connected({ packets: ['pubrec', 'pubrel'], id: 9 }, 5)
    await client.send({ cmd: 'pubrel', messageId: 9 }, { cmd: 'pubcomp', messageId: 9 }).settled()
    expect(server.report().violations).toEqual([])
    await client.send({ cmd: 'pubcomp', messageId: 9 }).settled()
    expect(server.report().violations).toMatchObject([{ rule: 'ack-unknown-packet-id' }])
  })

  test('a client that is refused gets none', async () => {
    const { server } = await virtualServer({ plugins: [ackSpurious(), reject()] })
    const client = connectMemory(server)
    await client.connect()
    expect(await client.end()).toBe('fin')
    expect(all(client)).toEqual(['connack'])
  })

  test('goes together with late acknowledgements, and with the end of a connection', async () => {
    const { server, clock } = await virtualServer({
      plugins: [ackSpurious({ id: 'same', at: 'publish' }), ackDelay({ delay: 100 }), closeAfter({ packet: 'pingreq' })],
    })
    const client = await join(server, 'client')
    client.send(publish(1))
    await clock.advance(99)
    expect(all(client)).toEqual(['connack'])
    await clock.advance(1)
    expect(all(client)).toEqual(['connack', 'puback 1', 'puback 1'])
    client.send({ cmd: 'pingreq' })
    expect(await client.end()).toBe('fin')
    expect(server.report().faults.neverFired).toEqual([])
  })

  test('a connection that ends, and a plugin that is switched off, leave nothing behind', async () => {
    const { server, clock } = await virtualServer()
    const off = server.use(ackSpurious({ count: 100, interval: 1000 }))
    const [one, two] = [await join(server, 'one'), await join(server, 'two')]
    await clock.advance(1500)
    one.reset()
    await clock.advance(1000)
    expect([all(one).length, all(two).length]).toEqual([3, 4])
    off()
    await clock.advance(5000)
    expect(all(two)).toHaveLength(4)
    expect(clock.pending).toBe(0)
  })

  test('acts on the connections of its scope only', async () => {
    const { server, clock } = await virtualServer({ plugins: [['ack-spurious', {}, { clientId: 'one' }]] })
    const [one, two] = [await join(server, 'one'), await join(server, 'two')]
    await clock.advance(0)
    expect([all(one), all(two), messages(two)]).toEqual([['connack', 'puback 4242'], ['connack'], []])
  })

  test('mistakes in its options are told at once', () => {
    expect(() => ackSpurious.create({ packets: [] })).toThrow(/'packets' is empty/)
    expect(() => ackSpurious.create({ at: [] })).toThrow(/'at' is empty/)
    expect(() => ackSpurious.create({ at: 'disconnect' })).toThrow(/option 'at'/)
    expect(() => ackSpurious.create({ id: 'same' })).toThrow(/connect has no packet id/)
    expect(() => ackSpurious.create({ when: 'before', delay: 5 })).toThrow("option 'delay' goes with when after")
    expect(() => ackSpurious.create({ interval: 5 })).toThrow("option 'interval' goes with 'count'")
  })
})
