/** Mistakes in the option `listen`: one clear message each, before anything listens. */
import { type Certificate, type MqttestError, start } from 'mqttest'
import { describe, expect, test } from 'vitest'
import { createAuthority } from '../../src/net/certificates.ts'

/** What `start` says of places that no compiler has looked at. */
async function mistake(listen: unknown): Promise<string> {
  const options: object = { listen }
  const error: MqttestError = await start(options).then(
    async (server) => {
      await server.stop()
      throw new Error(`listens at ${server.url}`)
    },
    (reason: unknown) => reason as MqttestError,
  )
  expect(error).toMatchObject({ name: 'MqttestError', code: 'MQTTEST_OPTION' })
  return error.message
}

describe('a place', () => {
  test.each([
    [1883, "option 'listen': expected an object such as { port: 1883 }, got 1883"],
    [[1883], "option 'listen': expected an object such as { port: 1883 }, got 1883"],
    [null, "option 'listen': expected an object such as { port: 1883 }, got null"],
    ['127.0.0.1', `option 'listen': expected an object such as { port: 1883 }, got "127.0.0.1"`],
    [true, "option 'listen': expected an object such as { port: 1883 }, got true"],
    [{ tsl: true }, "option 'listen': unknown key 'tsl'. Did you mean 'tls'?"],
    [{ certificate: 'expired' }, "option 'listen': unknown key 'certificate'. Known: port, host, path, tls, ws."],
    [{ port: 1.5 }, "option 'port': expected 0 to 65535 or a range such as '1883-2000', got 1.5"],
    [{ host: 5 }, "option 'host': expected an address or a host name, got 5"],
    [{ host: '' }, `option 'host': expected an address or a host name, got ""`],
    [{ path: '' }, `option 'listen.path': expected the path of a unix socket, got ""`],
    [{ tls: 'yes' }, `option 'listen.tls': expected true, false or an object, got "yes"`],
    [{ tls: null }, "option 'listen.tls': expected true, false or an object, got null"],
    [{ ws: 1 }, "option 'listen.ws': expected true, false, a path such as '/mqtt' or an object, got 1"],
    [{ ws: ['mqtt'] }, `option 'listen.ws': expected true, false, a path such as '/mqtt' or an object, got ["mqtt"]`],
    [{ path: 'x', tls: true }, "option 'listen': 'path' is a unix socket, which carries plain MQTT: 'tls' needs a port"],
    [{ path: '/mqtt', ws: true }, "option 'listen': 'path' is a unix socket, which carries plain MQTT; the path of a WebSocket URL is written { ws: '/mqtt' }"],
    [{ path: 'x', port: 1 }, "option 'listen': a unix socket has no port: 'path' stands in place of 'port' and 'host'"],
    [{ path: 'x', host: '::1' }, "option 'listen': a unix socket has no host: 'path' stands in place of 'port' and 'host'"],
  ])('%j', async (listen, message) => {
    expect(await mistake(listen)).toBe(message)
  })

  test('that is wrong behind others that are right: nothing listens', async () => {
    expect(await mistake([{ port: 0 }, { tls: { certificate: 'expierd' } }])).toContain("Did you mean 'expired'?")
  })
})

describe('tls', () => {
  test.each([
    [{ certifcate: 'good' }, "option 'listen.tls': unknown key 'certifcate'. Did you mean 'certificate'?"],
    [
      { certificate: 'expird' },
      `option 'listen.tls.certificate': expected one of good, expired, not-yet-valid, wrong-host, unknown-ca, self-signed, got "expird". Did you mean 'expired'?`,
    ],
    [{ clientCertificate: true }, "option 'listen.tls.clientCertificate': expected one of none, request, require, got true. Known: none, request, require."],
    [{ minVersion: 'TLSv1.4' }, `option 'listen.tls.minVersion': expected one of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3, got "TLSv1.4". Did you mean 'TLSv1.1'?`],
    [{ minVersion: 'TLSv1.3', maxVersion: 'TLSv1.2' }, "option 'listen.tls': minVersion TLSv1.3 is above maxVersion TLSv1.2"],
    [{ hosts: 'a' }, `option 'listen.tls.hosts': expected a list of texts, got "a"`],
    [{ alpn: [1] }, "option 'listen.tls.alpn': expected a list of texts, got [1]"],
    [{ sni: [] }, "option 'listen.tls.sni': expected a list of texts, got []"],
    [{ cert: 'x' }, "option 'listen.tls': a certificate of your own needs both cert and key"],
    [{ cert: 'my.pem', key: 'my.key' }, `option 'listen.tls.cert': expected the text of a PEM file ('-----BEGIN ...'), got "my.pem"`],
    [{ handshake: 'stall' }, `option 'listen.tls.handshake': expected an object such as { at: 'client-hello' }, got "stall"`],
    [{ handshake: {} }, "option 'listen.tls.handshake.at': missing: expected one of accept, client-hello, server-hello"],
    [
      { handshake: { at: 'hello' } },
      `option 'listen.tls.handshake.at': expected one of accept, client-hello, server-hello, got "hello". Known: accept, client-hello, server-hello.`,
    ],
    [{ handshake: { at: 'accept', hw: 'rst' } }, "option 'listen.tls.handshake': unknown key 'hw'. Did you mean 'how'?"],
    [{ handshake: { at: 'accept', how: 'reset' } }, /^option 'listen.tls.handshake.how': expected one of stall, rst, fin, got "reset"/],
    [{ handshake: { at: 'accept', times: 0 } }, "option 'listen.tls.handshake.times': expected a whole number, at least 1, got 0"],
    [{ handshake: { at: 'server-hello', bytes: -1 } }, "option 'listen.tls.handshake.bytes': expected a whole number of bytes, got -1"],
    [{ handshake: { at: 'accept', bytes: 5 } }, "option 'listen.tls.handshake.bytes': counts bytes of the server's answer, of which there is none at 'accept'"],
  ])('%j', async (tls, message) => {
    expect(await mistake({ tls })).toEqual(typeof message === 'string' ? message : expect.stringMatching(message))
  })

  test('a certificate and a key that do not fit, or are none', async () => {
    const authority = await createAuthority()
    const [one, other]: Certificate[] = [await authority.server('good'), await authority.server('good')]
    expect(await mistake({ tls: { cert: one?.cert, key: other?.key } })).toMatch(/^option 'listen.tls': cert and key cannot be used: .*key values mismatch/)
    expect(await mistake({ tls: { cert: '-----BEGIN NONSENSE-----', key: one?.key } })).toMatch(/^option 'listen.tls': cert and key cannot be used: /)
    expect(await mistake({ tls: { ...one, certificate: 'expired' } })).toBe(
      "option 'listen.tls': 'certificate' is about a certificate that is made here; with a 'cert' of your own it says nothing",
    )
  })
})

