/**
 * Options beyond the defaults with which contract.test.ts tries built-in plugins: those that wait, count, draw by chance, refuse
 * or end something. Where the defaults are refused, a line here says which options do something in ordinary traffic.
 */
export const variants: { readonly [plugin: string]: readonly object[] } = {
  'ack-code': [{ reasonCode: 'quota-exceeded' }, { reasonCode: 0x97, effect: 'taken', probability: 0.5 }],
  'ack-delay': [{}, { packets: ['connack', 'puback', 'pubrec', 'pubrel', 'pingresp'], delay: '1s', jitter: '500ms', growth: 20, keepOrder: false }],
  'ack-wrong': [{ id: 'next' }, { type: 'pubrec' }],
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
  ],
  connack: [{ reasonCode: 'server-busy', which: 'both' }, { times: 2 }],
  'delivery-flags': [{ setDup: 'set' }],
  'extended-ids': [{}, { maximumLength: 3 }],
  'in-flight': [{ maximum: 1 }],
  'keep-alive': [{ maximum: 1 }],
  lifetime: [{ maximum: '55ms' }, { idle: '200ms' }],
  'message-expiry': [{ default: '1s' }],
  'packet-size': [{ maximum: 30 }],
  'payload-check': [{ json: 'object' }],
  'pid-strategy': [{}, { strategy: 'never-reuse' }, { strategy: 'fixed' }, { strategy: 'near-wrap' }],
  'qos2-exchange': [{ pubrec: 'skip' }],
  'rate-limit': [{ messages: 1, window: '1s' }],
  reject: [{}, { action: 'drop' }, { clientId: 'anna', action: 'close' }],
  resend: [{}, { after: ['5ms', '100ms'] }],
  'session-limits': [{ maximum: '1s' }],
  'session-override': [{ mode: 'forget' }, { mode: 'keep' }, { mode: 'expire', expiry: '1h', announce: false }],
  'stop-after': [{ connections: 10_000, time: '1000h', idle: '1000h' }],
  suback: [{ codes: ['unspecified-error'] }, { count: 2 }],
  'subscribe-limits': [{ wildcards: false }],
  'topic-acl': [{ publish: ['#'], denyPublish: ['home/+/light/2'] }],
  'topic-alias': [{ toClient: 'zero' }],
  'topic-limits': [{ levels: 2 }],
  'topic-rewrite': [{ mount: 'mounted/' }],
  will: [{ publish: 'always', delay: '50ms' }],
}
