/** A message that had no answer is sent again on the next connection, with DUP [MQTT-3.3.1-1]. */
import type { PacketInput, QoS } from 'mqttest'
import { drop, sessionOverride } from 'mqttest/plugins'
import { describe, expect, test } from 'vitest'
import { answers, join } from '../support/client.ts'
import { brokenRules } from '../support/left-over.ts'
import { memoryServer } from '../support/server.ts'

const publish = (qos: QoS, more: object = {}): PacketInput => ({ cmd: 'publish', topic: 'a', payload: 'x', qos, messageId: 1, ...more })

type Server = Awaited<ReturnType<typeof memoryServer>>

const dropAcks = () => drop({ packets: ['puback', 'pubrec', 'pubcomp'] })

const come = (server: Server, version: 3 | 4 | 5 = 4) =>
  join(server, 'me', { version, clean: false, ...(version === 5 && { properties: { sessionExpiryInterval: 100 } }) })

/** The first connection gets no acknowledgement; those after it do. */
async function interrupted(version: 3 | 4 | 5, ...inputs: PacketInput[]) {
  const server = await memoryServer({ plugins: [[dropAcks(), { connection: 0 }]] })
  const first = await come(server, version)
  await first.send(...inputs).settled()
  first.reset()
  await first.end()
  return { server, client: await come(server, version) }
}

describe.each([3, 4, 5] as const)('at level %i', (version) => {
  test.each([1, 2] as const)('QoS %i without DUP: the client is warned about once, and stays', async (qos) => {
    const { server, client } = await interrupted(version, publish(qos))
    await client.send(publish(qos)).settled()
    expect(brokenRules(server)).toEqual(['1: resend-without-dup'])
    expect(server.report().violations).toMatchObject([{ level: 'warning', statements: ['MQTT-3.3.1-1'] }])
    // An id in use is refused in MQTT 5, whatever comes with it.
    const pubrec = version === 5 ? 'pubrec 1 0x91' : 'pubrec 1'
    expect(answers(client)[0]).toMatch(qos === 1 ? /^puback 1/ : new RegExp(`^${pubrec}$`))
  })

  test.each([1, 2] as const)('QoS %i with DUP is what is expected', async (qos) => {
    const { server, client } = await interrupted(version, publish(qos))
    await client.send(publish(qos, { dup: true })).settled()
    expect(brokenRules(server)).toEqual([])
  })

  test('another message under that packet id may be a new one', async () => {
    const { server, client } = await interrupted(version, publish(1))
    await client.send(publish(1, { payload: 'y' }), publish(1)).settled()
    expect(brokenRules(server)).toEqual([])
  })
})

test('of several messages, each is known', async () => {
  const ids = [1, 2, 3, 4]
  const { server, client } = await interrupted(4, ...ids.map((messageId) => publish(1, { messageId })))
  await client.send(...ids.map((messageId) => publish(1, { messageId, dup: messageId % 2 === 0 }))).settled()
  expect(brokenRules(server)).toEqual(['1: resend-without-dup', '1: resend-without-dup'])
})

test('a message that waits over two connections is known as well', async () => {
  const { server, client } = await interrupted(4, publish(1))
  client.reset()
  await client.end()
  await (await come(server)).send(publish(1)).settled()
  expect(brokenRules(server)).toEqual(['2: resend-without-dup'])
})

test('what was answered, or released, is over', async () => {
  const server = await memoryServer({ plugins: [[drop({ packets: ['pubcomp'] }), { connection: 0 }]] })
  const first = await come(server)
  await first.send(publish(1), publish(2, { messageId: 2 }), { cmd: 'pubrel', messageId: 2 }).settled()
  first.reset()
  await first.end()
  const again = await come(server)
  await again.send({ cmd: 'pubrel', messageId: 2 }, publish(1), publish(2, { messageId: 2 })).settled()
  expect(brokenRules(server)).toEqual([])
})

test('without a session, and where the client is told that there is none, nothing is sent again', async () => {
  const { server, client } = await interrupted(4, publish(1))
  client.reset()
  await client.end()
  await (await join(server, 'me', { clean: true, version: 4 })).send(publish(1)).settled()
  expect(brokenRules(server)).toEqual([])

  const lies = await memoryServer({ plugins: [[dropAcks(), { connection: 0 }], sessionOverride({ sessionPresent: 'never', mode: 'keep' })] })
  const first = await come(lies)
  await first.send(publish(1)).settled()
  first.reset()
  await first.end()
  await (await come(lies)).send(publish(1)).settled()
  expect(brokenRules(lies)).toEqual([])
})
