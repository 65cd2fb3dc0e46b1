/** What a client meets at Azure IoT Hub. */
import type { ProtocolVersion } from 'mqttest'
import { azureIotHub } from 'mqttest/packs'
import { connectMemory, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join, joined, messages } from '../support/client.ts'
import { exchanged, heard, publish, subscribe } from '../support/outcome.ts'
import { type VirtualServer, virtualServer } from '../support/server.ts'

type Options = NonNullable<Parameters<typeof azureIotHub>[0]>

const version = 4
const username = 'hub.azure-devices.net/me/?api-version=2021-04-12'
const signature = (expirySeconds: number) => Buffer.from(`SharedAccessSignature sr=hub.azure-devices.net%2Fdevices%2Fme&sig=c2ln&se=${expirySeconds}`)
const commands = 'devices/me/messages/devicebound/#'
const telemetry = 'devices/me/messages/events/'

/** A hub that lets everybody in, unless it is told to look. */
function hub(options: Options = {}): Promise<VirtualServer> {
  return virtualServer({ plugins: [azureIotHub({ authentication: 'none', ...options })] })
}

async function device(options: Options = {}): Promise<VirtualServer & { client: RawClient }> {
  const all = await hub(options)
  return { ...all, client: await join(all.server, 'me', { version }) }
}

/** What a device hears for what it says. */
async function said(packet: Parameters<typeof exchanged>[1], options: Options = {}): Promise<string> {
  return exchanged((await device(options)).client, packet)
}

/** What a client hears for its CONNECT. */
async function refused({ server }: VirtualServer, connect: Parameters<RawClient['sendConnect']>[0], level: ProtocolVersion = version): Promise<string> {
  const client = connectMemory(server, level).sendConnect({ clientId: 'me', ...connect })
  await Promise.race([client.next('connack'), client.end()]).catch(() => undefined)
  return heard(client, 0)
}

describe('azure-iot-hub lets in', () => {
  test('clients of MQTT 3.1.1 with the name of their device and a token that has not expired; others get return code 5', async () => {
    const all = await hub({ authentication: 'token' })
    expect(await refused(all, { username, password: signature(60) })).toBe('connack')
    expect(await refused(all, { username, password: Buffer.from('secret') })).toBe('connack 5, fin')
    expect(await refused(all, { username, password: signature(60), clientId: 'other' })).toBe('connack 5, fin')
    expect(await refused(all, {})).toBe('connack 5, fin')
    const modern = connectMemory(all.server, 5).sendConnect({ clientId: 'me', username })
    expect(await modern.end()).toBe('fin')
    expect(modern.chunks.map((chunk) => chunk.toString('hex'))).toEqual(['20020001'])
  })

  test('clients with a certificate, by their user name', async () => {
    const all = await hub({ authentication: 'certificate' })
    expect(await refused(all, { username })).toBe('connack')
    expect(await refused(all, { username: 'hub/other/?api-version=2021-04-12' })).toBe('connack 5, fin')
  })

  test('and closes on them a few minutes after their token has expired', async () => {
    const { server, clock } = await hub({ authentication: 'token' })
    const client = await join(server, 'me', { version, username, password: signature(60) })
    await clock.advance('359s')
    expect(client.ended).toBeUndefined()
    await clock.advance('1s')
    expect(client.ended).toBe('fin')
  })

  test('timeScale: the minutes of grace are seconds', async () => {
    const { server, clock } = await hub({ authentication: 'token', timeScale: 0.01 })
    const client = await join(server, 'me', { version, username, password: signature(60) })
    await clock.advance('62s')
    expect(client.ended).toBeUndefined()
    await clock.advance('1s')
    expect(client.ended).toBe('fin')
  })

  test('one of a device, the newest', async () => {
    const { server, client } = await device()
    await join(server, 'me', { version })
    expect(await client.end()).toBe('fin')
  })

  test('wills about telemetry only', async () => {
    const all = await hub()
    const will = (topic: string) => ({ will: { topic, payload: Buffer.from('x'), qos: 0, retain: false } }) as const
    expect(await refused(all, will(telemetry))).toBe('connack')
    expect(await refused(all, will('devices/me/gone'))).toBe('connack 5, fin')
    expect(await refused(all, will('$iothub/twin/GET/?$rid=1'))).toBe('connack 5, fin')
  })

  test('a keep-alive of an hour, and cuts the line after half of it', async () => {
    const { server, clock } = await hub()
    const client = await join(server, 'me', { version, keepalive: 3600 })
    await clock.advance('29m')
    expect(client.ended).toBeUndefined()
    await clock.advance('30s')
    expect(client.ended).toBe('fin')
  })
})

