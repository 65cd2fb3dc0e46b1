/** The packet ids of a client: in use until the answer has left [MQTT-2.2.1-3]. */
import { definePlugin, type PacketInput, type QoS } from 'mqttest'
import { ackDelay, verdicts } from 'mqttest/plugins'
import { describe, expect, test } from 'vitest'
import { join } from '../support/client.ts'
import { brokenRules } from '../support/left-over.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

const publish = (qos: QoS, messageId: number, more: object = {}): PacketInput => ({ cmd: 'publish', topic: 'a', payload: 'x', qos, messageId, ...more })
const subscribe = (messageId: number): PacketInput => ({ cmd: 'subscribe', messageId, subscriptions: [{ topic: 'b', qos: 0 }] })
const unsubscribe = (messageId: number): PacketInput => ({ cmd: 'unsubscribe', messageId, unsubscriptions: ['b'] })

const inUse = '0: packet-id-in-use'

describe.each([3, 4, 5] as const)('at level %i, a packet id whose answer is held back', (version) => {
  const late = async () => {
    const { server, clock } = await virtualServer({ plugins: [ackDelay({ delay: '1s' })] })
    return { server, clock, client: await join(server, 'me', { version }) }
  }

  test.each<[string, PacketInput, PacketInput]>([
    ['a message by a message', publish(1, 1), publish(1, 1)],
    ['a message by another one, marked as DUP', publish(1, 1), publish(1, 1, { payload: 'y', dup: true })],
    ['a message by one of another QoS', publish(1, 1), publish(2, 1)],
    ['a message of QoS 2 by one', publish(2, 1), publish(2, 1)],
    ['a message by SUBSCRIBE', publish(1, 1), subscribe(1)],
    ['a message of QoS 2 by UNSUBSCRIBE', publish(2, 1), unsubscribe(1)],
    ['SUBSCRIBE by a message', subscribe(1), publish(1, 1)],
    ['SUBSCRIBE by UNSUBSCRIBE', subscribe(1), unsubscribe(1)],
  ])('is in use: %s; the client is warned about, and stays', async (_what, first, second) => {
    const { server, client } = await late()
    await client.send(first, second).settled()
    expect(brokenRules(server)).toEqual([inUse])
    expect(server.report().violations).toMatchObject([{ level: 'warning', message: 'the packet id is in use: id 1' }])
  })

  test('is in use behind others that have none yet', async () => {
    const { server, client, clock } = await late()
    client.send(publish(1, 1), publish(1, 2), subscribe(3), publish(2, 4))
    await client.send(publish(1, 2)).settled()
    expect(brokenRules(server)).toEqual([inUse])
    await clock.advance('1s')
    await client.send(publish(1, 1), publish(1, 2), subscribe(3)).settled()
    expect(brokenRules(server)).toEqual([inUse])
  })

  test('belongs to the same message when that is sent again, with DUP', async () => {
    const { server, client } = await late()
    await client.send(publish(1, 1), publish(1, 1, { dup: true }), publish(2, 2), publish(2, 2, { dup: true })).settled()
    expect(brokenRules(server)).toEqual([])
  })

  test('is free again once the answer has left', async () => {
    const { server, client, clock } = await late()
    for (const request of [publish(1, 1), subscribe(1), unsubscribe(1), publish(1, 1)]) {
      await client.send(request).settled()
      await clock.advance('1s')
    }
    expect(brokenRules(server)).toEqual([])
  })

  test('of QoS 2 is free behind PUBCOMP only', async () => {
    const { server, client, clock } = await late()
    client.send(publish(2, 1))
    await clock.advance('1s')
    client.send({ cmd: 'pubrel', messageId: 1 })
    await clock.advance('1s')
    await client.send(publish(2, 1)).settled()
    await clock.advance('1s')
    expect(brokenRules(server)).toEqual([])
    await client.send(subscribe(1)).settled()
    expect(brokenRules(server)).toEqual([inUse])
  })
})

test('MQTT 3.1 lets a client repeat SUBSCRIBE, later versions do not', async () => {
  for (const [version, rules] of [
    [3, []],
    [4, [inUse]],
  ] as const) {
    const { server } = await virtualServer({ plugins: [ackDelay({ delay: '1s' })] })
    const client = await join(server, 'me', { version })
    await client.send(subscribe(1), subscribe(1)).settled()
    expect(brokenRules(server)).toEqual(rules)
  }
})

test('PUBREC with an error frees the packet id', async () => {
  const no = definePlugin({ meta: { name: 'no' }, setup: ({ hooks, on }) => on(hooks.authorize, { kind: 'publish' }, () => ({ reasonCode: 0x87 })) })
  const server = await memoryServer({ plugins: [no] })
  const client = await join(server, 'me', { version: 5 })
  await client.send(publish(2, 1), publish(2, 1)).settled()
  expect(brokenRules(server)).toEqual([])
})

test('a long answer is recognized as well', async () => {
  const server = await memoryServer()
  const client = await join(server, 'me', { version: 4 })
  const subscriptions = Array.from({ length: 200 }, (_, index) => ({ topic: `${index}`, qos: 0 as const }))
  await client.send({ cmd: 'subscribe', messageId: 300, subscriptions }, subscribe(300)).settled()
  expect(brokenRules(server)).toEqual([])
})

test('verdicts can make an end of it', async () => {
  const plugins = [ackDelay({ delay: '1s' }), verdicts({ rules: { 'packet-id-in-use': 'disconnect' } })]
  const { server } = await virtualServer({ plugins })
  const client = await join(server, 'me', { version: 4 })
  client.send(publish(1, 1), publish(1, 1), publish(1, 2))
  expect(await client.end()).toBe('fin')
  expect(brokenRules(server)).toEqual([inUse])
})
