/** What a client meets at HiveMQ Cloud. */
import type { ProtocolVersion } from 'mqttest'
import { hivemqCloud } from 'mqttest/packs'
import { connectMemory, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join, joined, messages } from '../support/client.ts'
import { exchanged, heard, publish, subscribe } from '../support/outcome.ts'
import { type VirtualServer, virtualServer } from '../support/server.ts'

type Options = NonNullable<Parameters<typeof hivemqCloud>[0]>

const username = 'joe'

function cloud(options: Options = {}): Promise<VirtualServer> {
  return virtualServer({ plugins: [hivemqCloud(options)] })
}

/** What a client hears for what it says. */
async function said(version: ProtocolVersion, packet: Parameters<typeof exchanged>[1], options: Options = {}): Promise<string> {
  const { server } = await cloud(options)
  return exchanged(await join(server, 'me', { version, username }), packet)
}

/** What a client hears for its CONNECT. */
async function refused({ server }: VirtualServer, version: ProtocolVersion, connect: Parameters<RawClient['sendConnect']>[0] = {}): Promise<string> {
  const client = connectMemory(server, version).sendConnect({ clientId: 'me', username, ...connect })
  await Promise.race([client.next('connack'), client.end()]).catch(() => undefined)
  return heard(client, 0)
}

describe('hivemq-cloud lets in', () => {
  test.each([
    [3, 'connack 5, fin'],
    [4, 'connack 5, fin'],
    [5, 'connack 0x87, fin'],
  ] as const)('users with their password, and tells the others that they are not authorized (version %i: %s)', async (version, refusal) => {
    const all = await cloud({ users: { joe: 'secret' } })
    expect(await refused(all, version, { password: Buffer.from('secret') })).toBe('connack')
    expect(await refused(all, version, { password: Buffer.from('wrong') })).toBe(refusal)
    const nobody = connectMemory(all.server, version).sendConnect({ clientId: 'me' })
    await nobody.end()
    expect(heard(nobody, 0)).toBe(refusal)
  })

  test('as many as the plan has room for: the next one is told, in MQTT 3, that it is not authorized', async () => {
    const all = await cloud()
    for (let index = 0; index < 100; index++) await join(all.server, `me-${index}`, { username })
    expect(await refused(all, 4)).toBe('connack 5, fin')
    expect(await refused(all, 5)).toBe('connack 0x97, fin')
  })

  test('nobody who does not send the name of the server in TLS: it looks like a wrong password', async () => {
    const all = await cloud({ sni: false })
    expect(await refused(all, 4)).toBe('connack 5, fin')
    expect(await refused(all, 5)).toBe('connack 0x87, fin')
  })

  test('an empty client id, but not in MQTT 3.1, and in 3.1.1 with a clean session only', async () => {
    const all = await cloud()
    expect(await refused(all, 3, { clientId: '' })).toBe('connack 2, fin')
    expect(await refused(all, 4, { clientId: '' })).toBe('connack')
    expect(await refused(all, 4, { clientId: '', clean: false })).toBe('connack 2, fin')
    expect((await joined(all.server, '', { username })).connack.properties?.assignedClientIdentifier).toMatch(/./)
  })

  test('the newest of one client id', async () => {
    const all = await cloud()
    const [old, modern] = [await join(all.server, 'old', { version: 4, username }), await join(all.server, 'modern', { username })]
    for (const clientId of ['old', 'modern']) await join(all.server, clientId, { username })
    expect([await old.end(), heard(old)]).toEqual(['fin', 'fin'])
    expect(await modern.next('disconnect')).toMatchObject({ reasonCode: 0x8e })
  })

  test('not who waits for ten seconds before CONNECT, nor who says it twice', async () => {
    const { server, clock } = await cloud()
    const late = connectMemory(server, 5)
    await clock.advance('9s')
    expect(late.ended).toBeUndefined()
    await clock.advance('1s')
    expect(late.ended).toBe('fin')
    const again = await join(server, 'me', { username })
    await again.sendConnect({ clientId: 'me', username }).end()
    expect(heard(again)).toBe('fin')
  })

  test('timeScale: ten seconds for CONNECT are a tenth of one, three days of a session 43 minutes', async () => {
    const { server, clock } = await cloud({ timeScale: 0.01 })
    const late = connectMemory(server, 5)
    await clock.advance('100ms')
    expect(late.ended).toBe('fin')
    const connect = { version: 4, username, clean: false } as const
    const presents: (boolean | undefined)[] = []
    for (const wait of ['0s', '43m', '44m'] as const) {
      await clock.advance(wait)
      const { client, connack } = await joined(server, 'me', connect)
      presents.push(connack.sessionPresent)
      client.close()
      await clock.advance(0)
    }
    expect(presents).toEqual([false, true, false])
  })
})

