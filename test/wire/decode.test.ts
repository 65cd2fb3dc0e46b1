/** Bytes to packets, and malformed bytes to what is wrong with them: the rule, the byte, and what the client is told. */
import { readdirSync, readFileSync } from 'node:fs'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { rules } from '../../src/lint/rules.ts'
import { decode } from '../../src/wire/decode.ts'
import type { Frame } from '../../src/wire/frame.ts'
import { Malformed } from '../../src/wire/malformed.ts'
import type { Packet, ProtocolVersion } from '../../src/wire/packet.ts'
import { decoded, framed, framesOf, hex, singly } from '../support/bytes.ts'
import { virtualServer } from '../support/server.ts'
import { type MalformedCase, malformedCases } from './malformed.ts'

describe('bytes become a packet:', () => {
  test.each<[string, ProtocolVersion, Buffer, Packet]>([
    [
      'CONNECT of MQTT 3.1',
      3,
      framed(0x10, "0006 'MQIsdp' 03 02 003c 0002 'me'"),
      { cmd: 'connect', protocolId: 'MQIsdp', protocolVersion: 3, clean: true, clientId: 'me', keepalive: 60 },
    ],
    [
      'CONNECT of MQTT 3.1.1 with everything in it',
      4,
      framed(0x10, "0004 'MQTT' 04 f4 000a 0002 'me' 0001 'w' 0002 ff00 0001 'u' 0002 00ff"),
      {
        cmd: 'connect',
        protocolId: 'MQTT',
        protocolVersion: 4,
        clean: false,
        clientId: 'me',
        keepalive: 10,
        will: { topic: 'w', payload: hex('ff00'), qos: 2, retain: true },
        username: 'u',
        password: hex('00ff'),
      },
    ],
    [
      'CONNECT of a bridge, which sets the top bit of the level',
      4,
      framed(0x10, "0004 'MQTT' 84 02 0000 0001 'b'"),
      { cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clean: true, clientId: 'b', keepalive: 0, bridgeMode: true },
    ],
    [
      'CONNECT of MQTT 3.1 with flags that it leaves unused, and the unused bits of its header',
      3,
      framed(0x13, "0006 'MQIsdp' 03 03 0000 0001 'c'"),
      { cmd: 'connect', protocolId: 'MQIsdp', protocolVersion: 3, clean: true, clientId: 'c', keepalive: 0 },
    ],
    [
      'CONNECT of MQTT 5 with properties, those of its will apart',
      5,
      framed(0x10, "0004 'MQTT' 05 06 0000 05 11 00000078 0000 05 18 00000005 0001 'w' 0000"),
      {
        cmd: 'connect',
        protocolId: 'MQTT',
        protocolVersion: 5,
        clean: true,
        clientId: '',
        keepalive: 0,
        properties: { sessionExpiryInterval: 120 },
        will: { topic: 'w', payload: Buffer.alloc(0), qos: 0, retain: false, properties: { willDelayInterval: 5 } },
      },
    ],
    [
      'PUBLISH',
      4,
      framed(0x3b, "0003 'a/b' 000a 'hi'"),
      { cmd: 'publish', topic: 'a/b', payload: Buffer.from('hi'), qos: 1, dup: true, retain: true, messageId: 10 },
    ],
    ['PUBLISH without a payload', 4, framed(0x30, "0001 'a'"), { cmd: 'publish', topic: 'a', payload: Buffer.alloc(0), qos: 0, dup: false, retain: false }],
    [
      'PUBLISH of MQTT 3.1, which lets DUP stand beside QoS 0',
      3,
      framed(0x38, "0001 'a'"),
      { cmd: 'publish', topic: 'a', payload: Buffer.alloc(0), qos: 0, dup: true, retain: false },
    ],
    [
      'PUBLISH of MQTT 5 with an alias in place of its topic',
      5,
      framed(0x30, "0000 03 23 0005 'x'"),
      { cmd: 'publish', topic: '', payload: Buffer.from('x'), qos: 0, dup: false, retain: false, properties: { topicAlias: 5 } },
    ],
    ['PUBACK', 4, framed(0x40, '0102'), { cmd: 'puback', messageId: 258 }],
    ['PUBACK of MQTT 5, which may leave out success', 5, framed(0x40, '0102'), { cmd: 'puback', messageId: 258, reasonCode: 0 }],
    ['PUBACK of MQTT 5, which may leave out properties', 5, framed(0x40, '0102 87'), { cmd: 'puback', messageId: 258, reasonCode: 0x87 }],
    ['PUBREL of MQTT 3.1 with DUP', 3, framed(0x6a, '0001'), { cmd: 'pubrel', messageId: 1 }],
    ['PUBREC with properties', 5, framed(0x50, "0001 97 04 1f 0001 'x'"), { cmd: 'pubrec', messageId: 1, reasonCode: 0x97, properties: { reasonString: 'x' } }],
    [
      'SUBSCRIBE',
      4,
      framed(0x82, "0001 0001 'a' 00 0001 '#' 02"),
      {
        cmd: 'subscribe',
        messageId: 1,
        subscriptions: [
          { topic: 'a', qos: 0 },
          { topic: '#', qos: 2 },
        ],
      },
    ],
    [
      'SUBSCRIBE of MQTT 5 with options',
      5,
      framed(0x82, "0001 02 0b05 0001 'a' 2e"),
      { cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 2, nl: true, rap: true, rh: 2 }], properties: { subscriptionIdentifier: 5 } },
    ],
    [
      'SUBSCRIBE of MQTT 3.1.1, which knows no shared subscriptions',
      4,
      framed(0x82, "0001 0007 '$share/' 00"),
      { cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '$share/', qos: 0 }] },
    ],
    ['UNSUBSCRIBE', 4, framed(0xa2, "0001 0001 'a' 0001 'b'"), { cmd: 'unsubscribe', messageId: 1, unsubscriptions: ['a', 'b'] }],
    ['PINGREQ', 4, framed(0xc0), { cmd: 'pingreq' }],
    ['DISCONNECT', 4, framed(0xe0), { cmd: 'disconnect' }],
    ['DISCONNECT of MQTT 5, which may leave out its code', 5, framed(0xe0), { cmd: 'disconnect', reasonCode: 0 }],
    ['DISCONNECT with the will', 5, framed(0xe0, '04'), { cmd: 'disconnect', reasonCode: 4 }],
    ['AUTH with nothing in it', 5, framed(0xf0), { cmd: 'auth', reasonCode: 0 }],
    [
      'AUTH',
      5,
      framed(0xf0, "18 08 15 0001 'm' 16 0001 00"),
      { cmd: 'auth', reasonCode: 0x18, properties: { authenticationMethod: 'm', authenticationData: hex('00') } },
    ],
  ])('%s', (_name, version, bytes, packet) => {
    expect(decoded(bytes, version)).toEqual(packet)
  })

  test('what only a server may send is read from a server', () => {
    expect(decoded(hex('20 02 01 00'), 4, 'server')).toEqual({ cmd: 'connack', sessionPresent: true, returnCode: 0 })
    expect(decoded(hex('20 02 00 01'), 5, 'server')).toEqual({ cmd: 'connack', sessionPresent: false, reasonCode: 1 })
    expect(decoded(hex('90 03 0001 80'), 4, 'server')).toEqual({ cmd: 'suback', messageId: 1, granted: [0x80] })
    expect(decoded(hex('e0 01 8b'), 5, 'server')).toEqual({ cmd: 'disconnect', reasonCode: 0x8b })
    expect(decoded(hex("30 08 0001 'a' 04 0b01 0b02"), 5, 'server')).toMatchObject({ properties: { subscriptionIdentifier: [1, 2] } })
    expect(decoded(hex("82 06 0001 0001 'a' 00"), 4, 'server')).toEqual(new Malformed('packet-wrong-direction', 0, 'SUBSCRIBE'))
    expect(decoded(hex('20 02 02 00'), 4, 'server')).toEqual(new Malformed('fixed-header-reserved-flags', 2))
  })

  test('what cannot be read is reported before what is in the wrong place, wherever it stands', () => {
    expect(decoded(framed(0x30, "0001 'a' 05 13 0001 7f 00"), 5)).toMatchObject({ rule: 'property-unknown', offset: 9 })
  })

  test('a packet id of 0 in PUBLISH at QoS 0 is payload', () => {
    expect(decoded(framed(0x30, "0001 'a' 0000"), 4)).toMatchObject({ cmd: 'publish', payload: hex('0000') })
  })
})

