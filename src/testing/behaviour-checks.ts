/** Checks of what a plugin does to clients: each plays scenarios with it, and compares. */
import type { Scope } from '../hooks/scope.ts'
import type { Plugin } from '../plugin/plugin.ts'
import { describeRecord } from '../record/describe.ts'
import { firstDifference } from './difference.ts'
import { describeOptions, type Subject } from './option-checks.ts'
import { Player, playScenario, type Stage } from './player.ts'
import { type ConnectInput, connectMemory, type RawClient } from './raw-client.ts'
import { fail, rehearse } from './rehearsal.ts'
import { interruptible, type Scenario, type ScenarioStep, scenarios } from './scenarios.ts'

/** What an exercise of a plugin's author works with. */
export interface Exercise extends Stage {
  /**
   * A client on an in-memory pair: CONNECT is sent, and what the server answers at once is there. MQTT 3.1.1 unless
   * `protocolVersion` says otherwise.
   */
  connect(input?: ConnectInput): Promise<RawClient>
  /** The options of the plugin. */
  readonly options: object
}

/** The author's own conversation, in which the plugin has something to do. */
export type ExerciseFunction = (exercise: Exercise) => Promise<unknown> | unknown

/** Longer than a server waits for a client to close its side. */
const longerThanLinger = '3s'

/** What a client sees of a server without the plugin. Played once for all plugins. */
const plain = new WeakMap<Scenario, Promise<readonly string[]>>()

function playedPlain(scenario: Scenario): Promise<readonly string[]> {
  const known = plain.get(scenario) ?? rehearse([], (stage) => playScenario(stage, scenario))
  plain.set(scenario, known)
  return known
}

/** With its trigger absent, no client sees anything of the plugin, in any scenario, at any time. */
export async function leavesClientsAlone(subject: Subject, options: object, scope: Scope): Promise<void> {
  for (const scenario of scenarios) {
    const seen = await rehearse([[subject.create(options), scope]], (stage) => playScenario(stage, scenario))
    const difference = firstDifference(await playedPlain(scenario), seen, ['the plain broker', 'with the plugin'])
    if (difference !== undefined) fail(`with ${describeOptions(options)} clients should see nothing of it, but in '${scenario.name}' they do:\n${difference}`)
  }
}

/** The same seed gives the same bytes at the same times. */
export async function repeatsItself(subject: Subject, exercise: ExerciseFunction | undefined): Promise<void> {
  for (const [index, options] of subject.options.entries()) {
    for (const scenario of index === 0 ? scenarios : interruptible) {
      const play = () => rehearse([[subject.create(options), {}]], (stage) => playScenario(stage, scenario))
      const difference = firstDifference(await play(), await play(), ['the first time', 'the second time'])
      if (difference !== undefined)
        fail(
          `with ${describeOptions(options)} and one seed, it does not do the same twice in '${scenario.name}':\n${difference}\n  (chance comes from connection.random, time from clock)`,
        )
    }
    if (exercise === undefined) continue
    const difference = firstDifference(await exercised(subject, options, exercise), await exercised(subject, options, exercise), [
      'the first time',
      'the second time',
    ])
    if (difference !== undefined) fail(`with ${describeOptions(options)} and one seed, it does not do the same twice in the exercise:\n${difference}`)
  }
}

/** What crossed the wire in an exercise. */
function exercised(subject: Subject, options: object, exercise: ExerciseFunction): Promise<string[]> {
  return rehearse([[subject.create(options), {}]], async (stage) => {
    await exercise(exerciseOn(stage, options))
    return stage.server
      .records({ type: 'packet' })
      .flatMap((record) =>
        record.type === 'packet' ? [`+${record.atMs} ms  #${record.connection} ${describeRecord(record)}  (${record.raw.toString('hex')})`] : [],
      )
  })
}

function exerciseOn(stage: Stage, options: object): Exercise {
  const connect = async (input: ConnectInput = {}) => {
    const client = connectMemory(stage.server)
    client.sendConnect(input)
    await stage.clock.advance(0)
    return client
  }
  return { ...stage, connect, options }
}

/** The exercise holds, and the plugin had something to do in it. */
export async function actsInTheExercise(subject: Subject, exercise: ExerciseFunction): Promise<void> {
  for (const options of subject.options)
    await rehearse([[subject.create(options), {}]], async (stage) => {
      await exercise(exerciseOn(stage, options))
      if (stage.server.report().faults.neverFired.includes(subject.meta.name))
        fail(`with ${describeOptions(options)} it did nothing in the exercise: no hook was answered, nothing was played, reported or noted with acted()`)
    })
}

/** What one client sees does not depend on another one that is there at the same time. */
export async function keepsConnectionsApart(subject: Subject): Promise<void> {
  for (const options of subject.options)
    for (const { seed, ahead } of neighbours)
      for (const scenario of interruptible) {
        const alone = await beside(subject.create(options), scenario, [], seed)
        for (const other of interruptible) {
          const theirs = other.steps('home/next').filter((step) => !('wait' in step))
          // What is ahead is done at once, when the first client is there.
          const between = [theirs.slice(0, ahead + 1), ...theirs.slice(ahead + 1).map((step) => [step])]
          const difference = firstDifference(alone, await beside(subject.create(options), scenario, between, seed), ['alone', 'beside another one'])
          if (difference !== undefined)
            fail(
              `with ${describeOptions(options)} a client sees something else in '${scenario.name}' while another connection is there:\n${difference}\n  (what belongs to a connection goes into connection.state, chance comes from connection.random)`,
            )
        }
      }
}

/** Under which seeds, and how many steps ahead, others are there: several, so that chance which connections share comes to light. */
const neighbours = [
  { seed: 'one', ahead: 0 },
  { seed: 'two', ahead: 4 },
  { seed: 'three', ahead: 2 },
] as const

