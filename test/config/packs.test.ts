/** Packs with options: other time, fewer plugins, names that are looked up from where the pack is. */
import { type AnyFactory, definePack, definePlugin, option, type Plugin, type PluginEntry, perConnection } from 'mqttest'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { flattenPlugins, noLookup } from '../../src/plugin/plugin-list.ts'
import { memoryServer } from '../support/server.ts'

const slow = definePlugin({
  meta: { name: 'slow', api: 1 },
  options: {
    delay: option.duration('how long', '30s'),
    more: option.optional(option.list(option.duration('one', 0), 'further ones', [])),
    byTopic: option.map(option.duration('one', 0), 'by topic', {}),
    count: option.count('how many', 3),
  },
  setup: () => undefined,
})
const other = definePlugin({ meta: { name: 'other', api: 1 }, setup: () => undefined })

const lazy = definePack({
  meta: { name: 'lazy', api: 1, summary: 'Everything is late.' },
  options: { delay: option.duration('how late', '10s') },
  plugins: ({ delay }) => [slow({ delay, more: ['1s', '2s'], byTopic: { a: '4s' } }), [other(), { connection: 1 }]],
})

const made = (...entries: PluginEntry[]) => flattenPlugins(entries, noLookup)
const options = (plugin: Plugin | undefined) => plugin?.options

describe('a pack with options', () => {
  test('stands for its plugins, with its defaults, and with what it is given', () => {
    expect(made(lazy).map(({ plugin, scope }) => [plugin.meta.name, scope])).toEqual([
      ['slow', {}],
      ['other', { connection: 1 }],
    ])
    expect(options(made(lazy)[0]?.plugin)).toMatchObject({ delay: 10_000, count: 3 })
    expect(options(made(lazy({ delay: '5s' }))[0]?.plugin)).toMatchObject({ delay: 5000 })
    expect(options(made([lazy, { delay: '5s' }])[0]?.plugin)).toMatchObject({ delay: 5000 })
  })

  test('multiplies every duration by timeScale, and nothing else', () => {
    expect(options(made(lazy({ timeScale: 0.01 }))[0]?.plugin)).toEqual({ delay: 100, more: [10, 20], byTopic: new Map([['a', 40]]), count: 3 })
  })

  test('runs without some of its plugins', () => {
    expect(made(lazy({ without: 'slow' })).map(({ plugin }) => plugin.meta.name)).toEqual(['other'])
    expect(() => made(lazy({ without: ['slwo'] }))).toThrow("pack 'lazy': option 'without': it has no plugin 'slwo'. Did you mean 'slow'?")
  })

  test('gives its scope to every plugin that has none of its own', () => {
    const scopes = (entry: PluginEntry) => made(entry).map(({ scope }) => scope)
    expect(scopes([lazy(), { clientId: 'x' }])).toEqual([{ clientId: 'x' }, { clientId: 'x', connection: 1 }])
    expect(scopes([lazy, { timeScale: 0.1 }, { clientId: 'x' }])).toEqual([{ clientId: 'x' }, { clientId: 'x', connection: 1 }])
    expect(made(...perConnection([lazy({ without: 'other' }), null])).map(({ scope }) => scope)).toEqual([{ every: 2, from: 0 }])
  })

  test('refuses options that it does not have, by its own name', () => {
    const create: AnyFactory['create'] | ((options: unknown) => unknown) = lazy.create
    expect(() => create({ dely: 1 })).toThrow("pack 'lazy': unknown option 'dely'. Did you mean 'delay'?")
    expect(() => create({ timeScale: -1 })).toThrow("pack 'lazy': option 'timeScale'")
  })

  test('for another interface is refused with one clear message', () => {
    expect(() => definePack({ meta: { name: 'old', api: 7 }, plugins: () => [] })).toThrow("pack 'old' is written for plugin API 7; this mqttest has API 1")
  })

  test('contains packs, whose times it multiplies as well', () => {
    const outer = definePack({ meta: { name: 'outer', api: 1 }, plugins: () => [lazy({ timeScale: 0.1 })] })
    expect(options(made(outer({ timeScale: 0.1 }))[0]?.plugin)).toMatchObject({ delay: 100 })
  })

  test('works in a server', async () => {
    const hush = definePlugin({ meta: { name: 'hush', api: 1 }, setup: ({ hooks, on }) => on(hooks.send, { cmd: 'pingresp' }, () => []) })
    const server = await memoryServer({ plugins: [definePack({ meta: { name: 'quiet', api: 1 }, plugins: () => [hush()] })] })
    const client = connectMemory(server)
    await client.connect()
    client.send({ cmd: 'pingreq' }, { cmd: 'publish', topic: 'a', qos: 1, messageId: 1 })
    await client.next('puback')
    expect(client.received.map((packet) => packet.cmd)).toEqual(['connack', 'puback'])
  })
})
