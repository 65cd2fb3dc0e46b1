/** What a client sees of `fault`. */
import type { PacketInput } from 'mqttest'
import { ackDelay, fault } from 'mqttest/plugins'
import { connectMemory, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { answers as allAnswers, join, messages, subscribe } from '../support/client.ts'
import { virtualServer } from '../support/server.ts'

/** What came since CONNACK; that nobody subscribed is not the matter here. */
const answers = (client: RawClient) => allAnswers(client).map((text) => text.replace(' 0x10', ''))

type Options = Parameters<typeof fault>[0]

const publish = (messageId: number, topic = 'a', qos: 1 | 2 = 1) => ({ cmd: 'publish', topic, qos, messageId, payload: `m${messageId}` }) as const

async function serving(options: Options, version: 3 | 4 | 5 = 5) {
  const { server, clock } = await virtualServer({ plugins: [fault(options)] })
  return { server, clock, client: await join(server, 'dev', { version }) }
}

const refused = (options: object) => {
  try {
    fault.create(options)
    return 'taken'
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

describe('a packet of the server', () => {
  test('drop: the second PUBACK is lost, the others come', async () => {
    const { server, client, clock } = await serving({ on: { cmd: 'puback', nth: 2 }, do: 'drop' })
    client.send(publish(1), publish(2), publish(3))
    await clock.advance(0)
    expect(answers(client)).toEqual(['puback 1', 'puback 3'])
    expect(server.report().faults.applied).toEqual([{ plugin: 'fault', count: 1 }])
  })

  test('delay: it comes later, and what came meanwhile is not held up', async () => {
    const { client, clock } = await serving({ on: { cmd: 'puback', nth: 1 }, do: { delay: '1s' } })
    client.send(publish(1), publish(2))
    await clock.advance(999)
    expect(answers(client)).toEqual(['puback 2'])
    await clock.advance(1)
    expect(answers(client)).toEqual(['puback 2', 'puback 1'])
  })

  test('block: what came meanwhile waits as well', async () => {
    const { client, clock } = await serving({ on: { cmd: 'puback', nth: 1 }, do: { delay: '1s', block: true } })
    client.send(publish(1), publish(2))
    await clock.advance(999)
    expect(answers(client)).toEqual([])
    await clock.advance(1)
    expect(answers(client)).toEqual(['puback 1', 'puback 2'])
  })

  test('jitter: up to so much later', async () => {
    const { client, clock } = await serving({ on: 'puback', do: { delay: 100, jitter: '10s' } })
    client.send(publish(1), publish(2))
    await clock.advance(101)
    expect(answers(client)).toEqual([])
    await clock.advance('10s')
    expect(answers(client).sort()).toEqual(['puback 1', 'puback 2'])
  })

  test('duplicate: so many copies, each so much later', async () => {
    const { client, clock } = await serving({ on: 'puback', do: { duplicate: 2, delay: '1s' } })
    client.send(publish(7))
    await clock.advance(0)
    expect(answers(client)).toEqual(['puback 7'])
    await clock.advance('1s')
    expect(answers(client)).toEqual(['puback 7', 'puback 7'])
    await clock.advance('1s')
    expect(answers(client)).toEqual(['puback 7', 'puback 7', 'puback 7'])
  })

  test('replace: its fields are others, a null takes one away, reason codes have names', async () => {
    const { client, clock } = await serving({
      rules: [
        { on: { cmd: 'connack' }, do: { replace: { sessionPresent: true, properties: { receiveMaximum: 3, topicAliasMaximum: null } } } },
        { on: 'puback', do: { replace: { reasonCode: 'quota-exceeded', properties: { reasonString: 'no more from {clientId}' } } } },
      ],
    })
    expect(client.received[0]).toMatchObject({ sessionPresent: true, properties: { receiveMaximum: 3 } })
    expect(client.received[0]).not.toHaveProperty('properties.topicAliasMaximum')
    client.send(publish(1))
    await clock.advance(0)
    expect(client.received[1]).toMatchObject({ cmd: 'puback', messageId: 1, reasonCode: 0x97, properties: { reasonString: 'no more from dev' } })
  })

  test('replace: another packet in its place', async () => {
    const { client, clock } = await serving({ on: 'pubrec', do: { replace: { cmd: 'puback' } } }, 4)
    client.send(publish(5, 'a', 2))
    await clock.advance(0)
    expect(answers(client)).toEqual(['puback 5'])
  })

  test('steps: anything in its place, the packet among it', async () => {
    const { client, clock } = await serving({
      on: 'suback',
      do: {
        steps: [{ packet: { cmd: 'publish', topic: 'early/{clientId}', payload: 'x' } }, { wait: '1s' }, 'packet', { packet: '$packet' }, { close: 'fin' }],
      },
    })
    client.send({ cmd: 'subscribe', messageId: 9, subscriptions: [{ topic: '#', qos: 0 }] })
    await clock.advance(0)
    expect(client.received.slice(1).map(({ cmd }) => cmd)).toEqual(['publish'])
    expect(messages(client)).toEqual(['early/dev x'])
    await clock.advance('1s')
    expect(client.received.slice(2).map(({ cmd }) => cmd)).toEqual(['suback', 'suback'])
    expect(client.ended).toBe('fin')
  })

  test('before and after: the packet between what nobody asked for; repeat counts', async () => {
    const { client, clock } = await serving({
      on: 'puback',
      do: {
        before: [{ raw: 'd000' }],
        after: [{ cork: true }, { repeat: 3, steps: [{ packet: { cmd: 'publish', topic: 't/{index}', qos: 1, messageId: '{index}' } }] }],
      },
    })
    client.send(publish(4))
    await clock.advance(0)
    expect(answers(client)).toEqual(['pingresp', 'puback 4', 'publish 1', 'publish 2', 'publish 3'])
    expect(messages(client)).toEqual(['t/1', 't/2', 't/3'])
    expect(client.chunks).toHaveLength(3)
  })

  test('close: the end in its place', async () => {
    for (const [close, ended] of [
      ['fin', 'fin'],
      ['rst', 'rst'],
      ['stall', undefined],
    ] as const) {
      const { client, clock } = await serving({ on: { cmd: 'puback', nth: 2 }, do: { close } })
      client.send(publish(1), publish(2), publish(3))
      await clock.advance(0)
      expect(answers(client)).toEqual(['puback 1'])
      expect(client.ended).toBe(ended)
    }
  })
})

describe('a packet of the client', () => {
  test('answer: steps in place of the broker, with the fields of the packet', async () => {
    const { server, client, clock } = await serving({
      on: { cmd: 'publish', direction: 'in', topic: 'cmd/#' },
      do: {
        answer: [
          { packet: { cmd: 'puback', messageId: '{messageId}', reasonCode: 'not-authorized' } },
          { packet: { cmd: 'publish', topic: '{topic}/answer', payload: { json: { id: '{json.id}', was: '{payload}' } } } },
        ],
      },
    })
    const other = await join(server, 'other')
    await subscribe(other, '#')
    client.send({ ...publish(7, 'cmd/x'), payload: '{"id":12}' }, publish(8, 'b'))
    await clock.advance(0)
    expect(answers(client)).toEqual(['puback 7 0x87', 'publish', 'puback 8'])
    expect(messages(client)).toEqual([`cmd/x/answer ${JSON.stringify({ id: 12, was: '{"id":12}' })}`])
    expect(messages(other)).toEqual(['b m8'])
  })

  test('drop: it never was', async () => {
    const { client, clock } = await serving({ on: { cmd: 'pingreq' }, do: 'drop' })
    client.send({ cmd: 'pingreq' }, publish(1))
    await clock.advance(0)
    expect(answers(client)).toEqual(['puback 1'])
  })

  test('delay: the broker is slow', async () => {
    const { client, clock } = await serving({ on: 'subscribe', do: { delay: '12s' } })
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 0 }] })
    await clock.advance(11_999)
    expect(client.received).toHaveLength(1)
    await clock.advance(1)
    expect(client.received[1]?.cmd).toBe('suback')
  })

  test('replace: the broker gets another', async () => {
    const { client, clock } = await serving({ on: { cmd: 'publish', direction: 'in' }, do: { replace: { topic: 'moved/{topic}', qos: 0, messageId: null } } })
    await subscribe(client, 'moved/#')
    client.send(publish(3))
    await clock.advance(0)
    expect(messages(client)).toEqual(['moved/a m3'])
    expect(answers(client)).toEqual(['publish'])
  })

  test('after: the broker answers first', async () => {
    const { client, clock } = await serving({ on: { cmd: 'publish', direction: 'in', nth: 1 }, do: { after: [{ close: 'rst' }] } })
    client.send(publish(1), publish(2))
    await clock.advance(0)
    expect(answers(client)).toEqual(['puback 1'])
    expect(client.ended).toBe('rst')
  })
})

