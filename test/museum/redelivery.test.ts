/** Bugs around messages that a connection left unfinished. */
import { closeAfter, halfOpen, offline, sessionOverride } from 'mqttest/plugins'
import { expect } from 'vitest'
import { exhibit, now } from './exhibit.ts'

exhibit('HiveMQ client: connects and closes for ever at a PUBREL whose PUBLISH came on an earlier connection', {
  url: 'https://github.com/hivemq/hivemq-mqtt-client/issues/377',
  config: () => ({ plugins: [[closeAfter({ packet: 'pubrec', direction: 'in', when: 'instead' }), { connection: 0 }]] }),
  buggy: { remembers: 'for-the-connection' },
  fixed: { remembers: 'for-the-session' },
  both: { clean: false, unknownRelease: 'disconnect' },
  async play({ server, client, clock }) {
    void client.subscribe(['a'], 2)
    await clock.advance(0)
    server.publish({ topic: 'a', payload: '42', qos: 2 })
    server.publish({ topic: 'a', payload: '43', qos: 2 })
    await clock.advance('10s')
  },
  async assertion(server) {
    const second = await server.connection(1)
    const [first] = (await server.connection(0)).packets({ dir: 'in', cmd: 'pubrec' })
    await second.expect('pubcomp', first?.cmd === 'pubrec' ? { messageId: first.messageId } : {}, now)
    await second.expect('pubcomp', {}, now)
    expect(server.connections).toHaveLength(2)
  },
  says: /expected PUBCOMP .*on connection 1/,
})

const brokenAt = {
  'behind PUBLISH': () => closeAfter({ packet: 'pubrec', direction: 'out', when: 'instead' }),
  'behind PUBREC': () => closeAfter({ packet: 'pubrec', direction: 'out' }),
  'at PUBREL': () => closeAfter({ packet: 'pubrel', direction: 'in', when: 'before' }),
  'instead of PUBCOMP': () => closeAfter({ packet: 'pubcomp', direction: 'out', when: 'instead' }),
}
for (const [place, breaks] of Object.entries(brokenAt))
  for (const kept of [true, false])
    exhibit(`Eclipse Paho Python: never finishes a QoS 2 message that broke ${place}, session ${kept ? 'kept' : 'lost'}`, {
      url: 'https://github.com/eclipse-paho/paho.mqtt.python/issues/613',
      config: () => ({
        plugins: [[breaks(), { connection: 0 }], offline({ closed: 1, for: '5s' }), !kept && [sessionOverride({ mode: 'forget' }), { connection: 1 }]],
      }),
      buggy: { resend: 'never' },
      fixed: { resend: 'with-dup' },
      both: { clean: false },
      async play({ client, clock }) {
        void client.publish('a', 'x', 2)
        await clock.advance('20s')
      },
      async assertion(server) {
        await (await server.connection(1)).expect('pubcomp', {}, { ...now, dir: 'out' })
      },
      says: /expected PUBCOMP on connection 1/,
    })

exhibit('Eclipse Paho Go: publishes in another order what was under way when the link went dead', {
  url: 'https://github.com/eclipse-paho/paho.mqtt.golang/issues/731',
  config: () => ({ plugins: [[halfOpen({ packet: 'publish', sender: 'client', nth: 5 }), { connection: 0 }]] }),
  buggy: { resendOrder: 'reversed' },
  fixed: { resendOrder: 'as-sent' },
  both: { clean: false, keepAlive: 10, pingTimeout: '5s', inFlight: 20 },
  async play({ client, clock }) {
    for (let number = 1; number <= 25; number++) void client.publish('a', `${number}`, 1)
    await clock.advance('30s')
  },
  async assertion(server) {
    const payloads = (await server.connection(1)).packets({ dir: 'in', cmd: 'publish' }).map((packet) => packet.cmd === 'publish' && `${packet.payload}`)
    const firsts = [...new Set(payloads)].map(Number)
    expect(firsts.at(-1), 'the last message').toBe(25)
    expect(firsts, 'in order').toEqual(firsts.toSorted((one, two) => one - two))
  },
  says: /the last message|in order/,
})
