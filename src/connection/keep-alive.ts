/** Ends a connection whose client is silent for one and a half times its keep-alive [MQTT-3.1.2-22]. */
import type { Timer } from '../clock.ts'
import type { Run } from '../run/run.ts'
import type { Connection } from './connection.ts'

/** The deadline of one connection. Armed again only when it fires: a packet costs it nothing. */
export class KeepAlive {
  readonly #run: Run
  readonly #connection: Connection
  #timer: Timer | undefined
  /** What the client had taken of its answers when it was last looked at, in bytes. */
  #taken = 0

  constructor(run: Run, connection: Connection) {
    this.#run = run
    this.#connection = connection
  }

  /** Begins with the keep-alive of CONNECT or of the server, in seconds; 0 is off. A plugin may choose another deadline. */
  start(seconds: number): void {
    this.stop()
    const limitMs = seconds * 1000 * this.#run.settings.keepAliveFactor
    if (limitMs > 0) this.#timer = this.#run.arm('keepalive', limitMs, (chosenMs) => this.#check(chosenMs), this.#connection)
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #check(limitMs: number): void {
    const silentMs = this.#run.clock.now() - this.#connection.lastReceivedMs
    const leftMs = silentMs < limitMs ? limitMs - silentMs : this.#isHeard() ? 0 : limitMs
    if (leftMs > 0) this.#timer = this.#run.arm('keepalive', leftMs, () => this.#check(limitMs), this.#connection, true)
    else this.#connection.violate('keepalive-timeout', { detail: `${Math.round(silentMs)} ms` })
  }

  /** Whether silence is the client's: what it says is not read while too much waits, either for the server or for the client. */
  #isHeard(): boolean {
    const { bytesOut, inbox, outbox } = this.#connection
    const taken = bytesOut - outbox.unsent
    const takesSomething = outbox.congested && taken !== this.#taken
    this.#taken = taken
    return !inbox.turns.backlogged && !takesSomething
  }
}
