/** What a client sees of a plan: each kind of step, plans beside one another, and plans that are cut short. */
import { type Connection, definePlugin, type Filter, type PluginApi, type PluginFactory, type Server, type StepInput } from 'mqttest'
import { connectMemory, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { virtualServer } from '../support/server.ts'

const ping = { packet: { cmd: 'pingresp' } } as const
const publish = (topic: string): StepInput => ({ packet: { cmd: 'publish', topic } })

/** A plugin that puts a plan in place of what the server sends. */
const instead = (filter: Filter, plan: (steps: readonly StepInput[]) => readonly StepInput[]) =>
  definePlugin({ meta: { name: 'instead' }, setup: ({ hooks, on }: PluginApi) => on(hooks.send, filter, (steps) => plan(steps)) })

/** A server on virtual time, a connected client, and its connection. */
async function connected(options: Parameters<typeof virtualServer>[0] = {}) {
  const { server, clock } = await virtualServer(options)
  const client = connectMemory(server)
  await client.connect()
  return { server, clock, client, connection: await server.connection() }
}

/** What a client has received since CONNACK, in short. */
const names = (client: RawClient) =>
  client.received.slice(1).map((packet) => (packet.cmd === 'publish' ? packet.topic : 'messageId' in packet ? `${packet.cmd} ${packet.messageId}` : packet.cmd))

describe('a step', () => {
  test('{ packet } sends a packet', async () => {
    const { client, connection } = await connected()
    await connection.play([publish('a')])
    expect(await client.next('publish')).toMatchObject({ topic: 'a', qos: 0, dup: false, retain: false })
  })

  test('{ packet } may hold frozen lists, which stay as they are', async () => {
    const { client, connection } = await connected()
    const granted = Object.freeze([0, 0x80])
    const plan = [{ packet: { cmd: 'suback', messageId: 7, granted } }] as const
    await connection.play(Object.freeze(plan))
    await connection.play(plan)
    expect(await client.next('suback')).toMatchObject({ messageId: 7, granted: [0, 0x80] })
    expect(await client.next('suback')).toMatchObject({ messageId: 7, granted: [0, 0x80] })
  })

  test('{ raw } sends bytes as they are, as hex or as a buffer', async () => {
    const { client, connection, clock } = await connected()
    await connection.play([{ raw: 'd0 00' }, { raw: Buffer.from([0xf0]) }, { raw: new Uint8Array([0x00]) }])
    await clock.advance(0)
    expect(Buffer.concat(client.chunks.slice(1)).toString('hex')).toBe('d000f000')
  })

  test('{ wait } lets time pass first', async () => {
    const { client, connection, clock } = await connected()
    const played = connection.play([publish('now'), { wait: '1s' }, publish('later')])
    await clock.advance(999)
    expect(names(client)).toEqual(['now'])
    await clock.advance(1)
    expect(names(client)).toEqual(['now', 'later'])
    await played
  })

  test('{ wait: 0 } does not put anything off', async () => {
    const { client, connection, clock } = await connected()
    void connection.play([publish('a'), { wait: 0 }, publish('b')])
    void connection.play([publish('c')])
    await clock.advance(0)
    expect(names(client)).toEqual(['a', 'b', 'c'])
  })

  test('{ latency } in a plan of packets waits', async () => {
    const { client, connection, clock } = await connected()
    void connection.play([{ latency: 50 }, publish('a')])
    await clock.advance(49)
    expect(names(client)).toEqual([])
    await clock.advance(1)
    expect(names(client)).toEqual(['a'])
  })

  test('{ until } waits for a signal by name', async () => {
    const { client, connection, clock } = await connected()
    void connection.play([{ until: 'go' }, publish('a')])
    connection.signal('stop')
    await clock.advance('1h')
    expect(names(client)).toEqual([])
    connection.signal('go')
    await clock.advance(0)
    expect(names(client)).toEqual(['a'])
  })

  test("{ until } waits for the client's next packet of a type", async () => {
    const { client, connection } = await connected()
    void connection.play([{ until: 'subscribe' }, publish('seen')])
    await client.settled()
    expect(names(client)).toEqual(['pingresp'])
    client.send({ cmd: 'subscribe', messageId: 3, subscriptions: [{ topic: 't', qos: 0 }] })
    await client.next('suback')
    expect(names(client)).toEqual(['pingresp', 'seen', 'suback 3'])
  })

  test.each([
    ['is fulfilled', () => Promise.resolve()],
    ['is rejected', () => Promise.reject(new Error('no matter'))],
  ])('{ until } waits for a promise that %s', async (_how, make) => {
    const { client, connection } = await connected()
    await connection.play([{ until: make() }, publish('a')])
    await client.next('publish')
  })

  test('{ until } calls a function when the plan has come so far, and waits for what it promises', async () => {
    const { client, connection } = await connected()
    const seen: string[] = []
    let finish: () => void = () => undefined
    const slow = () => new Promise<void>((resolve) => (finish = resolve))
    void connection.play([{ until: () => seen.push(...names(client)) }, publish('a'), { until: slow }, publish('b')])
    await client.settled()
    expect([seen, names(client)]).toEqual([[], ['a', 'pingresp']])
    finish()
    await client.next('publish', { topic: 'b' })
  })

  test('{ until } with a function that fails ends the plan, and the failure is that of the plugin', async () => {
    const failing = definePlugin({
      meta: { name: 'failing' },
      setup: ({ hooks, on }) =>
        on(hooks.send, { cmd: 'puback' }, (steps) => [
          ...steps,
          {
            until: () => {
              throw new Error('no idea')
            },
          },
          ...steps,
        ]),
    })
    const { server, client } = await connected({ plugins: [failing], onPluginError: 'warn' })
    await client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 1 }).settled()
    expect(names(client)).toEqual(['puback 1', 'pingresp'])
    expect((await server.stop()).pluginErrors).toEqual(["plugin 'failing' failed in hook send on connection 0: no idea"])
  })

  test('{ until } with a function that closes the connection ends there', async () => {
    const { client, connection } = await connected()
    await connection.play([publish('a'), { until: () => connection.close() }, publish('b')])
    await client.end()
    expect(names(client)).toEqual(['a'])
  })

  test("{ close: 'fin' } ends the connection after what was sent; what stands behind it is not carried out", async () => {
    const { client, connection, server } = await connected()
    await connection.play([publish('last'), { close: 'fin' }, publish('never')])
    expect(await client.end()).toBe('fin')
    expect(names(client)).toEqual(['last'])
    expect(connection.ended).toMatchObject({ by: 'server', how: 'fin' })
    await server.stop()
  })

  test("{ close: 'rst' } resets", async () => {
    const { client, connection } = await connected()
    await connection.play([{ close: 'rst' }])
    expect(await client.end()).toBe('rst')
    expect(connection.ended).toMatchObject({ by: 'server', how: 'rst' })
  })

  test("{ close: 'stall' } leaves a link on which nothing moves, until resume()", async () => {
    const { client, connection, clock } = await connected()
    await connection.play([{ close: 'stall' }])
    client.send({ cmd: 'pingreq' }, { cmd: 'pingreq' })
    await clock.advance('1h')
    expect(names(client)).toEqual([])
    expect(client.ended).toBeUndefined()
    expect(connection.closed).toBe(false)
    connection.resume()
    await clock.advance(0)
    expect(names(client)).toEqual(['pingresp', 'pingresp'])
  })

  test('{ cork } gathers what follows into one write', async () => {
    const { client, connection, clock } = await connected()
    const before = client.chunks.length
    void connection.play([{ cork: true }, publish('a'), { wait: 10 }, publish('b'), { raw: 'd000' }, { cork: false }, { wait: 10 }, publish('c')])
    await clock.advance(9)
    expect(names(client)).toEqual([])
    await clock.advance(1)
    expect(client.chunks.length - before).toBe(1)
    expect(names(client)).toEqual(['a', 'b', 'pingresp'])
    await clock.advance(10)
    expect(client.chunks.length - before).toBe(2)
  })

  test('{ cork } lasts to the end of the plan, or to its close', async () => {
    const { client, connection } = await connected()
    const before = client.chunks.length
    await connection.play([{ cork: true }, publish('a'), publish('b'), { close: 'fin' }])
    await client.end()
    expect(names(client)).toEqual(['a', 'b'])
    expect(client.chunks.length - before).toBe(1)
  })

  test('{ pass } lets the broker answer in the middle of a plan', async () => {
    const { server, clock } = await virtualServer()
    server.use(
      definePlugin({
        meta: { name: 'slow' },
        setup: ({ hooks, on }) => on(hooks.packetIn, { cmd: 'pingreq' }, () => [publish('before'), { wait: 100 }, { pass: true }, publish('after')]),
      })(),
    )
    const client = connectMemory(server)
    await client.connect()
    client.send({ cmd: 'pingreq' }, { cmd: 'publish', topic: 'x', qos: 1, messageId: 1 })
    await clock.advance(99)
    expect(names(client)).toEqual(['before'])
    await clock.advance(1)
    expect(names(client)).toEqual(['before', 'pingresp', 'after', 'puback 1'])
  })
})

