import { type Answers, type Connection, decide, definePlugin, option, type Packet } from '../src/index.ts'

const atMost = (about: string, most: number) => option.optional(option.count(about, most, { min: 0 }))

/** What was seen of the SUBSCRIBE packets of one connection. */
interface Course {
  beginsMs: number
  packets: number
  /** The packet whose filters are being decided on, and whether it came too soon. */
  packet: Packet | undefined
  tooSoon: boolean
}

/**
 * Only so many filters, subscriptions and SUBSCRIBE packets are taken, and not every kind of subscription exists.
 *
 *     subscribeLimits({ filters: 8 })                                       a SUBSCRIBE with more closes the connection
 *     subscribeLimits({ subscriptions: 50 })                                the 51st is refused in SUBACK
 *     subscribeLimits({ rate: 5 })                                          five SUBSCRIBE per second
 *     subscribeLimits({ shared: false, identifiers: false })                announced to MQTT 5 clients, and closed on
 *     subscribeLimits({ wildcards: false, announce: false, wildcardsAnswer: 'wildcard-subscriptions-not-supported' })
 */
export const subscribeLimits = definePlugin({
  meta: {
    name: 'subscribe-limits',
    api: 1,
    group: 'limits',
    summary: 'Too many filters, subscriptions or SUBSCRIBE packets are refused, and so are kinds of subscriptions that the server does not have.',
    spec: ['MQTT-3.8.4-4', 'MQTT-3.8.4-5', 'MQTT-3.8.4-6', 'MQTT-3.8.4-7', 'MQTT-3.10.4-4', 'MQTT-3.10.4-5'],
    finds: 'clients that subscribe again to everything in one packet and never get out of it, or do not look at each code of SUBACK',
    seenIn: [
      'https://github.com/aws/aws-iot-device-sdk-js/issues/147',
      'https://github.com/aws/aws-iot-device-sdk-js/issues/361',
      'https://github.com/dotnet/MQTTnet/issues/1427',
      'https://github.com/shamblett/mqtt_client/issues/368',
    ],
  },
  options: {
    filters: atMost('so many filters one SUBSCRIBE may have', 8),
    filtersAnswer: option.answer('what a SUBSCRIBE with more filters gets', 'close'),
    unsubscribeFilters: atMost('so many filters one UNSUBSCRIBE may have', 8),
    unsubscribeAnswer: option.answer('what an UNSUBSCRIBE with more filters gets', 'close'),
    subscriptions: atMost('so many subscriptions one session may have', 50),
    subscriptionsAnswer: option.answer('what a filter beyond that gets', 'quota-exceeded'),
    rate: atMost('so many SUBSCRIBE packets are taken on a connection in each stretch of time', 5),
    window: option.duration('how long a stretch of time is', '1s'),
    rateAnswer: option.answer('what a SUBSCRIBE beyond that gets', { disconnect: 'message-rate-too-high' }),
    wildcards: option.flag('there are subscriptions with wildcards', true),
    wildcardsAnswer: option.answer('what a filter with wildcards gets where there are none', {
      v3: 'unspecified-error',
      v5: { disconnect: 'wildcard-subscriptions-not-supported' },
    }),
    shared: option.flag('there are shared subscriptions', true),
    sharedAnswer: option.answer('what a shared subscription gets where there are none; in MQTT 3 it is a filter like any other', {
      disconnect: 'shared-subscriptions-not-supported',
    }),
    identifiers: option.flag('there are subscription identifiers', true),
    identifiersAnswer: option.answer('what a SUBSCRIBE with a subscription identifier gets where there are none', {
      disconnect: 'subscription-identifiers-not-supported',
    }),
    announce: option.flag('CONNACK says in MQTT 5 which kinds of subscriptions there are not', true),
  },
  check({ filters, unsubscribeFilters, subscriptions, rate, window, wildcards, shared, identifiers }) {
    if (rate !== undefined && window === 0) return "option 'window' is longer than 0"
    return [filters, unsubscribeFilters, subscriptions, rate].every((one) => one === undefined) && wildcards && shared && identifiers
      ? "nothing is limited: give one of the options 'filters', 'unsubscribeFilters', 'subscriptions' and 'rate', or set 'wildcards', 'shared' or 'identifiers' to false"
      : undefined
  },
  setup({ hooks, on, clock, report }, options) {
    const { filters, filtersAnswer, unsubscribeFilters, unsubscribeAnswer, subscriptions, subscriptionsAnswer, rate, window, rateAnswer } = options
    const { wildcards, wildcardsAnswer, shared, sharedAnswer, identifiers, identifiersAnswer, announce } = options
    const course = (): Course => ({ beginsMs: clock.now(), packets: 0, packet: undefined, tooSoon: false })

    if (announce && !(wildcards && shared && identifiers))
      on(hooks.authorize, { kind: 'connect' }, (decision, _request, connection) => {
        if (connection.version !== 5) return undefined
        const properties = {
          ...decision.properties,
          ...(!wildcards && { wildcardSubscriptionAvailable: false }),
          ...(!shared && { sharedSubscriptionAvailable: false }),
          ...(!identifiers && { subscriptionIdentifiersAvailable: false }),
        }
        return { ...decision, properties }
      })

    /** Whether a SUBSCRIBE came too soon; the same for each of its filters. */
    function isTooSoon(packet: Packet, connection: Connection): boolean {
      if (rate === undefined) return false
      const state = connection.state(course)
      if (state.packet === packet) return state.tooSoon
      if (clock.now() >= state.beginsMs + window) Object.assign(state, course())
      state.packet = packet
      state.tooSoon = ++state.packets > rate
      return state.tooSoon
    }

    const blame = (kind: 'wildcard' | 'shared' | 'identifier', topic: string, connection: Connection) => {
      if (!announce || connection.version !== 5) return
      report({ rule: `subscribe-${kind}-unavailable`, message: `the server said that it has no such subscriptions: ${topic}`, connection })
    }

    on(hooks.authorize, { kind: 'subscribe' }, (decision, request, connection) => {
      const { packet, topic, subscription } = request
      const refuse = (answers: Answers, reason: string) => decide(decision, answers, request, connection, reason)
      const asked = packet.subscriptions
      if (filters !== undefined && asked.length > filters) return refuse(filtersAnswer, `${asked.length} filters are more than ${filters}`)
      if (isTooSoon(packet, connection)) return refuse(rateAnswer, 'too many SUBSCRIBE packets')
      if (!identifiers && packet.properties?.subscriptionIdentifier !== undefined) {
        blame('identifier', topic, connection)
        const refused = refuse(identifiersAnswer, 'there are no subscription identifiers')
        if (refused !== undefined) return refused
      }
      if (!shared && connection.version === 5 && topic.startsWith('$share/')) {
        blame('shared', topic, connection)
        const refused = refuse(sharedAnswer, 'there are no shared subscriptions')
        if (refused !== undefined) return refused
      }
      if (!wildcards && /[+#]/.test(topic)) {
        blame('wildcard', topic, connection)
        const refused = refuse(wildcardsAnswer, 'there are no wildcard subscriptions')
        if (refused !== undefined) return refused
      }
      const held = connection.session?.subscriptions
      if (subscriptions === undefined || held === undefined || held.has(topic)) return undefined
      // The filters in front of it are decided on, but not held yet.
      const before = new Set(asked.slice(0, asked.indexOf(subscription)).map((one) => one.topic))
      const others = [...before].filter((one) => one !== topic && !held.has(one)).length
      return held.size + others >= subscriptions ? refuse(subscriptionsAnswer, `there are ${subscriptions} subscriptions already`) : undefined
    })

    if (unsubscribeFilters !== undefined)
      on(hooks.authorize, { kind: 'unsubscribe' }, (decision, request, connection) => {
        const { length } = request.packet.unsubscriptions
        return length > unsubscribeFilters
          ? decide(decision, unsubscribeAnswer, request, connection, `${length} filters are more than ${unsubscribeFilters}`)
          : undefined
      })
  },
})
