/** What a client sees of `qos2-exchange`. */
import type { PacketInput, ProtocolVersion, Server } from 'mqttest'
import { ackDelay, qos2Exchange } from 'mqttest/plugins'
import { describe, expect, test } from 'vitest'
import { answers, join, messages, subscribe } from '../support/client.ts'
import { virtualServer } from '../support/server.ts'

type Options = Parameters<typeof qos2Exchange>[0]

const publish = (messageId: number, more: { dup?: boolean; topic?: string } = {}): PacketInput => ({
  cmd: 'publish',
  topic: 'a',
  qos: 2,
  messageId,
  payload: 'x',
  ...more,
})
const pubrel = (messageId: number): PacketInput => ({ cmd: 'pubrel', messageId })
const keep = { clean: false, properties: { sessionExpiryInterval: 100 } }

async function connected(options: Options, version: ProtocolVersion = 5) {
  const { server, clock } = await virtualServer({ plugins: [qos2Exchange(options)] })
  const other = await join(server, 'other')
  await subscribe(other, '#')
  return { server, clock, other, client: await come(server, version) }
}

function come(server: Server, version: ProtocolVersion = 5) {
  return join(server, 'client', version === 5 ? { version, ...keep } : { version, clean: false })
}

/** A client that has been sent a message of QoS 2, and has answered PUBREC. */
async function served(options: Options, version: ProtocolVersion = 5) {
  const { server, clock, client } = await connected(options, version)
  await subscribe(client, 'down', 2)
  server.publish({ topic: 'down', qos: 2 })
  await client.next('publish')
  return { server, clock, client: client.send({ cmd: 'pubrec', messageId: 1 }) }
}

describe('pubrec', () => {
  test.each([4, 5] as const)('skip: PUBCOMP answers PUBLISH, the message arrives, and the id is free (level %i)', async (version) => {
    const { server, client, other } = await connected({ pubrec: 'skip' }, version)
    await client.send(publish(1), publish(1), pubrel(1)).settled()
    await other.settled()
    expect(answers(client).slice(0, 3)).toEqual(['pubcomp 1', 'pubcomp 1', 'pubcomp 1'])
    expect(messages(other)).toHaveLength(2)
    expect(server.report().violations).toEqual([])
  })

  test('after-reconnect: the message arrives once; PUBREC comes when it is sent again on the next connection', async () => {
    const { server, client, other } = await connected({ pubrec: 'after-reconnect' })
    await client.send(publish(1), publish(1, { dup: true })).settled()
    client.reset()
    await client.end()
    const again = await come(server)
    await again.send(publish(1, { dup: true }), pubrel(1)).settled()
    await other.settled()
    expect([answers(client), answers(again), messages(other)]).toEqual([['pingresp'], ['pubrec 1', 'pubcomp 1', 'pingresp'], ['a x']])
  })
})

describe('pubcomp', () => {
  test('pubrec-again: PUBREC answers PUBREL, and PUBCOMP the next one', async () => {
    const { server, client } = await connected({ pubcomp: 'pubrec-again' })
    await client.send(publish(1), pubrel(1), pubrel(1)).settled()
    expect(answers(client)).toEqual(['pubrec 1', 'pubrec 1', 'pubcomp 1', 'pingresp'])
    expect(server.report().violations).toEqual([])
  })

  test.each([4, 5] as const)('after-reconnect: PUBREL is answered when it comes again on the next connection (level %i)', async (version) => {
    const { server, client, other } = await connected({ pubcomp: 'after-reconnect' }, version)
    await client.send(publish(1), pubrel(1)).settled()
    client.reset()
    await client.end()
    const again = await come(server, version)
    await again.send(pubrel(1)).settled()
    await other.settled()
    expect([answers(client), answers(again), messages(other)]).toEqual([['pubrec 1', 'pingresp'], ['pubcomp 1', 'pingresp'], ['a x']])
    expect(server.report().violations).toEqual([])
  })
})

