/** Enhanced authentication and re-authentication (section 4.12), through an asynchronous tap of `authorize`. */
import { definePlugin, type Properties } from 'mqttest'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join, joined } from '../support/client.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

const data = (text: string) => Buffer.from(text)
const using = (properties: Properties = {}) => ({ properties: { authenticationMethod: 'RIDDLE', ...properties } })

/** Asks a riddle, once or again until the answer is right; anything else than a right answer in three is refused. */
const riddle = definePlugin({
  meta: { name: 'riddle' },
  setup({ hooks, on }) {
    on(hooks.authorize, { kind: ['connect', 'reauth'] }, async (decision, request, connection) => {
      const given = request.kind === 'connect' || request.kind === 'reauth' ? request.packet.properties : undefined
      if (given?.authenticationMethod !== 'RIDDLE') return decision
      for (let round = 1; round <= 3; round++) {
        const answer = await connection.exchange({
          reasonCode: 0x18,
          properties: { authenticationMethod: 'RIDDLE', authenticationData: data(`question ${round}`) },
        })
        if (answer === undefined) return undefined
        if (answer.properties?.authenticationData?.toString() === 'right')
          return { reasonCode: 0, properties: { authenticationMethod: 'RIDDLE', authenticationData: data('welcome') } }
      }
      return { reasonCode: 0x87 }
    })
  },
})

/** Answers the question that is asked. */
const answer = (text: string) => ({ cmd: 'auth', reasonCode: 0x18, ...using({ authenticationData: data(text) }) }) as const

describe('enhanced authentication', () => {
  test('asks as often as the plugin wants, then accepts; CONNACK names the method [MQTT-4.12.0-2, -3]', async () => {
    const server = await memoryServer({ plugins: [riddle] })
    const client = connectMemory(server, 5).sendConnect({ clientId: 'me', ...using({ authenticationData: data('hello') }) })
    expect(await client.next('auth')).toMatchObject({
      reasonCode: 0x18,
      properties: { authenticationMethod: 'RIDDLE', authenticationData: data('question 1') },
    })
    client.send(answer('wrong'))
    expect(await client.next('auth')).toMatchObject({ properties: { authenticationData: data('question 2') } })
    client.send(answer('right'))
    expect(await client.next('connack')).toMatchObject({ reasonCode: 0, properties: { authenticationMethod: 'RIDDLE', authenticationData: data('welcome') } })
    await client.settled()
  })

  test('names the method where the plugin leaves it to the server: data alone is a challenge, and an answer [MQTT-4.12.0-5]', async () => {
    const server = await memoryServer()
    server.hooks.authorize.tap('short', async (decision, { kind }, connection) => {
      if (kind !== 'connect') return decision
      const reply = await connection.exchange('knock')
      const { authenticationData = data('') } = reply?.properties ?? {}
      return { reasonCode: 0, properties: { authenticationData } }
    })
    const client = connectMemory(server, 5).sendConnect(using())
    expect(await client.next('auth')).toEqual({ cmd: 'auth', reasonCode: 0x18, ...using({ authenticationData: data('knock') }) })
    expect(await client.send(answer('knock knock')).next('connack')).toMatchObject({ reasonCode: 0, ...using({ authenticationData: data('knock knock') }) })
  })

  test('refuses with the reason of the plugin [MQTT-4.12.0-4]', async () => {
    const server = await memoryServer({ plugins: [riddle] })
    const client = connectMemory(server, 5).sendConnect(using())
    for (let round = 1; round <= 3; round++) {
      await client.next('auth')
      client.send(answer('wrong'))
    }
    expect(await client.next('connack')).toMatchObject({ reasonCode: 0x87 })
    expect(await client.end()).toBe('fin')
  })

  test('refuses a method that nobody knows with 0x8C [MQTT-4.12.0-1]', async () => {
    for (const plugins of [[], [riddle]]) {
      const server = await memoryServer({ plugins })
      const { connack, client } = await joined(server, 'me', { properties: { authenticationMethod: 'OTHER' } })
      expect(connack).toMatchObject({ reasonCode: 0x8c })
      expect(await client.end()).toBe('fin')
    }
  })

  test('ends with a client that goes in the middle of it', async () => {
    const { server, clock } = await virtualServer({ plugins: [riddle] })
    const client = connectMemory(server, 5).sendConnect(using())
    await client.next('auth')
    client.reset()
    await clock.advance('1m')
    expect(server.sessions).toEqual([])
    expect(clock.pending).toBe(0)
  })

  test('takes DISCONNECT in the middle of it', async () => {
    const server = await memoryServer({ plugins: [riddle] })
    const client = connectMemory(server, 5).sendConnect(using())
    await client.next('auth')
    client.send({ cmd: 'disconnect' })
    expect(await client.end()).toBe('fin')
    expect(client.received.map((packet) => packet.cmd)).toEqual(['auth'])
  })

  test('does not let anything but AUTH and DISCONNECT pass before CONNACK [MQTT-3.1.2-30]', async () => {
    const server = await memoryServer({ plugins: [riddle] })
    const client = connectMemory(server, 5).sendConnect(using())
    await client.next('auth')
    client.send({ cmd: 'publish', topic: 'a', retain: true, payload: 'x' })
    expect(await client.next('connack')).toMatchObject({ reasonCode: 0x82 })
    expect(await client.end()).toBe('fin')
    expect(server.report().violations).toMatchObject([{ rule: 'packets-before-connack-with-auth' }])
    expect(server.retained).toEqual([])
  })

  test('refuses an answer that names another method [MQTT-4.12.0-5]', async () => {
    const server = await memoryServer({ plugins: [riddle] })
    const client = connectMemory(server, 5).sendConnect(using())
    await client.next('auth')
    client.send({ cmd: 'auth', reasonCode: 0x18, properties: { authenticationMethod: 'OTHER', authenticationData: data('right') } })
    expect(await client.next('connack')).toMatchObject({ reasonCode: 0x82 })
    expect(server.report().violations).toMatchObject([{ rule: 'auth-method-mismatch' }])
  })

  test('holds back the connections of nobody else', async () => {
    const server = await memoryServer({ plugins: [riddle] })
    const waiting = connectMemory(server, 5).sendConnect({ clientId: 'waiting', ...using() })
    await waiting.next('auth')
    await (await join(server, 'other')).settled()
  })
})

