/**
 * One guard around every tap, put there by `bind`, the only way to a hook. (An interceptor of tapable could do the same,
 * but a hook with an interceptor counts as used, and a hook that nobody tapped must cost nothing.)
 *
 *   gate         is the plugin switched on, is this connection in its scope, are times left, does the filter match?
 *   check        is what the tap returned something that the hook takes?
 *   attribution  an error names plugin, hook and connection; the connection is reset; `stop()` rejects
 *   ledger       what was changed is put on record: plugin, hook, connection, before, after
 *
 * It also lets an async function be tapped with plain `tap` on an async hook, which tapable would not wait for.
 */
import type { AuthorizeRequest } from '../broker/authorize.ts'
import type { Delivery, Message } from '../broker/message.ts'
import type { Connection } from '../connection/connection.ts'
import { MqttestError, PluginError } from '../errors.ts'
import type { Random } from '../random.ts'
import type { FaultRecord } from '../record/journal.ts'
import { signPlan } from '../steps.ts'
import { type Packet, packetTypes } from '../wire/packet.ts'
import { checkFilter, countingFilter, type Filter, kindMask, meantBy, packetsOf, requestBit, type Subject, subjectOf, typeMask } from './filter.ts'
import { createHooks, type HookName, type Hooks } from './hooks.ts'
import type { Installation } from './installation.ts'
import type { HookTap, PluginHooks, TapFilter, TapOptions } from './plugin-hooks.ts'
import { ConnectionTaps, RouteTaps, type TapInterest, tapsFor } from './tap-interest.ts'
import { beforeOf, checks, isDeliveries, isPlan, sameContent, sameItems, snapshot } from './tap-result.ts'

/** What a plugin changed. */
export type Fault = Pick<FaultRecord, 'connection' | 'plugin' | 'hook' | 'packet' | 'about' | 'before' | 'after'>

/** What the guard tells the server. */
export interface GuardOwner {
  pluginFailed(error: PluginError, connection: Connection | undefined): void
  faultApplied(fault: Fault): void
  connectionByNumber(number: number): Connection | undefined
  /** The run's chance, for filters with a probability. */
  random(): Random
}

/** From this stage on taps record what the others decided. */
const recorderStage = 1000

/** Position of the connection among a hook's arguments. */
const connectionArgument: Partial<Record<HookName, number>> = {
  connection: 0,
  wire: 2,
  packetIn: 1,
  authorize: 2,
  session: 2,
  packetId: 1,
  send: 2,
  timer: 2,
  violation: 1,
  disconnect: 0,
  retained: 2,
  will: 2,
}

/** Hooks whose taps return plans. */
const planHooks = new Set<HookName>(['connection', 'wire', 'packetIn', 'send'])

const asyncHooks = new Set<HookName>(['serverStart', 'serverStop', 'connection', 'packetIn', 'authorize'])

type TapFunction = (...args: unknown[]) => unknown

/** The hooks of one server, each with its guard. */
export class HookSet {
  readonly hooks: Hooks = createHooks()
  readonly #owner: GuardOwner
  readonly #taps: TapInterest[] = []
  /** What the connection that was asked about last got; mostly the next one gets the same. */
  #lastTaps = new ConnectionTaps([], 0)
  /** Grows with every change of what is tapped. */
  #version = 0
  #route: RouteTaps | undefined

  constructor(owner: GuardOwner) {
    this.#owner = owner
  }

