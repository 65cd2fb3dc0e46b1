/** Which topics a filter matches (section 4.7), what a filter may look like, and that all who match agree. */
import fc from 'fast-check'
import { topicMatches } from 'mqttest'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { TopicTree } from '../../src/broker/topic-tree.ts'
import { filterFault } from '../../src/wire/topic-syntax.ts'
import { plainTopic, topicFilter } from '../support/packets.ts'
import { memoryServer } from '../support/server.ts'

const matches: readonly (readonly [filter: string, topic: string])[] = [
  ['a', 'a'],
  ['a/b/c', 'a/b/c'],
  ['/', '/'],
  ['a/', 'a/'],
  ['a b', 'a b'],
  ['#', 'a'],
  ['#', 'a/b'],
  ['#', '/'],
  ['a/#', 'a'],
  ['a/#', 'a/'],
  ['a/#', 'a/b/c'],
  ['+', 'a'],
  ['+/+', '/a'],
  ['/+', '/a'],
  ['+/', 'a/'],
  ['a/+', 'a/'],
  ['+/b', '/b'],
  ['a/+/c', 'a//c'],
  ['a/+/c', 'a/b/c'],
  ['+/+/#', 'a/b'],
  ['+/#', 'a'],
  ['sport/tennis/+', 'sport/tennis/player1'],
  ['$SYS/#', '$SYS/uptime'],
  ['$SYS/#', '$SYS'],
  ['$SYS/+', '$SYS/uptime'],
  ['a/+', 'a/$b'],
  ['a/#', 'a/$b'],
  ['+/$b', 'a/$b'],
  ['𝄞/+', '𝄞/ä'],
]

const misses: readonly (readonly [filter: string, topic: string])[] = [
  ['a', 'A'],
  ['a', 'a/'],
  ['a', '/a'],
  ['a/b', 'a/bc'],
  ['a/bc', 'a/b'],
  ['a/b/', 'a/b'],
  ['+', '/a'],
  ['+', 'a/b'],
  ['a/+', 'a'],
  ['a/+', 'a/b/c'],
  ['a/+/c', 'a/c'],
  ['a/#', 'ab'],
  ['a/#', '/a'],
  ['+/+', 'a'],
  ['#', '$SYS/uptime'],
  ['+/uptime', '$SYS/uptime'],
  ['+', '$SYS'],
  ['+/#', '$SYS/uptime'],
  ['$SYS', '$SYS/uptime'],
]

describe('a topic filter', () => {
  test.each(matches)('%s matches %s', (filter, topic) => {
    expect(topicMatches(filter, topic)).toBe(true)
    expect(found([filter], topic)).toEqual([filter])
    expect(retainedFor(filter, [topic])).toEqual([topic])
  })

  test.each(misses)('%s does not match %s', (filter, topic) => {
    expect(topicMatches(filter, topic)).toBe(false)
    expect(found([filter], topic)).toEqual([])
    expect(retainedFor(filter, [topic])).toEqual([])
  })

  test.each([
    ['+/'.repeat(32_767), 'a/'.repeat(32_767)],
    ['/+'.repeat(32_767), '/'.repeat(32_767)],
    [`${'a/'.repeat(32_766)}#`, 'a/'.repeat(32_766)],
    ['#', '/'.repeat(65_535)],
    ['+/#', '/'.repeat(65_535)],
  ])('matches a topic of as many levels as there may be: case %#', (filter, topic) => {
    expect(topicMatches(filter, topic)).toBe(true)
    expect(found([filter, 'a/+', topic], topic)).toEqual([filter, topic].sort())
    expect(retainedFor(filter, ['b', topic]).at(0)).toBe(topic)
  })

  test('matches what a subscriber gets', async () => {
    const server = await memoryServer()
    const client = connectMemory(server)
    await client.connect()
    client.send({
      cmd: 'subscribe',
      messageId: 1,
      subscriptions: [
        { topic: '+/#', qos: 0 },
        { topic: '$SYS/+', qos: 0 },
      ],
    })
    await client.next('suback')
    for (const topic of ['a', '$SYS', '/b', '$SYS/up', '$SYS/up/more', 'c']) server.publish({ topic })
    await client.settled()
    expect(client.received.flatMap((packet) => (packet.cmd === 'publish' ? [packet.topic] : []))).toEqual(['a', '/b', '$SYS/up', 'c'])
  })

  test.each([
    ['a/b', true, undefined],
    ['', true, 'topic-empty'],
    ['a//#', true, undefined],
    ['#', true, undefined],
    ['+/+/+', true, undefined],
    ['a#', true, 'filter-multi-level-wildcard-misplaced'],
    ['#/', true, 'filter-multi-level-wildcard-misplaced'],
    ['a+/b', true, 'filter-single-level-wildcard-misplaced'],
    ['$share', true, 'subscribe-share-name-missing'],
    ['$share', false, undefined],
    ['$shared', true, undefined],
    ['$share/', true, 'subscribe-share-name-missing'],
    ['$share//a', true, 'subscribe-share-name-missing'],
    ['$share/g', true, 'subscribe-share-filter-invalid'],
    ['$share/g/', true, 'subscribe-share-filter-invalid'],
    ['$share/g#/a', true, 'subscribe-share-filter-invalid'],
    ['$share/g/a#', true, 'filter-multi-level-wildcard-misplaced'],
    ['$share/g//', true, undefined],
    ['$share/g/$share/h/a', true, undefined],
    ['$share/', false, undefined],
  ] as const)('%s (shared ones allowed: %s) breaks %s', (filter, allowShared, rule) => {
    expect(filterFault(filter, allowShared)).toBe(rule)
  })
})

