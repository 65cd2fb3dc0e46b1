/** The fault ledger: whatever a plugin changes is on record, about which packet, and can be read by people. */
import { definePlugin, describeRecord, type FaultRecord, type PluginApi, type Server, type Step } from 'mqttest'
import { ackDelay, closeAfter } from 'mqttest/plugins'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { virtualServer } from '../support/server.ts'

const faultsOf = (server: Server) => server.records({ type: 'fault' }).filter((record): record is FaultRecord => record.type === 'fault')

/** What the ledger holds when a client has subscribed to 'a', published to it with QoS 1, pinged, and left without a word. */
async function ledger(setup: (api: PluginApi) => unknown, version: 4 | 5 = 4): Promise<{ lines: string[]; faults: readonly FaultRecord[] }> {
  const { server, clock } = await virtualServer({ plugins: [definePlugin({ meta: { name: 'p' }, setup: (api) => void setup(api) })] })
  const client = connectMemory(server, version)
  client.sendConnect({ will: { topic: 'gone', payload: Buffer.from('x'), qos: 0, retain: false }, keepalive: 10 })
  await clock.advance(0)
  client.send({ cmd: 'subscribe', messageId: 3, subscriptions: [{ topic: 'a', qos: 1 }] })
  await clock.advance(0)
  client.send({ cmd: 'publish', topic: 'a', payload: 'text', qos: 1, messageId: 7 }, { cmd: 'puback', messageId: 99 }, { cmd: 'pingreq' })
  await clock.advance(100)
  client.close()
  await clock.advance('5s')
  const faults = faultsOf(server)
  return { lines: faults.map(describeRecord), faults }
}

const publishStep = (step: Step, topic: string): Step => ('packet' in step && step.packet.cmd === 'publish' ? { packet: { ...step.packet, topic } } : step)

