/** The client broke a rule: data, never an Error. Answered on the wire, kept on the record. */
import type { Malformed } from '../wire/malformed.ts'
import type { Packet, ProtocolVersion } from '../wire/packet.ts'
import { type Level, type RuleName, rules, statementsOf } from './rules.ts'

/**
 * What is done about a violation: 'ignore' forgets it; 'warn' records it and goes on; 'fail' records it, goes on and
 * fails the run; 'disconnect' records it and ends the connection as the version demands.
 */
export type Verdict = 'ignore' | 'warn' | 'fail' | 'disconnect'

/** One violation. */
export interface Violation {
  /** The name of the rule: one of lint/rules.ts, or a plugin's own. */
  readonly rule: string
  /** Ids of the statements that are broken, such as 'MQTT-3.1.2-24'. */
  readonly statements: readonly string[]
  readonly level: Level
  /** One sentence on what is wrong, with what was found. */
  readonly message: string
  /** What MQTT 5 answers. */
  readonly reasonCode: number
  /** The packet, where it could be decoded. */
  readonly packet: Packet | undefined
  /** The bytes of the packet, or what there was of it. */
  readonly raw: Buffer | undefined
  /** Where in `raw` the first offending byte stands. */
  readonly offset: number | undefined
  /** What is done unless a tap decides otherwise. */
  readonly default: Verdict
}

/** Where a violation was seen. */
export interface Sighting {
  readonly packet?: Packet | undefined
  readonly raw?: Buffer | undefined
  readonly offset?: number | undefined
  readonly detail?: string
  readonly reasonCode?: number | undefined
}

/** A violation of a rule of the catalogue. */
export function violationOf(name: RuleName, version: ProtocolVersion, seen: Sighting = {}): Violation {
  const rule = rules[name]
  return {
    rule: name,
    statements: statementsOf(name, version),
    level: rule.level,
    message: seen.detail ? `${rule.text}: ${seen.detail}` : rule.text,
    reasonCode: seen.reasonCode ?? rule.reasonCode,
    packet: seen.packet,
    raw: seen.raw,
    offset: seen.offset,
    default: rule.level === 'error' ? 'disconnect' : 'warn',
  }
}

/** The violation that malformed bytes are. */
export function violationOfMalformed(malformed: Malformed, version: ProtocolVersion, raw: Buffer): Violation {
  return violationOf(malformed.rule, version, { raw, offset: malformed.offset, detail: malformed.detail, reasonCode: malformed.reasonCode })
}
