/** Where something stands in the bytes of a packet that is well-formed: for what is wrong only because of what was said before. */
import { Cursor } from './cursor.ts'
import { type Properties, type ProtocolVersion, packetTypes } from './packet.ts'
import { propertyRow } from './properties.ts'
import { firstIllFormed } from './strings.ts'

/** At the body of a packet. */
function atBody(raw: Buffer): Cursor {
  let offset = 1
  while ((raw[offset] ?? 0) >= 128) offset++
  return new Cursor().reset(raw, offset + 1)
}

/** At the length of the properties, which the version has. */
function atProperties(raw: Buffer): Cursor {
  const at = atBody(raw)
  const type = (raw[0] ?? 0) >> 4
  if (type === packetTypes.connect) {
    at.text('protocol name')
    at.offset += 4
  } else if (type === packetTypes.publish) {
    at.binary('topic')
    if (((raw[0] ?? 0) & 6) !== 0) at.offset += 2
  } else at.offset += type === packetTypes.subscribe || type === packetTypes.unsubscribe ? 2 : 1
  return at
}

function skipProperties(at: Cursor): void {
  const length = at.varint('property length')
  at.offset += length
}

/** Where the value of a property begins; undefined where the packet has no such property. */
export function placeOfProperty(raw: Buffer, name: keyof Properties): number | undefined {
  const at = atProperties(raw)
  const length = at.varint('property length')
  const end = at.offset + length
  while (at.offset < end) {
    const row = propertyRow(at.varint('property identifier'))
    if (row === undefined || row.name === name) return row === undefined ? undefined : at.offset
    switch (row.form) {
      case 'pair':
        at.binary(row.name)
        at.binary(row.name)
        break
      case 'string':
      case 'binary':
        at.binary(row.name)
        break
      case 'varint':
        at.varint(row.name)
        break
      default:
        at.offset += row.form === 'uint16' ? 2 : row.form === 'uint32' ? 4 : 1
    }
  }
  return undefined
}

/** Where the packet id of a PUBLISH, SUBSCRIBE or UNSUBSCRIBE begins. */
export function placeOfPacketId(raw: Buffer): number {
  const at = atBody(raw)
  if ((raw[0] ?? 0) >> 4 === packetTypes.publish) at.binary('topic')
  return at.offset
}

/** Where the characters of a topic filter of SUBSCRIBE begin, by its number from 0; undefined where there are fewer. */
export function placeOfFilter(raw: Buffer, version: ProtocolVersion, index: number): number | undefined {
  const at = atBody(raw)
  at.offset += 2
  if (version === 5) skipProperties(at)
  for (let before = 0; before < index && at.left > 0; before++) {
    at.binary('topic filter')
    at.offset++
  }
  return at.left > 0 ? at.offset + 2 : undefined
}

/** Where the payload of a PUBLISH stops being UTF-8. */
export function placeOfBadText(raw: Buffer, payload: Buffer): number {
  return Math.max(0, raw.length - payload.length + firstIllFormed(payload, 0, payload.length))
}

/** Places in a CONNECT. */
export interface ConnectPlaces {
  readonly flags: number
  readonly clientId: number
  /** Where the payload of the will stops being UTF-8. */
  badWill(): number
}

/** Finds them. */
export function placesOfConnect(raw: Buffer, version: ProtocolVersion): ConnectPlaces {
  const at = atBody(raw)
  at.text('protocol name')
  const flags = at.offset + 1
  at.offset += 4
  if (version === 5) skipProperties(at)
  const clientId = at.offset
  return {
    flags,
    clientId,
    badWill: () => {
      at.offset = clientId
      at.binary('client id')
      skipProperties(at)
      at.binary('will topic')
      const payload = at.binary('will payload')
      return at.offset - payload.length + Math.max(0, firstIllFormed(payload, 0, payload.length))
    },
  }
}
