/** What comes in on a connection: bytes through the `wire` hook, cut into packets, decoded, put on record, checked; then their turn. */
import { violationOf, violationOfMalformed } from '../lint/violation.ts'
import { decode } from '../wire/decode.ts'
import { type Frame, FrameReader } from '../wire/frame.ts'
import { Malformed } from '../wire/malformed.ts'
import { type Command, type Packet, type ProtocolVersion, type PublishPacket, packetTypes } from '../wire/packet.ts'
import { placeOfPacketId } from '../wire/places.ts'
import type { Connection } from './connection.ts'
import { isRepeated, isSameMessage, type RequestPacket } from './requests.ts'
import { Turns } from './turns.ts'
import { recordViolation } from './violations.ts'
import { WireLane } from './wire-lane.ts'

/** The way in of one connection. */
export class Inbox {
  readonly turns: Turns
  /** Nothing is read: the way in stands still. */
  stalled = false
  /** What is read is thrown away. */
  deaf = false
  readonly #connection: Connection
  readonly #reader: FrameReader
  #lane: WireLane | undefined
  #reading = false
  #begun = false
  /** The client said more after DISCONNECT. */
  #saidMore = false

  constructor(connection: Connection) {
    this.#connection = connection
    this.#reader = new FrameReader(connection.run.settings.maximumPacketSize)
    this.turns = new Turns(connection)
  }

  /** Whether a plugin holds bytes back. */
  get waiting(): boolean {
    return this.#lane?.waiting === true
  }

  /** Begins to read. */
  begin(): void {
    this.#begun = true
    this.updateReading()
  }

