/** Enhanced authentication with a real mechanism: the plugin of scram.ts, and a client that knows its part of it. */
import { pbkdf2Sync } from 'node:crypto'
import type { PacketInput, PacketOf, Server } from 'mqttest'
import { connectMemory, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join } from '../support/client.ts'
import { memoryServer } from '../support/server.ts'
import { attributes, hash, hmac, method, scram, xor } from './scram.ts'

const clientFirst = 'n=user,r=fyko+d2lbbFgONRv9qkxdawL'

/** The client's part: its first message, its last for a challenge, and what the server has to prove then. */
function respond(serverFirst: string, password: string): { clientFinal: string; verifier: string } {
  const { r: nonce = '', s: salt = '', i: iterations = '' } = attributes(serverFirst)
  const salted = pbkdf2Sync(password, Buffer.from(salt, 'base64'), Number(iterations), 32, 'sha256')
  const clientKey = hmac(salted, 'Client Key')
  const unproven = `c=biws,r=${nonce}`
  const told = [clientFirst, serverFirst, unproven].join(',')
  const proof = xor(clientKey, hmac(hash(clientKey), told)).toString('base64')
  return { clientFinal: `${unproven},p=${proof}`, verifier: `v=${hmac(hmac(salted, 'Server Key'), told).toString('base64')}` }
}

const data = (packet: PacketOf<'auth'> | PacketOf<'connack'>) => String(packet.properties?.authenticationData)
const auth = (reasonCode: number, text: string) =>
  ({ cmd: 'auth', reasonCode, properties: { authenticationMethod: method, authenticationData: Buffer.from(text) } }) as const

/** A client that has been asked: CONNECT is sent, the challenge is there. */
async function asked(server: Server): Promise<{ client: RawClient; serverFirst: string }> {
  const client = connectMemory(server, 5)
  client.sendConnect({ clientId: 'me', properties: { authenticationMethod: method, authenticationData: Buffer.from(`n,,${clientFirst}`) } })
  const challenge = await client.next('auth')
  expect(challenge).toMatchObject({ reasonCode: 0x18, properties: { authenticationMethod: method } }) // [MQTT-4.12.0-2] [MQTT-4.12.0-5]
  return { client, serverFirst: data(challenge) }
}

/** A client that was let in. */
async function letIn(server: Server): Promise<RawClient> {
  const { client, serverFirst } = await asked(server)
  const { clientFinal } = respond(serverFirst, 'pencil')
  expect(await client.send(auth(0x18, clientFinal)).next('connack')).toMatchObject({ reasonCode: 0 }) // [MQTT-4.12.0-3]
  return client
}

