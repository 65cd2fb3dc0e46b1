/** Packets to bytes: what decode reads back, what mqtt-packet makes of it, and what is illegal and can be sent all the same. */
import fc from 'fast-check'
import { MqttestError } from 'mqttest'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { encode, encodeProperties } from '../../src/wire/encode.ts'
import { addUserProperty, type Packet, type ProtocolVersion, type UserProperties, userPropertyPairs } from '../../src/wire/packet.ts'
import { altered, decoded, encoded, hex } from '../support/bytes.ts'
import { packetsBy, userProperties } from '../support/packets.ts'
import { memoryServer } from '../support/server.ts'

const versions = [3, 4, 5] as const
const sides = ['client', 'server'] as const
const every = sides.flatMap((sender) =>
  versions.flatMap((version) => Object.entries(packetsBy(sender, version)).map(([cmd, arbitrary]) => ({ sender, version, cmd, arbitrary }))),
)

/** The order of user properties, which equality does not see. */
function pairsOf(packet: Packet): unknown {
  const own = 'properties' in packet ? packet.properties : undefined
  const wills = packet.cmd === 'connect' ? packet.will?.properties : undefined
  return [own, wills].map((properties) => userPropertyPairs(properties?.userProperties ?? {}))
}

describe('a legal packet', () => {
  test.each(every)('$cmd of a $sender in MQTT level $version is read back as it was written', ({ sender, version, arbitrary }) => {
    fc.assert(
      fc.property(arbitrary, (packet) => {
        const back = decoded(encode(packet, version), version, sender)
        expect(back).toEqual(packet)
        expect('cmd' in back && pairsOf(back)).toEqual(pairsOf(packet))
      }),
      { numRuns: 150 },
    )
  })

  test('is written the same however often', () => {
    fc.assert(
      fc.property(packetsBy('server', 5).publish ?? fc.constant<Packet>({ cmd: 'pingresp' }), (packet) => {
        expect(encode(packet, 5)).toEqual(encode(packet, 5))
      }),
    )
  })

  test.each<[string, Packet, ProtocolVersion, string]>([
    ['PUBLISH', { cmd: 'publish', topic: 'a/b', payload: Buffer.from('hi'), qos: 1, dup: true, retain: true, messageId: 10 }, 4, "3b 09 0003 'a/b' 000a 'hi'"],
    ['PUBLISH in MQTT 5', { cmd: 'publish', topic: 'a', payload: Buffer.from('hi'), qos: 0, dup: false, retain: false }, 5, "30 06 0001 'a' 00 'hi'"],
    ['PUBACK', { cmd: 'puback', messageId: 258 }, 4, '40 02 0102'],
    ['PUBACK with success in MQTT 5', { cmd: 'puback', messageId: 258, reasonCode: 0 }, 5, '40 02 0102'],
    ['PUBACK with a reason in MQTT 5', { cmd: 'puback', messageId: 258, reasonCode: 0x87 }, 5, '40 03 0102 87'],
    ['PUBACK with success in MQTT 5, in words', { cmd: 'puback', messageId: 258, reasonCode: 0, form: 'code' }, 5, '40 03 0102 00'],
    ['PUBACK with no properties in MQTT 5, in words', { cmd: 'puback', messageId: 258, form: 'full' }, 5, '40 04 0102 00 00'],
    ['PUBACK whose reason in MQTT 5 is left out', { cmd: 'puback', messageId: 258, reasonCode: 0x87, form: 'short' }, 5, '40 02 0102'],
    ['PUBACK in a form that MQTT 3 does not have', { cmd: 'puback', messageId: 258, form: 'full' }, 4, '40 02 0102'],
    ['PUBREL', { cmd: 'pubrel', messageId: 1 }, 4, '62 02 0001'],
    ['PUBCOMP with a property', { cmd: 'pubcomp', messageId: 1, reasonCode: 0x92, properties: { reasonString: 'x' } }, 5, "70 08 0001 92 04 1f 0001 'x'"],
    ['SUBACK', { cmd: 'suback', messageId: 1, granted: [0, 1, 2, 0x80] }, 4, '90 06 0001 00010280'],
    ['SUBACK in MQTT 5', { cmd: 'suback', messageId: 1, granted: [2] }, 5, '90 04 0001 00 02'],
    ['UNSUBACK', { cmd: 'unsuback', messageId: 1 }, 4, 'b0 02 0001'],
    ['UNSUBACK in MQTT 5', { cmd: 'unsuback', messageId: 1, granted: [0x11] }, 5, 'b0 04 0001 00 11'],
    ['CONNACK', { cmd: 'connack', sessionPresent: true, returnCode: 0 }, 4, '20 02 01 00'],
    ['CONNACK in MQTT 5', { cmd: 'connack', sessionPresent: false, reasonCode: 0x84 }, 5, '20 03 00 84 00'],
    ['PINGRESP', { cmd: 'pingresp' }, 4, 'd0 00'],
    ['PINGREQ', { cmd: 'pingreq' }, 4, 'c0 00'],
    ['DISCONNECT', { cmd: 'disconnect' }, 4, 'e0 00'],
    ['DISCONNECT with a normal end in MQTT 5', { cmd: 'disconnect', reasonCode: 0 }, 5, 'e0 00'],
    ['DISCONNECT with a reason in MQTT 5', { cmd: 'disconnect', reasonCode: 0x8e }, 5, 'e0 01 8e'],
    ['SUBSCRIBE', { cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 2 }] }, 4, "82 06 0001 0001 'a' 02"],
    ['UNSUBSCRIBE', { cmd: 'unsubscribe', messageId: 1, unsubscriptions: ['a'] }, 4, "a2 05 0001 0001 'a'"],
    [
      'CONNECT of MQTT 3.1',
      { cmd: 'connect', protocolId: 'MQIsdp', protocolVersion: 3, clean: true, clientId: 'c', keepalive: 10 },
      3,
      "10 0f 0006 'MQIsdp' 03 02 000a 0001 'c'",
    ],
    [
      'CONNECT with a password alone, which MQTT 5 allows',
      { cmd: 'connect', protocolId: 'MQTT', protocolVersion: 5, clean: true, clientId: '', keepalive: 0, password: Buffer.from('p') },
      5,
      "10 10 0004 'MQTT' 05 42 0000 00 0000 0001 'p'",
    ],
  ])('%s has the bytes of the standard', (_name, packet, version, bytes) => {
    expect(encode(packet, version).toString('hex')).toBe(hex(bytes).toString('hex'))
  })

  test('with empty properties is written like one without', () => {
    const plain: Packet = { cmd: 'suback', messageId: 1, granted: [0] }
    expect(encode({ ...plain, properties: {} }, 5)).toEqual(encode(plain, 5))
    expect(encode({ ...plain, properties: { userProperties: {} } }, 5)).toEqual(encode(plain, 5))
    const connack: Packet = { cmd: 'connack', sessionPresent: false, reasonCode: 0 }
    expect(encode({ ...connack, properties: { userProperties: {} } }, 5)).toEqual(encode(connack, 5))
    const disconnect: Packet = { cmd: 'disconnect', reasonCode: 0x8b }
    expect(decoded(encode({ ...disconnect, properties: { userProperties: {} } }, 5), 5, 'server')).toEqual(disconnect)
  })

  test('leaves its packet object as it was', () => {
    const packet: Packet = { cmd: 'connack', sessionPresent: false, reasonCode: 0, properties: { userProperties: { a: ['1', '2'] }, reasonString: 'x' } }
    const before = structuredClone(packet)
    encode(packet, 5)
    expect(packet).toEqual(before)
  })
})

