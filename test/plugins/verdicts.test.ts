/** What a client sees of `verdicts`. */
import { mqtt3Idioms, verdicts } from 'mqttest/plugins'
import { describe, expect, test } from 'vitest'
import { brokenRules } from '../support/left-over.ts'
import { exchanged, joining, publish } from '../support/outcome.ts'
import { memoryServer } from '../support/server.ts'

const judged = (options: Parameters<typeof verdicts>[0]) => memoryServer({ plugins: [verdicts(options)] })

describe('verdicts', () => {
  test('levels: what is usually recorded ends the connection', async () => {
    const server = await judged({ levels: { warning: 'disconnect' } })
    expect(await exchanged(await joining(server, 5), { cmd: 'puback', messageId: 9 })).toBe('disconnect 0x82, fin')
    expect(await exchanged(await joining(server, 4), { cmd: 'puback', messageId: 9 })).toBe('fin')
    expect(brokenRules(server)).toEqual(['0: ack-unknown-packet-id', '1: ack-unknown-packet-id'])
  })

  test('levels: what usually ends the connection is let pass', async () => {
    const server = await judged({ levels: { error: 'warn' } })
    const client = await joining(server, 5)
    expect(await exchanged(client, publish('a/#', 1), publish('b', 1, 8))).toBe('puback 16, puback 16')
    expect(brokenRules(server)).toEqual(['0: publish-topic-wildcard'])
  })

  test('ignore: it is not even recorded', async () => {
    const server = await judged({ levels: { warning: 'ignore' } })
    expect(await exchanged(await joining(server), { cmd: 'puback', messageId: 9 })).toBe('')
    expect(brokenRules(server)).toEqual([])
  })

  test('rules: one of them, before what its level says', async () => {
    const server = await judged({ rules: { 'packet-id-in-use': 'disconnect' }, levels: { warning: 'ignore' } })
    const client = await joining(server, 5)
    expect(await exchanged(client, publish('a', 2, 7), publish('b', 2, 7))).toBe('pubrec, disconnect 0x82, fin')
  })

  test('a code that DISCONNECT does not have is a protocol error', async () => {
    const server = await judged({ levels: { warning: 'disconnect' } })
    const client = await joining(server, 5)
    client.send({ cmd: 'puback', messageId: 9 })
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x82 })
    expect(client.malformed).toEqual([])
  })

  test('rules that plugins report count as well', async () => {
    const server = await memoryServer({ plugins: [mqtt3Idioms(), verdicts({ rules: { 'own-messages-echoed': 'disconnect' } })] })
    const client = await joining(server, 5)
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 0 }] }, publish('a', 0))
    expect(await client.end()).toBe('fin')
    expect(brokenRules(server)).toContain('0: own-messages-echoed')
  })

  test('unknownPacketId: 0x92 in PUBCOMP and PUBREL, and the connection stays', async () => {
    const server = await judged({ unknownPacketId: 'not-found', levels: { warning: 'disconnect' } })
    const client = await joining(server, 5)
    expect(await exchanged(client, { cmd: 'pubrel', messageId: 9 }, { cmd: 'pubrec', messageId: 9 })).toBe('pubcomp 0x92, pubrel 0x92')
    expect(await exchanged(client, publish('a', 2, 9), { cmd: 'pubrel', messageId: 9 })).toBe('pubrec, pubcomp')
    expect(await exchanged(client, { cmd: 'pubcomp', messageId: 9 })).toBe('disconnect 0x82, fin')
  })

  test('MQTT 3 has no word for that: it is a warning like any other', async () => {
    const server = await judged({ unknownPacketId: 'not-found', levels: { warning: 'disconnect' } })
    expect(await exchanged(await joining(server), { cmd: 'pubrel', messageId: 9 })).toBe('fin')
  })

  test('mistakes in its options are told at once', () => {
    expect(() => verdicts()).toThrow('everything is as usual')
    expect(() => verdicts({ unknownPacketId: 'usual', levels: {} })).toThrow('everything is as usual')
  })
})