describe('re-authentication', () => {
  /** A client that was let in. */
  async function letIn() {
    const server = await memoryServer({ plugins: [riddle] })
    const client = connectMemory(server, 5).sendConnect({ clientId: 'me', ...using() })
    await client.next('auth')
    client.send(answer('right'))
    await client.next('connack')
    return { server, client }
  }

  test('asks again, and says AUTH 0x00 when it is done', async () => {
    const { client } = await letIn()
    client.send({ cmd: 'auth', reasonCode: 0x19, ...using() })
    expect(await client.next('auth')).toMatchObject({ reasonCode: 0x18 })
    client.send(answer('right'))
    expect(await client.next('auth', { reasonCode: 0 })).toMatchObject({ properties: { authenticationMethod: 'RIDDLE', authenticationData: data('welcome') } })
    await client.settled()
  })

  test('that fails ends the connection [MQTT-4.12.1-2]', async () => {
    const { client } = await letIn()
    client.send({ cmd: 'auth', reasonCode: 0x19, ...using() })
    for (let round = 1; round <= 3; round++) {
      await client.next('auth', { reasonCode: 0x18 })
      client.send(answer('wrong'))
    }
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x87 })
    expect(await client.end()).toBe('fin')
  })

  test('lets messages pass meanwhile, in their order', async () => {
    const { client } = await letIn()
    client.send({ cmd: 'auth', reasonCode: 0x19, ...using() }, { cmd: 'publish', topic: 'a', qos: 1, messageId: 1 })
    await client.next('auth', { reasonCode: 0x18 })
    client.send(answer('right'))
    await client.next('puback')
  })

  test('with another method is a protocol error [MQTT-4.12.1-1]', async () => {
    const { client, server } = await letIn()
    client.send({ cmd: 'auth', reasonCode: 0x19, properties: { authenticationMethod: 'OTHER' } })
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x82 })
    expect(server.report().violations).toMatchObject([{ rule: 'auth-method-mismatch' }])
  })
})

describe('AUTH', () => {
  test('from a client that named no method is a protocol error [MQTT-4.12.0-7]', async () => {
    const server = await memoryServer({ plugins: [riddle] })
    const client = await join(server, 'me')
    client.send({ cmd: 'auth', reasonCode: 0x19, ...using() })
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x82 })
    expect(server.report().violations).toMatchObject([{ rule: 'auth-without-method' }])
  })

  test('does not exist in MQTT 3.1.1', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me', { version: 4 })
    client.send('f000')
    expect(await client.end()).toBe('fin')
    expect(server.report().violations).toMatchObject([{ rule: 'auth-not-in-mqtt3' }])
  })
})
