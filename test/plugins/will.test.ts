/** What those who hear a will notice of `will`. */
import type { Server } from 'mqttest'
import { takeover, will } from 'mqttest/plugins'
import { describe, expect, test } from 'vitest'
import { join, messages, subscribe } from '../support/client.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

const testament = { topic: 'gone', payload: Buffer.from('me'), qos: 1, retain: false } as const
const delayed = (seconds: number) => ({ ...testament, properties: { willDelayInterval: seconds } })
const keep = { clean: false, properties: { sessionExpiryInterval: 1000 } }

async function hearing(server: Server) {
  const client = await join(server, 'heard')
  await subscribe(client, 'gone', 2)
  return client
}

async function heard(client: Awaited<ReturnType<typeof hearing>>) {
  await client.settled()
  return messages(client)
}

describe('will', () => {
  test('publish: never: nobody hears that a client is gone', async () => {
    for (const version of [4, 5] as const) {
      const server = await memoryServer({ plugins: [will({ publish: 'never' })] })
      const other = await hearing(server)
      const client = await join(server, 'me', { version, will: testament })
      client.reset()
      expect(await heard(other)).toEqual([])
      expect(server.report().faults.applied).toEqual([{ plugin: 'will', count: 1 }])
    }
  })

  test('publish: always: the will comes after a goodbye as well', async () => {
    const server = await memoryServer({ plugins: [will({ publish: 'always' })] })
    const other = await hearing(server)
    for (const version of [4, 5] as const) await (await join(server, 'me', { version, will: testament })).send({ cmd: 'disconnect' }).end()
    expect(await heard(other)).toEqual(['gone me', 'gone me'])
  })

  test('takeover: never and always, for who is taken over alone', async () => {
    for (const [takeover, expected] of [
      ['never', []],
      ['always', ['gone me']],
    ] as const) {
      const server = await memoryServer({ plugins: [will({ takeover })] })
      const other = await hearing(server)
      await join(server, 'me', { will: testament })
      const second = await join(server, 'me', { will: testament })
      expect(await heard(other)).toEqual(expected)
      second.reset()
      expect(await heard(other)).toEqual([...expected, 'gone me'])
    }
  })

  test('copies: it is published so often', async () => {
    const server = await memoryServer({ plugins: [will({ copies: 3 })] })
    const other = await hearing(server)
    ;(await join(server, 'me', { will: testament })).reset()
    expect(await heard(other)).toEqual(['gone me', 'gone me', 'gone me'])
  })

  test('delay: it comes later, and not at all where the client is back before', async () => {
    const { server, clock } = await virtualServer({ plugins: [will({ delay: '5s' })] })
    const other = await hearing(server)
    ;(await join(server, 'me', { ...keep, will: delayed(1) })).reset()
    await clock.advance(5999)
    expect(await heard(other)).toEqual([])
    await clock.advance(1)
    expect(await heard(other)).toEqual(['gone me'])
    ;(await join(server, 'me', { ...keep, will: delayed(1) })).reset()
    await clock.advance(1000)
    await join(server, 'me', keep)
    await clock.advance('1m')
    expect(await heard(other)).toEqual(['gone me'])
  })

  test('firm: it comes although the client is back', async () => {
    const { server, clock } = await virtualServer({ plugins: [will({ delay: '5s', firm: true })] })
    const other = await hearing(server)
    ;(await join(server, 'me', { will: testament })).reset()
    await clock.advance(1000)
    await join(server, 'me')
    await clock.advance(3999)
    expect(await heard(other)).toEqual([])
    await clock.advance(1)
    expect(await heard(other)).toEqual(['gone me'])
  })

  test('early: it comes while the client is there, and again when it is gone', async () => {
    const { server, clock } = await virtualServer({ plugins: [will({ early: '5s', copies: 2 })] })
    const other = await hearing(server)
    const client = await join(server, 'me', { will: testament })
    await clock.advance('5s')
    expect(await heard(other)).toEqual(['gone me', 'gone me'])
    await client.settled()
    await client.send({ cmd: 'disconnect' }).end()
    expect(server.report().faults.applied).toEqual([{ plugin: 'will', count: 2 }])
  })

  test('early: a client that goes before, or a plugin that is switched off, publishes nothing', async () => {
    const { server, clock } = await virtualServer()
    const off = server.use(will({ early: '5s' }))
    const other = await hearing(server)
    await (await join(server, 'me', { will: testament })).send({ cmd: 'disconnect' }).end()
    await clock.advance('10s')
    await join(server, 'you', { will: testament })
    off()
    await clock.advance('10s')
    expect(await heard(other)).toEqual([])
  })

  test('retain and qos: as the server likes', async () => {
    const server = await memoryServer({ plugins: [will({ retain: true, qos: 0 })] })
    const other = await hearing(server)
    ;(await join(server, 'me', { will: testament })).reset()
    expect(await other.next('publish')).toMatchObject({ qos: 0, retain: false })
    expect(server.retained.map(({ topic }) => topic)).toEqual(['gone'])
  })

  test('topic: other wills are left alone', async () => {
    const server = await memoryServer({ plugins: [will({ publish: 'never', topic: ['other/#'] })] })
    const other = await hearing(server)
    ;(await join(server, 'me', { will: testament })).reset()
    expect(await heard(other)).toEqual(['gone me'])
    expect(server.report().faults.neverFired).toEqual(['will'])
  })

  test('beside takeover, and for one client alone', async () => {
    const server = await memoryServer({ plugins: [takeover({ policy: 'newest', tell: 'reset' }), [will({ takeover: 'never' }), { clientId: 'quiet' }]] })
    const other = await hearing(server)
    for (const clientId of ['quiet', 'loud']) {
      await join(server, clientId, { will: { ...testament, payload: Buffer.from(clientId) } })
      await join(server, clientId)
    }
    expect(await heard(other)).toEqual(['gone loud'])
  })

  test('mistakes in its options are told at once', () => {
    expect(() => will()).toThrow(/without an option/)
    expect(() => will.create({ takeover: 'newer' })).toThrow("Did you mean 'never'?")
  })
})
