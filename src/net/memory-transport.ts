/** Two ends of a byte stream in one process: tests without a socket, on virtual time. */
import type { Transport, TransportListener } from './transport.ts'

/** One end of an in-memory pair. Bytes arrive in a microtask of their own, so that neither end runs inside the other. */
export class MemoryTransport implements Transport {
  readonly kind = 'memory'
  readonly listener = 'memory'
  readonly remoteAddress = 'memory'
  readonly remotePort = 0
  #peer: MemoryTransport | undefined
  #listener: TransportListener | undefined
  #inbox: Buffer[] = []
  #inboxBytes = 0
  #paused = true
  #ended = false
  #peerEnded = false
  #told = { end: false, closed: false }
  #scheduled = false
  #waitsForDrain = false

  /** Two ends that are joined. */
  static pair(): [server: MemoryTransport, client: MemoryTransport] {
    const one = new MemoryTransport()
    const two = new MemoryTransport()
    one.#peer = two
    two.#peer = one
    return [one, two]
  }

  get buffered(): number {
    return this.#peer === undefined ? 0 : this.#peer.#inboxBytes
  }

  listen(listener: TransportListener): void {
    this.#listener = listener
  }

  write(bytes: Buffer): void {
    const peer = this.#peer
    if (peer === undefined || this.#ended) return
    peer.#inbox.push(bytes)
    peer.#inboxBytes += bytes.length
    this.#waitsForDrain = true
    peer.#schedule()
  }

  end(): void {
    const peer = this.#peer
    if (peer === undefined || this.#ended) return
    this.#ended = true
    peer.#peerEnded = true
    peer.#schedule()
    if (this.#peerEnded) this.#close(false)
  }

  reset(): void {
    this.#close(true)
  }

  destroy(): void {
    this.#close(!this.#ended)
  }

  finish(): void {
    this.#close(false)
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#schedule()
  }

  /** The other end has read everything. */
  private tellDrained(): void {
    if (!this.#waitsForDrain) return
    this.#waitsForDrain = false
    this.#listener?.drain()
  }

  #schedule(): void {
    if (this.#scheduled || this.#paused) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      this.#deliver()
    })
  }

  #deliver(): void {
    while (!this.#paused) {
      const chunk = this.#inbox.shift()
      if (chunk === undefined) break
      this.#inboxBytes -= chunk.length
      this.#listener?.data(chunk)
    }
    if (this.#paused || this.#inbox.length > 0) return
    this.#peer?.tellDrained()
    if (this.#peerEnded && !this.#told.end) {
      this.#told.end = true
      this.#listener?.end()
      if (this.#ended) this.#close(false)
    }
  }

  #close(reset: boolean): void {
    const peer = this.#peer
    this.#peer = undefined
    this.#tellClosed(reset)
    if (peer !== undefined) {
      peer.#peer = undefined
      queueMicrotask(() => {
        // What was sent in order arrives before the end does; a reset throws it away.
        if (!reset) {
          peer.#paused = false
          peer.#deliver()
        }
        peer.#tellClosed(reset)
      })
    }
  }

  #tellClosed(reset: boolean): void {
    if (this.#told.closed) return
    this.#told.closed = true
    this.#ended = true
    this.#listener?.closed(reset)
  }
}
