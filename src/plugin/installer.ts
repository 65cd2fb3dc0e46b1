/** The plugins of one server: set up, switched off, set up again. */
import type { Clock, Timer } from '../clock.ts'
import type { Connection } from '../connection/connection.ts'
import type { PlanLane } from '../connection/plan.ts'
import { MqttestError, PluginError } from '../errors.ts'
import { type Installation, installation } from '../hooks/installation.ts'
import type { Scope } from '../hooks/scope.ts'
import type { Fault, HookSet } from '../hooks/tap-guard.ts'
import type { Violation } from '../lint/violation.ts'
import { dial, type Upstream } from '../net/upstream.ts'
import type { Random } from '../random.ts'
import type { Journal } from '../record/journal.ts'
import type { Server } from '../server.ts'
import { completePlan, type StepInput } from '../steps.ts'
import type { Packet } from '../wire/packet.ts'
import type { Finding, On, Plugin, PluginApi, PluginLog, Teardown } from './plugin.ts'
import type { ScopedPlugin } from './plugin-list.ts'

/** What the installer needs of a server. */
export interface InstallerOwner {
  readonly server: Server
  readonly clock: Clock
  readonly journal: Journal
  readonly hookSet: HookSet
  random(): Random
  pluginFailed(error: PluginError, connection: Connection | undefined): void
  found(violation: Violation, connection: Connection | undefined): void
  faultApplied(fault: Fault): void
}

/** Switches a plugin off. Can be called again, and used with `using`. */
export type Disposer = (() => void) & Disposable

interface Installed {
  readonly installation: Installation
  readonly timers: Set<Timer>
  /** Plans of the plugin's own that wait. */
  readonly plans: Set<PlanLane>
  readonly upstreams: Set<Upstream>
  teardown: Teardown | undefined
}

/** Stage that is added to the taps of what a test uses on top of the start options. */
const testStage = 100

/** Installs plugins and takes them back. */
export class Installer {
  readonly #owner: InstallerOwner
  readonly #installed: Installed[] = []
  readonly #history: Installation[] = []
  /** Those who stand for the broker, the last one first. */
  #handlers: { entry: Installed; handler: (packet: Packet, connection: Connection) => boolean }[] = []

  constructor(owner: InstallerOwner) {
    this.#owner = owner
  }

  /** Every installation of the run, those that were switched off included. */
  get installations(): readonly Installation[] {
    return this.#history
  }

  /** Sets up the plugins of the start options, in order. */
  async installAll(plugins: readonly ScopedPlugin[]): Promise<void> {
    for (const { plugin, scope } of plugins) {
      const { ready } = this.#install(plugin, scope, 0)
      await ready
    }
  }

  /** Sets up one more plugin, now. Where its setup is asynchronous, a failure of it makes `stop()` reject. */
  use(plugin: Plugin, scope: Scope): Disposer {
    const { entry, ready } = this.#install(plugin, scope, testStage)
    ready?.catch((cause: unknown) => this.#owner.pluginFailed(cause instanceof PluginError ? cause : setupFailed(plugin, cause), undefined))
    const dispose = () => this.#remove(entry)
    return Object.assign(dispose, { [Symbol.dispose]: dispose })
  }

  /** Switches all plugins off. */
  removeAll(): void {
    for (const entry of [...this.#installed].reverse()) this.#remove(entry)
  }

  /** Forgets what was counted. */
  clear(): void {
    this.removeAll()
    this.#history.length = 0
  }

  #install(plugin: Plugin, scope: Scope, stage: number): { entry: Installed; ready: Promise<void> | undefined } {
    const entry: Installed = {
      installation: installation(plugin, scope, stage),
      timers: new Set(),
      plans: new Set(),
      upstreams: new Set(),
      teardown: undefined,
    }
    this.#installed.push(entry)
    this.#history.push(entry.installation)
    try {
      const result = plugin.install(this.#apiFor(entry))
      if (!(result instanceof Promise)) {
        entry.teardown = result ?? undefined
        return { entry, ready: undefined }
      }
      const ready = result.then(
        (teardown) => {
          if (entry.installation.enabled) entry.teardown = teardown ?? undefined
          else teardown?.()
        },
        (cause: unknown) => {
          this.#remove(entry)
          throw cause instanceof MqttestError ? cause : setupFailed(plugin, cause)
        },
      )
      return { entry, ready }
    } catch (cause) {
      this.#remove(entry)
      if (cause instanceof MqttestError) throw cause
      throw setupFailed(plugin, cause)
    }
  }

  #remove(entry: Installed): void {
    const index = this.#installed.indexOf(entry)
    if (index < 0) return
    this.#installed.splice(index, 1)
    entry.installation.enabled = false
    for (const timer of entry.timers) timer.cancel()
    for (const plan of [...entry.plans]) plan.cancel()
    for (const upstream of [...entry.upstreams]) upstream.destroy()
    this.#handlers = this.#handlers.filter((one) => one.entry !== entry)
    this.#owner.hookSet.refresh()
    try {
      entry.teardown?.()
    } catch (cause) {
      const { name } = entry.installation.plugin.meta
      this.#owner.pluginFailed(
        new PluginError(`plugin '${name}' failed when it was switched off: ${messageOf(cause)}`, { plugin: name, hook: 'teardown', cause }),
        undefined,
      )
    }
  }

  #apiFor(entry: Installed): PluginApi {
    const owner = this.#owner
    const { name } = entry.installation.plugin.meta
    const { hooks, on } = owner.hookSet.bind(entry.installation)
    const note = (level: 'info' | 'warn' | 'error') => (message: string, connection?: Connection) =>
      owner.journal.add({ type: 'note', connection: connection?.number, level, source: name, message })
    const log: PluginLog = { info: note('info'), warn: note('warn'), error: note('error') }
    return {
      name,
      hooks,
      on: on as On,
      clock: this.#clockFor(entry),
      random: owner.random().fork(name),
      report: (finding) => {
        if (!entry.installation.enabled) return
        entry.installation.fired++
        owner.found(violationOfFinding(finding), finding.connection)
      },
      log,
      play: (connection, steps) => this.#play(entry, connection, steps),
      pause: (connection, delayMs) => pause(entry, connection, delayMs),
      acted: (what, connection) => {
        entry.installation.fired++
        owner.faultApplied({ plugin: name, hook: 'acted', connection: connection?.number, packet: undefined, about: undefined, before: undefined, after: what })
      },
      handle: (handler) => void this.#handlers.unshift({ entry, handler }),
      dial: (url, listener, options = {}) => {
        const upstream = dial(
          url,
          {
            packet: (bytes) => this.#guarded(entry, () => listener.packet(bytes)),
            closed: (how, reason) => {
              entry.upstreams.delete(upstream)
              if (entry.installation.enabled) this.#guarded(entry, () => listener.closed(how, reason))
            },
          },
          options,
        )
        entry.upstreams.add(upstream)
        return upstream
      },
      server: owner.server,
    }
  }

