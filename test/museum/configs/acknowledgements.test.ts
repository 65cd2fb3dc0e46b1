/** Bugs around acknowledgements that come at once, late, in heaps, with a code, or of the wrong type. */
import { expect } from 'vitest'
import { publish, subscribe } from '../../support/outcome.ts'
import { exhibit, type Stage } from './exhibit.ts'

exhibit(
  'Paho Python: on_publish is called before publish() has returned the id of the message',
  'https://github.com/eclipse-paho/paho.mqtt.python/issues/482',
  {
    does: 'PUBACK comes before anything is done about the message, no time after it',
    config: { plugins: [['ack-early', { packets: ['puback'] }]] },
    async play({ client, wait }) {
      const one = client().sendConnect()
      await wait('1s')
      one.send(publish('a', 1, 7))
    },
    wire: ['0 ← CONNACK 0x00 success', '1000 ms: 0 ← PUBACK id 7'],
  },
)

exhibit(
  'mqtt_as: PUBACKs that come in bursts pile up unread, until nothing is published any more',
  'https://github.com/peterhinch/micropython-mqtt/issues/54',
  {
    does: 'fifty PUBACK come in one write, behind the fiftieth message',
    config: { plugins: [['reorder', { packets: ['puback'], order: 'kept', size: 50, within: '1h' }]] },
    async play({ client, wait }) {
      const one = client().sendConnect()
      for (let id = 1; id <= 49; id++) {
        one.send(publish('a', 1, id))
        await wait(10)
      }
      expect(one.chunks).toHaveLength(1)
      one.send(publish('a', 1, 50))
      await wait()
      expect(one.chunks.map(({ length }) => length)).toEqual([4, 50 * 4])
    },
    wire: ['0 ← CONNACK 0x00 success', ...Array.from({ length: 50 }, (_, index) => `490 ms: 0 ← PUBACK id ${index + 1}`)],
  },
)

exhibit(
  'MQTTnet: fails at a PUBACK in answer to a message of QoS 2',
  'https://github.com/dotnet/MQTTnet/issues/2145',
  {
    does: 'a server that only has QoS 1 acknowledges QoS 2 with PUBACK',
    config: { plugins: [['maximum-qos', { maximum: 1, publishAnswer: 'allow', acknowledge: 'puback' }]] },
    async play({ client }) {
      client()
        .sendConnect()
        .send(publish('a', 2, 7), publish('a', 1, 8))
    },
    wire: ['0 ← CONNACK 0x00 success', '0 ← PUBACK id 7', '0 ← PUBACK id 8'],
  },
  {
    does: 'one that has QoS 2 does so by mistake',
    config: { plugins: [['ack-wrong', { packets: ['pubrec'], type: 'puback' }]] },
    async play({ client }) {
      client()
        .sendConnect()
        .send(publish('a', 2, 7), publish('a', 1, 8))
    },
    wire: ['0 ← CONNACK 0x00 success', '0 ← PUBACK id 7', '0 ← PUBACK id 8'],
  },
)

/** A subscriber that shows which messages the server really takes. */
async function watch({ client, wait }: Stage, topic: string): Promise<void> {
  client(5).sendConnect({ clientId: 'watcher' }).send(subscribe(topic))
  await wait()
}

exhibit(
  'zMQTT: publish() returns as if all were well where the message is refused',
  'https://github.com/faststream-community/zMQTT/issues/65',
  {
    does: 'PUBACK and PUBREC have 0x87, and the exchange is over; the message is not routed',
    config: { plugins: [['ack-code', { reasonCode: 0x87 }]] },
    async play(stage) {
      await watch(stage, 'a')
      stage
        .client(5)
        .sendConnect()
        .send(publish('a', 1, 7), publish('a', 2, 8), publish('a', 2, 8), publish('a', 0))
    },
    wire: [
      '0 ← CONNACK 0x00 success {topicAliasMaximum=100}',
      '0 ← SUBACK id 9 [0x00]',
      '1 ← CONNACK 0x00 success {topicAliasMaximum=100}',
      '1 ← PUBACK id 7 0x87 not-authorized',
      '1 ← PUBREC id 8 0x87 not-authorized',
      '1 ← PUBREC id 8 0x87 not-authorized',
      '0 ← PUBLISH a QoS 0 "x"',
    ],
  },
  {
    does: 'with 0x10, which is a success, the exchange goes on',
    config: { plugins: [['ack-code', { reasonCode: 0x10 }]] },
    async play(stage) {
      await watch(stage, 'a')
      stage
        .client(5)
        .sendConnect()
        .send(publish('a', 1, 7), publish('a', 2, 8), { cmd: 'pubrel', messageId: 8 })
    },
    wire: [
      '0 ← CONNACK 0x00 success {topicAliasMaximum=100}',
      '0 ← SUBACK id 9 [0x00]',
      '1 ← CONNACK 0x00 success {topicAliasMaximum=100}',
      '1 ← PUBACK id 7 0x10 no-matching-subscribers',
      '1 ← PUBREC id 8 0x10 no-matching-subscribers',
      '1 ← PUBCOMP id 8',
      '0 ← PUBLISH a QoS 0 "x"',
      '0 ← PUBLISH a QoS 0 "x"',
    ],
  },
)

exhibit('MQTT.js: calls back twice where PUBACK refuses, and hides the properties where it does not', 'https://github.com/mqttjs/MQTT.js/issues/1511', {
  does: 'the first PUBACK has 0x87, the second one success with a reason and a user property',
  config: {
    plugins: [
      ['ack-code', { reasonCode: 0x87, nth: [1] }],
      ['ack-code', { properties: { reasonString: 'taken', userProperties: { by: 'node-3' } }, nth: [2] }],
    ],
  },
  async play(stage) {
    await watch(stage, 'a')
    stage
      .client(5)
      .sendConnect()
      .send(publish('a', 1, 1), publish('a', 1, 2), publish('a', 1, 3))
  },
  wire: [
    '0 ← CONNACK 0x00 success {topicAliasMaximum=100}',
    '0 ← SUBACK id 9 [0x00]',
    '1 ← CONNACK 0x00 success {topicAliasMaximum=100}',
    '1 ← PUBACK id 1 0x87 not-authorized',
    '1 ← PUBACK id 2 {reasonString="taken" userProperties={"by":"node-3"}}',
    '1 ← PUBACK id 3',
    '0 ← PUBLISH a QoS 0 "x"',
    '0 ← PUBLISH a QoS 0 "x"',
  ],
})
