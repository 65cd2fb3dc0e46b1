/** What a client meets when its server is restarted, again and again. */
import { rollingRestart } from 'mqttest/packs'
import { connectMemory, connectTcp } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join, joined, messages, subscribe } from '../support/client.ts'
import { virtualServer } from '../support/server.ts'

const restarting = (options: Parameters<typeof rollingRestart>[0] = {}) => virtualServer({ plugins: [rollingRestart(options)] })
const kept = { clean: false, properties: { sessionExpiryInterval: 3600 } } as const

describe('rolling-restart', () => {
  test('clients are sent away one by one, each with the reason', async () => {
    const { server, clock } = await restarting()
    const [one, two] = [await join(server, 'one'), await join(server, 'two')]
    await clock.advance('62500ms')
    expect([one.ended, two.ended]).toEqual(['fin', undefined])
    expect(one.received.at(-1)).toEqual({ cmd: 'disconnect', reasonCode: 0x8b, properties: { reasonString: 'restart' } })
    await clock.advance('2500ms')
    expect(two.received.at(-1)).toMatchObject({ cmd: 'disconnect', reasonCode: 0x8b })
  })

  test('MQTT 3 has no word for it: the connection closes; who comes meanwhile gets return code 3', async () => {
    const { server, clock } = await restarting()
    const client = await join(server, 'dev', { version: 4 })
    await clock.advance('61s')
    expect((await joined(server, 'new', { version: 4 })).connack.returnCode).toBe(3)
    await clock.advance('4s')
    expect(client.received.map(({ cmd }) => cmd)).toEqual(['connack'])
    expect(client.ended).toBe('fin')
  })

  test('who comes while others are sent away is refused with 0x88, or finds nobody', async () => {
    for (const [newcomers, expected] of [
      ['connack', 'connack'],
      ['refused', 'rst'],
    ] as const) {
      const { server, clock } = await restarting({ newcomers })
      await join(server, 'dev')
      await clock.advance('61s')
      const client = connectMemory(server, 5).sendConnect()
      await clock.advance(0)
      const [connack] = client.received
      expect(connack?.cmd ?? client.ended).toBe(expected)
      if (connack?.cmd === 'connack') expect(connack.reasonCode).toBe(0x88)
    }
  })

  test('nobody listens for a while; then the server is back on the same port, several times', async () => {
    const { server, clock } = await virtualServer({ listen: { port: 0 }, plugins: [rollingRestart({ rounds: 2, drain: 0 })] })
    const { port } = server
    for (let round = 1; round <= 2; round++) {
      const client = await connectTcp({ port }, 5)
      await client.connect({ clientId: 'dev' })
      await clock.advance('1m')
      expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x8b })
      await client.end()
      await expect(connectTcp({ port })).rejects.toMatchObject({ code: 'ECONNREFUSED' })
      await clock.advance('10s')
    }
    const last = await connectTcp({ port }, 5)
    expect((await last.connect({ clientId: 'dev' })).reasonCode).toBe(0)
    await clock.advance('1h')
    await last.settled()
  })

  test.each([
    ['keep', true, ['a while away']],
    ['lose', false, []],
  ] as const)('sessions: %s', async (sessions, present, expected) => {
    const { server, clock } = await restarting({ sessions, rounds: 2 })
    let client = await join(server, 'dev', kept)
    for (let round = 1; round <= 2; round++) {
      await subscribe(client, 'a', 1)
      await clock.advance('65s')
      expect(client.ended).toBe('fin')
      server.publish({ topic: 'a', payload: 'while away', qos: 1 })
      await clock.advance('10s')
      const { client: back, connack } = await joined(server, 'dev', kept)
      expect(connack.sessionPresent).toBe(present)
      await back.settled()
      expect(messages(back)).toEqual(expected)
      for (const { cmd, ...packet } of back.received)
        if (cmd === 'publish' && 'messageId' in packet) back.send({ cmd: 'puback', messageId: packet.messageId ?? 0 })
      client = back
    }
  })

  test('redirect: another server for a while, or for good', async () => {
    for (const [forGood, code] of [
      [false, 0x9c],
      [true, 0x9d],
    ] as const) {
      const { server, clock } = await restarting({ redirect: 'other.example:1883', forGood })
      const client = await join(server, 'dev')
      await clock.advance('61s')
      const { connack } = await joined(server, 'new')
      expect(connack).toMatchObject({ reasonCode: code, properties: { serverReference: 'other.example:1883' } })
      await clock.advance('4s')
      expect(client.received.at(-1)).toMatchObject({ reasonCode: code, properties: { serverReference: 'other.example:1883' } })
    }
  })

  test('topic and notice: a message comes first', async () => {
    const { server, clock } = await restarting({ topic: 'status', notice: '30s', drain: 0 })
    const client = await join(server, 'dev')
    await subscribe(client, 'status')
    await clock.advance('89s')
    expect([messages(client), client.ended]).toEqual([['status maintenance'], undefined])
    await clock.advance('1s')
    expect(client.ended).toBe('fin')
  })

  test('timeScale: a minute is 600 ms', async () => {
    const { server, clock } = await restarting({ timeScale: 0.01 })
    const client = await join(server, 'dev')
    await clock.advance(649)
    expect(client.ended).toBeUndefined()
    await clock.advance(1)
    expect(client.ended).toBe('fin')
    await clock.advance(100)
    expect((await joined(server, 'dev')).connack.reasonCode).toBe(0)
  })

  test('options that do not go together are told at once', () => {
    expect(() => rollingRestart({ forGood: true })).toThrow("option 'forGood' goes with 'redirect'")
    expect(() => rollingRestart({ notice: '1s' })).toThrow("option 'notice' goes with 'topic'")
  })
})
