/** PUBACK, PUBREC, PUBREL and PUBCOMP from a client: what ends a delivery, and what is none of the server's business. */
import { type BrokerOptions, definePlugin } from 'mqttest'
import { describe, expect, test } from 'vitest'
import { answers, join, subscribe } from '../support/client.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

describe.each([3, 4, 5] as const)('a client of level %i', (version) => {
  /** A client that was sent one message at QoS 2 or 1. */
  async function sent(qos: 1 | 2, broker: BrokerOptions = {}) {
    const server = await memoryServer({ broker })
    const client = await join(server, 'me', { version })
    await subscribe(client, 'a', qos)
    server.publish({ topic: 'a', payload: 'x', qos })
    const { messageId = 0 } = await client.next('publish')
    return { server, client, messageId, inFlight: () => server.sessions[0]?.inFlight.size }
  }

  test('ends a QoS 1 delivery with PUBACK', async () => {
    const { client, messageId, inFlight } = await sent(1)
    expect(inFlight()).toBe(1)
    await client.send({ cmd: 'puback', messageId }).settled()
    expect(inFlight()).toBe(0)
  })

  test('ends a QoS 2 delivery with PUBREC and PUBCOMP', async () => {
    const { client, messageId, inFlight } = await sent(2)
    await client.send({ cmd: 'pubrec', messageId }).next('pubrel', { messageId })
    expect(inFlight()).toBe(1)
    await client.send({ cmd: 'pubcomp', messageId }).settled()
    expect(inFlight()).toBe(0)
  })

  test('that repeats PUBREC gets PUBREL again', async () => {
    const { client, messageId } = await sent(2)
    client.send({ cmd: 'pubrec', messageId }, { cmd: 'pubrec', messageId })
    await client.settled()
    expect(answers(client).filter((line) => line.startsWith('pubrel'))).toHaveLength(2)
  })

  test.each(['accept', 'not-found'] as const)('that names an id that nobody knows stays connected under unknownPacketId: %s', async (unknownPacketId) => {
    const { server, client } = await sent(1, { unknownPacketId })
    client.send({ cmd: 'puback', messageId: 77 }, { cmd: 'pubrec', messageId: 77 }, { cmd: 'pubrel', messageId: 77 }, { cmd: 'pubcomp', messageId: 77 })
    await client.settled()
    const code = version === 5 && unknownPacketId === 'not-found' ? ' 0x92' : ''
    expect(answers(client)).toEqual(['publish 1', `pubrel 77${code}`, `pubcomp 77${code}`, 'pingresp'])
    expect(server.report().violations).toMatchObject([{ rule: 'ack-unknown-packet-id', level: 'warning', count: 4 }])
  })

  test('that says PUBREL again on a new connection keeps to the rules: PUBCOMP may have been lost [MQTT-4.4.0-1]', async () => {
    const server = await memoryServer()
    const kept = version === 5 ? { version, clean: false, properties: { sessionExpiryInterval: 100 } } : { version, clean: false }
    const first = await join(server, 'me', kept)
    await first.send({ cmd: 'publish', topic: 'a', qos: 2, messageId: 7 }, { cmd: 'pubrel', messageId: 7 }).next('pubcomp')
    first.reset()
    await first.end()
    const again = await join(server, 'me', kept)
    await again.send({ cmd: 'pubrel', messageId: 7 }).next('pubcomp', { messageId: 7 })
    expect(server.report().violations).toEqual([])
    // Nothing was lost since.
    await again.send({ cmd: 'pubrel', messageId: 7 }).next('pubcomp', { messageId: 7 })
    expect(server.report().violations).toMatchObject([{ rule: 'ack-unknown-packet-id', count: 1 }])
  })

  test.each([
    ['PUBREC for a QoS 1 message', 1, 'pubrec'],
    ['PUBCOMP for a QoS 1 message', 1, 'pubcomp'],
    ['PUBACK for a QoS 2 message', 2, 'puback'],
    ['PUBCOMP before PUBREC', 2, 'pubcomp'],
  ] as const)('that sends %s is disconnected', async (_what, qos, cmd) => {
    const { server, client, messageId } = await sent(qos)
    client.send({ cmd, messageId })
    expect(await client.end()).toBe('fin')
    expect(server.report().violations).toMatchObject([{ rule: 'ack-wrong-type', count: 1 }])
    if (version === 5) expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x82 })
  })
})

