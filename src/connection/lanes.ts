/** The plans under way on one connection: which of them wait, which one blocks the others, which signals they wait for. */
import type { Timer } from '../clock.ts'
import type { Plan } from '../steps.ts'
import type { Packet } from '../wire/packet.ts'
import type { Cause } from './cause.ts'
import type { Connection } from './connection.ts'
import { PlanLane, type PlanOptions } from './plan.ts'

/** Lanes of one connection. */
export class Lanes {
  readonly #connection: Connection
  readonly #waiting = new Set<PlanLane>()
  /** Plans that let nothing else leave, in the order in which they began to. */
  readonly #blockers: PlanLane[] = []
  /** What waits to leave, in order. */
  #held: (() => void)[] = []
  #signals: { name: string; go: () => void }[] = []
  /** Plans that wait for time, by when they fall due; one timer serves them all. */
  readonly #waits: { lane: PlanLane; dueMs: number }[] = []
  #timer: Timer | undefined
  /** Plans that wait until a packet is answered. */
  #answered: { packet: Packet; lane: PlanLane; go: () => void }[] = []

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** How many plans wait. */
  get pending(): number {
    return this.#waiting.size
  }

  /** Carries out a plan. */
  run(plan: Plan, cause: Cause, options?: PlanOptions): PlanLane {
    const lane = new PlanLane(this.#connection, this, plan, cause, options)
    lane.go()
    return lane
  }

  /** Remembers a plan that waits, so that it ends with the connection. */
  keep(lane: PlanLane): void {
    if (this.#connection.closed) lane.cancel()
    else this.#waiting.add(lane)
  }

  forget(lane: PlanLane): void {
    this.#waiting.delete(lane)
  }

  /**
   * Lets a plan go on after so long. The waits of one connection end in the order in which they fall due, and those that
   * fall due together in the order in which they began: the timers of a host promise neither.
   */
  wake(lane: PlanLane, delayMs: number): void {
    const dueMs = this.#connection.run.clock.now() + delayMs
    let place = this.#waits.length
    while (place > 0 && (this.#waits[place - 1]?.dueMs ?? 0) > dueMs) place--
    this.#waits.splice(place, 0, { lane, dueMs })
    if (place === 0) this.#arm()
  }

  #arm(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    const next = this.#waits[0]
    if (next === undefined) return
    const { run } = this.#connection
    this.#timer = run.arm('plan', Math.max(0, next.dueMs - run.clock.now()), () => this.#goOn(next.dueMs), this.#connection)
  }

  #goOn(dueMs: number): void {
    // The timer may come a little early; whoever is due with the one it was meant for is due as well.
    const untilMs = Math.max(dueMs, this.#connection.run.clock.now())
    for (let next = this.#waits[0]; next !== undefined && next.dueMs <= untilMs; next = this.#waits[0]) {
      this.#waits.shift()
      next.lane.resume()
    }
    this.#arm()
  }

  /** A plan is over: what waited for it goes on. */
  ended(lane: PlanLane): void {
    this.#waiting.delete(lane)
    if (this.#answered.length === 0) return
    const due = this.#answered.filter((entry) => !this.#answers(entry.packet, entry.lane))
    if (due.length === 0) return
    this.#answered = this.#answered.filter((entry) => !due.includes(entry))
    for (const { go } of due) go()
  }

  /** Calls `go` when no plan but `lane` answers a packet any more; returns true where none does now. */
  whenAnswered(packet: Packet, lane: PlanLane, go: () => void): boolean {
    if (!this.#answers(packet, lane)) return true
    this.#answered.push({ packet, lane, go })
    return false
  }

  #answers(packet: Packet, except: PlanLane): boolean {
    for (const lane of this.#waiting) if (lane !== except && lane.answers === packet) return true
    return false
  }

  /** Drops one plan that waits. */
  drop(lane: PlanLane): void {
    this.unblock(lane)
    const place = this.#waits.findIndex((wait) => wait.lane === lane)
    if (place < 0) return
    this.#waits.splice(place, 1)
    if (place === 0) this.#arm()
  }

  /** From now on only this plan sends, until it ends; one that blocks already comes first. */
  block(lane: PlanLane): void {
    if (!this.#blockers.includes(lane)) this.#blockers.push(lane)
  }

  unblock(lane: PlanLane): void {
    const place = this.#blockers.indexOf(lane)
    if (place < 0) return
    this.#blockers.splice(place, 1)
    const held = this.#held
    this.#held = []
    for (const leave of held) leave()
  }

  /** Whether another plan blocks the connection. */
  blocks(by: PlanLane | undefined): boolean {
    const first = this.#blockers[0]
    return first !== undefined && by !== first
  }

  /** Calls `leave` when no other plan blocks the connection any more. */
  hold(leave: () => void): void {
    this.#held.push(leave)
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
    this.#answered = []
    this.#waits.length = 0
    this.#arm()
    for (const lane of [...this.#waiting]) lane.cancel()
    this.#waiting.clear()
  }
}
