/**
 * The spine: the whole way of a byte through one connection, in and out.
 *
 *                    ╭─ inbox ──────────────────────────────────────────╮   ╭─ turns ────────────────╮
 *   transport.data  →  wire hook → FrameReader → decode → record → checks  →  packetIn hook → broker
 *                                                                                                ↓
 *   transport.write ←  wire hook ← one buffer per turn ← record ←  plan executor ← send hook ← sendPacket
 *                    ╰─ outbox ────────────────────────╯          ╰─ lanes, plan ╯
 */
import { explained } from '../broker/explanation.ts'
import type { Session } from '../broker/session.ts'
import type { Timer } from '../clock.ts'
import { MqttestError } from '../errors.ts'
import { andThen, soon } from '../hooks/call-hook.ts'
import type { ConnectionTaps } from '../hooks/tap-interest.ts'
import type { RuleName } from '../lint/rules.ts'
import { type Sighting, type Verdict, type Violation, violationOf } from '../lint/violation.ts'
import type { Transport, TransportKind } from '../net/transport.ts'
import type { Random } from '../random.ts'
import type { Run } from '../run/run.ts'
import { type CloseHow, completePlan, ownStep, type StallStep, type StepInput } from '../steps.ts'
import { decode } from '../wire/decode.ts'
import { encode } from '../wire/encode.ts'
import { FrameReader } from '../wire/frame.ts'
import { Malformed } from '../wire/malformed.ts'
import type { AuthPacket, Command, ConnectPacket, Packet, PacketOf, Properties, ProtocolVersion } from '../wire/packet.ts'
import { headOf, type PacketBytes, whole } from '../wire/split.ts'
import { AuthExchange, type Challenge } from './auth-exchange.ts'
import { type Cause, causes } from './cause.ts'
import { Inbox } from './inbox.ts'
import { KeepAlive } from './keep-alive.ts'
import { Lanes } from './lanes.ts'
import type { DisconnectInfo } from './lifecycle.ts'
import { Outbox } from './outbox.ts'
import type { PlanLane } from './plan.ts'
import { Requests } from './requests.ts'
import { type CloseExpectation, type ExpectOptions, type Pattern, Script, type ScriptInput } from './script.ts'
import { handleViolation } from './violations.ts'

/**
 * Where a connection stands: nothing read yet; CONNECT is being decided on; CONNACK with success is sent; over.
 */
export type Phase = 'new' | 'connecting' | 'connected' | 'closed'

/** How long a client may take to read the rest, and to close its side, after a connection has ended. */
const lingerMs = 2000

/** One client's connection, as plugins and tests see it. */
export class Connection {
  /** Counted from 0 in the order of acceptance. */
  readonly number: number
  /** @internal */
  readonly run: Run
  phase: Phase = 'new'
  /** The protocol level: 4 until CONNECT says otherwise. */
  version: ProtocolVersion = 4
  /** The CONNECT of this connection, once it was read. */
  connect: ConnectPacket | undefined
  /** The client id in use: the assigned one where CONNECT had none. */
  clientId: string | undefined
  session: Session | undefined
  /** The highest topic alias that is taken from the client, where a plugin sets it; CONNACK announces the server's own. */
  topicAliasMaximum: number | undefined
  /** The connection that took the session over, once there is one. */
  successor: Connection | undefined
  /** The taps that may act on it; kept here by the hooks. @internal */
  taps: ConnectionTaps | undefined
  /** How it ended, once it has. */
  ended: DisconnectInfo | undefined
  /** When the last bytes came, on the server's clock. */
  lastReceivedMs: number
  readonly openedMs: number
  bytesIn = 0
  bytesOut = 0
  /** Packets by type: 0 to 15 received, 16 to 31 sent. */
  readonly counts: Uint32Array = new Uint32Array(32)
  /** @internal */
  readonly transport: Transport
  /** @internal */
  readonly inbox: Inbox
  /** @internal */
  readonly outbox: Outbox
  /** What the client has asked that is not answered yet. @internal */
  readonly requests = new Requests()
  /** @internal */
  readonly auth = new AuthExchange(this)
  readonly #keepAlive: KeepAlive
  #connectTimer: Timer | undefined
  #lingerTimer: Timer | undefined
  /** The last packet is on its way; see `sendLast`. */
  #leaving = false
  /** That the client ends is not heard either. */
  #hidesEnd = false
  /** How it ended meanwhile. */
  #hiddenEnd: (() => void) | undefined
  /** The server has closed its half. */
  #mute = false
  #lanes: Lanes | undefined
  #states: Map<object, unknown> | undefined
  /** Acknowledgements by packet id that the client may say although none is awaited; see `forgive`. */
  #forgiven: Map<number, number> | undefined
  #randoms: Map<string, Random> | undefined
  #script: Script | undefined

