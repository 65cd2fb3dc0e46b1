/** Bugs around the will: one that comes when its client is long back. */
import type { Packet } from 'mqttest'
import { drop, will } from 'mqttest/plugins'
import { describe, expect } from 'vitest'
import { exhibit } from './exhibit.ts'
import type { Behaviour, SmallClient } from './small-client.ts'

const topic = 'bridge/availability'
const online = { cmd: 'publish', topic, payload: 'online', retain: true } as const

/** Says that it is there when it gets in; and again when it hears otherwise, if it listens. */
const saysOnline = (listens: boolean) => (packet: Packet, client: SmallClient) => {
  if (packet.cmd === 'suback') client.send(online)
  if (packet.cmd === 'publish' && listens && packet.payload.toString() === 'offline') client.send(online)
  return false
}

const theWill = { topic, payload: Buffer.from('offline'), qos: 0, retain: true } as const
const anotherIdEachTime: Behaviour['connect'] = (attempt) => ({ clientId: `bridge-${attempt}`, will: theWill })

describe.each([
  ['now says so again when it hears the will', { connect: anotherIdEachTime, handle: saysOnline(true) }],
  ['now has one client id, so that its return ends the will', { connect: { will: theWill }, handle: saysOnline(false) }],
] as const)('a client that %s', (_how, fixed) => {
  exhibit('wallbox-mqtt-bridge: is back under another client id, and lets the late will of the first one say that it is offline', {
    url: 'https://github.com/jagheterfredrik/wallbox-mqtt-bridge/pull/107',
    config: () => ({ plugins: [drop({ packets: ['pingresp'] }), will({ delay: '5s' })].map((plugin) => [plugin, { connection: 0 }]) }),
    both: { clean: false, keepAlive: 30 },
    buggy: { connect: anotherIdEachTime, handle: saysOnline(false) },
    fixed,
    async play({ client, clock }) {
      void client.subscribe([topic])
      await clock.advance('2m')
    },
    async assertion(server) {
      expect(server.report().connections, 'connections').toBe(2)
      const states = server.retained.map(({ payload }) => payload.toString())
      expect(states, 'what is known of the client').toEqual(['online'])
    },
    says: /what is known of the client/,
  })
})
