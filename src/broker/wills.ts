/** Wills: what the server publishes when a client goes without saying goodbye (section 3.1.2.5). */
import type { Timer } from '../clock.ts'
import type { Connection } from '../connection/connection.ts'
import type { Run } from '../run.ts'
import type { Will } from '../wire/packet.ts'
import type { Session } from './session.ts'

interface Pending {
  readonly will: Will
  readonly timer: Timer | undefined
}

/** The wills of clients that are gone and may come back. */
export class Wills {
  readonly #run: Run
  readonly #publish: (will: Will, clientId: string) => void
  readonly #pending = new Map<string, Pending>()

  constructor(run: Run, publish: (will: Will, clientId: string) => void) {
    this.#run = run
    this.#publish = publish
  }

  /** A connection with a will ended badly: publishes now, or after the will delay, or when the session ends [MQTT-3.1.2-8]. */
  schedule(connection: Connection, will: Will, session: Session): void {
    const delayMs = (will.properties?.willDelayInterval ?? 0) * 1000
    const { clientId } = session
    if (delayMs === 0 || session.expiryMs === 0) {
      this.#publish(will, clientId)
      return
    }
    const timer = this.#run.arm('will-delay', delayMs, () => this.#due(clientId), connection)
    this.#pending.set(clientId, { will, timer })
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
  }

  #due(clientId: string): void {
    const pending = this.#pending.get(clientId)
    this.#pending.delete(clientId)
    pending?.timer?.cancel()
    if (pending !== undefined) this.#publish(pending.will, clientId)
  }
}
