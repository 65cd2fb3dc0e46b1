/** What `mqtt3-idioms` says about clients, and that they see nothing of it. */
import type { PacketInput, Properties, Server, StartOptions } from 'mqttest'
import { mqtt3Idioms } from 'mqttest/plugins'
import { type ConnectInput, connectMemory, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { idiomNames } from '../../plugins/internal/mqtt3-idioms/rules.ts'
import { overlap } from '../../plugins/internal/mqtt3-idioms/subscribe.ts'
import { memoryServer } from '../support/server.ts'

type Options = Parameters<typeof mqtt3Idioms>[0]
/** What a client sends on one connection. */
interface Script {
  readonly version?: 3 | 4 | 5
  readonly connect?: ConnectInput
  readonly sends?: readonly (PacketInput | string)[]
  /** Says DISCONNECT at the end. */
  readonly leaves?: true | PacketInput
}

const watch = (options: Options = {}, more: StartOptions = {}) => memoryServer({ plugins: [mqtt3Idioms(options)], ...more })

async function play(server: Server, { version = 4, connect = {}, sends = [], leaves }: Script): Promise<RawClient> {
  const client = connectMemory(server, version)
  await client.connect({ clientId: 'dev', ...connect })
  client.send(...sends)
  if (sends.length > 0) await client.settled()
  if (leaves !== undefined) await client.send(leaves === true ? { cmd: 'disconnect' } : leaves).end()
  return client
}

const reported = (server: Server) => server.records({ type: 'violation' }).flatMap((record) => (record.type === 'violation' ? [record.violation] : []))
const rulesOf = (server: Server) => reported(server).flatMap(({ rule }) => (idiomNames.some((name) => name === rule) ? [rule] : []))

/** The rules that one or several connections break. */
async function rulesFor(scripts: Script | readonly Script[], options: Options = {}, more: StartOptions = {}) {
  const server = await watch(options, more)
  for (const script of [scripts].flat()) await play(server, script)
  return rulesOf(server)
}

const v5 = (script: Script = {}): Script => ({ version: 5, ...script })
const publish = (topic: string, payload: string, more: object = {}): PacketInput => ({ cmd: 'publish', topic, payload, ...more })
const subscribe = (topic: string, more: object = {}, properties: Properties = {}): PacketInput => ({
  cmd: 'subscribe',
  messageId: 1,
  subscriptions: [{ topic, qos: 0, ...more }],
  properties,
})
const unsubscribe = (topic: string): PacketInput => ({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: [topic] })
const will = (more: object = {}) => ({ topic: 'status', payload: Buffer.from('offline'), qos: 0 as const, retain: true, ...more })
const expiring = (seconds: number, clean = false): ConnectInput => ({ clean, properties: { sessionExpiryInterval: seconds } })
const long = 'plant/hall-3/line-7/temperature'

/** For each rule: what a client does to be told, and what it may do without. */
const cases: { readonly [rule: string]: { readonly bad: readonly (Script | readonly Script[])[]; readonly good: readonly (Script | readonly Script[])[] } } = {
  'legacy-protocol-level': { bad: [{}], good: [v5()] },
  'connect-mqtt31': { bad: [{ version: 3 }], good: [{}, v5()] },
  'connect-client-id-empty': { bad: [{ connect: { clientId: '' } }], good: [{}, v5({ connect: { clientId: '' } })] },
  'clean-session-purge': {
    bad: [[{ leaves: true }, { connect: { clean: false } }]],
    good: [
      [{ sends: [subscribe('a')], leaves: true }, { connect: { clean: false } }],
      [{ leaves: true }, {}],
      [{ leaves: true }, { connect: { clean: false, clientId: 'another' } }],
      [v5({ leaves: true }), v5({ connect: expiring(60) })],
    ],
  },
  'session-forever': { bad: [{ connect: { clean: false } }], good: [{}, v5({ connect: expiring(60) })] },
  'session-expiry-missing': {
    bad: [v5({ connect: { clean: false } }), v5({ connect: expiring(0) })],
    good: [v5(), v5({ connect: expiring(60) }), { connect: { clean: false } }],
  },
  'session-expiry-infinite': { bad: [v5({ connect: expiring(0xffff_ffff) })], good: [v5({ connect: expiring(0xffff_fffe) })] },
  'status-topic-with-will': {
    bad: [
      { connect: { will: will() }, sends: [publish('status', 'online', { retain: true })] },
      v5({ connect: { will: will() }, sends: [publish('status', 'online', { retain: true })] }),
    ],
    good: [
      { connect: { will: will({ retain: false }) }, sends: [publish('status', 'online', { retain: true })] },
      { connect: { will: will() }, sends: [publish('status', 'online'), publish('other', 'x', { retain: true })] },
      v5({ connect: { will: will({ properties: { willDelayInterval: 5 } }) }, sends: [publish('status', 'online', { retain: true })] }),
      { connect: { will: will() }, sends: [...Array.from({ length: 30 }, () => publish('a', 'x')), publish('status', 'online', { retain: true })] },
    ],
  },
  'offline-message-before-disconnect': {
    bad: [
      { connect: { will: will() }, sends: [publish('status', 'offline')], leaves: true },
      { connect: { will: will() }, sends: [publish('status', 'online'), publish('a', 'x'), publish('status', 'bye')], leaves: true },
      v5({ connect: { will: will() }, sends: [publish('status', 'offline')], leaves: true }),
    ],
    good: [
      { connect: { will: will() }, sends: [publish('status', 'online')], leaves: true },
      { connect: { will: will() }, sends: [publish('status', 'offline'), publish('a', 'x')], leaves: true },
      { connect: { will: will() }, sends: [publish('status', 'offline')] },
      { sends: [publish('status', 'offline')], leaves: true },
      v5({ connect: { will: will() }, sends: [publish('status', 'offline')], leaves: { cmd: 'disconnect', reasonCode: 4 } }),
    ],
  },
  'retained-cleanup': {
    bad: [{ sends: ['1', '', '2', ''].map((payload) => publish('a', payload, { retain: true })) }],
    good: [
      { sends: ['1', '', ''].map((payload) => publish('a', payload, { retain: true })) },
      { sends: ['1', '', '2', ''].map((payload) => publish('a', payload)) },
    ],
  },
  'resend-while-connected': {
    bad: [
      { sends: [publish('a', 'x', { qos: 1, messageId: 1 }), publish('a', 'x', { qos: 1, messageId: 1, dup: true })] },
      { sends: [publish('a', 'x', { qos: 2, messageId: 9 }), { cmd: 'pubrel', messageId: 9 }, { cmd: 'pubrel', messageId: 9 }] },
      v5({ sends: [publish('a', 'x', { qos: 1, messageId: 1, dup: true }), publish('a', 'x', { qos: 1, messageId: 1, dup: true })] }),
    ],
    good: [
      { sends: [publish('a', 'x', { qos: 1, messageId: 1, dup: true }), { cmd: 'pubrel', messageId: 2 }] },
      { sends: [publish('a', 'x', { qos: 1, messageId: 1 }), publish('a', 'x', { qos: 1, messageId: 1 })] },
      { sends: [1, 2].flatMap((): PacketInput[] => [publish('a', 'x', { qos: 2, messageId: 9 }), { cmd: 'pubrel', messageId: 9 }]) },
    ],
  },
  'text-payload-undeclared': {
    bad: [v5({ sends: [publish('a', '{"t": 21}')] })],
    good: [
      { sends: [publish('a', 'text')] },
      v5({
        sends: [
          publish('a', 'text', { properties: { payloadFormatIndicator: true } }),
          publish('a', ''),
          { cmd: 'publish', topic: 'a', payload: Buffer.from([1, 2, 255]) },
        ],
      }),
    ],
  },
  'own-messages-echoed': {
    bad: [{ sends: [subscribe('a/#'), publish('a/b', 'x')] }],
    good: [
      { sends: [subscribe('a/#'), publish('b', 'x')] },
      { sends: [publish('a', 'x'), subscribe('a')] },
      v5({ sends: [subscribe('a', { nl: true }), publish('a', 'x')] }),
    ],
  },
  'bridge-level-bit': { bad: [{ connect: { bridgeMode: true } }], good: [{}] },
  'resubscribe-existing': {
    bad: [
      [
        { connect: { clean: false }, sends: [subscribe('a')], leaves: true },
        { connect: { clean: false }, sends: [subscribe('a')] },
      ],
    ],
    good: [
      [
        { connect: { clean: false }, sends: [subscribe('a')], leaves: true },
        { connect: { clean: false }, sends: [subscribe('b'), subscribe('b')] },
      ],
      [{ sends: [subscribe('a')], leaves: true }, { sends: [subscribe('a')] }],
      [v5({ connect: expiring(60), sends: [subscribe('a')], leaves: true }), v5({ connect: expiring(60), sends: [subscribe('a', { rh: 1 })] })],
      [
        { connect: { clean: false }, sends: [subscribe('a')], leaves: true },
        { connect: { clean: false }, sends: [unsubscribe('a'), subscribe('a')] },
      ],
    ],
  },
  'subscribe-to-poll-retained': {
    bad: [{ sends: [publish('a', 'x', { retain: true }), ...[1, 2].flatMap(() => [subscribe('a'), unsubscribe('a')])] }],
    good: [
      { sends: [1, 2, 3].flatMap(() => [subscribe('a'), unsubscribe('a')]) },
      { sends: [publish('a', 'x', { retain: true }), subscribe('a'), unsubscribe('a')] },
    ],
  },
  'share-extension': {
    bad: [{ sends: [subscribe('$share/g/a')] }, { sends: [subscribe('$queue/a')] }],
    good: [{ sends: [subscribe('shared/a')] }, v5({ sends: [subscribe('$share/g/a')] })],
  },
  'topic-alias-unused': {
    bad: [v5({ sends: Array.from({ length: 10 }, () => publish(long, 'x')) })],
    good: [
      v5({ sends: Array.from({ length: 9 }, () => publish(long, 'x')) }),
      v5({ sends: Array.from({ length: 20 }, () => publish('short', 'x')) }),
      v5({ sends: Array.from({ length: 20 }, (_, index) => publish(index === 0 ? long : '', 'x', { properties: { topicAlias: 1 } })) }),
      { sends: Array.from({ length: 20 }, () => publish(long, 'x')) },
    ],
  },
  'overlapping-filters-without-identifier': {
    bad: [v5({ sends: [subscribe('a/#'), subscribe('a/+/c')] })],
    good: [
      v5({ sends: [subscribe('a/#'), subscribe('b/#')] }),
      v5({ sends: [subscribe('a/#', {}), subscribe('a/#')] }),
      v5({
        sends: [subscribe('a/#', {}, { subscriptionIdentifier: 1 }), subscribe('a/b', {}, { subscriptionIdentifier: 2 })],
      }),
      { sends: [subscribe('a/#'), subscribe('a/b')] },
    ],
  },
}

describe('mqtt3-idioms', () => {
  test('there are cases for every rule', () => {
    expect(Object.keys(cases).sort()).toEqual([...idiomNames].sort())
  })

  for (const rule of idiomNames) {
    const { bad = [], good = [] } = cases[rule] ?? {}
    for (const [index, script] of bad.entries())
      test(`${rule} is reported (${index + 1})`, async () => {
        expect(await rulesFor(script, { rules: [rule] })).toEqual([rule])
      })
    for (const [index, script] of good.entries())
      test(`${rule} is not reported without reason (${index + 1})`, async () => {
        expect(await rulesFor(script, { rules: [rule] })).toEqual([])
      })
  }

  test('by default all are looked for but the two that have to be asked for', async () => {
    const script = v5({ connect: expiring(0xffff_ffff), sends: [publish('a', 'text')] })
    expect(await rulesFor([script, { connect: { clean: false, clientId: 'old' } }])).toEqual(['session-expiry-infinite', 'session-forever'])
  })

  test('also adds rules, except takes rules away, rules names the only ones', async () => {
    const script: Script = { connect: { clean: false }, sends: [subscribe('a'), publish('a', 'x')] }
    expect(await rulesFor(script)).toEqual(['session-forever', 'own-messages-echoed'])
    expect(await rulesFor(script, { also: ['legacy-protocol-level'] })).toEqual(['legacy-protocol-level', 'session-forever', 'own-messages-echoed'])
    expect(await rulesFor(script, { except: 'session-forever' })).toEqual(['own-messages-echoed'])
    expect(await rulesFor(script, { rules: 'session-forever' })).toEqual(['session-forever'])
    expect(await rulesFor(script, { rules: [] })).toEqual([])
  })

  test('a well-behaved client of either version hears nothing', async () => {
    expect(
      await rulesFor([
        { sends: [subscribe('a'), publish('b', 'x')], leaves: true },
        v5({ connect: expiring(60), sends: [subscribe('a'), publish('b', 'x')], leaves: true }),
      ]),
    ).toEqual([])
  })

  test('a rule is reported once on a connection, and again on the next', async () => {
    const sends = [subscribe('a'), publish('a', 'x'), publish('a', 'y'), publish('a', 'z')]
    expect(await rulesFor([{ sends }, { sends }])).toEqual(['own-messages-echoed', 'own-messages-echoed'])
  })

  test('a rule about several connections is reported once for a client', async () => {
    const rounds = [{ leaves: true as const }, { connect: { clean: false }, leaves: true as const }]
    expect(
      await rulesFor(
        [...rounds, ...rounds, ...rounds.map((round) => ({ ...round, connect: { ...('connect' in round ? round.connect : {}), clientId: 'other' } }))],
        { rules: 'clean-session-purge' },
      ),
    ).toEqual(['clean-session-purge', 'clean-session-purge'])
  })

  test('two connections at the same time are told apart', async () => {
    const server = await watch()
    const [one, two] = [connectMemory(server), connectMemory(server)]
    await one.connect({ clientId: 'one' })
    await two.connect({ clientId: 'two' })
    await one.send(subscribe('a')).settled()
    await two.send(publish('a', 'x')).settled()
    expect(rulesOf(server)).toEqual([])
    await one.send(publish('a', 'x')).settled()
    expect(server.records({ type: 'violation' })).toMatchObject([{ connection: 0, violation: { rule: 'own-messages-echoed' } }])
  })

  test('a report says what was seen, what MQTT 5 has, where that stands, and how bad it is', async () => {
    const server = await watch()
    await play(server, v5({ connect: { clean: false }, sends: Array.from({ length: 10 }, () => publish(long, 'x')) }))
    expect(reported(server)).toMatchObject([
      {
        rule: 'session-expiry-missing',
        level: 'warning',
        statements: ['MQTT-3.1.2-23', 'MQTT-4.1.0-2'],
        message:
          'Clean Start 0 without a session expiry interval: the session ends with the connection. MQTT 5 has no session beyond the connection without a session expiry interval above 0 (section 3.1.2.11.2)',
      },
      {
        rule: 'topic-alias-unused',
        level: 'info',
        message: expect.stringContaining(`${long} was sent in full 10 times: ${9 * (long.length - 3)} bytes too many so far`),
      },
    ])
  })

  test('topic aliases are not recommended where the server has none', async () => {
    expect(await rulesFor(v5({ sends: Array.from({ length: 20 }, () => publish(long, 'x')) }), {}, { broker: { topicAliasMaximum: 0 } })).toEqual([])
  })

  test('subscription identifiers are not recommended where the server has none', async () => {
    expect(await rulesFor(v5({ sends: [subscribe('a/#'), subscribe('a/b')] }), {}, { broker: { subscriptionIdentifiersAvailable: false } })).toEqual([])
  })

  test('clients see nothing of it: the bytes are those of a server without it', async () => {
    const bytes = async (server: Server) => {
      const parts = []
      for (const script of Object.values(cases).flatMap(({ bad }) => bad.flat())) parts.push(...(await play(server, script)).chunks)
      return Buffer.concat(parts).toString('hex')
    }
    expect(await bytes(await watch({ also: ['legacy-protocol-level', 'text-payload-undeclared'] }))).toBe(await bytes(await memoryServer()))
  })

  test('it sees what the client sent also where another plugin answers', async () => {
    const server = await memoryServer({ plugins: [['close-after', { packet: 'publish', when: 'before' }], mqtt3Idioms()] })
    const client = connectMemory(server)
    await client.connect()
    await client.send(subscribe('a')).next('suback')
    await client.send(publish('a', 'x')).end()
    expect(rulesOf(server)).toEqual(['own-messages-echoed'])
  })

  test('lint: fail fails the run for warnings, not for advice', async () => {
    const calm = await watch({}, { lint: 'fail' })
    await play(calm, { connect: { clean: false } })
    await calm.stop()
    const strict = await watch({}, { lint: 'fail' })
    await play(strict, { version: 3 })
    await expect(strict.stop()).rejects.toThrow(/connect-mqtt31/)
  })

  test('what it remembers stays in bounds: topics, filters, clients', async () => {
    const server = await watch()
    const client = connectMemory(server, 5)
    await client.connect()
    for (let index = 0; index < 2000; index++) client.send(publish(`${long}/${index}`, 'x', { retain: true }), subscribe(`f/${index}`))
    await client.settled()
    for (let index = 0; index < 1100; index++) await connectMemory(server).connect({ clientId: `client-${index}` })
    expect(rulesOf(server)).toEqual([])
  })

  test('the call that use() returns takes it off', async () => {
    const server = await memoryServer()
    const off = server.use(mqtt3Idioms())
    await play(server, { connect: { clean: false } })
    off()
    await play(server, { connect: { clean: false, clientId: 'later' } })
    expect(rulesOf(server)).toEqual(['session-forever'])
  })

  test('mistakes in its options are told at once', () => {
    expect(() => mqtt3Idioms.create({ rule: [] })).toThrow("unknown option 'rule'. Did you mean 'rules'?")
    expect(() => mqtt3Idioms.create({ except: ['session-for-ever'] })).toThrow(/option 'except'.*Did you mean 'session-forever'\?/)
    expect(() => mqtt3Idioms.create({ also: true })).toThrow(/option 'also': expected a list/)
  })
})

describe('overlap', () => {
  test.each([
    ['a/#', 'a/b', true],
    ['a/#', 'a', true],
    ['+/b', 'a/+', true],
    ['#', 'a', true],
    ['#', '+/+', true],
    ['a/+', 'a', false],
    ['a/b', 'a/c', false],
    ['+', 'a/b', false],
    ['#', '$SYS/#', false],
    ['$SYS/#', '$SYS/a', true],
    ['a', 'a', false],
    ['$share/g/a', 'a', false],
  ])('%s and %s: %s', (one, other, expected) => {
    expect(overlap(one, other)).toBe(expected)
    expect(overlap(other, one)).toBe(expected)
  })
})
