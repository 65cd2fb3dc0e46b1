/** What is remembered of connections and clients; all of it in bounds, however long they live. */
import type { Connection, ConnectPacket } from '../../../src/index.ts'
import type { IdiomName } from './rules.ts'

/** A map that lets the oldest entry go when it is full. */
export class BoundedMap<K, V> extends Map<K, V> {
  readonly #limit: number

  constructor(limit: number) {
    super()
    this.#limit = limit
  }

  override set(key: K, value: V): this {
    if (!this.has(key) && this.size >= this.#limit) for (const oldest of this.keys()) if (this.delete(oldest)) break
    return super.set(key, value)
  }
}

/** One flag for each packet id. */
class PacketIdFlags {
  #bits: Uint8Array | undefined

  has(id: number): boolean {
    return ((this.#bits?.[id >> 3] ?? 0) & (1 << (id & 7))) !== 0
  }

  add(id: number): void {
    const bits = (this.#bits ??= new Uint8Array(8192))
    bits[id >> 3] = (bits[id >> 3] ?? 0) | (1 << (id & 7))
  }

  delete(id: number): void {
    if (this.#bits !== undefined) this.#bits[id >> 3] = (this.#bits[id >> 3] ?? 0) & ~(1 << (id & 7))
  }
}

/** Topics or filters that are kept track of on one connection. */
const topicsKept = 256

/** What a connection has shown so far. */
export class ConnectionHistory {
  readonly connection: Connection
  readonly reported = new Set<IdiomName>()
  connect: ConnectPacket | undefined
  /** Packets from the client. */
  received = 0
  /** From CONNACK. */
  topicAliasMaximum = 0
  identifiersAvailable = true
  /** Filters that the session brought along; undefined where it is new, or once that was reported. */
  inherited: Set<string> | undefined
  /** Packet ids that a PUBLISH of this connection carried, and those that a PUBREL did. */
  readonly published = new PacketIdFlags()
  readonly released = new PacketIdFlags()
  /** What was published to the will's topic: the first payload, and whether the client's last PUBLISH says goodbye there. */
  firstStatus: Buffer | undefined
  saysGoodbye = false
  readonly retained = new BoundedMap<string, true>(topicsKept)
  cleanups = 0
  /** How often a long topic was sent in full. */
  readonly topics = new BoundedMap<string, number>(topicsKept)
  /** Rounds of SUBSCRIBE, retained message, UNSUBSCRIBE. */
  readonly polls = new BoundedMap<string, { rounds: number; answered: boolean }>(topicsKept)

  constructor(connection: Connection) {
    this.connection = connection
  }
}

/** What a client has shown over its connections. */
export interface ClientHistory {
  readonly reported: Set<IdiomName>
  /** Its last connection did nothing but end a session. */
  purged: boolean
}

/** Says that an idiom was found. */
export type Tell = (rule: IdiomName, found: string) => void