/** The filters that a tree finds for a topic. */
function found(filters: readonly string[], topic: string): string[] {
  const tree = new TopicTree<string>()
  for (const filter of filters) tree.set(filter, filter)
  const values: string[] = []
  tree.matchTopic(topic, (value) => values.push(value))
  return values.sort()
}

/** The topics that a tree finds for a filter. */
function retainedFor(filter: string, topics: readonly string[]): string[] {
  const tree = new TopicTree<string>()
  for (const topic of topics) tree.set(topic, topic)
  const values: string[] = []
  tree.matchFilter(filter, (value) => values.push(value))
  return values.sort()
}

/** The definition of section 4.7, as slow as it is plain. */
function matchesByLevels(filter: readonly string[], topic: readonly string[], first = true): boolean {
  const [head, ...rest] = filter
  const wildcard = head === '#' || head === '+'
  if (first && wildcard && topic[0]?.startsWith('$') === true) return false
  if (head === '#') return true
  if (head === undefined) return topic.length === 0
  if (topic.length === 0) return false
  return (head === '+' || head === topic[0]) && (matchesByLevels(rest, topic.slice(1), false) || (topic.length === 1 && rest.length === 1 && rest[0] === '#'))
}

describe('all who match agree:', () => {
  const unique = <T>(one: fc.Arbitrary<T>) => fc.uniqueArray(one, { maxLength: 12 })

  test('topicMatches with the definition, level by level', () => {
    fc.assert(
      fc.property(topicFilter, plainTopic, (filter, topic) => {
        expect(topicMatches(filter, topic)).toBe(matchesByLevels(filter.split('/'), topic.split('/')))
      }),
      { numRuns: 2000 },
    )
  })

  test('a tree of filters with topicMatches', () => {
    fc.assert(
      fc.property(unique(topicFilter), plainTopic, (filters, topic) => {
        expect(found(filters, topic)).toEqual(filters.filter((filter) => topicMatches(filter, topic)).sort())
      }),
      { numRuns: 1000 },
    )
  })

  test('a tree of topics with topicMatches', () => {
    fc.assert(
      fc.property(topicFilter, unique(plainTopic), (filter, topics) => {
        expect(retainedFor(filter, topics)).toEqual(topics.filter((topic) => topicMatches(filter, topic)).sort())
      }),
      { numRuns: 1000 },
    )
  })

  test('a tree from which some were taken with one that never had them', () => {
    fc.assert(
      fc.property(unique(topicFilter), unique(topicFilter), plainTopic, (kept, gone, topic) => {
        const tree = new TopicTree<string>()
        for (const filter of [...kept, ...gone]) tree.set(filter, filter)
        for (const filter of gone) if (!kept.includes(filter)) expect(tree.delete(filter)).toBe(true)
        const values: string[] = []
        tree.matchTopic(topic, (value) => values.push(value))
        expect(values.sort()).toEqual(found(kept, topic))
        expect(tree.size).toBe(kept.length)
        expect([...tree.values()].sort()).toEqual([...kept].sort())
        for (const filter of kept) expect(tree.delete(filter)).toBe(true)
        for (const filter of kept) expect(tree.delete(filter)).toBe(false)
        expect(tree.size).toBe(0)
      }),
    )
  })
})
