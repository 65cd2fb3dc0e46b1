import { definePack, option } from '../../src/index.ts'
import {
  clientId,
  connack,
  connectionLimits,
  connectVeto,
  credentials,
  deliveryFlags,
  fault,
  inFlight,
  keepAlive,
  maximumQos,
  packetSize,
  protocolVersions,
  rateLimit,
  resend,
  responder,
  retain,
  sessionLimits,
  subscribeLimits,
  takeover,
  topicAcl,
  topicAlias,
  topicRewrite,
} from '../index.ts'

const guide = 'MicrosoftDocs/azure-docs on GitHub at 05661010, articles/iot/iot-mqtt-connect-to-iot-hub.md'
const quotas = 'MicrosoftDocs/azure-docs on GitHub, articles/iot-hub/iot-hub-devguide-quotas-throttling.md'
const preview = 'https://learn.microsoft.com/azure/iot-hub/iot-mqtt-5-preview'

const telemetry = 'devices/{clientId}/messages/events/#'
const commands = 'devices/{clientId}/messages/devicebound/#'
const twin = '$iothub/twin'
const methods = '$iothub/methods'

/**
 * Azure IoT Hub: no general broker, but a few topics for telemetry, commands, twins and direct methods; any other one closes the
 * connection. Properties and status codes stand in topics.
 */
