/** What a client sees of `server-disconnect`. */
import { ackDelay, serverDisconnect } from 'mqttest/plugins'
import type { RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join } from '../support/client.ts'
import { virtualServer } from '../support/server.ts'

const publish = (messageId: number) => ({ cmd: 'publish', topic: 'a', qos: 1, messageId }) as const
const subscribe = { cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 0 }] } as const
const names = (client: RawClient) => client.received.map(({ cmd }) => cmd)

async function connected(options: Parameters<typeof serverDisconnect>[0], version: 3 | 4 | 5 = 5) {
  const { server, clock } = await virtualServer({ plugins: [serverDisconnect(options)] })
  return { server, clock, client: await join(server, 'dev', { version }) }
}

describe('server-disconnect', () => {
  test('right behind CONNACK unless told otherwise, then FIN', async () => {
    const { server, client } = await connected({})
    expect(await client.next('disconnect')).toEqual({ cmd: 'disconnect', reasonCode: 0x8b })
    expect(await client.end()).toBe('fin')
    expect(server.report().faults.applied).toEqual([{ plugin: 'server-disconnect', count: 1 }])
  })

  test('reasonCode, reasonString, serverReference and properties', async () => {
    const { client } = await connected({
      reasonCode: 'use-another-server',
      reasonString: 'full',
      serverReference: 'other:1883',
      properties: { userProperties: { a: 'b' }, sessionExpiryInterval: 1 },
    })
    expect(await client.next('disconnect')).toEqual({
      cmd: 'disconnect',
      reasonCode: 0x9c,
      properties: { reasonString: 'full', serverReference: 'other:1883', userProperties: { a: 'b' }, sessionExpiryInterval: 1 },
    })
  })

  test.each([
    [{ reasonCode: 0 }, 'e000'],
    [{ reasonCode: 0, form: 'code' }, 'e00100'],
    [{ reasonCode: 0, form: 'length' }, 'e0020000'],
    [{ reasonCode: 0x8e }, 'e0018e'],
    [{ reasonCode: 0x8e, form: 'length' }, 'e0028e00'],
    [{ reasonCode: 0x8e, reasonString: 'x' }, 'e0068e041f000178'],
  ] as const)('%j is %s', async (options, bytes) => {
    const { client, clock } = await connected({ ...options, time: 5 })
    client.chunks.length = 0
    await clock.advance(5)
    expect(Buffer.concat(client.chunks).toString('hex')).toBe(bytes)
  })

  test('time: so long after CONNACK; a client that goes before leaves no timer', async () => {
    const { server, clock, client } = await connected({ time: '10s' })
    const other = await join(server, 'other')
    await clock.advance(9_999)
    expect(client.ended).toBeUndefined()
    other.reset()
    await clock.advance(1)
    expect(names(client)).toEqual(['connack', 'disconnect'])
    expect(names(other)).toEqual(['connack'])
    client.close()
    await clock.advance(0)
    expect(clock.pending).toBe(0)
  })

  test('at the n-th packet of a type: instead of its answer, or behind it', async () => {
    for (const [when, expected] of [
      ['instead', ['connack', 'puback', 'disconnect']],
      ['after', ['connack', 'puback', 'puback', 'disconnect']],
    ] as const) {
      const { client } = await connected({ packet: 'publish', nth: 2, when })
      client.send(publish(1), publish(2), publish(3))
      expect(await client.end()).toBe('fin')
      expect(names(client)).toEqual(expected)
    }
  })

  test('the rest is untouched: other packets, and topics that were not chosen', async () => {
    const { client } = await connected({ packet: 'publish', topic: ['b'] })
    client.send(publish(1), subscribe)
    await client.settled()
    expect(names(client)).toEqual(['connack', 'puback', 'suback', 'pingresp'])
  })

  test('close: a reset, a dead link, a half, or nothing', async () => {
    for (const [close, ended] of [
      ['rst', 'rst'],
      ['stall', undefined],
      ['half', 'fin'],
      ['open', undefined],
    ] as const) {
      const { server, clock, client } = await connected({ packet: 'suback', close, nth: 1 })
      client.send(subscribe)
      await clock.advance(0)
      client.send(publish(2))
      await clock.advance(10)
      expect(client.ended).toBe(ended)
      expect(names(client).slice(0, 3)).toEqual(['connack', 'suback', 'disconnect'])
      expect(names(client).includes('puback')).toBe(close === 'open')
      expect(server.records({ cmd: 'publish', dir: 'in' })).toHaveLength(close === 'half' || close === 'open' ? 1 : 0)
    }
  })

  test('delay: the end comes later, and nothing is sent meanwhile', async () => {
    const { client, clock } = await connected({ packet: 'suback', delay: '1s' })
    client.send(subscribe, { cmd: 'pingreq' })
    await clock.advance(999)
    expect([names(client), client.ended]).toEqual([['connack', 'suback', 'disconnect'], undefined])
    await clock.advance(1)
    expect(client.ended).toBe('fin')
  })

  test('delay: a client that goes at once leaves no timer', async () => {
    const { client, clock } = await connected({ delay: '1h' })
    client.close()
    await clock.advance(0)
    expect(clock.pending).toBe(0)
  })

  test('version3: the connection is closed, or the packet is sent all the same', async () => {
    for (const [version3, bytes] of [
      ['close', '20020000'],
      ['send', '20020000e000'],
    ] as const)
      for (const version of [3, 4] as const) {
        const { client } = await connected({ version3 }, version)
        expect(await client.end()).toBe('fin')
        expect(Buffer.concat(client.chunks).toString('hex')).toBe(bytes)
      }
  })

  test('version3: with close: open, a client of MQTT 3 sees nothing', async () => {
    const { server, client } = await connected({ close: 'open' }, 4)
    await client.settled()
    expect(server.report().faults.neverFired).toEqual(['server-disconnect'])
  })

  test('beside ack-delay: it waits for the late answer', async () => {
    const { server, clock } = await virtualServer({ plugins: [ackDelay({ delay: 50 }), serverDisconnect({ packet: 'publish' })] })
    const client = await join(server, 'dev')
    client.send(publish(1))
    await clock.advance(49)
    expect(names(client)).toEqual(['connack'])
    await clock.advance(1)
    expect(names(client)).toEqual(['connack', 'puback', 'disconnect'])
  })

  test('the call that use() returns takes it off, also what waits', async () => {
    const { server, clock } = await virtualServer()
    const off = server.use(serverDisconnect({ time: '1s' }))
    const client = await join(server, 'dev')
    off()
    expect(clock.pending).toBe(0)
    await client.settled()
  })

  test('is used by its name, with a scope', async () => {
    const { server } = await virtualServer({ plugins: [['server-disconnect', {}, { clientId: 'dev-*' }]] })
    const spared = await join(server, 'other')
    expect(await (await join(server, 'dev-1')).end()).toBe('fin')
    await spared.settled()
  })

  test('mistakes in its options are told at once', () => {
    expect(() => serverDisconnect({ form: 'code', reasonString: 'x' })).toThrow('form code has no room for properties')
    expect(() => serverDisconnect({ close: 'open', delay: 5 })).toThrow("option 'delay' is about what follows DISCONNECT")
    expect(() => serverDisconnect({ nth: 5 })).toThrow("option 'nth' goes with 'packet'")
    expect(() => serverDisconnect.create({ reasonCode: 'server-moves' })).toThrow("Did you mean 'server-moved'?")
  })
})
