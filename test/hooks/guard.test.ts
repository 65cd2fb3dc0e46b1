/** What stands between a plugin's tap and the core: gate, check, attribution, ledger. */
import {
  type Connection,
  definePlugin,
  type FaultRecord,
  MqttestError,
  type PluginApi,
  PluginError,
  perConnection,
  RunFailedError,
  type Scope,
  type Server,
} from 'mqttest'
import { connectMemory, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { memoryServer, virtualServer } from '../support/server.ts'

/** A plugin made of its setup alone. */
const plugin = (name: string, setup: (api: PluginApi) => void) => definePlugin({ meta: { name }, setup })

/** A plugin that answers PINGREQ with two PINGRESP. */
const doublePing = (name = 'double-ping') =>
  plugin(name, ({ hooks, on }) => on(hooks.send, { cmd: 'pingresp' }, (steps) => [...steps, { packet: { cmd: 'pingresp' } }]))

/** How many PINGRESP a client gets for one PINGREQ; QoS 1 to nobody marks the end. */
async function pings(client: RawClient): Promise<number> {
  const before = client.received.filter((packet) => packet.cmd === 'pingresp').length
  client.send({ cmd: 'pingreq' }, { cmd: 'publish', topic: 'mark', qos: 1, messageId: 1 })
  await client.next('puback')
  return client.received.filter((packet) => packet.cmd === 'pingresp').length - before
}

/** Connects so many clients, one after the other, and tells for each whether the plugin acted on it. */
async function actedOn(server: Server, clientIds: readonly string[]): Promise<boolean[]> {
  const acted: boolean[] = []
  for (const clientId of clientIds) {
    const client = connectMemory(server)
    await client.connect({ clientId, username: `user-${clientId}` })
    acted.push((await pings(client)) === 2)
  }
  return acted
}

/** The reason for which a run failed. */
async function failureOf(server: Server): Promise<RunFailedError> {
  const error: unknown = await server.stop().then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof RunFailedError)) throw new Error(`the run did not fail: ${String(error)}`)
  return error
}

function pluginErrorOf(failure: RunFailedError): PluginError {
  const [first] = failure.errors
  if (!(first instanceof PluginError)) throw new Error(`not a plugin's failure: ${String(first)}`)
  return first
}

const faultsOf = (server: Server) => server.records({ type: 'fault' }).filter((record): record is FaultRecord => record.type === 'fault')

