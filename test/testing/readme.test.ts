/** The README's example of `testPlugin` does what the README says. */
import { readFileSync } from 'node:fs'
import { definePlugin, option } from 'mqttest'
import { type PluginTest, pluginChecks, scenarios, testPlugin } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'

const text = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
const code = [...text.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, block = '']) => block.replace(/^import .*$/gm, '').replace('export const', 'const'))
const example = code.find((block) => block.includes('testPlugin('))
const plugin = code.find((block) => block.includes('const sleepyGateway'))

describe('the example', () => {
  const run = new Function('definePlugin', 'option', 'testPlugin', 'expect', 'test', `${plugin}\n${example}`)
  run(definePlugin, option, testPlugin, expect, test)

  test('makes one test for each check', () => {
    const names: string[] = []
    run(definePlugin, option, testPlugin, expect, (name: string) => names.push(name))
    expect(names).toEqual(pluginChecks.map((check) => `sleepy-gateway ${check}`))
  })
})

test('the table has every check, and the number of conversations is right', () => {
  const section = /^### Test your own plugin$([\s\S]*?)^### /m.exec(text)?.[1] ?? ''
  expect([...section.matchAll(/^\| ([a-z].*?) \| /gm)].map(([, name]) => name)).toEqual(['test', ...pluginChecks])
  expect(section).toContain(`${scenarios.length} conversations`)
})

test('the exception is one that there is', () => {
  const except: PluginTest['except'] = { 'keeps connections apart': 'it counts them' }
  expect(text).toContain(
    `except: ${JSON.stringify(except)
      .replace(/"([^"]*)"/g, "'$1'")
      .replace(/\{(.*)\}/, '{ $1 }')
      .replace(':', ': ')}`,
  )
})

test('the message is that of the example, with chance that all connections share', async () => {
  const shared = plugin?.replace('on, name }', 'on, random }').replace('connection.random(name)', 'random')
  const found: string[] = []
  const runs: (() => Promise<void>)[] = []
  const run = new Function('definePlugin', 'option', 'testPlugin', 'expect', 'test', `${shared}\n${example}`)
  run(definePlugin, option, testPlugin, expect, (_name: string, check: () => Promise<void>) => runs.push(check))
  for (const check of runs) await check().catch((error: Error) => found.push(error.message))
  expect(found).toHaveLength(1)
  expect(found[0]).toBe(/first difference:\n\n```\n([\s\S]*?)\n```/.exec(text)?.[1])
})
