/**
 * The `wire` hook of one direction: bytes go through in the order in which they came, whatever is done to them. A wait holds
 * back all that follows; a latency counts from the arrival of its own bytes, so it does not lower the throughput.
 */
import type { Timer } from '../clock.ts'
import type { Direction } from '../record/journal.ts'
import { authorOf, completePlan, ownStep, type PlanAuthor, type Step } from '../steps.ts'
import type { Packet } from '../wire/packet.ts'
import type { Connection } from './connection.ts'

interface Queued {
  readonly step: Step
  readonly arrivedMs: number
  readonly author: PlanAuthor | undefined
}

const uncork = ownStep({ cork: false })

/** One direction of one connection, while somebody taps `wire`. */
export class WireLane {
  readonly #connection: Connection
  readonly #direction: Direction
  readonly #sink: (bytes: Buffer) => void
  #queue: Queued[] = []
  #idle: (() => void)[] = []
  #timer: Timer | undefined
  #waitsForPromise = false
  /** What is gathered for one write. */
  #corked: Buffer[] | undefined
  #corkTimer: Timer | undefined
  #busy = false

  constructor(connection: Connection, direction: Direction, sink: (bytes: Buffer) => void) {
    this.#connection = connection
    this.#direction = direction
    this.#sink = sink
  }

  /** Whether bytes are still held back. */
  get waiting(): boolean {
    return this.#queue.length > 0 || this.#timer !== undefined || this.#waitsForPromise || (this.#corked?.length ?? 0) > 0
  }

  /** Takes bytes, asks the hook what becomes of them. */
  push(bytes: Buffer): void {
    const { run } = this.#connection
    const plan = run.hooks.wire.call([ownStep({ raw: bytes })], this.#direction, this.#connection)
    const arrivedMs = run.clock.now()
    const complete = completePlan(plan)
    const author = authorOf(complete)
    for (const step of complete) this.#queue.push({ step, arrivedMs, author })
    // What gathers without an end does so to the end of its plan.
    if (complete.some((step) => 'cork' in step && step.cork && step.for === undefined)) this.#queue.push({ step: uncork, arrivedMs, author })
    this.#go()
  }

  /** Calls `then` when nothing is held back any more. */
  whenIdle(then: () => void): void {
    if (this.waiting) this.#idle.push(then)
    else then()
  }

  /** Drops what is held back. */
  cancel(): void {
    this.#queue = []
    this.#idle = []
    this.#timer?.cancel()
    this.#timer = undefined
    this.#corked = undefined
    this.#corkTimer?.cancel()
    this.#corkTimer = undefined
  }

  #go(): void {
    if (this.#busy || this.#timer !== undefined || this.#waitsForPromise) return
    this.#busy = true
    for (let head = this.#queue.shift(); head !== undefined; head = this.#queue.shift()) if (!this.#act(head)) break
    this.#busy = false
    this.#tellIdle()
  }

  #tellIdle(): void {
    if (this.waiting || this.#idle.length === 0) return
    const idle = this.#idle
    this.#idle = []
    for (const then of idle) then()
  }

  /** Returns false where what follows has to wait. */
  #act({ step, arrivedMs, author }: Queued): boolean {
    const { run } = this.#connection
    if ('raw' in step) this.#give(step.raw)
    else if ('packet' in step) {
      const bytes = this.#encode(step.packet, author)
      if (bytes !== undefined) this.#give(bytes)
    } else if ('close' in step) {
      this.#uncork()
      // The other half goes on, and so does what is on its way to it.
      if (step.close !== 'half') this.cancel()
      this.#connection.close(step.close, { reason: 'a plan closed it' })
      return step.close === 'half'
    } else if ('wait' in step) return step.wait <= 0 || this.#hold(step.wait)
    else if ('latency' in step) {
      const leftMs = arrivedMs + step.latency - run.clock.now()
      return leftMs <= 0 || this.#hold(leftMs)
    } else if ('cork' in step) {
      if (step.cork) this.#cork(step.for)
      else this.#uncork()
    } else if ('stall' in step) {
      this.#uncork()
      this.#connection.stallAs(step)
    } else if ('frame' in step) {
      this.#uncork()
      if (this.#direction === 'out') this.#connection.outbox.frame(step)
      else this.#sink(step.data)
    } else if ('until' in step) {
      const go = () => {
        this.#waitsForPromise = false
        this.#go()
      }
      this.#waitsForPromise = true
      if (typeof step.until === 'string') this.#connection.lanes.onSignal(step.until, go)
      else (typeof step.until === 'function' ? Promise.resolve().then(step.until) : step.until).then(go, go)
      return false
    }
    return true
  }

  #give(bytes: Buffer): void {
    if (this.#corked === undefined) this.#sink(bytes)
    else this.#corked.push(bytes)
  }

  /** Gathers what follows; where that is done already, it ends when it would have ended. */
  #cork(forMs: number | undefined): void {
    if (this.#corked !== undefined) return
    this.#corked = []
    if (forMs === undefined) return
    this.#corkTimer = this.#connection.run.arm(
      'plan',
      forMs,
      () => {
        this.#uncork()
        this.#tellIdle()
      },
      this.#connection,
    )
  }

  #uncork(): void {
    const parts = this.#corked
    this.#corked = undefined
    this.#corkTimer?.cancel()
    this.#corkTimer = undefined
    if (parts !== undefined && parts.length > 0) this.#sink(Buffer.concat(parts))
  }

  #encode(packet: Packet, author: PlanAuthor | undefined): Buffer | undefined {
    try {
      return this.#connection.encode(packet)
    } catch (error) {
      if (author === undefined) throw error
      this.#connection.run.planFailed(author, error, this.#connection)
      return undefined
    }
  }

  #hold(delayMs: number): false {
    this.#timer = this.#connection.run.arm(
      'plan',
      delayMs,
      () => {
        this.#timer = undefined
        this.#go()
      },
      this.#connection,
    )
    return false
  }
}
