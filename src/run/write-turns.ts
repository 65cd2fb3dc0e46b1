/**
 * When what was put in line is written: once when the present work is done, for each connection that has something to say, so
 * that many small packets make one write. Where large packets come in faster than they are read, the present work is more than
 * one chunk: each write wakes the client up, which costs more than the rest of a packet.
 */
import { endOfTurn } from '../clock.ts'
import type { Journal } from '../record/journal.ts'

/** What can be written. */
interface Line {
  flush(): void
}

/** A chunk of so many bytes was cut off by Node's buffer: the next one is there already. */
const fullChunk = 64 * 1024

/** Records after which a write waits no longer for the next chunk. */
const enoughRecords = 150

/** Bytes read after which it waits no longer: what waits must not be much more than what a client may leave unread. */
const enoughBytes = 512 * 1024

/** The writes of one server. */
export class WriteTurns {
  readonly #journal: Journal
  #lines: Line[] = []
  /** Another chunk is there. */
  #more = false
  /** Serial number of the first record since the last write. */
  #first = 0
  /** Bytes read since the last write. */
  #bytes = 0
  /** What is in line waits for the next chunk, at the longest until the turn ends. */
  #waits = false

  constructor(journal: Journal) {
    this.#journal = journal
  }

  /** Writes a line when the present work is done. */
  soon(line: Line): void {
    if (this.#lines.push(line) > 1) return
    this.#first = this.#journal.next
    queueMicrotask(this.#turn)
  }

  /** A chunk of so many bytes was read. */
  read(length: number): void {
    this.#more = length === fullChunk
    this.#bytes += length
    if (this.#waits) queueMicrotask(this.#turn)
  }

  readonly #turn = (): void => {
    if (!this.#more || this.#bytes >= enoughBytes || this.#journal.next - this.#first > enoughRecords) this.#write()
    else if (!this.#waits) {
      this.#waits = true
      endOfTurn(this.#write)
    }
  }

  readonly #write = (): void => {
    this.#waits = false
    this.#more = false
    this.#bytes = 0
    const lines = this.#lines
    this.#lines = []
    for (const line of lines) line.flush()
  }
}
