/** Plugins in one word. */
import { describe, expect, test } from 'vitest'
import { parseUse, resolveUse } from '../../src/config/use.ts'
import { flattenPlugins, noLookup } from '../../src/plugin/plugin-list.ts'
import { pluginText, project } from './project.ts'

function taken(word: string) {
  const { name, options, scope, alone } = parseUse(word)
  return { name, options: Object.fromEntries([...options].map(([key, { value }]) => [key, value])), scope, ...(alone.length > 0 && { alone }) }
}

test.each<[string, object]>([
  ['late', { name: 'late', options: {}, scope: {} }],
  ['late:', { name: 'late', options: {}, scope: {} }],
  ['late:by=200ms', { name: 'late', options: { by: '200ms' }, scope: {} }],
  ['late:by=200,always,never=false,note=null', { name: 'late', options: { by: 200, never: false, note: null }, scope: {}, alone: ['always'] }],
  ['late:200ms,-,a/#', { name: 'late', options: {}, scope: {}, alone: ['200ms', '-', 'a/#'] }],
  ['late:packets=[puback,"suback",3]', { name: 'late', options: { packets: ['puback', 'suback', 3] }, scope: {} }],
  ['late:packets=puback,packets=suback,packets=connack', { name: 'late', options: { packets: ['puback', 'suback', 'connack'] }, scope: {} }],
  ['late:text="a,b",more={"x":[1,2],"y":"},"}', { name: 'late', options: { text: 'a,b', more: { x: [1, 2], y: '},' } }, scope: {} }],
  ['late:topic=a/+/b#,value=a=b:c', { name: 'late', options: { topic: 'a/+/b#', value: 'a=b:c' }, scope: {} }],
  ['late:@connection=0', { name: 'late', options: {}, scope: { connection: 0 } }],
  [
    'late:@connection=[0,2],@times=3,@clientId=dev-*,by=1s',
    { name: 'late', options: { by: '1s' }, scope: { connection: [0, 2], times: 3, clientId: 'dev-*' } },
  ],
  ['late:@connection=0,@connection=2', { name: 'late', options: {}, scope: { connection: [0, 2] } }],
  ['./my/late.ts:by=1', { name: './my/late.ts', options: { by: 1 }, scope: {} }],
  ['@acme/late:by=1', { name: '@acme/late', options: { by: 1 }, scope: {} }],
  ['C:\\late.ts:by=1', { name: 'C:\\late.ts', options: { by: 1 }, scope: {} }],
  ['file:///my/late.ts:by=1', { name: 'file:///my/late.ts', options: { by: 1 }, scope: {} }],
])('%s', (word, expected) => {
  expect(taken(word)).toEqual(expected)
})

describe('makes plugins', () => {
  const files = {
    'login.ts': `import { definePlugin, option } from 'mqttest'
const options = { password: option.text('what is asked for', ''), tries: option.count('how often', 1), words: option.list(option.text('a word', ''), 'words', []) }
export default definePlugin({ meta: { name: 'login' }, options, setup() {} })`,
    'pack.ts': `export default ['./one.js', './one.js']`,
    'one.js': pluginText('one'),
  }

  test('with options and scope', async () => {
    const made = await resolveUse('ack-delay:delay=1s,packets=[puback],@connection=0', '/')
    expect(flattenPlugins(made, noLookup)).toMatchObject([
      { plugin: { meta: { name: 'ack-delay' }, options: { delay: 1000, packets: ['puback'] } }, scope: { connection: 0 } },
    ])
  })

  test('what a plugin takes as text only may look like a number', async () => {
    const made = await resolveUse('./login.ts:password=1234,tries=5', project(files))
    expect(flattenPlugins(made, noLookup)).toMatchObject([{ plugin: { options: { password: '1234', tries: 5 } } }])
  })

  test('a value alone goes to the first option that takes it; several are for one connection each', async () => {
    const made = async (word: string) => flattenPlugins(await resolveUse(word, '/'), noLookup).map(({ plugin, scope }) => [plugin.given, scope])
    expect(await made('ack-delay:200ms')).toEqual([[{ delay: '200ms' }, {}]])
    expect(await made('ack-delay:200,packets=suback,@times=2')).toEqual([[{ delay: 200, packets: 'suback' }, { times: 2 }]])
    expect(await made('ack-delay:suback')).toEqual([[{ packets: 'suback' }, {}]])
    expect(await made('ack-delay:200ms,-,1s')).toEqual([
      [{ delay: '200ms' }, { every: 3, from: 0 }],
      [{ delay: '1s' }, { every: 3, from: 2 }],
    ])
    expect(await made('ack-delay:-')).toEqual([])
    expect(await made('extended-ids:characters')).toEqual([[{ characters: true }, {}]])
    await expect(resolveUse('ack-delay:soon', '/')).rejects.toThrow("--use ack-delay:soon: no option takes 'soon'. Known: packets, delay")
  })

  test('a pack takes a scope', async () => {
    const folder = project(files)
    expect(flattenPlugins(await resolveUse('./pack.ts:@every=2', folder), noLookup).map(({ scope }) => scope)).toEqual([{ every: 2 }, { every: 2 }])
    expect(flattenPlugins(await resolveUse('./pack.ts', folder), noLookup)).toHaveLength(2)
    await expect(resolveUse('./pack.ts:by=1', folder)).rejects.toThrow(
      "--use ./pack.ts:by=1: './pack.ts' is a pack: it takes a scope (@connection, @every, @from, @clientId, @username, @address, @protocolVersion, @when, @times), but no options",
    )
  })

  test.each<[string, string]>([
    ['', "--use : expected 'name' or 'name:key=value,key=value'"],
    ['ack-delay:=1', "--use ack-delay:=1: expected 'key=value', got '=1'"],
    ['ack-delay:dealy=1', "--use ack-delay:dealy=1: plugin 'ack-delay': unknown option 'dealy'. Did you mean 'delay'?"],
    ['ack-delay:delay=soon', `--use ack-delay:delay=soon: plugin 'ack-delay': option 'delay': expected milliseconds or text such as`],
    ['ack-delay:@conection=0', "--use ack-delay:@conection=0: plugins: unknown scope key 'conection'. Did you mean 'connection'?"],
    ['ack-delay:@connection=a', `--use ack-delay:@connection=a: plugin 'ack-delay': a scope counts in whole numbers, got "a"`],
    ['ack-dealy', "--use ack-dealy: plugin 'ack-dealy' is neither built in nor installed. Did you mean 'ack-delay'?"],
  ])('%s', async (word, message) => {
    await expect(resolveUse(word, '/')).rejects.toMatchObject({ name: 'MqttestError', message: expect.stringContaining(message) })
  })
})