  /** Whether somebody stands for the broker on a connection, and handles the packet. */
  handles(packet: Packet, connection: Connection): boolean {
    if (this.#handlers.length === 0) return false
    for (const { entry, handler } of this.#handlers) {
      const { inScope, plugin } = entry.installation
      if (inScope !== undefined && !inScope(connection)) continue
      try {
        if (handler(packet, connection)) return true
      } catch (cause) {
        const { name } = plugin.meta
        this.#owner.pluginFailed(
          new PluginError(`plugin '${name}' failed to handle ${packet.cmd.toUpperCase()} on connection ${connection.number}: ${messageOf(cause)}`, {
            plugin: name,
            hook: 'handle',
            connection: connection.number,
            cause,
          }),
          connection,
        )
        return true
      }
    }
    // The broker knows nothing of a connection that it did not accept.
    return packet.cmd !== 'connect' && connection.phase !== 'connected' && packet.cmd !== 'disconnect' && packet.cmd !== 'auth'
  }

  #guarded(entry: Installed, action: () => void): void {
    if (!entry.installation.enabled) return
    try {
      action()
    } catch (cause) {
      const { name } = entry.installation.plugin.meta
      this.#owner.pluginFailed(
        new PluginError(`plugin '${name}' failed over what another server said: ${messageOf(cause)}`, { plugin: name, hook: 'dial', cause }),
        undefined,
      )
    }
  }

  #play(entry: Installed, connection: Connection, steps: readonly StepInput[]): void {
    const { installation, plans } = entry
    if (!installation.enabled || installation.timesLeft <= 0 || connection.closed) return
    installation.timesLeft--
    const plan = completePlan(steps)
    let lane: PlanLane | undefined
    const done = () => {
      if (lane !== undefined) plans.delete(lane)
      // A plan that was dropped, with its connection or its plugin, did nothing.
      if (!installation.enabled || connection.closed) {
        installation.timesLeft++
        return
      }
      installation.fired++
      const packet = plan.find((step) => 'packet' in step)?.packet
      this.#owner.faultApplied({
        plugin: installation.plugin.meta.name,
        hook: 'play',
        connection: connection.number,
        packet,
        about: undefined,
        before: undefined,
        after: plan,
      })
    }
    lane = connection.lanes.run(plan, { kind: 'script', faults: [installation.plugin.meta.name] }, { done })
    if (!lane.over) plans.add(lane)
  }

  /** A plugin's timers end with it. */
  #clockFor(entry: Installed): Clock {
    const { clock } = this.#owner
    return {
      now: () => clock.now(),
      wallTime: () => clock.wallTime(),
      after: (delayMs, action) => {
        // A plugin that is switched off may still be in the middle of something asynchronous.
        if (!entry.installation.enabled) return { cancel: () => undefined }
        const timer = clock.after(delayMs, () => {
          entry.timers.delete(timer)
          if (!entry.installation.enabled) return
          try {
            action()
          } catch (cause) {
            const { name } = entry.installation.plugin.meta
            this.#owner.pluginFailed(
              new PluginError(`plugin '${name}' failed in a timer: ${messageOf(cause)}`, { plugin: name, hook: 'timer', cause }),
              undefined,
            )
          }
        })
        entry.timers.add(timer)
        return {
          cancel: () => {
            entry.timers.delete(timer)
            timer.cancel()
          },
        }
      },
    }
  }
}

/** A wait that ends early with its connection or its plugin. */
function pause({ installation, plans }: Installed, connection: Connection, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    if (!installation.enabled || connection.closed) {
      resolve()
      return
    }
    let lane: PlanLane | undefined
    const done = () => {
      if (lane !== undefined) plans.delete(lane)
      resolve()
    }
    lane = connection.lanes.run(completePlan([{ wait: delayMs }]), { kind: 'script' }, { done })
    if (!lane.over) plans.add(lane)
  })
}

function violationOfFinding(finding: Finding): Violation {
  const { rule, message, level = 'warning', statements = [] } = finding
  return {
    rule,
    statements,
    level,
    message,
    reasonCode: 0x83,
    packet: undefined,
    raw: undefined,
    offset: undefined,
    default: level === 'error' ? 'disconnect' : 'warn',
  }
}

function setupFailed(plugin: Plugin, cause: unknown): PluginError {
  const { name } = plugin.meta
  return new PluginError(`plugin '${name}' failed in its setup: ${messageOf(cause)}`, { plugin: name, hook: 'setup', cause })
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
