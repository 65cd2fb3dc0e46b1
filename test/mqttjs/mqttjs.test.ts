/** MQTT.js, a client that others wrote, against the server over TCP in every version. */
import { describe, expect, test } from 'vitest'
import { tcpServer } from '../support/server.ts'
import { join, makeClient, nextEvent, versions } from './client.ts'

describe.each(versions)('MQTT.js in $name', ({ level, options }) => {
  test('connects, and says goodbye', async () => {
    const server = await tcpServer()
    const { client } = await join(server, { ...options, clientId: 'one' })
    expect(await server.expect('connect')).toMatchObject({ protocolVersion: level, clientId: 'one' })
    const connection = await server.connection(0)
    await client.endAsync()
    await connection.expectClose({ by: 'client', how: 'disconnect' })
    const report = await server.stop()
    expect(report.violations).toEqual([])
  })

  test.each([0, 1, 2] as const)('QoS %i goes both ways', async (qos) => {
    const server = await tcpServer()
    const { client, inbox } = await join(server, options)
    const granted = await client.subscribeAsync('a/#', { qos })
    expect(granted).toMatchObject([{ topic: 'a/#', qos }])
    for (const text of ['one', 'two', 'three']) await client.publishAsync('a/b', text, { qos })
    const came = [await inbox.next(), await inbox.next(), await inbox.next()]
    expect(came.map(({ topic, text, packet }) => [topic, text, packet.qos])).toEqual(['one', 'two', 'three'].map((text) => ['a/b', text, qos]))
    await server.idle()
    const report = await server.stop()
    expect(report.violations).toEqual([])
    expect(report.packets.in[qos === 2 ? 'pubcomp' : 'puback'] ?? 0).toBe(qos === 0 ? 0 : 3)
  })

  test('a message goes to those who subscribed, until they unsubscribe', async () => {
    const server = await tcpServer()
    const [one, two] = [await join(server, options), await join(server, options)]
    await one.client.subscribeAsync('a/+', { qos: 1 })
    await two.client.subscribeAsync(['a/b', 'c'], { qos: 1 })
    await one.client.publishAsync('a/b', 'both')
    expect((await one.inbox.next()).text).toBe('both')
    expect((await two.inbox.next()).text).toBe('both')
    await one.client.unsubscribeAsync('a/+')
    await one.client.publishAsync('a/b', 'two only', { qos: 1 })
    expect((await two.inbox.next()).text).toBe('two only')
    await server.idle()
    expect(one.inbox.left).toEqual([])
  })

  test('a retained message is there for who comes later, until it is cleared', async () => {
    const server = await tcpServer()
    const { client } = await join(server, options)
    await client.publishAsync('state', 'on', { qos: 1, retain: true })
    expect(server.retained.map((message) => message.topic)).toEqual(['state'])
    const later = await join(server, options)
    await later.client.subscribeAsync('state')
    expect((await later.inbox.next()).packet).toMatchObject({ retain: true, topic: 'state' })
    await client.publishAsync('state', '', { qos: 1, retain: true })
    expect(server.retained).toEqual([])
  })

  test('a will is published when the client is gone without goodbye, and only then', async () => {
    const server = await tcpServer()
    const watcher = await join(server, options)
    await watcher.client.subscribeAsync('wills/#', { qos: 1 })
    const polite = await join(server, { ...options, will: { topic: 'wills/polite', payload: Buffer.from('gone'), qos: 1, retain: false } })
    await polite.client.endAsync()
    const lost = await join(server, { ...options, clientId: 'lost', will: { topic: 'wills/lost', payload: Buffer.from('gone'), qos: 1, retain: false } })
    lost.client.options.reconnectPeriod = 0
    const connection = await server.connection({ clientId: 'lost' })
    connection.close('rst')
    expect(await watcher.inbox.next()).toMatchObject({ topic: 'wills/lost', text: 'gone' })
    expect(watcher.inbox.left).toEqual([])
  })

  test('a session is resumed with the messages that came meanwhile', async () => {
    const server = await tcpServer()
    const kept = { ...options, clientId: 'dev', clean: false, ...(level === 5 && { properties: { sessionExpiryInterval: 3600 } }) }
    const first = await join(server, kept)
    await first.client.subscribeAsync({ 'jobs/1': { qos: 1 }, 'jobs/2': { qos: 2 } })
    await first.client.endAsync()
    const other = await join(server, options)
    await other.client.publishAsync('jobs/1', 'first', { qos: 1 })
    await other.client.publishAsync('jobs/2', 'second', { qos: 2 })
    expect(server.sessions.find((session) => session.clientId === 'dev')).toBeDefined()
    const second = await join(server, kept)
    expect([await second.inbox.next(), await second.inbox.next()].map(({ text, packet }) => [text, packet.qos])).toEqual([
      ['first', 1],
      ['second', 2],
    ])
    const connack = await server.expect('connack', { sessionPresent: level !== 3 }, { dir: 'out' })
    expect(connack).toBeDefined()
    await server.idle()
  })

  test('keeps itself alive with PINGREQ, and is let go when it falls silent', async () => {
    const server = await tcpServer({ clock: 'virtual' })
    // The client's own timer, moved by hand.
    let tick = () => undefined
    const timerVariant = {
      set(action: () => void) {
        tick = () => void action()
        return 1
      },
      clear: () => undefined,
    }
    const { client } = await join(server, { ...options, clientId: 'pulse', keepalive: 10, timerVariant })
    client.options.reconnectPeriod = 0
    const connection = await server.connection({ clientId: 'pulse' })
    await connection.expect('connect', { keepalive: 10 })
    await server.clock.advance('14s')
    tick()
    tick()
    await connection.expect('pingreq')
    await connection.expect('pingresp', {}, { dir: 'out' })
    await server.clock.advance('14s')
    expect(connection.closed).toBe(false)
    const closed = nextEvent(client, 'close')
    await server.clock.advance('2s')
    await connection.expectClose({ by: 'server' })
    await closed
  })

  test('comes back after a reset, and a message that was not acknowledged goes again', async () => {
    const server = await tcpServer()
    server.hooks.send.tap('reset in place of the first PUBACK', (steps, cause, connection) =>
      cause.packet?.cmd === 'publish' && connection.number === 0 ? [{ close: 'rst' }] : steps,
    )
    const { client } = await join(server, { ...options, clientId: 'again', clean: false })
    await client.publishAsync('a', 'precious', { qos: 1 })
    const [first, second] = [await server.connection(0), await server.connection(1)]
    const { messageId } = await first.expect('publish', { qos: 1 })
    await first.expectClose({ by: 'server', how: 'rst' })
    // Not asked for: the DUP flag, which MQTT.js does not set [MQTT-3.3.1-1].
    expect((await second.expect('publish', { qos: 1 })).messageId).toBe(messageId)
  })

  test('comes back when the server is online again', async () => {
    const server = await tcpServer()
    const { client, inbox } = await join(server, { ...options, clientId: 'patient' })
    await client.subscribeAsync('news')
    const lost = nextEvent(client, 'offline')
    const { port } = server
    await server.offline()
    await lost
    const back = nextEvent(client, 'connect')
    await server.online()
    await back
    expect(server.port).toBe(port)
    const connection = await server.connection(1)
    await connection.expect('subscribe')
    await connection.expect('suback', {}, { dir: 'out' })
    server.publish({ topic: 'news', payload: 'here again' })
    expect((await inbox.next()).text).toBe('here again')
  })
})

