/** What a topic name and a topic filter may look like (section 4.7 and 4.8.2). */
import type { RuleName } from '../lint/rules.ts'

/** The prefix of a shared subscription: $share/{name}/{filter}. */
export const sharePrefix = '$share/'

/** Whether a text holds a wildcard. */
export function hasWildcard(topic: string): boolean {
  return topic.includes('+') || topic.includes('#')
}

/**
 * The parts of a shared subscription, or undefined where a filter is none. MQTT 3 has none either, and lets a server use topics that begin
 * with $ as it likes (3.1.1, section 4.7.2): there such a filter is shared as well, and one that is no sound one is a filter like others.
 */
export function sharedParts(filter: string): { share: string; topicFilter: string } | undefined {
  if (!filter.startsWith(sharePrefix)) return undefined
  const slash = filter.indexOf('/', sharePrefix.length)
  const share = filter.slice(sharePrefix.length, slash)
  if (slash <= sharePrefix.length || slash === filter.length - 1 || hasWildcard(share)) return undefined
  return { share, topicFilter: filter.slice(slash + 1) }
}

/** The rule that a topic filter breaks, or undefined where it is sound. Shared subscriptions exist in MQTT 5 only. */
export function filterFault(filter: string, allowShared: boolean): RuleName | undefined {
  if (filter === '') return 'topic-empty' // [MQTT-4.7.3-1]
  if (allowShared && filter === '$share') return 'subscribe-share-name-missing' // [MQTT-4.8.2-1]
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
