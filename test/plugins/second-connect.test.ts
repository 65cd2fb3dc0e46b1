/** What a client sees of `second-connect`. */
import type { Server } from 'mqttest'
import { connectVeto, drop, secondConnect } from 'mqttest/plugins'
import { connectMemory, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join, subscribe } from '../support/client.ts'
import { heard } from '../support/outcome.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

type Options = NonNullable<Parameters<typeof secondConnect>[0]>

/** What a client hears for its second CONNECT, and how it ended. */
async function outcome(options: Options, version: 3 | 4 | 5 = 5): Promise<string> {
  const { server, clock } = await virtualServer({ plugins: [secondConnect(options)] })
  const client = await join(server, 'me', { version })
  client.sendConnect({ clientId: 'me' })
  await clock.advance('1s')
  return heard(client)
}

const rules = (server: Server) => server.records({ type: 'violation' }).map((record) => (record.type === 'violation' ? record.violation.rule : ''))
const again = (client: RawClient, clientId: string) => client.sendConnect({ clientId })

describe('second-connect', () => {
  test('without options, it is answered with a second CONNACK, and the connection goes on', async () => {
    for (const version of [3, 4, 5] as const) {
      const server = await memoryServer({ plugins: [secondConnect()] })
      const client = await join(server, 'me', { version })
      expect(await again(client, 'me').next('connack')).toMatchObject({ sessionPresent: false, ...(version === 5 ? { reasonCode: 0 } : { returnCode: 0 }) })
      await client.settled()
      expect(rules(server)).toEqual(['second-connect'])
    }
  })

  test('it has no effect: client id, session and subscriptions are those of the first one', async () => {
    const server = await memoryServer({ plugins: [secondConnect()] })
    const client = await join(server, 'first')
    await subscribe(client, 'a')
    await again(client, 'second').next('connack')
    expect([server.connections[0]?.clientId, server.sessions.map(({ clientId }) => clientId)]).toEqual(['first', ['first']])
    server.publish({ topic: 'a', payload: 'x' })
    await client.next('publish')
  })

  test('answer: ignore, close and reset', async () => {
    expect(await outcome({ answer: 'ignore' })).toBe('')
    expect(await outcome({ answer: 'close' })).toBe('fin')
    expect(await outcome({ answer: 'reset' }, 4)).toBe('rst')
  })

  test('answer: a code goes out in CONNACK, as a return code in MQTT 3, and the connection goes on', async () => {
    expect(await outcome({ answer: 'server-busy' })).toBe('connack 0x89')
    expect(await outcome({ answer: 'bad-user-name-or-password' }, 4)).toBe('connack 4')
  })

  test('answer: DISCONNECT, alone or behind CONNACK; MQTT 3 only sees the end', async () => {
    const both = { answer: 'protocol-error', disconnect: 'administrative-action' } as const
    expect(await outcome({ answer: { disconnect: 'administrative-action' } })).toBe('disconnect 0x98, fin')
    expect(await outcome({ answer: both })).toBe('connack 0x82, disconnect 0x98, fin')
    expect(await outcome({ answer: { answer: 'accept', disconnect: 0x98 } })).toBe('connack, disconnect 0x98, fin')
    expect(await outcome({ answer: { disconnect: 0x98 } }, 4)).toBe('fin')
    expect(await outcome({ answer: { v31: 'ignore', v3: both } }, 4)).toBe('connack 3, fin')
    expect(await outcome({ answer: { v31: 'ignore', v3: both } }, 3)).toBe('')
  })

  test('sessionPresent and properties are those of the second CONNACK', async () => {
    const server = await memoryServer({ plugins: [secondConnect({ sessionPresent: true, properties: { assignedClientIdentifier: 'other' } })] })
    const client = await join(server, 'me')
    expect(await again(client, 'me').next('connack')).toMatchObject({ sessionPresent: true, properties: { assignedClientIdentifier: 'other' } })
  })

  test('delay: the answer, or the end, comes late', async () => {
    for (const [answer, expected] of [
      ['accept', 'connack'],
      ['close', 'fin'],
    ] as const) {
      const { server, clock } = await virtualServer({ plugins: [secondConnect({ answer, delay: '3s' })] })
      const client = await join(server, 'me', { version: 4 })
      again(client, 'me')
      await clock.advance(2999)
      expect(heard(client)).toBe('')
      await clock.advance(1)
      expect(heard(client)).toBe(expected)
    }
  })

  test('a client that leaves meanwhile, and a plugin that is switched off, leave nothing behind', async () => {
    const { server, clock } = await virtualServer()
    const off = server.use(secondConnect({ delay: '1h' }))
    const [gone, stays] = [await join(server, 'gone'), await join(server, 'stays')]
    again(gone, 'gone')
    again(stays, 'stays')
    await clock.advance(1)
    gone.reset()
    await clock.advance(0)
    off()
    expect(clock.pending).toBe(0)
    expect(heard(stays)).toBe('')
    again(stays, 'stays')
    await stays.end()
    expect(heard(stays)).toBe('disconnect 0x82, fin')
  })

  test('a first CONNECT is none of its business, nor is one on another connection', async () => {
    const server = await memoryServer({ plugins: [secondConnect({ answer: 'ignore' })] })
    const [one, two] = [await join(server, 'one'), connectMemory(server, 4)]
    again(one, 'one')
    await two.connect({ clientId: 'two' })
    await one.settled()
    expect([rules(server), server.report().faults.applied[0]?.count]).toEqual([['second-connect'], 1])
  })

  test('goes with other plugins: what is refused in a first CONNECT is not looked at in a second', async () => {
    const server = await memoryServer({ plugins: [secondConnect(), connectVeto({ has: ['username'] }), drop({ packets: ['puback'] })] })
    const client = await join(server, 'me')
    await client.sendConnect({ clientId: 'me', username: 'joe' }).next('connack', { reasonCode: 0 })
    client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 1 })
    await client.settled()
    expect(heard(client)).toBe('connack, pingresp')
  })

  test('mistakes in its options are told at once', () => {
    expect(() => secondConnect({ answer: 'allow' })).toThrow('cannot be handled as a first one')
    expect(() => secondConnect({ answer: { v3: 'close', v5: 'allow' } })).toThrow('cannot be handled as a first one')
  })
})
