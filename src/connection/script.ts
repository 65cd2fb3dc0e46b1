/** What a test does with a connection by hand: expect what the client sends, send what it wants. */
import { isVirtual } from '../clock.ts'
import { type Duration, parseDuration } from '../duration.ts'
import { MqttestError } from '../errors.ts'
import { describeLine, describePacket } from '../record/describe.ts'
import type { Direction, JournalRecord, PacketRecord } from '../record/journal.ts'
import { describePattern, differences, type Pattern } from '../record/pattern.ts'
import { type WaitOptions, waitFor } from '../record/wait.ts'
import type { Run } from '../run/run.ts'
import { type Bytes, completePacket, type PacketInput, type StepInput, toBuffer } from '../steps.ts'
import type { Command, Packet, PacketOf } from '../wire/packet.ts'
import type { Connection } from './connection.ts'
import type { DisconnectInfo } from './lifecycle.ts'

/** A packet to send, or bytes. */
export type ScriptInput = PacketInput | Bytes

/** How to wait, and for which direction: what the client sends ('in', the default) or what the server sends. */
export interface ExpectOptions extends WaitOptions {
  readonly dir?: Direction
}

/** How a connection is expected to end. */
export interface CloseExpectation {
  readonly by?: 'client' | 'server'
  readonly how?: 'disconnect' | 'fin' | 'rst'
  readonly reasonCode?: number
}

/** How long an `expectNone` looks by default, in milliseconds. */
const noneForMs = 100

/** How many records a message about a miss shows. */
const timelineLength = 30

/** Looks through packets, one after the other: what one `expect` has taken, the next does not see again. */
export class Expecter {
  readonly #run: Run
  /** The connection that is looked at; all of them where it is undefined. */
  readonly #number: number | undefined
  readonly #cursors: Record<Direction, number> = { in: 0, out: 0 }

  constructor(run: Run, number: number | undefined) {
    this.#run = run
    this.#number = number
  }