describe('what a rule waits for', () => {
  const dropped = async (on: NonNullable<Options>['on'], ...sent: readonly PacketInput[]) => {
    const { client, clock } = await serving({ on: on ?? 'puback', do: 'drop' })
    client.send(...sent)
    await clock.advance(0)
    return answers(client).join(', ')
  }

  test('topic, qos, retain, dup, message id, reason code', async () => {
    expect(await dropped({ cmd: 'publish', direction: 'in', topic: 'a/+' }, publish(1, 'a/b'), publish(2, 'b'))).toBe('puback 2')
    expect(await dropped({ direction: 'in', qos: 2 }, publish(1), publish(2, 'a', 2))).toBe('puback 1')
    expect(await dropped({ direction: 'in', retain: true }, publish(1), { ...publish(2), retain: true })).toBe('puback 1')
    expect(await dropped({ direction: 'in', dup: true }, publish(1), { ...publish(2), dup: true })).toBe('puback 1')
    expect(await dropped({ cmd: 'puback', messageId: [2, 3] }, publish(1), publish(2), publish(3))).toBe('puback 1')
    expect(await dropped({ cmd: 'puback', reasonCode: 'no-matching-subscribers' }, publish(1))).toBe('')
    expect(await dropped({ cmd: 'puback', reasonCode: 'quota-exceeded' }, publish(1))).toBe('puback 1')
  })

  test('nth, from, every, probability', async () => {
    const five = [publish(1), publish(2), publish(3), publish(4), publish(5)]
    expect(await dropped({ cmd: 'puback', nth: [2, 4] }, ...five)).toBe('puback 1, puback 3, puback 5')
    expect(await dropped({ cmd: 'puback', from: 3 }, ...five)).toBe('puback 1, puback 2')
    expect(await dropped({ cmd: 'puback', every: 2 }, ...five)).toBe('puback 1, puback 3, puback 5')
    expect(await dropped({ cmd: 'puback', probability: 0 }, ...five)).toBe(five.map((_, index) => `puback ${index + 1}`).join(', '))
  })

  test('where: any field, as deep as it is; counting counts only what fits', async () => {
    const wanted = { cmd: 'publish', direction: 'in', where: { payload: { kind: 'b' }, properties: { contentType: 'json' } }, nth: 2 } as const
    const one = (messageId: number, kind: string, contentType = 'json') => ({
      ...publish(messageId),
      payload: `{"kind":"${kind}"}`,
      properties: { contentType },
    })
    expect(await dropped(wanted, one(1, 'b'), one(2, 'a'), one(3, 'b', 'text'), one(4, 'b'))).toBe('puback 1, puback 2, puback 3')
  })

  test('connection: only on some, or the moment of their beginning', async () => {
    const { server, clock } = await virtualServer({
      plugins: [
        fault({
          rules: [
            { on: { connection: [0, 2] }, do: { close: 'rst' } },
            { on: { cmd: 'connack', connection: 1 }, do: { close: 'fin' } },
          ],
        }),
      ],
    })
    const clients = [0, 1, 2, 3].map(() => connectMemory(server))
    for (const client of clients) client.connect({ clientId: 'x' }).catch(() => undefined)
    await clock.advance(0)
    expect(clients.map(({ ended }) => ended)).toEqual(['rst', 'fin', 'rst', undefined])
  })

  test('connection: true with nth counts over the run', async () => {
    const { server, clock } = await virtualServer({ plugins: [fault({ on: { connection: true, nth: 2 }, do: { delay: '1s', close: 'fin' } })] })
    const clients = [0, 1, 2].map(() => connectMemory(server))
    await clock.advance('1s')
    expect(clients.map(({ ended }) => ended)).toEqual([undefined, 'fin', undefined])
  })

  test('clientId: only for such clients', async () => {
    const { server, client, clock } = await serving({ on: { cmd: 'puback', clientId: 'x*' }, do: 'drop' })
    const other = await join(server, 'x1')
    client.send(publish(1))
    other.send(publish(1))
    await clock.advance(0)
    expect([answers(client), answers(other)]).toEqual([['puback 1'], []])
  })

  test('time: so long after the connection was accepted', async () => {
    const { client, clock } = await serving({ on: { time: '2s' }, do: { steps: [{ packet: { cmd: 'pingresp' } }, { close: 'fin' }] } })
    await clock.advance(1999)
    expect(client.ended).toBeUndefined()
    await clock.advance(1)
    expect([answers(client), client.ended]).toEqual([['pingresp'], 'fin'])
  })

  test('time: a client that is gone leaves no timer', async () => {
    const { client, clock } = await serving({ on: { time: '2h' }, do: { close: 'fin' } })
    client.reset()
    await clock.advance(0)
    expect(clock.pending).toBe(0)
  })
})

