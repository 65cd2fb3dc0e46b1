/** Bugs of clients that write more than the server reads. */
import { halfOpen } from 'mqttest/plugins'
import { expect } from 'vitest'
import { exhibit } from './exhibit.ts'
import type { SmallClient } from './small-client.ts'

const messages = 20

/** Publishes one message after the other: each when the client tells that the one before is out. */
async function publishInTurn(client: SmallClient): Promise<void> {
  for (let number = 0; number < messages; number++) await client.publish('bulk', 'x'.repeat(32 * 1024))
}

exhibit('Eclipse Paho C: never tells that a QoS 0 message is out that was written while the server did not read', {
  url: 'https://github.com/eclipse-paho/paho.mqtt.c/issues/1667',
  config: () => ({ plugins: [halfOpen({ packet: 'connack', direction: 'in', reading: false, for: '10s' })] }),
  buggy: { tellsOfWrites: 'at-once-or-never' },
  fixed: { tellsOfWrites: 'when-taken' },
  async play({ client, clock }) {
    await clock.advance('1s')
    void publishInTurn(client)
    await clock.advance('1m')
  },
  async assertion(server) {
    expect(server.report().packets.in.publish, 'messages that came').toBe(messages)
  },
  says: /messages that came: expected \d to be 20/,
})
