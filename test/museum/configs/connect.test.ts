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
