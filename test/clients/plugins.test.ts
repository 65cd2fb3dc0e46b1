/** Each built-in plugin, switched on in each of the three ways, as a client notices it that says exactly what it is told to. */
import { join } from 'node:path'
import { type AnyFactory, start } from 'mqttest'
import * as builtIn from 'mqttest/plugins'
import { connectTcp, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { bystanders } from '../plugins/bystanders.ts'
import { rulesIn, serve, temporaryFolder, writeConfig } from './programs.ts'

/** A server that runs, wherever. */
interface Target {
  readonly host: string
  readonly port: number
  /** Resolves when it has ended, by itself or by `stop`. */
  readonly ended: Promise<unknown>
  stop(): Promise<unknown>
}

interface Scenario {
  readonly plugin: string
  readonly options: { readonly [option: string]: string | number | readonly string[] }
  /** The same as it is written behind --use. */
  readonly use: string
  /** What a client sees; the tests compare it with `sees`. */
  look(target: Target): Promise<unknown>
  readonly sees: unknown
  /** Violations that the record has to have. */
  readonly reports?: readonly string[]
}

const everything = [{ topic: '#', qos: 1 }] as const

/** The types of the packets that came, but CONNACK. */
const types = (client: RawClient) => client.received.map((packet) => packet.cmd).filter((cmd) => cmd !== 'connack')

const scenarios: readonly Scenario[] = [
  {
    plugin: 'ack-delay',
    options: { packets: ['puback'], delay: '50ms' },
    use: 'ack-delay:packets=[puback],delay=50ms',
    async look(target) {
      const client = await connectTcp(target)
      await client.connect()
      await client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 1 }, { cmd: 'pingreq' }).next('puback')
      return types(client)
    },
    sees: ['pingresp', 'puback'],
  },
  {
    plugin: 'pid-strategy',
    options: { strategy: 'near-wrap' },
    use: 'pid-strategy:strategy=near-wrap',
    async look(target) {
      const client = await connectTcp(target)
      await client.connect()
      await client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [...everything] }).next('suback')
      const ids: unknown[] = []
      for (const messageId of [1, 2, 3, 4]) client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId })
      while (ids.length < 4) ids.push((await client.next('publish')).messageId)
      return ids
    },
    sees: [65_533, 65_534, 65_535, 1],
  },
  {
    plugin: 'session-override',
    options: { mode: 'keep' },
    use: 'session-override:mode=keep',
    async look(target) {
      const first = await connectTcp(target)
      const before = await first.connect({ clientId: 'dev', clean: true })
      first.send({ cmd: 'disconnect' })
      await first.end()
      const second = await connectTcp(target)
      const after = await second.connect({ clientId: 'dev', clean: true })
      return [before.sessionPresent, after.sessionPresent]
    },
    sees: [false, true],
  },
  {
    plugin: 'mqtt3-idioms',
    options: { also: ['legacy-protocol-level'] },
    use: 'mqtt3-idioms:also=legacy-protocol-level',
    async look(target) {
      const client = await connectTcp(target)
      const { returnCode } = await client.connect()
      await client.settled()
      return [returnCode, types(client)]
    },
    sees: [0, ['pingresp']],
    reports: ['legacy-protocol-level'],
  },
  {
    plugin: 'extended-ids',
    options: { maximumLength: 5 },
    use: 'extended-ids:maximumLength=5',
    async look(target) {
      const [long, short] = [await connectTcp(target), await connectTcp(target, 5)]
      const refused = await long.connect({ clientId: 'dev123' })
      const taken = await short.connect({ clientId: 'dev12' })
      return [refused.returnCode, await long.end(), taken.reasonCode]
    },
    sees: [2, 'fin', 0],
  },
  {
    plugin: 'reject',
    options: { clientId: 'bad-*', reasonCode: 'server-unavailable' },
    use: 'reject:clientId=bad-*,reasonCode=server-unavailable',
    async look(target) {
      const [bad, good] = [await connectTcp(target, 5), await connectTcp(target, 5)]
      const refused = await bad.connect({ clientId: 'bad-1' })
      const taken = await good.connect({ clientId: 'good-1' })
      return [refused.reasonCode, taken.reasonCode]
    },
    sees: [0x88, 0],
  },
  {
    plugin: 'close-after',
    options: { packet: 'publish', nth: 2, when: 'instead', how: 'rst' },
    use: 'close-after:packet=publish,nth=2,when=instead,how=rst',
    async look(target) {
      const client = await connectTcp(target)
      await client.connect()
      await client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 1 }).next('puback')
      client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 2 })
      return [await client.end(), types(client)]
    },
    sees: ['rst', ['puback']],
  },
  {
    plugin: 'stop-after',
    options: { connections: 1 },
    use: 'stop-after:connections=1',
    async look(target) {
      const client = await connectTcp(target)
      await client.connect()
      client.send({ cmd: 'disconnect' })
      await target.ended
      return connectTcp(target).catch((error: NodeJS.ErrnoException) => error.code)
    },
    sees: 'ECONNREFUSED',
  },
]

