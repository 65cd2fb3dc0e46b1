/** CONNECT and CONNACK, as a client of each version meets them. */
import { definePlugin, type ProtocolVersion } from 'mqttest'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join, joined, messages, subscribe } from '../support/client.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

const versions: [string, ProtocolVersion][] = [
  ['MQTT 3.1', 3],
  ['MQTT 3.1.1', 4],
  ['MQTT 5.0', 5],
]

describe.each(versions)('a client of %s', (_name, version) => {
  test('is accepted', async () => {
    const server = await memoryServer()
    const { client, connack } = await joined(server, 'me', { version })
    expect(connack).toMatchObject(version === 5 ? { sessionPresent: false, reasonCode: 0 } : { sessionPresent: false, returnCode: 0 })
    await client.settled()
    expect(server.connections[0]).toMatchObject({ clientId: 'me', version, phase: 'connected' })
  })

  test('with user name, password and will is accepted', async () => {
    const server = await memoryServer()
    const will = { topic: 'w', payload: Buffer.from('gone'), qos: 1, retain: false } as const
    const { connack } = await joined(server, 'me', { version, username: 'user', password: Buffer.from('secret'), will })
    expect(connack.reasonCode ?? connack.returnCode).toBe(0)
    expect(server.connections[0]?.connect).toMatchObject({ username: 'user', password: Buffer.from('secret'), will })
  })

  test('that connects with an id in use takes the session over; the first is disconnected [MQTT-3.1.4-2]', async () => {
    const server = await memoryServer()
    const first = await join(server, 'same', { version })
    const second = await join(server, 'same', { version })
    expect(await first.end()).toBe('fin')
    if (version === 5) expect(await first.next('disconnect')).toMatchObject({ reasonCode: 0x8e })
    else expect(first.received.map((packet) => packet.cmd)).toEqual(['connack'])
    await second.settled()
  })

  test('that sends CONNECT twice is disconnected [MQTT-3.1.0-2]', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me', { version })
    client.sendConnect({ clientId: 'me' })
    expect(await client.end()).toBe('fin')
    expect(client.received.slice(1)).toEqual(version === 5 ? [{ cmd: 'disconnect', reasonCode: 0x82 }] : [])
    expect(server.records({ type: 'violation' })).toMatchObject([{ violation: { rule: 'second-connect' } }])
  })

  test('that says something else first is disconnected without a word [MQTT-3.1.0-1]', async () => {
    const server = await memoryServer()
    const client = connectMemory(server, version).send({ cmd: 'pingreq' })
    expect(await client.end()).toBe('fin')
    expect(client.received).toEqual([])
    expect(server.records({ type: 'violation' })).toMatchObject([{ violation: { rule: 'first-packet-not-connect' } }])
  })

  test('that says nothing is disconnected in time [MQTT-3.1.4-1]', async () => {
    const { server, clock } = await virtualServer({ broker: { connectTimeout: '5s' } })
    const client = connectMemory(server, version)
    await clock.advance(4999)
    expect(client.ended).toBeUndefined()
    await clock.advance(1)
    expect(client.ended).toBe('fin')
  })
})