describe('plans beside one another', () => {
  test('overlap: an answer that is late does not hold back the others', async () => {
    const delays = [100, 50, 0]
    const { client, clock } = await connected({ plugins: [instead({ cmd: 'puback' }, (steps) => [{ wait: delays.shift() ?? 0 }, ...steps])] })
    for (const messageId of [1, 2, 3]) client.send({ cmd: 'publish', topic: 't', qos: 1, messageId })
    await clock.advance(100)
    expect(names(client)).toEqual(['puback 3', 'puback 2', 'puback 1'])
  })

  test('that fall due together come in the order in which they began', async () => {
    const { client, clock } = await connected({ plugins: [instead({ cmd: 'puback' }, (steps) => [{ wait: 50 }, ...steps])] })
    for (const messageId of [5, 3, 4]) client.send({ cmd: 'publish', topic: 't', qos: 1, messageId })
    await clock.advance(50)
    expect(names(client)).toEqual(['puback 5', 'puback 3', 'puback 4'])
  })

  test('are held back by one that blocks, and leave in their order when it ends', async () => {
    const { client, clock } = await connected({ plugins: [instead({ cmd: 'puback', nth: 1 }, (steps) => [{ wait: 100, block: true }, ...steps])] })
    client.send({ cmd: 'publish', topic: 't', qos: 1, messageId: 1 }, { cmd: 'pingreq' }, { cmd: 'publish', topic: 't', qos: 1, messageId: 2 })
    await clock.advance(99)
    expect(names(client)).toEqual([])
    await clock.advance(1)
    expect(names(client)).toEqual(['puback 1', 'pingresp', 'puback 2'])
  })

  test('that block after one another block one another', async () => {
    const { client, clock } = await connected({ plugins: [instead({ cmd: 'puback' }, (steps) => [{ wait: 100, block: true }, ...steps])] })
    client.send({ cmd: 'publish', topic: 't', qos: 1, messageId: 1 }, { cmd: 'publish', topic: 't', qos: 1, messageId: 2 }, { cmd: 'pingreq' })
    await clock.advance(1000)
    expect(names(client)).toEqual(['puback 1', 'puback 2', 'pingresp'])
  })

  test('that are corked are held back as well, and leave in one write when the block ends', async () => {
    const { client, connection, clock } = await connected()
    const before = client.chunks.length
    void connection.play([{ cork: true }, publish('a'), { wait: 10 }, publish('b')])
    void connection.play([{ wait: 5 }, { wait: 100, block: true }, publish('block')])
    void connection.play([{ wait: 20 }, publish('c')])
    await clock.advance(104)
    expect(names(client)).toEqual([])
    expect(connection.packets({ dir: 'out', cmd: 'publish' })).toEqual([])
    await clock.advance(1)
    expect(names(client)).toEqual(['block', 'a', 'b', 'c'])
    expect(client.chunks.slice(before)).toHaveLength(3)
  })

  test('that are corked and block leave when they are done, the others behind them', async () => {
    const { client, connection, clock } = await connected()
    const before = client.chunks.length
    void connection.play([{ cork: true }, publish('a'), { wait: 100, block: true }, publish('b')])
    void connection.play([{ wait: 10 }, publish('c')])
    await clock.advance(99)
    expect(names(client)).toEqual([])
    await clock.advance(1)
    expect(names(client)).toEqual(['a', 'b', 'c'])
    expect(client.chunks.slice(before)).toHaveLength(2)
  })

  test('that are corked are on record when they leave: in the order of the wire, and not at all where they never do', async () => {
    const { client, connection, clock } = await connected()
    void connection.play([{ cork: true }, publish('late'), { wait: 10 }])
    void connection.play([publish('early')])
    void connection.play([{ cork: true }, publish('never'), { wait: '1h' }])
    await clock.advance(10)
    expect(names(client)).toEqual(['early', 'late'])
    connection.close()
    expect(connection.packets({ dir: 'out', cmd: 'publish' })).toMatchObject([{ topic: 'early' }, { topic: 'late' }])
    expect(connection.counts[16 + 3]).toBe(2)
  })

  test('on another connection go on while one blocks', async () => {
    const { server, clock } = await connected({
      plugins: [[instead({ cmd: 'pingresp' }, (steps) => [{ wait: 100, block: true }, ...steps])(), { clientId: 'slow' }]],
    })
    const [slow, fast] = [connectMemory(server), connectMemory(server)]
    await slow.connect({ clientId: 'slow' })
    await fast.connect({ clientId: 'fast' })
    slow.send({ cmd: 'pingreq' })
    await fast.settled()
    expect(names(slow)).toEqual([])
    await clock.advance(100)
    expect(names(slow)).toEqual(['pingresp'])
  })
})