export const azureIotHub = definePack({
  meta: {
    name: 'azure-iot-hub',
    api: 1,
    summary: 'Azure IoT Hub: MQTT 3.1.1, tokens that expire, a few topics with properties in them, twins and methods; whatever else closes the connection.',
    facts: [
      { says: 'Only MQTT 3.1.1 is spoken.', source: guide, by: 'protocol-versions' },
      {
        says: 'The user name is `{hub}/{device}/?api-version=...`, the client id that of the device; the password a signature with an expiry.',
        source: guide,
        by: 'credentials',
      },
      {
        says: 'Whoever is refused gets return code 5, with a bad token as with one that has expired.',
        source: 'https://github.com/Azure/azure-iot-sdk-node/issues/29',
        by: 'credentials',
      },
      {
        says: 'The connection is closed when its token has expired, a few minutes later.',
        source: 'https://github.com/Azure/azure-iot-sdk-c/issues/163',
        by: 'credentials',
      },
      { says: 'There is QoS 0 and 1 only; a SUBSCRIBE with QoS 2 is granted 1.', source: guide, by: 'maximum-qos' },
      { says: 'A PUBLISH of QoS 2 closes the connection.', source: guide, by: 'maximum-qos' },
      {
        says: 'A PUBLISH of QoS 2 was answered with PUBACK in 2025 (option `qos2`).',
        source: 'https://github.com/eclipse-paho/paho.mqtt.c/issues/1617',
        by: 'maximum-qos',
      },
      { says: 'RETAIN is taken off, and becomes the property `mqtt-retain`, formerly `x-opt-retain`.', source: guide, by: 'retain' },
      { says: 'Clean session 0 keeps the commands for a device, 50 of them.', source: quotas, by: 'session-limits' },
      {
        says: 'One connection per device: a newer one closes the older.',
        source: 'https://learn.microsoft.com/azure/iot-hub/troubleshoot-error-codes',
        by: 'takeover',
      },
      { says: 'A keep-alive above 1177 s is taken, but the line is cut after 1767 s of silence.', source: guide, by: 'keep-alive' },
      { says: 'There are topics for telemetry, commands, twins and methods; any other one closes the connection.', source: guide, by: 'topic-acl' },
      {
        says: 'A PUBLISH that is not allowed is not acknowledged: the connection is closed.',
        source: 'https://github.com/MicrosoftDocs/azure-docs/issues/93606',
        by: 'topic-acl',
      },
      { says: 'Properties of messages stand url-encoded in the last level of the topic.', source: guide, by: 'topic-rewrite' },
      { says: 'Five subscriptions are useful; others are refused.', source: guide, by: 'subscribe-limits' },
      { says: 'Messages about twins and methods have QoS 0.', source: guide, by: 'delivery-flags' },
      { says: 'Messages have 256 KB at most, commands 64 KB; larger ones close the connection.', source: quotas, by: 'packet-size' },
      { says: 'More than 100 messages a second are read later first, and close the connection then.', source: quotas, by: 'rate-limit' },
      { says: 'More than 100 CONNECT a second are refused.', source: quotas, by: 'connection-limits' },
      { says: 'Requests to a twin are answered on `$iothub/twin/res/{status}/?$rid={id}` with 200, 204, 400, 429 or 5xx.', source: guide, by: 'responder' },
      { says: 'Methods are called on `$iothub/methods/POST/{method}/?$rid={id}` (option `method`).', source: guide },
      { says: 'The topic of a will is that of telemetry.', source: guide, by: 'connect-veto' },
      {
        says: 'Commands that are not acknowledged are delivered again after a minute.',
        source: 'https://learn.microsoft.com/azure/iot-hub/iot-hub-devguide-messages-c2d',
        by: 'resend',
        unverified: true,
      },
      {
        says: 'The preview of MQTT 5 announced a receive maximum of 16, packets of 256 KiB, ten topic aliases, and took 50 subscriptions (option `preview`).',
        source: preview,
      },
    ],
    leaves: [
      'TLS and the path of WebSocket, `/$iothub/websocket`: they are those of the listener.',
      'The signature and the resource of a token: what it says of its expiry is believed.',
      'Modules: their client ids get in, but have no topics of their own.',
      'What a hub adds to the properties of commands, and the `iothub-MessageType` of a will, which no client sees.',
      'Versions of desired properties, and their updates: `server.publish` sends one to `$iothub/twin/PATCH/properties/desired/`.',
      'The topics of the preview of MQTT 5: with it every topic is free, and nobody answers.',
      'Return codes that the documentation leaves open: 5 for a will on another topic, and 3 for too many CONNECT.',
      'The expiry of a token is a time of the wall clock, and the keep-alive has seconds on the wire: both stay as they are with `timeScale`.',
    ],
  },
  options: {
    authentication: option.choice(
      'token: user name and a shared access signature; certificate: the user name alone; none: nothing is looked at',
      ['token', 'certificate', 'none'],
      'token',
    ),
    grace: option.duration('how long a token that has expired is still good', '5m'),
    qos2: option.choice('what a PUBLISH of QoS 2 gets: the end of the connection, as documented, or PUBACK, as seen', ['close', 'puback'], 'close'),
    legacyMarker: option.flag('RETAIN becomes x-opt-retain', false),
    desired: option.json('the desired properties of every twin', {}),
    twinStatus: option.choice('the status of answers to requests to a twin; 200 stands for 204 where the twin is changed', ['200', '400', '429', '500'], '200'),
    twinDelay: option.duration('how long those answers take', 0),
    method: option.optional(option.text('the name of a direct method that is called when a client has subscribed to methods', 'reboot')),
    methodPayload: option.payload('what it is called with', '{}'),
    patience: option.duration('how long messages above 100 a second are read later before the connection is closed', '10s'),
    preview: option.flag('the preview of MQTT 5, as it was, instead', false),
    unverified: option.flag('what nobody has checked is imitated as well: commands that come again after a minute', false),
  },
  check: ({ preview: isPreview, method }) => (isPreview && method !== undefined ? "option 'method' does not go with 'preview'" : undefined),
  plugins: ({ preview: isPreview, authentication, grace, qos2, legacyMarker, desired, twinStatus, twinDelay, method, methodPayload, patience, unverified }) => {
    const common = [
      takeover({ policy: 'newest' }),
      packetSize({
        payload: 262_144,
        toClient: isPreview ? 262_144 : 65_536,
        answer: isPreview ? { disconnect: 'packet-too-large' } : 'close',
        ...(isPreview && { maximum: 262_144 }),
      }),
      connectionLimits({ rate: 100, rateAnswer: 'server-busy' }),
    ]
    if (isPreview)
      return [
        ...common,
        protocolVersions({ accept: [5] }),
        clientId({ empty: 'client-identifier-not-valid' }),
        keepAlive({ maximum: 1140, zero: 1140 }),
        connack({ set: { wildcardSubscriptionAvailable: true } }),
        maximumQos({ maximum: 1 }),
        retain({ answer: { disconnect: 'retain-not-supported' }, announce: false }),
        subscribeLimits({ subscriptions: 50, identifiers: false, shared: false }),
        topicAlias({ announce: 10, maximum: 10 }),
        inFlight({ maximum: 16 }),
      ]

    const ok = twinStatus === '200'
    const answer = { delay: twinDelay, for: 'requester', consume: true } as const
    return [
      ...common,
      protocolVersions({ accept: [4] }),
      authentication !== 'none' &&
        credentials({
          usernames: ['*/{clientId}/?api-version=*'],
          failure: 'not-authorized',
          ...(authentication === 'token' && { token: 'sas', grace, expiryAnswer: 'close' }),
        }),
      keepAlive({ maximum: 1177, zero: 1177 }),
      topicRewrite({ propertyBag: 'both', bagTopics: ['devices/+/messages/#'] }),
      topicAcl({
        publish: [telemetry, `${twin}/GET/#`, `${twin}/PATCH/properties/reported/#`, `${methods}/res/#`],
        subscribe: [commands, `${twin}/res/#`, `${twin}/PATCH/properties/desired/#`, `${methods}/POST/#`],
        publishAnswer: 'close',
        subscribeAnswer: 'close',
        willAnswer: 'not-authorized',
      }),
      connectVeto({ willTopic: [`${twin}/#`, `${methods}/#`], answer: 'not-authorized' }),
      maximumQos({ maximum: 1, publishAnswer: qos2 === 'close' ? 'close' : 'allow', acknowledge: 'puback' }),
      retain({ store: false, marker: legacyMarker ? 'x-opt-retain' : 'mqtt-retain' }),
      sessionLimits({ queueLimit: 50 }),
      subscribeLimits({ subscriptions: 5, subscriptionsAnswer: 'unspecified-error' }),
      deliveryFlags({ setQos: '0', topic: ['$iothub/#'] }),
      rateLimit({ messages: 100, delay: 'reader', patience, answer: 'close' }),
      responder({
        rules: [
          {
            topic: `${twin}/GET/#`,
            to: `${twin}/res/${twinStatus}/{1}`,
            memory: '{clientId}',
            payload: ok ? { json: { desired, reported: '{memory}' } } : '',
            ...answer,
          },
          {
            topic: `${twin}/PATCH/properties/reported/#`,
            to: ok ? `${twin}/res/204/{1}&$version={count}` : `${twin}/res/${twinStatus}/{1}`,
            payload: '',
            ...(ok && { memory: '{clientId}', merge: true }),
            ...answer,
          },
        ],
      }),
      method !== undefined &&
        fault({
          on: { cmd: 'subscribe', topic: [`${methods}/POST/#`] },
          do: { after: [{ packet: { cmd: 'publish', topic: `${methods}/POST/${method}/?$rid=1`, payload: methodPayload } }] },
        }),
      unverified && resend({ after: ['1m'], times: 9, topic: ['devices/+/messages/devicebound/#'] }),
    ]
  },
})
