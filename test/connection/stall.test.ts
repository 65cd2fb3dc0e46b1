/** A link that stands still in one direction or both, a half that is closed, and what of it can be taken back. */
import { connectMemory, connectTcp, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join, subscribe } from '../support/client.ts'
import { tcpServer, virtualServer } from '../support/server.ts'

const publish = (messageId: number) => ({ cmd: 'publish', topic: 'a', qos: 1, messageId }) as const
const names = (client: RawClient) => client.received.slice(1).map((packet) => ('messageId' in packet ? `${packet.cmd} ${packet.messageId}` : packet.cmd))

async function connected() {
  const { server, clock } = await virtualServer()
  const client = await join(server, 'me')
  return { server, clock, client, connection: await server.connection(0) }
}

describe('{ stall }', () => {
  test.each([
    ['nothing is read', false],
    ['what comes is lost', true],
  ] as const)('before CONNECT, where %s: nobody is accused of silence; once it is over, CONNECT has its time again', async (_what, discard) => {
    const { server, clock } = await virtualServer({ broker: { connectTimeout: '30s' } })
    const client = connectMemory(server)
    const connection = await server.connection(0)
    connection.stall('in', discard)
    await clock.advance('1h')
    expect(client.ended).toBeUndefined()
    connection.resume()
    await clock.advance('29s')
    expect(server.report().violations).toEqual([])
    await clock.advance('1s')
    expect(client.ended).toBe('fin')
    expect(server.report().violations.map(({ rule }) => rule)).toEqual(['connect-timeout'])
  })

  test('both: nothing moves until it ends, and nothing is lost', async () => {
    const { server, clock, client, connection } = await connected()
    await subscribe(client, 'b')
    void connection.play([{ stall: 'both' }, { wait: '1m' }, { stall: false }])
    client.send(publish(1), { cmd: 'pingreq' })
    server.publish({ topic: 'b' })
    await clock.advance(59_999)
    expect(names(client)).toEqual(['suback 1'])
    expect(connection.counts[3]).toBe(0)
    await clock.advance(1)
    expect(names(client)).toEqual(['suback 1', 'publish', 'puback 1', 'pingresp'])
  })

  test('in: what the client says is not read, what the server says arrives', async () => {
    const { server, clock, client, connection } = await connected()
    await subscribe(client, 'b')
    connection.stall('in')
    client.send(publish(1))
    server.publish({ topic: 'b' })
    await clock.advance('1h')
    expect(names(client)).toEqual(['suback 1', 'publish'])
    connection.resume()
    await clock.advance(0)
    expect(names(client)).toEqual(['suback 1', 'publish', 'puback 1'])
  })

  test('in: what was read in one piece with what came before is not handled either', async () => {
    const { server, clock, client, connection } = await connected()
    server.hooks.packetIn.tap('stop', (packet) => (packet.cmd === 'publish' && packet.messageId === 1 ? [{ pass: true }, { stall: 'in' }] : undefined))
    client.send(Buffer.concat([1, 2].map((id) => Buffer.from(`320600016100${id.toString(16).padStart(2, '0')}00`, 'hex'))))
    await clock.advance(10)
    expect(names(client)).toEqual(['puback 1'])
    connection.resume()
    await clock.advance(0)
    expect(names(client)).toEqual(['puback 1', 'puback 2'])
  })

  test('in, discard: what the client says is read and lost', async () => {
    const { clock, client, connection } = await connected()
    connection.stall('in', true)
    client.send(publish(1))
    await clock.advance(10)
    expect(connection.counts[3]).toBe(1)
    connection.resume()
    client.send(publish(2))
    await clock.advance(10)
    expect(names(client)).toEqual(['puback 2'])
  })

  test('out: the client is heard, and hears nothing until it ends', async () => {
    const { clock, client, connection } = await connected()
    connection.stall('out')
    client.send(publish(1))
    await clock.advance(10)
    expect(connection.counts[3]).toBe(1)
    expect(names(client)).toEqual([])
    connection.resume()
    await clock.advance(0)
    expect(names(client)).toEqual(['puback 1'])
  })

  test('out, with the wire hook tapped: bytes go through the hook once', async () => {
    const { server, clock, client, connection } = await connected()
    server.hooks.wire.tap('count', (steps, way) => (way === 'out' ? [...steps, { raw: 'd000' }] : undefined))
    client.send(publish(1))
    await clock.advance(0)
    connection.stall('out')
    client.send(publish(2))
    await clock.advance(0)
    connection.resume()
    await clock.advance(0)
    expect(names(client)).toEqual(['puback 1', 'pingresp', 'puback 2', 'pingresp'])
  })
})