describe('rules', () => {
  test('armedBy: after the second PUBACK, the next SUBSCRIBE gets a reset', async () => {
    const { client, clock } = await serving({
      rules: [
        { name: 'second', on: { cmd: 'puback', nth: 2 } },
        { armedBy: 'second', on: { cmd: 'subscribe', nth: 1 }, do: { close: 'rst' } },
      ],
    })
    await subscribe(client, 'a')
    client.send(publish(1))
    await subscribe(client, 'b')
    client.send(publish(2))
    await clock.advance(0)
    expect(client.ended).toBeUndefined()
    client.send({ cmd: 'subscribe', messageId: 3, subscriptions: [{ topic: 'c', qos: 0 }] })
    await clock.advance(0)
    expect(client.ended).toBe('rst')
  })

  test('armedBy: it waits for the next event, counts anew, and each connection has its own', async () => {
    const { server, client, clock } = await serving({
      rules: [{ on: { cmd: 'puback', nth: [1, 4] } }, { armedBy: 'previous', on: { cmd: 'puback', nth: 1 }, do: 'drop' }],
    })
    const other = await join(server, 'other')
    other.send(publish(9))
    client.send(publish(1), publish(2), publish(3), publish(4), publish(5), publish(6))
    await clock.advance(0)
    expect(answers(client)).toEqual(['puback 1', 'puback 3', 'puback 4', 'puback 6'])
    expect(answers(other)).toHaveLength(1)
  })

  test('disarmedBy: nothing is acknowledged until the client asks whether the server lives', async () => {
    const { client, clock } = await serving({
      rules: [
        { disarmedBy: 'asked', on: 'puback', do: 'drop' },
        { name: 'asked', on: 'pingreq' },
      ],
    })
    client.send(publish(1), publish(2), { cmd: 'pingreq' }, publish(3))
    await clock.advance(0)
    expect(answers(client)).toEqual(['pingresp', 'puback 3'])
  })

  test('time and armedBy: so long after another rule has acted', async () => {
    const { client, clock } = await serving({
      rules: [
        { name: 'gone', on: { cmd: 'publish', direction: 'in', nth: 1 } },
        { armedBy: 'gone', on: { time: '1s' }, do: { close: 'fin' } },
      ],
    })
    await clock.advance('10s')
    client.send(publish(1))
    await clock.advance(999)
    expect(client.ended).toBeUndefined()
    await clock.advance(1)
    expect(client.ended).toBe('fin')
  })

  test('per run and times: what one connection has done, the next two feel', async () => {
    const { server, clock } = await virtualServer({
      plugins: [
        fault({
          rules: [
            { name: 'lost', on: { disconnect: true } },
            { armedBy: 'lost', per: 'run', on: { cmd: 'connack' }, do: { replace: { reasonCode: 'server-busy' } }, times: 2 },
          ],
        }),
      ],
    })
    const codes: (number | undefined)[] = []
    for (let number = 0; number < 4; number++) {
      const client = connectMemory(server, 5)
      const { reasonCode } = await client.connect({ clientId: 'dev' })
      codes.push(reasonCode)
      client.reset()
      await clock.advance(0)
    }
    expect(codes).toEqual([0, 0x89, 0x89, 0])
  })

  test('a rule acts on what the rules before it have made of the packet', async () => {
    const { client, clock } = await serving({
      rules: [
        { on: 'puback', do: { replace: { reasonCode: 'quota-exceeded' }, before: [{ packet: { cmd: 'pingresp' } }] } },
        { on: 'puback', do: { duplicate: 1 } },
      ],
    })
    client.send(publish(1))
    await clock.advance(0)
    expect(answers(client)).toEqual(['pingresp', 'puback 1 0x97', 'puback 1 0x97'])
  })

  test('offline: the server is away, and comes back', async () => {
    const { server, client, clock } = await serving({ on: { cmd: 'publish', direction: 'in', nth: 1 }, do: { offline: '5s' } })
    client.send(publish(1))
    await clock.advance(0)
    expect(await client.end()).toBe('rst')
    await expect(connectMemory(server, 5).connect({ clientId: 'again' })).rejects.toThrow()
    await clock.advance('5s')
    expect(await connectMemory(server, 5).connect({ clientId: 'again' })).toMatchObject({ reasonCode: 0 })
  })

  test('report: what a client should not do is said', async () => {
    const { server, client, clock } = await serving({ rules: [{ name: 'too-early', on: { cmd: 'publish', direction: 'in' }, do: { report: 'it published' } }] })
    client.send(publish(1))
    await clock.advance(0)
    expect(server.report().violations).toMatchObject([{ rule: 'too-early' }])
    expect(answers(client)).toEqual(['puback 1'])
  })
})

