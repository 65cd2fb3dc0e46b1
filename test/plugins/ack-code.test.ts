/** What a client sees of `ack-code`. */
import type { ProtocolVersion } from 'mqttest'
import { ackCode, ackDelay, reject } from 'mqttest/plugins'
import type { RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { answers, join, messages, subscribe } from '../support/client.ts'
import { virtualServer } from '../support/server.ts'

type Options = Parameters<typeof ackCode>[0]

const publish = (messageId: number, qos: 1 | 2 = 1, topic = 'a') => ({ cmd: 'publish', topic, payload: String(messageId), qos, messageId }) as const

/** A publisher, and a subscriber of everything. */
async function connected(options: Options, version: ProtocolVersion = 5) {
  const { server, clock } = await virtualServer({ plugins: [ackCode(options)] })
  const other = await join(server, 'other')
  await subscribe(other, '#', 0)
  return { server, clock, client: await join(server, 'client', { version }), other }
}

const hexOf = (client: RawClient) => client.chunks.at(-1)?.toString('hex')

describe('ack-code', () => {
  test('reasonCode: PUBACK and PUBREC refuse the message, and nobody gets it', async () => {
    const { client, other } = await connected({ reasonCode: 'quota-exceeded' })
    await client.send(publish(1), publish(2, 2)).settled()
    await other.settled()
    expect(answers(client)).toEqual(['puback 1 0x97', 'pubrec 2 0x97', 'pingresp'])
    expect(messages(other)).toEqual([])
  })

  test('PUBREC that refuses ends the exchange: the packet id is free', async () => {
    const { server, client } = await connected({ reasonCode: 0x97, effect: 'taken', nth: 1 })
    await client.send(publish(1, 2), publish(1, 2), { cmd: 'pubrel', messageId: 1 }).settled()
    expect(answers(client)).toEqual(['pubrec 1 0x97', 'pubrec 1', 'pubcomp 1', 'pingresp'])
    expect(server.report().violations).toEqual([])
  })

  test('effect: taken routes what is refused', async () => {
    const { client, other } = await connected({ reasonCode: 'not-authorized', effect: 'taken' })
    await client.send(publish(1), publish(2, 2)).settled()
    await other.settled()
    expect(answers(client)).toEqual(['puback 1 0x87', 'pubrec 2 0x87', 'pingresp'])
    expect(messages(other)).toEqual(['a 1', 'a 2'])
  })

  test.each([4, 5] as const)('effect: refused loses what is taken (level %i)', async (version) => {
    const { client, other } = await connected({ effect: 'refused' }, version)
    await client.send(publish(1), publish(2, 2), { cmd: 'pubrel', messageId: 2 }).settled()
    await other.settled()
    expect(answers(client)).toEqual(['puback 1', 'pubrec 2', 'pubcomp 2', 'pingresp'])
    expect(messages(other)).toEqual([])
  })

  test('MQTT 3 cannot be told: the message is acknowledged, and goes nowhere', async () => {
    const { client, other } = await connected({ reasonCode: 0x87 }, 4)
    await client.send(publish(1)).settled()
    await other.settled()
    expect([answers(client), messages(other)]).toEqual([['puback 1', 'pingresp'], []])
  })

  test('a success that hides a refusal lets the exchange go on', async () => {
    const { server } = await virtualServer({
      plugins: [
        { meta: { name: 'no' }, setup: ({ on, hooks }) => on(hooks.authorize, { kind: 'publish' }, (decision) => ({ ...decision, reasonCode: 0x87 })) },
        ackCode({ reasonCode: 'success' }),
      ],
    })
    const client = await join(server, 'client')
    await client.send(publish(1, 2), { cmd: 'pubrel', messageId: 1 }).settled()
    expect(answers(client)).toEqual(['pubrec 1', 'pubcomp 1', 'pingresp'])
  })

  test('packets: PUBREL and PUBCOMP have codes as well', async () => {
    const { server, client } = await connected({ packets: ['pubrel', 'pubcomp'], reasonCode: 'packet-identifier-not-found' })
    await subscribe(client, 'b', 2)
    server.publish({ topic: 'b', qos: 2 })
    const { messageId = 0 } = await client.next('publish')
    await client.send(publish(7, 2), { cmd: 'pubrel', messageId: 7 }, { cmd: 'pubrec', messageId }, { cmd: 'pubcomp', messageId }).settled()
    expect(answers(client)).toEqual([`publish ${messageId}`, 'pubrec 7', 'pubcomp 7 0x92', `pubrel ${messageId} 0x92`, 'pingresp'])
  })

  test.each([
    ['short', 'puback', 0, '40020001'],
    ['code', 'puback', 0, '4003000100'],
    ['full', 'puback', 0, '400400010000'],
    ['short', 'puback', 0x87, '40020001'],
    ['code', 'puback', 0x87, '4003000187'],
    ['full', 'puback', 0x87, '400400018700'],
    ['full', 'pubrec', 0, '500400010000'],
  ] as const)('form: %s of %s with 0x%i', async (form, packet, reasonCode, bytes) => {
    const { client, clock } = await connected({ form, packets: packet, ...(reasonCode > 0 && { reasonCode }) })
    client.send(publish(1, packet === 'puback' ? 1 : 2))
    await clock.advance(0)
    expect(hexOf(client)).toBe(bytes)
  })

  test('properties: also with success, and to a client that wants none', async () => {
    const { server } = await virtualServer({ plugins: [ackCode({ properties: { reasonString: 'ok', userProperties: { a: 'b' } } })] })
    const client = await join(server, 'client', { properties: { requestProblemInformation: false } })
    expect(await client.send(publish(1)).next('puback')).toMatchObject({ reasonCode: 0x10, properties: { reasonString: 'ok', userProperties: { a: 'b' } } })
  })

  test('MQTT 3 acknowledgements stay as they are', async () => {
    const { client, clock } = await connected({ form: 'full', properties: { reasonString: 'x' } }, 4)
    client.send(publish(1))
    await clock.advance(0)
    expect(hexOf(client)).toBe('40020001')
  })

  test.each([
    ['puback', ['puback 1 0x10', 'pubrec 2', 'puback 3']],
    ['pubrec', ['puback 1', 'pubrec 2 0x10', 'puback 3']],
    ['both', ['puback 1 0x10', 'pubrec 2 0x10', 'puback 3']],
    ['neither', ['puback 1', 'pubrec 2', 'puback 3']],
  ] as const)('noSubscribers: %s', async (noSubscribers, expected) => {
    const { server } = await virtualServer({ plugins: [ackCode({ noSubscribers })] })
    const client = await join(server, 'client')
    await subscribe(await join(server, 'other'), 'known')
    await client.send(publish(1), publish(2, 2), publish(3, 1, 'known')).settled()
    expect(answers(client).slice(0, 3)).toEqual(expected)
  })

  test('a selection says which ones: by topic, QoS, number', async () => {
    const codes = async (options: Options) => {
      const { client } = await connected({ reasonCode: 0x97, ...options })
      await client.send(publish(1), publish(2, 2), publish(3, 1, 'b'), publish(4)).settled()
      return answers(client).flatMap((answer) => (answer.endsWith('0x97') ? [Number(answer.split(' ')[1])] : []))
    }
    expect(await codes({ topic: 'a' })).toEqual([1, 2, 4])
    expect(await codes({ qos: 2 })).toEqual([2])
    expect(await codes({ every: 2 })).toEqual([2, 4])
    expect(await codes({ packets: 'puback', nth: 2 })).toEqual([3])
  })

  test('goes together with late acknowledgements; a connection that ends leaves nothing behind', async () => {
    const { server, clock } = await virtualServer({ plugins: [ackCode({ reasonCode: 0x97 }), ackDelay({ delay: 100 }), reject({ clientId: 'nobody' })] })
    const client = await join(server, 'client')
    client.send(publish(1))
    await clock.advance(100)
    expect(answers(client)).toEqual(['puback 1 0x97'])
    client.send(publish(2))
    await clock.advance(50)
    client.reset()
    await clock.advance(0)
    expect(clock.pending).toBe(0)
    expect(server.report().faults.neverFired).toEqual(['reject'])
  })

  test('two connections are counted apart; a scope with times counts messages', async () => {
    const { server } = await virtualServer({ plugins: [ackCode({ reasonCode: 0x97, nth: 1 }), [ackCode({ reasonCode: 0x99, nth: 3 }), { times: 1 }]] })
    const [one, two] = [await join(server, 'one'), await join(server, 'two')]
    for (const client of [one, two]) for (const id of [1, 2, 3]) await client.send(publish(id)).next('puback')
    expect(answers(one)).toEqual(['puback 1 0x97', 'puback 2 0x10', 'puback 3 0x99'])
    expect(answers(two)).toEqual(['puback 1 0x97', 'puback 2 0x10', 'puback 3 0x10'])
  })

  test('the call that use() returns takes it off', async () => {
    const { server } = await virtualServer()
    const client = await join(server, 'client')
    const off = server.use(ackCode({ reasonCode: 0x97 }))
    await client.send(publish(1)).next('puback')
    off()
    await client.send(publish(2)).next('puback')
    expect(answers(client)).toEqual(['puback 1 0x97', 'puback 2 0x10'])
  })

  test('mistakes in its options are told at once', () => {
    expect(() => ackCode.create()).toThrow(/give one of the options 'reasonCode'/)
    expect(() => ackCode.create({ packets: [], reasonCode: 0 })).toThrow(/'packets' is empty/)
    expect(() => ackCode.create({ packets: 'suback', reasonCode: 0 })).toThrow(/option 'packets'/)
    expect(() => ackCode.create({ form: 'code', properties: { reasonString: 'x' } })).toThrow("form code has no room for 'properties'")
    expect(() => ackCode.create({ effect: 'taken', reasonCode: 0x10 })).toThrow(/effect taken goes with/)
    expect(() => ackCode.create({ reasonCode: 0x97, noSubscribers: 'both' })).toThrow(/says nothing beside 'reasonCode'/)
    expect(() => ackCode.create({ packets: 'pubrel', effect: 'refused' })).toThrow("option 'effect' is about PUBACK and PUBREC")
  })
})
