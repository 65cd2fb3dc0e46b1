/** Keep-alive: one and a half times the interval, on the server's clock. */
import { definePlugin } from 'mqttest'
import { describe, expect, test } from 'vitest'
import { join, joined } from '../support/client.ts'
import { virtualServer } from '../support/server.ts'

describe.each([3, 4, 5] as const)('a client of level %i', (version) => {
  test('that is silent for one and a half times its keep-alive is disconnected [MQTT-3.1.2-22]', async () => {
    const { server, clock } = await virtualServer()
    const client = await join(server, 'me', { version, keepalive: 10 })
    await clock.advance(14_999)
    expect(client.ended).toBeUndefined()
    await clock.advance(1)
    expect(client.ended).toBe('fin')
    expect(client.received.slice(1)).toEqual(version === 5 ? [{ cmd: 'disconnect', reasonCode: 0x8d }] : [])
    expect(server.report().violations).toMatchObject([{ rule: 'keepalive-timeout', count: 1 }])
  })

  test('stays as long as anything comes from it', async () => {
    const { server, clock } = await virtualServer()
    const client = await join(server, 'me', { version, keepalive: 10 })
    for (let count = 0; count < 10; count++) {
      await clock.advance(14_000)
      client.send(count % 2 === 0 ? { cmd: 'pingreq' } : { cmd: 'publish', topic: 'a' })
      await clock.advance(0)
    }
    expect(client.ended).toBeUndefined()
    await clock.advance(15_000)
    expect(client.ended).toBe('fin')
  })

  test('with keep-alive 0 may be silent for ever [MQTT-3.1.2-22]', async () => {
    const { server, clock } = await virtualServer()
    const client = await join(server, 'me', { version, keepalive: 0 })
    await clock.advance(48 * 3600 * 1000)
    expect(client.ended).toBeUndefined()
  })
})

test('what the server sends does not count as a sign of life', async () => {
  const { server, clock } = await virtualServer()
  const client = await join(server, 'me', { keepalive: 10 })
  const connection = await server.connection(0)
  for (let count = 0; count < 2; count++) {
    await clock.advance(5_000)
    connection.send({ cmd: 'publish', topic: 'a' })
  }
  await clock.advance(5_000)
  expect(client.ended).toBe('fin')
})

test('a part of a packet counts', async () => {
  const { server, clock } = await virtualServer()
  const client = await join(server, 'me', { keepalive: 10 })
  await clock.advance(14_000)
  client.send('c0')
  await clock.advance(14_000)
  expect(client.ended).toBeUndefined()
})

test('the keep-alive of the server takes the place of the one that an MQTT 5 client asked for [MQTT-3.2.2-21]', async () => {
  const { server, clock } = await virtualServer({ broker: { serverKeepAlive: 2 } })
  const { client, connack } = await joined(server, 'me', { keepalive: 100 })
  expect(connack.properties?.serverKeepAlive).toBe(2)
  const old = await join(server, 'old', { version: 4, keepalive: 100 })
  await clock.advance(3_000)
  expect(client.ended).toBe('fin')
  expect(old.ended).toBeUndefined()
})

test('the factor can be set', async () => {
  const { server, clock } = await virtualServer({ broker: { keepAliveFactor: 1 } })
  const client = await join(server, 'me', { keepalive: 10 })
  await clock.advance(9_999)
  expect(client.ended).toBeUndefined()
  await clock.advance(1)
  expect(client.ended).toBe('fin')
})

test.each<[string, number | null, number]>([
  ['earlier', 1000, 1000],
  ['never', null, 0],
])('a plugin decides that it strikes %s', async (_what, delayMs, at) => {
  const plugin = definePlugin({ meta: { name: 'deadline' }, setup: ({ hooks, on }) => on(hooks.timer, { kind: 'keepalive' }, () => delayMs) })
  const { server, clock } = await virtualServer({ plugins: [plugin] })
  const client = await join(server, 'me', { keepalive: 10 })
  await clock.advance(at === 0 ? '1h' : at - 1)
  expect(client.ended).toBeUndefined()
  await clock.advance(1)
  expect(client.ended).toBe(at === 0 ? undefined : 'fin')
})

test('a client that has gone leaves no timer behind', async () => {
  const { server, clock } = await virtualServer()
  const client = await join(server, 'me', { keepalive: 10 })
  client.reset()
  await clock.advance(0)
  expect(clock.pending).toBe(0)
})

test('PINGREQ is answered with PINGRESP [MQTT-3.12.4-1]', async () => {
  const { server } = await virtualServer()
  const client = await join(server, 'me', { keepalive: 10 })
  await client.send({ cmd: 'pingreq' }).next('pingresp')
})
