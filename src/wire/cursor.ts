/** Reads the fields of one packet, in order; throws Malformed where the bytes end too early or are not allowed. */
import { Malformed } from './malformed.ts'
import { addUserProperty, type Properties } from './packet.ts'
import { type PropertyRow, propertyRow } from './properties.ts'
import { readText } from './strings.ts'

/** How a packet answers a property that is in the wrong place: see {@link Cursor.properties}. */
export type Strictness = 'malformed' | 'protocol-error'

/** A place in the bytes of one packet. */
export class Cursor {
  bytes: Buffer = Buffer.alloc(0)
  offset = 0
  end = 0

  /** Points the cursor at the body of a packet. */
  reset(bytes: Buffer, offset: number): this {
    this.bytes = bytes
    this.offset = offset
    this.end = bytes.length
    return this
  }

  get left(): number {
    return this.end - this.offset
  }

  byte(what: string): number {
    if (this.offset >= this.end) throw new Malformed('packet-length-mismatch', this.offset, `${what} is missing`)
    return this.bytes[this.offset++] ?? 0
  }

  uint16(what: string): number {
    if (this.offset + 2 > this.end) throw new Malformed('packet-length-mismatch', this.offset, `${what} is missing or cut short`)
    const value = ((this.bytes[this.offset] ?? 0) << 8) | (this.bytes[this.offset + 1] ?? 0)
    this.offset += 2
    return value
  }

  uint32(what: string): number {
    if (this.offset + 4 > this.end) throw new Malformed('packet-length-mismatch', this.offset, `${what} is missing or cut short`)
    const value = this.bytes.readUInt32BE(this.offset)
    this.offset += 4
    return value
  }

  /** A variable byte integer, 1 to 4 bytes, in its shortest form [MQTT-1.5.5-1]. */
  varint(what: string): number {
    const start = this.offset
    let value = 0
    let shift = 1
    for (let count = 1; ; count++) {
      const byte = this.byte(what)
      value += (byte & 127) * shift
      if (byte < 128) {
        if (byte === 0 && count > 1) throw new Malformed('variable-byte-integer-not-minimal', start, what)
        return value
      }
      if (count === 4) throw new Malformed('packet-length-mismatch', start, `${what} has more than four bytes`)
      shift *= 128
    }
  }

  text(what: string): string {
    const end = this.#stringEnd(what)
    const text = readText(this.bytes, this.offset, end)
    this.offset = end
    return text
  }

  binary(what: string): Buffer {
    const end = this.#stringEnd(what)
    const value = this.bytes.subarray(this.offset, end)
    this.offset = end
    return value
  }

  /** Everything up to the end of the packet. */
  rest(): Buffer {
    const value = this.bytes.subarray(this.offset, this.end)
    this.offset = this.end
    return value
  }

  /** Throws where bytes are left over. */
  finish(): void {
    if (this.offset < this.end) throw new Malformed('packet-length-mismatch', this.offset, `${this.end - this.offset} bytes too many`)
  }

  /**
   * The properties of an MQTT 5 packet, or undefined where there are none. `carrier` is the packet type that they stand
   * in, 0 for a will. What does not belong there is a protocol error in most packets; SUBSCRIBE and UNSUBSCRIBE call it
   * malformed, as the brokers do that clients are tried against.
   */
  properties(carrier: number, strictness: Strictness = 'protocol-error'): Properties | undefined {
    if (this.offset >= this.end) throw new Malformed('property-length-missing', this.offset)
    const length = this.varint('property length')
    if (length === 0) return undefined
    const packetEnd = this.end
    if (this.offset + length > packetEnd) throw new Malformed('packet-length-mismatch', this.offset, 'the properties are cut short')
    this.end = this.offset + length
    const wrong = strictness === 'malformed' ? 0x81 : undefined
    const properties: Properties = {}
    const seen = new Uint8Array(64)
    // What cannot be read is worse than what is in the wrong place: it is reported first, wherever it stands.
    let misplaced: Malformed | undefined
    while (this.offset < this.end) {
      const start = this.offset
      const id = this.varint('property identifier')
      const row = propertyRow(id)
      if (row === undefined) throw new Malformed('property-unknown', start, `0x${id.toString(16).padStart(2, '0')}`)
      this.#property(properties, row, wrong)
      if ((row.carriers & (1 << carrier)) === 0) misplaced ??= new Malformed('property-not-allowed', start, row.name, wrong)
      // Only a PUBLISH from a server has more than one subscription identifier; user properties may repeat anywhere.
      else if (seen[id] === 1 && row.form !== 'pair' && !(row.name === 'subscriptionIdentifier' && carrier === 3))
        misplaced ??= new Malformed('property-duplicate', start, row.name)
      seen[id] = 1
    }
    if (misplaced !== undefined) throw misplaced
    this.end = packetEnd
    return properties
  }

  #property(properties: Properties, row: PropertyRow, wrong: number | undefined): void {
    const start = this.offset
    switch (row.form) {
      case 'flag': {
        const value = this.byte(row.name)
        if (value > 1) throw new Malformed('property-value-out-of-range', start, `${row.name} is ${value}`, wrong)
        assign(properties, row.name, value === 1)
        return
      }
      case 'pair': {
        const name = this.text('name of a user property')
        addUserProperty((properties.userProperties ??= Object.create(null)), name, this.text('value of a user property'))
        return
      }
      case 'string':
        assign(properties, row.name, this.text(row.name))
        return
      case 'binary':
        assign(properties, row.name, this.binary(row.name))
        return
      default: {
        const value =
          row.form === 'byte'
            ? this.byte(row.name)
            : row.form === 'uint16'
              ? this.uint16(row.name)
              : row.form === 'uint32'
                ? this.uint32(row.name)
                : this.varint(row.name)
        if (value === 0 && row.notZero) throw zeroProperty(row, start, wrong)
        const before = row.name === 'subscriptionIdentifier' ? properties.subscriptionIdentifier : undefined
        if (before === undefined) assign(properties, row.name, value)
        else if (typeof before === 'number') properties.subscriptionIdentifier = [before, value]
        else before.push(value)
      }
    }
  }

  #stringEnd(what: string): number {
    const start = this.offset
    const length = this.uint16(what)
    const end = this.offset + length
    if (end > this.end) throw new Malformed('packet-length-mismatch', start, `${what} is cut short`)
    return end
  }
}

const zeroRules = {
  receiveMaximum: 'connect-receive-maximum-zero',
  maximumPacketSize: 'connect-maximum-packet-size-zero',
  topicAlias: 'topic-alias-zero',
  subscriptionIdentifier: 'subscription-identifier-zero',
} as const

function zeroProperty(row: PropertyRow, offset: number, reasonCode: number | undefined): Malformed {
  for (const [name, rule] of Object.entries(zeroRules)) if (name === row.name) return new Malformed(rule, offset, '', reasonCode)
  return new Malformed('property-value-out-of-range', offset, `${row.name} is 0`, reasonCode)
}

function assign(properties: Properties, name: keyof Properties, value: string | number | boolean | Buffer): void {
  Object.assign(properties, { [name]: value })
}
