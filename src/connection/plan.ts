/**
 * The plan executor: carries out the steps of a plan on one connection. Each plan runs in a lane of its own, so delayed
 * answers overlap; `{ wait, block: true }` holds back everything else that leaves the connection. When the connection ends,
 * what was still waiting is dropped.
 */
import { andThen, type Soon } from '../hooks/call-hook.ts'
import { authorOf, type CloseHow, type Plan, type Step, type UntilStep } from '../steps.ts'
import type { Packet } from '../wire/packet.ts'
import type { Cause } from './cause.ts'
import type { Connection } from './connection.ts'
import type { Lanes } from './lanes.ts'

/** The bytes of a step that the core made, so that they are not made again where no plugin touched it. */
export interface KnownBytes {
  readonly step: Step
  readonly bytes: Buffer
}

/** What a plan is given on its way. */
export interface PlanOptions {
  readonly known?: KnownBytes | undefined
  /** Called when the plan is done, or dropped; just before it closes the connection, with the way in which it does. */
  readonly done?: ((closes?: CloseHow) => void) | undefined
  /** Called where a packet of it cannot be encoded; by default that is the failure of the plugin that made the plan. */
  readonly failed?: ((error: unknown) => void) | undefined
  /** Lets the broker handle the packet that the plan answers. */
  readonly pass?: (() => Soon<void>) | undefined
}

/** One plan under way. */
export class PlanLane {
  readonly #connection: Connection
  readonly #lanes: Lanes
  readonly #plan: Plan
  readonly #cause: Cause
  readonly #known: KnownBytes | undefined
  readonly #done: ((closes?: CloseHow) => void) | undefined
  readonly #failed: ((error: unknown) => void) | undefined
  #pass: (() => Soon<void>) | undefined
  #next = 0
  #corked: { readonly bytes: Buffer; readonly packet: Packet | undefined }[] | undefined
  #blocking = false
  #over = false

  constructor(connection: Connection, lanes: Lanes, plan: Plan, cause: Cause, options: PlanOptions = {}) {
    this.#connection = connection
    this.#lanes = lanes
    this.#plan = plan
    this.#cause = cause
    this.#known = options.known
    this.#done = options.done
    this.#failed = options.failed
    this.#pass = options.pass
  }

  /** Whether nothing of it is left to do. */
  get over(): boolean {
    return this.#over
  }

  /** The packet that it answers. */
  get answers(): Packet | undefined {
    return this.#cause.packet
  }

  /** Carries out steps until one has to wait. */
  go(): void {
    while (!this.#over) {
      const step = this.#plan[this.#next++]
      if (step === undefined) {
        this.#end()
        return
      }
      if ('packet' in step && step !== this.#known?.step) {
        const bytes = this.#encode(step.packet)
        if (bytes === undefined) return
        this.#emit(bytes, step.packet)
      } else if (!this.#act(step)) return
    }
  }

  /** The bytes of a packet; where there are none, the plan ends, and its author hears of it. */
  #encode(packet: Packet): Buffer | undefined {
    try {
      return this.#connection.encode(packet)
    } catch (error) {
      this.#fail(error)
      return undefined
    }
  }

  /** The plan cannot go on: it ends, and its author hears of it. */
  #fail(error: unknown): void {
    const author = authorOf(this.#plan)
    if (this.#failed === undefined && author === undefined) throw error
    this.#failed?.(error)
    this.cancel()
    if (this.#failed === undefined && author !== undefined) this.#connection.run.planFailed(author, error, this.#connection)
  }

  /** Drops what is left. */
  cancel(): void {
    if (this.#over) return
    this.#over = true
    this.#lanes.drop(this)
    this.#lanes.ended(this)
    this.#done?.()
  }

  /** Returns false where the lane has to wait. */
  #act(step: Step): boolean {
    if ('packet' in step) {
      if (this.#known !== undefined) this.#emit(this.#known.bytes, step.packet)
      return true
    }
    if ('raw' in step) {
      this.#emit(step.raw, undefined)
      return true
    }
    if ('wait' in step) return step.wait <= 0 || this.#wait(step.wait, step.block === true)
    if ('until' in step) return this.#until(step.until)
    if ('pass' in step) return this.#handOver()
    if ('cork' in step) {
      if (step.cork) this.#corked ??= []
      else this.#uncork()
      return true
    }
    if ('close' in step) {
      this.#uncork()
      this.#over = true
      this.#lanes.ended(this)
      this.#done?.(step.close)
      this.#connection.close(step.close, { reason: 'a plan closed it' })
      return false
    }
    if ('stall' in step) {
      this.#uncork()
      this.#connection.stallAs(step)
      return true
    }
    if ('frame' in step) {
      this.#uncork()
      this.#connection.outbox.flush()
      this.#connection.outbox.frame(step)
      return true
    }
    // Latency has a meaning on the wire only; in a plan of packets it is a wait.
    return this.#wait(step.latency, false)
  }

  #emit(bytes: Buffer, packet: Packet | undefined): void {
    if (this.#corked !== undefined) this.#corked.push({ bytes, packet })
    else {
      this.#connection.transmit(bytes, this.#cause, this.#blocking ? this : undefined)
      if (packet?.cmd === 'connack') this.#lanes.signal('connack')
    }
  }

  #uncork(): void {
    const parts = this.#corked
    this.#corked = undefined
    if (parts === undefined || parts.length === 0) return
    const bytes = parts.map((part) => part.bytes)
    this.#connection.transmitTogether(bytes, this.#cause, this.#blocking ? this : undefined)
    if (parts.some(({ packet }) => packet?.cmd === 'connack')) this.#lanes.signal('connack')
  }

  #wait(delayMs: number, block: boolean): false {
    if (block) {
      this.#blocking = true
      this.#lanes.block(this)
    }
    this.#lanes.keep(this)
    if (!this.#over) this.#lanes.wake(this, delayMs)
    return false
  }

  #until(given: UntilStep['until']): boolean {
    const condition = typeof given === 'function' ? this.#call(given) : given
    // The call may have ended the connection, and this plan with it.
    if (this.#over) return false
    if (condition === undefined) return true
    this.#lanes.keep(this)
    const go = () => this.resume()
    if (typeof condition === 'string') this.#lanes.onSignal(condition, go)
    else condition.then(go, go)
    return false
  }

  /** Calls a function of the plan; returns the promise that it returns, if it does. */
  #call(action: () => unknown): PromiseLike<unknown> | undefined {
    // So that the plan ends with the connection, should the call end it.
    this.#lanes.keep(this)
    try {
      const result = action()
      this.#lanes.forget(this)
      return isThenable(result) ? result : undefined
    } catch (error) {
      this.#fail(error)
      return undefined
    }
  }

  /** The broker handles the packet; the plan goes on when its answer has left, however long other plans keep it. */
  #handOver(): boolean {
    const { packet } = this.#cause
    const pass = this.#pass
    this.#pass = undefined
    if (pass === undefined || packet === undefined) return true
    const answered = () => this.#lanes.whenAnswered(packet, this, () => this.resume())
    const handled = andThen(pass(), answered)
    if (handled === true) return true
    this.#lanes.keep(this)
    if (handled instanceof Promise)
      void handled.then(
        (now) => now && this.resume(),
        () => this.cancel(),
      )
    return false
  }

  /** Goes on after a wait. */
  resume(): void {
    if (this.#over) return
    this.#lanes.forget(this)
    this.go()
  }

  #end(): void {
    this.#over = true
    this.#uncork()
    if (this.#blocking) this.#lanes.unblock(this)
    this.#lanes.ended(this)
    this.#done?.()
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
