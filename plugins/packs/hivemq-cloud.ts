import { definePack, option } from '../../src/index.ts'
import {
  ackCode,
  connectionLimits,
  credentials,
  inFlight,
  lifetime,
  packetSize,
  reject,
  secondConnect,
  sessionLimits,
  takeover,
  topicAcl,
  topicAlias,
  topicLimits,
} from '../index.ts'

const source = (path: string) => `hivemq/hivemq-community-edition on GitHub at 5d953093, src/main/java/com/hivemq/${path}`
const defaults = source('configuration/entity/mqtt/MqttConfigurationDefaults.java')
const publishing = source('mqtt/handler/publish/IncomingPublishService.java')
const decoder = source('codec/decoder/MQTTMessageDecoder.java')
const clusterPage = 'https://github.com/wolfSSL/wolfMQTT/pull/222'

/** HiveMQ Cloud (Serverless): ten messages under way, a full plan that looks like a wrong password, PUBACK with a DISCONNECT behind it. */
export const hivemqCloud = definePack({
  meta: {
    name: 'hivemq-cloud',
    api: 1,
    summary: 'HiveMQ Cloud (Serverless): ten messages under way, and a full plan or a missing SNI that looks like a wrong password.',
    facts: [
      { says: 'MQTT 3.1, 3.1.1 and 5 are spoken; there is QoS 2.', source: source('codec') },
      { says: 'A client needs a user name and a password.', source: 'https://docs.hivemq.com/hivemq-cloud/authn-authz.html', by: 'credentials' },
      { says: 'Whoever is refused gets return code 5, in MQTT 5 0x87.', source: source('extensions/handler'), by: 'credentials' },
      {
        says: 'A client that sends no SNI is told that it is not authorized, behind a handshake that succeeded (option `sni`).',
        source: 'https://github.com/cniles/picow-iot/issues/6',
      },
      {
        says: 'The 101st client gets 0x97; in MQTT 3 it is told that it is not authorized.',
        source: 'https://hivemq.atlassian.net/wiki/spaces/HCSP/pages/2550988855',
        by: 'connection-limits',
      },
      { says: 'Ten messages of an MQTT 5 client may be under way; the next one gets DISCONNECT with 0x93.', source: defaults, by: 'in-flight' },
      { says: 'At most 50 messages are under way to a client.', source: source('mqtt/services'), by: 'in-flight' },
      { says: 'At most 1000 messages wait for a client; the newest is dropped.', source: source('mqtt/services'), by: 'session-limits' },
      { says: 'Five topic aliases are taken; beyond, the connection ends with 0x94.', source: defaults, by: 'topic-alias' },
      { says: 'A cluster took packets of 5 MB in 2021.', source: clusterPage, by: 'packet-size' },
      { says: 'Too large: 0x95 in CONNACK for CONNECT, DISCONNECT with 0x95 in MQTT 5, and a plain end in MQTT 3.', source: decoder, by: 'packet-size' },
      { says: 'A cluster kept sessions for three days in 2021.', source: clusterPage, by: 'session-limits' },
      { says: 'A connection without CONNECT is closed after ten seconds.', source: source('mqtt/handler/connect/NoConnectIdleHandler.java'), by: 'lifetime' },
      {
        says: 'An empty client id is refused in MQTT 3.1, taken with clean session in 3.1.1, and replaced in 5.',
        source: source('codec/decoder/mqtt5/Mqtt5ConnectDecoder.java'),
      },
      { says: 'Any keep-alive is taken, with 0x8D in MQTT 5 when it runs out.', source: defaults },
      {
        says: 'A PUBLISH that is not allowed (option `publish`) gets 0x87, and DISCONNECT with 0x87 behind it; of QoS 0 the DISCONNECT alone; in MQTT 3 the connection is closed.',
        source: publishing,
      },
      {
        says: 'A filter that is not allowed (option `subscribe`) gets 0x87, in MQTT 3.1.1 0x80; in MQTT 3.1 the connection is closed.',
        source: source('mqtt/handler/subscribe'),
      },
      { says: 'A newcomer with the same client id wins; the other one gets 0x8E.', source: source('mqtt/handler/connect/ConnectHandler.java'), by: 'takeover' },
      { says: 'A second CONNECT closes the connection without a word.', source: decoder, by: 'second-connect' },
      { says: 'Nothing is sent again on a connection that stands.', source: source('mqtt/services') },
      { says: 'PUBACK and PUBREC say 0x10 in MQTT 5 where nobody has subscribed.', source: publishing, by: 'ack-code' },
      {
        says: 'A PUBLISH to a topic with wildcards gets DISCONNECT with 0x90, in MQTT 3 a plain end.',
        source: source('codec/decoder/AbstractMqttDecoder.java'),
        by: 'topic-limits',
      },
    ],
    leaves: [
      'TLS, its ports and the path of WebSocket, said from memory to be `/mqtt` on 8884: they are those of the listener, which also is where SNI would be looked at.',
      'Roles in their own form: `publish` and `subscribe` stand for them.',
      'Packet size, sessions and permissions as they are today: the community edition was read, and the rest was seen in 2021.',
    ],
  },
  options: {
    users: option.optional(option.map(option.text('a password', ''), 'users by name, each with its password; anybody with a user name unless given', {})),
    publish: option.optional(
      option.list(option.text('a topic filter; {clientId} and {username} are filled in', 'home/#'), 'topics that may be published to; all unless given', []),
    ),
    subscribe: option.optional(
      option.list(option.text('a topic filter; {clientId} and {username} are filled in', 'home/#'), 'filters that may be subscribed to; all unless given', []),
    ),
    sni: option.flag('false: as if no client had sent the name of the server in TLS', true),
    connections: option.count('the clients that the plan has room for', 100),
    packetSize: option.count('the largest packet that is taken, in bytes', 5_242_880, { min: 1024, max: 268_435_460 }),
    sessionExpiry: option.duration('the longest that a session is kept', '72h'),
  },
  plugins: ({ users, publish, subscribe, sni, connections, packetSize: bytes, sessionExpiry }) => [
    lifetime({ connect: '10s' }),
    credentials({ ...(users !== undefined && { users: Object.fromEntries(users) }), failure: 'not-authorized' }),
    connectionLimits({ total: connections, answer: { v3: 'not-authorized', v5: 'quota-exceeded' } }),
    !sni && reject({ reasonCode: 'not-authorized' }),
    takeover({ policy: 'newest' }),
    secondConnect({ answer: 'close' }),
    sessionLimits({ maximum: sessionExpiry, mqtt3: sessionExpiry, queueLimit: 1000, overflow: 'newest' }),
    (publish ?? subscribe) !== undefined &&
      topicAcl({
        ...(publish !== undefined && { publish }),
        ...(subscribe !== undefined && { subscribe }),
        publishAnswer: { v3: 'close', v5: { answer: 'not-authorized', disconnect: 'not-authorized' }, qos0: { disconnect: 'not-authorized' } },
        subscribeAnswer: { v31: 'close', v3: 'not-authorized', v5: 'not-authorized' },
      }),
    topicLimits({ wildcards: { v3: 'close', v5: { disconnect: 'topic-name-invalid' } } }),
    topicAlias({ announce: 5, maximum: 5 }),
    packetSize({ maximum: bytes, connectAnswer: { v3: 'close', v5: 'packet-too-large' } }),
    inFlight({ maximum: 10, window: 50 }),
    ackCode({ noSubscribers: 'both' }),
  ],
})
