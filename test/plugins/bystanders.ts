/**
 * How each built-in plugin is enabled although nothing of what it does may show: with options that keep its trigger away from
 * ordinary traffic. contract.test.ts plays every line through ordinary conversations; what the clients see must equal, byte for
 * byte and at the same times, what they see of the plain broker. One line per plugin, sorted by name:
 *
 *     'plugin-name': { option: 'value' },                                      options
 *     'plugin-name': { options: { ... }, scope: { clientId: 'nobody' } },      where no option keeps it away
 *
 * Better than options that switch everything off are such that let the plugin look at each packet and decide to leave it alone.
 * Where a user name is given, it is 'anna' with the password 'secret'. The client ids are letters and digits, the topics begin with
 * 'home/' or '$share/'; no payload has more than 40 bytes.
 */
import type { Scope } from 'mqttest'

type Options = { readonly [option: string]: unknown }

export const bystanders: { readonly [plugin: string]: Options | { readonly options: Options; readonly scope: Scope } } = {
  'ack-code': { topic: 'office/#', reasonCode: 'not-authorized', form: 'full' },
  'ack-delay': { packets: ['connack', 'puback', 'pubrec', 'pubrel', 'pubcomp', 'suback', 'unsuback', 'pingresp'], delay: 0 },
  'ack-early': { packets: ['puback', 'pubrec', 'suback', 'unsuback'], topic: 'office/#', hold: '1s' },
  'ack-spurious': { at: ['publish', 'subscribe', 'unsubscribe'], topic: 'office/#', id: 'same' },
  'ack-wrong': { packets: ['puback', 'pubrec', 'suback', 'unsuback'], topic: 'office/#', id: 'next' },
  bandwidth: { bytesPerSecond: 1000, burst: 1_000_000, piece: 1_000_000 },
  chunks: { packets: ['publish'], from: 10_000 },
  'client-id': { maximum: 100, pattern: '.+', prefix: [''] },
  'close-after': { packet: 'publish', nth: 10_000, bytes: 1_000_000, time: '100h' },
  connack: { which: 'both', returnCodes: { banned: 5 }, omit: ['serverReference'] },
  'connect-veto': { above: { topicAliasMaximum: 60_000, willSize: 1000 }, has: ['bridge'], willTopic: ['office/#'], willDelayMaximum: '1000000h' },
  'connection-limits': { total: 10_000, perUser: 10_000, perAddress: 10_000, rate: 10_000, ratePerClientId: 10_000, hold: '1h', sockets: 10_000 },
  corrupt: { packets: ['publish'], from: 10_000 },
  credentials: { usernames: ['anna'], anonymous: true, validFor: '1000h' },
  'delivery-delay': { topic: 'office/#' },
  'delivery-flags': { setRetain: 'inverted', topic: 'office/#' },
  drop: { topic: 'office/#' },
  duplicate: { nth: 10_000 },
  'enhanced-auth': { methods: ['CHAT'], reauthentication: 'ignore' },
  'extended-ids': { empty: 'allow' },
  fault: { on: { cmd: 'publish', direction: 'in', topic: 'office/#' }, do: 'drop' },
  'half-open': { packet: 'publish', nth: 10_000, bytes: 1_000_000, time: '100h' },
  'in-flight': { maximum: 1000, announce: false, awaitingRelease: 1000, window: 60_000, answer: 'close' },
  inject: { packet: 'publish', nth: 10_000, time: '100h' },
  'keep-alive': { minimum: 0, maximum: 65_535, factor: 1.5 },
  latency: { options: { delay: '10s' }, scope: { clientId: 'nobody' } },
  lifetime: { maximum: '100h', idle: '100h', connect: '30s', connectBytes: 10_000 },
  maintenance: { time: '1000h', clients: 10_000 },
  matching: { caseSensitive: false, repeatedFilters: 'merged' },
  'maximum-qos': { options: { announce: false }, scope: { clientId: 'nobody' } },
  'message-expiry': { maximum: '1000h' },
  'mqtt3-idioms': {},
  offline: { time: '1000h', connects: 10_000, closed: 10_000 },
  'packet-size': { maximum: 1_000_000, toClient: 1_000_000, announce: false },
  'payload-check': { json: 'value', topics: ['office/#'], indicator: 'payload-format-invalid' },
  'pid-strategy': { strategy: 'sequential' },
  'protocol-versions': { options: { accept: [] }, scope: { clientId: 'nobody' } },
  'qos2-exchange': { topic: 'office/#', pubrec: 'after-reconnect', pubcomp: 'pubrec-again', repeated: 'ignore', pubrel: 'twice' },
  'rate-limit': { messages: 10_000, bytes: 10_000_000, quotaMessages: 10_000, ban: '1h' },
  'record-from': { options: { upstream: 'mqtt://127.0.0.1:9' }, scope: { clientId: 'nobody' } },
  reject: { clientId: 'nobody' },
  reorder: { topic: 'office/#', packets: 'publish' },
  replay: { options: { script: [{ expect: 'connect', say: [] }] }, scope: { clientId: 'nobody' } },
  resend: { topic: 'office/#' },
  responder: { rules: [{ topic: 'office/+/get', to: 'office/{1}/got' }] },
  retain: { prefixes: ['office/'], maximumSize: 1000, order: 'stored', limit: 1000 },
  'second-connect': { options: {}, scope: { clientId: 'nobody' } },
  'server-disconnect': { packet: 'publish', nth: 10_000, time: '100h' },
  'server-publish': { at: 'packet', packet: 'publish', nth: 10_000 },
  'session-limits': { maximum: '1000h', queueLimit: 100_000, overflow: 'oldest' },
  'session-override': { options: { mode: 'forget' }, scope: { clientId: 'nobody' } },
  'stop-after': { connections: 10_000, time: '1000h', idle: '1000h' },
  suback: { packets: ['suback', 'unsuback'], codes: { 'office/#': 'not-authorized' }, count: 'merged' },
  'subscribe-limits': { filters: 1000, unsubscribeFilters: 1000, subscriptions: 1000, rate: 1000 },
  'system-topics': { interval: 0, presence: '$nobody/{clientId}', subscriptions: '$nobody/{event}' },
  takeover: { policy: 'newest' },
  'topic-acl': { publish: ['#'], subscribe: ['#', '$share/#', '$SYS/#'], receive: ['#', '$SYS/#'], denyPublish: ['office/#'] },
  'topic-alias': { maximum: 100 },
  'topic-limits': { bytes: 1000, levels: 100, levelBytes: 1000, pattern: '.*' },
  'topic-rewrite': { replaceIn: { '?': '!' }, rules: [{ from: 'office/#', to: 'study/{1}' }], propertyBag: 'in' },
  verdicts: { rules: { 'no-such-rule': 'disconnect' } },
  'websocket-frames': {},
  will: { publish: 'never', copies: 2, early: '1s', topic: ['office/#'] },
}