describe('the scope of a plugin', () => {
  const ids = ['dev-0', 'dev-1', 'app-2', 'dev-3', 'app-4']
  test.each<[string, Scope, boolean[]]>([
    ['nothing: every connection', {}, [true, true, true, true, true]],
    ['one connection by its number', { connection: 1 }, [false, true, false, false, false]],
    ['several connections', { connection: [0, 3] }, [true, false, false, true, false]],
    ['every second one', { every: 2 }, [true, false, true, false, true]],
    ['every second one, beginning later', { every: 2, from: 1 }, [false, true, false, true, false]],
    ['all from one on', { from: 3 }, [false, false, false, true, true]],
    ['a pattern of client ids', { clientId: 'dev-*' }, [true, true, false, true, false]],
    ['several client ids', { clientId: ['app-2', 'dev-0'] }, [true, false, true, false, false]],
    ['a pattern of user names', { username: 'user-app-*' }, [false, false, true, false, true]],
    ['an address', { address: 'mem*' }, [true, true, true, true, true]],
    ['a protocol version that nobody speaks', { protocolVersion: 5 }, [false, false, false, false, false]],
    ['a condition', { when: (connection: Connection) => connection.number > 2 }, [false, false, false, true, true]],
    ['two keys that must both hold', { clientId: 'dev-*', from: 1 }, [false, true, false, true, false]],
    ['a number of times, over all connections', { times: 2 }, [true, true, false, false, false]],
  ])('%s', async (_what, scope, expected) => {
    const server = await memoryServer({ plugins: [[doublePing()(), scope]] })
    expect(await actedOn(server, ids)).toEqual(expected)
  })

  test('counts what is done about one packet as one time, whatever hooks it takes', async () => {
    const mute = plugin('mute', ({ hooks, on }) => {
      on(hooks.authorize, { kind: 'publish' }, (decision) => ({ ...decision, reasonCode: 0x87 }))
      on(hooks.send, { cmd: 'puback' }, (steps) => [...steps, { packet: { cmd: 'pingresp' } }])
    })
    const server = await memoryServer({ plugins: [[mute(), { times: 1 }]] })
    const client = connectMemory(server, 5)
    await client.connect()
    client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 1 }, { cmd: 'publish', topic: 'a', qos: 1, messageId: 2 })
    expect(await client.next('puback', { messageId: 1 })).toMatchObject({ reasonCode: 0x87 })
    expect(await client.next('puback', { messageId: 2 })).toMatchObject({ reasonCode: 0x10 })
    expect(client.received.map((packet) => packet.cmd)).toEqual(['connack', 'puback', 'pingresp', 'puback'])
  })

  test('also holds for what a test uses', async () => {
    const server = await memoryServer()
    server.use(doublePing()(), { connection: 1 })
    expect(await actedOn(server, ['a', 'b', 'c'])).toEqual([false, true, false])
  })

  test('limits a routing plugin to the deliveries of its connections; the others get theirs', async () => {
    const drop = plugin('drop-all', ({ hooks }) => hooks.route.tap('drop', () => []))
    const server = await memoryServer({ plugins: [[drop(), { clientId: 'deaf' }]] })
    const [deaf, hearing] = [connectMemory(server), connectMemory(server)]
    await deaf.connect({ clientId: 'deaf' })
    await hearing.connect({ clientId: 'hearing' })
    for (const client of [deaf, hearing]) await client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 't', qos: 0 }] }).next('suback')
    server.publish({ topic: 't', payload: 'x' })
    await hearing.next('publish')
    await deaf.settled()
    expect(deaf.received.some((packet) => packet.cmd === 'publish')).toBe(false)
  })

  describe.each<[string, Scope]>([
    ['client id', { clientId: 'me' }],
    ['user name', { username: 'user-*' }],
    ['protocol version', { protocolVersion: 5 }],
  ])('by %s holds from the moment when CONNECT was read', (_key, scope) => {
    test('so the plugin does nothing on the hook connection, and the report says that it never acted', async () => {
      const refuse = plugin('refuse', ({ hooks }) => hooks.connection.tap('refuse', () => [{ close: 'rst' }]))
      const server = await memoryServer({ plugins: [[refuse(), scope]] })
      const client = connectMemory(server, 5)
      expect(await client.connect({ clientId: 'me', username: 'user-me' })).toMatchObject({ reasonCode: 0 })
      expect(server.report().faults.neverFired).toEqual(['refuse'])
    })

    test('so on the wire it sees CONNACK, and whatever comes behind CONNECT', async () => {
      const seen: string[] = []
      const watch = plugin('watch', ({ hooks }) =>
        hooks.wire.tap('watch', ([step], direction) => void seen.push(`${direction} ${step && 'raw' in step ? step.raw.toString('hex') : ''}`)),
      )
      const server = await memoryServer({ plugins: [[watch(), scope]] })
      const [client, other] = [connectMemory(server, 5), connectMemory(server, 4)]
      await client.connect({ clientId: 'me', username: 'user-me' })
      await client.settled()
      await other.connect({ clientId: 'other', username: 'other' })
      await other.settled()
      expect(seen).toEqual([expect.stringMatching(/^out 20/), 'in c000', 'out d000'])
    })

    test('so the packet CONNECT is the first that it may answer', async () => {
      const refuse = plugin('refuse', ({ hooks, on }) => on(hooks.packetIn, { cmd: 'connect' }, () => [{ close: 'rst' }]))
      const server = await memoryServer({ plugins: [[refuse(), scope]] })
      const [client, other] = [connectMemory(server, 5), connectMemory(server, 4)]
      client.sendConnect({ clientId: 'me', username: 'user-me' })
      expect(await client.end()).toBe('rst')
      await other.connect({ clientId: 'other', username: 'other' })
    })
  })

  test('with an unknown key is refused with the nearest known one', async () => {
    const server = await memoryServer()
    const scope: object = { clientID: 'x' }
    expect(() => server.use(doublePing()(), scope)).toThrow("plugin 'double-ping': unknown scope key 'clientID'. Did you mean 'clientId'?")
  })

  test('counts in whole numbers', async () => {
    const server = await memoryServer()
    expect(() => server.use(doublePing()(), { connection: 1.5 })).toThrow("plugin 'double-ping': a scope counts in whole numbers, got 1.5")
  })

  test('perConnection gives the n-th connection the n-th entry, and begins again', async () => {
    const server = await memoryServer({ plugins: perConnection([doublePing(), null]) })
    expect(await actedOn(server, ids)).toEqual([true, false, true, false, true])
  })

  test('perConnection takes several plugins for one connection', async () => {
    const seen: string[] = []
    const watch = (name: string) => plugin(name, ({ hooks }) => hooks.connection.tap('see', (connection) => void seen.push(`${name} ${connection.number}`)))
    const server = await memoryServer({ plugins: perConnection([[watch('a')(), watch('b')()], watch('c')]) })
    for (let count = 0; count < 3; count++) await connectMemory(server).connect({ clientId: `client-${count}` })
    expect(seen).toEqual(['a 0', 'b 0', 'c 1', 'a 2', 'b 2'])
  })

  test('whose condition throws counts as a failure of the plugin, and the server lives on', async () => {
    const server = await memoryServer({
      plugins: [
        [
          doublePing()(),
          {
            when: (connection) => {
              if (connection.number === 0) throw new Error('no such thing')
              return true
            },
          },
        ],
      ],
    })
    const first = connectMemory(server)
    await first.connect({ clientId: 'first' })
    first.send({ cmd: 'pingreq' })
    expect(await first.end()).toBe('rst')
    expect(await actedOn(server, ['second'])).toEqual([true])
    expect(pluginErrorOf(await failureOf(server))).toMatchObject({ plugin: 'double-ping', hook: 'send', connection: 0 })
  })
})

