import { definePack, option } from '../../src/index.ts'
import {
  connack,
  connectionLimits,
  credentials,
  fault,
  lifetime,
  maximumQos,
  packetSize,
  payloadCheck,
  rateLimit,
  responder,
  retain,
  sessionLimits,
  takeover,
  topicAcl,
} from '../index.ts'

const transport = 'https://github.com/thingsboard/thingsboard/blob/dfe65d5a/common/transport/mqtt/src/main/java/org/thingsboard/server/transport/mqtt'
const handler = `${transport}/MqttTransportHandler.java`
const settings = (line: number) => `https://github.com/thingsboard/thingsboard/blob/master/application/src/main/resources/thingsboard.yml#L${line}`

const request = 'v1/devices/me/attributes/request/+'
const calls = ['v1/devices/me/rpc/request/+', 'v1/devices/me/rpc/response/+']
/** What a device says, but for its requests. */
const reports = ['v1/devices/me/telemetry', 'v1/devices/me/attributes', ...calls, 'v1/gateway/#', 'v2/fw/#', 'v2/sw/#']
const filters = ['v1/devices/me/attributes', 'v1/devices/me/attributes/response/+', ...calls, 'v1/gateway/#', 'v2/fw/#', 'v2/sw/#']

/** The MQTT transport of ThingsBoard: no broker, but a platform that devices talk to on a few topics. */
export const thingsboard = definePack({
  meta: {
    name: 'thingsboard',
    api: 1,
    summary: 'ThingsBoard: an access token for a user name, a few topics, JSON only, PUBACK for QoS 2, and sessions that are said to be there but are not.',
    facts: [
      { says: 'MQTT 3.1, 3.1.1 and 5 are spoken.', source: handler },
      { says: 'The user name is the access token of a device, and the password is empty.', source: handler, by: 'credentials' },
      {
        says: 'Who is refused gets 5 in MQTT 3; in MQTT 5 0x86, and a DISCONNECT behind it.',
        source: `${transport}/util/ReturnCodeResolver.java`,
        by: 'fault',
      },
      { says: 'Session Present is 1 wherever the client asked for no clean session, also where it is refused.', source: `${handler}#L1153`, by: 'connack' },
      { says: 'Nothing is stored of a session.', source: `${handler}#L1153`, by: 'session-limits' },
      { says: 'Several connections with one client id stay beside one another.', source: handler, by: 'takeover' },
      { says: 'A PUBLISH of QoS 2 is answered with PUBACK, and a filter of QoS 2 is granted 1.', source: `${handler}#L1219`, by: 'maximum-qos' },
      { says: 'What a device publishes goes to the platform, not to other devices.', source: handler, by: 'topic-acl' },
      { says: 'A PUBLISH on another topic is acknowledged, with 0x90 in MQTT 5, and dropped.', source: `${handler}#L650`, by: 'topic-acl' },
      { says: 'Other filters get 0x80, in MQTT 5 0x8F.', source: handler, by: 'topic-acl' },
      {
        says: 'A payload that is not JSON closes the connection in MQTT 3, and gets PUBACK 0x99 in MQTT 5.',
        source: `${handler}#L671-L674`,
        by: 'payload-check',
      },
      { says: 'A profile can have it acknowledged in MQTT 3 as well (option `acknowledgeInvalid`).', source: `${handler}#L671-L674` },
      { says: 'A packet has 65536 bytes at most; beyond, the connection ends, with 0x81 in MQTT 5.', source: settings(1240), by: 'packet-size' },
      { says: 'Above its rate a connection ends, with 0x96 in MQTT 5 (option `messagesPerSecond`).', source: `${handler}#L1387` },
      { says: 'Too many CONNECT get 0x9F, in MQTT 3 code 3 (option `connectsPerSecond`).', source: `${handler}#L1387` },
      { says: 'A connection ends after 600 s without a message, with 0xA0 in MQTT 5.', source: transport, by: 'lifetime' },
      { says: 'Retained messages are not stored.', source: transport, by: 'retain' },
      { says: 'A request for attributes is answered with those of the client and those that are shared.', source: handler, by: 'responder', unverified: true },
    ],
    leaves: [
      'Certificates and basic credentials in place of a token; provisioning, with `provision` for a user name.',
      'The limit of connections of one device, beyond which the oldest gets 0x8E.',
      'Up to 100 messages that are sent before CONNACK wait for it; more end the connection with 0x97.',
      'Payloads in Protobuf, as a profile may want them.',
      'Wills: none is published.',
      'The code of the DISCONNECT behind a refusal, which nobody looked up: it is 0x87.',
      'Retained messages of the platform: what a test publishes on the server itself is kept as usual.',
    ],
  },
  options: {
    tokens: option.list(option.text('an access token', ''), 'access tokens of devices; any will do where there is none', []),
    acknowledgeInvalid: option.flag('payloads that are not JSON are acknowledged in MQTT 3, and dropped', false),
    messagesPerSecond: option.optional(option.count('messages that a connection may publish in a second', 20, { min: 1 })),
    connectsPerSecond: option.optional(option.count('CONNECT packets that are taken in a second', 20, { min: 1 })),
    unverified: option.flag('what nobody has checked is imitated as well: requests for attributes are answered', false),
  },
  plugins: ({ tokens, acknowledgeInvalid, messagesPerSecond, connectsPerSecond, unverified }) => [
    credentials({
      usernames: tokens.length > 0 ? tokens : ['*'],
      failure: { v3: 'not-authorized', v5: 'bad-user-name-or-password' },
    }),
    [fault({ on: { cmd: 'connack', reasonCode: 0x86 }, do: { after: [{ packet: { cmd: 'disconnect', reasonCode: 0x87 } }] } }), { protocolVersion: 5 }],
    connack({ which: 'both', sessionPresent: 'not-clean', omit: ['retainAvailable'] }),
    sessionLimits({ persistent: false, announce: 'nothing' }),
    takeover({ policy: 'both' }),
    connectsPerSecond !== undefined && connectionLimits({ rate: connectsPerSecond }),
    maximumQos({ maximum: 1, publishAnswer: 'allow', acknowledge: 'puback', willAnswer: 'allow', announce: false }),
    // What may be published is taken by the platform and goes no further, unless what stands below refuses it.
    topicAcl({ denyPublish: [...reports, ...(unverified ? [] : [request])], publishAnswer: 'accept', willAnswer: 'accept' }),
    topicAcl({
      publish: [...reports, request],
      subscribe: filters,
      publishAnswer: 'topic-name-invalid',
      subscribeAnswer: 'topic-filter-invalid',
      willAnswer: 'accept',
    }),
    payloadCheck({
      topics: [...reports.filter((topic) => topic.startsWith('v1/')), request],
      json: 'value',
      answer: { v3: acknowledgeInvalid ? 'accept' : 'close', v5: 'payload-format-invalid' },
      willAnswer: 'allow',
    }),
    packetSize({ maximum: 65_536, answer: { v3: 'close', v5: { disconnect: 'malformed-packet' } }, connectAnswer: 'close', announce: false }),
    messagesPerSecond !== undefined && rateLimit({ messages: messagesPerSecond, answer: { v3: 'close', v5: { disconnect: 'message-rate-too-high' } } }),
    lifetime({ idle: '10m', idleAnswer: { disconnect: 'maximum-connect-time' } }),
    retain({ store: false }),
    unverified &&
      responder({
        rules: [{ topic: request, to: 'v1/devices/me/attributes/response/{1}', payload: { json: { client: {}, shared: {} } }, consume: true }],
      }),
  ],
})
