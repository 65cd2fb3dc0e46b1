/** MQTT over WebSocket, once the upgrade is done. */
import type { Connection, Server } from 'mqttest'
import { describe, expect, test } from 'vitest'
import type { WebSocket } from 'ws'
import { encoded } from '../support/bytes.ts'
import { connectWebSocket, listening } from './clients.ts'

/** The rules that were broken, each with what was done. */
function broken(server: Server): string[] {
  return server.records({ type: 'violation' }).map((record) => (record.type === 'violation' ? `${record.violation.rule}: ${record.verdict}` : ''))
}

function closed(connection: Connection): Promise<unknown> {
  return connection.expectClose()
}

const connect = encoded({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: 'me', clean: true, keepalive: 0 })

describe('the subprotocol', () => {
  test.each([
    [['mqtt'], 'mqtt'],
    [['mqttv3.1'], 'mqttv3.1'],
    [['mqttv3.1', 'mqtt'], 'mqtt'],
    [['other', 'mqtt'], 'mqtt'],
  ])('of %j is %s [MQTT-6.0.0-4]', async (subprotocols, chosen) => {
    const server = await listening({ ws: true })
    const { client, socket } = await connectWebSocket(server, { subprotocols })
    expect(socket.protocol).toBe(chosen)
    await client.connect()
    expect(broken(server)).toEqual([])
  })

  test.each([[[]], [['other']]])('is missing in %j: a rule is broken, and the connection ends [MQTT-6.0.0-3]', async (subprotocols) => {
    const server = await listening({ ws: true })
    // The client's own library may mind as well that its offer was not answered.
    const closeCode = await connectWebSocket(server, { subprotocols }).then(
      (client) => client.closeCode,
      () => 1002,
    )
    expect(closeCode).toBe(1002)
    expect(broken(server)).toEqual(['websocket-subprotocol-missing: disconnect'])
    expect(server.connections[0]?.ended).toMatchObject({ by: 'server', how: 'fin', reason: 'the client does not offer the WebSocket subprotocol mqtt' })
  })

  test('that is missing may be forgiven', async () => {
    const server = await listening({ ws: true })
    server.hooks.violation.tap('forgive', () => 'warn')
    const { client } = await connectWebSocket(server, { subprotocols: [] })
    await client.connect()
    expect(broken(server)).toEqual(['websocket-subprotocol-missing: warn'])
  })

  test('may be another one by option', async () => {
    const server = await listening({ ws: { subprotocols: ['v9', 'mqtt'] } })
    expect((await connectWebSocket(server, { subprotocols: ['mqtt', 'v9'] })).socket.protocol).toBe('v9')
    expect((await connectWebSocket(server, { subprotocols: ['mqtt'] })).socket.protocol).toBe('mqtt')
  })

  test.each([
    ['none', 'Server sent no subprotocol'],
    [{ name: 'other' }, 'Server sent an invalid subprotocol'],
  ] as const)('of the answer may be wrong: %j', async (subprotocol, message) => {
    const server = await listening({ ws: { subprotocol } })
    await expect(connectWebSocket(server)).rejects.toThrow(message)
  })
})

describe('frames and packets [MQTT-6.0.0-2]', () => {
  const publish = encoded({ cmd: 'publish', topic: 'a', payload: 'x', qos: 1, messageId: 1 })
  const all = Buffer.concat([connect, publish])

  async function answered(send: (socket: WebSocket) => void): Promise<string[]> {
    const server = await listening({ ws: true })
    const { client, socket } = await connectWebSocket(server)
    send(socket)
    await client.next('puback')
    expect(broken(server)).toEqual([])
    return client.received.map(({ cmd }) => cmd)
  }

  test('one byte a frame', async () => {
    expect(await answered((socket) => all.forEach((_byte, at) => void socket.send(all.subarray(at, at + 1))))).toEqual(['connack', 'puback'])
  })

  test('several packets in one frame', async () => {
    expect(await answered((socket) => socket.send(all))).toEqual(['connack', 'puback'])
  })

  test('empty frames in between', async () => {
    const empty = Buffer.alloc(0)
    expect(await answered((socket) => [empty, connect, empty, empty, publish].forEach((bytes) => void socket.send(bytes)))).toEqual(['connack', 'puback'])
  })

  test('a message in fragments', async () => {
    expect(
      await answered((socket) => {
        socket.send(all.subarray(0, 3), { fin: false })
        socket.send(all.subarray(3, 20), { fin: false })
        socket.send(all.subarray(20), { fin: true })
      }),
    ).toEqual(['connack', 'puback'])
  })

  test('a ping, also between fragments, is answered, and is no MQTT', async () => {
    const pongs: string[] = []
    await answered((socket) => {
      socket.on('pong', (data) => pongs.push(data.toString()))
      socket.send(all.subarray(0, 3), { fin: false })
      socket.ping('are you there')
      socket.send(all.subarray(3), { fin: true })
    })
    expect(pongs).toEqual(['are you there'])
  })

  test('pauses keep the order: a plan that holds the connection, and many frames', async () => {
    const server = await listening({ ws: true })
    server.hooks.connection.tap('wait', () => [{ until: 'go', block: true }])
    const { client, socket } = await connectWebSocket(server)
    for (const bytes of [connect, publish, publish]) socket.send(bytes)
    socket.ping()
    const connection = await server.connection()
    connection.signal('go')
    await client.count(3)
    expect(client.received.map(({ cmd }) => cmd)).toEqual(['connack', 'puback', 'puback'])
  })
})

