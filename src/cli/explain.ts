/** Errors in words, and the exit codes that they lead to. */
import { isMqttestError, PluginError } from '../errors.ts'

/** What the command ends with. A command that `exec` ran has its own. */
export const exitCodes = {
  ok: 0,
  /** Something that should not happen. */
  unexpected: 1,
  /** The author's mistake, in options or config. */
  mistake: 2,
  /** A client broke a rule under --lint fail, or a plugin failed. */
  failed: 3,
  /** The command of `exec` is there, but cannot be run. */
  notExecutable: 126,
  /** The command of `exec` is not there. */
  notFound: 127,
} as const

/** Says on stderr what went wrong; returns the exit code. */
export function explain(error: unknown, verbose: boolean): number {
  if (isMqttestError(error)) {
    process.stderr.write(`mqttest: ${error.message}\n`)
    if (verbose) process.stderr.write(`${error.stack}\n${error.cause instanceof Error ? `Caused by: ${error.cause.stack}\n` : ''}`)
    return error.code === 'MQTTEST_FAILED' ? exitCodes.failed : exitCodes.mistake
  }
  if (error instanceof PluginError) {
    process.stderr.write(`mqttest: ${error.message}\n`)
    const { cause } = error
    // A plugin's failure is no use to its author without the place.
    if (cause instanceof Error) process.stderr.write(`${verbose ? cause.stack : (cause.stack?.split('\n').slice(1, 3).join('\n') ?? '')}\n`)
    return exitCodes.failed
  }
  process.stderr.write(`mqttest: unexpected: ${error instanceof Error ? error.stack : String(error)}\n`)
  return exitCodes.unexpected
}
