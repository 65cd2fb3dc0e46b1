/** Bugs over WebSocket: on sockets, since nothing else has frames. */
import type { StartOptions } from 'mqttest'
import { describe, expect, test } from 'vitest'
import { codeOf, connectWebSocket } from '../../net/clients.ts'
import { encoded } from '../../support/bytes.ts'
import { tcpServer } from '../../support/server.ts'

describe('ngx-mqtt: CONNECT comes in two messages (https://github.com/sclausen/ngx-mqtt/issues/232)', () => {
  const config: StartOptions = { listen: { ws: true }, plugins: [['websocket-frames', { strict: 1002 }]] }
  const connect = encoded({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clean: true, clientId: 'ngx', keepalive: 0 })

  test('a server that takes a frame for a packet closes with 1002 at the first of them', async () => {
    const { client, closeCode } = await connectWebSocket(await tcpServer(config))
    client.send(connect.subarray(0, 1), connect.subarray(1))
    expect(await closeCode).toBe(1002)
    expect(client.received).toEqual([])
  })

  test('it lets a client in whose CONNECT is one message', async () => {
    const server = await tcpServer(config)
    const { client } = await connectWebSocket(server)
    expect(await client.connect()).toMatchObject({ returnCode: 0 })
    await client.settled()
    expect((await server.stop()).faults.neverFired).toEqual(['websocket-frames'])
  })
})

describe('Eclipse Paho JavaScript: never tries the second host at the second failover (https://github.com/eclipse-paho/paho.mqtt.javascript/pull/204)', () => {
  test('of two servers, one alone is there; they change places twice', async () => {
    const config: StartOptions = { listen: { ws: true } }
    const [one, other] = [await tcpServer(config), await tcpServer(config)]
    await other.offline()
    for (const [here, away] of [
      [one, other],
      [other, one],
      [one, other],
    ] as const) {
      await here.online()
      const { client } = await connectWebSocket(here)
      expect(await client.connect()).toMatchObject({ returnCode: 0 })
      expect(await connectWebSocket(away).catch(codeOf)).toBe('ECONNREFUSED')
      await here.offline()
      expect(await client.end()).toBe('rst')
    }
  })
})
