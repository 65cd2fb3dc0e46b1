import { type Answers, type AuthorizeRequest, type Connection, type Decision, decide, definePlugin, option } from '../src/index.ts'

const atMost = (about: string, most: number) => option.optional(option.count(about, most, { min: 0 }))

/**
 * Topics and filters may only be so long, so deep, or made of some characters. A PUBLISH to a topic with wildcards, which is
 * malformed [MQTT-3.3.2-2], may get another answer than the end of the connection.
 *
 *     topicLimits({ bytes: 256, levels: 8, notCounted: ['$aws/rules/+/', '$share/+/'], answer: 'close' })
 *     topicLimits({ levels: 10, levelBytes: 40, pattern: '[ -~]*', publishAnswer: 'topic-name-invalid' })
 *     topicLimits({ wildcards: 'accept' })               a PUBLISH to 'a/#' is acknowledged, and lost
 */
export const topicLimits = definePlugin({
  meta: {
    name: 'topic-limits',
    api: 1,
    group: 'limits',
    summary: 'Topics that are too long, too deep or have forbidden characters are refused.',
    spec: ['MQTT-4.7.3-3', 'MQTT-3.3.2-2', 'MQTT-4.7.0-1', 'MQTT-3.3.5-2', 'MQTT-3.8.4-5'],
    finds: 'clients that repeat a message with a refused topic for ever, or let topics pass that some servers close the connection for',
    seenIn: [
      'https://github.com/GoogleCloudPlatform/google-cloud-iot-arduino/issues/208',
      'https://github.com/GoogleCloudPlatform/iot-device-sdk-embedded-c/issues/75',
    ],
  },
  options: {
    bytes: atMost('the longest topic or filter, in bytes', 256),
    levels: atMost('the deepest topic or filter, in levels: a/b has 2', 8),
    levelBytes: atMost('the longest level of a topic or filter, in bytes', 40),
    pattern: option.optional(option.text('a regular expression that topics and filters must fit as a whole', '[a-z/]*')),
    forbidden: option.text('characters that topics and filters may not have', ''),
    notCounted: option.list(
      option.text('a prefix, in which + stands for any level', '$share/+/'),
      'the first of these prefixes that a topic or filter has is taken off before it is looked at',
      ['$share/+/'],
    ),
    of: option.list(option.choice('a use of topics', ['publish', 'subscribe', 'unsubscribe', 'will'], 'publish'), 'what is looked at', [
      'publish',
      'subscribe',
      'will',
    ]),
    publishAnswer: option.answer('what a PUBLISH gets', { v3: 'close', v5: 'topic-name-invalid' }),
    subscribeAnswer: option.answer('what a filter in SUBSCRIBE or UNSUBSCRIBE gets', 'topic-filter-invalid'),
    willAnswer: option.answer('what a CONNECT with such a will topic gets', 'topic-name-invalid'),
    wildcards: option.optional(
      option.answer('what a PUBLISH to a topic with wildcards gets; allow treats them as plain characters; DISCONNECT as malformed unless given', 'accept'),
    ),
  },
  check({ bytes, levels, levelBytes, pattern, forbidden, of, wildcards }) {
    if (pattern !== undefined && regularExpression(pattern) === undefined) return `option 'pattern': '${pattern}' is no regular expression`
    const looksAt = [bytes, levels, levelBytes, pattern].some((one) => one !== undefined) || forbidden !== ''
    if (!looksAt && wildcards === undefined)
      return "nothing is limited: give one of the options 'bytes', 'levels', 'levelBytes', 'pattern', 'forbidden' and 'wildcards'"
    return looksAt && of.length === 0 ? "option 'of' names nothing to look at" : undefined
  },
  setup({ hooks, on }, options) {
    const { bytes = Number.POSITIVE_INFINITY, levels = Number.POSITIVE_INFINITY, levelBytes = Number.POSITIVE_INFINITY, forbidden, notCounted, of } = options
    const { publishAnswer, subscribeAnswer, willAnswer, wildcards } = options
    const pattern = options.pattern === undefined ? undefined : regularExpression(options.pattern)
    const prefixes = notCounted.map((prefix) => new RegExp(`^${prefix.split('+').map(escaped).join('[^/]*')}`))
    const looksAt = Number.isFinite(bytes) || Number.isFinite(levels) || Number.isFinite(levelBytes) || pattern !== undefined || forbidden !== ''

    /** What is wrong with a topic, in a few words. */
    function fault(whole: string): string | undefined {
      const prefix = prefixes.find((one) => one.test(whole))
      const topic = prefix === undefined ? whole : whole.replace(prefix, '')
      const parts = topic.split('/')
      if (Buffer.byteLength(topic) > bytes) return `the topic is longer than ${bytes} bytes`
      if (parts.length > levels) return `the topic has more than ${levels} levels`
      if (parts.some((level) => Buffer.byteLength(level) > levelBytes)) return `a level of the topic is longer than ${levelBytes} bytes`
      if (pattern?.test(topic) === false || [...forbidden].some((character) => topic.includes(character)))
        return 'the topic has characters that are not allowed'
      return undefined
    }

    const refuse = (topic: string, answers: Answers, decision: Decision, request: AuthorizeRequest, connection: Connection) => {
      const found = fault(topic)
      return found === undefined ? undefined : decide(decision, answers, request, connection, found)
    }

    if (looksAt && of.includes('publish'))
      on(hooks.authorize, { kind: 'publish' }, (decision, request, connection) => refuse(request.topic, publishAnswer, decision, request, connection))
    if (looksAt)
      for (const kind of ['subscribe', 'unsubscribe'] as const)
        if (of.includes(kind))
          on(hooks.authorize, { kind }, (decision, request, connection) => refuse(request.topic, subscribeAnswer, decision, request, connection))
    if (looksAt && of.includes('will'))
      on(hooks.authorize, { kind: 'connect' }, (decision, request, connection) => {
        const { will } = request.packet
        return will === undefined ? undefined : refuse(will.topic, willAnswer, decision, request, connection)
      })

    if (wildcards !== undefined) {
      // The broker goes on with the packet, and the answer stands below. A CONNECT with such a will cannot go on.
      on(hooks.violation, { kind: 'publish-topic-wildcard' }, (_violation, { phase }) => (phase === 'connected' ? 'warn' : undefined))
      on(hooks.authorize, { kind: 'publish' }, (decision, request, connection) =>
        /[+#]/.test(request.topic) ? decide(decision, wildcards, request, connection, 'the topic has wildcards') : undefined,
      )
    }
  },
})

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

function regularExpression(pattern: string): RegExp | undefined {
  try {
    return new RegExp(`^(?:${pattern})$`, 'su')
  } catch {
    return undefined
  }
}
