/** What a program is told of where the server is. */
import { describe, expect, test } from 'vitest'
import { tcpServer } from '../support/server.ts'

describe('server.env', () => {
  test('of one listener is its URL, host and port', async () => {
    const server = await tcpServer()
    expect(server.env).toEqual({ MQTT_URL: server.url, MQTT_HOST: '127.0.0.1', MQTT_PORT: String(server.port) })
  })

  test('has the first listener of each kind', async () => {
    const server = await tcpServer({ listen: [{}, { ws: '/a' }, { tls: true }, { ws: '/b' }, { tls: true, ws: true }, { tls: true }] })
    const [tcp, ws, tls, , wss] = server.urls
    expect(server.env).toEqual({ MQTT_URL: tcp, MQTT_HOST: '127.0.0.1', MQTT_PORT: String(server.port), MQTTS_URL: tls, MQTT_WS_URL: ws, MQTT_WSS_URL: wss })
  })

  test('of a server that listens for TLS only: MQTT_URL is the same as MQTTS_URL', async () => {
    const server = await tcpServer({ listen: { tls: true } })
    expect(server.env).toMatchObject({ MQTT_URL: server.url, MQTTS_URL: server.url })
  })

  test('of a server that listens nowhere', async () => {
    expect((await tcpServer({ listen: false })).env).toEqual({ MQTT_URL: '', MQTT_HOST: '', MQTT_PORT: '0' })
  })
})