describe('an empty client id', () => {
  test('is refused in MQTT 3.1', async () => {
    const { client, connack } = await joined(await memoryServer(), '', { version: 3 })
    expect(connack).toMatchObject({ returnCode: 2 })
    expect(await client.end()).toBe('fin')
  })

  test.each([
    [3, true],
    [4, false],
  ] as const)('that is wrong gets an id of the server where a plugin tolerates it: MQTT version %i, clean %s', async (version, clean) => {
    const tolerant = definePlugin({ meta: { name: 'tolerant' }, setup: ({ hooks }) => hooks.violation.tap('tolerant', () => 'warn') })
    const server = await memoryServer({ plugins: [tolerant] })
    const { connack } = await joined(server, '', { version, clean })
    expect(connack).toMatchObject({ returnCode: 0 })
    expect(server.sessions[0]?.clientId).toMatch(/^mqttest-/)
  })

  test('is refused in MQTT 3.1.1 where the session is to be kept [MQTT-3.1.3-8]', async () => {
    const { client, connack } = await joined(await memoryServer(), '', { version: 4, clean: false })
    expect(connack).toMatchObject({ returnCode: 2, sessionPresent: false })
    expect(await client.end()).toBe('fin')
  })

  test('is replaced in MQTT 3.1.1 with a clean session [MQTT-3.1.3-6]', async () => {
    const server = await memoryServer()
    const one = await joined(server, '', { version: 4 })
    const two = await joined(server, '', { version: 4 })
    expect([one.connack.returnCode, two.connack.returnCode]).toEqual([0, 0])
    await one.client.settled()
    const ids = server.connections.map((connection) => connection.clientId)
    expect(new Set(ids).size).toBe(2)
    expect(ids).not.toContain('')
  })

  test.each([true, false])('gets an assigned one in MQTT 5, clean start %s [MQTT-3.2.2-16]', async (clean) => {
    const server = await memoryServer()
    const { connack } = await joined(server, '', { clean })
    const id = connack.properties?.assignedClientIdentifier
    expect(id).toMatch(/^mqttest-/)
    expect(server.connections[0]?.clientId).toBe(id)
    expect((await joined(server, '')).connack.properties?.assignedClientIdentifier).not.toBe(id)
  })

  test('gets the same assigned ids again in a run with the same seed', async () => {
    const ids: unknown[] = []
    for (let run = 0; run < 2; run++) {
      const server = await memoryServer({ seed: 'again' })
      ids.push((await joined(server, '')).connack.properties?.assignedClientIdentifier)
    }
    expect(ids[0]).toBe(ids[1])
  })

  test('gets the one that a plugin assigns', async () => {
    const assign = definePlugin({
      meta: { name: 'assign' },
      setup: ({ hooks, on }) => on(hooks.authorize, { kind: 'connect' }, (decision) => ({ ...decision, assignedClientId: 'chosen' })),
    })
    const { connack } = await joined(await memoryServer({ plugins: [assign] }), '')
    expect(connack.properties?.assignedClientIdentifier).toBe('chosen')
  })
})

describe('a version that does not exist', () => {
  test.each([
    ['MQTT with level 6', '100d 0004 4d515454 06 02 0000 0001 61'],
    ['MQTT with level 3', '100d 0004 4d515454 03 02 0000 0001 61'],
    ['MQIsdp with level 4', '100f 0006 4d5149736470 04 02 0000 0001 61'],
    ['MQTT with level 0', '100d 0004 4d515454 00 02 0000 0001 61'],
  ])('%s is refused with return code 1 [MQTT-3.1.2-2]', async (_what, bytes) => {
    const server = await memoryServer()
    const client = connectMemory(server).send(bytes)
    expect(await client.end()).toBe('fin')
    expect(Buffer.concat(client.chunks).toString('hex')).toBe('20020001')
    expect(server.records({ type: 'violation' })).toMatchObject([{ violation: { rule: 'connect-protocol-level-unsupported' } }])
  })

  test('an unknown protocol name is not answered [MQTT-3.1.2-1]', async () => {
    const client = connectMemory(await memoryServer()).send('100d 0004 4d515455 04 02 0000 0001 61')
    expect(await client.end()).toBe('fin')
    expect(client.chunks).toEqual([])
  })
})

describe('CONNACK of MQTT 5', () => {
  test('announces only what differs from the defaults of the protocol', async () => {
    const { connack } = await joined(await memoryServer({ broker: { topicAliasMaximum: 0 } }), 'me')
    expect(connack).toEqual({ cmd: 'connack', sessionPresent: false, reasonCode: 0 })
  })

  test('announces the limits of the server', async () => {
    const broker = {
      receiveMaximum: 10,
      maximumPacketSize: 1000,
      topicAliasMaximum: 7,
      maximumQos: 1,
      retainAvailable: false,
      wildcardSubscriptionAvailable: false,
      sharedSubscriptionAvailable: false,
      subscriptionIdentifiersAvailable: false,
      serverKeepAlive: 33,
    }
    const { connack } = await joined(await memoryServer({ broker }), 'me')
    const { maximumQos, ...same } = broker
    expect(connack.properties).toEqual({ ...same, maximumQoS: maximumQos })
  })

  test('says nothing of limits to older clients', async () => {
    const { connack } = await joined(await memoryServer({ broker: { maximumQos: 1 } }), 'me', { version: 4 })
    expect(connack).toEqual({ cmd: 'connack', sessionPresent: false, returnCode: 0 })
  })
})

