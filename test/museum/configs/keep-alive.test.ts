/** Bugs around the keep-alive, and links that are dead without a word. */
import { publish, subscribe } from '../../support/outcome.ts'
import { exhibit } from './exhibit.ts'

exhibit(
  'HiveMQ Java: sends no PINGREQ while it publishes at QoS 0, and never notices that the server is gone',
  'https://github.com/hivemq/hivemq-mqtt-client/pull/357',
  {
    does: 'behind the first message of QoS 0 nothing comes any more, also no answer to PINGREQ, and no end',
    config: { plugins: [['half-open', { packet: 'publish', qos: [0] }]] },
    async play({ client, wait }) {
      const one = client().sendConnect({ keepalive: 10 }).send({ cmd: 'pingreq' })
      for (let count = 0; count < 10; count++) {
        one.send(publish('a', 0))
        await wait('5s')
      }
      for (let count = 0; count < 100; count++) {
        one.send({ cmd: 'pingreq' })
        await wait('10s')
      }
    },
    wire: ['0 ← CONNACK 0x00 success', '0 ← PINGRESP'],
  },
)

exhibit(
  'MQTT.js: a message that comes puts its next PINGREQ off, and the server closes for silence',
  'https://github.com/mqttjs/MQTT.js/issues/1861',
  {
    does: 'a message of QoS 0 comes every five seconds, and who says nothing is closed after one and a half keep-alives',
    config: { plugins: [['server-publish', { count: 1000, interval: '5s', delay: '5s', topic: 'a', payload: 'x' }]] },
    async play({ client, wait }) {
      client().sendConnect({ keepalive: 4 }).send(subscribe('a'))
      await wait('1m')
    },
    wire: ['0 ← CONNACK 0x00 success', '0 ← SUBACK id 9 [0x00]', '5000 ms: 0 ← PUBLISH a QoS 0 "x"', '6000 ms: 0 ← closed (fin)'],
    breaks: ['keepalive-timeout'],
  },
  {
    does: 'who sends PINGREQ in time stays',
    config: { plugins: [['server-publish', { count: 1000, interval: '5s', delay: '5s', topic: 'a', payload: 'x' }]] },
    async play({ client, wait }) {
      const one = client().sendConnect({ keepalive: 4 }).send(subscribe('a'))
      for (let count = 0; count < 5; count++) {
        await wait('4s')
        one.send({ cmd: 'pingreq' })
      }
    },
    wire: [
      '0 ← CONNACK 0x00 success',
      '0 ← SUBACK id 9 [0x00]',
      '4000 ms: 0 ← PINGRESP',
      '5000 ms: 0 ← PUBLISH a QoS 0 "x"',
      '8000 ms: 0 ← PINGRESP',
      '10000 ms: 0 ← PUBLISH a QoS 0 "x"',
      '12000 ms: 0 ← PINGRESP',
      '15000 ms: 0 ← PUBLISH a QoS 0 "x"',
      '16000 ms: 0 ← PINGRESP',
      '20000 ms: 0 ← PUBLISH a QoS 0 "x"',
      '20000 ms: 0 ← PINGRESP',
    ],
  },
)