describe('a plan that is still waiting', () => {
  const waits: [string, StepInput][] = [
    ['for time', { wait: '1h' }],
    ['for time, and blocks', { wait: '1h', block: true }],
    ['for a signal', { until: 'never' }],
    ['for a promise', { until: new Promise(() => undefined) }],
  ]

  test.each(waits)('%s leaves nothing behind when the client goes', async (_what, step) => {
    const { client, connection, clock } = await connected()
    const played = connection.play([step, ping])
    expect(connection.pendingPlans).toBe(1)
    client.close()
    await played
    expect(connection.pendingPlans).toBe(0)
    await clock.advance('3s')
    expect(clock.pending).toBe(0)
  })

  test.each(waits)('%s is dropped when the server stops', async (_what, step) => {
    const { client, connection, server, clock } = await connected()
    const played = connection.play([step, ping])
    await server.stop()
    await played
    expect(names(client)).toEqual([])
    expect(clock.pending).toBe(0)
  })

  test('may be cut short by another plan that closes', async () => {
    const { client, connection, clock } = await connected()
    const waiting = connection.play([{ wait: 50 }, publish('never')])
    void connection.play([{ wait: 10 }, publish('last'), { close: 'fin' }])
    await clock.advance(100)
    await waiting
    expect(names(client)).toEqual(['last'])
  })
})