test('the arithmetic is that of RFC 7677, section 3', () => {
  const nonce = 'rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0'
  const salted = pbkdf2Sync('pencil', Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'), 4096, 32, 'sha256')
  const told = `n=user,r=rOprNGfwEbeRWgbNEkqO,r=${nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=${nonce}`
  const clientKey = hmac(salted, 'Client Key')
  expect(xor(clientKey, hmac(hash(clientKey), told)).toString('base64')).toBe('dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=')
  expect(hmac(hmac(salted, 'Server Key'), told).toString('base64')).toBe('6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=')
})

describe('SCRAM-SHA-256', () => {
  test('lets in who knows the password; the server proves that it knows it, too', async () => {
    const server = await memoryServer({ plugins: [scram()] })
    const { client, serverFirst } = await asked(server)
    const { clientFinal, verifier } = respond(serverFirst, 'pencil')
    const connack = await client.send(auth(0x18, clientFinal)).next('connack')
    expect(connack).toMatchObject({ reasonCode: 0, properties: { authenticationMethod: method } })
    expect(data(connack)).toBe(verifier)
    await client.settled()
    expect(server.report().violations).toEqual([])
  })

  test('refuses a wrong password [MQTT-4.12.0-4]', async () => {
    const server = await memoryServer({ plugins: [scram()] })
    const { client, serverFirst } = await asked(server)
    expect(await client.send(auth(0x18, respond(serverFirst, 'pen').clientFinal)).next('connack')).toMatchObject({ reasonCode: 0x87 })
    expect(await client.end()).toBe('fin')
    expect(server.sessions).toEqual([])
  })

  test.each([
    ['nothing', undefined],
    ['no SCRAM message', Buffer.from('hello')],
  ])('refuses a client that begins with %s', async (_what, authenticationData) => {
    const server = await memoryServer({ plugins: [scram()] })
    const client = connectMemory(server, 5)
    const properties = { authenticationMethod: method, ...(authenticationData && { authenticationData }) }
    expect(await client.connect({ properties })).toMatchObject({ reasonCode: 0x81 })
  })

  test('leaves other methods to others: nobody knows them, 0x8C [MQTT-4.12.0-1]', async () => {
    const server = await memoryServer({ plugins: [scram()] })
    const client = connectMemory(server, 5)
    expect(await client.connect({ properties: { authenticationMethod: 'GS2-KRB5' } })).toMatchObject({ reasonCode: 0x8c })
    expect(await client.end()).toBe('fin')
  })

  test('asks only clients that want it [MQTT-4.12.0-6]', async () => {
    const server = await memoryServer({ plugins: [scram()] })
    const client = await join(server, 'plain')
    await client.settled()
    expect(client.received.map(({ cmd }) => cmd)).toEqual(['connack', 'pingresp'])
  })

  test.each<[name: string, packet: PacketInput]>([
    ['PUBLISH', { cmd: 'publish', topic: 'a' }],
    ['SUBSCRIBE', { cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 0 }] }],
    ['PINGREQ', { cmd: 'pingreq' }],
  ])('takes no %s during the exchange [MQTT-3.1.2-30]', async (_name, packet) => {
    const server = await memoryServer({ plugins: [scram()] })
    const { client } = await asked(server)
    expect(await client.send(packet).next('connack')).toMatchObject({ reasonCode: 0x82 })
    expect(await client.end()).toBe('fin')
  })

  test('is not disturbed by others who are asked at the same time', async () => {
    const server = await memoryServer({ plugins: [scram()] })
    const [one, other] = [await asked(server), await asked(server)]
    expect(one.serverFirst).not.toBe(other.serverFirst)
    expect(await other.client.send(auth(0x18, respond(one.serverFirst, 'pencil').clientFinal)).next('connack')).toMatchObject({ reasonCode: 0x87 })
    expect(await one.client.send(auth(0x18, respond(one.serverFirst, 'pencil').clientFinal)).next('connack')).toMatchObject({ reasonCode: 0 })
  })
})

describe('re-authentication with SCRAM-SHA-256', () => {
  test('asks anew; AUTH with 0x00 says that it is done, and messages go on meanwhile', async () => {
    const server = await memoryServer({ plugins: [scram()] })
    const client = await letIn(server)
    const challenge = await client.send(auth(0x19, `n,,${clientFirst}`)).next('auth', { reasonCode: 0x18 })
    const { clientFinal, verifier } = respond(data(challenge), 'pencil')
    client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 1 }, auth(0x18, clientFinal))
    expect(data(await client.next('auth', { reasonCode: 0 }))).toBe(verifier)
    await client.next('puback')
    expect(server.report().violations).toEqual([])
  })

  test('with a wrong password ends the connection [MQTT-4.12.1-2]', async () => {
    const server = await memoryServer({ plugins: [scram()] })
    const client = await letIn(server)
    const challenge = await client.send(auth(0x19, `n,,${clientFirst}`)).next('auth', { reasonCode: 0x18 })
    expect(await client.send(auth(0x18, respond(data(challenge), 'pen').clientFinal)).next('disconnect')).toMatchObject({ reasonCode: 0x87 })
    expect(await client.end()).toBe('fin')
  })

  test('with another method is a protocol error [MQTT-4.12.1-1]', async () => {
    const server = await memoryServer({ plugins: [scram()] })
    const client = await letIn(server)
    client.send({ cmd: 'auth', reasonCode: 0x19, properties: { authenticationMethod: 'PLAIN' } })
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x82 })
  })
})
