/** One run: owns hooks, plugins, clock, random, broker, listeners. `start` makes one; see start.ts for the options. */
import { Broker, type Publication } from './broker/broker.ts'
import type { Message } from './broker/message.ts'
import type { Session } from './broker/session.ts'
import { type Clock, chooseClock, deadline, isVirtual, type Timer, turn, type VirtualClock } from './clock.ts'
import { Connection } from './connection/connection.ts'
import { Expecter, type ExpectOptions, type Pattern } from './connection/script.ts'
import { type Duration, parseDuration } from './duration.ts'
import { MqttestError, PluginError, RunFailedError } from './errors.ts'
import { soon } from './hooks/call-hook.ts'
import type { OneOrMore } from './hooks/filter.ts'
import type { PluginHooks } from './hooks/plugin-hooks.ts'
import type { Scope } from './hooks/scope.ts'
import { type Fault, HookSet } from './hooks/tap-guard.ts'
import type { Certificate } from './net/certificates.ts'
import { environmentOf, type ServerEnvironment } from './net/environment.ts'
import { placesOf } from './net/listen-options.ts'
import { MemoryTransport } from './net/memory-transport.ts'
import type { Transport } from './net/transport.ts'
import type { PayloadInput } from './options/payload.ts'
import { type Disposer, Installer } from './plugin/installer.ts'
import type { PluginEntry } from './plugin/pack.ts'
import { instantiate } from './plugin/plugin.ts'
import { flattenPlugins, noLookup, type ScopedPlugin } from './plugin/plugin-list.ts'
import { type Random, randomFrom } from './random.ts'
import { describeLine } from './record/describe.ts'
import { type IdleOptions, waitUntilIdle } from './record/idle.ts'
import { Journal, type JournalRecord } from './record/journal.ts'
import { connectionReport, connectionsKept, failuresOf, faultReport, type Report, Tally } from './record/report.ts'
import { type WaitOptions, waitFor } from './record/wait.ts'
import { Connections } from './run/connections.ts'
import { Listeners } from './run/listeners.ts'
import type { LintMode, Run } from './run/run.ts'
import { Timers } from './run/timers.ts'
import { WriteTurns } from './run/write-turns.ts'
import { readSettings } from './settings.ts'
import type { StartOptions } from './start.ts'
import { completePacket, type PropertiesInput } from './steps.ts'
import type { Command, PacketOf, QoS } from './wire/packet.ts'

/** A message that a test publishes in the server's name. */
export interface ServerMessage {
  readonly topic: string
  readonly payload?: PayloadInput
  /** 0 by default. */
  readonly qos?: QoS
  readonly retain?: boolean
  /** For MQTT 5 subscribers. */
  readonly properties?: PropertiesInput
  /** Goes only to the sessions of these client ids, of those that subscribed to it; it is not kept then, `retain` or not. */
  readonly to?: OneOrMore<string>
}

/** What a client meets while the server is offline. */
export interface OfflineOptions {
  /** Comes back after so long; by default when `online()` is called. */
  readonly for?: Duration
  /** New connections are 'refused' (nobody listens; the default), 'reset' once accepted, or 'unanswered'. */
  readonly mode?: 'refused' | 'reset' | 'unanswered'
  /** What happens to connections that exist: 'rst' (the default), 'fin', 'stall', or 'keep'. */
  readonly connections?: 'rst' | 'fin' | 'stall' | 'keep'
  /** What it has lost when it comes back, as without a disk; who stays connected keeps the session. */
  readonly loses?: readonly ('sessions' | 'retained')[]
}

/** Which records to give. */
export interface RecordFilter {
  readonly type?: JournalRecord['type']
  readonly connection?: number
  readonly cmd?: Command
  readonly dir?: 'in' | 'out'
}

/** How long the `serverStop` hook may take, in milliseconds of real time. */
const serverStopPatienceMs = 3000

/** Name of the plugin that a test's own taps count as. */
const testPlugin = 'test'