const rows: readonly (readonly [what: string, setup: (api: PluginApi) => unknown, line: string])[] = [
  ['send: late', ({ on, hooks }) => on(hooks.send, { cmd: 'puback' }, (steps) => [{ wait: 20 }, ...steps]), 'puback 7 delayed 20 ms by p'],
  ['send: never', ({ on, hooks }) => on(hooks.send, { cmd: 'suback' }, () => []), 'suback 3 dropped by p'],
  ['send: twice', ({ on, hooks }) => on(hooks.send, { cmd: 'puback' }, (steps) => [...steps, ...steps]), 'puback 7 followed by puback 7 by p'],
  [
    'send: the last one',
    ({ on, hooks }) => on(hooks.send, { cmd: 'pingresp' }, (steps) => [...steps, { wait: 1 }, { close: 'rst' }]),
    'pingresp followed by wait 1 ms, close rst by p',
  ],
  [
    'send: with others in front',
    ({ on, hooks }) => on(hooks.send, { cmd: 'pingresp' }, (steps) => [{ packet: { cmd: 'puback', messageId: 1 } }, ...steps]),
    'pingresp preceded by puback 1 by p',
  ],
  [
    'send: another packet',
    ({ on, hooks }) => on(hooks.send, { cmd: 'puback' }, () => [{ packet: { cmd: 'pubrec', messageId: 7 } }]),
    'puback 7 replaced with pubrec 7 by p',
  ],
  [
    'send: another field',
    ({ on, hooks }) => on(hooks.send, { cmd: 'publish' }, (steps) => steps.map((step) => publishStep(step, 'b'))),
    'publish 1 a changed (topic "a" → "b") by p',
  ],
  ['send: bytes', ({ on, hooks }) => on(hooks.send, { cmd: 'pingresp' }, () => [{ raw: 'd0' }]), 'pingresp replaced with 1 bytes by p'],
  [
    'wire: late',
    ({ on, hooks }) => on(hooks.wire, { direction: 'in', nth: 1 }, (steps) => [{ latency: 30 }, ...steps]),
    '26 bytes from the client delayed 30 ms by p',
  ],
  ['wire: lost', ({ on, hooks }) => on(hooks.wire, { direction: 'out', nth: 2 }, () => []), '5 bytes for the client dropped by p'],
  ['packetIn: not heard', ({ on, hooks }) => on(hooks.packetIn, { cmd: 'publish' }, () => []), 'publish 7 a ignored by p'],
  [
    'packetIn: answered',
    ({ on, hooks }) => on(hooks.packetIn, { cmd: 'publish' }, () => [{ packet: { cmd: 'puback', messageId: 7 } }]),
    'publish 7 a answered with puback 7 by p',
  ],
  ['packetIn: late', ({ on, hooks }) => on(hooks.packetIn, { cmd: 'publish' }, () => [{ wait: 5 }, { pass: true }]), 'publish 7 a handled after 5 ms by p'],
  [
    'packetIn: a dead link',
    ({ on, hooks }) => on(hooks.packetIn, { cmd: 'pingreq' }, () => [{ pass: true }, { stall: 'both' }, { wait: 5 }, { stall: false }, { frame: 'ping' }]),
    'pingreq followed by stall both, wait 5 ms, go on, frame ping by p',
  ],
  [
    'packetIn: the last one',
    ({ on, hooks }) => on(hooks.packetIn, { cmd: 'pingreq' }, () => [{ pass: true }, { close: 'fin' }]),
    'pingreq followed by close fin by p',
  ],
  [
    'packetIn: changed in place',
    ({ on, hooks }) => on(hooks.packetIn, { cmd: 'publish' }, (packet) => void Object.assign(packet, { topic: 'b', payload: Buffer.from([1]) })),
    'publish 7 a changed (topic "a" → "b", payload 4 bytes 74657874 → 1 bytes 01) by p',
  ],
  [
    'packetIn: changed in place, deep inside',
    ({ on, hooks }) => on(hooks.packetIn, { cmd: 'subscribe' }, ({ subscriptions }) => void Object.assign(subscriptions[0] ?? {}, { qos: 0 })),
    'subscribe 3 changed (subscriptions [{"topic":"a","qos":1}] → [{"topic":"a","qos":0}]) by p',
  ],
  ['connection', ({ hooks }) => hooks.connection.tap('p', () => [{ wait: 1 }]), 'connection answered with wait 1 ms by p'],
  [
    'authorize',
    ({ on, hooks }) => on(hooks.authorize, { kind: 'subscribe' }, (decision) => ({ ...decision, reasonCode: 0x87 })),
    'decision on subscribe 3 a changed (reasonCode 0x00 success → 0x87 not-authorized) by p',
  ],
  ['session', ({ hooks }) => hooks.session.tap('p', (plan) => ({ ...plan, expiryMs: 5000 })), 'session changed (expiryMs 0 ms → 5000 ms) by p'],
  ['route', ({ on, hooks }) => on(hooks.route, { topic: 'a' }, () => []), 'deliveries of a changed (1 → 0) by p'],
  ['packetId', ({ hooks }) => hooks.packetId.tap('p', () => 42), 'packet id 42 chosen after 0 by p'],
  ['timer', ({ on, hooks }) => on(hooks.timer, { kind: 'keepalive', nth: 1 }, () => null), 'timer keepalive changed (15000 ms → never) by p'],
  [
    'violation',
    ({ on, hooks }) => on(hooks.violation, { kind: 'ack-unknown-packet-id' }, () => 'ignore'),
    'violation ack-unknown-packet-id changed (warn → ignore) by p',
  ],
  ['will', ({ hooks }) => hooks.will.tap('p', (plan) => ({ ...plan, delayMs: 1000 })), 'will changed (delayMs 0 ms → 1000 ms) by p'],
  [
    'play',
    ({ hooks, play }) => hooks.connection.tap('p', (connection) => play(connection, [{ wait: 5 }, { packet: { cmd: 'publish', topic: 'more' } }])),
    'wait 5 ms, publish more played by p',
  ],
  ['acted', ({ acted }) => acted('something done'), 'something done by p'],
]

describe('the ledger holds what was changed by', () => {
  test.each(rows)('%s', async (_what, setup, line) => {
    const { lines } = await ledger(setup)
    expect(lines).toContain(line)
    expect(new Set(lines).size).toBe(lines.length)
  })
})

