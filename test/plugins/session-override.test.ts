/** What a client sees of `session-override`. */
import type { Server } from 'mqttest'
import { sessionOverride } from 'mqttest/plugins'
import { type ConnectInput, connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { memoryServer, virtualServer } from '../support/server.ts'

async function come(server: Server, connect: ConnectInput, version: 4 | 5 = 4) {
  const client = connectMemory(server, version)
  const connack = await client.connect({ clientId: 'dev', ...connect })
  return { client, connack }
}

/** Connects, subscribes to 'a', and leaves. */
async function leaveSession(server: Server, connect: ConnectInput, version: 4 | 5 = 4) {
  const { client, connack } = await come(server, connect, version)
  await client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 1 }] }).next('suback')
  await client.send({ cmd: 'disconnect' }).end()
  return connack
}

/** Whether a client still has its subscription: whether a message reaches it. */
async function isSubscribed(server: Server, client: Awaited<ReturnType<typeof come>>['client']) {
  server.publish({ topic: 'a', payload: 'x' })
  await client.settled()
  return client.received.some((packet) => packet.cmd === 'publish')
}

describe('session-override', () => {
  test('forget, the default: a session that was to be kept is gone, and CONNACK says so', async () => {
    const server = await memoryServer({ plugins: [sessionOverride()] })
    await leaveSession(server, { clean: false })
    const { client, connack } = await come(server, { clean: false })
    expect(connack).toEqual({ cmd: 'connack', sessionPresent: false, returnCode: 0 })
    expect(await isSubscribed(server, client)).toBe(false)
  })

  test('forget: messages that came meanwhile are lost', async () => {
    const server = await memoryServer({ plugins: [sessionOverride({ mode: 'forget' })] })
    await leaveSession(server, { clean: false })
    server.publish({ topic: 'a', qos: 1 })
    const { client } = await come(server, { clean: false })
    await client.settled()
    expect(client.received.map((packet) => packet.cmd)).toEqual(['connack', 'pingresp'])
  })

  test('forget with sessionPresent: always: CONNACK promises a session that is not there', async () => {
    const server = await memoryServer({ plugins: [sessionOverride({ sessionPresent: 'always' })] })
    await leaveSession(server, { clean: false })
    const { client, connack } = await come(server, { clean: false })
    expect(connack.sessionPresent).toBe(true)
    expect(await isSubscribed(server, client)).toBe(false)
  })

  test('keep: a session goes on although the client asked for a clean one', async () => {
    const server = await memoryServer({ plugins: [sessionOverride({ mode: 'keep' })] })
    expect(await leaveSession(server, { clean: true })).toMatchObject({ sessionPresent: false })
    server.publish({ topic: 'a', qos: 1, payload: 'old' })
    const { client, connack } = await come(server, { clean: true })
    expect(connack.sessionPresent).toBe(true)
    expect((await client.next('publish')).payload.toString()).toBe('old')
  })

  test('keep with sessionPresent: never: old messages come out of nowhere', async () => {
    const server = await memoryServer({ plugins: [sessionOverride({ mode: 'keep', sessionPresent: 'never' })] })
    await leaveSession(server, { clean: true })
    const { client, connack } = await come(server, { clean: true })
    expect(connack.sessionPresent).toBe(false)
    expect(await isSubscribed(server, client)).toBe(true)
  })

  test('keep with expiry: the session is kept for so long only', async () => {
    const { server, clock } = await virtualServer({ plugins: [sessionOverride({ mode: 'keep', expiry: '10s' })] })
    await leaveSession(server, { clean: true })
    await clock.advance(9999)
    expect(server.sessions).toHaveLength(1)
    await clock.advance(1)
    expect(server.sessions).toHaveLength(0)
    expect((await come(server, { clean: true })).connack.sessionPresent).toBe(false)
  })

  test('expire: the session ends so long after the connection, whatever was agreed on', async () => {
    const { server, clock } = await virtualServer({ plugins: [sessionOverride({ mode: 'expire', expiry: '1m' })] })
    await leaveSession(server, { clean: false })
    await clock.advance('59s')
    expect(server.sessions).toHaveLength(1)
    await clock.advance('1s')
    expect((await come(server, { clean: false })).connack.sessionPresent).toBe(false)
  })

  test('expire: a session that is resumed in time is there, and its time begins anew', async () => {
    const { server, clock } = await virtualServer({ plugins: [sessionOverride({ mode: 'expire', expiry: '1m' })] })
    for (let time = 0; time < 3; time++) {
      await leaveSession(server, { clean: false })
      await clock.advance('59s')
    }
    expect((await come(server, { clean: false })).connack.sessionPresent).toBe(true)
  })

  test('probability: sessions are lost now and then, the same ones with the same seed', async () => {
    const found = async (seed: string) => {
      const server = await memoryServer({ seed, plugins: [sessionOverride({ probability: 0.5 })] })
      const present: boolean[] = []
      for (let time = 0; time < 20; time++) present.push((await leaveSession(server, { clean: false })).sessionPresent)
      return present
    }
    const once = await found('a')
    expect(new Set(once.slice(1))).toEqual(new Set([true, false]))
    expect(await found('a')).toEqual(once)
  })

  test('expire leaves a clean session of MQTT 3 alone', async () => {
    const server = await memoryServer({ plugins: [sessionOverride({ mode: 'expire', expiry: '1m' })] })
    await leaveSession(server, { clean: true })
    expect(server.sessions).toHaveLength(0)
  })

  test('obey with sessionPresent: never: the session is there, and CONNACK denies it', async () => {
    const server = await memoryServer({ plugins: [sessionOverride({ mode: 'obey', sessionPresent: 'never' })] })
    await leaveSession(server, { clean: false })
    const { client, connack } = await come(server, { clean: false })
    expect(connack.sessionPresent).toBe(false)
    expect(await isSubscribed(server, client)).toBe(true)
  })

  test('MQTT 5: CONNACK announces the expiry that the client really gets', async () => {
    const server = await memoryServer({ plugins: [sessionOverride({ mode: 'expire', expiry: '30s' })] })
    const { connack } = await come(server, { clean: false, properties: { sessionExpiryInterval: 3600 } }, 5)
    expect(connack.properties).toEqual({ sessionExpiryInterval: 30, topicAliasMaximum: 100 })
  })

  test('announce: false keeps it a secret', async () => {
    const { server, clock } = await virtualServer({ plugins: [sessionOverride({ mode: 'expire', expiry: '30s', announce: false })] })
    const { client, connack } = await come(server, { clean: false, properties: { sessionExpiryInterval: 3600 } }, 5)
    expect(connack.properties).not.toHaveProperty('sessionExpiryInterval')
    await client.send({ cmd: 'disconnect' }).end()
    await clock.advance('30s')
    expect(server.sessions).toHaveLength(0)
  })

  test('announce: false leaves the other properties of CONNACK as they are', async () => {
    const server = await memoryServer({ plugins: [sessionOverride({ mode: 'keep', announce: false })], broker: { receiveMaximum: 7 } })
    expect((await come(server, { clean: true }, 5)).connack.properties).toEqual({ receiveMaximum: 7, topicAliasMaximum: 100 })
  })

  test('MQTT 5, keep: Clean Start 1 does not clean', async () => {
    const server = await memoryServer({ plugins: [sessionOverride({ mode: 'keep' })] })
    expect(await leaveSession(server, { clean: true }, 5)).toMatchObject({ properties: { sessionExpiryInterval: 0xffff_ffff } })
    expect((await come(server, { clean: true }, 5)).connack.sessionPresent).toBe(true)
  })

  test('what was never agreed on is not made up: the first CONNACK has no session, with keep and with forget', async () => {
    for (const mode of ['keep', 'forget'] as const) {
      const server = await memoryServer({ plugins: [sessionOverride({ mode })] })
      expect((await come(server, { clean: false })).connack.sessionPresent).toBe(false)
    }
  })

  describe('a session that is there by half', () => {
    /** Leaves a message in flight in each direction and one in line, comes back, and sees what is left. */
    async function comeBack(options: Parameters<typeof sessionOverride>[0]) {
      const server = await memoryServer({ plugins: [sessionOverride(options)] })
      const { client } = await come(server, { clean: false, properties: { sessionExpiryInterval: 100, receiveMaximum: 1 } }, 5)
      await client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 2 }] }).next('suback')
      for (const payload of ['flying', 'waiting']) server.publish({ topic: 'a', qos: 1, payload })
      await client.send({ cmd: 'publish', topic: 'b', qos: 2, messageId: 9 }).next('pubrec')
      client.reset()
      const { client: back, connack } = await come(server, { clean: false, properties: { sessionExpiryInterval: 100 } }, 5)
      expect(connack.sessionPresent).toBe(true)
      await back.settled()
      const got = back.received.flatMap((packet) => (packet.cmd === 'publish' ? [`${packet.payload}`] : []))
      await back.send({ cmd: 'pubrel', messageId: 9, reasonCode: 0 }).next('pubcomp')
      const knew = server.records({ type: 'violation' }).length === 0
      return { got, knew, isSubscribed: server.publish({ topic: 'a' }) === 1 }
    }

    test('whole, for comparison', async () => {
      expect(await comeBack({ mode: 'keep' })).toEqual({ got: ['flying', 'waiting'], knew: true, isSubscribed: true })
    })

    test('subscriptions: lose: nothing new comes', async () => {
      expect(await comeBack({ subscriptions: 'lose' })).toEqual({ got: ['flying', 'waiting'], knew: true, isSubscribed: false })
    })

    test('inFlight: lose: what was under way is forgotten in both directions', async () => {
      expect(await comeBack({ inFlight: 'lose' })).toEqual({ got: ['waiting'], knew: false, isSubscribed: true })
    })

    test('queued: lose: what came meanwhile is lost, also beside mode keep', async () => {
      expect(await comeBack({ mode: 'keep', queued: 'lose' })).toEqual({ got: ['flying'], knew: true, isSubscribed: true })
    })
  })

  test('expire and keep: DISCONNECT does not change how long the session lives', async () => {
    for (const options of [
      { mode: 'expire', expiry: '30s' },
      { mode: 'keep', expiry: '30s' },
    ] as const) {
      const server = await memoryServer({ plugins: [sessionOverride(options)] })
      const { client } = await come(server, { clean: false, properties: { sessionExpiryInterval: 100 } }, 5)
      await client.send({ cmd: 'disconnect', reasonCode: 0, properties: { sessionExpiryInterval: 1 } }).end()
      expect(server.sessions[0]?.expiryMs).toBe(30_000)
    }
  })

  test('two clients have a session each; a scope leaves the other alone', async () => {
    const server = await memoryServer({ plugins: [[sessionOverride(), { clientId: 'dev' }]] })
    for (const clientId of ['dev', 'other']) await leaveSession(server, { clientId, clean: false })
    expect((await come(server, { clean: false })).connack.sessionPresent).toBe(false)
    expect((await come(server, { clientId: 'other', clean: false })).connack.sessionPresent).toBe(true)
  })

  test('the call that use() returns takes it off', async () => {
    const server = await memoryServer()
    const off = server.use(sessionOverride())
    await leaveSession(server, { clean: false })
    off()
    expect((await come(server, { clean: false })).connack.sessionPresent).toBe(true)
  })

  test('is used by its name', async () => {
    const server = await memoryServer({ plugins: [['session-override', { mode: 'keep' }]] })
    await leaveSession(server, { clean: true })
    expect((await come(server, { clean: true })).connack.sessionPresent).toBe(true)
  })

  test('mistakes in its options are told at once', () => {
    expect(() => sessionOverride.create({ mod: 'keep' })).toThrow("unknown option 'mod'. Did you mean 'mode'?")
    expect(() => sessionOverride.create({ mode: 'forgot' })).toThrow(/Did you mean 'forget'\?/)
    expect(() => sessionOverride.create({ sessionPresent: true })).toThrow(/option 'sessionPresent': expected one of truth, always, never/)
    expect(() => sessionOverride({ mode: 'expire' })).toThrow("mode expire needs the option 'expiry'")
    expect(() => sessionOverride({ expiry: 5 })).toThrow("option 'expiry' goes with keep and expire, not with forget")
    expect(() => sessionOverride({ mode: 'obey' })).toThrow(/does nothing without/)
    expect(() => sessionOverride({ mode: 'forget', queued: 'lose' })).toThrow('mode forget loses every part of the session')
  })
})
