/** `start`: from options to a listening server. */
import type { ClockOption } from './clock.ts'
import type { Duration } from './duration.ts'
import { MqttestError, nameHint } from './errors.ts'
import { checkListenOptions, type ListenOptions } from './net/listen-options.ts'
import type { PluginEntry } from './plugin/pack.ts'
import { flattenPlugins, noLookup } from './plugin/plugin-list.ts'
import { freshSeed } from './random.ts'
import type { JournalLimits } from './record/journal.ts'
import type { LintMode } from './run/run.ts'
import { Server } from './server.ts'
import type { BrokerOptions } from './settings.ts'

/** Options of a server; every one may be left out. The same keys stand in a config file. */
export interface StartOptions {
  /** Plugins, packs, and names of either. */
  readonly plugins?: readonly PluginEntry[]
  /** Where to listen; false listens nowhere (tests on in-memory pairs). By default one TCP port on 127.0.0.1. */
  readonly listen?: ListenOptions | readonly ListenOptions[] | false
  /** Port of the one TCP listener, or a range such as '1883-2000'; 0, the default, takes a free one. */
  readonly port?: ListenOptions['port']
  /** Address of the one TCP listener; '127.0.0.1' by default. */
  readonly host?: string
  /** true looks for a config file from the working folder up; a path names one. Options given here win. */
  readonly config?: boolean | string
  /** false: no broker answers; the test plays it by hand. */
  readonly core?: boolean
  /** What the broker allows and announces. */
  readonly broker?: BrokerOptions
  /** 'off', 'warn' (default), or 'fail': a rule that a client breaks fails the run. */
  readonly lint?: LintMode
  /** Seed of all chance; a fresh one by default, which the report names. */
  readonly seed?: string | number
  /** 'real' (default), 'virtual', a clock, or an object with timer functions such as `globalThis`. */
  readonly clock?: ClockOption
  /** Writes the record as JSON lines to a file; `{c}` in the name makes one file per connection. */
  readonly dump?: string | readonly string[] | DumpOptions
  /** How much of the record is kept in memory: 100,000 records and 64 MiB of packets by default. */
  readonly journal?: Partial<JournalLimits>
  /** Takes so many connections, and stops when the last of them has ended. */
  readonly maxConnections?: number
  /** Stops after so long. */
  readonly maxRuntime?: Duration
  /** 'fail' (default): a plugin that throws ends its connection and makes `stop()` reject. 'warn' only records it. */
  readonly onPluginError?: 'fail' | 'warn'
  /** Stops the server when it is aborted. */
  readonly signal?: AbortSignal
}

/** How the record is written to files. */
export interface DumpOptions {
  /** Name of the file; `{c}` stands for the number of the connection. */
  readonly file: string | readonly string[]
  /** How payloads stand in it: 'auto' (default) text where it is text, JSON where it is JSON, else base64; or only 'base64'. */
  readonly payload?: 'auto' | 'base64'
  /**
   * A command line that gets each payload on stdin and writes text or JSON to stdout; the line of the packet then has
   * `decoded: { text, json, error }`.
   */
  readonly decode?: string
  /** 'mqttest' (default): everything; 'rust': packets only, as the Rust tool of that name wrote them. */
  readonly format?: 'mqttest' | 'rust'
}

/** The keys of {@link StartOptions}. */
export const startOptionKeys = [
  'plugins',
  'listen',
  'port',
  'host',
  'config',
  'core',
  'broker',
  'lint',
  'seed',
  'clock',
  'dump',
  'journal',
  'maxConnections',
  'maxRuntime',
  'onPluginError',
  'signal',
] as const satisfies readonly (keyof StartOptions)[]

/** Starts a server. Resolves when it listens. Throws MqttestError for every mistake in the options. */
export async function start(options: StartOptions = {}): Promise<Server> {
  checkStartOptions(options)
  let merged = options
  if (options.config !== undefined && options.config !== false) {
    const { loadConfig } = await import('./config/load.ts')
    const loaded = await loadConfig(options.config === true ? undefined : options.config)
    merged = mergeOptions(loaded?.options ?? {}, options)
  }
  let entries: unknown = merged.plugins ?? []
  if (hasNames(entries)) {
    const { resolvePlugins } = await import('./config/resolve.ts')
    entries = await resolvePlugins(entries, process.cwd())
  }
  const plugins = flattenPlugins(entries, noLookup)
  const server = new Server(merged, plugins, String(merged.seed ?? freshSeed()))
  await server.open()
  return server
}

/** Options of which the later ones win; lists of plugins are joined. */
export function mergeOptions(base: StartOptions, over: StartOptions): StartOptions {
  const present = Object.fromEntries(Object.entries(over).filter(([, value]) => value !== undefined))
  const merged: StartOptions = { ...base, ...present }
  const names = over.port !== undefined || over.host !== undefined
  // A port that is asked for replaces the places of the config file, and the other way round.
  const listen = over.listen ?? (names && base.listen !== undefined ? placesAt(over) : merged.listen)
  const { port: _port, host: _host, ...rest } = merged
  return {
    ...(listen === undefined ? merged : { ...rest, listen }),
    plugins: [...(base.plugins ?? []), ...(over.plugins ?? [])],
    ...(base.broker !== undefined && over.broker !== undefined && { broker: { ...base.broker, ...over.broker } }),
  }
}

