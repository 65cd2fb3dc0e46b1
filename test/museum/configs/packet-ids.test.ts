/** Bugs around packet ids. */
import { publish } from '../../support/outcome.ts'
import { exhibit } from './exhibit.ts'

exhibit('rumqttc: one id that is never acknowledged stops all publishing after a restart of the broker', 'https://github.com/bytebeamio/rumqtt/issues/1014', {
  does: 'PUBACK comes out of order and for one id not at all; then the server is away, and knows nothing when it is back',
  config: {
    plugins: [
      ['drop', { packets: ['puback'], messageId: [2] }, { connection: 0 }],
      ['reorder', { packets: ['puback'], size: 3 }, { connection: 0 }],
      ['offline', { time: '1m', for: '10s', loses: ['sessions'] }],
    ],
  },
  async play({ client, wait }) {
    client()
      .sendConnect()
      .send(...[1, 2, 3, 4].map((id) => publish('a', 1, id)))
    await wait('65s')
    client().sendConnect()
    await wait('5s')
    client()
      .sendConnect()
      .send(...[2, 5, 6].map((id) => publish('a', 1, id)))
  },
  wire: [
    '0 ← CONNACK 0x00 success',
    '0 ← PUBACK id 4',
    '0 ← PUBACK id 3',
    '0 ← PUBACK id 1',
    '60000 ms: 0 ← closed (rst)',
    '65000 ms: 1 ← closed (rst)',
    '70000 ms: 2 ← CONNACK 0x00 success',
    '70000 ms: 2 ← PUBACK id 2',
    '70000 ms: 2 ← PUBACK id 5',
    '70000 ms: 2 ← PUBACK id 6',
  ],
})

exhibit('wolfMQTT: gives two messages that are under way the same packet id', 'https://github.com/wolfSSL/wolfMQTT/issues/507', {
  does: 'no PUBACK ever comes, so that every id stays in use',
  config: { plugins: [['drop', { packets: ['puback'] }]] },
  async play({ client, wait }) {
    client()
      .sendConnect()
      .send(...[1, 2, 3, 4, 5].map((id) => publish('a', 1, id)))
    await wait('1h')
  },
  wire: ['0 ← CONNACK 0x00 success'],
})
