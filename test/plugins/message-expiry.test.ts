/** What a client sees of `message-expiry`. */
import type { Duration, PacketInput, StartOptions, VirtualClock } from 'mqttest'
import { deliveryDelay, messageExpiry } from 'mqttest/plugins'
import type { RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { type JoinOptions, join, subscribe } from '../support/client.ts'
import { virtualServer } from '../support/server.ts'

type Options = Parameters<typeof messageExpiry>[0]

const kept: JoinOptions = { clean: false, properties: { sessionExpiryInterval: 100_000 } }

/** 'x 5' for a message that has 5 seconds left, 'x' for one that says nothing. */
const told = (client: RawClient) =>
  client.received.flatMap((packet) => {
    if (packet.cmd !== 'publish') return []
    const left = packet.properties?.messageExpiryInterval
    return [left === undefined ? `${packet.payload}` : `${packet.payload} ${left}`]
  })

/** A message of a client that lives for so many seconds; undefined is for ever. */
const publish = (payload: string, seconds?: number, more: { retain?: boolean; topic?: string } = {}): PacketInput => ({
  cmd: 'publish',
  topic: 'a',
  payload,
  qos: 1,
  messageId: 1,
  ...more,
  ...(seconds !== undefined && { properties: { messageExpiryInterval: seconds, contentType: 'kept' } }),
})

/** A publisher, and a subscriber with a session that is away. */
async function parted(options: Options, more: StartOptions = {}) {
  const { server, clock } = await virtualServer({ plugins: [messageExpiry(options)], ...more })
  const subscriber = await join(server, 'subscriber', kept)
  await subscribe(subscriber, '#', 1)
  subscriber.reset()
  await subscriber.end()
  return { server, clock, publisher: await join(server, 'publisher') }
}

type Parted = Awaited<ReturnType<typeof parted>>

/** What the subscriber is told when it is back after so long. */
async function toldAfter({ server, clock }: { server: Parted['server']; clock: VirtualClock }, wait: Duration, version: 4 | 5 = 5) {
  await clock.advance(wait)
  const subscriber = await join(server, 'subscriber', version === 5 ? kept : { version, clean: false })
  await subscriber.settled()
  return told(subscriber)
}

describe('message-expiry', () => {
  test('expired: deliver, what is over comes with 0 seconds left, and what is not with the rest', async () => {
    const all = await parted({ expired: 'deliver' })
    await all.publisher.send(publish('over', 10), publish('left', 30), publish('ever')).settled()
    expect(await toldAfter(all, '20s')).toEqual(['over 0', 'left 10', 'ever'])
  })

  test('expired: deliver, retained messages too, and the other properties stay', async () => {
    const { server, clock } = await virtualServer({ plugins: [messageExpiry({ expired: 'deliver' })] })
    const publisher = await join(server, 'publisher')
    await publisher.send(publish('over', 10, { retain: true })).settled()
    await clock.advance('20s')
    const subscriber = await join(server, 'subscriber')
    await subscribe(subscriber, '#')
    expect(await subscriber.next('publish')).toMatchObject({ retain: true, properties: { messageExpiryInterval: 0, contentType: 'kept' } })
  })

  test('expired: deliver, a client of MQTT 3 gets it without a word', async () => {
    const { server, clock } = await virtualServer({ plugins: [messageExpiry({ expired: 'deliver' })] })
    const first = await join(server, 'subscriber', { version: 4, clean: false })
    await subscribe(first, '#', 1)
    first.reset()
    await first.end()
    const publisher = await join(server, 'publisher')
    await publisher.send(publish('over', 10)).settled()
    expect(await toldAfter({ server, clock }, '20s', 4)).toEqual(['over'])
  })

  test('early: messages vanish before their time, while the rest is told right', async () => {
    const one = await parted({ early: '10s' })
    await one.publisher.send(publish('x', 30)).settled()
    expect(await toldAfter(one, '19s')).toEqual(['x 11'])
    const two = await parted({ early: '10s' })
    await two.publisher.send(publish('x', 30)).settled()
    expect(await toldAfter(two, '20s')).toEqual([])
  })

  test('maximum: a longer life is cut, a shorter one and none are not', async () => {
    const all = await parted({ maximum: '1m' })
    await all.publisher.send(publish('long', 3600), publish('short', 30), publish('ever')).settled()
    expect(await toldAfter(all, '10s')).toEqual(['long 50', 'short 20', 'ever'])
    const later = await parted({ maximum: '1m' })
    await later.publisher.send(publish('long', 3600), publish('ever')).settled()
    expect(await toldAfter(later, '60s')).toEqual(['ever'])
  })

  test('default: the life of a message whose publisher said nothing, or could not', async () => {
    const all = await parted({ default: '1m' })
    const old = await join(all.server, 'old', { version: 4 })
    await all.publisher.send(publish('said', 3600), publish('not said')).settled()
    await old.send(publish('could not')).settled()
    expect(await toldAfter(all, '10s')).toEqual(['said 3590', 'not said 50', 'could not 50'])
  })

  test.each([
    [undefined, []],
    ['one-second', ['x 1']],
    ['never', ['x']],
  ] as const)('zero: %s', async (zero, expected) => {
    const all = await parted(zero === undefined ? { maximum: '1h' } : { zero })
    await all.publisher.send(publish('x', 0)).settled()
    expect(await toldAfter(all, '0s')).toEqual(expected)
  })

  test('zero: one-second is over after it, never is not bounded by a default', async () => {
    const one = await parted({ zero: 'one-second' })
    await one.publisher.send(publish('x', 0)).settled()
    expect(await toldAfter(one, '1s')).toEqual([])
    const never = await parted({ zero: 'never', default: '1s' })
    await never.publisher.send(publish('x', 0)).settled()
    expect(await toldAfter(never, '1h')).toEqual(['x'])
  })

  test.each([
    ['original', ['x 30', 'ever']],
    ['zero', ['x 0', 'ever']],
    ['missing', ['x', 'ever']],
  ] as const)('remaining: %s', async (remaining, expected) => {
    const all = await parted({ remaining })
    await all.publisher.send(publish('x', 30), publish('ever')).settled()
    expect(await toldAfter(all, '10s')).toEqual(expected)
  })

  test('topic: only messages that it matches', async () => {
    const all = await parted({ expired: 'deliver', topic: 'b/#' })
    await all.publisher.send(publish('a', 1), publish('b', 1, { topic: 'b/1' })).settled()
    expect(await toldAfter(all, '5s')).toEqual(['b 0'])
  })

  test('wills, and messages of the server, live as long', async () => {
    const all = await parted({ maximum: '20s' })
    const dying = await join(all.server, 'dying', {
      will: { topic: 'a', payload: Buffer.from('will'), qos: 1, retain: false, properties: { messageExpiryInterval: 3600 } },
    })
    dying.reset()
    await dying.end()
    all.server.publish({ topic: 'a', payload: 'server', qos: 1, properties: { messageExpiryInterval: 3600 } })
    expect(await toldAfter(all, '5s')).toEqual(['will 15', 'server 15'])
    const again = await parted({ expired: 'deliver' })
    again.server.publish({ topic: 'a', payload: 'server', qos: 1, properties: { messageExpiryInterval: 1 } })
    expect(await toldAfter(again, '5s')).toEqual(['server 0'])
  })

  test('goes with other plugins: what is told is what is left when the message is made', async () => {
    const all = await parted({ maximum: 1000 }, { plugins: [messageExpiry({ maximum: '1m' }), deliveryDelay({ delay: '1s' })] })
    await all.publisher.send(publish('x', 3600)).settled()
    expect(await toldAfter(all, '10s')).toEqual([])
    await all.clock.advance('1s')
    const subscriber = await all.server.connection({ clientId: 'subscriber' })
    expect(subscriber.packets({ dir: 'out', cmd: 'publish' })).toMatchObject([{ properties: { messageExpiryInterval: 50 } }])
  })

  test('each subscriber is told for itself', async () => {
    const all = await parted({ expired: 'deliver' })
    const present = await join(all.server, 'present')
    await subscribe(present, '#', 1)
    await all.publisher.send(publish('x', 10)).settled()
    await present.settled()
    expect([told(present), await toldAfter(all, '4s')]).toEqual([['x 10'], ['x 6']])
  })

  test('ends when it is switched off, for messages that come after', async () => {
    const all = await parted({ maximum: 1000 }, { plugins: [] })
    const off = all.server.use(messageExpiry({ expired: 'deliver' }))
    await all.publisher.send(publish('before', 10)).settled()
    off()
    await all.publisher.send(publish('after', 10)).settled()
    // Nobody is left who knows how long the first one had.
    expect(await toldAfter(all, '20s')).toEqual(['before'])
  })

  test('a message whose life stays as it is does not count as changed', async () => {
    const all = await parted({ maximum: '1h', early: 0 })
    await all.publisher.send(publish('x', 10), publish('ever')).settled()
    expect((await all.server.stop()).faults.neverFired).toEqual(['message-expiry'])
  })

  test('options that cannot be meant are refused', () => {
    expect(() => messageExpiry()).toThrow("plugin 'message-expiry': give one of the options 'expired', 'early'")
    expect(() => messageExpiry({ expired: 'deliver', early: '1s' })).toThrow("options 'early' and 'expired: deliver' contradict each other")
  })
})
