/** What becomes of a violation: the `violation` hook has its say, it is put on record, and the connection may end. */
import type { Verdict, Violation } from '../lint/violation.ts'
import { isDisconnectCode } from '../wire/decode.ts'
import { encode } from '../wire/encode.ts'
import { type ConnackPacket, packetTypes } from '../wire/packet.ts'
import { returnCodeOf } from '../wire/reason-codes.ts'
import type { Cause } from './cause.ts'
import type { Connection } from './connection.ts'

/** Handles a violation. Returns what was done about it. */
export function handleViolation(connection: Connection, violation: Violation): Verdict {
  // What comes after the end cannot be punished twice.
  if (connection.closed && violation.default === 'disconnect') return 'ignore'
  const { hooks } = connection.run
  // Without a broker it is the test that decides what becomes of the connection.
  const usual = connection.run.core || violation.default !== 'disconnect' ? violation.default : 'warn'
  const verdict = (hooks.violation.isUsed() ? hooks.violation.call(violation, connection) : undefined) ?? usual
  if (verdict !== 'ignore') recordViolation(connection, violation, verdict)
  if (verdict === 'disconnect') punish(connection, violation)
  return verdict
}

/** Puts a violation on record, and counts it. */
export function recordViolation(connection: Connection, violation: Violation, verdict: Verdict): void {
  const { run } = connection
  if (run.lint === 'off' && verdict === 'warn') return
  run.journal.add({ type: 'violation', connection: connection.number, violation, verdict })
  run.violated(violation, verdict, connection)
}

/** Ends the connection as the version demands: CONNACK before it was accepted, DISCONNECT after (MQTT 5), then close. */
function punish(connection: Connection, violation: Violation): void {
  const { reasonCode, rule, message } = violation
  if (connection.phase === 'connected') {
    // Some codes are for acknowledgements only: 0x91, 0x92.
    connection.disconnect(isDisconnectCode(reasonCode) ? reasonCode : 0x82, message) // [MQTT-4.13.1-1]
    return
  }
  const ending = { reason: message, reasonCode }
  const cause: Cause = { kind: 'close', reasonCode }
  const spoke = connection.phase === 'connecting' || (violation.raw?.[0] ?? 0) >> 4 === packetTypes.connect
  if (rule === 'connect-protocol-level-unsupported') {
    // The client speaks a version that we do not: the oldest form is the one that it most likely knows [MQTT-3.1.2-2].
    const refusal: ConnackPacket = { cmd: 'connack', sessionPresent: false, returnCode: 1 }
    connection.sendLast(refusal, cause, ending, encode(refusal, 4))
  } else if (spoke && connection.version === 5) connection.sendLast({ cmd: 'connack', sessionPresent: false, reasonCode }, cause, ending)
  else if (spoke && rule.startsWith('connect-') && rule.includes('client-id'))
    connection.sendLast({ cmd: 'connack', sessionPresent: false, returnCode: returnCodeOf(reasonCode) }, cause, ending)
  else connection.close('fin', ending)
}
