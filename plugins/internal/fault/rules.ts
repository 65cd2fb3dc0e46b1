/** The rules of `fault` at work: which of them an event is for, which of them are armed, what comes of them. */
import { type Connection, type Filter, fitsFilter, type Packet, type PluginApi, type StepInput, type Timer } from '../../../src/index.ts'
import { type Act, expand, replacedPacket } from './act.ts'
import { type EventKind, filterOf, isAbout, type Matcher } from './matcher.ts'

/** One rule, checked. */
export interface Rule {
  readonly name: string | undefined
  readonly on: Matcher
  readonly kind: EventKind
  readonly act: Act
  /** The rules that arm it; it is armed from the start where there are none. */
  readonly armedBy: readonly Rule[]
  readonly disarmedBy: readonly Rule[]
  /** Whether it counts, and is armed, on each connection or over the run. */
  readonly per: 'connection' | 'run'
  readonly times: number
}

interface Standing {
  armed: boolean
  count: number
}

/** Makes the rules act. */
export function follow(api: PluginApi, rules: readonly Rule[]): void {
  const { hooks, on, clock, play, report, log, server, name } = api
  const memory = () => new Map<Rule, Standing>()
  const timers = () => new Set<Timer>()
  const runMemory = memory()
  const fired = new Map<Rule, number>()
  const filters = new Map<Rule, Filter>(rules.map((rule) => [rule, filterOf(rule.on)]))
  const of = (kind: EventKind) => rules.filter((rule) => rule.kind === kind)

  function standing(rule: Rule, connection: Connection): Standing {
    const all = rule.per === 'run' ? runMemory : connection.state(memory)
    const known = all.get(rule) ?? { armed: rule.armedBy.length === 0, count: 0 }
    all.set(rule, known)
    return known
  }

  /** Whether an event is one that a rule is for, by its number among those that fit. */
  function isDue(rule: Rule, connection: Connection): boolean {
    const { nth, from = 1, every = 1, probability = 1 } = filters.get(rule) ?? {}
    const now = standing(rule, connection)
    now.count++
    if (nth !== undefined && ![nth].flat().includes(now.count)) return false
    if (now.count < from || (now.count - from + 1) % every !== 0) return false
    if ((fired.get(rule) ?? 0) >= rule.times) return false
    return probability >= 1 || connection.random(name).chance(probability)
  }

  /** The rules that an event is for, in order. All are chosen before any of them arms another: that waits for the next event. */
  function due(kind: EventKind, connection: Connection, packet?: Packet): readonly Rule[] {
    const chosen = of(kind).filter((rule) => {
      if (!standing(rule, connection).armed || !isAbout(rule.on, connection)) return false
      if (packet !== undefined && !fitsFilter(filters.get(rule) ?? {}, packet)) return false
      return isDue(rule, connection)
    })
    for (const rule of chosen) fire(rule, connection)
    return chosen
  }

  function fire(rule: Rule, connection: Connection): void {
    fired.set(rule, (fired.get(rule) ?? 0) + 1)
    for (const other of rules) {
      if (other.disarmedBy.includes(rule)) standing(other, connection).armed = false
      if (!other.armedBy.includes(rule)) continue
      Object.assign(standing(other, connection), { armed: true, count: 0 })
      if (other.kind === 'time') wait(other, connection)
    }
    const { offline, report: message } = rule.act
    if (message !== undefined) report({ rule: rule.name ?? 'fault', message, connection })
    if (offline !== undefined) {
      api.acted(`the server is offline for ${offline} ms`, connection)
      server.offline({ for: offline }).catch((error: unknown) => log.error(error instanceof Error ? error.message : String(error)))
    }
  }

  const chance = (connection: Connection) => () => connection.random(name).next()

  /** Lets a rule act so long from now, unless the connection ends before. */
  function wait(rule: Rule, connection: Connection): void {
    const own = connection.state(timers)
    const timer = clock.after(rule.on.time ?? 0, () => {
      own.delete(timer)
      if (connection.closed || !standing(rule, connection).armed || !isAbout(rule.on, connection) || !isDue(rule, connection)) return
      fire(rule, connection)
      const steps = expand(rule.act, undefined, undefined, connection, chance(connection))
      if (steps.length > 0) play(connection, steps)
    })
    own.add(timer)
  }

  /** The plan that the rules make of one with `target` in it; the same plan where they leave it. */
  function planned(chosen: readonly Rule[], steps: readonly StepInput[], target: StepInput, packet: Packet, connection: Connection): readonly StepInput[] {
    let plan = steps
    let current = { step: target, packet }
    for (const { act } of chosen) {
      const other = replacedPacket(act, current.packet, connection)
      const { step } = current
      if (other !== undefined && target !== pass) {
        current = other
        plan = plan.map((one) => (one === step ? other.step : one))
      } else if (other !== undefined) change(packet, other.packet)
      const here = current
      plan = plan.flatMap((one) => (one === here.step ? expand(act, here.step, here.packet, connection, chance(connection)) : [one]))
    }
    return plan
  }

  /** What any of the rules may be about, so that nobody is asked about the rest. */
  const anyOf = (kind: 'in' | 'out') => {
    const commands = of(kind).map(({ on: { cmd } }) => cmd)
    const topics = of(kind).map(({ on: { topic } }) => topic)
    return {
      ...(!commands.includes(undefined) && { cmd: commands.flatMap((cmd) => cmd ?? []) }),
      ...(!topics.includes(undefined) && { topic: topics.flatMap((topic) => topic ?? []) }),
    }
  }

  if (of('in').length > 0)
    on(hooks.packetIn, anyOf('in'), (packet: Packet, connection: Connection) => {
      const plan = planned(due('in', connection, packet), [pass], pass, packet, connection)
      return plan.length === 1 && plan[0] === pass ? undefined : plan
    })

  if (of('out').length > 0)
    on(hooks.send, anyOf('out'), (steps, _cause, connection) => {
      const target = steps.find((step) => 'packet' in step)
      if (target === undefined || !('packet' in target)) return undefined
      return planned(due('out', connection, target.packet), steps, target, target.packet, connection)
    })

  if (of('connection').length > 0 || of('time').length > 0)
    hooks.connection.tap(name, (connection) => {
      for (const rule of of('time')) if (rule.armedBy.length === 0) wait(rule, connection)
      const plan = due('connection', connection).flatMap(({ act }) => expand(act, undefined, undefined, connection, chance(connection)))
      return plan.length > 0 ? plan : undefined
    })

  if (of('disconnect').length > 0 || of('time').length > 0)
    hooks.disconnect.tap(name, (connection) => {
      for (const timer of connection.state(timers)) timer.cancel()
      due('disconnect', connection)
    })
}

/** Where the broker has its turn with a packet of the client. */
const pass: StepInput = Object.freeze({ pass: true } as const)

/** Makes one packet what another is. */
function change(packet: Packet, other: Packet): void {
  for (const key of Object.keys(packet)) if (!(key in other)) Reflect.deleteProperty(packet, key)
  Object.assign(packet, other)
}
