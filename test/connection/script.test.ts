/** A connection in the hands of a test: expecting, sending, stalling, and what is said when something does not come. */
import { definePlugin, MqttestError, start } from 'mqttest'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test, vi } from 'vitest'
import { memoryServer, stopWithTest, virtualServer } from '../support/server.ts'

/** A server with one connected client. */
async function connected(options: Parameters<typeof virtualServer>[0] = {}) {
  const { server, clock } = await virtualServer(options)
  const client = connectMemory(server)
  await client.connect()
  return { server, clock, client, connection: await server.connection(0) }
}

/** The message with which something was rejected. */
async function messageOf(promise: Promise<unknown>, code = 'MQTTEST_EXPECT'): Promise<string> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof MqttestError)) throw new Error(`not rejected with a MqttestError: ${String(error)}`)
  expect(error.code).toBe(code)
  return error.message
}

describe('expect', () => {
  test('finds what came before it was called', async () => {
    const { client, connection } = await connected()
    client.send({ cmd: 'publish', topic: 'a', payload: '1' })
    await client.settled()
    expect(await connection.expect('publish')).toMatchObject({ topic: 'a' })
    expect(await connection.expect('pingreq')).toEqual({ cmd: 'pingreq' })
  })

  test('waits for what comes later', async () => {
    const { client, connection } = await connected()
    const wanted = connection.expect('publish', { topic: 'b' })
    client.send({ cmd: 'publish', topic: 'a' }, { cmd: 'publish', topic: 'b' })
    expect(await wanted).toMatchObject({ topic: 'b' })
  })

  test('goes forward: what one has taken or passed over, the next does not see', async () => {
    const { client, connection } = await connected()
    for (const payload of ['1', '2', '3']) client.send({ cmd: 'publish', topic: 'a', payload })
    await client.settled()
    expect(await connection.expect('publish', { payload: '2' })).toBeDefined()
    expect((await connection.expect('publish')).payload.toString()).toBe('3')
    await messageOf(connection.expect('publish', {}, { within: 1 }))
  })

  test('gives each of several that wait together a packet of its own', async () => {
    const { client, connection } = await connected()
    const waits = [connection.expect('publish'), connection.expect('publish'), connection.expect('publish', { payload: '3' })]
    for (const payload of ['1', '2', '3']) client.send({ cmd: 'publish', topic: 'a', payload })
    expect((await Promise.all(waits)).map((packet) => packet.payload.toString())).toEqual(['1', '2', '3'])
  })

  test('looks at what the server sends under dir: out, with a cursor of its own', async () => {
    const { client, connection } = await connected()
    await client.settled()
    expect(await connection.expect('connack', {}, { dir: 'out' })).toMatchObject({ returnCode: 0 })
    await connection.expect('pingresp', {}, { dir: 'out' })
    await connection.expect('connect')
  })

  test.each<[string, Parameters<Awaited<ReturnType<typeof connected>>['connection']['expect']>[1] & object]>([
    ['fields', { qos: 1, retain: true }],
    ['a topic filter', { topic: 'a/+/c' }],
    ['a RegExp', { topic: /^a/ }],
    ['a condition', { topic: (topic: string) => topic.endsWith('c') }],
    ['the payload as text', { payload: '{"on":true,"level":7}' }],
    ['the payload as bytes', { payload: Buffer.from('{"on":true,"level":7}') }],
    ['the payload by a RegExp', { payload: /"on":true/ }],
    ['a part of the payload as JSON', { payload: { level: 7 } }],
    ['a condition on the payload', { payload: (bytes: Buffer) => bytes.length === 21 }],
    ['properties', { properties: { contentType: 'json', userProperties: { a: '1' } } }],
  ])('fits by %s', async (_what, pattern) => {
    const { server } = await virtualServer()
    const client = connectMemory(server, 5)
    await client.connect()
    const connection = await server.connection()
    client.send({ cmd: 'publish', topic: 'x/y/z' })
    client.send({
      cmd: 'publish',
      topic: 'a/b/c',
      qos: 1,
      messageId: 5,
      retain: true,
      payload: '{"on":true,"level":7}',
      properties: { contentType: 'json', userProperties: { a: '1', b: '2' } },
    })
    expect(await connection.expect('publish', pattern)).toMatchObject({ messageId: 5 })
  })

  test('of the server looks at every connection', async () => {
    const { server } = await connected()
    const second = connectMemory(server)
    await second.connect({ clientId: 'second' })
    expect(await server.expect('connect', { clientId: 'second' })).toMatchObject({ clientId: 'second' })
  })

  test('fails within the time that is given, whatever the server clock does', async () => {
    const { connection } = await connected()
    expect(await messageOf(connection.expect('publish', {}, { within: 5 }))).toContain('nothing fitting came within 5 ms')
  })

  test('is not stopped by fake timers', async () => {
    const { connection } = await connected()
    vi.useFakeTimers()
    try {
      await messageOf(connection.expect('publish', {}, { within: 5 }))
    } finally {
      vi.useRealTimers()
    }
  })

  test('ends with its AbortSignal', async () => {
    const { connection } = await connected()
    const abort = new AbortController()
    const wait = connection.expect('publish', {}, { signal: abort.signal })
    const reason = new Error('enough')
    abort.abort(reason)
    await expect(wait).rejects.toBe(reason)
    await expect(connection.expect('publish', {}, { signal: abort.signal })).rejects.toBe(reason)
  })

  test('fails when the server stops, and at once when it has stopped', async () => {
    const { connection, server } = await connected()
    const wait = messageOf(server.expect('publish', {}, { within: '1h' }), 'MQTTEST_STOPPED')
    await server.stop()
    expect(await wait).toContain('the server stopped')
    expect(await messageOf(server.expect('publish', {}, { within: '1h' }), 'MQTTEST_STOPPED')).toContain('the server has stopped')
    await expect(server.connection(7, { within: '1h' })).rejects.toMatchObject({ code: 'MQTTEST_STOPPED' })
    expect(await connection.expect('connect')).toMatchObject({ clientId: 'raw' })
  })

  test('fails at once when the connection ends', async () => {
    const { connection, client } = await connected()
    const wait = messageOf(connection.expect('publish', {}, { within: '1h' }))
    client.reset()
    expect(await wait).toContain('the connection was closed by the client (rst)')
    expect(await messageOf(connection.expect('publish', {}, { within: '1h' }))).toContain('the connection was closed by the client (rst)')
  })
})

