/** How connections end, and what timers are for: the words that hooks and reports share. */

/** How a connection ended. */
export interface DisconnectInfo {
  /** Who ended it. */
  readonly by: 'client' | 'server'
  /** DISCONNECT and FIN; a bare FIN; a reset; a takeover; a deadline. */
  readonly how: 'disconnect' | 'fin' | 'rst'
  /** The reason in a few words, such as 'keep-alive timeout' or 'protocol error'. */
  readonly reason: string
  /** Reason code of the DISCONNECT that was sent or received, where there was one. */
  readonly reasonCode: number | undefined
}

/** What a timer is for. */
export type TimerKind = 'connect-timeout' | 'keepalive' | 'linger' | 'session-expiry' | 'will-delay' | 'max-runtime' | 'offline' | 'plan' | 'plugin'

/** A timer that the core is about to arm. */
export interface TimerInfo {
  readonly kind: TimerKind
}
