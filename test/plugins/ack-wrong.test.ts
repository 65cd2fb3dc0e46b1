/** What a client sees of `ack-wrong`. */
import type { ProtocolVersion, QoS } from 'mqttest'
import { ackDelay, ackWrong } from 'mqttest/plugins'
import type { RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { answers, join, messages, subscribe } from '../support/client.ts'
import { virtualServer } from '../support/server.ts'

type Options = Parameters<typeof ackWrong>[0]

const publish = (messageId: number, qos: QoS = 1, topic = 'a') => ({ cmd: 'publish', topic, payload: String(messageId), qos, messageId }) as const

async function connected(options: Options, version: ProtocolVersion = 4) {
  const { server, clock } = await virtualServer({ plugins: [ackWrong(options)] })
  return { server, clock, client: await join(server, 'client', { version }) }
}

/** What came behind CONNACK: type and packet id. */
const all = (client: RawClient) => client.received.slice(1).map((packet) => ('messageId' in packet ? `${packet.cmd} ${packet.messageId}` : packet.cmd))

describe('ack-wrong', () => {
  test.each([
    ['next', 7, 8],
    ['next', 65_535, 1],
    ['previous', 7, 6],
    ['previous', 1, 65_535],
    ['zero', 7, 0],
    ['unused', 7, 32_774],
    ['unused', 40_000, 7232],
    [99, 7, 99],
  ] as const)('id: %j acknowledges %i with %i', async (id, right, wrong) => {
    const { client, clock } = await connected({ id })
    client.send(publish(right))
    await clock.advance(0)
    expect(client.chunks.slice(1).map((chunk) => [chunk[0], chunk.readUInt16BE(2)])).toEqual([[0x40, wrong]])
  })

  test('the message is taken all the same; everything else is right', async () => {
    const { server, client } = await connected({ id: 'next' })
    const other = await join(server, 'other')
    await subscribe(other, '#')
    await client.send(publish(1), publish(2, 2), { cmd: 'pubrel', messageId: 2 }).settled()
    await other.settled()
    expect(all(client)).toEqual(['puback 2', 'pubrec 2', 'pubcomp 2', 'pingresp'])
    expect(messages(other)).toEqual(['a 1', 'a 2'])
  })

  test.each([
    ['puback', 'pubrec', ['pubrec 1', 'pingresp']],
    ['puback', 'pubcomp', ['pubcomp 1', 'pingresp']],
    ['puback', 'pubrel', ['pubrel 1', 'pingresp']],
    ['puback', 'suback', ['suback 1', 'pingresp']],
    ['puback', 'unsuback', ['unsuback 1', 'pingresp']],
    ['puback', 'connack', ['connack', 'pingresp']],
    ['puback', 'pingresp', ['pingresp', 'pingresp']],
  ] as const)('type: a message is acknowledged not with %s, but with %s', async (packets, type, expected) => {
    for (const version of [3, 4, 5] as const) {
      const { client } = await connected({ packets, type }, version)
      await client.send(publish(1)).settled()
      if (type !== 'pingresp') await client.settled()
      expect(all(client).slice(0, 2)).toEqual(expected)
      expect(client.malformed).toEqual([])
    }
  })

  test.each(['puback', 'pubcomp'] as const)('type: %s in place of PUBREC ends the exchange: the packet id is free for the next message', async (type) => {
    const { server, client } = await connected({ packets: 'pubrec', type }, 5)
    const other = await join(server, 'other')
    await subscribe(other, '#')
    await client.send(publish(1, 2), publish(1, 2)).settled()
    await other.settled()
    expect(all(client)).toEqual([`${type} 1`, `${type} 1`, 'pingresp'])
    expect(messages(other)).toEqual(['a 1', 'a 1'])
    expect(server.report().violations).toEqual([])
  })

  test('type: SUBACK and UNSUBACK in place of one another, with the codes', async () => {
    const subscribed = await connected({ packets: 'suback', type: 'unsuback' }, 5)
    subscribed.client.send({ cmd: 'subscribe', messageId: 3, subscriptions: [{ topic: 'a', qos: 2 }] })
    expect(await subscribed.client.next('unsuback')).toEqual({ cmd: 'unsuback', messageId: 3, granted: [2] })
    const { client } = await connected({ packets: 'unsuback', type: 'suback' }, 4)
    client.send({ cmd: 'unsubscribe', messageId: 4, unsubscriptions: ['a'] })
    expect(await client.next('suback')).toEqual({ cmd: 'suback', messageId: 4, granted: [0] })
  })

  test('type and id together', async () => {
    const { client } = await connected({ type: 'pubcomp', id: 'next' })
    await client.send(publish(1)).settled()
    expect(all(client)).toEqual(['pubcomp 2', 'pingresp'])
  })

  test('and: before and after leave the right one in its place', async () => {
    const order = async (and: 'before' | 'after') => {
      const { client } = await connected({ id: 'next', and })
      await client.send(publish(1)).settled()
      return all(client)
    }
    expect(await order('before')).toEqual(['puback 2', 'puback 1', 'pingresp'])
    expect(await order('after')).toEqual(['puback 1', 'puback 2', 'pingresp'])
  })

  test('packets: PUBREL and PUBCOMP as well', async () => {
    const { server, client } = await connected({ packets: ['pubrel', 'pubcomp'], id: 'next' })
    await subscribe(client, 'b', 2)
    server.publish({ topic: 'b', qos: 2 })
    const { messageId = 0 } = await client.next('publish')
    await client.send({ cmd: 'pubrec', messageId }, publish(7, 2), { cmd: 'pubrel', messageId: 7 }).settled()
    expect(all(client).slice(2)).toEqual([`pubrel ${messageId + 1}`, 'pubrec 7', 'pubcomp 8', 'pingresp'])
  })

  test('what a client answers to a wrong one is not held against it', async () => {
    const { server, client } = await connected({ type: 'pubrec' }, 5)
    await client.send(publish(1), { cmd: 'pubrel', messageId: 1 }).settled()
    expect(server.report().violations).toEqual([])
    await client.send({ cmd: 'pubrel', messageId: 1 }).settled()
    expect(server.report().violations).toMatchObject([{ rule: 'ack-unknown-packet-id' }])
    const other = await connected({ packets: 'pubrec', id: 'next' }, 5)
    await other.client.send(publish(1, 2), { cmd: 'pubrel', messageId: 2 }).settled()
    expect(other.server.report().violations).toEqual([])
  })

  test('a selection says which ones', async () => {
    const { client } = await connected({ id: 'next', topic: 'b', every: 2 })
    await client.send(publish(10, 1, 'b'), publish(20, 1, 'a'), publish(30, 1, 'b'), publish(40, 1, 'b')).settled()
    expect(all(client)).toEqual(['puback 10', 'puback 20', 'puback 31', 'puback 40', 'pingresp'])
  })

  test('goes together with late acknowledgements; a connection that ends leaves nothing behind', async () => {
    const { server, clock } = await virtualServer({ plugins: [ackWrong({ id: 'next', and: 'after' }), ackDelay({ delay: 100 })] })
    const client = await join(server, 'client')
    client.send(publish(1))
    await clock.advance(100)
    expect(all(client)).toEqual(['puback 1', 'puback 2'])
    client.send(publish(2))
    await clock.advance(50)
    client.reset()
    await clock.advance(0)
    expect(clock.pending).toBe(0)
    expect(server.report().faults.neverFired).toEqual([])
  })

  test('two connections are counted apart; the call that use() returns takes it off', async () => {
    const { server } = await virtualServer()
    const off = server.use(ackWrong({ id: 'next', nth: 1 }))
    const [one, two] = [await join(server, 'one'), await join(server, 'two')]
    await one.send(publish(1), publish(3)).settled()
    off()
    await two.send(publish(1)).settled()
    expect([answers(one), answers(two)]).toEqual([
      ['puback 2 0x10', 'puback 3 0x10', 'pingresp'],
      ['puback 1 0x10', 'pingresp'],
    ])
  })

  test('mistakes in its options are told at once', () => {
    expect(() => ackWrong.create()).toThrow("give one of the options 'id' and 'type'")
    expect(() => ackWrong.create({ packets: [], id: 1 })).toThrow(/'packets' is empty/)
    expect(() => ackWrong.create({ type: 'puback' })).toThrow('puback is the right type for puback')
    expect(() => ackWrong.create({ type: 'pingresp', id: 'next' })).toThrow('pingresp has no packet id')
    expect(() => ackWrong.create({ id: 'nxt' })).toThrow(/Did you mean 'next'\?/)
  })
})
