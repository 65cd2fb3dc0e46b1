/** Templates, and the kinds of options that hold them. */
import { capture, definePlugin, fillJson, fillText, fitsTemplate, numbered, option } from 'mqttest'
import { describe, expect, test } from 'vitest'

describe('a template', () => {
  const values = { clientId: 'dev', 1: 'x', json: { id: 7, deep: { on: true } } }

  test('has values in place of their names, and JSON where they are no text', () => {
    expect(fillText('a/{clientId}/{1}?id={json.id}&on={json.deep.on}', values)).toBe('a/dev/x?id=7&on=true')
    expect(fillText('{json.deep}', values)).toBe('{"on":true}')
  })

  test('keeps what it does not know, and the braces of JSON', () => {
    expect(fillText('{nobody} {json.none} {"a":{}} {toString}', values)).toBe('{nobody} {json.none} {"a":{}} {toString}')
  })

  test('in JSON is filled text by text; a name alone becomes the value itself', () => {
    expect(fillJson({ '{1}': ['{json.id}', 'n{json.id}', 3, null] }, values)).toEqual({ x: [7, 'n7', 3, null] })
  })

  test('is fitted by a text: * is any text, but not in what is filled in', () => {
    const fits = (template: string, text: string, clientId = 'dev') => fitsTemplate(template, text, { clientId, connect: undefined })
    expect([fits('*/{clientId}', 'hub/dev'), fits('{clientId}', 'dev')]).toEqual([true, true])
    expect([fits('*/{clientId}', 'hub/dev2'), fits('{clientId}', 'd.v'), fits('{clientId}', 'dev', 'd*')]).toEqual([false, false, false])
    expect(fits('{clientId}', 'd*', 'd*')).toBe(true)
  })

  test('gets what the wildcards of a filter stand for', () => {
    expect(capture('a/+/b/#', 'a/1/b/2/3')).toEqual(['1', '2/3'])
    expect(capture('a/+', 'b/1')).toBeUndefined()
    expect(numbered(['p', 'q'])).toEqual({ 1: 'p', 2: 'q' })
  })
})

describe('option.object', () => {
  const plugin = definePlugin({
    meta: { name: 'ruled' },
    options: {
      rules: option.list(
        option.object('a rule', { topic: option.text('a topic', '#'), delay: option.duration('how late', '1s'), answer: option.payload('what', 'x') }, {}),
        'the rules',
        [],
      ),
    },
    setup: () => undefined,
  })

  test('reads each of its keys, with their defaults', () => {
    expect(plugin({ rules: [{ topic: 'a', answer: { json: 1 } }] }).options).toEqual({ rules: [{ topic: 'a', delay: 1000, answer: { json: 1 } }] })
  })

  test('has its durations on the time of a pack', () => {
    const rule = option.object('a rule', { topic: option.text('a topic', 'a'), delay: option.duration('how late', '2s') }, {})
    const read = rule.read({})
    expect(read && rule.scale?.(read.value, 0.5)).toEqual({ topic: 'a', delay: 1000 })
  })

  test('says what is wrong in it', () => {
    expect(() => plugin.create({ rules: [{ topik: 'a' }] })).toThrow("unknown option 'topik'. Did you mean 'topic'?")
    expect(() => plugin.create({ rules: [{ delay: 'soon' }] })).toThrow(/option 'delay': expected milliseconds/)
    expect(() => plugin.create({ rules: ['a'] })).toThrow(/an object of topic, delay, answer/)
    expect(() => plugin.create({ rules: [{ answer: { hex: 'zz' } }] })).toThrow(/option 'answer'/)
  })
})
