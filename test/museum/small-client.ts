/**
 * A small MQTT client for the museum. Every decision in which clients err is an option: one value makes the bug, the default is
 * what a sound client does. It handles each packet as it comes, and its time is that of the server, so that tests need not wait.
 *
 *     const client = smallClient(server, { connectTimeout: 'never' })   // connects, and stops with the test
 *     client.subscribe(['a'], 1)
 *     await server.clock.advance('1m')
 *
 * What is special to one bug goes into `handle`, which sees each packet first, or into a class that extends SmallClient.
 */
import type { Duplex } from 'node:stream'
import {
  type Clock,
  type Duration,
  type Packet,
  type PacketInput,
  type PacketOf,
  type ProtocolVersion,
  parseDuration,
  type QoS,
  type Server,
  type Timer,
} from 'mqttest'
import type { ConnectInput } from 'mqttest/testing'
import { onTestFinished } from 'vitest'
import { type Bytes, completePacket, toBuffer } from '../../src/steps.ts'
import { decode } from '../../src/wire/decode.ts'
import { encode } from '../../src/wire/encode.ts'
import { FrameReader } from '../../src/wire/frame.ts'
import { Malformed } from '../../src/wire/malformed.ts'

/** Why a connection is over, or was none. */
export type Loss = 'refused' | 'connect-timeout' | 'closed' | 'ping-timeout' | 'unanswered' | 'server-disconnect' | 'malformed' | 'misused'

/** How a client behaves. All of it may be left out. */
export interface Behaviour {
  readonly version: ProtocolVersion
  readonly clientId: string
  readonly clean: boolean
  /** What CONNECT says besides; a function is asked at each attempt, counted from 0. */
  readonly connect: ConnectInput | ((attempt: number) => ConnectInput)
  /** How long it waits for CONNACK. */
  readonly connectTimeout: Duration | 'never'
  /** How long it waits before it connects again, and how many times longer after each attempt that failed. */
  readonly reconnectDelay: Duration
  readonly backoff: number
  readonly longestDelay: Duration
  /** After which losses it never connects again. */
  readonly givesUp: readonly Loss[]
  /** After how many losses without a connection in between it never connects again. */
  readonly mostFailures: number
  /** What becomes of a link that it takes for dead. */
  readonly oldLink: 'closed' | 'left-open'
  /** What cuts the bytes that come into packets, asked for on each connection. */
  readonly reader: () => Reader
  /** What a second CONNACK on one connection does. */
  readonly secondConnack: 'disconnect' | 'set-up-again' | 'ignore'
  /** Whether a CONNACK that refuses is only read, and one behind it may still let it in. */
  readonly believesSecondConnack: boolean
  /** Seconds; 0 sends no pings. */
  readonly keepAlive: number
  /** A PINGREQ goes out after so much idle time as keep-alive says; or not while a PINGRESP is missing, or so long after it; or never. */
  readonly ping: 'on-time' | 'after-pingresp' | 'timed-from-pingresp' | 'never'
  /** How long it waits for PINGRESP. */
  readonly pingTimeout: Duration | 'never'
  /** When it asks for its subscriptions again on a new connection. */
  readonly subscribeAgain: 'always' | 'without-session' | 'never'
  /** From when on it takes a filter for one that the session of the server has. */
  readonly subscribed: 'when-granted' | 'when-asked'
  /** How many filters one SUBSCRIBE has at most. */
  readonly subscribeTogether: number
  /** What it does with messages of QoS 1 and 2 that come. */
  readonly acknowledge: 'at-once' | 'never'
  /** How long it remembers which messages of QoS 2 it has and were not released. */
  readonly remembers: 'for-the-session' | 'for-the-connection'
  /** What a PUBREL does whose PUBLISH it does not know. */
  readonly unknownRelease: 'pubcomp' | 'disconnect' | 'ignore'
  /** What an acknowledgement does that it does not wait for. */
  readonly unknownAcknowledgement: 'ignore' | 'disconnect' | 'stop-reading'
  /** What it looks at in an acknowledgement: also the type, and how many codes SUBACK has; or nothing but the packet id. */
  readonly matches: 'type-and-codes' | 'id'
  /** What a packet does that cannot be read. */
  readonly malformed: 'disconnect' | 'ignore'
  /** How long it waits for the answer to SUBSCRIBE, UNSUBSCRIBE and messages of QoS 1 and 2, and what happens then. */
  readonly answerTimeout: Duration | 'never'
  readonly unanswered: 'give-up' | 'reconnect'
  /** Whether it knows what it waits for before it sends the request, or only in the next turn of its clock. */
  readonly registers: 'before-sending' | 'after-sending'
  /** What becomes of messages of QoS 1 and 2 that a connection left unacknowledged, and in which order. */
  readonly resend: 'with-dup' | 'without-dup' | 'never'
  readonly resendOrder: 'as-sent' | 'reversed'
  /** Whether a packet id may be that of a request which is still open, and which id is followed by 1 again. */
  readonly packetIds: 'unused' | 'in-turn'
  readonly highestPacketId: number
  /** How many messages may wait for their acknowledgement; more wait for their turn. */
  readonly inFlight: number
  /** Whether a refusal in PUBACK or PUBREC makes room for another message. */
  readonly refusalFrees: boolean
  /** The Maximum Packet Size that it keeps to: that of this connection, of the first one, or none. */
  readonly packetLimit: 'of-connection' | 'of-first-connection' | 'none'
  /** When it tells of a QoS 0 message that was written: as soon as the link takes it, or only where the link has room at once. */
  readonly tellsOfWrites: 'when-taken' | 'at-once-or-never'
  /** Sees each packet first; true: that was all. */
  readonly handle: (packet: Packet, client: SmallClient) => boolean
}

