/** Ends a connection whose client is silent for one and a half times its keep-alive [MQTT-3.1.2-22]. */
import type { Timer } from '../clock.ts'
import type { Run } from '../run.ts'
import type { Connection } from './connection.ts'

/** The deadline of one connection. Armed again only when it fires: a packet costs it nothing. */
export class KeepAlive {
  readonly #run: Run
  readonly #connection: Connection
  #timer: Timer | undefined

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
    if (silentMs < limitMs) this.#timer = this.#run.arm('keepalive', limitMs - silentMs, () => this.#check(limitMs), this.#connection, true)
    else this.#connection.violate('keepalive-timeout', { detail: `${Math.round(silentMs)} ms` })
  }
}
