/** Wills: what the others hear when a client goes without saying goodbye. */
import type { ProtocolVersion, Server } from 'mqttest'
import { describe, expect, test } from 'vitest'
import { join, messages, subscribe } from '../support/client.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

const will = (delay?: number, more: object = {}) => ({
  topic: 'w',
  payload: Buffer.from('gone'),
  qos: 1 as const,
  retain: false,
  ...(delay !== undefined && { properties: { willDelayInterval: delay } }),
  ...more,
})

/** A client that hears every will. */
async function witness(server: Server) {
  const client = await join(server, 'witness', { version: 4 })
  await subscribe(client, '#', 1)
  return {
    client,
    heard: async () => {
      await client.settled()
      return messages(client)
    },
  }
}

describe.each([3, 4, 5] as ProtocolVersion[])('the will of a client of level %i', (version) => {
  test.each(['reset', 'close'] as const)('is published after a bare %s [MQTT-3.1.2-8]', async (how) => {
    const server = await memoryServer()
    const { heard, client: watcher } = await witness(server)
    const client = await join(server, 'me', { version, will: will() })
    client[how]()
    expect(await watcher.next('publish')).toMatchObject({ topic: 'w', payload: Buffer.from('gone'), qos: 1, retain: false })
    expect(await heard()).toEqual(['w gone'])
  })

  test('is not published after DISCONNECT [MQTT-3.1.2-10]', async () => {
    const server = await memoryServer()
    const { heard } = await witness(server)
    const client = await join(server, 'me', { version, will: will() })
    client.send({ cmd: 'disconnect' })
    await client.end()
    expect(await heard()).toEqual([])
  })

  test('is published when the client breaks the protocol, or is silent for too long', async () => {
    const { server, clock } = await virtualServer()
    const { heard } = await witness(server)
    const broken = await join(server, 'broken', { version, will: will(undefined, { payload: Buffer.from('broken') }) })
    broken.send('36 05 0001 61 0001')
    await broken.end()
    await join(server, 'silent', { version, keepalive: 10, will: will(undefined, { payload: Buffer.from('silent') }) })
    await clock.advance('15s')
    expect(await heard()).toEqual(['w broken', 'w silent'])
  })

  test('is kept where it is retained', async () => {
    const server = await memoryServer()
    const { heard } = await witness(server)
    const client = await join(server, 'me', { version, will: will(undefined, { retain: true }) })
    client.reset()
    await client.end()
    await heard()
    expect(server.retained).toMatchObject([{ topic: 'w', payload: Buffer.from('gone'), qos: 1 }])
  })

  test('is published when the session is taken over', async () => {
    const server = await memoryServer()
    const { heard } = await witness(server)
    await join(server, 'me', { version, will: will() })
    await join(server, 'me', { version })
    expect(await heard()).toEqual(['w gone'])
  })
})

describe('DISCONNECT of MQTT 5', () => {
  test.each([0x04, 0x80, 0x98])('with reason code %i publishes the will', async (reasonCode) => {
    const server = await memoryServer()
    const { heard } = await witness(server)
    const client = await join(server, 'me', { will: will() })
    client.send({ cmd: 'disconnect', reasonCode })
    await client.end()
    expect(await heard()).toEqual(['w gone'])
  })
})

describe('a will delay', () => {
  const keep = (seconds: number) => ({ clean: false, properties: { sessionExpiryInterval: seconds } })

  test('puts the will off', async () => {
    const { server, clock } = await virtualServer()
    const { heard } = await witness(server)
    const client = await join(server, 'me', { ...keep(100), will: will(10) })
    client.reset()
    await clock.advance(9_999)
    expect(await heard()).toEqual([])
    await clock.advance(1)
    expect(await heard()).toEqual(['w gone'])
  })

  test('is over when the session is [MQTT-3.1.2-8]', async () => {
    const { server, clock } = await virtualServer()
    const { heard } = await witness(server)
    const client = await join(server, 'me', { ...keep(5), will: will(10) })
    client.reset()
    await clock.advance(4_999)
    expect(await heard()).toEqual([])
    await clock.advance(1)
    expect(await heard()).toEqual(['w gone'])
    await clock.advance('1m')
    expect(await heard()).toEqual(['w gone'])
  })

  test('does not count where the session ends with the connection', async () => {
    const server = await memoryServer()
    const { heard } = await witness(server)
    const client = await join(server, 'me', { will: will(10) })
    client.reset()
    await client.end()
    expect(await heard()).toEqual(['w gone'])
  })

  test('is cut short by the client that comes back: there is no will then [MQTT-3.1.3-9]', async () => {
    const { server, clock } = await virtualServer()
    const { heard } = await witness(server)
    const client = await join(server, 'me', { ...keep(100), will: will(10) })
    client.reset()
    await clock.advance('5s')
    await join(server, 'me', keep(100))
    await clock.advance('1m')
    expect(await heard()).toEqual([])
  })

  test('is over when the client comes back for a clean session: the old one ends, and with it comes the will', async () => {
    const { server, clock } = await virtualServer()
    const { heard } = await witness(server)
    const client = await join(server, 'me', { ...keep(100), will: will(10) })
    client.reset()
    await clock.advance('5s')
    await join(server, 'me', { clean: true })
    expect(await heard()).toEqual(['w gone'])
    await clock.advance('1m')
    expect(await heard()).toEqual(['w gone'])
  })

  test('holds in a takeover as well: no will where the session goes on, and one where it ends', async () => {
    const { server, clock } = await virtualServer()
    const { heard } = await witness(server)
    await join(server, 'me', { ...keep(100), will: will(10) })
    await join(server, 'me', { ...keep(100), will: will(10) })
    await clock.advance('1m')
    expect(await heard()).toEqual([])
    await join(server, 'me', { clean: true })
    expect(await heard()).toEqual(['w gone'])
  })

  test('leaves no timer behind', async () => {
    const { server, clock } = await virtualServer()
    const client = await join(server, 'me', { ...keep(0xffff_ffff), will: will(10) })
    client.reset()
    await clock.advance(0)
    expect(clock.pending).toBe(1)
    await server.stop()
    expect(clock.pending).toBe(0)
  })
})

test('the properties of a will travel with it, but for its delay', async () => {
  const server = await memoryServer()
  const watcher = await join(server, 'watcher')
  await subscribe(watcher, 'w')
  const properties = { willDelayInterval: 0, contentType: 'text', correlationData: Buffer.from('c'), messageExpiryInterval: 60 }
  const client = await join(server, 'me', { will: { ...will(), properties } })
  client.reset()
  expect((await watcher.next('publish')).properties).toEqual({ contentType: 'text', correlationData: Buffer.from('c'), messageExpiryInterval: 60 })
})
