/** What a client sees of `ack-early`. */
import { ackCode, ackDelay, ackEarly } from 'mqttest/plugins'
import { describe, expect, test } from 'vitest'
import { answers, join, messages, subscribe } from '../support/client.ts'
import { virtualServer } from '../support/server.ts'

type Options = Parameters<typeof ackEarly>[0]

const publish = (messageId: number, qos: 1 | 2 = 1) => ({ cmd: 'publish', topic: 'a', payload: String(messageId), qos, messageId }) as const

/** A client that has subscribed to 'a', before the plugin was there. */
async function subscribed(options: Options, version: 4 | 5 = 5) {
  const { server, clock } = await virtualServer()
  const client = await join(server, 'client', { version })
  await subscribe(client, 'a', 0)
  const off = server.use(ackEarly(options))
  return { server, clock, client, off }
}

describe('ack-early', () => {
  test.each([4, 5] as const)("the client's own message comes behind its acknowledgement, in the same tick (level %i)", async (version) => {
    const { client, clock } = await subscribed({}, version)
    client.send(publish(1))
    await clock.advance(0)
    client.send(publish(2, 2))
    await clock.advance(0)
    expect(answers(client)).toEqual(['puback 1', 'publish', 'pubrec 2', 'publish'])
    expect(client.chunks).toHaveLength(4)
  })

  test('without it, the message comes first', async () => {
    const { client, off } = await subscribed({})
    off()
    await client.send(publish(1)).settled()
    expect(answers(client)).toEqual(['publish', 'puback 1', 'pingresp'])
  })

  test('hold: the message arrives so much later; a QoS 2 exchange ends meanwhile; order stays', async () => {
    const { client, clock } = await subscribed({ hold: '2s' })
    await client.send(publish(1, 2), { cmd: 'pubrel', messageId: 1 }, publish(2)).settled()
    expect(answers(client)).toEqual(['pubrec 1', 'pubcomp 1', 'puback 2', 'pingresp'])
    await clock.advance(1999)
    expect(messages(client)).toEqual([])
    await clock.advance(1)
    expect(messages(client)).toEqual(['a 1', 'a 2'])
  })

  test('the code is the right one; with hold and lose it says success although nobody subscribes', async () => {
    const code = async (options: Options) => {
      const { server } = await virtualServer({ plugins: [ackEarly(options)] })
      return (await (await join(server, 'client')).send(publish(1)).next('puback')).reasonCode
    }
    expect([await code({}), await code({ hold: 100 }), await code({ lose: true })]).toEqual([0x10, 0, 0])
  })

  test('lose: the message never arrives', async () => {
    const { client, clock } = await subscribed({ lose: true })
    await client.send(publish(1), publish(2, 2), { cmd: 'pubrel', messageId: 2 }).settled()
    await clock.advance('1h')
    expect(answers(client)).toEqual(['puback 1', 'pubrec 2', 'pubcomp 2', 'pingresp'])
  })

  test('packets: puback leaves PUBREC and messages of QoS 0 alone', async () => {
    const { client, clock } = await subscribed({ packets: 'puback', hold: 100 })
    await client.send(publish(1, 2), publish(2), { cmd: 'publish', topic: 'a', payload: 'q0' }).settled()
    expect(answers(client)).toEqual(['publish', 'pubrec 1', 'puback 2', 'publish', 'pingresp'])
    await clock.advance(100)
    expect(messages(client)).toEqual(['a 1', 'a q0', 'a 2'])
  })

  test('packets: suback comes before the subscription', async () => {
    const { server, client, clock } = await subscribed({ packets: 'suback', hold: 100 })
    server.publish({ topic: 'b', payload: 'kept', retain: true })
    expect(await subscribe(client, 'b', 1)).toBe(1)
    await client.send({ cmd: 'publish', topic: 'b', payload: 'missed' }).settled()
    await clock.advance(100)
    server.publish({ topic: 'b', payload: 'seen' })
    await client.settled()
    expect(messages(client)).toEqual(['b kept', 'b seen'])
  })

  test('packets: unsuback comes before the end of the subscription', async () => {
    const { server, client, clock } = await subscribed({ packets: 'unsuback', hold: 100 })
    await client.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: ['a'] }).next('unsuback', { granted: [0] })
    server.publish({ topic: 'a', payload: 'still' })
    await clock.advance(100)
    server.publish({ topic: 'a', payload: 'no more' })
    await client.settled()
    expect(messages(client)).toEqual(['a still'])
  })

  test('a selection says which ones', async () => {
    const { client } = await subscribed({ lose: true, every: 3 })
    await client.send(...[1, 2, 3, 4, 5, 6].map((id) => publish(id))).settled()
    expect(messages(client)).toEqual(['a 1', 'a 2', 'a 4', 'a 5'])
  })

  test('goes together with late acknowledgements, and with codes that refuse', async () => {
    const { server, clock } = await virtualServer({ plugins: [ackCode({ reasonCode: 0x97, nth: 2 }), ackDelay({ delay: 50, packets: 'puback' }), ackEarly()] })
    const client = await join(server, 'client')
    await subscribe(client, 'a')
    await client.send(publish(1), publish(2)).settled()
    await clock.advance(50)
    expect(answers(client)).toEqual(['publish', 'pingresp', 'puback 1', 'puback 2 0x97'])
  })

  test('what was acknowledged arrives although the publisher is gone, or the plugin is', async () => {
    const { server, client, clock, off } = await subscribed({ hold: 100 })
    const publisher = await join(server, 'publisher')
    await publisher.send(publish(1)).settled()
    publisher.reset()
    await clock.advance(50)
    off()
    await client.send(publish(2)).settled()
    expect(messages(client)).toEqual(['a 2'])
    await clock.advance(50)
    expect(messages(client)).toEqual(['a 2', 'a 1'])
    expect(clock.pending).toBe(0)
    expect(server.report().faults.neverFired).toEqual([])
  })

  test('is used by its name, with a scope; connections beside one another', async () => {
    const { server, clock } = await virtualServer({ plugins: [['ack-early', { hold: 100 }, { clientId: 'slow' }]] })
    const [slow, fast] = [await join(server, 'slow'), await join(server, 'fast')]
    await subscribe(fast, 'a')
    slow.send(publish(1))
    await clock.advance(50)
    await fast.send(publish(2)).settled()
    await clock.advance(50)
    expect(messages(fast)).toEqual(['a 2', 'a 1'])
  })

  test('mistakes in its options are told at once', () => {
    expect(() => ackEarly.create({ packets: [] })).toThrow(/'packets' is empty/)
    expect(() => ackEarly.create({ lose: true, hold: 5 })).toThrow("option 'hold' says nothing beside 'lose'")
    expect(() => ackEarly.create({ packets: 'pubcomp' })).toThrow(/option 'packets'/)
  })
})
