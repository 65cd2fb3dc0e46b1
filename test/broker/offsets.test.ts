/** What is wrong only because of what was said before is reported with the place of the offending byte, like malformed bytes. */
import type { BrokerOptions, PacketInput } from 'mqttest'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { framed, hex } from '../support/bytes.ts'
import { type JoinOptions, join } from '../support/client.ts'
import { memoryServer } from '../support/server.ts'

interface Case {
  readonly rule: string
  readonly sends: Buffer | PacketInput
  readonly at: number
  readonly code: number
  readonly broker?: BrokerOptions
  readonly connect?: JoinOptions
}

const method = { properties: { authenticationMethod: 'm' } }

/** In MQTT 5, on a connection that was accepted. */
const cases: readonly Case[] = [
  { rule: 'topic-alias-above-maximum', sends: framed(0x30, "0001 'a' 0a 26 0001 'n' 0001 'v' 23 0065"), at: 14, code: 0x94 },
  { rule: 'topic-alias-unmapped', sends: framed(0x32, '0000 0001 08 02 00000001 23 0007'), at: 13, code: 0x82 },
  { rule: 'payload-format-mismatch', sends: framed(0x30, "0001 'a' 02 01 01 'ab' ff"), at: 10, code: 0x99 },
  { rule: 'publish-qos-above-maximum', sends: { cmd: 'publish', topic: 'a', qos: 2, messageId: 1 }, at: 0, code: 0x9b, broker: { maximumQos: 1 } },
  { rule: 'publish-retain-unavailable', sends: { cmd: 'publish', topic: 'a', retain: true }, at: 0, code: 0x9a, broker: { retainAvailable: false } },
  {
    rule: 'subscribe-identifier-unavailable',
    sends: framed(0x82, "0001 02 0b 05 0001 'a' 00"),
    at: 6,
    code: 0xa1,
    broker: { subscriptionIdentifiersAvailable: false },
  },
  {
    rule: 'subscribe-wildcard-unavailable',
    sends: framed(0x82, "0001 00 0002 'ok' 00 0001 '#' 00"),
    at: 12,
    code: 0xa2,
    broker: { wildcardSubscriptionAvailable: false },
  },
  {
    rule: 'subscribe-shared-unavailable',
    sends: framed(0x82, "0001 00 000a '$share/g/a' 00"),
    at: 7,
    code: 0x9e,
    broker: { sharedSubscriptionAvailable: false },
  },
  { rule: 'disconnect-session-expiry-raised', sends: framed(0xe0, '00 05 11 00000009'), at: 5, code: 0x82 },
  { rule: 'auth-without-method', sends: framed(0xf0, "19 04 15 0001 'm'"), at: 0, code: 0x82 },
  { rule: 'auth-method-mismatch', sends: framed(0xf0, "19 04 15 0001 'x'"), at: 5, code: 0x82, connect: method },
  { rule: 'auth-method-missing', sends: framed(0xf0, '19 00'), at: 0, code: 0x82, connect: method },
  { rule: 'auth-unexpected', sends: framed(0xf0, "18 04 15 0001 'm'"), at: 2, code: 0x82, connect: method },
  { rule: 'second-connect', sends: framed(0x10, "0004 'MQTT' 05 02 0000 00 0001 'c'"), at: 0, code: 0x82 },
]

describe('a violation says where', () => {
  test.each(cases)('$rule', async ({ rule, sends, at, code, broker = {}, connect = {} }) => {
    const server = await memoryServer({ broker })
    server.hooks.authorize.tap('every method is known', (decision) => ({ ...decision, reasonCode: 0 }))
    const client = await join(server, 'me', connect)
    client.send(sends)
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: code })
    expect(await client.end()).toBe('fin')
    expect(server.records({ type: 'violation' })).toMatchObject([{ verdict: 'disconnect', violation: { rule, offset: at, raw: expect.any(Buffer) } }])
  })

  test.each([
    ['connect-will-qos-unsupported', framed(0x10, "0004 'MQTT' 05 16 0000 03 21 0005 0001 'c' 00 0001 'w' 0000"), 9, { maximumQos: 1 }],
    ['connect-will-retain-unsupported', framed(0x10, "0004 'MQTT' 05 26 0000 00 0001 'c' 00 0001 'w' 0000"), 9, { retainAvailable: false }],
    ['payload-format-mismatch', framed(0x10, "0004 'MQTT' 05 06 0000 03 21 0005 0001 'c' 02 01 01 0001 'w' 0003 'ab' ff"), 29, {}],
  ] as const)('in CONNECT: %s', async (rule, bytes, offset, broker) => {
    const server = await memoryServer({ broker })
    const client = connectMemory(server, 5).send(bytes)
    expect(await client.end()).toBe('fin')
    expect(client.received).toMatchObject([{ cmd: 'connack', reasonCode: expect.toSatisfy((code: number) => code >= 0x80) }])
    expect(server.records({ type: 'violation' })).toMatchObject([{ violation: { rule, offset, raw: bytes } }])
  })

  test.each([
    ['connect-client-id-empty', framed(0x10, "0006 'MQIsdp' 03 02 0000 0000"), 14],
    ['connect-empty-client-id-persistent', framed(0x10, "0004 'MQTT' 04 00 0000 0000"), 12],
  ])('in CONNECT before MQTT 5: %s', async (rule, bytes, offset) => {
    const server = await memoryServer()
    const client = connectMemory(server).send(bytes)
    expect(await client.end()).toBe('fin')
    expect(client.received).toMatchObject([{ cmd: 'connack', returnCode: 2 }])
    expect(server.records({ type: 'violation' })).toMatchObject([{ violation: { rule, offset, raw: bytes } }])
  })

  test('warnings as well: a packet id in use, a subscription identifier from a client', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    client.send(hex("34 06 0001 'a' 0007 00"), hex("34 06 0001 'b' 0007 00"), hex("30 06 0001 'a' 02 0b 05"))
    await client.settled()
    expect(server.records({ type: 'violation' })).toMatchObject([
      { verdict: 'warn', violation: { rule: 'packet-id-in-use', offset: 5 } },
      { verdict: 'warn', violation: { rule: 'publish-subscription-identifier', offset: 7 } },
    ])
  })

  test('and goes by the bytes, whatever a plugin made of the packet', async () => {
    const server = await memoryServer({ broker: { wildcardSubscriptionAvailable: false } })
    server.hooks.packetIn.tap('more', (packet) => {
      if (packet.cmd === 'subscribe') packet.subscriptions.push({ topic: 'b', qos: 0 }, { topic: '#', qos: 0 })
      return undefined
    })
    const client = await join(server, 'me')
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 0 }] })
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0xa2 })
    expect(server.records({ type: 'violation' })).toMatchObject([{ violation: { rule: 'subscribe-wildcard-unavailable', offset: undefined } }])
  })
})
