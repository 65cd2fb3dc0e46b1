import { type Connection, definePack, option } from '../../src/index.ts'
import {
  ackCode,
  ackDelay,
  chunks,
  clientId,
  connack,
  deliveryDelay,
  fault,
  inFlight,
  keepAlive,
  matching,
  pidStrategy,
  reorder,
  resend,
  retain,
  serverPublish,
  sessionLimits,
  suback,
} from '../index.ts'

/** Whether a client takes properties that explain, however long they are [MQTT-3.1.2-29] [MQTT-3.4.2-2]. */
const takesExplanations = ({ connect }: Connection) =>
  connect?.properties?.requestProblemInformation !== false && connect?.properties?.maximumPacketSize === undefined

const explanation = { reasonString: 'nothing is wrong', userProperties: { mood: 'hostile', '': ['', 'ü'] } } as const

/**
 * A server that is right about everything, and gives nobody an easy time: everything it does is legal, and little of it is usual. A correct
 * client survives it, and gets every message of QoS 1 and 2. What hits whom is decided by the seed.
 *
 *     ['hostile', { intensity: 1, ends: 0.05 }]                 every trick, and connections that end
 *     ['hostile', { without: ['chunks', 'reorder'] }]
 */
export const hostile = definePack({
  meta: {
    name: 'hostile',
    api: 1,
    summary: 'Everything is legal, and nothing is as usual: ids, forms, order, pieces, limits and copies that few clients ever see.',
    facts: [
      { says: 'Packet identifiers come in any order, and those of the two directions are independent.', source: 'MQTT 5.0, section 2.2.1', by: 'pid-strategy' },
      {
        says: 'An acknowledgement may have a reason code of 0 and no properties in words, or leave both out.',
        source: 'MQTT 5.0, section 3.4.2',
        by: 'ack-code',
      },
      { says: 'Nobody gets the message, 0x10, is a success, in PUBACK as in PUBREC.', source: 'MQTT 5.0, sections 3.4.2.1 and 3.5.2.1', by: 'ack-code' },
      { says: 'Rules about the order of acknowledgements bind clients, not servers.', source: 'MQTT 5.0, MQTT-4.6.0-2 to MQTT-4.6.0-4', by: 'reorder' },
      { says: 'A stream has no packets: a read may end anywhere, or hold several.', source: 'MQTT 5.0, section 4.2', by: 'chunks' },
      { says: 'What was not acknowledged comes again on the next connection, with DUP.', source: 'MQTT 5.0, MQTT-4.4.0-1', by: 'fault' },
      {
        says: 'MQTT 3 does not forbid to send it again on the same connection, as MQTT 5 does.',
        source: 'MQTT 3.1.1, section 4.4',
        by: 'resend',
      },
      { says: 'A server may take few messages at a time.', source: 'MQTT 5.0, section 3.2.2.3.3', by: 'in-flight' },
      { says: 'A server may choose the keep-alive, and the client has to keep to it.', source: 'MQTT 5.0, MQTT-3.2.2-21', by: 'keep-alive' },
      { says: 'A server may choose how long a session is kept.', source: 'MQTT 5.0, section 3.2.2.3.2', by: 'session-limits' },
      { says: 'An assigned client id is any UTF-8 string.', source: 'MQTT 5.0, section 3.2.2.3.7', by: 'client-id' },
      { says: 'Where subscriptions overlap, there may be a copy for each.', source: 'MQTT 5.0, section 3.3.4', by: 'matching' },
      { says: 'A subscription may be granted at a lower QoS.', source: 'MQTT 5.0, MQTT-3.8.4-7', by: 'suback' },
      {
        says: 'Messages may come that no subscription of the client matches, and messages may come before SUBACK.',
        source: 'MQTT 5.0, sections 3.3.4 and 3.8.4',
        by: 'server-publish',
      },
      { says: 'Retained messages come in any order.', source: 'MQTT 5.0, section 3.3.1.3', by: 'retain' },
      { says: 'CONNACK may explain itself, and say what goes without saying.', source: 'MQTT 5.0, section 3.2.2.3', by: 'connack' },
    ],
    leaves: ['What may be refused: `minimal-limits` and `strict` do that.', 'What is illegal: `chaos` does that.'],
  },
  options: {
    intensity: option.probability('how likely each awkward thing happens', 0.5),
    ends: option.probability('how likely the connection ends at a packet, before it is handled or in place of its answer', 0),
    lateness: option.duration('how late acknowledgements and messages come at most', '200ms'),
    receiveMaximum: option.count('QoS 1 and 2 messages that may be under way in each direction', 2, { min: 1, max: 65_535 }),
    keepAlive: option.count('the longest keep-alive in MQTT 5, in seconds; also for who asked for none', 30, { min: 1, max: 65_535 }),
    sessionExpiry: option.duration('how long a session is kept at most', '10m'),
    flood: option.count('messages in front of each SUBACK that nobody asked for, below mqttest/', 5, { min: 1, max: 10_000 }),
    resendAfter: option.duration('how long a message waits for its acknowledgement before it is sent again, before MQTT 5', '500ms'),
  },
  plugins: ({ intensity, ends, lateness, receiveMaximum, keepAlive: seconds, sessionExpiry, flood, resendAfter }) => [
    // Before anything is sent: what is allowed.
    inFlight({ maximum: receiveMaximum, window: receiveMaximum }),
    keepAlive({ maximum: seconds, zero: seconds, mqtt3: false }),
    sessionLimits({ maximum: sessionExpiry }),
    clientId({ assigned: 'ü {random}/+/# \u{1f980}' }),
    [
      connack({ set: { ...explanation, retainAvailable: true, wildcardSubscriptionAvailable: true, sharedSubscriptionAvailable: true } }),
      { protocolVersion: 5, when: takesExplanations },
    ],
    // Each connection has its own way to number.
    (['random', 'descending', 'mirror', 'near-wrap'] as const).map((strategy, from) => [pidStrategy({ strategy }), { every: 4, from }] as const),
    matching({ overlap: 'each', distribution: 'random' }),
    retain({ order: 'random' }),
    suback({ effective: 1, probability: intensity * 0.5 }),
    serverPublish({ at: 'before-suback', count: flood, qos: 1, retain: true }),
    (['short', 'code', 'full'] as const).map((form) => ackCode({ packets: ['puback', 'pubrec', 'pubrel', 'pubcomp'], form, probability: intensity * 0.3 })),
    ackCode({ noSubscribers: 'both', probability: intensity }),
    [ackCode({ packets: ['puback', 'pubrec', 'pubcomp'], properties: explanation, probability: intensity * 0.3 }), { when: takesExplanations }],
    ackDelay({
      packets: ['connack', 'puback', 'pubrec', 'pubcomp', 'suback', 'unsuback', 'pingresp'],
      delay: 0,
      jitter: lateness,
      keepOrder: false,
    }),
    reorder({ packets: ['puback', 'pubrec', 'pubcomp', 'suback', 'unsuback'], order: 'shuffled', size: 3, within: lateness, probability: intensity }),
    // In order, or else a topic would not be one of section 4.6.
    deliveryDelay({ jitter: lateness }),
    [resend({ after: [resendAfter], times: 2, probability: intensity }), { protocolVersion: [3, 4] }],
    fault({
      rules: (['in', 'out'] as const).map((direction) => ({
        on: {
          cmd:
            direction === 'in'
              ? ['publish', 'puback', 'pubrec', 'pubrel', 'pubcomp', 'subscribe', 'unsubscribe']
              : ['puback', 'pubrec', 'pubrel', 'pubcomp', 'suback', 'unsuback'],
          direction,
          probability: ends,
        },
        do: { close: direction === 'in' ? 'rst' : 'fin' },
      })),
    }),
    chunks({ at: [1, 2, 3, -1], probability: intensity * 0.5 }),
    chunks({ join: '3ms', probability: intensity * 0.3 }),
  ],
})
