/**
 * Every error that mqttest throws, in its two kinds. The third kind of trouble, the client's violation, is never an
 * Error: it is data (see lint/rules.ts) and is answered on the wire.
 *
 *   MqttestError   the author's mistake: thrown early, says what, where, what was expected, nearest right name
 *   PluginError    a plugin's failure: names plugin, hook, connection and packet; makes `stop()` reject
 */
import type { Report } from './record/report.ts'

/** The codes of every MqttestError. A code is never reused for another meaning. */
export const errorCodes = {
  MQTTEST_OPTION: 'an option is unknown, missing or has a value that is not allowed',
  MQTTEST_PLUGIN_UNKNOWN: 'a plugin was named that is neither built in nor installed',
  MQTTEST_PLUGIN_SHAPE: 'something in a plugin list is not a plugin, a name or a pack',
  MQTTEST_PLUGIN_API: 'a plugin was written for another plugin API than this mqttest has',
  MQTTEST_CONFIG_NOT_FOUND: 'the named config file does not exist',
  MQTTEST_CONFIG_SYNTAX: 'the config file cannot be parsed',
  MQTTEST_CONFIG_THROWS: 'the config file, or something it imports, threw while it was loaded',
  MQTTEST_LISTEN: 'the server cannot listen where it was told to',
  MQTTEST_ENCODE: 'a packet cannot be encoded; send its bytes with { raw } instead',
  MQTTEST_STEP: 'a plan holds something that is not a step',
  MQTTEST_EXPECT: 'what a test expected from a client did not come, or what it did not expect came',
  MQTTEST_STOPPED: 'the server stopped while something was still waiting',
  MQTTEST_STATE: 'the call makes no sense in the present state',
  MQTTEST_FAILED: 'the run failed: a plugin failed, or a violation under lint: fail',
} as const

/** One of the codes in {@link errorCodes}. */
export type ErrorCode = keyof typeof errorCodes

/** Where in a file an author's mistake stands. Lines and columns count from 1. */
export interface SourceLocation {
  readonly file: string
  readonly line?: number
  readonly column?: number
}

/** The author's mistake. `message` is one readable text; `code` is stable; `location` names the file where known. */
export class MqttestError extends Error {
  override readonly name = 'MqttestError'
  readonly code: ErrorCode
  readonly location: SourceLocation | undefined

  constructor(code: ErrorCode, message: string, details: { cause?: unknown; location?: SourceLocation } = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.location = details.location
  }
}

/**
 * Whether an error is an MqttestError, also one of another copy of mqttest: a config in TypeScript, and each package of
 * plugins, may bring a copy of its own.
 */
export function isMqttestError(error: unknown): error is MqttestError {
  return error instanceof Error && error.name === 'MqttestError' && 'code' in error && typeof error.code === 'string' && Object.hasOwn(errorCodes, error.code)
}

/** A plugin's failure: a tap threw, or returned what its hook does not take. Makes `server.stop()` reject. */
export class PluginError extends Error {
  override readonly name = 'PluginError'
  readonly code = 'MQTTEST_PLUGIN_FAILED'
  readonly plugin: string
  readonly hook: string
  /** Number of the connection in whose course the plugin failed, counted from 0. */
  readonly connection: number | undefined

  constructor(message: string, details: { plugin: string; hook: string; connection?: number | undefined; cause?: unknown }) {
    super(message, { cause: details.cause })
    this.plugin = details.plugin
    this.hook = details.hook
    this.connection = details.connection
  }
}

/** Thrown by `stop()` when the run failed; `errors` holds each reason, `report` the run in numbers. */
export class RunFailedError extends MqttestError {
  readonly errors: readonly Error[]
  readonly report: Report

  constructor(errors: readonly Error[], report: Report) {
    const first = errors[0]
    const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : ''
    super('MQTTEST_FAILED', `the run failed: ${first?.message ?? 'unknown reason'}${more}`, { cause: first })
    this.errors = errors
    this.report = report
  }
}

/** Edit distance with transpositions of neighbours counted as one, for "did you mean". */
function distance(a: string, b: string): number {
  let before: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const line = [row]
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1]
      let cost = Math.min((last[column] ?? 0) + 1, (line[column - 1] ?? 0) + 1, (last[column - 1] ?? 0) + (same ? 0 : 1))
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) cost = Math.min(cost, (before[column - 2] ?? 0) + 1)
      line.push(cost)
    }
    before = last
    last = line
  }
  return last[b.length] ?? a.length
}

/** The known name nearest to a mistyped one, or undefined when none is near enough to be meant. */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1
  for (const candidate of known) {
    const cost = distance(name.toLowerCase(), candidate.toLowerCase())
    if (cost < bestDistance) {
      best = candidate
      bestDistance = cost
    }
  }
  return best
}

/** " Did you mean 'x'?" or the list of what is known: the tail of every message about a wrong name. */
export function nameHint(name: string, known: Iterable<string>): string {
  const names = [...known]
  const nearest = nearestName(name, names)
  if (nearest !== undefined) return ` Did you mean '${nearest}'?`
  return names.length > 0 && names.length <= 24 ? ` Known: ${names.join(', ')}.` : ''
}
