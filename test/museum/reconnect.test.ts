/** Bugs of clients that come back: too early, in a loop, to the wrong server, with everything at once, or never. */
import { closeAfter, halfOpen, offline, subscribeLimits } from 'mqttest/plugins'
import { expect } from 'vitest'
import { exhibit, now } from './exhibit.ts'

exhibit('Zigbee2MQTT: comes back no more when the server was away for longer than half a minute', {
  url: 'https://github.com/Koenkk/zigbee2mqtt/issues/31864',
  config: () => ({ plugins: [offline({ connects: 1, for: '60s' })] }),
  buggy: { mostFailures: 30 },
  fixed: { mostFailures: Number.POSITIVE_INFINITY },
  async play({ clock }) {
    await clock.advance('2m')
  },
  async assertion(server) {
    await (await server.connection(1, now)).expect('connect', {}, now)
  },
  says: /expected connection 1/,
})

const filters = Array.from({ length: 25 }, (_, number) => `device/${number}`)

exhibit('AWS IoT Device SDK JS: subscribes again to everything in one packet, which is more than the server takes', {
  url: 'https://github.com/aws/aws-iot-device-sdk-js/issues/147',
  config: () => ({ plugins: [subscribeLimits({ filters: 8 }), [closeAfter({ packet: 'suback', nth: 25, direction: 'out' }), { connection: 0 }]] }),
  buggy: { subscribeTogether: Number.POSITIVE_INFINITY },
  fixed: { subscribeTogether: 8 },
  async play({ client, clock }) {
    await clock.advance('1s')
    for (const filter of filters) await client.subscribe([filter])
    await clock.advance('1m')
  },
  async assertion(server) {
    expect(server.report().connections, 'connections').toBe(2)
    const again = (await server.connection(1)).packets({ cmd: 'subscribe' })
    const asked = again.flatMap((packet) => (packet.cmd === 'subscribe' ? packet.subscriptions.map(({ topic }) => topic) : []))
    expect(asked, 'subscribed again').toEqual(filters)
  },
  says: /connections: expected \d+ to be 2/,
  avoided: ['subscribe-limits'],
})

exhibit('libmosquitto: leaves the socket of a dead link open when it comes back', {
  url: 'https://github.com/eclipse-mosquitto/mosquitto/issues/304',
  config: () => ({ plugins: [[halfOpen({ time: '5s' }), { connection: 0 }]] }),
  both: { keepAlive: 30 },
  buggy: { oldLink: 'left-open' },
  fixed: { oldLink: 'closed' },
  async play({ clock }) {
    await clock.advance('1m')
  },
  async assertion(server) {
    await (await server.connection(1, now)).expect('connect', {}, now)
    await (await server.connection(0)).expectClose({ by: 'client' }, now)
  },
  says: /expected connection 0 to close/,
})
