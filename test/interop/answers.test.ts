/** What a client asked to be told, or not to be told, and what is too large for it: properties of the server's answers (MQTT 5). */
import { definePlugin, type Properties } from 'mqttest'
import { describe, expect, test } from 'vitest'
import { join, joined } from '../support/client.ts'
import { memoryServer } from '../support/server.ts'

const said: Properties = { reasonString: 'because', userProperties: { why: 'so' } }

/** A server with a plugin that explains each of its decisions. */
const explains = definePlugin({
  meta: { name: 'explains' },
  setup: ({ hooks }) =>
    hooks.authorize.tap('x', (decision, { kind }) =>
      kind === 'connect' ? { ...decision, properties: { ...said, responseInformation: 'reply/to/' } } : { ...decision, properties: said },
    ),
})

/** The properties of every answer that a client can get. */
async function answersFor(properties: Properties) {
  const server = await memoryServer({ plugins: [explains] })
  const { client, connack } = await joined(server, 'me', { properties })
  client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 1 }, { cmd: 'publish', topic: 'a', qos: 2, messageId: 2 })
  client.send({ cmd: 'subscribe', messageId: 3, subscriptions: [{ topic: 'a', qos: 0 }] }, { cmd: 'unsubscribe', messageId: 4, unsubscriptions: ['a'] })
  const puback = await client.next('puback')
  const pubrec = await client.next('pubrec')
  const suback = await client.next('suback')
  const unsuback = await client.next('unsuback')
  return { connack, answers: [puback, pubrec, suback, unsuback].map((packet) => packet.properties) }
}

describe('request problem information', () => {
  test('of 0 keeps reason strings and user properties out of all but PUBLISH, CONNACK and DISCONNECT [MQTT-3.1.2-29]', async () => {
    const { connack, answers } = await answersFor({ requestProblemInformation: false })
    expect(answers).toEqual([undefined, undefined, undefined, undefined])
    expect(connack.properties).toMatchObject(said)
  })

  test.each([{}, { requestProblemInformation: true }])('else they are said: %j', async (properties) => {
    const { answers } = await answersFor(properties)
    expect(answers).toMatchObject([said, said, said, said])
  })
})

describe('request response information', () => {
  test.each([{}, { requestResponseInformation: false }])('that is not asked for is not given: %j [MQTT-3.1.2-28]', async (properties) => {
    expect((await answersFor(properties)).connack.properties).not.toHaveProperty('responseInformation')
  })

  test('that is asked for is given where there is some', async () => {
    expect((await answersFor({ requestResponseInformation: true })).connack.properties).toMatchObject({ responseInformation: 'reply/to/' })
  })
})

describe('a maximum packet size', () => {
  test('that the explanation would exceed leaves it out [MQTT-3.2.2-19] [MQTT-3.4.2-2] [MQTT-3.5.2-2] [MQTT-3.9.2-1] [MQTT-3.11.2-1]', async () => {
    const { connack, answers } = await answersFor({ maximumPacketSize: 16 })
    expect(answers).toEqual(Array.from({ length: 4 }, () => ({ reasonString: 'because' })))
    // The server's own limits are part of CONNACK; what explains is not.
    expect(connack.properties).not.toHaveProperty('userProperties')
    const small = await answersFor({ maximumPacketSize: 8 })
    expect(small.answers).toEqual([undefined, undefined, undefined, undefined])
    expect(small.connack.properties).not.toHaveProperty('reasonString')
  })
})

test('a plugin may say what it likes all the same: what `send` adds is sent', async () => {
  const server = await memoryServer()
  server.hooks.send.tap('x', (steps) =>
    steps.map((step) => ('packet' in step && step.packet.cmd === 'puback' ? { packet: { ...step.packet, properties: said } } : step)),
  )
  const client = await join(server, 'me', { properties: { requestProblemInformation: false } })
  expect(await client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 1 }).next('puback')).toMatchObject({ properties: said })
})