const sound: Behaviour = {
  version: 4,
  clientId: 'small',
  clean: true,
  connect: {},
  connectTimeout: '10s',
  reconnectDelay: '1s',
  backoff: 1,
  longestDelay: '1m',
  givesUp: [],
  mostFailures: Number.POSITIVE_INFINITY,
  oldLink: 'closed',
  reader: () => new FrameReader(),
  secondConnack: 'disconnect',
  believesSecondConnack: false,
  keepAlive: 0,
  ping: 'on-time',
  pingTimeout: '10s',
  subscribeAgain: 'without-session',
  subscribed: 'when-granted',
  subscribeTogether: Number.POSITIVE_INFINITY,
  acknowledge: 'at-once',
  remembers: 'for-the-session',
  unknownRelease: 'pubcomp',
  unknownAcknowledgement: 'ignore',
  matches: 'type-and-codes',
  malformed: 'disconnect',
  answerTimeout: 'never',
  unanswered: 'reconnect',
  registers: 'before-sending',
  resend: 'with-dup',
  resendOrder: 'as-sent',
  packetIds: 'unused',
  highestPacketId: 65_535,
  inFlight: 65_535,
  refusalFrees: true,
  packetLimit: 'of-connection',
  tellsOfWrites: 'when-taken',
  handle: () => false,
}

/** What cuts bytes into packets. */
export type Reader = Pick<FrameReader, 'push'>

/** What a client writes to. */
export interface Link {
  /** Bytes that were written and that nobody has taken yet. */
  readonly buffered?: number
  write(bytes: Buffer): void
  end(): void
  reset(): void
}

/** How many bytes a link takes without a wait. */
const roomOnLink = 64 * 1024

/** Opens a link; tells what comes, that everything written was taken, and once that it is over. */
export type Dial = (events: { data(chunk: Buffer): void; drained(): void; closed(): void }) => Link

/** Links in memory, to a server of the same process. */
export function overMemory(server: Server): Dial {
  return ({ data, drained, closed }) => {
    const transport = server.joinMemory()
    transport.listen({ data, end: closed, drain: drained, closed })
    transport.resume()
    return transport
  }
}

/** Links over what a function opens: a socket, a TLS socket, the stream of a WebSocket. */
export function overDuplex(open: () => Duplex): Dial {
  return ({ data, closed }) => {
    const stream = open()
    stream.on('data', data)
    for (const event of ['end', 'close', 'error']) stream.on(event, closed)
    return { write: (bytes) => void stream.write(bytes), end: () => void stream.end(), reset: () => void stream.destroy() }
  }
}

/** How a request ended. */
export type Outcome = 'done' | 'refused' | 'given-up'

