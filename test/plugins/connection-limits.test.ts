/** What a client sees of `connection-limits`. */
import type { Server } from 'mqttest'
import { connectionLimits } from 'mqttest/plugins'
import { type ConnectInput, connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { spoken } from '../support/outcome.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

type Options = Parameters<typeof connectionLimits>[0]

/** A client that connects: what it gets, and how to be gone again. */
async function attempt(server: Server, connect: ConnectInput | string, version: 4 | 5 = 5) {
  const client = connectMemory(server, version).sendConnect(typeof connect === 'string' ? { clientId: connect } : connect)
  await Promise.race([client.next('connack').catch(() => undefined), client.end().catch(() => undefined)])
  const [first] = client.received
  const said = first === undefined ? `${client.ended}` : spoken(first)
  const leave = async () => {
    client.close()
    await client.end()
  }
  return { client, said, leave }
}

/** What clients get that connect one after the other, and stay. */
async function row(options: Options, clients: readonly (ConnectInput | string)[], version: 4 | 5 = 5) {
  const server = await memoryServer({ plugins: [connectionLimits(options)] })
  const said: string[] = []
  for (const connect of clients) said.push((await attempt(server, connect, version)).said)
  return said.join(', ')
}

describe('connection-limits', () => {
  test('total: so many at a time; one that goes makes room', async () => {
    const server = await memoryServer({ plugins: [connectionLimits({ total: 2 })] })
    const first = await attempt(server, 'a')
    expect(first.said).toBe('connack')
    expect((await attempt(server, 'b')).said).toBe('connack')
    expect((await attempt(server, 'c')).said).toBe('connack 0x89')
    expect((await attempt(server, 'c', 4)).said).toBe('connack 3')
    await first.leave()
    expect((await attempt(server, 'c')).said).toBe('connack')
    expect((await attempt(server, 'd')).said).toBe('connack 0x89')
  })

  test('who takes its own session over does not count twice', async () => {
    const server = await memoryServer({ plugins: [connectionLimits({ total: 1, perUser: 1, perAddress: 1 })] })
    const joe = { clientId: 'a', username: 'joe' }
    const { client } = await attempt(server, joe)
    expect((await attempt(server, joe)).said).toBe('connack')
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x8e })
    expect((await attempt(server, joe)).said).toBe('connack')
    expect((await attempt(server, 'b')).said).toBe('connack 0x89')
  })

  test('perClientId: 1 refuses the newcomer, and who is there stays', async () => {
    const server = await memoryServer({ plugins: [connectionLimits({ perClientId: 1 })] })
    const first = await attempt(server, 'a')
    expect((await attempt(server, 'a')).said).toBe('connack 0x89')
    await first.client.settled()
    expect((await attempt(server, 'b')).said).toBe('connack')
    await first.leave()
    expect((await attempt(server, 'a')).said).toBe('connack')
  })

  test('perUser and perAddress: by user name, which one may lack, and by remote address', async () => {
    const [joe, jim] = [{ username: 'joe' }, { username: 'jim' }]
    expect(await row({ perUser: 1 }, [{ clientId: 'a', ...joe }, { clientId: 'b', ...joe }, { clientId: 'c', ...jim }, 'd', 'e'])).toBe(
      'connack, connack 0x89, connack, connack, connack',
    )
    expect(await row({ perAddress: 1 }, ['a', 'b'])).toBe('connack, connack 0x89')
  })

  test('answer: what they get, by version', async () => {
    const answer = { v3: 'not-authorized', v5: 'quota-exceeded' } as const
    expect(await row({ total: 0, answer }, ['a'])).toBe('connack 0x97')
    expect(await row({ total: 0, answer }, ['a'], 4)).toBe('connack 5')
    expect(await row({ total: 0, answer: 'close' }, ['a'], 4)).toBe('fin')
    expect(await row({ total: 0, answer: 'reset' }, ['a'])).toBe('rst')
  })

  test('rate, window and rateAnswer: attempts of all clients in a while', async () => {
    const { server, clock } = await virtualServer({
      plugins: [connectionLimits({ rate: 2, window: '10s', rateAnswer: { v3: 'close', v5: 'connection-rate-exceeded' } })],
    })
    expect([(await attempt(server, 'a')).said, (await attempt(server, 'b')).said, (await attempt(server, 'c')).said]).toEqual([
      'connack',
      'connack',
      'connack 0x9f',
    ])
    expect((await attempt(server, 'c', 4)).said).toBe('fin')
    await clock.advance(9999)
    expect((await attempt(server, 'c')).said).toBe('connack 0x9f')
    await clock.advance(1)
    expect((await attempt(server, 'c')).said).toBe('connack')
  })

  test('ratePerClientId: each client id has its own; empty ones have none', async () => {
    const { server, clock } = await virtualServer({ plugins: [connectionLimits({ ratePerClientId: 1 })] })
    const said = async (clientId: string) => (await attempt(server, clientId)).said
    expect([await said('a'), await said('a'), await said('b'), await said(''), await said('')]).toEqual([
      'connack',
      'connack 0x9f',
      'connack',
      'connack',
      'connack',
    ])
    await clock.advance(1000)
    expect(await said('a')).toBe('connack')
  })

  test('ban: who came too often is refused for longer than the stretch of time', async () => {
    const { server, clock } = await virtualServer({ plugins: [connectionLimits({ ratePerClientId: 1, ban: '1m', rateAnswer: 'banned' })] })
    const said = async () => (await attempt(server, 'a')).said
    expect([await said(), await said()]).toEqual(['connack', 'connack 0x8a'])
    await clock.advance(59_999)
    expect(await said()).toBe('connack 0x8a')
    await clock.advance(1)
    expect(await said()).toBe('connack')
  })

  test('hold: the refusal waits; others are let in meanwhile, and who hangs up leaves nothing behind', async () => {
    const { server, clock } = await virtualServer({ plugins: [connectionLimits({ perClientId: 1, answer: 'close', hold: '2s' })] })
    await attempt(server, 'a')
    const [held, gone] = [connectMemory(server, 4).sendConnect({ clientId: 'a' }), connectMemory(server, 4).sendConnect({ clientId: 'a' })]
    await clock.advance(1999)
    expect(held.ended).toBeUndefined()
    expect((await attempt(server, 'b')).said).toBe('connack')
    gone.reset()
    await clock.advance(1)
    expect([held.ended, held.received]).toEqual(['fin', []])
    held.close()
    await clock.advance(0)
    expect(clock.pending).toBe(0)
  })

  test('sockets and socketsHow: more are ended before they say a word', async () => {
    for (const [socketsHow, ended] of [
      ['fin', 'fin'],
      ['rst', 'rst'],
    ] as const) {
      const { server, clock } = await virtualServer({ plugins: [connectionLimits({ sockets: 1, socketsHow })] })
      const [first, second] = [connectMemory(server), connectMemory(server)]
      await clock.advance(0)
      expect([first.ended, second.ended]).toEqual([undefined, ended])
      first.reset()
      second.close()
      await clock.advance(0)
      expect((await attempt(server, 'a')).said).toBe('connack')
    }
  })

  test('beside session-override and with a scope: other clients are not limited', async () => {
    const server = await memoryServer({
      plugins: [
        [connectionLimits({ total: 0 }), { clientId: 'dev-*' }],
        ['session-override', { mode: 'obey', sessionPresent: 'always' }],
      ],
    })
    expect((await attempt(server, 'dev-1')).said).toBe('connack 0x89')
    expect((await attempt(server, 'app')).client.received).toMatchObject([{ cmd: 'connack', sessionPresent: true }])
  })

  test('it counts as fired once somebody was refused; taken off, nobody is', async () => {
    const server = await memoryServer()
    const off = server.use(connectionLimits({ total: 1 }))
    await attempt(server, 'a')
    expect(server.report().faults.neverFired).toEqual(['connection-limits'])
    await attempt(server, 'b')
    expect(server.report().faults.neverFired).toEqual([])
    off()
    expect((await attempt(server, 'b')).said).toBe('connack')
  })

  test('options that limit nothing, or do not go together, are refused', () => {
    expect(() => connectionLimits({ hold: '1s' })).toThrow('nothing is limited')
    expect(() => connectionLimits({ rate: 1, window: 0 })).toThrow("'window' is longer than 0")
    expect(() => connectionLimits({ total: 1, ban: '1s' })).toThrow("'ban' needs the option 'ratePerClientId'")
  })
})
