/** A decision with `effectDelay`: what is asked for is answered first, and carried out later. */
import { definePlugin } from 'mqttest'
import { describe, expect, test } from 'vitest'
import { answers, join, messages, subscribe } from '../support/client.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

/** Everything is carried out so late. */
const late = (effectDelay: number) =>
  definePlugin({
    meta: { name: 'late' },
    setup: ({ hooks, on }) => on(hooks.authorize, { kind: ['publish', 'subscribe', 'unsubscribe'] }, (decision) => ({ ...decision, effectDelay })),
  })()

const publish = (messageId: number, qos: 1 | 2 = 1) => ({ cmd: 'publish', topic: 'a', payload: String(messageId), qos, messageId }) as const

describe('a message', () => {
  test('without a delay is acknowledged, then routed', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    await subscribe(client, 'a')
    server.use(late(0))
    await client.send(publish(1), publish(2, 2)).settled()
    expect(answers(client)).toEqual(['puback 1', 'publish', 'pubrec 2', 'publish', 'pingresp'])
    expect(await client.send({ ...publish(3), topic: 'b' }).next('puback', { messageId: 3 })).toMatchObject({ reasonCode: 0x10 })
  })

  test('with a delay is routed when it is over, although its publisher is gone', async () => {
    const { server, clock } = await virtualServer()
    const [client, other] = [await join(server, 'me'), await join(server, 'other')]
    await subscribe(other, 'a')
    server.use(late(100))
    await client.send(publish(1), { cmd: 'publish', topic: 'a', payload: 'q0' }).settled()
    expect(answers(client)).toEqual(['puback 1', 'pingresp'])
    client.reset()
    await clock.advance(99)
    expect(messages(other)).toEqual([])
    await clock.advance(1)
    expect(messages(other)).toEqual(['a 1', 'a q0'])
  })

  test('that is refused is refused at once', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    server.use({ meta: { name: 'no' }, setup: ({ hooks, on }) => on(hooks.authorize, { kind: 'publish' }, () => ({ reasonCode: 0x87, effectDelay: 50 })) })
    expect(await client.send(publish(1)).next('puback')).toMatchObject({ reasonCode: 0x87 })
  })

  test('is forgotten when the server is reset', async () => {
    const { server, clock } = await virtualServer()
    server.use(late(100))
    const client = await join(server, 'me')
    await client.send(publish(1)).settled()
    await server.reset()
    expect(clock.pending).toBe(0)
  })
})

describe('a subscription', () => {
  test('is answered, and made when the delay is over, with its retained messages', async () => {
    const { server, clock } = await virtualServer()
    const client = await join(server, 'me')
    server.publish({ topic: 'a', payload: 'kept', retain: true })
    server.use(late(100))
    expect(await subscribe(client, 'a', 1)).toBe(1)
    server.publish({ topic: 'a', payload: 'missed' })
    await clock.advance(100)
    server.publish({ topic: 'a', payload: 'seen' })
    await client.settled()
    expect(messages(client)).toEqual(['a kept', 'a seen'])
  })

  test('of a session that ended meanwhile is not made', async () => {
    const { server, clock } = await virtualServer()
    const client = await join(server, 'me')
    server.use(late(100))
    await subscribe(client, 'a')
    client.reset()
    await clock.advance(100)
    const again = await join(server, 'me')
    server.publish({ topic: 'a' })
    await again.settled()
    expect(messages(again)).toEqual([])
  })

  test('is ended when the delay is over', async () => {
    const { server, clock } = await virtualServer()
    const client = await join(server, 'me')
    await subscribe(client, 'a')
    server.use(late(100))
    expect(await client.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: ['a', 'b'] }).next('unsuback')).toMatchObject({ granted: [0, 0x11] })
    server.publish({ topic: 'a', payload: 'still' })
    await clock.advance(100)
    server.publish({ topic: 'a', payload: 'no more' })
    await client.settled()
    expect(messages(client)).toEqual(['a still'])
  })
})
