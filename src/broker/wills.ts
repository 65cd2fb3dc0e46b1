/** Wills: what the server publishes when a client goes without saying goodbye (section 3.1.2.5). */
import type { Timer } from '../clock.ts'
import type { Connection } from '../connection/connection.ts'
import type { DisconnectInfo } from '../connection/lifecycle.ts'
import type { Run } from '../run/run.ts'
import type { Will } from '../wire/packet.ts'
import type { Session } from './session.ts'

/** What becomes of a will when its connection is gone; the `will` hook may change all of it. */
export interface WillPlan {
  /** The message. */
  readonly will: Will
  /** Whether it is published: not after a goodbye, unless the client asked for it [MQTT-3.14.4-3]. */
  readonly publish: boolean
  /** How long it waits, in milliseconds. */
  readonly delayMs: number
  /** Whether it waits all of that, whatever becomes of the session: a client that is back, or a session that ends, changes nothing then. */
  readonly firm: boolean
  /** How often it is published. */
  readonly copies: number
}

interface Pending {
  readonly plan: WillPlan
  readonly timer: Timer | undefined
}

/** The wills of clients that are gone and may come back. */
export class Wills {
  readonly #run: Run
  readonly #publish: (will: Will, clientId: string) => void
  readonly #pending = new Map<string, Pending>()
  /** Timers of wills that nothing stops any more. */
  readonly #firm = new Set<Timer>()

  constructor(run: Run, publish: (will: Will, clientId: string) => void) {
    this.#run = run
    this.#publish = publish
  }

  /** A connection is gone: decides on its will, if it has one, after the `will` hook had its say. */
  left(connection: Connection, session: Session, info: DisconnectInfo): void {
    const will = connection.connect?.will
    if (will === undefined) return
    const { hooks } = this.#run
    const publish = info.how !== 'disconnect' || (connection.version === 5 && info.reasonCode === 0x04) || (info.reasonCode ?? 0) >= 0x80
    let plan: WillPlan = { will, publish, delayMs: (will.properties?.willDelayInterval ?? 0) * 1000, firm: false, copies: 1 }
    if (hooks.will.isUsed()) plan = hooks.will.call(Object.freeze(plan), info, connection)
    if (plan.publish) this.#schedule(connection, plan, session)
  }

  /** Publishes now, or after the will delay, or when the session ends [MQTT-3.1.2-8]. */
  #schedule(connection: Connection, plan: WillPlan, session: Session): void {
    const { delayMs, firm } = plan
    const { clientId } = session
    const isOver = session.expiryMs === 0 || this.#run.broker().sessions.get(clientId) !== session
    if (delayMs === 0 || (isOver && !firm)) this.#publishAll(plan, clientId)
    else if (firm) {
      const timer = this.#run.arm(
        'will-delay',
        delayMs,
        () => {
          if (timer !== undefined) this.#firm.delete(timer)
          this.#publishAll(plan, clientId)
        },
        connection,
      )
      if (timer !== undefined) this.#firm.add(timer)
    } else if (session.connection === undefined) {
      // Not where the session has gone over to another connection already [MQTT-3.1.3-9].
      const timer = this.#run.arm('will-delay', delayMs, () => this.#due(clientId), connection)
      this.#pending.set(clientId, { plan, timer })
    }
  }

  #publishAll({ will, copies }: WillPlan, clientId: string): void {
    for (let copy = 0; copy < copies; copy++) this.#publish(will, clientId)
  }

  /** The client is back before its will was due: it is not published [MQTT-3.1.3-9]. */
  cancel(clientId: string): void {
    this.#pending.get(clientId)?.timer?.cancel()
    this.#pending.delete(clientId)
  }

  /** The session ended before the delay was over: the will is published with it. */
  sessionEnded(session: Session): void {
    if (this.#pending.has(session.clientId)) this.#due(session.clientId)
  }

  clear(): void {
    for (const { timer } of this.#pending.values()) timer?.cancel()
    this.#pending.clear()
    for (const timer of this.#firm) timer.cancel()
    this.#firm.clear()
  }

  #due(clientId: string): void {
    const pending = this.#pending.get(clientId)
    this.#pending.delete(clientId)
    pending?.timer?.cancel()
    if (pending !== undefined) this.#publishAll(pending.plan, clientId)
  }
}
