import { definePack, option } from '../../src/index.ts'
import {
  clientId,
  credentials,
  inFlight,
  keepAlive,
  lifetime,
  matching,
  maximumQos,
  packetSize,
  protocolVersions,
  retain,
  secondConnect,
  sessionLimits,
  subscribeLimits,
  takeover,
  topicAcl,
  topicAlias,
  topicLimits,
  topicRewrite,
} from '../index.ts'

const observed = 'observed with rabbitmq 3.10.8'
const server = (file: string) => `https://github.com/rabbitmq/rabbitmq-server/blob/5b09e556/deps/rabbitmq_mqtt/${file}`
const processor = server('src/rabbit_mqtt_processor.erl')
const settings = server('Makefile')
const documentation = (page: string) => `https://github.com/rabbitmq/rabbitmq-website/blob/main/docs/${page}.md`
const mqtt = documentation('mqtt')

const filters = (about: string) => option.list(option.text('a topic filter; {clientId} and {username} are filled in', '#'), about, [])

/** The MQTT plugin of RabbitMQ: QoS 2 becomes 1, dots in topics become slashes, retained messages do not come for wildcards. */
export const rabbitmq = definePack({
  meta: {
    name: 'rabbitmq',
    api: 1,
    summary: 'RabbitMQ 3.x or 4.x: PUBACK for QoS 2, dots that become slashes, no retained messages for wildcards, the end for what is not allowed.',
    facts: [
      { says: 'MQTT 5 is spoken since 3.13; 3.x closes the connection of MQTT 5 without CONNACK.', source: observed },
      { says: 'There is QoS 0 and 1 only; CONNACK says so in MQTT 5, and a filter of QoS 2 is granted 1.', source: processor, by: 'maximum-qos' },
      { says: 'A PUBLISH of QoS 2 is answered with PUBACK in MQTT 3, and with DISCONNECT 0x9B in MQTT 5.', source: observed, by: 'maximum-qos' },
      { says: 'CONNACK announces Topic Alias Maximum 16, and no Receive Maximum.', source: `${processor}#L258-L271`, by: 'topic-alias' },
      { says: 'It announces Maximum Packet Size 16777216; larger packets get DISCONNECT 0x95.', source: `${processor}#L258-L271`, by: 'packet-size' },
      { says: 'A CONNECT has 64 KiB at most.', source: settings, by: 'lifetime' },
      { says: 'A connection without CONNECT is closed after 10 s.', source: observed, by: 'lifetime' },
      { says: 'It has no shared subscriptions, and says so in CONNACK.', source: mqtt, by: 'subscribe-limits' },
      { says: 'At most 10 messages are under way to a client.', source: settings, by: 'in-flight' },
      { says: 'A session lasts a day at most, and CONNACK always says how long.', source: settings, by: 'session-limits' },
      { says: 'Retained messages do not come for filters with wildcards.', source: observed, by: 'retain' },
      { says: 'A dot in a topic comes back as a slash.', source: observed, by: 'topic-rewrite' },
      { says: 'Overlapping filters give one copy each, with the QoS of each.', source: observed, by: 'matching' },
      {
        says: 'A PUBLISH that is not allowed closes the connection, with DISCONNECT 0x87 in MQTT 5 (option `denyPublish`).',
        source: `${processor}#L2307`,
      },
      {
        says: 'A filter that is not allowed gets a failure in SUBACK, and the end; in 3.x only the end (option `denySubscribe`).',
        source: `${processor}#L446`,
      },
      {
        says: 'With `disconnect_on_unauthorized` off, PUBACK and SUBACK say 0x87 and the connection stays (option `disconnectOnUnauthorized`).',
        source: `${processor}#L2307`,
      },
      { says: 'In 3.x CONNECT is taken with a will that may not be published.', source: observed },
      { says: 'Refused credentials get 4, in MQTT 5 0x86.', source: processor, by: 'credentials' },
      { says: 'A connection ends with 0xA0 when its OAuth token expires (option `tokenLifetime`).', source: mqtt },
      { says: 'An authentication method gets CONNACK 0x8C.', source: processor },
      { says: 'A PUBLISH of QoS 1 that nobody subscribed to gets PUBACK 0x10 in MQTT 5.', source: processor },
      { says: 'Who subscribed to its own topic gets the message before the PUBACK.', source: observed },
      { says: 'Who is taken over hears 0x8E in MQTT 5, who is silent for too long 0x8D.', source: server('src'), by: 'takeover' },
      { says: 'In 3.x a client with a keep-alive of 2 s is cut after 6 s.', source: observed },
      { says: 'In 3.x who gives no client id is taken with a clean session, also in MQTT 3.1, and gets code 2 without.', source: observed },
      { says: 'In 3.x a second CONNECT is answered with a second CONNACK.', source: observed },
      { says: 'In 3.x a PUBLISH to a topic with wildcards is taken and acknowledged.', source: observed },
      { says: 'Nothing is sent again on a live connection, for 33 s at least.', source: observed },
    ],
    leaves: [
      'A PUBLISH that is repeated while it is still being confirmed, and is ignored then: here PUBACK comes at once.',
      'Virtual hosts: in `vhost:user` they are a part of the user name. The user guest, who gets in from the loopback interface only, is nobody special.',
      'Retained messages that each node of a cluster keeps for itself, and their limits.',
      'The loss of QoS 0 messages for a consumer whose mailbox has more than 200.',
      'The path /ws and the port 15675 of WebSocket: those are options of the server.',
      'Whether 4.x takes a PUBLISH to a topic with wildcards, which nobody tried: it ends the connection.',
    ],
  },
  options: {
    version: option.choice('the version: 3 is before 3.13, without MQTT 5', ['3', '4'], '4'),
    users: option.map(option.text('a password', ''), 'users by name, each with its password; anybody where there is none', {}),
    anonymous: option.optional(option.flag('whether clients without credentials get in; unless given, where there are no users', true)),
    tokenLifetime: option.optional(option.duration('how long the credentials of a user are good', '1h')),
    denyPublish: filters('topics that clients may not publish to'),
    denySubscribe: filters('filters that clients may not subscribe to'),
    disconnectOnUnauthorized: option.flag('disconnect_on_unauthorized', true),
  },
  plugins({ version, users, anonymous = users.size === 0, tokenLifetime, denyPublish, denySubscribe, disconnectOnUnauthorized }) {
    const isNew = version === '4'
    return [
      !isNew && protocolVersions({ accept: [3, 4], otherwise: 'close' }),
      lifetime({ connect: '10s', ...(isNew && { connectBytes: 65_536 }) }),
      credentials({
        ...(users.size > 0 ? { users: Object.fromEntries(users) } : { usernames: ['*'] }),
        anonymous,
        failure: 'bad-user-name-or-password',
        ...(tokenLifetime !== undefined && { validFor: tokenLifetime, expiryAnswer: { disconnect: 'maximum-connect-time' } }),
      }),
      !isNew && clientId({ empty: 'assign', emptyKept: 'client-identifier-not-valid' }),
      takeover({ policy: 'newest', tell: 'session-taken-over' }),
      // Two looks, each after one and a half keep-alives.
      !isNew && keepAlive({ factor: 3 }),
      !isNew && secondConnect({ answer: 'accept' }),
      !isNew && topicLimits({ wildcards: 'allow' }),
      maximumQos({
        maximum: 1,
        publishAnswer: { v3: 'allow', v5: { disconnect: 'qos-not-supported' } },
        acknowledge: 'puback',
        willAnswer: { v3: 'allow', v5: 'qos-not-supported' },
      }),
      denyPublish.length + denySubscribe.length > 0 &&
        topicAcl({
          denyPublish,
          denySubscribe,
          ...(disconnectOnUnauthorized && {
            publishAnswer: { v3: 'close', v5: { disconnect: 'not-authorized' } },
            subscribeAnswer: isNew ? { answer: 'not-authorized', disconnect: 'not-authorized' } : 'close',
          }),
          willAnswer: isNew ? 'not-authorized' : 'accept',
        }),
      isNew && topicAlias({ announce: 16, maximum: 16 }),
      isNew && packetSize({ maximum: 16_777_216 }),
      isNew && subscribeLimits({ shared: false }),
      isNew && sessionLimits({ maximum: '24h', announce: 'always' }),
      inFlight({ window: 10 }),
      retain({ wildcardDelivery: false }),
      matching({ overlap: 'each' }),
      topicRewrite({ replaceIn: { '.': '/' } }),
    ]
  },
})
