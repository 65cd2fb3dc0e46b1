import { definePack, option } from '../../src/index.ts'
import {
  ackSpurious,
  ackWrong,
  corrupt,
  deliveryFlags,
  drop,
  duplicate,
  inject,
  qos2Exchange,
  serverDisconnect,
  sessionOverride,
  suback,
  topicAlias,
} from '../index.ts'
import { hostile } from './hostile.ts'

/** Some of each kind: framing, strings, PUBLISH, properties, answers. */
const injected = [
  'type-0',
  'type-15',
  'wrong-direction',
  'wrong-flags',
  'length-five-bytes',
  'body-too-short',
  'body-too-long',
  'publish-qos-3',
  'publish-packet-id-zero',
  'publish-topic-wildcard',
  'publish-topic-not-utf-8',
  'string-beyond-end',
  'property-unknown',
  'property-twice',
  'property-length-too-long',
  'topic-alias-zero',
  'connack-again',
  'suback-unknown-code',
  'puback-unknown-code',
  'unknown-acknowledgement',
] as const

/**
 * A server of which nothing can be expected: all that `hostile` does, and what is illegal as well. A client need not get its messages
 * through, but it must not crash, hang for ever, or grow without end. What hits whom is decided by the seed: what brought a client down can
 * be played again.
 *
 *     ['chaos', { level: 1 }]                                    hardly anything is right
 *     ['chaos', { level: 0.1, without: ['corrupt', 'inject'] }]  every packet can be read, at least
 */
export const chaos = definePack({
  meta: {
    name: 'chaos',
    api: 1,
    summary: 'Anything, also what is illegal: wrong answers, wrong ids, broken bytes, packets out of nowhere, lies about sessions.',
    facts: [
      {
        says: 'A client that gets a malformed packet must close the connection.',
        source: 'MQTT 5.0, MQTT-4.13.1-1',
        by: 'inject',
      },
      {
        says: 'There are clients that crash over acknowledgements that they do not wait for.',
        source: 'https://github.com/njh/ruby-mqtt/pull/158',
        by: 'ack-spurious',
      },
      {
        says: 'There are clients that do not survive acknowledgements with a wrong packet id.',
        source: 'https://github.com/dotnet/MQTTnet/issues/2145',
        by: 'ack-wrong',
      },
      { says: 'There are clients that read beyond the end of a malformed packet.', source: 'https://github.com/LiamBindle/MQTT-C/issues/204', by: 'inject' },
      {
        says: 'There are servers that say that a session is there, and have lost its subscriptions.',
        source: 'https://github.com/mqttjs/MQTT.js/issues/1288',
        by: 'session-override',
      },
    ],
    leaves: ['What arrives broken at the server: clients are not changed.', 'Floods: `server-publish` and `in-flight` can do that.'],
  },
  options: {
    level: option.probability('how much goes wrong: from nothing illegal at 0 to hardly anything right at 1', 0.3),
    lateness: option.duration('how late acknowledgements and messages come at most', '200ms'),
  },
  plugins: ({ level, lateness }) => [
    hostile({ intensity: level, ends: level * 0.03, lateness }),
    // Lies about sessions, each in its own way: another one may overrule it.
    sessionOverride({ mode: 'obey', sessionPresent: 'always', probability: level * 0.1 }),
    sessionOverride({ mode: 'obey', subscriptions: 'lose', probability: level * 0.1 }),
    sessionOverride({ mode: 'keep', sessionPresent: 'never', probability: level * 0.1 }),
    sessionOverride({ mode: 'forget', sessionPresent: 'always', probability: level * 0.1 }),
    // Answers.
    ackWrong({ packets: ['puback', 'pubrec', 'pubcomp', 'suback', 'unsuback'], id: 'next', probability: level * 0.1 }),
    ackWrong({ packets: ['puback', 'pubrec', 'suback'], type: 'pubcomp', probability: level * 0.1 }),
    ackSpurious({
      packets: ['puback', 'pubrec', 'pubrel', 'pubcomp', 'suback', 'unsuback', 'pingresp', 'connack'],
      at: ['publish', 'subscribe', 'unsubscribe', 'pingreq'],
      id: [1, 4242, 65_535],
      probability: level * 0.1,
    }),
    suback({ count: 'missing', probability: level * 0.1 }),
    suback({ packets: ['suback', 'unsuback'], id: 'zero', probability: level * 0.1 }),
    qos2Exchange({ pubrec: 'skip', probability: level * 0.1 }),
    qos2Exchange({ pubcomp: 'pubrec-again', pubrel: 'twice', probability: level * 0.1 }),
    // Messages.
    deliveryFlags({ setDup: 'inverted', setRetain: 'inverted', identifiers: 'extra', qos: [1, 2], probability: level * 0.2 }),
    deliveryFlags({ setQos: 'higher', probability: level * 0.1 }),
    topicAlias({ toClient: 'unmapped', probability: level * 0.1 }),
    drop({ packets: ['publish', 'puback', 'pubrec', 'pubrel', 'pubcomp', 'suback', 'unsuback', 'pingresp'], probability: level * 0.1 }),
    drop({ packets: ['publish', 'puback', 'pubrel'], direction: 'in', probability: level * 0.1 }),
    duplicate({ packets: ['publish', 'connack', 'puback', 'pubrec', 'pubcomp', 'suback', 'unsuback', 'pingresp'], probability: level * 0.1 }),
    serverDisconnect({ packet: 'publish', reasonCode: 'implementation-specific-error', close: 'open', version3: 'send', probability: level * 0.05 }),
    // Bytes.
    injected.map((malformed) => inject({ malformed, packet: 'publish', probability: level * 0.02 })),
    injected.map((malformed) => inject({ malformed, packet: 'pingreq', probability: level * 0.02 })),
    corrupt({ flip: 1, probability: level * 0.05 }),
    corrupt({ truncate: 1, probability: level * 0.03 }),
    corrupt({ insert: '00', insertAt: -1, probability: level * 0.03 }),
  ],
})
