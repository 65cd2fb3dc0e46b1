/** Bugs around keep-alive: a link that is dead, and answers to PINGREQ that come late or never. */
import { ackDelay, halfOpen } from 'mqttest/plugins'
import { exhibit, now } from './exhibit.ts'

exhibit('HiveMQ MQTT client .NET: pings for ever into a link that is dead, and calls it connected', {
  url: 'https://github.com/hivemq/hivemq-mqtt-client-dotnet/issues/357',
  config: () => ({ plugins: [[halfOpen({ packet: 'suback' }), { connection: 0 }]] }),
  both: { keepAlive: 60 },
  buggy: { pingTimeout: 'never' },
  fixed: { pingTimeout: '10s' },
  async play({ client, clock }) {
    void client.subscribe(['commands'])
    await clock.advance('5m')
  },
  async assertion(server) {
    await (await server.connection(0)).expectClose({ by: 'client' }, now)
    await (await server.connection(1, now)).expect('subscribe', {}, now)
  },
  says: /expected connection 0 to close by the client/,
})

exhibit('AWS IoT Device SDK Embedded C: times the next PINGREQ from a PINGRESP that comes late, and pings too late itself', {
  url: 'https://github.com/aws/aws-iot-device-sdk-embedded-C/pull/853',
  config: () => ({ plugins: [ackDelay({ packets: ['pingresp'], delay: '50s' })] }),
  both: { keepAlive: 60, pingTimeout: '55s' },
  buggy: { ping: 'timed-from-pingresp' },
  fixed: { ping: 'on-time' },
  async play({ clock }) {
    await clock.advance('10m')
  },
  async assertion(server) {
    const { ended } = await server.connection(0)
    if (ended !== undefined) throw new Error(`the connection did not last: ${ended.reason}`)
  },
  says: /keep-alive/,
})

exhibit('Azure IoT SDK C: publishes into a link that is dead, never pings meanwhile, and never misses PUBACK', {
  url: 'https://github.com/Azure/azure-iot-sdk-c/issues/1541',
  config: () => ({ plugins: [[halfOpen({ packet: 'publish', nth: [3] }), { connection: 0 }]] }),
  both: { keepAlive: 240 },
  buggy: { answerTimeout: 'never' },
  fixed: { answerTimeout: '90s' },
  async play({ client, clock }) {
    for (let count = 0; count < 12; count++) {
      void client.publish('telemetry', `${count}`, 1)
      await clock.advance('30s')
    }
  },
  async assertion(server) {
    await (await server.connection(0)).expectClose({ by: 'client' }, now)
    // What the dead link swallowed comes again.
    await (await server.connection(1, now)).expect('publish', { payload: '3' }, now)
  },
  says: /expected connection 0 to close by the client/,
})