describe('repeated', () => {
  test('answer: every copy gets PUBREC, also without DUP, and the message arrives once', async () => {
    const { server, client, other } = await connected({ repeated: 'answer' })
    await client.send(publish(1), publish(1), publish(1, { dup: true }), pubrel(1)).settled()
    await other.settled()
    expect([answers(client), messages(other)]).toEqual([['pubrec 1', 'pubrec 1', 'pubrec 1', 'pubcomp 1', 'pingresp'], ['a x']])
    // The mistake of the client is on record although the server looks away.
    expect(server.report().violations).toMatchObject([{ rule: 'packet-id-in-use', count: 1 }])
  })

  test('ignore: a copy gets no answer, but on the next connection it does', async () => {
    const { server, client } = await connected({ repeated: 'ignore' })
    await client.send(publish(1), publish(1, { dup: true })).settled()
    client.reset()
    await client.end()
    const again = await come(server)
    await again.send(publish(1, { dup: true }), publish(1, { dup: true }), pubrel(1), publish(1)).settled()
    expect([answers(client), answers(again)]).toEqual([
      ['pubrec 1', 'pingresp'],
      ['pubrec 1', 'pubcomp 1', 'pubrec 1', 'pingresp'],
    ])
  })

  test('repeatedAnswer: a code goes out in DISCONNECT', async () => {
    const { client } = await connected({ repeated: 'close', repeatedAnswer: { disconnect: 'protocol-error' } })
    await client.send(publish(1), publish(1, { dup: true })).end()
    expect(answers(client)).toEqual(['pubrec 1', 'disconnect 0x82'])
    const old = await connected({ repeated: 'close', repeatedAnswer: { disconnect: 'protocol-error' } }, 4)
    await old.client.send(publish(1), publish(1, { dup: true })).end()
    expect(answers(old.client)).toEqual(['pubrec 1'])
  })

  test('close and close-third: the second or the third copy ends the connection', async () => {
    const close = await connected({ repeated: 'close' })
    await close.client.send(publish(1), publish(1, { dup: true })).end()
    expect(answers(close.client)).toEqual(['pubrec 1'])
    const third = await connected({ repeated: 'close-third' })
    await third.client.send(publish(1), publish(1, { dup: true })).settled()
    expect(third.client.ended).toBeUndefined()
    await third.client.send(publish(1, { dup: true })).end()
    expect(answers(third.client)).toEqual(['pubrec 1', 'pubrec 1', 'pingresp'])
  })
})

describe('pubrel', () => {
  test('early: comes right behind PUBLISH, and again when PUBREC came; the extra PUBCOMP is not held against the client', async () => {
    for (const order of ['before', 'after'] as const) {
      const { server, client } = await connected({ pubrel: 'early' })
      await subscribe(client, 'down', 2)
      server.publish({ topic: 'down', qos: 2 })
      await client.next('pubrel', { messageId: 1 })
      expect(answers(client)).toEqual(['publish 1', 'pubrel 1'])
      const [pubrec, pubcomp] = [
        { cmd: 'pubrec', messageId: 1 },
        { cmd: 'pubcomp', messageId: 1 },
      ] as const
      await client.send(...(order === 'before' ? [pubcomp, pubrec, pubcomp] : [pubrec, pubcomp, pubcomp])).settled()
      expect(answers(client)).toEqual(['publish 1', 'pubrel 1', 'pubrel 1', 'pingresp'])
      expect(server.report().violations).toEqual([])
      expect(server.sessions.find(({ clientId }) => clientId === 'client')?.inFlight.size).toBe(0)
    }
  })

  test('twice', async () => {
    const { server, client } = await served({ pubrel: 'twice' })
    await client.send({ cmd: 'pubcomp', messageId: 1 }, { cmd: 'pubcomp', messageId: 1 }).settled()
    expect(answers(client)).toEqual(['publish 1', 'pubrel 1', 'pubrel 1', 'pingresp'])
    expect(server.report().violations).toEqual([])
  })

  test.each([
    ['usual', ['pubrel 1'], ['pubrel 1']],
    ['after-reconnect', [], ['pubrel 1']],
    ['not-again', ['pubrel 1'], []],
    ['never', [], []],
  ] as const)('%s: on its connection %j, on the next %j', async (value, first, second) => {
    for (const version of [4, 5] as const) {
      const { server, client } = await served({ pubrel: value, ...(value === 'usual' && { repeated: 'answer' }) }, version)
      await client.settled()
      client.reset()
      await client.end()
      const again = await come(server, version)
      await again.settled()
      expect([answers(client), answers(again)]).toEqual([
        ['publish 1', ...first, 'pingresp'],
        [...second, 'pingresp'],
      ])
    }
  })

  test('not-again: the exchange is forgotten, and its place in flight is free', async () => {
    const { server, client } = await served({ pubrel: 'not-again' })
    await client.settled()
    client.reset()
    await client.end()
    await (await come(server)).settled()
    expect(server.sessions.find(({ clientId }) => clientId === 'client')?.inFlight.size).toBe(0)
  })
})

