import { type Connection, decide, definePlugin, option, type PublishPacket, selected, selection } from '../src/index.ts'

const uses = ['right', 'none', 'shared', 'kept', 'unmapped', 'zero', 'above'] as const

/**
 * Topic aliases of MQTT 5, in both directions. Towards the client, where it allows them:
 *
 *   right      as the server does anyway: an alias for each topic, up to the client's maximum
 *   none       never, although the client allows them
 *   shared     one alias for every topic, which is given another topic with each change: legal [MQTT-3.3.2-12]
 *   kept       the aliases of the connection before, without their topics [MQTT-3.3.2-7]
 *   unmapped   an alias that never had a topic
 *   zero       alias 0 [MQTT-3.3.2-8]
 *   above      an alias above the client's maximum, also where it allows none [MQTT-3.1.2-26]
 *
 * From the client: `announce` is what CONNACK says, `maximum` is what is taken, `answer` what the client gets beyond that.
 *
 *     topicAlias({ announce: 10, maximum: 5 })                       a server that takes less than it says
 *     topicAlias({ announce: 0 })                                    one that says it takes none
 *     topicAlias({ maximum: 10, answer: 'quota-exceeded' })          PUBACK refuses, and the connection goes on
 */
export const topicAlias = definePlugin({
  meta: {
    name: 'topic-alias',
    api: 1,
    group: 'deliveries',
    summary: 'Topic aliases are misused towards the client, or the maximum for its own is not the one that CONNACK announces.',
    spec: [
      'MQTT-3.3.2-7',
      'MQTT-3.3.2-8',
      'MQTT-3.3.2-9',
      'MQTT-3.3.2-10',
      'MQTT-3.3.2-12',
      'MQTT-3.1.2-26',
      'MQTT-3.1.2-27',
      'MQTT-3.2.2-17',
      'MQTT-3.2.2-18',
    ],
    finds: 'clients that keep aliases over a reconnect, confuse the two maximums, or hand out messages without a topic',
    seenIn: [
      'https://github.com/eclipse-mosquitto/mosquitto/issues/3626',
      'https://github.com/eclipse-mosquitto/mosquitto/issues/2494',
      'https://github.com/eclipse-paho/paho.mqtt.java/issues/527',
    ],
  },
  options: {
    toClient: option.choice('how aliases are used towards the client', uses, 'right'),
    announce: option.optional(option.count('the Topic Alias Maximum that CONNACK announces; what the server takes, unless given', 10, { max: 65_535 })),
    maximum: option.optional(option.count('the highest alias that is taken from the client; what the server takes, unless given', 10, { max: 65_535 })),
    answer: option.optional(
      option.answer('what a client gets for a higher one; unless given, it has broken a rule, and gets DISCONNECT with 0x94', {
        disconnect: 'topic-alias-invalid',
      }),
    ),
    ...selection,
  },
  check({ toClient, announce, maximum, answer }) {
    if (toClient === 'right' && announce === undefined && maximum === undefined) return "give one of the options 'toClient', 'announce' and 'maximum'"
    if (answer !== undefined && maximum === undefined) return "option 'answer' goes with 'maximum'"
    return undefined
  },
  setup({ hooks, on, name, acted }, { toClient, announce, maximum, answer, ...which }) {
    if (announce !== undefined)
      on(hooks.send, { cmd: 'connack' }, (steps, _cause, { version }) => {
        if (version !== 5) return undefined
        return steps.map((step) =>
          'packet' in step && step.packet.cmd === 'connack' && (step.packet.reasonCode ?? 0) < 0x80
            ? { packet: { ...step.packet, properties: { ...step.packet.properties, topicAliasMaximum: announce } } }
            : step,
        )
      })

    if (maximum !== undefined) {
      // With an answer of its own, every alias gets as far as the question whether it is allowed.
      hooks.session.tap(name, (_plan, _packet, connection) => {
        connection.topicAliasMaximum = answer === undefined ? maximum : 65_535
      })
      if (answer === undefined)
        on(hooks.violation, { kind: 'topic-alias-above-maximum' }, (_violation, connection) => acted(`took no alias above ${maximum}`, connection))
      else
        on(hooks.authorize, { kind: 'publish' }, (decision, request, connection) => {
          const alias = request.packet.properties?.topicAlias ?? 0
          return alias > maximum ? decide(decision, answer, request, connection, `topic aliases end at ${maximum}`) : undefined
        })
    }

    if (toClient === 'right') return
    // The session itself uses none.
    hooks.session.tap(name, (plan) => (plan.limits.topicAliasMaximum === 0 ? undefined : { ...plan, limits: { ...plan.limits, topicAliasMaximum: 0 } }))
    if (toClient === 'none') return

    const shared = (): { topic?: string } => ({})
    /** Aliases by client id, over all connections. */
    const kept = new Map<string, Map<string, number>>()

    function keptAlias(packet: PublishPacket, connection: Connection, most: number): PublishPacket {
      const { clientId = '' } = connection
      const aliases = kept.get(clientId) ?? new Map<string, number>()
      kept.set(clientId, aliases)
      const known = aliases.get(packet.topic)
      if (known !== undefined) return known <= most ? withAlias(packet, known, '') : packet
      if (aliases.size >= most) return packet
      aliases.set(packet.topic, aliases.size + 1)
      return withAlias(packet, aliases.size)
    }

    function misused(packet: PublishPacket, connection: Connection): PublishPacket {
      const most = connection.connect?.properties?.topicAliasMaximum ?? 0
      switch (toClient) {
        case 'zero':
          return withAlias(packet, 0)
        case 'above':
          return most < 65_535 ? withAlias(packet, most + 1) : packet
        case 'unmapped':
          return withAlias(packet, Math.max(1, most), '')
        case 'kept':
          return keptAlias(packet, connection, most)
        default: {
          const last = connection.state(shared)
          if (most === 0) return packet
          const isKnown = last.topic === packet.topic
          last.topic = packet.topic
          return withAlias(packet, 1, isKnown ? '' : packet.topic)
        }
      }
    }

    on(hooks.send, selected(which, { cmd: 'publish' }), (steps, _cause, connection) => {
      if (connection.version !== 5) return undefined
      let isOther = false
      const plan = steps.map((step) => {
        if (!('packet' in step) || step.packet.cmd !== 'publish') return step
        const packet = misused(step.packet, connection)
        if (packet !== step.packet) isOther = true
        return packet === step.packet ? step : { packet }
      })
      return isOther ? plan : undefined
    })
  },
})

function withAlias(packet: PublishPacket, alias: number, topic = packet.topic): PublishPacket {
  return { ...packet, topic, properties: { ...packet.properties, topicAlias: alias } }
}
