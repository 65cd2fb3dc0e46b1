/** What a client sees of `websocket-frames`: on sockets, since nothing else has frames. */
import type { StartOptions } from 'mqttest'
import { chunks, websocketFrames } from 'mqttest/plugins'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { connectWebSocket, listening } from '../net/clients.ts'
import { encoded } from '../support/bytes.ts'
import { virtualServer } from '../support/server.ts'

const kinds: { readonly [opcode: number]: string } = { 0: 'continuation', 1: 'text', 2: 'binary', 8: 'close', 9: 'ping', 10: 'pong' }

/** The frames among bytes of a server, none of them long: 'binary 3', or 'binary 3…' where more of the message follows. */
function framesIn(bytes: Buffer): string[] {
  const frames: string[] = []
  for (let at = 0; at < bytes.length; ) {
    const [head = 0, length = 0] = bytes.subarray(at)
    frames.push(`${kinds[head & 15]} ${length}${head < 128 ? '…' : ''}`)
    at += 2 + length
  }
  return frames
}

async function connected(plugins: StartOptions['plugins'], version: 4 | 5 = 4) {
  const server = await listening({ ws: true }, { plugins })
  const { client, socket, stream, closeCode, frames } = await connectWebSocket(server, { version })
  const came: Buffer[] = []
  stream.on('data', (chunk: Buffer) => came.push(chunk))
  return { server, client, socket, closeCode, frames, framesSoFar: () => framesIn(Buffer.concat(came)) }
}

const publish = (messageId: number) => ({ cmd: 'publish', topic: 'a', qos: 1, messageId }) as const

