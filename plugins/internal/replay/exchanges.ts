/**
 * What a server said on a connection, by what it answered: each packet of the client with the steps that followed it. An answer
 * that names a packet id goes with the packet that it answers, also where the client had said more meanwhile.
 */
import type { Command, Packet } from '../../../src/index.ts'

type Fields = { readonly [name: string]: unknown }

/** One line of a script, as JSON holds it. */
export interface ScriptLine {
  readonly connection: number
  /** The packet of the client: its type, and the fields that must be the same. */
  readonly expect: Fields
  /** What the server says then. */
  readonly say: readonly Fields[]
}

interface Exchange {
  readonly packet: Packet
  readonly steps: Fields[]
  /** When the client said it, or the server the last of what followed. */
  lastMs: number
}

/** The packets of a client that an answer with a packet id may belong to. */
const asked: { readonly [C in Command]?: Command } = {
  puback: 'publish',
  pubrec: 'publish',
  pubrel: 'pubrec',
  pubcomp: 'pubrel',
  suback: 'subscribe',
  unsuback: 'unsubscribe',
}
const askedWithoutId: { readonly [C in Command]?: Command } = { connack: 'connect', pingresp: 'pingreq' }

/** Collects what was said on one connection. */
export class Exchanges {
  readonly #all: Exchange[] = []

  /** The client said something, so long after the connection began. */
  client(packet: Packet, atMs: number): void {
    this.#all.push({ packet, steps: [], lastMs: atMs })
  }

  /** The server said something: a packet, or bytes that are none. */
  server(said: Packet | Buffer, atMs: number): void {
    if (Buffer.isBuffer(said)) {
      this.#add(this.#all.at(-1), { raw: said.toString('hex') }, atMs)
      return
    }
    const exchange = this.#answered(said)
    const packet = packetJson(said)
    this.#add(exchange ?? this.#all.at(-1), { packet: exchange !== undefined && 'messageId' in said ? { ...packet, messageId: '{messageId}' } : packet }, atMs)
  }

  /** The server ended the connection. */
  closed(how: 'fin' | 'rst', atMs: number): void {
    this.#add(this.#all.at(-1), { close: how }, atMs)
  }

  /** The script of the connection. */
  lines(connection: number): ScriptLine[] {
    return this.#all.map(({ packet, steps }) => ({ connection, expect: expectation(packet), say: steps }))
  }

  #add(exchange: Exchange | undefined, step: Fields, atMs: number): void {
    if (exchange === undefined) return
    const wait = Math.round(atMs - exchange.lastMs)
    if (wait > 0) exchange.steps.push({ wait })
    exchange.steps.push(step)
    exchange.lastMs = Math.max(atMs, exchange.lastMs)
  }

  /** The packet of the client that one of the server answers. */
  #answered(said: Packet): Exchange | undefined {
    const cmd = asked[said.cmd]
    if (cmd === undefined) return this.#all.findLast(({ packet }) => packet.cmd === askedWithoutId[said.cmd])
    const id = idOf(said)
    return this.#all.findLast(({ packet }) => packet.cmd === cmd && idOf(packet) === id)
  }
}

function idOf(packet: Packet): number | undefined {
  return 'messageId' in packet ? packet.messageId : undefined
}

/** What must be the same when the client says it again; packet ids and payloads need not be. */
function expectation(packet: Packet): Fields {
  const { cmd } = packet
  if (cmd === 'connect') return { cmd, protocolVersion: packet.protocolVersion, clean: packet.clean }
  if (cmd === 'publish') return { cmd, topic: packet.topic, qos: packet.qos }
  if (cmd === 'subscribe') return { cmd, subscriptions: packet.subscriptions.map(({ topic, qos }) => ({ topic, qos })) }
  if (cmd === 'unsubscribe') return { cmd, unsubscriptions: packet.unsubscriptions }
  return { cmd }
}

/** A packet as JSON: bytes as text, or as { base64 }; flags that are not set are left out. */
function packetJson(packet: Packet): Fields {
  return Object.fromEntries(
    Object.entries(packet).flatMap(([name, value]: [string, unknown]) =>
      value === false && (name === 'dup' || name === 'retain') ? [] : value === undefined ? [] : [[name, asJson(value)]],
    ),
  )
}

function asJson(value: unknown): unknown {
  if (Buffer.isBuffer(value)) {
    const text = value.toString()
    // What looks like the name of something to fill in would be filled in.
    return Buffer.from(text).equals(value) && !/\{[\w-]+(\.[\w-]+)*\}/.test(text) ? text : { base64: value.toString('base64') }
  }
  if (Array.isArray(value)) return value.map(asJson)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, asJson(item)]))
}

/** Whether a line of a file is one of a dump. */
export function isDumpLine(line: Fields): boolean {
  return typeof line.type === 'string' && typeof line.serial === 'number'
}

/** The script that a dump tells. */
export function scriptOfDump(records: readonly Fields[]): ScriptLine[] {
  const connections = new Map<number, Exchanges>()
  for (const { type, connection, dir, packet, raw, atMs, by, how } of records) {
    if (typeof connection !== 'number' || typeof atMs !== 'number') continue
    const known = connections.get(connection) ?? new Exchanges()
    connections.set(connection, known)
    if (type === 'close' && by === 'server') known.closed(how === 'rst' ? 'rst' : 'fin', atMs)
    if (type !== 'packet') continue
    const read = restored(packet)
    if (dir === 'in' && isPacket(read)) known.client(read, atMs)
    if (dir === 'out') known.server(isPacket(read) ? read : Buffer.from(typeof raw === 'string' ? raw : '', 'hex'), atMs)
  }
  return [...connections].flatMap(([number, exchanges]) => exchanges.lines(number))
}

function isPacket(value: unknown): value is Packet {
  return typeof value === 'object' && value !== null && 'cmd' in value
}

/** Bytes in place of how a dump writes them: { len, utf8 } or { len, base64 }. */
function restored(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(restored)
  if (typeof value !== 'object' || value === null) return value
  if ('len' in value && 'utf8' in value && typeof value.utf8 === 'string') return Buffer.from(value.utf8)
  if ('len' in value && 'base64' in value && typeof value.base64 === 'string') return Buffer.from(value.base64, 'base64')
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, restored(item)]))
}