describe('a miss', () => {
  test('shows the pattern, the nearest candidates with what differs, and the timeline with its faults', async () => {
    const late = definePlugin({
      meta: { name: 'no-ping' },
      setup: ({ hooks, on }) => on(hooks.send, { cmd: 'pingresp' }, () => [{ packet: { cmd: 'pingresp' } }, { packet: { cmd: 'pingresp' } }]),
    })
    const { client, connection } = await connected({ plugins: [late] })
    client.send({ cmd: 'publish', topic: 'a/b', payload: 'off' }, { cmd: 'pingreq' })
    await client.count(3)
    expect(await messageOf(connection.expect('publish', { topic: 'a/c', payload: 'on' }, { within: 1 }))).toMatchInlineSnapshot(`
      "expected PUBLISH { topic: "a/c", payload: "on" } on connection 0: nothing fitting came within 1 ms.
      Nearest:
        PUBLISH a/b QoS 0 "off"
          topic: expected "a/c", got "a/b"
          payload: expected "on", got "off"
      What happened:
           0.000s #0 opened (memory, memory)
           0.000s #0 → CONNECT MQTT 3.1.1 id "raw" clean keepalive 0
           0.000s #0 ← CONNACK 0x00 success
           0.000s #0 → PUBLISH a/b QoS 0 "off"
           0.000s #0 → PINGREQ
           0.000s #0 pingresp followed by pingresp by no-ping
           0.000s #0 ← PINGRESP  [no-ping]
           0.000s #0 ← PINGRESP  [no-ping]"
    `)
  })

  test('says which candidate an earlier expect has taken', async () => {
    const { client, connection } = await connected()
    client.send({ cmd: 'publish', topic: 'a' })
    await connection.expect('publish')
    expect(await messageOf(connection.expect('publish', {}, { within: 1 }))).toContain('PUBLISH a QoS 0 (empty)\n    was taken by an earlier expect')
  })

  test('shows the last records only, and says how many there are', async () => {
    const { client, connection } = await connected()
    for (let count = 0; count < 50; count++) client.send({ cmd: 'pingreq' })
    await client.count(51)
    const message = await messageOf(connection.expect('publish', {}, { within: 1 }))
    expect(message).toContain('The last 30 of 103 records:')
    expect(message.split('\n').length).toBe(32)
  })
})