test('MQTT 5 brings request and response with correlation data and user properties', async () => {
  const server = await tcpServer()
  const [asks, answers] = [await join(server, { protocolVersion: 5 }), await join(server, { protocolVersion: 5 })]
  await answers.client.subscribeAsync('questions')
  await asks.client.subscribeAsync('answers')
  const properties = { responseTopic: 'answers', correlationData: Buffer.from('7'), userProperties: { who: 'me' } }
  await asks.client.publishAsync('questions', '6 by 7?', { properties })
  const question = await answers.inbox.next()
  expect(question.packet.properties).toMatchObject({ responseTopic: 'answers', correlationData: Buffer.from('7') })
  expect({ ...question.packet.properties?.userProperties }).toEqual({ who: 'me' })
  await answers.client.publishAsync(question.packet.properties?.responseTopic ?? '', '42', { properties: { correlationData: Buffer.from('7') } })
  expect(await asks.inbox.next()).toMatchObject({ text: '42', packet: { properties: { correlationData: Buffer.from('7') } } })
})

test('MQTT 5 topic aliases go both ways', async () => {
  const server = await tcpServer()
  const { client, inbox } = await join(server, { protocolVersion: 5, autoAssignTopicAlias: true, properties: { topicAliasMaximum: 10 } })
  await client.subscribeAsync('a/long/topic', { qos: 1 })
  for (const text of ['one', 'two', 'three']) await client.publishAsync('a/long/topic', text, { qos: 1 })
  expect([await inbox.next(), await inbox.next(), await inbox.next()].map((message) => [message.topic, message.text])).toEqual([
    ['a/long/topic', 'one'],
    ['a/long/topic', 'two'],
    ['a/long/topic', 'three'],
  ])
  const sent = server.records({ cmd: 'publish', dir: 'in' })
  expect(sent).toHaveLength(3)
  expect((await server.stop()).violations).toEqual([])
})

test('a second client with the same id takes the session over', async () => {
  const server = await tcpServer()
  const { client } = await join(server, { protocolVersion: 5, clientId: 'same', reconnectPeriod: 0 })
  const told = new Promise<number | undefined>((resolve) => client.once('disconnect', (packet) => resolve(packet.reasonCode)))
  makeClient(server, { protocolVersion: 5, clientId: 'same' })
  expect(await told).toBe(0x8e)
})
