/** What the core has for plugins that set limits: sizes, keep-alive, QoS, what is unanswered, and faults that are tolerated. */
import { type AuthorizeRequest, type Connection, type Decision, definePlugin, endConnection, fillTemplate, filterCovers, option, type PluginApi } from 'mqttest'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { virtualServer } from '../support/server.ts'

/** A plugin that decides on requests. */
const deciding = (decide: (decision: Decision, request: AuthorizeRequest, connection: Connection) => Decision | undefined) =>
  definePlugin({ meta: { name: 'deciding' }, setup: ({ hooks }) => hooks.authorize.tap('deciding', decide) })

/** A plugin made of its setup alone. */
const plugin = (setup: (api: PluginApi) => void) => definePlugin({ meta: { name: 'limiting' }, setup })

test('a request says how long its packet was on the wire', async () => {
  const sizes: [string, number][] = []
  const { server } = await virtualServer({ plugins: [deciding((_decision, { kind, size }) => void sizes.push([kind, size]))] })
  const client = connectMemory(server)
  await client.connect({ clientId: 'abc' })
  client.send('30 05 0001 61 0102', '82 06 0001 0001 61 00', 'a2 85 00 0001 0001 61')
  await client.settled()
  expect(sizes).toEqual([
    ['connect', 17],
    ['publish', 7],
    ['subscribe', 8],
    ['unsubscribe', 8],
  ])
})

describe.each([4, 5] as const)('at level %i', (version) => {
  test('a decision on CONNECT says which keep-alive is enforced, told or not', async () => {
    const { server, clock } = await virtualServer({
      plugins: [deciding((decision, { kind }) => (kind === 'connect' ? { ...decision, keepAlive: 2 } : undefined))],
    })
    const client = connectMemory(server, version)
    expect((await client.connect({ keepalive: 60 })).properties?.serverKeepAlive).toBeUndefined()
    await clock.advance(2999)
    expect(client.ended).toBeUndefined()
    await clock.advance(1)
    expect(client.ended).toBe('fin')
  })

  test('a decision on PUBLISH lowers the QoS of the message, not of its acknowledgement', async () => {
    const { server } = await virtualServer({ plugins: [deciding((decision, { kind }) => (kind === 'publish' ? { ...decision, maximumQos: 0 } : undefined))] })
    const client = connectMemory(server, version)
    await client.connect()
    await client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 2 }] }).next('suback')
    client.send({ cmd: 'publish', topic: 'a', qos: 2, messageId: 2, retain: true, payload: 'x' })
    expect(await client.next('publish')).toMatchObject({ qos: 0 })
    await client.next('pubrec')
    expect(server.retained).toMatchObject([{ topic: 'a', qos: 0 }])
  })

  test('messages that are not answered are counted, however late a plugin answers them', async () => {
    const seen: number[] = []
    const { server, clock } = await virtualServer({
      plugins: [deciding((_decision, { kind }, connection) => void (kind === 'publish' && seen.push(connection.unanswered))), ['ack-delay', { delay: 100 }]],
    })
    const client = connectMemory(server, version)
    await client.connect()
    client.send(...[1, 2, 3].map((messageId) => ({ cmd: 'publish', topic: 'a', qos: 1, messageId }) as const), { cmd: 'publish', topic: 'a' })
    await clock.advance(100)
    client.send({ cmd: 'publish', topic: 'a', qos: 2, messageId: 4 })
    await clock.advance(0)
    expect(seen).toEqual([1, 2, 3, 3, 1])
  })
})

test('messages that wait behind the one that is handled do not count yet', async () => {
  const seen: number[] = []
  const { server, clock } = await virtualServer({
    plugins: [
      plugin(({ hooks, on }) => on(hooks.packetIn, { cmd: 'publish', nth: 1 }, () => [{ wait: 50 }, { pass: true }])),
      deciding((_decision, { kind }, connection) => void (kind === 'publish' && seen.push(connection.unanswered))),
    ],
  })
  const client = connectMemory(server)
  await client.connect()
  client.send(...[1, 2, 3].map((messageId) => ({ cmd: 'publish', topic: 'a', qos: 1, messageId }) as const))
  await clock.advance(50)
  expect(seen).toEqual([1, 1, 1])
})

