/** Bugs around packet ids, those of the client and those of the server. */
import { pidStrategy, reorder } from 'mqttest/plugins'
import { expect } from 'vitest'
import { brokenRules } from '../support/left-over.ts'
import { exhibit, now } from './exhibit.ts'

exhibit('rumqttc: gives a SUBSCRIBE the packet id of a PUBLISH that is not acknowledged yet', {
  url: 'https://github.com/bytebeamio/rumqtt/issues/1057',
  config: () => ({ plugins: [reorder({ packets: ['puback', 'suback'], size: 15, within: '5s' })] }),
  buggy: { packetIds: 'in-turn', highestPacketId: 10 },
  fixed: { packetIds: 'unused' },
  both: { inFlight: 10 },
  async play({ client, clock }) {
    await clock.advance(0)
    for (let number = 0; number < 10; number++) void client.publish('a', `${number}`, 1)
    for (let number = 0; number < 5; number++) void client.subscribe([`b/${number}`])
    await clock.advance('10s')
  },
  async assertion(server) {
    expect(brokenRules(server).join()).toBe('')
  },
  says: /0: packet-id-in-use/,
})

exhibit('mosquitto_sub and rumqttc: go for good when a message has the packet id 0', {
  url: 'https://github.com/lpeterse/haskell-mqtt/pull/16',
  config: () => ({ plugins: [[pidStrategy({ strategy: 'sequential', first: 0 }), { connection: 0 }]] }),
  buggy: { givesUp: ['malformed'] },
  fixed: {},
  async play({ server, client, clock }) {
    void client.subscribe(['a'], 1)
    await clock.advance(0)
    server.publish({ topic: 'a', payload: 'first', qos: 1 })
    await clock.advance('5s')
    server.publish({ topic: 'a', payload: 'second', qos: 1 })
    await clock.advance(0)
  },
  async assertion(server) {
    await (await server.connection(0)).expectClose({ by: 'client' }, now)
    await (await server.connection(1, now)).expect('puback', { messageId: 1 }, now)
  },
  says: /expected connection 1/,
})
