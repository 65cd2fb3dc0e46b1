/** What a client sees of `delivery-delay`. */
import type { StartOptions, VirtualClock } from 'mqttest'
import { deliveryDelay, duplicate } from 'mqttest/plugins'
import type { RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { answers, type JoinOptions, join, messages, subscribe } from '../support/client.ts'
import { virtualServer } from '../support/server.ts'

type Options = Parameters<typeof deliveryDelay>[0]

const kept: JoinOptions = { clean: false, properties: { sessionExpiryInterval: 1000 } }

async function subscribed(options: Options, more: StartOptions = {}, qos: 0 | 1 | 2 = 0) {
  const { server, clock } = await virtualServer({ plugins: [deliveryDelay(options)], ...more })
  const client = await join(server, 'me', kept)
  await subscribe(client, '#', qos)
  return { server, clock, client }
}

/** When each message came, in steps of so many milliseconds: 'x@200'. */
async function arrivals(client: RawClient, clock: VirtualClock, forMs: number, stepMs = 1) {
  const times: string[] = []
  let seen = 0
  for (let at = 0; at <= forMs; at += stepMs) {
    await clock.advance(at === 0 ? 0 : stepMs)
    const all = messages(client)
    for (const message of all.slice(seen)) times.push(`${message.split(' ').at(-1)}@${at}`)
    seen = all.length
  }
  return times
}

describe('delivery-delay', () => {
  test.each([0, 1, 2] as const)('messages of QoS %i come 200 ms late unless told otherwise', async (qos) => {
    const { server, client, clock } = await subscribed({}, {}, qos)
    server.publish({ topic: 'a', qos, payload: 'x' })
    expect(await arrivals(client, clock, 300)).toEqual(['x@200'])
  })

  test('everything else comes at once, the answers of a QoS 2 delivery included', async () => {
    const { server, client, clock } = await subscribed({ delay: '1s' }, {}, 2)
    server.publish({ topic: 'a', qos: 2 })
    client.send({ cmd: 'subscribe', messageId: 2, subscriptions: [{ topic: 'b', qos: 0 }] }, { cmd: 'publish', topic: 'c', qos: 1, messageId: 3 })
    await client.settled()
    expect(answers(client)).toEqual(['puback 3', 'pingresp'])
    await clock.advance('1s')
    client.send({ cmd: 'pubrec', messageId: 1 })
    await client.settled()
    expect(answers(client).slice(-2)).toEqual(['pubrel 1', 'pingresp'])
  })

  test('a selection says which: messages on other topics overtake', async () => {
    const { server, client, clock } = await subscribed({ delay: 50, topic: 'slow/#' })
    for (const [topic, payload] of [
      ['slow/1', 'one'],
      ['fast', 'two'],
    ] as const)
      server.publish({ topic, payload })
    expect(await arrivals(client, clock, 100)).toEqual(['two@0', 'one@50'])
  })

  test('growth makes each message later than the one before; it begins anew with every connection', async () => {
    const { server, client, clock } = await subscribed({ delay: 10, growth: 5 })
    for (const payload of ['1', '2', '3']) server.publish({ topic: 'a', payload })
    expect(await arrivals(client, clock, 100)).toEqual(['1@10', '2@15', '3@20'])
    client.reset()
    const again = await join(server, 'me', kept)
    server.publish({ topic: 'a', payload: '4' })
    expect(await arrivals(again, clock, 100)).toEqual(['4@10'])
  })

  test('jitter is decided by the seed; keepOrder: false lets messages overtake, true does not', async () => {
    const order = async (keepOrder: boolean, seed = 'test') => {
      const { server, client, clock } = await subscribed({ jitter: 1000, keepOrder }, { seed })
      for (let number = 0; number < 20; number++) server.publish({ topic: 'a', payload: String(number) })
      await clock.advance(1000)
      return messages(client).map((message) => Number(message.split(' ')[1]))
    }
    const inOrder = Array.from({ length: 20 }, (_, index) => index)
    expect(await order(true)).toEqual(inOrder)
    const mixed = await order(false)
    expect(mixed).not.toEqual(inOrder)
    expect([...mixed].sort((a, b) => a - b)).toEqual(inOrder)
    expect(await order(false)).toEqual(mixed)
    expect(await order(false, 'other')).not.toEqual(mixed)
  })

  test('afterSuback holds what comes right behind SUBACK, and nothing later', async () => {
    const { server, clock } = await virtualServer({ plugins: [deliveryDelay({ afterSuback: '1s' })] })
    server.publish({ topic: 'a', payload: 'old', retain: true })
    const client = await join(server, 'me', kept)
    await subscribe(client, '#')
    server.publish({ topic: 'b', payload: 'new' })
    expect(await arrivals(client, clock, 2000, 100)).toEqual(['old@1000', 'new@1000'])
    server.publish({ topic: 'b', payload: 'at once' })
    await client.settled()
    expect(messages(client)).toHaveLength(3)
  })

  test('perSecond spreads messages', async () => {
    const { server, client, clock } = await subscribed({ perSecond: 4 })
    for (const payload of ['1', '2', '3']) server.publish({ topic: 'a', payload })
    expect(await arrivals(client, clock, 2000, 50)).toEqual(['1@0', '2@250', '3@500'])
    server.publish({ topic: 'a', payload: '4' })
    expect((await arrivals(client, clock, 100, 50)).at(-1)).toBe('4@0')
  })

  test('kinds: retained leaves live messages alone, live leaves retained ones alone', async () => {
    for (const [kinds, expected] of [
      ['retained', ['new@0', 'old@50']],
      ['live', ['old@0', 'new@50']],
    ] as const) {
      const { server, clock } = await virtualServer({ plugins: [deliveryDelay({ kinds, delay: 50 })] })
      server.publish({ topic: 'a', payload: 'old', retain: true })
      const client = await join(server, 'me', kept)
      await subscribe(client, '#')
      server.publish({ topic: 'b', payload: 'new' })
      expect(await arrivals(client, clock, 100)).toEqual(expected)
    }
  })

  test('kinds: queued is what waited for the session, and what is sent again', async () => {
    const { server, client, clock } = await subscribed({ kinds: 'queued', perSecond: 10 }, {}, 1)
    server.publish({ topic: 'a', qos: 1, payload: 'in-flight' })
    await client.next('publish')
    client.reset()
    await clock.advance(10)
    for (const payload of ['1', '2']) server.publish({ topic: 'a', qos: 1, payload })
    await clock.advance(10)
    const again = await join(server, 'me', kept)
    server.publish({ topic: 'a', qos: 1, payload: 'live' })
    expect(await arrivals(again, clock, 500, 50)).toEqual(['in-flight@0', 'live@0', '1@100', '2@200'])
  })

  test('a message that waits when the connection ends comes on the next one, if its QoS is 1 or 2', async () => {
    const { server, client, clock } = await subscribed({ delay: '1s' }, {}, 1)
    server.publish({ topic: 'a', qos: 1, payload: 'one' })
    server.publish({ topic: 'a', qos: 0, payload: 'zero' })
    await clock.advance(500)
    client.reset()
    await clock.advance(0)
    expect(clock.pending).toBe(1) // the session's own expiry
    const again = await join(server, 'me', kept)
    expect(await arrivals(again, clock, 2000, 100)).toEqual(['one@1000'])
  })

  test('goes with other plugins: a copy comes late with its original', async () => {
    const { server, client, clock } = await subscribed({}, { plugins: [duplicate(), deliveryDelay({ delay: 30 })] })
    server.publish({ topic: 'a', payload: 'x' })
    expect(await arrivals(client, clock, 100)).toEqual(['x@30', 'x@30'])
  })

  test('two connections wait on their own', async () => {
    const { server, client, clock } = await subscribed({ perSecond: 10 })
    const other = await join(server, 'other', { version: 4 })
    await subscribe(other, '#')
    for (const payload of ['1', '2']) server.publish({ topic: 'a', payload })
    await clock.advance(0)
    expect([messages(client), messages(other)]).toEqual([['a 1'], ['a 1']])
    client.reset()
    await clock.advance(100)
    expect(messages(other)).toEqual(['a 1', 'a 2'])
  })

  test('ends when it is switched off: the next message is in time', async () => {
    const { server, client, clock } = await subscribed({}, { plugins: [] })
    const off = server.use(deliveryDelay({ delay: '1h' }))
    server.publish({ topic: 'a', payload: 'late' })
    off()
    server.publish({ topic: 'a', payload: 'in time' })
    await clock.advance(0)
    expect(messages(client)).toEqual(['a in time'])
    await clock.advance('1h')
    expect(messages(client)).toEqual(['a in time', 'a late'])
  })

  test('delay: 0 changes nothing, and does not count as acting', async () => {
    const { server, client } = await subscribed({ delay: 0 })
    server.publish({ topic: 'a', payload: 'x' })
    await client.settled()
    expect(messages(client)).toEqual(['a x'])
    expect((await server.stop()).faults.neverFired).toEqual(['delivery-delay'])
  })

  test('options that cannot be meant are refused', () => {
    expect(() => deliveryDelay({ kinds: [] })).toThrow("plugin 'delivery-delay': option 'kinds' is empty")
    expect(() => deliveryDelay({ perSecond: 0 })).toThrow("option 'perSecond'")
  })
})
