/** What a client sees of `payload-check`. */
import type { PayloadInput } from 'mqttest'
import { payloadCheck } from 'mqttest/plugins'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { exchanged, heard, joining, publish, spoken, subscribe } from '../support/outcome.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

type Options = Parameters<typeof payloadCheck>[0]

const serverWith = (options: Options) => memoryServer({ plugins: [payloadCheck(options)] })

/** What a client gets for a message with a payload. */
async function answer(options: Options, payload: PayloadInput, version: 4 | 5 = 5, more: { topic?: string; retain?: boolean; qos?: 0 | 1 | 2 } = {}) {
  return exchanged(await joining(await serverWith(options), version), { ...publish(more.topic ?? 'a', more.qos ?? 1), retain: more.retain === true, payload })
}

const illFormed = { hex: 'c3 28' } as const
const declared = { ...publish('a'), payload: illFormed, properties: { payloadFormatIndicator: true } } as const

describe('payload-check', () => {
  test('json: what is no JSON is refused with 0x99, and closes the connection in MQTT 3', async () => {
    for (const payload of ['{"a":1}', '[1]', '7', 'null', ' "x" ']) expect(await answer({ json: 'value' }, payload), payload).toBe('puback 16')
    for (const payload of ['{a:1}', 'x', '', '{"a":1', illFormed]) expect(await answer({ json: 'value' }, payload)).toBe('puback 0x99')
    expect(await answer({ json: 'value' }, 'x', 4)).toBe('fin')
    expect(await answer({ json: 'value' }, 'x', 5, { qos: 2 })).toBe('pubrec 0x99')
  })

  test('json: object wants an object', async () => {
    expect(await answer({ json: 'object' }, '{}')).toBe('puback 16')
    for (const payload of ['[1]', '7', 'null', '"x"']) expect(await answer({ json: 'object' }, payload), payload).toBe('puback 0x99')
  })

  test('utf8: bytes that are no text are refused', async () => {
    expect(await answer({ utf8: true }, 'grüße')).toBe('puback 16')
    expect(await answer({ utf8: true }, '')).toBe('puback 16')
    expect(await answer({ utf8: true }, illFormed)).toBe('puback 0x99')
  })

  test('pattern: the payload must fit as a whole', async () => {
    expect(await answer({ pattern: '[0-9]+' }, '123')).toBe('puback 16')
    for (const payload of ['12a', '', 'a12']) expect(await answer({ pattern: '[0-9]+' }, payload), payload).toBe('puback 0x99')
  })

  test('notEmpty: empty payloads are refused, also those that clear a retained message', async () => {
    expect(await answer({ notEmpty: true }, 'x')).toBe('puback 16')
    expect(await answer({ notEmpty: true }, '')).toBe('puback 0x99')
    expect(await answer({ notEmpty: true }, '', 5, { retain: true })).toBe('puback 0x99')
    expect(await answer({ json: 'object', pattern: '.+' }, '', 5, { retain: true })).toBe('puback 16')
  })

  test('topics: other messages are not looked at', async () => {
    const options = { json: 'value', topics: ['telemetry/#'], indicator: 'allow' } as const
    expect(await answer(options, 'x', 5, { topic: 'telemetry/a' })).toBe('puback 0x99')
    expect(await answer(options, 'x', 5, { topic: 'a' })).toBe('puback 16')
    expect(await exchanged(await joining(await serverWith(options), 5), declared)).toBe('disconnect 0x99, fin')
  })

  test('answer: what the client gets, by version; nobody gets the message', async () => {
    expect(await answer({ utf8: true, answer: 'ignore' }, illFormed, 4)).toBe('')
    expect(await answer({ utf8: true, answer: { disconnect: 'payload-format-invalid' } }, illFormed)).toBe('disconnect 0x99, fin')
    const client = await joining(await serverWith({ utf8: true, answer: 'accept' }), 4)
    expect(await exchanged(client, subscribe('a'), { ...publish('a'), payload: illFormed }, publish('a', 0))).toBe('suback 0, puback, publish a')
    const five = await joining(await serverWith({ json: 'value' }), 5)
    expect(await five.send(publish('a')).next('puback')).toMatchObject({ properties: { reasonString: 'the payload is not JSON' } })
  })

  test('willAnswer: a CONNECT with such a will is refused', async () => {
    const connack = async (options: Options, version: 4 | 5) =>
      spoken(await connectMemory(await serverWith(options), version).connect({ will: { topic: 'w', payload: Buffer.from('x'), qos: 0, retain: false } }))
    expect(await connack({ json: 'value' }, 5)).toBe('connack 0x99')
    expect(await connack({ json: 'value' }, 4)).toBe('connack 3')
    expect(await connack({ json: 'value', willAnswer: 'allow' }, 5)).toBe('connack')
    expect(await connack({ json: 'value', topics: 'a' }, 5)).toBe('connack')
    expect(await connack({ utf8: true }, 5)).toBe('connack')
  })

  test.each([
    ['payload-format-invalid', 'puback 0x99', 0],
    ['accept', 'puback', 0],
    [{ disconnect: 'administrative-action' }, 'disconnect 0x98, fin', 0],
    ['allow', 'puback 16', 1],
  ] as const)('indicator: %j for text that is none is %s', async (indicator, expected, violations) => {
    const server = await serverWith({ indicator })
    const client = await joining(server, 5)
    expect(await exchanged(client, declared)).toBe(expected)
    expect(server.report().violations).toHaveLength(violations)
    expect(await exchanged(await joining(server, 5), { ...declared, payload: 'text' }, { ...publish('a'), payload: illFormed })).toBe('puback 16, puback 16')
  })

  test('with ack-delay a refusal comes late; another client is not touched; the end leaves nothing behind', async () => {
    const { server, clock } = await virtualServer({
      plugins: [
        [payloadCheck({ json: 'value' }), { clientId: ['me', 'gone'] }],
        ['ack-delay', { delay: 100 }],
      ],
    })
    const [me, you, gone] = [await joining(server, 5), await joining(server, 5, { clientId: 'you' }), await joining(server, 5, { clientId: 'gone' })]
    for (const client of [me, you, gone]) client.send(publish('a'))
    await clock.advance(50)
    gone.reset()
    await clock.advance(50)
    expect([heard(me), heard(you)]).toEqual(['puback 0x99', 'puback 16'])
    expect(clock.pending).toBe(0)
  })

  test('it counts as fired once a payload was refused; taken off, none is', async () => {
    const server = await memoryServer()
    const off = server.use(payloadCheck({ json: 'value' }))
    const client = await joining(server, 5)
    await exchanged(client, { ...publish('a'), payload: '{}' })
    expect(server.report().faults.neverFired).toEqual(['payload-check'])
    expect(await exchanged(client, publish('a'))).toBe('puback 0x99')
    expect(server.report().faults.neverFired).toEqual([])
    off()
    expect(await exchanged(client, publish('a'))).toBe('puback 16')
  })

  test('options that check nothing, or are wrong, are refused', () => {
    expect(() => payloadCheck({ topics: 'a' })).toThrow('nothing is checked')
    expect(() => payloadCheck({ pattern: '(' })).toThrow('is no regular expression')
  })
})
