/** Sessions by client id: open, resume, take over, expire. */
import type { Run } from '../run/run.ts'
import type { Router } from './router.ts'
import { Session } from './session.ts'

/** Every session of a server. */
export class Sessions {
  readonly #run: Run
  readonly #router: Router
  readonly #sessions = new Map<string, Session>()
  #ended: ((session: Session) => void) | undefined

  constructor(run: Run, router: Router) {
    this.#run = run
    this.#router = router
  }

  /** Names who is told when a session ends: the wills that wait for it. */
  onEnd(ended: (session: Session) => void): void {
    this.#ended = ended
  }

  get(clientId: string): Session | undefined {
    return this.#sessions.get(clientId)
  }

  get size(): number {
    return this.#sessions.size
  }

  all(): Session[] {
    return [...this.#sessions.values()]
  }

  /** A fresh session; what was kept under that id is gone [MQTT-3.1.2-4]. */
  create(clientId: string): Session {
    const old = this.#sessions.get(clientId)
    if (old !== undefined) this.end(old)
    const session = new Session(clientId, this.#run)
    this.#sessions.set(clientId, session)
    return session
  }

  /** Ends a session: its subscriptions and messages are gone. */
  end(session: Session): void {
    session.expiryTimer?.cancel()
    session.expiryTimer = undefined
    this.#router.removeAll(session)
    session.forgetMessages()
    // One that was parted from its client id leaves the will of the other alone.
    if (!this.#holds(session)) return
    this.#sessions.delete(session.clientId)
    this.#ended?.(session)
  }

  /** Takes the session off its client id: it stays with its connection, and ends with it. */
  part(clientId: string): void {
    this.#sessions.delete(clientId)
  }

  /** Whether the session is the one that its client id finds. */
  #holds(session: Session): boolean {
    return this.#sessions.get(session.clientId) === session
  }

  /** The connection of a session is gone: it lives on for its expiry interval [MQTT-3.1.2-23]. */
  release(session: Session): void {
    session.detach()
    if (session.expiryMs <= 0 || !this.#holds(session)) {
      this.end(session)
      return
    }
    if (session.expiryMs === Number.POSITIVE_INFINITY) return
    session.expiryTimer = this.#run.arm('session-expiry', session.expiryMs, () => this.end(session))
  }

  /** Forgets all of them, without a will. */
  clear(): void {
    this.#ended = undefined
    for (const session of [...this.#sessions.values()]) this.end(session)
  }
}