describe("close('half')", () => {
  test('sends FIN, still handles what comes, and answers nothing', async () => {
    const { server, clock, client, connection } = await connected()
    connection.close('half')
    expect(await client.end()).toBe('fin')
    client.send({ cmd: 'publish', topic: 'kept', payload: 'x', retain: true, qos: 1, messageId: 1 })
    await clock.advance(10)
    expect(server.retained).toMatchObject([{ topic: 'kept' }])
    expect(server.records({ cmd: 'puback' })).toEqual([])
    expect(connection.closed).toBe(false)
    client.close()
    await clock.advance(0)
    expect(connection.ended).toMatchObject({ by: 'client', how: 'fin' })
  })

  test('on a socket', async () => {
    const server = await tcpServer()
    const client = await connectTcp(server)
    await client.connect()
    const connection = await server.connection(0)
    await connection.play([{ packet: { cmd: 'pingresp' } }, { close: 'half' }])
    expect(await client.end()).toBe('fin')
    expect(names(client)).toEqual(['pingresp'])
    expect(connection.closed).toBe(false)
    server.stop().catch(() => undefined)
  })
})

describe('{ cork } on the wire', () => {
  test('for a while: what comes meanwhile leaves in the same write', async () => {
    const { server, clock } = await virtualServer()
    const client = connectMemory(server)
    await client.connect()
    server.hooks.wire.tap('join', (steps, way) => (way === 'out' ? [{ cork: true, for: 20 }, ...steps] : undefined))
    client.chunks.length = 0
    for (const id of [1, 2, 3]) {
      client.send(publish(id))
      await clock.advance(9)
    }
    expect(client.chunks.map((chunk) => chunk.toString('hex'))).toEqual(['400200014002000240020003'])
    await clock.advance(20)
    expect(client.chunks).toHaveLength(1)
  })

  test('to the end of the plan, or to { cork: false }', async () => {
    const { server } = await virtualServer()
    const client = connectMemory(server)
    await client.connect()
    server.hooks.wire.tap('join', (steps, way) =>
      way === 'out' ? [{ cork: true }, ...steps, { raw: 'd000' }, { cork: false }, { raw: 'd0' }, { raw: '00' }] : undefined,
    )
    client.chunks.length = 0
    await client.send(publish(1)).next('pingresp')
    await client.next('pingresp')
    expect(client.chunks.map((chunk) => chunk.toString('hex'))).toEqual(['40020001d000', 'd0', '00'])
  })

  test('the end of the connection waits for it; a client that goes leaves no timer', async () => {
    const { server, clock } = await virtualServer()
    server.hooks.wire.tap('join', (steps, way) => (way === 'out' ? [{ cork: true, for: 50 }, ...steps] : undefined))
    const [one, two] = [connectMemory(server).sendConnect(), connectMemory(server).sendConnect({ clientId: 'two' })]
    await clock.advance(0)
    server.connections[0]?.close('fin')
    two.reset()
    await clock.advance(49)
    expect([one.received.length, one.ended]).toEqual([0, undefined])
    await clock.advance(1)
    expect([one.received.length, one.ended]).toEqual([1, 'fin'])
  })
})

describe('{ frame } where there are no frames', () => {
  test('messages and fragments are bytes, control frames are nothing', async () => {
    const { server } = await virtualServer()
    const client = connectMemory(server)
    await client.connect()
    const connection = await server.connection(0)
    await connection.play([
      { frame: 'ping' },
      { frame: 'fragment', data: 'd0' },
      { frame: 'binary' },
      { frame: 'text', data: '00' },
      { frame: 'close', code: 1000 },
    ])
    expect(await client.next('pingresp')).toBeDefined()
    expect(client.chunks.map((chunk) => chunk.toString('hex'))).toEqual(['20020000', 'd0', '00'])
    await client.settled()
  })

  test('waits its turn while the link stands still', async () => {
    const { clock, client, connection } = await connected()
    client.chunks.length = 0
    void connection.play([{ stall: 'out' }, { frame: 'binary', data: 'd0' }, { frame: 'binary', data: '00' }, { wait: 10 }, { stall: false }])
    await clock.advance(9)
    expect(client.chunks).toEqual([])
    await clock.advance(1)
    expect(client.chunks.map((chunk) => chunk.toString('hex'))).toEqual(['d0', '00'])
  })

  test('is checked', async () => {
    const { connection } = await connected()
    await expect(connection.play([{ frame: 'close', code: 1006 }])).rejects.toThrow('a code that may be sent is 1000 to 1003')
    await expect(connection.play([{ frame: 'ping', data: Buffer.alloc(124) }])).rejects.toThrow('a control frame has at most 123 bytes, got 124')
  })
})