describe('a plugin that is switched off', () => {
  test('acts no more from that moment on, and its teardown is called once', async () => {
    let torn = 0
    const server = await memoryServer()
    const off = server.use(
      definePlugin({
        meta: { name: 'twice' },
        setup({ hooks, on }) {
          on(hooks.send, { cmd: 'pingresp' }, (steps) => [...steps, ...steps])
          return () => {
            torn++
          }
        },
      })(),
    )
    const client = connectMemory(server)
    await client.connect()
    expect(await pings(client)).toBe(2)
    off()
    off()
    expect(await pings(client)).toBe(1)
    expect(torn).toBe(1)
  })

  test('is switched off at the end of a `using` block', async () => {
    const server = await memoryServer()
    const client = connectMemory(server)
    await client.connect()
    {
      using _plugin = server.use(doublePing()())
      expect(await pings(client)).toBe(2)
    }
    expect(await pings(client)).toBe(1)
  })

  test('has no timers any more', async () => {
    const { server, clock } = await virtualServer()
    let fired = 0
    const off = server.use(
      plugin('ticks', ({ clock: time }) => {
        const again = () => {
          fired++
          time.after(10, again)
        }
        time.after(10, again)
      })(),
    )
    await clock.advance(35)
    expect(fired).toBe(3)
    off()
    await clock.advance(100)
    expect(fired).toBe(3)
    expect(clock.pending).toBe(0)
  })
})