describe('a line of the ledger', () => {
  test('names plugin, hook, connection and the packet that it is about, and what else it is about', async () => {
    const about = async (setup: (api: PluginApi) => unknown) => (await ledger(setup)).faults[0]
    expect(await about(({ on, hooks }) => on(hooks.send, { cmd: 'puback' }, () => []))).toMatchObject({
      plugin: 'p',
      hook: 'send',
      connection: 0,
      packet: { cmd: 'puback', messageId: 7 },
      about: 'reply',
    })
    expect(await about(({ on, hooks }) => on(hooks.packetIn, { cmd: 'publish' }, (packet) => void Object.assign(packet, { topic: 'b' })))).toMatchObject({
      hook: 'packetIn',
      connection: 0,
      packet: { cmd: 'publish', topic: 'a' },
      before: { topic: 'a' },
      after: { topic: 'b' },
    })
    expect(await about(({ on, hooks }) => on(hooks.authorize, { kind: 'subscribe' }, (decision) => ({ ...decision, reasonCode: 0x80 })))).toMatchObject({
      connection: 0,
      packet: { cmd: 'subscribe', messageId: 3 },
      about: 'a',
    })
    expect(await about(({ hooks }) => hooks.session.tap('p', (plan) => ({ ...plan, resume: true, stored: true })))).toMatchObject({
      connection: 0,
      packet: { cmd: 'connect', clientId: 'raw' },
    })
    expect(await about(({ on, hooks }) => on(hooks.route, { topic: 'a' }, () => []))).toMatchObject({ connection: 0, about: 'a' })
    expect(await about(({ on, hooks }) => on(hooks.wire, { direction: 'out' }, () => []))).toMatchObject({ connection: 0, about: 'out', packet: undefined })
    expect(await about(({ hooks, play }) => hooks.connection.tap('p', (connection) => play(connection, [{ packet: { cmd: 'pingresp' } }])))).toMatchObject({
      hook: 'play',
      connection: 0,
      packet: { cmd: 'pingresp' },
    })
  })

  test('can be read whatever is in it, and can be written to a dump', async () => {
    const { lines } = await ledger(({ hooks }) => {
      hooks.connection.tap('p', () => [])
      hooks.send.tap('p', (steps) => [{ until: Promise.resolve() }, { cork: true }, ...steps, { cork: false }])
      hooks.authorize.tap('p', (decision) => ({ ...decision, properties: { correlationData: Buffer.from('x') } }))
    }, 5)
    expect(lines.length).toBeGreaterThan(4)
    for (const line of lines) expect(line).toMatch(/ by p$/)
  })

  test('leaves out what the plugin did not change', async () => {
    const { faults } = await ledger(({ hooks }) => {
      hooks.packetIn.tap('p', (packet) => void packet)
      hooks.authorize.tap('p', (decision) => decision)
      hooks.will.tap('p', (plan) => ({ ...plan }))
    })
    expect(faults).toEqual([])
  })
})

test('several plugins on one packet have a line each, in order', async () => {
  const { server, clock } = await virtualServer({ plugins: [ackDelay({ delay: '200ms' }), closeAfter({ packet: 'puback', how: 'rst' })] })
  const client = connectMemory(server)
  await client.connect()
  client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 7 })
  await clock.advance('1s')
  expect(faultsOf(server).map(describeRecord)).toEqual(['puback 7 delayed 200 ms by ack-delay', 'puback 7 followed by close rst by close-after'])
})

test('the report counts the changes by plugin, hook and packet type', async () => {
  const { server, clock } = await virtualServer({ plugins: [ackDelay({ delay: '200ms' })] })
  const client = connectMemory(server)
  await client.connect()
  const publish = (messageId: number) => ({ cmd: 'publish', topic: 'a', qos: 1, messageId }) as const
  client.send(publish(1), publish(2), { cmd: 'subscribe', messageId: 3, subscriptions: [{ topic: 'b', qos: 0 }] })
  await clock.advance('1s')
  expect(server.report().faults.changes).toEqual([
    { plugin: 'ack-delay', hook: 'send', cmd: 'puback', count: 2 },
    { plugin: 'ack-delay', hook: 'send', cmd: 'suback', count: 1 },
  ])
  await server.reset()
  expect(server.report().faults.changes).toEqual([])
})

test('what a plugin returns is no change where it is what it was asked about, made anew: it has not fired', async () => {
  const copies = definePlugin({
    meta: { name: 'copies' },
    setup: ({ on, hooks }) => {
      on(hooks.send, { cmd: ['suback', 'connack'] }, (steps) => steps.map((step) => ('packet' in step ? { packet: { ...step.packet } } : step)))
      on(hooks.authorize, { kind: 'subscribe' }, (decision) => ({ ...decision }))
      hooks.session.tap('copies', (plan) => ({ ...plan, limits: { ...plan.limits } }))
    },
  })
  const { server } = await virtualServer({ plugins: [copies()] })
  const client = connectMemory(server)
  await client.connect()
  await client.send({ cmd: 'subscribe', messageId: 3, subscriptions: [{ topic: 'a', qos: 1 }] }).next('suback')
  expect(faultsOf(server)).toEqual([])
  expect(server.report().faults.neverFired).toEqual(['copies'])
})