describe('expectNone', () => {
  test('on a virtual clock looks at so much of its time', async () => {
    const { client, connection, clock } = await connected()
    client.send({ cmd: 'publish', topic: 'other' })
    const before = clock.now()
    await connection.expectNone('publish', { topic: 'a' }, { for: '10s' })
    expect(clock.now() - before).toBe(10_000)
    client.send({ cmd: 'publish', topic: 'a' })
    expect(await messageOf(connection.expectNone('publish', { topic: 'a' }))).toContain(
      'expected no PUBLISH { topic: "a" } on connection 0: it came: PUBLISH a',
    )
  })

  test('fails for what came already', async () => {
    const { client, connection } = await connected()
    client.send({ cmd: 'publish', topic: 'a' })
    await client.settled()
    await messageOf(connection.expectNone('publish', { topic: 'a' }, { for: '1h' }))
  })

  test('leaves alone what an expect has taken', async () => {
    const { client, connection } = await connected()
    client.send({ cmd: 'publish', topic: 'a' })
    await connection.expect('publish')
    await connection.expectNone('publish')
  })

  test('on the real clock fails as soon as it comes', async () => {
    const server = stopWithTest(await start({ listen: false }))
    const client = connectMemory(server)
    await client.connect()
    const connection = await server.connection()
    await connection.expectNone('publish', {}, { for: 5 })
    const none = messageOf(connection.expectNone('publish', {}, { for: '1h' }))
    client.send({ cmd: 'publish', topic: 'a' })
    expect(await none).toContain('it came: PUBLISH a')
  })

  test('on the real clock ends with its AbortSignal', async () => {
    const server = stopWithTest(await start({ listen: false }))
    await connectMemory(server).connect()
    const connection = await server.connection()
    const abort = new AbortController()
    const none = connection.expectNone('publish', {}, { for: '1h', signal: abort.signal })
    abort.abort(new Error('enough'))
    await expect(none).rejects.toThrow('enough')
  })
})

describe('expectAnyOrder', () => {
  test('takes packets in whatever order they come, and gives them in the order of the patterns', async () => {
    const { client, connection } = await connected()
    const wait = connection.expectAnyOrder([['publish', { topic: 'a' }], ['publish', { topic: 'b' }], ['subscribe']])
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 't', qos: 0 }] }, { cmd: 'publish', topic: 'b' }, { cmd: 'publish', topic: 'a' })
    expect(await wait).toMatchObject([{ topic: 'a' }, { topic: 'b' }, { cmd: 'subscribe' }])
  })

  test('does not see what was taken before, and takes what it found', async () => {
    const { client, connection } = await connected()
    client.send({ cmd: 'publish', topic: 'a' })
    await connection.expect('publish')
    await messageOf(connection.expectAnyOrder([['publish', { topic: 'a' }]], { within: 1 }))
    client.send({ cmd: 'publish', topic: 'b' }, { cmd: 'publish', topic: 'c' }, { cmd: 'publish', topic: 'd' })
    await connection.expectAnyOrder([
      ['publish', { topic: 'c' }],
      ['publish', { topic: 'b' }],
    ])
    expect(await connection.expect('publish')).toMatchObject({ topic: 'd' })
  })

  test('gives each pattern a packet of its own, also where a loose one comes first', async () => {
    const { client, connection } = await connected()
    client.send({ cmd: 'publish', topic: 'a', payload: '1' }, { cmd: 'publish', topic: 'b', payload: '2' })
    expect(await connection.expectAnyOrder([['publish'], ['publish', { topic: 'a' }]])).toMatchObject([{ topic: 'b' }, { topic: 'a' }])
  })

  test('names what is missing', async () => {
    const { client, connection } = await connected()
    client.send({ cmd: 'publish', topic: 'a' })
    const message = await messageOf(connection.expectAnyOrder([['publish', { topic: 'a' }], ['publish', { topic: 'b' }], ['pingreq']], { within: 1 }))
    expect(message).toContain('expected, in any order, PUBLISH { topic: "b" } and PINGREQ on connection 0: nothing fitting came')
    expect(message).toContain('topic: expected "b", got "a"')
  })
})

describe('expectClose', () => {
  test.each([
    ['a client that says goodbye', { by: 'client', how: 'disconnect' }, 'disconnect'],
    ['a client that only closes', { by: 'client', how: 'fin' }, 'fin'],
    ['a client that resets', { by: 'client', how: 'rst' }, 'rst'],
  ] as const)('fits %s', async (_what, wanted, act) => {
    const { client, connection } = await connected()
    const close = connection.expectClose(wanted)
    if (act === 'disconnect') client.send({ cmd: 'disconnect' })
    else if (act === 'fin') client.close()
    else client.reset()
    expect(await close).toMatchObject(wanted)
    expect(await connection.expectClose(wanted)).toMatchObject(wanted)
  })

  test('says how it was closed instead', async () => {
    const { client, connection } = await connected()
    client.close()
    expect(await messageOf(connection.expectClose({ by: 'server' }))).toContain(
      'expected connection 0 to close with by server, but it was closed by the client (fin): the client closed without DISCONNECT',
    )
  })

  test('fails where the connection stays open', async () => {
    const { connection } = await connected()
    expect(await messageOf(connection.expectClose({ by: 'client' }, { within: 1 }))).toContain(
      'expected connection 0 to close by the client: nothing fitting came within 1 ms',
    )
  })

  test('still knows when the journal has let go of it', async () => {
    const { client, connection, server } = await connected({ journal: { records: 2 } })
    client.close()
    await connection.expectClose()
    const other = connectMemory(server)
    await other.connect({ clientId: 'other' })
    await other.settled()
    expect(await connection.expectClose()).toMatchObject({ by: 'client' })
  })
})

