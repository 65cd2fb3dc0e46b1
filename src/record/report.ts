/** What `stop()` gives: the run in numbers. */
import type { DropReason } from '../broker/session.ts'
import type { Connection } from '../connection/connection.ts'
import type { PluginError } from '../errors.ts'
import type { Installation } from '../hooks/installation.ts'
import type { Fault } from '../hooks/tap-guard.ts'
import type { Verdict, Violation } from '../lint/violation.ts'
import { type Command, commandByType } from '../wire/packet.ts'

/** Packets by type; a type that did not occur is left out. */
export type PacketCounts = { [C in Command]?: number }

/** One connection in the report. */
export interface ConnectionReport {
  readonly number: number
  readonly clientId: string | undefined
  readonly protocolVersion: number | undefined
  readonly remoteAddress: string
  readonly packets: { readonly in: PacketCounts; readonly out: PacketCounts }
  readonly bytes: { readonly in: number; readonly out: number }
  /** How it ended; undefined while it lasts. */
  readonly ended: { readonly by: string; readonly how: string; readonly reason: string; readonly reasonCode: number | undefined } | undefined
}

/** Violations of one rule. */
export interface ViolationReport {
  readonly rule: string
  readonly statements: readonly string[]
  readonly level: string
  readonly count: number
  /** The message of the first one. */
  readonly message: string
  /** Whether any of them fails the run. */
  readonly fails: boolean
  /** Numbers of the connections where it was seen; the first 100. */
  readonly connections: readonly number[]
}

/** Messages that were dropped for clients, for one reason. */
export interface DropReport {
  /** 'queueFull' and 'slow' by the limits of the server, 'tooLarge' by the client's, 'expired' by the publisher's wish. */
  readonly reason: DropReason
  readonly count: number
  /** For whom; the first 100. */
  readonly clientIds: readonly string[]
}

/** Changes of one kind by one plugin. */
export interface FaultCount {
  readonly plugin: string
  /** The hook whose tap changed something; 'play' and 'acted' for what a plugin does beside the hooks. */
  readonly hook: string
  /** The type of the packets that it was about; undefined where it was about none. */
  readonly cmd: Command | undefined
  readonly count: number
}

/** The run in numbers. */
export interface Report {
  /** Start with this seed to repeat the run's chance. */
  readonly seed: string
  readonly durationMs: number
  /** Why the server stopped. */
  readonly reason: string
  /** Connections that were accepted. */
  readonly connections: number
  readonly packets: { readonly in: PacketCounts; readonly out: PacketCounts }
  readonly bytes: { readonly in: number; readonly out: number }
  /** Each connection, oldest first; at most the last 1,000. */
  readonly perConnection: readonly ConnectionReport[]
  readonly violations: readonly ViolationReport[]
  /** Messages that did not go to a subscriber. */
  readonly dropped: readonly DropReport[]
  readonly faults: {
    /** How often each plugin changed or reported something. */
    readonly applied: readonly { readonly plugin: string; readonly count: number }[]
    /** What they changed, and how often: each change stands in `server.records({ type: 'fault' })`. */
    readonly changes: readonly FaultCount[]
    /** Plugins that were enabled and did nothing: a fault test without a fault proves nothing. */
    readonly neverFired: readonly string[]
  }
  readonly pluginErrors: readonly string[]
  /** Records that the journal let go because it was full. */
  readonly recordsDropped: number
}

/** How many connections a report lists, and a server keeps after their end. */
export const connectionsKept = 1000

/** Adds counts of packets by type number to a table. */
function countsOf(counts: Uint32Array, offset: number): PacketCounts {
  const table: PacketCounts = {}
  for (let type = 1; type < 16; type++) {
    const name = commandByType[type]
    const count = counts[offset + type] ?? 0
    if (name !== undefined && count > 0) table[name] = count
  }
  return table
}

/** Gathers what the report needs while the run goes on, in a few numbers. */
export class Tally {
  readonly #counts = new Float64Array(32)
  #bytesIn = 0
  #bytesOut = 0
  readonly #drops = new Map<DropReason, { count: number; readonly clientIds: Set<string> }>()
  readonly #violations = new Map<string, { violation: Violation; count: number; fails: boolean; connections: Set<number> }>()

  readonly #changes = new Map<string, { plugin: string; hook: string; cmd: Command | undefined; count: number }>()

