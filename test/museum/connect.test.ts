/** Bugs around CONNECT and CONNACK: an answer that does not come, that refuses, or that comes again. */
import type { Server } from 'mqttest'
import { ackDelay, ackSpurious, closeAfter, connack, drop } from 'mqttest/plugins'
import { expect } from 'vitest'
import { exhibit, now } from './exhibit.ts'

/** When a connection was opened, in milliseconds since the run began. */
function openedAt(server: Server, connection: number): number {
  return server.records({ type: 'open', connection })[0]?.atMs ?? Number.NaN
}

exhibit('Eclipse Paho Java: hangs for ever where CONNACK never comes', {
  url: 'https://github.com/eclipse-paho/paho.mqtt.java/issues/1028',
  config: () => ({ plugins: [[drop({ packets: ['connack'] }), { connection: 0 }]] }),
  buggy: { connectTimeout: 'never' },
  fixed: { connectTimeout: '10s' },
  async play({ clock }) {
    await clock.advance('30s')
  },
  async assertion(server) {
    await (await server.connection(0)).expectClose({ by: 'client' }, now)
    await (await server.connection(1, now)).expect('connect', {}, now)
  },
  says: /expected connection 0 to close by the client/,
})

exhibit('zMQTT: reconnects no more where the CONNACK of a reconnect never comes', {
  url: 'https://github.com/faststream-community/zMQTT/pull/27',
  config: () => ({
    plugins: [
      [closeAfter({ packet: 'suback', direction: 'out' }), { connection: 0 }],
      [drop({ packets: ['connack'] }), { connection: 1 }],
    ],
  }),
  buggy: { connectTimeout: 'never' },
  fixed: { connectTimeout: '5s' },
  async play({ client, clock }) {
    void client.subscribe(['a'])
    await clock.advance('20s')
  },
  async assertion(server) {
    await (await server.connection(1)).expectClose({ by: 'client' }, now)
    await (await server.connection(2, now)).expect('subscribe', { subscriptions: [{ topic: 'a' }] }, now)
    expect(openedAt(server, 2) - openedAt(server, 1)).toBeLessThanOrEqual(5000 + 1000)
  },
  says: /expected connection 1 to close by the client/,
})

exhibit('aiomqtt: cannot be used again once a CONNACK was late', {
  url: 'https://github.com/empicano/aiomqtt/issues/269',
  config: () => ({ plugins: [[ackDelay({ packets: ['connack'], delay: '15s' }), { connection: 0 }]] }),
  buggy: { givesUp: ['connect-timeout'] },
  fixed: {},
  both: { connectTimeout: '10s' },
  async play({ clock }) {
    await clock.advance('20s')
  },
  async assertion(server) {
    const second = await server.connection(1, now)
    await second.expect('connect', {}, now)
    await second.expect('connack', { returnCode: 0 }, { ...now, dir: 'out' })
  },
  says: /expected connection 1/,
})

exhibit('MQTT.js: stays away after a CONNACK with an error, although it has new credentials by now', {
  url: 'https://github.com/mqttjs/MQTT.js/issues/1947',
  config: () => ({ plugins: [[connack({ reasonCode: 'bad-user-name-or-password' }), { connection: 0 }]] }),
  buggy: { givesUp: ['refused'] },
  fixed: {},
  both: { version: 5, connect: (attempt) => ({ username: 'anna', password: Buffer.from(`token ${attempt}`) }) },
  async play({ clock }) {
    await clock.advance('5s')
  },
  async assertion(server) {
    await (await server.connection(1, now)).expect('connect', { username: 'anna', password: Buffer.from('token 1') }, now)
  },
  says: /expected connection 1/,
})

exhibit('MQTT.js: sets itself up again, and sends everything again, for a second CONNACK', {
  url: 'https://github.com/mqttjs/MQTT.js/pull/2064',
  config: () => ({
    plugins: [
      [ackSpurious({ packets: ['connack'], at: ['subscribe', 'publish'] }), { connection: 0, times: 2 }],
      [drop({ packets: ['puback'] }), { connection: 0 }],
    ],
  }),
  buggy: { secondConnack: 'set-up-again' },
  fixed: { secondConnack: 'disconnect' },
  both: { version: 5, clean: false, subscribeAgain: 'always', connect: { properties: { sessionExpiryInterval: 60 } } },
  async play({ client, clock }) {
    void client.publish('a', 'x', 1)
    void client.subscribe(['a'])
    await clock.advance('5s')
  },
  async assertion(server) {
    const first = await server.connection(0)
    expect(first.packets({ dir: 'in', cmd: 'subscribe' }), 'SUBSCRIBE on the first connection').toHaveLength(1)
    expect(first.packets({ dir: 'in', cmd: 'publish' }), 'PUBLISH on the first connection').toHaveLength(1)
    await first.expectClose({ by: 'client', how: 'disconnect', reasonCode: 0x82 }, now)
  },
  says: /(SUBSCRIBE|PUBLISH) on the first connection/,
})

exhibit('MQTT.js: takes itself for connected where an accepting CONNACK follows one that refuses', {
  url: 'https://github.com/mqttjs/MQTT.js/pull/2064',
  config: () => ({ plugins: [[connack({ reasonCode: 'not-authorized', times: 2, again: 'success' }), { connection: 0 }]] }),
  buggy: { believesSecondConnack: true },
  fixed: { believesSecondConnack: false },
  async play({ client, clock }) {
    await clock.advance(0)
    void client.publish('a', 'x')
    await clock.advance('5s')
  },
  async assertion(server) {
    const first = await server.connection(0)
    await first.expectNone('publish', {}, { for: 0 })
    await first.expectClose({ by: 'client' }, now)
  },
  says: /expected no PUBLISH/,
})
