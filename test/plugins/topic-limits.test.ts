/** What a client sees of `topic-limits`. */
import { topicLimits } from 'mqttest/plugins'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { exchanged, heard, joining, publish, spoken, subscribe, unsubscribe } from '../support/outcome.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

type Options = Parameters<typeof topicLimits>[0]

const serverWith = (options: Options) => memoryServer({ plugins: [topicLimits(options)] })

/** What a client gets for packets. */
async function answer(options: Options, version: 3 | 4 | 5, ...packets: readonly Parameters<typeof exchanged>[1][]) {
  return exchanged(await joining(await serverWith(options), version), ...packets)
}

describe('topic-limits', () => {
  test('bytes: longer topics are refused, and longer filters', async () => {
    expect(await answer({ bytes: 4 }, 5, publish('abcd'), publish('abcde'), publish('äöü'))).toBe('puback 16, puback 0x90, puback 0x90')
    expect(await answer({ bytes: 4 }, 4, publish('abcd'))).toBe('puback')
    expect(await answer({ bytes: 4 }, 4, publish('abcde'))).toBe('fin')
    expect(await answer({ bytes: 4 }, 5, subscribe(['abcd', 'abc/#']))).toBe('suback 0,0x8f')
    expect(await answer({ bytes: 4 }, 4, subscribe(['abcd', 'abc/#']))).toBe('suback 0,0x80')
  })

  test('levels: deeper topics are refused', async () => {
    expect(await answer({ levels: 2 }, 5, publish('a/b'), publish('a/b/c'), publish('//'))).toBe('puback 16, puback 0x90, puback 0x90')
  })

  test('levelBytes: each level is measured', async () => {
    expect(await answer({ levelBytes: 3 }, 5, publish('abc/abc'), publish('a/abcd/a'))).toBe('puback 16, puback 0x90')
  })

  test('pattern and forbidden: characters that are not allowed', async () => {
    expect(await answer({ pattern: '[a-z/#]*' }, 5, publish('a/b'), publish('a/B'), subscribe(['a/#', 'a/+']))).toBe('puback 16, puback 0x90, suback 0,0x8f')
    expect(await answer({ forbidden: ' .' }, 5, publish('a b'), publish('a.b'), publish('ab'))).toBe('puback 0x90, puback 0x90, puback 16')
  })

  test('notCounted: the share name does not count unless told so, and other prefixes if told so', async () => {
    expect(await answer({ levels: 1 }, 5, subscribe(['$share/group/a', '$share/group/a/b']))).toBe('suback 0,0x8f')
    expect(await answer({ levels: 1, notCounted: [] }, 5, subscribe(['$share/group/a']))).toBe('suback 0x8f')
    const options = { levels: 2, notCounted: ['$aws/rules/+/'] }
    expect(await answer(options, 5, publish('$aws/rules/my-rule/a/b'), publish('$aws/rules/my-rule/a/b/c'), publish('$aws/x/my-rule'))).toBe(
      'puback 16, puback 0x90, puback 0x90',
    )
  })

  test('of: what is looked at', async () => {
    const long = [publish('abcde'), subscribe('abcde'), unsubscribe('abcde')]
    expect(await answer({ bytes: 4 }, 5, ...long)).toBe('puback 0x90, suback 0x8f, unsuback 17')
    expect(await answer({ bytes: 4, of: ['publish'] }, 5, ...long)).toBe('puback 0x90, suback 0, unsuback 0')
    expect(await answer({ bytes: 4, of: ['subscribe'] }, 5, ...long)).toBe('puback 16, suback 0x8f, unsuback 17')
    expect(await answer({ bytes: 4, of: ['unsubscribe'] }, 5, ...long)).toBe('puback 16, suback 0, unsuback 0x8f')
  })

  test('publishAnswer, subscribeAnswer and willAnswer say what happens, by version', async () => {
    const answers = { publishAnswer: { v3: 'accept', v5: { disconnect: 'malformed-packet' } }, subscribeAnswer: 'close' } as const
    expect(await answer({ levels: 1, ...answers }, 4, publish('a/b'))).toBe('puback')
    expect(await answer({ levels: 1, ...answers }, 5, publish('a/b'))).toBe('disconnect 0x81, fin')
    expect(await answer({ levels: 1, ...answers }, 5, subscribe('a/b'))).toBe('fin')
    const will = { topic: 'a/b', payload: Buffer.from('x'), qos: 0, retain: false } as const
    const connack = async (options: Options, version: 4 | 5) => spoken(await connectMemory(await serverWith(options), version).connect({ will }))
    expect(await connack({ levels: 1 }, 5)).toBe('connack 0x90')
    expect(await connack({ levels: 1 }, 4)).toBe('connack 3')
    expect(await connack({ levels: 1, willAnswer: 'server-busy' }, 5)).toBe('connack 0x89')
    expect(await connack({ levels: 1, of: ['publish'] }, 5)).toBe('connack')
    expect(await connack({ levels: 2 }, 5)).toBe('connack')
  })

  test('the reason is told in words', async () => {
    const client = await joining(await serverWith({ levels: 1 }), 5)
    expect(await client.send(publish('a/b')).next('puback')).toMatchObject({ properties: { reasonString: 'the topic has more than 1 levels' } })
  })

  test.each([
    ['accept', 4, 'puback'],
    ['accept', 5, 'puback'],
    ['ignore', 4, ''],
    ['topic-name-invalid', 5, 'puback 0x90'],
    [{ v3: 'close', v5: { disconnect: 'topic-name-invalid' } }, 5, 'disconnect 0x90, fin'],
    [{ v3: 'close', v5: { disconnect: 'topic-name-invalid' } }, 4, 'fin'],
    [{ answer: 'accept', disconnect: 'protocol-error' }, 5, 'puback, disconnect 0x82, fin'],
  ] as const)('wildcards: %j to level %i for a PUBLISH to a/# is %s', async (wildcards, version, expected) => {
    const server = await serverWith({ wildcards })
    const client = await joining(server, version)
    expect(await exchanged(client, publish('a/#'))).toBe(expected)
    expect(server.report().violations).toMatchObject([{ rule: 'publish-topic-wildcard', count: 1 }])
  })

  test('wildcards: allow hands the message to who subscribed; other topics are not touched', async () => {
    const server = await serverWith({ wildcards: 'allow' })
    const other = await joining(server, 4, { clientId: 'other' })
    await exchanged(other, subscribe('#'))
    expect(await exchanged(await joining(server), publish('a/+'), publish('b'))).toBe('puback, puback')
    await other.settled()
    expect([other.malformed.length, other.received.filter((packet) => packet.cmd === 'publish').length]).toEqual([1, 1])
    expect(await answer({ wildcards: 'ignore' }, 5, publish('b'))).toBe('puback 16')
    expect(await answer({ levels: 5 }, 5, publish('a/#'))).toBe('disconnect 0x81, fin')
  })

  test('with ack-delay a refusal comes late; the connection may end before it; another client is not touched', async () => {
    const { server, clock } = await virtualServer({
      plugins: [
        [topicLimits({ levels: 1 }), { clientId: ['me', 'gone'] }],
        ['ack-delay', { delay: 100 }],
      ],
    })
    const [me, you, gone] = [await joining(server, 5), await joining(server, 5, { clientId: 'you' }), await joining(server, 5, { clientId: 'gone' })]
    for (const client of [me, you, gone]) client.send(publish('a/b'))
    await clock.advance(50)
    gone.reset()
    await clock.advance(50)
    expect([heard(me), heard(you)]).toEqual(['puback 0x90', 'puback 16'])
    expect(clock.pending).toBe(0)
  })

  test('it counts as fired once a topic was refused; taken off, none is', async () => {
    const server = await memoryServer()
    const off = server.use(topicLimits({ levels: 1 }))
    const client = await joining(server, 5)
    await exchanged(client, publish('a'))
    expect(server.report().faults.neverFired).toEqual(['topic-limits'])
    expect(await exchanged(client, publish('a/b'))).toBe('puback 0x90')
    expect(server.report().faults.neverFired).toEqual([])
    off()
    expect(await exchanged(client, publish('a/b'))).toBe('puback 16')
  })

  test('options that limit nothing, or are wrong, are refused', () => {
    expect(() => topicLimits()).toThrow('nothing is limited')
    expect(() => topicLimits({ pattern: '[' })).toThrow('is no regular expression')
    expect(() => topicLimits({ bytes: 1, of: [] })).toThrow("option 'of' names nothing")
  })
})