/** User properties as they come from the wire. */
function inOrder(...pairs: readonly (readonly [name: string, value: string])[]): UserProperties {
  const all: UserProperties = Object.create(null)
  for (const [name, value] of pairs) addUserProperty(all, name, value)
  return all
}

describe('user properties', () => {
  test('keep their order when a message is forwarded, also where names alternate [MQTT-3.3.2-18]', async () => {
    const server = await memoryServer()
    const subscriber = connectMemory(server, 5)
    await subscriber.connect({ clientId: 'subscriber' })
    subscriber.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '#', qos: 1 }] })
    await subscriber.next('suback')
    const publisher = connectMemory(server, 5)
    await publisher.connect({ clientId: 'publisher' })
    await fc.assert(
      fc.asyncProperty(userProperties, fc.constantFrom(0, 1), async (all, qos) => {
        publisher.send({ cmd: 'publish', topic: 't', qos, properties: { userProperties: all }, ...(qos > 0 && { messageId: 1 }) })
        const { properties, messageId } = await subscriber.next('publish')
        expect(userPropertyPairs(properties?.userProperties ?? {})).toEqual(userPropertyPairs(all))
        if (messageId !== undefined) subscriber.send({ cmd: 'puback', messageId })
      }),
      { numRuns: 60 },
    )
  })

  test('keep their order in a will', async () => {
    const server = await memoryServer()
    const subscriber = connectMemory(server, 5)
    await subscriber.connect({ clientId: 'subscriber' })
    subscriber.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '#', qos: 0 }] })
    await subscriber.next('suback')
    const all = inOrder(['b', '1'], ['a', '2'], ['b', '3'])
    const dying = connectMemory(server, 5)
    await dying.connect({ clientId: 'dying', will: { topic: 'w', payload: Buffer.from('gone'), qos: 0, retain: false, properties: { userProperties: all } } })
    dying.reset()
    const { properties } = await subscriber.next('publish')
    expect(userPropertyPairs(properties?.userProperties ?? {})).toEqual(userPropertyPairs(all))
  })

  test('given as an object stand name by name', () => {
    expect(encodeProperties({ userProperties: { b: ['1', '2'], a: '3' } })).toEqual(hex("15 26 0001 'b' 0001 '1' 26 0001 'b' 0001 '2' 26 0001 'a' 0001 '3'"))
  })

  test('that somebody changed since they were read go by what they are now', () => {
    const all = inOrder(['b', '1'], ['a', '2'], ['b', '3'])
    all.a = 'new'
    expect(userPropertyPairs(all)).toEqual([
      ['b', '1'],
      ['b', '3'],
      ['a', 'new'],
    ])
    delete all.a
    expect(userPropertyPairs(all)).toEqual([
      ['b', '1'],
      ['b', '3'],
    ])
  })

  test('of one name go in the order that somebody gave them since', () => {
    const all = inOrder(['a', '1'], ['b', '2'], ['a', '3'])
    all.a = ['3', '1']
    expect(userPropertyPairs(all)).toEqual([
      ['a', '3'],
      ['a', '1'],
      ['b', '2'],
    ])
  })

  // As long as the square of their number, it would be minutes.
  test.each([
    ['of one name', 1],
    ['of as many names', 100_000],
  ])('take no longer each when there are many of them, %s', (_title, names) => {
    const all = inOrder(...Array.from({ length: 100_000 }, (_none, index) => [`${index % names}`, `${index}`] as const))
    const packet: Packet = { cmd: 'publish', topic: 'a', payload: Buffer.alloc(0), qos: 0, dup: false, retain: false, properties: { userProperties: all } }
    const back = decoded(encode(packet, 5), 5)
    expect(pairsOf('cmd' in back ? back : packet)).toEqual(pairsOf(packet))
    expect(userPropertyPairs(all).at(-1)).toEqual([`${99_999 % names}`, '99999'])
  })

  test('may be named like what every object has', () => {
    const packet = decoded(hex("90 14 0001 10 26 0009 '__proto__' 0002 'ok' 00"), 5, 'server')
    expect(packet).toMatchObject({ cmd: 'suback', granted: [0] })
    expect('cmd' in packet && pairsOf(packet)).toEqual([[['__proto__', 'ok']], []])
    expect('cmd' in packet && encode(packet, 5)).toEqual(hex("90 14 0001 10 26 0009 '__proto__' 0002 'ok' 00"))
  })
})

