/** Bugs around SUBACK, and around messages that come before it. */
import { subscribe } from '../../support/outcome.ts'
import { exhibit, type Stage } from './exhibit.ts'

exhibit('FuseSource mqtt-client: takes any SUBACK for a success', 'https://github.com/fusesource/mqtt-client/pull/103', {
  does: 'of three filters the second one is refused: 1, 0x80, 2; what it would bring never comes',
  config: { plugins: [['suback', { codes: [1, 0x80, 2] }]] },
  async play({ client, wait, server }) {
    const subscriptions = [
      { topic: 'a', qos: 1 },
      { topic: 'b', qos: 1 },
      { topic: 'c', qos: 2 },
    ] as const
    client().sendConnect().send({ cmd: 'subscribe', messageId: 9, subscriptions })
    await wait()
    for (const topic of ['a', 'b', 'c']) server.publish({ topic, payload: 'x' })
  },
  wire: ['0 ← CONNACK 0x00 success', '0 ← SUBACK id 9 [0x01 0x80 0x02]', '0 ← PUBLISH a QoS 0 "x"', '0 ← PUBLISH c QoS 0 "x"'],
})

exhibit(
  'PubSubClient: subscribe() is true as soon as the bytes are written',
  'https://github.com/knolleary/pubsubclient/issues/341',
  {
    does: 'SUBACK has 0x80, and no message comes',
    config: { plugins: [['suback', { codes: [0x80] }]] },
    async play({ client, wait, server }) {
      client().sendConnect().send(subscribe('a', 1))
      await wait()
      server.publish({ topic: 'a', payload: 'x' })
    },
    wire: ['0 ← CONNACK 0x00 success', '0 ← SUBACK id 9 [0x80]'],
  },
  {
    does: 'SUBACK never comes',
    config: { plugins: [['drop', { packets: ['suback'] }]] },
    async play({ client, wait }) {
      client().sendConnect().send(subscribe('a', 1), { cmd: 'pingreq' })
      await wait('1h')
    },
    wire: ['0 ← CONNACK 0x00 success', '0 ← PINGRESP'],
  },
)

exhibit(
  'mqtt5_client: the callback for failed subscriptions is never called',
  'https://github.com/shamblett/mqtt5_client/issues/144',
  ...[0x97, 0x87, 0x80].map((code) => ({
    does: `SUBACK has 0x${code.toString(16)}`,
    config: { plugins: [['suback', { codes: [code] }] as const] },
    async play({ client }: Stage) {
      client(5).sendConnect().send(subscribe('a', 1))
    },
    wire: ['0 ← CONNACK 0x00 success {topicAliasMaximum=100}', `0 ← SUBACK id 9 [0x${code.toString(16)}]`],
  })),
)

exhibit('sskaje/mqtt: stops waiting for SUBACK at the first other packet', 'https://github.com/sskaje/mqtt/pull/30', {
  does: 'five messages wait in the session, and three more come between SUBSCRIBE and SUBACK',
  config: {
    plugins: [
      ['session-override', { mode: 'obey', sessionPresent: 'always' }],
      ['server-publish', { at: 'after-connack', count: 5, qos: 1, topic: 'queued/{number}' }],
      ['server-publish', { at: 'before-suback', count: 3, qos: 1, topic: 'live/{number}' }],
    ],
  },
  async play({ client, wait }) {
    const one = client().sendConnect({ clean: false })
    await wait('1s')
    for (let messageId = 1; messageId <= 5; messageId++) one.send({ cmd: 'puback', messageId })
    one.send(subscribe('a', 1))
  },
  wire: [
    '0 ← CONNACK 0x00 success session present',
    '0 ← PUBLISH queued/1 QoS 1 id 1 "message 1"',
    '0 ← PUBLISH queued/2 QoS 1 id 2 "message 2"',
    '0 ← PUBLISH queued/3 QoS 1 id 3 "message 3"',
    '0 ← PUBLISH queued/4 QoS 1 id 4 "message 4"',
    '0 ← PUBLISH queued/5 QoS 1 id 5 "message 5"',
    '1000 ms: 0 ← PUBLISH live/1 QoS 1 id 6 "message 1"',
    '1000 ms: 0 ← PUBLISH live/2 QoS 1 id 7 "message 2"',
    '1000 ms: 0 ← PUBLISH live/3 QoS 1 id 8 "message 3"',
    '1000 ms: 0 ← SUBACK id 9 [0x01]',
  ],
})

exhibit(
  'Paho Embedded C: a message between CONNACK and SUBACK finds no handler, and is lost',
  'https://github.com/eclipse-paho/paho.mqtt.embedded-c/issues/6',
  {
    does: 'the session is there, and what waited in it comes right behind CONNACK',
    config: { plugins: [['close-after', { packet: 'suback' }, { connection: 0 }]] },
    async play({ client, wait, server }) {
      client().sendConnect({ clean: false }).send(subscribe('a', 1))
      await wait('1s')
      server.publish({ topic: 'a', payload: 'while you were away', qos: 1 })
      client().sendConnect({ clean: false }).send(subscribe('a', 1))
    },
    wire: [
      '0 ← CONNACK 0x00 success',
      '0 ← SUBACK id 9 [0x01]',
      '0 ← closed (fin)',
      '1000 ms: 1 ← CONNACK 0x00 success session present',
      '1000 ms: 1 ← PUBLISH a QoS 1 id 1 "while you were away"',
      '1000 ms: 1 ← SUBACK id 9 [0x01]',
    ],
  },
  {
    does: 'or on the first connection already, with a session that the client never had',
    config: {
      plugins: [
        ['session-override', { mode: 'obey', sessionPresent: 'always' }],
        ['server-publish', { at: 'after-connack', qos: 1 }],
      ],
    },
    async play({ client }) {
      client().sendConnect({ clean: false }).send(subscribe('a', 1))
    },
    wire: ['0 ← CONNACK 0x00 success session present', '0 ← PUBLISH mqttest/1 QoS 1 id 1 "message 1"', '0 ← SUBACK id 9 [0x01]'],
  },
)
