import {
  type Connection,
  definePlugin,
  filterCovers,
  option,
  type Packet,
  type Properties,
  type SubackPacket,
  selection,
  type UnsubackPacket,
} from '../src/index.ts'
import { choose, topicOf } from './internal/answered.ts'
import { idBeside, otherId } from './internal/other-id.ts'

/**
 * SUBACK, or UNSUBACK, says something else than the client expects: other codes, a lower QoS, too few codes or too many, the
 * wrong packet id. What is answered and what is done are separate.
 *
 *     suback({ codes: [1, 'not-authorized'] })                    the first two filters of each SUBSCRIBE
 *     suback({ codes: { 'secret/#': 'not-authorized' } })         by filter; what is refused is not subscribed
 *     suback({ codes: [0x80], effect: 'taken' })                  refused, it says, but the messages come
 *     suback({ effect: 'refused' })                               granted, it says, but nothing ever comes
 *     suback({ granted: 2, effective: 0 })                        the QoS that is promised, and the one that is kept
 *     suback({ count: 'missing', nth: 2 })                        one code too few in the second SUBACK
 */
export const suback = definePlugin({
  meta: {
    name: 'suback',
    api: 1,
    group: 'answers',
    summary: 'SUBACK or UNSUBACK has other codes, too few or too many of them, or the wrong packet id.',
    spec: ['MQTT-3.8.4-2', 'MQTT-3.8.4-6', 'MQTT-3.8.4-7', 'MQTT-3.9.3-1', 'MQTT-3.9.3-2', 'MQTT-3.10.4-5', 'MQTT-3.11.3-1', 'MQTT-3.11.3-2'],
    finds: 'clients that take every SUBACK for a yes, or lose their way when its codes do not fit their filters',
    seenIn: [
      'https://github.com/fusesource/mqtt-client/pull/103',
      'https://github.com/knolleary/pubsubclient/issues/341',
      'https://github.com/shamblett/mqtt5_client/issues/144',
      'https://github.com/mqttjs/MQTT.js/pull/2061',
    ],
  },
  options: {
    packets: option.packets('which of the two', ['suback', 'unsuback'], ['suback']),
    codes: option.optional(
      option.either(
        option.list(option.reasonCode('a code', 'not-authorized'), 'codes in order', []),
        option.map(option.reasonCode('a code', 'not-authorized'), 'codes by filter', {}),
        'the codes, in the order of the filters, or by a topic filter that the requested one equals or lies in; the others stay',
        [],
      ),
    ),
    granted: option.optional(option.count('the QoS that SUBACK grants at most; the subscription is made as it was asked for', 0, { max: 2 })),
    effective: option.optional(
      option.count('the QoS that the subscription really has at most; SUBACK tells it unless `granted` says otherwise', 0, { max: 2 }),
    ),
    effect: option.optional(
      option.choice(
        'whether the request is really carried out: taken or refused; unless given, what is refused by a code is not',
        ['taken', 'refused'],
        'refused',
      ),
    ),
    translate: option.flag('MQTT 3 clients get 0x80 for every refusal, the only one they know; false sends them the code as it is', true),
    count: option.optional(
      option.either(
        option.choice('a wrong number', ['missing', 'extra', 'merged'], 'missing'),
        option.count('a number', 0, { max: 1000 }),
        'how many codes there are: one missing, one extra, one for all equal filters, or a number',
        'missing',
      ),
    ),
    id: otherId('another packet id'),
    properties: option.optional(option.properties('properties for MQTT 5 clients, such as reasonString, also where they want none', {})),
    ...selection,
  },
  check({ packets, codes, granted, effective, effect, count, id, properties }) {
    if (packets.length === 0) return "option 'packets' is empty: nothing would change"
    if ((codes ?? granted ?? effective ?? effect ?? count ?? id ?? properties) === undefined)
      return "give one of the options 'codes', 'granted', 'effective', 'effect', 'count', 'id' and 'properties'"
    if ((granted ?? effective) !== undefined && !packets.includes('suback')) return 'UNSUBACK grants no QoS'
    if (effect === 'taken' && codes === undefined) return "effect taken goes with 'codes' that refuse"
    return undefined
  },
  setup(api, { packets, codes, granted, effective, effect, translate, count, id, properties, ...which }) {
    const { hooks, on } = api
    const isChosen = choose(api, packets, which)

    /** The code that the options have for one of the filters. */
    function codeFor(filter: string, place: number): number | undefined {
      if (codes === undefined) return undefined
      if (isList(codes)) return codes[place]
      for (const [wanted, code] of codes) if (filterCovers(wanted, filter)) return code
      return undefined
    }

    if ((codes ?? effective ?? effect) !== undefined)
      on(hooks.authorize, { kind: ['subscribe', 'unsubscribe'], ...topicOf(which) }, (decision, { packet, topic }) => {
        if (!isChosen(packet)) return undefined
        const place = filtersOf(packet).indexOf(topic)
        const code = codeFor(topic, place) ?? 0
        const limited = effective === undefined ? decision : { ...decision, maximumQos: qosOf(Math.min(effective, decision.maximumQos ?? 2)) }
        if (effect === 'taken') return { ...limited, reasonCode: 0, action: 'answer' }
        if (code >= 0x80) return { ...limited, reasonCode: code, action: 'answer' }
        return effect === 'refused' ? { ...limited, reasonCode: 0, action: 'accept' } : limited
      })

    function codesOf(packet: SubackPacket | UnsubackPacket, asked: Packet, { version }: Connection): number[] {
      const filters = filtersOf(asked)
      const said = (packet.granted ?? []).map((code, place) => {
        const requested = asked.cmd === 'subscribe' ? (asked.subscriptions[place]?.qos ?? 0) : 0
        const own = granted === undefined || code >= 0x80 || asked.cmd !== 'subscribe' ? code : Math.min(granted, requested)
        const chosen = codeFor(filters[place] ?? '', place) ?? own
        return version !== 5 && translate && chosen >= 0x80 ? 0x80 : chosen
      })
      if (count === undefined) return said
      if (count === 'merged') return said.filter((_code, place) => filters.indexOf(filters[place] ?? '') === place)
      const wanted = count === 'missing' ? said.length - 1 : count === 'extra' ? said.length + 1 : count
      return Array.from({ length: wanted }, (_none, place) => said[place] ?? said.at(-1) ?? 0)
    }

    if ((codes ?? granted ?? count ?? id ?? properties) === undefined) return
    on(hooks.send, { cmd: packets, ...topicOf(which) }, (steps, { packet: asked }, connection) => {
      if (!isChosen(asked)) return undefined
      return steps.map((step) => {
        if (!('packet' in step) || (step.packet.cmd !== 'suback' && step.packet.cmd !== 'unsuback')) return step
        const { packet } = step
        const more: { messageId: number; properties?: Properties } = {
          messageId: id === undefined ? packet.messageId : idBeside(packet.messageId, id),
          ...(properties !== undefined && { properties: { ...packet.properties, ...properties } }),
        }
        // UNSUBACK of MQTT 3 has no codes.
        return packet.granted === undefined
          ? { packet: { ...packet, ...more } }
          : { packet: { ...packet, ...more, granted: codesOf(packet, asked, connection) } }
      })
    })
  },
})

function isList(codes: readonly number[] | ReadonlyMap<string, number>): codes is readonly number[] {
  return Array.isArray(codes)
}

function filtersOf(packet: Packet): readonly string[] {
  if (packet.cmd === 'subscribe') return packet.subscriptions.map(({ topic }) => topic)
  return packet.cmd === 'unsubscribe' ? packet.unsubscriptions : []
}

function qosOf(level: number): 0 | 1 | 2 {
  return level <= 0 ? 0 : level === 1 ? 1 : 2
}