describe('a tap that returns what its hook does not take', () => {
  test.each<[hook: string, tap: (api: PluginApi) => void, message: RegExp]>([
    ['send', ({ hooks }) => Reflect.apply(hooks.send.tap, hooks.send, ['bad', () => 'late']), /expected a list of steps, got "late"/],
    ['send', ({ hooks }) => Reflect.apply(hooks.send.tap, hooks.send, ['bad', () => [{ wiat: 10 }]]), /Did you mean 'wait'\?/],
    ['send', ({ hooks }) => Reflect.apply(hooks.send.tap, hooks.send, ['bad', () => [{ packet: { cmd: 'pubak' } }]]), /Did you mean 'puback'\?/],
    ['send', ({ hooks }) => Reflect.apply(hooks.send.tap, hooks.send, ['bad', async () => []]), /returned a promise, but the hook send is synchronous/],
    ['wire', ({ hooks }) => Reflect.apply(hooks.wire.tap, hooks.wire, ['bad', () => [{ raw: 'xyz' }]]), /pairs of hex digits, got "xyz"/],
    [
      'connection',
      ({ hooks }) => Reflect.apply(hooks.connection.tap, hooks.connection, ['bad', () => [{ close: 'hard' }]]),
      /expected 'fin', 'rst', 'stall' or 'half'/,
    ],
    ['packetIn', ({ hooks }) => Reflect.apply(hooks.packetIn.tap, hooks.packetIn, ['bad', () => ({ raw: '00' })]), /expected a list of steps/],
    ['authorize', ({ hooks }) => Reflect.apply(hooks.authorize.tap, hooks.authorize, ['bad', () => false]), /expected a decision with a reasonCode, got false/],
    ['session', ({ hooks }) => Reflect.apply(hooks.session.tap, hooks.session, ['bad', () => ({ resume: true })]), /expected the session plan/],
    ['timer', ({ hooks }) => Reflect.apply(hooks.timer.tap, hooks.timer, ['bad', () => -1]), /expected milliseconds, or null for never, got -1/],
  ])('%s: names plugin, hook and what was expected', async (hook, setup, message) => {
    const server = await memoryServer({ plugins: [plugin('wrong', setup)] })
    const client = connectMemory(server).sendConnect()
    expect(await client.end()).toBe('rst')
    const error = pluginErrorOf(await failureOf(server))
    expect(error).toMatchObject({ plugin: 'wrong', hook, connection: 0 })
    expect(error.message).toContain(`plugin 'wrong' failed in hook ${hook} on connection 0`)
    expect(error.message).toMatch(message)
  })

  test.each<[hook: string, tap: (api: PluginApi) => void, message: RegExp]>([
    ['route', ({ hooks }) => Reflect.apply(hooks.route.tap, hooks.route, ['bad', () => [{}]]), /expected a list of deliveries/],
    ['packetId', ({ hooks }) => Reflect.apply(hooks.packetId.tap, hooks.packetId, ['bad', () => 70_000]), /expected a packet id from 0 to 65535, got 70000/],
    [
      'violation',
      ({ hooks }) => Reflect.apply(hooks.violation.tap, hooks.violation, ['bad', () => 'error']),
      /expected 'ignore', 'warn', 'fail' or 'disconnect', got "error"/,
    ],
  ])('%s: names plugin, hook and what was expected', async (hook, setup, message) => {
    const server = await memoryServer({ plugins: [plugin('wrong', setup)] })
    const client = connectMemory(server)
    await client.connect()
    await client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 't', qos: 1 }] }).next('suback')
    client.send({ cmd: 'publish', topic: 't', qos: 1, messageId: 2 }, { cmd: 'puback', messageId: 999 })
    expect(await client.end()).toBe('rst')
    const error = pluginErrorOf(await failureOf(server))
    expect(error).toMatchObject({ plugin: 'wrong', hook })
    expect(error.message).toMatch(message)
  })

  test('what hooks without an answer return means nothing', async () => {
    const server = await memoryServer({
      plugins: [
        plugin('chatty', ({ hooks }) => {
          const lines: string[] = []
          Reflect.apply(hooks.record.tap, hooks.record, ['log', () => lines.push('x')])
          Reflect.apply(hooks.disconnect.tap, hooks.disconnect, ['log', () => lines.push('x')])
        }),
      ],
    })
    const client = connectMemory(server)
    await client.connect()
    client.send({ cmd: 'disconnect' })
    await client.end()
    await server.stop()
  })
})

describe('a plan that cannot be encoded', () => {
  const longTopic = (wait: boolean) =>
    plugin('too-long', ({ hooks, on }) =>
      on(hooks.send, { cmd: 'pingresp' }, () => [...(wait ? [{ wait: 10 }] : []), { packet: { cmd: 'publish', topic: 'x'.repeat(70_000) } }]),
    )

  test('ends its connection and is the fault of the plugin that made it', async () => {
    const server = await memoryServer({ plugins: [longTopic(false)] })
    const [client, other] = [connectMemory(server), connectMemory(server)]
    await client.connect({ clientId: 'one' })
    await other.connect({ clientId: 'two' })
    client.send({ cmd: 'pingreq' })
    expect(await client.end()).toBe('rst')
    await other.send({ cmd: 'publish', topic: 't', qos: 1, messageId: 1 }).next('puback')
    const error = pluginErrorOf(await failureOf(server))
    expect(error).toMatchObject({ plugin: 'too-long', hook: 'send', connection: 0 })
    expect(error.message).toContain('a topic has at most 65535 bytes')
  })

  test('is found out when its turn comes, after a wait as well', async () => {
    const { server, clock } = await virtualServer({ plugins: [longTopic(true)] })
    const client = connectMemory(server)
    await client.connect()
    client.send({ cmd: 'pingreq' })
    await clock.advance(10)
    expect(await client.end()).toBe('rst')
    expect(pluginErrorOf(await failureOf(server))).toMatchObject({ plugin: 'too-long', hook: 'send', connection: 0 })
  })

  test('on the wire hook as well', async () => {
    const server = await memoryServer({
      plugins: [plugin('too-long', ({ hooks, on }) => on(hooks.wire, { direction: 'out' }, () => [{ packet: { cmd: 'publish', topic: 'x'.repeat(70_000) } }]))],
    })
    const client = connectMemory(server).sendConnect()
    expect(await client.end()).toBe('rst')
    expect(pluginErrorOf(await failureOf(server))).toMatchObject({ plugin: 'too-long', hook: 'wire', connection: 0 })
  })
})

