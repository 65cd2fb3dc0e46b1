/** What every built-in plugin holds to, by the tests that authors of other plugins use; and that these tests find what is wrong. */
import * as plugins from 'mqttest/plugins'
import { type PluginTest, testPlugin } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { pluginsOf } from '../support/plugin-table.ts'
import { bystanders } from './bystanders.ts'
import { variants } from './variants.ts'

/** What a plugin does not hold to because of what it is, with the reason. */
const exceptions: { readonly [plugin: string]: PluginTest['except'] } = {
  maintenance: { 'keeps connections apart': 'the more clients there are, the earlier the first of them is sent away' },
}

describe.each(pluginsOf(plugins).map((factory) => [factory.meta.name, factory] as const))('%s', (name, factory) => {
  const bystander = bystanders[name]
  test('has a line in bystanders.ts', () => {
    expect(bystander, `a line for '${name}' with options that keep its trigger away`).toBeDefined()
  })
  const options = variants[name]
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