  async expect<C extends Command>(cmd: C, pattern: object = {}, options: ExpectOptions = {}): Promise<{ packet: PacketOf<C>; record: PacketRecord }> {
    const direction = options.dir ?? 'in'
    const { journal } = this.#run
    const explain = (why: string) => this.#explain(why, `expected ${describePattern(cmd, pattern)}`, cmd, pattern, direction)
    const pick = (record: JournalRecord) => {
      this.#checkOpen(record, explain)
      const found = record.serial < this.#cursors[direction] ? undefined : this.#pick(record, cmd, pattern, direction)
      // Taken at once, so that of several expectations that wait at the same time each gets a packet of its own.
      if (found !== undefined) this.#cursors[direction] = record.serial + 1
      return found
    }
    return waitFor(journal, this.#cursors[direction], pick, options, explain)
  }

  /** Several packets, in whatever order they come. */
  async expectAnyOrder(wanted: readonly (readonly [cmd: Command, pattern?: object])[], options: ExpectOptions = {}): Promise<Packet[]> {
    const direction = options.dir ?? 'in'
    const came: PacketRecord[] = []
    const missing = () => {
      const chosen = assign(wanted, came)
      return wanted.flatMap((one, index) => (chosen[index] === undefined ? [one] : []))
    }
    const explain = (why: string) => {
      const left = missing()
      const all = left.map(([cmd, pattern = {}]) => describePattern(cmd, pattern)).join(' and ')
      return this.#explain(why, `expected, in any order, ${all}`, left[0]?.[0] ?? 'publish', left[0]?.[1] ?? {}, direction)
    }
    const pick = (record: JournalRecord): (PacketRecord | undefined)[] | undefined => {
      this.#checkOpen(record, explain)
      if (record.type !== 'packet' || record.direction !== direction || record.serial < this.#cursors[direction]) return undefined
      if (this.#number !== undefined && record.connection !== this.#number) return undefined
      came.push(record)
      const chosen = assign(wanted, came)
      return chosen.includes(undefined) ? undefined : chosen
    }
    if (wanted.length === 0) return []
    const chosen = await waitFor(this.#run.journal, this.#cursors[direction], pick, options, explain)
    this.#cursors[direction] = Math.max(...chosen.map((record) => record?.serial ?? 0)) + 1
    return chosen.flatMap((record) => record?.packet ?? [])
  }

  /** Nothing more comes on a connection that has ended: whoever waits hears so at once. */
  #checkOpen(record: JournalRecord, explain: (why: string) => string): void {
    if (record.type === 'close' && this.#number !== undefined && record.connection === this.#number)
      throw new MqttestError('MQTTEST_EXPECT', explain(`the connection was closed by the ${record.by} (${record.how})`))
  }

  async expectNone<C extends Command>(cmd: C, pattern: object = {}, options: ExpectOptions & { for?: Duration } = {}): Promise<void> {
    const direction = options.dir ?? 'in'
    const { journal, clock } = this.#run
    const forMs = parseDuration(options.for ?? noneForMs, 'for')
    const from = this.#cursors[direction]
    const unexpected = () => {
      for (const record of journal.since(from)) {
        const found = this.#pick(record, cmd, pattern, direction)
        if (found !== undefined)
          throw new MqttestError(
            'MQTTEST_EXPECT',
            this.#explain(`it came: ${describePacket(found.packet)}`, `expected no ${describePattern(cmd, pattern)}`, cmd, pattern, direction),
          )
      }
    }
    unexpected()
    // On a virtual clock the time that is looked at is the server's: nobody else would move it meanwhile.
    if (isVirtual(clock)) await clock.advance(forMs)
    else
      await waitFor(
        journal,
        journal.next,
        (record) => (this.#pick(record, cmd, pattern, direction) === undefined ? undefined : record),
        { ...options, within: forMs },
        () => '',
      ).catch((error: unknown) => {
        if (!(error instanceof MqttestError && (error.code === 'MQTTEST_EXPECT' || error.code === 'MQTTEST_STOPPED'))) throw error
      })
    unexpected()
  }

  /** What fits, in a record of the right connection and direction. */
  #pick<C extends Command>(record: JournalRecord, cmd: C, pattern: object, direction: Direction): { packet: PacketOf<C>; record: PacketRecord } | undefined {
    if (record.type !== 'packet' || record.direction !== direction || record.cmd !== cmd) return undefined
    if (this.#number !== undefined && record.connection !== this.#number) return undefined
    const { packet } = record
    if (packet === undefined || !isOf(packet, cmd)) return undefined
    return differences(pattern, packet).length === 0 ? { packet, record } : undefined
  }

  #explain(why: string, wanted: string, cmd: Command, pattern: object, direction: Direction): string {
    const { journal } = this.#run
    const where = this.#number === undefined ? 'any connection' : `connection ${this.#number}`
    const lines = [`${wanted} on ${where}: ${why}.`]
    const misses: string[] = []
    const timeline: string[] = []
    for (const record of journal.since(0)) {
      if (this.#number !== undefined && record.connection !== this.#number) continue
      timeline.push(`  ${describeLine(record)}`)
      if (record.type !== 'packet' || record.direction !== direction || record.cmd !== cmd || record.packet === undefined) continue
      const different = differences(pattern, record.packet)
      if (different.length > 0) misses.push(`  ${describePacket(record.packet)}\n    ${different.join('\n    ')}`)
      else if (record.serial < this.#cursors[direction]) misses.push(`  ${describePacket(record.packet)}\n    was taken by an earlier expect`)
    }
    if (misses.length > 0) lines.push('Nearest:', ...misses.slice(-3))
    if (timeline.length > timelineLength) lines.push(`The last ${timelineLength} of ${timeline.length} records:`)
    else lines.push(timeline.length === 0 ? 'Nothing happened there.' : 'What happened:')
    lines.push(...timeline.slice(-timelineLength))
    if (journal.dropped > 0) lines.push(`  (${journal.dropped} older records were let go)`)
    return lines.join('\n')
  }
}

/** Gives each pattern a packet of its own, as many as possible; undefined for those that get none. */
function assign(wanted: readonly (readonly [cmd: Command, pattern?: object])[], came: readonly PacketRecord[]): (PacketRecord | undefined)[] {
  const owners = new Map<PacketRecord, number>()
  // A pattern may take another one's packet where that one finds another packet instead.
  const find = (index: number, tried: Set<PacketRecord>): boolean => {
    const [cmd, pattern = {}] = wanted[index] ?? []
    for (const record of came) {
      if (tried.has(record) || record.cmd !== cmd || record.packet === undefined || differences(pattern, record.packet).length > 0) continue
      tried.add(record)
      const owner = owners.get(record)
      if (owner !== undefined && !find(owner, tried)) continue
      owners.set(record, index)
      return true
    }
    return false
  }
  for (const index of wanted.keys()) find(index, new Set())
  return wanted.map((_, index) => [...owners].find(([, owner]) => owner === index)?.[0])
}

function isOf<C extends Command>(packet: Packet, cmd: C): packet is PacketOf<C> {
  return packet.cmd === cmd
}

/** One connection in the hands of a test. */
export class Script {
  readonly #connection: Connection
  readonly #expecter: Expecter

  constructor(connection: Connection) {
    this.#connection = connection
    this.#expecter = new Expecter(connection.run, connection.number)
  }

  async expect<C extends Command>(cmd: C, pattern?: Pattern<C>, options?: ExpectOptions): Promise<PacketOf<C>> {
    return (await this.#expecter.expect(cmd, pattern, options)).packet
  }

  expectNone<C extends Command>(cmd: C, pattern?: Pattern<C>, options?: ExpectOptions & { for?: Duration }): Promise<void> {
    return this.#expecter.expectNone(cmd, pattern, options)
  }

  expectAnyOrder(wanted: readonly (readonly [cmd: Command, pattern?: object])[], options?: ExpectOptions): Promise<Packet[]> {
    return this.#expecter.expectAnyOrder(wanted, options)
  }

  async expectClose(wanted: CloseExpectation = {}, options: ExpectOptions = {}): Promise<DisconnectInfo> {
    const { number, run } = this.#connection
    const record =
      this.#connection.ended ??
      (await waitFor(
        run.journal,
        run.journal.next,
        (entry) => (entry.type === 'close' && entry.connection === number ? entry : undefined),
        options,
        (why) => `expected connection ${number} to close${wanted.by === undefined ? '' : ` by the ${wanted.by}`}: ${why}.\n${this.#timeline()}`,
      ))
    for (const [key, value] of Object.entries(wanted))
      if (value !== undefined && Reflect.get(record, key) !== value)
        throw new MqttestError(
          'MQTTEST_EXPECT',
          `expected connection ${number} to close with ${key} ${String(value)}, but it was closed by the ${record.by} (${record.how}): ${record.reason}, reason code ${record.reasonCode}.\n${this.#timeline()}`,
        )
    return { by: record.by, how: record.how, reason: record.reason, reasonCode: record.reasonCode }
  }

  send(input: ScriptInput): void {
    const connection = this.#connection
    if (connection.closed) throw new MqttestError('MQTTEST_STATE', `connection ${connection.number} is closed: nothing can be sent on it`)
    const steps: StepInput[] = typeof input === 'string' || input instanceof Uint8Array ? [{ raw: toBuffer(input) }] : [{ packet: completePacket(input) }]
    for (const step of steps) {
      if ('packet' in step) connection.sendPacket(completePacket(step.packet), { kind: 'script' })
      else void connection.runScript([step])
    }
  }

  play(steps: readonly StepInput[]): Promise<void> {
    return this.#connection.runScript(steps)
  }

  packets<C extends Command>(filter: { dir?: Direction; cmd?: C }): PacketOf<C>[] {
    const found: PacketOf<C>[] = []
    for (const record of this.#connection.run.journal.since(0)) {
      if (record.type !== 'packet' || record.connection !== this.#connection.number || record.packet === undefined) continue
      if (filter.dir !== undefined && record.direction !== filter.dir) continue
      if (fitsCommand(record.packet, filter.cmd)) found.push(record.packet)
    }
    return found
  }

  #timeline(): string {
    const lines: string[] = []
    for (const record of this.#connection.run.journal.since(0)) if (record.connection === this.#connection.number) lines.push(`  ${describeLine(record)}`)
    return lines.slice(-timelineLength).join('\n')
  }
}

/** Whether a packet is of the type that is asked for, if one is. */
function fitsCommand<C extends Command>(packet: Packet, cmd: C | undefined): packet is PacketOf<C> {
  return cmd === undefined || packet.cmd === cmd
}

export type { Pattern }
