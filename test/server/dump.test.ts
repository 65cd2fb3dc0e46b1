/** The record as JSON lines in files. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { definePlugin, start } from 'mqttest'
import { describe, expect, onTestFinished, test } from 'vitest'
import { join, subscribe } from '../support/client.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

function folder(): string {
  const path = mkdtempSync(joinPath(tmpdir(), 'mqttest-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** The lines of a file, each read as JSON. */
function linesOf(file: string): unknown[] {
  const text = readFileSync(file, 'utf8')
  expect(text.endsWith('\n')).toBe(true)
  return text
    .trimEnd()
    .split('\n')
    .map((line): unknown => JSON.parse(line))
}

describe('a dump', () => {
  test('has one object a line for everything that happened', async () => {
    const file = joinPath(folder(), 'deep', 'run.jsonl')
    const echo = definePlugin({ meta: { name: 'twice' }, setup: ({ hooks, on }) => on(hooks.send, { cmd: 'pingresp' }, (steps) => [...steps, ...steps]) })
    const { server, clock } = await virtualServer({ dump: file, plugins: [echo] })
    await clock.advance(250)
    const client = await join(server, 'me', { version: 4 })
    await client.send({ cmd: 'publish', topic: 'a', payload: '{"on":true}' }, { cmd: 'publish', topic: 'b', payload: Buffer.from([0xff, 0]) }).settled()
    client.send({ cmd: 'puback', messageId: 5 }, { cmd: 'disconnect' })
    await client.end()
    await server.stop()
    const lines = linesOf(file)
    expect(lines).toMatchObject([
      { type: 'open', serial: 0, at: '1970-01-01T00:00:00.250Z', atMs: 250, connection: 0, transport: 'memory' },
      { type: 'packet', serial: 1, dir: 'in', cmd: 'connect', raw: '100e00044d515454040200000002' + '6d65', packet: { clientId: 'me', protocolVersion: 4 } },
      { type: 'packet', dir: 'out', cmd: 'connack', cause: 'reply', raw: '20020000' },
      { cmd: 'publish', packet: { topic: 'a', payload: { len: 11, utf8: '{"on":true}', json: { on: true } } } },
      { cmd: 'publish', packet: { topic: 'b', payload: { len: 2, base64: '/wA=' } } },
      { cmd: 'pingreq' },
      { type: 'fault', plugin: 'twice', hook: 'send', before: [{ packet: { cmd: 'pingresp' } }] },
      { cmd: 'pingresp', faults: ['twice'] },
      { cmd: 'pingresp', faults: ['twice'] },
      { cmd: 'puback' },
      { type: 'violation', verdict: 'warn', violation: { rule: 'ack-unknown-packet-id', raw: '40020005', offset: 2 } },
      { cmd: 'disconnect' },
      { type: 'close', by: 'client', how: 'disconnect' },
    ])
  })

  test('with {c} in its name makes one file per connection', async () => {
    const path = folder()
    const server = await memoryServer({ dump: [joinPath(path, 'all.jsonl'), joinPath(path, 'client-{c}.jsonl')] })
    const one = await join(server, 'one')
    await subscribe(one, 'a')
    await join(server, 'two')
    one.send({ cmd: 'disconnect' })
    await one.end()
    await server.stop()
    expect(readdirSync(path).sort()).toEqual(['all.jsonl', 'client-0.jsonl', 'client-1.jsonl'])
    expect(linesOf(joinPath(path, 'client-0.jsonl')).every((line) => typeof line === 'object' && line !== null && Reflect.get(line, 'connection') === 0)).toBe(
      true,
    )
    expect(linesOf(joinPath(path, 'all.jsonl')).length).toBe(
      linesOf(joinPath(path, 'client-0.jsonl')).length + linesOf(joinPath(path, 'client-1.jsonl')).length,
    )
  })

  test('takes what happens on a connection after its end, and after a reset of the server', async () => {
    const path = folder()
    const { server, clock } = await virtualServer({ dump: joinPath(path, '{c}.jsonl') })
    const client = await join(server, 'me')
    client.send({ cmd: 'disconnect' })
    await client.end()
    // Long enough for the first lines to be written.
    await clock.advance(100)
    client.send({ cmd: 'pingreq' })
    await clock.advance(100)
    expect(server.report().violations).toMatchObject([{ rule: 'packet-after-disconnect' }])
    await server.reset()
    await join(server, 'again')
    await server.stop()
    const types = linesOf(joinPath(path, '0.jsonl')).map((line) => (typeof line === 'object' && line !== null ? Reflect.get(line, 'type') : undefined))
    expect(types).toEqual(['open', 'packet', 'packet', 'packet', 'close', 'violation', 'open', 'packet', 'packet', 'packet', 'close'])
  })

  test('may hold payloads as base64 only', async () => {
    const file = joinPath(folder(), 'run.jsonl')
    const server = await memoryServer({ dump: { file, payload: 'base64' } })
    const client = await join(server, 'me')
    await client.send({ cmd: 'publish', topic: 'a', payload: 'hi' }).settled()
    await server.stop()
    expect(linesOf(file)).toContainEqual(expect.objectContaining({ packet: expect.objectContaining({ payload: { len: 2, base64: 'aGk=' } }) }))
  })

  test('replaces the file of an earlier run', async () => {
    const file = joinPath(folder(), 'run.jsonl')
    writeFileSync(file, 'old\n')
    const server = await memoryServer({ dump: file })
    await join(server, 'me')
    await server.stop()
    expect(linesOf(file)).toHaveLength(5)
  })

  test('that cannot be written makes start, or stop, reject', async () => {
    const path = folder()
    const file = joinPath(path, 'file')
    writeFileSync(file, '')
    await expect(start({ listen: false, dump: joinPath(file, 'below', 'run.jsonl') })).rejects.toMatchObject({
      code: 'MQTTEST_OPTION',
      message: expect.stringContaining("option 'dump': cannot write"),
    })
    const server = await start({ listen: false, dump: joinPath(file, 'below', '{c}.jsonl') })
    const client = await join(server, 'me')
    await client.settled()
    await expect(server.stop()).rejects.toThrow("option 'dump': cannot write")
  })
})

