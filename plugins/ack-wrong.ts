import { type Connection, definePlugin, option, type Packet, type Step, selection } from '../src/index.ts'
import { choose, topicOf } from './internal/answered.ts'
import { idBeside, otherId } from './internal/other-id.ts'

const acknowledgements = ['puback', 'pubrec', 'pubrel', 'pubcomp', 'suback', 'unsuback'] as const

type Acknowledgement = Extract<Step, { packet: unknown }>['packet'] & { readonly cmd: (typeof acknowledgements)[number] }

/**
 * Acknowledgements come in time, but they are wrong: they have another packet id, or are of another type.
 *
 *     ackWrong({ id: 'next', nth: 3 })                          the third PUBACK is for a message that was not sent
 *     ackWrong({ packets: 'pubrec', type: 'puback' })           a QoS 2 message is acknowledged as if it were QoS 1
 *     ackWrong({ packets: 'pubrec', type: 'pubcomp' })          the exchange ends where it should begin
 *     ackWrong({ type: 'pubrec', and: 'before' })               PUBREC first, then the PUBACK that is due
 *
 * Where a wrong one comes instead, the right one never does. What a client says to a wrong one is not held against it.
 */
export const ackWrong = definePlugin({
  meta: {
    name: 'ack-wrong',
    api: 1,
    group: 'answers',
    summary: 'Acknowledgements have the wrong packet id, or are of the wrong type.',
    spec: ['MQTT-2.2.1-5', 'MQTT-2.2.1-6', 'MQTT-4.3.2-4', 'MQTT-4.3.3-4', 'MQTT-4.3.3-8', 'MQTT-3.8.4-2', 'MQTT-3.10.4-5'],
    finds: 'clients that free the wrong message, or crash, or wait for ever, when an acknowledgement is not the one they wait for',
    seenIn: ['https://github.com/dotnet/MQTTnet/issues/2145', 'https://github.com/mqttjs/MQTT.js/pull/2061', 'https://github.com/njh/ruby-mqtt/pull/158'],
  },
  options: {
    packets: option.packets('which acknowledgements are wrong', acknowledgements, ['puback']),
    id: otherId('the packet id of the wrong one'),
    type: option.optional(option.choice('the type of the wrong one', [...acknowledgements, 'connack', 'pingresp'], 'pubrec')),
    and: option.choice('whether the wrong one comes instead of the right one, or before or after it', ['instead', 'before', 'after'], 'instead'),
    ...selection,
  },
  check({ packets, id, type }) {
    if (packets.length === 0) return "option 'packets' is empty: nothing would be wrong"
    if (id === undefined && type === undefined) return "give one of the options 'id' and 'type'"
    if (id === undefined && packets.every((packet) => packet === type)) return `${type ?? ''} is the right type for ${packets.join(' and ')}`
    return id !== undefined && (type === 'connack' || type === 'pingresp') ? `${type} has no packet id` : undefined
  },
  setup(api, { packets, id, type, and, ...which }) {
    const { hooks, on } = api
    const isChosen = choose(api, packets, which)

    function wrong(right: Acknowledgement, connection: Connection): Packet {
      const messageId = id === undefined ? right.messageId : idBeside(right.messageId, id)
      const cmd = type ?? right.cmd
      // A client may go on with an exchange that it never began.
      if (cmd === 'pubrec' || cmd === 'pubrel') connection.forgive(messageId, 1)
      if (cmd === right.cmd) return { ...right, messageId }
      switch (cmd) {
        case 'pingresp':
          return { cmd }
        case 'connack':
          return { cmd, sessionPresent: false, ...(connection.version === 5 ? { reasonCode: 0 } : { returnCode: 0 }) }
        case 'suback':
        case 'unsuback':
          return { cmd, messageId, granted: ('granted' in right ? right.granted : undefined) ?? [0] }
        default:
          return { cmd, messageId }
      }
    }

    on(hooks.send, { cmd: packets, ...topicOf(which) }, (steps, { packet: asked }, connection) => {
      if (!isChosen(asked)) return undefined
      return steps.flatMap((step) => {
        if (!isAcknowledgement(step)) return [step]
        const other = { packet: wrong(step.packet, connection) }
        if (and !== 'instead') return and === 'before' ? [other, step] : [step, other]
        // For the client the exchange is over: its packet id is free.
        if (step.packet.cmd === 'pubrec' && (type === 'puback' || type === 'pubcomp')) connection.session?.received.delete(step.packet.messageId)
        return [other]
      })
    })
  },
})

function isAcknowledgement(step: Step): step is { readonly packet: Acknowledgement } {
  return 'packet' in step && acknowledgements.some((cmd) => cmd === step.packet.cmd)
}