/** A request that waits for its answer, or for its turn. */
interface Request {
  readonly packet: PacketOf<'publish'> | PacketOf<'subscribe'> | PacketOf<'unsubscribe'>
  readonly settle: (outcome: Outcome) => void
  /** PUBREC came. */
  released: boolean
}

export class SmallClient {
  readonly behaviour: Behaviour
  /** Every packet that came, over all connections. */
  readonly received: Packet[] = []
  /** The messages among them that were handed out. */
  readonly messages: PacketOf<'publish'>[] = []
  /** Why connections were lost, in order. */
  readonly losses: Loss[] = []
  /** What the application wants to be subscribed to. */
  readonly filters = new Map<string, QoS>()
  state: 'offline' | 'connecting' | 'connected' | 'stopped' = 'offline'
  /** How many connections were opened. */
  attempts = 0
  readonly #dial: Dial
  readonly #clock: Clock
  readonly #timers = new Map<string, Timer>()
  /** Requests that were sent and have no answer yet, by packet id, in the order of sending. */
  readonly #open = new Map<number, Request>()
  readonly #waiting: Request[] = []
  /** Messages of QoS 0 that the link has not taken yet. */
  readonly #unwritten: Request[] = []
  readonly #granted = new Set<string>()
  /** QoS 2 messages that came and were not released. */
  readonly #held = new Set<number>()
  #link: Link | undefined
  #failures = 0
  #lastId = 0
  #slotsLost = 0
  #lastSentMs = 0
  #lastPongMs = 0
  #packetLimit: number | undefined
  #reads = true
  #pingOpen = false

  constructor(dial: Dial, clock: Clock, behaviour: Partial<Behaviour> = {}) {
    this.#dial = dial
    this.#clock = clock
    this.behaviour = { ...sound, ...behaviour }
  }

  // ── What an application does ────────────────────────────────────────────────────────────────────────────────────