describe('a tap that throws', () => {
  const bang = () => {
    throw new Error('bang')
  }

  test('resets its connection, others are served, and stop() rejects naming plugin, hook, connection and packet', async () => {
    const server = await memoryServer({ plugins: [plugin('buggy', ({ hooks, on }) => on(hooks.send, { cmd: 'suback' }, bang))] })
    const [victim, other] = [connectMemory(server), connectMemory(server)]
    await victim.connect({ clientId: 'victim' })
    await other.connect({ clientId: 'other' })
    victim.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 't', qos: 0 }] })
    expect(await victim.end()).toBe('rst')
    expect(victim.received.map((packet) => packet.cmd)).toEqual(['connack'])
    await other.settled()
    const failure = await failureOf(server)
    expect(failure.code).toBe('MQTTEST_FAILED')
    expect(failure.message).toBe("the run failed: plugin 'buggy' failed in hook send on connection 0 at SUBACK: bang")
    const error = pluginErrorOf(failure)
    expect(error).toMatchObject({ plugin: 'buggy', hook: 'send', connection: 0, code: 'MQTTEST_PLUGIN_FAILED' })
    expect(error.cause).toMatchObject({ message: 'bang' })
    expect(Reflect.get(failure, 'report')).toMatchObject({ pluginErrors: [error.message], connections: 2 })
    await expect(server.finished).rejects.toBe(failure)
  })

  test('is only recorded under onPluginError: warn; the core goes on as if the tap had said nothing', async () => {
    const server = await memoryServer({ onPluginError: 'warn', plugins: [plugin('buggy', ({ hooks, on }) => on(hooks.send, { cmd: 'pingresp' }, bang))] })
    const client = connectMemory(server)
    await client.connect()
    await client.settled()
    const report = await server.stop()
    expect(report.pluginErrors).toEqual(["plugin 'buggy' failed in hook send on connection 0 at PINGRESP: bang"])
    expect(server.records({ type: 'note' })).toMatchObject([{ level: 'error', source: 'buggy', connection: 0 }])
  })

  test.each<[string, (api: PluginApi) => void]>([
    ['connection', ({ hooks }) => hooks.connection.tap('x', bang)],
    ['wire', ({ hooks }) => hooks.wire.tap('x', bang)],
    ['packetIn', ({ hooks }) => hooks.packetIn.tap('x', bang)],
    ['authorize', ({ hooks }) => hooks.authorize.tap('x', bang)],
    ['authorize', ({ hooks }) => hooks.authorize.tap('x', () => Promise.reject(new Error('bang')))],
    ['session', ({ hooks }) => hooks.session.tap('x', bang)],
    ['send', ({ hooks }) => hooks.send.tap('x', bang)],
    ['timer', ({ hooks }) => hooks.timer.tap('x', bang)],
    ['record', ({ hooks, on }) => on(hooks.record, { kind: 'packet' }, bang)],
  ])('in %s resets the connection', async (hook, setup) => {
    const server = await memoryServer({ plugins: [plugin('buggy', setup)] })
    const client = connectMemory(server).sendConnect()
    expect(await client.end()).toBe('rst')
    const failure = await failureOf(server)
    expect(pluginErrorOf(failure)).toMatchObject({ plugin: 'buggy', hook, connection: 0 })
  })

  test('at every record does not go round in circles', async () => {
    const server = await memoryServer({ plugins: [plugin('buggy', ({ hooks }) => hooks.record.tap('x', bang))] })
    const client = connectMemory(server).sendConnect()
    expect(await client.end()).toBe('rst')
    const failure = await failureOf(server)
    expect(failure.errors.length).toBeLessThan(10)
    expect(pluginErrorOf(failure)).toMatchObject({ plugin: 'buggy', hook: 'record' })
  })

  test('in disconnect, or in serverStop, makes stop() reject', async () => {
    const server = await memoryServer({
      plugins: [
        plugin('one', ({ hooks }) => hooks.disconnect.tap('x', bang)),
        plugin('two', ({ hooks }) => hooks.serverStop.tap('x', () => Promise.reject(new Error('bang')))),
      ],
    })
    const client = connectMemory(server)
    await client.connect()
    const failure = await failureOf(server)
    expect(failure.errors.map((error) => error.message)).toEqual([
      "plugin 'one' failed in hook disconnect on connection 0: bang",
      "plugin 'two' failed in hook serverStop: bang",
    ])
  })

  test('in serverStart makes start() reject', async () => {
    await expect(memoryServer({ plugins: [plugin('buggy', ({ hooks }) => hooks.serverStart.tap('x', bang))] })).rejects.toMatchObject({
      plugin: 'buggy',
      hook: 'serverStart',
    })
  })

  test.each<[string, () => void | Promise<void>]>([
    ['at once', bang],
    ['later', () => Promise.reject(new Error('bang'))],
  ])('in its setup, %s, makes start() reject, and the plugins before it are taken back', async (_when, setup) => {
    let torn = 0
    const before = definePlugin({
      meta: { name: 'before' },
      setup() {
        return () => {
          torn++
        }
      },
    })
    await expect(memoryServer({ plugins: [before, definePlugin({ meta: { name: 'buggy' }, setup })] })).rejects.toMatchObject({
      plugin: 'buggy',
      hook: 'setup',
      message: "plugin 'buggy' failed in its setup: bang",
    })
    expect(torn).toBe(1)
  })

  test('in a timer of the plugin, or in its teardown, makes stop() reject', async () => {
    const { server, clock } = await virtualServer()
    server.use(plugin('ticks', ({ clock: time }) => void time.after(5, bang))())
    server.use(definePlugin({ meta: { name: 'tears' }, setup: () => bang })())()
    await clock.advance(5)
    expect((await failureOf(server)).errors.map((error) => error.message)).toEqual([
      "plugin 'tears' failed when it was switched off: bang",
      "plugin 'ticks' failed in a timer: bang",
    ])
  })
})

