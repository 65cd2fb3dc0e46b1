/** What a client sees of `replay`. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { start } from 'mqttest'
import { ackDelay, recordFrom, replay } from 'mqttest/plugins'
import { connectMemory, type RawClient } from 'mqttest/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { answers, messages } from '../support/client.ts'
import { tcpServer, virtualServer } from '../support/server.ts'

type Options = NonNullable<Parameters<typeof replay>[0]>
type Script = Extract<NonNullable<Options['script']>, readonly unknown[]>

const hello: Script = [{ expect: 'connect', say: [{ packet: { cmd: 'connack', returnCode: 0 } }] }]
const publish = (messageId: number, topic = 'a') => ({ cmd: 'publish', topic, qos: 1, messageId, payload: 'x' }) as const

function temporaryFile(): string {
  const folder = mkdtempSync(joinPath(tmpdir(), 'replay-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return joinPath(folder, 'record.jsonl')
}

async function playing(script: Script, options: Options = {}, more: NonNullable<Parameters<typeof virtualServer>[0]>['plugins'] = []) {
  const { server, clock } = await virtualServer({ plugins: [replay({ script, ...options }), ...more] })
  const client = connectMemory(server, 4)
  return { server, clock, client }
}

describe('a script', () => {
  test('is said in place of the broker, with the packet id of the client', async () => {
    const { server, client, clock } = await playing([
      {
        expect: 'connect',
        say: [{ packet: { cmd: 'connack', sessionPresent: true, returnCode: 0 } }, { packet: { cmd: 'publish', topic: 'q', payload: 'kept' } }],
      },
      {
        expect: { cmd: 'subscribe', subscriptions: [{ topic: 'x' }] },
        say: [{ packet: { cmd: 'suback', messageId: '{messageId}', granted: [0x80] } }, { close: 'rst' }],
      },
    ])
    expect(await client.connect({ clientId: 'dev' })).toMatchObject({ sessionPresent: true })
    client.send({ cmd: 'subscribe', messageId: 321, subscriptions: [{ topic: 'x', qos: 1 }] })
    await clock.advance(0)
    expect(client.received.slice(1)).toMatchObject([{ cmd: 'publish' }, { cmd: 'suback', messageId: 321, granted: [0x80] }])
    expect([messages(client), client.ended, server.sessions]).toEqual([['q kept'], 'rst', []])
    expect(server.report().violations).toEqual([])
    expect(server.report().faults.applied).toEqual([{ plugin: 'replay', count: 2 }])
  })

  test('each line is said once; what is asked in another order is answered all the same', async () => {
    const { client, clock } = await playing([
      ...hello,
      { expect: { cmd: 'publish', topic: 'a' }, say: [{ packet: { cmd: 'puback', messageId: '{messageId}' } }] },
      { expect: { cmd: 'publish', topic: 'b' }, say: [{ packet: { cmd: 'puback', messageId: '{messageId}' } }] },
    ])
    await client.connect({ clientId: 'dev' })
    client.send(publish(5, 'b'), publish(6, 'a'), publish(7, 'a'))
    await clock.advance(0)
    expect(answers(client)).toEqual(['puback 5', 'puback 6'])
  })

  test('connection: each has its own lines; those beyond the last are as the last', async () => {
    const { server, clock } = await playing([
      { expect: 'connect', say: [{ packet: { cmd: 'connack', returnCode: 3 } }] },
      { connection: 1, expect: 'connect', say: [{ packet: { cmd: 'connack', returnCode: 0 } }] },
    ])
    const codes = []
    for (const client of [connectMemory(server, 4), connectMemory(server, 4)]) codes.push((await client.connect({ clientId: 'x' })).returnCode)
    await clock.advance(0)
    // The client of `playing` is connection 0.
    expect(codes).toEqual([0, 0])
  })

  test('pauses: as they are, so many times as long, or none', async () => {
    const script: Script = [...hello, { expect: 'publish', say: [{ wait: '1s' }, { packet: { cmd: 'puback', messageId: '{messageId}' } }] }]
    const answered = async (options: Options, ms: number) => {
      const { client, clock } = await playing(script, options)
      await client.connect({ clientId: 'dev' })
      client.send(publish(1))
      await clock.advance(ms)
      const before = answers(client).length
      await clock.advance(1)
      return [before, answers(client).length]
    }
    expect(await answered({}, 999)).toEqual([0, 1])
    expect(await answered({ factor: 0.1 }, 99)).toEqual([0, 1])
    expect(await answered({ times: 'none' }, 0)).toEqual([1, 1])
  })

  test('PINGREQ and acknowledgements at another time are nothing wrong; a goodbye is the end', async () => {
    const { server, client } = await playing(hello)
    await client.connect({ clientId: 'dev' })
    await client.send({ cmd: 'puback', messageId: 4 }, { cmd: 'pingreq' }).next('pingresp')
    client.send({ cmd: 'disconnect' })
    expect(await client.end()).toBe('fin')
    expect(server.connections[0]?.ended).toMatchObject({ by: 'client', how: 'disconnect' })
    expect(server.report().violations).toEqual([])
  })

  test('beside ack-delay: what is said goes by the hooks', async () => {
    const script: Script = [...hello, { expect: 'publish', say: [{ packet: { cmd: 'puback', messageId: '{messageId}' } }] }]
    const { client, clock } = await playing(script, {}, [ackDelay({ delay: '1s' })])
    await client.connect({ clientId: 'dev' })
    client.send(publish(3))
    await clock.advance(999)
    expect(answers(client)).toEqual([])
    await clock.advance(1)
    expect(answers(client)).toEqual(['puback 3'])
  })

  test('the client goes while a pause lasts: nothing is left', async () => {
    const { client, clock } = await playing([...hello, { expect: 'publish', say: [{ wait: '1h' }, { close: 'fin' }] }])
    await client.connect({ clientId: 'dev' })
    client.send(publish(3))
    client.reset()
    await clock.advance(0)
    expect(clock.pending).toBe(0)
  })

  test('switched off, the broker is there again', async () => {
    const { server, clock } = await virtualServer()
    const off = server.use(replay({ script: [{ expect: 'connect', say: [] }] }))
    const silent = connectMemory(server, 4)
    silent.connect({ clientId: 'x' }).catch(() => undefined)
    await clock.advance(0)
    off()
    expect(silent.received).toEqual([])
    expect(await connectMemory(server, 4).connect({ clientId: 'y' })).toMatchObject({ returnCode: 0 })
  })
})

describe('a client that says something else', () => {
  const strayed = async (otherwise: Options['otherwise']) => {
    const { server, client, clock } = await playing(hello, otherwise === undefined ? {} : { otherwise })
    await client.connect({ clientId: 'dev' })
    client.send(publish(1))
    await clock.advance(0)
    return { ended: client.ended, answers: answers(client), violations: server.report().violations }
  }

  test('waits, and it is reported', async () => {
    expect(await strayed(undefined)).toMatchObject({
      ended: undefined,
      answers: [],
      violations: [{ rule: 'not-in-script', level: 'warning' }],
    })
  })

  test('close: is closed', async () => {
    expect(await strayed('close')).toMatchObject({ ended: 'fin', violations: [{ rule: 'not-in-script' }] })
  })

  test('broker: the broker answers, where it answered CONNECT', async () => {
    expect(await strayed('broker')).toMatchObject({ ended: undefined, answers: [], violations: [] })
    const { server, client, clock } = await playing([{ expect: { cmd: 'publish', topic: 'a' }, say: [{ close: 'rst' }] }], { otherwise: 'broker' })
    await client.connect({ clientId: 'dev' })
    client.send(publish(1, 'b'))
    await clock.advance(0)
    expect(answers(client)).toEqual(['puback 1'])
    client.send(publish(2, 'a'))
    await clock.advance(0)
    expect([client.ended, server.report().violations]).toEqual(['rst', []])
  })
})

/** A conversation with other packet ids each time. */
async function converse(client: RawClient, from: number): Promise<string[]> {
  await client.connect({ clientId: `dev${from}` })
  await client.send({ cmd: 'subscribe', messageId: from, subscriptions: [{ topic: 'a', qos: 2 }] }).next('suback')
  client.send({ ...publish(from + 1), qos: 2 })
  await client.next('pubrec')
  await client.send({ cmd: 'pubrel', messageId: from + 1 }).next('pubcomp')
  const { messageId = 0 } = await client.next('publish')
  await client.send({ cmd: 'pubrec', messageId }).next('pubrel')
  client.send({ cmd: 'pubcomp', messageId }, { cmd: 'disconnect' })
  await client.end()
  return client.received.map((packet) =>
    'messageId' in packet && packet.cmd !== 'publish' && packet.cmd !== 'pubrel' ? `${packet.cmd} ${(packet.messageId ?? 0) - from}` : packet.cmd,
  )
}

