/** A client is sent to another server (section 4.11): now and again (0x9C), or for good (0x9D). */
import { definePlugin } from 'mqttest'
import { describe, expect, test } from 'vitest'
import { join, makeClient } from '../mqttjs/client.ts'
import { joined, join as joinRaw } from '../support/client.ts'
import { memoryServer, tcpServer } from '../support/server.ts'

const elsewhere = { serverReference: 'other.example:1883 another.example' }

/** A plugin that sends everybody elsewhere who asks for something. */
const sends = (kind: 'connect' | 'publish' | 'subscribe', reasonCode: number) =>
  definePlugin({
    meta: { name: 'sends-elsewhere' },
    setup: ({ hooks, on }) => on(hooks.authorize, { kind }, () => ({ reasonCode, properties: elsewhere, ...(kind !== 'connect' && { action: 'disconnect' }) })),
  })()

describe.each([
  ['use another server', 0x9c],
  ['the server moved', 0x9d],
] as const)('%s: a client is told so', (_what, reasonCode) => {
  test('in CONNACK, by a plugin', async () => {
    const server = await memoryServer({ plugins: [sends('connect', reasonCode)] })
    const { client, connack } = await joined(server, 'me')
    expect(connack).toEqual({ cmd: 'connack', sessionPresent: false, reasonCode, properties: elsewhere })
    expect(await client.end()).toBe('fin')
    expect(server.sessions).toEqual([])
  })

  test('in CONNACK, as "server unavailable" before MQTT 5', async () => {
    const server = await memoryServer({ plugins: [sends('connect', reasonCode)] })
    const { client, connack } = await joined(server, 'me', { version: 4 })
    expect(connack).toEqual({ cmd: 'connack', sessionPresent: false, returnCode: 3 })
    expect(await client.end()).toBe('fin')
  })

  test('in DISCONNECT, by a test', async () => {
    const server = await memoryServer()
    const client = await joinRaw(server, 'me')
    ;(await server.connection()).disconnect(reasonCode, 'maintenance', elsewhere)
    expect(await client.next('disconnect')).toEqual({ cmd: 'disconnect', reasonCode, properties: elsewhere })
    expect(await client.end()).toBe('fin')
    expect(server.report().perConnection[0]?.ended).toEqual({ by: 'server', how: 'fin', reason: 'maintenance', reasonCode })
  })

  test.each(['publish', 'subscribe'] as const)('in DISCONNECT in place of the answer to its %s, by a plugin', async (kind) => {
    const server = await memoryServer({ plugins: [sends(kind, reasonCode)] })
    const client = await joinRaw(server, 'me')
    if (kind === 'publish') client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 1 })
    else client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 0 }] })
    await client.end()
    expect(client.received.slice(1)).toEqual([{ cmd: 'disconnect', reasonCode, properties: elsewhere }])
  })

  test('with a packet of the test, by hand', async () => {
    const server = await memoryServer()
    const client = await joinRaw(server, 'me')
    await (await server.connection()).play([{ packet: { cmd: 'disconnect', reasonCode, properties: elsewhere } }, { close: 'fin' }])
    expect(await client.next('disconnect')).toMatchObject({ reasonCode, properties: elsewhere })
    expect(await client.end()).toBe('fin')
  })

  test('with a reason as far as its maximum packet size has room, and where to in any case [MQTT-3.14.2-3]', async () => {
    const server = await memoryServer()
    const client = await joinRaw(server, 'me', { properties: { maximumPacketSize: 60 } })
    ;(await server.connection()).disconnect(reasonCode, 'maintenance', { ...elsewhere, reasonString: 'x'.repeat(30) })
    expect(await client.next('disconnect')).toEqual({ cmd: 'disconnect', reasonCode, properties: elsewhere })
  })

  test('and MQTT.js understands CONNACK', async () => {
    const server = await tcpServer({ plugins: [sends('connect', reasonCode)] })
    const { client } = makeClient(server, { protocolVersion: 5, reconnectPeriod: 0 })
    const packet = await new Promise((resolve) => client.on('packetreceive', resolve))
    expect(packet).toMatchObject({ cmd: 'connack', reasonCode, properties: elsewhere })
  })

  test('and MQTT.js understands DISCONNECT', async () => {
    const server = await tcpServer()
    const { client } = await join(server, { protocolVersion: 5, reconnectPeriod: 0 })
    const disconnected = new Promise((resolve) => client.on('disconnect', resolve))
    ;(await server.connection()).disconnect(reasonCode, 'maintenance', elsewhere)
    expect(await disconnected).toMatchObject({ cmd: 'disconnect', reasonCode, properties: elsewhere })
  })
})
