/** What a device meets at ThingsBoard. */
import { thingsboard } from 'mqttest/packs'
import { type ConnectInput, connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { messages } from '../support/client.ts'
import { exchanged, heard, joining, publish, subscribe, welcomed } from '../support/outcome.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

type Options = Parameters<typeof thingsboard>[0]

const serverWith = (options: Options = {}) => memoryServer({ plugins: [thingsboard(options)] })
const device = { username: 'token' }
const telemetry = 'v1/devices/me/telemetry'

/** What a device gets for packets. */
async function answer(options: Options, version: 3 | 4 | 5, ...packets: readonly Parameters<typeof exchanged>[1][]) {
  return exchanged(await joining(await serverWith(options), version, device), ...packets)
}

describe('CONNECT', () => {
  test('a token is enough, if it is known; without one nobody gets in', async () => {
    const server = await serverWith({ tokens: ['token'] })
    for (const version of [3, 4, 5] as const) expect(await welcomed(server, version, device)).toBe('connack')
    expect(await welcomed(server, 4, { username: 'other' })).toBe('connack 5, fin')
    expect([await welcomed(await serverWith(), 4), await welcomed(await serverWith(), 4, { username: 'any' })]).toEqual(['connack 5, fin', 'connack'])
  })

  test('the refusal of MQTT 5 has a DISCONNECT behind it', async () => {
    expect(await welcomed(await serverWith(), 5)).toBe('connack 0x86, disconnect 0x87, fin')
  })

  test('Session Present is the inverse of the clean flag, also where the client is refused; nothing is kept', async () => {
    const present = async (connect: ConnectInput) =>
      (
        await connectMemory(await serverWith({ tokens: ['token'] }))
          .sendConnect({ clientId: 'me', ...connect })
          .next('connack')
      ).sessionPresent
    expect([await present({ ...device, clean: true }), await present({ ...device, clean: false })]).toEqual([false, true])
    expect([await present({ clean: true }), await present({ clean: false })]).toEqual([false, true])
    const server = await serverWith()
    const client = await joining(server, 4, { ...device, clean: false })
    await exchanged(client, subscribe('v1/devices/me/attributes', 1))
    client.reset()
    await server.clock.advance(1)
    server.publish({ topic: 'v1/devices/me/attributes', payload: '{}', qos: 1 })
    const back = await joining(server, 4, { ...device, clean: false })
    await back.settled()
    expect(messages(back)).toEqual([])
  })

  test('two connections with one client id stay, and both are served', async () => {
    const server = await serverWith()
    const clients = [await joining(server, 4, device), await joining(server, 5, device)]
    for (const client of clients) await exchanged(client, subscribe('v1/devices/me/rpc/request/+'))
    server.publish({ topic: 'v1/devices/me/rpc/request/1', payload: '{}' })
    for (const client of clients) {
      await client.settled()
      expect(messages(client)).toEqual(['v1/devices/me/rpc/request/1 {}'])
    }
  })

  test('connectsPerSecond: more get 0x9F, or code 3', async () => {
    const server = await serverWith({ connectsPerSecond: 1 })
    expect([await welcomed(server, 5, device), await welcomed(server, 5, device)]).toEqual(['connack', 'connack 0x9f, fin'])
    expect(await welcomed(server, 4, device)).toBe('connack 3, fin')
  })
})

describe('messages', () => {
  test('QoS 2 is answered with PUBACK, and granted 1', async () => {
    for (const version of [3, 4, 5] as const)
      expect(await answer({}, version, subscribe('v1/devices/me/attributes', 2), publish(telemetry, 2, 7, '{}'))).toBe('suback 1, puback')
  })

  test('what a device says does not come to devices; what the platform says does', async () => {
    const server = await serverWith()
    const listener = await joining(server, 4, { ...device, clientId: 'listener' })
    await exchanged(listener, subscribe('v1/devices/me/attributes'))
    expect(await exchanged(await joining(server, 4, device), publish('v1/devices/me/attributes', 1, 7, '{"a":1}'))).toBe('puback')
    server.publish({ topic: 'v1/devices/me/attributes', payload: '{"b":2}' })
    await listener.settled()
    expect(messages(listener)).toEqual(['v1/devices/me/attributes {"b":2}'])
  })

  test('other topics: PUBACK, with 0x90 in MQTT 5; other filters: 0x80 or 0x8F', async () => {
    expect([await answer({}, 4, publish('a', 1, 7, '{}')), await answer({}, 5, publish('a', 1, 7, '{}'))]).toEqual(['puback', 'puback 0x90'])
    expect(await answer({}, 4, subscribe(['a', 'v1/devices/me/attributes']))).toBe('suback 0x80,0')
    expect(await answer({}, 5, subscribe('#'))).toBe('suback 0x8f')
  })

  test('what is not JSON closes the connection in MQTT 3, and gets 0x99 in MQTT 5', async () => {
    expect([await answer({}, 4, publish(telemetry)), await answer({}, 5, publish(telemetry))]).toEqual(['fin', 'puback 0x99'])
    expect(await answer({ acknowledgeInvalid: true }, 4, publish(telemetry))).toBe('puback')
    expect(await answer({}, 5, publish(telemetry, 1, 7, '{"temperature":20}'))).toBe('puback')
  })

  test('65536 bytes are the end of it, and are not announced', async () => {
    const large = publish(telemetry, 1, 7, { size: 65_536 })
    expect([await answer({}, 5, large), await answer({}, 4, large)]).toEqual(['disconnect 0x81, fin', 'fin'])
    const { properties } = await connectMemory(await serverWith(), 5).connect({ clientId: 'me', ...device })
    expect(properties).not.toHaveProperty('maximumPacketSize')
    expect(properties).not.toHaveProperty('maximumQoS')
  })

  test('messagesPerSecond: more end the connection', async () => {
    const packets = [1, 2, 3].map((messageId) => publish(telemetry, 1, messageId, '{}'))
    expect(await answer({ messagesPerSecond: 2 }, 5, ...packets)).toBe('puback, puback, disconnect 0x96, fin')
    expect(await answer({ messagesPerSecond: 2 }, 4, ...packets)).toBe('puback, puback, fin')
  })

  test('retained messages are not kept', async () => {
    const server = await serverWith()
    const client = await joining(server, 5, device)
    const retained = { ...publish('v1/devices/me/attributes', 1, 7, '{}'), retain: true }
    expect(await exchanged(client, retained, subscribe('v1/devices/me/attributes'))).toBe('puback, suback 0')
    expect(server.retained).toEqual([])
  })

  test('unverified: requests for attributes are answered, for who asks alone', async () => {
    const packets = [subscribe('v1/devices/me/attributes/response/+'), publish('v1/devices/me/attributes/request/1', 1, 7, '{}')]
    expect(await answer({}, 4, ...packets)).toBe('suback 0, puback')
    const client = await joining(await serverWith({ unverified: true }), 4, device)
    expect(await client.send(...packets).next('publish')).toMatchObject({ topic: 'v1/devices/me/attributes/response/1' })
    expect(messages(client)).toEqual(['v1/devices/me/attributes/response/1 {"client":{},"shared":{}}'])
  })
})

describe('time', () => {
  test.each([
    [1, 600_000],
    [0.01, 6000],
  ])('pings do not keep an idle connection: with a timeScale of %d it ends after %d ms', async (timeScale, afterMs) => {
    const { server, clock } = await virtualServer({ plugins: [thingsboard({ timeScale })] })
    const [five, four] = [await joining(server, 5, device), await joining(server, 4, { ...device, clientId: 'four' })]
    await clock.advance(afterMs / 2)
    await Promise.all([five.settled(), four.settled()])
    await clock.advance(afterMs / 2)
    expect([heard(five, 2), heard(four, 2)]).toEqual(['disconnect 0xa0, fin', 'fin'])
  })
})