describe('the ledger', () => {
  test('holds what was changed, before and after, and each packet names the plugins that touched it', async () => {
    const server = await memoryServer({ plugins: [doublePing()] })
    const client = connectMemory(server)
    await client.connect()
    client.send({ cmd: 'pingreq' })
    await client.count(3)
    expect(faultsOf(server)).toMatchObject([
      {
        plugin: 'double-ping',
        hook: 'send',
        connection: 0,
        before: [{ packet: { cmd: 'pingresp' } }],
        after: [{ packet: { cmd: 'pingresp' } }, { packet: { cmd: 'pingresp' } }],
      },
    ])
    expect(server.records({ type: 'packet', cmd: 'pingresp' })).toMatchObject([{ faults: ['double-ping'] }, { faults: ['double-ping'] }])
    expect(server.records({ type: 'packet', cmd: 'connack' })).toMatchObject([{ faults: [] }])
  })

  test('holds nothing of a tap that returned what it was given', async () => {
    const server = await memoryServer({
      plugins: [
        plugin('nothing', ({ hooks }) => {
          hooks.send.tap('x', (steps) => steps)
          hooks.wire.tap('x', (steps) => [...steps])
          hooks.authorize.tap('x', (decision) => ({ ...decision }))
          hooks.session.tap('x', (plan) => ({ ...plan }))
          hooks.timer.tap('x', (delayMs) => delayMs)
          hooks.violation.tap('x', (violation) => violation.default)
        }),
      ],
    })
    const client = connectMemory(server)
    await client.connect()
    client.send({ cmd: 'puback', messageId: 9 })
    await client.settled()
    expect(faultsOf(server)).toEqual([])
    const report = await server.stop()
    expect(report.faults).toEqual({ applied: [], changes: [], neverFired: ['nothing'] })
  })

  test('holds nothing of a tap that returned what another plugin made', async () => {
    const same = plugin('same', ({ hooks }) => {
      hooks.send.tap('x', (steps) => [...steps])
      hooks.wire.tap('x', (steps) => [...steps])
    })
    const server = await memoryServer({
      plugins: [doublePing(), plugin('late', ({ hooks }) => hooks.wire.tap('x', (steps) => [{ latency: 0 }, ...steps])), same],
    })
    const client = connectMemory(server)
    await client.connect()
    client.send({ cmd: 'pingreq' })
    await client.count(3)
    expect((await server.stop()).faults.neverFired).toEqual(['same'])
  })

  test('names the plugin that answered in the place of the broker', async () => {
    const server = await memoryServer({
      plugins: [plugin('answers', ({ hooks, on }) => on(hooks.packetIn, { cmd: 'pingreq' }, () => [{ packet: { cmd: 'pingresp' } }]))],
    })
    const client = connectMemory(server)
    await client.connect()
    await client.settled()
    expect(server.records({ type: 'packet', cmd: 'pingresp' })).toMatchObject([{ faults: ['answers'] }])
  })

  test('holds a packet that was changed in place on its way in', async () => {
    const server = await memoryServer({
      plugins: [plugin('rename', ({ hooks, on }) => on(hooks.packetIn, { cmd: 'publish' }, (packet) => void Object.assign(packet, { topic: 'other' })))],
    })
    const client = connectMemory(server)
    await client.connect()
    await client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '#', qos: 0 }] }).next('suback')
    client.send({ cmd: 'publish', topic: 'a' })
    expect(await client.next('publish')).toMatchObject({ topic: 'other' })
    expect(faultsOf(server)).toMatchObject([{ plugin: 'rename', hook: 'packetIn', before: { topic: 'a' }, after: { topic: 'other' } }])
  })

  test('counts for the report, and names the plugins that never fired', async () => {
    const server = await memoryServer({ plugins: [doublePing(), plugin('idle', ({ hooks, on }) => on(hooks.send, { cmd: 'suback' }, () => []))] })
    const client = connectMemory(server)
    await client.connect()
    client.send({ cmd: 'pingreq' }, { cmd: 'pingreq' })
    await client.count(5)
    const report = await server.stop()
    expect(report.faults).toEqual({
      applied: [{ plugin: 'double-ping', count: 2 }],
      changes: [{ plugin: 'double-ping', hook: 'send', cmd: 'pingresp', count: 2 }],
      neverFired: ['idle'],
    })
  })
})