test('beside ack-delay: what it holds back is what a rule acts on', async () => {
  const { server, clock } = await virtualServer({ plugins: [ackDelay({ delay: 50 }), fault({ on: 'puback', do: { duplicate: 1 } })] })
  const client = await join(server, 'dev', { version: 3 })
  client.send(publish(1))
  await clock.advance(49)
  expect(answers(client)).toEqual([])
  await clock.advance(1)
  expect(answers(client)).toEqual(['puback 1', 'puback 1'])
})

test('switched off while it waits, nothing more happens', async () => {
  const { server, clock } = await virtualServer()
  const off = server.use(
    fault({
      rules: [
        { on: { time: '1s' }, do: { close: 'fin' } },
        { on: 'puback', do: { after: [{ wait: '1s' }, { raw: 'd000' }] } },
      ],
    }),
  )
  const client = await join(server, 'dev')
  off()
  client.send(publish(1))
  await clock.advance('2s')
  expect([answers(client), client.ended]).toEqual([['puback 1'], undefined])
})

test('faster: every duration in a rule is scaled', async () => {
  const { server, clock } = await virtualServer()
  const plugin = fault({
    rules: [{ on: 'puback', do: { delay: '1s', after: [{ wait: '1s' }, { repeat: 1, steps: [{ wait: '1s' }, { raw: 'd000' }] }] } }],
  }).scaled?.(0.1)
  if (plugin !== undefined) server.use(plugin)
  const client = await join(server, 'dev')
  client.send(publish(1))
  await clock.advance(299)
  expect(answers(client)).toEqual(['puback 1'])
  await clock.advance(1)
  expect(answers(client)).toEqual(['puback 1', 'pingresp'])
})

