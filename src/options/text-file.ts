/** Text files of plugins: what they read before they begin, and what they keep. Plugins have no other way to a file. */
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { MqttestError } from '../errors.ts'

function attempt<T>(doing: string, path: string, action: () => T): T {
  try {
    return action()
  } catch (cause) {
    throw new MqttestError('MQTTEST_OPTION', `cannot ${doing} ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

/** The text of a file. Throws MQTTEST_OPTION where it cannot be read. */
export function readTextFile(path: string): string {
  return attempt('read', path, () => readFileSync(path, 'utf8'))
}

/** Writes a file anew; its folders are made. Throws MQTTEST_OPTION where it cannot be written. */
export function writeTextFile(path: string, text: string): void {
  attempt('write', path, () => {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  })
}

/** Adds text to the end of a file. Throws MQTTEST_OPTION where it cannot be written. */
export function appendTextFile(path: string, text: string): void {
  attempt('write', path, () => appendFileSync(path, text))
}
