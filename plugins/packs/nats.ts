import { definePack, option } from '../../src/index.ts'
import {
  ackDelay,
  clientId,
  connack,
  connectVeto,
  credentials,
  fault,
  lifetime,
  matching,
  maximumQos,
  packetSize,
  protocolVersions,
  resend,
  takeover,
  topicAcl,
  topicLimits,
} from '../index.ts'

const observed = 'observed with nats-server 2.9.10'
const source = 'https://github.com/nats-io/nats-server/blob/1787eee0/server/mqtt.go'

const filters = (about: string) => option.list(option.text('a topic filter; {clientId} and {username} are filled in', '#'), about, [])

/** NATS as an MQTT server: messages before SUBACK, repeats on a live connection, no will of those who are taken over. */
export const nats = definePack({
  meta: {
    name: 'nats',
    api: 1,
    summary: 'NATS: MQTT 3.1.1 alone, messages before SUBACK, repeats every 30 s, no will after a takeover, and who comes back too fast is held.',
    facts: [
      { says: 'MQTT 3.1.1 alone is spoken: 3.1 is closed without CONNACK, 5 gets CONNACK 1.', source: observed, by: 'protocol-versions' },
      { says: 'A connection without CONNECT stays, for 33 s at least.', source: observed, by: 'lifetime' },
      { says: 'Before 2.10 a PUBLISH of QoS 2 closes the connection, and a filter of QoS 2 is granted 1.', source: observed },
      { says: 'Since 2.10 there is QoS 2.', source },
      { says: 'With rejectQoS2Pub, a PUBLISH of QoS 2 closes the connection, and a will of QoS 2 gets CONNACK 0x10 (option `rejectQos2`).', source },
      { says: 'A message of QoS 1 that is not acknowledged comes again on the same connection after 30 and 60 s, with DUP.', source: observed, by: 'resend' },
      { says: 'Messages come before the SUBACK of the filter that they match.', source: observed, by: 'ack-delay' },
      { says: 'Overlapping filters give one copy each.', source: observed, by: 'matching' },
      { says: 'In 2.9 `#` matches topics that begin with `$`.', source: observed },
      {
        says: 'A PUBLISH to a topic with a space closes the connection, a filter with one gets 0x80; before 2.10 so does a dot.',
        source: observed,
        by: 'topic-limits',
      },
      { says: 'Client ids with spaces, dots or wildcards are refused with code 2; 2.9.10 takes them.', source, by: 'client-id' },
      { says: 'Who gives no client id and no clean session gets code 2.', source: observed },
      { says: 'Who is taken over is closed on, and its will is not published.', source: observed, by: 'takeover' },
      {
        says: 'A client id that is taken over again within 1 s is held for 1 s, and closed on without CONNACK.',
        source: observed,
        by: 'takeover',
      },
      { says: 'Refused credentials get 5, and so does a CONNECT without a user name.', source: observed, by: 'credentials' },
      { says: 'A PUBLISH that is not allowed is acknowledged as usual, and dropped (option `denyPublish`).', source: observed },
      { says: 'A filter that is not allowed gets 0x80, and the others are granted (option `denySubscribe`).', source: observed },
      { says: 'CONNECT is taken with a will that may not be published.', source: observed },
      { says: 'A message beyond 1 MB closes the connection; 2.9.10 acknowledged 2.1 MB.', source, by: 'packet-size' },
      { says: 'A second CONNECT closes the connection.', source: observed },
    ],
    leaves: [
      'Messages of NATS itself below $MQTT/, which a subscription to # gets in 2.9.',
      'The wildcards * and > of NATS in topics of MQTT.',
      'The limits of 1024 messages without acknowledgement for a subscription and 65535 in all, beyond which SUBACK says 0x80.',
      'Code 4 for a user name that is there, but empty, in versions of today.',
      'Another order of messages that come again.',
      'The path /mqtt of WebSocket: that is an option of the server.',
    ],
  },
  options: {
    version: option.choice('the version: 2.9, or 2.10 and later', ['2.9', '2.10'], '2.10'),
    users: option.map(option.text('a password', ''), 'users by name, each with its password; anybody where there is none', {}),
    anonymous: option.optional(option.flag('whether clients without credentials get in; unless given, where there are no users', true)),
    denyPublish: filters('topics that clients may not publish to'),
    denySubscribe: filters('filters that clients may not subscribe to'),
    ackWait: option.duration('how long a client may take to acknowledge a message, before it comes again', '30s'),
    subackDelay: option.duration('how long SUBACK takes, while messages come already', '10ms'),
    rejectQos2: option.flag('rejectQoS2Pub, from 2.10 on', false),
  },
  check: ({ version, rejectQos2 }) => (version === '2.9' && rejectQos2 ? "option 'rejectQos2' goes with 2.10: 2.9 has no QoS 2" : undefined),
  plugins({ version, users, anonymous = users.size === 0, denyPublish, denySubscribe, ackWait, subackDelay, rejectQos2 }) {
    const isNew = version === '2.10'
    return [
      protocolVersions({ accept: [4], otherwise: { v31: 'close', v5: 'connack-v3' } }),
      lifetime({ connect: '1h', connectAnswer: 'allow' }),
      credentials({ ...(users.size > 0 ? { users: Object.fromEntries(users) } : { usernames: ['*'] }), anonymous, failure: 'not-authorized' }),
      isNew && clientId({ pattern: '[^ .*>+#]*' }),
      takeover({ policy: 'newest', tell: 'nothing', will: 'never', flapping: '1s', flappingCount: 2, flappingHold: '1s', flappingAnswer: 'close' }),
      !isNew && maximumQos({ maximum: 1, publishAnswer: 'close', willAnswer: 'close', announce: false }),
      rejectQos2 && [
        fault({ on: { cmd: 'publish', direction: 'in', qos: 2 }, do: { close: 'fin' } }),
        connectVeto({ above: { willQos: 1 }, answer: 'qos-not-supported' }),
        connack({ which: 'refused', returnCodes: { 'qos-not-supported': 0x10 } }),
      ],
      topicLimits({
        forbidden: isNew ? ' ' : ' .',
        of: ['publish', 'subscribe'],
        publishAnswer: 'close',
        subscribeAnswer: 'topic-filter-invalid',
      }),
      denyPublish.length + denySubscribe.length > 0 && topicAcl({ denyPublish, denySubscribe, willAnswer: 'accept' }),
      isNew && packetSize({ payload: 1_048_576, answer: 'close', connectAnswer: 'allow', announce: false }),
      matching({ overlap: 'each', hashMatchesDollar: !isNew }),
      resend({ after: [ackWait], times: 10_000, qos: [1] }),
      subackDelay > 0 && ackDelay({ packets: ['suback'], delay: subackDelay }),
    ]
  },
})