describe('what the client may not send', () => {
  test.each(['text', 'not UTF-8'])('text frames: %s [MQTT-6.0.0-1]', async (which) => {
    const server = await listening({ ws: true })
    const { client, socket, closeCode } = await connectWebSocket(server)
    await client.connect()
    const bytes = which === 'text' ? Buffer.from('hello') : Buffer.from('c000ff', 'hex')
    socket.send(bytes, { binary: false })
    expect(await closeCode).toBe(1003)
    expect(broken(server)).toEqual(['websocket-non-binary-frame: disconnect'])
    expect(server.records({ type: 'violation' })).toMatchObject([{ violation: { raw: bytes, statements: ['MQTT-6.0.0-1'] } }])
    expect(server.connections[0]?.ended).toMatchObject({ by: 'server' })
  })

  test('text frames that are forgiven count as bytes', async () => {
    const server = await listening({ ws: true })
    server.hooks.violation.tap('forgive', () => 'ignore')
    const { client, socket } = await connectWebSocket(server)
    socket.send(connect, { binary: false })
    await client.next('connack')
  })

  test.each([
    ['a frame that is not masked', '8200', 1002],
    ['a frame with reserved bits', 'f28000000000', 1002],
    ['an opcode that does not exist', '838000000000', 1002],
    ['a continuation of nothing', '808000000000', 1002],
    ['a frame that says it is longer than any', '82ff7fffffffffffffff00000000', 1009],
    ['a gigabyte', '82ff000000004000000000000000', 1009],
  ])('%s: closed with a code, and said', async (_name, bytes, code) => {
    const server = await listening({ ws: true })
    const { client, stream, closeCode } = await connectWebSocket(server)
    await client.connect()
    stream.write(Buffer.from(bytes, 'hex'))
    expect(await closeCode).toBe(code)
    const connection = await server.connection()
    await closed(connection)
    expect(connection.ended).toMatchObject({ by: 'client', reason: expect.stringMatching(/^the client broke the WebSocket protocol: /) })
  })
})

describe('the end', () => {
  test.each([
    [{}, 1000],
    [{ closeCode: 1001 }, 1001],
    [{ closeCode: 4321 }, 4321],
  ])('by the server, with %j: code %i', async (ws, code) => {
    const server = await listening({ ws })
    const { client, closeCode } = await connectWebSocket(server)
    await client.connect()
    ;(await server.connection()).close('fin')
    expect(await closeCode).toBe(code)
  })

  test('by a reset has no close frame', async () => {
    const server = await listening({ ws: true })
    const { client, closeCode } = await connectWebSocket(server)
    await client.connect()
    ;(await server.connection()).close('rst')
    expect(await closeCode).toBe(1006)
  })

  test('by stop() has one, and does not wait for a client that does not answer it', async () => {
    const server = await listening({ ws: true })
    const { client, socket, closeCode } = await connectWebSocket(server)
    await client.connect()
    socket.pause()
    await server.stop()
    socket.resume()
    expect(await closeCode).toBe(1000)
  })

  test('by the client: its code is on record where it is not the usual one', async () => {
    const server = await listening({ ws: true })
    const usual = await connectWebSocket(server)
    usual.socket.close(1000)
    const unusual = await connectWebSocket(server)
    unusual.socket.close(4999, 'enough')
    expect(await (await server.connection(0)).expectClose()).toMatchObject({ how: 'fin', reason: 'the client closed without DISCONNECT' })
    expect(await (await server.connection(1)).expectClose()).toMatchObject({ how: 'fin', reason: 'the client closed the WebSocket with code 4999' })
    expect(await unusual.closeCode).toBe(4999)
  })
})

test('frames are binary, or text on purpose', async () => {
  for (const frames of ['binary', 'text'] as const) {
    const server = await listening({ ws: { frames } })
    const one = await connectWebSocket(server)
    await one.client.connect()
    expect(one.frames).toEqual([frames === 'binary'])
  }
})
