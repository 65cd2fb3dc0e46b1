/** What every client of every version relies on, in the manner of the Paho interoperability suites: one server, plain clients. */
import { connectMemory, connectTcp, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { answers, type JoinOptions, join, joined, messages, subscribe } from '../support/client.ts'
import { memoryServer, tcpServer, virtualServer } from '../support/server.ts'

/** Ends a client as a cut cable would, and waits until the server knows. */
async function cut(client: RawClient): Promise<void> {
  client.reset()
  await client.end()
}

describe.each([3, 4, 5] as const)('a client of level %i', (version) => {
  /** A session that is kept for as long as the test lasts. */
  const kept: JoinOptions = version === 5 ? { version, clean: false, properties: { sessionExpiryInterval: 9999 } } : { version, clean: false }

  test('basic: connects, subscribes, publishes at each QoS, gets its messages back, and says goodbye', async () => {
    const server = await tcpServer()
    const client = await connectTcp(server, version)
    expect(await client.connect({ clientId: 'basic' })).toMatchObject({ sessionPresent: false }) // [MQTT-3.2.0-1] [MQTT-3.2.2-2]
    expect(await subscribe(client, 'a/+', 2)).toBe(2) // [MQTT-3.8.4-1]
    client.send({ cmd: 'publish', topic: 'a/0', payload: '0' })
    expect(await client.next('publish', { topic: 'a/0' })).toMatchObject({ qos: 0, dup: false })
    client.send({ cmd: 'publish', topic: 'a/1', qos: 1, messageId: 5, payload: '1' })
    const one = await client.next('publish', { topic: 'a/1' })
    await client.next('puback', { messageId: 5 }) // [MQTT-3.3.4-1]
    client.send({ cmd: 'puback', messageId: one.messageId ?? 0 }, { cmd: 'publish', topic: 'a/2', qos: 2, messageId: 6, payload: '2' })
    await client.next('pubrec', { messageId: 6 })
    client.send({ cmd: 'pubrel', messageId: 6 })
    await client.next('pubcomp', { messageId: 6 }) // [MQTT-4.3.3-11]
    const two = await client.next('publish', { topic: 'a/2', qos: 2 })
    await client.send({ cmd: 'pubrec', messageId: two.messageId ?? 0 }).next('pubrel', { messageId: two.messageId ?? 0 }) // [MQTT-4.3.3-4]
    await client.send({ cmd: 'pubcomp', messageId: two.messageId ?? 0 }).settled()
    expect(messages(client)).toEqual(['a/0 0', 'a/1 1', 'a/2 2'])
    client.send({ cmd: 'disconnect' })
    expect(await client.end()).toBe('fin') // [MQTT-3.14.4-1]
    expect(server.report().violations).toEqual([])
  })

  test('retained messages: the last of each topic, for filters with and without wildcards; gone with an empty payload', async () => {
    const server = await memoryServer()
    const publisher = await join(server, 'publisher', { version })
    for (const [topic, qos] of [
      ['r/0', 0],
      ['r/1', 1],
      ['r/2', 2],
    ] as const) {
      // The second replaces the first [MQTT-3.3.1-5].
      const id = qos === 0 ? {} : { messageId: qos }
      publisher.send({ cmd: 'publish', topic, qos, retain: true, payload: 'old', ...id })
      if (qos === 2) publisher.send({ cmd: 'pubrel', messageId: qos })
      publisher.send({ cmd: 'publish', topic, qos, retain: true, payload: `new ${qos}`, ...id })
      if (qos === 2) publisher.send({ cmd: 'pubrel', messageId: qos })
    }
    await publisher.settled()
    const client = await join(server, 'client', { version })
    await subscribe(client, 'r/+', 2) // [MQTT-3.3.1-6] in 3.1.1, [MQTT-3.3.1-9] in 5.0
    await client.settled()
    expect(messages(client).sort()).toEqual(['r/0 new 0', 'r/1 new 1', 'r/2 new 2'])
    expect(client.received.every((packet) => packet.cmd !== 'publish' || packet.retain)).toBe(true) // [MQTT-3.3.1-8]
    for (const topic of ['r/0', 'r/1', 'r/2']) publisher.send({ cmd: 'publish', topic, retain: true }) // [MQTT-3.3.1-10] [MQTT-3.3.1-6]
    await publisher.settled()
    const late = await join(server, 'late', { version })
    await subscribe(late, '#', 2)
    await late.settled()
    expect(messages(late)).toEqual([])
    // Those who were subscribed get them like any other message, without the flag [MQTT-3.3.1-9] [MQTT-3.3.1-12].
    await client.settled()
    expect(client.received.filter((packet) => packet.cmd === 'publish' && !packet.retain)).toHaveLength(3)
  })

  test('zero-length client id: as the version has it', async () => {
    const server = await memoryServer()
    const clean = connectMemory(server, version)
    const answer = await clean.connect({ clientId: '', clean: true })
    if (version === 3) expect(answer).toMatchObject({ returnCode: 2 })
    else if (version === 4)
      expect(answer).toMatchObject({ returnCode: 0, sessionPresent: false }) // [MQTT-3.1.3-6]
    else expect(answer).toMatchObject({ reasonCode: 0, properties: { assignedClientIdentifier: expect.stringMatching(/./) } }) // [MQTT-3.2.2-16]
    const keeps = connectMemory(server, version)
    const second = await keeps.connect({ clientId: '', clean: false })
    if (version === 5) expect(second).toMatchObject({ reasonCode: 0 })
    else {
      expect(second).toMatchObject({ returnCode: 2 }) // [MQTT-3.1.3-8] in 3.1.1
      expect(await keeps.end()).toBe('fin')
    }
  })

  test('offline message queueing: QoS 1 and 2 wait, in order; QoS 0 does not', async () => {
    const server = await memoryServer()
    const first = await join(server, 'me', kept)
    await subscribe(first, 'q/#', 2)
    first.send({ cmd: 'disconnect' })
    await first.end()
    const other = await join(server, 'other', { version })
    other.send({ cmd: 'publish', topic: 'q/0', payload: '0' }, { cmd: 'publish', topic: 'q/1', qos: 1, messageId: 1, payload: '1' })
    other.send({ cmd: 'publish', topic: 'q/2', qos: 2, messageId: 2, payload: '2' }, { cmd: 'pubrel', messageId: 2 })
    await other.settled()
    const { client, connack } = await joined(server, 'me', kept)
    if (version !== 3) expect(connack.sessionPresent).toBe(true) // [MQTT-3.2.2-2]
    await client.settled()
    expect(messages(client)).toEqual(['q/1 1', 'q/2 2']) // [MQTT-3.1.2-5] in 3.1.1
    const { client: clean, connack: fresh } = await joined(server, 'me', { version, clean: true })
    expect(fresh.sessionPresent).toBe(false) // [MQTT-3.1.2-6] in 3.1.1, [MQTT-3.1.2-4] in 5.0
    expect(answers(await clean.settled())).toEqual(['pingresp'])
  })

  test('overlapping subscriptions: one copy, at the highest QoS', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me', { version })
    await subscribe(client, 'o/#', 2)
    await subscribe(client, 'o/+', 1)
    client.send({ cmd: 'publish', topic: 'o/x', qos: 2, messageId: 9, payload: 'once' })
    await client.settled()
    expect(client.received.filter((packet) => packet.cmd === 'publish')).toMatchObject([{ qos: 2 }]) // [MQTT-3.3.5-1], [MQTT-3.3.4-2]
  })

  test('keep-alive: silence for one and a half times as long ends the connection, and the will is published', async () => {
    const { server, clock } = await virtualServer()
    const watcher = await join(server, 'watcher', { version })
    await subscribe(watcher, 'will')
    const will = { topic: 'will', payload: Buffer.from('gone'), qos: 0, retain: false } as const
    const client = await join(server, 'me', { version, keepalive: 10, will })
    await clock.advance('14s')
    await client.settled()
    await clock.advance('14.9s')
    expect(client.ended).toBeUndefined()
    await clock.advance('200ms')
    expect(await client.end()).toBe('fin') // [MQTT-3.1.2-24] in 3.1.1, [MQTT-3.1.2-22] in 5.0
    await watcher.next('publish', { topic: 'will' })
  })

  test('redelivery on reconnect: what was not acknowledged comes again, in order, with DUP and its packet id', async () => {
    const server = await memoryServer()
    const first = await join(server, 'me', kept)
    await subscribe(first, 'd', 2)
    for (const qos of [1, 2, 2, 1] as const) server.publish({ topic: 'd', qos, payload: `at ${qos}` })
    await first.send({ cmd: 'pubrec', messageId: 2 }).next('pubrel')
    await first.settled()
    await cut(first)
    const again = await join(server, 'me', kept)
    await again.settled()
    // [MQTT-4.4.0-1] [MQTT-3.3.1-1]; PUBLISH 2 has its PUBREC already, so PUBREL comes [MQTT-4.3.3-6].
    expect(answers(again).sort()).toEqual(['pingresp', 'publish DUP 1', 'publish DUP 3', 'publish DUP 4', 'pubrel 2'])
    expect(answers(again).filter((line) => line.startsWith('publish'))).toEqual(['publish DUP 1', 'publish DUP 3', 'publish DUP 4']) // [MQTT-4.6.0-1]
  })

  test('a QoS 2 message that is published again after a reconnect is passed on once', async () => {
    const server = await memoryServer()
    const watcher = await join(server, 'watcher', { version })
    await subscribe(watcher, 't')
    const first = await join(server, 'me', kept)
    first.send({ cmd: 'publish', topic: 't', qos: 2, messageId: 3, payload: 'once' })
    await first.next('pubrec')
    await cut(first)
    const again = await join(server, 'me', kept)
    again.send({ cmd: 'publish', topic: 't', qos: 2, messageId: 3, dup: true, payload: 'once' })
    await again.next('pubrec', { messageId: 3 })
    await again.send({ cmd: 'pubrel', messageId: 3 }).next('pubcomp')
    await watcher.settled()
    expect(messages(watcher)).toEqual(['t once']) // [MQTT-4.3.3-2] in 3.1.1, [MQTT-4.3.3-10] in 5.0
  })

  test('$ topics are not matched by wildcards in the first level, and by their own name', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me', { version })
    for (const filter of ['#', '+/x', '$own/+']) await subscribe(client, filter)
    client.send({ cmd: 'publish', topic: '$other/x', payload: '1' }, { cmd: 'publish', topic: '$own/x', payload: '2' })
    await client.settled()
    expect(messages(client)).toEqual(['$own/x 2']) // [MQTT-4.7.2-1]
  })

  test('unsubscribe: nothing comes any more for what was given up, everything for what was not', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me', { version })
    for (const filter of ['u/a', 'u/b', 'u/c']) await subscribe(client, filter)
    const unsuback = await client.send({ cmd: 'unsubscribe', messageId: 7, unsubscriptions: ['u/a', 'u/b', 'u/none'] }).next('unsuback')
    expect(unsuback.messageId).toBe(7) // [MQTT-3.10.4-4]
    if (version === 5) expect(unsuback.granted).toEqual([0, 0, 0x11]) // [MQTT-3.11.3-1]
    for (const topic of ['u/a', 'u/b', 'u/c']) client.send({ cmd: 'publish', topic })
    await client.settled()
    expect(messages(client)).toEqual(['u/c']) // [MQTT-3.10.4-2]
  })

  test('will message: published when the client is lost, with its QoS and retain flag; not after a goodbye', async () => {
    const server = await memoryServer()
    const watcher = await join(server, 'watcher', { version })
    await subscribe(watcher, 'will/#', 2)
    const will = (topic: string) => ({ topic, payload: Buffer.from('x'), qos: 2, retain: true }) as const
    const polite = await join(server, 'polite', { version, will: will('will/polite') })
    polite.send({ cmd: 'disconnect' })
    await polite.end()
    await cut(await join(server, 'lost', { version, will: will('will/lost') }))
    expect(await watcher.next('publish')).toMatchObject({ topic: 'will/lost', qos: 2, retain: false }) // [MQTT-3.1.2-8] [MQTT-3.1.2-10]
    expect(server.retained.map(({ topic }) => topic)).toEqual(['will/lost']) // [MQTT-3.1.2-17] in 3.1.1, [MQTT-3.1.2-15] in 5.0
  })

  test('subscribe failure: what is refused is said in SUBACK, one code for each filter, in order', async () => {
    const server = await memoryServer()
    server.hooks.authorize.tap('test', (decision, request) => (request.kind === 'subscribe' && request.topic === 'no' ? { reasonCode: 0x87 } : decision))
    const client = await join(server, 'me', { version })
    const subscriptions = ['yes', 'no', 'maybe'].map((topic, index) => ({ topic, qos: index === 2 ? 2 : 1 }) as const)
    const { granted } = await client.send({ cmd: 'subscribe', messageId: 3, subscriptions }).next('suback')
    // [MQTT-3.8.4-5] in 3.1.1, [MQTT-3.8.4-6] in 5.0. MQTT 3.1 has no way to say no.
    expect(granted).toEqual([1, { 3: 1, 4: 0x80, 5: 0x87 }[version], 2])
    client.send({ cmd: 'publish', topic: 'no' }, { cmd: 'publish', topic: 'yes' })
    await client.settled()
    expect(messages(client)).toEqual(['yes'])
  })

  test('takeover: the older connection ends, the session goes on', async () => {
    const server = await memoryServer()
    const older = await join(server, 'me', kept)
    await subscribe(older, 't', 1)
    const newer = await join(server, 'me', kept)
    if (version === 5) expect(await older.next('disconnect')).toMatchObject({ reasonCode: 0x8e })
    expect(await older.end()).toBe('fin') // [MQTT-3.1.4-2] in 3.1.1, [MQTT-3.1.4-3] in 5.0
    server.publish({ topic: 't', qos: 1, payload: 'x' })
    await newer.next('publish')
  })
})

test('clients of different versions get each other’s messages', async () => {
  const server = await memoryServer()
  const clients = await Promise.all(([3, 4, 5] as const).map((version) => join(server, `v${version}`, { version })))
  for (const client of clients) await subscribe(client, 'all', 1)
  for (const client of clients) await client.send({ cmd: 'publish', topic: 'all', payload: `from ${client.version}`, qos: 1, messageId: 9 }).next('puback')
  for (const client of clients) expect(messages(await client.settled())).toEqual(['all from 3', 'all from 4', 'all from 5'])
})
