/**
 * The journal: everything that happened, in order, as objects in memory. Nothing is formatted or decoded before somebody
 * reads it. Bounded; what is let go is counted.
 */
import type { Clock } from '../clock.ts'
import type { DisconnectInfo } from '../connection/lifecycle.ts'
import type { HookName } from '../hooks/hooks.ts'
import type { Verdict, Violation } from '../lint/violation.ts'
import type { Command, Packet, ProtocolVersion } from '../wire/packet.ts'
import type { PacketBytes } from '../wire/split.ts'
import { type Epoch, Shelf } from './shelf.ts'

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
  /** 'tcp', 'tls', 'ws', 'wss', 'unix' or 'memory'. */
  readonly transport: string
  /** URL of the listener that it came by; 'memory'. */
  readonly listener: string
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

/** Where a plugin changed something. */
export type FaultPlace = HookName | 'play' | 'acted'

/** A plugin changed something: one line of the fault ledger. */
export interface FaultRecord extends Common {
  readonly type: 'fault'
  readonly connection: number | undefined
  readonly plugin: string
  /** The hook whose tap changed it; 'play' and 'acted' for what a plugin does beside the hooks. */
  readonly hook: FaultPlace
  /** The packet that it is about, as it was before; undefined where it is about none. */
  readonly packet: Packet | undefined
  /** What it is about beside the packet: the kind of a request or timer, the topic of a message, the direction of bytes, a rule. */
  readonly about: string | undefined
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
  /** Bytes of packets, 64 MiB by default. A message counts where it came in, and where it goes out. */
  readonly bytes: number
}

/**
 * The default of {@link JournalLimits}. Half as many would make messages of 10 KB a tenth faster, since the garbage collector
 * would not take their memory for old; but who looks back at a run with large messages would see half of it.
 */
const defaultJournalLimits: JournalLimits = { records: 100_000, bytes: 64 * 1024 * 1024 }

/** The record of one run. */
export class Journal {
  /** Records that were let go because the journal was full. */
  dropped = 0
  /** Whether the run is over. */
  over = false
  /** The hook `record`: called for each record as it is kept, before those who wait for one. */
  observer: { isUsed(): boolean; call(record: JournalRecord): void } | undefined
  readonly #clock: Clock
  readonly #epoch: Epoch
  readonly #limits: JournalLimits
  readonly #listeners = new Set<(record: JournalRecord) => void>()
  readonly #enders = new Set<() => void>()
  readonly #shelf: Shelf
  #bytes = 0

  constructor(clock: Clock, limits: Partial<JournalLimits> = {}) {
    this.#clock = clock
    this.#limits = { records: limits.records ?? defaultJournalLimits.records, bytes: limits.bytes ?? defaultJournalLimits.bytes }
    this.#epoch = { startMs: clock.now(), startWallTime: clock.wallTime() }
    this.#shelf = new Shelf(this.#epoch)
  }

  /** Milliseconds since the run began. */
  now(): number {
    return this.#clock.now() - this.#epoch.startMs
  }

  /** The serial number that the next record gets. */
  get next(): number {
    return this.#shelf.next
  }

  /** The serial number of the oldest record that is still held. */
  get oldest(): number {
    return this.#shelf.next - this.#shelf.size
  }

  /** Puts a packet on record; `faults` are the plugins that changed it. */
  packet(connection: number, direction: Direction, raw: PacketBytes, version: ProtocolVersion, cause: string | undefined, faults?: readonly string[]): void {
    this.#shelf.putPacket(connection, direction, raw, version, this.now(), cause, faults)
    this.#bytes += raw.length
    this.#kept()
  }

  /** Puts anything else on record. */
  add(entry: Entry): void {
    const atMs = this.now()
    this.#shelf.put({ ...entry, serial: this.#shelf.next, atMs, wallTime: this.#epoch.startWallTime + atMs })
    this.#kept()
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
    for (let at = Math.max(serial, this.oldest); at < this.next; at++) {
      const record = this.at(at)
      if (record !== undefined) yield record
    }
  }

  /** The record with a serial number, while it is held. */
  at(serial: number): JournalRecord | undefined {
    return this.#shelf.at(serial)
  }

  /** Forgets everything; serial numbers go on. */
  clear(): void {
    this.#shelf.clear()
    this.#bytes = 0
    this.dropped = 0
  }

  /** A record was kept: tells those who want to know, and lets the oldest go where there are too many. */
  #kept(): void {
    const isObserved = this.observer?.isUsed() === true
    const record = isObserved || this.#listeners.size > 0 ? this.#shelf.at(this.#shelf.next - 1) : undefined
    if (record !== undefined && isObserved) this.observer?.call(record)
    while (this.#shelf.size > 0 && (this.#shelf.size > this.#limits.records || this.#bytes > this.#limits.bytes)) {
      this.#bytes -= this.#shelf.shift()
      this.dropped++
    }
    if (record !== undefined) for (const listener of [...this.#listeners]) listener(record)
  }
}
