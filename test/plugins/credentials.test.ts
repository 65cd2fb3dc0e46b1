/** What a client sees of `credentials`. */
import type { Server } from 'mqttest'
import { connack, credentials } from 'mqttest/plugins'
import { type ConnectInput, connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { joined } from '../support/client.ts'
import { heard } from '../support/outcome.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

type Options = NonNullable<Parameters<typeof credentials>[0]>

const joe = { username: 'joe', password: Buffer.from('secret') }
const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
const jwt = (claims: object) => Buffer.from(`${part({ alg: 'none' })}.${part(claims)}.c2ln`)
const sas = (seconds: number, resource = 'hub/devices/raw') =>
  Buffer.from(`SharedAccessSignature sr=${encodeURIComponent(resource)}&sig=c2ln&se=${seconds}&skn=owner`)

/** The code of CONNACK, or how the connection ended without one. */
async function code(server: Server, connect: ConnectInput, version: 3 | 4 | 5 = 5): Promise<number | string> {
  const client = connectMemory(server, version).sendConnect(connect)
  const answer = await Promise.race([client.next('connack'), client.end()]).catch(() => 'nothing')
  return typeof answer === 'string' ? answer : (answer.reasonCode ?? answer.returnCode ?? -1)
}

const codes = async (options: Options, connects: readonly ConnectInput[], version: 3 | 4 | 5 = 5) => {
  const server = await memoryServer({ plugins: [credentials(options)] })
  return Promise.all(connects.map((connect) => code(server, connect, version)))
}

describe('credentials', () => {
  test('without options, a client needs a user name, whichever', async () => {
    expect(await codes({}, [joe, { username: 'ann' }, {}])).toEqual([0, 0, 0x86])
  })

  test('users: only these, with exactly their passwords', async () => {
    const users = { joe: 'secret', guest: '', 'a*': '*' }
    const wrong = { username: 'joe', password: Buffer.from('Secret') }
    expect(await codes({ users }, [joe, wrong, { username: 'joe' }, { username: 'ann', password: joe.password }])).toEqual([0, 0x86, 0x86, 0x86])
    expect(await codes({ users }, [{ username: 'guest' }, { username: 'ab', password: Buffer.from('x') }])).toEqual([0, 0x86])
  })

  test('who is refused hears why in MQTT 5, gets return code 4 in MQTT 3, and is closed', async () => {
    const server = await memoryServer({ plugins: [credentials({ users: { joe: 'secret' } })] })
    const { client, connack } = await joined(server, 'me', { username: 'ann' })
    expect(connack.properties?.reasonString).toBe('the user is not known')
    expect(await client.end()).toBe('fin')
    expect([await code(server, {}, 4), await code(server, { username: 'joe' }, 3)]).toEqual([4, 4])
    expect(server.report().faults.applied).toMatchObject([{ plugin: 'credentials', count: 3 }])
  })

  test('anonymous: true lets in who says nothing, but not who says something wrong', async () => {
    expect(await codes({ users: { joe: 'secret' }, anonymous: true }, [{}, joe, { username: 'ann' }])).toEqual([0, 0, 0x86])
  })

  test('usernames: a user name has to fit; {clientId} is the id of the client', async () => {
    const connects = [
      { clientId: 'dev1', username: 'hub/dev1/api=1' },
      { clientId: 'dev2', username: 'hub/dev1/api=1' },
      { clientId: '*', username: 'hub/dev1/api=1' },
      { clientId: 'x', username: 'admin' },
    ]
    expect(await codes({ usernames: ['hub/{clientId}/*', 'admin'] }, connects)).toEqual([0, 0x86, 0x86, 0])
  })

  test('token: jwt takes a token that has not expired, by the wall clock', async () => {
    const { server, clock } = await virtualServer({ plugins: [credentials({ token: 'jwt', endExpired: false })] })
    const connects = [jwt({ exp: 100 }), jwt({ exp: 9 }), jwt({}), Buffer.from('a.b.c'), Buffer.from(part({ exp: 100 })), Buffer.alloc(0)]
    await clock.advance('10s')
    const all = await Promise.all(connects.map((password) => code(server, { username: 'any', password })))
    expect(all).toEqual([0, 0x86, 0, 0x86, 0x86, 0x86])
  })

  test('token: sas takes a shared access signature', async () => {
    const { server, clock } = await virtualServer({ plugins: [credentials({ token: 'sas', endExpired: false })] })
    await clock.advance('10s')
    const connects = [sas(100), sas(9), Buffer.from('SharedAccessSignature sr=a&se=100'), jwt({ exp: 100 })]
    expect(await Promise.all(connects.map((password) => code(server, { username: 'any', password }, 4)))).toEqual([0, 4, 4, 4])
  })

  test('claims: a token has to say what is wanted; one of several values is enough', async () => {
    const password = (claims: object) => ({ username: 'any', clientId: 'dev', password: jwt(claims) })
    const connects = [password({ aud: 'project', sub: 'dev' }), password({ aud: ['x', 'project'], sub: 'dev' }), password({ aud: 'project' }), password({})]
    expect(await codes({ token: 'jwt', claims: { aud: 'pro*', sub: '{clientId}' } }, connects)).toEqual([0, 0, 0x86, 0x86])
    const signature = (resource: string) => ({ username: 'any', clientId: 'dev', password: sas(9e9, resource) })
    expect(await codes({ token: 'sas', claims: { sr: 'hub/devices/{clientId}' } }, [signature('hub/devices/dev'), signature('hub')])).toEqual([0, 0x86])
  })

  test('users and token: who is among the users needs a password, everybody else a token', async () => {
    const connects = [joe, { username: 'joe', password: jwt({}) }, { username: 'ann', password: jwt({}) }, { username: 'ann', password: joe.password }]
    expect(await codes({ users: { joe: 'secret' }, token: 'jwt' }, connects)).toEqual([0, 0x86, 0, 0x86])
  })

  test('passwordAlone: a password without a user name belongs to the empty name, to nobody, or is refused', async () => {
    const alone = { password: Buffer.from('secret') }
    expect(await codes({ users: { '': 'secret' } }, [alone])).toEqual([0])
    expect(await codes({ users: { '': 'secret' }, passwordAlone: 'refuse' }, [alone])).toEqual([0x86])
    expect(await codes({ users: {}, anonymous: true }, [alone])).toEqual([0x86])
    expect(await codes({ users: {}, anonymous: true, passwordAlone: 'anonymous' }, [alone])).toEqual([0])
  })

  test('failure: any code, also one that only some servers have, or a close without CONNACK', async () => {
    expect(await codes({ failure: 'not-authorized' }, [{}])).toEqual([0x87])
    expect(await codes({ failure: 'not-authorized' }, [{}], 4)).toEqual([5])
    expect(await codes({ failure: { v3: 7, v5: 'banned' } }, [{}])).toEqual([0x8a])
    expect(await codes({ failure: { v3: 7, v5: 'banned' } }, [{}], 4)).toEqual([7])
    expect(await codes({ failure: { v3: 'close', v5: 'reset' } }, [{}], 4)).toEqual(['fin'])
    expect(await codes({ failure: { v3: 'close', v5: 'reset' } }, [{}])).toEqual(['rst'])
  })

  test('delay: CONNACK comes late, for all, failures or successes', async () => {
    const times = async (delayed: 'all' | 'failures' | 'successes') => {
      const { server, clock } = await virtualServer({ plugins: [credentials({ delay: '2s', delayed })] })
      const clients = [joe, {}].map((connect, index) => connectMemory(server, 5).sendConnect({ clientId: `c${index}`, ...connect }))
      const seen = []
      for (const [from, to] of [
        [0, 1999],
        [1999, 2000],
      ] as const) {
        await clock.advance(to - from)
        seen.push(clients.map((client) => heard(client, 0)))
      }
      return seen
    }
    const both = ['connack', 'connack 0x86, fin']
    expect(await times('all')).toEqual([['', ''], both])
    expect(await times('failures')).toEqual([['connack', ''], both])
    expect(await times('successes')).toEqual([['', 'connack 0x86, fin'], both])
  })

  test('the connection ends when its token expires: DISCONNECT in MQTT 5, a close before', async () => {
    const { server, clock } = await virtualServer({ plugins: [credentials({ token: 'jwt', expiryAnswer: 'maximum-connect-time' })] })
    const [five, four] = [connectMemory(server, 5), connectMemory(server, 4)]
    await five.connect({ clientId: 'five', username: 'any', password: jwt({ exp: 60 }) })
    await four.connect({ clientId: 'four', username: 'any', password: jwt({ exp: 30 }) })
    await clock.advance(29_999)
    expect([four.ended, five.ended]).toEqual([undefined, undefined])
    await clock.advance(1)
    expect([heard(four), five.ended]).toEqual(['fin', undefined])
    await clock.advance('30s')
    expect(heard(five)).toBe('disconnect 0xa0, fin')
    expect(server.report().faults.applied).toMatchObject([{ count: 2 }])
  })

  test('endExpired: false lets it go on', async () => {
    const { server, clock } = await virtualServer({ plugins: [credentials({ token: 'sas', endExpired: false })] })
    const client = connectMemory(server)
    await client.connect({ username: 'any', password: sas(60) })
    await clock.advance('1h')
    expect(client.ended).toBeUndefined()
  })

  test('validFor ends every connection with a credential, however long its token lasts', async () => {
    const { server, clock } = await virtualServer({ plugins: [credentials({ token: 'jwt', users: { joe: 'secret' }, anonymous: true, validFor: '10s' })] })
    const connects = [joe, { username: 'any', password: jwt({ exp: 60 }) }, { username: 'any', password: jwt({ exp: 5 }) }, {}]
    const clients = connects.map((connect, index) => connectMemory(server).sendConnect({ clientId: `c${index}`, ...connect }))
    await clock.advance(9999)
    expect(clients.map(({ ended }) => ended)).toEqual([undefined, undefined, 'fin', undefined])
    await clock.advance(1)
    expect(clients.map(({ ended }) => ended)).toEqual(['fin', 'fin', 'fin', undefined])
  })

  test('grace: an expired token is good for a while, in CONNECT and for the connection', async () => {
    const { server, clock } = await virtualServer({ plugins: [credentials({ token: 'jwt', grace: '10s', expiryAnswer: { v5: 'reset' } })] })
    await clock.advance('69s')
    const client = connectMemory(server, 5)
    expect(await client.connect({ username: 'any', password: jwt({ exp: 60 }) })).toMatchObject({ reasonCode: 0 })
    await clock.advance('1s')
    expect(client.ended).toBe('rst')
    expect(await code(server, { username: 'any', password: jwt({ exp: 60 }) })).toBe(0x86)
  })

  test('a client that names an authentication method is left to who knows it', async () => {
    expect(await codes({}, [{ properties: { authenticationMethod: 'x' } }])).toEqual([0x8c])
  })

  test('goes with other plugins: what CONNACK says is theirs', async () => {
    const server = await memoryServer({ plugins: [credentials(), connack({ which: 'both', returnCodes: { 'bad-user-name-or-password': 9 } })] })
    expect([await code(server, {}, 4), await code(server, joe, 4)]).toEqual([9, 0])
  })

  test('a client that leaves while it waits, and a plugin that is switched off, leave nothing behind', async () => {
    const { server, clock } = await virtualServer()
    const off = server.use(credentials({ delay: '1h', validFor: '1h' }))
    const [gone, waiting] = [
      connectMemory(server).sendConnect({ ...joe, clientId: 'gone' }),
      connectMemory(server).sendConnect({ ...joe, clientId: 'waiting' }),
    ]
    await clock.advance(1)
    gone.reset()
    await clock.advance(0)
    off()
    await waiting.next('connack')
    expect([server.sessions.length, clock.pending]).toEqual([1, 0])
  })

  test('mistakes in its options are told at once', () => {
    expect(() => credentials({ claims: { aud: 'x' } })).toThrow("option 'claims' goes with 'token'")
    expect(() => credentials({ grace: 5 })).toThrow("option 'grace' goes with 'token' and 'validFor'")
    expect(() => credentials({ delayed: 'failures' })).toThrow("option 'delayed' goes with 'delay'")
    expect(() => credentials({ anonymous: true })).toThrow('everybody gets in')
    expect(() => credentials.create({ users: { joe: 5 } })).toThrow(/option 'users'/)
  })
})
