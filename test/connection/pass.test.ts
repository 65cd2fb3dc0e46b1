/** What a client sees of { pass }: the broker has its turn within a plugin's plan. */
import { definePlugin, type Filter, type StepInput } from 'mqttest'
import { ackDelay, reject } from 'mqttest/plugins'
import { connectMemory, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { memoryServer, virtualServer } from '../support/server.ts'

/** A plugin that answers packets with a plan. */
const answer = (filter: Filter, plan: readonly StepInput[]) =>
  definePlugin({ meta: { name: 'answer' }, setup: ({ hooks, on }) => on(hooks.packetIn, filter, () => plan) })

const publish = (messageId: number) => ({ cmd: 'publish', topic: 'a', qos: 1, messageId }) as const
const names = (client: RawClient) => client.received.map((packet) => ('messageId' in packet ? `${packet.cmd} ${packet.messageId}` : packet.cmd))

describe('{ pass }', () => {
  test('the broker answers as it would without the plan', async () => {
    const server = await memoryServer({ plugins: [answer({ cmd: 'publish' }, [{ pass: true }])] })
    const client = connectMemory(server)
    await client.connect()
    await client.send(publish(1)).settled()
    expect(names(client)).toEqual(['connack', 'puback 1', 'pingresp'])
  })

  test('steps in front of it come before the answer, those behind it after', async () => {
    const pong = { packet: { cmd: 'pingresp' } } as const
    const server = await memoryServer({ plugins: [answer({ cmd: 'publish' }, [pong, { pass: true }, pong])] })
    const client = connectMemory(server)
    await client.connect()
    client.send(publish(1))
    await client.count(4)
    expect(names(client)).toEqual(['connack', 'pingresp', 'puback 1', 'pingresp'])
  })

  test('a wait in front of it makes a slow broker: what comes behind waits its turn', async () => {
    const { server, clock } = await virtualServer({ plugins: [answer({ cmd: 'publish' }, [{ wait: '1s' }, { pass: true }])] })
    const client = connectMemory(server)
    await client.connect()
    client.send(publish(1), { cmd: 'pingreq' }, publish(2))
    await clock.advance(999)
    expect(names(client)).toEqual(['connack'])
    await clock.advance(1)
    expect(names(client)).toEqual(['connack', 'puback 1', 'pingresp'])
    await clock.advance('1s')
    expect(names(client).at(-1)).toBe('puback 2')
  })

  test('a slow CONNECT keeps what was sent behind it', async () => {
    const { server, clock } = await virtualServer({ plugins: [answer({ cmd: 'connect' }, [{ wait: '1s' }, { pass: true }])] })
    const client = connectMemory(server)
    client.sendConnect().send(publish(1))
    await clock.advance('1s')
    expect(names(client)).toEqual(['connack', 'puback 1'])
  })

  test('steps behind it wait until the answer has left, however late a plugin lets it', async () => {
    const { server, clock } = await virtualServer({ plugins: [answer({ cmd: 'publish' }, [{ pass: true }, { close: 'fin' }]), ackDelay({ delay: '5s' })] })
    const client = connectMemory(server)
    await client.connect()
    client.send(publish(1))
    await clock.advance(4999)
    expect(client.ended).toBeUndefined()
    await clock.advance(1)
    expect([names(client), client.ended]).toEqual([['connack', 'puback 1'], 'fin'])
  })

  test('the answer that a plugin drops is not waited for', async () => {
    const silent = definePlugin({ meta: { name: 'silent' }, setup: ({ hooks, on }) => on(hooks.send, { cmd: 'puback' }, () => []) })
    const server = await memoryServer({ plugins: [answer({ cmd: 'publish' }, [{ pass: true }, { close: 'fin' }]), silent] })
    const client = connectMemory(server)
    await client.connect()
    client.send(publish(1))
    expect(await client.end()).toBe('fin')
    expect(names(client)).toEqual(['connack'])
  })

  test('a second one does nothing', async () => {
    const server = await memoryServer({ plugins: [answer({ cmd: 'publish' }, [{ pass: true }, { pass: true }])] })
    const client = connectMemory(server)
    await client.connect()
    await client.send(publish(1)).settled()
    expect(names(client)).toEqual(['connack', 'puback 1', 'pingresp'])
  })

  test('DISCONNECT can be passed', async () => {
    const server = await memoryServer({ plugins: [answer({ cmd: 'disconnect' }, [{ pass: true }, { packet: { cmd: 'pingresp' } }])] })
    const client = connectMemory(server)
    await client.connect()
    expect(await client.send({ cmd: 'disconnect' }).end()).toBe('fin')
    expect(server.report().perConnection).toMatchObject([{ ended: { by: 'client', how: 'disconnect' } }])
  })

  test('a client that goes while its turn is awaited leaves nothing behind', async () => {
    const { server, clock } = await virtualServer({ plugins: [answer({ cmd: 'publish' }, [{ wait: '1h' }, { pass: true }])] })
    const client = connectMemory(server)
    await client.connect()
    client.send(publish(1), publish(2))
    await clock.advance(1)
    client.reset()
    await clock.advance(1)
    expect(clock.pending).toBe(0)
  })

  test('outside of packetIn there is nothing to pass', async () => {
    const server = await memoryServer()
    const client = connectMemory(server)
    await client.connect()
    const connection = await server.connection()
    await connection.play([{ pass: true }, { packet: { cmd: 'pingresp' } }])
    await client.next('pingresp')
  })
})

describe('a CONNACK that refuses', () => {
  test('is the last that is said, however late; nothing is handled meanwhile', async () => {
    const { server, clock } = await virtualServer({ plugins: [reject(), ackDelay({ packets: 'connack', delay: '1s' })] })
    const client = connectMemory(server)
    client.sendConnect().send(publish(1), { cmd: 'pingreq' }, 'f0 00')
    await clock.advance('1s')
    expect([client.received, client.ended]).toEqual([[{ cmd: 'connack', sessionPresent: false, returnCode: 5 }], 'fin'])
    expect(server.report().violations).toEqual([])
  })

  test('comes for a client id that no server takes, too', async () => {
    const { server, clock } = await virtualServer({ plugins: [ackDelay({ packets: 'connack', delay: '1s' })] })
    const client = connectMemory(server)
    client.sendConnect({ clientId: '', clean: false })
    await clock.advance('1s')
    expect([client.received, client.ended]).toEqual([[{ cmd: 'connack', sessionPresent: false, returnCode: 2 }], 'fin'])
  })
})
