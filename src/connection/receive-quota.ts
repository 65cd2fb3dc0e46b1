/**
 * How many messages at QoS 1 and 2 a client has sent that are not answered yet. An MQTT 5 client keeps to the receive maximum
 * of the server [MQTT-3.3.4-7]; whether it does shows as soon as a plugin lets answers come late.
 */

/** The messages of one connection. */
export class ReceiveQuota {
  #unanswered = 0

  get unanswered(): number {
    return this.#unanswered
  }

  /** A message came. Returns how many are unanswered now. */
  came(): number {
    return ++this.#unanswered
  }

  /** A packet was sent: PUBACK, PUBCOMP, and PUBREC with an error, end a message (section 4.9). */
  sent(type: number, bytes: Buffer): void {
    if (this.#unanswered > 0 && (type === 4 || type === 7 || (type === 5 && (bytes[4] ?? 0) >= 0x80))) this.#unanswered--
  }
}
