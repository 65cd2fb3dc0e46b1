/** What clients see of `system-topics`. */
import type { Server } from 'mqttest'
import { retain, systemTopics, takeover } from 'mqttest/plugins'
import { connectMemory, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join, messages, subscribe } from '../support/client.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

async function heard(client: RawClient): Promise<string[]> {
  await client.settled()
  return messages(client)
}

const numbers = (server: Server) =>
  Object.fromEntries(server.retained.filter(({ topic }) => topic.startsWith('$SYS')).map(({ topic, payload }) => [topic.slice(12), `${payload}`]))

describe('system-topics', () => {
  test('numbers are there from the start, and come again at intervals', async () => {
    const { server, clock } = await virtualServer({ plugins: [systemTopics({ topics: ['uptime', 'version'], version: 'test 1.0' })] })
    const client = await join(server, 'me', { version: 4 })
    await subscribe(client, '$SYS/#')
    expect(await heard(client)).toEqual(['$SYS/broker/uptime 0 seconds', '$SYS/broker/version test 1.0'])
    await clock.advance('9999ms')
    expect(await heard(client)).toHaveLength(2)
    await clock.advance(1)
    await clock.advance('10s')
    expect((await heard(client)).filter((text) => text.includes('uptime'))).toEqual([0, 10, 20].map((seconds) => `$SYS/broker/uptime ${seconds} seconds`))
    expect(server.report().faults.applied).toEqual([{ plugin: 'system-topics', count: 3 }])
  })

  test('they are the real numbers, under the names that Mosquitto has for them', async () => {
    const { server, clock } = await virtualServer({ plugins: [systemTopics()] })
    const client = await join(server, 'one')
    await subscribe(client, '$share/g/a')
    await client.send({ cmd: 'publish', topic: 'a', payload: 'x', retain: true }).settled()
    ;(await join(server, 'two', { clean: false, properties: { sessionExpiryInterval: 100 } })).reset()
    await clock.advance('10s')
    const { bytes } = server.report()
    expect(numbers(server)).toEqual({
      version: 'mqttest',
      uptime: '10 seconds',
      'clients/total': '2',
      'clients/connected': '1',
      'clients/disconnected': '1',
      'clients/maximum': '1',
      'messages/received': '5',
      'messages/sent': '5',
      'messages/stored': '17',
      'publish/messages/received': '1',
      'publish/messages/sent': '1',
      'bytes/received': String(bytes.in),
      'bytes/sent': String(bytes.out),
      'retained messages/count': '17',
      'subscriptions/count': '1',
      'shared_subscriptions/count': '1',
    })
    client.reset()
    await clock.advance('10s')
    expect(numbers(server)).toMatchObject({ 'clients/connected': '0', 'clients/maximum': '1' })
  })

  test("'#' does not hear them [MQTT-4.7.2-1]", async () => {
    const server = await memoryServer({ plugins: [systemTopics()] })
    const client = await join(server, 'me')
    await subscribe(client, '#')
    expect(await heard(client)).toEqual([])
  })

  test('changedOnly: what did not change does not come again', async () => {
    const { server, clock } = await virtualServer({
      plugins: [systemTopics({ interval: '1s', changedOnly: true, topics: ['clients/connected'], extra: { sysdescr: 'x' } })],
    })
    const client = await join(server, 'me')
    await subscribe(client, '$SYS/#')
    await clock.advance('5s')
    await join(server, 'other')
    await clock.advance('5s')
    expect(await heard(client)).toEqual([0, 'x', 1, 2].map((value) => `$SYS/broker/${value === 'x' ? 'sysdescr' : 'clients/connected'} ${value}`))
  })

  test('prefix, extra, retain and qos', async () => {
    const options = { prefix: '$SYS/brokers/n1', topics: [], extra: { sysdescr: 'a broker' }, retain: false, qos: 1, interval: '1s' } as const
    const { server, clock } = await virtualServer({ plugins: [systemTopics(options)] })
    const client = await join(server, 'me')
    await subscribe(client, '$SYS/#', 2)
    await clock.advance('1s')
    expect(await client.next('publish')).toMatchObject({ topic: '$SYS/brokers/n1/sysdescr', qos: 1, retain: false })
    expect(server.retained).toEqual([])
  })

  test('presence: who comes and goes, and how', async () => {
    const { server, clock } = await virtualServer({ plugins: [systemTopics({ interval: 0, presence: '$events/{event}/{clientId}' })] })
    const client = await join(server, 'watching')
    await subscribe(client, '$events/#')
    const [good, bad] = [await join(server, 'good'), await join(server, 'bad', { version: 4 })]
    await clock.advance('1s')
    await good.send({ cmd: 'disconnect' }).end()
    bad.reset()
    await clock.advance(1)
    const about = (clientId: string, eventType: string, timestamp: number, more: object = {}) =>
      `$events/${eventType}/${clientId} ${JSON.stringify({ clientId, timestamp, eventType, ...more })}`
    const left = (disconnectReason: string) => ({ clientInitiatedDisconnect: true, disconnectReason })
    expect(await heard(client)).toEqual([
      about('good', 'connected', 0),
      about('bad', 'connected', 0),
      about('good', 'disconnected', 1000, left('the client sent DISCONNECT')),
      about('bad', 'disconnected', 1000, left('the connection was reset')),
    ])
  })

  test('presence: payload, names of events, retain and qos; refused clients are not told of', async () => {
    const presence = { presence: 'clients/{clientId}', presencePayload: '{event} by {username}, {version}', presenceRetain: true, presenceQos: 1 }
    const events = { connected: 'on', disconnected: 'off' }
    const server = await memoryServer({ plugins: [systemTopics({ interval: 0, ...presence, events }), takeover()] })
    const client = await join(server, 'me', { username: 'joe' })
    expect((await connectMemory(server, 4).connect({ clientId: 'me' })).returnCode).toBe(2)
    expect(server.retained.map(({ topic, payload, qos }) => [topic, `${payload}`, qos])).toEqual([['clients/me', 'on by joe, 5', 1]])
    await client.send({ cmd: 'disconnect' }).end()
    expect(server.retained.map(({ payload }) => `${payload}`)).toEqual(['off by joe, 5'])
  })

  test('presence: JSON is filled value by value; a client may watch itself', async () => {
    const presencePayload = { who: '{clientId}', is: ['{event}'], keepAlive: '{keepAlive}' }
    const server = await memoryServer({ plugins: [systemTopics({ interval: 0, presence: 'p', presencePayload })] })
    const keep = { clean: false, keepalive: 60, properties: { sessionExpiryInterval: 100 } }
    const first = await join(server, 'me', keep)
    await subscribe(first, 'p')
    first.reset()
    const again = await join(server, 'me', keep)
    expect(await heard(again)).toEqual(['p {"who":"me","is":["connected"],"keepAlive":60}'])
  })

  test('subscriptions: what a client subscribes to', async () => {
    const server = await memoryServer({ plugins: [systemTopics({ interval: 0, subscriptions: '$events/{event}', presencePayload: { f: '{filters}' } })] })
    const client = await join(server, 'watching')
    await subscribe(client, '$events/#')
    await client.send({ cmd: 'unsubscribe', messageId: 1, unsubscriptions: ['a', 'b'] }).next('unsuback')
    expect(await heard(client)).toEqual(['$events/subscribed {"f":["$events/#"]}', '$events/unsubscribed {"f":["a","b"]}'])
  })

  test('events of two clients do not mix; a scope leaves others alone; beside retain', async () => {
    const plugin = systemTopics({ interval: 0, presence: 'p/{clientId}', presencePayload: '{event}', presenceRetain: true })
    const server = await memoryServer({ plugins: [[plugin, { clientId: 'seen*' }], retain({ store: true, flag: false })] })
    for (const clientId of ['seen1', 'hidden', 'seen2']) await join(server, clientId)
    const client = await join(server, 'watching')
    await subscribe(client, 'p/#')
    await client.settled()
    expect(client.received.flatMap((packet) => (packet.cmd === 'publish' ? [[packet.topic, packet.retain]] : []))).toEqual([
      ['p/seen1', false],
      ['p/seen2', false],
    ])
  })

  test('switched off, it says nothing any more', async () => {
    const { server, clock } = await virtualServer()
    const off = server.use(systemTopics({ interval: '1s', presence: 'p/{event}' }))
    const client = await join(server, 'me')
    await subscribe(client, 'p/#')
    await subscribe(client, '$SYS/broker/uptime')
    const before = (await heard(client)).length
    off()
    await clock.advance('1m')
    await join(server, 'other')
    expect(await heard(client)).toHaveLength(before)
  })

  test('mistakes in its options are told at once', () => {
    expect(() => systemTopics({ interval: 0 })).toThrow(/give the option 'presence'/)
    expect(() => systemTopics.create({ topics: ['uptim'] })).toThrow("Did you mean 'uptime'?")
    expect(() => systemTopics.create({ events: { conected: 'on' } })).toThrow("Did you mean 'connected'?")
  })
})
