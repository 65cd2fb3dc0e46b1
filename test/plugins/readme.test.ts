/** plugins/README.md: its table is made from the plugins, and its examples do what they say. */
import { readFileSync, writeFileSync } from 'node:fs'
import { definePlugin, option, type Plugin, type StartOptions } from 'mqttest'
import * as plugins from 'mqttest/plugins'
import { connectMemory, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { pluginsOf, pluginTable } from '../support/plugin-table.ts'
import { virtualServer } from '../support/server.ts'

const file = new URL('../../plugins/README.md', import.meta.url)
const section = /(<!-- plugins -->\n)[\s\S]*?(<!-- \/plugins -->)/

test('the section between the markers is what the plugins say (UPDATE_README=1 rewrites it)', () => {
  const text = readFileSync(file, 'utf8')
  const wanted = text.replace(section, (_all, begin: string, end: string) => `${begin}\n${pluginTable(plugins)}\n\n${end}`)
  if (process.env.UPDATE_README === '1') writeFileSync(file, wanted)
  else expect(text).toBe(wanted)
})

describe('every plugin', () => {
  for (const factory of pluginsOf(plugins)) {
    const { name, api, summary, spec = [], finds, seenIn = [] } = factory.meta
    test(`${name} says what it is, for which interface, and what it finds`, () => {
      expect(name).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/)
      expect(api).toBe(1)
      expect(summary).toMatch(/^[A-Z].*\.$/)
      expect(finds).toMatch(/[^.]$/)
      for (const id of spec) expect(id).toMatch(/^MQTT-\d+\.\d+\.\d+-\d+$/)
      for (const address of seenIn) expect(address).toMatch(/^https:\/\//)
    })

    test(`${name} has a file, a test and an export of its name`, () => {
      for (const path of [`../../plugins/${name}.ts`, `./${name}.test.ts`]) expect(() => readFileSync(new URL(path, import.meta.url))).not.toThrow()
      const camel = name.replace(/-[a-z0-9]/g, (part) => part.slice(1).toUpperCase())
      expect(Reflect.get(plugins, camel)).toBe(factory)
    })

    test(`${name} describes its options as JSON can hold them`, () => {
      const described: object = factory.options instanceof Object ? factory.options : {}
      for (const one of Object.values(described)) {
        expect(one.about).toMatch(/\S+ \S+/)
        if (one.fallback !== undefined) {
          expect(JSON.parse(JSON.stringify(one.fallback))).toEqual(one.fallback)
          expect(one.read(one.fallback)).toBeDefined()
        }
      }
    })
  }
})

/** The plugins that the README defines, by name. */
function examples(): { readonly [name: string]: (options?: object) => Plugin } {
  const blocks = [...readFileSync(file, 'utf8').matchAll(/^```ts\n([\s\S]*?)^```/gm)]
    .map(([, code = '']) => code)
    .filter((code) => code.includes('definePlugin({'))
  const found: { [name: string]: (options?: object) => Plugin } = {}
  for (const code of blocks) {
    const name = /export const (\w+)/.exec(code)?.[1] ?? ''
    const body = code.replace(/^import .*$/gm, '').replace('export const', 'const')
    found[name] = new Function('definePlugin', 'option', `${body}\nreturn ${name}`)(definePlugin, option)
  }
  return found
}

const names = (client: RawClient) => client.received.slice(1).map((packet) => packet.cmd)

async function connected(example: string, options: object = {}, more: StartOptions = {}) {
  const plugin = examples()[example]?.(options)
  const { server, clock } = await virtualServer({ plugins: [plugin], ...more })
  const client = connectMemory(server, 5)
  await client.connect()
  return { server, clock, client }
}

describe('the examples', () => {
  test('are all tried here', () => {
    expect(Object.keys(examples())).toEqual(['noPong', 'echo', 'quota', 'lossy', 'tired', 'curfew'])
  })

  test('noPong: PINGRESP never comes', async () => {
    const { client, clock } = await connected('noPong')
    client.send({ cmd: 'pingreq' }, { cmd: 'publish', topic: 'a', qos: 1, messageId: 1 })
    await clock.advance('1h')
    expect(names(client)).toEqual(['puback'])
  })

  test('echo: messages come twice', async () => {
    const { server, client, clock } = await connected('echo', { topics: ['a/#'] })
    await client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '#', qos: 1 }] }).next('suback')
    server.publish({ topic: 'a/b', qos: 1 })
    server.publish({ topic: 'b', qos: 1 })
    await clock.advance(100)
    expect(client.received.flatMap((packet) => (packet.cmd === 'publish' ? [[packet.topic, packet.dup]] : []))).toEqual([
      ['a/b', false],
      ['b', false],
      ['a/b', true],
    ])
  })

  test('quota: messages above it are refused', async () => {
    const { client } = await connected('quota', { messages: 2 })
    client.send(...[1, 2, 3].map((messageId) => ({ cmd: 'publish', topic: 'a', qos: 1, messageId }) as const))
    await client.count(4)
    expect(client.received.slice(1).map((packet) => (packet.cmd === 'puback' ? packet.reasonCode : undefined))).toEqual([0x10, 0x10, 0x97])
  })

  test('lossy: some PUBACKs are lost, the same ones with the same seed', async () => {
    const run = async (seed: string) => {
      const { client } = await connected('lossy', { probability: 0.5 }, { seed })
      await client.send(...Array.from({ length: 40 }, (_, index) => ({ cmd: 'publish', topic: 'a', qos: 1, messageId: index + 1 }) as const)).settled()
      return client.received.flatMap((packet) => (packet.cmd === 'puback' ? packet.messageId : []))
    }
    const acknowledged = await run('a')
    expect(acknowledged.length).toBeGreaterThan(5)
    expect(acknowledged.length).toBeLessThan(35)
    expect(await run('a')).toEqual(acknowledged)
    expect(await run('b')).not.toEqual(acknowledged)
  })

  test('tired: SUBACK comes after a second, then the end', async () => {
    const { client, clock } = await connected('tired')
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 0 }] })
    await clock.advance(999)
    expect([names(client), client.ended]).toEqual([[], undefined])
    await clock.advance(1)
    expect([names(client), client.ended]).toEqual([['suback'], 'fin'])
  })

  test('curfew: DISCONNECT comes after a while', async () => {
    const { client, clock } = await connected('curfew', { after: '10m' })
    await clock.advance('10m')
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x98 })
    expect(client.ended).toBe('fin')
  })
})
