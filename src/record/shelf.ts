/**
 * Where the journal keeps its records, oldest first.
 *
 * A packet takes a place in a few columns of plain values, not an object of its own: a hundred thousand small objects that
 * live for a while cost the garbage collector more than all the rest of the broker. Its record is made when somebody asks
 * for it, and stays the same object from then on.
 */
import { decode } from '../wire/decode.ts'
import { Malformed } from '../wire/malformed.ts'
import { type Command, commandByType, type Packet, type ProtocolVersion } from '../wire/packet.ts'
import { isSplit, type PacketBytes, SplitPacket, whole } from '../wire/split.ts'
import type { Direction, JournalRecord, PacketRecord } from './journal.ts'

/** When the run began, by both clocks. */
export interface Epoch {
  readonly startMs: number
  readonly startWallTime: number
}

const noFaults: readonly string[] = Object.freeze([])

/** A packet as it crossed the wire; decoded when `packet` is first read. */
class LazyPacketRecord implements PacketRecord {
  readonly type = 'packet'
  readonly serial: number
  readonly atMs: number
  readonly connection: number
  readonly direction: Direction
  readonly raw: Buffer
  readonly cause: string | undefined
  readonly faults: readonly string[]
  readonly #version: ProtocolVersion
  readonly #epoch: Epoch
  #packet: Packet | null | undefined

  constructor(
    serial: number,
    atMs: number,
    connection: number,
    direction: Direction,
    raw: Buffer,
    version: ProtocolVersion,
    cause: string | undefined,
    faults: readonly string[],
    epoch: Epoch,
  ) {
    this.serial = serial
    this.atMs = atMs
    this.connection = connection
    this.direction = direction
    this.raw = raw
    this.cause = cause
    this.faults = faults
    this.#version = version
    this.#epoch = epoch
  }

  get cmd(): Command | undefined {
    return commandByType[(this.raw[0] ?? 0) >> 4]
  }

  get wallTime(): number {
    return this.#epoch.startWallTime + this.atMs
  }

  get packet(): Packet | undefined {
    this.#packet ??= this.#decode() ?? null
    return this.#packet ?? undefined
  }

  #decode(): Packet | undefined {
    const { raw } = this
    let bodyOffset = 1
    while (bodyOffset < raw.length && bodyOffset < 5 && (raw[bodyOffset] ?? 0) > 127) bodyOffset++
    const first = raw[0] ?? 0
    const frame = { bytes: raw, type: first >> 4, flags: first & 15, bodyOffset: bodyOffset + 1 }
    const packet = decode(frame, this.#version, this.direction === 'in' ? 'client' : 'server')
    return packet instanceof Malformed ? undefined : packet
  }
}

const nothing = new ArrayBuffer(0)

/** The values of so many records. A place without a record is a packet that nobody has asked for. */
class Columns {
  readonly records: (JournalRecord | undefined)[]
  /** The memory that a packet lies in, or both of its pieces, which are joined when its record is made. */
  readonly memory: (ArrayBufferLike | SplitPacket)[]
  readonly causes: (string | undefined)[]
  readonly starts: Uint32Array
  readonly lengths: Uint32Array
  readonly times: Float64Array
  /** The number of the connection from bit 4 up, the version in bits 1 to 3, and in bit 0 whether the packet went out. */
  readonly tags: Uint32Array

  constructor(places: number) {
    this.records = new Array<JournalRecord | undefined>(places).fill(undefined)
    this.memory = new Array<ArrayBufferLike | SplitPacket>(places).fill(nothing)
    this.causes = new Array<string | undefined>(places).fill(undefined)
    this.starts = new Uint32Array(places)
    this.lengths = new Uint32Array(places)
    this.times = new Float64Array(places)
    this.tags = new Uint32Array(places)
  }

