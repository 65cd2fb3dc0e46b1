import { type Delivery, definePlugin, type Message, option, type Session, type Subscription, topicMatches } from '../src/index.ts'

const share = /^\$share\/([^/]+)\/(.*)$/s

/** How many groups remember whose turn it is. */
const remembered = 1000

/** A shared subscription's group: who is in it, by the group's name and filter. */
type Groups = Map<string, Subscription[]>

/**
 * The server matches topics and filters in a way of its own, or deals differently with several subscriptions that match.
 *
 *     matching({ hashMatchesParent: false })               'a/#' does not match 'a'
 *     matching({ hashMatchesDollar: true })                '#' hears what is published on '$SYS/...'
 *     matching({ overlap: 'each' })                        a copy for each subscription that matches
 *     matching({ repeatedFilters: 'merged' })              SUBACK is shorter than SUBSCRIBE
 *     matching({ distribution: 'everyone' })               a shared subscription that is none
 */
export const matching = definePlugin({
  meta: {
    name: 'matching',
    api: 1,
    group: 'deliveries',
    summary: 'Filters match other topics than they should, overlapping ones give other copies, shared ones other turns.',
    spec: ['MQTT-4.7.1-2', 'MQTT-4.7.2-1', 'MQTT-4.7.3-1', 'MQTT-3.3.4-2', 'MQTT-3.3.4-3', 'MQTT-3.3.5-1', 'MQTT-3.9.3-1', 'MQTT-4.8.2-4'],
    finds: 'clients that count on one copy, or on none, or on as many codes in SUBACK as they asked for filters',
    seenIn: ['https://github.com/home-assistant/core/pull/169604', 'https://github.com/faststream-community/zMQTT/pull/35'],
  },
  options: {
    hashMatchesParent: option.flag("whether 'a/#' matches 'a'", true),
    hashMatchesDollar: option.flag("whether a wildcard in the first level matches topics that begin with '$'", false),
    caseSensitive: option.flag('whether upper and lower case differ', true),
    overlap: option.choice(
      'a message that several subscriptions of a client match: one copy at the highest QoS, each subscription its copy, or one copy at the lowest QoS',
      ['one', 'each', 'lowest-qos'],
      'one',
    ),
    identifiers: option.choice('which subscription identifiers one copy has', ['all', 'first', 'none'], 'all'),
    repeatedFilters: option.choice('a filter twice in one SUBSCRIBE: a code for each, or for both together', ['each', 'merged'], 'each'),
    distribution: option.choice(
      'which member of a shared subscription gets a message: in turn, any, the first, the same for each publisher, or everyone',
      ['round-robin', 'random', 'first', 'sticky', 'everyone'],
      'round-robin',
    ),
    offlineMembers: option.choice('whether members without a connection are skipped where there is another, or have their turn', ['skip', 'count'], 'skip'),
  },
  check({ hashMatchesParent, hashMatchesDollar, caseSensitive, overlap, identifiers, repeatedFilters, distribution, offlineMembers }) {
    const isPlain = hashMatchesParent && !hashMatchesDollar && caseSensitive && overlap === 'one' && identifiers === 'all'
    return isPlain && repeatedFilters === 'each' && distribution === 'round-robin' && offlineMembers === 'skip'
      ? 'without an option, topics are matched as they should be'
      : undefined
  },
  setup({ hooks, on, server, random, name }, options) {
    const { hashMatchesParent, hashMatchesDollar, caseSensitive, overlap, identifiers, repeatedFilters, distribution, offlineMembers } = options
    const turns = new Map<string, number>()
    const matchesOtherwise = !hashMatchesParent || hashMatchesDollar || !caseSensitive

    function matches(filter: string, topic: string): boolean {
      if (!caseSensitive) return matchesAsWritten(filter.toLowerCase(), topic.toLowerCase())
      return matchesAsWritten(filter, topic)
    }

    function matchesAsWritten(filter: string, topic: string): boolean {
      if (!hashMatchesParent && filter.endsWith('/#') && topic.split('/').length < filter.split('/').length) return false
      if (topicMatches(filter, topic)) return true
      // Any other first character will do, since a wildcard stands for it.
      return hashMatchesDollar && topic.startsWith('$') && /^[#+]/.test(filter) && topicMatches(filter, `_${topic.slice(1)}`)
    }

    function chosen(key: string, members: readonly Subscription[], message: Message): readonly Subscription[] {
      const present = members.filter(({ session }) => session.connection !== undefined)
      const eligible = offlineMembers === 'count' || present.length === 0 ? members : present
      if (distribution === 'everyone') return eligible
      const turn = turns.get(key) ?? 0
      turns.delete(key)
      turns.set(key, turn + 1)
      const [oldest] = turns.size > remembered ? turns.keys() : []
      if (oldest !== undefined) turns.delete(oldest)
      const index = {
        'round-robin': () => turn,
        random: () => random.integer(0, eligible.length - 1),
        first: () => 0,
        sticky: () => sum(message.clientId ?? ''),
      }
      const one = eligible[index[distribution]() % eligible.length]
      return one === undefined ? [] : [one]
    }

    function delivery(session: Session, message: Message, subscriptions: readonly Subscription[]): Delivery {
      const granted = subscriptions.map(({ qos }) => qos)
      const qos = overlap === 'lowest-qos' ? Math.min(...granted) : Math.max(...granted)
      const level = Math.min(message.qos, qos)
      const numbers = subscriptions.flatMap(({ identifier }) => identifier ?? [])
      return {
        session,
        message,
        qos: level === 2 ? 2 : level === 1 ? 1 : 0,
        retain: message.retain && subscriptions.some(({ request }) => request.rap === true),
        subscriptionIdentifiers: identifiers === 'all' ? numbers : identifiers === 'first' ? numbers.slice(0, 1) : [],
      }
    }

    /** Who gets a message, found anew in all subscriptions. */
    function deliveriesOf(message: Message): Delivery[] {
      const groups: Groups = new Map()
      const deliveries: Delivery[] = []
      for (const session of server.sessions) {
        const own: Subscription[] = []
        for (const subscription of session.subscriptions.values()) {
          const { filter, request } = subscription
          const [, group, shared] = share.exec(filter) ?? []
          if (!matches(shared ?? filter, message.topic)) continue
          if (group !== undefined) groups.set(filter, [...(groups.get(filter) ?? []), subscription])
          else if (request.nl !== true || session.clientId !== message.clientId) own.push(subscription) // [MQTT-3.8.3-3]
        }
        if (overlap === 'each') deliveries.push(...own.map((subscription) => delivery(session, message, [subscription])))
        else if (own.length > 0) deliveries.push(delivery(session, message, own))
      }
      for (const [key, members] of groups) for (const one of chosen(key, members, message)) deliveries.push(delivery(one.session, message, [one]))
      return deliveries
    }

    // In front of the other plugins: what they take away or add stays so.
    hooks.route.tap({ name, stage: -1 }, (deliveries, message) => {
      if (message.reason === 'retained') return undefined
      const found = deliveriesOf(message)
      return areSame(found, deliveries) ? undefined : found
    })

    if (matchesOtherwise)
      hooks.retained.tap(name, (messages, { filter }) => {
        if (share.test(filter)) return undefined
        const found = server.retained.filter(({ topic }) => matches(filter, topic))
        return found.length === messages.length && found.every((message) => messages.includes(message)) ? undefined : found
      })

    if (repeatedFilters === 'merged')
      on(hooks.packetIn, { cmd: 'subscribe' }, (packet) => {
        const last = new Map(packet.subscriptions.map((subscription) => [subscription.topic, subscription]))
        if (last.size < packet.subscriptions.length) packet.subscriptions = [...last.values()]
        return undefined
      })
  },
})

/** Whether the same copies go to the same sessions, in whatever order. */
function areSame(one: readonly Delivery[], other: readonly Delivery[]): boolean {
  if (one.length !== other.length) return false
  const left = [...other]
  return one.every((delivery) => {
    const index = left.findIndex(
      ({ session, qos, retain, subscriptionIdentifiers }) =>
        session === delivery.session &&
        qos === delivery.qos &&
        retain === delivery.retain &&
        subscriptionIdentifiers.join() === delivery.subscriptionIdentifiers.join(),
    )
    if (index >= 0) left.splice(index, 1)
    return index >= 0
  })
}

/** A number that is the same for the same text. */
function sum(text: string): number {
  let total = 0
  for (const character of text) total = (total * 31 + (character.codePointAt(0) ?? 0)) % 65_521
  return total
}
