/** What a client sees of `packet-size`. */
import { packetSize } from 'mqttest/plugins'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { exchanged, heard, joining, publish, spoken, subscribe, unsubscribe } from '../support/outcome.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

type Options = Parameters<typeof packetSize>[0]

/** What a client gets for packets. */
async function answer(options: Options, version: 3 | 4 | 5, ...packets: readonly Parameters<typeof exchanged>[1][]) {
  const server = await memoryServer({ plugins: [packetSize(options)] })
  return exchanged(await joining(server, version), ...packets)
}

/** A PUBLISH of exactly so many bytes in MQTT 3, one more in MQTT 5. */
const sized = (bytes: number, qos: 1 | 2 = 1) => publish('a', qos, 7, { size: bytes - 7 })

describe('packet-size', () => {
  test.each([4, 5] as const)('maximum: a packet of that size passes at level %i, one more byte ends the connection', async (version) => {
    const extra = version === 5 ? 1 : 0
    expect(await answer({ maximum: 100 }, version, sized(100 - extra))).toBe(version === 5 ? 'puback 16' : 'puback')
    expect(await answer({ maximum: 100 }, version, sized(101 - extra))).toBe(version === 5 ? 'disconnect 0x95, fin' : 'fin')
  })

  test('MQTT 5 clients are told, and blamed where they do not obey; announce: false tells nothing', async () => {
    for (const [announce, told, violations] of [
      [true, 100, 1],
      [false, undefined, 0],
    ] as const) {
      const server = await memoryServer({ plugins: [packetSize({ maximum: 100, announce })] })
      const client = connectMemory(server, 5)
      expect((await client.connect()).properties?.maximumPacketSize).toBe(told)
      expect(await exchanged(client, sized(200))).toBe('disconnect 0x95, fin')
      expect(server.report().violations).toHaveLength(violations)
    }
  })

  test('announced: what CONNACK says is not what is enforced', async () => {
    const server = await memoryServer({ plugins: [packetSize({ maximum: 100, announced: 1000 })] })
    const client = connectMemory(server, 5)
    expect((await client.connect()).properties?.maximumPacketSize).toBe(1000)
    expect(await exchanged(client, sized(200))).toBe('disconnect 0x95, fin')
    const loose = connectMemory(await memoryServer({ plugins: [packetSize({ announced: 50 })] }), 5)
    expect((await loose.connect()).properties?.maximumPacketSize).toBe(50)
    expect(await exchanged(loose, sized(200))).toBe('puback 16')
  })

  test('the connection ends at the header, while the rest is still to come; early: false reads it first', async () => {
    expect(await answer({ maximum: 100 }, 5, '30 ff 7f')).toBe('disconnect 0x95, fin')
    const { server, clock } = await virtualServer({ plugins: [packetSize({ maximum: 100, early: false })] })
    const client = await joining(server, 5)
    client.send('30 ff 01', '0001 61 00')
    await clock.advance(100)
    expect(client.ended).toBeUndefined()
    client.send(Buffer.alloc(251, 'x').toString('hex'))
    await clock.advance(0)
    expect(heard(client)).toBe('disconnect 0x95, fin')
  })

  test('packets: by type, beside a maximum for the rest', async () => {
    const options = { maximum: 1000, packets: { subscribe: 30, puback: 4, pingreq: 1000 }, answer: 'close' } as const
    expect(await answer(options, 4, subscribe('short'), sized(900))).toBe('suback 0, puback')
    expect(await answer(options, 4, subscribe('a filter that is longer than that'))).toBe('fin')
    expect(await answer(options, 4, sized(1001))).toBe('fin')
    const long = { cmd: 'puback', messageId: 1, reasonCode: 0, properties: { reasonString: 'long' } } as const
    expect(await answer(options, 5, long)).toBe('fin')
    expect(await answer({ ...options, answer: 'quota-exceeded' }, 5, long)).toBe('disconnect 0x97, fin')
    expect(await answer({ ...options, answer: 'ignore' }, 5, long)).toBe('')
    expect(await answer({ ...options, answer: 'reset', early: false }, 5, long)).toBe('rst')
  })

  test('payload: it alone is measured', async () => {
    expect(await answer({ payload: 10, answer: 'quota-exceeded' }, 5, publish('a long topic does not count', 1, 7, { size: 10 }))).toBe('puback 16')
    expect(await answer({ payload: 10, answer: 'quota-exceeded' }, 5, publish('a', 1, 7, { size: 11 }))).toBe('puback 0x97')
    expect(await answer({ payload: 10 }, 5, publish('a', 1, 7, { size: 11 }))).toBe('disconnect 0x95, fin')
  })

  test('answer: the packet alone is refused, or taken without effect, by version and QoS', async () => {
    expect(await answer({ maximum: 20, answer: 'quota-exceeded' }, 5, sized(50), sized(50, 2))).toBe('puback 0x97, pubrec 0x97')
    expect(await answer({ maximum: 20, answer: 'quota-exceeded' }, 5, subscribe('a rather long filter'), unsubscribe('a rather long filter'))).toBe(
      'suback 0x97, unsuback 0x97',
    )
    expect(await answer({ maximum: 20, answer: 'accept' }, 4, subscribe('a'), publish('a', 1, 7, { size: 50 }))).toBe('suback 0, puback')
    expect(await answer({ maximum: 20, answer: { v5: 'close', qos0: 'ignore' } }, 5, publish('a', 0, 0, { size: 50 }))).toBe('')
    expect(await answer({ maximum: 20, answer: { v5: 'close', qos0: 'ignore' } }, 5, sized(50))).toBe('fin')
  })

  test('who was told is also blamed where the packet alone is refused', async () => {
    const server = await memoryServer({ plugins: [packetSize({ maximum: 20, answer: 'quota-exceeded' })] })
    expect(await exchanged(await joining(server, 5), sized(50))).toBe('puback 0x97')
    expect(server.report().violations).toMatchObject([{ rule: 'packet-too-large', count: 1 }])
  })

  test('connectAnswer: a CONNECT that is too large is refused in its own way', async () => {
    const connack = async (options: Options, version: 4 | 5) => {
      const server = await memoryServer({ plugins: [packetSize(options)] })
      const client = connectMemory(server, version)
      client.sendConnect({ clientId: 'x'.repeat(50) })
      await client.end()
      return [...client.received.map(spoken), client.ended].join(', ')
    }
    expect(await connack({ maximum: 40 }, 5)).toBe('connack 0x95, fin')
    expect(await connack({ packets: { connect: 40 } }, 4)).toBe('connack 3, fin')
    expect(await connack({ maximum: 40, connectAnswer: 'reset' }, 5)).toBe('rst')
  })

  test('toClient: larger messages do not come, smaller ones do, in both versions', async () => {
    const { server, clock } = await virtualServer({ plugins: [packetSize({ toClient: 50 })] })
    const [me, you] = [await joining(server, 4), await joining(server, 5, { clientId: 'you', properties: { maximumPacketSize: 20 } })]
    for (const client of [me, you]) await exchanged(client, subscribe('#', 1))
    for (const size of [60, 30, 5]) server.publish({ topic: `t${size}`, payload: 'x'.repeat(size), qos: 1 })
    await clock.advance(0)
    expect(heard(me)).toContain('publish t30, publish t5')
    expect(heard(you)).toMatch(/pingresp, publish t5$/)
    expect(heard(me)).not.toContain('t60')
  })

  test('with ack-delay a refusal comes late; the connection may end before it', async () => {
    const { server, clock } = await virtualServer({ plugins: [packetSize({ maximum: 20, answer: 'quota-exceeded' }), ['ack-delay', { delay: 100 }]] })
    const [me, you] = [await joining(server, 5), await joining(server, 5, { clientId: 'you' })]
    for (const client of [me, you]) client.send(sized(50))
    await clock.advance(50)
    you.reset()
    await clock.advance(50)
    expect([heard(me), heard(you)]).toEqual(['puback 0x97', 'rst'])
    expect(clock.pending).toBe(0)
  })

  test('it only counts as fired once something was too large; taken off, connections to come are free', async () => {
    const server = await memoryServer()
    const off = server.use(packetSize({ maximum: 100, announce: false }))
    await exchanged(await joining(server, 5), sized(50))
    expect(server.report().faults.neverFired).toEqual(['packet-size'])
    off()
    expect(await exchanged(await joining(server, 5, { clientId: 'later' }), sized(200))).toBe('puback 16')
  })

  test('options that limit nothing, or no client, are refused', () => {
    expect(() => packetSize({})).toThrow('nothing is limited')
    expect(() => packetSize({ packets: { suback: 1 } })).toThrow("'suback' is no packet that a client sends")
    expect(() => packetSize({ maximum: 5, announce: false, announced: 6 })).toThrow("needs the option 'announce'")
  })
})
