/** `where` in filters, and that what is wrong in a long list is found by its number. */
import { checkFields, definePlugin, fitsFilter, option } from 'mqttest'
import { expect, test } from 'vitest'
import { answers, join } from '../support/client.ts'
import { virtualServer } from '../support/server.ts'

const publish = (messageId: number, payload: string) => ({ cmd: 'publish', topic: 'a', qos: 1, messageId, payload }) as const

test('where: a tap is called for packets with these fields, and counting counts only those', async () => {
  const { server, clock } = await virtualServer()
  const picky = definePlugin({
    meta: { name: 'picky', api: 1 },
    setup({ hooks, on }) {
      on(hooks.packetIn, { cmd: 'publish', where: { payload: { kind: 'b' } }, nth: 2 }, () => [])
    },
  })
  server.use(picky())
  const client = await join(server, 'dev', { version: 4 })
  client.send(publish(1, '{"kind":"b"}'), publish(2, '{"kind":"a"}'), publish(3, '{"kind":"b"}'), publish(4, 'b'))
  await clock.advance(0)
  expect(answers(client)).toEqual(['puback 1', 'puback 2', 'puback 4'])
})

test('where: refused on hooks that have no packet', async () => {
  const { server } = await virtualServer()
  expect(() => server.use({ meta: { name: 'x' }, setup: ({ hooks, on }) => on(hooks.timer, { where: {} }, () => undefined) })).toThrow(
    "unknown filter key 'where'",
  )
})

test('fitsFilter: everything but the counting', () => {
  const packet = { cmd: 'puback', messageId: 3, reasonCode: 0x97 } as const
  expect(fitsFilter({ cmd: 'puback', reasonCode: 0x97, nth: 7, where: { messageId: 3 } }, packet)).toBe(true)
  expect(fitsFilter({ where: { messageId: 4 } }, packet)).toBe(false)
})

test('checkFields: the names of fields and properties', () => {
  expect(() => checkFields('here', { topic: 'a', properties: { topicAlias: 1 } }, ['publish', 'puback'])).not.toThrow()
  expect(() => checkFields('here', { topci: 'a' }, ['publish'])).toThrow("here: no field 'topci' in PUBLISH. Did you mean 'topic'?")
  expect(() => checkFields('here', { properties: { topicAlia: 1 } }, ['publish'])).toThrow("Did you mean 'topicAlias'?")
})

test('a list of objects: which of them is wrong', () => {
  const listed = definePlugin({
    meta: { name: 'listed', api: 1 },
    options: { rules: option.list(option.object('a rule', { delay: option.duration('how long it takes', 0) }, {}), 'the rules', []) },
    setup() {},
  })
  expect(() => listed.create({ rules: [{ delay: 1 }, { dealy: 1 }] })).toThrow(/Number 2 of it: .*Did you mean 'delay'\?/)
})
