/** What the parts of one server share: time, chance, hooks, the record, the settings. */
import type { Broker } from '../broker/broker.ts'
import type { DropReason } from '../broker/session.ts'
import type { Clock, Timer } from '../clock.ts'
import type { Connection } from '../connection/connection.ts'
import type { TimerKind } from '../connection/lifecycle.ts'
import type { Soon } from '../hooks/call-hook.ts'
import type { Hooks } from '../hooks/hooks.ts'
import type { HookSet } from '../hooks/tap-guard.ts'
import type { Verdict, Violation } from '../lint/violation.ts'
import type { Random } from '../random.ts'
import type { Journal } from '../record/journal.ts'
import type { Settings } from '../settings.ts'
import type { PlanAuthor } from '../steps.ts'
import type { Packet } from '../wire/packet.ts'
import type { WriteTurns } from './write-turns.ts'

/** What a client's violations lead to: 'off' records only what ends a connection; 'fail' fails the run. */
export type LintMode = 'off' | 'warn' | 'fail'

/** One run of one server, as its parts see it. */
export interface Run {
  readonly clock: Clock
  random(): Random
  readonly hookSet: HookSet
  readonly hooks: Hooks
  readonly journal: Journal
  readonly settings: Settings
  broker(): Broker
  /** Lets whoever stands for the broker, or the broker itself, handle a packet of a client. */
  handle(packet: Packet, connection: Connection, raw: Buffer): Soon<void>
  readonly lint: LintMode
  /** false: no broker answers; the test plays it by hand. */
  readonly core: boolean
  /** Arms a timer, after the `timer` hook had its say; undefined where the answer is "never". See timers.ts. */
  arm(kind: TimerKind, delayMs: number, action: (chosenMs: number) => void, connection?: Connection, again?: boolean): Timer | undefined
  /** When connections write what they have in line. */
  readonly writeTurns: WriteTurns
  /** A connection has ended; its transport may still be on its way out. */
  connectionClosed(connection: Connection): void
  /** The transport of a connection is gone. */
  transportClosed(connection: Connection): void
  /** A plan of a plugin cannot be carried out. */
  planFailed(author: PlanAuthor, cause: unknown, connection: Connection): void
  /** The core itself failed while it handled a packet. */
  coreFailed(doing: string, cause: unknown, connection: Connection): void
  /** Counts a message that was dropped for a client, for the report. */
  dropped(reason: DropReason, clientId: string): void
  /** Counts a violation for the report. */
  violated(violation: Violation, verdict: Verdict, connection: Connection | undefined): void
}