  constructor(run: Run, number: number, transport: Transport) {
    this.run = run
    this.number = number
    this.transport = transport
    this.inbox = new Inbox(this)
    this.outbox = new Outbox(this)
    this.#keepAlive = new KeepAlive(run, this)
    this.openedMs = run.clock.now()
    this.lastReceivedMs = this.openedMs
    transport.listen({
      data: (chunk) => this.#data(chunk),
      end: () => this.#end(),
      drain: () => this.#drain(),
      closed: (reset, reason) => this.#transportClosed(reset, reason),
      misused: (rule, raw) => void this.violate(rule, raw === undefined ? {} : { raw, offset: 0 }),
    })
  }

  get remoteAddress(): string {
    return this.transport.remoteAddress
  }

  /** What carries it: 'tcp', 'unix', 'tls', 'ws', 'wss', or 'memory'. */
  get carrier(): TransportKind {
    return this.transport.kind
  }

  get remotePort(): number {
    return this.transport.remotePort
  }

  /** Whether nothing more will happen on it. */
  get closed(): boolean {
    return this.phase === 'closed'
  }

  /** Whether what the client says is still heard: it is open, and the last packet is not on its way. @internal */
  get listens(): boolean {
    return this.phase !== 'closed' && !this.#leaving
  }

  // ── In ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Lets the `connection` hook speak, then begins to read. @internal */
  start(): void {
    const { run } = this
    if (!this.inbox.stalled) this.#awaitConnect()
    const plan = run.hooks.connection.isUsed()
      ? soon<readonly StepInput[] | undefined>((done) => run.hooks.connection.callAsync(this, (_error, result) => done(result ?? undefined)))
      : undefined
    void andThen(plan, (steps) => {
      const begin = () => this.inbox.begin()
      if (steps === undefined || steps.length === 0 || this.closed) begin()
      else this.lanes.run(completePlan(steps), causes.script, { done: begin })
    })
  }

