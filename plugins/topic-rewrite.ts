import {
  type Connection,
  capture,
  definePlugin,
  fillText,
  numbered,
  option,
  type Packet,
  type TemplateValues,
  topicMatches,
  type UserProperties,
} from '../src/index.ts'

const rule = option.object(
  'a rule',
  {
    from: option.text('a topic filter: which topics and filters are meant', '#'),
    to: option.text('what they become, a template with {1}, {2}, ... for the wildcards, {clientId} and {username}', '{1}'),
    direction: option.choice('on the way in, from clients, or out, to them', ['in', 'out'], 'in'),
  },
  {},
)

/**
 * The server changes topics: what a client publishes arrives under another name, and what it subscribes to is something else.
 *
 *     topicRewrite({ replaceIn: { '.': '/' } })                             'd.e' comes back as 'd/e'
 *     topicRewrite({ mount: 'tenants/{username}/' })                        each has a world of its own
 *     topicRewrite({ rules: [{ from: 'old/#', to: 'new/{1}' }] })
 *     topicRewrite({ propertyBag: 'both', bagTopics: ['devices/+/messages/#'] })
 *
 * On the way in, in this order: property bag, rules, replacements, mount. On the way out, the other way round: the mount is taken
 * off first. A filter is rewritten like a topic, wildcards being levels like others; what stands behind $share/{group}/ as well.
 */
