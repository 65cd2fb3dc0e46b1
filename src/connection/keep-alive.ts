/** Ends a connection whose client is silent for one and a half times its keep-alive [MQTT-3.1.2-22]. */
import type { Timer } from '../clock.ts'
import type { Run } from '../run.ts'
import type { Connection } from './connection.ts'

/** The deadline of one connection. Armed again only when it fires: a packet costs it nothing. */
export class KeepAlive {
  readonly #run: Run
  readonly #connection: Connection
  #timer: Timer | undefined
  #limitMs = 0

  constructor(run: Run, connection: Connection) {
    this.#run = run
    this.#connection = connection
  }

  /** Begins with the keep-alive of CONNECT or of the server, in seconds; 0 is off. */
  start(seconds: number): void {
    this.stop()
    this.#limitMs = seconds * 1000 * this.#run.settings.keepAliveFactor
    if (this.#limitMs > 0) this.#arm(this.#limitMs)
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #arm(delayMs: number): void {
    this.#timer = this.#run.arm('keepalive', delayMs, () => this.#check(delayMs), this.#connection)
  }

  #check(delayMs: number): void {
    const silentMs = this.#run.clock.now() - this.#connection.lastReceivedMs
    // A plugin may have asked for another deadline than ours; then its own time counts.
    const limitMs = Math.min(delayMs, this.#limitMs)
    if (silentMs < limitMs) this.#arm(limitMs - silentMs)
    else this.#connection.violate('keepalive-timeout', { detail: `${Math.round(silentMs)} ms` })
  }
}
