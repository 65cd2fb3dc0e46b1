import type { RuleName } from '../lint/rules.ts'
import type { Packet } from './packet.ts'

/**
 * What is wrong with the bytes of a packet. Made by the frame reader and by decode; the connection turns it into a
 * violation. Not an Error: bad input is data, and nobody needs its stack.
 */
export class Malformed {
  readonly rule: RuleName
  /** Where in the packet the first offending byte stands, counted from the fixed header. */
  readonly offset: number
  /** What exactly was found, in a few words. */
  readonly detail: string
  /** Set where the answer differs from the reason code that the rule has in the catalogue. */
  readonly reasonCode: number | undefined
  /** The packet, where nothing else is wrong with it: a server that tolerates the fault can handle it. */
  readonly packet: Packet | undefined

  constructor(rule: RuleName, offset: number, detail = '', reasonCode?: number, packet?: Packet) {
    this.rule = rule
    this.offset = offset
    this.detail = detail
    this.reasonCode = reasonCode
    this.packet = packet
  }
}