describe('asynchronous taps', () => {
  test('are waited for, with plain tap; packets behind them keep their order', async () => {
    let resolve = (): void => undefined
    const promise = new Promise<void>((go) => {
      resolve = go
    })
    const server = await memoryServer({
      plugins: [plugin('slow', ({ hooks, on }) => on(hooks.authorize, { kind: 'publish', topic: 'slow' }, () => promise.then(() => undefined)))],
    })
    const client = connectMemory(server, 5)
    await client.connect()
    client.send({ cmd: 'publish', topic: 'slow', qos: 1, messageId: 1 }, { cmd: 'publish', topic: 'fast', qos: 1, messageId: 2 }, { cmd: 'pingreq' })
    const other = connectMemory(server)
    await other.connect({ clientId: 'other' })
    await other.settled()
    expect(client.received.map((packet) => packet.cmd)).toEqual(['connack'])
    resolve()
    await client.next('pingresp')
    expect(client.received).toMatchObject([{ cmd: 'connack' }, { cmd: 'puback', messageId: 1 }, { cmd: 'puback', messageId: 2 }, { cmd: 'pingresp' }])
  })

  test('that never end do not keep the server from stopping', async () => {
    const server = await memoryServer({ plugins: [plugin('never', ({ hooks }) => hooks.packetIn.tap('x', () => new Promise<undefined>(() => undefined)))] })
    const client = connectMemory(server).sendConnect()
    await server.connection()
    await server.stop()
    expect(await client.end()).toBe('fin')
  })
})

