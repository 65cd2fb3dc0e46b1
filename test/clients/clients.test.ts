/** Clients that others wrote: against the library, against the command as a server, and under `mqttest exec`. */
import { describe, expect, test } from 'vitest'
import { tcpServer } from '../support/server.ts'
import { type ForeignClient, foreignClients, run, runMqttest, serve } from './programs.ts'

/** What every script prints: topic, QoS, retain flag, payload. */
const messages = [
  ...[0, 1, 2].flatMap((qos) => [`${qos}/ready ${qos} 1 retained`, ...['one', 'two', 'three'].map((text) => `${qos}/live ${qos} 0 ${text}`)]),
  'kept 1 0 queued 1',
  'kept 2 0 queued 2',
]

const versions = [
  { name: '3.1.1', version: '311' },
  { name: '5.0', version: '5' },
]

describe.each(foreignClients)('$name', (client: ForeignClient) => {
  if (client.missing !== undefined) {
    test.skip(`not tried: ${client.missing}`, () => undefined)
    process.stderr.write(`SKIPPED ${client.name}: ${client.missing}\n`)
    return
  }
  const expected = [...messages, ...client.alsoPrints]

  test.each(versions)('with the library, in $name', async ({ version }) => {
    const server = await tcpServer({ lint: 'fail' })
    const [program, ...words] = client.command(version)
    const { code, lines, stderr } = await run(program, words, server.env)
    expect({ code, lines, stderr }).toEqual({ code: 0, lines: expected, stderr: '' })
    const report = await server.stop()
    expect(report.perConnection.map((connection) => connection.protocolVersion)).toEqual(report.perConnection.map(() => (version === '5' ? 5 : 4)))
    expect(report.violations).toEqual([])
  })

  test.each(versions)('with mqttest as a server, in $name', async ({ version }) => {
    const server = await serve(['--no-config', '--lint', 'fail'])
    const [program, ...words] = client.command(version)
    const { code, lines, stderr } = await run(program, words, server.env)
    expect({ code, lines, stderr }).toEqual({ code: 0, lines: expected, stderr: '' })
    expect(await server.stop()).toBe(0)
  })

  test.each(versions)('under mqttest exec, in $name', async ({ version }) => {
    const { code, lines, stderr } = await runMqttest(['exec', '--no-config', '--lint', 'fail', '--', ...client.command(version)])
    expect({ code, lines, stderr }).toEqual({ code: 0, lines: expected, stderr: '' })
  })
})
