/** Mistakes in the option `listen`, put in the same words everywhere. */
import { MqttestError, nameHint } from '../errors.ts'

/** The error for an option that is wrong. */
export function mistake(option: string, what: string): MqttestError {
  return new MqttestError('MQTTEST_OPTION', `option '${option}': ${what}`)
}

/** A value as it stands in a message. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}

/** Throws where an object has a key that is not known. */
export function checkKeys(option: string, given: object, known: readonly string[]): void {
  for (const key of Object.keys(given)) if (!known.includes(key)) throw mistake(option, `unknown key '${key}'.${nameHint(key, known)}`)
}

/** Throws where a value is given that is none of those allowed. */
export function checkChoice(option: string, value: unknown, allowed: readonly string[]): void {
  if (value === undefined || allowed.some((one) => one === value)) return
  throw mistake(option, `expected one of ${allowed.join(', ')}, got ${shown(value)}.${nameHint(String(value), allowed)}`)
}

/** Whether a value is an object with keys. */
export function isKeyed(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
