/** Bugs around CONNECT and CONNACK. */
import { subscribe } from '../../support/outcome.ts'
import { exhibit } from './exhibit.ts'

exhibit(
  'Adafruit MiniMQTT: connect() hangs for ever where a server takes the connection and says nothing',
  'https://github.com/adafruit/Adafruit_CircuitPython_MiniMQTT/issues/115',
  {
    does: 'CONNACK never comes, and no end',
    config: { plugins: [['drop', { packets: ['connack'] }]] },
    async play({ client, wait }) {
      client().sendConnect()
      await wait('1h')
    },
    wire: [],
  },
)

exhibit('HiveMQ Java: subscribe() never returns where the connection is closed before SUBACK', 'https://github.com/hivemq/hivemq-mqtt-client/issues/408', {
  does: 'the first SUBSCRIBE is answered with the end, and the session is there on the next connection',
  config: { plugins: [['close-after', { packet: 'subscribe', when: 'instead' }, { connection: 0 }]] },
  async play({ client, wait }) {
    client().sendConnect({ clean: false }).send(subscribe('a', 1))
    await wait('1s')
    client().sendConnect({ clean: false }).send(subscribe('a', 1))
  },
  wire: ['0 ← CONNACK 0x00 success', '0 ← closed (fin)', '1000 ms: 1 ← CONNACK 0x00 success session present', '1000 ms: 1 ← SUBACK id 9 [0x01]'],
})

exhibit('pyBYD: comes back for ever with the password that another login made worthless', 'https://github.com/jkaberg/pyBYD/pull/61', {
  does: 'a takeover ends the session, and from then on only another password gets in',
  config: {
    plugins: [
      ['takeover', { madeUp: '10s' }, { connection: 0 }],
      ['reject', { password: ['old'], reasonCode: 'not-authorized' }, { from: 1 }],
    ],
  },
  async play({ client, wait }) {
    client().sendConnect({ username: 'car', password: Buffer.from('old') })
    for (const delay of ['40s', '60s', '120s'] as const) {
      await wait(delay)
      client().sendConnect({ username: 'car', password: Buffer.from('old') })
    }
    await wait('240s')
    client().sendConnect({ username: 'car', password: Buffer.from('new') })
  },
  wire: [
    '0 ← CONNACK 0x00 success',
    '10000 ms: 0 ← closed (fin)',
    '40000 ms: 1 ← CONNACK 0x05 not-authorized',
    '40000 ms: 1 ← closed (fin)',
    '100000 ms: 2 ← CONNACK 0x05 not-authorized',
    '100000 ms: 2 ← closed (fin)',
    '220000 ms: 3 ← CONNACK 0x05 not-authorized',
    '220000 ms: 3 ← closed (fin)',
    '460000 ms: 4 ← CONNACK 0x00 success',
  ],
})

exhibit(
  'mongoose-os: a CONNECT that a release changed is refused, and tried again for ever without a pause',
  'https://github.com/mongoose-os-libs/mqtt/issues/17',
  {
    does: 'whoever says anything but the golden CONNECT gets server-unavailable, and the end',
    config: {
      plugins: [
        ['reject', { unlessClientId: ['device-1'], unlessUsername: ['hub/device-1'], reasonCode: 'server-unavailable' }],
        ['connect-veto', { above: { keepalive: 60 }, below: { keepalive: 60 }, has: ['clean', 'will'], answer: 'server-unavailable' }],
      ],
    },
    async play({ client, wait }) {
      const golden = { clientId: 'device-1', username: 'hub/device-1', keepalive: 60, clean: false }
      const will = { topic: 'gone', payload: Buffer.from('x'), qos: 0, retain: false } as const
      for (const change of [{}, { clientId: 'device_1' }, { username: 'device-1' }, { keepalive: 59 }, { keepalive: 65 }, { clean: true }, { will }]) {
        client().sendConnect({ ...golden, ...change })
        await wait()
      }
    },
    wire: [
      '0 ← CONNACK 0x00 success',
      '1 ← CONNACK 0x03 server-unavailable',
      '1 ← closed (fin)',
      '2 ← CONNACK 0x03 server-unavailable',
      '2 ← closed (fin)',
      '3 ← CONNACK 0x03 server-unavailable',
      '3 ← closed (fin)',
      '4 ← CONNACK 0x03 server-unavailable',
      '4 ← closed (fin)',
      '5 ← CONNACK 0x03 server-unavailable',
      '5 ← closed (fin)',
      '6 ← CONNACK 0x03 server-unavailable',
      '6 ← closed (fin)',
    ],
  },
)

exhibit(
  'CocoaMQTT: takes a CONNACK that refuses for a disconnect of its own, and never comes back',
  'https://github.com/emqx/CocoaMQTT/pull/688',
  {
    does: 'the first CONNECT gets return code 3 and the end, the second one success',
    config: { plugins: [['reject', { reasonCode: 'server-unavailable' }, { connection: 0 }]] },
    async play({ client, wait }) {
      client().sendConnect()
      await wait('1s')
      client().sendConnect()
    },
    wire: ['0 ← CONNACK 0x03 server-unavailable', '0 ← closed (fin)', '1000 ms: 1 ← CONNACK 0x00 success'],
  },
  {
    does: 'the same with 0x88 in MQTT 5',
    config: { plugins: [['reject', { reasonCode: 0x88 }, { connection: 0 }]] },
    async play({ client, wait }) {
      client(5).sendConnect()
      await wait('1s')
      client(5).sendConnect()
    },
    wire: ['0 ← CONNACK 0x88 server-unavailable', '0 ← closed (fin)', '1000 ms: 1 ← CONNACK 0x00 success {topicAliasMaximum=100}'],
  },
)

exhibit(
  'Paho Go: falls back to MQTT 3.1 when one reconnect fails, and is refused there for its empty client id for ever',
  'https://github.com/eclipse-paho/paho.mqtt.golang/issues/116',
  {
    does: 'after a good connection one is closed without CONNACK; then MQTT 3.1 without a client id is refused, and 3.1.1 is not',
    config: {
      plugins: [
        ['close-after', { time: '10s' }, { connection: 0 }],
        ['close-after', { packet: 'connect', when: 'before' }, { connection: 1 }],
        ['client-id', { empty: 'client-identifier-not-valid' }, { protocolVersion: 3 }],
      ],
    },
    async play({ client, wait }) {
      for (const version of [4, 4, 3, 3, 4] as const) {
        client(version).sendConnect({ clientId: '' })
        await wait('15s')
      }
    },
    wire: [
      '0 ← CONNACK 0x00 success',
      '10000 ms: 0 ← closed (fin)',
      '15000 ms: 1 ← closed (fin)',
      '30000 ms: 2 ← CONNACK 0x02 identifier-rejected',
      '30000 ms: 2 ← closed (fin)',
      '45000 ms: 3 ← CONNACK 0x02 identifier-rejected',
      '45000 ms: 3 ← closed (fin)',
      '60000 ms: 4 ← CONNACK 0x00 success',
    ],
    breaks: ['connect-client-id-empty'],
  },
)
