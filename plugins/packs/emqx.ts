import { definePack, option } from '../../src/index.ts'
import {
  clientId,
  connack,
  connectionLimits,
  credentials,
  inFlight,
  lifetime,
  maximumQos,
  packetSize,
  rateLimit,
  resend,
  retain,
  sessionLimits,
  subscribeLimits,
  takeover,
  topicAcl,
  topicAlias,
  topicLimits,
} from '../index.ts'

const source = (file: string) => `https://github.com/emqx/emqx/blob/50e04386/apps/emqx/src/${file}.erl`
const schema = source('emqx_schema')
const channel = source('emqx_channel')
const capabilities = source('emqx_mqtt_caps')
const codes = source('emqx_reason_codes')
const restrictions = 'https://docs.emqx.com/en/cloud/latest/create/restriction.html'

/** What MQTT 3 hears of the reason codes of MQTT 5; `connack` takes them by number or name. */
const returnCodes = {
  ...Object.fromEntries([0x80, 0x81, 0x82, 0x83, 0x84].map((code) => [code, 1])),
  'client-identifier-not-valid': 2,
  'bad-user-name-or-password': 4,
  'not-authorized': 5,
  'server-busy': 3,
  'quota-exceeded': 3,
}

const topicNameInvalid = { v3: 'close', v5: { disconnect: 'topic-name-invalid' } } as const

const filters = (about: string) => option.list(option.text('a topic filter; {clientId} and {username} are filled in', '#'), about, [])