describe('a client id in MQTT 3.1', () => {
  test.each(['x'.repeat(23), 'ü'.repeat(23), '😀'.repeat(23)])('may have 23 characters: %s', async (clientId) => {
    expect((await joined(await memoryServer(), clientId, { version: 3 })).connack).toMatchObject({ returnCode: 0 })
  })

  test('with more is refused with return code 2, unless that is tolerated; later versions take it', async () => {
    const server = await memoryServer()
    const clientId = 'x'.repeat(24)
    for (const version of [4, 5] as const) await (await join(server, clientId, { version })).settled()
    const { client, connack } = await joined(server, clientId, { version: 3 })
    expect(connack).toMatchObject({ returnCode: 2 })
    expect(await client.end()).toBe('fin')
    expect(server.records({ type: 'violation' })).toMatchObject([{ connection: 2, violation: { rule: 'connect-client-id-too-long', offset: 14 } }])
    server.hooks.violation.tap('tolerant', () => 'warn')
    expect((await joined(server, clientId, { version: 3 })).connack).toMatchObject({ returnCode: 0 })
  })
})

describe('a will whose payload is said to be text', () => {
  const will = (payload: Buffer) => ({ topic: 'w', payload, qos: 0, retain: false, properties: { payloadFormatIndicator: true } }) as const

  test('and is none is refused with 0x99', async () => {
    const server = await memoryServer()
    const { client, connack } = await joined(server, 'me', { will: will(Buffer.from([0x61, 0xff])) })
    expect(connack).toMatchObject({ reasonCode: 0x99 })
    expect(await client.end()).toBe('fin')
    const [record] = server.records({ type: 'violation' })
    expect(record).toMatchObject({ violation: { rule: 'payload-format-mismatch' } })
    if (record?.type === 'violation') expect(record.violation.raw?.[record.violation.offset ?? 0]).toBe(0xff)
  })

  test('and is text is taken', async () => {
    expect((await joined(await memoryServer(), 'me', { will: will(Buffer.from('später')) })).connack).toMatchObject({ reasonCode: 0 })
  })
})

describe('a will that the server does not support', () => {
  const will = { topic: 'w', payload: Buffer.alloc(0), qos: 2, retain: true } as const
  test.each([
    ['its QoS [MQTT-3.2.2-12]', { maximumQos: 1 }, 0x9b],
    ['its retain flag [MQTT-3.2.2-13]', { retainAvailable: false }, 0x9a],
  ])('is refused for %s', async (_what, broker, reasonCode) => {
    const { client, connack } = await joined(await memoryServer({ broker }), 'me', { will })
    expect(connack).toMatchObject({ reasonCode })
    expect(await client.end()).toBe('fin')
  })
})

