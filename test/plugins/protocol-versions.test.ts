/** What a client sees of `protocol-versions`. */
import { ackDelay, protocolVersions, reject } from 'mqttest/plugins'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join } from '../support/client.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

type Options = NonNullable<Parameters<typeof protocolVersions>[0]>

const v3 = '20020001'
const v5 = '2003008400'

/** The bytes that clients of MQTT 3.1, 3.1.1 and 5 get, and how they end; 'in' for who is let in. */
async function outcomes(options: Options): Promise<string[]> {
  const { server, clock } = await virtualServer({ plugins: [protocolVersions(options)] })
  const clients = ([3, 4, 5] as const).map((version) => connectMemory(server, version).sendConnect({ clientId: `c${version}` }))
  await clock.advance('1s')
  return clients.map(({ received, chunks, ended }) => {
    const [first] = received
    if (first?.cmd === 'connack' && (first.reasonCode ?? first.returnCode) === 0) return 'in'
    return [Buffer.concat(chunks).toString('hex'), ended].filter(Boolean).join(' ')
  })
}

describe('protocol-versions', () => {
  test('without options, MQTT 5 is not known: CONNACK with return code 1, in the form of MQTT 3', async () => {
    expect(await outcomes({})).toEqual(['in', 'in', `${v3} fin`])
  })

  test('accept: others are let in', async () => {
    expect(await outcomes({ accept: [5] })).toEqual([`${v3} fin`, `${v3} fin`, 'in'])
    expect(await outcomes({ accept: 4 })).toEqual([`${v3} fin`, 'in', `${v3} fin`])
    expect(await outcomes({ accept: [] })).toEqual([`${v3} fin`, `${v3} fin`, `${v3} fin`])
  })

  test('otherwise: CONNACK in the form of the client, or of MQTT 5', async () => {
    expect(await outcomes({ accept: [], otherwise: 'connack' })).toEqual([`${v3} fin`, `${v3} fin`, `${v5} fin`])
    expect(await outcomes({ accept: [], otherwise: 'connack-v5' })).toEqual([`${v5} fin`, `${v5} fin`, `${v5} fin`])
  })

  test('otherwise: no CONNACK at all', async () => {
    expect(await outcomes({ otherwise: 'close' })).toEqual(['in', 'in', 'fin'])
    expect(await outcomes({ otherwise: 'reset' })).toEqual(['in', 'in', 'rst'])
    expect(await outcomes({ otherwise: 'silence' })).toEqual(['in', 'in', ''])
  })

  test('otherwise: each version gets its own', async () => {
    expect(await outcomes({ accept: [], otherwise: { v31: 'close', v5: 'connack' } })).toEqual(['fin', `${v3} fin`, `${v5} fin`])
    expect(await outcomes({ accept: [], otherwise: { v3: 'reset' } })).toEqual([`${v3} fin`, 'rst', `${v3} fin`])
  })

  test('a client that is met with silence is not heard any more, and can leave', async () => {
    const { server, clock } = await virtualServer({ plugins: [protocolVersions({ otherwise: 'silence' })] })
    const client = connectMemory(server, 5).sendConnect().send({ cmd: 'pingreq' }, { cmd: 'publish', topic: 'a', qos: 1, messageId: 1 })
    await clock.advance('1h')
    expect(client.received).toEqual([])
    client.close()
    await clock.advance('3s')
    expect([server.connections.every(({ closed }) => closed), clock.pending]).toEqual([true, 0])
  })

  test('who speaks a version that is spoken notices nothing, beside those who do not', async () => {
    const server = await memoryServer({ plugins: [protocolVersions()] })
    const four = await join(server, 'four', { version: 4 })
    const five = connectMemory(server, 5).sendConnect({ clientId: 'five' })
    await four.settled()
    await five.end()
    expect(server.sessions.map(({ clientId }) => clientId)).toEqual(['four'])
    await four.settled()
    expect(server.report().faults.applied).toMatchObject([{ plugin: 'protocol-versions', count: 1 }])
  })

  test('comes before what other plugins say about CONNECT, and leaves the rest to them', async () => {
    const { server, clock } = await virtualServer({ plugins: [reject({ clientId: 'x' }), protocolVersions(), ackDelay({ packets: 'connack', delay: 50 })] })
    const [five, four, x] = [connectMemory(server, 5), connectMemory(server, 4), connectMemory(server, 4)]
    five.sendConnect({ clientId: 'x' })
    four.sendConnect({ clientId: 'four' })
    x.sendConnect({ clientId: 'x' })
    await clock.advance(49)
    expect([five, four, x].map(({ chunks }) => Buffer.concat(chunks).toString('hex'))).toEqual([v3, '', ''])
    await clock.advance(1)
    expect([await four.next('connack'), await x.next('connack')]).toMatchObject([{ returnCode: 0 }, { returnCode: 5 }])
  })

  test.each([
    ['connack-v3', '20020001'],
    ['connack-v5', '2003008400'],
    ['close', ''],
    ['reset', ''],
  ] as const)('unknown: a level that is none at all gets %s', async (unknown, bytes) => {
    const server = await memoryServer({ plugins: [protocolVersions({ accept: [3, 4, 5], unknown })] })
    const client = connectMemory(server)
    client.send('10 0c 00 04 4d 51 54 54 06 02 00 00 00 00')
    expect(await client.end()).toBe(unknown === 'reset' ? 'rst' : 'fin')
    expect(Buffer.concat(client.chunks).toString('hex')).toBe(bytes)
    expect((await join(server, 'five')).ended).toBeUndefined()
  })

  test('mistakes in its options are told at once', () => {
    expect(() => protocolVersions({ accept: [3, 4, 5] })).toThrow('nobody is refused')
    expect(() => protocolVersions({ accept: [6] })).toThrow(/option 'accept'/)
    expect(() => protocolVersions.create({ otherwise: 'conack' })).toThrow(/option 'otherwise'.*Did you mean 'connack'/)
    expect(() => protocolVersions.create({ otherwise: { v4: 'close' } })).toThrow(/option 'otherwise'.*'v4'/)
  })
})