describe('the connection hook', () => {
  const greet = (plan: readonly StepInput[] | ((connection: Connection) => readonly StepInput[])) =>
    definePlugin({
      meta: { name: 'greet' },
      setup: ({ hooks }) => hooks.connection.tap('x', (connection) => (typeof plan === 'function' ? plan(connection) : plan)),
    })
  const open = async (server: Server) => connectMemory(server).sendConnect()

  test('lets a server talk before it reads', async () => {
    const { server, clock } = await virtualServer({ plugins: [greet([{ raw: 'd000' }, { wait: 100 }])] })
    const client = await open(server)
    await clock.advance(99)
    expect(client.received.map((packet) => packet.cmd)).toEqual(['pingresp'])
    await clock.advance(1)
    expect(client.received.map((packet) => packet.cmd)).toEqual(['pingresp', 'connack'])
  })

  test.each(['fin', 'rst'] as const)('closes a connection at once with %s', async (how) => {
    const { server } = await virtualServer({ plugins: [greet([{ close: how }])] })
    const client = await open(server)
    expect(await client.end()).toBe(how)
    expect(client.received).toEqual([])
  })

  test('leaves a client hanging that nobody answers, past the connect timeout', async () => {
    const { server, clock } = await virtualServer({ plugins: [greet([{ close: 'stall' }])] })
    const client = await open(server)
    await clock.advance('5m')
    expect(client.received).toEqual([])
    expect(client.ended).toBeUndefined()
  })
})

