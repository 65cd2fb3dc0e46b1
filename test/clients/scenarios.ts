/**
 * What every client program has to do, and what the server sees of it.
 *
 * A program is called with a URL, a version ('3.1.1' or '5.0') and the name of a scenario. MQTT_CA is a file with the
 * certificate that it has to trust. It connects as 'app', goes on where it has to wait when a line comes on its stdin, and
 * prints lines of JSON:
 *
 *     {"event":"connected","sessionPresent":false}                    CONNACK came
 *     {"event":"message","topic":"a/b","qos":1,"payload":"text"}      a message came
 *     {"event":"acknowledged"}                                        the client says that a publication is done
 *     {"event":"refused","code":5}                                    the client says that CONNECT was refused, with which code
 */
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { ListenOptions, PluginEntry, Server } from 'mqttest'
import { closeAfter, reject } from 'mqttest/plugins'
import { describe, expect, onTestFinished, test } from 'vitest'
import { tcpServer } from '../support/server.ts'
import { type Built, build, type Recipe } from './build.ts'
import { temporaryFolder } from './programs.ts'

/** How a program can speak. */
export type Way = 'TCP' | 'TLS' | 'WebSocket'
type Version = '3.1.1' | '5.0'

/** A client program. */
export interface Program extends Recipe {
  readonly name: string
  readonly versions: readonly Version[]
  readonly ways: readonly Way[]
  /** How it is run. */
  command(built: { readonly out: string; readonly source: string }): readonly [program: string, ...words: string[]]
  /** Variables that it needs. */
  env?(built: { readonly out: string; readonly source: string }): Readonly<Record<string, string>>
  /** What the client does otherwise than the others; the reason stands where it is set. */
  readonly habits?: Habits
}

/** Where clients differ, and MQTT lets them, or they are wrong. */
export interface Habits {
  /** Rules of MQTT that the client breaks in a scenario. */
  readonly breaks?: (scenario: string, version: Version) => readonly string[]
  /** Whether a publication that is sent again has the DUP flag; by default it has. */
  readonly marksDuplicates?: (version: Version) => boolean
  /** What the client cannot do without, over one of the ways. */
  readonly needs?: (scenario: string, way: Way) => { readonly what: string; readonly plugins: readonly PluginEntry[] } | undefined
  /** Whether the client writes to stderr although the program goes well. */
  readonly complains?: (scenario: string) => boolean
  /** How the client names the refusal 'not authorized', where its API does not give the code of CONNACK. */
  readonly refusal?: (version: Version) => unknown
}

const listen: Readonly<Record<Way, ListenOptions>> = { TCP: {}, TLS: { tls: true }, WebSocket: { ws: '/mqtt' } }

/** A foreign program takes its time to start, on a machine that is busy. */
const patient = { within: '40s' } as const
const clientId = 'app'

/** A program that runs. */
interface App {
  /** Lets it go on. */
  go(): void
  /** Resolves when it has ended, with its exit code or the signal that ended it. */
  readonly ended: Promise<{ readonly code: number | string; readonly events: readonly unknown[]; readonly stderr: string }>
}

function launch(program: Program, built: { out: string; source: string }, server: Server, version: Version, scenario: string): App {
  const ca = join(temporaryFolder(), 'ca.pem')
  writeFileSync(ca, server.ca ?? '')
  const [name, ...words] = program.command(built)
  const child = spawn(name, [...words, server.url, version, scenario], { env: { ...process.env, ...program.env?.(built), MQTT_CA: ca } })
  const events: unknown[] = []
  let stderr = ''
  createInterface(child.stdout).on('line', (line) => events.push(line.startsWith('{') ? JSON.parse(line) : line))
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  child.stdin.on('error', () => undefined)
  const ended = new Promise<number | string>((resolve, refuse) => {
    child.once('error', refuse)
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'nothing known'))
  }).then((code) => ({ code, events, stderr }))
  ended.catch(() => undefined)
  onTestFinished(async ({ task }) => {
    child.kill('SIGKILL')
    await ended.catch(() => undefined)
    if (task.result?.state === 'fail') process.stderr.write(`${task.name}: the program printed\n${JSON.stringify(events)}\n${stderr}\n`)
  })
  return { go: () => void child.stdin.write('go on\n'), ended }
}

/** Those that tell of CONNACK, then the others: a client may tell of a message first that came behind CONNACK. */
function inOrder(events: readonly unknown[]): unknown[] {
  const isConnected = (event: unknown) => typeof event === 'object' && event !== null && Reflect.get(event, 'event') === 'connected'
  return [...events.filter(isConnected), ...events.filter((event) => !isConnected(event))]
}

const connected = (sessionPresent: boolean) => ({ event: 'connected', sessionPresent })
const message = (topic: string, qos: number, payload: string) => ({ event: 'message', topic, qos, payload })

