import { decide, definePlugin, option } from '../src/index.ts'

const count = (about: string, min: number) => option.optional(option.count(about, 20, { min, max: 65_535 }))

/**
 * Only so many messages may be under way: from the client, towards it, or between PUBREC and PUBREL. What CONNACK announces as
 * Receive Maximum is one thing, what is enforced another.
 *
 *     inFlight({ maximum: 10 })                                             announced to MQTT 5 clients, and closed on
 *     inFlight({ maximum: 20, answer: { v3: 'allow', v5: 'quota-exceeded' }, every: 2 })   every second one beyond is refused
 *     inFlight({ announced: 5 })                                            announced, but not enforced
 *     inFlight({ window: 1 })                                               the server waits for each acknowledgement
 *
 * A message is under way from its PUBLISH until PUBACK, PUBCOMP or a PUBREC with an error has left; with ack-delay that takes its time.
 */
export const inFlight = definePlugin({
  meta: {
    name: 'in-flight',
    api: 1,
    group: 'limits',
    summary: 'Only so many messages may be under way: more are refused, or wait.',
    spec: ['MQTT-3.3.4-7', 'MQTT-3.3.4-9', 'MQTT-4.9.0-1', 'MQTT-4.9.0-2', 'MQTT-4.9.0-3', 'MQTT-4.3.3-4'],
    finds: 'clients that ignore Receive Maximum, lose the messages beyond it, or never get their quota back',
    seenIn: ['https://github.com/bytebeamio/rumqtt/issues/1060'],
  },
  options: {
    maximum: count('QoS 1 and 2 messages of the client that may be under way', 0),
    answer: option.answer('what a PUBLISH beyond the maximum gets', { v3: 'allow', v5: { disconnect: 'receive-maximum-exceeded' } }),
    every: option.count('only every so manieth message beyond the maximum gets it, on each connection; the others are taken', 1, { min: 1 }),
    announce: option.flag('CONNACK says in MQTT 5 what the maximum is', true),
    announced: count('what CONNACK says, where that is not `maximum`; 0 is illegal', 0),
    awaitingRelease: count('QoS 2 messages of the client that may wait for their PUBREL', 0),
    releaseAnswer: option.answer('what a QoS 2 PUBLISH gets when so many wait for PUBREL', 'quota-exceeded'),
    window: count('QoS 1 and 2 messages that the server has under way towards a client at most, whatever the client takes', 1),
  },
  check({ maximum, announce, announced, awaitingRelease, window }) {
    if (announced !== undefined && !announce) return "option 'announced' needs the option 'announce'"
    return [maximum, announced, awaitingRelease, window].every((one) => one === undefined)
      ? "nothing is limited: give one of the options 'maximum', 'announced', 'awaitingRelease' and 'window'"
      : undefined
  },
  setup({ hooks, on, report, name }, { maximum, answer, every, announce, announced = maximum, awaitingRelease, releaseAnswer, window }) {
    const beyond = () => ({ messages: 0 })
    const told = announce ? announced : undefined

    if (told !== undefined)
      on(hooks.authorize, { kind: 'connect' }, (decision, _request, connection) =>
        connection.version === 5 ? { ...decision, properties: { ...decision.properties, receiveMaximum: told } } : undefined,
      )

    if (maximum !== undefined || told !== undefined)
      on(hooks.authorize, { kind: 'publish', qos: [1, 2] }, (decision, request, connection) => {
        const { unanswered } = connection
        if (connection.version === 5 && unanswered > (told ?? unanswered))
          report({
            rule: 'receive-maximum-exceeded',
            message: `${unanswered} messages are unanswered, ${told} were announced`,
            statements: ['MQTT-3.3.4-7'],
            connection,
          })
        if (unanswered <= (maximum ?? unanswered)) return undefined
        const isItsTurn = connection.state(beyond).messages++ % every === 0
        return isItsTurn ? decide(decision, answer, request, connection, `${unanswered} messages are unanswered, allowed are ${maximum}`) : undefined
      })

    if (awaitingRelease !== undefined)
      on(hooks.authorize, { kind: 'publish', qos: 2 }, (decision, request, connection) =>
        (connection.session?.received.size ?? 0) >= awaitingRelease
          ? decide(decision, releaseAnswer, request, connection, 'too many messages wait for PUBREL')
          : undefined,
      )

    if (window !== undefined)
      hooks.session.tap(name, (plan) => (plan.limits.receiveMaximum > window ? { ...plan, limits: { ...plan.limits, receiveMaximum: window } } : undefined))
  },
})