describe('mistakes are told at once, with the rule and the key', () => {
  test.each<[object, string | RegExp]>([
    [{}, "give 'on' and 'do', or 'rules'"],
    [{ on: 'puback' }, "give the option 'do'"],
    [{ on: 'puback', do: 'drop', rules: [{ on: 'puback', do: 'drop' }] }, "either 'on' and 'do', or 'rules'"],
    [{ on: 'pubak', do: 'drop' }, "Did you mean 'puback'?"],
    [{ on: { cmd: 'puback', topci: 'a' }, do: 'drop' }, "unknown option 'topci'. Did you mean 'topic'?"],
    [{ on: 'publish', do: 'drop' }, "publish goes both ways: say direction 'in'"],
    [{ on: { cmd: 'connack', direction: 'in' }, do: 'drop' }, 'only a server sends connack: take direction out'],
    [{ on: { cmd: ['connack', 'subscribe'] }, do: 'drop' }, 'go different ways'],
    [{ on: { cmd: 'puback', where: { mesageId: 1 } }, do: 'drop' }, "no field 'mesageId'"],
    [{ on: { time: '1s', qos: 1 }, do: { close: 'fin' } }, "'qos' is about packets"],
    [{ on: { clientId: 'x' }, do: 'drop' }, 'say what it waits for'],
    [{ on: { qos: 1 }, do: 'drop' }, "say 'cmd', or whose packets"],
    [{ on: 'puback', do: { dealy: 5 } }, "unknown option 'dealy'. Did you mean 'delay'?"],
    [{ on: 'puback', do: { replace: { properties: { reasonSting: 'x' } } } }, "no property 'reasonSting'. Did you mean 'reasonString'?"],
    [{ on: 'puback', do: { replace: { reasonCode: 'qouta-exceeded' } } }, "Did you mean 'quota-exceeded'?"],
    [{ on: 'puback', do: { after: [{ wait: 5 }, { clsoe: 'fin' }] } }, /step 2: .*Did you mean 'close'\?/],
    [{ on: 'puback', do: { after: [{ packet: { cmd: 'publish', topci: 'x' } }] } }, /step 1: packet: no field 'topci' in PUBLISH. Did you mean 'topic'\?/],
    [{ on: 'puback', do: { answer: [] } }, "'answer' is for packets of the client"],
    [{ on: 'subscribe', do: { duplicate: 1 } }, "'duplicate' is for packets of the server"],
    [{ on: { connection: true }, do: { replace: {} } }, 'are about a packet'],
    [{ on: { disconnect: true }, do: { close: 'fin' } }, 'the connection is gone'],
    [{ on: 'puback', do: { steps: [], close: 'fin' } }, "'steps' and 'close' both stand in place"],
    [{ on: 'puback', do: { jitter: 5 } }, "go with 'delay'"],
    [
      {
        rules: [
          { on: 'puback', do: 'drop' },
          { on: 'suback', do: { close: 'now' } },
        ],
      },
      /Number 2 of it: .*'close'/,
    ],
    [
      {
        rules: [
          { on: 'puback', do: 'drop' },
          { name: 'x', on: 'suback' },
        ],
      },
      "rule 2 'x': give 'do', or let another rule be 'armedBy' this one",
    ],
    [{ rules: [{ on: 'puback', do: 'drop', armedBy: 'nobody' }] }, "rule 1: armedBy: no rule is named 'nobody'"],
    [{ rules: [{ on: 'puback', do: 'drop', armedBy: 'previous' }] }, 'rule 1: armedBy: there is no rule before it'],
    [{ rules: [{ do: 'drop' }] }, "rule 1: give 'on'"],
  ])('%j', (options, message) => {
    expect(refused(options)).toMatch(message)
  })
})
