/** One byte stream to a client, whatever carries it. The only thing that the rest of the code knows of sockets. */

/** What carries a connection. */
export type TransportKind = 'tcp' | 'unix' | 'memory' | 'tls' | 'ws' | 'wss'

/** Told what happens on a transport. */
export interface TransportListener {
  /** Bytes came. */
  data(chunk: Buffer): void
  /** The other side will send no more. */
  end(): void
  /** Everything that was written has left, after `buffered` was high. */
  drain(): void
  /** The transport is gone; `reset` tells whether it ended without a FIN, `reason` why, where the carrier knows more. */
  closed(reset: boolean, reason?: string): void
  /** The client broke a rule of the carrier; `raw` is what it sent. */
  misused?(rule: 'websocket-non-binary-frame' | 'websocket-subprotocol-missing', raw: Buffer | undefined): void
}

/** A byte stream. Begins paused: nothing is read before `resume`. */
export interface Transport {
  readonly kind: TransportKind
  /** URL of the listener that it came by; 'memory'. */
  readonly listener: string
  /** Address of the client, such as '127.0.0.1' or '::1'; the path of a unix socket; 'memory'. */
  readonly remoteAddress: string
  /** Port of the client; 0 where there is none. */
  readonly remotePort: number
  /** Bytes that were written and have not left. */
  readonly buffered: number
  /** Names who is told. Called once, before anything else. */
  listen(listener: TransportListener): void
  write(bytes: Buffer): void
  /** The same for several, as one write, where the carrier can do that without joining them. */
  writeAll?(pieces: readonly Buffer[]): void
  /** Sends one frame, where the carrier has frames: a message, a fragment of one, or a control frame. */
  frame?(kind: 'binary' | 'text' | 'fragment' | 'ping' | 'pong' | 'close', data: Buffer, code?: number): void
  /** Sends what was written, then FIN; still reads. */
  end(): void
  /** Ends at once with a reset (RST), where the carrier has one. */
  reset(): void
  /** Sends what was written, then FIN, then lets go without waiting for the other side. */
  finish(): void
  /** Ends at once, and lets go of everything. */
  destroy(): void
  pause(): void
  resume(): void
}
