/**
 * The spine: the whole way of a byte through one connection, in and out.
 *
 *   transport.data → wire hook → FrameReader → decode → record → packetIn hook → broker
 *   transport.write ← wire hook ← one buffer per tick ← record ← plan executor ← send hook ← send()
 */

import type { Session } from '../broker/session.ts'
import { andThen, type Soon, soon } from '../call-hook.ts'
import type { Timer } from '../clock.ts'
import { MqttestError } from '../errors.ts'
import type { RuleName } from '../lint/rules.ts'
import { type Sighting, type Verdict, type Violation, violationOf, violationOfMalformed } from '../lint/violation.ts'
import type { Transport } from '../net/transport.ts'
import type { Random } from '../random.ts'
import type { Run } from '../run.ts'
import { type CloseHow, completePlan, ownStep, type PacketInput, type StepInput } from '../steps.ts'
import { decode } from '../wire/decode.ts'
import { encode } from '../wire/encode.ts'
import { type Frame, FrameReader } from '../wire/frame.ts'
import { Malformed } from '../wire/malformed.ts'
import { type AuthPacket, type Command, type ConnectPacket, commands, type Packet, type ProtocolVersion, packetTypes } from '../wire/packet.ts'
import { returnCodeOf } from '../wire/reason-codes.ts'
import { type Cause, causes } from './cause.ts'
import { KeepAlive } from './keep-alive.ts'
import type { DisconnectInfo } from './lifecycle.ts'
import { type KnownBytes, PlanLane } from './plan.ts'
import { type CloseExpectation, type ExpectOptions, type Pattern, Script, type ScriptInput } from './script.ts'
import { WireLane } from './wire-lane.ts'

/**
 * Where a connection stands: nothing read yet; CONNECT is being decided on; CONNACK with success is sent; over.
 */
export type Phase = 'new' | 'connecting' | 'connected' | 'closed'

/** Queued packets at which reading pauses until some are handled. */
const queueHighWater = 256

/** Unsent bytes at which reading pauses: a client that does not read its answers gets no more of them. */
const writeHighWater = 1024 * 1024

