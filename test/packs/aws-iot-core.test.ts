/** What a client meets at AWS IoT Core. */
import type { ProtocolVersion } from 'mqttest'
import { awsIotCore } from 'mqttest/packs'
import { connectMemory, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join, joined, messages } from '../support/client.ts'
import { exchanged, heard, publish, spoken, subscribe, unsubscribe } from '../support/outcome.ts'
import { type VirtualServer, virtualServer } from '../support/server.ts'

type Options = NonNullable<Parameters<typeof awsIotCore>[0]>

const versions = [4, 5] as const

function iotCore(options: Options = {}): Promise<VirtualServer> {
  return virtualServer({ plugins: [awsIotCore(options)] })
}

/** What one client hears for what it says. */
async function said(version: ProtocolVersion, packet: Parameters<typeof exchanged>[1], options: Options = {}): Promise<string> {
  const { server } = await iotCore(options)
  return exchanged(await join(server, 'me', { version }), packet)
}

/** What a client hears for its CONNECT. */
async function refused({ server }: VirtualServer, version: ProtocolVersion, connect: Parameters<RawClient['sendConnect']>[0]): Promise<string> {
  const client = connectMemory(server, version).sendConnect(connect)
  await Promise.race([client.next('connack'), client.end()]).catch(() => undefined)
  return heard(client, 0)
}

/** Subscribes, and waits until messages flow. */
async function listening({ clock }: VirtualServer, client: RawClient, topics: string | readonly string[], qos: 0 | 1 = 1): Promise<RawClient> {
  await client.send(subscribe(topics, qos)).next('suback')
  await clock.advance('50ms')
  return client
}

/** The messages that came, with their packet ids and flags. */
const deliveries = (client: RawClient) =>
  client.received.flatMap((packet) => (packet.cmd === 'publish' ? [`${packet.messageId}${packet.dup ? ' DUP' : ''}`] : []))

describe('aws-iot-core says in CONNACK', () => {
  test('every limit, and an hour for a session that was to last for ever', async () => {
    const { server } = await iotCore()
    const { connack } = await joined(server, 'me', { keepalive: 5, properties: { sessionExpiryInterval: 0xffff_ffff } })
    expect(connack.properties).toEqual({
      maximumQoS: 1,
      receiveMaximum: 100,
      topicAliasMaximum: 8,
      subscriptionIdentifiersAvailable: false,
      retainAvailable: true,
      wildcardSubscriptionAvailable: true,
      sharedSubscriptionAvailable: true,
      serverKeepAlive: 30,
      sessionExpiryInterval: 3600,
    })
  })

  test('a packet size only if unverified things are asked for', async () => {
    const { server } = await iotCore({ unverified: true })
    expect((await joined(server, 'me')).connack.properties).toMatchObject({ maximumPacketSize: 149_504 })
  })
})

