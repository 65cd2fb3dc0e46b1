import {
  type Connection,
  capture,
  definePlugin,
  fillJson,
  fillText,
  type Json,
  numbered,
  option,
  type PayloadInput,
  type PublishPacket,
  type QoS,
  type TemplateValues,
} from '../src/index.ts'

/** How many memories there are at most; the one that was not used for longest is forgotten. */
const remembered = 1000

const rule = option.object(
  'a rule',
  {
    topic: option.text('a topic filter for requests', '#'),
    to: option.text('the topic of the answer, a template', '{response}'),
    payload: option.payload('its payload, a template', '{payload}'),
    qos: option.count('its QoS', 0, { max: 2 }),
    retain: option.flag('whether it is retained; goes with `for: everybody`', false),
    delay: option.duration('how long after the request it comes', 0),
    times: option.optional(option.count('how often the rule answers on one connection', 1, { min: 1 })),
    properties: option.properties('properties of the answer; the texts in them are templates', {}),
    correlation: option.flag('whether it has the correlation data of the request', true),
    for: option.choice('who gets it, of those who subscribed: the client that asked, or everybody', ['requester', 'everybody'], 'requester'),
    consume: option.flag('whether the request goes no further, to no subscriber', false),
    memory: option.optional(option.text('the name of a memory, a template', '{1}')),
    merge: option.flag('whether the JSON of the request is merged into that memory first; null deletes a key', false),
  },
  {},
)

/**
 * Requests get an answer, as if there were a service behind the broker: device twins, shadows, remote calls, `/get` topics.
 *
 *     responder()                          whoever names a Response Topic hears an echo there
 *     responder({ rules: [{ topic: '$iothub/twin/GET/#', to: '$iothub/twin/res/200/{1}', payload: { json: { desired: {} } } }] })
 *     responder({ rules: [
 *       { topic: 'things/+/update', memory: '{1}', merge: true, to: 'things/{1}/update/accepted' },
 *       { topic: 'things/+/get', memory: '{1}', to: 'things/{1}/get/accepted', payload: { json: { state: '{memory}' } } },
 *     ] })
 *
 * Templates know {clientId}, {username}, {topic}, {payload}, {json.any.key} of a JSON payload, {1}, {2}, ... for the wildcards of
 * `topic`, {response} and {correlation} of MQTT 5, {count} of this rule on the connection, {time} in milliseconds, and {memory}.
 * Every rule whose filter matches answers, in order. A rule whose answer would go to {response} is for requests that name one.
 */