/** The ways to switch a plugin on. */
const ways: readonly { readonly way: string; begin(scenario: Scenario, dump: string): Promise<Target> }[] = [
  {
    way: 'TypeScript',
    async begin({ plugin, options }, dump) {
      const server = await start({ plugins: [factoryOf(plugin).create(options)], dump })
      return { host: server.host, port: server.port, ended: server.finished, stop: () => server.stop() }
    },
  },
  {
    way: 'the config file',
    begin: ({ plugin, options }, dump) => serve(['--config', writeConfig(temporaryFolder(), { plugins: [[plugin, options]], dump })]),
  },
  { way: '--use', begin: ({ use }, dump) => serve(['--no-config', '--use', use, '--dump', dump]) },
]

function factoryOf(name: string): AnyFactory {
  const found = Object.values(builtIn).find((factory) => factory.meta.name === name)
  if (found === undefined) throw new Error(`no built-in plugin '${name}'`)
  return found
}

/** Every plugin, on and with nothing to do; but those that no ordinary server could run beside. */
const idle = Object.entries(bystanders).flatMap(([plugin, line]) => {
  const { options, scope } = 'scope' in line ? { options: line.options ?? {}, scope: { clientId: 'nobody' } } : { options: line, scope: {} }
  return [[plugin, options, scope]]
})

describe('every built-in plugin at once', () => {
  test.each([
    ['the config file', () => serve(['--config', writeConfig(temporaryFolder(), { plugins: idle })])],
    ['--use', () => serve(['--no-config', ...idle.flatMap(([plugin, options, scope]) => ['--use', word(String(plugin), Object(options), Object(scope))])])],
  ] as const)('through %s, none of them in the way of a client', async (_way, begin) => {
    expect(idle.map(([plugin]) => plugin).sort()).toEqual(
      Object.values(builtIn)
        .map(({ meta }) => meta.name)
        .sort(),
    )
    const target = await begin()
    const client = await connectTcp(target)
    await client.connect({ clientId: 'me', username: 'anna', password: Buffer.from('secret') })
    await client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [...everything] }).next('suback')
    client.send({ cmd: 'publish', topic: 'home/a', payload: '1', qos: 1, messageId: 2 })
    expect(await client.next('publish')).toMatchObject({ topic: 'home/a' })
    await client.next('puback')
    client.send({ cmd: 'disconnect' })
    await client.end()
    await target.stop()
  })
})

/** A plugin as it is written behind --use. */
function word(plugin: string, options: object, scope: object): string {
  const parts = [
    ...Object.entries(options).map(([key, value]) => `${key}=${JSON.stringify(value)}`),
    ...Object.entries(scope).map(([key, value]) => `@${key}=${JSON.stringify(value)}`),
  ]
  return parts.length === 0 ? plugin : `${plugin}:${parts.join(',')}`
}

describe.each(scenarios)('$plugin', (scenario) => {
  test.each(ways)('through $way', async ({ begin }) => {
    const dump = join(temporaryFolder(), 'run.jsonl')
    const target = await begin(scenario, dump)
    expect(await scenario.look(target)).toEqual(scenario.sees)
    await target.stop()
    await target.ended
    expect(rulesIn(dump)).toEqual(expect.arrayContaining([...(scenario.reports ?? [])]))
  })

  // Nothing is changed by what only reports; and what stops the server cannot be waited for where it does not.
  if (scenario.reports === undefined && scenario.plugin !== 'stop-after')
    test('is what makes the difference', async () => {
      const server = await start()
      const seen: unknown = await scenario.look({ host: server.host, port: server.port, ended: server.finished, stop: () => server.stop() }).catch(String)
      await server.stop()
      expect(seen).not.toEqual(scenario.sees)
    })
})
