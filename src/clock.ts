/**
 * Time. The only timers in the code stand here, so that a test can own the server's time.
 *
 * The timer functions are captured when this file is imported: a test that fakes its own timers later does not stop
 * the server. `clock: 'virtual'` gives a clock that moves only when told to; `clock: globalThis` follows fakes on purpose.
 */
import { performance } from 'node:perf_hooks'
import { type Duration, parseDuration } from './duration.ts'
import { MqttestError } from './errors.ts'

/** A running timer. `cancel()` may be called at any time, any number of times. */
export interface Timer {
  cancel(): void
}

/** What the server and its plugins know of time. All times are in milliseconds. */
export interface Clock {
  /** Monotonic time in milliseconds; only differences mean anything. */
  now(): number
  /** Wall clock time in milliseconds since 1970. Moves with `advance` on a virtual clock. */
  wallTime(): number
  /** Calls `action` once, `delayMs` from now. 0 still waits for the next turn of the clock. */
  after(delayMs: number, action: () => void): Timer
}

/** A clock that a test moves by hand: `clock: 'virtual'`. */
export interface VirtualClock extends Clock {
  /** Moves time forward, fires every timer that falls due, in order, and lets the consequences settle in between. */
  advance(by: Duration): Promise<void>
  /** How many timers wait. Zero at rest means that nothing was left behind. */
  readonly pending: number
}

/** An object with timer functions, such as `globalThis` while a test runner fakes its timers. */
export interface TimerHost {
  setTimeout(action: () => void, delayMs: number): unknown
  clearTimeout(handle: unknown): void
  Date: { now(): number }
}

const captured = {
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setImmediate: globalThis.setImmediate,
  performanceNow: performance.now.bind(performance),
  dateNow: Date.now,
}

/** Longest delay that the host's timers take; longer waits are armed again. */
const longestDelayMs = 2 ** 31 - 1

/** The time of this machine, kept out of reach of fake timers. Its timers do not keep a process alive. */
const realClock: Clock = {
  now: captured.performanceNow,
  wallTime: () => captured.dateNow(),
  after(delayMs, action) {
    let handle: ReturnType<typeof setTimeout>
    const arm = (leftMs: number) => {
      const stepMs = Math.min(leftMs, longestDelayMs)
      handle = captured.setTimeout(() => (leftMs > stepMs ? arm(leftMs - stepMs) : action()), stepMs)
      handle.unref()
    }
    arm(Math.max(0, delayMs))
    return { cancel: () => captured.clearTimeout(handle) }
  },
}

/**
 * Calls back after a stretch of real time that no virtual clock or fake timer can stop; keeps the process alive.
 * For the deadlines of waits (`within`), which guard a test against hanging.
 */
export function deadline(delayMs: number, action: () => void): Timer {
  const handle = captured.setTimeout(action, Math.min(delayMs, longestDelayMs))
  return { cancel: () => captured.clearTimeout(handle) }
}

/** Calls back when the event loop has read what is there to be read now. */
export function endOfTurn(action: () => void): void {
  captured.setImmediate(action)
}

/** Resolves when what the event loop has at hand is done. */
export function turn(): Promise<void> {
  return new Promise((resolve) => captured.setImmediate(resolve))
}

class ManualClock implements VirtualClock {
  #nowMs = 0
  #serial = 0
  readonly #startedAt: number
  readonly #timers = new Map<number, { dueMs: number; action: () => void }>()

  constructor(startWallTimeMs: number) {
    this.#startedAt = startWallTimeMs
  }

  get pending() {
    return this.#timers.size
  }

  now() {
    return this.#nowMs
  }

  wallTime() {
    return this.#startedAt + this.#nowMs
  }

  after(delayMs: number, action: () => void): Timer {
    const id = this.#serial++
    this.#timers.set(id, { dueMs: this.#nowMs + Math.max(0, delayMs), action })
    return { cancel: () => this.#timers.delete(id) }
  }

  async advance(by: Duration) {
    const goalMs = this.#nowMs + parseDuration(by)
    await settle()
    for (let next = this.#firstDue(goalMs); next !== undefined; next = this.#firstDue(goalMs)) {
      const timer = this.#timers.get(next)
      this.#timers.delete(next)
      if (timer === undefined) continue
      this.#nowMs = Math.max(this.#nowMs, timer.dueMs)
      timer.action()
      await settle()
    }
    this.#nowMs = goalMs
    await settle()
  }

  #firstDue(goalMs: number): number | undefined {
    let best: number | undefined
    let bestDueMs = goalMs
    for (const [id, timer] of this.#timers)
      if (timer.dueMs < bestDueMs || (timer.dueMs === bestDueMs && best === undefined)) {
        best = id
        bestDueMs = timer.dueMs
      }
    return best
  }
}

/** A few turns of the event loop: enough for promise chains, and for bytes on in-memory pairs, to come to rest. */
async function settle() {
  for (let turns = 0; turns < 3; turns++) await turn()
}

/** A clock that stands still until `advance` is called. */
export function virtualClock(startWallTimeMs = 0): VirtualClock {
  return new ManualClock(startWallTimeMs)
}

/** A clock that reads another object's timer functions at each call, for `clock: globalThis` under fake timers. */
function followingClock(host: TimerHost): Clock {
  return {
    now: () => host.Date.now(),
    wallTime: () => host.Date.now(),
    after(delayMs, action) {
      const handle = host.setTimeout(action, delayMs)
      return { cancel: () => host.clearTimeout(handle) }
    },
  }
}

/** What the option `clock` takes. */
export type ClockOption = 'real' | 'virtual' | Clock | TimerHost

/** Turns the option `clock` into a clock. Throws MQTTEST_OPTION for anything else. */
export function chooseClock(option: ClockOption = 'real'): Clock {
  if (option === 'real') return realClock
  if (option === 'virtual') return virtualClock()
  if (typeof option === 'object' && option !== null) {
    if ('after' in option) return option
    if ('setTimeout' in option) return followingClock(option)
  }
  throw new MqttestError('MQTTEST_OPTION', `option 'clock': expected 'real', 'virtual', a clock or an object with timer functions, got ${String(option)}`)
}

/** Whether a clock is one that `advance` moves. */
export function isVirtual(clock: Clock): clock is VirtualClock {
  return 'advance' in clock
}
