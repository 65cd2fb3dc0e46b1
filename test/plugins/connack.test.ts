/** What a client sees of `connack`. */
import type { ProtocolVersion, StartOptions } from 'mqttest'
import { ackDelay, connack, reject } from 'mqttest/plugins'
import { type ConnectInput, connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join, subscribe } from '../support/client.ts'
import { virtualServer } from '../support/server.ts'

type Options = Parameters<typeof connack>[0]

async function connected(options: Options, version: ProtocolVersion = 5, connect: ConnectInput = {}, more: StartOptions['plugins'] = []) {
  const { server, clock } = await virtualServer({ plugins: [connack(options), more] })
  const client = connectMemory(server, version)
  client.sendConnect(connect)
  await clock.advance(0)
  return { server, clock, client, first: client.received[0] }
}

describe('connack', () => {
  test('reasonCode: the client is refused, it is told, but it is connected', async () => {
    const { client, first } = await connected({ reasonCode: 'bad-user-name-or-password' })
    expect(first).toMatchObject({ cmd: 'connack', reasonCode: 0x86, sessionPresent: false })
    await client.settled()
    expect(client.ended).toBeUndefined()
  })

  test('reasonCode: MQTT 3 clients get the return code that comes nearest', async () => {
    expect((await connected({ reasonCode: 'bad-user-name-or-password' }, 4)).first).toEqual({ cmd: 'connack', sessionPresent: false, returnCode: 4 })
  })

  test('returnCode: MQTT 3 clients get any byte, also together with a reason code for the others', async () => {
    expect((await connected({ returnCode: 0x80 }, 4)).first).toMatchObject({ returnCode: 0x80 })
    expect((await connected({ returnCode: 6, reasonCode: 0x87 }, 3)).first).toMatchObject({ returnCode: 6 })
    expect((await connected({ returnCode: 6, reasonCode: 0x87 }, 5)).first).toMatchObject({ reasonCode: 0x87 })
    expect((await connected({ returnCode: 6 }, 5)).first).toMatchObject({ reasonCode: 0 })
  })

  test('returnCodes: what stands behind a refusal has another byte in MQTT 3', async () => {
    const options = { returnCodes: { 'quota-exceeded': 7, '0x87': 6 } } as const
    const codes = async (reasonCode: number, version: ProtocolVersion) => {
      const { client, first } = await connected(options, version, {}, [reject({ reasonCode })])
      expect(await client.end()).toBe('fin')
      return first?.cmd === 'connack' ? (first.returnCode ?? first.reasonCode) : undefined
    }
    expect([await codes(0x97, 4), await codes(0x87, 3), await codes(0x89, 4), await codes(0x97, 5)]).toEqual([7, 6, 3, 0x97])
  })

  test('returnCodes: also hold for a code that the plugin gives itself', async () => {
    expect((await connected({ reasonCode: 0x97, returnCodes: { '0x97': 9 } }, 4)).first).toMatchObject({ returnCode: 9 })
    expect((await connected({ returnCodes: { success: 9 } }, 4)).first).toMatchObject({ returnCode: 9 })
  })

  test('sessionPresent: is said whatever the truth is', async () => {
    expect((await connected({ sessionPresent: true }, 4)).first).toEqual({ cmd: 'connack', sessionPresent: true, returnCode: 0 })
    expect((await connected({ sessionPresent: true, reasonCode: 0x87 }, 4)).first).toEqual({ cmd: 'connack', sessionPresent: true, returnCode: 5 })
    const { server, client } = await connected({ sessionPresent: false }, 4, { clean: false })
    client.close()
    expect(await connectMemory(server).connect({ clean: false })).toMatchObject({ sessionPresent: false })
  })

  test('sessionPresent: not-clean says of every client that asked for its session that it is there, also of those that are refused', async () => {
    const present = async (which: 'accepted' | 'both', clean: boolean, plugins: StartOptions['plugins'] = []) =>
      (await connected({ which, sessionPresent: 'not-clean' }, 4, { clean, clientId: 'me' }, plugins)).first
    expect([await present('accepted', true), await present('accepted', false)]).toMatchObject([{ sessionPresent: false }, { sessionPresent: true }])
    expect(await present('both', false, [reject()])).toEqual({ cmd: 'connack', sessionPresent: true, returnCode: 5 })
  })

  test('set: properties are announced, and nothing more', async () => {
    const { client, first } = await connected({ set: { receiveMaximum: 1, topicAliasMaximum: 5, userProperties: { a: 'b' } } })
    expect(first).toMatchObject({ properties: { receiveMaximum: 1, topicAliasMaximum: 5, userProperties: { a: 'b' } } })
    client.send(...[1, 2, 3].map((messageId) => ({ cmd: 'publish', topic: 'a', qos: 2, messageId }) as const))
    await client.settled()
    expect(client.received.filter((packet) => packet.cmd === 'pubrec')).toHaveLength(3)
  })

  test('set: also what is illegal', async () => {
    const bytes = async (set: Exclude<Options, undefined>['set']) => (await connected({ set, omit: 'topicAliasMaximum' })).client.chunks[0]?.toString('hex')
    expect(await bytes({ maximumQoS: 2 })).toBe('20050000022402')
    expect(await bytes({ topicAlias: 5 })).toBe('2006000003230005')
  })

  test('omit: properties are left out that the server would send', async () => {
    const connect = { clientId: '' }
    expect((await connected({ sessionPresent: false }, 5, connect)).first).toMatchObject({ properties: { assignedClientIdentifier: expect.any(String) } })
    expect((await connected({ omit: 'assignedClientIdentifier' }, 5, connect)).first).not.toHaveProperty('properties.assignedClientIdentifier')
    const all = ['assignedClientIdentifier', 'topicAliasMaximum'] as const
    expect((await connected({ omit: all }, 5, connect)).first).toEqual({ cmd: 'connack', sessionPresent: false, reasonCode: 0 })
  })

  test('echo: properties come back as the client sent them', async () => {
    const options = { echo: ['receiveMaximum', 'maximumPacketSize', 'sessionExpiryInterval', 'serverKeepAlive', 'assignedClientIdentifier'] } as const
    const { first } = await connected(options, 5, { clientId: 'me', keepalive: 30, properties: { receiveMaximum: 7, sessionExpiryInterval: 60 } })
    expect(first).toMatchObject({
      properties: { receiveMaximum: 7, sessionExpiryInterval: 60, serverKeepAlive: 30, assignedClientIdentifier: 'me' },
    })
    expect(first).not.toHaveProperty('properties.maximumPacketSize')
  })

  test('set, omit and echo are not for MQTT 3', async () => {
    expect((await connected({ set: { receiveMaximum: 1 }, echo: 'serverKeepAlive' }, 4)).first).toEqual({
      cmd: 'connack',
      sessionPresent: false,
      returnCode: 0,
    })
  })

  test('afterRefusal: close closes behind the code; the will is published, as for any lost connection', async () => {
    const { server } = await virtualServer({ plugins: [[connack({ reasonCode: 0x89, afterRefusal: 'close' }), { clientId: 'refused' }]] })
    const watcher = await join(server, 'watcher')
    await subscribe(watcher, 'will')
    const client = connectMemory(server)
    await client.connect({ clientId: 'refused', will: { topic: 'will', payload: Buffer.from('gone'), qos: 0, retain: false } })
    expect(await client.end()).toBe('fin')
    expect(client.received).toEqual([{ cmd: 'connack', sessionPresent: false, returnCode: 3 }])
    expect(await watcher.next('publish')).toMatchObject({ topic: 'will' })
  })

  test('afterRefusal: close leaves those alone who are told that they are accepted', async () => {
    const { client } = await connected({ reasonCode: 'success', afterRefusal: 'close' })
    await client.settled()
    expect(client.ended).toBeUndefined()
  })

  test('times, delay and again: a second one comes later, with another code', async () => {
    const { client, clock } = await connected({ reasonCode: 0x87, times: 3, delay: 50, again: 'success' }, 4)
    const codes = () => client.received.map((packet) => (packet.cmd === 'connack' ? packet.returnCode : packet.cmd))
    expect(codes()).toEqual([5])
    client.send({ cmd: 'pingreq' })
    await clock.advance(49)
    expect(codes()).toEqual([5, 'pingresp'])
    await clock.advance(1)
    expect(codes()).toEqual([5, 'pingresp', 0])
    await clock.advance(50)
    expect(codes()).toEqual([5, 'pingresp', 0, 0])
  })

  test('times: two leave in one write', async () => {
    const { client } = await connected({ times: 2 }, 4)
    expect(client.chunks.map((chunk) => chunk.toString('hex'))).toEqual(['2002000020020000'])
  })

  test('which: accepted, refused or both', async () => {
    const said = async (which: 'accepted' | 'refused' | 'both', isRefused: boolean) => {
      const { first } = await connected({ which, set: { reasonString: 'mine' } }, 5, {}, isRefused ? [reject()] : [])
      return first?.cmd === 'connack' && first.properties?.reasonString === 'mine'
    }
    expect([await said('accepted', false), await said('accepted', true)]).toEqual([true, false])
    expect([await said('refused', false), await said('refused', true)]).toEqual([false, true])
    expect([await said('both', false), await said('both', true)]).toEqual([true, true])
  })

  test('goes together with a late CONNACK, and counts as fired', async () => {
    const { server, client, clock } = await connected({ reasonCode: 0x87, times: 2 }, 4, {}, [ackDelay({ packets: 'connack', delay: 100 })])
    expect(client.received).toEqual([])
    await clock.advance(100)
    expect(client.received).toHaveLength(2)
    expect(server.report().faults.neverFired).toEqual([])
  })

  test('acts on the connections of its scope only; two beside one another', async () => {
    const { server } = await virtualServer({ plugins: [['connack', { reasonCode: 0x87 }, { clientId: 'bad-*' }]] })
    const [one, two] = [connectMemory(server, 5), connectMemory(server, 5)]
    one.sendConnect({ clientId: 'bad-1' })
    two.sendConnect({ clientId: 'good-1' })
    expect(await two.next('connack')).toMatchObject({ reasonCode: 0 })
    expect(await one.next('connack')).toMatchObject({ reasonCode: 0x87 })
  })

  test('a connection that ends takes the second one with it', async () => {
    const { client, clock } = await connected({ times: 2, delay: '1h' })
    client.reset()
    await clock.advance(0)
    expect(clock.pending).toBe(0)
  })

  test('the call that use() returns takes it off', async () => {
    const { server } = await virtualServer()
    const off = server.use(connack({ reasonCode: 0x87 }))
    expect(await connectMemory(server, 5).connect({ clientId: 'one' })).toMatchObject({ reasonCode: 0x87 })
    off()
    expect(await connectMemory(server, 5).connect({ clientId: 'two' })).toMatchObject({ reasonCode: 0 })
  })

  test('mistakes in its options are told at once', () => {
    expect(() => connack.create()).toThrow(/without options it changes nothing/)
    expect(() => connack.create({ returnCodes: { 'qouta-exceeded': 3 } })).toThrow(/'returnCodes'.*Did you mean 'quota-exceeded'\?/)
    expect(() => connack.create({ set: { maximumQos: 1 } })).toThrow(/Did you mean 'maximumQoS'\?/)
    expect(() => connack.create({ omit: ['serverKeepalive'] })).toThrow(/Did you mean 'serverKeepAlive'\?/)
    expect(() => connack.create({ reasonCode: 0x87, delay: 5 })).toThrow("option 'delay' goes with 'times'")
    expect(() => connack.create({ reasonCode: 0x87, again: 5 })).toThrow("option 'again' goes with 'times'")
    expect(() => connack.create({ times: 2, afterRefusal: 'close' })).toThrow(/'afterRefusal' goes with 'reasonCode' and 'returnCode'/)
  })
})
