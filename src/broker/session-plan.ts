/** What is decided about a session between CONNECT and CONNACK; the `session` hook may change all of it. */

/** Limits that the server keeps towards a client. */
export interface SessionLimits {
  /** QoS 1 and 2 messages that may be unacknowledged towards the client. */
  readonly receiveMaximum: number
  /** Largest packet that is sent to the client, in bytes. */
  readonly maximumPacketSize: number
  /** Highest topic alias that is used towards the client; 0 uses none. */
  readonly topicAliasMaximum: number
  /** Messages kept in line for the client; the server's own limit unless given. */
  readonly queueLimit?: number
  /** What goes where the line is full: the new message (the default), the oldest in line, or the session with all it has. */
  readonly overflow?: 'newest' | 'oldest' | 'session'
}

/** A part of a session: what it subscribed to; QoS 1 and 2 exchanges under way, in both directions; messages in line. */
export type SessionPart = 'subscriptions' | 'inFlight' | 'queued'

/** The plan for one session. */
export interface SessionPlan {
  /** Whether a session is stored under the client id. */
  readonly stored: boolean
  /** Whether the stored session, if there is one, goes on. Otherwise a fresh one begins. */
  readonly resume: boolean
  /** What CONNACK says; the truth unless a plugin lies [MQTT-3.2.2-2]. */
  readonly sessionPresent: boolean
  /** How long the session is kept after the connection ends, in milliseconds; Infinity is for ever. */
  readonly expiryMs: number
  readonly limits: SessionLimits
  /** Within which limits, in milliseconds, the client may change the expiry with its DISCONNECT; any unless given. */
  readonly expiryRange?: ExpiryRange
  /** Parts of the stored session that are lost although it goes on. */
  readonly lose?: readonly SessionPart[]
}

/** The shortest and the longest that a session is kept, in milliseconds. */
export interface ExpiryRange {
  readonly minimumMs: number
  readonly maximumMs: number
}
