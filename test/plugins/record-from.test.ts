/** What a client sees of `record-from`: two servers in this process, one behind the other. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import type { Server, StartOptions } from 'mqttest'
import { start } from 'mqttest'
import { ackDelay, drop, recordFrom } from 'mqttest/plugins'
import { connectMemory, connectTcp } from 'mqttest/testing'
import { expect, onTestFinished, test } from 'vitest'
import { answers, messages, subscribe } from '../support/client.ts'
import { stopWithTest, tcpServer } from '../support/server.ts'

type Options = Omit<NonNullable<Parameters<typeof recordFrom>[0]>, 'upstream'>

const publish = (messageId: number, qos: 1 | 2 = 1) => ({ cmd: 'publish', topic: 'a/b', qos, messageId, payload: 'x' }) as const

function temporaryFile(name: string): string {
  const folder = mkdtempSync(joinPath(tmpdir(), 'record-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return joinPath(folder, name)
}

/** A server that asks another one, with plugins that bend what it says. */
async function inFrontOf(broker: Server, options: Options = {}, more: StartOptions['plugins'] = []): Promise<Server> {
  return stopWithTest(await start({ seed: 'test', plugins: [recordFrom({ upstream: broker.url, ...options }), ...more] }))
}

const linesOf = (file: string) =>
  readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))

test('everything is answered by the broker behind, in the version of the client, and is on record', async () => {
  const broker = await tcpServer()
  const server = await inFrontOf(broker)
  for (const version of [4, 5] as const) {
    const client = connectMemory(server, version)
    await client.connect({ clientId: `dev${version}` })
    expect(await subscribe(client, 'a/#', 2)).toBe(2)
    client.send(publish(7, 2))
    await client.next('pubrec')
    await client.send({ cmd: 'pubrel', messageId: 7 }).next('pubcomp')
    await client.next('publish')
    expect(messages(client)).toEqual(['a/b x'])
    await client.send({ cmd: 'pingreq' }).next('pingresp')
    client.send({ cmd: 'disconnect' })
    expect(await client.end()).toBe('fin')
  }
  expect(broker.connections.map(({ clientId }) => clientId)).toEqual(['dev4', 'dev5'])
  await expect.poll(() => broker.connections.map(({ ended }) => ended?.how)).toEqual(['disconnect', 'disconnect'])
  expect(server.sessions).toEqual([])
  const types = server.records({ type: 'packet', connection: 0 }).map((record) => (record.type === 'packet' ? `${record.direction} ${record.cmd}` : ''))
  expect(types).toContain('out pubcomp')
  expect(types[0]).toBe('in connect')
  expect(server.report().faults.applied).toEqual([{ plugin: 'record-from', count: 2 }])
  expect(server.report().violations).toEqual([])
})

test('other plugins bend it, in both directions', async () => {
  const broker = await tcpServer()
  const server = await inFrontOf(broker, {}, [drop({ packets: 'puback', nth: 2 }), ackDelay({ delay: 20, packets: ['suback'] })])
  const client = connectMemory(server, 4)
  await client.connect({ clientId: 'dev' })
  server.use(drop({ packets: 'publish', direction: 'in', nth: 1 }))
  client.send(publish(1), publish(2), publish(3), publish(4), { cmd: 'pingreq' })
  await client.next('pingresp')
  expect(answers(client).filter((answer) => answer !== 'pingresp')).toEqual(['puback 2', 'puback 4'])
  expect(broker.report().packets.in.publish).toBe(3)
  expect(await subscribe(client, 'x')).toBe(0)
})

test('the end goes through in both directions', async () => {
  const broker = await tcpServer()
  const server = await inFrontOf(broker)
  const client = connectMemory(server, 4)
  await client.connect({ clientId: 'one' })
  broker.connections[0]?.close('fin')
  expect(await client.end()).toBe('fin')
  const other = connectMemory(server, 4)
  await other.connect({ clientId: 'two', will: { topic: 'w', payload: Buffer.from('gone'), qos: 0, retain: true } })
  other.reset()
  await expect.poll(() => broker.retained.map(({ topic }) => topic)).toEqual(['w'])
})

test('a broker that is not there: the connection is closed, with a note', async () => {
  const broker = await tcpServer()
  const server = await inFrontOf(broker)
  await broker.stop()
  const client = connectMemory(server, 4)
  await expect(client.connect({ clientId: 'dev' })).rejects.toThrow()
  expect(client.ended).toBe('rst')
  expect(server.records({ type: 'note' })).toMatchObject([{ level: 'warn', source: 'record-from', message: expect.stringMatching(/ECONNREFUSED/) }])
})

test('mqtts: the certificate is verified with ca, or not looked at', async () => {
  const broker = stopWithTest(await start({ listen: { tls: true } }))
  for (const options of [{ ca: broker.ca ?? '' }, { verify: false }]) {
    const client = connectMemory(await inFrontOf(broker, options), 5)
    expect(await client.connect({ clientId: 'dev' })).toMatchObject({ reasonCode: 0 })
  }
  const stranger = connectMemory(await inFrontOf(broker), 5)
  await expect(stranger.connect({ clientId: 'dev' })).rejects.toThrow()
})

test('file: what the broker said, by what it answered, connection by connection', async () => {
  const file = temporaryFile('deep/broker.jsonl')
  const server = await inFrontOf(await tcpServer(), { file })
  const client = connectMemory(server, 4)
  await client.connect({ clientId: 'dev' })
  await subscribe(client, 'a/#', 1)
  client.send(publish(8), publish(9))
  await expect.poll(() => client.received.length).toBe(6)
  client.send({ cmd: 'disconnect' })
  await client.end()
  const lines = linesOf(file)
  expect(lines.map(({ connection, expect: { cmd } }) => `${connection} ${cmd}`)).toEqual(['0 connect', '0 subscribe', '0 publish', '0 publish', '0 disconnect'])
  const steps = lines.map(({ say }) => say.filter((step: object) => !('wait' in step)))
  expect(steps[0]).toEqual([{ packet: { cmd: 'connack', sessionPresent: false, returnCode: 0 } }])
  expect(steps[1]).toEqual([{ packet: { cmd: 'suback', messageId: '{messageId}', granted: [1] } }])
  // Both were sent before the first was answered.
  expect(steps[2]).toContainEqual({ packet: { cmd: 'puback', messageId: '{messageId}' } })
  expect(steps[3]).toContainEqual({ packet: { cmd: 'puback', messageId: '{messageId}' } })
  expect(lines[1].expect).toEqual({ cmd: 'subscribe', subscriptions: [{ topic: 'a/#', qos: 1 }] })
})

test('switched off, it lets go of the broker; the next connection is served here', async () => {
  const broker = await tcpServer()
  const server = await tcpServer()
  const file = temporaryFile('broker.jsonl')
  const off = server.use(recordFrom({ upstream: broker.url, file }))
  const client = await connectTcp(server, 4)
  await client.connect({ clientId: 'dev' })
  off()
  await expect.poll(() => broker.connections[0]?.closed).toBe(true)
  expect(linesOf(file)).toHaveLength(1)
  await connectMemory(server, 4).connect({ clientId: 'other' })
  expect(server.sessions.map(({ clientId }) => clientId)).toEqual(['other'])
})

test('mistakes are told at once', () => {
  expect(() => recordFrom()).toThrow("give the option 'upstream'")
  expect(() => recordFrom({ upstream: 'localhost:1883' })).toThrow("option 'upstream': expected 'mqtt://host:port'")
})
