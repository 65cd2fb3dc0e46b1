/** Bugs around the session that a client believes to have on the server. */
import { closeAfter, sessionLimits, sessionOverride, subscribeLimits } from 'mqttest/plugins'
import { expect } from 'vitest'
import { exhibit, now } from './exhibit.ts'

exhibit('MQTT.js: does not look at session present, and misses its subscriptions when the server has lost them', {
  url: 'https://github.com/mqttjs/MQTT.js/issues/1288',
  config: () => ({
    plugins: [
      [closeAfter({ packet: 'suback', direction: 'out' }), { connection: 0 }],
      [sessionOverride({ mode: 'forget' }), { connection: 1 }],
    ],
  }),
  buggy: { subscribeAgain: 'never' },
  fixed: { subscribeAgain: 'without-session' },
  both: { clean: false },
  async play({ client, clock }) {
    void client.subscribe(['a'])
    await clock.advance('5s')
  },
  async assertion(server) {
    await (await server.connection(1)).expect('subscribe', { subscriptions: [{ topic: 'a' }] }, now)
  },
  says: /expected SUBSCRIBE .* on connection 1/,
})

const twentyTopics = Array.from({ length: 20 }, (_, index) => `sensor/${index}`)

exhibit('AWS IoT Device SDK for Python: believes in a session whose subscriptions were never made', {
  url: 'https://github.com/aws/aws-iot-device-sdk-python-v2/issues/420',
  config: () => ({
    plugins: [sessionLimits({ mqtt3: '1m' }), [subscribeLimits({ filters: 8 }), { connection: 1 }]],
  }),
  buggy: { subscribed: 'when-asked' },
  fixed: { subscribed: 'when-granted' },
  both: { clean: false },
  async play({ server, client, clock }) {
    void client.subscribe(twentyTopics)
    await clock.advance('1s')
    await server.offline({ for: '2m' })
    await clock.advance('3m')
  },
  async assertion(server) {
    expect(server.connections.map((connection) => connection.packets({ dir: 'out', cmd: 'connack' }))).toMatchObject([
      [{ sessionPresent: false }],
      [{ sessionPresent: false }],
      [{ sessionPresent: true }],
    ])
    expect(server.sessions.flatMap(({ subscriptions }) => [...subscriptions.keys()])).toEqual(twentyTopics)
  },
  says: /expected \[\] to deeply equal/,
})