/** EMQX: every limit is in CONNACK, a PUBLISH that is not allowed looks like a success to MQTT 3, and Serverless takes ten of everything. */
export const emqx = definePack({
  meta: {
    name: 'emqx',
    api: 1,
    summary: 'EMQX, on request the Serverless one: 1 MB, 32 messages under way, codes instead of the end, or 10 subscriptions and 10 messages a second.',
    facts: [
      { says: 'MQTT 3.1, 3.1.1 and 5 are spoken.', source: source('emqx_frame') },
      { says: 'A connection without CONNECT is closed after 15 s, by Serverless after 10 s.', source: schema, by: 'lifetime' },
      {
        says: 'CONNACK always names Retain Available, Maximum Packet Size, Topic Alias Maximum 65535, Receive Maximum, and every kind of subscription.',
        source: channel,
        by: 'connack',
      },
      { says: 'A packet has 1 MB at most; beyond, DISCONNECT 0x95 in MQTT 5 and the end in MQTT 3.', source: schema, by: 'packet-size' },
      { says: 'A topic has 128 levels at most: a PUBLISH gets DISCONNECT 0x90, a filter 0x8F in SUBACK.', source: capabilities, by: 'topic-limits' },
      {
        says: 'A PUBLISH to a topic with wildcards gets DISCONNECT 0x90 in MQTT 5 and the end in MQTT 3.',
        source: `${source('emqx_packet')}#L261`,
        by: 'topic-limits',
      },
      { says: 'With a maximum QoS, a PUBLISH above it gets DISCONNECT 0x9B, and a filter is granted less (option `maximumQos`).', source: capabilities },
      { says: 'Without retained messages, a PUBLISH with RETAIN gets DISCONNECT 0x9A (option `retained`).', source: capabilities },
      { says: 'Refused credentials get 4 or 5, in MQTT 5 0x86 or 0x87.', source: `${codes}#L176-L177`, by: 'credentials' },
      { says: 'In MQTT 3, 0x80 to 0x84 become 1, and busy and quota 3.', source: codes, by: 'connack' },
      { says: 'Who gives no client id and no clean start is refused with 0x85, also in MQTT 5.', source: source('emqx_packet'), by: 'client-id' },
      { says: '32 messages may be under way, and CONNACK says so.', source: schema, by: 'in-flight' },
      {
        says: '100 QoS 2 messages may wait for their PUBREL; the next one gets DISCONNECT 0x93.',
        source: source('emqx_session_mem'),
        by: 'in-flight',
      },
      {
        says: 'Since 5.8 nothing is sent again on a live connection; before, every 30 s with DUP (option `version`).',
        source: 'https://github.com/emqx/emqx-docs/tree/9046f8cb',
      },
      { says: 'A session of MQTT 3 lasts 2 h.', source: schema, by: 'session-limits' },
      { says: 'With a maximum of subscriptions, more get 0x97 in SUBACK (option `subscriptions`).', source: source('emqx_session') },
      {
        says: 'A PUBLISH that is not allowed gets 0x87, QoS 0 and MQTT 3 hear nothing of it; or it ends the connection (options `denyPublish`, `denyAction`).',
        source: channel,
      },
      { says: 'A filter that is not allowed gets 0x87, in MQTT 3 0x80 (option `denySubscribe`).', source: channel },
      { says: 'A PUBLISH of QoS 1 that nobody subscribed to gets PUBACK 0x10 in MQTT 5.', source: channel },
      {
        says: 'Above a rate, 6.x answers 0x97 and drops QoS 0; 5.x stops reading (options `messagesPerSecond`, `version`).',
        source: channel,
      },
      { says: 'It makes topic aliases for the clients that allow them.', source: channel, by: 'topic-alias' },
      { says: 'Who is taken over hears 0x8E in MQTT 5, who is silent for too long 0x8D.', source: channel, by: 'takeover' },
      {
        says: 'With flapping detection, who connects 15 times in a minute is banned for 5 minutes (option `flapping`).',
        source: source('emqx_flapping'),
      },
      { says: 'Serverless lets nobody in without credentials (option `serverless`, as for all that follows).', source: restrictions },
      { says: 'Serverless takes 10 messages a second from a client.', source: restrictions },
      { says: 'Serverless refuses the 11th subscription with 0x97.', source: restrictions },
      { says: 'Serverless takes filters of 10 levels.', source: restrictions },
      { says: 'Serverless keeps 1000 messages for a client.', source: restrictions },
      { says: 'Serverless takes client ids of 1024 bytes.', source: restrictions },
    ],
    leaves: [
      'TLS alone, as Serverless has it, the path /mqtt of WebSocket and its subprotocols: those are options of the server.',
      'The end of a QoS 2 message that waited for its PUBREL for 300 s.',
      'The rate of a whole deployment of Serverless, 1000 messages a second, and its 2000 retained messages.',
      'Server Keep Alive and Response Information, which are sent where they are configured; 0x98 for clients that an operator sends away.',
      'Keep-alives that are looked at in intervals only.',
      'Client ids of 23 and 256 bytes, as an earlier Serverless had them.',
    ],
  },
  options: {
    version: option.choice('the version: 5.7 is any 5.x before 5.8, 5.8 any later', ['5.7', '5.8', '6'], '6'),
    serverless: option.flag('the limits of EMQX Cloud Serverless', false),
    users: option.map(option.text('a password', ''), 'users by name, each with its password; anybody where there is none', {}),
    anonymous: option.optional(option.flag('whether clients without credentials get in; unless given, where there are no users, and not at Serverless', true)),
    denyPublish: filters('topics that clients may not publish to'),
    denySubscribe: filters('filters that clients may not subscribe to'),
    denyAction: option.choice('deny_action: what a PUBLISH gets that is not allowed', ['ignore', 'disconnect'], 'ignore'),
    maximumQos: option.count('max_qos_allowed', 2, { max: 2 }),
    retained: option.flag('retain_available', true),
    subscriptions: option.optional(option.count('max_subscriptions; unless given, 10 at Serverless', 10)),
    messagesPerSecond: option.optional(option.count('messages that a client may publish in a second; unless given, 10 at Serverless', 10, { min: 1 })),
    flapping: option.flag('flapping detection', false),
  },
  plugins(options) {
    const { version, serverless, users, anonymous = users.size === 0 && !serverless, denyPublish, denySubscribe, denyAction } = options
    const subscriptions = options.subscriptions ?? (serverless ? 10 : undefined)
    const messages = options.messagesPerSecond ?? (serverless ? 10 : undefined)
    return [
      lifetime({ connect: serverless ? '10s' : '15s' }),
      credentials({ ...(users.size > 0 ? { users: Object.fromEntries(users) } : { usernames: ['*'] }), anonymous, failure: 'bad-user-name-or-password' }),
      clientId({ emptyKept: 'client-identifier-not-valid', ...(serverless && { maximum: 1024 }) }),
      options.flapping && connectionLimits({ ratePerClientId: 15, window: '1m', rateAnswer: 'banned', ban: '5m' }),
      takeover({ policy: 'newest', tell: 'session-taken-over' }),
      connack({
        set: {
          ...(options.retained && { retainAvailable: true }),
          wildcardSubscriptionAvailable: true,
          subscriptionIdentifiersAvailable: true,
          sharedSubscriptionAvailable: true,
        },
        returnCodes,
      }),
      packetSize({ maximum: 1_048_576 }),
      topicLimits({ levels: 128, publishAnswer: topicNameInvalid, subscribeAnswer: 'topic-filter-invalid', wildcards: topicNameInvalid }),
      serverless && topicLimits({ levels: 10, of: ['subscribe'], subscribeAnswer: 'topic-filter-invalid' }),
      topicAlias({ announce: 65_535, maximum: 65_535 }),
      inFlight({ announced: 32, window: 32, awaitingRelease: 100, releaseAnswer: { disconnect: 'receive-maximum-exceeded' } }),
      version === '5.7' && resend({ after: ['30s'], times: 10_000 }),
      sessionLimits({ mqtt3: '2h', ...(serverless && { queueLimit: 1000 }) }),
      denyPublish.length + denySubscribe.length > 0 &&
        topicAcl({
          denyPublish,
          denySubscribe,
          publishAnswer: denyAction === 'ignore' ? 'not-authorized' : { disconnect: 'not-authorized' },
        }),
      subscriptions !== undefined && subscribeLimits({ subscriptions }),
      messages !== undefined && rateLimit({ messages, per: 'client-id', ...(version === '6' ? { answer: 'quota-exceeded' } : { delay: 'reader' }) }),
      options.maximumQos < 2 && maximumQos({ maximum: options.maximumQos }),
      !options.retained && retain({ store: false, answer: { disconnect: 'retain-not-supported' }, announce: false }),
    ]
  },
})
