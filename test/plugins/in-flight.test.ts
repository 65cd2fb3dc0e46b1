/** What a client sees of `in-flight`. */
import { inFlight } from 'mqttest/plugins'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { exchanged, heard, joining, publish, subscribe } from '../support/outcome.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

type Options = Parameters<typeof inFlight>[0]

const serverWith = (options: Options) => memoryServer({ plugins: [inFlight(options)] })

/** QoS 2 messages that are not released: each stays under way. */
const messages = (count: number, qos: 1 | 2 = 2) => Array.from({ length: count }, (_, index) => publish('a', qos, index + 1))

async function answer(options: Options, version: 4 | 5, count: number) {
  return exchanged(await joining(await serverWith(options), version), ...messages(count))
}

describe('in-flight', () => {
  test('maximum: one more ends the connection in MQTT 5, and nothing happens in MQTT 3, unless told otherwise', async () => {
    expect(await answer({ maximum: 2 }, 5, 2)).toBe('pubrec, pubrec')
    expect(await answer({ maximum: 2 }, 5, 3)).toBe('pubrec, pubrec, disconnect 0x93, fin')
    expect(await answer({ maximum: 2 }, 4, 3)).toBe('pubrec, pubrec, pubrec')
    expect(await answer({ maximum: 2, answer: 'close' }, 4, 3)).toBe('pubrec, pubrec, fin')
  })

  test('a message that is done makes room: PUBCOMP, PUBACK, and a PUBREC that refuses', async () => {
    const client = await joining(await serverWith({ maximum: 2, answer: 'quota-exceeded' }), 5)
    expect(await exchanged(client, ...messages(3), { cmd: 'pubrel', messageId: 1 })).toBe('pubrec, pubrec, pubrec 0x97, pubcomp')
    expect(await exchanged(client, publish('a', 1, 9), publish('a', 2, 4), publish('a', 2, 5))).toBe('puback 16, pubrec, pubrec 0x97')
  })

  test('announce and announced: CONNACK tells the maximum, nothing, or something else', async () => {
    const told = async (options: Options) => (await connectMemory(await serverWith(options), 5).connect()).properties?.receiveMaximum
    expect(await told({ maximum: 10 })).toBe(10)
    expect(await told({ maximum: 10, announce: false })).toBeUndefined()
    expect(await told({ maximum: 10, announced: 20 })).toBe(20)
    expect(await told({ announced: 5 })).toBe(5)
    expect(await told({ window: 5 })).toBeUndefined()
  })

  test('what is announced alone is not enforced, but who goes beyond it is blamed', async () => {
    for (const [options, violations] of [
      [{ announced: 2 }, 1],
      [{ announced: 5 }, 0],
      [{ maximum: 2, announce: false, answer: 'quota-exceeded' }, 0],
      [{ maximum: 2, answer: 'quota-exceeded' }, 1],
    ] as const) {
      const server = await serverWith(options)
      const said = await exchanged(await joining(server, 5), ...messages(3))
      expect(said).toBe(options.maximum === undefined ? 'pubrec, pubrec, pubrec' : 'pubrec, pubrec, pubrec 0x97')
      expect(server.report().violations, JSON.stringify(options)).toHaveLength(violations)
    }
  })

  test('every: 2 refuses every second message beyond the maximum, on each connection', async () => {
    const server = await serverWith({ maximum: 1, answer: { v3: 'allow', v5: 'quota-exceeded' }, every: 2 })
    const [me, you] = [await joining(server, 5), await joining(server, 5, { clientId: 'you' })]
    expect(await exchanged(me, ...messages(4))).toBe('pubrec, pubrec 0x97, pubrec, pubrec 0x97')
    expect(await exchanged(you, ...messages(3))).toBe('pubrec, pubrec 0x97, pubrec')
  })

  test('awaitingRelease: as long as so many wait for PUBREL, no more QoS 2 is taken', async () => {
    const client = await joining(await serverWith({ awaitingRelease: 2 }), 5)
    expect(await exchanged(client, ...messages(3), publish('a', 1, 9))).toBe('pubrec, pubrec, pubrec 0x97, puback 16')
    expect(await exchanged(client, { cmd: 'pubrel', messageId: 1 }, publish('a', 2, 3))).toBe('pubcomp, pubrec')
    expect(await answer({ awaitingRelease: 1, releaseAnswer: { v3: 'close', v5: { disconnect: 'receive-maximum-exceeded' } } }, 5, 2)).toBe(
      'pubrec, disconnect 0x93, fin',
    )
    expect(await answer({ awaitingRelease: 1, releaseAnswer: 'close' }, 4, 2)).toBe('pubrec, fin')
  })

  test('window: the server waits for acknowledgements although the client takes more', async () => {
    const { server, clock } = await virtualServer({ plugins: [inFlight({ window: 2 })] })
    const [me, you] = [await joining(server, 4), await joining(server, 5, { clientId: 'you', properties: { receiveMaximum: 1 } })]
    for (const client of [me, you]) await exchanged(client, subscribe('a', 1))
    for (let count = 0; count < 4; count++) server.publish({ topic: 'a', qos: 1 })
    await clock.advance(0)
    const deliveries = (client: typeof me) => client.received.filter((packet) => packet.cmd === 'publish').length
    expect([deliveries(me), deliveries(you)]).toEqual([2, 1])
    await exchanged(me, { cmd: 'puback', messageId: 1 })
    expect(deliveries(me)).toBe(3)
  })

  test('with ack-delay QoS 1 is under way for a while; the connection may end meanwhile', async () => {
    const { server, clock } = await virtualServer({ plugins: [inFlight({ maximum: 2, answer: 'close' }), ['ack-delay', { delay: 100 }]] })
    const [me, you] = [await joining(server), await joining(server, 4, { clientId: 'you' })]
    me.send(...messages(2, 1))
    you.send(...messages(2, 1))
    await clock.advance(50)
    you.send(publish('a', 1, 3))
    await clock.advance(0)
    expect([heard(me), heard(you)]).toEqual(['', 'fin'])
    await clock.advance(50)
    me.send(...messages(2, 1))
    await clock.advance(100)
    expect(heard(me)).toBe('puback, puback, puback, puback')
    me.send(...messages(2, 1))
    await clock.advance(50)
    me.reset()
  })

  test('it counts as fired once there were too many; taken off, nothing is too many', async () => {
    const server = await memoryServer()
    const off = server.use(inFlight({ maximum: 1, announce: false, answer: 'quota-exceeded' }))
    const client = await joining(server, 5)
    await exchanged(client, publish('a', 2, 1))
    expect(server.report().faults.neverFired).toEqual(['in-flight'])
    expect(await exchanged(client, publish('a', 2, 2))).toBe('pubrec 0x97')
    expect(server.report().faults.neverFired).toEqual([])
    off()
    expect(await exchanged(client, publish('a', 2, 2))).toBe('pubrec')
  })

  test('options that limit nothing are refused', () => {
    expect(() => inFlight({ every: 2 })).toThrow('nothing is limited')
    expect(() => inFlight({ announce: false, announced: 1 })).toThrow("needs the option 'announce'")
  })
})
