/** Waiting for records: looks through what the journal holds, then at what comes. No race between act and wait. */
import { deadline } from '../clock.ts'
import { type Duration, parseDuration } from '../duration.ts'
import { MqttestError } from '../errors.ts'
import type { Journal, JournalRecord } from './journal.ts'

/** How long to wait, and what ends the wait early. */
export interface WaitOptions {
  /** Real time, whatever the server's clock does; '1s' by default. */
  readonly within?: Duration
  readonly signal?: AbortSignal
}

/** The default of {@link WaitOptions.within}, in milliseconds. */
export const defaultWithinMs = 1000

/**
 * Resolves with the first record from serial number `from` on for which `pick` returns something. `explain` makes the
 * message where none comes in time; it is called only then. Rejects when the server stops, or the signal is aborted.
 */
export function waitFor<T>(
  journal: Journal,
  from: number,
  pick: (record: JournalRecord) => T | undefined,
  options: WaitOptions,
  explain: (why: string) => string,
): Promise<T> {
  for (const record of journal.since(from)) {
    const found = pick(record)
    if (found !== undefined) return Promise.resolve(found)
  }
  if (journal.over) return Promise.reject(new MqttestError('MQTTEST_STOPPED', explain('the server has stopped')))
  if (options.signal?.aborted) return Promise.reject(options.signal.reason)
  const withinMs = options.within === undefined ? defaultWithinMs : parseDuration(options.within, 'within')
  return new Promise((resolve, reject) => {
    const release = () => {
      stopListening()
      stopEnd()
      timer.cancel()
      options.signal?.removeEventListener('abort', aborted)
    }
    const fail = (error: unknown) => {
      release()
      reject(error)
    }
    const aborted = () => fail(options.signal?.reason)
    const stopListening = journal.listen((record) => {
      let found: T | undefined
      try {
        found = pick(record)
      } catch (error) {
        fail(error)
        return
      }
      if (found === undefined) return
      release()
      resolve(found)
    })
    const stopEnd = journal.onEnd(() => fail(new MqttestError('MQTTEST_STOPPED', explain('the server stopped'))))
    const timer = deadline(withinMs, () => fail(new MqttestError('MQTTEST_EXPECT', explain(`nothing fitting came within ${withinMs} ms`))))
    options.signal?.addEventListener('abort', aborted)
  })
}
