/**
 * Templates: texts with {names} in them, as plugins that answer and rename let their users write them. Everything is data, so a
 * template has the same form in JSON.
 *
 *     fillText('twin/res/{1}?id={json.id}', { 1: 'status', json: { id: 7 } })      'twin/res/status?id=7'
 */
import { topicMatches } from '../broker/topics.ts'
import type { Connection } from '../connection/connection.ts'
import { fitsParts } from '../hooks/scope.ts'
import type { Json } from './option.ts'

/** What the names in a template stand for; `{json.a.b}` looks into an object. A name that is not there stays as it is. */
export interface TemplateValues {
  readonly [name: string]: Json | undefined
}

const name = /\{([\w-]+(?:\.[\w-]+)*)\}/g

function lookUp(path: string, values: TemplateValues): Json | undefined {
  let value: Json | undefined
  for (const [depth, part] of path.split('.').entries()) {
    const owner: unknown = depth === 0 ? values : value
    if (typeof owner !== 'object' || owner === null || !Object.hasOwn(owner, part)) return undefined
    value = Reflect.get(owner, part)
  }
  return value
}

/** Puts values in place of their names; what is no text is written as JSON. */
export function fillText(template: string, values: TemplateValues): string {
  if (!template.includes('{')) return template
  return template.replace(name, (all, path: string) => {
    const value = lookUp(path, values)
    return value === undefined ? all : typeof value === 'string' ? value : JSON.stringify(value)
  })
}

/** The same for every text in a JSON value. A text that is nothing but one name becomes the value itself: '{json.id}' a number. */
export function fillJson(template: Json, values: TemplateValues): Json {
  if (typeof template === 'string') {
    const only = /^\{([\w-]+(?:\.[\w-]+)*)\}$/.exec(template)?.[1]
    return (only === undefined ? undefined : lookUp(only, values)) ?? fillText(template, values)
  }
  if (typeof template !== 'object' || template === null) return template
  if (isList(template)) return template.map((item) => fillJson(item, values))
  return Object.fromEntries(Object.entries(template).map(([key, item]) => [fillText(key, values), fillJson(item, values)]))
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}

/** What the wildcards of a filter stand for in a topic, in order, `#` for all the rest; undefined where the filter does not match. */
export function capture(filter: string, topic: string): readonly string[] | undefined {
  if (!topicMatches(filter, topic)) return undefined
  const levels = topic.split('/')
  const captures: string[] = []
  for (const [depth, level] of filter.split('/').entries()) {
    if (level === '+') captures.push(levels[depth] ?? '')
    else if (level === '#') captures.push(levels.slice(depth).join('/'))
  }
  return captures
}

/** Captures under the names that a template has for them: {1}, {2}, ... */
export function numbered(captures: readonly string[]): TemplateValues {
  return Object.fromEntries(captures.map((text, index) => [String(index + 1), text]))
}

/**
 * Puts what is known of a connection in place of {clientId} and {username}: 'devices/{clientId}/#'. What is not known is empty.
 */
export function fillTemplate(template: string, connection: Pick<Connection, 'clientId' | 'connect'>): string {
  if (!template.includes('{')) return template
  return template.replaceAll('{clientId}', () => connection.clientId ?? '').replaceAll('{username}', () => connection.connect?.username ?? '')
}

/**
 * Whether a text fits a template in which `*` stands for any text, and {clientId} and {username} for what is known of a connection:
 * '*.example/{clientId}'. A `*` in what is filled in is nothing but a `*`.
 */
export function fitsTemplate(template: string, text: string, connection: Pick<Connection, 'clientId' | 'connect'>): boolean {
  return fitsParts(
    template.split('*').map((part) => fillTemplate(part, connection)),
    text,
  )
}
