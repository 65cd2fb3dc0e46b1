/**
 * Memory for packets, cut from large pieces, one packet behind the other: what one tick sends on a connection mostly lies
 * side by side, and is written without being copied once more. A piece lives as long as a record of a packet in it.
 */
export class Memory {
  readonly #pieceSize: number
  #piece = Buffer.alloc(0)
  #used = 0

  constructor(pieceSize: number) {
    this.#pieceSize = pieceSize
  }

  take(length: number): Buffer {
    if (length > this.#pieceSize / 2) return Buffer.allocUnsafeSlow(length)
    if (this.#used + length > this.#piece.length) {
      this.#piece = Buffer.allocUnsafeSlow(this.#pieceSize)
      this.#used = 0
    }
    const start = this.#used
    this.#used += length
    return this.#piece.subarray(start, this.#used)
  }
}