describe('aws-iot-core takes only some clients', () => {
  test('of MQTT 3.1.1 and 5, with ids of up to 128 bytes that do not begin with $', async () => {
    const core = await iotCore()
    expect(await refused(core, 3, { clientId: 'old' })).toBe('connack 1, fin')
    for (const clientId of ['$me', 'x'.repeat(129)]) {
      expect(await refused(core, 5, { clientId })).toBe('connack 0x85, fin')
      await core.clock.advance('1s')
      expect(await refused(core, 4, { clientId })).toBe('fin')
    }
    const { connack } = await joined(core.server, '')
    expect(connack.properties?.assignedClientIdentifier).toMatch(/./)
  })

  test('by a policy: who is not authorized gets 0x87, and in MQTT 3.1.1 no answer, or once code 7', async () => {
    const core = await iotCore({ clientIds: ['sensor-*'] })
    expect(await refused(core, 5, { clientId: 'other' })).toBe('connack 0x87, fin')
    expect(await refused(core, 4, { clientId: 'another' })).toBe('fin')
    expect(await refused(core, 4, { clientId: 'sensor-1' })).toBe('connack')
    expect(await refused(await iotCore({ clientIds: ['sensor-*'], legacyConnack: true }), 4, { clientId: 'other' })).toBe('connack 7, fin')
  })

  test('by a custom authorizer, whose parameters stand in the user name', async () => {
    const core = await iotCore({ usernames: ['*?x-amz-customauthorizer-name=mine'] })
    expect(await refused(core, 5, { clientId: 'one', username: 'joe?x-amz-customauthorizer-name=mine' })).toBe('connack')
    expect(await refused(core, 5, { clientId: 'two', username: 'joe' })).toBe('connack 0x87, fin')
  })

  test('once a second', async () => {
    const core = await iotCore()
    await joined(core.server, 'me')
    expect(await refused(core, 5, { clientId: 'me' })).toBe('connack 0x97, fin')
    expect(await refused(core, 4, { clientId: 'me' })).toBe('connack 3, fin')
    await core.clock.advance('1s')
    expect(await refused(core, 4, { clientId: 'me' })).toBe('connack')
  })

  test('and the newest of one id', async () => {
    const core = await iotCore()
    const first = await join(core.server, 'me')
    await core.clock.advance('1s')
    await join(core.server, 'me')
    expect(await first.next('disconnect')).toMatchObject({ reasonCode: 0x8e })
  })
})

describe('aws-iot-core has no QoS 2', () => {
  test('a PUBLISH is not answered in MQTT 3.1.1, and ends the connection in MQTT 5', async () => {
    expect(await said(4, publish('a', 2))).toBe('')
    expect(await said(5, publish('a', 2))).toBe('disconnect 0x9b, fin')
  })

  test.each(versions)('a SUBSCRIBE gets no SUBACK (version %i)', async (version) => {
    expect(await said(version, subscribe('a', 2))).toBe('')
  })
})

describe('aws-iot-core limits subscriptions', () => {
  const many = (count: number) => Array.from({ length: count }, (_, index) => `a/${index}`)

  test.each(versions)('8 filters are taken, 9 close the connection (version %i)', async (version) => {
    expect(await said(version, subscribe(many(8)))).toBe('suback 0,0,0,0,0,0,0,0')
    expect(await said(version, subscribe(many(9)))).toBe('fin')
  })

  test.each(versions)('an UNSUBSCRIBE with 9 filters gets no answer (version %i)', async (version) => {
    expect(await said(version, unsubscribe(many(9)))).toBe('')
  })

  test.each([
    [4, '0x80'],
    [5, '0x97'],
  ] as const)('the 51st is refused (version %i: %s)', async (version, code) => {
    const core = await iotCore()
    const client = await join(core.server, 'me', { version })
    const topics = many(50)
    while (topics.length > 0) await listening(core, client, topics.splice(0, 8))
    expect(await exchanged(client, subscribe(['b', 'a/1']))).toBe(`suback ${code},0`)
  })

  test('a subscription identifier ends the connection', async () => {
    expect(await said(5, { ...subscribe('a'), properties: { subscriptionIdentifier: 1 } })).toBe('disconnect 0xa1, fin')
  })

  test('the name of a share has at most 128 characters', async () => {
    expect(await said(4, subscribe(`$share/${'g'.repeat(128)}/a`))).toBe('suback 0')
    expect(await said(4, subscribe(`$share/${'g'.repeat(129)}/a`))).toBe('fin')
  })
})

