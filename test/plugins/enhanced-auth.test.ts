/** What a client sees of `enhanced-auth`. */
import type { Properties, Server } from 'mqttest'
import { ackDelay, credentials, enhancedAuth } from 'mqttest/plugins'
import { connectMemory, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join, joined } from '../support/client.ts'
import { heard, spoken } from '../support/outcome.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

type Options = NonNullable<Parameters<typeof enhancedAuth>[0]>

const using = (data?: string, method = 'CHAT'): { properties: Properties } => ({
  properties: { authenticationMethod: method, ...(data !== undefined && { authenticationData: Buffer.from(data) }) },
})
const auth = (data: string, reasonCode = 0x18) => ({ cmd: 'auth', reasonCode, ...using(data) }) as const

/** A client that has said CONNECT with the method CHAT. */
const begun = (server: Server, clientId = 'me', method = 'CHAT') => connectMemory(server, 5).sendConnect({ clientId, ...using('hello', method) })

/** A client that was let in, for rounds without anything special. */
async function letIn(server: Server, clientId = 'me'): Promise<RawClient> {
  const client = begun(server, clientId)
  await client.next('auth')
  await client.send(auth('any')).next('connack', { reasonCode: 0 })
  return client
}

/** What comes for CONNECT, with an answer to each AUTH: each packet with its code, method and data. */
async function course(options: Options, replies: readonly string[] = ['a', 'b', 'c'], method = 'CHAT') {
  const { server, clock } = await virtualServer({ plugins: [enhancedAuth(options)] })
  const client = begun(server, 'me', method)
  for (const reply of replies) {
    await clock.advance('1s')
    if (client.received.at(-1)?.cmd === 'auth') client.send(auth(reply))
  }
  await clock.advance('1s')
  const told = client.received.map((packet) => {
    const { authenticationMethod = '-', authenticationData = '-' } = ('properties' in packet && packet.properties) || {}
    return `${spoken(packet)} ${authenticationMethod} ${authenticationData}`
  })
  return [...told, ...(client.ended === undefined ? [] : [client.ended])]
}