  /** Reads, or pauses, as things stand. */
  updateReading(): void {
    const { outbox, transport } = this.#connection
    const wanted = this.#begun && !this.stalled && !outbox.congested && !this.turns.backlogged
    if (wanted === this.#reading) return
    this.#reading = wanted
    if (wanted) transport.resume()
    else transport.pause()
  }

  /** Takes a chunk. */
  push(chunk: Buffer): void {
    if (this.#lane !== undefined || this.#connection.run.hookSet.tapsOf(this.#connection).wantsWire('in')) {
      this.#lane ??= new WireLane(this.#connection, 'in', (bytes) => this.#read(bytes))
      this.#lane.push(chunk)
    } else this.#read(chunk)
  }

  /** Calls `then` when no plugin holds bytes back any more. */
  whenIdle(then: () => void): void {
    if (this.#lane === undefined) then()
    else this.#lane.whenIdle(then)
  }

  /** The largest packet of a type that is read from now on, in bytes. */
  limit(type: Command, bytes: number): void {
    this.#reader.limitType(packetTypes[type], bytes)
  }

  /** The client is gone: says so where it left in the middle of a packet. */
  reportRest(): void {
    if (this.#reader.held === 0) return
    const detail = `${this.#reader.held} bytes of it came`
    recordViolation(this.#connection, violationOf('packet-cut-short', this.#connection.version, { raw: this.#reader.rest(), detail }), 'warn')
  }

  /** Takes nothing more. */
  close(): void {
    this.#reader.close()
    this.#lane?.cancel()
    this.turns.clear()
  }

  #read(bytes: Buffer): void {
    const connection = this.#connection
    if (!connection.listens) {
      this.#afterTheEnd(bytes)
      return
    }
    const malformed = this.#reader.push(bytes, this.#onFrame)
    if (malformed !== undefined && connection.listens) {
      const rest = this.#reader.rest()
      // A CONNECT that is too large is refused in its own version, as far as it came.
      if (connection.phase === 'new' && (rest[0] ?? 0) >> 4 === 1) connection.version = versionOf(rest, 2 + rest.subarray(1, 5).findIndex((byte) => byte < 128))
      this.#refuse(malformed, rest)
    }
    if (connection.closed) this.#afterTheEnd(this.#reader.unread)
  }

  /** Nothing that comes after DISCONNECT is heard; it is said once [MQTT-3.14.4-1]. */
  #afterTheEnd(bytes: Buffer): void {
    const { ended } = this.#connection
    if (bytes.length === 0 || this.#saidMore || ended?.by !== 'client' || ended.how !== 'disconnect') return
    this.#saidMore = true
    this.#connection.violate('packet-after-disconnect', { raw: bytes, offset: 0, detail: `${bytes.length} bytes` })
  }

  #refuse(malformed: Malformed, raw: Buffer): void {
    this.#connection.violated(violationOfMalformed(malformed, this.#connection.version, raw))
  }

  /** A packet came. Returns whether more of them are heard. */
  readonly #onFrame = (frame: Frame): boolean => {
    const connection = this.#connection
    const { type, bytes, bodyOffset } = frame
    if (type === 1 && connection.phase === 'new') connection.version = versionOf(bytes, bodyOffset)
    const decoded = decode(frame, connection.version)
    connection.run.journal.packet(connection.number, 'in', bytes, connection.version, undefined)
    connection.counts[type] = (connection.counts[type] ?? 0) + 1
    let packet: Packet
    if (decoded instanceof Malformed) {
      // Without an authentication method, AUTH is wrong whatever stands in it [MQTT-4.12.0-7].
      if (type === 15 && connection.version === 5 && connection.auth.method === undefined) connection.violate('auth-without-method', { raw: bytes, offset: 0 })
      else this.#refuse(decoded, bytes)
      if (!connection.listens || decoded.packet === undefined) return connection.listens
      packet = decoded.packet
    } else packet = decoded
    if (bodyOffset > 2 && bytes[bodyOffset - 1] === 0) {
      connection.violate('remaining-length-not-minimal', { packet, raw: bytes, offset: 1 })
      if (!connection.listens) return false
    }
    if ((packet.cmd === 'publish' || packet.cmd === 'subscribe' || packet.cmd === 'unsubscribe') && !this.#mayAsk(packet, bytes)) return !connection.closed
    if (this.deaf) return true
    connection.signal(packet.cmd)
    if (this.turns.busy || this.stalled) this.#outOfTurn(packet, bytes)
    else this.turns.handle(packet, bytes)
    return connection.listens
  }

  /** A packet comes while one is decided on, or while nothing is heard. */
  #outOfTurn(packet: Packet, raw: Buffer): void {
    const connection = this.#connection
    const { auth } = connection
    const isConnecting = connection.phase === 'connecting'
    if (packet.cmd === 'auth' && auth.open) auth.answered(packet, raw)
    else if (packet.cmd === 'disconnect' && isConnecting) this.turns.handle(packet, raw)
    else if (isConnecting && auth.method !== undefined && packet.cmd !== 'auth')
      connection.violate('packets-before-connack-with-auth', { packet, raw, offset: 0, detail: packet.cmd.toUpperCase() }) // [MQTT-3.1.2-30]
    else this.turns.wait(packet, raw)
  }

  /** Checks the packet id of a request, and how many messages have no answer yet; notes that this one came. */
  #mayAsk(packet: RequestPacket, raw: Buffer): boolean {
    const connection = this.#connection
    const { requests, session, version } = connection
    const { messageId } = packet
    if (session === undefined || messageId === undefined) return true
    const isResend = session.unfinished !== undefined && packet.cmd === 'publish' && this.#isResend(session.unfinished, messageId, packet)
    if (isResend && !packet.dup && connection.violate('resend-without-dup', { packet, raw, offset: 0, detail: `id ${messageId}` }) === 'disconnect')
      return false // [MQTT-3.3.1-1]
    const earlier = requests.get(messageId)
    // Not released: of this connection, or of one before it.
    const isReceived = session.received.has(messageId)
    if (!isResend && (earlier !== undefined || isReceived)) {
      const isAgain = isReceived ? packet.cmd === 'publish' && packet.qos === 2 && packet.dup : earlier !== undefined && isRepeated(earlier, packet, version)
      if (!isAgain && connection.violate('packet-id-in-use', { packet, raw, offset: placeOfPacketId(raw), detail: `id ${messageId}` }) === 'disconnect')
        return false
    }
    // A message that is sent again is the same message; on another connection it counts again, as one that has no answer there.
    if (isReceived && packet.cmd === 'publish' && earlier !== undefined) return true
    requests.came(messageId, packet)
    if (version !== 5 || packet.cmd !== 'publish') return true
    const { receiveMaximum } = connection.run.settings
    const { messages } = requests
    if (messages <= receiveMaximum) return true
    return connection.violate('receive-maximum-exceeded', { packet, raw, offset: 0, detail: `${messages} of ${receiveMaximum}` }) !== 'disconnect'
  }

  /** Whether a message had no answer when the connection before this one ended. It is asked once only. */
  #isResend(unfinished: Map<number, PublishPacket>, id: number, packet: PublishPacket): boolean {
    const before = unfinished.get(id)
    return unfinished.delete(id) && before !== undefined && isSameMessage(before, packet)
  }
}

/** The version that a CONNECT speaks, as far as its bytes tell; 4 where they do not. */
function versionOf(bytes: Buffer, bodyOffset: number): ProtocolVersion {
  const nameLength = ((bytes[bodyOffset] ?? 0) << 8) | (bytes[bodyOffset + 1] ?? 0)
  const level = (bytes[bodyOffset + 2 + nameLength] ?? 4) & 0x7f
  return level === 5 ? 5 : level === 3 ? 3 : 4
}
