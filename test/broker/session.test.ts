/** Sessions: what is kept for a client that goes and comes back, and for how long. */
import { definePlugin } from 'mqttest'
import { describe, expect, test } from 'vitest'
import { answers, join, joined, messages, subscribe } from '../support/client.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

/** What makes a session outlive its connection, in either version. */
const keep = (version: 3 | 4 | 5, seconds = 3600) => ({ version, clean: false, ...(version === 5 && { properties: { sessionExpiryInterval: seconds } }) })

describe.each([3, 4, 5] as const)('the session of a client of level %i', (version) => {
  const present = (connack: { sessionPresent: boolean }) => connack.sessionPresent

  test('is kept where the client asks for it, and CONNACK says so [MQTT-3.2.2-2]', async () => {
    const server = await memoryServer()
    const first = await joined(server, 'me', keep(version))
    expect(present(first.connack)).toBe(false)
    await subscribe(first.client, 'a')
    first.client.reset()
    const again = await joined(server, 'me', keep(version))
    // MQTT 3.1 has no such flag.
    expect(present(again.connack)).toBe(version !== 3)
    server.publish({ topic: 'a', payload: 'x' })
    await again.client.settled()
    expect(messages(again.client)).toEqual(['a x'])
  })

  test('ends with the connection where it is clean', async () => {
    const server = await memoryServer()
    const first = await join(server, 'me', { version })
    await subscribe(first, 'a')
    first.send({ cmd: 'disconnect' })
    await first.end()
    expect(server.sessions).toEqual([])
    expect(present((await joined(server, 'me', keep(version))).connack)).toBe(false)
  })

  test('is thrown away by a client that asks for a clean one [MQTT-3.1.2-4]', async () => {
    const server = await memoryServer()
    const first = await join(server, 'me', keep(version))
    await subscribe(first, 'a', 1)
    first.reset()
    server.publish({ topic: 'a', qos: 1, payload: 'old' })
    const clean = await joined(server, 'me', { version, clean: true })
    expect(present(clean.connack)).toBe(false)
    server.publish({ topic: 'a', qos: 1, payload: 'new' })
    await clean.client.settled()
    expect(messages(clean.client)).toEqual([])
  })

  test('collects QoS 1 and 2 messages while the client is away, and hands them out in order [MQTT-4.1.0-1]', async () => {
    const server = await memoryServer()
    const first = await join(server, 'me', keep(version))
    await subscribe(first, 'a', 2)
    first.reset()
    await first.end()
    for (const [index, qos] of ([1, 0, 2, 1] as const).entries()) server.publish({ topic: 'a', qos, payload: String(index) })
    const again = await join(server, 'me', keep(version))
    await again.settled()
    expect(messages(again)).toEqual(['a 0', 'a 2', 'a 3'])
    expect(again.received.filter((packet) => packet.cmd === 'publish' && packet.dup)).toEqual([])
  })

  test('sends again what was in flight, in order, marked as DUP, before what is new [MQTT-4.4.0-1]', async () => {
    const server = await memoryServer()
    const first = await join(server, 'me', keep(version))
    await subscribe(first, 'a', 2)
    for (const [index, qos] of ([1, 2, 2, 1] as const).entries()) server.publish({ topic: 'a', qos, payload: String(index) })
    await first.count(6)
    // 1 acknowledged, 2 received, 3 and 4 not answered.
    await first.send({ cmd: 'puback', messageId: 1 }, { cmd: 'pubrec', messageId: 2 }).next('pubrel')
    first.reset()
    await first.end()
    server.publish({ topic: 'a', qos: 1, payload: 'new' })
    const again = await join(server, 'me', keep(version))
    await again.settled()
    expect(answers(again)).toEqual(['pubrel 2', 'publish DUP 3', 'publish DUP 4', 'publish 5', 'pingresp'])
    expect(messages(again)).toEqual(['a 2', 'a 3', 'a new'])
  })
})

test.each([3, 4, 5] as const)('PUBREL goes out again in the order in which PUBREC came, before messages (level %i) [MQTT-4.6.0-4]', async (version) => {
  const server = await memoryServer()
  const first = await join(server, 'me', keep(version))
  await subscribe(first, 'a', 2)
  for (let count = 0; count < 4; count++) server.publish({ topic: 'a', qos: 2 })
  await first.count(6)
  for (const messageId of [4, 1, 2, 4]) await first.send({ cmd: 'pubrec', messageId }).next('pubrel')
  first.reset()
  await first.end()
  const again = await join(server, 'me', keep(version))
  await again.settled()
  expect(answers(again)).toEqual(['pubrel 4', 'pubrel 1', 'pubrel 2', 'publish DUP 3', 'pingresp'])
})

