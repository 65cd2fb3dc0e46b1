/** What a topic name and a topic filter may look like (section 4.7 and 4.8.2). */
import type { RuleName } from '../lint/rules.ts'

/** The prefix of a shared subscription: $share/{name}/{filter}. */
export const sharePrefix = '$share/'

/** Whether a text holds a wildcard. */
export function hasWildcard(topic: string): boolean {
  return topic.includes('+') || topic.includes('#')
}

/** The rule that a topic filter breaks, or undefined where it is sound. Shared subscriptions exist in MQTT 5 only. */
export function filterFault(filter: string, allowShared: boolean): RuleName | undefined {
  if (filter === '') return 'topic-empty' // [MQTT-4.7.3-1]
  if (allowShared && filter.startsWith(sharePrefix)) {
    const slash = filter.indexOf('/', sharePrefix.length)
    const name = slash < 0 ? filter.slice(sharePrefix.length) : filter.slice(sharePrefix.length, slash)
    if (slash === sharePrefix.length || name === '') return 'subscribe-share-name-missing' // [MQTT-4.8.2-1]
    if (slash < 0 || slash === filter.length - 1 || hasWildcard(name)) return 'subscribe-share-filter-invalid' // [MQTT-4.8.2-2]
    return filterFault(filter.slice(slash + 1), false)
  }
  if (!hasWildcard(filter)) return undefined
  const levels = filter.split('/')
  for (const [index, level] of levels.entries()) {
    if (level.includes('#') && (level !== '#' || index !== levels.length - 1)) return 'filter-multi-level-wildcard-misplaced' // [MQTT-4.7.1-1]
    if (level.includes('+') && level !== '+') return 'filter-single-level-wildcard-misplaced' // [MQTT-4.7.1-2]
  }
  return undefined
}
