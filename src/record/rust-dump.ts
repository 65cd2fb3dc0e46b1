/**
 * The dump in the form of the Rust tool mqttest, for programs that read that: { ts, con, from, pkt }, one object a line. What that
 * tool did not know has no place in it: properties, reason codes, the retain flag, connections.
 */
import type { ConnackPacket, Packet, PublishPacket } from '../wire/packet.ts'
import { decodeUtf8 } from '../wire/strings.ts'
import type { PacketRecord } from './journal.ts'
import type { Decoded } from './payload-decoder.ts'

const levels = ['AtMostOnce', 'AtLeastOnce', 'ExactlyOnce'] as const
const codes = ['Accepted', 'RefusedProtocolVersion', 'RefusedIdentifierRejected', 'ServerUnavailable', 'BadUsernamePassword', 'NotAuthorized'] as const

/** One packet as a line; undefined where the form has nothing for it. */
export function rustLine(record: PacketRecord, decoded: Decoded | undefined): string | undefined {
  const { packet } = record
  const shape = packet === undefined ? undefined : shapeOf(packet, decoded)
  if (shape === undefined) return undefined
  return JSON.stringify({ ts: timeOf(record.wallTime), con: record.connection, from: record.direction === 'in' ? 'C' : 'S', pkt: shape })
}

/** Year, day of the year, hour, minute, second, nanosecond, and an offset of 0. */
function timeOf(wallTime: number): number[] {
  const date = new Date(wallTime)
  const year = date.getUTCFullYear()
  const day = Math.floor((wallTime - Date.UTC(year, 0, 1)) / 86_400_000) + 1
  return [year, day, date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds(), Math.floor((wallTime % 1000) * 1e6), 0, 0, 0]
}

function shapeOf(packet: Packet, decoded: Decoded | undefined): object | string | undefined {
  switch (packet.cmd) {
    case 'connect':
      return {
        Connect: {
          proto: packet.protocolId === 'MQIsdp' ? 'MQIsdp' : `MQTT${packet.protocolVersion === 5 ? '5' : '311'}`,
          id: packet.clientId,
          session: packet.clean ? 'clean' : 'restore',
        },
      }
    case 'connack':
      return { Connack: { session: packet.sessionPresent, code: connackCode(packet) } }
    case 'publish':
      return {
        Publish: {
          dup: packet.dup,
          qos: packet.qos === 0 ? levels[0] : { [levels[packet.qos]]: packet.messageId },
          topic: packet.topic,
          pl: payloadOf(packet, decoded),
        },
      }
    case 'puback':
    case 'pubrec':
    case 'pubrel':
    case 'pubcomp':
    case 'unsuback':
      return { [packet.cmd.charAt(0).toUpperCase() + packet.cmd.slice(1)]: packet.messageId }
    case 'subscribe':
      return { Subscribe: { pid: packet.messageId, topics: packet.subscriptions.map(({ topic, qos }) => ({ topic, qos: levels[qos] })) } }
    case 'suback':
      return { Suback: { pid: packet.messageId, codes: packet.granted.map((code) => (code <= 2 ? { Success: levels[code] } : 'Failure')) } }
    case 'unsubscribe':
      return { Unsubscribe: { pid: packet.messageId, topics: packet.unsubscriptions } }
    case 'pingreq':
      return 'Pingreq'
    case 'pingresp':
      return 'Pingresp'
    case 'disconnect':
      return 'Disconnect'
    default:
      return undefined
  }
}

function connackCode({ returnCode, reasonCode }: ConnackPacket): string | number {
  if (reasonCode !== undefined) return reasonCode === 0 ? codes[0] : reasonCode
  return codes[returnCode ?? 0] ?? returnCode ?? 0
}

function payloadOf({ payload }: PublishPacket, decoded: Decoded | undefined): object {
  const text = decoded === undefined ? decodeUtf8(payload) : (decoded.text ?? (decoded.json === undefined ? undefined : JSON.stringify(decoded.json)))
  const json = decoded === undefined ? parsed(text) : decoded.json
  return {
    len: payload.length,
    raw: [...payload],
    ...(text !== undefined && { utf8: text }),
    ...(json !== undefined && { json }),
    ...(decoded?.error !== undefined && { err: decoded.error }),
  }
}

function parsed(text: string | undefined): unknown {
  if (text === undefined) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
