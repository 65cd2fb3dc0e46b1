/** What every built-in plugin holds to, by the tests that authors of other plugins use; and that these tests find what is wrong. */
import { type Plugin, start, virtualClock } from 'mqttest'
import * as plugins from 'mqttest/plugins'
import { type PluginTest, playScenario, scenarios, testPlugin } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { pluginsOf } from '../support/plugin-table.ts'
import { bystanders } from './bystanders.ts'
import { variants } from './variants.ts'

/** What a plugin does not hold to because of what it is, with the reason. */
const exceptions: { readonly [plugin: string]: PluginTest['except'] } = {
  maintenance: { 'keeps connections apart': 'the more clients there are, the earlier the first of them is sent away' },
  'record-from': {
    'does the same with the same seed': 'the server that it asks answers in its own time',
    'keeps connections apart': 'the server that it asks answers in its own time',
  },
}

/** Plugins that do nothing in the conversations, whatever their options, with the reason. */
const idle: { readonly [plugin: string]: string } = {
  'stop-after': 'it stops the server, after which nothing can be compared',
  'websocket-frames': 'no conversation goes over WebSocket',
}

/** Whether a plugin does something in any conversation; else the checks would prove little. */
async function acts(create: (options: object) => Plugin, options: readonly object[]): Promise<boolean> {
  for (const given of options)
    for (const scenario of scenarios) {
      const clock = virtualClock()
      const server = await start({ listen: false, clock, seed: 'contract', plugins: [create(given)] })
      await playScenario({ server, clock }, scenario)
      const { faults } = await server.stop()
      if (faults.applied.length > 0) return true
    }
  return false
}

describe.each(pluginsOf(plugins).map((factory) => [factory.meta.name, factory] as const))('%s', (name, factory) => {
  const bystander = bystanders[name]
  test('has a line in bystanders.ts', () => {
    expect(bystander, `a line for '${name}' with options that keep its trigger away`).toBeDefined()
  })
  const options = variants[name]
  test.skipIf(name in idle)('does something with the options that it is tried with', async () => {
    expect(await acts((given) => factory.create(given), options ?? [{}])).toBe(true)
  })
  testPlugin(
    factory,
    {
      ...(options !== undefined && { options }),
      ...(bystander !== undefined && { bystander }),
      ...(exceptions[name] !== undefined && { except: exceptions[name] }),
    },
    test,
  )
})

test('no line in bystanders.ts and variants.ts is about a plugin that does not exist', () => {
  const names = pluginsOf(plugins).map((factory) => factory.meta.name)
  expect(Object.keys(variants).filter((name) => !names.includes(name))).toEqual([])
  expect(Object.keys(bystanders).filter((name) => !names.includes(name))).toEqual([])
})