describe('a record', () => {
  test('what record-from wrote is played again to a client with other packet ids', async () => {
    const file = temporaryFile()
    const broker = await tcpServer()
    const server = await tcpServer({ plugins: [recordFrom({ upstream: broker.url, file })] })
    const first = await converse(connectMemory(server, 5), 10)
    await server.stop()
    await broker.stop()
    const again = await tcpServer({ plugins: [replay({ file })] })
    expect((await converse(connectMemory(again, 5), 500)).sort()).toEqual(first.sort())
    expect(again.report().violations).toEqual([])
  })

  test('a dump is as good', async () => {
    const file = temporaryFile()
    const server = await start({ listen: false, dump: file })
    const first = await converse(connectMemory(server, 4), 10)
    await server.stop()
    const again = await tcpServer({ plugins: [replay({ file, times: 'none' })] })
    expect((await converse(connectMemory(again, 4), 500)).sort()).toEqual(first.sort())
    expect(again.report().violations).toEqual([])
  })

  test('mistakes are told at once, with the line', () => {
    expect(() => replay()).toThrow("give one of the options 'file' and 'script'")
    expect(() => replay({ script: hello, times: 'none', factor: 2 })).toThrow("option 'factor' goes with times recorded")
    expect(() => replay({ file: '/nowhere/record.jsonl' })).toThrow('cannot read /nowhere/record.jsonl')
    const file = temporaryFile()
    for (const [text, message] of [
      ['', 'nothing is in it'],
      ['{"connection":0,"expect":"connect","say":[]}\nx', 'line 2 is no object in JSON'],
      ['{"expect":"connect","say":[{"wiat":1}]}', /line 1: .*Did you mean 'wait'\?/],
      ['{"expect":{"cmd":"connect","clientID":"x"},"say":[]}', /no field 'clientID' in CONNECT. Did you mean 'clientId'\?/],
    ] as const) {
      writeFileSync(file, text)
      expect(() => replay({ file })).toThrow(message)
    }
    expect(() => replay.create({ script: [{ expect: 'conect' }] })).toThrow('expected a packet type as \'cmd\', got "conect"')
  })
})
