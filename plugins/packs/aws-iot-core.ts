import { definePack, option } from '../../src/index.ts'
import {
  ackCode,
  ackEarly,
  clientId,
  closeAfter,
  connack,
  connectionLimits,
  credentials,
  deliveryDelay,
  deliveryFlags,
  drop,
  duplicate,
  inFlight,
  keepAlive,
  lifetime,
  matching,
  maximumQos,
  messageExpiry,
  packetSize,
  protocolVersions,
  rateLimit,
  reject,
  reorder,
  resend,
  responder,
  retain,
  sessionLimits,
  sessionOverride,
  subscribeLimits,
  systemTopics,
  takeover,
  topicAcl,
  topicAlias,
  topicLimits,
} from '../index.ts'

const mqtt = 'https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html'
const quotas = 'https://docs.aws.amazon.com/general/latest/gr/iot-core.html#message-broker-limits'
const documentation = (page: string) => `awsdocs/aws-iot-docs on GitHub, developerguide/${page}, before commit 679dda1`
const advisor = documentation('device-advisor-tests-mqtt.md')

/** Reserved topics that clients publish to: those of shadows, named or not, of jobs, and of rules (Basic Ingest). */
const shadows = (thing: string) => [`$aws/things/${thing}/shadow`, `$aws/things/${thing}/shadow/name/+`]
const requests = (thing: string) => [
  ...shadows(thing).flatMap((shadow) => [`${shadow}/get`, `${shadow}/update`, `${shadow}/delete`]),
  ...['get', 'start-next', '+/get', '+/update'].map((request) => `$aws/things/${thing}/jobs/${request}`),
  '$aws/rules/#',
]
const answers = (thing: string) => [...shadows(thing).map((shadow) => `${shadow}/#`), `$aws/things/${thing}/jobs/#`]

/** A shadow is what was merged into it; the thing and the name of the shadow are its key. */
const shadowRules = shadows('+').flatMap((shadow, named) => {
  const key = named === 0 ? '{1}' : '{1}/{2}'
  const answer = named === 0 ? '$aws/things/{1}/shadow' : '$aws/things/{1}/shadow/name/{2}'
  return [
    { topic: `${shadow}/update`, memory: key, merge: true, to: `${answer}/update/accepted` },
    { topic: `${shadow}/get`, memory: key, to: `${answer}/get/accepted`, payload: { json: '{memory}' } },
  ]
})

/** What Device Advisor tries clients with. A refusal without a word leaves the client without CONNACK. */
const scenarios = {
  'no-connack': () => reject({ action: 'drop' }),
  'connack-then-close': () => closeAfter({ packet: 'connack', when: 'after' }),
  'no-puback': () => drop({ packets: ['puback'] }),
  'no-suback': () => drop({ packets: ['suback'] }),
  'no-pingresp': () => drop({ packets: ['pingresp'] }),
  'session-expiry': () => sessionOverride({ mode: 'forget' }),
} as const

/**
 * AWS IoT Core: QoS 2 is not answered, more than eight filters close the connection, messages come again under another packet id and
 * without DUP.
 */
