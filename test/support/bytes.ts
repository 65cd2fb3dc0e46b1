/** Bytes in tests: written as hex, cut into frames, cut into chunks. */
import { completePacket, type PacketInput } from '../../src/steps.ts'
import { decode, type Sender } from '../../src/wire/decode.ts'
import { encode } from '../../src/wire/encode.ts'
import { type Frame, FrameReader } from '../../src/wire/frame.ts'
import type { Malformed } from '../../src/wire/malformed.ts'
import type { Packet, ProtocolVersion } from '../../src/wire/packet.ts'

/** Bytes of hex digits, with blanks where they help the reader; what stands in quotes is text. */
export function hex(text: string): Buffer {
  const parts = text.split(/('[^']*')/)
  return Buffer.concat(parts.map((part) => (part.startsWith("'") ? Buffer.from(part.slice(1, -1)) : Buffer.from(part.replace(/\s+/g, ''), 'hex'))))
}

/** A number as a variable byte integer. */
export function varint(value: number): Buffer {
  const bytes: number[] = []
  let left = value
  do {
    bytes.push((left & 127) | (left > 127 ? 128 : 0))
    left >>>= 7
  } while (left > 0)
  return Buffer.from(bytes)
}

/** A packet with its fixed header: the first byte, and a body behind its length. */
export function framed(first: number, ...body: readonly (Buffer | string)[]): Buffer {
  const bytes = Buffer.concat(body.map((part) => (typeof part === 'string' ? hex(part) : part)))
  return Buffer.concat([Buffer.from([first]), varint(bytes.length), bytes])
}

/** A string with its two bytes of length. */
export function text(value: string | Buffer): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes])
}

/** The one frame that bytes hold. */
function frameOf(bytes: Buffer): Frame {
  const frames = framesOf([bytes]).frames
  const first = frames[0]
  if (first === undefined || frames.length > 1) throw new Error(`expected one whole packet, got ${frames.length} in ${bytes.toString('hex')}`)
  return first
}

/** What a frame reader makes of chunks. */
export function framesOf(chunks: readonly Buffer[], limit?: number): { frames: Frame[]; problem: Malformed | undefined; held: number } {
  const reader = new FrameReader(limit)
  const frames: Frame[] = []
  let problem: Malformed | undefined
  for (const chunk of chunks)
    problem ??= reader.push(chunk, (frame) => {
      frames.push(frame)
      return true
    })
  return { frames, problem, held: reader.held }
}

/** What decode makes of the one packet in some bytes. */
export function decoded(bytes: Buffer, version: ProtocolVersion, sender: Sender = 'client'): Packet | Malformed {
  return decode(frameOf(bytes), version, sender)
}

/** The bytes of a packet. */
export function encoded(packet: PacketInput, version: ProtocolVersion = 4): Buffer {
  return encode(completePacket(packet), version)
}

/** A packet, or a part of one, with fields that its type does not allow. */
export function altered<T extends object>(packet: T, changes: object): T {
  return Object.assign({}, packet, changes)
}

/** Cuts bytes at some places, given as numbers from 0 to 1. */
export function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const cuts = [...new Set(places.map((place) => Math.floor(place * bytes.length)))].sort((one, two) => one - two)
  return [0, ...cuts].map((start, index) => bytes.subarray(start, cuts[index] ?? bytes.length)).filter((chunk) => chunk.length > 0)
}

/** Cuts bytes into single ones. */
export function singly(bytes: Buffer): Buffer[] {
  return Array.from(bytes, (_, index) => bytes.subarray(index, index + 1))
}
