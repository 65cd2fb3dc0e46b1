/** The plans under way on one connection: which of them wait, which one blocks the others, which signals they wait for. */
import type { Plan } from '../steps.ts'
import type { Cause } from './cause.ts'
import type { Connection } from './connection.ts'
import { type KnownBytes, PlanLane } from './plan.ts'

/** Lanes of one connection. */
export class Lanes {
  readonly #connection: Connection
  readonly #waiting = new Set<PlanLane>()
  #blocker: PlanLane | undefined
  #held: { bytes: Buffer; cause: Cause }[] = []
  #signals: { name: string; go: () => void }[] = []

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** How many plans wait. */
  get pending(): number {
    return this.#waiting.size
  }

  /** Carries out a plan; calls `done` when it is done, or dropped because the connection ended. */
  run(plan: Plan, cause: Cause, known?: KnownBytes, done?: () => void): void {
    new PlanLane(this.#connection, this, plan, cause, known, done).go()
  }

  /** Remembers a plan that waits, so that it ends with the connection. */
  keep(lane: PlanLane): void {
    if (this.#connection.closed) lane.cancel()
    else this.#waiting.add(lane)
  }

  forget(lane: PlanLane): void {
    this.#waiting.delete(lane)
  }

  /** From now on only this plan sends, until it ends. */
  block(lane: PlanLane): void {
    this.#blocker ??= lane
  }

  unblock(lane: PlanLane): void {
    if (this.#blocker !== lane) return
    this.#blocker = undefined
    const held = this.#held
    this.#held = []
    for (const { bytes, cause } of held) this.#connection.transmit(bytes, cause)
  }

  /** Keeps bytes back while another plan blocks the connection; false where none does. */
  holds(bytes: Buffer, cause: Cause, by: PlanLane | undefined): boolean {
    if (this.#blocker === undefined || by === this.#blocker) return false
    this.#held.push({ bytes, cause })
    return true
  }

  /** Calls `go` at the next signal of that name. */
  onSignal(name: string, go: () => void): void {
    this.#signals.push({ name, go })
  }

  signal(name: string): void {
    if (this.#signals.length === 0) return
    const due = this.#signals.filter((signal) => signal.name === name)
    if (due.length === 0) return
    this.#signals = this.#signals.filter((signal) => signal.name !== name)
    for (const { go } of due) go()
  }

  /** The connection ended: everything that waits is dropped. */
  cancel(): void {
    this.#held = []
    this.#signals = []
    for (const lane of [...this.#waiting]) lane.cancel()
    this.#waiting.clear()
  }
}