  /** The taps that may act on a connection; kept with it until something changes. */
  tapsOf(connection: Connection): ConnectionTaps {
    const known = connection.taps
    if (known !== undefined && known.version === this.#version) return known
    const taps = tapsFor(this.#taps, connection)
    const last = this.#lastTaps
    if (last.version !== this.#version || !sameItems(last.taps, taps)) this.#lastTaps = new ConnectionTaps(taps, this.#version)
    connection.taps = this.#lastTaps
    return this.#lastTaps
  }

  /** Whether anybody may have an opinion on who gets a message. */
  wantsRoute(message: Pick<Message, 'topic' | 'qos' | 'retain'>, reason: Message['reason']): boolean {
    this.#route ??= new RouteTaps(this.#taps)
    return this.#route.wants(message, reason)
  }

  /** The hooks as one plugin sees them, and `on`. */
  bind(installation: Installation): { hooks: PluginHooks; on: (hook: HookTap<never, unknown>, filter: TapFilter, tap: (...args: never) => unknown) => void } {
    const { hooks } = this
    const tap = (hook: HookName, options: string | TapOptions, fn: unknown, filter?: Filter) => {
      if (!isTapFunction(fn)) throw new MqttestError('MQTTEST_PLUGIN_SHAPE', `plugin '${installation.plugin.meta.name}': hooks.${hook}.tap needs a function`)
      const { name = installation.plugin.meta.name, stage = 0 } = typeof options === 'string' ? { name: options } : options
      // Observers and recorders keep their place, whoever adds them: they must see what is first and what is last.
      const place = stage < 0 || stage >= recorderStage ? stage : stage + installation.stage
      this.#guard(hook, { name, stage: place }, installation, fn, filter)
    }
    const bound: { [name: string]: HookTap<never, unknown> } = {}
    for (const hook of hookNames(hooks)) bound[hook] = { hook, tap: (options, fn) => tap(hook, options, fn) }
    if (!isComplete(bound)) throw new TypeError('a hook is missing')
    return {
      hooks: bound,
      on: (hook, { stage = 0, ...filter }, fn) => {
        checkFilter(hook.hook, filter)
        tap(hook.hook, { stage }, fn, filter)
      },
    }
  }

  /** What is known of the taps is found out anew: a plugin came or went. */
  refresh(): void {
    this.#version++
    this.#route = undefined
  }

  #guard(hook: HookName, options: TapOptions, installation: Installation, fn: TapFunction, filter: Filter | undefined): void {
    this.#taps.push({ hook, filter, isEnabled: () => installation.enabled, mayFit: installation.mayFit })
    this.refresh()
    const stream = `${installation.plugin.meta.name} selection`
    let everybody: Random | undefined
    const chance = (probability: number, connection: Connection | undefined) => {
      everybody ??= connection === undefined ? this.#owner.random().fork(stream) : undefined
      return (connection?.random(stream) ?? everybody)?.chance(probability) === true
    }
    const selects = filter === undefined ? undefined : countingFilter(filter, chance)
    const target = anyHook(this.hooks[hook])
    const isOther = otherType(hook, filter)
    if (asyncHooks.has(hook)) {
      const tap = this.#asyncTap(hook, installation, fn, selects)
      if (hook === 'packetIn')
        target.tapAsync(options, (packet: unknown, connection: unknown, done: Done) =>
          isOther(packet) ? done(null, undefined) : tap(packet, connection, done),
        )
      else if (hook === 'authorize')
        target.tapAsync(options, (decision: unknown, request: unknown, connection: unknown, done: Done) =>
          isOther(request) ? done(null, undefined) : tap(decision, request, connection, done),
        )
      else target.tapAsync(options, tap)
    } else {
      const tap = this.#syncTap(hook, installation, fn, selects)
      if (hook === 'send')
        target.tap(options, (steps: unknown, cause: unknown, connection: unknown) => (isOther(steps, cause) ? undefined : tap(steps, cause, connection)))
      else target.tap(options, tap)
    }
  }

  /** What a plugin does about one packet of a client is one time, however many hooks it takes: who began may finish. */
  #gate(hook: HookName, installation: Installation, args: unknown[], selects: Selector | undefined): boolean {
    if (!installation.enabled || (installation.timesLeft <= 0 && !hasBegun(installation, hook, args))) return false
    const connection = this.#connectionOf(hook, args)
    if (installation.inScope !== undefined && connection !== undefined && !installation.inScope(connection)) return false
    return selects === undefined || selects(subjectOf(hook, args), connection)
  }

  #connectionOf(hook: HookName, args: unknown[]): Connection | undefined {
    if (hook === 'record') {
      const record: unknown = args[0]
      const number: unknown = typeof record === 'object' && record !== null ? Reflect.get(record, 'connection') : undefined
      return typeof number === 'number' ? this.#owner.connectionByNumber(number) : undefined
    }
    const position = connectionArgument[hook]
    if (position === undefined) return undefined
    const argument: unknown = args[position]
    return isConnection(argument) ? argument : undefined
  }

