/** `testPlugin` finds what is wrong with a plugin, says so in words that help, and leaves one alone that is right. */
import { type AnyFactory, definePlugin, option, type PluginDefinition } from 'mqttest'
import { ackDelay } from 'mqttest/plugins'
import { type PluginTest, pluginChecks, testPlugin } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'

const meta = { name: 'bad', api: 1, summary: 'A client notices something.' } as const

/** What each check that fails says, by its name. */
async function failures(plugin: AnyFactory | PluginDefinition, about: PluginTest = {}): Promise<{ readonly [check: string]: string }> {
  const found: { [check: string]: string } = {}
  const runs: (readonly [string, () => Promise<void>])[] = []
  testPlugin(plugin, about, (name, run) => runs.push([name.replace(`${plugin.meta.name} `, ''), run]))
  for (const [name, run] of runs)
    await run().catch((error: unknown) => {
      found[name] = error instanceof Error ? error.message : String(error)
    })
  return found
}

describe('a plugin that is right', () => {
  const about = {
    options: [{ delay: '1s' }, { packets: 'puback', jitter: '50ms' }],
    bystander: { packets: [] },
    wrong: [[{ delay: -1 }, /delay.*expected milliseconds/]],
    exercise: async ({ connect, clock }) => {
      const client = await connect({ clientId: 'anna', protocolVersion: 5 })
      client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 7 })
      await clock.advance(100)
      expect(client.received).toHaveLength(1)
      await clock.advance('2s')
      expect(client.received[1]).toMatchObject({ cmd: 'puback', messageId: 7 })
    },
  } satisfies PluginTest<NonNullable<Parameters<typeof ackDelay>[0]>>

  testPlugin(ackDelay, about, test)

  test('passes every check', async () => {
    expect(await testPlugin(ackDelay, about)).toEqual(pluginChecks)
  })

  test('may be a plain object, and needs nothing but itself', async () => {
    const quiet = { meta: { ...meta, name: 'quiet' }, setup() {} }
    expect(await testPlugin(quiet)).toEqual(pluginChecks.slice(0, 3).concat(pluginChecks.slice(4, 8)))
  })

  test('may be left out of a check, with a reason', async () => {
    expect(await testPlugin(ackDelay, { except: { 'keeps connections apart': 'a reason' } })).not.toContain('keeps connections apart')
    await expect(async () => testPlugin(ackDelay, { except: { ['keeps conections apart' as string]: '' } })).rejects.toThrow(
      /no check 'keeps conections apart'/,
    )
  })
})

