/** DISCONNECT, in both directions. */
import { describe, expect, test } from 'vitest'
import { join, subscribe } from '../support/client.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

describe.each([3, 4, 5] as const)('a client of level %i', (version) => {
  test('that says DISCONNECT is let go, without an answer [MQTT-3.14.4-3]', async () => {
    const { server, clock } = await virtualServer()
    const client = await join(server, 'me', { version })
    client.send({ cmd: 'disconnect' })
    expect(await client.end()).toBe('fin')
    expect(client.received.map((packet) => packet.cmd)).toEqual(['connack'])
    expect(server.connections[0]?.ended).toMatchObject({ by: 'client', how: 'disconnect', reasonCode: version === 5 ? 0 : undefined })
    client.close()
    await clock.advance(0)
    expect(clock.pending).toBe(0)
  })

  test('that says more behind DISCONNECT is not heard, but reported [MQTT-3.14.4-1]', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me', { version })
    client.send('e000 3104 0001 61 78')
    expect(await client.end()).toBe('fin')
    expect(server.retained).toEqual([])
    expect(server.report().violations).toMatchObject([{ rule: 'packet-after-disconnect', level: 'warning', count: 1 }])
  })

  test('that writes a length with more bytes than it needs is told so, and served', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me', { version })
    await client.send('c0 80 00').next('pingresp')
    expect(server.report().violations).toMatchObject([{ rule: 'remaining-length-not-minimal', level: 'info' }])
  })

  test('that never closes its side is let go all the same', async () => {
    const { server, clock } = await virtualServer()
    const client = await join(server, 'me', { version })
    client.send({ cmd: 'disconnect' })
    await client.end()
    expect(clock.pending).toBe(1)
    await clock.advance('2s')
    expect(clock.pending).toBe(0)
  })

  test('is told when the server stops: DISCONNECT 0x8B in MQTT 5, FIN alone before', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me', { version })
    await server.stop()
    expect(await client.end()).toBe('fin')
    expect(client.received.slice(1)).toEqual(version === 5 ? [{ cmd: 'disconnect', reasonCode: 0x8b }] : [])
  })
})

describe('DISCONNECT of MQTT 5', () => {
  test.each([0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99])('with reason code %i is taken', async (reasonCode) => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    client.send({ cmd: 'disconnect', reasonCode, properties: { reasonString: 'why', userProperties: { a: 'b' } } })
    await client.end()
    expect(server.connections[0]?.ended).toMatchObject({ by: 'client', how: 'disconnect', reasonCode })
    expect(server.report().violations).toEqual([])
  })

  test.each([
    ['that only a server may use', 'e0 01 8b', 0x82, 'disconnect-reason-code-server-only'],
    ['that does not exist', 'e0 01 05', 0x81, 'disconnect-reason-code-invalid'],
    ['with a server reference', 'e0 06 00 04 1c 0001 61', 0x82, 'disconnect-server-reference'],
  ])('%s is answered with DISCONNECT', async (_what, bytes, reasonCode, rule) => {
    const server = await memoryServer()
    const client = await join(server, 'me')
    client.send(bytes)
    expect(await client.next('disconnect')).toMatchObject({ reasonCode })
    expect(server.report().violations).toMatchObject([{ rule }])
  })
})

test('what was sent before a client closes its side is answered, then the server closes too', async () => {
  const server = await memoryServer()
  const client = await join(server, 'me')
  await subscribe(client, 'a')
  client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 1, payload: 'x' }).close()
  await client.next('puback')
  expect(await client.end()).toBe('fin')
})
