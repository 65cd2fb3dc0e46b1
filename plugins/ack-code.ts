import { definePlugin, option, reasonCodes, type Step, selection } from '../src/index.ts'
import { choose, topicOf } from './internal/answered.ts'

const acknowledgements = ['puback', 'pubrec', 'pubrel', 'pubcomp'] as const

type Acknowledgement = Extract<Step, { packet: unknown }>['packet'] & { readonly cmd: (typeof acknowledgements)[number] }

/**
 * Acknowledgements carry a reason code, properties, or another of their legal forms (MQTT 5). A message that is refused by
 * code goes nowhere, unless `effect` says otherwise; MQTT 3 clients feel the effect, but cannot be told.
 *
 *     ackCode({ reasonCode: 'quota-exceeded', every: 3 })             every third message is refused
 *     ackCode({ packets: 'puback', form: 'full' })                    a reason code and no properties, in words
 *     ackCode({ reasonCode: 'not-authorized', effect: 'taken' })      refused, it says, but everybody gets the message
 *     ackCode({ effect: 'refused' })                                  taken, it says, but nobody gets it
 *     ackCode({ noSubscribers: 'neither' })                           success where 0x10 would be said
 */
export const ackCode = definePlugin({
  meta: {
    name: 'ack-code',
    api: 1,
    group: 'answers',
    summary: 'Acknowledgements have a reason code or properties, or another of their legal lengths.',
    spec: ['MQTT-3.4.2-1', 'MQTT-3.5.2-1', 'MQTT-3.6.2-1', 'MQTT-3.7.2-1', 'MQTT-4.3.3-4', 'MQTT-4.3.3-9', 'MQTT-3.4.2-2', 'MQTT-3.5.2-2'],
    finds: 'clients that take every acknowledgement for a success, or read only one form of it',
    seenIn: [
      'https://github.com/bytebeamio/rumqtt/issues/1060',
      'https://github.com/faststream-community/zMQTT/issues/65',
      'https://github.com/mqttjs/MQTT.js/issues/1511',
    ],
  },
  options: {
    packets: option.packets('which acknowledgements', acknowledgements, ['puback', 'pubrec']),
    reasonCode: option.optional(option.reasonCode('the reason code', 'not-authorized')),
    properties: option.optional(option.properties('properties that they get, such as reasonString, also where the client wants none', {})),
    form: option.optional(
      option.choice(
        'the form: short ends with the packet id, whatever the reason code, code with the reason code, full has properties also where there are none',
        ['short', 'code', 'full'],
        'full',
      ),
    ),
    effect: option.optional(
      option.choice('whether the message is routed: taken or refused; unless given, what a code refuses is not', ['taken', 'refused'], 'taken'),
    ),
    noSubscribers: option.optional(
      option.choice('who says no-matching-subscribers where nobody gets the message; PUBACK unless given', ['puback', 'pubrec', 'both', 'neither'], 'neither'),
    ),
    ...selection,
  },
  check({ packets, reasonCode, properties, form, effect, noSubscribers }) {
    if (packets.length === 0) return "option 'packets' is empty: nothing would change"
    if ((reasonCode ?? properties ?? form ?? effect ?? noSubscribers) === undefined)
      return "give one of the options 'reasonCode', 'properties', 'form', 'effect' and 'noSubscribers'"
    if (form !== undefined && form !== 'full' && properties !== undefined) return `form ${form} has no room for 'properties'`
    if (reasonCode !== undefined && noSubscribers !== undefined) return "option 'noSubscribers' says nothing beside 'reasonCode'"
    const answersMessages = packets.includes('puback') || packets.includes('pubrec')
    if ((effect ?? noSubscribers) !== undefined && !answersMessages)
      return `option '${effect === undefined ? 'noSubscribers' : 'effect'}' is about PUBACK and PUBREC`
    if (effect === 'taken' && (reasonCode ?? 0) < 0x80) return "effect taken goes with a 'reasonCode' that refuses"
    return undefined
  },
  setup(api, { packets, reasonCode, properties, form, effect, noSubscribers, ...which }) {
    const { hooks, on } = api
    const isChosen = choose(api, packets, which)
    const refuses = reasonCode !== undefined && reasonCode >= 0x80

    if (effect !== undefined || refuses)
      on(hooks.authorize, { kind: 'publish', ...topicOf(which) }, (decision, { packet }) => {
        if (!isChosen(packet)) return undefined
        if (effect === 'taken') return { ...decision, reasonCode: 0, action: 'answer' }
        return refuses ? { ...decision, reasonCode, action: 'answer' } : { ...decision, reasonCode: 0, action: 'accept' }
      })

    const { 'no-matching-subscribers': nobody } = reasonCodes
    function codeOf(packet: Acknowledgement, usual: number | undefined): number | undefined {
      if (reasonCode !== undefined) return reasonCode
      if (noSubscribers === undefined || usual !== nobody) return packet.reasonCode
      return noSubscribers === 'both' || noSubscribers === packet.cmd ? nobody : 0
    }

    if ((reasonCode ?? properties ?? form ?? noSubscribers) === undefined) return
    on(hooks.send, { cmd: packets, ...topicOf(which) }, (steps, cause, connection) => {
      if (connection.version !== 5 || !isChosen(cause.packet)) return undefined
      return steps.map((step) => {
        if (!isAcknowledgement(step)) return step
        const { packet } = step
        const code = codeOf(packet, cause.reasonCode)
        // What the client reads decides whether the exchange goes on (section 4.3.3).
        if (packet.cmd === 'pubrec' && reasonCode !== undefined) connection.session?.received[(code ?? 0) >= 0x80 ? 'delete' : 'add'](packet.messageId)
        return {
          packet: {
            ...packet,
            ...(code !== undefined && { reasonCode: code }),
            ...(properties !== undefined && { properties: { ...packet.properties, ...properties } }),
            ...(form !== undefined && { form }),
          },
        }
      })
    })
  },
})

function isAcknowledgement(step: Step): step is { readonly packet: Acknowledgement } {
  return 'packet' in step && acknowledgements.some((cmd) => cmd === step.packet.cmd)
}
