import { type ConnectPacket, decide, definePlugin, option, topicMatches } from '../src/index.ts'

/** The numbers that CONNECT says. Where it leaves one out, it means the protocol's default; of MQTT 5 alone where that is said. */
const limits = {
  topicAliasMaximum: option.optional(option.count('the topic alias maximum; 0 where it is left out', 0)),
  receiveMaximum: option.optional(option.count('the receive maximum; 65535 where it is left out', 65_535)),
  maximumPacketSize: option.optional(option.count('the maximum packet size in bytes; without end where it is left out', 0)),
  sessionExpiryInterval: option.optional(option.count('the session expiry interval in seconds; 0 where it is left out', 0)),
  userProperties: option.optional(option.count('how many names of user properties', 0)),
  keepalive: option.optional(option.count('the keep-alive in seconds; 0 is without end', 0)),
  willQos: option.optional(option.count('the QoS of the will', 0)),
  willSize: option.optional(option.count('the bytes of the payload of the will', 0)),
  willDelay: option.optional(option.count('the will delay interval in seconds', 0)),
  willTopicSize: option.optional(option.count('the bytes of the topic of the will', 0)),
} as const

type Limit = keyof typeof limits
const limitNames: readonly Limit[] = Object.keys(limits).filter((name): name is Limit => name in limits)

/** What a CONNECT may have. */
const traits = [
  'will',
  'retained-will',
  'empty-will',
  'clean',
  'kept-session',
  'username',
  'password',
  'bridge',
  'user-properties',
  'request-response',
] as const

/**
 * CONNECT is refused for what it says, as some brokers do: for a topic alias maximum that is too high, a user property, or a will.
 *
 *     connectVeto({ above: { topicAliasMaximum: 10 } })                       as BifroMQ
 *     connectVeto({ has: ['user-properties'], answer: 'not-authorized' })     as Azure Event Grid
 *     connectVeto({ above: { willSize: 1024, willQos: 1 }, willTopic: ['$SYS/#'], answer: 'accept' })
 *     connectVeto({ willDelayMaximum: '5m' })                                 nobody is refused; a will waits five minutes at most
 *
 * Everything that is given is a reason of its own to refuse; list the plugin twice for different answers. With the answer 'accept'
 * the client gets in, but its will is dropped where that is what was wrong. What only MQTT 5 has is not looked at before it.
 */
