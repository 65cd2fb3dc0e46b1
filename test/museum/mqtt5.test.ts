/** Bugs around what came with MQTT 5: limits that both sides announce, reasons, redirection, subscription identifiers. */
import type { Packet, Server } from 'mqttest'
import { closeAfter, connack, matching, packetSize, serverDisconnect, serverPublish } from 'mqttest/plugins'
import { describe, expect, test } from 'vitest'
import { topicMatches } from '../../src/broker/topics.ts'
import { virtualServer } from '../support/server.ts'
import { exhibit, now } from './exhibit.ts'
import { overMemory, SmallClient, startWithTest } from './small-client.ts'

/** Refuses topic aliases above the maximum that CONNECT or CONNACK announced. */
const aliasesUpTo = (whose: 'own' | 'of-the-server') => (packet: Packet, client: SmallClient) => {
  if (packet.cmd !== 'publish') return false
  const announced = client.received.map((one) => (one.cmd === 'connack' ? one.properties?.topicAliasMaximum : undefined))
  const most = whose === 'own' ? 10 : Math.max(...announced.map((maximum = 0) => maximum))
  if ((packet.properties?.topicAlias ?? 0) <= most) return false
  client.disconnect('misused', 0x94)
  return true
}

exhibit('libmosquitto: measures the topic aliases that come by the maximum of the server, not by its own', {
  url: 'https://github.com/eclipse-mosquitto/mosquitto/issues/3626',
  config: () => ({
    broker: { topicAliasMaximum: 3 },
    plugins: [serverPublish({ at: 'packet', packet: ['puback'], nth: [10], topic: 'beyond', properties: { topicAlias: 11 }, ignoreLimits: true })],
  }),
  both: { version: 5, connect: { properties: { topicAliasMaximum: 10 } } },
  buggy: { handle: aliasesUpTo('of-the-server') },
  fixed: { handle: aliasesUpTo('own') },
  async play({ server, client, clock }) {
    await clock.advance('1s')
    await client.subscribe(['#'], 1)
    for (const topic of ['a', 'b', 'c', 'd', 'e', 'a', 'b', 'c', 'd', 'e']) server.publish({ topic, qos: 1 })
    await clock.advance('500ms')
  },
  async assertion(server) {
    const connection = await server.connection(0)
    for (let messageId = 1; messageId <= 10; messageId++) await connection.expect('puback', { messageId }, now)
    await connection.expect('disconnect', { reasonCode: 0x94 }, now)
  },
  says: /expected PUBACK \{ messageId: 4 }/,
})

describe.each([
  ['sends packets that are larger than the server takes', 'none', /the first connection ended with/],
  ['keeps to the limit of the connection before', 'of-first-connection', /expected PUBLISH/],
] as const)('mqtt5 of LabOverWire', (wrong, packetLimit, says) => {
  exhibit(wrong, {
    url: 'https://github.com/LabOverWire/mqtt-lib/pull/103',
    config: () => ({ plugins: [packetSize({ maximum: 1000 }), closeAfter({ time: '10s' })].map((plugin) => [plugin, { connection: 0 }]) }),
    both: { version: 5 },
    buggy: { packetLimit },
    fixed: { packetLimit: 'of-connection' },
    async play({ client, clock }) {
      for (let count = 0; count < 3; count++) {
        await clock.advance('5s')
        void client.publish('report', 'x'.repeat(2000), 1)
      }
      await clock.advance('1s')
    },
    async assertion(server) {
      expect((await server.connection(0)).ended?.reasonCode, 'the first connection ended with').toBeUndefined()
      await (await server.connection(1, now)).expect('publish', { payload: ({ length }: Buffer) => length === 2000 }, now)
    },
    says,
  })
})

/** Stays away when somebody has taken its session over. */
function staysAway(packet: Packet, client: SmallClient): boolean {
  if (packet.cmd !== 'disconnect' || packet.reasonCode !== 0x8e) return false
  client.stop()
  return true
}

