/** Bugs around messages of QoS 1 and 2 that a lost connection interrupts. */
import { expect } from 'vitest'
import { publish, subscribe } from '../../support/outcome.ts'
import { exhibit } from './exhibit.ts'

/** From the first to the last. */
const numbers = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, index) => first + index)

const again = (qos: 1 | 2, messageId: number) => ({ ...publish('a', qos, messageId), dup: true })

exhibit(
  'Paho Python: publishes nothing any more when its window was full at the loss of the connection',
  'https://github.com/eclipse-paho/paho.mqtt.python/issues/24',
  {
    does: 'no PUBACK comes; at the twentieth message the server goes silent, and closes; the next connection is as usual',
    config: {
      plugins: [
        ['drop', { packets: ['puback'] }, { connection: 0 }],
        ['close-after', { packet: 'publish', nth: 20, when: 'instead', grace: '10s' }, { connection: 0 }],
      ],
    },
    async play({ client, wait }) {
      const ids = numbers(1, 20)
      client()
        .sendConnect({ clean: false })
        .send(...ids.map((id) => publish('a', 1, id)), { cmd: 'pingreq' })
      await wait('11s')
      client()
        .sendConnect({ clean: false })
        .send(...ids.map((id) => again(1, id)), publish('a', 1, 21))
    },
    wire: [
      '0 ← CONNACK 0x00 success',
      '10000 ms: 0 ← closed (fin)',
      '11000 ms: 1 ← CONNACK 0x00 success session present',
      ...numbers(1, 21).map((id) => `11000 ms: 1 ← PUBACK id ${id}`),
    ],
  },
)

exhibit('MQTT.js: the callbacks of messages under way are lost over a reconnect', 'https://github.com/mqttjs/MQTT.js/issues/360', {
  does: 'three messages are not acknowledged before the connection ends, and all when they come again',
  config: {
    plugins: [
      ['close-after', { packet: 'publish', nth: 3, when: 'instead' }, { connection: 0 }],
      ['drop', { packets: ['puback'] }, { connection: 0 }],
    ],
  },
  async play({ client, wait }) {
    client()
      .sendConnect({ clean: false })
      .send(publish('a', 1, 1), publish('a', 1, 2), publish('a', 1, 3))
    await wait('1s')
    client().sendConnect({ clean: false }).send(again(1, 1), again(1, 2), again(1, 3))
  },
  wire: [
    '0 ← CONNACK 0x00 success',
    '0 ← closed (fin)',
    '1000 ms: 1 ← CONNACK 0x00 success session present',
    '1000 ms: 1 ← PUBACK id 1',
    '1000 ms: 1 ← PUBACK id 2',
    '1000 ms: 1 ← PUBACK id 3',
  ],
})

exhibit(
  'FuseSource mqtt-client: sends PUBLISH again although PUBREC had come',
  'https://github.com/fusesource/mqtt-client/issues/120',
  {
    does: 'the connection ends at PUBREL; on the next one the session is there, and PUBREL is answered',
    config: { plugins: [['close-after', { packet: 'pubrel', when: 'instead' }, { connection: 0 }]] },
    async play({ client, wait, server }) {
      const one = client()
        .sendConnect({ clean: false })
        .send(publish('a', 2, 7))
      await wait('1s')
      one.send({ cmd: 'pubrel', messageId: 7 })
      await wait('1s')
      client().sendConnect({ clean: false }).send({ cmd: 'pubrel', messageId: 7 })
      await wait()
      expect(server.records({ type: 'packet', cmd: 'publish' })).toHaveLength(1)
    },
    wire: [
      '0 ← CONNACK 0x00 success',
      '0 ← PUBREC id 7',
      '1000 ms: 0 ← closed (fin)',
      '2000 ms: 1 ← CONNACK 0x00 success session present',
      '2000 ms: 1 ← PUBCOMP id 7',
    ],
  },
  {
    does: 'or it is lost before that, and the message is still known, so that it is not taken twice',
    config: { plugins: [['close-after', { packet: 'pubrel', when: 'before', how: 'rst' }, { connection: 1 }]] },
    async play({ client, wait }) {
      client().sendConnect({ clientId: 'watcher' }).send(subscribe('a'))
      const one = client()
        .sendConnect({ clean: false })
        .send(publish('a', 2, 7))
      await wait('1s')
      one.send({ cmd: 'pubrel', messageId: 7 })
      await wait('1s')
      client().sendConnect({ clean: false }).send(again(2, 7), { cmd: 'pubrel', messageId: 7 })
    },
    wire: [
      '0 ← CONNACK 0x00 success',
      '0 ← SUBACK id 9 [0x00]',
      '0 ← PUBLISH a QoS 0 "x"',
      '1 ← CONNACK 0x00 success',
      '1 ← PUBREC id 7',
      '1000 ms: 1 ← closed (rst)',
      '2000 ms: 2 ← CONNACK 0x00 success session present',
      '2000 ms: 2 ← PUBREC id 7',
      '2000 ms: 2 ← PUBCOMP id 7',
    ],
  },
)

