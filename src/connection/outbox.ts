/** What leaves a connection: one buffer per tick, through the `wire` hook, to the transport; or held back while it stalls. */
import type { Connection } from './connection.ts'
import { WireLane } from './wire-lane.ts'

/** Unsent bytes at which reading pauses: a client that does not read its answers gets no more of them. */
const highWater = 1024 * 1024

/** The way out of one connection. */
export class Outbox {
  readonly #connection: Connection
  #line: Buffer[] = []
  #bytes = 0
  #stalled = false
  #congested = false
  #lane: WireLane | undefined

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** Whether more is unsent than a client should leave; reading pauses meanwhile. */
  get congested(): boolean {
    return this.#congested
  }

  get stalled(): boolean {
    return this.#stalled
  }

  /** Bytes that the client has not taken yet. */
  get unsent(): number {
    return this.#bytes + this.#connection.transport.buffered
  }

  /** Whether a plugin holds bytes back. */
  get waiting(): boolean {
    return this.#lane?.waiting === true
  }

  /** Puts bytes in line; they are written when the present work is done. */
  put(bytes: Buffer): void {
    this.#bytes += bytes.length
    if (this.#line.push(bytes) === 1) this.#connection.run.flushSoon(this.#connection)
  }

  /** Writes what is in line, in one write. */
  flush(): void {
    const { length } = this.#line
    if (length === 0 || this.#stalled) return
    const bytes = length === 1 ? (this.#line[0] ?? Buffer.alloc(0)) : Buffer.concat(this.#line, this.#bytes)
    this.#line = []
    this.#bytes = 0
    if (this.#lane !== undefined || this.#connection.run.hooks.wire.isUsed()) {
      this.#lane ??= new WireLane(this.#connection, 'out', (chunk) => this.#write(chunk))
      this.#lane.push(bytes)
    } else this.#write(bytes)
  }

  /** Writes bytes in a write of their own, after what is in line. */
  writeTogether(bytes: Buffer): void {
    this.flush()
    this.put(bytes)
    this.flush()
  }

  /** The transport has sent what it had; true where reading may go on. */
  drained(): boolean {
    const was = this.#congested
    this.#congested = false
    return was
  }

  stall(): void {
    this.#stalled = true
  }

  /** Ends a stall: what was held back is written. */
  resume(): void {
    this.#stalled = false
    this.flush()
  }

  /** Calls `then` when no plugin holds bytes back any more. */
  whenIdle(then: () => void): void {
    if (this.#lane === undefined) then()
    else this.#lane.whenIdle(then)
  }

  /** Drops what a plugin holds back. */
  cancel(): void {
    this.#lane?.cancel()
  }

  #write(bytes: Buffer): void {
    const { transport } = this.#connection
    if (this.#stalled) {
      this.#line.push(bytes)
      this.#bytes += bytes.length
      return
    }
    transport.write(bytes)
    if (!this.#congested && transport.buffered > highWater) {
      this.#congested = true
      this.#connection.updateReading()
    }
  }
}