test.each([3, 4, 5] as const)('nothing is sent again within a connection, however long the client is silent (level %i) [MQTT-4.4.0-1]', async (version) => {
  const { server, clock } = await virtualServer()
  const client = await join(server, 'me', { version })
  await subscribe(client, 'a', 2)
  for (const qos of [1, 2, 2] as const) server.publish({ topic: 'a', qos })
  await client.count(5)
  await client.send({ cmd: 'pubrec', messageId: 3 }).next('pubrel')
  await clock.advance('24h')
  await client.settled()
  expect(answers(client)).toEqual(['publish 1', 'publish 2', 'publish 3', 'pubrel 3', 'pingresp'])
})

describe('in MQTT 5', () => {
  test('PUBREC with an error ends the delivery; its id is free again', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    await subscribe(client, 'a', 2)
    server.publish({ topic: 'a', qos: 2 })
    const { messageId = 0 } = await client.next('publish')
    await client.send({ cmd: 'pubrec', messageId, reasonCode: 0x97 }).settled()
    expect(answers(client)).toEqual([`publish ${messageId}`, 'pingresp'])
    expect(server.sessions[0]?.inFlight.size).toBe(0)
  })

  test('PUBREC with an error for an id that nobody knows is not answered', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    await client.send({ cmd: 'pubrec', messageId: 7, reasonCode: 0x83 }, { cmd: 'pubrec', messageId: 8, reasonCode: 0x10 }).settled()
    expect(answers(client)).toEqual(['pubrel 8', 'pingresp'])
  })

  test('PUBACK with an error ends the delivery; it is not sent again [MQTT-4.4.0-2]', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    await subscribe(client, 'a', 1)
    server.publish({ topic: 'a', qos: 1 })
    const { messageId = 0 } = await client.next('publish')
    await client.send({ cmd: 'puback', messageId, reasonCode: 0x83 }).settled()
    expect(answers(client)).toEqual([`publish ${messageId}`, 'pingresp'])
    expect(server.sessions[0]?.inFlight.size).toBe(0)
  })
})