/** What the decoder or the frame reader says of a case. */
function problemOf({ bytes, version, limit }: MalformedCase): Malformed | Packet | undefined {
  const { frames, problem } = framesOf([bytes], limit)
  const first: Frame | undefined = frames[0]
  return problem ?? (first === undefined ? undefined : decode(first, version))
}

describe('malformed bytes say what is wrong:', () => {
  test.each(malformedCases)('$name', (one) => {
    expect(problemOf(one)).toMatchObject({ rule: one.rule, offset: one.offset })
  })

  test('every rule that decode and the frame reader know has a case', () => {
    const folder = new URL('../../src/wire/', import.meta.url)
    // The names of reason codes look like those of rules.
    const files = readdirSync(folder).filter((file) => file !== 'reason-codes.ts')
    const source = files.map((file) => readFileSync(new URL(file, folder), 'utf8'))
    const known = new Set(Object.keys(rules))
    const raised = [...source.join('\n').matchAll(/'([a-z0-9]+(?:-[a-z0-9]+)+)'/g)].map((match) => match[1] ?? '').filter((name) => known.has(name))
    expect([...new Set(malformedCases.map((one) => one.rule))].sort()).toEqual([...new Set(raised)].sort())
  })
})

const ways = {
  whole: (bytes: Buffer) => [bytes],
  'byte by byte': singly,
  'with more behind it': (bytes: Buffer) => [Buffer.concat([bytes, hex("c000 30 03 0001 'x' 00 c000")])],
} as const

