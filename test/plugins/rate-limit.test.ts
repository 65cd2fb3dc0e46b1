/** What a client sees of `rate-limit`. */
import { rateLimit } from 'mqttest/plugins'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { exchanged, heard, joining, publish, spoken, subscribe } from '../support/outcome.ts'
import { virtualServer } from '../support/server.ts'

type Options = Parameters<typeof rateLimit>[0]

const serverWith = (options: Options) => virtualServer({ plugins: [rateLimit(options)] })

const three = [publish('a', 1, 1), publish('b', 1, 2), publish('a', 1, 3)] as const

describe('rate-limit', () => {
  test('messages: what is above is refused until the stretch is over', async () => {
    const { server, clock } = await serverWith({ messages: 2 })
    const client = await joining(server, 5)
    expect(await exchanged(client, ...three)).toBe('puback 16, puback 16, puback 0x97')
    await clock.advance(999)
    expect(await exchanged(client, publish('a'))).toBe('puback 0x97')
    await clock.advance(1)
    expect(await exchanged(client, ...three)).toBe('puback 16, puback 16, puback 0x97')
  })

  test('bytes: whole packets count', async () => {
    const { server } = await serverWith({ bytes: 30 })
    const client = await joining(server, 4)
    expect(await exchanged(client, subscribe('a'))).toBe('suback 0')
    const ten = publish('a', 1, 1, 'xyz')
    expect(await exchanged(client, ten, ten, ten, ten, { cmd: 'pingreq' })).toMatch(/^(publish a, puback, ){3}puback/)
  })

  test('window: how long a stretch is', async () => {
    const { server, clock } = await serverWith({ messages: 1, window: '1m' })
    const client = await joining(server, 5)
    expect(await exchanged(client, publish('a'))).toBe('puback 16')
    await clock.advance('59s')
    expect(await exchanged(client, publish('a'))).toBe('puback 0x97')
    await clock.advance('1s')
    expect(await exchanged(client, publish('a'))).toBe('puback 16')
  })

  test('per: what is counted together', async () => {
    const codes = async (per: 'connection' | 'client-id' | 'topic' | 'all') => {
      const { server } = await serverWith({ messages: 1, per })
      const said: string[] = []
      for (const [clientId, topic] of [
        ['one', 'a'],
        ['one', 'b'],
        ['two', 'a'],
      ] as const)
        said.push(await exchanged(await joining(server, 5, { clientId }), publish(topic)))
      return said.map((one) => (one === 'puback 16' ? 'taken' : one === 'puback 0x97' ? 'refused' : one)).join(' ')
    }
    expect(await codes('connection')).toBe('taken taken taken')
    expect(await codes('client-id')).toBe('taken refused taken')
    expect(await codes('topic')).toBe('taken taken refused')
    expect(await codes('all')).toBe('taken refused refused')
  })

  test('topics: only messages on these count', async () => {
    const { server } = await serverWith({ messages: 1, topics: ['devices/+/state'], answer: 'close' })
    const client = await joining(server, 4)
    expect(await exchanged(client, publish('a'), publish('devices/x/state'), publish('devices/x/config'), publish('b'))).toBe('puback, puback, puback, puback')
    expect(await exchanged(client, publish('devices/y/state'))).toBe('fin')
  })

  test('quotaMessages and quotaBytes hold for the whole connection', async () => {
    const { server, clock } = await serverWith({ quotaMessages: 2, answer: { disconnect: 'quota-exceeded' } })
    const client = await joining(server, 5)
    await exchanged(client, publish('a'), publish('a'))
    await clock.advance('1h')
    expect(await exchanged(client, publish('a'))).toBe('disconnect 0x97, fin')
    expect(await exchanged(await joining(server, 5), publish('a'))).toBe('puback 16')
    const small = await serverWith({ quotaBytes: 12 })
    expect(await exchanged(await joining(small.server, 5), publish('a'), publish('a'))).toBe('puback 16, puback 0x97')
  })

  test.each([
    ['ignore', 5, 'puback 16'],
    ['accept', 4, 'puback, puback'],
    [{ v3: 'close', v5: { disconnect: 'message-rate-too-high' } }, 5, 'puback 16, disconnect 0x96, fin'],
    [{ v3: 'close', v5: { disconnect: 'message-rate-too-high' } }, 4, 'puback, fin'],
  ] as const)('answer: %j to level %i is %s', async (answer, version, expected) => {
    const { server } = await serverWith({ messages: 1, answer })
    expect(await exchanged(await joining(server, version), publish('a', 1, 1), publish('a', 1, 2))).toBe(expected)
  })

  test('delay: reader takes everything, as fast as the rate allows, and all that stands behind it later', async () => {
    const { server, clock } = await serverWith({ messages: 1, delay: 'reader' })
    const client = await joining(server, 4)
    client.send(...three, { cmd: 'pingreq' })
    await clock.advance(999)
    expect(heard(client)).toBe('puback')
    await clock.advance(1)
    expect(heard(client)).toBe('puback, puback')
    await clock.advance(1000)
    expect(heard(client)).toBe('puback, puback, puback, pingresp')
  })

  test('delay: reader with bytes', async () => {
    const { server, clock } = await serverWith({ bytes: 20, delay: 'reader' })
    const client = await joining(server, 4)
    client.send(...three)
    await clock.advance(0)
    expect(heard(client)).toBe('puback, puback')
    await clock.advance(1000)
    expect(heard(client)).toBe('puback, puback, puback')
  })

  test('delay: ack takes everything at once, and acknowledges it as the rate allows', async () => {
    const { server, clock } = await serverWith({ messages: 1, delay: 'ack' })
    const client = await joining(server, 4)
    const other = await joining(server, 4, { clientId: 'other' })
    await exchanged(other, subscribe('#'))
    client.send(...three, { cmd: 'pingreq' })
    await clock.advance(0)
    expect(heard(client)).toBe('puback, pingresp')
    expect(other.received.filter((packet) => packet.cmd === 'publish')).toHaveLength(3)
    await clock.advance(1000)
    expect(heard(client)).toBe('puback, pingresp, puback')
    await clock.advance(1000)
    expect(client.received.at(-1)).toEqual({ cmd: 'puback', messageId: 3 })
  })

  test.each(['reader', 'ack'] as const)('patience: who is delayed by %s for too long without a break gets the answer', async (delay) => {
    const { server, clock } = await serverWith({ messages: 1, delay, patience: '2s', answer: 'close' })
    const client = await joining(server, 4)
    client.send(publish('a'), publish('a'))
    await clock.advance('1s')
    client.send(publish('a'))
    await clock.advance('1s')
    expect(heard(client)).toBe('puback, puback, puback')
    client.send(publish('a'))
    await clock.advance('1s')
    expect(heard(client)).toBe('puback, puback, puback, fin')
    const calm = await joining(server, 4)
    for (let count = 0; count < 3; count++) {
      calm.send(publish('a'), publish('a'))
      await clock.advance('2s')
    }
    expect(calm.ended).toBeUndefined()
  })

  test('notify: a topic hears of it, once in each stretch', async () => {
    const { server, clock } = await serverWith({ messages: 1, notify: '{username}/{clientId}/throttle', notifyPayload: 'slow down' })
    const client = await joining(server, 4, { username: 'joe' })
    await exchanged(client, subscribe('joe/me/throttle'))
    expect(await exchanged(client, ...three)).toBe('puback, publish joe/me/throttle, puback, puback')
    expect(await client.next('publish')).toMatchObject({ payload: Buffer.from('slow down') })
    await clock.advance(1000)
    expect(await exchanged(client, ...three)).toBe('puback, publish joe/me/throttle, puback, puback')
  })

  test('ban, banFactor and banMaximum: CONNECT is refused for longer and longer', async () => {
    const { server, clock } = await serverWith({ messages: 1, answer: 'close', ban: '10s', banFactor: 3, banMaximum: '1m' })
    for (const seconds of [10, 30, 60, 60]) {
      const client = await joining(server, 5)
      await exchanged(client, publish('a'), publish('a'))
      await clock.advance(seconds * 1000 - 1)
      expect(spoken(await connectMemory(server, 5).connect({ clientId: 'me' })), `${seconds} s`).toBe('connack 0x8a')
      expect(spoken(await connectMemory(server, 4).connect({ clientId: 'me' }))).toBe('connack 5')
      expect(spoken(await connectMemory(server, 5).connect({ clientId: 'you' }))).toBe('connack')
      await clock.advance(1)
    }
  })

  test('banAnswer: a ban may be without a word', async () => {
    const { server } = await serverWith({ messages: 0, answer: 'close', ban: '10s', banAnswer: 'close' })
    await exchanged(await joining(server, 4), publish('a'))
    const again = connectMemory(server, 4).sendConnect({ clientId: 'me' })
    expect([await again.end(), again.received]).toEqual(['fin', []])
  })

  test('connections that end while they wait leave nothing; those that are slowed together do not disturb each other', async () => {
    const { server, clock } = await virtualServer({ plugins: [rateLimit({ messages: 1, delay: 'reader' }), ['ack-delay', { delay: 100 }]] })
    const [me, you] = [await joining(server), await joining(server, 4, { clientId: 'you' })]
    me.send(...three)
    await clock.advance(500)
    you.send(...three)
    await clock.advance(600)
    expect([heard(me), heard(you)]).toEqual(['puback, puback', 'puback'])
    me.reset()
    await clock.advance(2000)
    expect(heard(you)).toBe('puback, puback, puback')
    expect(clock.pending).toBe(0)
  })

  test('it counts as fired once something was above; taken off, what waits is still taken', async () => {
    const { server, clock } = await virtualServer()
    const off = server.use(rateLimit({ messages: 1, delay: 'reader' }))
    const client = await joining(server)
    await exchanged(client, publish('a'))
    expect(server.report().faults.neverFired).toEqual(['rate-limit'])
    client.send(publish('a'))
    await clock.advance(0)
    expect(server.report().faults.neverFired).toEqual([])
    off()
    await clock.advance(1000)
    expect(await exchanged(client, publish('a'), publish('a'))).toBe('puback, puback')
  })

  test('options that limit nothing, or do not go together, are refused', () => {
    expect(() => rateLimit()).toThrow("give one of the options 'messages'")
    expect(() => rateLimit({ messages: 1, window: 0 })).toThrow("'window' is longer than 0")
    expect(() => rateLimit({ quotaBytes: 1, delay: 'ack' })).toThrow("'delay' goes with a rate")
    expect(() => rateLimit({ messages: 1, patience: 1 })).toThrow("'patience' needs the option 'delay'")
    expect(() => rateLimit({ messages: 1, banFactor: 2 })).toThrow("need the option 'ban'")
  })
})
