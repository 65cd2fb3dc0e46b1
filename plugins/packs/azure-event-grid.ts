import { definePack, option } from '../../src/index.ts'
import {
  clientId,
  connack,
  connectionLimits,
  connectVeto,
  credentials,
  fault,
  inFlight,
  keepAlive,
  maximumQos,
  messageExpiry,
  packetSize,
  protocolVersions,
  rateLimit,
  reorder,
  retain,
  sessionLimits,
  subscribeLimits,
  takeover,
  topicAcl,
  topicAlias,
  topicLimits,
} from '../index.ts'

const support = 'MicrosoftDocs/azure-docs on GitHub at 0f1ed170, articles/event-grid/mqtt-support.md'
const quotas = 'https://learn.microsoft.com/azure/event-grid/quotas-limits'
const retained = 'https://learn.microsoft.com/azure/event-grid/mqtt-retain'

/** The end of a connection, for what the documentation only says that it fails. */
const over = { answer: [{ packet: { cmd: 'disconnect', reasonCode: 'implementation-specific-error' } }, { close: 'fin' }] } as const

/** Packets that may not have user properties; CONNECT has its own answer. */
const without = (['subscribe', 'unsubscribe', 'disconnect', 'puback', 'auth'] as const).map((cmd) => ({
  on: { cmd, direction: 'in', where: { properties: { userProperties: {} } } } as const,
  do: over,
}))

const refusals = [0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]

