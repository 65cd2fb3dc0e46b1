/**
 * Chunks in, whole packets out, as bytes: the cut stands here, so that each packet keeps its own bytes and its header,
 * and so that decode never sees past the end of a packet.
 *
 *   | type+flags | remaining length, 1 to 4 bytes | body ... |
 *   0            1                                bodyOffset  bytes.length
 */
import { Malformed } from './malformed.ts'

/** One packet as it stood on the wire. */
export interface Frame {
  /** The whole packet, fixed header included. */
  readonly bytes: Buffer
  /** Packet type, 0 to 15. */
  readonly type: number
  /** The lower four bits of the first byte. */
  readonly flags: number
  /** Where the variable header starts. */
  readonly bodyOffset: number
}

/** Largest packet that the protocol can express, in bytes, fixed header included. */
export const largestPacket = 268_435_455 + 5

/** Nothing is held; never written to, since every packet that begins brings a list of its own. */
const none: Buffer[] = []

/** Cuts one direction of one connection into packets. Holds only what it was given: a large length reserves nothing. */
export class FrameReader {
  #parts: Buffer[] = none
  #held = 0
  /** Length of the packet that has begun, 0 while its header is incomplete. */
  #wanted = 0
  /** The smallest of the limits: what is not larger is allowed, whatever its type. */
  #limit: number
  /** Limits by packet type, once one of them differs from the others. */
  #limits: number[] | undefined
  #broken = false
  #unread: Buffer = Buffer.alloc(0)

  constructor(limit: number = largestPacket) {
    this.#limit = limit
  }

  /** Bytes of a packet that has begun and is not complete. */
  get held(): number {
    return this.#held
  }

  /** What stood behind the packet at which `sink` returned false. */
  get unread(): Buffer {
    return this.#unread
  }

  /** The bytes of the packet that has begun. */
  rest(): Buffer {
    return this.#parts.length === 1 ? (this.#parts[0] ?? Buffer.alloc(0)) : Buffer.concat(this.#parts)
  }

  /**
   * Takes the next chunk and hands each packet that it completes to `sink`, in order, until `sink` returns false.
   * Returns what is wrong when the framing itself is; the reader takes nothing more after that.
   */
  push(chunk: Buffer, sink: (frame: Frame) => boolean): Malformed | undefined {
    if (this.#broken) return undefined
    if (this.#held === 0) return this.#cut(chunk, sink)
    if (this.#wanted === 0) return this.#cut(this.#joined(chunk), sink)
    const missing = this.#wanted - this.#held
    if (chunk.length < missing) {
      this.#parts.push(chunk)
      this.#held += chunk.length
      return undefined
    }
    // The packet that has begun is joined alone; what follows it stays where it is, uncopied.
    if (chunk.length === missing) return this.#cut(this.#joined(chunk), sink)
    let goesOn = true
    const problem = this.#cut(this.#joined(chunk.subarray(0, missing)), (frame) => {
      goesOn = sink(frame)
      return goesOn
    })
    if (!goesOn) this.#unread = chunk.subarray(missing)
    return goesOn && problem === undefined ? this.#cut(chunk.subarray(missing), sink) : problem
  }

  /** What is held and what follows it, in one piece; nothing is held any more. */
  #joined(next: Buffer): Buffer {
    this.#parts.push(next)
    const bytes = Buffer.concat(this.#parts, this.#held + next.length)
    this.#parts = none
    this.#held = 0
    this.#wanted = 0
    return bytes
  }

  #cut(bytes: Buffer, sink: (frame: Frame) => boolean): Malformed | undefined {
    let start = 0
    const end = bytes.length
    while (start < end) {
      let length = 0
      let index = start + 1
      let shift = 1
      let complete = false
      while (index < end) {
        const byte = bytes[index++] ?? 0
        length += (byte & 127) * shift
        if (byte < 128) {
          complete = true
          break
        }
        if (index - start > 4) {
          this.#broken = true
          this.#keep(bytes.subarray(start), 0)
          return new Malformed('remaining-length-malformed', 1)
        }
        shift *= 128
      }
      if (!complete) {
        this.#keep(start === 0 ? bytes : bytes.subarray(start), 0)
        return undefined
      }
      const stop = index + length
      if (stop - start > this.#limit && stop - start > this.#limitOf((bytes[start] ?? 0) >> 4)) {
        const limit = this.#limitOf((bytes[start] ?? 0) >> 4)
        this.#broken = true
        this.#keep(bytes.subarray(start), 0)
        return new Malformed('packet-too-large', 1, `${stop - start} bytes, allowed are ${limit}`)
      }
      if (stop > end) {
        this.#keep(start === 0 ? bytes : bytes.subarray(start), stop - start)
        return undefined
      }
      const first = bytes[start] ?? 0
      const whole = start === 0 && stop === end ? bytes : bytes.subarray(start, stop)
      start = stop
      const go = sink({ bytes: whole, type: first >> 4, flags: first & 15, bodyOffset: whole.length - length })
      if (!go) {
        this.#unread = bytes.subarray(start)
        return undefined
      }
    }
    return undefined
  }

  /** Drops what it holds and takes no more. */
  close(): void {
    this.#broken = true
    this.#parts = none
    this.#held = 0
  }

  /** Changes the largest packet allowed, from the next packet on. In bytes. */
  set limit(bytes: number) {
    this.#limit = bytes
    this.#limits = undefined
  }

  /** The same for packets of one type, 0 to 15. */
  limitType(type: number, bytes: number): void {
    this.#limits ??= Array.from({ length: 16 }, () => this.#limit)
    this.#limits[type] = bytes
    this.#limit = Math.min(...this.#limits)
  }

  #limitOf(type: number): number {
    return this.#limits?.[type] ?? this.#limit
  }

  #keep(rest: Buffer, wanted: number) {
    this.#parts = [rest]
    this.#held = rest.length
    this.#wanted = wanted
  }
}