export const awsIotCore = definePack({
  meta: {
    name: 'aws-iot-core',
    api: 1,
    summary: 'AWS IoT Core: no QoS 2, 8 filters per SUBSCRIBE, repeats that look new, keep-alives of 30 s to 20 min, a life for sessions of an hour.',
    facts: [
      { says: 'MQTT 3.1.1 and 5 are spoken.', source: mqtt, by: 'protocol-versions' },
      { says: 'There is QoS 0 and 1 only, and CONNACK says so in MQTT 5.', source: mqtt, by: 'maximum-qos' },
      { says: 'A PUBLISH of QoS 2 is not answered; in MQTT 5 it gets DISCONNECT with 0x9B.', source: mqtt, by: 'maximum-qos' },
      { says: 'A SUBSCRIBE that asks for QoS 2 gets no SUBACK.', source: mqtt, by: 'maximum-qos' },
      {
        says: 'A message that is not acknowledged is sent again on the same connection for about an hour, maybe with another packet id.',
        source: mqtt,
        by: 'resend',
      },
      { says: 'What is sent again does not have the DUP flag.', source: mqtt, by: 'delivery-flags' },
      {
        says: 'Messages may come twice, of QoS 0 as well; neither they nor acknowledgements come in order (options `duplicates` and `disorder`).',
        source: mqtt,
      },
      { says: 'Messages may flow only a short while after SUBACK.', source: mqtt, by: 'ack-early' },
      { says: '`sensor/#` does not match `sensor`.', source: mqtt, by: 'matching' },
      { says: 'A member of a shared subscription is chosen at random; MQTT 3.1.1 has shared subscriptions, too.', source: mqtt, by: 'matching' },
      { says: 'The name of a share has 128 characters at most.', source: mqtt, by: 'topic-limits' },
      { says: 'Retained messages do not come for filters with wildcards, nor for shared subscriptions.', source: mqtt, by: 'retain' },
      { says: 'RETAIN is not allowed on topics that begin with `$`.', source: mqtt, by: 'retain' },
      {
        says: 'Before August 2021 a PUBLISH with RETAIN closed the connection (option `legacyRetain`).',
        source: documentation('mqtt.md'),
        by: 'retain',
      },
      { says: 'A session lasts an hour at most, and CONNACK says so in MQTT 5.', source: mqtt, by: 'session-limits' },
      { says: 'What waited for a session comes at 10 messages a second.', source: mqtt, by: 'delivery-delay' },
      { says: 'A message expires after a week at the latest; an expiry interval of 0 counts as 1 s.', source: mqtt, by: 'message-expiry' },
      { says: 'CONNACK names every limit and every kind of subscription.', source: mqtt, by: 'connack' },
      { says: 'A SUBSCRIBE with a subscription identifier gets DISCONNECT with 0xA1.', source: mqtt, by: 'subscribe-limits' },
      {
        says: 'The highest topic alias is 8; beyond, the connection ends with 0x94.',
        source: 'https://github.com/awslabs/aws-crt-java/pull/618',
        by: 'topic-alias',
      },
      { says: 'PUBACK does not tell that nobody has subscribed: 0x10 is not among its codes.', source: mqtt, by: 'ack-code' },
      { says: 'The announced Maximum Packet Size is 149504.', source: mqtt, by: 'packet-size', unverified: true },
      { says: 'Client ids have 1 to 128 bytes, and do not begin with `$`: 0x85. Other refused ones get 0x87.', source: quotas, by: 'client-id' },
      { says: 'Topics have 256 bytes and 7 slashes at most, without `$aws/rules/{name}/` and `$share/{name}/`.', source: quotas, by: 'topic-limits' },
      { says: 'More than 8 filters in one SUBSCRIBE close the connection.', source: 'https://github.com/dotnet/MQTTnet/issues/1427', by: 'subscribe-limits' },
      {
        says: 'An UNSUBSCRIBE with more than 8 filters gets no UNSUBACK.',
        source: 'https://github.com/aws/aws-iot-device-sdk-js/issues/361',
        by: 'subscribe-limits',
      },
      { says: 'The 51st subscription is refused in SUBACK.', source: 'https://github.com/shamblett/mqtt_client/issues/368', by: 'subscribe-limits' },
      { says: 'More than 100 messages per second are discarded: 0x97 in MQTT 5, and no answer in MQTT 3.1.1.', source: quotas, by: 'rate-limit' },
      { says: 'More than 512 KiB per second are read later.', source: quotas, by: 'rate-limit' },
      { says: 'At most 100 messages of QoS 1 are under way in each direction.', source: quotas, by: 'in-flight' },
      { says: 'A payload above 128 KB closes the connection, and so does such a CONNECT.', source: quotas, by: 'packet-size' },
      { says: 'One CONNECT per second and client id is taken, 500 in all.', source: quotas, by: 'connection-limits' },
      { says: 'Keep-alives are 30 to 1200 s; 0 counts as 1200; CONNACK says so in MQTT 5.', source: quotas, by: 'keep-alive' },
      { says: 'Only PUBLISH, SUBSCRIBE, PINGREQ and PUBACK are signs of life.', source: quotas, by: 'keep-alive' },
      { says: 'A WebSocket connection lasts 24 h at most.', source: quotas, by: 'lifetime' },
      {
        says: 'A PUBLISH that is not allowed closes the connection; in MQTT 5 it gets 0x87.',
        source: 'https://github.com/aws/aws-iot-device-sdk-js/issues/125',
        by: 'topic-acl',
      },
      { says: 'A filter that is not allowed gets 0x80, in MQTT 5 0x87.', source: 'https://github.com/aws/aws-iot-device-sdk-cpp/issues/50', by: 'topic-acl' },
      {
        says: 'Topics below `$aws/` are reserved; those of Basic Ingest cannot be subscribed to.',
        source: documentation('reserved-topics.md'),
        by: 'topic-acl',
      },
      {
        says: 'Who is not authorized is closed on without CONNACK in MQTT 3.1.1; older documentation names return code 7 (option `legacyConnack`).',
        source: 'https://github.com/aws/aws-iot-device-sdk-js-v2/issues/101',
        by: 'client-id',
      },
      { says: 'A custom authorizer reads its parameters from the user name (option `usernames`).', source: documentation('custom-auth.md') },
      {
        says: 'The newcomer with the same client id wins; the other one gets 0x8E.',
        source: 'https://github.com/aws/aws-iot-device-sdk-java-v2/issues/580',
        by: 'takeover',
      },
      {
        says: 'Clients that come and go are told of below `$aws/events/presence/`.',
        source: 'https://docs.aws.amazon.com/iot/latest/developerguide/life-cycle-events.html',
        by: 'system-topics',
      },
      { says: 'Shadows answer `get` and `update` below `$aws/things/`.', source: documentation('reserved-topics.md'), by: 'responder' },
      { says: 'Device Advisor leaves CONNACK out, and waits for a client that comes back more and more slowly (option `scenario`).', source: advisor },
      { says: 'Device Advisor closes right behind CONNACK.', source: advisor },
      { says: 'Device Advisor leaves PUBACK out, and waits for the PUBLISH with the same packet id.', source: advisor },
      { says: 'Device Advisor leaves SUBACK out, and waits for another SUBSCRIBE.', source: advisor },
      { says: 'Device Advisor leaves PINGRESP out, and waits for another connection.', source: advisor },
      { says: 'Device Advisor lets a session expire, and waits for another SUBSCRIBE.', source: advisor },
    ],
    leaves: [
      'TLS, SNI, ALPN and the path of WebSocket: they are those of the listener.',
      'Policies in their own language: `thing` and `clientIds` stand for the most frequent ones.',
      'A session of MQTT 3.1.1 goes on in MQTT 5, and the other way round; with AWS it does not.',
      'What a client gets that does not wait for CONNACK: the documentation says no more than that it must.',
      'Codes that the documentation leaves open: here 0x90 for RETAIN on a reserved topic, and 0x97 for a CONNECT that comes too soon.',
      'Messages towards the client do not count for the 100 per second.',
      'What waited for a shared subscription comes at 10 messages a second as well, not at 20.',
      'Sessions that last up to half an hour longer than they should, and the end of other connections than WebSocket after one or two weeks.',
      'The limit of 256 bytes for the content type, and those of other properties.',
      'Shadows have no versions, deltas, deletions and refusals; jobs do not answer.',
      'The reasons in presence events are the words of this server, not `DUPLICATE_CLIENTID` and its like.',
      'Keep-alives and rates of queued messages stay as they are with `timeScale`: the former are seconds on the wire.',
    ],
  },
  options: {
    thing: option.flag('the policy of a thing: a client publishes and subscribes below its client id and to its own reserved topics only', false),
    reserved: option.list(option.text('a topic filter', '$aws/certificates/#'), 'further topics below $aws/ that clients may use', []),
    clientIds: option.optional(
      option.list(option.text('a client id; {username} is filled in, * is any text', '*'), 'client ids that the policy lets in; all unless given', []),
    ),
    usernames: option.optional(
      option.list(
        option.text('a user name; * is any text', '*?x-amz-customauthorizer-name=*'),
        'user names that a custom authorizer lets in; nobody has to have one unless given',
        [],
      ),
    ),
    legacyConnack: option.flag('return code 7 for MQTT 3.1.1 clients that are not authorized, as older documentation has it', false),
    legacyRetain: option.flag('a PUBLISH with RETAIN closes the connection, as before August 2021', false),
    redelivery: option.duration('how long a message waits for its PUBACK before it is sent again, for an hour; the documentation does not say', '30s'),
    sessionExpiry: option.duration('the longest that a session is kept, and what MQTT 3.1.1 sessions get', '1h'),
    subackDelay: option.duration('how long after SUBACK messages flow', '50ms'),
    duplicates: option.probability('how likely a message comes twice', 0),
    disorder: option.flag('messages and acknowledgements leave in another order, by chance', false),
    scenario: option.choice(
      'what Device Advisor tries a client with',
      ['none', 'no-connack', 'connack-then-close', 'no-puback', 'no-suback', 'no-pingresp', 'session-expiry'],
      'none',
    ),
    scenarioConnections: option.count('the first connections of the run, which meet the scenario; 0 is all of them', 5),
    unverified: option.flag('what nobody has checked is imitated as well: an announced packet size of 149504', false),
  },
  plugins: ({ thing, reserved, clientIds, usernames, legacyConnack, legacyRetain, redelivery, sessionExpiry, subackDelay, ...more }) => {
    const { duplicates, disorder, scenario, scenarioConnections, unverified } = more
    const unauthorized = { v3: legacyConnack ? 7 : 'close', v5: 'not-authorized' } as const
    const closing = (code: 'topic-name-invalid' | 'topic-filter-invalid') => ({ v3: 'close', v5: { disconnect: code } }) as const
    const owner = thing ? '{clientId}' : '+'
    const free = thing ? ['{clientId}/#'] : ['#']
    const first = Array.from({ length: scenarioConnections }, (_, connection) => connection)

    return [
      protocolVersions({ accept: [4, 5] }),
      usernames !== undefined && credentials({ usernames, failure: unauthorized }),
      clientIds !== undefined && clientId({ equals: clientIds, answer: unauthorized }),
      clientId({ maximum: 128, pattern: '[^$].*', answer: { v3: unauthorized.v3, v5: 'client-identifier-not-valid' } }),
      connectionLimits({ ratePerClientId: 1, rate: 500, rateAnswer: 'quota-exceeded' }),
      takeover({ policy: 'newest' }),
      connack({ set: { retainAvailable: !legacyRetain, wildcardSubscriptionAvailable: true, sharedSubscriptionAvailable: true } }),
      keepAlive({ minimum: 30, maximum: 1200, zero: 1200, announce: 'always', resetBy: ['publish', 'subscribe', 'pingreq', 'puback'] }),
      [lifetime({ maximum: '24h' }), { when: ({ carrier }) => carrier.startsWith('ws') }],
      sessionLimits({ maximum: sessionExpiry, mqtt3: sessionExpiry }),
      matching({ hashMatchesParent: false, distribution: 'random' }),
      subackDelay > 0 && ackEarly({ packets: ['suback'], hold: subackDelay }),
      topicAcl({
        publish: [...free, ...requests(owner), ...reserved],
        subscribe: [...free, ...answers(owner), '$aws/events/#', ...reserved],
        reserved: ['$aws/'],
        publishAnswer: { v3: 'close', v5: 'not-authorized' },
        willAnswer: unauthorized,
      }),
      topicLimits({
        bytes: 256,
        levels: 8,
        notCounted: ['$aws/rules/+/', '$share/+/'],
        publishAnswer: closing('topic-name-invalid'),
        subscribeAnswer: closing('topic-filter-invalid'),
      }),
      topicLimits({ pattern: '(?!\\$share/[^/]{129}).*', notCounted: [], of: ['subscribe'], subscribeAnswer: closing('topic-filter-invalid') }),
      maximumQos({ maximum: 1, publishAnswer: { v3: 'ignore', v5: { disconnect: 'qos-not-supported' } }, subscribeAnswer: 'ignore' }),
      subscribeLimits({ filters: 8, unsubscribeFilters: 8, unsubscribeAnswer: 'ignore', subscriptions: 50, identifiers: false }),
      retain(legacyRetain ? { answer: 'close' } : { store: true, wildcardDelivery: false, prefixes: ['$'], answer: closing('topic-name-invalid') }),
      messageExpiry({ maximum: '168h', zero: 'one-second' }),
      topicAlias({ announce: 8, maximum: 8 }),
      packetSize({ payload: 131_072, packets: { connect: 131_072 }, answer: 'close', connectAnswer: 'close', ...(unverified && { announced: 149_504 }) }),
      inFlight({ maximum: 100, window: 100 }),
      ackCode({ noSubscribers: 'neither' }),
      rateLimit({ messages: 100, answer: { v3: 'ignore', v5: 'quota-exceeded' } }),
      rateLimit({ bytes: 524_288, delay: 'reader' }),
      responder({ rules: shadowRules }),
      systemTopics({ interval: 0, presence: '$aws/events/presence/{event}/{clientId}' }),
      resend({ after: [redelivery], times: Math.max(1, Math.round(3_600_000 / Math.max(1, redelivery))), markDup: false, newPacketId: true }),
      deliveryFlags({ setDup: 'cleared' }),
      deliveryDelay({ kinds: ['queued'], perSecond: 10 }),
      duplicates > 0 && duplicate({ probability: duplicates, packetId: 'new' }),
      disorder && reorder({ packets: ['publish', 'puback'], order: 'shuffled', size: 3, within: '50ms' }),
      scenario !== 'none' && [scenarios[scenario](), scenarioConnections === 0 ? {} : { connection: first }],
    ]
  },
})
