/** Each built-in plugin as MQTT.js notices it. */
import type { MqttClient } from 'mqtt'
import { ackDelay, closeAfter, extendedIds, mqtt3Idioms, pidStrategy, reject, sessionOverride, stopAfter } from 'mqttest/plugins'
import { describe, expect, test } from 'vitest'
import { tcpServer } from '../support/server.ts'
import { join, makeClient, nextError, nextEvent, versions } from './client.ts'

/** Whether a promise is settled yet. */
function watch(promise: Promise<unknown>): { settled: boolean } {
  const state = { settled: false }
  const settle = () => {
    state.settled = true
  }
  promise.then(settle, settle)
  return state
}

function connackCode(client: MqttClient): Promise<number | undefined> {
  return new Promise((resolve) =>
    client.on('packetreceive', (packet) => {
      if (packet.cmd === 'connack') resolve(packet.reasonCode ?? packet.returnCode)
    }),
  )
}

describe.each(versions.filter(({ level }) => level !== 3))('MQTT.js in $name', ({ level, options }) => {
  test('ack-delay: waits for its PUBACK, and sends nothing twice', async () => {
    const server = await tcpServer({ clock: 'virtual', plugins: [ackDelay({ packets: ['puback'], delay: '20s' })] })
    const { client } = await join(server, { ...options, keepalive: 0 })
    const published = client.publishAsync('a', 'x', { qos: 1 })
    const state = watch(published)
    const connection = await server.connection(0)
    await connection.expect('publish', { topic: 'a' })
    await server.clock.advance('19s')
    expect(state.settled).toBe(false)
    await server.clock.advance('1s')
    await published
    await connection.expectNone('publish', { dup: true })
    expect((await server.stop()).faults).toMatchObject({ applied: [{ plugin: 'ack-delay', count: 1 }] })
  })

  test('pid-strategy: takes ids over the wrap', async () => {
    const server = await tcpServer({ plugins: [pidStrategy({ strategy: 'near-wrap' })] })
    const { client, inbox } = await join(server, options)
    await client.subscribeAsync('a', { qos: 2 })
    for (const payload of ['1', '2', '3', '4']) server.publish({ topic: 'a', payload, qos: 2 })
    const ids: unknown[] = []
    for (let count = 0; count < 4; count++) ids.push((await inbox.next()).packet.messageId)
    expect(ids).toEqual([65_533, 65_534, 65_535, 1])
    await server.idle()
  })

  test('session-override: subscribes again when the session is forgotten', async () => {
    const server = await tcpServer({ plugins: [sessionOverride({ mode: 'forget' })] })
    const kept = { ...options, clientId: 'dev', clean: false, ...(level === 5 && { properties: { sessionExpiryInterval: 3600 } }) }
    const { client, inbox } = await join(server, kept)
    await client.subscribeAsync('news', { qos: 1 })
    const back = nextEvent(client, 'connect')
    ;(await server.connection(0)).close('rst')
    await back
    const second = await server.connection(1)
    expect((await second.expect('connack', {}, { dir: 'out' })).sessionPresent).toBe(false)
    await second.expect('subscribe')
    await second.expect('suback', {}, { dir: 'out' })
    server.publish({ topic: 'news', payload: 'heard', qos: 1 })
    expect((await inbox.next()).text).toBe('heard')
  })

  test('session-override: is told of a session that it did not want', async () => {
    const server = await tcpServer({ plugins: [sessionOverride({ mode: 'keep' })] })
    const { client } = await join(server, { ...options, clientId: 'dev', clean: true })
    await client.subscribeAsync('news', { qos: 1 })
    await client.endAsync()
    server.publish({ topic: 'news', payload: 'kept', qos: 1 })
    const again = await join(server, { ...options, clientId: 'dev', clean: true })
    expect((await again.inbox.next()).text).toBe('kept')
  })

  test('mqtt3-idioms: is served as ever, and told about its habits', async () => {
    const server = await tcpServer({ plugins: [mqtt3Idioms()] })
    const properties = level === 5 ? { properties: { sessionExpiryInterval: 0xffff_ffff } } : {}
    const { client, inbox } = await join(server, { ...options, clientId: 'old', clean: false, ...properties })
    await client.subscribeAsync('a')
    await client.publishAsync('a', 'x')
    expect((await inbox.next()).text).toBe('x')
    const report = await server.stop()
    expect(report.violations.map((violation) => violation.rule)).toContain(level === 5 ? 'session-expiry-infinite' : 'session-forever')
    expect(report.violations.every((violation) => !violation.fails)).toBe(true)
  })

  test('extended-ids: is refused with an id of 24 bytes, and taken with one of 23', async () => {
    const server = await tcpServer({ plugins: [extendedIds()] })
    const { client } = makeClient(server, { ...options, clientId: 'a'.repeat(24), reconnectPeriod: 0 })
    const code = connackCode(client)
    await nextError(client)
    expect(await code).toBe(level === 5 ? 0x85 : 2)
    await join(server, { ...options, clientId: 'a'.repeat(23) })
  })

  test('reject: comes back after a refusal', async () => {
    const server = await tcpServer({ plugins: [[reject({ reasonCode: 'server-unavailable' }), { connection: 0 }]] })
    const { client } = makeClient(server, { ...options, clientId: 'eager', reconnectOnConnackError: true })
    const code = connackCode(client)
    await nextEvent(client, 'connect')
    expect(await code).toBe(level === 5 ? 0x88 : 3)
    expect(server.report().connections).toBe(2)
  })

  test('reject: needs the right password', async () => {
    const server = await tcpServer({ plugins: [reject({ unlessUsername: 'joe', unlessPassword: 'secret' })] })
    const { client } = makeClient(server, { ...options, username: 'joe', password: 'wrong', reconnectPeriod: 0 })
    await nextError(client)
    await join(server, { ...options, username: 'joe', password: 'secret' })
  })

  test('close-after: publishes again when the connection broke in place of the PUBACK', async () => {
    const server = await tcpServer({ plugins: [[closeAfter({ packet: 'puback', when: 'instead', how: 'rst', direction: 'out' }), { connection: 0 }]] })
    const { client } = await join(server, { ...options, clientId: 'dev', clean: false })
    await client.publishAsync('meter/1', '42', { qos: 1 })
    const [first, second] = [await server.connection(0), await server.connection(1)]
    const { messageId } = await first.expect('publish', { topic: 'meter/+' })
    await first.expectClose({ by: 'server', how: 'rst' })
    expect((await second.expect('publish', { topic: 'meter/+' })).messageId).toBe(messageId)
  })

  test('stop-after: is the last of two, and the server is gone', async () => {
    const server = await tcpServer({ plugins: [stopAfter({ connections: 2 })] })
    for (const clientId of ['one', 'two']) await (await join(server, { ...options, clientId })).client.endAsync()
    expect(await server.finished).toMatchObject({ connections: 2 })
    const late = makeClient(server, { ...options, reconnectPeriod: 0 })
    expect(await nextError(late.client)).toMatchObject({ code: 'ECONNREFUSED' })
  })
})