exhibit(
  'HiveMQ Java: acknowledges messages of QoS 2 after a restart that never reach the application',
  'https://github.com/hivemq/hivemq-mqtt-client/issues/378',
  {
    does: 'the connection breaks at the fortieth of a hundred messages; that one and the rest come right behind the next CONNACK',
    config: { plugins: [['close-after', { packet: 'publish', direction: 'out', nth: 40 }, { connection: 0 }]] },
    async play({ client, wait, server }) {
      const one = client().sendConnect({ clean: false }).send(subscribe('a', 2))
      await wait()
      for (let messageId = 1; messageId <= 100; messageId++) {
        server.publish({ topic: 'a', payload: `${messageId}`, qos: 2 })
        await wait()
        one.send({ cmd: 'pubrec', messageId }, { cmd: 'pubcomp', messageId })
        await wait()
      }
      await wait('1s')
      client().sendConnect({ clean: false })
    },
    wire: [
      '0 ← CONNACK 0x00 success',
      '0 ← SUBACK id 9 [0x02]',
      ...numbers(1, 39).flatMap((id) => [`0 ← PUBLISH a QoS 2 id ${id} "${id}"`, `0 ← PUBREL id ${id}`]),
      '0 ← PUBLISH a QoS 2 id 40 "40"',
      '0 ← closed (fin)',
      '1000 ms: 1 ← CONNACK 0x00 success session present',
      '1000 ms: 1 ← PUBLISH a QoS 2 id 40 DUP "40"',
      ...numbers(41, 100).map((id) => `1000 ms: 1 ← PUBLISH a QoS 2 id ${id} "${id}"`),
    ],
  },
)

exhibit('MQTT.js: no connect event and no subscriptions after a reconnect in the middle of a QoS 2 exchange', 'https://github.com/mqttjs/MQTT.js/issues/1001', {
  does: 'the server goes between PUBREC and PUBCOMP, is away for five seconds, and has no session when it is back',
  config: {
    plugins: [
      ['close-after', { packet: 'pubrel', when: 'instead' }, { connection: 0 }],
      ['offline', { closed: 1, for: '5s', loses: ['sessions'] }],
    ],
  },
  async play({ client, wait }) {
    client()
      .sendConnect({ clean: false })
      .send(subscribe('b'), publish('a', 2, 7), { cmd: 'pubrel', messageId: 7 })
    await wait('1s')
    client().sendConnect({ clean: false })
    await wait('5s')
    client().sendConnect({ clean: false }).send(subscribe('b'))
  },
  wire: [
    '0 ← CONNACK 0x00 success',
    '0 ← SUBACK id 9 [0x00]',
    '0 ← PUBREC id 7',
    '0 ← closed (fin)',
    '1000 ms: 1 ← closed (rst)',
    '6000 ms: 2 ← CONNACK 0x00 success',
    '6000 ms: 2 ← SUBACK id 9 [0x00]',
  ],
})

