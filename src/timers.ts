/** The core's timers: the `timer` hook has its say before each is armed, and none outlives the server. */
import type { Clock, Timer } from './clock.ts'
import type { Connection } from './connection/connection.ts'
import type { TimerKind } from './connection/lifecycle.ts'
import type { Hooks } from './hooks.ts'

/** Every timer of one server. */
export class Timers {
  readonly #clock: Clock
  readonly #hooks: Hooks
  readonly #running = new Set<Timer>()

  constructor(clock: Clock, hooks: Hooks) {
    this.#clock = clock
    this.#hooks = hooks
  }

  /** Timers that run. */
  get size(): number {
    return this.#running.size
  }

  /** Arms a timer; undefined where a plugin decided that it never fires. */
  arm(kind: TimerKind, delayMs: number, action: () => void, connection?: Connection): Timer | undefined {
    let chosenMs: number | null = delayMs
    // The steps of plans are not asked for: who wants another wait changes the plan.
    if (kind !== 'plan' && this.#hooks.timer.isUsed()) chosenMs = this.#hooks.timer.call(delayMs, { kind }, connection)
    if (chosenMs === null || chosenMs === Number.POSITIVE_INFINITY) return undefined
    const inner = this.#clock.after(chosenMs, () => {
      this.#running.delete(timer)
      action()
    })
    const timer: Timer = {
      cancel: () => {
        this.#running.delete(timer)
        inner.cancel()
      },
    }
    this.#running.add(timer)
    return timer
  }

  /** Ends all of them. */
  clear(): void {
    for (const timer of [...this.#running]) timer.cancel()
  }
}
