/** What a test does with a connection by hand: expect what the client sends, send what it wants. */
import { isVirtual } from '../clock.ts'
import { type Duration, parseDuration } from '../duration.ts'
import { MqttestError } from '../errors.ts'
import { describeLine, describePacket } from '../record/describe.ts'
import type { Direction, JournalRecord, PacketRecord } from '../record/journal.ts'
import { describePattern, differences, type Pattern } from '../record/pattern.ts'
import { type WaitOptions, waitFor } from '../record/wait.ts'
import type { Run } from '../run.ts'
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
    const pick = (record: JournalRecord) => this.#pick(record, cmd, pattern, direction)
    const found = await waitFor(journal, this.#cursors[direction], pick, options, (why) =>
      this.#explain(why, `expected ${describePattern(cmd, pattern)}`, cmd, pattern, direction),
    )
    this.#cursors[direction] = found.record.serial + 1
    return found
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

  /** Fails where packets that came are not followed by a sign that the connection ended so. */
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

  async expectAnyOrder(wanted: readonly (readonly [cmd: Command, pattern?: object])[], options: ExpectOptions = {}): Promise<Packet[]> {
    const taken = new Set<number>()
    const { journal } = this.#connection.run
    const direction = options.dir ?? 'in'
    const from = this.#connection.number
    const found: Packet[] = []
    for (const [cmd, pattern = {}] of wanted) {
      const pick = (record: JournalRecord) =>
        record.type === 'packet' &&
        record.connection === from &&
        record.direction === direction &&
        record.cmd === cmd &&
        !taken.has(record.serial) &&
        record.packet !== undefined &&
        differences(pattern, record.packet).length === 0
          ? record
          : undefined
      const record = await waitFor(journal, 0, pick, options, (why) => `expected ${describePattern(cmd, pattern)} in any order on connection ${from}: ${why}.`)
      taken.add(record.serial)
      if (record.packet !== undefined) found.push(record.packet)
    }
    return found
  }

  async expectClose(wanted: CloseExpectation = {}, options: ExpectOptions = {}): Promise<DisconnectInfo> {
    const { number, run } = this.#connection
    const record = await waitFor(
      run.journal,
      0,
      (entry) => (entry.type === 'close' && entry.connection === number ? entry : undefined),
      options,
      (why) => `expected connection ${number} to close${wanted.by === undefined ? '' : ` by the ${wanted.by}`}: ${why}.\n${this.#timeline()}`,
    )
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

  packets(filter: { dir?: Direction; cmd?: Command }): Packet[] {
    const found: Packet[] = []
    for (const record of this.#connection.run.journal.since(0)) {
      if (record.type !== 'packet' || record.connection !== this.#connection.number || record.packet === undefined) continue
      if (filter.dir !== undefined && record.direction !== filter.dir) continue
      if (filter.cmd !== undefined && record.cmd !== filter.cmd) continue
      found.push(record.packet)
    }
    return found
  }

  #timeline(): string {
    const lines: string[] = []
    for (const record of this.#connection.run.journal.since(0)) if (record.connection === this.#connection.number) lines.push(`  ${describeLine(record)}`)
    return lines.slice(-timelineLength).join('\n')
  }
}

export type { Pattern }
