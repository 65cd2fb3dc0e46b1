/** What the broker allows and announces, with its defaults: everything is accepted. */
import type { Duration } from './duration.ts'
import { parseDuration } from './duration.ts'
import { MqttestError, nameHint } from './errors.ts'
import { largestPacket } from './wire/frame.ts'

/** The option `broker`: what the server allows its clients. What differs from the protocol's default is announced in CONNACK. */
export interface BrokerOptions {
  /** QoS 1 and 2 messages that a client may have unacknowledged, 1 to 65535; 65535 by default. */
  readonly receiveMaximum?: number
  /** Largest packet that is taken, in bytes; the protocol's own limit, 268,435,460, by default. */
  readonly maximumPacketSize?: number
  /** Highest topic alias that a client may use, 0 to 65535; 100 by default. */
  readonly topicAliasMaximum?: number
  /** Highest QoS, 0 to 2; 2 by default. */
  readonly maximumQos?: number
  readonly retainAvailable?: boolean
  readonly wildcardSubscriptionAvailable?: boolean
  readonly sharedSubscriptionAvailable?: boolean
  readonly subscriptionIdentifiersAvailable?: boolean
  /** Keep-alive that replaces what an MQTT 5 client asks for, in seconds. */
  readonly serverKeepAlive?: number
  /** How many times the keep-alive a client may be silent; 1.5 by default [MQTT-3.1.2-22]. */
  readonly keepAliveFactor?: number
  /** How long a connection may last without CONNECT; '30s' by default. */
  readonly connectTimeout?: Duration
  /** A message that matches several subscriptions of a session: 'one' copy with all identifiers (default), or 'each' one. */
  readonly overlap?: 'one' | 'each'
  /**
   * What PUBREL and PUBCOMP say of a packet id that is not in flight: 'accept' (default) answers 0x00, as common brokers do;
   * 'not-found' answers 0x92 in MQTT 5.
   */
  readonly unknownPacketId?: 'accept' | 'not-found'
  /** Messages kept for a session that is offline or slow; 100,000 by default. */
  readonly queueLimit?: number
  /** Bytes that may wait to be read by a client; beyond them QoS 0 messages to it are dropped, others wait. 16 MiB by default. */
  readonly outboundLimit?: number
}

/** Broker options with their defaults. */
export interface Settings {
  readonly receiveMaximum: number
  readonly maximumPacketSize: number
  readonly topicAliasMaximum: number
  readonly maximumQos: number
  readonly retainAvailable: boolean
  readonly wildcardSubscriptionAvailable: boolean
  readonly sharedSubscriptionAvailable: boolean
  readonly subscriptionIdentifiersAvailable: boolean
  readonly serverKeepAlive: number | undefined
  readonly keepAliveFactor: number
  readonly connectTimeout: number
  readonly overlap: 'one' | 'each'
  readonly unknownPacketId: 'accept' | 'not-found'
  readonly queueLimit: number
  readonly outboundLimit: number
}

const defaults: Settings = {
  receiveMaximum: 65_535,
  maximumPacketSize: largestPacket,
  topicAliasMaximum: 100,
  maximumQos: 2,
  retainAvailable: true,
  wildcardSubscriptionAvailable: true,
  sharedSubscriptionAvailable: true,
  subscriptionIdentifiersAvailable: true,
  serverKeepAlive: undefined,
  keepAliveFactor: 1.5,
  connectTimeout: 30_000,
  overlap: 'one',
  unknownPacketId: 'accept',
  queueLimit: 100_000,
  outboundLimit: 16 * 1024 * 1024,
}

const ranges: Partial<Record<keyof Settings, readonly [number, number]>> = {
  receiveMaximum: [1, 65_535],
  maximumPacketSize: [2, largestPacket],
  topicAliasMaximum: [0, 65_535],
  maximumQos: [0, 2],
  serverKeepAlive: [0, 65_535],
  keepAliveFactor: [0, Number.POSITIVE_INFINITY],
  queueLimit: [0, Number.POSITIVE_INFINITY],
  outboundLimit: [0, Number.POSITIVE_INFINITY],
}

const choicesOf = { overlap: ['one', 'each'], unknownPacketId: ['accept', 'not-found'] } as const satisfies Partial<Record<keyof Settings, readonly string[]>>

/** Checks broker options and fills in the defaults. Throws MQTTEST_OPTION. */
export function readSettings(given: BrokerOptions = {}): Settings {
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(defaults, name))
      throw new MqttestError('MQTTEST_OPTION', `option 'broker': unknown key '${name}'.${nameHint(name, Object.keys(defaults))}`)
    const range = Object.entries(ranges).find(([key]) => key === name)?.[1]
    const whole = name !== 'keepAliveFactor'
    if (
      value !== undefined &&
      range !== undefined &&
      !(typeof value === 'number' && value >= range[0] && value <= range[1] && (!whole || Number.isInteger(value) || value === Number.POSITIVE_INFINITY))
    )
      throw new MqttestError(
        'MQTTEST_OPTION',
        `option 'broker.${name}': expected a ${whole ? 'whole ' : ''}number from ${range[0]} to ${range[1]}, got ${JSON.stringify(value)}`,
      )
    if (value !== undefined && name.endsWith('Available') && typeof value !== 'boolean')
      throw new MqttestError('MQTTEST_OPTION', `option 'broker.${name}': expected true or false, got ${JSON.stringify(value)}`)
  }
  for (const [name, choices] of Object.entries(choicesOf)) {
    const value: unknown = Object.entries(given).find(([key]) => key === name)?.[1]
    if (value !== undefined && !choices.some((choice) => choice === value))
      throw new MqttestError('MQTTEST_OPTION', `option 'broker.${name}': expected '${choices.join("' or '")}', got ${JSON.stringify(value)}`)
  }
  const { connectTimeout, ...rest } = given
  const present = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined))
  return {
    ...defaults,
    ...present,
    connectTimeout: connectTimeout === undefined ? defaults.connectTimeout : parseDuration(connectTimeout, "option 'broker.connectTimeout'"),
  }
}
