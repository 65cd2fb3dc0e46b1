/** What a client meets at the picky reader of the specification. */
import { strict } from 'mqttest/packs'
import { connectMemory, playScenario, type ScenarioStep, scenarios } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { brokenRules } from '../support/left-over.ts'
import { exchanged, heard, joining, publish } from '../support/outcome.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

const picky = (options: Parameters<typeof strict>[0] = {}) => memoryServer({ plugins: [strict(options)] })
const text = { payloadFormatIndicator: true } as const
const noText = { ...publish('a', 1, 7, { hex: 'ff' }), properties: text }

describe('strict', () => {
  test.each([
    ['PUBACK for a message that never was', 5, [{ cmd: 'puback', messageId: 9 }], 'disconnect 0x82, fin'],
    ['PUBACK for a message that never was', 4, [{ cmd: 'puback', messageId: 9 }], 'fin'],
    ['PUBREL for a message that never was', 5, [{ cmd: 'pubrel', messageId: 9 }], 'pubcomp 0x92'],
    ['PUBREC for a message that never was', 5, [{ cmd: 'pubrec', messageId: 9 }], 'pubrel 0x92'],
    ['PUBREL for a message that never was', 4, [{ cmd: 'pubrel', messageId: 9 }], 'fin'],
    ['a packet id twice', 5, [publish('a', 2, 7), publish('b', 2, 7)], 'pubrec, disconnect 0x82, fin'],
    ['a subscription identifier in PUBLISH', 5, [{ ...publish('a'), properties: { subscriptionIdentifier: 1 } }], 'disconnect 0x82, fin'],
    ['a length that is longer than it must be', 5, ['c08000'], 'disconnect 0x81, fin'],
    ['a length that is longer than it must be, which MQTT 3 does not forbid', 4, ['c08000'], 'pingresp'],
    ['a text that is none', 5, [noText], 'disconnect 0x99, fin'],
    ['a wildcard in the topic', 5, [publish('a/#')], 'disconnect 0x81, fin'],
    ['a wildcard in the topic', 4, [publish('a/#')], 'fin'],
  ] as const)('%s, MQTT %i', async (_what, version, packets, expected) => {
    const client = await joining(await picky(), version)
    expect(await exchanged(client, ...packets)).toBe(expected)
  })

  test('every rule that was broken is on record, by its name', async () => {
    const server = await picky()
    await exchanged(await joining(server, 5), { cmd: 'puback', messageId: 9 })
    await exchanged(await joining(server, 5), { cmd: 'pubrel', messageId: 9 })
    expect(brokenRules(server)).toEqual(['0: ack-unknown-packet-id', '1: ack-unknown-packet-id'])
  })

  test.each([
    ['x'.repeat(24), 'connack 0x85, fin', 'connack 2, fin'],
    ['with_underscore', 'connack 0x85, fin', 'connack 2, fin'],
    ['', 'connack 0x85, fin', 'connack 2, fin'],
    ['x'.repeat(23), 'connack', 'connack'],
  ])('client id %j', async (clientId, five, three) => {
    const server = await picky()
    for (const [version, expected] of [
      [5, five],
      [4, three],
    ] as const) {
      const client = connectMemory(server, version)
      await client.connect({ clientId })
      if (expected.endsWith('fin')) await client.end()
      expect(heard(client, 0)).toBe(expected)
    }
  })

  test('clientIds and emptyClientIds: any id is taken', async () => {
    const server = await picky({ clientIds: 'any', emptyClientIds: true })
    for (const clientId of ['x'.repeat(100), 'with_underscore', '']) expect((await connectMemory(server, 5).connect({ clientId })).reasonCode).toBe(0)
  })

  test('payloads: answer, 0x99 in the acknowledgement, and the end where there is none', async () => {
    const server = await picky({ payloads: 'answer' })
    const client = await joining(server, 5)
    expect(await exchanged(client, noText)).toBe('puback 0x99')
    expect(await exchanged(client, { ...publish('a', 0, 7, { hex: 'ff' }), properties: text })).toBe('disconnect 0x99, fin')
  })

  test('unknownPacketId: end, for every unknown id', async () => {
    const client = await joining(await picky({ unknownPacketId: 'end' }), 5)
    expect(await exchanged(client, { cmd: 'pubrel', messageId: 9 })).toBe('disconnect 0x82, fin')
  })

  test('CONNECT has to come within 5 s; within 50 ms with timeScale 0.01', async () => {
    for (const [timeScale, ms] of [
      [1, 5000],
      [0.01, 50],
    ] as const) {
      const { server, clock } = await virtualServer({ plugins: [strict({ timeScale })] })
      const client = connectMemory(server)
      await clock.advance(ms - 1)
      expect(client.ended).toBeUndefined()
      await clock.advance(1)
      expect(client.ended).toBe('fin')
    }
  })

  test('idioms are reported when asked for, and nothing more', async () => {
    for (const idioms of [true, false]) {
      const server = await picky({ idioms })
      const client = await joining(server, 5)
      client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 0 }] }, publish('a', 0))
      await client.settled()
      expect(brokenRules(server).includes('0: own-messages-echoed')).toBe(idioms)
    }
  })

  test('clients that break no rule notice nothing', async () => {
    const isRight = (steps: readonly ScenarioStep[]) => !steps.some((step) => 'connect' in step && step.options.clientId === '')
    for (const scenario of scenarios.filter(({ steps }) => isRight(steps('home')))) {
      const plain = await virtualServer()
      const seen = await playScenario(plain, scenario)
      if (brokenRules(plain.server).length > 0) continue
      expect(await playScenario(await virtualServer({ plugins: [strict()] }), scenario), scenario.name).toEqual(seen)
    }
  })
})
