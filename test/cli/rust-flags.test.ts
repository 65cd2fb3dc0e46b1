/** The options of the Rust tool: the same names and meanings, `-` for none, lists for each connection in turn. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type RustFlags, rustUses } from '../../src/cli/rust-flags.ts'
import { resolveUse } from '../../src/config/use.ts'
import type { PluginEntry } from '../../src/plugin/pack.ts'
import { connectMemory, connectTcp, type RawClient } from '../../src/testing.ts'
import { project } from '../config/project.ts'
import { virtualServer } from '../support/server.ts'
import { run } from './command.ts'

async function serverWith(flags: RustFlags) {
  const plugins: PluginEntry[] = []
  for (const use of rustUses(flags)) plugins.push(...(await resolveUse(use, '/')))
  return virtualServer({ plugins })
}

async function connected(server: Parameters<typeof connectMemory>[0], input: Parameters<RawClient['connect']>[0] = {}, version: 3 | 4 | 5 = 4) {
  const client = connectMemory(server, version)
  return { client, connack: await client.connect(input) }
}

describe('in turn', () => {
  test('--max-pkt 2,-,3 closes the first connection after 2 packets, the second never, the third after 3', async () => {
    const { server } = await serverWith({ maxPkt: '2,-,3' })
    const outcomes: string[] = []
    for (const clientId of ['a', 'b', 'c', 'd']) {
      const { client } = await connected(server, { clientId })
      for (let messageId = 1; messageId <= 3; messageId++) client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId })
      await Promise.race([client.end(200).catch(() => undefined), client.count(4, 200).catch(() => undefined)])
      outcomes.push(`${client.received.filter(({ cmd }) => cmd === 'puback').length} ${client.ended ?? 'open'}`)
    }
    expect(outcomes).toEqual(['1 fin', '3 open', '2 fin', '1 fin'])
  })

  test('--max-pkt-delay: the close waits, and what is sent meanwhile is not handled', async () => {
    const { server, clock } = await serverWith({ maxPkt: '2', maxPktDelay: '100' })
    const { client } = await connected(server)
    client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 1 }, { cmd: 'publish', topic: 'a', qos: 1, messageId: 2 })
    await clock.advance(99)
    expect([client.received.length, client.ended]).toEqual([2, undefined])
    await clock.advance(1)
    expect(client.ended).toBe('fin')
  })

  test('--max-time 50,-', async () => {
    const { server, clock } = await serverWith({ maxTime: '50,-' })
    const [{ client: first }, { client: second }] = [await connected(server, { clientId: 'a' }), await connected(server, { clientId: 'b' })]
    await clock.advance(50)
    expect([first.ended, second.ended]).toEqual(['fin', undefined])
  })

  test('--session-expire 0,-: the first session is gone with its connection, the second is kept', async () => {
    const { server, clock } = await serverWith({ sessionExpire: '0,-,-,-' })
    for (const clientId of ['a', 'b']) {
      const { client } = await connected(server, { clientId, clean: false })
      client.send({ cmd: 'disconnect' })
      await client.end()
      await clock.advance(1)
    }
    const present = [await connected(server, { clientId: 'a', clean: false }), await connected(server, { clientId: 'b', clean: false })]
    expect(present.map(({ connack }) => connack.sessionPresent)).toEqual([false, true])
  })
})

describe('for all', () => {
  test('--ack-timeouts 100,-: MQTT 3 clients get it again, with DUP, until they acknowledge it; MQTT 5 clients do not', async () => {
    const { server, clock } = await serverWith({ ackTimeouts: '100,-' })
    const both = [await connected(server, { clientId: 'a' }), await connected(server, { clientId: 'b' }, 5)]
    for (const { client } of both) await client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 1 }] }).next('suback')
    server.publish({ topic: 'a', qos: 1 })
    await clock.advance(250)
    const copies = ({ client }: (typeof both)[number]) => client.received.flatMap((packet) => (packet.cmd === 'publish' ? [packet.dup] : []))
    expect(both.map(copies)).toEqual([[false, true, true], [false]])
    both[0]?.client.send({ cmd: 'puback', messageId: 1 })
    await clock.advance('1h')
    expect(both.map(copies)).toEqual([[false, true, true], [false]])
  })

  test.each([
    [{ strict: true }, { clientId: 'device1' }, 0],
    [{ strict: true }, { clientId: 'device-1' }, 2],
    [{ strict: true }, { clientId: '' }, 2],
    [{ strict: true }, { clientId: 'x'.repeat(24) }, 2],
    [{ idprefix: 'dev-' }, { clientId: 'dev-1' }, 0],
    [{ idprefix: 'dev-' }, { clientId: 'other' }, 2],
    [{ idprefix: 'a*' }, { clientId: 'ab' }, 2],
    [{ idprefix: '-' }, { clientId: 'other' }, 0],
    [{ idprefix: '' }, { clientId: 'other' }, 0],
    [{ userpass: 'joe:se:cret' }, { username: 'joe', password: Buffer.from('se:cret') }, 0],
    [{ userpass: 'joe:secret' }, { username: 'joe', password: Buffer.from('wrong') }, 4],
    [{ userpass: 'joe:*' }, { username: 'joe', password: Buffer.from('wrong') }, 4],
    [{ userpass: 'joe:secret' }, {}, 4],
    [{ userpass: '-' }, {}, 0],
  ] as const)('%j with %j: CONNACK %i', async (flags, input, returnCode) => {
    const { server } = await serverWith(flags)
    expect((await connected(server, input)).connack.returnCode).toBe(returnCode)
  })
})

describe('on the command line', () => {
  test('all of them at once, as they were written for the Rust tool', async () => {
    const folder = project({})
    const words =
      '--ports 0 -c 1 --max-runtime 60000 --ack-timeouts 5000,- --ack-delay 0,- --max-pkt=-,3 --max-pkt-delay 10 --max-time - --session-expire 100,-'
    const more = ['--userpass', 'u:p', '--idprefix', 'dev', '--strict', '-v', '--dumps', '{c}.json', '--dump-decode', 'cat', '--dump-format', 'rust']
    const { ready, ended } = run([...words.split(' '), ...more], { cwd: folder })
    const client = await connectTcp(await ready)
    expect(await client.connect({ clientId: 'dev1', username: 'u', password: Buffer.from('p') })).toMatchObject({ returnCode: 0 })
    client.send({ cmd: 'publish', topic: 'a', payload: 'x', qos: 1, messageId: 9 })
    await client.next('puback')
    client.send({ cmd: 'disconnect' })
    expect((await ended).code).toBe(0)
    const lines = readFileSync(join(folder, '0.json'), 'utf8').trim().split('\n')
    expect(lines.map((line) => JSON.parse(line).pkt)).toMatchObject([
      { Connect: { id: 'dev1' } },
      { Connack: {} },
      { Publish: { pl: { utf8: 'x' } } },
      { Puback: 9 },
      'Disconnect',
    ])
  })

  test.each([
    [['--max-pkt', '0'], "--max-pkt: expected a whole number above 0, or - for none, got '0'"],
    [['--max-time', '5,soon'], "--max-time: expected milliseconds or text such as '200ms', or - for none, got 'soon'"],
    [['--max-time', ''], "--max-time: expected milliseconds or text such as '200ms', or - for none, got ''"],
    [['--userpass', 'joe'], "--userpass: expected 'user:password', got 'joe'"],
    [['--dump-decode', 'cat'], '--dump-decode says how a dump is written: give --dump as well'],
  ])('%j is a mistake', async (words, message) => {
    const { code, stderr } = await run(['-p', '0', ...words]).ended
    expect({ code, stderr }).toEqual({ code: 2, stderr: `mqttest: ${message}\n` })
  })
})