describe('aws-iot-core limits topics', () => {
  test('to 256 bytes and 7 slashes, Basic Ingest and shares not counted', async () => {
    const long = 'x'.repeat(257)
    expect(await said(4, publish(long))).toBe('fin')
    expect(await said(5, publish(long))).toBe('disconnect 0x90, fin')
    expect(await said(5, subscribe('1/2/3/4/5/6/7/8/9'))).toBe('disconnect 0x8f, fin')
    expect(await said(4, publish('$aws/rules/mine/1/2/3/4/5/6/7/8'))).toBe('puback')
    expect(await said(4, subscribe('$share/mine/1/2/3/4/5/6/7/8'))).toBe('suback 0')
  })

  test('reserved ones are those of shadows, jobs and rules; a mistyped one closes the connection', async () => {
    expect(await said(4, publish('$aws/things/me/shadow/update'))).toBe('puback')
    expect(await said(4, publish('$aws/things/me/shadow/updat'))).toBe('fin')
    expect(await said(5, publish('$aws/things/me/shadow/updat'))).toBe('puback 0x87')
    expect(await said(4, subscribe('$aws/rules/mine/a'))).toBe('suback 0x80')
    expect(await said(5, subscribe('$aws/rules/mine/a'))).toBe('suback 0x87')
    expect(await said(4, publish('$aws/certificates/create/json'), { reserved: ['$aws/certificates/#'] })).toBe('puback')
  })

  test('thing: a client keeps to its own', async () => {
    const thing = { thing: true }
    expect(await said(4, publish('me/temperature'), thing)).toBe('puback')
    expect(await said(4, publish('other/temperature'), thing)).toBe('fin')
    expect(await said(5, publish('$aws/things/other/shadow/update'), thing)).toBe('puback 0x87')
    expect(await said(5, subscribe(['me/#', '#']), thing)).toBe('suback 0,0x87')
  })
})