test('limitPackets refuses packets of one type by their header, before the rest came', async () => {
  const { server } = await virtualServer({
    plugins: [plugin(({ hooks }) => hooks.session.tap('limit', (_plan, _packet, connection) => void connection.limitPackets(10, ['publish'])))],
  })
  const client = connectMemory(server, 5)
  await client.connect()
  client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'longer than ten bytes', qos: 0 }] }, '30 08 0001 61 00 01020304')
  await client.settled()
  client.send('30 09')
  expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x95 })
  expect(server.report().violations).toMatchObject([{ rule: 'packet-too-large', count: 1 }])
})

test('a PUBLISH to a wildcard is handled like any other where the violation is tolerated', async () => {
  const { server } = await virtualServer({ plugins: [plugin(({ hooks, on }) => on(hooks.violation, { kind: 'publish-topic-wildcard' }, () => 'ignore'))] })
  const client = connectMemory(server, 5)
  await client.connect()
  expect(await client.send({ cmd: 'publish', topic: 'a/#', qos: 1, messageId: 1 }).next('puback')).toMatchObject({ reasonCode: 0x10 })
})

test('text that is none is taken where the violation is tolerated', async () => {
  const { server } = await virtualServer({ plugins: [plugin(({ hooks, on }) => on(hooks.violation, { kind: 'payload-format-mismatch' }, () => 'ignore'))] })
  const client = connectMemory(server, 5)
  await client.connect()
  client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 1, payload: { hex: 'ff' }, properties: { payloadFormatIndicator: true } })
  expect(await client.next('puback')).toMatchObject({ reasonCode: 0x10 })
})

describe('endConnection', () => {
  test.each([
    ['allow', 5, ''],
    ['accept', 5, ''],
    ['ignore', 4, ''],
    ['close', 5, 'fin'],
    ['reset', 4, 'rst'],
    ['quota-exceeded', 5, 'disconnect 151, fin'],
    ['quota-exceeded', 4, 'fin'],
    [{ disconnect: 0xa0 }, 5, 'disconnect 160, fin'],
    [{ v3: 'allow', v5: { answer: 'accept', disconnect: 0x80 } }, 5, 'disconnect 128, fin'],
    [{ v3: 'allow', v5: { disconnect: 0x80 } }, 4, ''],
  ] as const)('%j to level %i: %s', async (answer, version, expected) => {
    const answers = option.answer('what a client gets', 'allow').read(answer)?.value
    const { server, clock } = await virtualServer()
    const client = connectMemory(server, version)
    await client.connect()
    const [connection] = server.connections
    if (connection !== undefined && answers !== undefined) expect(endConnection(connection, answers, 'why')).toBe(expected !== '')
    await clock.advance(0)
    const said = client.received.slice(1).map((packet) => `${packet.cmd} ${'reasonCode' in packet ? packet.reasonCode : ''}`)
    expect([...said, ...(client.ended === undefined ? [] : [client.ended])].join(', ')).toBe(expected)
    if (expected !== '') expect(connection?.ended).toMatchObject({ reason: 'why', by: 'server' })
  })
})

test.each([
  ['a/#', 'a', true],
  ['a/#', 'a/+/b', true],
  ['a/#', 'a/#', true],
  ['a/+', 'a/b', true],
  ['a/+', 'a/+', true],
  ['a/+', 'a/#', false],
  ['a/+', 'a/b/c', false],
  ['a/b', 'a/+', false],
  ['#', 'a/b', true],
  ['#', '$SYS/#', false],
  ['+/b', '$SYS/b', false],
  ['$SYS/#', '$SYS/a', true],
  ['a/+/#', 'a', false],
  ['a/+/#', 'a/b', true],
] as const)('filter %s covers %s: %s', (filter, other, expected) => {
  expect(filterCovers(filter, other)).toBe(expected)
})

test('fillTemplate puts client id and user name in', async () => {
  const { server } = await virtualServer()
  await connectMemory(server).connect({ clientId: 'c$1', username: 'joe' })
  const [connection] = server.connections
  if (connection === undefined) throw new Error('nobody is connected')
  expect(fillTemplate('a/{clientId}/{username}/{clientId}/{other}', connection)).toBe('a/c$1/joe/c$1/{other}')
})
