/** mqtt-packet and our own codec, held together on everything that is legal; where they part, the reason is given. */
import fc from 'fast-check'
import mqttPacket from 'mqtt-packet'
import { describe, expect, test } from 'vitest'
import { encode } from '../../src/wire/encode.ts'
import type { Packet, ProtocolVersion } from '../../src/wire/packet.ts'
import { decoded, hex } from '../support/bytes.ts'
import { packetsBy } from '../support/packets.ts'

const versions = [3, 4, 5] as const
const sides = ['client', 'server'] as const
const every = sides.flatMap((sender) =>
  versions.flatMap((version) => Object.entries(packetsBy(sender, version)).map(([cmd, arbitrary]) => ({ sender, version, cmd, arbitrary }))),
)

/** What mqtt-packet's parser makes of one packet: an object, or its complaint. */
function parsed(bytes: Buffer, version: ProtocolVersion): unknown {
  const parser = mqttPacket.parser({ protocolVersion: version })
  let result: unknown
  const first = (found: unknown) => {
    result ??= found
  }
  parser.on('packet', first)
  parser.on('error', (error) => first(String(error)))
  parser.parse(bytes)
  return result
}

/** User properties of a packet and of its will. */
function userPropertiesOf(packet: Packet) {
  const own = 'properties' in packet ? packet.properties?.userProperties : undefined
  const wills = packet.cmd === 'connect' ? packet.will?.properties?.userProperties : undefined
  return [own, wills].flatMap((all) => (all === undefined ? [] : [all]))
}

/** What is legal and yet read otherwise by mqtt-packet, or refused when it is to write it. */
const gaps: Record<string, (packet: Packet) => boolean> = {
  'a user property called __proto__ is lost': (packet) => userPropertiesOf(packet).some((all) => Object.hasOwn(all, '__proto__')),
  'a user property that repeats an empty value is lost (#161)': (packet) =>
    userPropertiesOf(packet).some((all) => Object.values(all).some((values) => Array.isArray(values) && values.includes(''))),
  'a session that is kept needs a client id, which MQTT 5 does not ask for': (packet) => packet.cmd === 'connect' && packet.clientId === '' && !packet.clean,
  'a password needs a user name, which MQTT 5 does not ask for': (packet) =>
    packet.cmd === 'connect' && packet.password !== undefined && packet.username === undefined,
}

const agrees = (packet: Packet) => !Object.values(gaps).some((applies) => applies(packet))

describe("mqtt-packet's parser", () => {
  test.each(every)('reads $cmd of a $sender in MQTT level $version as we wrote it', ({ version, arbitrary }) => {
    fc.assert(
      fc.property(arbitrary.filter(agrees), (packet) => {
        expect(parsed(encode(packet, version), version)).toMatchObject(packet)
      }),
      { numRuns: 100 },
    )
  })
})

describe('our decoder', () => {
  test.each(every)('reads $cmd of a $sender in MQTT level $version as mqtt-packet wrote it', ({ sender, version, arbitrary }) => {
    fc.assert(
      fc.property(arbitrary.filter(agrees), (packet) => {
        const bytes = mqttPacket.generate(forMqttPacket(packet), { protocolVersion: version })
        expect(decoded(bytes, version, sender)).toEqual(packet)
      }),
      { numRuns: 100 },
    )
  })
})

/** A packet as mqtt-packet's types have it, which know no bridge mode. */
function forMqttPacket(packet: unknown): mqttPacket.Packet {
  if (!isPacket(packet)) throw new Error('not a packet')
  return packet
}

function isPacket(value: unknown): value is mqttPacket.Packet {
  return typeof value === 'object' && value !== null && 'cmd' in value
}

describe('mqtt-packet parts from us where', () => {
  test.each([
    ['a packet ends too early, and it reads on in the next one', '40 00 c0 00', 4, { cmd: 'puback', messageId: 49_152 }],
    ['a packet id is 0', '40 02 0000', 4, { cmd: 'puback', messageId: 0 }],
    ['a topic is empty', '30 02 0000', 4, { cmd: 'publish', topic: '' }],
    ['a topic holds a wildcard', "30 03 0001 '#'", 4, { cmd: 'publish', topic: '#' }],
    ['a topic is no UTF-8', '30 03 0001 ff', 4, { cmd: 'publish', topic: '\ufffd' }],
    ['bytes are left over', 'c0 01 00', 4, { cmd: 'pingreq' }],
    ['a single property came twice', "30 0c 0001 'a' 08 03 0001 'b' 03 0001 'c'", 5, { properties: { contentType: ['b', 'c'] } }],
  ] as const)('%s', (_name, bytes, version, result) => {
    expect(parsed(hex(bytes), version)).toMatchObject(result)
  })

  test('AUTH has nothing behind its header: it calls that malformed (#160)', () => {
    expect(parsed(hex('f0 00'), 5)).not.toMatchObject({ cmd: 'auth' })
    expect(decoded(hex('f0 00'), 5)).toEqual({ cmd: 'auth', reasonCode: 0 })
  })

  const userProperty = (name: string, ...values: string[]): Packet => ({
    cmd: 'puback',
    messageId: 1,
    reasonCode: 0,
    properties: { userProperties: Object.fromEntries([[name, values]]) },
  })
  const connect: Packet = { cmd: 'connect', protocolId: 'MQTT', protocolVersion: 5, clean: true, clientId: '', keepalive: 0 }

  test.each<[gap: string, packet: Packet]>([
    ['a user property called __proto__ is lost', userProperty('__proto__', 'x')],
    ['a user property that repeats an empty value is lost (#161)', userProperty('a', '', 'x')],
  ])('%s', (gap, packet) => {
    expect(gaps[gap]?.(packet)).toBe(true)
    expect(decoded(encode(packet, 5), 5)).toMatchObject(packet.cmd === 'connect' ? packet : { cmd: packet.cmd })
    expect(parsed(encode(packet, 5), 5)).not.toMatchObject(packet)
  })

  test.each<[gap: string, packet: Packet]>([
    ['a session that is kept needs a client id, which MQTT 5 does not ask for', { ...connect, clean: false }],
    ['a password needs a user name, which MQTT 5 does not ask for', { ...connect, password: Buffer.from('p') }],
  ])('%s', (gap, packet) => {
    expect(gaps[gap]?.(packet)).toBe(true)
    expect(() => mqttPacket.generate(forMqttPacket(packet), { protocolVersion: 5 })).toThrow()
    expect(decoded(encode(packet, 5), 5)).toEqual(packet)
  })
})