describe('azure-iot-hub is no general broker', () => {
  test('topics of telemetry and methods are taken, any other closes the connection', async () => {
    expect(await said(publish(telemetry))).toBe('puback')
    expect(await said(publish(`${telemetry}a=1&b=%2F`))).toBe('puback')
    expect(await said(publish('$iothub/methods/res/200/?$rid=1'))).toBe('puback')
    for (const topic of ['a', 'devices/other/messages/events/', '$iothub/twin/PUT/?$rid=1']) expect(await said(publish(topic))).toBe('fin')
  })

  test('so do filters', async () => {
    const filters = [commands, '$iothub/twin/res/#', '$iothub/twin/PATCH/properties/desired/#', '$iothub/methods/POST/#']
    expect(await said(subscribe(filters, 1))).toBe('suback 1,1,1,1')
    for (const filter of ['#', 'devices/+/messages/devicebound/#']) expect(await said(subscribe(filter))).toBe('fin')
  })

  test('five subscriptions are granted', async () => {
    const filters = ['', '/a', '/b', '/c', '/d', '/e'].map((end) => `$iothub/methods/POST${end}/#`)
    expect(await said(subscribe(filters))).toBe('suback 0,0,0,0,0,0x80')
  })

  test('QoS 2 is granted as 1, and closes the connection in PUBLISH, or gets PUBACK', async () => {
    expect(await said(subscribe(commands, 2))).toBe('suback 1')
    expect(await said(publish(telemetry, 2))).toBe('fin')
    expect(await said(publish(telemetry, 2), { qos2: 'puback' })).toBe('puback')
  })

  test('a message has 256 KB at most', async () => {
    expect(await said(publish(telemetry, 1, 7, { size: 262_144 }))).toBe('puback')
    expect(await said(publish(telemetry, 1, 7, { size: 262_145 }))).toBe('fin')
  })

  test('more than 100 messages a second are read later, and close the connection when that goes on', async () => {
    const { client, clock } = await device({ patience: '1s' })
    const taken = () => client.received.filter(({ cmd }) => cmd === 'puback').length
    for (let messageId = 1; messageId <= 110; messageId++) client.send(publish(telemetry, 1, messageId))
    await clock.advance('500ms')
    expect(taken()).toBe(100)
    await clock.advance('500ms')
    expect(taken()).toBe(110)
    for (let messageId = 1; messageId <= 300; messageId++) client.send(publish(telemetry, 1, messageId))
    await clock.advance('5s')
    expect(client.ended).toBe('fin')
  })
})

describe('azure-iot-hub puts properties into topics', () => {
  test('of a command', async () => {
    const { server, client } = await device()
    await client.send(subscribe(commands, 1)).next('suback')
    server.publish({ topic: 'devices/me/messages/devicebound/', payload: 'x', qos: 1, properties: { userProperties: { room: 'a/b', level: '1' } } })
    expect(await client.next('publish')).toMatchObject({ topic: 'devices/me/messages/devicebound/room=a%2Fb&level=1', qos: 1 })
  })

  test('of telemetry, with one in place of RETAIN', async () => {
    for (const legacyMarker of [false, true]) {
      const { server, client } = await device({ legacyMarker })
      const taken: unknown[] = []
      server.hooks.route.tap('test', (_deliveries, { topic, retain, properties }) => {
        taken.push({ topic, retain, ...properties?.userProperties })
      })
      await client.send({ ...publish(`${telemetry}room=a%2Fb`), retain: true }).settled()
      expect(taken).toEqual([{ topic: telemetry, retain: false, room: 'a/b', [legacyMarker ? 'x-opt-retain' : 'mqtt-retain']: 'true' }])
      expect(server.retained).toEqual([])
    }
  })
})

