/** Servers on virtual time for one check each, which must leave nothing behind. */
import { virtualClock } from '../clock.ts'
import { MqttestError } from '../errors.ts'
import type { Scope } from '../hooks/scope.ts'
import type { Plugin } from '../plugin/plugin.ts'
import { start } from '../start.ts'
import type { Stage } from './player.ts'

/** The seed of rehearsals unless one is given: a plugin that draws by chance does the same each time. */
const usualSeed = 'rehearsal'

/** A check of a plugin failed. */
export function fail(message: string): never {
  throw new MqttestError('MQTTEST_EXPECT', message)
}

/**
 * Runs a server while `act` lasts, and stops it. Fails where a plugin failed, and where a timer or a connection outlives the
 * server.
 */
export async function rehearse<T>(plugins: readonly (readonly [Plugin, Scope])[], act: (stage: Stage) => Promise<T>, seed = usualSeed): Promise<T> {
  const clock = virtualClock()
  const server = await start({ listen: false, clock, seed, plugins })
  let result: T
  try {
    result = await act({ server, clock })
  } catch (error) {
    // Where the plugin failed, that is the reason; else what the check found.
    await server.stop()
    throw error
  }
  await server.stop()
  const open = server.connections.filter((connection) => !connection.closed).map(String)
  if (open.length > 0) fail(`these are still open when the server has stopped: ${open.join(', ')}`)
  if (clock.pending > 0) fail(`timers that are pending when the server has stopped: expected none, got ${clock.pending}`)
  return result
}
