/** What a client meets at NATS, in its versions. */
import { nats } from 'mqttest/packs'
import { connectMemory, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { messages } from '../support/client.ts'
import { exchanged, heard, joining, publish, subscribe, welcomed } from '../support/outcome.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

type Options = Parameters<typeof nats>[0]

/** A server whose SUBACK comes at once, so that it need not be waited for. */
const serverWith = (options: Options = {}) => memoryServer({ plugins: [nats({ subackDelay: 0, ...options })] })
const old = { version: '2.9' } as const

/** What a client gets for packets. */
async function answer(options: Options, ...packets: readonly Parameters<typeof exchanged>[1][]) {
  return exchanged(await joining(await serverWith(options)), ...packets)
}

describe('CONNECT', () => {
  test('MQTT 3.1 is closed on, 5 gets return code 1 in the form of MQTT 3', async () => {
    expect([await welcomed(await serverWith(), 3), await welcomed(await serverWith(), 4)]).toEqual(['fin', 'connack'])
    const client = connectMemory(await serverWith(), 5).sendConnect({ clientId: 'me' })
    await client.end()
    expect(Buffer.concat(client.chunks).toString('hex')).toBe('20020001')
  })

  test('refused credentials get 5, also where there are none', async () => {
    const server = await serverWith({ users: { ann: 'secret' } })
    expect(await welcomed(server, 4, { username: 'ann', password: Buffer.from('wrong') })).toBe('connack 5, fin')
    expect(await welcomed(server, 4)).toBe('connack 5, fin')
    expect(await welcomed(server, 4, { username: 'ann', password: Buffer.from('secret') })).toBe('connack')
    expect(await welcomed(await serverWith(), 4)).toBe('connack')
  })

  test('client ids with spaces, dots or wildcards are refused since 2.10', async () => {
    for (const clientId of ['a b', 'a.b', 'a*', 'a>', 'a+'])
      expect([await welcomed(await serverWith(), 4, { clientId }), await welcomed(await serverWith(old), 4, { clientId })]).toEqual([
        'connack 2, fin',
        'connack',
      ])
    expect(await welcomed(await serverWith(), 4, { clientId: '' })).toBe('connack')
    expect(await welcomed(await serverWith(), 4, { clientId: '', clean: false })).toBe('connack 2, fin')
  })

  test('rejectQos2: a will of QoS 2 gets 0x10, which MQTT does not have, and a PUBLISH the end', async () => {
    const server = await serverWith({ rejectQos2: true })
    const will = { topic: 'a', payload: Buffer.from('x'), qos: 2, retain: false } as const
    const client = connectMemory(server).sendConnect({ clientId: 'me', will })
    await client.end()
    expect(Buffer.concat(client.chunks).toString('hex')).toBe('20020010')
    expect(await welcomed(server, 4, { will: { ...will, qos: 1 } })).toBe('connack')
    expect(await answer({ rejectQos2: true }, subscribe('a', 2), publish('b', 2))).toBe('suback 2, fin')
    expect(() => nats({ ...old, rejectQos2: true })).toThrow("option 'rejectQos2'")
  })

  test('a second CONNECT is the end', async () => {
    const client = await joining(await serverWith())
    await client.sendConnect({ clientId: 'me' }).end()
    expect(heard(client)).toBe('fin')
  })
})

describe('messages', () => {
  test('QoS 2 is there since 2.10; before, it closes the connection, and a filter is granted 1', async () => {
    expect(await answer({}, subscribe('a', 2), publish('b', 2))).toBe('suback 2, pubrec')
    expect(await answer(old, subscribe('a', 2), publish('b', 2))).toBe('suback 1, fin')
  })

  test('a space in a topic closes the connection, in a filter it gets 0x80; before 2.10 so does a dot', async () => {
    expect([await answer({}, publish('a b')), await answer({}, subscribe(['a b', 'a']))]).toEqual(['fin', 'suback 0x80,0'])
    expect([await answer({}, publish('a.b')), await answer({}, subscribe('a.b'))]).toEqual(['puback', 'suback 0'])
    expect([await answer(old, publish('a.b')), await answer(old, subscribe('a.b'))]).toEqual(['fin', 'suback 0x80'])
  })

  test('in 2.9 a filter with # gets what begins with $', async () => {
    expect(await answer(old, subscribe('#'), publish('$a', 0))).toBe('suback 0, publish $a')
    expect(await answer({}, subscribe('#'), publish('$a', 0))).toBe('suback 0')
  })

  test('overlapping filters give one copy each', async () => {
    expect(await answer({}, subscribe(['a/#', 'a/+']), publish('a/b', 0))).toBe('suback 0,0, publish a/b, publish a/b')
  })

  test('what may not be published is acknowledged and gone; what may not be subscribed to gets 0x80', async () => {
    const options = { denyPublish: ['secret/#'], denySubscribe: ['secret/#'] }
    expect(await answer(options, subscribe('#'), publish('secret/a'))).toBe('suback 0, puback')
    expect(await answer(options, subscribe(['secret/a', 'a']))).toBe('suback 0x80,0')
    const will = { topic: 'secret/a', payload: Buffer.from('x'), qos: 0, retain: false } as const
    expect(await welcomed(await serverWith(options), 4, { will })).toBe('connack')
  })

  test('a payload beyond 1 MB closes the connection since 2.10', async () => {
    const large = publish('a', 1, 7, { size: 1_048_577 })
    expect([await answer({}, large), await answer(old, large)]).toEqual(['fin', 'puback'])
  })
})

describe('takeover', () => {
  const will = { topic: 'gone', payload: Buffer.from('x'), qos: 0, retain: false } as const

  test('who is taken over is closed on, and its will is not published; a broken connection has its will', async () => {
    const server = await serverWith()
    const watcher = await joining(server, 4, { clientId: 'watcher' })
    await exchanged(watcher, subscribe('gone'))
    const first = await joining(server, 4, { will })
    const second = await joining(server, 4, { will })
    await first.end()
    await watcher.settled()
    expect([heard(first), messages(watcher)]).toEqual(['fin', []])
    second.reset()
    await server.clock.advance(1)
    await watcher.settled()
    expect(messages(watcher)).toEqual(['gone x'])
  })

  test('taken over again within a second, the newcomer is held for a second and closed on without CONNACK', async () => {
    const { server, clock } = await virtualServer({ plugins: [nats()] })
    await joining(server)
    const second = await joining(server)
    await clock.advance(500)
    const third = connectMemory(server).sendConnect({ clientId: 'me' })
    await clock.advance(999)
    expect([heard(third, 0), second.ended]).toEqual(['', undefined])
    await clock.advance(1)
    expect([heard(third, 0), second.ended]).toEqual(['fin', undefined])
    await clock.advance(2000)
    expect((await joining(server)).ended).toBeUndefined()
  })
})

describe('time', () => {
  const came = (client: RawClient) => client.received.flatMap((packet) => (packet.cmd === 'publish' ? [packet.dup ? 'DUP' : 'first'] : []))

  test('messages come before the SUBACK of their filter, live ones and retained ones', async () => {
    const { server, clock } = await virtualServer({ plugins: [nats()] })
    server.publish({ topic: 'a/old', payload: 'x', retain: true })
    const client = await joining(server)
    await client.send(subscribe('a/#')).settled()
    server.publish({ topic: 'a/new', payload: 'x' })
    await clock.advance(10)
    expect(heard(client)).toMatch(/publish a\/new.*suback 0$/)
    expect(heard(client)).toMatch(/publish a\/old.*suback 0$/)
  })

  test.each([
    [{}, 30_000],
    [{ timeScale: 0.01 }, 300],
    [{ ackWait: '1s' }, 1000],
  ] as const)('what is not acknowledged comes again and again with DUP: with %o every %d ms', async (options, everyMs) => {
    const { server, clock } = await virtualServer({ plugins: [nats({ subackDelay: 0, ...options })] })
    const client = await joining(server)
    await exchanged(client, subscribe('a', 1))
    server.publish({ topic: 'a', qos: 1 })
    await clock.advance(2 * everyMs)
    expect(came(client)).toEqual(['first', 'DUP', 'DUP'])
    client.send({ cmd: 'puback', messageId: 1 })
    await clock.advance(2 * everyMs)
    expect(came(client)).toHaveLength(3)
  })

  test('a connection without CONNECT stays', async () => {
    const { server, clock } = await virtualServer({ plugins: [nats()] })
    const client = connectMemory(server)
    await clock.advance('2h')
    expect(client.ended).toBeUndefined()
    expect(await client.connect({ clientId: 'me' })).toMatchObject({ returnCode: 0 })
  })
})