  take(place: number, from: Columns, fromPlace: number): void {
    this.records[place] = from.records[fromPlace]
    this.memory[place] = from.memory[fromPlace] ?? nothing
    this.causes[place] = from.causes[fromPlace]
    this.starts[place] = from.starts[fromPlace] ?? 0
    this.lengths[place] = from.lengths[fromPlace] ?? 0
    this.times[place] = from.times[fromPlace] ?? 0
    this.tags[place] = from.tags[fromPlace] ?? 0
  }
}

/** Records by serial number: a ring that doubles when it is full. */
export class Shelf {
  readonly #epoch: Epoch
  /** One less than the number of places, which is a power of two: the place of a record is `serial & mask`. */
  #mask = 63
  #columns = new Columns(64)
  #oldest = 0
  #next = 0

  constructor(epoch: Epoch) {
    this.#epoch = epoch
  }

  /** How many records are held. */
  get size(): number {
    return this.#next - this.#oldest
  }

  /** The serial number that the next record gets. */
  get next(): number {
    return this.#next
  }

  /** Keeps a record that is made already. */
  put(record: JournalRecord): void {
    const place = this.#newPlace()
    this.#columns.records[place] = record
    this.#columns.lengths[place] = 0
  }

  /** Keeps a packet; `faults` are the plugins that changed it. */
  putPacket(
    connection: number,
    direction: Direction,
    raw: PacketBytes,
    version: ProtocolVersion,
    atMs: number,
    cause: string | undefined,
    faults: readonly string[] | undefined,
  ): void {
    const place = this.#newPlace()
    const columns = this.#columns
    const inPieces = isSplit(raw)
    columns.memory[place] = inPieces ? raw : raw.buffer
    columns.causes[place] = cause
    columns.starts[place] = inPieces ? 0 : raw.byteOffset
    columns.lengths[place] = raw.length
    columns.times[place] = atMs
    columns.tags[place] = connection * 16 + version * 2 + (direction === 'out' ? 1 : 0)
    if (faults !== undefined && faults.length > 0)
      columns.records[place] = new LazyPacketRecord(this.#next - 1, atMs, connection, direction, whole(raw), version, cause, faults, this.#epoch)
  }

  /** The record with a serial number, while it is held. */
  at(serial: number): JournalRecord | undefined {
    if (serial < this.#oldest || serial >= this.#next) return undefined
    const place = serial & this.#mask
    this.#columns.records[place] ??= this.#make(serial, place)
    return this.#columns.records[place]
  }

  /** Lets the oldest record go. Returns how many bytes of packets that frees. */
  shift(): number {
    const place = this.#oldest++ & this.#mask
    this.#columns.records[place] = undefined
    this.#columns.memory[place] = nothing
    return this.#columns.lengths[place] ?? 0
  }

  /** Lets everything go; serial numbers go on. */
  clear(): void {
    this.#mask = 63
    this.#columns = new Columns(64)
    this.#oldest = this.#next
  }

  #newPlace(): number {
    if (this.size > this.#mask) this.#grow()
    return this.#next++ & this.#mask
  }

  #grow(): void {
    const mask = this.#mask * 2 + 1
    const columns = new Columns(mask + 1)
    for (let serial = this.#oldest; serial < this.#next; serial++) columns.take(serial & mask, this.#columns, serial & this.#mask)
    this.#mask = mask
    this.#columns = columns
  }

  #make(serial: number, place: number): PacketRecord {
    const { memory, starts, lengths, times, tags, causes } = this.#columns
    const tag = tags[place] ?? 0
    const kept = memory[place] ?? nothing
    const raw = kept instanceof SplitPacket ? kept.joined() : Buffer.from(kept, starts[place], lengths[place])
    const level = (tag >> 1) & 7
    const version = level === 5 ? 5 : level === 3 ? 3 : 4
    const direction = (tag & 1) === 1 ? 'out' : 'in'
    return new LazyPacketRecord(serial, times[place] ?? 0, tag >>> 4, direction, raw, version, causes[place], noFaults, this.#epoch)
  }
}
