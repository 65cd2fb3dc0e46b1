/** WebSocket upgrades that do not come to their end, whoever is to blame. */
import { start } from 'mqttest'
import { connectTcp } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { connectSocket, connectWebSocket, endOf, listening, noted, notes, StatusError } from './clients.ts'

async function refusal(connecting: Promise<unknown>): Promise<StatusError['response']> {
  const error = await connecting.catch((reason: unknown) => reason)
  if (error instanceof StatusError) return error.response
  throw error
}

describe('the path', () => {
  test.each(['/mqtt', '/mqtt?token=1'])('%s is that of the option', async (path) => {
    const server = await listening({ ws: '/mqtt' })
    expect(server.url).toBe(`ws://127.0.0.1:${server.port}/mqtt`)
    await (await connectWebSocket(server, {}, `ws://127.0.0.1:${server.port}${path}`)).client.connect()
  })

  test.each(['', '/', '/mqtt/', '/MQTT'])('%j is another: 404', async (path) => {
    const server = await listening({ ws: { path: '/mqtt' } })
    const { statusCode } = await refusal(connectWebSocket(server, {}, `ws://127.0.0.1:${server.port}${path}`))
    expect(statusCode).toBe(404)
    expect(notes(server)).toEqual([`its upgrade asked for ${path || '/'}, the path is /mqtt`])
    expect(server.connections).toEqual([])
  })

  test('is any where the option names none', async () => {
    const server = await listening({ ws: true })
    await (await connectWebSocket(server, {}, `${server.url}/any/where`)).client.connect()
  })
})

describe('answered with a status', () => {
  test.each([
    [302, { location: 'ws://elsewhere.example/' }, ''],
    [401, { 'www-authenticate': 'Basic realm="x"' }, 'who are you?'],
    [503, { 'retry-after': '7' }, 'später'],
    [299, {}, ''],
  ])('%i, with headers %j and body %j', async (status, headers, body) => {
    const server = await listening({ ws: { answer: { status, headers, body } } })
    const response = await refusal(connectWebSocket(server))
    expect(response.statusCode).toBe(status)
    expect(response.headers).toMatchObject({ ...headers, 'content-length': String(Buffer.byteLength(body)) })
    expect(notes(server)).toEqual([`its upgrade was answered with ${status} on purpose`])
    expect(server.connections).toEqual([])
  })

  test('as it stands on the wire', async () => {
    const server = await listening({ ws: { answer: { status: 503, headers: { 'retry-after': '7' }, body: 'später' } } })
    const socket = await connectSocket(server)
    const end = endOf(socket)
    socket.write(upgrade())
    expect((await end).bytes.toString()).toBe('HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 7\r\nretry-after: 7\r\n\r\nspäter')
  })
})

test('not answered at all, until the client gives up', async () => {
  const server = await start({ listen: { ws: { stall: true } } })
  const socket = await connectSocket(server)
  socket.write(upgrade())
  expect(await noted(server)).toBe('its upgrade is left unanswered on purpose')
  const end = endOf(socket)
  socket.end()
  expect((await end).bytes).toHaveLength(0)
  const other = await connectSocket(server)
  other.write(upgrade())
  const otherEnd = endOf(other)
  await server.stop()
  expect((await otherEnd).how).toBe('rst')
})

function upgrade(lines: readonly string[] = []): string {
  const usual = [
    'connection: Upgrade',
    'upgrade: websocket',
    'sec-websocket-version: 13',
    'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==',
    'sec-websocket-protocol: mqtt',
  ]
  const names = lines.map((line) => line.split(':')[0])
  return `${['GET / HTTP/1.1', 'host: x', ...usual.filter((line) => !names.includes(line.split(':')[0])), ...lines].join('\r\n')}\r\n\r\n`
}

describe('the record says why', () => {
  test.each([
    ['an old version', ['sec-websocket-version: 7'], 'its upgrade is wrong: Missing or invalid Sec-WebSocket-Version header'],
    ['a bad key', ['sec-websocket-key: short'], 'its upgrade is wrong: Missing or invalid Sec-WebSocket-Key header'],
    ['another protocol', ['upgrade: h2c'], 'its upgrade is wrong: Invalid Upgrade header'],
  ])('%s', async (_name, lines, reason) => {
    const server = await listening({ ws: true })
    const socket = await connectSocket(server)
    const end = endOf(socket)
    socket.write(upgrade(lines))
    const answer = (await end).bytes.toString()
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    expect(answer).toContain('sec-websocket-version: 13')
    expect(notes(server)).toEqual([reason])
  })

  test('an HTTP request that is no upgrade', async () => {
    const server = await listening({ ws: true })
    const response = await fetch(server.url.replace('ws:', 'http:'))
    expect(response.status).toBe(426)
    expect(await response.text()).toBe('MQTT over WebSocket\n')
    expect(notes(server)).toEqual(['it sent GET / without an upgrade'])
  })

  test('plain MQTT on a WebSocket port', async () => {
    const server = await listening({ ws: true })
    const client = await connectTcp(server)
    client.sendConnect()
    await client.end()
    expect(notes(server)).toEqual([expect.stringMatching(/^what it sent is not HTTP: /)])
  })

  test.each(['end', 'reset'] as const)('a client that is gone too early: %s', async (how) => {
    const server = await listening({ ws: true })
    const client = await connectTcp(server)
    if (how === 'end') client.close()
    else client.reset()
    expect(await noted(server)).toBe('it was gone before the WebSocket upgrade was done')
  })

  test('a client that is gone in the middle of its upgrade', async () => {
    const server = await listening({ tls: true, ws: true })
    const { client } = await (await import('./clients.ts')).connectTls(server)
    client.send(Buffer.from('GET / HT'))
    client.close()
    await noted(server)
    expect(notes(server)).toHaveLength(1)
  })
})