/** The broker of an Azure Event Grid namespace: strict about user properties, and about who may take a session over. */
export const azureEventGrid = definePack({
  meta: {
    name: 'azure-event-grid',
    api: 1,
    summary: 'Azure Event Grid: no QoS 2, no user properties outside of messages, one session for each user, which ends when too much waits for it.',
    facts: [
      { says: 'MQTT 3.1.1 and 5 are spoken.', source: support, by: 'protocol-versions' },
      { says: 'A client needs a client id: none is assigned.', source: support, by: 'client-id' },
      { says: 'A user name is needed, also with a certificate.', source: support, by: 'credentials' },
      { says: 'Only a newcomer with the same user name takes a session over; another one is not authorized.', source: support, by: 'takeover' },
      { says: 'A user has one session.', source: support, by: 'connection-limits' },
      { says: 'There is QoS 0 and 1 only; QoS 2 closes the connection in MQTT 3.1.1.', source: support, by: 'maximum-qos' },
      { says: 'Retained messages are kept up to 64 KB.', source: retained, by: 'retain' },
      { says: 'RETAIN was refused at first: closed on in MQTT 3.1.1, Retain Available 0 in MQTT 5 (option `early`).', source: support, by: 'retain' },
      { says: 'CONNACK announces its limits, always with Server Keep Alive, and that there are no subscription identifiers.', source: support, by: 'connack' },
      { says: 'There are no shared subscriptions, as the documentation had it when it was read.', source: support, by: 'subscribe-limits' },
      { says: 'User properties fail on CONNECT.', source: support, by: 'connect-veto' },
      { says: 'User properties fail on SUBSCRIBE, UNSUBSCRIBE, DISCONNECT, PUBACK and AUTH.', source: support, by: 'fault' },
      { says: 'A PUBACK of the client that refuses a message ends the connection.', source: support, by: 'fault' },
      { says: 'The order of messages is not guaranteed (option `disorder`).', source: support },
      { says: 'A will waits 300 s at most.', source: support, by: 'connect-veto' },
      { says: 'A packet has 512 KiB at most.', source: quotas, by: 'packet-size' },
      { says: 'The keep-alive is at most 1160 s, in MQTT 3.1.1 without a word.', source: support, by: 'keep-alive' },
      { says: 'A session lasts an hour, or up to 8 where the namespace says so.', source: support, by: 'session-limits' },
      { says: 'More than 100 messages in line end the whole session.', source: support, by: 'session-limits' },
      { says: 'A Message Expiry Interval of 0 means never.', source: support, by: 'message-expiry' },
      { says: 'A SUBSCRIBE has 10 filters at most, a session 50.', source: quotas, by: 'subscribe-limits' },
      { says: 'Five SUBSCRIBE a second are taken.', source: quotas, by: 'subscribe-limits' },
      { says: '1000 messages and 1 MB a second are taken from a session; it was 100 messages at first.', source: quotas, by: 'rate-limit' },
      { says: '1000 messages may be under way; it was 100 at first.', source: quotas, by: 'in-flight' },
      { says: 'Topics have 256 bytes and 8 segments at most.', source: quotas, by: 'topic-limits' },
      { says: '200 CONNECT a second are taken for each throughput unit.', source: quotas, by: 'connection-limits' },
      { says: 'Ten topic aliases are taken.', source: support, by: 'topic-alias' },
    ],
    leaves: [
      'TLS, its ports, and certificates: they are those of the listener.',
      'The signature of a web token, and AUTH with one in the place of a password.',
      'A session without a connection does not count for its user: after a crash, Event Grid may refuse another client id until the old session is over.',
      'The limit of 1 MB for what waits for a session, and of 64 KB for what is under way.',
      'The limits of response topic, content type, correlation data and user properties.',
      'UNSUBSCRIBE does not count for the five SUBSCRIBE a second.',
      'Codes that nobody has seen: 0x97 for rates, numbers of filters and users, 0x83 for user properties and refusals of the client, 0x95 and 0x90 for sizes and topics.',
      'The names of disconnect reasons in system events, which no client of MQTT sees.',
      'Keep-alives have seconds on the wire: they stay as they are with `timeScale`.',
    ],
  },
  options: {
    userName: option.flag('a client needs a user name; false where the namespace takes its name from the certificate', true),
    token: option.flag('the password is a JSON web token, and the connection ends when that expires', false),
    sessionsPerUser: option.count('how many clients with one user name are connected', 1, { min: 1 }),
    topicSpaces: option.optional(
      option.list(
        option.text('a topic filter; {clientId} and {username} are filled in', 'devices/{username}/#'),
        'topics that clients may use; all unless given',
        [],
      ),
    ),
    sessionExpiry: option.duration('the longest that a session is kept; at most 8 hours in a namespace', '1h'),
    throughputUnits: option.count('the throughput units of the namespace', 1, { min: 1, max: 40 }),
    early: option.flag('as in its first years: RETAIN is refused, 100 messages a second, 100 under way', false),
    disorder: option.flag('messages leave in another order, by chance', false),
  },
  plugins: ({ userName, token, sessionsPerUser, topicSpaces, sessionExpiry, throughputUnits, early, disorder }) => {
    const messages = early ? 100 : 1000
    const closing = { v3: 'close', v5: { disconnect: 'quota-exceeded' } } as const
    const noRetain = { v3: 'close', v5: { disconnect: 'retain-not-supported' } } as const

    return [
      protocolVersions({ accept: [4, 5] }),
      (userName || token) &&
        credentials({
          anonymous: !userName && !token,
          failure: 'not-authorized',
          ...(token && { token: 'jwt', expiryAnswer: { v3: 'close', v5: { disconnect: 'not-authorized' } } }),
        }),
      clientId({ empty: 'client-identifier-not-valid' }),
      takeover({ policy: 'same-user', answer: 'not-authorized' }),
      connectionLimits({ perUser: sessionsPerUser, answer: 'quota-exceeded', rate: 200 * throughputUnits, rateAnswer: 'quota-exceeded' }),
      connectVeto({ has: ['user-properties'], answer: 'implementation-specific-error' }),
      connectVeto({ willDelayMaximum: '5m' }),
      connack({ set: { sharedSubscriptionAvailable: false, subscriptionIdentifiersAvailable: false, retainAvailable: !early } }),
      keepAlive({ maximum: 1160, zero: 1160, announce: 'always' }),
      sessionLimits({ maximum: sessionExpiry, mqtt3: sessionExpiry, queueLimit: 100, overflow: 'session' }),
      topicSpaces !== undefined && topicAcl({ publish: topicSpaces, subscribe: topicSpaces, publishAnswer: { v3: 'close', v5: 'not-authorized' } }),
      topicLimits({ bytes: 256, levels: 8 }),
      maximumQos({ maximum: 1, publishAnswer: { v3: 'close', v5: { disconnect: 'qos-not-supported' } } }),
      early ? retain({ answer: noRetain, announce: false }) : retain({ maximumSize: 65_536 }),
      early && connectVeto({ has: ['retained-will'], answer: { v3: 'close', v5: 'retain-not-supported' } }),
      messageExpiry({ zero: 'never' }),
      subscribeLimits({
        filters: 10,
        filtersAnswer: 'quota-exceeded',
        subscriptions: 50,
        rate: 5,
        rateAnswer: 'quota-exceeded',
        shared: false,
        identifiers: false,
      }),
      fault({ rules: [...without, { on: { cmd: 'puback', direction: 'in', reasonCode: refusals }, do: over }] }),
      topicAlias({ announce: 10, maximum: 10 }),
      packetSize({ maximum: 524_288 }),
      inFlight({ maximum: messages }),
      rateLimit({ messages, bytes: 1_048_576, answer: closing }),
      disorder && reorder({ packets: ['publish'], order: 'shuffled', size: 3, within: '50ms' }),
    ]
  },
})