describe('by hand', () => {
  test('send writes a packet or bytes, past the broker but on record', async () => {
    const { client, connection } = await connected()
    connection.send({ cmd: 'publish', topic: 'a', payload: 'x' })
    connection.send('d000')
    connection.send(Buffer.from([0xd0, 0x00]))
    await client.count(4)
    expect(connection.packets({ dir: 'out' }).map((packet) => packet.cmd)).toEqual(['connack', 'publish', 'pingresp', 'pingresp'])
    expect(connection.packets({ dir: 'in', cmd: 'connect' })).toHaveLength(1)
  })

  test('what is sent goes through the send hook', async () => {
    const { client, connection } = await connected({
      plugins: [definePlugin({ meta: { name: 'twice' }, setup: ({ hooks, on }) => on(hooks.send, { kind: 'script' }, (steps) => [...steps, ...steps]) })],
    })
    connection.send({ cmd: 'pingresp' })
    await client.count(3)
  })

  test('what cannot be sent is said to whoever sends it', async () => {
    const { connection, client } = await connected()
    expect(() => connection.send({ cmd: 'publish', topic: 'x'.repeat(70_000) })).toThrow('a topic has at most 65535 bytes')
    await expect(connection.play([{ packet: { cmd: 'publish', topic: 'x'.repeat(70_000) } }])).rejects.toThrow('a topic has at most 65535 bytes')
    const wrong: object = { cmd: 'pubrek', messageId: 1 }
    expect(() => Reflect.apply(connection.send, connection, [wrong])).toThrow('names its type, got "pubrek". Did you mean \'pubrec\'?')
    await client.settled()
    client.close()
    await connection.expectClose()
    expect(() => connection.send('d000')).toThrow('connection 0 is closed: nothing can be sent on it')
    await expect(connection.play([{ raw: 'd000' }])).rejects.toThrow('connection 0 is closed')
  })

  test('what cannot be sent after a wait rejects play', async () => {
    const { connection, clock, client } = await connected()
    const played = connection.play([{ wait: 10 }, { packet: { cmd: 'publish', topic: 'x'.repeat(70_000) } }])
    const failed = expect(played).rejects.toThrow('a topic has at most 65535 bytes')
    await clock.advance(10)
    await failed
    await client.settled()
  })

  test('stall and resume hold the link, and lose nothing', async () => {
    const { connection, client, clock } = await connected()
    connection.stall()
    client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 1 })
    connection.send({ cmd: 'publish', topic: 'b' })
    await clock.advance('1m')
    expect(client.received).toHaveLength(1)
    connection.resume()
    await client.count(3)
    expect(client.received.slice(1).map((packet) => packet.cmd)).toEqual(['publish', 'puback'])
  })

  test.each(['fin', 'rst'] as const)('close(%s)', async (how) => {
    const { connection, client } = await connected()
    connection.close(how)
    expect(await client.end()).toBe(how)
  })

  test('core: false lets the test play the broker', async () => {
    const server = await memoryServer({ core: false })
    const client = connectMemory(server, 5)
    client.sendConnect({ clientId: 'mine' })
    const connection = await server.connection()
    expect(await connection.expect('connect')).toMatchObject({ clientId: 'mine', protocolVersion: 5 })
    connection.send({ cmd: 'connack', sessionPresent: true, reasonCode: 0 })
    expect(await client.next('connack')).toMatchObject({ sessionPresent: true })
    client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 9 })
    await connection.expect('publish', { messageId: 9 })
    await connection.play([{ packet: { cmd: 'puback', messageId: 9, reasonCode: 0x97 } }, { close: 'rst' }])
    expect(await client.next('puback')).toMatchObject({ reasonCode: 0x97 })
    expect(await client.end()).toBe('rst')
    expect(client.received.map((packet) => packet.cmd)).toEqual(['connack', 'puback'])
  })
})