describe('azure-iot-hub keeps commands', () => {
  test('for a session, 50 of them', async () => {
    const { server } = await hub()
    const connect = { version, clean: false } as const
    const client = await join(server, 'me', connect)
    await client.send(subscribe(commands, 1)).next('suback')
    client.send({ cmd: 'disconnect' })
    await client.end()
    for (let index = 0; index < 60; index++) server.publish({ topic: 'devices/me/messages/devicebound/', qos: 1 })
    const { client: back, connack } = await joined(server, 'me', connect)
    expect(connack.sessionPresent).toBe(true)
    for (let messageId = 1; messageId <= 60; messageId++) back.send({ cmd: 'puback', messageId })
    await back.settled()
    expect(messages(back)).toHaveLength(50)
  })

  test('and delivers them again after a minute, if unverified things are asked for', async () => {
    for (const unverified of [false, true]) {
      const { server, client, clock } = await device({ unverified })
      await client.send(subscribe(commands, 1)).next('suback')
      server.publish({ topic: 'devices/me/messages/devicebound/', qos: 1 })
      await clock.advance('61s')
      expect(messages(client)).toHaveLength(unverified ? 2 : 1)
    }
  })
})

describe('azure-iot-hub answers', () => {
  const get = (id: number) => ({ cmd: 'publish', topic: `$iothub/twin/GET/?$rid=${id}` }) as const
  const report = (id: number, json: object) => ({ cmd: 'publish', topic: `$iothub/twin/PATCH/properties/reported/?$rid=${id}`, payload: { json } }) as const

  test('requests to the twin, at QoS 0: what was reported, and what is desired', async () => {
    const { client } = await device({ desired: { interval: 5, $version: 1 } })
    await client.send(subscribe('$iothub/twin/res/#', 1)).next('suback')
    client.send(report(1, { on: true, color: 'red' }), report(2, { color: null }), get(3))
    await client.settled()
    expect(messages(client)).toEqual([
      '$iothub/twin/res/204/?$rid=1&$version=1',
      '$iothub/twin/res/204/?$rid=2&$version=2',
      '$iothub/twin/res/200/?$rid=3 {"desired":{"interval":5,"$version":1},"reported":{"on":true}}',
    ])
    expect(client.received.flatMap((packet) => (packet.cmd === 'publish' ? [packet.qos] : []))).toEqual([0, 0, 0])
  })

  test('those requests with a refusal, and late', async () => {
    const { client, clock } = await device({ twinStatus: '429', twinDelay: '2s' })
    await client.send(subscribe('$iothub/twin/res/#')).next('suback')
    client.send(report(1, { on: true }), get(2))
    await clock.advance('1900ms')
    expect(messages(client)).toEqual([])
    await clock.advance('100ms')
    expect(messages(client)).toEqual(['$iothub/twin/res/429/?$rid=1', '$iothub/twin/res/429/?$rid=2'])
  })

  test('a subscription to methods with the call of one', async () => {
    const { client } = await device({ method: 'reboot', methodPayload: { json: { wait: 5 } } })
    await client.send(subscribe(commands)).next('suback')
    await client.send(subscribe('$iothub/methods/POST/#')).next('publish')
    expect(heard(client)).toBe('suback 0, suback 0, publish $iothub/methods/POST/reboot/?$rid=1')
    expect(messages(client)).toEqual(['$iothub/methods/POST/reboot/?$rid=1 {"wait":5}'])
    expect(await exchanged(client, publish('$iothub/methods/res/200/?$rid=1'))).toBe('puback')
  })
})

describe('azure-iot-hub had a preview of MQTT 5', () => {
  test('with limits of its own', async () => {
    const { server } = await hub({ preview: true })
    const { client, connack } = await joined(server, 'me', { keepalive: 0 })
    expect(connack.properties).toMatchObject({
      receiveMaximum: 16,
      maximumPacketSize: 262_144,
      topicAliasMaximum: 10,
      maximumQoS: 1,
      subscriptionIdentifiersAvailable: false,
      sharedSubscriptionAvailable: false,
      retainAvailable: false,
      serverKeepAlive: 1140,
    })
    expect(await exchanged(client, subscribe(Array.from({ length: 51 }, (_, index) => `a/${index}`)))).toBe(`suback ${'0,'.repeat(50)}0x97`)
    expect(await refused({ server, clock: server.clock }, { clientId: '' }, 5)).toBe('connack 0x85, fin')
  })
})
