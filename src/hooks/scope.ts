/** Which connections a plugin acts on. Scope is not the plugin's business: the guard asks it before every tap. */
import type { Connection } from '../connection/connection.ts'
import { MqttestError, nameHint } from '../errors.ts'
import type { OneOrMore } from './filter.ts'

/**
 * Limits a plugin to some connections, or to a number of times. Every key that is given must hold. What CONNECT says
 * (`clientId`, `username`, `protocolVersion`) holds from then on that it was read: before, on the hook `connection` and for the
 * first bytes on `wire`, it fits nobody.
 */
export interface Scope {
  /** Connection numbers, counted from 0 in the order of acceptance. */
  readonly connection?: OneOrMore<number>
  /** Every n-th connection, beginning with connection `from`. */
  readonly every?: number
  /** The first connection that counts; 0 by default. */
  readonly from?: number
  /** Client ids, as CONNECT says them; `*` stands for any text: 'dev-*'. */
  readonly clientId?: OneOrMore<string>
  /** User names; `*` stands for any text. */
  readonly username?: OneOrMore<string>
  /** Remote addresses; `*` stands for any text. */
  readonly address?: OneOrMore<string>
  /** Protocol levels: 3, 4 or 5. */
  readonly protocolVersion?: OneOrMore<number>
  /** Any other condition. Not available in JSON. */
  readonly when?: (connection: Connection) => boolean
  /** How often the plugin may act, over all connections. */
  readonly times?: number
}

/** The keys of a scope. */
export const scopeKeys = ['connection', 'every', 'from', 'clientId', 'username', 'address', 'protocolVersion', 'when', 'times'] as const

/** Whether an object is meant as a scope: it is empty or its first key is one of a scope's. */
export function looksLikeScope(value: unknown): value is Scope {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return Object.keys(value).every((key) => scopeKeys.some((name) => name === key))
}

/** Checks a scope. Throws MQTTEST_OPTION for an unknown key or a value that is not allowed. */
export function checkScope(owner: string, scope: Scope): Scope {
  for (const key of Object.keys(scope))
    if (!scopeKeys.some((name) => name === key)) throw new MqttestError('MQTTEST_OPTION', `${owner}: unknown scope key '${key}'.${nameHint(key, scopeKeys)}`)
  for (const number of [scope.connection ?? [], scope.every ?? [], scope.from ?? [], scope.protocolVersion ?? [], scope.times ?? []].flat())
    if (!Number.isInteger(number) || number < 0)
      throw new MqttestError('MQTTEST_OPTION', `${owner}: a scope counts in whole numbers, got ${JSON.stringify(number)}`)
  return scope
}

/** Whether a text fits a pattern in which `*` stands for any text. */
export function fitsPattern(pattern: string, text: string): boolean {
  if (!pattern.includes('*')) return pattern === text
  return fitsParts(pattern.split('*'), text)
}

/** Whether a text consists of some parts in their order, with any text in between; a `*` in a part is nothing but a `*`. */
export function fitsParts(parts: readonly string[], text: string): boolean {
  const escaped = parts.map((part) => part.replace(/[*.+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${escaped.join('.*')}$`, 's').test(text)
}

/** Whether a text fits one of several patterns. */
function fitsAny(patterns: OneOrMore<string>, text: string | undefined): boolean {
  return text !== undefined && [patterns].flat().some((pattern) => fitsPattern(pattern, text))
}

/** The condition on connections that a scope stands for; undefined where it has none. */
export function scopeCondition(scope: Scope): ((connection: Connection) => boolean) | undefined {
  const tests: ((connection: Connection) => boolean)[] = []
  const { connection: numbers, every, from = 0, clientId, username, address, protocolVersion, when } = scope
  if (numbers !== undefined) tests.push((connection) => [numbers].flat().includes(connection.number))
  if (every !== undefined) tests.push((connection) => connection.number >= from && (connection.number - from) % Math.max(1, every) === 0)
  else if (scope.from !== undefined) tests.push((connection) => connection.number >= from)
  if (clientId !== undefined) tests.push((connection) => fitsAny(clientId, connection.connect?.clientId))
  if (username !== undefined) tests.push((connection) => fitsAny(username, connection.connect?.username))
  if (address !== undefined) tests.push((connection) => fitsAny(address, connection.remoteAddress))
  if (protocolVersion !== undefined)
    tests.push((connection) => connection.connect !== undefined && [protocolVersion].flat().includes(connection.connect.protocolVersion))
  if (when !== undefined) tests.push(when)
  if (tests.length === 0) return undefined
  return (connection) => tests.every((test) => test(connection))
}

/**
 * The part of a condition that does not change on a connection once its CONNECT was read: everything but `when`. undefined where
 * there is none.
 */
export function standingCondition({ when: _changes, ...scope }: Scope): ((connection: Connection) => boolean) | undefined {
  return scopeCondition(scope)
}
