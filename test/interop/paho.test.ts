/** What Eclipse Paho's interoperability suites expect beside the specification, from the config that the README gives for them. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { connectMemory } from 'mqttest/testing'
import { afterAll, describe, expect, test } from 'vitest'
import { memoryServer } from '../support/server.ts'

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
const [, config = ''] = /interoperability suites[\s\S]*?```json\n([\s\S]*?)```/.exec(readme) ?? []
const folder = mkdtempSync(joinPath(tmpdir(), 'mqttest-paho-'))
const file = joinPath(folder, 'mqttest.config.json')
writeFileSync(file, config)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('a server with the config for the Paho suites', () => {
  test('takes twenty QoS 2 messages that are not released, and ends the connection at the next [MQTT-3.3.4-7]', async () => {
    const client = connectMemory(await memoryServer({ config: file }), 5)
    const connack = await client.connect({ clientId: 'me' })
    expect(connack.properties?.receiveMaximum).toBe(20)
    for (let id = 1; id <= 20; id++) await client.send({ cmd: 'publish', topic: 'a', qos: 2, messageId: id }).next('pubrec', { messageId: id })
    client.send({ cmd: 'publish', topic: 'a', qos: 2, messageId: 21 })
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x93 })
  })

  test('has a keep-alive of its own where a client asks for a longer one [MQTT-3.1.2-21]', async () => {
    const client = connectMemory(await memoryServer({ config: file }), 5)
    expect((await client.connect({ clientId: 'me', keepalive: 120 })).properties?.serverKeepAlive).toBe(60)
  })

  test.each([4, 5] as const)('refuses one topic filter with 0x80 in version %s, and no other [MQTT-3.9.3-2]', async (version) => {
    const client = connectMemory(await memoryServer({ config: file }), version)
    await client.connect({ clientId: 'me' })
    const subscriptions = ['test/nosubscribe', 'test/subscribe'].map((topic) => ({ topic, qos: 2 as const }))
    expect(await client.send({ cmd: 'subscribe', messageId: 1, subscriptions }).next('suback')).toMatchObject({ granted: [0x80, 2] })
  })
})