function placesAt(over: StartOptions): ListenOptions {
  return { ...(over.port !== undefined && { port: over.port }), ...(over.host !== undefined && { host: over.host }) }
}

/** Checks the keys and the simple values of options. Throws MQTTEST_OPTION. */
export function checkStartOptions(options: StartOptions): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new MqttestError('MQTTEST_OPTION', `options are an object, got ${JSON.stringify(options)}`)
  for (const key of Object.keys(options))
    if (!startOptionKeys.some((known) => known === key)) throw new MqttestError('MQTTEST_OPTION', `unknown option '${key}'.${nameHint(key, startOptionKeys)}`)
  const choice = (name: 'lint' | 'onPluginError', allowed: readonly string[]) => {
    const value = options[name]
    if (value !== undefined && !allowed.includes(value))
      throw new MqttestError(
        'MQTTEST_OPTION',
        `option '${name}': expected one of ${allowed.join(', ')}, got ${JSON.stringify(value)}.${nameHint(String(value), allowed)}`,
      )
  }
  choice('lint', ['off', 'warn', 'fail'])
  choice('onPluginError', ['fail', 'warn'])
  const { maxConnections, plugins, journal, core, seed, signal, dump, listen } = options
  for (const name of ['port', 'host'] as const)
    if (listen !== undefined && options[name] !== undefined)
      throw new MqttestError(
        'MQTTEST_OPTION',
        `option '${name}' is that of a single place: beside 'listen' it is not looked at; write { ${name} } in the entries of 'listen'`,
      )
  const wrong = (name: string, expected: string, value: unknown) =>
    new MqttestError('MQTTEST_OPTION', `option '${name}': expected ${expected}, got ${JSON.stringify(value) ?? String(value)}`)
  if (core !== undefined && typeof core !== 'boolean') throw wrong('core', 'true or false', core)
  if (seed !== undefined && typeof seed !== 'string' && typeof seed !== 'number') throw wrong('seed', 'text or a number', seed)
  // Not by its class: a test environment may bring its own.
  if (signal !== undefined && typeof Reflect.get(Object(signal), 'addEventListener') !== 'function') throw wrong('signal', 'an AbortSignal', signal)
  if (dump !== undefined && !isFileName(dump)) throw wrong('dump', 'the name of a file', dump)
  if (typeof dump === 'object' && !Array.isArray(dump)) checkDump(dump)
  if (maxConnections !== undefined && !(Number.isInteger(maxConnections) && maxConnections > 0))
    throw new MqttestError('MQTTEST_OPTION', `option 'maxConnections': expected a whole number above 0, got ${JSON.stringify(maxConnections)}`)
  if (plugins !== undefined && !Array.isArray(plugins))
    throw new MqttestError('MQTTEST_OPTION', `option 'plugins': expected a list, got ${JSON.stringify(plugins)}`)
  // Before anything listens, so that the first of several places is not taken for nothing.
  for (const place of listen === undefined || listen === false ? [] : [listen].flat()) checkListenOptions(place)
  for (const [key, value] of Object.entries(journal ?? {}))
    if ((key !== 'records' && key !== 'bytes') || !(typeof value === 'number' && value >= 0))
      throw new MqttestError('MQTTEST_OPTION', `option 'journal': expected records and bytes as numbers, got ${key}: ${JSON.stringify(value)}`)
}

/** What the option `dump` takes: a name, several, or { file } of either. */
function isFileName(value: unknown): boolean {
  if (typeof value === 'string') return value !== ''
  if (Array.isArray(value)) return value.every((one) => typeof one === 'string' && one !== '')
  return typeof value === 'object' && value !== null && 'file' in value && isFileName(value.file)
}

/** Checks how a dump is written. Throws MQTTEST_OPTION. */
function checkDump(dump: object): void {
  const choices: { readonly [key: string]: readonly string[] } = { payload: ['auto', 'base64'], format: ['mqttest', 'rust'] }
  for (const [key, value] of Object.entries(dump)) {
    if (key === 'file' || value === undefined) continue
    if (key === 'decode' && typeof value === 'string' && value !== '') continue
    const allowed = choices[key]
    if (allowed?.includes(value)) continue
    const known = ['file', 'payload', 'decode', 'format']
    const problem =
      allowed !== undefined
        ? `option 'dump.${key}': expected one of ${allowed.join(', ')}, got ${JSON.stringify(value)}`
        : key === 'decode'
          ? `option 'dump.decode': expected a command, got ${JSON.stringify(value)}`
          : `option 'dump': unknown key '${key}'.${nameHint(key, known)}`
    throw new MqttestError('MQTTEST_OPTION', problem)
  }
}

/** Whether plugins are given by name anywhere in a list. */
function hasNames(entries: unknown): boolean {
  return Array.isArray(entries) && entries.some((entry) => typeof entry === 'string' || hasNames(entry))
}
