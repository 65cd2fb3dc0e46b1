/** A raw client: it says exactly what it is told to, byte for byte, and shows exactly what came. */
import { connect as connectSocket } from 'node:net'
import { deadline } from '../clock.ts'
import { type Duration, parseDuration } from '../duration.ts'
import { MqttestError } from '../errors.ts'
import type { Transport } from '../net/transport.ts'
import { describePacket } from '../record/describe.ts'
import { differences } from '../record/pattern.ts'
import type { Server } from '../server.ts'
import { type Bytes, completePacket, type PacketInput, toBuffer } from '../steps.ts'
import { decode } from '../wire/decode.ts'
import { encode } from '../wire/encode.ts'
import { FrameReader } from '../wire/frame.ts'
import { Malformed } from '../wire/malformed.ts'
import type { Command, Packet, PacketOf, ProtocolVersion } from '../wire/packet.ts'

/** What a raw client runs on. */
interface Carrier {
  write(bytes: Buffer): void
  end(): void
  reset(): void
  pause(): void
  resume(): void
}

/** The fields of a CONNECT with what is usual left out: MQTT 3.1.1, clean, keep-alive 0, client id 'raw'. */
export type ConnectInput = Partial<Omit<Extract<PacketInput, { cmd: 'connect' }>, 'cmd'>>

/** A client that does nothing on its own: no acknowledgements, no pings, no reconnects. */
export class RawClient {
  /** Protocol level in which packets are written and read; set by `connect`. */
  version: ProtocolVersion
  /** Every packet that came, in order. */
  readonly received: Packet[] = []
  /** All bytes that came, one entry per chunk: what a write of the server looked like. */
  readonly chunks: Buffer[] = []
  /** How the server ended the connection; undefined while it has not. */
  ended: 'fin' | 'rst' | undefined
  readonly #carrier: Carrier
  readonly #reader = new FrameReader()
  readonly #watchers = new Set<() => void>()
  readonly #taken = new Set<Packet>()

  /** Use {@link connectMemory} or {@link connectTcp}. */
  constructor(carrier: Carrier, version: ProtocolVersion) {
    this.#carrier = carrier
    this.version = version
  }