describe('websocket-frames', () => {
  test('each byte in a message of its own unless told otherwise', async () => {
    for (const version of [4, 5] as const) {
      const { server, client } = await connected([websocketFrames()], version)
      expect((await client.connect()).cmd).toBe('connack')
      expect(client.chunks.every((chunk) => chunk.length === 1)).toBe(true)
      expect(server.report().faults.applied).toEqual([{ plugin: 'websocket-frames', count: 1 }])
    }
  })

  test('size: so many bytes in a message', async () => {
    const { client, framesSoFar } = await connected([websocketFrames({ size: 3 })])
    await client.connect()
    expect(framesSoFar()).toEqual(['binary 3', 'binary 1'])
  })

  test('fragments: of one message', async () => {
    const { client, framesSoFar } = await connected([websocketFrames({ size: 3, fragments: true })])
    await client.connect()
    await client.settled()
    expect(framesSoFar()).toEqual(['binary 3…', 'continuation 1', 'binary 2'])
    expect(client.chunks.map((chunk) => chunk.length)).toEqual([4, 2])
  })

  test('ping: in front of each frame, also between fragments', async () => {
    const { client, framesSoFar, socket } = await connected([websocketFrames({ size: 3, fragments: true, ping: true })])
    let pings = 0
    socket.on('ping', () => pings++)
    await client.connect()
    expect(framesSoFar()).toEqual(['ping 0', 'binary 3…', 'ping 0', 'continuation 1'])
    expect(pings).toBe(2)
    await client.settled()
  })

  test('empty: an empty frame in front of each', async () => {
    const messages = await connected([websocketFrames({ empty: true })])
    await messages.client.connect()
    expect(messages.framesSoFar()).toEqual(['binary 0', 'binary 4'])
    const fragments = await connected([websocketFrames({ empty: true, fragments: true, size: 2 })])
    await fragments.client.connect()
    expect(fragments.framesSoFar()).toEqual(['binary 0…', 'continuation 2…', 'continuation 0…', 'continuation 2'])
  })

  test.each([
    ['cut', (bytes: Buffer) => [bytes.subarray(0, 1), bytes.subarray(1)]],
    ['cut in its length', (bytes: Buffer) => [bytes.subarray(0, 2)]],
    ['joined with another one', (bytes: Buffer) => [Buffer.concat([bytes, Buffer.from('c000', 'hex')])]],
    ['empty', () => [Buffer.alloc(0)]],
  ])('strict: a packet that is %s ends the connection', async (_what, framed) => {
    const { client, closeCode } = await connected([websocketFrames({ strict: 1002 })])
    await client.connect()
    await client.settled()
    client.send(...framed(encoded({ cmd: 'publish', topic: 'a', payload: { size: 200 } })))
    expect(await closeCode).toBe(1002)
    expect(client.received.map(({ cmd }) => cmd)).toEqual(['connack', 'pingresp'])
  })

  test('strict: one packet in each frame is right, whatever its length', async () => {
    const { server, client, framesSoFar } = await connected([websocketFrames({ strict: 1002 })])
    await client.connect()
    for (const size of [0, 1, 124, 125, 20_000]) client.send({ cmd: 'publish', topic: 'a', payload: { size } })
    await client.settled()
    expect(framesSoFar()).toEqual(['binary 4', 'binary 2'])
    expect(server.report().faults.applied).toEqual([])
  })

  test('text: frames are text [MQTT-6.0.0-1]', async () => {
    const { client, frames, framesSoFar } = await connected([websocketFrames({ text: true })])
    await client.connect()
    expect(framesSoFar()).toEqual(['text 4'])
    expect(frames).toEqual([false])
  })

  test('join: several packets in one message', async () => {
    const { client, framesSoFar } = await connected([websocketFrames({ join: '50ms' })])
    client.sendConnect().send(publish(1))
    await client.next('puback')
    client.send(publish(2))
    client.send({ cmd: 'pingreq' })
    await client.next('pingresp')
    expect(framesSoFar().reduce((sum, frame) => sum + Number(frame.split(' ')[1]), 0)).toBe(14)
    expect(framesSoFar().length).toBeLessThan(4)
  })

  test('close: a close frame with a code and a reason, behind CONNACK or at a moment', async () => {
    const first = await connected([websocketFrames({ close: 1012, reason: 'restart' })])
    first.client.sendConnect()
    const said = new Promise((resolve) => first.socket.on('close', (_code, reason) => resolve(String(reason))))
    expect(await first.closeCode).toBe(1012)
    expect(await said).toBe('restart')
    expect(first.framesSoFar()).toEqual(['binary 4', 'close 9'])
    expect(first.server.connections[0]?.ended).toMatchObject({ by: 'server', how: 'fin' })
    const second = await connected([websocketFrames({ close: 4000, packet: 'publish', nth: 2 })])
    await second.client.connect()
    second.client.send(publish(1), publish(2))
    expect(await second.closeCode).toBe(4000)
    expect(second.client.received.map(({ cmd }) => cmd)).toEqual(['connack', 'puback', 'puback'])
  })

  test('beside chunks: each of its pieces is a message', async () => {
    const { client, framesSoFar } = await connected([chunks({ packets: ['connack'], at: [1], pause: 0 }), websocketFrames({ size: 2 })])
    await client.connect()
    expect(framesSoFar()).toEqual(['binary 1', 'binary 2', 'binary 1'])
  })

  test('two connections, of which one is in its scope', async () => {
    const server = await listening({ ws: true }, { plugins: [['websocket-frames', {}, { connection: 1 }]] })
    const [one, two] = [await connectWebSocket(server), await connectWebSocket(server)]
    await Promise.all([one.client.connect({ clientId: 'one' }), two.client.connect({ clientId: 'two' })])
    expect([one, two].map(({ client }) => client.chunks.length)).toEqual([1, 4])
  })

  test('what is no WebSocket is left alone', async () => {
    for (const options of [{}, { join: '1h' }, { text: true }, { close: 1000 }] as const) {
      const { server, clock } = await virtualServer({ plugins: [websocketFrames(options)] })
      const client = connectMemory(server)
      await client.connect()
      expect(client.chunks.map((chunk) => chunk.toString('hex'))).toEqual(['20020000'])
      await client.settled()
      expect(server.report().faults.neverFired).toEqual(['websocket-frames'])
      expect(clock.pending).toBe(0)
    }
  })

  test('a client that goes while messages are gathered leaves nothing behind', async () => {
    const { server, client, socket } = await connected([websocketFrames({ join: '1h' })])
    client.sendConnect()
    const connection = await server.connection(0)
    await connection.expect('connect')
    socket.terminate()
    await connection.expectClose()
    await server.stop()
  })

  test('mistakes in its options are told at once', () => {
    expect(() => websocketFrames({ join: 5, size: 1 })).toThrow("option 'join' goes alone")
    expect(() => websocketFrames({ fragments: true, text: true })).toThrow("options 'fragments' and 'text' do not go together")
    expect(() => websocketFrames({ close: 1006 })).toThrow('a code that may be sent is 1000 to 1003')
    expect(() => websocketFrames({ reason: 'x' })).toThrow("option 'reason' goes with 'close'")
    expect(() => websocketFrames({ close: 1000, reason: 'x'.repeat(124) })).toThrow("option 'reason' has at most 123 bytes")
    expect(() => websocketFrames({ time: 5 })).toThrow("options 'packet' and 'time' go with 'close'")
  })
})
