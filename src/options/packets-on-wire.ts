/**
 * Packets among the bytes of the `wire` hook, for plugins that cut or change some of them: chunks are no packets, but where each
 * packet begins and ends can be followed.
 */
import type { Connection } from '../connection/connection.ts'
import type { Direction } from '../record/journal.ts'
import { type Command, commandByType, commands } from '../wire/packet.ts'
import type { OptionOutput } from './option.ts'
import { option } from './option-kinds.ts'
import { selection } from './selection.ts'

/** Which packets on the wire are meant, as options; all where nothing is given. */
export const wireSelection = {
  packets: option.optional(option.list(option.choice('a packet type', commands, 'publish'), 'only packets of these types', [])),
  nth: selection.nth,
  from: selection.from,
  every: selection.every,
  probability: selection.probability,
} as const

/** What a plugin gets of {@link wireSelection}. */
export type WireSelection = OptionOutput<typeof wireSelection>

/** A part of one packet, or a whole one, as it stands in a chunk. */
export interface PacketPart {
  readonly bytes: Buffer
  /** The type of the packet; undefined for the reserved type 0, and for bytes in which no packet can be made out. */
  readonly cmd: Command | undefined
  /** Where in its packet the part begins, in bytes. */
  readonly offset: number
  /** Bytes of the whole packet, as soon as its header is there. */
  readonly length: number | undefined
  /** Whether the selection is about this packet. */
  readonly chosen: boolean
}

/** Follows the packets of one direction of one connection. */
class PacketFollower {
  readonly #isChosen: (cmd: Command | undefined) => boolean
  #cmd: Command | undefined
  #chosen = false
  #offset = 0
  #length: number | undefined
  #remaining = 0
  #lost = false

  constructor(isChosen: (cmd: Command | undefined) => boolean) {
    this.#isChosen = isChosen
  }

  cut(chunk: Buffer): PacketPart[] {
    const parts: PacketPart[] = []
    let start = 0
    while (start < chunk.length) {
      const offset = this.#offset
      const end = this.#endOfPart(chunk, start)
      parts.push({ bytes: chunk.subarray(start, end), cmd: this.#cmd, offset, length: this.#length, chosen: this.#chosen })
      if (this.#offset === this.#length) this.#offset = 0
      start = end
    }
    return parts
  }

  /** Reads on to the end of the packet, or of the chunk. */
  #endOfPart(chunk: Buffer, start: number): number {
    let at = start
    if (this.#offset === 0 && !this.#lost) {
      this.#cmd = commandByType[(chunk[at] ?? 0) >> 4]
      this.#chosen = this.#isChosen(this.#cmd)
      this.#length = undefined
      this.#remaining = 0
      this.#offset = 1
      at++
    }
    while (this.#length === undefined && !this.#lost && at < chunk.length) {
      const byte = chunk[at++] ?? 0
      this.#remaining += (byte & 127) * 128 ** (this.#offset - 1)
      this.#offset++
      if (byte < 128) this.#length = this.#offset + this.#remaining
      // A length of five bytes: nobody can tell where the next packet begins.
      else if (this.#offset > 4) this.#lost = true
    }
    const end = this.#length === undefined ? chunk.length : Math.min(chunk.length, at + this.#length - this.#offset)
    this.#offset += end - at
    return end
  }
}

/** Makes what cuts chunks into packets: called for every chunk of a direction, or it loses its place. `name` is the plugin's. */
export function packetsOnWire(
  name: string,
  { packets, nth, from, every, probability }: WireSelection,
): (chunk: Buffer, way: Direction, connection: Connection) => readonly PacketPart[] {
  const followers = () => new Map<Direction, PacketFollower>()
  const follow = (connection: Connection) => {
    let count = 0
    return new PacketFollower((cmd) => {
      if (packets !== undefined && (cmd === undefined || !packets.includes(cmd))) return false
      count++
      if (count < from || (nth !== undefined && !nth.includes(count)) || (count - from + 1) % every !== 0) return false
      return probability >= 1 || connection.random(`${name} selection`).chance(probability)
    })
  }
  return (chunk, way, connection) => {
    const known = connection.state(followers)
    const follower = known.get(way) ?? follow(connection)
    known.set(way, follower)
    return follower.cut(chunk)
  }
}