export const connectVeto = definePlugin({
  meta: {
    name: 'connect-veto',
    api: 1,
    group: 'sessions',
    summary: 'CONNECT is refused for one of its properties, its will, its keep-alive or its flags; wills wait longer or shorter than they should.',
    spec: ['MQTT-3.1.4-2', 'MQTT-3.1.2-8', 'MQTT-3.1.3-9', 'MQTT-3.2.2-12', 'MQTT-3.2.2-13'],
    finds: 'clients that offer more than a server takes, and neither say why they are refused nor come back with less',
    seenIn: ['https://github.com/mqttjs/MQTT.js/issues/1947', 'https://github.com/emqx/CocoaMQTT/pull/688'],
  },
  options: {
    above: option.object('numbers of which more is refused', limits, {}),
    below: option.object('numbers of which less is refused', limits, {}),
    has: option.list(option.choice('something that CONNECT has', traits, 'will'), 'who has one of these is refused', []),
    lacks: option.list(option.choice('something that CONNECT has not', traits, 'will'), 'who does not have one of these is refused', []),
    willTopic: option.list(option.text('a topic filter', '#'), 'wills with a topic that matches one of these are refused', []),
    answer: option.answer('what a CONNECT gets that is refused; accept drops the will instead', 'implementation-specific-error'),
    willDelayMinimum: option.optional(option.duration('how long a will waits at least, whatever the client asked for', 0)),
    willDelayMaximum: option.optional(option.duration('how long it waits at most', 0)),
  },
  check({ above, below, has, lacks, willTopic, willDelayMinimum, willDelayMaximum }) {
    const isLimited = limitNames.some((name) => above[name] !== undefined || below[name] !== undefined)
    if (!isLimited && has.length + lacks.length + willTopic.length === 0 && willDelayMinimum === undefined && willDelayMaximum === undefined)
      return "nothing is refused: give 'above', 'below', 'has', 'lacks', 'willTopic', 'willDelayMinimum' or 'willDelayMaximum'"
    const both = has.find((trait) => lacks.includes(trait))
    if (both !== undefined) return `everybody is refused, with ${both} and without`
    if (willDelayMinimum !== undefined && willDelayMaximum !== undefined && willDelayMinimum > willDelayMaximum)
      return "option 'willDelayMinimum' is more than 'willDelayMaximum'"
    return undefined
  },
  setup({ hooks, on, name }, { above, below, has, lacks, willTopic, answer, willDelayMinimum = 0, willDelayMaximum = Number.POSITIVE_INFINITY }) {
    const bounded = limitNames.filter((limit) => above[limit] !== undefined || below[limit] !== undefined)

    /** All that is wrong with a CONNECT, and whether it is about the will. */
    function problemsOf(packet: ConnectPacket): readonly Problem[] {
      const problems: Problem[] = []
      for (const limit of bounded) {
        const value = numberOf(packet, limit)
        const [least = 0, most = Number.POSITIVE_INFINITY] = [below[limit], above[limit]]
        if (value === undefined || (value >= least && value <= most)) continue
        const bounds = most === Number.POSITIVE_INFINITY ? `at least ${least}` : `${least} to ${most}`
        problems.push({
          what: `${limit} is ${value === Number.POSITIVE_INFINITY ? 'without end' : value}, and may be ${bounds}`,
          isWill: limit.startsWith('will'),
        })
      }
      const { will } = packet
      if (will !== undefined && willTopic.some((filter) => topicMatches(filter, will.topic)))
        problems.push({ what: 'the topic of the will is not allowed', isWill: true })
      for (const trait of has) if (isThere(packet, trait)) problems.push({ what: `${trait} is not allowed`, isWill: trait.endsWith('will') })
      for (const trait of lacks) if (!isThere(packet, trait)) problems.push({ what: `${trait} is required`, isWill: false })
      return problems
    }

    if (bounded.length + has.length + lacks.length + willTopic.length > 0)
      on(hooks.authorize, { kind: 'connect' }, (decision, request, connection) => {
        const problems = problemsOf(request.packet)
        if (problems[0] === undefined) return undefined
        const refused = decide(decision, answer, request, connection, problems[0].what)
        if (refused?.action === 'accept' && problems.some(({ isWill }) => isWill)) delete request.packet.will
        return refused
      })

    if (willDelayMinimum > 0 || willDelayMaximum < Number.POSITIVE_INFINITY)
      hooks.will.tap(name, (plan) => ({ ...plan, delayMs: Math.min(Math.max(plan.delayMs, willDelayMinimum), willDelayMaximum) }))
  },
})

/** Something that is wrong with a CONNECT. */
interface Problem {
  readonly what: string
  readonly isWill: boolean
}

/** A number that CONNECT says; undefined where it is about something that is not there. */
function numberOf({ protocolVersion, properties: given = {}, keepalive, will }: ConnectPacket, limit: Limit): number | undefined {
  const isNew = protocolVersion === 5
  switch (limit) {
    case 'topicAliasMaximum':
    case 'sessionExpiryInterval':
      return isNew ? (given[limit] ?? 0) : undefined
    case 'receiveMaximum':
      return isNew ? (given.receiveMaximum ?? 65_535) : undefined
    case 'maximumPacketSize':
      return isNew ? (given.maximumPacketSize ?? Number.POSITIVE_INFINITY) : undefined
    case 'userProperties':
      return isNew ? Object.keys(given.userProperties ?? {}).length : undefined
    case 'keepalive':
      return keepalive === 0 ? Number.POSITIVE_INFINITY : keepalive
    case 'willQos':
      return will?.qos
    case 'willSize':
      return will?.payload.length
    case 'willDelay':
      return will === undefined || !isNew ? undefined : (will.properties?.willDelayInterval ?? 0)
    case 'willTopicSize':
      return will === undefined ? undefined : Buffer.byteLength(will.topic)
  }
}

/** Whether a CONNECT has something. */
function isThere(
  { protocolVersion, properties: given = {}, will, clean, username, password, bridgeMode }: ConnectPacket,
  trait: (typeof traits)[number],
): boolean {
  switch (trait) {
    case 'will':
      return will !== undefined
    case 'retained-will':
      return will?.retain === true
    case 'empty-will':
      return will?.payload.length === 0
    case 'clean':
      return clean
    case 'kept-session':
      return protocolVersion === 5 ? (given.sessionExpiryInterval ?? 0) > 0 : !clean
    case 'username':
      return username !== undefined
    case 'password':
      return password !== undefined
    case 'bridge':
      return bridgeMode === true
    case 'user-properties':
      return given.userProperties !== undefined
    case 'request-response':
      return given.requestResponseInformation === true
  }
}
