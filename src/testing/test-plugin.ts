/** `testPlugin`: what every plugin must hold to, as tests. */
import { MqttestError } from '../errors.ts'
import { looksLikeScope, type Scope } from '../hooks/scope.ts'
import { type AnyFactory, instantiate, isFactory, type PluginDefinition } from '../plugin/plugin.ts'
import {
  actsInTheExercise,
  canBeSwitchedOff,
  type ExerciseFunction,
  endsWithItsConnection,
  keepsConnectionsApart,
  leavesClientsAlone,
  repeatsItself,
} from './behaviour-checks.ts'
import { describesItself, hasJsonOptions, refusesWrongOptions, type Subject } from './option-checks.ts'
import { fail } from './rehearsal.ts'

/** The checks of {@link testPlugin}, by name. */
export const pluginChecks = [
  'describes itself',
  'refuses wrong options',
  'has options that JSON can hold',
  'leaves clients alone without its trigger',
  'does the same with the same seed',
  'keeps connections apart',
  'ends with its connection',
  'can be switched off',
  'acts in the exercise',
] as const

/** The name of one of the checks of {@link testPlugin}. */
export type PluginCheck = (typeof pluginChecks)[number]

/** What {@link testPlugin} should know of a plugin; all of it may be left out. */
export interface PluginTest<Options extends object = object> {
  /** Options to try the plugin with; the defaults, unless given. */
  readonly options?: readonly Options[]
  /**
   * Options, or options and a scope, with which the plugin is on and its trigger is absent: ordinary clients then see exactly
   * what they see of the plain broker, byte for byte and at the same times.
   */
  readonly bystander?: Options | { readonly options?: Options; readonly scope: Scope }
  /** Options that are refused, each with what the message says: [{ delay: -1 }, /delay/]. */
  readonly wrong?: readonly (readonly [options: object, message: RegExp | string])[]
  /** A conversation in which the plugin has something to do; assertions of any kind may stand in it. */
  readonly exercise?: ExerciseFunction
  /** Checks that the plugin cannot hold to, each with the reason. */
  readonly except?: { readonly [C in PluginCheck]?: string }
}

/** What a test runner offers: `test` or `it` of Vitest, Jest, Mocha, node:test. */
export type TestFunction = (name: string, run: () => Promise<void>) => unknown

/** What is tested: what `definePlugin` returns, or takes. */
export type TestedPlugin<Options> = (AnyFactory & ((options?: Options) => unknown)) | AnyFactory | PluginDefinition

/**
 * Tests what every plugin must hold to, on virtual time and without sockets: one test for each of {@link pluginChecks}.
 *
 *     testPlugin(sleepyGateway, { bystander: { probability: 0 }, wrong: [[{ probability: 2 }, /from 0 to 1/]] }, test)
 *
 * `test` is the runner's. Without it all checks run at once; the promise resolves with the names of those that were made, and
 * rejects with what each that failed found.
 */
export function testPlugin<Options extends object>(plugin: TestedPlugin<Options>, about: PluginTest<Options>, test: TestFunction): void
export function testPlugin<Options extends object>(plugin: TestedPlugin<Options>, about?: PluginTest<Options>): Promise<readonly PluginCheck[]>
export function testPlugin(plugin: AnyFactory | PluginDefinition, about: PluginTest = {}, test?: TestFunction): Promise<readonly PluginCheck[]> | undefined {
  const checks = checksOf(plugin, about)
  if (test === undefined) return runAll(plugin.meta.name, checks)
  for (const [check, run] of checks) test(`${plugin.meta.name} ${check}`, async () => run())
  return undefined
}

type Check = readonly [name: PluginCheck, run: () => Promise<void> | void]

async function runAll(name: string, checks: readonly Check[]): Promise<readonly PluginCheck[]> {
  const failures: string[] = []
  for (const [check, run] of checks) {
    try {
      await run()
    } catch (error) {
      failures.push(`${name} ${check}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  if (failures.length > 0) throw new MqttestError('MQTTEST_EXPECT', failures.join('\n'))
  return checks.map(([check]) => check)
}

function checksOf(plugin: AnyFactory | PluginDefinition, about: PluginTest): Check[] {
  const { wrong = [], exercise, except = {} } = about
  const bystander = bystanderOf(about)
  let made: Subject | undefined
  // Not before a test runs: where the options of the test itself are wrong, a test has to fail, not its file.
  const subject = () => (made ??= subjectOf(plugin, about, bystander?.options))
  const checks: Check[] = [
    ['describes itself', () => describesItself(subject())],
    ['refuses wrong options', () => refusesWrongOptions(subject(), wrong)],
    ['has options that JSON can hold', () => hasJsonOptions(subject())],
    ['does the same with the same seed', () => repeatsItself(subject(), exercise)],
    ['keeps connections apart', () => keepsConnectionsApart(subject())],
    ['ends with its connection', () => endsWithItsConnection(subject())],
    ['can be switched off', () => canBeSwitchedOff(subject(), exercise)],
  ]
  if (bystander !== undefined)
    checks.push(['leaves clients alone without its trigger', () => leavesClientsAlone(subject(), bystander.options, bystander.scope)])
  if (exercise !== undefined) checks.push(['acts in the exercise', () => actsInTheExercise(subject(), exercise)])
  const unknown = Object.keys(except).find((name) => !pluginChecks.some((known) => known === name))
  if (unknown !== undefined) throw new MqttestError('MQTTEST_OPTION', `testPlugin: there is no check '${unknown}'; there are ${pluginChecks.join(', ')}`)
  return checks.filter(([name]) => except[name] === undefined).sort(([one], [two]) => pluginChecks.indexOf(one) - pluginChecks.indexOf(two))
}

function bystanderOf({ bystander }: PluginTest): { options: object; scope: Scope } | undefined {
  if (bystander === undefined) return undefined
  if ('scope' in bystander && looksLikeScope(bystander.scope)) {
    const options: unknown = 'options' in bystander ? bystander.options : {}
    return { options: typeof options === 'object' && options !== null ? options : {}, scope: bystander.scope }
  }
  return { options: bystander, scope: {} }
}

function subjectOf(plugin: AnyFactory | PluginDefinition, { options }: PluginTest, bystander: object | undefined): Subject {
  const create = (given: object | undefined) => (isFactory(plugin) ? plugin.create(given) : instantiate(plugin, given))
  const schema = 'options' in plugin && plugin.options !== undefined ? plugin.options : {}
  return { meta: plugin.meta, schema, create, options: options ?? [workingDefaults(create, bystander)] }
}

/** The defaults, or where they are refused because something must be said, the options of the bystander. */
function workingDefaults(create: (options: object | undefined) => unknown, bystander: object | undefined): object {
  try {
    create({})
    return {}
  } catch (error) {
    if (bystander !== undefined) return bystander
    return fail(`its defaults are refused (${error instanceof Error ? error.message : String(error)}): give the test 'options' that work`)
  }
}