export const responder = definePlugin({
  meta: {
    name: 'responder',
    api: 1,
    group: 'deliveries',
    summary: 'Messages on some topics are answered, as by a service behind the broker.',
    spec: ['MQTT-3.3.2-13', 'MQTT-3.3.2-14', 'MQTT-3.3.2-15', 'MQTT-3.3.2-16'],
    finds: 'clients that cannot tell answers apart, miss one that comes at once or late, or wait for ever for one that does not come',
  },
  options: { rules: option.list(rule, 'what is answered, and how', [{}]) },
  check({ rules }) {
    if (rules.length === 0) return "option 'rules' is empty: nothing would be answered"
    if (rules.some(({ merge, memory }) => merge && memory === undefined)) return "'merge' goes with 'memory'"
    return rules.some(({ retain, for: whom }) => retain && whom === 'requester') ? "an answer that is retained is for everybody: 'for'" : undefined
  },
  setup({ hooks, on, clock, server, acted, log }, { rules }) {
    const counts = () => rules.map(() => 0)
    const memories = new Map<string, Json>()

    function remember(name: string, merged: Json | undefined): Json {
      const memory = merged === undefined ? (memories.get(name) ?? {}) : merge(memories.get(name) ?? {}, merged)
      memories.delete(name)
      memories.set(name, memory)
      const [oldest] = memories.size > remembered ? memories.keys() : []
      if (oldest !== undefined) memories.delete(oldest)
      return memory
    }

    /** Answers one rule; returns whether it did. */
    function answer(index: number, topic: string, packet: PublishPacket, connection: Connection): boolean {
      const chosen = rules[index]
      const captures = chosen === undefined ? undefined : capture(chosen.topic, topic)
      if (chosen === undefined || captures === undefined) return false
      const { responseTopic, correlationData } = packet.properties ?? {}
      const state = connection.state(counts)
      const count = (state[index] ?? 0) + 1
      if ((chosen.to.includes('{response}') && responseTopic === undefined) || count > (chosen.times ?? count)) return false
      state[index] = count
      const payload = packet.payload.toString()
      const values: { [name: string]: Json | undefined } = {
        ...numbered(captures),
        clientId: connection.clientId ?? '',
        username: connection.connect?.username ?? '',
        topic,
        payload,
        json: parsed(payload),
        response: responseTopic,
        correlation: correlationData?.toString(),
        count,
        time: clock.wallTime(),
      }
      if (chosen.memory !== undefined) values.memory = remember(fillText(chosen.memory, values), chosen.merge ? values.json : undefined)
      const to = fillText(chosen.to, values)
      if (to === '' || /[+#\0]/.test(to)) {
        log.warn(`no answer goes to '${to}', which is no topic`, connection)
        return false
      }
      const { userProperties, responseTopic: onward, contentType, ...rest } = chosen.properties
      const message = {
        topic: to,
        payload: filled(chosen.payload, values),
        qos: levelOf(chosen.qos),
        retain: chosen.retain,
        properties: {
          ...rest,
          ...(chosen.correlation && correlationData !== undefined && { correlationData }),
          ...(onward !== undefined && { responseTopic: fillText(onward, values) }),
          ...(contentType !== undefined && { contentType: fillText(contentType, values) }),
          ...(userProperties !== undefined && { userProperties: filledTexts(userProperties, values) }),
        },
        ...(chosen.for === 'requester' && { to: connection.clientId ?? '' }),
      }
      const publish = () => {
        try {
          server.publish(message)
          acted(`answered ${topic} on ${to}`, connection)
        } catch (error) {
          log.error(`${topic} is not answered: ${error instanceof Error ? error.message : String(error)}`, connection)
        }
      }
      // Behind the acknowledgement of the request.
      if (chosen.delay === 0) queueMicrotask(publish)
      else clock.after(chosen.delay, publish)
      return true
    }

    // Behind the other plugins: what they refuse is not answered.
    on(hooks.authorize, { kind: 'publish', topic: rules.map(({ topic }) => topic), stage: 900 }, (decision, { topic, packet }, connection) => {
      const { reasonCode, action = 'answer' } = decision
      if (reasonCode >= 0x80 || action !== 'answer') return undefined
      const isConsumed = rules.map((one, index) => answer(index, topic, packet, connection) && one.consume).some((consumed) => consumed)
      return isConsumed ? { ...decision, action: 'accept' as const } : undefined
    })
  },
})

function levelOf(qos: number): QoS {
  return qos === 2 ? 2 : qos === 1 ? 1 : 0
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function filled(payload: PayloadInput, values: TemplateValues): PayloadInput {
  if (typeof payload === 'string') return fillText(payload, values)
  return 'json' in payload ? { json: fillJson(parsed(JSON.stringify(payload.json) ?? 'null') ?? null, values) } : payload
}

function filledTexts(texts: { readonly [name: string]: string | readonly string[] }, values: TemplateValues): { [name: string]: string | string[] } {
  return Object.fromEntries(
    Object.entries(texts).map(([name, text]) => [name, typeof text === 'string' ? fillText(text, values) : text.map((one) => fillText(one, values))]),
  )
}

function isObject(value: Json): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A JSON value with another one merged into it (RFC 7396): null deletes a key. */
function merge(old: Json, patch: Json): Json {
  if (!isObject(patch)) return patch
  const merged = new Map(Object.entries(isObject(old) ? old : {}))
  for (const [key, value] of Object.entries(patch))
    if (value === null) merged.delete(key)
    else merged.set(key, merge(merged.get(key) ?? null, value))
  return Object.fromEntries(merged)
}
