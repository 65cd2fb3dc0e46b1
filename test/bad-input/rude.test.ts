/** Clients that break the rules of conversation: each is answered or closed, reported once, and nobody else notices. */
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { framed, hex, singly } from '../support/bytes.ts'
import { brokenRules, bystander, expectOnlyBystander, openConnections } from '../support/left-over.ts'
import { virtualServer } from '../support/server.ts'

const connect = framed(0x10, "0004 'MQTT' 04 02 0000 0004 'rude'")
const versions = [3, 4, 5] as const

async function withBystander(options: Parameters<typeof virtualServer>[0] = {}) {
  const { server, clock } = await virtualServer(options)
  return { server, clock, other: await bystander(server) }
}

describe('a client that', () => {
  test.each(versions)('sends CONNECT a second time, in MQTT level %s, is sent away', async (version) => {
    const { server, clock, other } = await withBystander()
    const client = connectMemory(server, version)
    await client.connect({ clientId: 'rude' })
    client.sendConnect({ clientId: 'bystander' }).send({ cmd: 'pingreq' })
    expect(await client.end()).toBe('fin')
    expect(client.received.slice(1)).toEqual(version === 5 ? [{ cmd: 'disconnect', reasonCode: 0x82 }] : [])
    expect(brokenRules(server)).toEqual(['1: second-connect'])
    await expectOnlyBystander(server, clock, other)
  })

  test('sends CONNECT twice before the first is decided on is sent away, once it is', async () => {
    const { server, clock, other } = await withBystander()
    let decide = () => {}
    const decided = new Promise<void>((resolve) => (decide = resolve))
    server.hooks.authorize.tap('slow', (decision) => decided.then(() => decision))
    const client = connectMemory(server, 5)
    client.sendConnect({ clientId: 'rude' }).sendConnect({ clientId: 'rude' })
    await clock.advance(0)
    decide()
    expect(await client.end()).toBe('fin')
    expect(client.received.map((packet) => packet.cmd)).toEqual(['connack', 'disconnect'])
    expect(brokenRules(server)).toEqual(['1: second-connect'])
    await expectOnlyBystander(server, clock, other)
  })

  test('says nothing is closed after the connect timeout', async () => {
    const { server, clock, other } = await withBystander({ broker: { connectTimeout: '10s' } })
    const client = connectMemory(server)
    await clock.advance('9.999s')
    expect(client.ended).toBeUndefined()
    await clock.advance(1)
    expect(client.ended).toBe('fin')
    expect(client.received).toEqual([])
    expect(brokenRules(server)).toEqual(['1: connect-timeout'])
    await expectOnlyBystander(server, clock, other)
  })

  test.each(versions)('begins with another packet than CONNECT, in MQTT level %s, is closed without a word', async (version) => {
    const { server, clock, other } = await withBystander()
    const client = connectMemory(server, version)
    client.send({ cmd: 'pingreq' }, { cmd: 'publish', topic: 't' })
    expect(await client.end()).toBe('fin')
    expect(client.received).toEqual([])
    expect(brokenRules(server)).toEqual(['1: first-packet-not-connect'])
    await expectOnlyBystander(server, clock, other)
  })

  test('sends its CONNECT slowly, byte by byte, is accepted while it keeps within the connect timeout', async () => {
    const { server, clock, other } = await withBystander()
    const client = connectMemory(server)
    for (const byte of singly(connect)) {
      client.send(byte)
      await clock.advance('1s')
    }
    expect(await client.next('connack')).toMatchObject({ returnCode: 0 })
    client.send({ cmd: 'disconnect' })
    await expectOnlyBystander(server, clock, other)
    expect(brokenRules(server)).toEqual([])
  })

  test('sends its CONNECT more slowly than that is closed, however busy it is', async () => {
    const { server, clock, other } = await withBystander()
    const client = connectMemory(server)
    for (const byte of singly(connect)) {
      client.send(byte)
      await clock.advance('2s')
      await other.settled()
    }
    expect(client.ended).toBe('fin')
    expect(client.received).toEqual([])
    expect(brokenRules(server)).toEqual(['1: connect-timeout'])
    await expectOnlyBystander(server, clock, other)
  })

  test('sends a packet slowly, byte by byte, is not taken for a silent one', async () => {
    const { server, clock, other } = await withBystander()
    const client = connectMemory(server)
    await client.connect({ clientId: 'rude', keepalive: 1 })
    for (const byte of singly(framed(0x32, "0005 'topic' 0001 'payload'"))) {
      client.send(byte)
      await clock.advance('1s')
    }
    expect(await client.next('puback')).toMatchObject({ messageId: 1 })
    await clock.advance('1s')
    expect(client.ended).toBe('fin')
    expect(brokenRules(server)).toEqual(['1: keepalive-timeout'])
    await expectOnlyBystander(server, clock, other)
  })

  test.each(['close', 'reset'] as const)('vanishes in the middle of a packet (%s) leaves its will and a report', async (how) => {
    const { server, clock, other } = await withBystander()
    other.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '#', qos: 0 }] })
    const client = connectMemory(server, 5)
    await client.connect({ clientId: 'rude', will: { topic: 'w', payload: Buffer.from('gone'), qos: 0, retain: false } })
    client.send({ cmd: 'publish', topic: 'whole' }, hex("30 40 0003 'cut' 00 'never'"))
    await other.settled()
    client[how]()
    expect(await other.next('publish', { topic: 'w' })).toMatchObject({ payload: Buffer.from('gone') })
    expect(other.received.flatMap((packet) => (packet.cmd === 'publish' ? [packet.topic] : []))).toEqual(['whole', 'w'])
    expect(brokenRules(server)).toEqual(['1: packet-cut-short'])
    await expectOnlyBystander(server, clock, other)
  })

  test('is told to go and stays is let go of after two seconds', async () => {
    const { server, clock, other } = await withBystander()
    const client = connectMemory(server, 5)
    await client.connect({ clientId: 'rude' })
    client.sendConnect()
    await client.end()
    expect(clock.pending).toBe(1)
    for (let count = 0; count < 10; count++) client.send({ cmd: 'pingreq' }, { cmd: 'publish', topic: 'late' })
    await clock.advance('2s')
    expect(clock.pending).toBe(0)
    expect(brokenRules(server)).toEqual(['1: second-connect'])
    expect(client.received.map((packet) => packet.cmd)).toEqual(['connack', 'disconnect'])
    await expectOnlyBystander(server, clock, other)
  })

  test('half closes and goes on reading gets what was on its way', async () => {
    const { server, clock, other } = await withBystander()
    const client = connectMemory(server)
    client.sendConnect({ clientId: 'rude' }).send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 't', qos: 0 }] })
    client.send({ cmd: 'publish', topic: 't', payload: 'x' }, { cmd: 'pingreq' })
    client.close()
    expect(await client.end()).toBe('fin')
    expect(client.received.map((packet) => packet.cmd)).toEqual(['connack', 'suback', 'publish', 'pingresp'])
    await expectOnlyBystander(server, clock, other)
    expect(brokenRules(server)).toEqual([])
  })

  test('connects as somebody who is there a hundred times in a row leaves one behind', async () => {
    const { server, clock, other } = await withBystander()
    for (let round = 0; round < 100; round++) connectMemory(server, 5).sendConnect({ clientId: 'rude', keepalive: 10 })
    await other.settled()
    await clock.advance(0)
    expect(openConnections(server)).toEqual([0, 100])
    await clock.advance('17s')
    expect(brokenRules(server)).toEqual(['100: keepalive-timeout'])
    await expectOnlyBystander(server, clock, other)
  })

  test('answers what nobody sent is told so, and stays', async () => {
    const { server, clock, other } = await withBystander()
    const client = connectMemory(server, 5)
    await client.connect({ clientId: 'rude' })
    client.send({ cmd: 'puback', messageId: 1 }, { cmd: 'pubrec', messageId: 2 }, { cmd: 'pubrel', messageId: 3 }, { cmd: 'pubcomp', messageId: 4 })
    await client.settled()
    expect(client.received.slice(1)).toEqual([
      { cmd: 'pubrel', messageId: 2, reasonCode: 0x00 },
      { cmd: 'pubcomp', messageId: 3, reasonCode: 0x00 },
      { cmd: 'pingresp' },
    ])
    expect(brokenRules(server)).toEqual(Array.from({ length: 4 }, () => '1: ack-unknown-packet-id'))
    client.reset()
    await expectOnlyBystander(server, clock, other)
  })

  test('says a length in more bytes than it needs is heard and noted, or sent away unheard where a test wants it so', async () => {
    const { server, clock, other } = await withBystander()
    other.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '#', qos: 0 }] })
    const long = hex("30 84 00 0001 't' 'x'")
    const tolerated = connectMemory(server)
    await tolerated.connect({ clientId: 'tolerated' })
    tolerated.send(long, { cmd: 'disconnect' })
    await other.next('publish')
    server.hooks.violation.tap('strict', () => 'disconnect')
    const refused = connectMemory(server)
    await refused.connect({ clientId: 'refused' })
    refused.send(Buffer.concat([long, long]))
    expect(await refused.end()).toBe('fin')
    await other.settled()
    expect(other.received.filter((packet) => packet.cmd === 'publish')).toHaveLength(1)
    expect(brokenRules(server)).toEqual(['1: remaining-length-not-minimal', '2: remaining-length-not-minimal'])
    await expectOnlyBystander(server, clock, other)
  })
})
