import type { Delivery } from '../broker/message.ts'
import type { Packet } from '../wire/packet.ts'

/**
 * Why the server sends a packet.
 *
 *   reply      answers `packet`                 delivery   a message for a subscriber
 *   resend     in flight before, sent again     timer      a deadline passed
 *   exchange   part of an authentication        script     a test or a plan sends it
 *   close      ends the connection
 */
export interface Cause {
  readonly kind: 'reply' | 'delivery' | 'resend' | 'timer' | 'exchange' | 'script' | 'close'
  /** The packet that is answered. */
  readonly packet?: Packet
  readonly delivery?: Delivery
  /** On the hook `send`: the packet that is sent, as it is before any plugin. */
  readonly meant?: Packet
  /** What a CONNACK, PUBACK or PUBREC says by its reason code: also where the packet, in MQTT 3, cannot say it. */
  readonly reasonCode?: number
  /** The plugins that changed what is sent, in order; filled in by the guard. */
  faults?: string[]
}

/** Causes without details are the same object each time, as long as no plugin is recorded in them. */
export const causes = {
  close: { kind: 'close' },
  timer: { kind: 'timer' },
  script: { kind: 'script' },
  exchange: { kind: 'exchange' },
} as const satisfies Record<string, Cause>
