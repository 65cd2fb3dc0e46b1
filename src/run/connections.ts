/** The connections of one server: those that are open, those that ended lately, and transports on their way out. */
import { deadline } from '../clock.ts'
import type { Connection } from '../connection/connection.ts'
import { connectionsKept } from '../record/report.ts'

/** How long a stop waits for bytes that clients do not take, in milliseconds of real time. */
const patienceMs = 500

/** Every connection of a server, by number. */
export class Connections {
  readonly #open = new Map<number, Connection>()
  readonly #transports = new Set<Connection>()
  #ended: Connection[] = []
  #whenEmpty: (() => void) | undefined
  /** Connections that were accepted; the number of the next. */
  accepted = 0

  /** Connections that are open. */
  get open(): Iterable<Connection> {
    return this.#open.values()
  }

  get openCount(): number {
    return this.#open.size
  }

  /** Connections that are open, and the last that ended, by number. */
  all(): Connection[] {
    return [...this.#ended, ...this.#open.values()].sort((one, two) => one.number - two.number)
  }

  get(number: number): Connection | undefined {
    return this.#open.get(number) ?? this.#ended.find((connection) => connection.number === number)
  }

  add(connection: Connection): void {
    this.#open.set(connection.number, connection)
    this.#transports.add(connection)
  }

  /** A connection ended; it is kept for a while. */
  closed(connection: Connection): void {
    this.#open.delete(connection.number)
    this.#ended.push(connection)
    if (this.#ended.length > connectionsKept * 1.1) this.#ended = this.#ended.slice(-connectionsKept)
  }

  /** The transport of a connection is gone. */
  transportClosed(connection: Connection): void {
    this.#transports.delete(connection)
    if (this.#transports.size === 0) this.#whenEmpty?.()
  }

  /** Forgets those that ended, and counts from 0 again. */
  restart(): void {
    this.#ended = []
    this.accepted = 0
  }

  /** Ends all transports: in order where the client takes what was written, at once where it does not. */
  async letGo(): Promise<void> {
    // Nor does a last packet that a plan keeps back keep the server.
    for (const connection of [...this.#open.values()]) connection.close('fin', { reason: 'the server stopped', reasonCode: 0x8b })
    for (const connection of this.#transports) connection.transport.finish()
    if (this.#transports.size === 0) return
    await new Promise<void>((resolve) => {
      const finish = () => {
        limit.cancel()
        this.#whenEmpty = undefined
        for (const connection of [...this.#transports]) connection.release()
        resolve()
      }
      const limit = deadline(patienceMs, finish)
      this.#whenEmpty = finish
    })
  }
}
