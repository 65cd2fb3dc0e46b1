/** What leaves a connection: one buffer per turn (see run/write-turns.ts), through the `wire` hook, to the transport; or held back while it stalls. */
import type { FrameStep } from '../steps.ts'
import { isSplit, type PacketBytes } from '../wire/split.ts'
import type { Connection } from './connection.ts'
import { WireLane } from './wire-lane.ts'

/** Unsent bytes at which reading pauses: a client that does not read its answers gets no more of them. */
const highWater = 1024 * 1024

/** Average size of pieces, in bytes, from which naming each of them to the system is cheaper than joining them. */
const worthNoCopy = 4096

/** The way out of one connection. */
export class Outbox {
  readonly #connection: Connection
  #line: Buffer[] = []
  #bytes = 0
  #stalled = false
  /** What has been through the `wire` hook and stands before a link that stalls. */
  #held: (Buffer | FrameStep)[] = []
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
  put(bytes: PacketBytes): void {
    if (this.#line.length === 0) this.#connection.run.writeTurns.soon(this)
    this.#bytes += bytes.length
    if (isSplit(bytes)) this.#line.push(bytes.head, bytes.payload)
    else this.#line.push(bytes)
  }

  /** Writes what is in line, in one write. */
  flush(): void {
    if (this.#line.length === 0 || this.#stalled) return
    const total = this.#bytes
    // Large payloads have no neighbours; looking for them costs as much as what it saves where there are some.
    const pieces = total / this.#line.length > worthNoCopy ? this.#line : withNeighboursJoined(this.#line)
    this.#line = []
    this.#bytes = 0
    const isTapped = this.#lane !== undefined || this.#connection.run.hookSet.tapsOf(this.#connection).wantsWire('out')
    if (!isTapped && pieces.length > 1 && total / pieces.length > worthNoCopy && this.#connection.transport.writeAll !== undefined) {
      this.#connection.transport.writeAll(pieces)
      this.#watch()
      return
    }
    // What a plugin may change in place must not be what is on record, or on its way to others.
    const bytes = pieces.length === 1 && !isTapped ? (pieces[0] ?? Buffer.alloc(0)) : Buffer.concat(pieces, total)
    if (isTapped) {
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
    const held = this.#held
    this.#held = []
    for (const one of held) {
      if ('frame' in one) this.frame(one)
      else {
        this.#bytes -= one.length
        this.#write(one)
      }
    }
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
      this.#held.push(bytes)
      this.#bytes += bytes.length
      return
    }
    transport.write(bytes)
    this.#watch()
  }

  /** Writes a frame of a WebSocket; what stands in it, where the carrier has no frames. */
  frame(step: FrameStep): void {
    const { transport } = this.#connection
    const { frame, data, code } = step
    if (transport.frame === undefined) {
      if (data.length > 0 && (frame === 'binary' || frame === 'text' || frame === 'fragment')) this.#write(data)
    } else if (this.#stalled) this.#held.push(step)
    else transport.frame(frame, data, code)
  }

  /** Reading pauses while the client does not take what is written. */
  #watch(): void {
    this.#connection.session?.written()
    if (this.#congested || this.#connection.transport.buffered <= highWater) return
    this.#congested = true
    this.#connection.updateReading()
  }
}

/** Pieces that lie side by side in memory become one, without a copy. Packets made in one tick mostly do: see wire/encode.ts. */
function withNeighboursJoined(pieces: readonly Buffer[]): readonly Buffer[] {
  if (pieces.length === 1) return pieces
  const runs: Buffer[] = []
  let memory: ArrayBufferLike | undefined
  let start = 0
  let end = 0
  for (const piece of pieces) {
    if (piece.buffer !== memory || piece.byteOffset !== end) {
      if (memory !== undefined) runs.push(Buffer.from(memory, start, end - start))
      memory = piece.buffer
      start = piece.byteOffset
      end = start
    }
    end += piece.length
  }
  if (memory !== undefined) runs.push(Buffer.from(memory, start, end - start))
  return runs
}