describe.each([
  ['of a reason alone', { form: 'code' }],
  ['of a reason and no properties', { form: 'length' }],
  ['with a reason string', { reasonString: 'somebody else is here' }],
] as const)('mqtt5_client of Dart: a DISCONNECT %s', (_form, form) => {
  exhibit('has its reason hidden, and the client comes back to push the other one out', {
    url: 'https://github.com/shamblett/mqtt5_client/issues/143',
    config: () => ({ plugins: [[serverDisconnect({ reasonCode: 'session-taken-over', ...form, time: '5s' }), { connection: 0 }]] }),
    both: { version: 5 },
    buggy: { handle: () => false },
    fixed: { handle: staysAway },
    async play({ clock }) {
      await clock.advance('1m')
    },
    async assertion(server) {
      expect(server.report().connections, 'connections').toBe(1)
    },
    says: /connections: expected 2 to be 1/,
  })
})

describe('Paho Go, autopaho: loses the Server Reference of a refusal, and tries the same server for ever (https://github.com/eclipse-paho/paho.golang/issues/353)', () => {
  /** Two servers, the first of which sends everybody to the second, and a client that follows such words or does not. */
  async function redirected(follows: boolean): Promise<{ readonly first: Server; readonly second: Server }> {
    const { server: first, clock } = await virtualServer({
      plugins: [connack({ reasonCode: 'use-another-server', set: { serverReference: 'second.example' }, afterRefusal: 'close' })],
    })
    const { server: second } = await virtualServer({ clock })
    let server = first
    const handle = (packet: Packet) => {
      if (follows && packet.cmd === 'connack' && packet.properties?.serverReference === 'second.example') server = second
      return false
    }
    startWithTest(new SmallClient((events) => overMemory(server)(events), clock, { version: 5, handle }))
    await clock.advance('1m')
    return { first, second }
  }

  async function assertion({ first, second }: { readonly first: Server; readonly second: Server }): Promise<void> {
    await second.expect('connect', {}, now)
    expect(first.report().connections, 'attempts at the first server').toBeLessThanOrEqual(2)
  }

  test('a client with the bug fails', async () => {
    await expect(assertion(await redirected(false))).rejects.toThrow(/expected CONNECT/)
  })

  test('one without it passes', async () => {
    await assertion(await redirected(true))
  })
})

const handlers = ['test/#', 'test/+/status', 'test/bla/status']

/** An application with a handler for each filter; a call of a handler publishes its number. */
const callsHandlersBy = (what: 'topic' | 'identifier') => (packet: Packet, client: SmallClient) => {
  if (packet.cmd !== 'publish') return false
  const identifiers = [packet.properties?.subscriptionIdentifier ?? []].flat()
  for (const [index, filter] of handlers.entries())
    if (what === 'topic' ? topicMatches(filter, packet.topic) : identifiers.includes(index + 1)) void client.publish('called', `${index + 1}`)
  return false
}

exhibit('Home Assistant: calls every handler that matches for every copy of a message, of which overlapping subscriptions get several', {
  url: 'https://github.com/home-assistant/core/pull/169604',
  config: () => ({ plugins: [matching({ overlap: 'each' })] }),
  both: { version: 5 },
  buggy: { handle: callsHandlersBy('topic') },
  fixed: { handle: callsHandlersBy('identifier') },
  async play({ server, client, clock }) {
    await clock.advance('1s')
    for (const [index, topic] of handlers.entries())
      await client.request({ cmd: 'subscribe', messageId: 0, subscriptions: [{ topic, qos: 0 }], properties: { subscriptionIdentifier: index + 1 } })
    server.publish({ topic: 'test/bla/status', payload: 'on' })
    await clock.advance('1s')
  },
  async assertion(server) {
    const calls = (await server.connection(0)).packets({ dir: 'in', cmd: 'publish' })
    expect(calls.map((packet) => (packet.cmd === 'publish' ? packet.payload.toString() : '')).sort(), 'handlers called').toEqual(['1', '2', '3'])
  },
  says: /handlers called/,
})