describe('session expiry (MQTT 5)', () => {
  test('ends the session so long after the connection, and not before [MQTT-3.1.2-23]', async () => {
    const { server, clock } = await virtualServer()
    const first = await join(server, 'me', keep(5, 10))
    await clock.advance('1h')
    first.reset()
    await clock.advance(9_999)
    expect(server.sessions).toHaveLength(1)
    await clock.advance(1)
    expect(server.sessions).toHaveLength(0)
    expect((await joined(server, 'me', keep(5))).connack.sessionPresent).toBe(false)
  })

  test('begins anew with each connection', async () => {
    const { server, clock } = await virtualServer()
    for (let round = 0; round < 3; round++) {
      const { client, connack } = await joined(server, 'me', keep(5, 10))
      expect(connack.sessionPresent).toBe(round > 0)
      client.reset()
      await clock.advance(9_000)
    }
  })

  test('of 4294967295 is never', async () => {
    const { server, clock } = await virtualServer()
    const first = await join(server, 'me', keep(5, 0xffff_ffff))
    first.reset()
    await clock.advance(1000 * 3600 * 1000)
    expect(server.sessions).toHaveLength(1)
    expect(clock.pending).toBe(0)
  })

  test('longer than a timer of the host can be is kept all the same', async () => {
    const { server, clock } = await virtualServer()
    const days = 24 * 3600
    const first = await join(server, 'me', keep(5, 60 * days))
    first.reset()
    await clock.advance(59 * days * 1000)
    expect(server.sessions).toHaveLength(1)
    await clock.advance(days * 1000)
    expect(server.sessions).toHaveLength(0)
  })

  test('may be changed with DISCONNECT', async () => {
    const { server, clock } = await virtualServer()
    const first = await join(server, 'me', keep(5, 10))
    first.send({ cmd: 'disconnect', reasonCode: 0, properties: { sessionExpiryInterval: 100 } })
    await first.end()
    await clock.advance('99s')
    expect(server.sessions).toHaveLength(1)
    await clock.advance('1s')
    expect(server.sessions).toHaveLength(0)
  })

  test('may be ended with DISCONNECT', async () => {
    const server = await memoryServer()
    const first = await join(server, 'me', keep(5, 10))
    first.send({ cmd: 'disconnect', reasonCode: 0, properties: { sessionExpiryInterval: 0 } })
    await first.end()
    expect(server.sessions).toHaveLength(0)
  })

  test('of 0 cannot be raised with DISCONNECT', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    client.send({ cmd: 'disconnect', reasonCode: 0, properties: { sessionExpiryInterval: 10 } })
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x82 })
    expect(server.sessions).toHaveLength(0)
  })

  test('that a plugin shortens is announced in CONNACK', async () => {
    const plugin = definePlugin({ meta: { name: 'short' }, setup: ({ hooks }) => hooks.session.tap('x', (plan) => ({ ...plan, expiryMs: 5000 })) })
    const { server, clock } = await virtualServer({ plugins: [plugin] })
    const { client, connack } = await joined(server, 'me', keep(5, 10))
    expect(connack.properties?.sessionExpiryInterval).toBe(5)
    client.reset()
    await clock.advance(5000)
    expect(server.sessions).toHaveLength(0)
  })
})

describe('a plugin that lies about the session', () => {
  test.each([
    ['forgets it', { resume: false, sessionPresent: false }, false, []],
    ['has it, and denies it', { sessionPresent: false }, false, ['a x']],
    ['has forgotten it, and says it is there', { resume: false, sessionPresent: true }, true, []],
  ])('%s', async (_what, lie, present, got) => {
    const plugin = definePlugin({
      meta: { name: 'lies' },
      setup: ({ hooks, on }) => on(hooks.session, {}, (plan) => (plan.resume ? { ...plan, ...lie } : plan)),
    })
    const server = await memoryServer({ plugins: [plugin] })
    const first = await join(server, 'me', keep(5))
    await subscribe(first, 'a')
    first.reset()
    const { client, connack } = await joined(server, 'me', keep(5))
    expect(connack.sessionPresent).toBe(present)
    server.publish({ topic: 'a', payload: 'x' })
    await client.settled()
    expect(messages(client)).toEqual(got)
  })
})

describe('a takeover', () => {
  test('brings what was in flight to the new connection', async () => {
    const server = await memoryServer()
    const first = await join(server, 'me', keep(5))
    await subscribe(first, 'a', 1)
    server.publish({ topic: 'a', qos: 1, payload: 'x' })
    await first.next('publish')
    const { client, connack } = await joined(server, 'me', keep(5))
    expect(connack.sessionPresent).toBe(true)
    expect(await client.next('publish')).toMatchObject({ dup: true, payload: Buffer.from('x') })
    expect(await first.next('disconnect')).toMatchObject({ reasonCode: 0x8e })
    // What the first one still says counts no more.
    await client.send({ cmd: 'puback', messageId: 1 }).settled()
    expect(server.sessions[0]?.inFlight.size).toBe(0)
  })
})

describe('the queue of a client that is away', () => {
  test('is bounded; what does not fit is counted, and said once until it comes back', async () => {
    const server = await memoryServer({ broker: { queueLimit: 3 } })
    const first = await join(server, 'me', keep(5))
    await subscribe(first, 'a', 1)
    first.reset()
    await first.end()
    for (let count = 0; count < 10; count++) server.publish({ topic: 'a', qos: 1, payload: String(count) })
    expect(server.sessions[0]?.dropped.queueFull).toBe(7)
    expect(server.records({ type: 'note' })).toHaveLength(1)
    const again = await join(server, 'me', keep(5))
    await again.settled()
    expect(messages(again)).toEqual(['a 0', 'a 1', 'a 2'])
    again.reset()
    await again.end()
    for (let count = 0; count < 5; count++) server.publish({ topic: 'a', qos: 1 })
    expect(server.report().dropped).toEqual([{ reason: 'queueFull', count: 9, clientIds: ['me'] }])
    expect(server.records({ type: 'note' })).toMatchObject([
      { level: 'warn', connection: undefined, message: 'a message on a for me was dropped: its queue is full (said once for each connection)' },
      { level: 'warn' },
    ])
  })
})