/** A running server. */
export class Server {
  /** The seed of the run's chance. */
  readonly seed: string
  /** The server's time. On a virtual clock, `advance` moves it. */
  readonly clock: VirtualClock
  /** Resolves with the report when the server has stopped, whoever stopped it; rejects like `stop()`. */
  readonly finished: Promise<Report>
  readonly #run: Run
  readonly #options: StartOptions
  readonly #plugins: readonly ScopedPlugin[]
  readonly #journal: Journal
  readonly #hookSet: HookSet
  readonly #timers: Timers
  readonly #broker: Broker
  readonly #installer: Installer
  readonly #tally = new Tally()
  readonly #connections = new Connections()
  readonly #listeners: Listeners
  readonly #pluginErrors: PluginError[] = []
  readonly #startedMs: number
  #random: Random
  #taken = 0
  #expecter: Expecter
  #stopping: Promise<Report> | undefined
  #settle!: { resolve(report: Report): void; reject(error: unknown): void }
  #hooks: PluginHooks | undefined
  #closeDump: (() => Promise<void>) | undefined

  /** Use {@link start}. */
  constructor(options: StartOptions, plugins: readonly ScopedPlugin[], seed: string) {
    this.#options = options
    this.#plugins = plugins
    this.seed = seed
    this.#random = randomFrom(seed)
    const clock = chooseClock(options.clock)
    this.clock = testClock(clock)
    const faultApplied = (fault: Fault) => {
      this.#tally.changed(fault)
      this.#journal.add({ type: 'fault', ...fault })
    }
    this.#hookSet = new HookSet({
      pluginFailed: (error, connection) => this.#pluginFailed(error, connection),
      faultApplied,
      connectionByNumber: (number) => this.#connections.get(number),
      random: () => this.#random,
    })
    this.#journal = new Journal(clock, options.journal)
    this.#journal.observer = this.#hookSet.hooks.record
    this.#timers = new Timers(clock, this.#hookSet.hooks)
    const settings = readSettings(options.broker)
    const lint: LintMode = options.lint ?? 'warn'
    const run: Run = {
      clock,
      random: () => this.#random,
      hookSet: this.#hookSet,
      hooks: this.#hookSet.hooks,
      journal: this.#journal,
      settings,
      broker: () => this.#broker,
      handle: (packet, connection, raw) => {
        if (this.#installer.handles(packet, connection) || options.core === false) return undefined
        return this.#broker.handle(packet, connection, raw)
      },
      lint,
      core: options.core !== false,
      arm: (kind, delayMs, action, connection, again) => this.#timers.arm(kind, delayMs, action, connection, again),
      writeTurns: new WriteTurns(this.#journal),
      connectionClosed: (connection) => this.#connectionClosed(connection),
      transportClosed: (connection) => this.#connections.transportClosed(connection),
      planFailed: ({ plugin, hook }, cause, connection) =>
        this.#pluginFailed(
          new PluginError(`plugin '${plugin}' failed in hook ${hook} on connection ${connection.number}: ${messageOf(cause)}`, {
            plugin,
            hook,
            connection: connection.number,
            cause,
          }),
          connection,
        ),
      coreFailed: (doing, cause, connection) => {
        const { number } = connection
        this.#pluginFailed(
          new PluginError(`${doing} failed on connection ${number}: ${messageOf(cause)}`, { plugin: 'mqttest', hook: 'core', connection: number, cause }),
          connection,
        )
        connection.close('rst', { reason: 'internal error' })
      },
      dropped: (reason, clientId) => this.#tally.dropped(reason, clientId),
      violated: (violation, verdict, connection) => this.#tally.violated(violation, verdict, connection?.number, lint === 'fail' && violation.level !== 'info'),
    }
    this.#run = run
    this.#broker = new Broker(run)
    this.#startedMs = clock.now()
    const note = (level: 'warn' | 'error', message: string) => this.#journal.add({ type: 'note', connection: undefined, level, source: 'mqttest', message })
    this.#listeners = new Listeners({
      accept: (transport) => this.#accept(transport),
      failed: (reason, url) => note('warn', `a client of ${url} did not get through: ${reason}`),
      arm: (delayMs, action) => this.#timers.arm('offline', delayMs, action),
      stayedOffline: (error) => note('error', messageOf(error)),
    })
    this.#expecter = new Expecter(run, undefined)
    this.#installer = new Installer({
      server: this,
      clock,
      journal: this.#journal,
      hookSet: this.#hookSet,
      random: () => this.#random,
      pluginFailed: (error, connection) => this.#pluginFailed(error, connection),
      faultApplied,
      found: (violation, connection) => {
        if (connection !== undefined) connection.violated(violation)
        else {
          this.#journal.add({ type: 'violation', connection: undefined, violation, verdict: violation.default })
          run.violated(violation, violation.default, undefined)
        }
      },
    })
    this.finished = new Promise<Report>((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    this.finished.catch(() => undefined)
  }

  // ── Where ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Address of the first listener: 'mqtt://127.0.0.1:1883'. Empty where the server does not listen. */
  get url(): string {
    return this.#listeners.all[0]?.url ?? ''
  }

  /** Port of the first listener; 0 where it has none. */
  get port(): number {
    return this.#listeners.all[0]?.port ?? 0
  }

  /** Host of the first listener. */
  get host(): string {
    return this.#listeners.all[0]?.host ?? ''
  }

  /** Addresses of all listeners, in the order of the option `listen`. */
  get urls(): readonly string[] {
    return this.#listeners.all.map((listener) => listener.url)
  }

  /**
   * The certificate of the server's throw-away authority, as PEM: what clients of `tls: true` have to trust. Undefined where
   * no listener needed one.
   */
  get ca(): string | undefined {
    return this.#listeners.ca
  }

  /** A certificate for a client, signed by `ca`: for listeners with `clientCertificate`. */
  async clientCertificate(name = 'client'): Promise<Certificate> {
    return (await this.#listeners.authority()).client(name)
  }

  /**
   * Environment variables that tell a program where the server is: MQTT_URL, MQTT_HOST, MQTT_PORT; and MQTTS_URL, MQTT_WS_URL,
   * MQTT_WSS_URL where it listens so.
   */
  get env(): ServerEnvironment {
    return environmentOf(this.#listeners.all)
  }

  /** @internal Sets up plugins, opens the dump and the listeners. Called once, by `start`. */
  async open(): Promise<void> {
    const { options, places } = { options: this.#options, places: placesOf(this.#options) }
    try {
      await this.#installer.installAll(this.#plugins)
      if (options.dump !== undefined) {
        const { openDump } = await import('./record/dump.ts')
        this.#closeDump = openDump(options.dump, this.#journal, this.clock)
      }
      await this.#listeners.open(places)
      if (this.#hookSet.hooks.serverStart.isUsed()) await soon<void>((done) => this.#hookSet.hooks.serverStart.callAsync(this, () => done()))
      const failed = this.#pluginErrors[0]
      if (failed !== undefined && options.onPluginError !== 'warn') throw failed
    } catch (error) {
      await this.#listeners.close()
      this.#installer.removeAll()
      await this.#closeDump?.()
      throw error
    }
    if (options.maxRuntime !== undefined)
      this.#timers.arm('max-runtime', parseDuration(options.maxRuntime, "option 'maxRuntime'"), () => this.#stopInBackground('the maximum runtime is over'))
    options.signal?.addEventListener('abort', this.#aborted, { once: true })
    if (options.signal?.aborted) this.#stopInBackground('the signal was aborted')
  }

  // ── Connections ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** Connections that exist, and the last 1,000 that ended, in order. */
  get connections(): readonly Connection[] {
    return this.#connections.all()
  }

  /**
   * A connection: the n-th (counted from 0), the latest of a client id, or without an argument the next that was not asked
   * for yet. Resolves at once where it exists, else when it comes.
   */
  async connection(which?: number | { readonly clientId: string }, options: WaitOptions = {}): Promise<Connection> {
    const number = which === undefined ? this.#taken++ : which
    const find = (): Connection | undefined => {
      if (typeof number === 'number') return this.#connections.get(number)
      return this.connections.findLast((connection) => connection.clientId === number.clientId)
    }
    const found = find()
    if (found !== undefined) return found
    if (typeof number === 'number' && number < this.#connections.accepted)
      throw new MqttestError('MQTTEST_STATE', `connection ${number} ended long ago: only the last ${connectionsKept} that ended are kept`)
    const name = typeof number === 'number' ? `connection ${number}` : `a connection of client '${number.clientId}'`
    return waitFor(
      this.#journal,
      this.#journal.next,
      (record) => (record.type === 'open' || record.type === 'packet' ? find() : undefined),
      options,
      (why) => `expected ${name}: ${why}. ${this.#connections.accepted} connections were accepted.\n${this.#timeline()}`,
    )
  }

  /** Takes a transport as a new connection. For tests without a socket: see `mqttest/testing`. */
  #accept(transport: Transport): void {
    if (this.#stopping !== undefined) {
      transport.destroy()
      return
    }
    // A client in the same process knows no refusal of the system: its connection is reset as well.
    if (this.#listeners.offline === 'reset' || this.#listeners.offline === 'refused') {
      transport.listen({ data() {}, end() {}, drain() {}, closed() {} })
      transport.reset()
      return
    }
    const connection = new Connection(this.#run, this.#connections.accepted++, transport)
    this.#connections.add(connection)
    const { kind, listener, remoteAddress } = transport
    this.#journal.add({ type: 'open', connection: connection.number, transport: kind, listener, remoteAddress })
    if (this.#listeners.offline === 'unanswered') connection.stall()
    connection.start()
    const { maxConnections } = this.#options
    if (maxConnections !== undefined && this.#connections.accepted >= maxConnections) void this.#listeners.close()
  }

  /** @internal Joins a client in the same process; resolves with its end. */
  joinMemory(): Transport {
    const [serverEnd, clientEnd] = MemoryTransport.pair()
    this.#accept(serverEnd)
    return clientEnd
  }

  #connectionClosed(connection: Connection): void {
    this.#connections.closed(connection)
    this.#tally.add(connection)
    const { maxConnections } = this.#options
    if (maxConnections !== undefined && this.#connections.accepted >= maxConnections && this.#connections.openCount === 0)
      this.#stopInBackground(`${maxConnections} connections came and went`)
  }

  // ── Expectations and history ────────────────────────────────────────────────────────────────────────────────────

  /** The next packet of a type on any connection that fits the pattern: one that came already, or the next to come. */
  async expect<C extends Command>(cmd: C, pattern?: Pattern<C>, options?: ExpectOptions): Promise<PacketOf<C>> {
    return (await this.#expecter.expect(cmd, pattern, options)).packet
  }

  /** Fails where a fitting packet came already, or comes within `for` (100 ms by default). */
  expectNone<C extends Command>(cmd: C, pattern?: Pattern<C>, options?: ExpectOptions & { for?: Duration }): Promise<void> {
    return this.#expecter.expectNone(cmd, pattern, options)
  }

  /** What the journal holds, oldest first. */
  records(filter: RecordFilter = {}): JournalRecord[] {
    const found: JournalRecord[] = []
    for (const record of this.#journal.since(0)) {
      if (filter.type !== undefined && record.type !== filter.type) continue
      if (filter.connection !== undefined && record.connection !== filter.connection) continue
      if (filter.cmd !== undefined && !(record.type === 'packet' && record.cmd === filter.cmd)) continue
      if (filter.dir !== undefined && !(record.type === 'packet' && record.direction === filter.dir)) continue
      found.push(record)
    }
    return found
  }

  /** Calls `listener` with each record from now on. Returns the call that ends it. */
  onRecord(listener: (record: JournalRecord) => void): () => void {
    return this.#journal.listen(listener)
  }

  /**
   * Resolves when nothing goes on: no plan waits, nothing is in flight to a client that is there, and nothing was recorded
   * for `quiet` milliseconds of real time (30 by default). Rejects after `within` (1 s by default).
   */
  idle(options: IdleOptions = {}): Promise<void> {
    return waitUntilIdle(
      this.#journal,
      () => this.#busyWith(),
      options,
      () => this.#timeline(),
    )
  }

  #busyWith(): string | undefined {
    for (const connection of this.#connections.open) {
      if (connection.pendingPlans > 0) return `a plan waits on connection ${connection.number}`
      const inFlight = connection.session?.inFlight.size ?? 0
      if (inFlight > 0) return `${inFlight} messages are in flight on connection ${connection.number}`
    }
    return undefined
  }

  #timeline(): string {
    return [...this.#journal.since(Math.max(0, this.#journal.next - 30))].map((record) => `  ${describeLine(record)}`).join('\n')
  }

  /** The hooks, for a test: `server.hooks.send.tap('late', ...)`. Its taps count as one plugin, named 'test'; `reset()` ends them. */
  get hooks(): PluginHooks {
    if (this.#hooks === undefined) {
      let bound: PluginHooks | undefined
      const plugin = instantiate({ meta: { name: testPlugin }, setup: (api) => void (bound = api.hooks) }, undefined)
      this.#installer.use(plugin, {})
      this.#hooks = bound ?? missing()
    }
    return this.#hooks
  }

  // ── Acting ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Publishes a message in the server's name. Returns how many sessions it goes to. */
  publish(message: ServerMessage): number {
    const { to, ...fields } = message
    const packet = completePacket({ cmd: 'publish', ...fields })
    if (packet.cmd !== 'publish') return 0
    const publication: Publication = packet
    if (to === undefined) return this.#broker.publish(publication, undefined, 'inject')
    return this.#broker.publishTo([to].flat(), publication)
  }

  /** Sessions that exist, with or without a connection. */
  get sessions(): readonly Session[] {
    return this.#broker.sessions.all()
  }

  /** Retained messages. */
  get retained(): readonly Message[] {
    return this.#broker.retained.all()
  }

  /**
   * Adds a plugin on top of what runs. Its taps come after those of the start options. Returns the call that takes it off
   * again. Throws MQTTEST_PLUGIN_UNKNOWN for a name: those are resolved by `start` only.
   */
  use(entry: PluginEntry, scope: Scope = {}): Disposer {
    const disposers = flattenPlugins(entry, noLookup).map((one) => this.#installer.use(one.plugin, { ...scope, ...one.scope }))
    const dispose = () => {
      for (const one of disposers) one()
    }
    return Object.assign(dispose, { [Symbol.dispose]: dispose })
  }

  /** @internal Lets plans go on that wait with { until: name }, on every connection. */
  signal(name: string): void {
    for (const connection of this.#connections.open) connection.signal(name)
  }

  /**
   * Back to the start: plugins as in the start options, their counters at zero; no connections, sessions, retained messages or
   * records; the next connection is number 0; chance begins anew.
   */
  async reset(): Promise<void> {
    this.#checkRunning()
    for (const connection of [...this.#connections.open]) connection.close('rst', { reason: 'the server was reset' })
    await this.online()
    this.#installer.clear()
    this.#hooks = undefined
    this.#broker.reset()
    await turn()
    this.#journal.clear()
    this.#tally.clear()
    this.#connections.restart()
    this.#taken = 0
    this.#pluginErrors.length = 0
    this.#random = randomFrom(this.seed)
    this.#expecter = new Expecter(this.#run, undefined)
    await this.#installer.installAll(this.#plugins)
  }

  /** Goes offline: new connections are refused, those that exist are reset, unless told otherwise. */
  async offline(options: OfflineOptions | Duration = {}): Promise<void> {
    const { for: forHowLong, mode = 'refused', connections = 'rst', loses = [] } = typeof options === 'object' ? options : { for: options }
    this.#listeners.leave(mode)
    if (mode === 'refused') await this.#listeners.close()
    if (connections !== 'keep') for (const connection of [...this.#connections.open]) connection.close(connections, { reason: 'the server went offline' })
    this.#broker.lose(loses, (session) => connections !== 'keep' || session.connection === undefined)
    if (forHowLong !== undefined) this.#listeners.comeBackIn(parseDuration(forHowLong, 'for'))
  }

  /** Comes back, at the same place. Throws MQTTEST_LISTEN where somebody else has taken it meanwhile. */
  async online(): Promise<void> {
    this.#checkRunning()
    await this.#listeners.comeBack()
  }

  #checkRunning(): void {
    if (this.#stopping !== undefined) throw new MqttestError('MQTTEST_STATE', 'the server has stopped: start another one')
  }

  // ── The end ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The run in numbers, so far. */
  report(reason = 'the run goes on'): Report {
    const connections = this.connections
    return {
      seed: this.seed,
      durationMs: Math.round(this.#run.clock.now() - this.#startedMs),
      reason,
      connections: this.#connections.accepted,
      ...this.#tally.totals(this.#connections.open),
      perConnection: connections.slice(-connectionsKept).map(connectionReport),
      violations: this.#tally.violations(),
      dropped: this.#tally.drops(),
      faults: {
        ...faultReport(this.#installer.installations.filter((one) => one.plugin.meta.name !== testPlugin || one.fired > 0)),
        changes: this.#tally.changes(),
      },
      pluginErrors: this.#pluginErrors.map((error) => error.message),
      recordsDropped: this.#journal.dropped,
    }
  }

  /**
   * Stops the server: connections are closed, timers and plugins ended, waits rejected, and the ports are free when it
   * resolves. Can be called again. Rejects with MQTTEST_FAILED where a plugin failed (unless `onPluginError: 'warn'`), or a
   * client broke a rule under `lint: 'fail'`; the error has the `report` as well.
   */
  stop(reason = 'stop() was called'): Promise<Report> {
    this.#stopping ??= this.#stop(reason).then(
      (report) => {
        this.#settle.resolve(report)
        return report
      },
      (error: unknown) => {
        this.#settle.reject(error)
        throw error
      },
    )
    return this.#stopping
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /** Calls the `serverStop` hook; a plugin that never comes to its end does not keep the server from stopping. */
  async #sayServerStop(reason: string): Promise<void> {
    const { serverStop } = this.#hookSet.hooks
    if (!serverStop.isUsed()) return
    const over = soon<void>((done) => serverStop.callAsync(this, reason, () => done()))
    if (!(over instanceof Promise)) return
    const tappers = [...new Set(serverStop.taps.map((tap) => tap.name))].join(', ')
    let limit: Timer | undefined
    const tooLong = new Promise<void>((resolve) => {
      limit = deadline(serverStopPatienceMs, () => {
        const message = `the hook serverStop, tapped by ${tappers}, did not end within ${serverStopPatienceMs / 1000} s`
        this.#pluginFailed(new PluginError(message, { plugin: tappers, hook: 'serverStop' }), undefined)
        resolve()
      })
    })
    await Promise.race([over, tooLong])
    limit?.cancel()
  }

  #stopInBackground(reason: string): void {
    this.stop(reason).catch(() => undefined)
  }

  readonly #aborted = () => this.#stopInBackground('the signal was aborted')

  async #stop(reason: string): Promise<Report> {
    this.#options.signal?.removeEventListener('abort', this.#aborted)
    this.#listeners.stay()
    // Not before the caller has its promise: `#accept` looks at it.
    await this.#listeners.close()
    for (const connection of [...this.#connections.open]) connection.disconnect(0x8b, 'the server stopped')
    await this.#connections.letGo()
    await this.#sayServerStop(reason)
    this.#timers.clear()
    this.#broker.wills.clear()
    const report = this.report(reason)
    this.#installer.removeAll()
    this.#journal.end()
    await this.#closeDump?.()
    const failures = failuresOf(report.violations, this.#options.onPluginError === 'warn' ? [] : this.#pluginErrors)
    if (failures.length > 0) throw new RunFailedError(failures, report)
    return report
  }

  #pluginFailed(error: PluginError, connection: Connection | undefined): void {
    this.#pluginErrors.push(error)
    this.#journal.add({ type: 'note', connection: connection?.number, level: 'error', source: error.plugin, message: error.message })
    if (this.#options.onPluginError !== 'warn') connection?.close('rst', { reason: error.message })
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}

function missing(): never {
  throw new MqttestError('MQTTEST_STATE', 'a part of the server is missing')
}

/** The server's clock as a test has it: a clock that is not virtual says so when it is to be moved. */
function testClock(clock: Clock): VirtualClock {
  if (isVirtual(clock)) return clock
  const advance = () => Promise.reject(new MqttestError('MQTTEST_STATE', "clock.advance needs a virtual clock: start({ clock: 'virtual' })"))
  return { now: () => clock.now(), wallTime: () => clock.wallTime(), after: (delayMs, action) => clock.after(delayMs, action), advance, pending: 0 }
}
