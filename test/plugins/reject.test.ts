/** What a client sees of `reject`. */
import { reject } from 'mqttest/plugins'
import { type ConnectInput, connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { memoryServer, virtualServer } from '../support/server.ts'

type Options = Parameters<typeof reject>[0]

/** The code of CONNACK. */
async function codeFor(options: Options, connect: ConnectInput = {}, version: 4 | 5 = 5) {
  const server = await memoryServer({ plugins: [reject(options)] })
  const client = connectMemory(server, version)
  const connack = await client.connect(connect)
  const code = connack.reasonCode ?? connack.returnCode
  if (code !== 0) expect(await client.end()).toBe('fin')
  return code
}

const secret = Buffer.from('secret')

describe('reject', () => {
  test('without options everybody is refused: 0x87 in MQTT 5, return code 5 in MQTT 3', async () => {
    expect(await codeFor({})).toBe(0x87)
    expect(await codeFor({}, {}, 4)).toBe(5)
  })

  test('clientId, username, password and address say who is refused', async () => {
    expect(await codeFor({ clientId: 'dev-*' }, { clientId: 'dev-1' })).toBe(0x87)
    expect(await codeFor({ clientId: 'dev-*' }, { clientId: 'app-1' })).toBe(0)
    expect(await codeFor({ username: ['eve', 'mallory'] }, { username: 'mallory' })).toBe(0x87)
    expect(await codeFor({ username: ['eve', 'mallory'] }, { username: 'joe' })).toBe(0)
    expect(await codeFor({ password: '1234' }, { username: 'joe', password: Buffer.from('1234') })).toBe(0x87)
    expect(await codeFor({ password: '1234' }, { username: 'joe', password: secret })).toBe(0)
    expect(await codeFor({ address: 'mem*' })).toBe(0x87)
    expect(await codeFor({ address: '10.*' })).toBe(0)
  })

  test('all that is given must fit', async () => {
    expect(await codeFor({ clientId: 'dev-*', username: 'joe' }, { clientId: 'dev-1', username: 'joe' })).toBe(0x87)
    expect(await codeFor({ clientId: 'dev-*', username: 'joe' }, { clientId: 'dev-1', username: 'jim' })).toBe(0)
  })

  test('a user name that is missing counts as empty', async () => {
    expect(await codeFor({ username: '' })).toBe(0x87)
    expect(await codeFor({ username: '' }, { username: 'joe' })).toBe(0)
  })

  test('unless... says who is not refused', async () => {
    expect(await codeFor({ unlessClientId: 'dev-*' }, { clientId: 'dev-1' })).toBe(0)
    expect(await codeFor({ unlessClientId: 'dev-*' }, { clientId: 'app-1' })).toBe(0x87)
    expect(await codeFor({ unlessAddress: 'memory' })).toBe(0)
    expect(await codeFor({ unlessAddress: ['127.0.0.1', '::1'] })).toBe(0x87)
    expect(await codeFor({ clientId: 'dev-*', unlessClientId: 'dev-1' }, { clientId: 'dev-1' })).toBe(0)
    expect(await codeFor({ clientId: 'dev-*', unlessClientId: 'dev-1' }, { clientId: 'dev-2' })).toBe(0x87)
    expect(await codeFor({ clientId: 'dev-*', unlessClientId: 'dev-1' }, { clientId: 'app' })).toBe(0)
  })

  test('unlessUsername and unlessPassword demand credentials, and refuse with 0x86', async () => {
    const options = { unlessUsername: 'joe', unlessPassword: 'secret' }
    expect(await codeFor(options, { username: 'joe', password: secret })).toBe(0)
    expect(await codeFor(options, { username: 'joe', password: Buffer.from('guess') })).toBe(0x86)
    expect(await codeFor(options, { username: 'jim', password: secret })).toBe(0x86)
    expect(await codeFor(options)).toBe(0x86)
    expect(await codeFor(options, {}, 4)).toBe(4)
  })

  test('reasonCode is the reason code, by name or number; MQTT 3 gets the nearest return code', async () => {
    expect(await codeFor({ reasonCode: 'server-busy' })).toBe(0x89)
    expect(await codeFor({ reasonCode: '0x9f' })).toBe(0x9f)
    expect(await codeFor({ reasonCode: 0x88 }, {}, 4)).toBe(3)
    expect(await codeFor({ reasonCode: 'unsupported-protocol-version' }, {}, 4)).toBe(1)
  })

  test('reasonString goes to MQTT 5 clients', async () => {
    const server = await memoryServer({ plugins: [reject({ reasonString: 'not today' })] })
    expect((await connectMemory(server, 5).connect()).properties).toEqual({ reasonString: 'not today' })
    expect(await connectMemory(server, 4).connect()).toEqual({ cmd: 'connack', sessionPresent: false, returnCode: 5 })
  })

  test('serverReference says where MQTT 5 clients are to go; MQTT 3 gets a return code alone', async () => {
    const options = { reasonCode: 'server-moved', serverReference: 'other:1883' } as const
    const server = await memoryServer({ plugins: [reject(options)] })
    expect(await connectMemory(server, 5).connect()).toMatchObject({ reasonCode: 0x9d, properties: { serverReference: 'other:1883' } })
    expect(await codeFor(options, {}, 4)).toBe(3)
  })

  test('what came behind the refused CONNECT is not processed', async () => {
    const server = await memoryServer({ plugins: [reject({ clientId: 'bad' })] })
    const watcher = connectMemory(server)
    await watcher.connect({ clientId: 'watcher' })
    await watcher.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '#', qos: 0 }] }).next('suback')
    const client = connectMemory(server)
    client.sendConnect({ clientId: 'bad' }).send({ cmd: 'publish', topic: 'a' })
    await client.end()
    await watcher.settled()
    expect(watcher.received.some((packet) => packet.cmd === 'publish')).toBe(false)
  })

  test('action: close closes without an answer', async () => {
    const server = await memoryServer({ plugins: [reject({ action: 'close' })] })
    const client = connectMemory(server, 5)
    client.sendConnect()
    expect(await client.end()).toBe('fin')
    expect(client.received).toEqual([])
  })

  test('action: drop leaves the client without any answer', async () => {
    const { server, clock } = await virtualServer({ plugins: [reject({ action: 'drop' })] })
    const client = connectMemory(server)
    client.sendConnect({ keepalive: 10 })
    await clock.advance('1h')
    expect([client.received, client.ended]).toEqual([[], undefined])
  })

  test('a scope refuses the first attempt only', async () => {
    const server = await memoryServer({ plugins: [['reject', { reasonCode: 'server-unavailable' }, { times: 1 }]] })
    expect((await connectMemory(server).connect()).returnCode).toBe(3)
    expect((await connectMemory(server).connect()).returnCode).toBe(0)
  })

  test('a refused client does not take the session of its name over', async () => {
    const server = await memoryServer({ plugins: [reject({ username: 'eve' })] })
    const client = connectMemory(server)
    await client.connect({ clientId: 'dev' })
    expect((await connectMemory(server).connect({ clientId: 'dev', username: 'eve' })).returnCode).toBe(5)
    await client.settled()
    expect(client.ended).toBeUndefined()
  })

  test('the call that use() returns takes it off', async () => {
    const server = await memoryServer()
    const off = server.use(reject())
    expect((await connectMemory(server).connect()).returnCode).toBe(5)
    off()
    expect((await connectMemory(server).connect()).returnCode).toBe(0)
  })

  test('mistakes in its options are told at once', () => {
    expect(() => reject({ serverReference: 'other:1883' })).toThrow("option 'serverReference' goes with reasonCode use-another-server or server-moved")
    expect(() => reject({ reasonCode: 0x9c, serverReference: 'other:1883', action: 'close' })).toThrow("option 'serverReference' goes with action answer")
    expect(() => reject.create({ clientid: 'a' })).toThrow("unknown option 'clientid'. Did you mean 'clientId'?")
    expect(() => reject.create({ username: 5 })).toThrow(/option 'username': expected a list; each is a text, got 5/)
    expect(() => reject.create({ reasonCode: 'not-authorised' })).toThrow(/Did you mean 'not-authorized'\?/)
    expect(() => reject.create({ action: 'clsoe' })).toThrow(/Did you mean 'close'\?/)
    expect(() => reject({ reasonCode: 5 })).toThrow("option 'reasonCode': 0x05 refuses nothing; 0x80 and above do")
  })
})