describe('aws-iot-core delivers', () => {
  test.each(versions)('again after a while, under another packet id and without DUP (version %i)', async (version) => {
    const core = await iotCore()
    const client = await listening(core, await join(core.server, 'me', { version, keepalive: 1200 }), 'a')
    core.server.publish({ topic: 'a', qos: 1 })
    await core.clock.advance('61s')
    expect(deliveries(client)).toEqual(['1', '2', '3'])
    await client.send({ cmd: 'puback', messageId: 3 }).settled()
    await core.clock.advance('60s')
    expect(deliveries(client)).toEqual(['1', '2', '3'])
  })

  test('timeScale: the repeat and the hour of a session come a hundred times as soon', async () => {
    const core = await iotCore({ timeScale: 0.01 })
    const connect = { version: 4, clean: false } as const
    const client = await join(core.server, 'me', connect)
    await listening(core, client, 'a')
    core.server.publish({ topic: 'a', qos: 1 })
    await core.clock.advance('610ms')
    expect(deliveries(client)).toEqual(['1', '2', '3'])
    client.close()
    await core.clock.advance('35s')
    const again = await joined(core.server, 'me', connect)
    expect(again.connack.sessionPresent).toBe(true)
    again.client.close()
    await core.clock.advance('36s')
    expect((await joined(core.server, 'me', connect)).connack.sessionPresent).toBe(false)
  })

  test('nothing for a short while after SUBACK', async () => {
    const core = await iotCore()
    const client = await join(core.server, 'me')
    await client.send(subscribe('a')).next('suback')
    core.server.publish({ topic: 'a', payload: 'missed' })
    await core.clock.advance('50ms')
    core.server.publish({ topic: 'a', payload: 'heard' })
    await client.settled()
    expect(messages(client)).toEqual(['a heard'])
  })

  test("not the parent of '#'", async () => {
    const core = await iotCore()
    const client = await listening(core, await join(core.server, 'me'), 'sensor/#')
    core.server.publish({ topic: 'sensor' })
    core.server.publish({ topic: 'sensor/1' })
    await client.settled()
    expect(messages(client)).toEqual(['sensor/1'])
  })

  test('what waited for a session at ten messages a second', async () => {
    const core = await iotCore()
    const connect = { version: 4, clean: false } as const
    const client = await listening(core, await join(core.server, 'me', connect), 'a')
    client.close()
    await core.clock.advance('2s')
    for (let index = 0; index < 20; index++) core.server.publish({ topic: 'a', qos: 1 })
    await core.clock.advance('1s')
    const back = await join(core.server, 'me', connect)
    await core.clock.advance('950ms')
    expect(messages(back)).toHaveLength(10)
  })

  test('more than once or in another order, where that is asked for', async () => {
    const core = await iotCore({ duplicates: 1 })
    const client = await listening(core, await join(core.server, 'me'), 'a', 0)
    core.server.publish({ topic: 'a', payload: '1' })
    await client.settled()
    expect(messages(client)).toEqual(['a 1', 'a 1'])

    const other = await iotCore({ disorder: true })
    const sender = await join(other.server, 'sender')
    for (let messageId = 1; messageId <= 9; messageId++) sender.send(publish('b', 1, messageId))
    await other.clock.advance('100ms')
    const ids = sender.received.flatMap((packet) => (packet.cmd === 'puback' ? [packet.messageId] : []))
    expect(ids).not.toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect([...ids].sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
  })
})

describe('aws-iot-core keeps messages', () => {
  test('for filters without wildcards only', async () => {
    const core = await iotCore()
    core.server.publish({ topic: 'a/b', payload: 'kept', retain: true })
    const client = await listening(core, await join(core.server, 'me'), 'a/+')
    await client.settled()
    expect(messages(client)).toEqual([])
    await listening(core, client, 'a/b')
    await client.settled()
    expect(messages(client)).toEqual(['a/b kept'])
  })

  test('but not on reserved topics, and did not at all before August 2021', async () => {
    const retained = (topic: string) => ({ ...publish(topic), retain: true })
    expect(await said(4, retained('$aws/things/me/shadow/update'))).toBe('fin')
    expect(await said(5, retained('$aws/things/me/shadow/update'))).toBe('disconnect 0x90, fin')
    expect(await said(4, retained('a'))).toBe('puback')
    expect(await said(4, retained('a'), { legacyRetain: true })).toBe('fin')
  })
})

describe('aws-iot-core limits what comes', () => {
  test('to 100 messages a second', async () => {
    for (const version of versions) {
      const core = await iotCore()
      const client = await join(core.server, 'me', { version })
      for (let messageId = 1; messageId <= 101; messageId++) await client.send(publish('a', 1, messageId)).settled()
      const last = client.received.filter(({ cmd }) => cmd === 'puback').map(spoken)
      expect(last).toHaveLength(version === 4 ? 100 : 101)
      expect(last.at(-1)).toBe(version === 4 ? 'puback' : 'puback 0x97')
    }
  })

  test('to 512 KiB a second: more is read later', async () => {
    const core = await iotCore()
    const client = await join(core.server, 'me')
    for (let messageId = 1; messageId <= 5; messageId++) client.send(publish('a', 1, messageId, { size: 120_000 }))
    await core.clock.advance('900ms')
    expect(client.received.filter(({ cmd }) => cmd === 'puback')).toHaveLength(4)
    await core.clock.advance('100ms')
    expect(client.received.filter(({ cmd }) => cmd === 'puback')).toHaveLength(5)
  })

  test.each(versions)('to payloads of 128 KB (version %i)', async (version) => {
    expect(await said(version, publish('a', 1, 7, { size: 131_072 }))).toBe('puback')
    expect(await said(version, publish('a', 1, 7, { size: 131_073 }))).toBe('fin')
  })

  test('to topic aliases up to 8', async () => {
    expect(await said(5, { ...publish('a'), properties: { topicAlias: 8 } })).toBe('puback')
    expect(await said(5, { ...publish('a'), properties: { topicAlias: 9 } })).toBe('disconnect 0x94, fin')
  })

  test('to clients that show life: UNSUBSCRIBE is none, and who wants no keep-alive has one of 20 minutes', async () => {
    const core = await iotCore()
    const quick = await join(core.server, 'quick', { version: 4, keepalive: 5 })
    const lasting = await join(core.server, 'lasting', { version: 4, keepalive: 0 })
    await core.clock.advance('44s')
    quick.send(unsubscribe('a'))
    await core.clock.advance('2s')
    expect([quick.ended, lasting.ended]).toEqual(['fin', undefined])
    await core.clock.advance('30m')
    expect(lasting.ended).toBe('fin')
  })
})

describe('aws-iot-core tells and answers', () => {
  test('who comes and goes', async () => {
    const core = await iotCore()
    const watcher = await listening(core, await join(core.server, 'watcher'), '$aws/events/presence/#')
    const client = await join(core.server, 'me')
    client.send({ cmd: 'disconnect' })
    await watcher.settled()
    expect(watcher.received.flatMap((packet) => (packet.cmd === 'publish' ? [packet.topic] : []))).toEqual([
      '$aws/events/presence/connected/me',
      '$aws/events/presence/disconnected/me',
    ])
  })

  test.each([
    ['a shadow', '$aws/things/lamp/shadow'],
    ['a named shadow', '$aws/things/lamp/shadow/name/light'],
  ])('with %s, which remembers what it was told', async (_what, shadow) => {
    const core = await iotCore()
    const client = await listening(core, await join(core.server, 'lamp'), `${shadow}/#`, 0)
    const update = (state: object) => ({ cmd: 'publish', topic: `${shadow}/update`, payload: { json: { state } } }) as const
    client.send(update({ reported: { on: true } }), update({ desired: { on: false } }), { cmd: 'publish', topic: `${shadow}/get` })
    const { payload } = await client.next('publish', { topic: `${shadow}/get/accepted` })
    expect(JSON.parse(payload.toString())).toEqual({ state: { reported: { on: true }, desired: { on: false } } })
    expect(messages(client)).toContain(`${shadow}/update/accepted {"state":{"desired":{"on":false}}}`)
  })
})

describe('aws-iot-core tries clients as Device Advisor does', () => {
  test('no-connack: the first five get no answer', async () => {
    const core = await iotCore({ scenario: 'no-connack' })
    for (let attempt = 0; attempt < 5; attempt++) {
      const client = connectMemory(core.server, 4).sendConnect({ clientId: 'me' })
      await core.clock.advance('2s')
      expect(heard(client, 0)).toBe('')
      client.close()
    }
    expect(await refused(core, 4, { clientId: 'me' })).toBe('connack')
  })

  test('connack-then-close, on as many connections as it is told', async () => {
    const core = await iotCore({ scenario: 'connack-then-close', scenarioConnections: 1 })
    const client = await join(core.server, 'me', { version: 4 })
    expect(await client.end()).toBe('fin')
    await core.clock.advance('1s')
    expect(await exchanged(await join(core.server, 'me', { version: 4 }), publish('a'))).toBe('puback')
  })

  test('no-puback: nor for the same packet id on the next connection, until the scenario is over', async () => {
    const core = await iotCore({ scenario: 'no-puback', scenarioConnections: 2 })
    const answers: string[] = []
    for (let attempt = 0; attempt < 3; attempt++) {
      const client = await join(core.server, 'me', { version: 4, clean: false })
      answers.push(await exchanged(client, { ...publish('a'), dup: attempt > 0 }))
      client.close()
      await core.clock.advance('1s')
    }
    expect(answers).toEqual(['', '', 'puback'])
  })

  test.each([
    ['no-suback', subscribe('a')],
    ['no-pingresp', { cmd: 'pingreq' }],
  ] as const)('%s', async (scenario, packet) => {
    const core = await iotCore({ scenario, scenarioConnections: 0 })
    const client = await join(core.server, 'me', { version: 4 })
    client.send(packet)
    await core.clock.advance('10s')
    expect(heard(client)).toBe('')
  })

  test('session-expiry: a session that should be there is not', async () => {
    const core = await iotCore({ scenario: 'session-expiry', scenarioConnections: 2 })
    const connect = { version: 4, clean: false } as const
    const presents: (boolean | undefined)[] = []
    for (let attempt = 0; attempt < 3; attempt++) {
      const { client, connack } = await joined(core.server, 'me', connect)
      presents.push(connack.sessionPresent)
      client.close()
      await core.clock.advance('1s')
    }
    expect(presents).toEqual([false, false, true])
  })
})
