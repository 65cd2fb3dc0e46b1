/** Bugs around SUBSCRIBE and SUBACK, and the messages that come before it. */
import type { PacketOf } from 'mqttest'
import { ackDelay, closeAfter } from 'mqttest/plugins'
import { expect } from 'vitest'
import { exhibit } from './exhibit.ts'
import type { Behaviour } from './small-client.ts'

exhibit('Eclipse Paho C: takes a SUBACK that is late for a failure, and disconnects', {
  url: 'https://github.com/eclipse-paho/paho.mqtt.c/issues/673',
  config: () => ({ plugins: [ackDelay({ packets: ['suback'], delay: '12s' })] }),
  buggy: { answerTimeout: '10s' },
  fixed: { answerTimeout: '30s' },
  async play({ client, clock }) {
    void client.subscribe(['a'])
    await clock.advance('15s')
  },
  async assertion(server) {
    expect(server.records({ dir: 'in', cmd: 'subscribe' })).toHaveLength(1)
    expect(server.connections.map(({ closed }) => closed)).toEqual([false])
  },
  says: /to have a length of 1 but got 2/,
})

/** Hands messages out behind the SUBACK of a reconnect: so many wait for it, and with more the client reads nothing at all. */
function handsOutBehindSuback(room: number): Pick<Behaviour, 'handle'> {
  const waiting: PacketOf<'publish'>[] = []
  let waits = false
  return {
    handle(packet, client) {
      if (packet.cmd === 'connack') {
        waits = packet.sessionPresent
        waiting.length = 0
      }
      if (waits && waiting.length > room) return true
      if (waits && packet.cmd === 'publish') return waiting.push(packet) > 0
      if (packet.cmd === 'suback') {
        waits = false
        for (const { messageId } of waiting) if (messageId !== undefined) client.send({ cmd: 'puback', messageId })
      }
      return false
    },
  }
}

exhibit('Eclipse Paho Java: blocks for ever in the subscription of a reconnect, behind more messages than it has room for', {
  url: 'https://github.com/eclipse-paho/paho.mqtt.java/issues/999',
  config: () => ({ plugins: [[closeAfter({ packet: 'suback', direction: 'out' }), { connection: 0 }]] }),
  buggy: handsOutBehindSuback(10),
  fixed: handsOutBehindSuback(Number.POSITIVE_INFINITY),
  both: { clean: false, subscribeAgain: 'always', keepAlive: 20 },
  async play({ server, client, clock }) {
    void client.subscribe(['a'], 1)
    await clock.advance('500ms')
    for (let number = 1; number <= 15; number++) server.publish({ topic: 'a', payload: `${number}`, qos: 1 })
    await clock.advance('1m')
  },
  async assertion(server) {
    const resumed = await server.connection(1)
    expect(resumed.packets({ dir: 'in', cmd: 'puback' }), 'PUBACK of the messages').toHaveLength(15)
    expect(resumed.closed).toBe(false)
  },
  says: /PUBACK of the messages/,
})