describe('hivemq-cloud limits', () => {
  test('what it announces: ten messages, five topic aliases, 5 MB and three days', async () => {
    const { server } = await cloud()
    const { connack } = await joined(server, 'me', { username, keepalive: 0, properties: { sessionExpiryInterval: 0xffff_ffff } })
    expect(connack.properties).toEqual({ receiveMaximum: 10, topicAliasMaximum: 5, maximumPacketSize: 5_242_880, sessionExpiryInterval: 259_200 })
  })

  test('messages under way from a client: the eleventh ends the connection', async () => {
    const pipelined = (count: number) => Array.from({ length: count }, (_, index) => publish('a', 2, index + 1))
    const { server } = await cloud()
    const client = await join(server, 'me', { username })
    expect(await exchanged(client, ...pipelined(10))).toBe(Array(10).fill('pubrec 16').join(', '))
    expect(await exchanged(client, publish('a', 2, 11))).toBe('disconnect 0x93, fin')
  })

  test('messages under way to a client: 50, and 1000 wait', async () => {
    const { server } = await cloud()
    const client = await join(server, 'me', { version: 4, username })
    await client.send(subscribe('a', 1)).next('suback')
    for (let index = 0; index < 1100; index++) server.publish({ topic: 'a', qos: 1 })
    await client.settled()
    expect(messages(client)).toHaveLength(50)
    for (let acknowledged = 0; acknowledged < 1050; acknowledged++) client.send({ cmd: 'puback', messageId: acknowledged + 1 })
    await client.settled()
    expect(messages(client)).toHaveLength(1050)
  })

  test('topic aliases to five', async () => {
    expect(await said(5, { ...publish('a'), properties: { topicAlias: 5 } })).toBe('puback 16')
    expect(await said(5, { ...publish('a'), properties: { topicAlias: 6 } })).toBe('disconnect 0x94, fin')
  })

  test('packets, with CONNECT among them', async () => {
    const small = { packetSize: 1024 }
    expect(await said(4, publish('a', 1, 7, { size: 1024 }), small)).toBe('fin')
    expect(await said(5, publish('a', 1, 7, { size: 1024 }), small)).toBe('disconnect 0x95, fin')
    const all = await cloud(small)
    expect(await refused(all, 5, { password: Buffer.alloc(1024) })).toBe('connack 0x95, fin')
    expect(await refused(all, 4, { password: Buffer.alloc(1024) })).toBe('fin')
  })

  test('topics to those without wildcards', async () => {
    expect(await said(4, publish('a/#'))).toBe('fin')
    expect(await said(5, publish('a/#'))).toBe('disconnect 0x90, fin')
  })
})

describe('hivemq-cloud answers', () => {
  const home = { publish: ['{username}/#'], subscribe: ['{username}/#'] }

  test('a PUBLISH that is not allowed with its acknowledgement and an end, or with the end alone', async () => {
    expect(await said(5, publish('joe/a'), home)).toBe('puback 16')
    expect(await said(5, publish('jane/a'), home)).toBe('puback 0x87, disconnect 0x87, fin')
    expect(await said(5, publish('jane/a', 2), home)).toBe('pubrec 0x87, disconnect 0x87, fin')
    expect(await said(5, publish('jane/a', 0), home)).toBe('disconnect 0x87, fin')
    for (const qos of [0, 1, 2] as const) expect(await said(4, publish('jane/a', qos), home)).toBe('fin')
  })

  test('a filter that is not allowed', async () => {
    expect(await said(5, subscribe(['joe/#', '#']), home)).toBe('suback 0,0x87')
    expect(await said(4, subscribe(['joe/#', '#']), home)).toBe('suback 0,0x80')
    expect(await said(3, subscribe(['joe/#', '#']), home)).toBe('fin')
  })

  test('a message that nobody gets with 0x10, in PUBREC as well', async () => {
    expect(await said(5, publish('a', 1))).toBe('puback 16')
    expect(await said(5, publish('a', 2))).toBe('pubrec 16')
    expect(await said(4, publish('a', 1))).toBe('puback')
  })

  test('silence with 0x8D', async () => {
    const { server, clock } = await cloud()
    const client = await join(server, 'me', { username, keepalive: 10 })
    await clock.advance('15s')
    expect(heard(client)).toBe('disconnect 0x8d, fin')
  })
})
