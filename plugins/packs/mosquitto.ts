import { definePack, option } from '../../src/index.ts'
import {
  clientId,
  credentials,
  inFlight,
  keepAlive,
  matching,
  maximumQos,
  packetSize,
  protocolVersions,
  qos2Exchange,
  retain,
  secondConnect,
  sessionLimits,
  systemTopics,
  takeover,
  topicAcl,
  topicAlias,
  topicLimits,
} from '../index.ts'

const observed = 'observed with mosquitto 2.0.20'
const observed21 = 'observed with mosquitto 2.1.2'
const source = (file: string) => `https://github.com/eclipse-mosquitto/mosquitto/blob/v2.0.20/${file}`
const changes = source('ChangeLog.txt')
const changes21 = 'https://github.com/eclipse-mosquitto/mosquitto/blob/7b8aba10/ChangeLog.txt'
const issue = (number: number) => `https://github.com/eclipse-mosquitto/mosquitto/issues/${number}`
const migrating = 'https://mosquitto.org/documentation/migrating-to-2-0/'

/** The closed connection with which Mosquitto meets what it cannot take; MQTT 5 hears of it. */
const malformed = { v3: 'close', v5: { disconnect: 'malformed-packet' } } as const

const filters = (about: string) => option.list(option.text('a topic filter; {clientId} and {username} are filled in', '#'), about, [])

/**
 * Mosquitto: a PUBLISH that is not allowed is acknowledged in MQTT 3, a filter that is not allowed is granted, and what it does not like
 * costs the connection.
 */
