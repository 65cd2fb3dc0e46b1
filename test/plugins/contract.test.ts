/** What every built-in plugin holds to, by the tests that authors of other plugins use; and that these tests find what is wrong. */
import * as plugins from 'mqttest/plugins'
import { type PluginTest, testPlugin } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { pluginsOf } from '../support/plugin-table.ts'
import { bystanders } from './bystanders.ts'

/** Options beyond the defaults that plugins are tried with as well: those that wait, count, draw by chance or end something. */
const variants: { readonly [plugin: string]: readonly object[] } = {
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
  corrupt: [{ rate: 0.01 }, { packets: ['puback'], truncate: 1, close: 'fin' }, { insert: '0000', every: 3, direction: 'both' }],
  credentials: [
    { anonymous: true, delay: '1s' },
    { token: 'jwt', anonymous: true, failure: 'close' },
  ],
  'extended-ids': [{}, { maximumLength: 3 }],
  'half-open': [
  inject: [{ malformed: 'publish-qos-3' }, { bytes: 'd000', packet: 'publish', when: 'before' }, { malformed: 'type-15', time: '50ms', close: 'rst' }],
  latency: [{}, { delay: '20ms', jitter: '100ms' }, { delay: 0, out: '1s' }],
  maintenance: [
  offline: [{}, { time: '50ms', for: '200ms' }, { connects: 1, for: '100ms', again: true, connections: 'fin' }, { mode: 'unanswered', for: '1s' }],
  'pid-strategy': [{}, { strategy: 'never-reuse' }, { strategy: 'fixed' }, { strategy: 'near-wrap' }],
  'qos2-exchange': [
    { pubrec: 'skip', probability: 0.5 },
    { pubrec: 'after-reconnect', pubcomp: 'pubrec-again', repeated: 'close', pubrel: 'early' },
    { pubcomp: 'after-reconnect', pubrel: 'not-again' },
  ],
  reject: [{}, { action: 'drop' }, { clientId: 'anna', action: 'close' }],
  'server-disconnect': [{}, { packet: 'publish', when: 'instead', form: 'length', delay: '100ms' }, { time: '50ms', close: 'open', version3: 'send' }],
  'session-override': [{}, { mode: 'keep' }, { mode: 'expire', expiry: '1h', announce: false }],
  'stop-after': [{ connections: 10_000, time: '1000h', idle: '1000h' }],
  suback: [
    { codes: ['not-authorized'], effect: 'taken' },
    { packets: ['suback', 'unsuback'], count: 'missing', id: 'next', probability: 0.5 },
  ],
  'websocket-frames': [{}, { fragments: true, ping: true }, { close: 1012 }],
}

/** What a plugin does not hold to because of what it is, with the reason. */
const exceptions: { readonly [plugin: string]: PluginTest['except'] } = {
  maintenance: { 'keeps connections apart': 'the more clients there are, the earlier the first of them is sent away' },
}

describe.each(pluginsOf(plugins).map((factory) => [factory.meta.name, factory] as const))('%s', (name, factory) => {
  const bystander = bystanders[name]
  test('has a line in bystanders.ts', () => {
    expect(bystander, `a line for '${name}' with options that keep its trigger away`).toBeDefined()
  })
  const options = variants[name]
  testPlugin(
    factory,
    {
      ...(options !== undefined && { options }),
      ...(bystander !== undefined && { bystander }),
      ...(exceptions[name] !== undefined && { except: exceptions[name] }),
    },
    test,
  )
})

test('no line in bystanders.ts is about a plugin that does not exist', () => {
  const names = pluginsOf(plugins).map((factory) => factory.meta.name)
  expect(Object.keys(bystanders).filter((name) => !names.includes(name))).toEqual([])
})
