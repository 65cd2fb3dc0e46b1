/** Bugs around subscriptions that overlap. A shared subscription gets a copy of its own from every server: there the config is empty. */
import { exhibit, type Stage } from './exhibit.ts'

async function subscribesTwice({ client, wait, server }: Stage, version: 4 | 5): Promise<void> {
  const twice = client(version).sendConnect()
  for (const [index, topic] of ['$share/group/jobs', 'jobs'].entries())
    twice.send({
      cmd: 'subscribe',
      messageId: index + 1,
      subscriptions: [{ topic, qos: 0 }],
      ...(version === 5 && { properties: { subscriptionIdentifier: index + 1 } }),
    })
  await wait()
  server.publish({ topic: 'jobs', payload: 'x' })
}

exhibit(
  'zMQTT: hands both copies to one of two subscriptions to the same topic, one of them shared',
  'https://github.com/faststream-community/zMQTT/pull/35',
  {
    does: 'a copy for each, with its subscription identifier',
    config: {},
    play: (stage) => subscribesTwice(stage, 5),
    wire: [
      '0 ← CONNACK 0x00 success {topicAliasMaximum=100}',
      '0 ← SUBACK id 1 [0x00]',
      '0 ← SUBACK id 2 [0x00]',
      '0 ← PUBLISH jobs QoS 0 "x" {subscriptionIdentifier=2}',
      '0 ← PUBLISH jobs QoS 0 "x" {subscriptionIdentifier=1}',
    ],
  },
  {
    does: 'in MQTT 3.1.1, where there are no identifiers, a copy for each',
    config: {},
    play: (stage) => subscribesTwice(stage, 4),
    wire: ['0 ← CONNACK 0x00 success', '0 ← SUBACK id 1 [0x00]', '0 ← SUBACK id 2 [0x00]', '0 ← PUBLISH jobs QoS 0 "x"', '0 ← PUBLISH jobs QoS 0 "x"'],
  },
  {
    does: 'two copies that do not say for which they are',
    config: { plugins: [['delivery-flags', { identifiers: 'missing' }]] },
    play: (stage) => subscribesTwice(stage, 5),
    wire: [
      '0 ← CONNACK 0x00 success {topicAliasMaximum=100}',
      '0 ← SUBACK id 1 [0x00]',
      '0 ← SUBACK id 2 [0x00]',
      '0 ← PUBLISH jobs QoS 0 "x"',
      '0 ← PUBLISH jobs QoS 0 "x"',
    ],
  },
)
