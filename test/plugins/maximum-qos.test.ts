/** What a client sees of `maximum-qos`. */
import { maximumQos } from 'mqttest/plugins'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { exchanged, heard, joining, publish, spoken, subscribe } from '../support/outcome.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

type Options = Parameters<typeof maximumQos>[0]

const serverWith = (options: Options) => memoryServer({ plugins: [maximumQos(options)] })

/** What a client gets for packets. */
async function answer(options: Options, version: 3 | 4 | 5, ...packets: readonly Parameters<typeof exchanged>[1][]) {
  return exchanged(await joining(await serverWith(options), version), ...packets)
}

/** What CONNACK announces. */
async function announced(options: Options) {
  return (await connectMemory(await serverWith(options), 5).connect()).properties?.maximumQoS
}

describe('maximum-qos', () => {
  test('QoS 2 ends the connection unless told otherwise, lower QoS does not', async () => {
    expect(await answer({}, 5, publish('a', 0), publish('a', 1))).toBe('puback 16')
    expect(await answer({}, 5, publish('a', 2))).toBe('disconnect 0x9b, fin')
    expect(await answer({}, 4, publish('a', 2))).toBe('fin')
  })

  test('maximum: 0 has no QoS 1 either', async () => {
    expect(await answer({ maximum: 0 }, 5, publish('a', 1))).toBe('disconnect 0x9b, fin')
    expect(await answer({ maximum: 0 }, 5, subscribe(['a'], 2))).toBe('suback 0')
  })

  test('announce and announced: CONNACK tells it, or not, or something else, legal or not', async () => {
    expect(await announced({})).toBe(1)
    expect(await announced({ maximum: 0 })).toBe(0)
    expect(await announced({ announce: false })).toBeUndefined()
    expect(await announced({ maximum: 0, announced: 1 })).toBe(1)
    expect(await announced({ maximum: 2, announced: 2 })).toBe(2)
  })

  test('who was told is blamed, and nobody else', async () => {
    for (const [options, version, violations] of [
      [{ publishAnswer: 'allow' }, 5, 1],
      [{ publishAnswer: 'allow', announce: false }, 5, 0],
      [{ publishAnswer: 'allow', maximum: 0, announced: 2 }, 5, 0],
      [{ publishAnswer: 'allow' }, 4, 0],
    ] as const) {
      const server = await serverWith(options)
      const client = connectMemory(server, version)
      client.sendConnect()
      await exchanged(client, publish('a', 2))
      expect(server.report().violations, JSON.stringify([options, version])).toHaveLength(violations)
    }
  })

  test.each([
    [{ v3: 'ignore', v5: { disconnect: 'qos-not-supported' } }, 4, ''],
    [{ v3: 'ignore', v5: { disconnect: 'qos-not-supported' } }, 5, 'disconnect 0x9b, fin'],
    ['implementation-specific-error', 5, 'pubrec 0x83'],
    ['accept', 4, 'pubrec'],
    ['reset', 4, 'rst'],
  ] as const)('publishAnswer: %j to level %i is %s', async (publishAnswer, version, expected) => {
    expect(await answer({ publishAnswer }, version, publish('a', 2))).toBe(expected)
  })

  test.each([4, 5] as const)('publishAnswer: allow takes the message at the maximum at level %i, and answers with PUBREC', async (version) => {
    const server = await serverWith({ publishAnswer: 'allow' })
    const client = await joining(server, version)
    const other = await joining(server, 4, { clientId: 'other' })
    await exchanged(other, subscribe('a', 1))
    expect(await exchanged(client, publish('a', 2), { cmd: 'pubrel', messageId: 7 })).toBe('pubrec, pubcomp')
    expect(await other.next('publish')).toMatchObject({ qos: 1 })
  })

  test.each([4, 5] as const)('acknowledge: puback answers a QoS 2 message with PUBACK at level %i', async (version) => {
    const server = await serverWith({ publishAnswer: 'allow', acknowledge: 'puback' })
    const client = await joining(server, version)
    expect(await exchanged(client, publish('a', 2))).toMatch(/^puback( 16)?$/)
    expect(await exchanged(client, publish('a', 2))).toMatch(/^puback( 16)?$/)
    expect(await answer({ maximum: 0, publishAnswer: 'allow', acknowledge: 'puback' }, 4, publish('a', 1), publish('a', 2))).toBe('puback, puback')
  })

  test('subscribeAnswer: the maximum is granted, or the filter refused, or nothing said', async () => {
    expect(await answer({}, 4, subscribe(['a', 'b'], 2))).toBe('suback 1,1')
    expect(await answer({ subscribeAnswer: 'implementation-specific-error' }, 5, subscribe('a', 2), subscribe('b', 1))).toBe('suback 0x83, suback 1')
    expect(await answer({ subscribeAnswer: 'ignore' }, 4, subscribe('a', 2))).toBe('')
  })

  test('willAnswer: a will above it refuses CONNECT, or is lowered', async () => {
    const will = { topic: 'w', payload: Buffer.from('x'), qos: 2, retain: true } as const
    const connack = async (options: Options, version: 4 | 5) => {
      const server = await serverWith(options)
      const client = connectMemory(server, version)
      const said = spoken(await client.connect({ will }))
      client.close()
      await client.end()
      return [said, server.retained[0]?.qos]
    }
    expect(await connack({}, 5)).toEqual(['connack 0x9b', undefined])
    expect(await connack({}, 4)).toEqual(['connack 3', undefined])
    expect(await connack({ willAnswer: 'allow' }, 4)).toEqual(['connack', 1])
  })

  test('with ack-delay its answers come late; another client is not touched; the end leaves nothing behind', async () => {
    const { server, clock } = await virtualServer({
      plugins: [
        [maximumQos({ publishAnswer: 'allow', acknowledge: 'puback' }), { clientId: 'me' }],
        ['ack-delay', { packets: ['puback', 'pubrec'], delay: 100 }],
      ],
    })
    const [me, you, gone] = [await joining(server), await joining(server, 4, { clientId: 'you' }), await joining(server, 4, { clientId: 'gone' })]
    for (const client of [me, you, gone]) client.send(publish('a', 2))
    await clock.advance(50)
    gone.reset()
    expect([heard(me), heard(you)]).toEqual(['', ''])
    await clock.advance(50)
    expect([heard(me), heard(you)]).toEqual(['puback', 'pubrec'])
    expect(clock.pending).toBe(0)
  })

  test('it counts as fired once it had something to lower; taken off, QoS 2 is back', async () => {
    const server = await memoryServer()
    const off = server.use(maximumQos())
    const client = await joining(server)
    await exchanged(client, publish('a', 1))
    expect(server.report().faults.neverFired).toEqual(['maximum-qos'])
    expect(await exchanged(client, subscribe('a', 2))).toBe('suback 1')
    expect(server.report().faults.neverFired).toEqual([])
    off()
    expect(await exchanged(client, subscribe('a', 2))).toBe('suback 2')
  })

  test('options that change nothing are refused', () => {
    expect(() => maximumQos({ maximum: 2 })).toThrow('QoS 2 is the highest')
    expect(() => maximumQos({ announce: false, announced: 1 })).toThrow("needs the option 'announce'")
  })
})