export const topicRewrite = definePlugin({
  meta: {
    name: 'topic-rewrite',
    api: 1,
    group: 'deliveries',
    summary: 'Topics change on their way: characters, a prefix for each client, properties inside of the topic, or by rules.',
    spec: ['MQTT-4.7.3-4', 'MQTT-3.3.2-3', 'MQTT-4.7.1-1'],
    finds: 'clients that look up by topic what they published or subscribed to, and do not find it',
  },
  options: {
    replaceIn: option.map(option.text('what stands there then', '/'), 'texts that are replaced in topics and filters on the way in', {}),
    replaceOut: option.map(option.text('what stands there then', '/'), 'texts that are replaced in topics on the way out', {}),
    mount: option.optional(
      option.text('a prefix that is added on the way in and taken off on the way out, a template with {clientId} and {username}', '{clientId}/'),
    ),
    rules: option.list(rule, 'what becomes of topics that match; the first rule that fits counts', []),
    propertyBag: option.optional(
      option.choice(
        'user properties as a=1&b=2 in the last level of a topic: taken out of it on the way in, put into it on the way out, or both',
        ['in', 'out', 'both'],
        'both',
      ),
    ),
    bagTopics: option.list(option.text('a topic filter', '#'), 'topics that have a property bag, without it', ['#']),
    packets: option.packets(
      'which packets of a client are changed; connect for its will',
      ['publish', 'subscribe', 'unsubscribe', 'connect'],
      ['publish', 'subscribe', 'unsubscribe', 'connect'],
    ),
  },
  check: ({ replaceIn, replaceOut, mount, rules, propertyBag }) =>
    replaceIn.size === 0 && replaceOut.size === 0 && mount === undefined && rules.length === 0 && propertyBag === undefined
      ? "give one of the options 'replaceIn', 'replaceOut', 'mount', 'rules' and 'propertyBag'"
      : undefined,
  setup({ hooks, on }, { replaceIn, replaceOut, mount, rules, propertyBag, bagTopics, packets }) {
    const known = ({ clientId, connect }: Connection): TemplateValues => ({ clientId: clientId ?? '', username: connect?.username ?? '' })
    const prefixOf = (connection: Connection) => (mount === undefined ? '' : fillText(mount, known(connection)))
    const hasBag = (topic: string) => bagTopics.some((filter) => topicMatches(filter, topic))

    function ruled(topic: string, direction: 'in' | 'out', connection: Connection): string {
      for (const { from, to, direction: way } of rules) {
        const captures = way === direction ? capture(from, topic) : undefined
        if (captures !== undefined) return fillText(to, { ...known(connection), ...numbered(captures) })
      }
      return topic
    }

    function incoming(text: string, connection: Connection): string {
      const [, share = '', topic = text] = /^(\$share\/[^/]+\/)(.*)$/s.exec(text) ?? []
      return `${share}${prefixOf(connection)}${replaced(ruled(topic, 'in', connection), replaceIn)}`
    }

    function outgoing(text: string, connection: Connection): string {
      const prefix = prefixOf(connection)
      const topic = text.startsWith(prefix) ? text.slice(prefix.length) : text
      return ruled(replaced(topic, replaceOut), 'out', connection)
    }

    function rewrite(packet: Packet, connection: Connection): void {
      switch (packet.cmd) {
        case 'publish': {
          // Nothing but an alias: its topic was rewritten when it was given.
          if (packet.topic === '') return
          const bag = propertyBag === 'in' || propertyBag === 'both' ? bagOf(packet.topic) : undefined
          if (bag !== undefined && hasBag(bag.topic)) {
            packet.topic = bag.topic
            packet.properties = { ...packet.properties, userProperties: { ...packet.properties?.userProperties, ...bag.properties } }
          }
          packet.topic = incoming(packet.topic, connection)
          return
        }
        case 'subscribe':
          if (packet.subscriptions.some(({ topic }) => incoming(topic, connection) !== topic))
            packet.subscriptions = packet.subscriptions.map((one) => ({ ...one, topic: incoming(one.topic, connection) }))
          return
        case 'unsubscribe':
          if (packet.unsubscriptions.some((topic) => incoming(topic, connection) !== topic))
            packet.unsubscriptions = packet.unsubscriptions.map((topic) => incoming(topic, connection))
          return
        case 'connect':
          if (packet.will !== undefined && incoming(packet.will.topic, connection) !== packet.will.topic)
            packet.will = { ...packet.will, topic: incoming(packet.will.topic, connection) }
          return
        default:
      }
    }

    const isIncoming = replaceIn.size > 0 || mount !== undefined || rules.some(({ direction }) => direction === 'in') || (propertyBag ?? 'out') !== 'out'
    if (isIncoming && packets.length > 0)
      on(hooks.packetIn, { cmd: packets }, (packet, connection) => {
        rewrite(packet, connection)
        return undefined
      })

    const isOutgoing = replaceOut.size > 0 || mount !== undefined || rules.some(({ direction }) => direction === 'out') || (propertyBag ?? 'in') !== 'in'
    if (isOutgoing)
      on(hooks.send, { cmd: 'publish' }, (steps, cause, connection) =>
        steps.map((step) => {
          if (!('packet' in step) || step.packet.cmd !== 'publish' || step.packet.topic === '') return step
          const topic = outgoing(step.packet.topic, connection)
          // MQTT 3 clients have no properties: what they are told, they are told in the topic.
          const bag = step.packet.properties?.userProperties ?? cause.delivery?.message.properties?.userProperties
          if (bag !== undefined && (propertyBag === 'out' || propertyBag === 'both') && hasBag(topic)) {
            const { userProperties: _told, ...properties } = step.packet.properties ?? {}
            return { packet: { ...step.packet, properties, topic: withBag(topic, bag) } }
          }
          return topic === step.packet.topic ? step : { packet: { ...step.packet, topic } }
        }),
      )
  },
})

function replaced(topic: string, texts: ReadonlyMap<string, string>): string {
  let result = topic
  for (const [text, by] of texts) if (text !== '') result = result.replaceAll(text, () => by)
  return result
}

/** What a topic is without its last level, and the properties that stand there; undefined where it has none. */
function bagOf(topic: string): { topic: string; properties: UserProperties } | undefined {
  const slash = topic.lastIndexOf('/') + 1
  const last = topic.slice(slash)
  if (slash === 0 || !last.includes('=')) return undefined
  try {
    const pairs = last.split('&').map((pair) => pair.split('=').map(decodeURIComponent))
    return { topic: topic.slice(0, slash), properties: Object.fromEntries(pairs.map(([name = '', ...value]) => [name, value.join('=')])) }
  } catch {
    // A % that is none: no bag, but a topic.
    return undefined
  }
}

function withBag(topic: string, properties: UserProperties): string {
  const pairs = Object.entries(properties).flatMap(([name, value]) => [value].flat().map((one) => `${encodeURIComponent(name)}=${encodeURIComponent(one)}`))
  return `${topic}${topic.endsWith('/') ? '' : '/'}${pairs.join('&')}`
}
