/** Bugs around TLS: on sockets, and on virtual time where time goes by. */
import type { StartOptions } from 'mqttest'
import { describe, expect, test } from 'vitest'
import { connectTls, handshake } from '../../net/clients.ts'
import { tcpServer } from '../../support/server.ts'

describe('Eclipse Paho for Python: a reset in the handshake comes out of connect() as it is (https://github.com/eclipse-paho/paho.mqtt.python/issues/467)', () => {
  test('the first handshake is reset behind the first message of the client, the second is a good one', async () => {
    const config: StartOptions = { listen: { tls: { handshake: { at: 'client-hello', how: 'rst', times: 1 } } } }
    const server = await tcpServer(config)
    expect(await handshake(server)).toBe('ECONNRESET')
    const { client } = await connectTls(server)
    expect(await client.connect()).toMatchObject({ returnCode: 0 })
    await client.settled()
  })
})

describe('MQTT.js: an outage of a server with TLS is an error that nobody handles (https://github.com/mqttjs/MQTT.js/issues/614)', () => {
  test('the first connection is reset, nobody listens for five seconds, and then the server is back', async () => {
    const config: StartOptions = { listen: { tls: true }, plugins: [['offline', { time: '1m', for: '5s' }]] }
    const server = await tcpServer({ ...config, clock: 'virtual' })
    const { client: first } = await connectTls(server)
    await first.connect()
    await server.clock.advance('1m')
    expect(await first.end()).toBe('rst')
    expect(await handshake(server)).toBe('ECONNREFUSED')
    await server.clock.advance('5s')
    const { client: second } = await connectTls(server)
    expect(await second.connect()).toMatchObject({ returnCode: 0 })
    await second.settled()
  })
})