  /** A connection ended: its numbers count. */
  add(connection: Connection): void {
    for (let index = 0; index < 32; index++) this.#counts[index] = (this.#counts[index] ?? 0) + (connection.counts[index] ?? 0)
    this.#bytesIn += connection.bytesIn
    this.#bytesOut += connection.bytesOut
  }

  /** A plugin changed something. */
  changed({ plugin, hook, packet }: Fault): void {
    const key = `${plugin} ${hook} ${packet?.cmd}`
    const known = this.#changes.get(key)
    if (known === undefined) this.#changes.set(key, { plugin, hook, cmd: packet?.cmd, count: 1 })
    else known.count++
  }

  changes(): FaultCount[] {
    return [...this.#changes.values()].map((entry) => ({ ...entry }))
  }

  violated(violation: Violation, verdict: Verdict, connection: number | undefined, failsRun: boolean): void {
    const known = this.#violations.get(violation.rule)
    const entry = known ?? { violation, count: 0, fails: false, connections: new Set<number>() }
    if (known === undefined) this.#violations.set(violation.rule, entry)
    entry.count++
    entry.fails ||= verdict === 'fail' || failsRun
    if (connection !== undefined && entry.connections.size < 100) entry.connections.add(connection)
  }

  /** A message was dropped for a client. */
  dropped(reason: DropReason, clientId: string): void {
    const entry = this.#drops.get(reason) ?? { count: 0, clientIds: new Set<string>() }
    this.#drops.set(reason, entry)
    entry.count++
    if (entry.clientIds.size < 100) entry.clientIds.add(clientId)
  }

  drops(): DropReport[] {
    return [...this.#drops].map(([reason, { count, clientIds }]) => ({ reason, count, clientIds: [...clientIds] }))
  }

  violations(): ViolationReport[] {
    return [...this.#violations.values()].map(({ violation, count, fails, connections }) => ({
      rule: violation.rule,
      statements: violation.statements,
      level: violation.level,
      count,
      message: violation.message,
      fails,
      connections: [...connections],
    }))
  }

  /** The numbers of all connections, those that last included. */
  totals(open: Iterable<Connection>): Pick<Report, 'packets' | 'bytes'> {
    const counts = Uint32Array.from(this.#counts)
    let [bytesIn, bytesOut] = [this.#bytesIn, this.#bytesOut]
    for (const connection of open) {
      for (let index = 0; index < 32; index++) counts[index] = (counts[index] ?? 0) + (connection.counts[index] ?? 0)
      bytesIn += connection.bytesIn
      bytesOut += connection.bytesOut
    }
    return { packets: { in: countsOf(counts, 0), out: countsOf(counts, 16) }, bytes: { in: bytesIn, out: bytesOut } }
  }

  clear(): void {
    this.#counts.fill(0)
    this.#bytesIn = 0
    this.#bytesOut = 0
    this.#violations.clear()
    this.#drops.clear()
    this.#changes.clear()
  }
}

/** One connection's line of the report. */
export function connectionReport(connection: Connection): ConnectionReport {
  return {
    number: connection.number,
    clientId: connection.clientId,
    protocolVersion: connection.connect?.protocolVersion,
    remoteAddress: connection.remoteAddress,
    packets: { in: countsOf(connection.counts, 0), out: countsOf(connection.counts, 16) },
    bytes: { in: connection.bytesIn, out: connection.bytesOut },
    ended: connection.ended,
  }
}

/** What plugins did, for the report. */
export function faultReport(installations: readonly Installation[]): Omit<Report['faults'], 'changes'> {
  const counts = new Map<string, number>()
  for (const { plugin, fired } of installations) counts.set(plugin.meta.name, (counts.get(plugin.meta.name) ?? 0) + fired)
  return {
    applied: [...counts].filter(([, count]) => count > 0).map(([plugin, count]) => ({ plugin, count })),
    neverFired: [...counts].filter(([, count]) => count === 0).map(([plugin]) => plugin),
  }
}

/** The reasons for which a run fails, as messages; empty where it does not. */
export function failuresOf(violations: readonly ViolationReport[], pluginErrors: readonly PluginError[]): Error[] {
  const broken = violations
    .filter((entry) => entry.fails)
    .map(
      (entry) =>
        new Error(
          `the client broke ${entry.rule}${entry.statements.length === 0 ? '' : ` [${entry.statements.join(' ')}]`} ${entry.count} times: ${entry.message}`,
        ),
    )
  return [...pluginErrors, ...broken]
}