describe('testPlugin finds', () => {
  test('a plugin that does not say what it is', async () => {
    expect(await failures({ meta: { name: 'bad' }, setup() {} })).toEqual({
      'describes itself': expect.stringMatching(/^meta\.api: expected 1, got undefined/),
    })
    expect(await failures({ meta: { name: 'bad', api: 1 }, setup() {} })).toEqual({
      'describes itself': expect.stringMatching(/^meta\.summary: expected a sentence/),
    })
    expect(await failures({ meta: { ...meta, name: 'Bad One' }, setup() {} })).toEqual({
      'describes itself': expect.stringMatching(/^meta\.name: .*"Bad One"/),
    })
  })

  test('an option that takes anything, and an example that is not refused', async () => {
    const anything = { ...option.text('some text', ''), read: (value: unknown) => ({ value }) }
    const found = await failures({ meta, options: { anything }, setup() {} })
    expect(found).toEqual({ 'refuses wrong options': 'options {"anything":"(a function)"}: expected to be refused, but the plugin was made' })
    const sloppy = definePlugin({ meta, options: { size: option.count('a size', 1) }, setup() {} })
    expect(await failures(sloppy, { wrong: [[{ size: 0 }, /size/]] })).toEqual({
      'refuses wrong options': 'options {"size":0}: expected to be refused, but the plugin was made',
    })
    expect(await failures(sloppy, { wrong: [[{ size: -1 }, /bytes/]] })).toEqual({
      'refuses wrong options': expect.stringMatching(/^options \{"size":-1\}: expected a message with \/bytes\/, got: plugin 'bad': option 'size': expected/),
    })
  })

  test('options that JSON cannot hold', async () => {
    const pattern = { ...option.text('some text', ''), fallback: /x/, read: (value: unknown) => (value instanceof RegExp ? { value } : undefined) }
    expect(await failures({ meta, options: { pattern }, setup() {} })).toEqual({
      'has options that JSON can hold': "option 'pattern': its default is no JSON value: {}",
    })
  })

  test('defaults that are refused, where nothing else is given', async () => {
    const plugin = definePlugin({
      meta,
      options: { size: option.optional(option.count('a size', 1)) },
      check: ({ size }) => (size ? undefined : 'give a size'),
      setup() {},
    })
    expect((await failures(plugin))['describes itself']).toBe("its defaults are refused (plugin 'bad': give a size): give the test 'options' that work")
    expect(await failures(plugin, { options: [{ size: 1 }] })).toEqual({})
  })

  test('a bystander that clients notice, with the first thing that they notice', async () => {
    const late = definePlugin({
      meta,
      options: { delay: option.duration('how long', 0) },
      setup: ({ hooks, on }) => on(hooks.send, { cmd: 'pingresp' }, (steps) => [{ wait: 1 }, ...steps]),
    })
    expect(await failures(late, { bystander: {} })).toEqual({
      'leaves clients alone without its trigger': [
        "with {} clients should see nothing of it, but in '3.1.1: one client, every packet' they do:",
        '  both              +50 ms  anna → PINGREQ  (c000)',
        '  the plain broker  +50 ms  anna ← PINGRESP  (d000)',
        '  with the plugin   +51 ms  anna ← PINGRESP  (d000)',
      ].join('\n'),
    })
    expect(await failures(late, { bystander: { scope: { clientId: 'nobody' } } })).toEqual({})
  })

  test('chance that no seed decides', async () => {
    let calls = 0
    const moody = definePlugin({ meta, setup: ({ hooks, on }) => on(hooks.send, { cmd: 'puback' }, () => (calls++ % 3 === 0 ? [] : undefined)) })
    const found = await failures(moody)
    expect(Object.keys(found)).toContain('does the same with the same seed')
    expect(found['does the same with the same seed']).toMatch(/PUBACK/)
  })

  test('a state that connections share', async () => {
    const shared = definePlugin({
      meta,
      setup({ hooks, on }) {
        let seen = 0
        on(hooks.send, { cmd: 'puback' }, () => (++seen === 2 ? [] : undefined))
      },
    })
    expect(Object.keys(await failures(shared))).toEqual(['keeps connections apart'])
  })

  test('chance that connections share', async () => {
    const shared = definePlugin({ meta, setup: ({ hooks, on, random }) => on(hooks.send, { cmd: 'puback' }, () => (random.chance(0.5) ? [] : undefined)) })
    expect(Object.keys(await failures(shared))).toEqual(['keeps connections apart'])
  })

  test('a timer that outlives its connection', async () => {
    const clinging = definePlugin({
      meta,
      setup: ({ on, hooks, clock }) => on(hooks.packetIn, { cmd: 'subscribe' }, () => void clock.after(60_000, () => undefined)),
    })
    expect(await failures(clinging)).toEqual({
      'ends with its connection':
        "with {}, when the client closes (fin) after step 2 of '3.1.1: one client, every packet': timers of the plugin that go on without any connection: expected 0, got 1",
    })
  })

  test('a failure when the connection is gone', async () => {
    const careless = definePlugin({
      meta,
      setup: ({ on, hooks, clock }) =>
        on(hooks.packetIn, { cmd: 'subscribe' }, (_packet, connection) => {
          const timer = clock.after(5, () => {
            if (connection.closed) throw new Error('I did not expect that')
          })
          void timer
        }),
    })
    expect(await failures(careless)).toEqual({
      'ends with its connection': expect.stringMatching(/after step 2 .*plugin 'bad' failed in a timer: I did not expect that/s),
    })
  })

  test('what is left when it is switched off', async () => {
    const sticky = definePlugin({
      meta,
      setup({ on, hooks, server }) {
        on(hooks.packetIn, { cmd: 'subscribe' }, () => {
          server.publish({ topic: 'home/after/light/9', payload: 'left behind', retain: true })
        })
      },
    })
    const found = await failures(sticky)
    expect(Object.keys(found)).toEqual(['can be switched off'])
    expect(found['can be switched off']).toMatch(/switched off after step 2 of '3\.1\.1.*clients should see nothing of it afterwards.*left behind/s)
  })

  test('an exercise in which nothing happens, and one that does not hold', async () => {
    const idle = definePlugin({ meta, setup: ({ on, hooks }) => on(hooks.send, { cmd: 'auth' }, () => []) })
    expect(await failures(idle, { exercise: ({ connect }) => connect() })).toEqual({
      'acts in the exercise': expect.stringMatching(/^with \{\} it did nothing in the exercise/),
    })
    const broken = await failures(idle, { exercise: () => Promise.reject(new Error('not so')) })
    expect(broken['acts in the exercise']).toBe('not so')
  })

  test('several things at once, without a test runner', async () => {
    const bad = definePlugin({ meta: { name: 'bad' }, setup: ({ on, hooks }) => on(hooks.send, { cmd: 'pingresp' }, () => []) })
    await expect(testPlugin(bad, { bystander: {} })).rejects.toThrow(/^bad describes itself: .*\nbad leaves clients alone/s)
  })
})
