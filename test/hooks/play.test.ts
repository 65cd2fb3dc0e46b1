/** What plugins do beside the hooks: `play`, `pause`, `acted`, and `check` for options that do not go together. */
import { definePlugin, option, type PluginApi } from 'mqttest'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { virtualServer } from '../support/server.ts'

const later = definePlugin({
  meta: { name: 'later' },
  setup: ({ hooks, play }: PluginApi) =>
    hooks.connection.tap('later', (connection) => play(connection, [{ wait: '1s' }, { packet: { cmd: 'publish', topic: 'later' } }])),
})

describe('play', () => {
  test('carries out steps beside everything else', async () => {
    const { server, clock } = await virtualServer({ plugins: [later] })
    const client = connectMemory(server)
    await client.connect()
    await clock.advance('1s')
    expect(await client.next('publish')).toMatchObject({ topic: 'later' })
    expect(server.records({ cmd: 'publish' })).toMatchObject([{ faults: ['later'] }])
  })

  test('counts as the doing of the plugin once it is done, not before', async () => {
    const { server, clock } = await virtualServer({ plugins: [later] })
    const client = connectMemory(server)
    await client.connect()
    expect(server.report().faults.neverFired).toEqual(['later'])
    await clock.advance('1s')
    expect(server.report().faults).toMatchObject({ applied: [{ plugin: 'later', count: 1 }], neverFired: [] })
  })

  test('what waits ends with the connection, and with the plugin', async () => {
    const { server, clock } = await virtualServer()
    const off = server.use(later)
    const [one, two] = [connectMemory(server), connectMemory(server)]
    await one.connect({ clientId: 'one' })
    await two.connect({ clientId: 'two' })
    one.close()
    await clock.advance(0)
    expect(clock.pending).toBe(1)
    off()
    expect(clock.pending).toBe(0)
    expect(server.report().faults.applied).toEqual([])
  })

  test('obeys times: what was dropped is not counted', async () => {
    const { server, clock } = await virtualServer({ plugins: [[later, undefined, { times: 1 }]] })
    const gone = connectMemory(server)
    await gone.connect({ clientId: 'gone' })
    gone.close()
    await clock.advance(0)
    const clients = [connectMemory(server), connectMemory(server)]
    for (const [index, client] of clients.entries()) await client.connect({ clientId: String(index) })
    await clock.advance('1s')
    expect(clients.map((client) => client.received.length)).toEqual([2, 1])
  })
})

describe('pause', () => {
  const slow = definePlugin({
    meta: { name: 'slow' },
    setup: ({ hooks, on, pause }) =>
      on(hooks.authorize, { kind: 'connect' }, async (decision, _request, connection) => {
        await pause(connection, 1000)
        return { ...decision, reasonCode: 0x87 }
      }),
  })

  test('lets a tap decide late', async () => {
    const { server, clock } = await virtualServer({ plugins: [slow] })
    const client = connectMemory(server).sendConnect()
    await clock.advance(999)
    expect(client.received).toEqual([])
    await clock.advance(1)
    expect(await client.next('connack')).toMatchObject({ returnCode: 5 })
  })

  test('is over at once when the connection ends, or the plugin is switched off', async () => {
    const { server, clock } = await virtualServer()
    const off = server.use(slow)
    const [gone, waiting] = [connectMemory(server).sendConnect(), connectMemory(server).sendConnect({ clientId: 'waiting' })]
    await clock.advance(10)
    gone.reset()
    await clock.advance(0)
    expect(clock.pending).toBe(1)
    off()
    await waiting.next('connack')
    expect(server.report().pluginErrors).toEqual([])
  })
})

test('acted lets a plugin count as one that fired, and goes to the ledger', async () => {
  const { server } = await virtualServer({ plugins: [definePlugin({ meta: { name: 'doer' }, setup: ({ acted }) => acted('did it') })] })
  expect(server.report().faults).toMatchObject({ applied: [{ plugin: 'doer', count: 1 }], neverFired: [] })
  expect(server.records({ type: 'fault' })).toMatchObject([{ plugin: 'doer', hook: 'acted', after: 'did it' }])
})

test('a plugin that is switched off starts no timer any more', async () => {
  const { server, clock } = await virtualServer()
  let after = (): unknown => undefined
  const off = server.use(definePlugin({ meta: { name: 'late' }, setup: ({ clock: own }) => void (after = () => own.after(1000, () => undefined)) }))
  after()
  expect(clock.pending).toBe(1)
  off()
  after()
  expect(clock.pending).toBe(0)
})

test('check finds options that do not go together, when the plugin is made', () => {
  const range = definePlugin({
    meta: { name: 'range' },
    options: { from: option.count('lowest', 0), to: option.count('highest', 9) },
    check: ({ from, to }) => (from > to ? `'from' (${from}) is above 'to' (${to})` : undefined),
    setup() {},
  })
  expect(() => range({ from: 2 })).not.toThrow()
  expect(() => range({ from: 10 })).toThrow("plugin 'range': 'from' (10) is above 'to' (9)")
})