/** How long a client may take to close its side after the server closed. */
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
  /** How it ended, once it has. */
  ended: DisconnectInfo | undefined
  /** When the last bytes came, on the server's clock. */
  lastReceivedMs: number
  readonly openedMs: number
  bytesIn = 0
  bytesOut = 0
  /** Packets by type: 0 to 15 received, 16 to 31 sent. */
  readonly counts = new Uint32Array(32)
  /** @internal */
  readonly transport: Transport
  readonly #reader: FrameReader
  readonly #keepAlive: KeepAlive
  #connectTimer: Timer | undefined
  #lingerTimer: Timer | undefined
  /** Packets that wait for the one before them. */
  #queue: { packet: Packet; raw: Buffer }[] = []
  #busy = false
  #reading = false
  #started = false
  #stalled = false
  #waitsForDrain = false
  #out: Buffer[] = []
  #outBytes = 0
  #blocker: PlanLane | undefined
  #held: { bytes: Buffer; cause: Cause }[] = []
  #lanes: Set<PlanLane> | undefined
  #signals: { name: string; go: () => void }[] | undefined
  #exchange: ((packet: AuthPacket | undefined) => void) | undefined
  #wireIn: WireLane | undefined
  #wireOut: WireLane | undefined
  #states: Map<object, unknown> | undefined
  #randoms: Map<string, Random> | undefined
  #script: Script | undefined

  constructor(run: Run, number: number, transport: Transport) {
    this.run = run
    this.number = number
    this.transport = transport
    this.#reader = new FrameReader(run.settings.maximumPacketSize)
    this.#keepAlive = new KeepAlive(run, this)
    this.openedMs = run.clock.now()
    this.lastReceivedMs = this.openedMs
    transport.listen({
      data: (chunk) => this.#data(chunk),
      end: () => this.#end(),
      drain: () => this.#drain(),
      closed: (reset) => this.#transportClosed(reset),
    })
  }

  get remoteAddress(): string {
    return this.transport.remoteAddress
  }

  get remotePort(): number {
    return this.transport.remotePort
  }

  /** Whether nothing more will happen on it. */
  get closed(): boolean {
    return this.phase === 'closed'
  }

  // ── In ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Lets the `connection` hook speak, then begins to read. @internal */
  start(): void {
    const { run } = this
    if (run.core) this.#connectTimer = run.arm('connect-timeout', run.settings.connectTimeout, () => this.violate('connect-timeout'), this)
    const plan = run.hooks.connection.isUsed()
      ? soon<readonly StepInput[] | undefined>((done) => run.hooks.connection.callAsync(this, (_error, result) => done(result ?? undefined)))
      : undefined
    andThen(plan, (steps) => {
      const begin = () => {
        this.#started = true
        this.#updateReading()
      }
      if (steps === undefined || steps.length === 0 || this.closed) begin()
      else this.#runPlan(steps, causes.script, undefined, begin)
    })
  }

  #data(chunk: Buffer): void {
    this.bytesIn += chunk.length
    this.lastReceivedMs = this.run.clock.now()
    if (this.#wireIn !== undefined || this.run.hooks.wire.isUsed()) {
      this.#wireIn ??= new WireLane(this, 'in', (bytes) => this.#read(bytes))
      this.#wireIn.push(chunk)
    } else this.#read(chunk)
  }

  #read(bytes: Buffer): void {
    if (this.closed) return
    const malformed = this.#reader.push(bytes, this.#onFrame)
    if (malformed !== undefined && !this.closed) this.#refuse(malformed, this.#reader.rest())
    this.flushSoon()
  }

  readonly #onFrame = (frame: Frame): boolean => {
    const { type, bytes } = frame
    if (type === 1 && this.phase === 'new') this.version = versionOf(frame)
    const packet = decode(frame, this.version)
    this.run.journal.packet(this.number, 'in', bytes, this.version, undefined)
    this.counts[type] = (this.counts[type] ?? 0) + 1
    if (packet instanceof Malformed) {
      // A reserved type before CONNECT is no CONNECT either.
      this.#refuse(packet, bytes)
      return !this.closed
    }
    if (this.#signals !== undefined) this.signal(packet.cmd)
    if (this.#busy) {
      if (packet.cmd === 'auth' && this.#exchange !== undefined) this.#answerExchange(packet)
      else if (packet.cmd === 'disconnect' && this.phase === 'connecting') this.#handle(packet, bytes)
      else {
        this.#queue.push({ packet, raw: bytes })
        if (this.#queue.length === queueHighWater) this.#updateReading()
      }
    } else this.#handle(packet, bytes)
    return !this.closed
  }

  /** Gives a packet to the `packetIn` hook, then to the broker; packets behind it wait while one is decided on. */
  #handle(packet: Packet, raw: Buffer): void {
    const handled = this.#decide(packet, raw)
    if (!(handled instanceof Promise)) return
    this.#busy = true
    handled.then(
      () => this.#goOn(),
      (error: unknown) => {
        this.run.journal.add({
          type: 'note',
          connection: this.number,
          level: 'error',
          source: 'mqttest',
          message: `handling ${packet.cmd.toUpperCase()} failed: ${String(error)}`,
        })
        this.close('rst', { reason: 'internal error' })
      },
    )
  }

  #goOn(): void {
    this.#busy = false
    const full = this.#queue.length >= queueHighWater
    while (!this.#busy && !this.closed) {
      const next = this.#queue.shift()
      if (next === undefined) break
      this.#handle(next.packet, next.raw)
    }
    if (full) this.#updateReading()
    this.flushSoon()
  }

  #decide(packet: Packet, raw: Buffer): Soon<void> {
    const { run } = this
    if (this.phase === 'new' && packet.cmd !== 'connect') {
      if (!run.core) return undefined
      this.violate('first-packet-not-connect', { packet, raw, offset: 0, detail: packet.cmd.toUpperCase() }) // [MQTT-3.1.0-1]
      return undefined
    }
    if (packet.cmd === 'connect') {
      if (this.phase !== 'new') {
        this.violate('second-connect', { packet, raw, offset: 0 }) // [MQTT-3.1.0-2]
        return undefined
      }
      this.connect = packet
      this.clientId = packet.clientId
      this.phase = 'connecting'
      this.#connectTimer?.cancel()
    }
    if (!run.hookSet.wantsPacketIn(packetTypes[packet.cmd])) return run.core ? run.broker().handle(packet, this, raw) : undefined
    return andThen(
      soon<readonly StepInput[] | undefined>((done) => run.hooks.packetIn.callAsync(packet, this, (_error, plan) => done(plan ?? undefined))),
      (plan) => {
        if (this.closed) return undefined
        if (plan !== undefined) this.#runPlan(plan, { kind: 'reply', packet, faults: [] })
        else if (run.core) return run.broker().handle(packet, this, raw)
        return undefined
      },
    )
  }

  #end(): void {
    if (this.closed) {
      this.transport.end()
      return
    }
    if (this.#wireIn?.waiting === true) {
      // Bytes that a plugin still holds back count as not yet come; so does the FIN behind them.
      this.#wireIn.whenIdle(() => this.#end())
      return
    }
    if (this.#reader.held > 0)
      this.#report(violationOf('packet-cut-short', this.version, { raw: this.#reader.rest(), detail: `${this.#reader.held} bytes of it came` }), 'warn')
    this.#finish({ by: 'client', how: 'fin', reason: 'the client closed without DISCONNECT', reasonCode: undefined })
    this.#flush()
    this.transport.end()
  }

  #drain(): void {
    if (this.#waitsForDrain) {
      this.#waitsForDrain = false
      this.#updateReading()
    }
    this.session?.pump()
  }

  /** The transport is gone. */
  #transportClosed(reset: boolean): void {
    this.#lingerTimer?.cancel()
    this.run.transportClosed(this)
    this.#finish({
      by: 'client',
      how: reset ? 'rst' : 'fin',
      reason: reset ? 'the connection was reset' : 'the client closed without DISCONNECT',
      reasonCode: undefined,
    })
  }

  // ── Violations ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** The client broke a rule of the catalogue: asks the `violation` hook, records it, and does what was decided. */
  violate(rule: RuleName, seen: Sighting = {}): Verdict {
    return this.violated(violationOf(rule, this.version, seen))
  }

  /** The same for a violation that is made already, such as a plugin's finding. @internal */
  violated(violation: Violation): Verdict {
    if (this.closed && violation.default === 'disconnect') return 'ignore'
    const { hooks } = this.run
    const verdict = (hooks.violation.isUsed() ? hooks.violation.call(violation, this) : undefined) ?? violation.default
    if (verdict !== 'ignore') this.#report(violation, verdict)
    if (verdict === 'disconnect') this.#punish(violation)
    return verdict
  }

  #refuse(malformed: Malformed, raw: Buffer): void {
    this.violated(violationOfMalformed(malformed, this.version, raw))
  }

  #report(violation: Violation, verdict: Verdict): void {
    if (this.run.lint === 'off' && verdict === 'warn') return
    this.run.journal.add({ type: 'violation', connection: this.number, violation, verdict })
    this.run.violated(violation, verdict)
  }

  /** Ends the connection as the version demands: CONNACK before it was accepted, DISCONNECT after (MQTT 5), then close. */
  #punish(violation: Violation): void {
    const { reasonCode, rule } = violation
    if (this.phase === 'connected') {
      this.disconnect(reasonCode, violation.message) // [MQTT-4.13.1-1]
      return
    }
    const spoke = this.phase === 'connecting' || violation.raw?.[0] === 0x10
    if (rule === 'connect-protocol-level-unsupported')
      this.sendPacket(
        { cmd: 'connack', sessionPresent: false, returnCode: 1 },
        causes.close,
        encode({ cmd: 'connack', sessionPresent: false, returnCode: 1 }, 4),
      ) // [MQTT-3.1.2-2]
    else if (spoke && this.version === 5) this.sendPacket({ cmd: 'connack', sessionPresent: false, reasonCode }, causes.close)
    else if (spoke && rule.startsWith('connect-') && rule.includes('client-id'))
      this.sendPacket({ cmd: 'connack', sessionPresent: false, returnCode: returnCodeOf(reasonCode) }, causes.close)
    this.close('fin', { reason: violation.message, reasonCode })
  }

  // ── Out ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Sends a packet through the `send` hook. `known` holds its bytes where they exist already. @internal */
  sendPacket(packet: Packet, cause: Cause, known?: Buffer): void {
    if (!this.run.hookSet.wantsSend(packetTypes[packet.cmd])) {
      this.transmit(known ?? this.encode(packet), cause)
      if (packet.cmd === 'connack') this.connackSent()
      return
    }
    const step = ownStep({ packet })
    const told: Cause = { ...cause, faults: [] }
    const plan = this.run.hooks.send.call(Object.freeze([step]), told, this)
    this.#runPlan(plan, told, known === undefined ? undefined : { step, bytes: known })
  }

  /** The bytes of a packet in this connection's version. @internal */
  encode(packet: Packet): Buffer {
    return encode(packet, this.version)
  }

  #runPlan(plan: readonly StepInput[], cause: Cause, known?: KnownBytes, done?: () => void): PlanLane {
    const lane = new PlanLane(this, completePlan(plan), cause, known, done)
    lane.go()
    return lane
  }

  /** Puts bytes on record and in line to be written. Bytes of other plans wait while a plan blocks the connection. @internal */
  transmit(bytes: Buffer, cause: Cause, by?: PlanLane): void {
    if (this.#blocker !== undefined && by !== this.#blocker) {
      this.#held.push({ bytes, cause })
      return
    }
    if (this.closed) return
    this.note(bytes, cause)
    this.#enqueue(bytes)
  }

  /** Puts bytes on record as sent. @internal */
  note(bytes: Buffer, cause: Cause): void {
    const type = (bytes[0] ?? 0) >> 4
    this.counts[16 + type] = (this.counts[16 + type] ?? 0) + 1
    this.run.journal.packet(this.number, 'out', bytes, this.version, cause.kind, cause.faults)
  }

  /** Writes bytes that are on record already, in a write of their own. @internal */
  writeTogether(bytes: Buffer): void {
    if (this.closed) return
    this.#flush()
    this.#enqueue(bytes)
    this.#flush()
  }

  #enqueue(bytes: Buffer): void {
    this.bytesOut += bytes.length
    this.#outBytes += bytes.length
    if (this.#out.push(bytes) === 1) this.run.flushSoon(this)
  }

  /** Writes what is in line when the present work is done. @internal */
  flushSoon(): void {
    if (this.#out.length > 0) this.run.flushSoon(this)
  }

  /** Writes what is in line, in one write. @internal */
  flush(): void {
    this.#flush()
  }

  #flush(): void {
    const { length } = this.#out
    if (length === 0 || this.#stalled) return
    const bytes = length === 1 ? (this.#out[0] ?? Buffer.alloc(0)) : Buffer.concat(this.#out, this.#outBytes)
    this.#out = []
    this.#outBytes = 0
    if (this.#wireOut !== undefined || this.run.hooks.wire.isUsed()) {
      this.#wireOut ??= new WireLane(this, 'out', (chunk) => this.#write(chunk))
      this.#wireOut.push(bytes)
    } else this.#write(bytes)
  }

  #write(bytes: Buffer): void {
    if (this.#stalled) {
      this.#out.push(bytes)
      this.#outBytes += bytes.length
      return
    }
    this.transport.write(bytes)
    if (!this.#waitsForDrain && this.transport.buffered > writeHighWater) {
      this.#waitsForDrain = true
      this.#updateReading()
    }
  }

  /** Bytes that the client has not taken yet. @internal */
  get unsent(): number {
    return this.#outBytes + this.transport.buffered
  }

  /** CONNACK has left: the broker may count on the client from now on. @internal */
  connackSent(): void {
    this.signal('connack')
  }

  /** CONNECT was accepted. `keepAlive` is in seconds. @internal */
  accepted(session: Session, keepAlive: number): void {
    this.phase = 'connected'
    this.session = session
    this.#keepAlive.start(keepAlive)
  }

  // ── The end ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Says DISCONNECT with a reason where the version has one (MQTT 5), and closes. */
  disconnect(reasonCode: number, reason: string, properties?: Packet & { cmd: 'disconnect' }): void {
    if (this.closed) return
    if (this.version === 5 && this.phase === 'connected') this.sendPacket(properties ?? { cmd: 'disconnect', reasonCode }, causes.close)
    this.close('fin', { reason, reasonCode })
  }

  /**
   * Ends the connection: 'fin' in order, after what is in line; 'rst' at once with a reset; 'stall' lets it stand, but
   * nothing is read or written any more.
   */
  close(how: CloseHow = 'fin', details: { reason?: string; reasonCode?: number } = {}): void {
    if (how === 'stall') {
      this.stall()
      return
    }
    if (this.closed) return
    const stalled = this.#stalled
    this.#flush()
    this.#finish({ by: 'server', how, reason: details.reason ?? 'the test closed it', reasonCode: details.reasonCode })
    // A link that is dead does not bring a FIN either: the client of a stalled connection must find out for itself.
    if (stalled && how === 'fin') return
    if (how === 'rst') this.transport.reset()
    else this.#endTransport()
  }

  #endTransport(): void {
    if (this.#wireOut?.waiting === true) {
      this.#wireOut.whenIdle(() => this.#endTransport())
      return
    }
    this.transport.end()
    this.transport.resume()
    this.#lingerTimer = this.run.arm('linger', lingerMs, () => this.transport.destroy(), this)
  }

  /** The client said goodbye; it closes, and so do we [MQTT-3.14.4-1]. @internal */
  clientDisconnected(reasonCode: number | undefined): void {
    if (this.closed) return
    this.#flush()
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
    this.#reader.close()
    this.#wireIn?.cancel()
    this.#queue = []
    this.#held = []
    for (const lane of this.#lanes ?? []) lane.cancel()
    this.#lanes = undefined
    this.#signals = undefined
    this.#answerExchange(undefined)
    this.run.journal.add({ type: 'close', connection: this.number, ...info })
    if (wasAccepted) this.run.broker().disconnected(this, info)
    this.run.connectionClosed(this)
    if (this.run.hooks.disconnect.isUsed()) this.run.hooks.disconnect.call(this, info)
  }

  /** Lets go of the transport at once; for the end of the server. @internal */
  release(): void {
    this.#lingerTimer?.cancel()
    this.#wireOut?.cancel()
    this.transport.destroy()
  }

  /** Nothing is read or written any more, and no FIN is sent: a dead link. The client's bytes stay in its own system. */
  stall(): void {
    this.#stalled = true
    this.#keepAlive.stop()
    this.#updateReading()
  }

  /** Ends a stall; what was held back is sent. */
  resume(): void {
    if (!this.#stalled) return
    this.#stalled = false
    this.lastReceivedMs = this.run.clock.now()
    if (this.phase === 'connected' && this.session !== undefined) this.#keepAlive.start(this.session.keepAlive)
    this.#updateReading()
    this.#flush()
  }

  #updateReading(): void {
    const wanted = this.#started && !this.#stalled && !this.#waitsForDrain && this.#queue.length < queueHighWater
    if (wanted === this.#reading) return
    this.#reading = wanted
    if (wanted) this.transport.resume()
    else this.transport.pause()
  }

  // ── For plans ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Remembers a plan that waits, so that it ends with the connection. @internal */
  keep(lane: PlanLane): void {
    if (this.closed) lane.cancel()
    else (this.#lanes ??= new Set()).add(lane)
  }

  /** @internal */
  forget(lane: PlanLane): void {
    this.#lanes?.delete(lane)
  }

  /** How many plans wait. @internal */
  get pendingPlans(): number {
    return (this.#lanes?.size ?? 0) + (this.#wireIn?.waiting === true ? 1 : 0) + (this.#wireOut?.waiting === true ? 1 : 0)
  }

  /** @internal */
  block(lane: PlanLane): void {
    this.#blocker ??= lane
  }

  /** @internal */
  unblock(lane: PlanLane): void {
    if (this.#blocker !== lane) return
    this.#blocker = undefined
    const held = this.#held
    this.#held = []
    for (const { bytes, cause } of held) this.transmit(bytes, cause)
  }

  /** Calls `go` at the next signal of that name; the client's next packet of a type is a signal of its name. @internal */
  onSignal(name: string, go: () => void): void {
    ;(this.#signals ??= []).push({ name, go })
  }

  /** Lets plans go on that wait with { until: name }. */
  signal(name: string): void {
    const waiting = this.#signals
    if (waiting === undefined) return
    const due = waiting.filter((signal) => signal.name === name)
    if (due.length === 0) return
    this.#signals = waiting.filter((signal) => signal.name !== name)
    for (const { go } of due) go()
  }

  // ── For plugins ─────────────────────────────────────────────────────────────────────────────────────────────────

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
   * Sends an AUTH packet and resolves with the client's answer, or undefined where the connection ended instead. For async
   * taps of `authorize`: enhanced authentication (section 4.12).
   */
  exchange(packet: Omit<AuthPacket, 'cmd'>): Promise<AuthPacket | undefined> {
    this.sendPacket({ cmd: 'auth', ...packet }, causes.exchange)
    this.flush()
    return new Promise((resolve) => {
      if (this.closed) resolve(undefined)
      else this.#exchange = resolve
    })
  }

  #answerExchange(packet: AuthPacket | undefined): void {
    const answer = this.#exchange
    this.#exchange = undefined
    answer?.(packet)
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

  /** The packets of this connection that the journal holds. */
  packets(filter: { dir?: 'in' | 'out'; cmd?: Command } = {}): Packet[] {
    return this.script.packets(filter)
  }

  /** Carries out a plan for a script; resolves when it is done or the connection ended. @internal */
  runScript(steps: readonly StepInput[]): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.closed) {
        reject(new MqttestError('MQTTEST_STATE', `connection ${this.number} is closed: nothing can be sent on it`))
        return
      }
      this.#runPlan(steps, causes.script, undefined, resolve)
      this.flushSoon()
    })
  }

  toString(): string {
    return `connection ${this.number}${this.clientId ? ` (${this.clientId})` : ''}`
  }
}

/** The version that a CONNECT speaks, as far as its bytes tell; 4 where they do not. */
function versionOf(frame: Frame): ProtocolVersion {
  const { bytes, bodyOffset } = frame
  const nameLength = ((bytes[bodyOffset] ?? 0) << 8) | (bytes[bodyOffset + 1] ?? 0)
  const level = (bytes[bodyOffset + 2 + nameLength] ?? 4) & 0x7f
  return level === 5 ? 5 : level === 3 ? 3 : 4
}

/** The name of a packet type on the wire, for messages. */
export function typeName(type: number): string {
  return commands[type]?.toUpperCase() ?? `type ${type}`
}

export type { PacketInput }