/** What the clients of a scenario see while others do something after each step. */
function beside(plugin: Plugin, scenario: Scenario, between: readonly (readonly ScenarioStep[])[], seed: string): Promise<readonly string[]> {
  const act = async (stage: Stage) => {
    const [player, neighbour] = [new Player(stage), new Player(stage, 'next')]
    for (const [index, step] of scenario.steps('home/main').entries()) {
      await player.perform(step)
      await stage.clock.advance(0)
      for (const theirs of between[index] ?? []) await neighbour.perform(theirs)
      await player.tick()
    }
    await player.settle()
    return player.trace
  }
  return rehearse([[plugin, {}]], act, seed)
}

/** A connection that ends, at whatever moment, leaves nothing of the plugin behind. */
export async function endsWithItsConnection(subject: Subject): Promise<void> {
  for (const [index, options] of subject.options.entries()) {
    const idle = watched(subject.create(options))
    const own = await rehearse([[idle.plugin, {}]], async ({ clock }) => {
      await clock.advance(longerThanLinger)
      return idle.pending()
    })
    for (const { steps, name, how, at } of cuts(['fin', 'rst'], index)) {
      const { plugin, pending } = watched(subject.create(options))
      const where = `with ${describeOptions(options)}, when the client closes (${how}) after step ${at} of '${name}'`
      await during(where, () =>
        rehearse([[plugin, {}]], async (stage) => {
          const player = new Player(stage)
          await player.play(steps.slice(0, at - 1))
          for (const last of steps.slice(at - 1, at)) await player.perform(last)
          if (at % 2 === 0) await stage.clock.advance(0)
          player.close(how)
          await stage.clock.advance(longerThanLinger)
          // A connection that the plugin keeps from noticing its end may still have timers.
          if (stage.server.connections.every((connection) => connection.closed) && pending() > own)
            fail(`timers of the plugin that go on without any connection: expected ${own}, got ${pending()}`)
        }),
      )
    }
  }
}

/** A plugin that is switched off, at whatever moment, leaves a server that behaves like the plain one. */
export async function canBeSwitchedOff(subject: Subject, exercise: ExerciseFunction | undefined): Promise<void> {
  for (const [index, options] of subject.options.entries()) {
    for (const { steps, name, at } of cuts(['fin'], index))
      await during(`with ${describeOptions(options)}, when it is switched off after step ${at} of '${name}'`, () =>
        rehearse([], async (stage) => {
          const off = stage.server.use([subject.create(options), {}])
          const player = new Player(stage)
          await player.play(steps.slice(0, at))
          off()
          player.close('fin')
          await likePlain(stage, at)
        }),
      )
    if (exercise === undefined) continue
    await during(`with ${describeOptions(options)}, when it is switched off after the exercise`, () =>
      rehearse([], async (stage) => {
        const off = stage.server.use([subject.create(options), {}])
        await exercise(exerciseOn(stage, options))
        off()
        await likePlain(stage, 0)
      }),
    )
  }
}

/** Plays once more, with new clients, and compares with the plain broker; `which` chooses the scenario. */
async function likePlain(stage: Stage, which: number): Promise<void> {
  await stage.clock.advance(longerThanLinger)
  const scenario = interruptible[which % interruptible.length]
  if (scenario === undefined) return
  const difference = firstDifference(await playedLater(scenario), await playLater(stage, scenario), ['the plain broker', 'afterwards'])
  if (difference !== undefined) fail(`clients should see nothing of it afterwards, but in '${scenario.name}' they do:\n${difference}`)
}

async function playLater(stage: Stage, scenario: Scenario): Promise<readonly string[]> {
  const player = new Player(stage, 'later')
  await player.play(scenario.steps('home/after'))
  await player.settle()
  return player.trace
}

/** The same on a server without the plugin. Played once for all plugins. */
const plainLater = new WeakMap<Scenario, Promise<readonly string[]>>()

function playedLater(scenario: Scenario): Promise<readonly string[]> {
  const known = plainLater.get(scenario) ?? rehearse([], (stage) => playLater(stage, scenario))
  plainLater.set(scenario, known)
  return known
}

/** Every place of the scenarios at which they can be cut off; every third for options that are not the first. */
function* cuts<How extends 'fin' | 'rst'>(
  ways: readonly How[],
  options: number,
): Generator<{ steps: readonly ScenarioStep[]; name: string; how: How; at: number }> {
  for (const { name, steps: make } of interruptible) {
    const steps = make('home/main')
    for (const how of ways) for (let at = 1; at <= steps.length; at += options === 0 ? 1 : 3) yield { steps, name, how, at }
  }
}

/** Says where a check was when it failed. */
async function during(where: string, act: () => Promise<unknown>): Promise<void> {
  try {
    await act()
  } catch (error) {
    fail(`${where}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** A plugin whose own timers are counted. */
function watched(plugin: Plugin): { plugin: Plugin; pending(): number } {
  const timers = new Set<object>()
  const install = (api: unknown) => {
    if (!hasClock(api)) return plugin.install(api)
    const { clock } = api
    const after = (delayMs: number, action: () => void) => {
      const key = {}
      const timer = clock.after(delayMs, () => {
        timers.delete(key)
        action()
      })
      timers.add(key)
      return {
        cancel: () => {
          timers.delete(key)
          timer.cancel()
        },
      }
    }
    return plugin.install({ ...api, clock: { ...clock, after } })
  }
  return { plugin: { ...plugin, install }, pending: () => timers.size }
}

function hasClock(api: unknown): api is { readonly clock: Stage['clock'] } {
  return typeof api === 'object' && api !== null && 'clock' in api
}
