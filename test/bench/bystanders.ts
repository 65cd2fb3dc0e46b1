/**
 * Twenty plugins that are on and find nothing to do, of every group: each looks at the packets that it is about, and leaves them alone.
 * With them the throughput has to be at least 85 % of what it is without.
 */
export const twentyBystanders: readonly unknown[] = [
  ['ack-code', { topic: 'office/#', reasonCode: 'not-authorized' }],
  ['ack-spurious', { at: ['publish', 'subscribe'], topic: 'office/#', id: 'same' }],
  ['client-id', { maximum: 100 }],
  ['close-after', { packet: 'suback', nth: 10_000 }],
  ['connack', { which: 'refused', returnCodes: { banned: 5 } }],
  ['connect-veto', { above: { willSize: 1000 } }],
  ['connection-limits', { total: 100_000 }],
  ['delivery-delay', { topic: 'office/#' }],
  ['drop', { topic: 'office/#' }],
  ['duplicate', { topic: 'office/#' }],
  ['fault', { on: { cmd: 'publish', direction: 'in', topic: 'office/#' }, do: 'drop' }],
  ['inject', { packet: 'subscribe', nth: 10_000 }],
  ['keep-alive', { minimum: 0, maximum: 65_535 }],
  ['latency', { delay: '1s' }, { clientId: 'nobody' }],
  ['reject', { clientId: 'nobody' }],
  ['retain', { prefixes: ['office/'] }],
  ['session-limits', { maximum: '1000h' }],
  ['suback', { codes: { 'office/#': 'not-authorized' } }],
  ['topic-acl', { denyPublish: ['office/#'] }],
  ['will', { publish: 'never', topic: ['office/#'] }],
]