/** Runs every scenario with a program, over everything that it can. */
export async function tryProgram(program: Program): Promise<void> {
  const built: Built = await build(program)
  describe(program.name, () => {
    if ('missing' in built) {
      test.skip(`not tried: ${built.missing}`, () => undefined)
      process.stderr.write(`SKIPPED ${program.name}: ${built.missing}\n`)
      return
    }
    if ('broken' in built) {
      test('is built', () => expect.fail(built.broken))
      return
    }
    const { habits = {} } = program
    for (const way of program.ways)
      for (const version of program.versions)
        describe(`over ${way} in ${version}`, () => {
          const protocolVersion = version === '5.0' ? 5 : 4
          const begin = async (scenario: string, plugins: readonly PluginEntry[] = []) => {
            const server = await tcpServer({ listen: listen[way], plugins: [...plugins, ...(habits.needs?.(scenario, way)?.plugins ?? [])] })
            return { server, app: launch(program, built, server, version, scenario) }
          }
          /** Nothing went wrong: the program's own view, and the rules of MQTT. */
          const finish = async (server: Server, app: App, scenario: string, events: readonly unknown[]) => {
            const ended = await app.ended
            expect({ ...ended, events: inOrder(ended.events), stderr: habits.complains?.(scenario) === true ? '' : ended.stderr }).toEqual({
              code: 0,
              events,
              stderr: '',
            })
            const report = await server.stop()
            expect(report.violations.map(({ rule }) => rule)).toEqual(habits.breaks?.(scenario, version) ?? [])
            expect(report.faults.neverFired).toEqual([])
          }

          const attempt = (scenario: string, title: string, act: () => Promise<void>) => {
            const needs = habits.needs?.(scenario, way)
            test(needs === undefined ? title : `${title}, ${needs.what}`, act)
          }

          attempt('roundtrip', 'publishes and receives with every QoS', async () => {
            const { server, app } = await begin('roundtrip')
            const connection = await server.connection(0, patient)
            await connection.expect('connect', { clientId, clean: true, protocolVersion }, patient)
            for (const qos of [0, 1, 2] as const) {
              const topic = `app/${qos}`
              await connection.expect('subscribe', { subscriptions: [{ topic, qos }] }, patient)
              await connection.expect('publish', { topic, qos, payload: `hello ${qos}`, dup: false, retain: false }, patient)
              await connection.expect('publish', { topic, qos, payload: `hello ${qos}` }, { dir: 'out', ...patient })
              if (qos === 2) await connection.expectAnyOrder([['pubrel'], ['pubrec'], ['pubcomp']], patient)
            }
            await server.idle({ within: '20s' })
            // Some clients acknowledge beside their next SUBSCRIBE, so where the PUBACK stands among the packets is open.
            expect(connection.packets({ dir: 'in', cmd: 'puback' })).toHaveLength(1)
            app.go()
            await connection.expectClose({ by: 'client', how: 'disconnect' }, patient)
            await finish(server, app, 'roundtrip', [connected(false), ...[0, 1, 2].map((qos) => message(`app/${qos}`, qos, `hello ${qos}`))])
          })

          attempt('resume', 'comes back to its session, and gets what was queued meanwhile', async () => {
            const { server, app } = await begin('resume')
            const first = await server.connection(0, patient)
            await first.expect('connect', { clientId, clean: false }, patient)
            await first.expect('subscribe', { subscriptions: [{ topic: 'app/queue', qos: 2 }] }, patient)
            await first.expectClose({ by: 'client', how: 'disconnect' }, patient)
            expect(server.sessions.map((session) => session.clientId)).toEqual([clientId])
            for (const qos of [1, 2] as const) server.publish({ topic: 'app/queue', payload: `queued ${qos}`, qos })

            app.go()
            const second = await server.connection(1, patient)
            await second.expect('connect', { clientId, clean: false }, patient)
            await second.expect('connack', { sessionPresent: true }, { dir: 'out', ...patient })
            await second.expectAnyOrder([['puback'], ['pubrec'], ['pubcomp']], patient)
            expect(second.packets({ dir: 'in', cmd: 'subscribe' })).toEqual([])
            await server.idle({ within: '20s' })
            app.go()
            await second.expectClose({ by: 'client', how: 'disconnect' }, patient)
            await finish(server, app, 'resume', [connected(false), connected(true), ...[1, 2].map((qos) => message('app/queue', qos, `queued ${qos}`))])
          })

          attempt('reconnect', 'connects anew after a reset, and sends again what was not acknowledged', async () => {
            const { server, app } = await begin('reconnect', [
              [closeAfter({ packet: 'puback', direction: 'out', when: 'instead', how: 'rst' }), { connection: 0 }],
            ])
            const first = await server.connection(0, patient)
            const sent = await first.expect('publish', { topic: 'app/lost', qos: 1, payload: '42', dup: false }, patient)
            await first.expectClose({ by: 'server', how: 'rst' }, patient)
            const second = await server.connection(1, patient)
            await second.expect('connect', { clientId, clean: false }, patient)
            const dup = habits.marksDuplicates?.(version) ?? true
            await second.expect('publish', { topic: 'app/lost', qos: 1, payload: '42', dup, messageId: sent.messageId }, patient)
            await server.idle({ within: '20s' })
            app.go()
            await second.expectClose({ by: 'client', how: 'disconnect' }, patient)
            expect(server.connections).toHaveLength(2)
            await finish(server, app, 'reconnect', [{ event: 'acknowledged' }])
          })

          attempt('refused', 'says that it was refused', async () => {
            const { server, app } = await begin('refused', [reject({ reasonCode: 'not-authorized' })])
            const connection = await server.connection(0, patient)
            const code = version === '5.0' ? 0x87 : 5
            await connection.expect('connack', version === '5.0' ? { reasonCode: code } : { returnCode: code }, { dir: 'out', ...patient })
            await finish(server, app, 'refused', [{ event: 'refused', code: habits.refusal?.(version) ?? code }])
            expect(server.connections).toHaveLength(1)
          })
        })
  })
}
