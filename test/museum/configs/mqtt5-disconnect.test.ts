/** Bugs around DISCONNECT and AUTH of the server: takeovers, and authentication that begins anew. */
import type { RawClient } from 'mqttest/testing'
import { exhibit, type Stage } from './exhibit.ts'

const connack = (properties = '') => `CONNACK 0x00 success {${properties}topicAliasMaximum=100}`
const newcomer = '10000 ms: 1 ← CONNACK 0x00 success session present {topicAliasMaximum=100}'
const ended = ['10000 ms: 0 ← DISCONNECT 0x8e session-taken-over', '10000 ms: 0 ← closed (fin)']

// A takeover is told before CONNACK unless a plugin says otherwise.
const goesSilent = { plugins: [['half-open', { direction: 'in' }, { connection: 0 }]] } as const

exhibit(
  'AWS IoT Device SDK for Java: is thrown out by its own reconnect, again and again',
  'https://github.com/aws/aws-iot-device-sdk-java-v2/issues/580',
  ...(['before', 'after'] as const).map((order) => ({
    does: `the first connection goes silent, and hears of the takeover ${order} CONNACK on the second`,
    config: order === 'before' ? goesSilent : { plugins: [...goesSilent.plugins, ['takeover', { order }] as const] },
    async play({ client, wait }: Stage) {
      const asked = { clean: false, clientId: 'thing', keepalive: 30, properties: { sessionExpiryInterval: 3600 } }
      client(5).sendConnect(asked).send({ cmd: 'pingreq' })
      await wait('10s')
      client(5).sendConnect(asked).send({ cmd: 'pingreq' })
    },
    wire: [`0 ← ${connack()}`, ...(order === 'before' ? [...ended, newcomer] : [newcomer, ...ended]), '10000 ms: 1 ← PINGRESP'],
  })),
)

const method = (data: string) => ({ properties: { authenticationMethod: 'CHAT', authenticationData: Buffer.from(data) } })

/** A client that is let in, and authenticates anew ten seconds later; as often as it is asked something, it answers. */
async function authenticatesAnew({ client, wait }: Stage, answers = 0): Promise<RawClient> {
  const asked = client(5).sendConnect(method('hello'))
  await wait('10s')
  asked.send({ cmd: 'auth', reasonCode: 0x19, ...method('again') })
  for (let count = 0; count < answers; count++) {
    await wait('1s')
    asked.send({ cmd: 'auth', reasonCode: 0x18, ...method('more') })
  }
  return asked
}

const letIn = `0 ← ${connack('authenticationMethod="CHAT" ')}`

exhibit(
  'MQTT.js: may wait for ever, or be asked for ever, when it authenticates anew',
  'https://github.com/mqttjs/MQTT.js/pull/2057',
  {
    does: 'the first AUTH is never answered, while all else is',
    config: { plugins: [['enhanced-auth', { rounds: [], reauthentication: 'ignore' }]] },
    async play(stage) {
      const asked = await authenticatesAnew(stage)
      await stage.wait('30s')
      asked.send({ cmd: 'pingreq' })
    },
    wire: [letIn, '40000 ms: 0 ← PINGRESP'],
  },
  {
    does: 'whatever the client answers, it is asked once more',
    config: {
      plugins: [
        ['enhanced-auth', { rounds: [] }],
        [
          'fault',
          {
            on: { cmd: 'auth', direction: 'in' },
            do: { answer: [{ packet: { cmd: 'auth', reasonCode: 0x18, properties: { authenticationMethod: 'CHAT' } } }] },
          },
        ],
      ],
    },
    play: (stage) => authenticatesAnew(stage, 12),
    wire: [
      letIn,
      ...Array.from({ length: 13 }, (_, round) => `${10_000 + round * 1000} ms: 0 ← AUTH 0x18 continue-authentication {authenticationMethod="CHAT"}`),
    ],
  },
  {
    does: 'the answer has another method',
    config: {
      plugins: [
        ['enhanced-auth', { rounds: [] }],
        ['fault', { on: { cmd: 'auth', direction: 'out' }, do: { replace: { properties: { authenticationMethod: 'OTHER' } } } }],
      ],
    },
    play: (stage) => authenticatesAnew(stage),
    wire: [letIn, '10000 ms: 0 ← AUTH {authenticationMethod="OTHER"}'],
  },
  {
    does: 'it succeeds at once',
    config: { plugins: [['enhanced-auth', { rounds: [] }]] },
    play: (stage) => authenticatesAnew(stage),
    wire: [letIn, '10000 ms: 0 ← AUTH {authenticationMethod="CHAT"}'],
  },
  {
    does: 'an AUTH comes that nobody asked for',
    config: { plugins: [['enhanced-auth', { rounds: [], unasked: '10s' }]] },
    async play({ client, wait }) {
      client(5).sendConnect(method('hello'))
      await wait('10s')
    },
    wire: [letIn, '10000 ms: 0 ← AUTH 0x19 re-authenticate {authenticationMethod="CHAT"}'],
  },
)