describe('a refusal by a plugin', () => {
  const refuse = (decision: object) =>
    definePlugin({
      meta: { name: 'refuse' },
      setup: ({ hooks, on }) => on(hooks.authorize, { kind: 'connect' }, (before) => ({ ...before, ...decision })),
    })

  test.each([
    [3, 0x86, { returnCode: 4 }],
    [4, 0x87, { returnCode: 5 }],
    [4, 0x88, { returnCode: 3 }],
    [4, 0x85, { returnCode: 2 }],
    [4, 7, { returnCode: 7 }],
    [5, 0x9c, { reasonCode: 0x9c, properties: { serverReference: 'other:1883' } }],
  ] as const)('reaches a client of version %s: %i', async (version, reasonCode, expected) => {
    const server = await memoryServer({ plugins: [refuse({ reasonCode, properties: { serverReference: 'other:1883' } })] })
    const { client, connack } = await joined(server, 'me', { version })
    expect(connack).toMatchObject({ sessionPresent: false, ...expected })
    expect(await client.end()).toBe('fin')
    expect(server.sessions).toEqual([])
  })

  test('may close without an answer', async () => {
    const server = await memoryServer({ plugins: [refuse({ reasonCode: 0x87, action: 'close' })] })
    const client = connectMemory(server).sendConnect()
    expect(await client.end()).toBe('fin')
    expect(client.received).toEqual([])
  })

  test('may leave the client waiting', async () => {
    const { server, clock } = await virtualServer({ plugins: [refuse({ reasonCode: 0x87, action: 'drop' })] })
    const client = connectMemory(server).sendConnect()
    await clock.advance('1h')
    expect(client.received).toEqual([])
    expect(client.ended).toBeUndefined()
  })

  test('of a takeover leaves the first connection alone', async () => {
    const plugin = definePlugin({
      meta: { name: 'first-wins' },
      setup: ({ hooks, on }) => on(hooks.authorize, { kind: 'takeover' }, (decision) => ({ ...decision, reasonCode: 0x85 })),
    })
    const server = await memoryServer({ plugins: [plugin] })
    const first = await join(server, 'same')
    const { client, connack } = await joined(server, 'same')
    expect(connack).toMatchObject({ reasonCode: 0x85 })
    expect(await client.end()).toBe('fin')
    await subscribe(first, 't')
    server.publish({ topic: 't', payload: 'still here' })
    await first.settled()
    expect(messages(first)).toEqual(['t still here'])
  })

  test('of a takeover may keep both', async () => {
    const plugin = definePlugin({
      meta: { name: 'both' },
      setup: ({ hooks, on }) => on(hooks.authorize, { kind: 'takeover' }, (decision) => ({ ...decision, action: 'keep-both' })),
    })
    const server = await memoryServer({ plugins: [plugin] })
    const first = await join(server, 'same')
    const second = await join(server, 'same')
    await first.settled()
    await second.settled()
  })
})

describe('packets behind CONNECT', () => {
  test('in the same chunk are answered after CONNACK', async () => {
    const server = await memoryServer()
    const client = connectMemory(server)
    client.send('100e 0004 4d515454 04 02 0000 0002 7261 c000 3103 0001 61')
    await client.next('pingresp')
    expect(client.received.map((packet) => packet.cmd)).toEqual(['connack', 'pingresp'])
  })

  test('wait while a plugin decides', async () => {
    let allow = (): void => undefined
    const decided = new Promise<void>((resolve) => {
      allow = resolve
    })
    const plugin = definePlugin({
      meta: { name: 'slow' },
      setup: ({ hooks, on }) => on(hooks.authorize, { kind: 'connect' }, () => decided.then(() => undefined)),
    })
    const server = await memoryServer({ plugins: [plugin] })
    const client = connectMemory(server).sendConnect().send({ cmd: 'pingreq' })
    const connection = await server.connection()
    await connection.expect('pingreq')
    expect(client.received).toEqual([])
    allow()
    await client.next('pingresp')
    expect(client.received.map((packet) => packet.cmd)).toEqual(['connack', 'pingresp'])
  })

  test('are forgotten where the client says goodbye before the decision', async () => {
    const plugin = definePlugin({
      meta: { name: 'slow' },
      setup: ({ hooks, on }) => on(hooks.authorize, { kind: 'connect' }, () => new Promise<undefined>(() => undefined)),
    })
    const server = await memoryServer({ plugins: [plugin] })
    const client = connectMemory(server).sendConnect().send({ cmd: 'publish', topic: 'a', retain: true, payload: 'x' }, { cmd: 'disconnect' })
    expect(await client.end()).toBe('fin')
    expect(server.retained).toEqual([])
  })
})
