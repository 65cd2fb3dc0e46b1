/** What a client sees of `resend`. */
import type { ProtocolVersion, QoS, StartOptions, VirtualClock } from 'mqttest'
import { drop, resend } from 'mqttest/plugins'
import type { RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { type JoinOptions, join, subscribe } from '../support/client.ts'
import { virtualServer } from '../support/server.ts'

type Options = Parameters<typeof resend>[0]

const kept: JoinOptions = { clean: false, properties: { sessionExpiryInterval: 1000 } }

/** 'DUP #7 x' for a message, 'pubrel #7' for the rest, for what came behind SUBACK. */
const names = (client: RawClient) =>
  client.received.flatMap((packet) => {
    if (packet.cmd === 'connack' || packet.cmd === 'suback') return []
    const id = 'messageId' in packet && packet.messageId !== undefined ? `#${packet.messageId}` : ''
    return [packet.cmd === 'publish' ? `${packet.dup ? 'DUP ' : ''}${id} ${packet.payload}`.trim() : `${packet.cmd} ${id}`.trim()]
  })

async function subscribed(options: Options, qos: QoS = 1, more: StartOptions & { version?: ProtocolVersion } = {}) {
  const { version = 5, ...start } = more
  const { server, clock } = await virtualServer({ plugins: [resend(options)], ...start })
  const client = await join(server, 'me', version === 5 ? kept : { version, clean: false })
  await subscribe(client, '#', qos)
  return { server, clock, client }
}

/** When what came came, in milliseconds: 'DUP #1 x@100'. */
async function arrivals(client: RawClient, clock: VirtualClock, forMs: number, stepMs = 50) {
  const times: string[] = []
  let seen = 0
  for (let at = 0; at <= forMs; at += stepMs) {
    await clock.advance(at === 0 ? 0 : stepMs)
    const all = names(client)
    for (const name of all.slice(seen)) times.push(`${name}@${at}`)
    seen = all.length
  }
  return times
}

describe('resend', () => {
  test.each([
    [4, 1],
    [4, 2],
    [5, 1],
    [5, 2],
  ] as const)('a client of level %i that does not acknowledge QoS %i gets the message once more, with DUP', async (version, qos) => {
    const { server, client, clock } = await subscribed({ after: 100 }, qos, { version })
    server.publish({ topic: 'a', qos, payload: 'x' })
    expect(await arrivals(client, clock, 1000)).toEqual(['#1 x@0', 'DUP #1 x@100'])
    expect((await server.stop()).faults.applied).toMatchObject([{ plugin: 'resend', count: 1 }])
  })

  test('one that acknowledges in time does not, nor does QoS 0', async () => {
    const { server, client, clock } = await subscribed({ after: 100 }, 2)
    for (const qos of [0, 1, 2] as const) server.publish({ topic: 'a', qos, payload: `${qos}` })
    await clock.advance(99)
    client.send({ cmd: 'puback', messageId: 1 }, { cmd: 'pubrec', messageId: 2 })
    await clock.advance(50)
    client.send({ cmd: 'pubcomp', messageId: 2 })
    await clock.advance(1000)
    expect(names(client)).toEqual(['0', '#1 1', '#2 2', 'pubrel #2'])
    expect((await server.stop()).faults.neverFired).toEqual(['resend'])
  })

  test('after: a wait for each repeat', async () => {
    const { server, client, clock } = await subscribed({ after: [100, 200, 400] })
    server.publish({ topic: 'a', qos: 1, payload: 'x' })
    expect(await arrivals(client, clock, 2000)).toEqual(['#1 x@0', 'DUP #1 x@100', 'DUP #1 x@300', 'DUP #1 x@700'])
  })

  test('times: the last wait goes on; an acknowledgement ends it', async () => {
    const { server, client, clock } = await subscribed({ after: [100, 200], times: 100 })
    server.publish({ topic: 'a', qos: 1, payload: 'x' })
    expect(await arrivals(client, clock, 750)).toEqual(['#1 x@0', 'DUP #1 x@100', 'DUP #1 x@300', 'DUP #1 x@500', 'DUP #1 x@700'])
    client.send({ cmd: 'puback', messageId: 1 })
    await clock.advance('1m')
    expect(names(client)).toHaveLength(5)
  })

  test('the client may acknowledge every repeat, and is not blamed for it', async () => {
    const { server, client, clock } = await subscribed({ after: 100, times: 2 }, 2, { lint: 'fail' })
    server.publish({ topic: 'a', qos: 1 })
    server.publish({ topic: 'a', qos: 2 })
    await clock.advance(200)
    const puback = { cmd: 'puback', messageId: 1 } as const
    client.send(puback, puback, puback)
    for (let repeat = 0; repeat < 3; repeat++) client.send({ cmd: 'pubrec', messageId: 2 }, { cmd: 'pubcomp', messageId: 2 })
    await clock.advance(0)
    expect(server.sessions[0]?.inFlight.size).toBe(0)
    expect((await server.stop()).violations).toEqual([])
  })

  test('markDup: false, the repeat looks new', async () => {
    const { server, client, clock } = await subscribed({ after: 100, markDup: false })
    server.publish({ topic: 'a', qos: 1, payload: 'x' })
    expect(await arrivals(client, clock, 200)).toEqual(['#1 x@0', '#1 x@100'])
  })

  test('newPacketId: the repeat has another id, and the receive maximum is kept to', async () => {
    const { server, clock } = await virtualServer({ plugins: [resend({ after: 100, times: 2, newPacketId: true, markDup: false })], lint: 'fail' })
    const client = await join(server, 'me', { properties: { receiveMaximum: 1 } })
    await subscribe(client, '#', 1)
    for (const payload of ['x', 'y']) server.publish({ topic: 'a', qos: 1, payload })
    expect(await arrivals(client, clock, 250)).toEqual(['#1 x@0', '#2 x@100', '#3 x@200'])
    // The first one was only late.
    client.send({ cmd: 'puback', messageId: 1 }, { cmd: 'puback', messageId: 3 })
    await clock.advance(0)
    expect(names(client).at(-1)).toBe('#4 y')
    client.send({ cmd: 'puback', messageId: 4 })
    expect((await server.stop()).violations).toEqual([])
  })

  test('pubrel is sent again as well, unless it is switched off', async () => {
    for (const pubrel of [true, false]) {
      const { server, client, clock } = await subscribed({ after: 100, pubrel }, 2)
      server.publish({ topic: 'a', qos: 2, payload: 'x' })
      await clock.advance(50)
      client.send({ cmd: 'pubrec', messageId: 1 })
      await clock.advance(1000)
      expect(names(client)).toEqual(pubrel ? ['#1 x', 'pubrel #1', 'pubrel #1'] : ['#1 x', 'pubrel #1'])
    }
  })

  test('giveUp: drop makes room for the next one; a late acknowledgement is forgiven', async () => {
    const { server, clock } = await virtualServer({ plugins: [resend({ after: 100, giveUp: 'drop' })], lint: 'fail' })
    const client = await join(server, 'me', { properties: { receiveMaximum: 1 } })
    await subscribe(client, '#', 1)
    for (const payload of ['x', 'y']) server.publish({ topic: 'a', qos: 1, payload })
    expect(await arrivals(client, clock, 250)).toEqual(['#1 x@0', 'DUP #1 x@100', '#2 y@200'])
    client.send({ cmd: 'puback', messageId: 1 }, { cmd: 'puback', messageId: 2 })
    expect((await server.stop()).violations).toEqual([])
  })

  test.each([
    ['close', 'fin'],
    ['reset', 'rst'],
  ] as const)('giveUp: %s ends the connection', async (giveUp, end) => {
    const { server, client, clock } = await subscribed({ after: 100, giveUp })
    server.publish({ topic: 'a', qos: 1 })
    await clock.advance(199)
    expect(client.ended).toBeUndefined()
    await clock.advance(1)
    expect(client.ended).toBe(end)
  })

  test('giveUp: keep leaves it to the next connection, on which it begins anew', async () => {
    const { server, client, clock } = await subscribed({ after: 100 })
    server.publish({ topic: 'a', qos: 1, payload: 'x' })
    await clock.advance(1000)
    expect(client.ended).toBeUndefined()
    client.reset()
    const again = await join(server, 'me', kept)
    expect(await arrivals(again, clock, 500)).toEqual(['DUP #1 x@0', 'DUP #1 x@100'])
  })

  test('a selection says which messages', async () => {
    const { server, client, clock } = await subscribed({ after: 100, topic: 'b' })
    for (const topic of ['a', 'b']) server.publish({ topic, qos: 1, payload: topic })
    expect(await arrivals(client, clock, 300)).toEqual(['#1 a@0', '#2 b@0', 'DUP #2 b@100'])
  })

  test('goes with other plugins: what one of them loses is sent again, wherever it stands', async () => {
    for (const plugins of [
      [drop({ nth: 1 }), resend({ after: 100 })],
      [resend({ after: 100 }), drop({ nth: 1 })],
    ]) {
      const { server, client, clock } = await subscribed({}, 1, { plugins })
      server.publish({ topic: 'a', qos: 1, payload: 'x' })
      expect(await arrivals(client, clock, 300)).toEqual(['DUP #1 x@100'])
    }
  })

  test('a connection that ends leaves no timer, and another one goes on', async () => {
    const { server, client, clock } = await subscribed({ after: 100 }, 1, { version: 4 })
    const other = await join(server, 'other', { version: 4 })
    await subscribe(other, '#', 1)
    server.publish({ topic: 'a', qos: 1, payload: 'x' })
    await clock.advance(50)
    client.reset()
    await clock.advance(0)
    expect(clock.pending).toBe(1)
    await clock.advance(50)
    expect([names(client), names(other)]).toEqual([['#1 x'], ['#1 x', 'DUP #1 x']])
  })

  test('ends when it is switched off, with what it waits for', async () => {
    const { server, client, clock } = await subscribed({}, 1, { plugins: [], version: 4 })
    const off = server.use(resend({ after: 100 }))
    server.publish({ topic: 'a', qos: 1, payload: 'x' })
    await clock.advance(50)
    off()
    expect(clock.pending).toBe(0)
    expect(await arrivals(client, clock, 500)).toEqual(['#1 x@0'])
  })

  test('options that cannot be meant are refused', () => {
    expect(() => resend({ after: [] })).toThrow("plugin 'resend': option 'after' is empty")
    expect(() => resend({ qos: 0 })).toThrow('messages of QoS 0 are not acknowledged')
  })
})
