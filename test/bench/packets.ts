/** Bytes for the load generator, made before the clock runs, and the least parser that can follow the answers. */

/** First bytes of the packets that come back, by type. */
export const types = { connack: 2, publish: 3, puback: 4, pubrec: 5, pubrel: 6, pubcomp: 7, suback: 9 } as const

function remainingLength(length: number): number[] {
  const bytes: number[] = []
  let left = length
  do {
    bytes.push(left > 127 ? (left & 127) | 128 : left)
    left >>>= 7
  } while (left > 0)
  return bytes
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes])
}

function packet(first: number, ...body: Buffer[]): Buffer {
  const rest = Buffer.concat(body)
  return Buffer.concat([Buffer.from([first, ...remainingLength(rest.length)]), rest])
}

/** CONNECT of MQTT 3.1.1, which all servers here speak in full, with a clean session and no keep-alive. */
export function connect(clientId: string): Buffer {
  return packet(0x10, text('MQTT'), Buffer.from([4, 2, 0, 0]), text(clientId))
}

export function subscribe(topics: string | readonly string[], qos: number): Buffer {
  return packet(0x82, Buffer.from([0, 1]), ...[topics].flat().flatMap((topic) => [text(topic), Buffer.from([qos])]))
}

export function publish(topic: string, payload: Buffer, qos: number, id: number, retain = false): Buffer {
  return packet(0x30 | (qos << 1) | (retain ? 1 : 0), text(topic), qos > 0 ? Buffer.from([id >> 8, id & 255]) : Buffer.alloc(0), payload)
}

export const disconnect = Buffer.from([0xe0, 0])

/** Told of each packet: its type, its packet id where it has one, else 0. */
export type Sink = (type: number, id: number) => void

/**
 * A parser for one connection. Looks at nothing but type and id: the rest of a large packet is counted and let go, so
 * that only a packet whose first bytes are cut is ever joined.
 */
export function follow(sink: Sink): (chunk: Buffer) => void {
  let held: Buffer | undefined
  let missing = 0
  let [type, id] = [0, 0]
  return (chunk) => {
    let bytes = chunk
    let at = 0
    if (missing > 0) {
      if (chunk.length < missing) {
        missing -= chunk.length
        return
      }
      at = missing
      missing = 0
      sink(type, id)
    } else if (held !== undefined) {
      bytes = Buffer.concat([held, chunk])
      held = undefined
    }
    const end = bytes.length
    while (at < end) {
      let length = 0
      let shift = 0
      let body = at + 1
      let byte = 128
      while (body < end && byte > 127) {
        byte = bytes[body++] ?? 0
        length |= (byte & 127) << shift
        shift += 7
      }
      const first = bytes[at] ?? 0
      type = first >> 4
      const hasId = type !== types.publish ? length >= 2 : (first & 6) !== 0
      const idAt = type !== types.publish ? body : body + 2 + (((bytes[body] ?? 0) << 8) | (bytes[body + 1] ?? 0))
      if (byte > 127 || (hasId && (body + 2 > end || idAt + 2 > end))) {
        // A copy: the buffer that was read into is used again.
        held = Buffer.from(bytes.subarray(at))
        return
      }
      id = hasId ? ((bytes[idAt] ?? 0) << 8) | (bytes[idAt + 1] ?? 0) : 0
      at = body + length
      if (at > end) {
        missing = at - end
        return
      }
      sink(type, id)
    }
  }
}

/** Gathers acknowledgements, to be sent in one write for each chunk that was read. */
export class Acknowledgements {
  #bytes = Buffer.allocUnsafe(64 * 1024)
  #length = 0

  add(first: number, id: number): void {
    if (this.#length + 4 > this.#bytes.length) this.#bytes = Buffer.concat([this.#bytes, Buffer.allocUnsafe(this.#bytes.length)])
    this.#bytes[this.#length] = first
    this.#bytes[this.#length + 1] = 2
    this.#bytes[this.#length + 2] = id >> 8
    this.#bytes[this.#length + 3] = id & 255
    this.#length += 4
  }

  /** What was gathered since, or undefined. */
  take(): Buffer | undefined {
    if (this.#length === 0) return undefined
    const taken = Buffer.from(this.#bytes.subarray(0, this.#length))
    this.#length = 0
    return taken
  }
}
