/** The core's timers: the `timer` hook has its say before each is armed, and none outlives the server. */
import type { Clock, Timer } from '../clock.ts'
import type { Connection } from '../connection/connection.ts'
import type { TimerKind } from '../connection/lifecycle.ts'
import type { Hooks } from '../hooks/hooks.ts'

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

  /**
   * Arms a timer; undefined where a plugin decided that it never fires. The action is told after how long it was meant to
   * fire. What goes on with a timer that was armed before (`again`) is not asked for a second time.
   */
  arm(kind: TimerKind, delayMs: number, action: (chosenMs: number) => void, connection?: Connection, again = false): Timer | undefined {
    let chosenMs: number | null = delayMs
    // The steps of plans are not asked for: who wants another wait changes the plan.
    if (kind !== 'plan' && !again && this.#hooks.timer.isUsed()) chosenMs = this.#hooks.timer.call(delayMs, { kind }, connection)
    if (chosenMs === null || chosenMs === Number.POSITIVE_INFINITY) return undefined
    const meantMs = chosenMs
    const inner = this.#clock.after(meantMs, () => {
      this.#running.delete(timer)
      action(meantMs)
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