describe('a plan for the last packet of the server', () => {
  const late: readonly StepInput[] = [{ wait: '1s' }]
  const goodbye: Filter = { cmd: 'disconnect' }

  /** A plugin that refuses every CONNECT. */
  const refuse = definePlugin({
    meta: { name: 'refuse' },
    setup: ({ hooks, on }) => on(hooks.authorize, { kind: 'connect' }, () => ({ reasonCode: 0x87 })),
  })

  test('puts off the close behind a DISCONNECT', async () => {
    const { client, connection, clock } = await connected5([instead(goodbye, (steps) => [...late, ...steps])])
    connection.disconnect(0x98, 'enough')
    await clock.advance(999)
    expect(names(client)).toEqual([])
    expect(client.ended).toBeUndefined()
    await clock.advance(1)
    expect(await client.end()).toBe('fin')
    expect(client.received.slice(1)).toEqual([{ cmd: 'disconnect', reasonCode: 0x98 }])
    expect(connection.ended).toMatchObject({ by: 'server', how: 'fin', reason: 'enough', reasonCode: 0x98 })
  })

  test('puts off the close that follows DISCONNECT', async () => {
    const { client, connection, clock } = await connected5([instead(goodbye, (steps) => [...steps, ...late])])
    connection.disconnect(0x98, 'enough')
    await client.next('disconnect')
    await clock.advance(999)
    expect(client.ended).toBeUndefined()
    await clock.advance(1)
    expect(await client.end()).toBe('fin')
  })

  test.each([4, 5] as const)('puts off the close behind a CONNACK that refuses, for level %i', async (version) => {
    const { server, clock } = await virtualServer({ plugins: [refuse, instead({ cmd: 'connack' }, (steps) => [...late, ...steps])] })
    const client = connectMemory(server, version).sendConnect()
    await clock.advance(999)
    expect(client.received).toEqual([])
    expect(client.ended).toBeUndefined()
    await clock.advance(1)
    expect(await client.end()).toBe('fin')
    expect(client.received).toMatchObject([version === 5 ? { reasonCode: 0x87 } : { returnCode: 5 }])
  })

  test.each(['fin', 'rst'] as const)('says how the connection is closed: %s', async (how) => {
    const { client, connection } = await connected5([instead(goodbye, (steps) => [...steps, { close: how }])])
    connection.disconnect(0x98, 'enough')
    expect(await client.end()).toBe(how)
    expect(connection.ended).toMatchObject({ by: 'server', how, reasonCode: 0x98 })
  })

  test('may leave the link dead in place of its close', async () => {
    const { client, connection, clock } = await connected5([instead(goodbye, (steps) => [...steps, { close: 'stall' }])])
    connection.disconnect(0x98, 'enough')
    await clock.advance('1h')
    expect(client.received.slice(1)).toMatchObject([{ reasonCode: 0x98 }])
    expect(client.ended).toBeUndefined()
  })

  test('closes at once where it is empty', async () => {
    const { client, connection } = await connected5([instead(goodbye, () => [])])
    connection.disconnect(0x98, 'enough')
    expect(await client.end()).toBe('fin')
    expect(names(client)).toEqual([])
  })

  test('is the end for the client: what it says meanwhile is not handled, and nothing is delivered', async () => {
    const { server, client, connection, clock } = await connected5([instead(goodbye, (steps) => [...late, ...steps])])
    await client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 't', qos: 1 }] }).next('suback')
    connection.disconnect(0x98, 'enough')
    client.send({ cmd: 'pingreq' }, { cmd: 'publish', topic: 'kept', retain: true })
    server.publish({ topic: 't', qos: 1 })
    await clock.advance('1s')
    await client.end()
    expect(names(client)).toEqual(['suback 1', 'disconnect'])
    expect(server.retained).toEqual([])
  })

  test('does not keep its session from being taken over, nor its will from being published', async () => {
    const { server, clock } = await virtualServer({ plugins: [instead(goodbye, (steps) => [...late, ...steps])] })
    const watcher = connectMemory(server, 5)
    const first = connectMemory(server, 5)
    const second = connectMemory(server, 5)
    await watcher.connect({ clientId: 'watcher' })
    await watcher.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'will', qos: 0 }] }).next('suback')
    await first.connect({
      clientId: 'me',
      clean: false,
      will: { topic: 'will', payload: Buffer.from('gone'), qos: 0, retain: false },
      properties: { sessionExpiryInterval: 60 },
    })
    await second.connect({ clientId: 'me', clean: false, properties: { sessionExpiryInterval: 60 } })
    await clock.advance('1s')
    expect(await first.end()).toBe('fin')
    expect(first.received.slice(1)).toMatchObject([{ cmd: 'disconnect', reasonCode: 0x8e }])
    expect(second.received).toMatchObject([{ cmd: 'connack', sessionPresent: true }])
    expect(names(watcher)).toEqual(['suback 1', 'will'])
    expect(server.sessions.map(({ clientId, connection }) => [clientId, connection?.number])).toEqual([
      ['watcher', 0],
      ['me', 2],
    ])
    await second.settled()
  })

  test('does not keep the server from stopping', async () => {
    const { server, client } = await connected5([instead(goodbye, (steps) => [{ wait: '1h' }, ...steps])])
    await server.stop()
    expect(await client.end()).toBe('fin')
    expect(names(client)).toEqual([])
  })

  test('is dropped when the client goes first', async () => {
    const { client, connection, clock } = await connected5([instead(goodbye, (steps) => [{ wait: '1h' }, ...steps])])
    connection.disconnect(0x98, 'enough')
    client.reset()
    await clock.advance(0)
    expect(connection.ended).toMatchObject({ by: 'client', how: 'rst' })
  })

  async function connected5(plugins: readonly PluginFactory[]) {
    const { server, clock } = await virtualServer({ plugins: [plugins] })
    const client = connectMemory(server, 5)
    await client.connect()
    const connection = await server.connection()
    return { server, clock, client, connection }
  }
})
