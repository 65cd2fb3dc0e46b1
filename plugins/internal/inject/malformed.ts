/** Packets that a server must not send, by name: what is wrong with each stands in its name. */
import type { ProtocolVersion } from '../../../src/index.ts'

/** The parts of a PUBLISH, each as hex digits, where they are not the usual ones. */
interface Publish {
  /** DUP, QoS and retain: the lower half of the first byte. */
  readonly flags?: string
  readonly topic?: string
  readonly id?: string
  readonly properties?: string
}

/** How many bytes there are, as hex digits of so many bytes. */
const lengthOf = (hex: string, bytes: number) => (hex.length / 2).toString(16).padStart(bytes * 2, '0')

/** PUBLISH of the topic 'a' with the payload 'x'. Before MQTT 5 there are no properties. */
const publish = ({ flags = '0', topic = '61', id = '', properties = '' }: Publish, isFive: boolean) => {
  const body = `${lengthOf(topic, 2)}${topic}${id}${isFive ? `${lengthOf(properties, 1)}${properties}` : ''}78`
  return `3${flags}${lengthOf(body, 1)}${body}`
}

/** The bytes of each, as hex digits; undefined where the version has nothing like it. */
const catalogue = {
  // The fixed header
  'type-0': () => '0000',
  'type-15': () => 'f000',
  'wrong-direction': () => 'c000',
  'wrong-flags': () => '41020001',
  'pubrel-flags': () => '60020001',
  'length-five-bytes': () => '30ffffffff01',
  'length-not-minimal': () => 'd08000',
  'length-too-long': (isFive: boolean) => `307f000161${isFive ? '00' : ''}`,
  'length-huge': () => '30ffffff7f',
  'length-cut-short': () => '30ff',
  'body-missing': () => '4000',
  'body-too-short': () => '400100',
  'body-too-long': () => 'd00100',
  // PUBLISH
  'publish-qos-3': (isFive: boolean) => publish({ flags: '6', id: '0001' }, isFive),
  'publish-dup-qos-0': (isFive: boolean) => publish({ flags: '8' }, isFive),
  'publish-without-packet-id': () => '3203000161',
  'publish-packet-id-zero': (isFive: boolean) => publish({ flags: '2', id: '0000' }, isFive),
  'publish-topic-wildcard': (isFive: boolean) => publish({ topic: '612f23' }, isFive),
  'publish-topic-empty': (isFive: boolean) => publish({ topic: '' }, isFive),
  'publish-topic-not-utf-8': (isFive: boolean) => publish({ topic: 'c328' }, isFive),
  'publish-topic-null-character': (isFive: boolean) => publish({ topic: '610062' }, isFive),
  'publish-topic-surrogate': (isFive: boolean) => publish({ topic: 'eda080' }, isFive),
  'string-beyond-end': () => '3007ffff4142434445',
  // Properties
  'property-unknown': (isFive: boolean) => (isFive ? publish({ properties: '7f00' }, isFive) : undefined),
  'property-misplaced': (isFive: boolean) => (isFive ? publish({ properties: '1100000001' }, isFive) : undefined),
  'property-twice': (isFive: boolean) => (isFive ? publish({ properties: '02000000010200000001' }, isFive) : undefined),
  'property-length-too-long': (isFive: boolean) => (isFive ? '30050001617f01' : undefined),
  'property-cut-short': (isFive: boolean) => (isFive ? publish({ properties: '020000' }, isFive) : undefined),
  'topic-alias-zero': (isFive: boolean) => (isFive ? publish({ properties: '230000' }, isFive) : undefined),
  'subscription-identifier-zero': (isFive: boolean) => (isFive ? publish({ properties: '0b00' }, isFive) : undefined),
  // Acknowledgements
  'connack-again': (isFive: boolean) => (isFive ? '2003000000' : '20020000'),
  'connack-flags': (isFive: boolean) => (isFive ? '2003020000' : '20020200'),
  'connack-unknown-code': (isFive: boolean) => (isFive ? '2003007700' : '20020077'),
  'suback-empty': (isFive: boolean) => (isFive ? '9003000100' : '90020001'),
  'suback-unknown-code': (isFive: boolean) => (isFive ? '900400010007' : '9003000107'),
  'suback-packet-id-zero': (isFive: boolean) => (isFive ? '900400000000' : '9003000000'),
  'puback-packet-id-zero': () => '40020000',
  'puback-unknown-code': (isFive: boolean) => (isFive ? '4003000107' : undefined),
  'unknown-acknowledgement': () => '4002ffff',
} satisfies Readonly<Record<string, (isFive: boolean) => string | undefined>>

/** A name in the catalogue. */
export type MalformedName = keyof typeof catalogue

/** All names, in the order of the catalogue. */
export const malformedNames: readonly MalformedName[] = Object.keys(catalogue).filter((name): name is MalformedName => name in catalogue)

/** The bytes of a malformed packet for a version; undefined where that has nothing like it. */
export function malformed(name: MalformedName, version: ProtocolVersion): Buffer | undefined {
  const make: (isFive: boolean) => string | undefined = catalogue[name]
  const hex = make(version === 5)
  return hex === undefined ? undefined : Buffer.from(hex, 'hex')
}
