/** Waiting until nothing goes on: instead of sleeping. */
import { deadline, type Timer } from '../clock.ts'
import { type Duration, parseDuration } from '../duration.ts'
import { MqttestError } from '../errors.ts'
import type { Journal } from './journal.ts'
import { defaultWithinMs, type WaitOptions } from './wait.ts'

/** How quiet it has to be. */
export interface IdleOptions extends WaitOptions {
  /** Real time in which nothing is recorded; 30 ms by default. */
  readonly quiet?: Duration
}

const defaultQuietMs = 30

/**
 * Resolves when nothing was recorded for a while and `busyWith` names nothing that is still going on. Rejects after `within`,
 * with what it was, and when the signal is aborted; resolves when the run ends.
 */
export function waitUntilIdle(journal: Journal, busyWith: () => string | undefined, options: IdleOptions, timeline: () => string): Promise<void> {
  if (journal.over) return Promise.resolve()
  const quietMs = parseDuration(options.quiet ?? defaultQuietMs, 'quiet')
  const withinMs = parseDuration(options.within ?? defaultWithinMs, 'within')
  return new Promise((resolve, reject) => {
    let quiet: Timer | undefined
    const over = (finish: () => void) => {
      quiet?.cancel()
      limit.cancel()
      stopListening()
      stopEnd()
      options.signal?.removeEventListener('abort', aborted)
      finish()
    }
    const wait = () => {
      quiet?.cancel()
      quiet = deadline(quietMs, () => (busyWith() === undefined ? over(resolve) : wait()))
    }
    const aborted = () => over(() => reject(options.signal?.reason))
    const stopListening = journal.listen(wait)
    const stopEnd = journal.onEnd(() => over(resolve))
    const limit = deadline(withinMs, () =>
      over(() =>
        reject(new MqttestError('MQTTEST_EXPECT', `the server was not idle within ${withinMs} ms: ${busyWith() ?? 'packets kept coming'}.\n${timeline()}`)),
      ),
    )
    options.signal?.addEventListener('abort', aborted)
    if (options.signal?.aborted) aborted()
    else wait()
  })
}