describe('what is illegal can be sent:', () => {
  const publish: Packet = { cmd: 'publish', topic: 'a', payload: Buffer.from('x'), qos: 1, dup: false, retain: false, messageId: 7 }

  test.each<[string, Packet, ProtocolVersion, string]>([
    ['QoS 3', altered(publish, { qos: 3 }), 4, "36 06 0001 'a' 0007 'x'"],
    ['DUP with QoS 0', altered(publish, { qos: 0, dup: true }), 4, "38 04 0001 'a' 'x'"],
    ['a packet id of 0', altered(publish, { messageId: 0 }), 4, "32 06 0001 'a' 0000 'x'"],
    ['no packet id, which is 0', altered(publish, { messageId: undefined }), 4, "32 06 0001 'a' 0000 'x'"],
    ['an empty topic', altered(publish, { topic: '' }), 4, "32 05 0000 0007 'x'"],
    ['a topic with a wildcard', altered(publish, { topic: 'a/#' }), 4, "32 08 0003 'a/#' 0007 'x'"],
    ['a topic that is no UTF-8, as a Buffer', altered(publish, { topic: hex('ff') }), 4, "32 06 0001 ff 0007 'x'"],
    ['DUP on PUBACK', altered({ cmd: 'puback', messageId: 1 }, { dup: true }), 4, '48 02 0001'],
    ['DUP on PUBREL', altered({ cmd: 'pubrel', messageId: 1 }, { dup: true }), 4, '6a 02 0001'],
    ['DUP on PUBREL in MQTT 5', altered({ cmd: 'pubrel', messageId: 1, reasonCode: 0x92 }, { dup: true }), 5, '6a 03 0001 92'],
    ['DUP on SUBACK', altered({ cmd: 'suback', messageId: 1, granted: [0] }, { dup: true }), 4, '98 03 0001 00'],
    ['DUP on UNSUBACK', altered({ cmd: 'unsuback', messageId: 1 }, { dup: true }), 4, 'b8 02 0001'],
    ['DUP on PINGRESP', altered({ cmd: 'pingresp' }, { dup: true }), 4, 'd8 00'],
    ['DUP on CONNACK', altered({ cmd: 'connack', sessionPresent: false, returnCode: 0 }, { dup: true }), 4, '28 02 00 00'],
    [
      'DUP on SUBSCRIBE, which MQTT 3.1 allows',
      altered({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 0 }] }, { dup: true }),
      3,
      "8a 06 0001 0001 'a' 00",
    ],
    ['DUP on DISCONNECT', altered({ cmd: 'disconnect' }, { dup: true }), 4, 'e8 00'],
    ['PUBACK with packet id 0', { cmd: 'puback', messageId: 0 }, 4, '40 02 0000'],
    ['PUBACK with a reason code of no meaning', { cmd: 'puback', messageId: 1, reasonCode: 0x42 }, 5, '40 03 0001 42'],
    ['SUBACK without codes', { cmd: 'suback', messageId: 1, granted: [] }, 4, '90 02 0001'],
    ['SUBACK with a code of no meaning', { cmd: 'suback', messageId: 1, granted: [3, 0xff] }, 4, '90 04 0001 03ff'],
    ['UNSUBACK without codes in MQTT 5', { cmd: 'unsuback', messageId: 1, granted: [] }, 5, 'b0 03 0001 00'],
    ['CONNACK with a return code of no meaning', { cmd: 'connack', sessionPresent: false, returnCode: 42 }, 4, '20 02 00 2a'],
    ['CONNACK with a reason code of no meaning', { cmd: 'connack', sessionPresent: false, reasonCode: 0x42 }, 5, '20 03 00 42 00'],
    ['CONNACK that refuses with session present [MQTT-3.2.2-6]', { cmd: 'connack', sessionPresent: true, reasonCode: 0x87 }, 5, '20 03 01 87 00'],
    ['CONNACK with maximum QoS 2', { cmd: 'connack', sessionPresent: false, reasonCode: 0, properties: { maximumQoS: 2 } }, 5, '20 05 00 00 02 2402'],
    ['DISCONNECT with a reason code of no meaning', { cmd: 'disconnect', reasonCode: 0x42 }, 5, 'e0 01 42'],
    ['AUTH with a reason code of no meaning', { cmd: 'auth', reasonCode: 0x42 }, 5, 'f0 02 42 00'],
    ['a property twice', altered(publish, { properties: { contentType: ['a', 'b'] } }), 5, "32 0f 0001 'a' 0007 08 03 0001 'a' 03 0001 'b' 'x'"],
    ['a property where it does not belong', altered(publish, { properties: { serverKeepAlive: 1 } }), 5, "32 0a 0001 'a' 0007 03 13 0001 'x'"],
    ['a flag with value 2', altered(publish, { properties: { payloadFormatIndicator: 2 } }), 5, "32 09 0001 'a' 0007 02 0102 'x'"],
    ['a topic alias of 0', altered(publish, { properties: { topicAlias: 0 } }), 5, "32 0a 0001 'a' 0007 03 23 0000 'x'"],
    [
      'a receive maximum of 0 in CONNACK',
      { cmd: 'connack', sessionPresent: false, reasonCode: 0, properties: { receiveMaximum: 0 } },
      5,
      '20 06 00 00 03 21 0000',
    ],
  ])('%s', (_name, packet, version, bytes) => {
    expect(encode(packet, version).toString('hex')).toBe(hex(bytes).toString('hex'))
  })

  test('what no packet object can say throws MQTTEST_ENCODE, and nothing is sent in part', () => {
    const long = 'x'.repeat(65_536)
    const impossible: [Packet, ProtocolVersion][] = [
      [altered(publish, { topic: long }), 4],
      [altered(publish, { messageId: 65_536 }), 4],
      [altered(publish, { messageId: -1 }), 4],
      [{ cmd: 'puback', messageId: 65_536 }, 4],
      [{ cmd: 'suback', messageId: 65_536, granted: [0] }, 4],
      [{ cmd: 'unsuback', messageId: -1 }, 4],
      [{ cmd: 'subscribe', messageId: 65_536, subscriptions: [{ topic: 'a', qos: 0 }] }, 4],
      [altered(publish, { properties: { contentType: long } }), 5],
      [{ cmd: 'subscribe', messageId: 1, subscriptions: [altered({ topic: 'a', qos: 0 }, { qos: 3 })] }, 4],
      [{ cmd: 'subscribe', messageId: 1, subscriptions: [] }, 4],
      [{ cmd: 'unsubscribe', messageId: 1, unsubscriptions: [] }, 4],
      [{ cmd: 'connack', sessionPresent: false, reasonCode: 0, properties: { reasonString: long } }, 5],
    ]
    for (const [packet, version] of impossible) {
      let thrown: unknown
      try {
        encode(packet, version)
      } catch (error) {
        thrown = error
      }
      expect(thrown, `${packet.cmd} ${JSON.stringify(packet).slice(0, 80)}`).toBeInstanceOf(MqttestError)
      expect(thrown).toMatchObject({ code: 'MQTTEST_ENCODE' })
    }
  })

  test('a client on the line gets it as it is', async () => {
    const server = await memoryServer()
    const client = connectMemory(server)
    await client.connect()
    const connection = await server.connection()
    await connection.play([{ packet: altered(publish, { qos: 3 }) }])
    await client.settled()
    expect(client.malformed).toEqual([hex("36 06 0001 'a' 0007 'x'")])
    expect(encoded({ cmd: 'publish', topic: 'a' })).toEqual(hex("30 03 0001 'a'"))
  })
})