export const mosquitto = definePack({
  meta: {
    name: 'mosquitto',
    api: 1,
    summary: 'Mosquitto 1.6, 2.0 or 2.1: return code 5 for every wrong password, SUBACK that grants what it denies, and no word at a silent end.',
    facts: [
      { says: 'MQTT 3.1, 3.1.1 and 5 are spoken, 5 since 1.6.', source: changes },
      {
        says: 'A level that does not exist gets CONNACK 1 in the form of MQTT 3; since 2.1 CONNACK 0x84 in that of MQTT 5.',
        source: observed21,
        by: 'protocol-versions',
      },
      {
        says: 'Before 2.0 clients without credentials get in; since then a listener that is configured refuses them (option `anonymous`).',
        source: migrating,
        by: 'credentials',
      },
      { says: 'Every refused credential gets 5, in MQTT 5 0x87, never 4 or 0x86.', source: observed, by: 'credentials' },
      { says: 'A password without a user name closes the connection without CONNACK in MQTT 3.', source: observed },
      { says: 'An unknown authentication method gets CONNACK 0x8C.', source: observed },
      {
        says: 'Who gives no client id gets code 2 in MQTT 3.1, and in 3.1.1 without clean session; in MQTT 5 it is assigned `auto-…`, also without clean start.',
        source: observed,
        by: 'client-id',
      },
      {
        says: 'CONNACK announces Topic Alias Maximum 10 and Receive Maximum 20, and nothing else where nothing is restricted.',
        source: observed,
        by: 'topic-alias',
      },
      { says: 'Since 2.1 it announces Maximum Packet Size 2000000 as well.', source: observed21 },
      { says: 'Before 2.0 no Receive Maximum is announced.', source: changes },
      {
        says: 'With 20 QoS 2 messages under way, every second one beyond gets PUBREC 0x97 in MQTT 5; in MQTT 3 all are taken.',
        source: observed,
        by: 'in-flight',
      },
      { says: 'The Receive Maximum is enforced in 2.1.0, and from 2.1.1 on only written to the log.', source: changes21 },
      { says: 'The third copy of a QoS 2 message before its PUBREL ends the connection, with 0x82 in MQTT 5.', source: issue(3599), by: 'qos2-exchange' },
      { says: 'Keep-alives are looked at every 5 s; a silent connection is closed without DISCONNECT.', source: observed, by: 'keep-alive' },
      {
        says: 'With `max_keepalive` a longer one gets Server Keep Alive in MQTT 5, and return code 2 in MQTT 3 (option `maximumKeepAlive`).',
        source: source('src/handle_connect.c'),
      },
      { says: 'A connection without CONNECT stays for at least 15 s.', source: observed },
      { says: 'A second CONNECT closes the connection without DISCONNECT.', source: observed, by: 'second-connect' },
      { says: 'The connection that is taken over hears 0x8E in MQTT 5 from 2.0.20, and nothing from 2.0.11.', source: observed, by: 'takeover' },
      {
        says: 'A PUBLISH that is not allowed is acknowledged as usual in MQTT 3, and with 0x87 in MQTT 5; it goes nowhere (option `denyPublish`).',
        source: observed,
      },
      { says: 'A filter that an acl_file does not allow is granted, and no message ever comes (option `denySubscribe`).', source: observed },
      {
        says: 'The dynamic security plugin answers 0x80, in MQTT 5 0x87, and grants it in MQTT 3.1 (option `dynamicSecurity`).',
        source: source('src/handle_subscribe.c'),
      },
      {
        says: 'Topics and filters of more than 200 levels end the connection, with 0x81 in MQTT 5.',
        source: observed,
        by: 'topic-limits',
      },
      { says: 'A PUBLISH to a topic with wildcards ends the connection, with 0x81 in MQTT 5.', source: observed },
      { says: 'A PUBLISH of QoS 1 that nobody subscribed to gets PUBACK 0x10 in MQTT 5; PUBREC stays plain.', source: observed },
      { says: 'Who subscribed to its own topic gets the message before the PUBACK.', source: observed },
      { says: 'Nothing is sent again on a live connection, for 35 s at least.', source: observed },
      { says: 'Topic alias 11 ends the connection with 0x94.', source: observed, by: 'topic-alias' },
      { says: 'Since 2.1 it makes topic aliases for the clients that allow them.', source: changes21, by: 'topic-alias' },
      { says: 'Since 2.1 a message that several filters of a client match comes for each of them.', source: changes21 },
      {
        says: 'Before 2.1 a packet may have any size; since then a larger one than 2000000 bytes gets 0x95 in MQTT 5, and a reset in MQTT 3.',
        source: observed21,
      },
      {
        says: 'Since 2.1 CONNECT, SUBSCRIBE and AUTH may have 100 kB and acknowledgements 10 kB: a reset in MQTT 5, taken in MQTT 3.',
        source: issue(3713),
      },
      {
        says: 'With `max_packet_size` a larger packet gets 0x95 in MQTT 5 and the end in MQTT 3 (option `maximumPacketSize`).',
        source: source('src/handle_publish.c'),
      },
      {
        says: 'With `message_size_limit` a larger message is acknowledged and dropped, with 0x95 in MQTT 5, which is none of PUBACK (option `messageSizeLimit`).',
        source: source('src/handle_publish.c'),
      },
      { says: 'With `max_qos` a PUBLISH above it gets DISCONNECT 0x9B (option `maximumQos`).', source: source('src/handle_publish.c') },
      { says: 'Without `retain_available` a PUBLISH with RETAIN gets DISCONNECT 0x9A (option `retained`).', source: source('src/handle_publish.c') },
      { says: '1000 messages wait for a client, before 2.0 100.', source: changes, by: 'session-limits' },
      { says: 'A session expiry that is lowered is not told in CONNACK (option `sessionExpiry`).', source: issue(3616), by: 'session-limits' },
      { says: 'Numbers come below $SYS every 10 s.', source: source('src/sys_tree.c'), by: 'system-topics' },
    ],
    leaves: [
      'The loopback interface as the only one without a configuration: that is the option `listen` of the server.',
      'The UUID of assigned client ids: they have eight digits.',
      'Shared subscriptions with No Local, which only 2.1 takes for a protocol error: it is one here in every version.',
      'The code 0x82 that 2.0.11 has in place of 0x81 for deep topics and for wildcards in PUBLISH.',
      'The Receive Maximum as 2.1.0 enforces it.',
      'The subprotocols mqtt and mqttv3.1 of WebSocket, on any path: those are options of the server.',
    ],
  },
  options: {
    version: option.choice('the version', ['1.6', '2.0', '2.1'], '2.0'),
    users: option.map(option.text('a password', ''), 'users by name, each with its password; anybody where there is none', {}),
    anonymous: option.optional(option.flag('whether clients without credentials get in; unless given, where there are no users', true)),
    denyPublish: filters('topics that clients may not publish to'),
    denySubscribe: filters('filters that clients may not subscribe to'),
    dynamicSecurity: option.flag('what is not allowed is refused in SUBACK, as by the dynamic security plugin', false),
    tellTakeover: option.optional(option.flag('who is taken over hears 0x8E in MQTT 5; unless given, from 2.0 on; 2.0.11 did not', true)),
    maximumQos: option.count('max_qos', 2, { max: 2 }),
    retained: option.flag('retain_available', true),
    maximumKeepAlive: option.optional(option.count('max_keepalive, in seconds', 60, { min: 1, max: 65_535 })),
    maximumPacketSize: option.optional(option.count('max_packet_size, in bytes; unless given, none before 2.1, and 2000000 since', 2_000_000, { min: 20 })),
    messageSizeLimit: option.optional(option.count('message_size_limit, in bytes of the payload', 100_000)),
    sessionExpiry: option.optional(option.duration('persistent_client_expiration: how long a session is kept at most', '336h')),
    systemInterval: option.duration('sys_interval: how often the numbers below $SYS come; 0 is never', '10s'),
  },
  plugins(options) {
    const { version, users, anonymous = users.size === 0, denyPublish, denySubscribe, dynamicSecurity, tellTakeover = version !== '1.6' } = options
    const isNew = version === '2.1'
    const packetLimit = options.maximumPacketSize ?? (isNew ? 2_000_000 : undefined)
    const acknowledgements = { puback: 10_000, pubrec: 10_000, pubrel: 10_000, pubcomp: 10_000 }
    return [
      protocolVersions({ accept: [3, 4, 5], unknown: isNew ? 'connack-v5' : 'connack-v3' }),
      credentials({ ...(users.size > 0 ? { users: Object.fromEntries(users) } : { usernames: ['*'] }), anonymous, failure: 'not-authorized' }),
      clientId({ assigned: 'auto-{random}' }),
      takeover({ policy: 'newest', tell: tellTakeover ? 'session-taken-over' : 'nothing' }),
      secondConnect({ answer: 'close' }),
      keepAlive({
        ...(options.maximumKeepAlive !== undefined && { maximum: options.maximumKeepAlive }),
        outside: { v3: 'client-identifier-not-valid', v5: 'allow' },
        grid: '5s',
        answer: 'close',
      }),
      version === '2.0' && inFlight({ maximum: 20, answer: { v3: 'allow', v5: 'quota-exceeded' }, every: 2 }),
      isNew && inFlight({ announced: 20 }),
      qos2Exchange({ repeated: 'close-third', repeatedAnswer: { v3: 'close', v5: { disconnect: 'protocol-error' } } }),
      denyPublish.length + denySubscribe.length > 0 &&
        topicAcl({
          denyPublish,
          denySubscribe,
          subscribeAnswer: dynamicSecurity ? { v31: 'accept', v3: 'not-authorized', v5: 'not-authorized' } : 'accept',
        }),
      topicLimits({ levels: 200, publishAnswer: malformed, subscribeAnswer: malformed }),
      topicAlias({ announce: 10, maximum: 10, toClient: isNew ? 'right' : 'none' }),
      isNew && matching({ overlap: 'each' }),
      packetLimit !== undefined && packetSize({ maximum: packetLimit, answer: { v3: isNew ? 'reset' : 'close', v5: { disconnect: 'packet-too-large' } } }),
      isNew &&
        packetSize({
          packets: { connect: 100_000, subscribe: 100_000, auth: 100_000, ...acknowledgements },
          answer: { v3: 'allow', v5: 'reset' },
          connectAnswer: { v3: 'allow', v5: 'reset' },
          // The size of the whole was announced by the plugin before, which ends those early that are beyond it.
          early: false,
        }),
      options.messageSizeLimit !== undefined &&
        packetSize({ payload: options.messageSizeLimit, answer: { v3: 'accept', v5: 'packet-too-large' }, connectAnswer: 'allow' }),
      options.maximumQos < 2 && maximumQos({ maximum: options.maximumQos }),
      !options.retained && retain({ store: false, answer: { disconnect: 'retain-not-supported' }, announce: false }),
      sessionLimits({
        queueLimit: version === '1.6' ? 100 : 1000,
        announce: 'nothing',
        ...(options.sessionExpiry !== undefined && { maximum: options.sessionExpiry, mqtt3: options.sessionExpiry }),
      }),
      options.systemInterval > 0 && systemTopics({ interval: options.systemInterval, version: `mosquitto version ${version}` }),
    ]
  },
})
