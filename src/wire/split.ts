/**
 * Packets in two pieces: a large message is not copied for each of its subscribers, but sent from where it came in, behind a
 * head of each subscriber's own.
 */

/** A PUBLISH whose payload stands elsewhere, in memory that nobody changes. */
export class SplitPacket {
  /** Everything in front of the payload. */
  readonly head: Buffer
  readonly payload: Buffer
  readonly length: number

  constructor(head: Buffer, payload: Buffer) {
    this.head = head
    this.payload = payload
    this.length = head.length + payload.length
  }

  /** The whole packet in one piece; a copy. */
  joined(): Buffer {
    return Buffer.concat([this.head, this.payload], this.length)
  }
}

/** The bytes of a packet, in one piece or in two. */
export type PacketBytes = Buffer | SplitPacket

/** Whether a packet is in two pieces. Asked several times for every packet: `instanceof` would be felt. */
export function isSplit(bytes: PacketBytes): bytes is SplitPacket {
  return !ArrayBuffer.isView(bytes)
}

/** The piece in which the type and the packet id stand. */
export function headOf(bytes: PacketBytes): Buffer {
  return isSplit(bytes) ? bytes.head : bytes
}

/** A packet in one piece. */
export function whole(bytes: PacketBytes): Buffer {
  return isSplit(bytes) ? bytes.joined() : bytes
}
