/** Bugs around CONNECT and CONNACK: an answer that does not come, that refuses, or that comes again. */
import { closeAfter, drop } from 'mqttest/plugins'
import { exhibit, now } from './exhibit.ts'

exhibit('Eclipse Paho Java: hangs for ever where CONNACK never comes', {
  url: 'https://github.com/eclipse-paho/paho.mqtt.java/issues/1028',
  config: () => ({ plugins: [[drop({ packets: ['connack'] }), { connection: 0 }]] }),
  buggy: { connectTimeout: 'never' },
  fixed: { connectTimeout: '10s' },
  async play({ clock }) {
    await clock.advance('20s')
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
    await client.subscribe(['a'])
    await clock.advance('20s')
  },
  async assertion(server) {
    await (await server.connection(1)).expectClose({ by: 'client' }, now)
    await (await server.connection(2, now)).expect('subscribe', { subscriptions: [{ topic: 'a' }] }, now)
  },
  says: /expected connection 1 to close by the client/,
})