exhibit(
  'libmosquitto: keeps a message of QoS 2 twice that comes twice on one connection',
  'https://github.com/eclipse-mosquitto/mosquitto/issues/1751',
  {
    does: 'PUBLISH comes again with DUP after twenty seconds, in front of PUBREL, although PUBREC came at once',
    config: {
      plugins: [
        ['pid-strategy', { strategy: 'sequential', first: 9 }],
        ['duplicate', { qos: [2], delay: '20s', asDup: true }],
        ['ack-delay', { packets: ['pubrel'], delay: '25s' }],
      ],
    },
    async play({ client, wait, server }) {
      const one = client().sendConnect().send(subscribe('a', 2))
      await wait()
      server.publish({ topic: 'a', payload: 'once', qos: 2 })
      await wait()
      one.send({ cmd: 'pubrec', messageId: 9 })
      await wait('20s')
      one.send({ cmd: 'pubrec', messageId: 9 })
      await wait('10s')
      one.send({ cmd: 'pubcomp', messageId: 9 })
    },
    wire: [
      '0 ← CONNACK 0x00 success',
      '0 ← SUBACK id 9 [0x02]',
      '0 ← PUBLISH a QoS 2 id 9 "once"',
      '20000 ms: 0 ← PUBLISH a QoS 2 id 9 DUP "once"',
      '25000 ms: 0 ← PUBREL id 9',
    ],
  },
  {
    does: 'or because the client took its time for PUBREC',
    config: {
      plugins: [
        ['pid-strategy', { strategy: 'sequential', first: 9 }],
        ['resend', { after: ['20s'], qos: [2] }],
      ],
    },
    async play({ client, wait, server }) {
      const one = client().sendConnect().send(subscribe('a', 2))
      await wait()
      server.publish({ topic: 'a', payload: 'once', qos: 2 })
      await wait('21s')
      one.send({ cmd: 'pubrec', messageId: 9 }, { cmd: 'pubrec', messageId: 9 })
      await wait()
      one.send({ cmd: 'pubcomp', messageId: 9 })
    },
    wire: [
      '0 ← CONNACK 0x00 success',
      '0 ← SUBACK id 9 [0x02]',
      '0 ← PUBLISH a QoS 2 id 9 "once"',
      '20000 ms: 0 ← PUBLISH a QoS 2 id 9 DUP "once"',
      '21000 ms: 0 ← PUBREL id 9',
      '21000 ms: 0 ← PUBREL id 9',
    ],
  },
)

exhibit('MQTT-Client-Framework: a new message overtakes those that are sent again', 'https://github.com/novastone-media/MQTT-Client-Framework/issues/249', {
  does: 'nothing is acknowledged before the connection ends, and everything half a second late on the next one',
  config: {
    plugins: [
      ['drop', { packets: ['puback'] }, { connection: 0 }],
      ['close-after', { time: '1s' }, { connection: 0 }],
      ['ack-delay', { packets: ['puback'], delay: '500ms' }, { connection: 1 }],
    ],
  },
  async play({ client, wait }) {
    client()
      .sendConnect({ clean: false })
      .send(publish('a', 1, 1), publish('a', 1, 2))
    await wait('2s')
    const one = client().sendConnect({ clean: false }).send(again(1, 1))
    await wait('500ms')
    one.send(again(1, 2))
    await wait('500ms')
    one.send(publish('a', 1, 3, 'new'))
    await wait('1s')
  },
  wire: [
    '0 ← CONNACK 0x00 success',
    '1000 ms: 0 ← closed (fin)',
    '2000 ms: 1 ← CONNACK 0x00 success session present',
    '2500 ms: 1 ← PUBACK id 1',
    '3000 ms: 1 ← PUBACK id 2',
    '3500 ms: 1 ← PUBACK id 3',
  ],
})

exhibit(
  'mqtt-nio: the process crashes where the server closes while its messages are still being read',
  'https://github.com/swift-server-community/mqtt-nio/issues/274',
  {
    does: 'two hundred messages come in one write, with SUBACK, and the reset in the same moment; another connection is taken',
    config: {
      plugins: [
        ['server-publish', { count: 200, qos: 1, topic: 'a', payload: 'x' }, { connection: 0 }],
        ['close-after', { packet: 'publish', direction: 'out', nth: 200, how: 'rst' }, { connection: 0 }],
      ],
    },
    async play({ client, wait }) {
      const one = client().sendConnect()
      await wait()
      one.send(subscribe('a', 1))
      await wait()
      expect(one.chunks.map(({ length }) => length)).toEqual([4, 5 + 200 * 8])
      await wait('1s')
      client().sendConnect()
    },
    wire: [
      '0 ← CONNACK 0x00 success',
      '0 ← SUBACK id 9 [0x01]',
      ...numbers(1, 200).map((id) => `0 ← PUBLISH a QoS 1 id ${id} "x"`),
      '0 ← closed (rst)',
      '1000 ms: 1 ← CONNACK 0x00 success',
    ],
  },
)