describe('a filter', () => {
  /** The packet ids of the PUBACKs that a filter selects, out of those for three topics, twice, on two connections. */
  async function selected(filter: Parameters<PluginApi['on']>[1]): Promise<string[]> {
    const seen: string[] = []
    const server = await memoryServer({
      plugins: [
        plugin('see', ({ hooks, on }) =>
          on(
            hooks.packetIn,
            filter,
            (packet, connection) => void seen.push(`${connection.number}:${packet.cmd}${'messageId' in packet ? ` ${packet.messageId}` : ''}`),
          ),
        ),
      ],
    })
    for (const clientId of ['one', 'two']) {
      const client = connectMemory(server)
      await client.connect({ clientId })
      client.send(
        { cmd: 'publish', topic: 'a/1', qos: 1, messageId: 1 },
        { cmd: 'publish', topic: 'b/1', qos: 2, messageId: 2, retain: true },
        { cmd: 'publish', topic: 'a/2', qos: 1, messageId: 3, dup: true },
        { cmd: 'subscribe', messageId: 4, subscriptions: [{ topic: 'b/#', qos: 0 }] },
      )
      await client.settled()
    }
    return seen
  }

  test.each<[string, Parameters<PluginApi['on']>[1], string[]]>([
    ['selects by packet type', { cmd: 'subscribe' }, ['0:subscribe 4', '1:subscribe 4']],
    ['selects by several packet types', { cmd: ['connect', 'pingreq'] }, ['0:connect', '0:pingreq', '1:connect', '1:pingreq']],
    ['selects by topic filter', { topic: 'a/+' }, ['0:publish 1', '0:publish 3', '1:publish 1', '1:publish 3']],
    ['finds the filters of a SUBSCRIBE', { topic: ['b/#'] }, ['0:publish 2', '0:subscribe 4', '1:publish 2', '1:subscribe 4']],
    ['selects by QoS', { qos: 2 }, ['0:publish 2', '1:publish 2']],
    ['selects by retain', { retain: true }, ['0:publish 2', '1:publish 2']],
    ['selects by DUP', { dup: true }, ['0:publish 3', '1:publish 3']],
    ['selects by packet id', { messageId: [1, 4] }, ['0:publish 1', '0:subscribe 4', '1:publish 1', '1:subscribe 4']],
    ['counts on each connection', { cmd: 'publish', nth: 2 }, ['0:publish 2', '1:publish 2']],
    ['counts several', { cmd: 'publish', nth: [1, 3] }, ['0:publish 1', '0:publish 3', '1:publish 1', '1:publish 3']],
    ['counts only what matches the rest', { topic: 'a/#', nth: 2 }, ['0:publish 3', '1:publish 3']],
    ['selects every n-th', { cmd: 'publish', every: 2 }, ['0:publish 2', '1:publish 2']],
  ])('%s', async (_what, filter, expected) => {
    expect(await selected(filter)).toEqual(expected)
  })

  test('with a key that the hook has nothing for is refused, with the nearest known one', async () => {
    const wrong: object = { topics: 'a' }
    const server = await memoryServer()
    expect(() => server.use(plugin('wrong', ({ hooks, on }) => on(hooks.send, wrong, () => []))())).toThrow(
      "on(hooks.send): unknown filter key 'topics'. Did you mean 'topic'?",
    )
    expect(() => server.use(plugin('wrong', ({ hooks, on }) => on(hooks.timer, { cmd: 'connect' }, () => null))())).toThrow(
      "on(hooks.timer): unknown filter key 'cmd'. Known: kind, nth, every, from, probability.",
    )
  })

  test('with a packet type that does not exist is refused', async () => {
    const wrong: object = { cmd: 'pubak' }
    const server = await memoryServer()
    expect(() => server.use(plugin('wrong', ({ hooks, on }) => on(hooks.send, wrong, () => []))())).toThrow(MqttestError)
    expect(() => server.use(plugin('wrong', ({ hooks, on }) => on(hooks.send, wrong, () => []))())).toThrow(
      "cmd: 'pubak' is no packet type. Did you mean 'puback'?",
    )
  })
})

describe('a copy of a message', () => {
  test('a routing plugin may give one subscriber a message with another payload, at any QoS', async () => {
    const change = plugin('change', ({ hooks }) =>
      hooks.route.tap('change', (deliveries) =>
        deliveries.map((delivery) =>
          delivery.session.clientId === 'b'
            ? { ...delivery, message: { ...delivery.message, payload: Buffer.from('other'), properties: { contentType: 'new' } } }
            : delivery,
        ),
      ),
    )
    const server = await memoryServer({ plugins: [change()] })
    const [first, second] = [connectMemory(server), connectMemory(server)]
    await first.connect({ clientId: 'a', protocolVersion: 5 })
    await second.connect({ clientId: 'b', protocolVersion: 5 })
    for (const client of [first, second]) await client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 't', qos: 1 }] }).next('suback')
    for (const qos of [0, 1] as const) {
      server.publish({ topic: 't', payload: 'own', qos, properties: { contentType: 'old' } })
      expect(await first.next('publish')).toMatchObject({ payload: Buffer.from('own'), properties: { contentType: 'old' } })
      expect(await second.next('publish')).toMatchObject({ payload: Buffer.from('other'), properties: { contentType: 'new' } })
    }
  })
})