  /** @internal Bytes came. */
  data(chunk: Buffer): void {
    this.chunks.push(chunk)
    this.#reader.push(chunk, (frame) => {
      const packet = decode(frame, this.version, 'server')
      // What does not decode is kept as it is, under the name of its type, for tests that send what is illegal.
      if (packet instanceof Malformed) this.malformed.push(frame.bytes)
      else this.received.push(packet)
      return true
    })
    this.#wake()
  }

  /** Packets that came and are malformed. */
  readonly malformed: Buffer[] = []

  /** @internal The server ended the connection. */
  closed(how: 'fin' | 'rst'): void {
    this.ended ??= how
    this.#wake()
  }

  /** Sends packets, or bytes. */
  send(...inputs: readonly (PacketInput | Bytes)[]): this {
    for (const input of inputs)
      this.#carrier.write(typeof input === 'string' || input instanceof Uint8Array ? toBuffer(input) : encode(completePacket(input), this.version))
    return this
  }

  /** Sends CONNECT and resolves with CONNACK, whatever it says. */
  async connect(input: ConnectInput = {}): Promise<PacketOf<'connack'>> {
    this.sendConnect(input)
    return this.next('connack')
  }

  /** Sends CONNECT. */
  sendConnect(input: ConnectInput = {}): this {
    const version = input.protocolVersion ?? this.version
    this.version = version === 5 ? 5 : version === 3 ? 3 : 4
    return this.send({
      cmd: 'connect',
      protocolId: this.version === 3 ? 'MQIsdp' : 'MQTT',
      protocolVersion: this.version,
      clean: true,
      clientId: 'raw',
      keepalive: 0,
      ...input,
    })
  }

  /** The first packet of a type that fits the pattern and was not taken yet, among those that came or come. */
  async next<C extends Command>(cmd: C, pattern: object = {}, within: Duration = 1000): Promise<PacketOf<C>> {
    const find = () => {
      for (const packet of this.received) {
        if (this.#taken.has(packet) || !isOf(packet, cmd) || differences(pattern, packet).length > 0) continue
        this.#taken.add(packet)
        return packet
      }
      return undefined
    }
    return this.#until(
      find,
      within,
      () =>
        `the client expected ${cmd.toUpperCase()} ${JSON.stringify(pattern)}, got: ${
          this.received
            .filter((packet) => !this.#taken.has(packet))
            .map(describePacket)
            .join('; ') || 'nothing'
        }${this.ended === undefined ? '' : ` (closed: ${this.ended})`}`,
    )
  }

  /** Resolves when the server has ended the connection. */
  async end(within: Duration = 1000): Promise<'fin' | 'rst'> {
    return this.#until(
      () => this.ended,
      within,
      () => 'the client expected the server to close the connection',
    )
  }

  /** Resolves when so many packets came in all. */
  async count(packets: number, within: Duration = 1000): Promise<readonly Packet[]> {
    return this.#until(
      () => (this.received.length >= packets ? this.received : undefined),
      within,
      () => `the client expected ${packets} packets, got ${this.received.map(describePacket).join('; ')}`,
    )
  }

  /** Resolves when the server has answered everything that was sent before: a PINGREQ goes there and back. */
  async settled(): Promise<this> {
    await this.send({ cmd: 'pingreq' }).next('pingresp')
    return this
  }

  /** Closes in order, without DISCONNECT. */
  close(): void {
    this.#carrier.end()
  }

  /** Closes with a reset. */
  reset(): void {
    this.#carrier.reset()
  }

  /** Stops reading. */
  pause(): void {
    this.#carrier.pause()
  }

  /** Reads again. */
  resume(): void {
    this.#carrier.resume()
  }

  #until<T>(find: () => T | undefined, within: Duration, explain: () => string): Promise<T> {
    const found = find()
    if (found !== undefined) return Promise.resolve(found)
    return new Promise((resolve, reject) => {
      const timer = deadline(parseDuration(within), () => {
        this.#watchers.delete(look)
        reject(new MqttestError('MQTTEST_EXPECT', explain()))
      })
      const look = () => {
        const value = find()
        if (value === undefined) return
        timer.cancel()
        this.#watchers.delete(look)
        resolve(value)
      }
      this.#watchers.add(look)
    })
  }

  #wake(): void {
    for (const look of [...this.#watchers]) look()
  }
}

function isOf<C extends Command>(packet: Packet, cmd: C): packet is PacketOf<C> {
  return packet.cmd === cmd
}

/** A raw client on an in-memory pair: no socket, works on virtual time. */
export function connectMemory(server: Server, version: ProtocolVersion = 4): RawClient {
  const transport: Transport = server.joinMemory()
  const client = new RawClient(transport, version)
  let reset = false
  transport.listen({
    data: (chunk) => client.data(chunk),
    end: () => client.closed(reset ? 'rst' : 'fin'),
    drain: () => undefined,
    closed: (wasReset) => {
      reset = wasReset
      client.closed(wasReset ? 'rst' : 'fin')
    },
  })
  transport.resume()
  return client
}

/** A raw client on a real socket: to the server's first port, or to the address that is given. */
export function connectTcp(
  to: { readonly port: number; readonly host?: string } | { readonly path: string },
  version: ProtocolVersion = 4,
): Promise<RawClient> {
  return new Promise((resolve, reject) => {
    const socket = 'path' in to ? connectSocket(to.path) : connectSocket({ port: to.port, host: to.host ?? '127.0.0.1', noDelay: true })
    const client = new RawClient(
      {
        write: (bytes) => void socket.write(bytes),
        end: () => void socket.end(),
        reset: () => void socket.resetAndDestroy(),
        pause: () => void socket.pause(),
        resume: () => void socket.resume(),
      },
      version,
    )
    socket.once('connect', () => resolve(client))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      reject(error)
      if (error.code === 'ECONNRESET' || error.code === 'EPIPE') client.closed('rst')
    })
    socket.on('data', (chunk: Buffer) => client.data(chunk))
    socket.on('end', () => client.closed('fin'))
    socket.on('close', () => client.closed('fin'))
  })
}
