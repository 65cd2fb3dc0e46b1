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
import { headOf, isSplit, type PacketBytes, whole } from '../wire/split.ts'
import { Arena } from './arena.ts'
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
  /** The memory that a packet lies in; of one in two pieces, that of its head. */
  readonly memory: ArrayBufferLike[]
  /** The memory of a payload that lies elsewhere. The pieces are joined when the record is made. */
  readonly payloads: (ArrayBufferLike | undefined)[]
  readonly causes: (string | undefined)[]
  readonly starts: Uint32Array
  readonly payloadStarts: Uint32Array
  /** Of a packet in two pieces. */
  readonly headLengths: Uint32Array
  /** Of the whole packet. */
  readonly lengths: Uint32Array
  readonly times: Float64Array
  /** The number of the connection from bit 4 up, the version in bits 1 to 3, and in bit 0 whether the packet went out. */
  readonly tags: Uint32Array

  constructor(places: number) {
    this.records = new Array<JournalRecord | undefined>(places).fill(undefined)
    this.memory = new Array<ArrayBufferLike>(places).fill(nothing)
    this.payloads = new Array<ArrayBufferLike | undefined>(places).fill(undefined)
    this.causes = new Array<string | undefined>(places).fill(undefined)
    this.starts = new Uint32Array(places)
    this.payloadStarts = new Uint32Array(places)
    this.headLengths = new Uint32Array(places)
    this.lengths = new Uint32Array(places)
    this.times = new Float64Array(places)
    this.tags = new Uint32Array(places)
  }

  take(place: number, from: Columns, fromPlace: number): void {
    this.records[place] = from.records[fromPlace]
    this.memory[place] = from.memory[fromPlace] ?? nothing
    this.payloads[place] = from.payloads[fromPlace]
    this.causes[place] = from.causes[fromPlace]
    this.starts[place] = from.starts[fromPlace] ?? 0
    this.payloadStarts[place] = from.payloadStarts[fromPlace] ?? 0
    this.headLengths[place] = from.headLengths[fromPlace] ?? 0
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
  #arena = new Arena()
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
    const serial = this.#next - 1
    const columns = this.#columns
    const arena = this.#arena
    const first = headOf(raw)
    arena.keep(first, serial)
    columns.memory[place] = arena.memory
    columns.starts[place] = arena.start
    if (isSplit(raw)) {
      arena.keep(raw.payload, serial)
      columns.payloads[place] = arena.memory
      columns.payloadStarts[place] = arena.start
      columns.headLengths[place] = first.length
    }
    columns.causes[place] = cause
    columns.lengths[place] = raw.length
    columns.times[place] = atMs
    columns.tags[place] = connection * 16 + version * 2 + (direction === 'out' ? 1 : 0)
    if (faults !== undefined && faults.length > 0)
      columns.records[place] = new LazyPacketRecord(serial, atMs, connection, direction, whole(raw), version, cause, faults, this.#epoch)
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
    this.#columns.payloads[place] = undefined
    this.#arena.letGo(this.#oldest)
    return this.#columns.lengths[place] ?? 0
  }

  /** Lets everything go; serial numbers go on. */
  clear(): void {
    this.#mask = 63
    this.#columns = new Columns(64)
    this.#arena = new Arena()
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

  #bytesAt(place: number): Buffer {
    const { memory, payloads, starts, payloadStarts, headLengths, lengths } = this.#columns
    const payload = payloads[place]
    const length = lengths[place] ?? 0
    const headLength = payload === undefined ? length : (headLengths[place] ?? 0)
    const from = memory[place] ?? nothing
    const head = Buffer.from(from, starts[place], headLength)
    if (payload !== undefined) return Buffer.concat([head, Buffer.from(payload, payloadStarts[place], length - headLength)], length)
    return this.#arena.owns(from) ? Buffer.from(head) : head
  }

  #make(serial: number, place: number): PacketRecord {
    const { times, tags, causes } = this.#columns
    const tag = tags[place] ?? 0
    const raw = this.#bytesAt(place)
    const level = (tag >> 1) & 7
    const version = level === 5 ? 5 : level === 3 ? 3 : 4
    const direction = (tag & 1) === 1 ? 'out' : 'in'
    return new LazyPacketRecord(serial, times[place] ?? 0, tag >>> 4, direction, raw, version, causes[place], noFaults, this.#epoch)
  }
}
