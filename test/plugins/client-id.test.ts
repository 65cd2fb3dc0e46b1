/** What a client sees of `client-id`. */
import type { Server } from 'mqttest'
import { ackDelay, clientId } from 'mqttest/plugins'
import { type ConnectInput, connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { joined } from '../support/client.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

type Options = NonNullable<Parameters<typeof clientId>[0]>

/** The code of CONNACK for some ids, or how the connection ended without one. */
async function codes(options: Options, ids: readonly string[], version: 3 | 4 | 5 = 5, connect: ConnectInput = {}) {
  const server = await memoryServer({ plugins: [clientId(options)] })
  const all: (number | string)[] = []
  for (const id of ids) {
    const client = connectMemory(server, version).sendConnect({ clientId: id, ...connect })
    const answer = await Promise.race([client.next('connack'), client.end()])
    all.push(typeof answer === 'string' ? answer : (answer.reasonCode ?? answer.returnCode ?? -1))
  }
  return all
}

const assignedOf = async (server: Server, connect: ConnectInput = {}) => {
  const { connack } = await joined(server, '', connect)
  return connack.properties?.assignedClientIdentifier
}

describe('client-id', () => {
  test('minimum and maximum count bytes', async () => {
    expect(await codes({ minimum: 2, maximum: 4 }, ['a', 'ab', 'abcd', 'abcde', 'äää', 'ää'])).toEqual([0x85, 0, 0, 0x85, 0x85, 0])
    expect(await codes({ maximum: 4 }, ['abcde', 'a', ''], 4)).toEqual([2, 0, 0])
  })

  test('minimum refuses an empty id as well, where empty does not say otherwise', async () => {
    expect(await codes({ minimum: 1 }, [''])).toEqual([0x85])
    expect(await codes({ minimum: 1 }, [''], 4)).toEqual([2])
    expect(await codes({ minimum: 1, empty: 'allow' }, [''])).toEqual([0])
  })

  test('pattern: the whole id has to match', async () => {
    expect(await codes({ pattern: '[a-z]+|\\d' }, ['abc', '7', 'ab7', '77', 'abc '])).toEqual([0, 0, 0x85, 0x85, 0x85])
  })

  test('prefix: an id has to begin in one of some ways', async () => {
    expect(await codes({ prefix: ['dev-', 'app-'] }, ['dev-1', 'app-', 'xdev-1', 'dev'])).toEqual([0, 0, 0x85, 0x85])
    expect(await codes({ prefix: 'dev-' }, ['dev-1', 'app-1'], 4)).toEqual([0, 2])
  })

  test('equals: an id has to be what belongs to the user', async () => {
    expect(await codes({ equals: ['{username}', 'admin-*'] }, ['joe', 'joe2', 'admin-x', 'a'], 5, { username: 'joe' })).toEqual([0, 0x85, 0, 0x85])
    expect(await codes({ equals: ['{username}'] }, ['joe', '*'], 4, { username: '*' })).toEqual([2, 0])
  })

  test('answer: another code, or a close without CONNACK', async () => {
    expect(await codes({ maximum: 1, answer: { v31: 9, v3: 'close', v5: 'not-authorized' } }, ['ab'])).toEqual([0x87])
    expect(await codes({ maximum: 1, answer: { v31: 9, v3: 'close', v5: 'not-authorized' } }, ['ab'], 4)).toEqual(['fin'])
    expect(await codes({ maximum: 1, answer: { v31: 9, v3: 'close', v5: 'not-authorized' } }, ['ab'], 3)).toEqual([9])
  })

  test('who is refused is told why in MQTT 5, and closed; the plugin counts as having fired', async () => {
    const server = await memoryServer({ plugins: [clientId({ maximum: 1 })] })
    const { client, connack } = await joined(server, 'abc')
    expect(connack.properties?.reasonString).toBe('the client id has 3 bytes, and must have 0 to 1')
    expect(await client.end()).toBe('fin')
    expect([server.sessions, server.report().faults.applied[0]?.count]).toEqual([[], 1])
  })

  test('empty: any answer, by version', async () => {
    const empty = { v31: 'close', v3: 'not-authorized', v5: 'server-busy' } as const
    expect([await codes({ empty }, [''], 3), await codes({ empty }, [''], 4), await codes({ empty }, [''], 5)]).toEqual([['fin'], [5], [0x89]])
    expect(await codes({ empty }, ['a'], 3)).toEqual([0])
  })

  test('empty: assign lets every version in, also where the session is to be kept', async () => {
    for (const [version, clean] of [
      [3, true],
      [4, false],
      [5, false],
    ] as const)
      expect(await codes({ empty: 'assign' }, [''], version, { clean })).toEqual([0])
    expect(await codes({ emptyKept: 'assign' }, [''], 3, { clean: true })).toEqual([2])
  })

  test('emptyKept: refused only where the session is to be kept, in MQTT 5 as well', async () => {
    const kept = { clean: false }
    expect(await codes({ emptyKept: 'client-identifier-not-valid' }, [''], 5, kept)).toEqual([0x85])
    expect(await codes({ emptyKept: 'client-identifier-not-valid' }, [''])).toEqual([0])
    expect(await codes({ emptyKept: 'close' }, [''], 4, kept)).toEqual(['fin'])
    expect(await codes({ empty: 'close', emptyKept: 'allow' }, [''], 5, kept)).toEqual([0])
  })

  test('assigned: the id is made as the template says', async () => {
    const server = await memoryServer({ plugins: [clientId({ assigned: 'auto-{username}-{number}-{random}' })] })
    const id = await assignedOf(server, { username: 'joe' })
    expect(id).toMatch(/^auto-joe-0-[0-9a-f]{8}$/)
    expect(server.sessions.map((session) => session.clientId)).toEqual([id])
    expect(await assignedOf(server, { username: 'joe' })).toMatch(/^auto-joe-1-/)
    expect(await assignedOf(await memoryServer({ plugins: [clientId({ assigned: '' })] }))).toBe('')
  })

  test('assigned to two clients, the same id lets the second take over the session of the first', async () => {
    const server = await memoryServer({ plugins: [clientId({ assigned: 'same' })] })
    const { client } = await joined(server, '')
    await joined(server, '')
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x8e })
  })

  test('assignedLength: the id is as long as it can be', async () => {
    const server = await memoryServer({ plugins: [clientId({ assignedLength: 65_535 })] })
    expect(await assignedOf(server)).toMatch(/^auto-[0-9a-f]{8}x{65522}$/)
  })

  test('the same seed assigns the same ids', async () => {
    const first = async (seed: string) => assignedOf((await virtualServer({ plugins: [clientId({ assigned: '{random}' })], seed })).server)
    expect(await first('a')).toBe(await first('a'))
    expect(await first('a')).not.toBe(await first('b'))
  })

  test('tell: CONNACK says nothing of the id, or another one, or says it also to who had one', async () => {
    const told = async (tell: 'never' | 'wrong' | 'always', id: string) => {
      const server = await memoryServer({ plugins: [clientId({ tell, assigned: 'made' })] })
      const { connack } = await joined(server, id)
      expect(server.sessions[0]?.clientId).toBe(id || 'made')
      return connack.properties?.assignedClientIdentifier
    }
    expect([await told('never', ''), await told('wrong', ''), await told('always', '')]).toEqual([undefined, 'not-made', 'made'])
    expect([await told('never', 'own'), await told('wrong', 'own'), await told('always', 'own')]).toEqual([undefined, undefined, 'own'])
  })

  test('tell is nothing for MQTT 3', async () => {
    const server = await memoryServer({ plugins: [clientId({ tell: 'always' })] })
    const { connack } = await joined(server, 'own', { version: 4 })
    expect(connack).toEqual({ cmd: 'connack', sessionPresent: false, returnCode: 0 })
    expect(server.report().faults.neverFired).toEqual(['client-id'])
  })

  test('goes with other plugins, and with clients in between', async () => {
    const { server, clock } = await virtualServer({ plugins: [clientId({ maximum: 3, tell: 'always' }), ackDelay({ packets: 'connack', delay: 100 })] })
    const [long, short, gone] = ['long', 'own', 'bye'].map((id) => connectMemory(server, 5).sendConnect({ clientId: id }))
    gone?.reset()
    await clock.advance(100)
    expect(await long?.next('connack')).toMatchObject({ reasonCode: 0x85 })
    expect(await short?.next('connack')).toMatchObject({ properties: { assignedClientIdentifier: 'own' } })
    expect(gone?.received).toEqual([])
  })

  test('mistakes in its options are told at once', () => {
    expect(() => clientId()).toThrow('every id is taken')
    expect(() => clientId({ minimum: 5, maximum: 4 })).toThrow("option 'minimum' is more than 'maximum'")
    expect(() => clientId({ pattern: '(' })).toThrow('is no regular expression')
    expect(() => clientId.create({ empty: 'asign' })).toThrow(/option 'empty'.*Did you mean 'assign'/)
  })
})
