/** MQTT.js over TLS and WebSocket, verifying as it does by default. */
import type { Server } from 'mqttest'
import { describe, expect, test } from 'vitest'
import { createAuthority } from '../../src/net/certificates.ts'
import { join, makeClient, nextError, versions } from '../mqttjs/client.ts'
import { listening, notes } from './clients.ts'

function trusting(server: Server): { ca: string } {
  return { ca: server.ca ?? '' }
}

const places = [
  { name: 'mqtts', listen: { tls: true } },
  { name: 'mqtts, by name', listen: { tls: true, host: 'localhost' } },
  { name: 'mqtts, TLS 1.2', listen: { tls: { maxVersion: 'TLSv1.2' } } },
  { name: 'ws', listen: { ws: true } },
  { name: 'ws with a path', listen: { ws: '/mqtt' } },
  { name: 'wss', listen: { tls: true, ws: '/mqtt' } },
] as const

describe.each(places)('$name', ({ listen }) => {
  test.each(versions)('$name: publishes to itself, and comes back after a reset', async ({ options }) => {
    const server = await listening(listen)
    const { client, inbox } = await join(server, { ...options, ...trusting(server) })
    await client.subscribeAsync('a', { qos: 1 })
    await client.publishAsync('a', 'one', { qos: 1 })
    expect((await inbox.next()).text).toBe('one')
    ;(await server.connection(0)).close('rst')
    await (await server.connection(1)).expect('subscribe')
    await client.publishAsync('a', 'two', { qos: 2 })
    expect((await inbox.next()).text).toBe('two')
    expect(server.report().violations).toEqual([])
    expect(notes(server)).toEqual([])
  })
})

describe('does not trust', () => {
  test.each(['mqtts', 'wss'])('a server whose authority it does not know: %s', async (scheme) => {
    const server = await listening({ tls: true, ...(scheme === 'wss' && { ws: true }) })
    const { client } = makeClient(server, { reconnectPeriod: 0 })
    expect(await nextError(client)).toMatchObject({ code: expect.stringMatching(/UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED_CERT_IN_CHAIN/) })
  })

  test.each([
    ['expired', 'CERT_HAS_EXPIRED'],
    ['wrong-host', 'ERR_TLS_CERT_ALTNAME_INVALID'],
  ] as const)('a certificate that is %s', async (certificate, code) => {
    const server = await listening({ tls: { certificate } })
    const { client } = makeClient(server, { reconnectPeriod: 0, ...trusting(server) })
    expect(await nextError(client)).toMatchObject({ code })
  })
})

test('shows its certificate where the server requires one', async () => {
  const server = await listening({ tls: { clientCertificate: 'require' } })
  const { client } = await join(server, { ...trusting(server), ...(await server.clientCertificate()) })
  await client.publishAsync('a', 'x', { qos: 1 })
  expect(server.connections).toHaveLength(1)
})

test('is refused with a certificate of somebody else, again and again', async () => {
  const server = await listening({ tls: { clientCertificate: 'require' } })
  const foreign = await (await createAuthority()).client('stranger')
  const twice = new Promise<void>((resolve) => server.onRecord(() => notes(server).length >= 2 && resolve()))
  makeClient(server, { ...trusting(server), ...foreign })
  await twice
  expect(new Set(notes(server))).toEqual(new Set(['its certificate was refused: UNABLE_TO_VERIFY_LEAF_SIGNATURE']))
  expect(server.connections).toEqual([])
})