  #syncTap(hook: HookName, installation: Installation, fn: TapFunction, selects: Selector | undefined) {
    let failing = false
    return (...args: unknown[]): unknown => {
      // What is recorded about a recorder that failed must not come round to it again.
      if (failing) return undefined
      try {
        if (!this.#gate(hook, installation, args, selects)) return undefined
        if (hook === 'route' && installation.inScope !== undefined) return this.#routeInScope(installation, installation.inScope, fn, args)
        const before = beforeOf(hook, args)
        return this.#accept(hook, installation, args, before, fn(...args))
      } catch (error) {
        failing = hook === 'record'
        this.#failed(hook, installation, args, error)
        failing = false
        return undefined
      }
    }
  }

  #asyncTap(hook: HookName, installation: Installation, fn: TapFunction, selects: Selector | undefined) {
    return (...all: unknown[]): void => {
      const done: unknown = all[all.length - 1]
      if (typeof done !== 'function') return
      const args = all.slice(0, -1)
      const failed = (error: unknown) => done(null, this.#failed(hook, installation, args, error))
      let result: unknown
      try {
        if (!this.#gate(hook, installation, args, selects)) return void done(null, undefined)
        const before = beforeOf(hook, args)
        const accept = (value: unknown) => this.#accept(hook, installation, args, before, value)
        const given = fn(...args)
        if (isThenable(given)) return void given.then(accept).then((value) => done(null, value), failed)
        result = accept(given)
      } catch (error) {
        return void failed(error)
      }
      // Not among what is tried: what fails behind the tap is not the plugin's failure.
      done(null, result)
    }
  }

  /** A plugin with a scope decides only on the deliveries to connections in its scope; the others stay as they are. */
  #routeInScope(installation: Installation, inScope: (connection: Connection) => boolean, fn: TapFunction, args: unknown[]): unknown {
    const deliveries: unknown = args[0]
    if (!isDeliveries(deliveries)) return undefined
    const isMine = ({ session }: Delivery) => session.connection !== undefined && inScope(session.connection)
    const mine = deliveries.filter(isMine)
    // Also where there is none: it may add some. To others it may not.
    const chosen = fn(mine, args[1])
    const accepted = this.#accept('route', installation, [mine, args[1]], mine, isDeliveries(chosen) ? chosen.filter(isMine) : chosen)
    if (!isDeliveries(accepted) || accepted === mine) return undefined
    return [...deliveries.filter((delivery) => !mine.includes(delivery)), ...accepted]
  }

  /** Takes what a tap returned; `before` is what it was asked about, as it was. */
  #accept(hook: HookName, installation: Installation, args: unknown[], before: unknown, result: unknown): unknown {
    const checked = this.#checked(hook, result)
    const asked = args[0]
    // Changed in place.
    if (hook === 'packetIn' && !sameContent(before, asked)) this.#applied(hook, installation, args, before, snapshot(asked))
    if (checked === undefined) return undefined
    const changed =
      hook === 'packetIn' || hook === 'connection' || hook === 'packetId'
        ? true
        : Array.isArray(before) && Array.isArray(checked)
          ? !(hook === 'send' ? sameContent(before, checked) : sameItems(before, checked))
          : !sameContent(before, checked)
    if (!changed) return Array.isArray(checked) ? asked : checked
    this.#applied(hook, installation, args, before, checked)
    return planHooks.has(hook) && isPlan(checked) ? signPlan(checked, { plugin: installation.plugin.meta.name, hook }) : checked
  }

  #checked(hook: HookName, result: unknown): unknown {
    if (result === undefined) return undefined
    if (isThenable(result)) {
      result.then(undefined, () => undefined)
      throw new TypeError(`returned a promise, but the hook ${hook} is synchronous`)
    }
    return checks[hook](result)
  }

  #applied(hook: HookName, installation: Installation, args: unknown[], before: unknown, after: unknown): void {
    installation.fired++
    if (!hasBegun(installation, hook, args)) installation.timesLeft--
    const handled = handledPacket(hook, args)
    if (handled !== undefined) installation.begun?.add(handled)
    const plugin = installation.plugin.meta.name
    if (hook === 'send') {
      const cause: unknown = args[1]
      if (typeof cause === 'object' && cause !== null && 'faults' in cause && Array.isArray(cause.faults)) cause.faults.push(plugin)
    }
    const connection = hook === 'route' ? publisherOf(args[1]) : this.#connectionOf(hook, args)
    const { packet, kind, topic, message, direction } = subjectOf(hook, args)
    this.#owner.faultApplied({
      plugin,
      hook,
      connection: connection?.number,
      packet: hook === 'packetIn' && isPacket(before) ? before : hook === 'session' && isPacket(args[1]) ? args[1] : packet,
      about: direction ?? message?.topic ?? (kind === 'subscribe' || kind === 'unsubscribe' ? topic : kind) ?? topic,
      before,
      after,
    })
  }

  #failed(hook: HookName, installation: Installation, args: unknown[], cause: unknown): undefined {
    const connection = hook === 'route' ? publisherOf(args[1]) : this.#connectionOf(hook, args)
    const { name } = installation.plugin.meta
    const subject = subjectOf(hook, args)
    const place = connection === undefined ? '' : ` on connection ${connection.number}`
    const packet = subject.packet === undefined ? '' : ` at ${subject.packet.cmd.toUpperCase()}`
    const reason = cause instanceof Error ? cause.message : String(cause)
    this.#owner.pluginFailed(
      new PluginError(`plugin '${name}' failed in hook ${hook}${place}${packet}: ${reason}`, { plugin: name, hook, connection: connection?.number, cause }),
      connection,
    )
    return undefined
  }
}

