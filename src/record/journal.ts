/**
 * The journal: everything that happened, in order, as objects in memory. Nothing is formatted or decoded before somebody
 * reads it. Bounded; what is let go is counted.
 */
import type { Clock } from '../clock.ts'
import type { DisconnectInfo } from '../connection/lifecycle.ts'
import type { Verdict, Violation } from '../lint/violation.ts'
import { decode } from '../wire/decode.ts'
import { Malformed } from '../wire/malformed.ts'
import { type Command, commands, type Packet, type ProtocolVersion } from '../wire/packet.ts'

/** Direction of a packet, seen from the server. */
export type Direction = 'in' | 'out'

interface Common {
  /** Serial number in the run, from 0. */
  readonly serial: number
  /** Monotonic time on the server's clock, in milliseconds since the run began. */
  readonly atMs: number
  /** Wall clock time, in milliseconds since 1970. */
  readonly wallTime: number
}

/** A connection was accepted. */
export interface OpenRecord extends Common {
  readonly type: 'open'
  readonly connection: number
  /** 'tcp', 'unix', 'memory', ... */
  readonly transport: string
  readonly remoteAddress: string
}

/** A packet crossed the wire. */
export interface PacketRecord extends Common {
  readonly type: 'packet'
  readonly connection: number
  readonly direction: Direction
  /** The bytes as they were. */
  readonly raw: Buffer
  /** Type of the packet by its first byte; undefined for the reserved type. */
  readonly cmd: Command | undefined
  /** The decoded packet; undefined where the bytes are malformed. Decoded when first read. */
  readonly packet: Packet | undefined
  /** Why the server sent it; undefined for what the client sent. */
  readonly cause: string | undefined
  /** The plugins that changed it. */
  readonly faults: readonly string[]
}

/** The client broke a rule. */
export interface ViolationRecord extends Common {
  readonly type: 'violation'
  readonly connection: number | undefined
  readonly violation: Violation
  /** What was done about it. */
  readonly verdict: Verdict
}

/** A plugin changed something: one line of the fault ledger. */
export interface FaultRecord extends Common {
  readonly type: 'fault'
  readonly connection: number | undefined
  readonly plugin: string
  readonly hook: string
  /** What was changed, before and after, as the hook had it. */
  readonly before: unknown
  readonly after: unknown
}

/** A connection ended. */
export interface CloseRecord extends Common, DisconnectInfo {
  readonly type: 'close'
  readonly connection: number
}

/** A plugin, or the core, had something to say. */
export interface NoteRecord extends Common {
  readonly type: 'note'
  readonly connection: number | undefined
  readonly level: 'info' | 'warn' | 'error'
  /** Name of the plugin; 'mqttest' for the core. */
  readonly source: string
  readonly message: string
}

/** One entry of the journal; `type` tells which. */
export type JournalRecord = OpenRecord | PacketRecord | ViolationRecord | FaultRecord | CloseRecord | NoteRecord

/** What the caller of {@link Journal.add} knows; the journal adds serial number and time. */
export type Entry = { [R in JournalRecord as R['type']]: Omit<R, keyof Common> }[Exclude<JournalRecord['type'], 'packet'>]

/** How much a journal holds. */
export interface JournalLimits {
  /** Records, 100,000 by default. */
  readonly records: number
  /** Bytes of packets, 64 MiB by default. */
  readonly bytes: number
}

/** The default of {@link JournalLimits}. */
export const defaultJournalLimits: JournalLimits = { records: 100_000, bytes: 64 * 1024 * 1024 }

interface Epoch {
  readonly startMs: number
  readonly startWallTime: number
}

const none: readonly string[] = Object.freeze([])

/** Holds the bytes; decodes when `packet` is first read. */
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
    return commands[(this.raw[0] ?? 0) >> 4]
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

/** The record of one run. */
export class Journal {
  /** Records that were let go because the journal was full. */
  dropped = 0
  /** Whether the run is over. */
  over = false
  /** Called for each record before it is kept; set by the server while somebody taps `record`. */
  observe: ((record: JournalRecord) => void) | undefined
  readonly #clock: Clock
  readonly #epoch: Epoch
  readonly #limits: JournalLimits
  readonly #listeners = new Set<(record: JournalRecord) => void>()
  readonly #enders = new Set<() => void>()
  #records: (JournalRecord | undefined)[] = []
  #first = 0
  #bytes = 0
  #serial = 0

  constructor(clock: Clock, limits: JournalLimits = defaultJournalLimits) {
    this.#clock = clock
    this.#limits = limits
    this.#epoch = { startMs: clock.now(), startWallTime: clock.wallTime() }
  }

  /** Milliseconds since the run began. */
  now(): number {
    return this.#clock.now() - this.#epoch.startMs
  }

  /** The serial number that the next record gets. */
  get next(): number {
    return this.#serial
  }

  /** The serial number of the oldest record that is still held. */
  get oldest(): number {
    return this.#serial - (this.#records.length - this.#first)
  }

  /** Puts a packet on record. */
  packet(connection: number, direction: Direction, raw: Buffer, version: ProtocolVersion, cause: string | undefined, faults: readonly string[] = none): void {
    this.#append(new LazyPacketRecord(this.#serial++, this.now(), connection, direction, raw, version, cause, faults, this.#epoch), raw.length)
  }

  /** Puts anything else on record. */
  add(entry: Entry): void {
    const atMs = this.now()
    this.#append({ ...entry, serial: this.#serial++, atMs, wallTime: this.#epoch.startWallTime + atMs }, 0)
  }

  /** Calls `listener` with each record from now on, after it was kept. Returns the call that ends it. */
  listen(listener: (record: JournalRecord) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Calls `ender` when the run is over: nothing more will be recorded that anybody could wait for. */
  onEnd(ender: () => void): () => void {
    this.#enders.add(ender)
    return () => this.#enders.delete(ender)
  }

  /** The run is over. */
  end(): void {
    this.over = true
    for (const ender of [...this.#enders]) ender()
    this.#enders.clear()
  }

  /** The records from a serial number on, as far as they are still held. */
  *since(serial = 0): Generator<JournalRecord> {
    for (let at = Math.max(serial, this.oldest); at < this.#serial; at++) {
      const record = this.at(at)
      if (record !== undefined) yield record
    }
  }

  /** The record with a serial number, while it is held. */
  at(serial: number): JournalRecord | undefined {
    return serial < this.oldest ? undefined : this.#records[this.#first + serial - this.oldest]
  }

  /** Forgets everything; serial numbers go on. */
  clear(): void {
    this.#records = []
    this.#first = 0
    this.#bytes = 0
    this.dropped = 0
  }

  #append(record: JournalRecord, bytes: number): void {
    this.observe?.(record)
    this.#records.push(record)
    this.#bytes += bytes
    if (this.#records.length - this.#first > this.#limits.records || this.#bytes > this.#limits.bytes) this.#letGo()
    if (this.#listeners.size > 0) for (const listener of [...this.#listeners]) listener(record)
  }

  #letGo(): void {
    while (this.#first < this.#records.length && (this.#records.length - this.#first > this.#limits.records || this.#bytes > this.#limits.bytes)) {
      const oldest = this.#records[this.#first]
      if (oldest?.type === 'packet') this.#bytes -= oldest.raw.length
      // The slot is emptied at once, so that the bytes can be freed; the array is cut in large pieces.
      this.#records[this.#first] = undefined
      this.#first++
      this.dropped++
    }
    if (this.#first > 4096 && this.#first > this.#records.length / 2) {
      this.#records = this.#records.slice(this.#first)
      this.#first = 0
    }
  }
}