/** Sends a case to a server, on a connection that is accepted where the case does not stand in for CONNECT. */
async function tell(one: MalformedCase, cut: (bytes: Buffer) => readonly Buffer[]) {
  const { server, clock } = await virtualServer({ broker: one.limit === undefined ? {} : { maximumPacketSize: one.limit } })
  server.hooks.authorize.tap('every method is known', (decision) => (one.hasMethod ? { ...decision, reasonCode: 0 } : undefined))
  const other = connectMemory(server)
  await other.connect({ clientId: 'other' })
  const client = connectMemory(server, one.version)
  if (!one.isConnect) await client.connect(one.hasMethod ? { properties: { authenticationMethod: 'm' } } : {})
  const before = client.received.length
  for (const chunk of cut(one.bytes)) client.send(chunk)
  const how = await client.end()
  return { server, clock, other, how, answers: client.received.slice(before) }
}

describe.each(Object.entries(ways))('a server that gets them %s', (_how, cut) => {
  test.each(malformedCases)('answers $name as the version demands, closes, and reports it once', async (one) => {
    const { server, clock, other, how, answers } = await tell(one, cut)
    expect(how).toBe('fin')
    if (one.rule === 'connect-protocol-level-unsupported') expect(answers).toEqual([{ cmd: 'connack', sessionPresent: false, returnCode: 1 }])
    else if (one.code === undefined) expect(answers).toEqual([])
    else
      expect(answers).toEqual([one.isConnect ? { cmd: 'connack', sessionPresent: false, reasonCode: one.code } : { cmd: 'disconnect', reasonCode: one.code }])
    const violations = server.records({ type: 'violation' })
    expect(violations).toMatchObject([{ connection: 1, verdict: 'disconnect', violation: { rule: one.rule, offset: one.offset } }])
    const [record] = violations
    const raw = record?.type === 'violation' ? record.violation.raw : undefined
    expect(raw?.subarray(0, one.bytes.length)).toEqual(one.bytes.subarray(0, raw?.length))
    await other.settled()
    await clock.advance('2s')
    expect(server.connections.filter((connection) => !connection.closed).map((connection) => connection.number)).toEqual([0])
    expect(server.sessions.map((session) => session.clientId)).toEqual(['other'])
    expect(clock.pending).toBe(0)
  })
})

test('a client whose refusal is kept back by a plugin is refused once, whatever it sends meanwhile', async () => {
  const { server, clock } = await virtualServer()
  server.hooks.send.tap('late', (steps, cause) => (cause.kind === 'close' ? [{ wait: '1s' }, ...steps] : undefined))
  const client = connectMemory(server, 5)
  const malformed = framed(0x10, "0004 'MQTT' 05 03 0000 00 0001 'c'")
  client.send(Buffer.concat([malformed, malformed]), malformed, hex('c000'))
  await clock.advance('1s')
  expect(await client.end()).toBe('fin')
  expect(client.received).toEqual([{ cmd: 'connack', sessionPresent: false, reasonCode: 0x81 }])
  expect(server.records({ type: 'violation' })).toHaveLength(1)
})