/** The packet of a client that a hook is called about. */
function handledPacket(hook: HookName, args: readonly unknown[]): object | undefined {
  const owner = hook === 'packetIn' ? { packet: args[0] } : hook === 'authorize' || hook === 'send' ? args[1] : undefined
  const packet: unknown = typeof owner === 'object' && owner !== null && 'packet' in owner ? owner.packet : undefined
  return typeof packet === 'object' && packet !== null ? packet : undefined
}

function hasBegun({ begun }: Installation, hook: HookName, args: readonly unknown[]): boolean {
  if (begun === undefined) return false
  const packet = handledPacket(hook, args)
  return packet !== undefined && begun.has(packet)
}

type Done = (error: null, result: unknown) => void

/** Whether an event is of a type that a filter does not name: the first thing that is asked, so that most taps cost nearly nothing. */
function otherType(hook: HookName, filter: Filter | undefined): (subject: unknown, cause?: unknown) => boolean {
  if (filter === undefined || (filter.cmd ?? filter.kind) === undefined) return () => false
  if (hook === 'authorize') {
    const kinds = kindMask(filter)
    return (request) => isRequest(request) && (kinds & requestBit(request.kind)) === 0
  }
  const types = typeMask(filter)
  if (filter.cmd === undefined) return () => false
  if (hook === 'packetIn') return (packet) => isPacket(packet) && (types & (1 << packetTypes[packet.cmd])) === 0
  const named = ({ cmd }: Packet) => (types & (1 << packetTypes[cmd])) !== 0
  return (steps, cause) => {
    const meant = meantBy(cause)
    if (meant !== undefined && named(meant)) return false
    // Another plugin may have put one in its place.
    for (const packet of packetsOf(steps)) if (named(packet)) return false
    return true
  }
}

function isRequest(value: unknown): value is AuthorizeRequest {
  return typeof value === 'object' && value !== null && 'kind' in value && 'packet' in value
}

type Selector = (subject: Subject, connection: Connection | undefined) => boolean

/** A hook of any kind. tapable's types differ per hook in what they hand over; the guard treats all of them alike. */
interface AnyHook {
  tap(options: object, fn: unknown): void
  tapAsync(options: object, fn: unknown): void
}

function anyHook(hook: object): AnyHook {
  if (!isAnyHook(hook)) throw new TypeError('not a hook')
  return hook
}

function isAnyHook(hook: object): hook is AnyHook {
  return 'tap' in hook && 'tapAsync' in hook
}

function isTapFunction(value: unknown): value is TapFunction {
  return typeof value === 'function'
}

function isComplete(taps: { readonly [name: string]: unknown }): taps is PluginHooks & typeof taps {
  return Object.keys(connectionArgument).every((name) => name in taps)
}

function hookNames(hooks: Hooks): HookName[] {
  return Object.keys(hooks).filter((name): name is HookName => name in hooks)
}

function isConnection(value: unknown): value is Connection {
  return typeof value === 'object' && value !== null && 'number' in value && 'remoteAddress' in value
}

function publisherOf(message: unknown): Connection | undefined {
  const from: unknown = typeof message === 'object' && message !== null ? Reflect.get(message, 'from') : undefined
  return isConnection(from) ? from : undefined
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

function isPacket(value: unknown): value is Packet {
  return typeof value === 'object' && value !== null && 'cmd' in value
}
