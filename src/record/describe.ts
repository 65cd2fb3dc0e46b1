/** One line for people: packets, records, bytes. Called only when somebody reads. */
import type { Packet, Properties } from '../wire/packet.ts'
import { describeReason } from '../wire/reason-codes.ts'
import { describeFault } from './describe-fault.ts'
import type { JournalRecord } from './journal.ts'

/** Longest part of a payload that a line shows, in characters. */
const payloadShown = 60

/** A payload as a line shows it: text where it is text, else hex, cut short. */
export function describePayload(payload: Buffer): string {
  if (payload.length === 0) return '(empty)'
  const text = payload.toString('utf8')
  const printable = !text.includes('\uFFFD') && !/[\u0000-\u0008\u000e-\u001f]/.test(text)
  const shown = printable ? JSON.stringify(text) : payload.subarray(0, payloadShown / 2).toString('hex')
  return shown.length > payloadShown ? `${shown.slice(0, payloadShown)}… (${payload.length} bytes)` : shown
}

function describeProperties(properties: Properties | undefined): string {
  if (properties === undefined) return ''
  const parts = Object.entries(properties).map(
    ([name, value]: [string, unknown]) => `${name}=${Buffer.isBuffer(value) ? value.toString('hex') : JSON.stringify(value)}`,
  )
  return parts.length === 0 ? '' : ` {${parts.join(' ')}}`
}

/** What MQTT 3 calls its return codes, by number; MQTT 5 has other names for these. */
const returnCodes = ['success', 'unacceptable-protocol-version', 'identifier-rejected', 'server-unavailable', 'bad-user-name-or-password', 'not-authorized']

function describeReturnCode(code: number): string {
  const name = returnCodes[code]
  return name === undefined ? describeReason(code) : `0x${code.toString(16).padStart(2, '0')} ${name}`
}

/** "PUBLISH a/b QoS 1 id 7 retain "on"". */
export function describePacket(packet: Packet): string {
  const name = packet.cmd.toUpperCase()
  const properties = 'properties' in packet ? describeProperties(packet.properties) : ''
  switch (packet.cmd) {
    case 'connect': {
      const version = packet.protocolVersion === 5 ? '5.0' : packet.protocolVersion === 4 ? '3.1.1' : '3.1'
      const will = packet.will === undefined ? '' : ` will ${packet.will.topic}`
      const user = packet.username === undefined ? '' : ` user ${JSON.stringify(packet.username)}`
      return `${name} MQTT ${version} id ${JSON.stringify(packet.clientId)}${packet.clean ? ' clean' : ''} keepalive ${packet.keepalive}${user}${will}${properties}`
    }
    case 'connack':
      return `${name} ${packet.reasonCode === undefined ? describeReturnCode(packet.returnCode ?? 0) : describeReason(packet.reasonCode)}${packet.sessionPresent ? ' session present' : ''}${properties}`
    case 'publish': {
      const id = packet.messageId === undefined ? '' : ` id ${packet.messageId}`
      return `${name} ${packet.topic} QoS ${packet.qos}${id}${packet.dup ? ' DUP' : ''}${packet.retain ? ' retain' : ''} ${describePayload(packet.payload)}${properties}`
    }
    case 'puback':
    case 'pubrec':
    case 'pubrel':
    case 'pubcomp':
      return `${name} id ${packet.messageId}${(packet.reasonCode ?? 0) === 0 ? '' : ` ${describeReason(packet.reasonCode ?? 0)}`}${properties}`
    case 'subscribe':
      return `${name} id ${packet.messageId} ${packet.subscriptions.map((subscription) => `${subscription.topic} QoS ${subscription.qos}`).join(', ')}${properties}`
    case 'suback':
    case 'unsuback':
      return `${name} id ${packet.messageId}${packet.granted === undefined ? '' : ` [${packet.granted.map((code) => `0x${code.toString(16).padStart(2, '0')}`).join(' ')}]`}${properties}`
    case 'unsubscribe':
      return `${name} id ${packet.messageId} ${packet.unsubscriptions.join(', ')}${properties}`
    case 'disconnect':
    case 'auth':
      return `${name}${packet.reasonCode === undefined || packet.reasonCode === 0 ? '' : ` ${describeReason(packet.reasonCode)}`}${properties}`
    default:
      return name
  }
}

/** One record as a line, without time and connection. */
export function describeRecord(record: JournalRecord): string {
  switch (record.type) {
    case 'open':
      return `opened (${record.transport}, ${record.remoteAddress})`
    case 'packet': {
      const arrow = record.direction === 'in' ? '→' : '←'
      const what =
        record.packet === undefined
          ? `${record.raw.length} bytes ${record.raw.subarray(0, 24).toString('hex')}${record.raw.length > 24 ? '…' : ''}`
          : describePacket(record.packet)
      return `${arrow} ${what}${record.faults.length > 0 ? `  [${record.faults.join(', ')}]` : ''}`
    }
    case 'violation': {
      const { violation } = record
      const ids = violation.statements.length === 0 ? '' : ` [${violation.statements.join(' ')}]`
      const place = violation.offset === undefined ? '' : ` at byte ${violation.offset}`
      return `${record.verdict === 'disconnect' || record.verdict === 'fail' ? 'violation' : 'warning'} ${violation.rule}: ${violation.message}${place}${ids}`
    }
    case 'fault':
      return describeFault(record)
    case 'close':
      return `closed by ${record.by} (${record.how}): ${record.reason}${record.reasonCode === undefined ? '' : `, ${describeReason(record.reasonCode)}`}`
    case 'note':
      return `${record.level === 'info' ? '' : `${record.level}: `}${record.source}: ${record.message}`
  }
}

/** One record as a line with its time and connection: what timelines and the command line show. */
export function describeLine(record: JournalRecord): string {
  const at = `${(record.atMs / 1000).toFixed(3)}s`.padStart(9)
  const connection = record.connection === undefined ? '' : `#${record.connection} `
  return `${at} ${connection}${describeRecord(record)}`
}
