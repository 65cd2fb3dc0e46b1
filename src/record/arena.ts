/**
 * The journal's own memory for large packets. It is used again and again: memory that is given back to the garbage collector
 * when a record goes has lived long enough to be expensive, and made a third of what a message of 10 KB cost.
 *
 *   blocks, oldest first   | full | full | full | filling |    free | free |
 *                            ↑ given back when its last record was let go
 */

/** Size of a block, in bytes. */
const blockSize = 256 * 1024

/** Packets of so many bytes or more are copied; a smaller one stays in the chunk that it came in with many others. */
const worthCopying = 1024

/** A packet that takes more of a block than this stays where it is: memory of its own, as good as a block. */
const tooLarge = blockSize / 4

/** Free blocks that are kept. */
const mostFree = 64

interface Block {
  readonly memory: ArrayBuffer
  readonly bytes: Uint8Array
  /** Serial number of the last record that has bytes here. */
  lastSerial: number
}

/** Bytes of records, in the order in which they come and go. */
export class Arena {
  /** Where the bytes lie that were given to `keep` last. */
  memory: ArrayBufferLike = new ArrayBuffer(0)
  start = 0
  /** Blocks with bytes of records, oldest first; the last one is being filled. */
  readonly #used: Block[] = []
  readonly #free: Block[] = []
  readonly #own = new WeakSet<ArrayBufferLike>()
  #filled = blockSize
  /** What was copied last, as it lay outside, and where it is now: most messages go out as the bytes that just came in. */
  #copied: { readonly source: ArrayBufferLike; readonly from: number; readonly to: number; readonly block: Block; readonly start: number } | undefined

  /** Keeps bytes for the record with a serial number; `memory` and `start` then say where they lie. */
  keep(bytes: Uint8Array, serial: number): void {
    const { length, byteOffset } = bytes
    const source = bytes.buffer
    if (length < worthCopying || length > tooLarge) {
      this.memory = source
      this.start = byteOffset
      return
    }
    const copied = this.#copied
    if (copied !== undefined && source === copied.source && byteOffset >= copied.from && byteOffset + length <= copied.to) {
      copied.block.lastSerial = serial
      this.memory = copied.block.memory
      this.start = copied.start + byteOffset - copied.from
      return
    }
    if (this.#filled + length > blockSize) {
      this.#used.push(this.#free.pop() ?? this.#newBlock())
      this.#filled = 0
    }
    const block = this.#used.at(-1)
    if (block === undefined) return
    block.bytes.set(bytes, this.#filled)
    block.lastSerial = serial
    this.memory = block.memory
    this.start = this.#filled
    this.#filled += length
    this.#copied = { source, from: byteOffset, to: byteOffset + length, block, start: this.start }
  }

  /** Whether memory will be used again: what a reader is to hold on to has to be copied out of it. */
  owns(memory: ArrayBufferLike): boolean {
    return this.#own.has(memory)
  }

  /** Takes back what only records before a serial number had. */
  letGo(before: number): void {
    // The last block is being filled.
    while (this.#used.length > 1 && (this.#used[0]?.lastSerial ?? before) < before) {
      const block = this.#used.shift()
      if (block !== undefined && this.#free.length < mostFree) this.#free.push(block)
    }
  }

  #newBlock(): Block {
    const { buffer: memory } = Buffer.allocUnsafeSlow(blockSize)
    this.#own.add(memory)
    return { memory, bytes: new Uint8Array(memory), lastSerial: 0 }
  }
}
