/** Bugs that were found in clients, each provoked by `fault` alone: as readers would write them, as pure JSON. */
import { fault } from 'mqttest/plugins'
import { connectMemory } from 'mqttest/testing'
import { expect, test } from 'vitest'
import { virtualServer } from '../support/server.ts'

const bugs: readonly (readonly [symptom: string, config: string])[] = [
  ['no CONNACK, and the connection stays', '{ "on": "connect", "do": "drop" }'],
  ['SUBSCRIBE is answered by the end, on the first connection only', '{ "on": { "cmd": "subscribe", "connection": 0 }, "do": { "close": "fin" } }'],
  [
    'the first connection is refused and closed',
    '{ "on": { "cmd": "connack", "connection": 0 }, "do": { "replace": { "returnCode": 3 }, "after": [{ "close": "fin" }] } }',
  ],
  [
    'CONNACK comes again behind SUBACK, and in place of the first PUBACK',
    `{ "rules": [
      { "on": "suback", "do": { "after": [{ "packet": { "cmd": "connack", "returnCode": 0 } }] } },
      { "on": { "cmd": "puback", "nth": 1 }, "do": { "steps": [{ "packet": { "cmd": "connack", "returnCode": 0 } }] } }
    ] }`,
  ],
  [
    'QoS 2 is answered by PUBACK',
    '{ "on": { "cmd": "publish", "direction": "in", "qos": 2 }, "do": { "answer": [{ "packet": { "cmd": "puback", "messageId": "{messageId}" } }] } }',
  ],
  ['a message with packet id 0', '{ "on": "suback", "do": { "after": [{ "packet": { "cmd": "publish", "topic": "home/a", "qos": 1, "messageId": 0 } }] } }'],
  ['bytes that are no packet, behind SUBACK', '{ "on": "suback", "do": { "after": [{ "raw": "30 07 FF FF 41 42 43 44 45" }] } }'],
  [
    'two hundred messages in one write, and a reset in the same moment',
    `{ "on": "suback", "do": { "after": [
      { "cork": true },
      { "repeat": 200, "steps": [{ "packet": { "cmd": "publish", "topic": "home/{index}", "qos": 1, "messageId": "{index}", "payload": "x" } }] },
      { "cork": false },
      { "close": "rst" }
    ] } }`,
  ],
  [
    'PUBREC, then the end before PUBCOMP; away for 5 s; back, and the session is gone',
    `{ "rules": [
      { "name": "cut", "on": { "cmd": "pubrel", "nth": 1 }, "do": { "offline": "5s" }, "times": 1 },
      { "armedBy": "cut", "per": "run", "on": { "cmd": "connack", "nth": 1 }, "do": { "replace": { "sessionPresent": false } } }
    ] }`,
  ],
  [
    'silence behind SUBACK; then the answers come again',
    `{ "rules": [
      { "name": "silent", "on": { "cmd": "suback", "nth": 1 }, "do": { "after": [{ "stall": "both" }] } },
      { "armedBy": "silent", "on": { "time": "12s" }, "do": { "steps": [{ "stall": false }] } }
    ] }`,
  ],
  ['every other PINGRESP is lost, from the second on', '{ "on": { "cmd": "pingresp", "from": 2, "every": 2 }, "do": "drop" }'],
]

test.each(bugs)('%s', async (_symptom, config) => {
  const { server, clock } = await virtualServer({ plugins: [fault.create(JSON.parse(config))] })
  for (const clientId of ['one', 'two']) {
    const client = connectMemory(server, 4)
    client.connect({ clientId }).catch(() => undefined)
    await clock.advance('6s')
    client.send(
      { cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'home/#', qos: 1 }] },
      { cmd: 'publish', topic: 'a', qos: 1, messageId: 2 },
      { cmd: 'publish', topic: 'a', qos: 2, messageId: 3 },
      { cmd: 'pubrel', messageId: 3 },
      { cmd: 'pingreq' },
      { cmd: 'pingreq' },
      { cmd: 'pingreq' },
    )
    await clock.advance('20s')
    client.end().catch(() => undefined)
  }
  expect(server.report()).toMatchObject({ pluginErrors: [], faults: { neverFired: [] } })
})
