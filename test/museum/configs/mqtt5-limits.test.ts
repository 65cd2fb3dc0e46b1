/** Bugs around what the two sides of MQTT 5 tell each other that they take: receive maximum, topic aliases, packet size, QoS. */
import { publish, subscribe } from '../../support/outcome.ts'
import { exhibit, type Stage } from './exhibit.ts'

const connack = (properties = 'topicAliasMaximum=100') => `CONNACK 0x00 success {${properties}}`

exhibit(
  'MQTT.js: keeps ever more QoS 2 messages, whatever its receive maximum',
  'https://github.com/mqttjs/MQTT.js/pull/2065',
  {
    does: 'ten thousand QoS 2 messages with an id each, and no PUBREL for any',
    config: {
      plugins: [
        ['server-publish', { topic: 'a', payload: 'x', qos: 2, count: 10_000, ignoreLimits: true }],
        ['drop', { packets: ['pubrel'] }],
      ],
    },
    async play({ client, wait }) {
      const flooded = client(5).sendConnect({ properties: { receiveMaximum: 20 } })
      flooded.send(subscribe('a', 2))
      await wait()
      for (let messageId = 1; messageId <= 100; messageId++) flooded.send({ cmd: 'pubrec', messageId })
      await wait('1m')
    },
    wire: [`0 ← ${connack()}`, '0 ← SUBACK id 9 [0x02]', ...Array.from({ length: 10_000 }, (_, index) => `0 ← PUBLISH a QoS 2 id ${index + 1} "x"`)],
  },
  {
    does: 'a message that the client holds comes again and again, with DUP',
    config: { plugins: [['server-publish', { topic: 'a', payload: 'x', qos: 2, messageId: 7, dup: true, count: 3, ignoreLimits: true }]] },
    async play({ client }) {
      const flooded = client(5).sendConnect({ properties: { receiveMaximum: 1 } })
      flooded.send(subscribe('a', 2))
    },
    wire: [`0 ← ${connack()}`, '0 ← SUBACK id 9 [0x02]', ...Array.from({ length: 3 }, () => '0 ← PUBLISH a QoS 2 id 7 DUP "x"')],
  },
)

const aliased = (topic: string, messageId: number) => ({ ...publish(topic, 1, messageId), properties: { topicAlias: 1 } })

/** Three messages with an alias on the first connection; another on the second, which has a topic or nothing but the alias. */
async function publishesAgain({ client, wait }: Stage, topic: string): Promise<void> {
  client(5).sendConnect().send(aliased('a', 1), aliased('', 2), aliased('', 3))
  await wait('5s')
  client(5).sendConnect().send(aliased(topic, 4))
}

const threeAcknowledged = [1, 2, 3].map((id) => `0 ← PUBACK id ${id} 0x10 no-matching-subscribers`)

exhibit(
  'mosquitto_pub: uses an alias again that the server has forgotten over a reconnect',
  'https://github.com/eclipse-mosquitto/mosquitto/issues/2494',
  ...(['', 'a'] as const).map((topic) => ({
    does: `the connection is closed behind the third message; on the next one a message with ${topic === '' ? 'nothing but the alias is an error' : 'its topic is right'}`,
    config: {
      broker: { topicAliasMaximum: 10 },
      plugins: [['close-after', { packet: 'publish', nth: 3 }, { connection: 0 }]],
    } as const,
    play: (stage: Stage) => publishesAgain(stage, topic),
    wire: [
      `0 ← ${connack('topicAliasMaximum=10')}`,
      ...threeAcknowledged,
      '0 ← closed (fin)',
      `5000 ms: 1 ← ${connack('topicAliasMaximum=10')}`,
      ...(topic === ''
        ? ['5000 ms: 1 ← DISCONNECT 0x82 protocol-error', '5000 ms: 1 ← closed (fin)']
        : ['5000 ms: 1 ← PUBACK id 4 0x10 no-matching-subscribers']),
    ],
    breaks: topic === '' ? ['topic-alias-unmapped'] : [],
  })),
)

exhibit('Eclipse Paho Java: has the aliases of the old connection on the new one', 'https://github.com/eclipse-paho/paho.mqtt.java/issues/527', {
  does: 'the server restarts, takes as many aliases as before, and knows none of them',
  config: { broker: { topicAliasMaximum: 10 }, plugins: [['offline', { time: '1s', for: '2s' }]] },
  play: (stage) => publishesAgain(stage, ''),
  wire: [
    `0 ← ${connack('topicAliasMaximum=10')}`,
    ...threeAcknowledged,
    '1000 ms: 0 ← closed (rst)',
    `5000 ms: 1 ← ${connack('topicAliasMaximum=10')}`,
    '5000 ms: 1 ← DISCONNECT 0x82 protocol-error',
    '5000 ms: 1 ← closed (fin)',
  ],
  breaks: ['topic-alias-unmapped'],
})

exhibit('Eclipse Paho Java: sends no packet larger than those that it takes itself', 'https://github.com/eclipse-paho/paho.mqtt.java/issues/987', {
  does: 'the server takes 100000 bytes, and what is larger than the client takes does not come',
  config: { broker: { maximumPacketSize: 100_000 } },
  async play({ client, server }) {
    const small = client(5).sendConnect({ properties: { maximumPacketSize: 500 } })
    small.send(subscribe('large'), publish('large', 1, 1, { size: 2000 }), publish('large', 1, 2, 'x'))
    await (await server.connection(0)).expect('publish', { topic: 'large', messageId: 1 })
  },
  wire: [
    `0 ← ${connack('topicAliasMaximum=100 maximumPacketSize=100000')}`,
    '0 ← SUBACK id 9 [0x00]',
    '0 ← PUBACK id 1',
    '0 ← PUBLISH large QoS 0 "x"',
    '0 ← PUBACK id 2',
  ],
})

exhibit('libmosquitto: takes messages above the Maximum QoS of the server', 'https://github.com/eclipse-mosquitto/mosquitto/issues/3603', {
  does: 'CONNACK says Maximum QoS 0, and a QoS 1 message comes that nobody subscribed to',
  config: {
    plugins: [
      ['maximum-qos', { maximum: 0 }],
      ['server-publish', { at: 'after-connack', topic: 'a', payload: 'x', qos: 1, ignoreLimits: true }],
    ],
  },
  play: async ({ client }) => client(5).sendConnect(),
  wire: [`0 ← ${connack('topicAliasMaximum=100 maximumQoS=0')}`, '0 ← PUBLISH a QoS 1 id 1 "x"'],
})
