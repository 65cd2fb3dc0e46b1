/** Durations as people write them: a number of milliseconds, or a number with its unit. */
import { MqttestError } from './errors.ts'

/** A length of time: milliseconds as a number, or text such as '200ms', '1.5s', '10m', '1h'. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h'}`

const unitsInMs: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** What a duration may look like, for error messages. */
export const durationForm = "milliseconds or text such as '200ms', '1.5s', '10m', '1h'"

/** Milliseconds, or undefined when the value is no duration. Plain digits in a text are milliseconds. */
export function readDuration(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0 ? value : undefined
  if (typeof value !== 'string') return undefined
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(value)
  if (match === null) return undefined
  return Number(match[1]) * (unitsInMs[match[2] ?? 'ms'] ?? 1)
}

/** Milliseconds. Throws MQTTEST_OPTION for anything that is no duration. */
export function parseDuration(value: Duration, name = 'duration'): number {
  const ms = readDuration(value)
  if (ms === undefined) throw new MqttestError('MQTTEST_OPTION', `${name}: expected ${durationForm}, got ${JSON.stringify(value)}`)
  return ms
}
