/** `handle`: a plugin that stands for the broker; `dial`: what it says to another server. */
import { definePlugin, type PluginApi } from 'mqttest'
import { connectMemory } from 'mqttest/testing'
import { expect, test } from 'vitest'
import { answers, join } from '../support/client.ts'
import { virtualServer } from '../support/server.ts'

const standIn = (name: string, handler: Parameters<PluginApi['handle']>[0]) =>
  definePlugin({
    meta: { name, api: 1 },
    setup({ handle }) {
      handle(handler)
    },
  })()

const publish = (messageId: number, topic = 'a') => ({ cmd: 'publish', topic, qos: 1, messageId }) as const

test('handle: the broker has what the handler lets go of; the last plugin is asked first', async () => {
  const { server, clock } = await virtualServer()
  const asked: string[] = []
  const asking = (name: string, topic: string) =>
    standIn(name, (packet) => {
      asked.push(`${name} ${packet.cmd}`)
      return packet.cmd === 'publish' && packet.topic === topic
    })
  server.use(asking('one', 'a'))
  server.use(asking('two', 'b'))
  const client = await join(server, 'dev', { version: 4 })
  client.send(publish(1, 'a'), publish(2, 'b'), publish(3, 'c'))
  await clock.advance(0)
  expect(answers(client)).toEqual(['puback 3'])
  expect(asked).toEqual(['two connect', 'one connect', 'two publish', 'one publish', 'two publish', 'two publish', 'one publish'])
})

test('handle: what a plugin answers on packetIn does not come to it; { pass } does', async () => {
  const { server, clock } = await virtualServer()
  const handled: number[] = []
  server.use(
    standIn('standing', (packet) => {
      if (packet.cmd === 'publish') handled.push(packet.messageId ?? 0)
      return packet.cmd === 'publish'
    }),
  )
  server.use({
    meta: { name: 'bending' },
    setup: ({ hooks, on }) => on(hooks.packetIn, { cmd: 'publish' }, ({ messageId }) => (messageId === 1 ? [] : [{ wait: 100 }, { pass: true }])),
  })
  const client = await join(server, 'dev', { version: 4 })
  client.send(publish(1), publish(2))
  await clock.advance(99)
  expect(handled).toEqual([])
  await clock.advance(1)
  expect(handled).toEqual([2])
})

test('handle: in its scope only, and not once it is switched off', async () => {
  const { server, clock } = await virtualServer()
  const off = server.use(
    standIn('standing', (packet) => packet.cmd === 'publish'),
    { clientId: 'mine' },
  )
  const [mine, other] = [await join(server, 'mine', { version: 4 }), await join(server, 'other', { version: 4 })]
  mine.send(publish(1))
  other.send(publish(1))
  await clock.advance(0)
  expect([answers(mine), answers(other)]).toEqual([[], ['puback 1']])
  off()
  mine.send(publish(2))
  await clock.advance(0)
  expect(answers(mine)).toEqual(['puback 2'])
})

test('handle: where CONNECT was not the broker’s, nothing is', async () => {
  const { server, clock } = await virtualServer()
  server.use(
    standIn('standing', (packet, connection) => {
      if (packet.cmd === 'connect') connection.send({ cmd: 'connack', returnCode: 0 })
      return packet.cmd === 'connect'
    }),
  )
  const client = connectMemory(server, 4)
  await client.connect({ clientId: 'dev' })
  client.send(publish(1), { cmd: 'subscribe', messageId: 2, subscriptions: [{ topic: 'a', qos: 0 }] })
  await clock.advance(0)
  expect([answers(client), client.ended, server.sessions]).toEqual([[], undefined, []])
})

test('handle: a handler that fails is the plugin’s failure', async () => {
  const { server, clock } = await virtualServer({ onPluginError: 'warn' })
  server.use(
    standIn('standing', () => {
      throw new Error('oh')
    }),
  )
  connectMemory(server, 4)
    .connect({ clientId: 'dev' })
    .catch(() => undefined)
  await clock.advance(0)
  expect(server.report().pluginErrors).toEqual(["plugin 'standing' failed to handle CONNECT on connection 0: oh"])
})

test('dial: an address that is none', async () => {
  const { server } = await virtualServer()
  for (const url of ['localhost', 'http://localhost', 'mqtt://', ''])
    expect(() => server.use({ meta: { name: 'caller' }, setup: ({ dial }) => void dial(url, { packet: () => undefined, closed: () => undefined }) })).toThrow(
      "expected the address of a server, 'mqtt://host:port' or 'mqtts://host:port'",
    )
})

test('relay: a packet goes by the hooks, and keeps its bytes; what is none goes as it is', async () => {
  const { server, clock } = await virtualServer()
  server.use({ meta: { name: 'bending' }, setup: ({ hooks, on }) => on(hooks.send, { cmd: 'pingresp' }, () => []) })
  const client = await join(server, 'dev', { version: 5 })
  const [connection] = server.connections
  expect(connection?.relay(Buffer.from('d000', 'hex'))).toEqual({ cmd: 'pingresp' })
  // The longest of three forms that say the same.
  expect(connection?.relay(Buffer.from('4004000700' + '00', 'hex'))).toMatchObject({ cmd: 'puback', messageId: 7 })
  expect(connection?.relay(Buffer.from('4001ff', 'hex'))).toBeUndefined()
  await clock.advance(0)
  expect(Buffer.concat(client.chunks).toString('hex')).toMatch(/4004000700004001ff$/)
})
