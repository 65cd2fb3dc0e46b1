/** What two clients with one id see of `takeover`. */
import type { Server } from 'mqttest'
import { ackDelay, takeover } from 'mqttest/plugins'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join, joined, messages, subscribe } from '../support/client.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

const fired = (server: Server) => server.report().faults.applied.find(({ plugin }) => plugin === 'takeover')?.count ?? 0
const will = { topic: 'gone', payload: Buffer.from('first'), qos: 0, retain: false } as const

describe('takeover', () => {
  test('by default the first stays, and the newcomer is refused', async () => {
    const server = await memoryServer({ plugins: [takeover()] })
    const first = await join(server, 'same')
    const { client, connack } = await joined(server, 'same')
    expect(connack.reasonCode).toBe(0x85)
    expect(await client.end()).toBe('fin')
    expect((await joined(server, 'same', { version: 4 })).connack).toMatchObject({ returnCode: 2 })
    await first.settled()
    expect(fired(server)).toBe(2)
  })

  test('answer: close closes the newcomer without a word', async () => {
    const server = await memoryServer({ plugins: [takeover({ answer: { v5: 'close', v3: 'not-authorized' } })] })
    await join(server, 'same')
    const second = connectMemory(server, 5).sendConnect({ clientId: 'same' })
    await second.end()
    expect(second.received).toEqual([])
    expect((await joined(server, 'same', { version: 4 })).connack.returnCode).toBe(5)
  })

  test('other client ids get in', async () => {
    const server = await memoryServer({ plugins: [takeover()] })
    await join(server, 'one')
    expect((await joined(server, 'two')).connack.reasonCode).toBe(0)
    expect(fired(server)).toBe(0)
  })

  test('newest: the first hears the reason code that is given', async () => {
    const server = await memoryServer({ plugins: [takeover({ policy: 'newest', tell: 'administrative-action' })] })
    const first = await join(server, 'same')
    await join(server, 'same')
    expect(await first.next('disconnect')).toMatchObject({ reasonCode: 0x98 })
    expect(await first.end()).toBe('fin')
  })

  test('an option that says how the newest takes over lets it do so', async () => {
    for (const options of [{ tell: 'reset' }, { order: 'after' }, { will: 'never' }, { flapping: '1s' }, { madeUp: '1h' }, { madeUpPacket: 99 }] as const) {
      const server = await memoryServer({ plugins: [takeover(options)] })
      const first = await join(server, 'same')
      expect((await joined(server, 'same')).connack.reasonCode).toBe(0)
      await first.end()
    }
  })

  test('newest with tell: nothing or reset: the first hears nothing', async () => {
    for (const [tell, how] of [
      ['nothing', 'fin'],
      ['reset', 'rst'],
    ] as const) {
      const server = await memoryServer({ plugins: [takeover({ policy: 'newest', tell })] })
      const first = await join(server, 'same')
      await join(server, 'same')
      expect(await first.end()).toBe(how)
      expect(first.received.map(({ cmd }) => cmd)).toEqual(['connack'])
    }
  })

  test('both: each goes on with a session of its own', async () => {
    const server = await memoryServer({ plugins: [takeover({ policy: 'both' })] })
    const both = [await join(server, 'same'), await join(server, 'same', { version: 4 })]
    for (const client of both) await subscribe(client, 'a')
    server.publish({ topic: 'a', payload: 'x' })
    for (const client of both) expect((await client.next('publish')).payload.toString()).toBe('x')
  })

  test('same-user: only who has the same user name may take over', async () => {
    const server = await memoryServer({ plugins: [takeover({ policy: 'same-user', answer: 'not-authorized' })] })
    const first = await join(server, 'same', { username: 'joe' })
    expect((await joined(server, 'same', { username: 'ann' })).connack.reasonCode).toBe(0x87)
    await first.settled()
    expect((await joined(server, 'same', { username: 'joe' })).connack.reasonCode).toBe(0)
    expect(await first.next('disconnect')).toMatchObject({ reasonCode: 0x8e })
  })

  test('hold: CONNACK comes late, and the first is closed at once', async () => {
    const { server, clock } = await virtualServer({ plugins: [takeover({ policy: 'newest', hold: '2s' })] })
    const first = await join(server, 'same')
    const second = connectMemory(server, 5).sendConnect({ clientId: 'same' })
    await clock.advance(1999)
    expect([first.ended, second.received]).toEqual(['fin', []])
    await clock.advance(1)
    await second.next('connack')
  })

  test('order: after: the first is closed when the newcomer has its CONNACK', async () => {
    const { server, clock } = await virtualServer({ plugins: [takeover({ policy: 'newest', hold: '2s', order: 'after' })] })
    const keep = { clean: false, properties: { sessionExpiryInterval: 100 } }
    const first = await join(server, 'same', { ...keep, will })
    await subscribe(first, 'a')
    const second = connectMemory(server, 5).sendConnect({ clientId: 'same', ...keep })
    await clock.advance(1999)
    expect(first.ended).toBeUndefined()
    await clock.advance(1)
    expect((await second.next('connack')).sessionPresent).toBe(true)
    expect(await first.next('disconnect')).toMatchObject({ reasonCode: 0x8e })
    server.publish({ topic: 'a', payload: 'x' })
    await second.next('publish')
  })

  test.each([
    ['before', ['disconnect', 'connack']],
    ['after', ['connack', 'disconnect']],
  ] as const)('order: %s, on the wire as well, where nothing is held', async (order, wanted) => {
    const { server, clock } = await virtualServer({ plugins: [takeover({ policy: 'newest', order })] })
    const [first, second] = [await join(server, 'same'), connectMemory(server, 5)]
    const came: string[] = []
    for (const client of [first, second]) {
      const { data } = client
      client.data = (chunk) => {
        data.call(client, chunk)
        came.push(client.received.at(-1)?.cmd ?? 'nothing')
      }
    }
    second.sendConnect({ clientId: 'same' })
    await clock.advance(0)
    expect(came).toEqual(wanted)
  })

  test('order: after, and the newcomer leaves while it is held: the first is closed all the same', async () => {
    const { server, clock } = await virtualServer({ plugins: [takeover({ policy: 'newest', hold: '2s', order: 'after' })] })
    const first = await join(server, 'same')
    const second = connectMemory(server, 5).sendConnect({ clientId: 'same' })
    await clock.advance(1)
    second.reset()
    await first.end()
    await clock.advance('3s')
    expect(server.sessions).toEqual([])
  })

  test('order: after: what the first still says about the session does not count', async () => {
    const { server, clock } = await virtualServer({ plugins: [takeover({ policy: 'newest', hold: '2s', order: 'after' })] })
    const keep = { clean: false, properties: { sessionExpiryInterval: 100 } }
    const first = await join(server, 'same', keep)
    connectMemory(server, 5).sendConnect({ clientId: 'same', ...keep })
    await clock.advance(1)
    await first.send({ cmd: 'disconnect', reasonCode: 0, properties: { sessionExpiryInterval: 1 } }).end()
    await clock.advance('2s')
    expect(server.sessions.map(({ expiryMs }) => expiryMs)).toEqual([100_000])
  })

  test('will: never and always, against what was agreed on', async () => {
    const delayed = { ...will, properties: { willDelayInterval: 60 } }
    const keep = { clean: false, properties: { sessionExpiryInterval: 100 } }
    const heardWith = async (option: 'agreed' | 'always' | 'never', theWill: typeof will, order: 'before' | 'after') => {
      const server = await memoryServer({ plugins: [takeover({ policy: 'newest', will: option, order })] })
      const heard = await join(server, 'heard')
      await subscribe(heard, 'gone')
      await join(server, 'same', { ...keep, will: theWill })
      await join(server, 'same', keep)
      await heard.settled()
      return messages(heard)
    }
    for (const order of ['before', 'after'] as const) {
      expect(await heardWith('agreed', will, order)).toEqual(['gone first'])
      expect(await heardWith('never', will, order)).toEqual([])
      expect(await heardWith('agreed', delayed, order)).toEqual([])
      expect(await heardWith('always', delayed, order)).toEqual(['gone first'])
    }
  })

  test('will: never leaves the will of a client that is gone alone', async () => {
    const server = await memoryServer({ plugins: [takeover({ policy: 'newest', will: 'never' })] })
    const heard = await join(server, 'heard')
    await subscribe(heard, 'gone')
    const client = await join(server, 'same', { will })
    client.reset()
    await heard.next('publish')
  })

  test('flapping: a takeover too many within the time is held, then closed; the one before stays', async () => {
    const { server, clock } = await virtualServer({ plugins: [takeover({ policy: 'newest', flapping: '1s' })] })
    await join(server, 'same')
    const second = await join(server, 'same')
    const third = connectMemory(server, 5).sendConnect({ clientId: 'same' })
    await clock.advance(999)
    expect(third.ended).toBeUndefined()
    await clock.advance(1)
    expect([third.ended, third.received]).toEqual(['fin', []])
    await second.settled()
    await clock.advance('1s')
    expect((await joined(server, 'same')).connack.reasonCode).toBe(0)
  })

  test('flapping with a ban: nobody with this id gets in for a while', async () => {
    const options = { policy: 'newest', flapping: '1s', flappingCount: 1, flappingHold: 0, flappingAnswer: 'banned', ban: '1m' } as const
    const { server, clock } = await virtualServer({ plugins: [takeover(options)] })
    const first = await join(server, 'same')
    expect((await joined(server, 'same')).connack.reasonCode).toBe(0x8a)
    first.close()
    await clock.advance('59s')
    expect((await joined(server, 'same')).connack.reasonCode).toBe(0x8a)
    expect((await joined(server, 'other')).connack.reasonCode).toBe(0)
    await clock.advance('1s')
    expect((await joined(server, 'same')).connack.reasonCode).toBe(0)
  })

  test('who leaves while it is held leaves nothing behind; switched off, the plugin lets it go on', async () => {
    const { server, clock } = await virtualServer()
    const off = server.use(takeover({ policy: 'newest', flapping: '1s', flappingCount: 1, flappingHold: '1h' }))
    await join(server, 'same')
    connectMemory(server, 5).sendConnect({ clientId: 'same' }).reset()
    const third = connectMemory(server, 5).sendConnect({ clientId: 'same' })
    await clock.advance(1)
    expect(third.received).toEqual([])
    off()
    await third.end()
  })

  test('madeUp: the client is told of a takeover that never was, so long after CONNACK', async () => {
    const { server, clock } = await virtualServer({ plugins: [takeover({ madeUp: '5s' }), ackDelay({ packets: ['connack'], delay: '1s' })] })
    const client = connectMemory(server, 5).sendConnect()
    const other = connectMemory(server, 4).sendConnect({ clientId: 'other' })
    await clock.advance(5999)
    expect([client.ended, other.ended]).toEqual([undefined, undefined])
    await clock.advance(1)
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x8e })
    expect([client.ended, other.ended, other.received.length]).toEqual(['fin', 'fin', 1])
  })

  test('madeUp: a client that goes before is left alone', async () => {
    const { server, clock } = await virtualServer({ plugins: [takeover({ madeUp: '5s' })] })
    const client = await join(server, 'me')
    await client.send({ cmd: 'disconnect' }).end()
    await clock.advance('10s')
    expect(client.received.map(({ cmd }) => cmd)).toEqual(['connack'])
  })

  test('madeUpPacket: the takeover stands in place of an answer', async () => {
    const server = await memoryServer({ plugins: [takeover({ madeUpPacket: 3, tell: 0x8e })] })
    const client = await join(server, 'me')
    await client.settled()
    client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 1 })
    await client.end()
    expect(client.received.map(({ cmd }) => cmd)).toEqual(['connack', 'pingresp', 'disconnect'])
    expect(fired(server)).toBe(1)
  })

  test('mistakes in its options are told at once', () => {
    expect(() => takeover.create({ policy: 'newst' })).toThrow("Did you mean 'newest'?")
    expect(() => takeover.create({ tell: 'nothin' })).toThrow(/option 'tell'/)
    expect(() => takeover({ policy: 'both', hold: 5 })).toThrow("option 'hold' goes with newest and same-user, not with both")
  })
})