  start(): this {
    const { version, clientId, clean, keepAlive, connect, connectTimeout } = this.behaviour
    const reader = this.behaviour.reader()
    const attempt = this.attempts++
    this.state = 'connecting'
    this.#reads = true
    this.#pingOpen = false
    const isCurrent = () => attempt === this.attempts - 1 && this.#link !== undefined
    const link = this.#dial({
      data: (chunk) => {
        const problem = reader.push(chunk, (frame) => {
          if (!isCurrent() || !this.#reads) return false
          const packet = decode(frame, version, 'server')
          if (!(packet instanceof Malformed)) this.#came(packet)
          else if (this.behaviour.malformed === 'disconnect') this.disconnect('malformed', 0x81)
          return isCurrent()
        })
        if (problem !== undefined && isCurrent() && this.behaviour.malformed === 'disconnect') this.disconnect('malformed', 0x81)
      },
      drained: () => isCurrent() && this.#settleWritten('done'),
      closed: () => isCurrent() && this.lost('closed'),
    })
    this.#link = link
    const more = typeof connect === 'function' ? connect(attempt) : connect
    this.send({ cmd: 'connect', protocolId: version === 3 ? 'MQIsdp' : 'MQTT', protocolVersion: version, clean, clientId, keepalive: keepAlive, ...more })
    this.timer('connect', connectTimeout, () => this.lost('connect-timeout'))
    return this
  }

  /** Publishes when there is a connection and room in flight. */
  publish(topic: string, payload: string, qos: QoS = 0): Promise<Outcome> {
    return this.request({ cmd: 'publish', topic, payload: Buffer.from(payload), qos, dup: false, retain: false })
  }

  /** Subscribes now, and again on later connections. */
  async subscribe(topics: readonly string[], qos: QoS = 0): Promise<Outcome> {
    for (const topic of topics) this.filters.set(topic, qos)
    return this.state === 'connected' ? this.#subscribe(topics) : 'given-up'
  }

  unsubscribe(topics: readonly string[]): Promise<Outcome> {
    for (const topic of topics) this.filters.delete(topic)
    return this.request({ cmd: 'unsubscribe', messageId: 0, unsubscriptions: [...topics] })
  }

  /** Says goodbye and never comes back. */
  stop(): void {
    if (this.state === 'connected') this.send({ cmd: 'disconnect' })
    this.state = 'stopped'
    for (const timer of this.#timers.values()) timer.cancel()
    const link = this.#link
    this.#link = undefined
    link?.end()
  }

  // ── For exhibits ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Sends a packet, or bytes, as they are. */
  send(packet: PacketInput | Bytes): void {
    const bytes = typeof packet === 'string' || packet instanceof Uint8Array ? toBuffer(packet) : encode(completePacket(packet), this.behaviour.version)
    this.#lastSentMs = this.#clock.now()
    this.#link?.write(bytes)
  }

  /** Ends the connection for a fault of the server: with DISCONNECT in MQTT 5; then it is lost. */
  disconnect(loss: Loss, reasonCode: number): void {
    if (this.behaviour.version === 5 && this.state === 'connected') this.send({ cmd: 'disconnect', reasonCode })
    this.lost(loss)
  }

  /** The connection is over. Closes it, and connects again after a while. */
  lost(loss: Loss): void {
    if (this.state === 'stopped' || this.#link === undefined) return
    const { reconnectDelay, backoff, longestDelay, givesUp, mostFailures, oldLink } = this.behaviour
    this.losses.push(loss)
    this.state = 'offline'
    for (const timer of this.#timers.values()) timer.cancel()
    const link = this.#link
    this.#link = undefined
    if (oldLink === 'closed') link.end()
    this.#settleWritten('given-up')
    for (const [id, { packet, settle }] of this.#open) {
      // Who asks for a subscription on the next connection asks anew.
      if (packet.cmd === 'publish' && this.behaviour.resend !== 'never') continue
      this.#open.delete(id)
      settle('given-up')
    }
    if (givesUp.includes(loss) || this.#failures >= mostFailures) return
    const delayMs = Math.min(parseDuration(reconnectDelay) * backoff ** this.#failures++, parseDuration(longestDelay))
    this.timer('reconnect', delayMs, () => this.start())
  }

  /** Runs one timer of a name: a later one takes its place, and the end of the connection stops it. */
  timer(name: string, delay: Duration | 'never', action: () => void): void {
    this.cancel(name)
    if (delay !== 'never') this.#timers.set(name, this.#clock.after(parseDuration(delay), action))
  }

  cancel(name: string): void {
    this.#timers.get(name)?.cancel()
  }

  /** Sends a request when there is a connection and room in flight. */
  request(packet: Request['packet']): Promise<Outcome> {
    return new Promise((settle) => {
      this.#waiting.push({ packet, settle, released: false })
      this.#sendWaiting()
    })
  }

  /** CONNACK let the client in. */
  connected({ sessionPresent, properties }: PacketOf<'connack'>): void {
    const { subscribeAgain, remembers } = this.behaviour
    const { packetLimit } = this.behaviour
    if (packetLimit === 'of-connection') this.#packetLimit = properties?.maximumPacketSize
    else if (packetLimit === 'of-first-connection') this.#packetLimit ??= properties?.maximumPacketSize
    this.state = 'connected'
    this.#failures = 0
    this.cancel('connect')
    this.#watchKeepAlive()
    if (!sessionPresent || remembers === 'for-the-connection') this.#held.clear()
    if (subscribeAgain === 'always' || (subscribeAgain === 'without-session' && !sessionPresent)) this.#granted.clear()
    this.#resend(sessionPresent)
    const missing = [...this.filters.keys()].filter((topic) => !this.#granted.has(topic))
    if (missing.length > 0) void this.#subscribe(missing)
    this.#sendWaiting()
  }

  /** A message came, for the application. */
  message(packet: PacketOf<'publish'>): void {
    this.messages.push(packet)
  }

  // ── What it does by itself ──────────────────────────────────────────────────────────────────────────────────────

  #came(packet: Packet): void {
    this.received.push(packet)
    if (this.behaviour.handle(packet, this)) return
    switch (packet.cmd) {
      case 'connack':
        this.#connack(packet)
        break
      case 'publish':
        this.#publish(packet)
        break
      case 'pubrel':
        this.#release(packet.messageId)
        break
      case 'puback':
      case 'pubrec':
      case 'pubcomp':
      case 'suback':
      case 'unsuback':
        this.#answered(packet)
        break
      case 'pingresp':
        this.#pingOpen = false
        this.#lastPongMs = this.#clock.now()
        this.cancel('pong')
        break
      case 'disconnect':
        this.lost('server-disconnect')
        break
      default:
    }
  }

  #connack(packet: PacketOf<'connack'>): void {
    const { secondConnack, believesSecondConnack } = this.behaviour
    if (this.state === 'connected' && secondConnack === 'disconnect') this.disconnect('misused', 0x82)
    else if (this.state === 'connected' && secondConnack === 'ignore') return
    else if ((packet.reasonCode ?? packet.returnCode ?? 0) === 0) this.connected(packet)
    else if (!believesSecondConnack) this.lost('refused')
  }

  #release(messageId: number): void {
    const { unknownRelease } = this.behaviour
    if (this.#held.delete(messageId) || unknownRelease === 'pubcomp') this.send({ cmd: 'pubcomp', messageId })
    else if (unknownRelease === 'disconnect') this.disconnect('misused', 0x92)
  }

  #publish(packet: PacketOf<'publish'>): void {
    const { messageId } = packet
    const isRepeat = packet.qos === 2 && messageId !== undefined && this.#held.has(messageId)
    if (packet.qos === 2 && messageId !== undefined) this.#held.add(messageId)
    if (!isRepeat) this.message(packet)
    if (messageId === undefined || this.behaviour.acknowledge === 'never') return
    this.send({ cmd: packet.qos === 2 ? 'pubrec' : 'puback', messageId })
  }

  #answered(packet: PacketOf<'puback'> | PacketOf<'pubrec'> | PacketOf<'pubcomp'> | PacketOf<'suback'> | PacketOf<'unsuback'>): void {
    const request = this.#open.get(packet.messageId)
    const { unknownAcknowledgement, matches } = this.behaviour
    if (request === undefined || (matches === 'type-and-codes' && !answers(packet, request))) {
      if (unknownAcknowledgement === 'disconnect') this.disconnect('misused', 0x82)
      else if (unknownAcknowledgement === 'stop-reading') this.#reads = false
      return
    }
    const refused = 'reasonCode' in packet && (packet.reasonCode ?? 0) >= 0x80
    if (packet.cmd === 'pubrec' && !refused) {
      request.released = true
      this.send({ cmd: 'pubrel', messageId: packet.messageId })
      return
    }
    if (refused && !this.behaviour.refusalFrees) this.#slotsLost++
    if (matches === 'type-and-codes' && !hasCodeForEach(packet, request)) {
      this.disconnect('misused', 0x82)
      return
    }
    if (packet.cmd === 'suback' && request.packet.cmd === 'subscribe')
      for (const [index, { topic }] of request.packet.subscriptions.entries()) if ((packet.granted[index] ?? 0x80) < 0x80) this.#granted.add(topic)
    this.#close(packet.messageId, refused ? 'refused' : 'done')
  }

  #close(id: number, outcome: Outcome): void {
    const request = this.#open.get(id)
    this.#open.delete(id)
    this.cancel(`answer ${id}`)
    request?.settle(outcome)
    this.#sendWaiting()
  }

  async #subscribe(topics: readonly string[]): Promise<Outcome> {
    const { subscribeTogether, subscribed } = this.behaviour
    const size = Math.min(subscribeTogether, topics.length)
    const outcomes: Promise<Outcome>[] = []
    for (let index = 0; index < topics.length; index += size) {
      const subscriptions = topics.slice(index, index + size).map((topic) => ({ topic, qos: this.filters.get(topic) ?? 0 }))
      if (subscribed === 'when-asked') for (const { topic } of subscriptions) this.#granted.add(topic)
      outcomes.push(this.request({ cmd: 'subscribe', messageId: 0, subscriptions }))
    }
    return (await Promise.all(outcomes)).find((outcome) => outcome !== 'done') ?? 'done'
  }

  #sendWaiting(): void {
    for (let index = 0; this.state === 'connected' && index < this.#waiting.length; ) {
      const request = this.#waiting[index]
      if (request === undefined || (isInFlight(request) && !this.#hasRoom())) index++
      else {
        this.#waiting.splice(index, 1)
        this.#send(request)
      }
    }
  }

  #hasRoom(): boolean {
    return [...this.#open.values()].filter(isInFlight).length + this.#slotsLost < this.behaviour.inFlight
  }

  #send(request: Request): void {
    if (this.#packetLimit !== undefined && encode({ ...request.packet, messageId: 1 }, this.behaviour.version).length > this.#packetLimit) {
      request.settle('refused')
      return
    }
    if (request.packet.cmd === 'publish' && request.packet.qos === 0) {
      this.send(request.packet)
      if ((this.#link?.buffered ?? 0) <= roomOnLink) request.settle('done')
      else if (this.behaviour.tellsOfWrites === 'when-taken') this.#unwritten.push(request)
      return
    }
    const messageId = this.nextId()
    const register = () => {
      this.#open.set(messageId, { ...request, packet: { ...request.packet, messageId } })
    }
    if (this.behaviour.registers === 'before-sending') register()
    else this.timer(`register ${messageId}`, 0, register)
    this.send({ ...request.packet, messageId })
    this.#expectAnswer(messageId)
  }

  /** The link has taken what was written to it, or never will. */
  #settleWritten(outcome: Outcome): void {
    for (const { settle } of this.#unwritten.splice(0)) settle(outcome)
  }

  #expectAnswer(id: number): void {
    const { answerTimeout, unanswered } = this.behaviour
    this.timer(`answer ${id}`, answerTimeout, () => (unanswered === 'give-up' ? this.#close(id, 'given-up') : this.lost('unanswered')))
  }

  /** The packet id of the next request. */
  nextId(): number {
    const { packetIds, highestPacketId } = this.behaviour
    do this.#lastId = (this.#lastId % highestPacketId) + 1
    while (packetIds === 'unused' && this.#open.has(this.#lastId))
    return this.#lastId
  }

  /** What is unacknowledged goes out again: as the session left it, or from its beginning where the server has none. */
  #resend(sessionPresent: boolean): void {
    const { resend, resendOrder } = this.behaviour
    const open = [...this.#open]
    for (const [id, request] of resendOrder === 'reversed' ? open.reverse() : open) {
      if (!sessionPresent) request.released = false
      if (request.released) this.send({ cmd: 'pubrel', messageId: id })
      else if (request.packet.cmd === 'publish') this.send({ ...request.packet, dup: sessionPresent && resend === 'with-dup' })
      this.#expectAnswer(id)
    }
  }

  #watchKeepAlive(): void {
    const { keepAlive, ping, pingTimeout } = this.behaviour
    if (keepAlive === 0 || ping === 'never') return
    const keepAliveMs = keepAlive * 1000
    const idleMs = () => this.#clock.now() - (ping === 'timed-from-pingresp' ? Math.max(this.#lastSentMs, this.#lastPongMs) : this.#lastSentMs)
    const leftMs = keepAliveMs - idleMs()
    this.timer('ping', leftMs > 0 ? leftMs : keepAliveMs, () => {
      if (idleMs() >= keepAliveMs && !(this.#pingOpen && ping !== 'on-time')) {
        this.send({ cmd: 'pingreq' })
        if (!this.#pingOpen) this.timer('pong', pingTimeout, () => this.lost('ping-timeout'))
        this.#pingOpen = true
      }
      this.#watchKeepAlive()
    })
  }
}

function isInFlight({ packet }: Request): boolean {
  return packet.cmd === 'publish' && packet.qos > 0
}

/** Whether SUBACK has as many codes as there were filters. */
function hasCodeForEach(packet: Packet, { packet: asked }: Request): boolean {
  return packet.cmd !== 'suback' || asked.cmd !== 'subscribe' || packet.granted.length === asked.subscriptions.length
}

/** Whether an acknowledgement is of the type that a request waits for. */
function answers({ cmd }: Packet, { packet, released }: Request): boolean {
  if (packet.cmd === 'subscribe') return cmd === 'suback'
  if (packet.cmd === 'unsubscribe') return cmd === 'unsuback'
  if (packet.qos === 1) return cmd === 'puback'
  return released ? cmd === 'pubcomp' || cmd === 'pubrec' : cmd === 'pubrec'
}

/** A client in memory, which connects now and stops with its test. */
export function smallClient(server: Server, behaviour: Partial<Behaviour> = {}, Client: typeof SmallClient = SmallClient): SmallClient {
  return startWithTest(new Client(overMemory(server), server.clock, behaviour))
}

/** Connects a client, and stops it when its test ends. */
export function startWithTest<C extends SmallClient>(client: C): C {
  onTestFinished(() => client.stop())
  client.start()
  return client
}