describe('enhanced-auth', () => {
  test('without options, any method is known: one question, any answer, and CONNACK', async () => {
    expect(await course({})).toEqual(['auth 24 CHAT challenge', 'connack CHAT -'])
    expect(await course({}, ['x'])).toEqual(['auth 24 CHAT challenge', 'connack CHAT -'])
  })

  test('rounds and finalData: as many questions as are wanted', async () => {
    expect(await course({ rounds: ['one', { hex: '74776f' }, { json: 3 }], finalData: 'done' })).toEqual([
      'auth 24 CHAT one',
      'auth 24 CHAT two',
      'auth 24 CHAT 3',
      'connack CHAT done',
    ])
    expect(await course({ rounds: [] })).toEqual(['connack CHAT -'])
  })

  test('expected: a wrong answer is refused, at the round where it comes', async () => {
    expect(await course({ rounds: ['one', 'two'], expected: ['a', 'b'] })).toEqual(['auth 24 CHAT one', 'auth 24 CHAT two', 'connack CHAT -'])
    expect(await course({ rounds: ['one', 'two'], expected: ['a', 'x'] })).toEqual(['auth 24 CHAT one', 'auth 24 CHAT two', 'connack 0x87 - -', 'fin'])
    expect(await course({ rounds: ['one', 'two'], expected: ['x'], failure: 'close' })).toEqual(['auth 24 CHAT one', 'fin'])
  })

  test('outcome and failure: refused whatever the client said', async () => {
    expect(await course({ outcome: 'failure' })).toEqual(['auth 24 CHAT challenge', 'connack 0x87 - -', 'fin'])
    expect(await course({ outcome: 'failure', failure: 'banned', rounds: [] })).toEqual(['connack 0x8a - -', 'fin'])
    expect(await course({ outcome: 'failure', failure: 'reset' })).toEqual(['auth 24 CHAT challenge', 'rst'])
  })

  test('methods and unknown: other methods are refused, met with silence, or not looked at', async () => {
    expect(await course({ methods: ['CHAT'] }, ['x'])).toHaveLength(2)
    expect(await course({ methods: ['CHAT'] }, ['x'], 'OTHER')).toEqual(['connack 0x8c - -', 'fin'])
    expect(await course({ methods: [], unknown: 'not-authorized' })).toEqual(['connack 0x87 - -', 'fin'])
    expect(await course({ methods: [], unknown: 'ignore' })).toEqual([])
    expect(await course({ methods: [], unknown: 'accept' })).toEqual(['connack - -'])
  })

  test('method, omit and code: AUTH as it must not be', async () => {
    expect(await course({ method: 'OTHER' })).toEqual(['auth 24 OTHER challenge', 'connack OTHER -'])
    expect(await course({ omit: ['method'], finalData: 'done' })).toEqual(['auth 24 - challenge', 'connack - done'])
    expect(await course({ omit: ['data'], finalData: 'done' })).toEqual(['auth 24 CHAT -', 'connack CHAT -'])
    expect(await course({ omit: ['method', 'data'] })).toEqual(['auth 24 - -', 'connack - -'])
    expect(await course({ code: 're-authenticate' })).toEqual(['auth 25 CHAT challenge', 'connack CHAT -'])
  })

  test('silentAfter: after so many answers nothing comes any more', async () => {
    expect(await course({ rounds: ['one', 'two'], silentAfter: 0 })).toEqual([])
    expect(await course({ rounds: ['one', 'two'], silentAfter: 1 })).toEqual(['auth 24 CHAT one'])
    expect(await course({ rounds: ['one', 'two'], silentAfter: 2 })).toEqual(['auth 24 CHAT one', 'auth 24 CHAT two'])
  })

  test('silentAfter: who authenticates anew waits for ever, and everything else goes on', async () => {
    const server = await memoryServer()
    const off = server.use(enhancedAuth())
    const client = await letIn(server)
    off()
    server.use(enhancedAuth({ silentAfter: 1 }))
    await client.send(auth('again', 0x19)).next('auth')
    await client.send(auth('x')).settled()
    expect(heard(client, 2)).toBe('auth 24, pingresp')
  })

  test('delay: each AUTH, and CONNACK, take their time', async () => {
    const { server, clock } = await virtualServer({ plugins: [enhancedAuth({ delay: '2s' })] })
    const client = begun(server)
    await clock.advance(1999)
    expect(heard(client, 0)).toBe('')
    await clock.advance(1)
    expect(heard(client, 0)).toBe('auth 24')
    client.send(auth('x'))
    await clock.advance(1999)
    expect(heard(client, 0)).toBe('auth 24')
    await clock.advance(1)
    expect(heard(client, 0)).toBe('auth 24, connack')
  })

  test('clients that name no method are left alone, in every version', async () => {
    const server = await memoryServer({ plugins: [enhancedAuth()] })
    for (const version of [3, 4, 5] as const) await (await join(server, `v${version}`, { version })).settled()
    expect(server.report().faults.neverFired).toEqual(['enhanced-auth'])
  })

  test('anybody: they are asked as well [MQTT-4.12.0-6]; an answer is a violation, since they have no method', async () => {
    const server = await memoryServer({ plugins: [enhancedAuth({ methods: ['CHAT'], anybody: true })] })
    const client = connectMemory(server, 5).sendConnect({ clientId: 'me' })
    expect(await client.next('auth')).toMatchObject({ reasonCode: 0x18, ...using('challenge') })
    expect(await client.send(auth('x')).next('connack')).toMatchObject({ reasonCode: 0x82 })
    await (await join(server, 'four', { version: 4 })).settled()
  })

  test('who authenticates anew plays the same rounds', async () => {
    const server = await memoryServer({ plugins: [enhancedAuth({ finalData: 'done' })] })
    const client = await letIn(server)
    await client.send(auth('again', 0x19)).next('auth', { reasonCode: 0x18 })
    expect(await client.send(auth('x')).next('auth', { reasonCode: 0 })).toMatchObject(using('done'))
    await client.settled()
  })

  test('a wrong answer then ends the connection with DISCONNECT [MQTT-4.12.1-2]', async () => {
    const server = await memoryServer({ plugins: [enhancedAuth({ expected: ['any'] })] })
    const client = await letIn(server)
    await client.send(auth('again', 0x19)).next('auth', { reasonCode: 0x18 })
    expect(await client.send(auth('x')).next('disconnect')).toMatchObject({ reasonCode: 0x87 })
  })

  test('reauthentication: refused at once, or met with silence', async () => {
    const refusing = await letIn(await memoryServer({ plugins: [enhancedAuth({ reauthentication: 'administrative-action' })] }))
    expect(await refusing.send(auth('again', 0x19)).next('disconnect')).toMatchObject({ reasonCode: 0x98 })
    const silent = await letIn(await memoryServer({ plugins: [enhancedAuth({ reauthentication: 'ignore' })] }))
    await silent.send(auth('again', 0x19)).settled()
    expect(heard(silent, 2)).toBe('pingresp')
  })

  test('unasked and unaskedCode: AUTH out of nowhere, also for who named no method', async () => {
    const { server, clock } = await virtualServer({ plugins: [enhancedAuth({ unasked: '5s', method: 'CHAT' })] })
    const [five, four] = [await join(server, 'five'), await join(server, 'four', { version: 4 })]
    await clock.advance(4999)
    expect(heard(five)).toBe('')
    await clock.advance(1)
    expect(await five.next('auth')).toEqual({ cmd: 'auth', reasonCode: 0x19, ...using('challenge') })
    expect(heard(four)).toBe('')
    const other = await virtualServer({ plugins: [enhancedAuth({ unasked: 0, unaskedCode: 'success', omit: ['data'] })] })
    const client = await join(other.server, 'me')
    await other.clock.advance(0)
    expect(await client.next('auth')).toMatchObject({ reasonCode: 0 })
  })

  test('goes with other plugins: who shows a password needs the right one, CONNACK comes late', async () => {
    const { server, clock } = await virtualServer({
      plugins: [credentials({ users: { joe: 'secret' } }), enhancedAuth({ rounds: [] }), ackDelay({ packets: 'connack', delay: 100 })],
    })
    const [asked, plain] = [begun(server, 'asked'), connectMemory(server, 5).sendConnect({ clientId: 'plain', username: 'ann' })]
    await clock.advance(99)
    expect([heard(asked, 0), heard(plain, 0)]).toEqual(['', ''])
    await clock.advance(1)
    expect([heard(asked, 0), heard(plain, 0)]).toEqual(['connack', 'connack 0x86, fin'])
  })

  test('two clients are asked at the same time, each on its own', async () => {
    const server = await memoryServer({ plugins: [enhancedAuth({ rounds: ['one', 'two'], expected: ['a', 'b'] })] })
    const [right, wrong] = [begun(server, 'right'), begun(server, 'wrong')]
    await right.send(auth('a')).next('auth', { reasonCode: 0x18, ...using('two') })
    expect(await wrong.send(auth('b')).next('connack')).toMatchObject({ reasonCode: 0x87 })
    expect(await right.send(auth('b')).next('connack')).toMatchObject({ reasonCode: 0 })
  })

  test('a client that leaves in the middle, and a plugin that is switched off, leave nothing behind', async () => {
    const { server, clock } = await virtualServer()
    const off = server.use(enhancedAuth({ rounds: ['one', 'two'], delay: '1h', unasked: '1h' }))
    const [gone, leaves] = [begun(server, 'gone'), begun(server, 'leaves')]
    await clock.advance('1h')
    gone.send(auth('x'))
    leaves.send({ cmd: 'disconnect' })
    await clock.advance(1)
    gone.reset()
    await clock.advance('3s')
    off()
    expect([clock.pending, server.sessions.length]).toEqual([0, 0])
    expect((await joined(server, 'late', using())).connack.reasonCode).toBe(0x8c)
  })

  test('mistakes in its options are told at once', () => {
    expect(() => enhancedAuth({ expected: ['a', 'b'] })).toThrow("option 'expected' is longer than 'rounds'")
    expect(() => enhancedAuth({ silentAfter: 2 })).toThrow('there are 1 rounds')
    expect(() => enhancedAuth({ anybody: true })).toThrow("the first of 'methods', or 'method'")
    expect(() => enhancedAuth.create({ rounds: [5] })).toThrow(/option 'rounds'/)
  })
})
