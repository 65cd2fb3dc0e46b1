/** What is decided about a session between CONNECT and CONNACK; the `session` hook may change all of it. */

/** Limits that the server keeps towards a client. */
export interface SessionLimits {
  /** QoS 1 and 2 messages that may be unacknowledged towards the client. */
  readonly receiveMaximum: number
  /** Largest packet that is sent to the client, in bytes. */
  readonly maximumPacketSize: number
  /** Highest topic alias that is used towards the client; 0 uses none. */
  readonly topicAliasMaximum: number
}

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
}