describe('packet ids of the server', () => {
  test('ascend from 1, and are not used again while they are in flight [MQTT-2.2.1-4]', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    await subscribe(client, 'a', 1)
    for (let count = 0; count < 3; count++) server.publish({ topic: 'a', qos: 1 })
    await client.settled()
    expect(answers(client)).toEqual(['publish 1', 'publish 2', 'publish 3', 'pingresp'])
  })

  test('go round at 65535, past those in flight', async () => {
    const at = definePlugin({ meta: { name: 'at' }, setup: ({ hooks, on }) => on(hooks.packetId, { nth: 1 }, () => 65_534) })
    const server = await memoryServer({ plugins: [at] })
    const client = await join(server, 'me')
    await subscribe(client, 'a', 1)
    for (let count = 0; count < 4; count++) server.publish({ topic: 'a', qos: 1 })
    await client.settled()
    expect(answers(client)).toEqual(['publish 65534', 'publish 65535', 'publish 1', 'publish 2', 'pingresp'])
  })

  test.each([3, 4, 5] as const)(
    'run out where all are in flight: the next message waits until one is free, and gets that (level %i) [MQTT-2.2.1-4]',
    async (version) => {
      const server = await memoryServer()
      const client = await join(server, 'me', { version })
      await subscribe(client, 'a', 1)
      for (let count = 0; count < 65_538; count++) server.publish({ topic: 'a', qos: 1 })
      await client.settled()
      const ids = () => client.received.flatMap((packet) => (packet.cmd === 'publish' ? [packet.messageId] : []))
      expect(new Set(ids()).size).toBe(65_535)
      expect(server.sessions[0]).toMatchObject({ queued: 3, inFlight: { size: 65_535 } })
      await client.send({ cmd: 'puback', messageId: 777 }, { cmd: 'puback', messageId: 5 }).settled()
      expect(ids().slice(65_535)).toEqual([777, 5])
      expect(server.sessions[0]).toMatchObject({ queued: 1, inFlight: { size: 65_535 } })
    },
  )

  test('may be chosen by a plugin, even one that is in flight', async () => {
    const same = definePlugin({ meta: { name: 'same' }, setup: ({ hooks }) => hooks.packetId.tap('x', () => 5) })
    const server = await memoryServer({ plugins: [same] })
    const client = await join(server, 'me')
    await subscribe(client, 'a', 1)
    server.publish({ topic: 'a', qos: 1 })
    server.publish({ topic: 'a', qos: 1 })
    client.send({ cmd: 'puback', messageId: 5 })
    await client.settled()
    expect(answers(client)).toEqual(['publish 5', 'publish 5', 'pingresp'])
    expect(server.sessions[0]?.inFlight.size).toBe(1)
  })
})

describe('what a plugin does to deliveries', () => {
  test('forgive: an acknowledgement that it brought about is not held against the client, one more is', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    const connection = await server.connection()
    connection.forgive(7, 2)
    for (const cmd of ['puback', 'pubcomp', 'puback'] as const) client.send({ cmd, messageId: 7 })
    await client.settled()
    expect((await server.stop()).violations).toMatchObject([{ rule: 'ack-unknown-packet-id', count: 1 }])
  })

  test('assign: a delivery is in flight without being sent, and sent again on the next connection', async () => {
    const kept = { clean: false, properties: { sessionExpiryInterval: 100 } }
    const silent = definePlugin({
      meta: { name: 'silent' },
      setup: ({ hooks, on }) =>
        on(hooks.send, { cmd: 'publish' }, (_steps, { delivery }, { session }) => {
          if (delivery !== undefined) session?.assign(delivery)
        }),
    })
    const server = await memoryServer({ plugins: [[silent, undefined, { connection: 0 }]] })
    const client = await join(server, 'me', kept)
    await subscribe(client, 'a', 1)
    server.publish({ topic: 'a', qos: 1 })
    await client.settled()
    client.reset()
    const again = await join(server, 'me', kept)
    await again.settled()
    expect([answers(client), answers(again)]).toEqual([
      ['publish 1', 'pingresp'],
      ['publish DUP 1', 'publish DUP 2', 'pingresp'],
    ])
  })

  test('acknowledged: a delivery may end while it is being sent, and what waits for room follows once and in order', async () => {
    const eager = definePlugin({
      meta: { name: 'eager' },
      setup: ({ hooks, on }) =>
        on(hooks.send, { cmd: 'publish', messageId: [2, 3] }, (_steps, { delivery }, { session }) => {
          if (delivery === undefined) return undefined
          for (const id of [2, 3]) session?.acknowledged(id)
          return []
        }),
    })
    const server = await memoryServer({ plugins: [eager] })
    const client = await join(server, 'me', { properties: { receiveMaximum: 1 } })
    await subscribe(client, 'a', 1)
    for (let count = 0; count < 5; count++) server.publish({ topic: 'a', qos: 1 })
    await client.settled()
    await client.send({ cmd: 'puback', messageId: 1 }).settled()
    expect(answers(client)).toEqual(['publish 1', 'pingresp', 'publish 4', 'pingresp'])
    expect(server.sessions[0]?.queued).toBe(1)
  })
})