describe('qos2-exchange', () => {
  test('leaves QoS 1 alone, and what nobody chose', async () => {
    const { server, client } = await connected({ pubrec: 'skip', pubrel: 'never', topic: 'b' })
    await subscribe(client, '#', 2)
    client.send(publish(1), publish(2, { topic: 'b' }), { cmd: 'publish', topic: 'b', qos: 1, messageId: 3 })
    await client.settled()
    expect(answers(client)).toEqual(['publish 1', 'pubrec 1', 'publish 2', 'pubcomp 2', 'publish 3', 'puback 3', 'pingresp'])
    await client.send({ cmd: 'pubrec', messageId: 1 }, { cmd: 'pubrec', messageId: 2 }, { cmd: 'pubcomp', messageId: 1 }).settled()
    expect(answers(client).slice(7)).toEqual(['pubrel 1', 'pingresp'])
    expect(server.report().violations).toEqual([])
  })

  test('an id that is used again is another exchange', async () => {
    const { client } = await connected({ pubcomp: 'pubrec-again', nth: 1 })
    await client.send(publish(1), pubrel(1), pubrel(1), publish(1), pubrel(1)).settled()
    expect(answers(client)).toEqual(['pubrec 1', 'pubrec 1', 'pubcomp 1', 'pubrec 1', 'pubcomp 1', 'pingresp'])
  })

  test('two sessions are counted apart; a late packet goes together with it; a connection that ends leaves nothing behind', async () => {
    const { server, clock } = await virtualServer({ plugins: [qos2Exchange({ pubrec: 'skip', nth: 1 }), ackDelay({ packets: 'pubrec', delay: 100 })] })
    const [one, two] = [await join(server, 'one'), await join(server, 'two')]
    for (const client of [one, two]) client.send(publish(1), publish(2))
    await clock.advance(50)
    two.reset()
    await clock.advance(50)
    expect(answers(one)).toEqual(['pubcomp 1', 'pubrec 2'])
    expect(clock.pending).toBe(0)
    expect(server.report().faults.neverFired).toEqual([])
  })

  test('the call that use() returns takes it off', async () => {
    const { server } = await virtualServer()
    const client = await join(server, 'client')
    const off = server.use(qos2Exchange({ pubrec: 'skip' }))
    await client.send(publish(1)).settled()
    off()
    await client.send(publish(2)).settled()
    expect(answers(client)).toEqual(['pubcomp 1', 'pingresp', 'pubrec 2', 'pingresp'])
  })

  test('mistakes in its options are told at once', () => {
    expect(() => qos2Exchange.create()).toThrow(/give one of the options 'pubrec'/)
    expect(() => qos2Exchange.create({ pubrec: 'skip', repeated: 'ignore' })).toThrow(/pubrec skip leaves nothing/)
    expect(() => qos2Exchange.create({ pubrel: 'twice', qos: 1 })).toThrow(/only messages of QoS 2/)
    expect(() => qos2Exchange.create({ pubrel: 'twize' })).toThrow(/Did you mean 'twice'\?/)
  })
})
