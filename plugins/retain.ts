import { type Connection, decide, definePlugin, type Message, option, topicMatches } from '../src/index.ts'

/**
 * What the server does with retained messages: it does not keep them, refuses them, or hands them out in a way of its own.
 *
 *     retain()                                               the flag is taken off without a word, nothing is kept
 *     retain({ answer: { v3: 'close', v5: { disconnect: 'retain-not-supported' } }, announce: false })
 *     retain({ prefixes: ['$'], answer: 'topic-name-invalid' })
 *     retain({ wildcardDelivery: false })                    only a filter without wildcards gets what is retained
 *     retain({ limit: 10, order: 'newest' })                 a subscription gets the ten newest
 *     retain({ flag: false })                                old messages look like new ones
 */
export const retain = definePlugin({
  meta: {
    name: 'retain',
    api: 1,
    group: 'deliveries',
    summary: 'Retained messages are not kept, refused, or delivered to some subscriptions only, in part, or without their flag.',
    spec: ['MQTT-3.3.1-5', 'MQTT-3.3.1-8', 'MQTT-3.3.1-9', 'MQTT-3.2.2-13', 'MQTT-3.2.2-14', 'MQTT-4.8.2-5'],
    finds: 'clients that count on retained messages where there are none, or that take an old message for a new one',
    seenIn: [
      'https://github.com/buxtronix/phev2mqtt/pull/63',
      'https://github.com/emsesp/EMS-ESP/issues/631',
      'https://github.com/256dpi/arduino-mqtt/issues/120',
    ],
  },
  options: {
    store: option.optional(
      option.flag('whether messages are kept; false takes the flag off and passes them on; unless given, true where an option says how they are kept', false),
    ),
    answer: option.answer('what a PUBLISH with RETAIN gets', 'allow'),
    prefixes: option.optional(option.list(option.text('a beginning', '$'), '`store` and `answer` are about topics that begin so only', [])),
    topic: option.optional(option.list(option.text('a topic filter', '#'), '`store` and `answer` are about topics that match only', [])),
    marker: option.optional(option.text('a user property that stands in place of the flag, for MQTT 5 subscribers', 'mqtt-retain')),
    maximumSize: option.optional(option.count('the largest payload that is kept, in bytes; a larger message is passed on', 65_536)),
    wildcardDelivery: option.flag('whether a filter with wildcards gets retained messages', true),
    sharedDelivery: option.flag('whether a shared subscription gets retained messages', false),
    limit: option.optional(option.count('how many a subscription gets at most', 10)),
    order: option.choice('in which order: as they are stored, by age, by topic, or at random', ['stored', 'newest', 'oldest', 'topic', 'random'], 'stored'),
    flag: option.flag('whether they have RETAIN set when they are delivered to a new subscription', true),
    qos: option.count('the highest QoS of their delivery', 2, { max: 2 }),
    announce: option.optional(option.flag('what CONNACK says in MQTT 5 about retained messages', false)),
  },
  setup({ hooks, on, server, name }, options) {
    const { answer, prefixes, topic, marker, maximumSize, wildcardDelivery, sharedDelivery, limit, order, flag, qos, announce } = options
    const isPlain = maximumSize === undefined && wildcardDelivery && !sharedDelivery && limit === undefined && order === 'stored' && flag && qos === 2
    const store = options.store ?? !isPlain
    const isMeant = (text: string) =>
      (prefixes === undefined && topic === undefined) ||
      prefixes?.some((prefix) => text.startsWith(prefix)) === true ||
      topic?.some((filter) => topicMatches(filter, text)) === true
    const isKept = (text: string, payload: Buffer) => (store || !isMeant(text)) && (maximumSize === undefined || payload.length <= maximumSize)

    if (marker !== undefined)
      on(hooks.packetIn, { cmd: 'publish', retain: true }, (packet) => {
        if (isMeant(packet.topic)) packet.properties = { ...packet.properties, userProperties: { ...packet.properties?.userProperties, [marker]: 'true' } }
        return undefined
      })

    on(hooks.authorize, { kind: 'publish', retain: true }, (decision, request, connection) => {
      const { topic: text, packet } = request
      if (decision.reasonCode >= 0x80) return undefined
      const refused = isMeant(text) ? decide(decision, answer, request, connection) : undefined
      return refused ?? (isKept(text, packet.payload) ? undefined : { ...decision, retain: false as const })
    })

    // A will has no answer of its own any more.
    hooks.will.tap(name, (plan, _info, connection) => {
      const { will } = plan
      if (!will.retain || (isKept(will.topic, will.payload) && !(isMeant(will.topic) && answer.of(connection.version) !== undefined))) return undefined
      return { ...plan, will: { ...will, retain: false } }
    })

    if (announce !== undefined)
      on(hooks.authorize, { kind: 'connect' }, (decision, _request, connection) =>
        connection.version !== 5 || decision.reasonCode >= 0x80
          ? undefined
          : { ...decision, properties: { ...decision.properties, retainAvailable: announce } },
      )

    function ordered(messages: readonly Message[], connection: Connection): readonly Message[] {
      switch (order) {
        case 'newest':
          return [...messages].sort((one, two) => two.takenAtMs - one.takenAtMs)
        case 'oldest':
          return [...messages].sort((one, two) => one.takenAtMs - two.takenAtMs)
        case 'topic':
          return [...messages].sort((one, two) => (one.topic < two.topic ? -1 : 1))
        case 'random':
          return connection.random(name).shuffle(messages)
        default:
          return messages
      }
    }

    if (!wildcardDelivery || sharedDelivery || limit !== undefined || order !== 'stored')
      hooks.retained.tap(name, (given, { filter }, connection) => {
        const shared = /^\$share\/[^/]+\/(.*)$/s.exec(filter)?.[1]
        if (!wildcardDelivery && /[+#]/.test(shared ?? filter)) return []
        const messages = sharedDelivery && shared !== undefined ? server.retained.filter((message) => topicMatches(shared, message.topic)) : given
        return ordered(messages, connection).slice(0, limit)
      })

    if (!flag || qos < 2)
      on(hooks.route, { kind: 'retained' }, (deliveries) =>
        deliveries.map((delivery) => {
          const level = Math.min(delivery.qos, qos)
          if (level === delivery.qos && flag) return delivery
          return { ...delivery, retain: delivery.retain && flag, qos: level === 2 ? 2 : level === 1 ? 1 : 0 }
        }),
      )
  },
})
