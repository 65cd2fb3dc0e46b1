/**
 * Options beyond the defaults with which contract.test.ts tries built-in plugins: those that wait, count, draw by chance, refuse
 * or end something. Where the defaults are refused, a line here says which options do something in ordinary traffic.
 */
export const variants: { readonly [plugin: string]: readonly object[] } = {
  'ack-code': [
    { reasonCode: 'quota-exceeded', probability: 0.5 },
    { packets: ['puback', 'pubrec', 'pubrel', 'pubcomp'], form: 'full' },
    { effect: 'refused', every: 2 },
  ],
  'ack-delay': [{}, { packets: ['connack', 'puback', 'pubrec', 'pubrel', 'pingresp'], delay: '1s', jitter: '500ms', growth: 20, keepOrder: false }],
  'ack-early': [{}, { packets: ['puback', 'pubrec', 'suback', 'unsuback'], hold: '200ms' }, { lose: true, probability: 0.5 }],
  'ack-spurious': [
    {},
    { packets: ['puback', 'pingresp'], at: ['connect', 'publish'], delay: 20, count: 5, interval: '100ms' },
    { at: 'publish', when: 'before', id: 'same' },
  ],
  'ack-wrong': [{ id: 'next' }, { packets: ['puback', 'pubrec', 'suback'], type: 'pubcomp', and: 'before', probability: 0.5 }],
  bandwidth: [{}, { bytesPerSecond: 200, piece: 1, burst: 20 }, { in: 500 }],
  chunks: [
    {},
    { size: 3, pause: 0, direction: 'both' },
    { at: [1, -1], pause: '20ms' },
    { packets: ['puback', 'suback'], join: '50ms' },
    { of: 'write', join: '1s' },
  ],
  'client-id': [
    { assigned: '{random}', empty: 'assign', tell: 'wrong' },
    { minimum: 9, answer: 'ignore' },
  ],
  'close-after': [
    { packet: 'puback', nth: 2 },
    { packets: 4, when: 'instead', grace: '1s' },
    { bytes: 100, how: 'rst' },
    { bytes: 70, direction: 'out' },
    { time: '50ms', how: 'stall' },
    { packet: 'suback', how: 'half' },
    { time: '50ms', linger: 0 },
  ],
  connack: [
    { reasonCode: 'not-authorized', afterRefusal: 'close' },
    { set: { maximumQoS: 2 }, times: 3, delay: '200ms' },
  ],
  'connect-veto': [{ has: ['will', 'user-properties'] }, { above: { keepalive: 1 }, answer: 'reset' }],
  'connection-limits': [
    { ratePerClientId: 1, window: '10s', hold: '1s', ban: '1m' },
    { total: 1, sockets: 2, answer: 'close' },
  ],
  corrupt: [{ rate: 0.01 }, { packets: ['puback'], truncate: 1, close: 'fin' }, { insert: '0000', every: 3, direction: 'both' }],
  credentials: [
    { anonymous: true, delay: '1s' },
    { token: 'jwt', anonymous: true, failure: 'close' },
  ],
  'delivery-delay': [{}, { jitter: '100ms', growth: 5, keepOrder: false }, { afterSuback: '50ms', perSecond: 50, kinds: ['live', 'retained'] }],
  'delivery-flags': [
    { setDup: 'set' },
    { setQos: 'higher', setRetain: 'inverted', identifiers: 'extra' },
    { setQos: 'lower', setTopic: 'other', probability: 0.5 },
  ],
  drop: [
    {},
    { packets: ['puback', 'pubrec', 'suback', 'pingresp'], probability: 0.5 },
    { lose: 'for-good', every: 2 },
    { direction: 'in', packets: ['publish', 'puback'], nth: 2 },
    { packets: 'connack', after: 0, time: '1s' },
  ],
  duplicate: [
    {},
    { packets: ['connack', 'puback', 'pubrec', 'pubrel', 'pubcomp', 'suback', 'unsuback', 'pingresp'], delay: '20ms', times: 2 },
    { packetId: 'new', asDup: true, probability: 0.5 },
  ],
  'extended-ids': [{}, { maximumLength: 3 }],
  fault: [
    { on: { cmd: 'puback', nth: 2 }, do: 'drop' },
    { on: 'puback', do: { delay: '200ms', jitter: '1s', duplicate: 2 } },
    { on: { cmd: 'publish', direction: 'in', probability: 0.5 }, do: { delay: 20, after: [{ packet: { cmd: 'pingresp' } }] } },
    {
      rules: [
        { on: { cmd: 'suback', nth: 1 } },
        { armedBy: 'previous', on: { time: '50ms' }, do: { steps: [{ raw: 'd000' }, { wait: '1s' }, { close: 'rst' }] } },
      ],
    },
  ],
  'half-open': [
    {},
    { packet: 'suback', for: '1s' },
    { reading: false, for: '200ms' },
    { direction: 'in', reading: false, time: '50ms', for: '300ms' },
    { bytes: 90, for: '1s' },
  ],
  'in-flight': [
    { maximum: 1, every: 2 },
    { window: 1, awaitingRelease: 0, releaseAnswer: 'close' },
  ],
  inject: [{ malformed: 'publish-qos-3' }, { bytes: 'd000', packet: 'publish', when: 'before' }, { malformed: 'type-15', time: '50ms', close: 'rst' }],
  'keep-alive': [
    { maximum: 1, zero: 1, grid: '700ms' },
    { zero: 1, resetBy: ['pingreq'], answer: 'reset' },
  ],
  latency: [{}, { delay: '20ms', jitter: '100ms' }, { delay: 0, out: '1s' }],
  lifetime: [{ maximum: '50ms' }, { idle: '100ms', deliveries: true, idleAnswer: 'close' }, { connect: '10ms', connectBytes: 20 }],
  maintenance: [
    { time: '50ms', drain: '200ms', for: '1s' },
    { clients: 1, topic: 'home/status', notice: '100ms', newcomers: 'refused' },
  ],
  matching: [{ overlap: 'each' }],
  'maximum-qos': [{}, { maximum: 0, publishAnswer: 'allow', acknowledge: 'puback', willAnswer: 'allow' }],
  'message-expiry': [{ default: '1s' }, { expired: 'deliver', maximum: '2s', remaining: 'original' }, { early: '1s', zero: 'one-second' }],
  offline: [{}, { time: '50ms', for: '200ms' }, { connects: 1, for: '100ms', again: true, connections: 'fin' }, { mode: 'unanswered', for: '1s' }],
  'packet-size': [{ maximum: 30 }, { maximum: 40, answer: 'quota-exceeded', toClient: 20 }],
  'payload-check': [{ json: 'value', indicator: 'accept', willAnswer: 'allow' }],
  'pid-strategy': [{}, { strategy: 'never-reuse' }, { strategy: 'fixed' }, { strategy: 'near-wrap' }],
  'protocol-versions': [{}, { accept: [5], otherwise: { v31: 'silence', v3: 'reset' } }],
  'qos2-exchange': [
    { pubrec: 'skip', probability: 0.5 },
    { pubrec: 'after-reconnect', pubcomp: 'pubrec-again', repeated: 'close', pubrel: 'early' },
    { pubcomp: 'after-reconnect', pubrel: 'not-again' },
  ],
  'rate-limit': [
    { messages: 1, delay: 'reader' },
    { bytes: 30, delay: 'ack' },
    { messages: 1, answer: 'close', ban: '1s', notify: 'limits/{clientId}' },
    { quotaMessages: 1 },
  ],
  reject: [{}, { action: 'drop' }, { clientId: 'anna', action: 'close' }],
  reorder: [
    {},
    { packets: ['publish', 'puback', 'pingresp'], order: 'shuffled', size: 3, within: '50ms' },
    { packets: ['pubrel', 'pubcomp', 'publish'], order: 'rotated', every: 2 },
  ],
  resend: [{}, { after: ['5ms', '100ms'] }, { after: '10ms', times: 3, newPacketId: true, giveUp: 'drop' }, { after: '10ms', giveUp: 'close', qos: 2 }],
  'server-disconnect': [{}, { packet: 'publish', when: 'instead', form: 'length', delay: '100ms' }, { time: '50ms', close: 'open', version3: 'send' }],
  'server-publish': [
    {},
    { at: 'before-connack', qos: 1, ignoreLimits: true },
    { at: 'after-connack', delay: '10ms', count: 5, interval: '20ms', qos: 2 },
    { at: 'packet', packet: ['publish', 'pingreq'], every: 2 },
  ],
  'session-limits': [{ maximum: '1s' }],
  'session-override': [{}, { mode: 'keep' }, { mode: 'expire', expiry: '1h', announce: false }],
  'stop-after': [{ connections: 10_000, time: '1000h', idle: '1000h' }],
  suback: [
    { codes: ['not-authorized'], effect: 'taken' },
    { packets: ['suback', 'unsuback'], count: 'missing', id: 'next', probability: 0.5 },
  ],
  'subscribe-limits': [
    { rate: 1, subscriptions: 1 },
    { filters: 1, unsubscribeFilters: 0, wildcards: false, shared: false, identifiers: false },
  ],
  'topic-acl': [
    { publish: ['home/main/#'], denySubscribe: ['#'], subscribeAnswer: 'accept' },
    { receive: [], reserved: 'home/', willAnswer: 'accept', publishAnswer: 'close' },
  ],
  'topic-alias': [{ toClient: 'zero' }, { toClient: 'kept', announce: 3, maximum: 1, answer: 'close' }, { toClient: 'shared', probability: 0.5 }],
  'topic-limits': [{ levels: 1 }, { bytes: 5, publishAnswer: 'accept', wildcards: 'accept' }],
  'topic-rewrite': [{ mount: 'mounted/' }],
  'websocket-frames': [{}, { fragments: true, ping: true }, { close: 1012 }],
  will: [{ publish: 'always', delay: '50ms' }],
}