  #awaitConnect(): void {
    const { run } = this
    this.#connectTimer?.cancel()
    if (run.core) this.#connectTimer = run.arm('connect-timeout', run.settings.connectTimeout, () => this.violate('connect-timeout'), this)
  }

  #data(chunk: Buffer): void {
    this.bytesIn += chunk.length
    this.run.writeTurns.read(chunk.length)
    if (!this.#hidesEnd) this.lastReceivedMs = this.run.clock.now()
    this.inbox.push(chunk)
  }

  #end(): void {
    if (this.closed) {
      this.transport.end()
      return
    }
    if (this.inbox.waiting) {
      // Bytes that a plugin still holds back count as not yet come; so does the FIN behind them.
      this.inbox.whenIdle(() => this.#end())
      return
    }
    if (this.#hidesEnd) {
      this.#hiddenEnd = () => this.#end()
      return
    }
    this.inbox.reportRest()
    this.#finish({ by: 'client', how: 'fin', reason: 'the client closed without DISCONNECT', reasonCode: undefined })
    this.outbox.flush()
    this.#lingerThenDestroy()
    this.transport.end()
  }

  #drain(): void {
    if (this.outbox.drained()) this.updateReading()
    this.session?.pump()
  }

  /** The transport is gone. */
  #transportClosed(reset: boolean, reason?: string): void {
    this.#lingerTimer?.cancel()
    this.outbox.cancel()
    this.run.transportClosed(this)
    const tell = () => {
      if (!this.closed) this.inbox.reportRest()
      this.#finish({
        by: 'client',
        how: reset ? 'rst' : 'fin',
        reason: reason ?? (reset ? 'the connection was reset' : 'the client closed without DISCONNECT'),
        reasonCode: undefined,
      })
    }
    if (this.#hidesEnd && !this.closed) this.#hiddenEnd = tell
    else tell()
  }

  // ── Violations ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** The client broke a rule of the catalogue: asks the `violation` hook, records it, and does what was decided. */
  violate(rule: RuleName, seen: Sighting = {}): Verdict {
    return this.violated(violationOf(rule, this.version, seen))
  }

  /** The same for a violation that is made already, such as a plugin's finding. @internal */
  violated(violation: Violation): Verdict {
    return handleViolation(this, violation)
  }

  // ── Out ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Sends a packet through the `send` hook. `known` holds its bytes where they exist already. @internal */
  sendPacket(packet: Packet, cause: Cause, known?: PacketBytes, done?: (closes?: CloseHow) => void): void {
    if (!this.run.hookSet.tapsOf(this).wantsSend(packet, cause)) {
      this.transmit(known ?? this.encode(packet), cause)
      if (packet.cmd === 'connack') this.#lanes?.signal('connack')
      done?.()
      return
    }
    const step = ownStep({ packet })
    const told: Cause = { ...cause, meant: packet, faults: [] }
    const plan = this.run.hooks.send.call(Object.freeze([step]), told, this)
    this.lanes.run(completePlan(plan), told, { known: known === undefined ? undefined : { step, bytes: whole(known) }, done })
  }

  /**
   * Sends a last packet, and closes when its plan is done: at once, unless a plugin keeps it; with FIN, unless it says how.
   * What the client sends meanwhile is not handled any more; for the broker it is gone already, so that its session can be
   * taken over. @internal
   */
  sendLast(packet: Packet, cause: Cause, details: { reason: string; reasonCode: number }, known?: Buffer): void {
    this.#leaving = true
    this.#keepAlive.stop()
    this.sendPacket(packet, cause, known, (how = 'fin') => this.close(how, details))
    if (this.phase === 'connected') this.#leave({ by: 'server', how: 'fin', ...details })
  }

  /** The broker takes it for gone. What its session leaves unanswered is sent again on the next connection, or should be. */
  #leave(info: DisconnectInfo): void {
    const { session } = this
    if (session?.connection === this) session.left(this.requests.unfinished())
    this.run.broker().disconnected(this, info)
  }

  /** The bytes of a packet in this connection's version. @internal */
  encode(packet: Packet): Buffer {
    return encode(packet, this.version)
  }

  /** Puts bytes on record and in line to be written. Bytes of other plans wait while a plan blocks the connection. @internal */
  transmit(bytes: PacketBytes, cause: Cause, by?: PlanLane): void {
    if (this.closed || this.#mute) return
    if (this.#lanes?.blocks(by) === true) {
      this.#lanes.hold(() => this.transmit(bytes, cause, by))
      return
    }
    this.#note(bytes, cause)
    this.outbox.put(bytes)
  }

  /** The same for several packets that leave in one write. @internal */
  transmitTogether(parts: readonly Buffer[], cause: Cause, by?: PlanLane): void {
    if (this.closed || this.#mute) return
    if (this.#lanes?.blocks(by) === true) {
      this.#lanes.hold(() => this.transmitTogether(parts, cause, by))
      return
    }
    for (const bytes of parts) this.#note(bytes, cause)
    this.outbox.writeTogether(Buffer.concat(parts))
  }

  /** Puts bytes on record as sent. */
  #note(bytes: PacketBytes, cause: Cause): void {
    const head = headOf(bytes)
    const type = (head[0] ?? 0) >> 4
    this.counts[16 + type] = (this.counts[16 + type] ?? 0) + 1
    this.bytesOut += bytes.length
    this.requests.sent(type, head)
    this.run.journal.packet(this.number, 'out', bytes, this.version, cause.kind, cause.faults)
  }

  /** Plans under way; made when there is the first. @internal */
  get lanes(): Lanes {
    this.#lanes ??= new Lanes(this)
    return this.#lanes
  }

  /** How many plans wait. @internal */
  get pendingPlans(): number {
    return (this.#lanes?.pending ?? 0) + (this.inbox.waiting ? 1 : 0) + (this.outbox.waiting ? 1 : 0)
  }

  /** CONNECT came. @internal */
  introduced(packet: ConnectPacket): void {
    this.connect = packet
    // Scopes may ask for what it says.
    this.taps = undefined
    this.clientId = packet.clientId
    this.phase = 'connecting'
    this.#connectTimer?.cancel()
  }

  /** CONNECT was accepted. `keepAlive` is in seconds. @internal */
  accepted(session: Session, keepAlive: number): void {
    this.phase = 'connected'
    // Plugins may have changed what scopes ask for.
    this.taps = undefined
    this.session = session
    this.#keepAlive.start(keepAlive)
  }

  // ── The end ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Says DISCONNECT with a reason where the version has one (MQTT 5), and closes behind it; `reason` goes on record. To another
   * server: `disconnect(0x9c, 'moved', { serverReference: 'other:1883' })` (section 4.11).
   */
  disconnect(reasonCode: number, reason: string, properties?: Properties): void {
    if (this.closed || this.#leaving) return
    const details = { reason, reasonCode }
    if (this.version !== 5 || this.phase !== 'connected') this.close('fin', details)
    else this.sendLast(explained({ cmd: 'disconnect', reasonCode }, properties, this), causes.close, details)
  }

  /**
   * Ends the connection: 'fin' in order, after what is in line; 'rst' at once with a reset; 'stall' lets it stand, but
   * nothing is read or written any more; 'half' sends FIN, and still handles what the client says, until that closes as well.
   */
  close(how: CloseHow = 'fin', details: { reason?: string; reasonCode?: number } = {}): void {
    if (how === 'stall') {
      this.stall()
      return
    }
    if (this.closed) return
    if (how === 'half') {
      this.#closeHalf()
      return
    }
    const { stalled } = this.outbox
    this.outbox.flush()
    this.#finish({ by: 'server', how, reason: details.reason ?? 'the test closed it', reasonCode: details.reasonCode })
    // A link that is dead does not bring a FIN either: the client of a stalled connection must find out for itself.
    if (stalled && how === 'fin') return
    if (how === 'rst') this.transport.reset()
    else this.#endTransport()
  }

  #closeHalf(): void {
    if (this.#mute) return
    this.outbox.flush()
    this.#mute = true
    if (!this.outbox.stalled) this.outbox.whenIdle(() => this.transport.end())
  }

  #endTransport(): void {
    this.outbox.whenIdle(() => {
      this.#lingerThenDestroy()
      this.transport.end()
      this.transport.resume()
    })
  }

  /** Gives the client a while to read the rest and to close; before the end, which may close the transport at once. */
  #lingerThenDestroy(): void {
    this.#lingerTimer = this.run.arm('linger', lingerMs, () => this.transport.destroy(), this)
  }

  /** The client said goodbye; it closes, and so do we [MQTT-3.14.4-1]. @internal */
  clientDisconnected(reasonCode: number | undefined): void {
    if (this.closed) return
    this.outbox.flush()
    this.#finish({ by: 'client', how: 'disconnect', reason: 'the client sent DISCONNECT', reasonCode })
    this.#endTransport()
  }

  #finish(info: DisconnectInfo): void {
    if (this.closed) return
    const wasAccepted = this.phase === 'connected'
    this.phase = 'closed'
    this.ended = info
    this.#connectTimer?.cancel()
    this.#keepAlive.stop()
    this.inbox.close()
    this.#lanes?.cancel()
    this.auth.end(undefined)
    this.run.journal.add({ type: 'close', connection: this.number, ...info })
    if (wasAccepted) this.#leave(info)
    this.run.connectionClosed(this)
    if (this.run.hooks.disconnect.isUsed()) this.run.hooks.disconnect.call(this, info)
    // A FIN that was not to be heard is answered now.
    if (this.#hiddenEnd !== undefined) this.transport.end()
  }

  /** Lets go of the transport at once; for the end of the server. @internal */
  release(): void {
    this.#lingerTimer?.cancel()
    this.outbox.cancel()
    this.transport.destroy()
  }

  /**
   * Nothing is read or written any more, and no FIN is sent: a dead link; or in one direction only. The client's bytes stay in its
   * own system; with `discard` they are read, and thrown away packet by packet. With `hideEnd` no FIN or reset of the client is
   * heard either, and what it says is no sign of life.
   */
  stall(way: 'in' | 'out' | 'both' = 'both', discard = false, hideEnd = false): void {
    if (way !== 'in') {
      // What was said before has left.
      this.outbox.flush()
      this.outbox.stall()
    }
    // A CONNECT that is not read may well have come.
    if (way !== 'out') this.#connectTimer?.cancel()
    if (way !== 'out' && discard) this.inbox.deaf = true
    else if (way !== 'out') {
      this.inbox.stalled = true
      this.#keepAlive.stop()
    }
    if (hideEnd) this.#hidesEnd = true
    this.updateReading()
  }

  /** Carries out a step that stalls the connection, or ends that. @internal */
  stallAs({ stall, discard, hideEnd }: StallStep): void {
    if (stall === false) this.resume()
    else this.stall(stall, discard, hideEnd)
  }

  /** Ends a stall; what was held back is sent. */
  resume(): void {
    const { inbox } = this
    if (!this.outbox.stalled && !inbox.stalled && !inbox.deaf && !this.#hidesEnd) return
    const wasDeaf = inbox.stalled || inbox.deaf
    inbox.stalled = false
    inbox.deaf = false
    this.lastReceivedMs = this.run.clock.now()
    if (wasDeaf && !this.closed && this.connect === undefined) this.#awaitConnect()
    if (this.phase === 'connected' && !this.#leaving && this.session !== undefined) this.#keepAlive.start(this.session.keepAlive)
    this.outbox.resume()
    if (this.#mute) this.outbox.whenIdle(() => this.transport.end())
    this.updateReading()
    inbox.turns.goOn()
    this.#hidesEnd = false
    const end = this.#hiddenEnd
    this.#hiddenEnd = undefined
    end?.()
  }

  /** Reads, or pauses, as things stand. @internal */
  updateReading(): void {
    this.inbox.updateReading()
  }

  // ── For plugins ─────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Messages at QoS 1 and 2 of the client that are not answered yet, the one that is being handled included, those that wait
   * behind it not: what the receive maximum of a server limits [MQTT-3.3.4-7].
   */
  get unanswered(): number {
    return this.requests.messages - this.inbox.turns.messages
  }

  /**
   * The largest packet of some types, in bytes, that is read from now on. A larger one is refused before all of it came, as
   * violation 'packet-too-large'; where that is tolerated, nothing more is read.
   */
  limitPackets(bytes: number, types: readonly Command[]): void {
    for (const type of types) this.inbox.limit(type, bytes)
  }

  /** Lets plans go on that wait with { until: name }; the client's next packet of a type is a signal of its name. */
  signal(name: string): void {
    this.#lanes?.signal(name)
  }

  /**
   * What a plugin keeps about this connection: made by `make` when first asked for. The key is any object of the plugin's
   * own, such as the function `make` itself.
   */
  state<T>(make: () => T): T {
    const states = (this.#states ??= new Map())
    if (!states.has(make)) states.set(make, make())
    return states.get(make) as T
  }

  /** The chance of a plugin on this connection: decided by the run's seed, the plugin's name and the connection's number. */
  random(plugin: string): Random {
    const randoms = (this.#randoms ??= new Map())
    const random = randoms.get(plugin) ?? this.run.random().fork(`${plugin}/${this.number}`)
    randoms.set(plugin, random)
    return random
  }

  /**
   * A plugin sent the client something more often than the protocol does: so many acknowledgements with that packet id which
   * nobody awaits are not held against the client.
   */
  forgive(id: number, acknowledgements: number): void {
    this.#forgiven ??= new Map()
    this.#forgiven.set(id, (this.#forgiven.get(id) ?? 0) + acknowledgements)
  }

  /** Whether an acknowledgement that nobody awaits is one of those; it is counted. @internal */
  forgives(id: number): boolean {
    const left = this.#forgiven?.get(id) ?? 0
    if (left > 0) this.#forgiven?.set(id, left - 1)
    return left > 0
  }

  /**
   * Sends an AUTH packet and resolves with the client's answer, or undefined where the connection ended instead. For async
   * taps of `authorize`: enhanced authentication (section 4.12). Left out, the reason code is 0x18 and the method is that of
   * CONNECT [MQTT-4.12.0-2, -5]; bytes or text alone are the authentication data.
   */
  exchange(challenge: Challenge): Promise<AuthPacket | undefined> {
    return this.auth.ask(challenge)
  }

  // ── For tests: see script.ts ────────────────────────────────────────────────────────────────────────────────────

  /** @internal */
  get script(): Script {
    this.#script ??= new Script(this)
    return this.#script
  }

  /** The client's next packet of a type that fits the pattern: one that came already, or the next to come. */
  expect<C extends Command>(cmd: C, pattern?: Pattern<C>, options?: ExpectOptions): Promise<Packet & { cmd: C }> {
    return this.script.expect(cmd, pattern, options)
  }

  /** Fails where a fitting packet came already, or comes within `for` (100 ms by default; on a virtual clock, of its time). */
  expectNone<C extends Command>(cmd: C, pattern?: Pattern<C>, options?: ExpectOptions & { for?: import('../duration.ts').Duration }): Promise<void> {
    return this.script.expectNone(cmd, pattern, options)
  }

  /** Several packets in any order; resolves with them in the order in which they were named. */
  expectAnyOrder(wanted: readonly (readonly [cmd: Command, pattern?: object])[], options?: ExpectOptions): Promise<Packet[]> {
    return this.script.expectAnyOrder(wanted, options)
  }

  /** Resolves when the connection has ended in the way that is described. */
  expectClose(wanted?: CloseExpectation, options?: ExpectOptions): Promise<DisconnectInfo> {
    return this.script.expectClose(wanted, options)
  }

  /** Sends packets or bytes as the test wants them, past the broker, but through the `send` hook. Resolves when played. */
  play(steps: readonly StepInput[]): Promise<void> {
    return this.script.play(steps)
  }

  /** Sends one packet, or bytes. Sessions and packet ids are the test's own business. */
  send(input: ScriptInput): void {
    this.script.send(input)
  }

  /**
   * Sends what another server said: the bytes of one packet, through the `send` hook; what does not decode past it. Returns the
   * packet, where it is one. Sessions and packet ids are that server's business.
   */
  relay(bytes: Buffer): Packet | undefined {
    let packet: Packet | undefined
    if (this.closed) return undefined
    new FrameReader().push(bytes, (frame) => {
      const decoded = decode(frame, this.version, 'server')
      if (decoded instanceof Malformed) this.transmit(frame.bytes, causes.script)
      else {
        packet = decoded
        this.sendPacket(decoded, causes.script, frame.bytes)
      }
      return true
    })
    return packet
  }

  /** The packets of this connection that the journal holds. */
  packets<C extends Command = Command>(filter: { dir?: 'in' | 'out'; cmd?: C } = {}): PacketOf<C>[] {
    return this.script.packets(filter)
  }

  /** Carries out a plan for a script; resolves when it is done or the connection ended. @internal */
  runScript(steps: readonly StepInput[]): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.closed) {
        reject(new MqttestError('MQTTEST_STATE', `connection ${this.number} is closed: nothing can be sent on it`))
        return
      }
      this.lanes.run(completePlan(steps), causes.script, { done: () => resolve(), failed: reject })
    })
  }

  toString(): string {
    return `connection ${this.number}${this.clientId ? ` (${this.clientId})` : ''}`
  }
}