describe('ws', () => {
  test.each([
    [{ pth: '/x' }, "option 'listen.ws': unknown key 'pth'. Did you mean 'path'?"],
    [{ path: 'mqtt' }, `option 'listen.ws.path': expected the path of a URL, such as '/mqtt', got "mqtt"`],
    ['mqtt', `option 'listen.ws.path': expected the path of a URL, such as '/mqtt', got "mqtt"`],
    ['', `option 'listen.ws.path': expected the path of a URL, such as '/mqtt', got ""`],
    ['/mqtt?a', `option 'listen.ws.path': expected the path of a URL, such as '/mqtt', got "/mqtt?a"`],
    [{ subprotocols: 'mqtt' }, `option 'listen.ws.subprotocols': expected a list of names, got "mqtt"`],
    [{ subprotocols: ['a b'] }, `option 'listen.ws.subprotocols': expected a list of names, got ["a b"]`],
    [{ subprotocol: 'other' }, `option 'listen.ws.subprotocol': expected 'chosen', 'none' or { name: 'other' }, got "other"`],
    [{ subprotocol: { name: 'a\r\nb' } }, `option 'listen.ws.subprotocol': expected 'chosen', 'none' or { name: 'other' }, got {"name":"a\\r\\nb"}`],
    [{ answer: 503 }, "option 'listen.ws.answer': expected an object such as { status: 503 }, got 503"],
    [{ answer: { status: 101 } }, "option 'listen.ws.answer.status': expected 200 to 599, got 101"],
    [{ answer: { stats: 503 } }, "option 'listen.ws.answer': unknown key 'stats'. Did you mean 'status'?"],
    [{ answer: { status: 302, headers: { 'a b': 'c' } } }, `option 'listen.ws.answer.headers': expected names with texts of one line, got {"a b":"c"}`],
    [{ answer: { status: 302, headers: { a: 'c\nd' } } }, `option 'listen.ws.answer.headers': expected names with texts of one line, got {"a":"c\\nd"}`],
    [{ answer: { status: 302, body: 5 } }, "option 'listen.ws.answer.body': expected a text, got 5"],
    [{ stall: 'yes' }, `option 'listen.ws.stall': expected true or false, got "yes"`],
    [{ frames: 'txt' }, `option 'listen.ws.frames': expected one of binary, text, got "txt". Did you mean 'text'?`],
    [{ closeCode: 1005 }, "option 'listen.ws.closeCode': expected a code that may be sent: 1000 to 1003, 1007 to 1014, 3000 to 4999; got 1005"],
    [{ closeCode: 2500 }, "option 'listen.ws.closeCode': expected a code that may be sent: 1000 to 1003, 1007 to 1014, 3000 to 4999; got 2500"],
  ])('%j', async (ws, message) => {
    expect(await mistake({ ws })).toBe(message)
  })
})

test('a path that is too long for a unix socket', async () => {
  await expect(start({ listen: { path: `/tmp/${'x'.repeat(200)}` } })).rejects.toMatchObject({
    code: 'MQTTEST_LISTEN',
    message: expect.stringMatching(/: the path is too long for a unix socket$/),
  })
})

test('port and host beside listen, which would not be looked at', async () => {
  await expect(start({ port: 1883, listen: { tls: true } })).rejects.toMatchObject({
    code: 'MQTTEST_OPTION',
    message: "option 'port' is that of a single place: beside 'listen' it is not looked at; write { port } in the entries of 'listen'",
  })
})