describe('a decoder', () => {
  async function dumped(decode: string, payloads: readonly (string | Buffer)[]) {
    const file = joinPath(folder(), 'run.jsonl')
    const server = await memoryServer({ dump: { file, decode } })
    const client = await join(server, 'me', { version: 4 })
    await client.send(...payloads.map((payload) => ({ cmd: 'publish', topic: 'a', payload }) as const)).settled()
    await server.stop()
    return linesOf(file).flatMap((line) => (typeof line === 'object' && line !== null && 'decoded' in line ? [line.decoded] : []))
  }

  test('gets each payload on stdin; its line has what it wrote, as text or as JSON', async () => {
    expect(await dumped('tr a-z A-Z', ['text', '{"ok":1}', '"x"'])).toEqual([{ text: 'TEXT' }, { json: { OK: 1 } }, { json: 'X' }])
  })

  test('says on stderr what is wrong, also with an exit code that nobody explained', async () => {
    expect(await dumped('echo odd >&2', ['a'])).toEqual([{ error: 'odd' }])
    expect(await dumped('exit 3', ['a'])).toEqual([{ error: 'the decoder ended with 3' }])
    expect(await dumped('no-such-program-at-all', ['a'])).toMatchObject([{ error: expect.stringContaining('no-such-program-at-all') }])
  })

  test('need not read a large payload to its end', async () => {
    expect(await dumped('echo done', [Buffer.alloc(1_000_000)])).toEqual([{ text: 'done' }])
  })

  test.each([
    [{ file: 'a', decode: '' }, 'option \'dump.decode\': expected a command, got ""'],
    [{ file: 'a', format: 'xml' }, 'option \'dump.format\': expected one of mqttest, rust, got "xml"'],
    [{ file: 'a', decod: 'x' }, "option 'dump': unknown key 'decod'. Did you mean 'decode'?"],
  ])('%j is a mistake', async (dump, message) => {
    const options: object = { listen: false, dump }
    await expect(start(options)).rejects.toThrow(message)
  })
})

test('the form of the Rust tool: packets only, one object a line', async () => {
  const file = joinPath(folder(), 'run.jsonl')
  const server = await memoryServer({ dump: { file, format: 'rust' } })
  const client = await join(server, 'me', { version: 4 })
  await subscribe(client, 'a', 1)
  client.send({ cmd: 'publish', topic: 'a', payload: '{"on":true}', qos: 1, messageId: 7 })
  await client.next('puback')
  await client.settled()
  await server.stop()
  expect(linesOf(file)).toEqual(
    [
      ['C', { Connect: { proto: 'MQTT311', id: 'me', session: 'clean' } }],
      ['S', { Connack: { session: false, code: 'Accepted' } }],
      ['C', { Subscribe: { pid: 1, topics: [{ topic: 'a', qos: 'AtLeastOnce' }] } }],
      ['S', { Suback: { pid: 1, codes: [{ Success: 'AtLeastOnce' }] } }],
      [
        'C',
        {
          Publish: {
            dup: false,
            qos: { AtLeastOnce: 7 },
            topic: 'a',
            pl: { len: 11, raw: [...Buffer.from('{"on":true}')], utf8: '{"on":true}', json: { on: true } },
          },
        },
      ],
      [
        'S',
        {
          Publish: {
            dup: false,
            qos: { AtLeastOnce: 1 },
            topic: 'a',
            pl: { len: 11, raw: [...Buffer.from('{"on":true}')], utf8: '{"on":true}', json: { on: true } },
          },
        },
      ],
      ['S', { Puback: 7 }],
      ['C', 'Pingreq'],
      ['S', 'Pingresp'],
    ].map(([from, pkt]) => ({
      ts: [expect.any(Number), expect.any(Number), expect.any(Number), expect.any(Number), expect.any(Number), expect.any(Number), 0, 0, 0],
      con: 0,
      from,
      pkt,
    })),
  )
})
