/** Bugs below the packets: frames of WebSocket that are no packets, and a TLS handshake that stops half-way. On sockets. */
import { connect } from 'node:tls'
import { type Server, virtualClock } from 'mqttest'
import { chunks } from 'mqttest/plugins'
import { describe, expect, test } from 'vitest'
import { createWebSocketStream, WebSocket } from 'ws'
import { type Frame, FrameReader } from '../../src/wire/frame.ts'
import type { Malformed } from '../../src/wire/malformed.ts'
import { listening, noted, portOf } from '../net/clients.ts'
import { type Behaviour, overDuplex, SmallClient, startWithTest } from './small-client.ts'

/** Takes the beginning of each frame for the beginning of a packet, and what begins like a CONNACK for a whole one. */
class AlignedReader extends FrameReader {
  override push(chunk: Buffer, sink: (frame: Frame) => boolean): Malformed | undefined {
    if (chunk[0] !== 0x20) return new FrameReader().push(chunk, sink)
    sink({ bytes: chunk, type: 2, flags: 0, bodyOffset: 2 })
    return undefined
  }
}

describe('HiveMQ web client: takes the second frame of a packet for a packet, and a blank for a CONNACK (https://github.com/hivemq/hivemq-mqtt-web-client/issues/22)', () => {
  async function run(behaviour: Partial<Behaviour>): Promise<Server> {
    const server = await listening({ ws: true }, { plugins: [chunks({ packets: ['publish'], at: [-6] })] })
    const dial = overDuplex(() => createWebSocketStream(new WebSocket(server.url, 'mqtt')))
    const client = startWithTest(new SmallClient(dial, server.clock, behaviour))
    client.filters.set('greeting', 1)
    await server.expect('subscribe')
    server.publish({ topic: 'greeting', payload: 'hello world', qos: 1 })
    return server
  }

  async function assertion(server: Server): Promise<void> {
    await (await server.connection(0)).expect('puback')
  }

  test('a client with the bug fails', async () => {
    await expect(assertion(await run({ reader: () => new AlignedReader() }))).rejects.toThrow(
      /expected PUBACK on connection 0: the connection was closed by the client/,
    )
  })

  test('one without it passes, and every plugin did something', async () => {
    const server = await run({})
    await assertion(server)
    expect(server.report().faults.neverFired).toEqual([])
  })
})

describe('rumqttc: waits for ever for a TLS handshake that stops behind ServerHello (https://github.com/bytebeamio/rumqtt/issues/406)', () => {
  async function run(behaviour: Partial<Behaviour>): Promise<Server> {
    const clock = virtualClock()
    const server = await listening({ tls: { handshake: { at: 'server-hello', times: 1 } } }, { clock })
    const dial = overDuplex(() => connect({ port: portOf(server.url), host: '127.0.0.1', ...(server.ca !== undefined && { ca: server.ca }) }))
    startWithTest(new SmallClient(dial, clock, behaviour))
    expect(await noted(server)).toMatch(/stopped on purpose/)
    await clock.advance('1m')
    return server
  }

  async function assertion(server: Server): Promise<void> {
    await server.expect('connect')
  }

  test('a client with the bug fails', async () => {
    await expect(assertion(await run({ connectTimeout: 'never' }))).rejects.toThrow(/expected CONNECT on any connection/)
  })

  test('one without it passes', async () => {
    await assertion(await run({ connectTimeout: '5s' }))
  })
})
