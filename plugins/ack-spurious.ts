import { type Connection, definePlugin, option, type StepInput, selected, selection } from '../src/index.ts'

const unasked = ['puback', 'pubrec', 'pubrel', 'pubcomp', 'suback', 'unsuback', 'connack', 'pingresp'] as const

/**
 * Acknowledgements that nobody asked for.
 *
 *     ackSpurious()                                              PUBACK 4242 right behind CONNACK
 *     ackSpurious({ at: 'publish', id: 'same', count: 2 })       two more acknowledgements for each message
 *     ackSpurious({ packets: 'connack', at: 'subscribe' })       a second CONNACK behind SUBACK
 *     ackSpurious({ packets: 'pingresp', interval: '10s', count: 1000 })
 *
 * A client that answers with the very packet at which they come, such as its SUBSCRIBE again at each CONNACK, would never rest:
 * where that can be, they come at the first ten packets of a connection, unless `rounds` says otherwise.
 *
 * What a client says to one is not held against it.
 */
export const ackSpurious = definePlugin({
  meta: {
    name: 'ack-spurious',
    api: 1,
    group: 'answers',
    summary: 'Acknowledgements come that nobody asked for, also PINGRESP and CONNACK.',
    spec: ['MQTT-2.2.1-5', 'MQTT-2.2.1-6', 'MQTT-3.2.0-2', 'MQTT-3.12.4-1', 'MQTT-4.3.3-4'],
    finds: 'clients that crash at an acknowledgement they do not wait for, or take it for another one',
    seenIn: ['https://github.com/njh/ruby-mqtt/pull/158', 'https://github.com/mqttjs/MQTT.js/pull/2064', 'https://github.com/dotnet/MQTTnet/issues/2145'],
  },
  options: {
    packets: option.packets('which acknowledgements, one of each, in this order', unasked, ['puback']),
    id: option.either(
      option.choice('a place', ['same'], 'same'),
      option.list(option.count('a packet id', 1, { max: 65_535 }), 'packet ids', []),
      'the packet id, or several: one round for each; same is that of the packet at which they come',
      4242,
    ),
    reasonCode: option.reasonCode('the code that they carry', 'success'),
    at: option.list(
      option.choice('a packet type', ['connect', 'publish', 'puback', 'pubrec', 'pubrel', 'pubcomp', 'subscribe', 'unsubscribe', 'pingreq'], 'connect'),
      'at which packets of the client they come',
      ['connect'],
    ),
    when: option.choice('before the packet is handled, or after it was answered', ['before', 'after'], 'after'),
    delay: option.duration('how long after that', 0),
    count: option.count('how often they come', 1, { min: 1, max: 10_000 }),
    interval: option.duration('how long each time comes after the one before', 0),
    rounds: option.optional(
      option.count('at how many packets of a connection they come; at all unless given, but at 10 where a client may answer with such a packet', 10, {
        min: 1,
      }),
    ),
    ...selection,
  },
  check({ packets, id, at, when, delay, count, interval }) {
    if (packets.length === 0) return "option 'packets' is empty: nothing would come"
    if (at.length === 0) return "option 'at' is empty: nothing would come"
    if (id === 'same' && at.every((cmd) => cmd === 'connect' || cmd === 'pingreq')) return `${at.join(' and ')} has no packet id: give 'id' a number`
    if (when === 'before' && delay > 0) return "option 'delay' goes with when after"
    return count === 1 && interval > 0 ? "option 'interval' goes with 'count'" : undefined
  },
  setup({ hooks, on, play }, { packets, id, reasonCode, at, when, delay, count, interval, rounds, ...which }) {
    const most = rounds ?? (mayLoop(packets, at) ? 10 : Number.POSITIVE_INFINITY)
    const course = () => ({ rounds: 0 })

    function spurious(cmd: (typeof unasked)[number], messageId: number, { version }: Connection): StepInput {
      switch (cmd) {
        case 'pingresp':
          return { packet: { cmd } }
        case 'connack':
          return { packet: { cmd, ...(version === 5 ? { reasonCode } : { returnCode: reasonCode }) } }
        case 'suback':
        case 'unsuback':
          return { packet: { cmd, messageId, granted: [reasonCode] } }
        default:
          return { packet: { cmd, messageId, reasonCode } }
      }
    }

    function roundFor(messageId: number | undefined, connection: Connection): readonly StepInput[] {
      const ids = id === 'same' ? [messageId] : id
      return ids.flatMap((one) =>
        packets.flatMap((cmd) => {
          if (cmd === 'pingresp' || cmd === 'connack') return [spurious(cmd, 0, connection)]
          if (one === undefined) return []
          // A client may go on with an exchange that it never began.
          if (cmd === 'pubrec' || cmd === 'pubrel') connection.forgive(one, count)
          return [spurious(cmd, one, connection)]
        }),
      )
    }

    on(hooks.packetIn, selected(which, { cmd: at }), (packet, connection) => {
      const state = connection.state(course)
      if (state.rounds >= most) return undefined
      const round = roundFor('messageId' in packet ? packet.messageId : undefined, connection)
      if (round.length === 0) return undefined
      state.rounds++
      const together = interval > 0 ? 1 : count
      const first = Array.from({ length: together }, () => round).flat()
      const later = Array.from({ length: count - together }, (): StepInput[] => [{ wait: interval }, ...round]).flat()
      if (when === 'after' && delay === 0) {
        if (later.length > 0) play(connection, later)
        return [{ pass: true }, ...first]
      }
      play(connection, [{ wait: delay }, ...first, ...later])
      return undefined
    })
  },
})

/** Whether what comes can make a client say again what it comes at: CONNACK all that it says then, PUBREC its PUBREL, PUBREL its PUBCOMP. */
function mayLoop(packets: readonly string[], at: readonly string[]): boolean {
  if (packets.includes('connack') && at.some((cmd) => cmd !== 'connect' && cmd !== 'pingreq')) return true
  return (packets.includes('pubrec') && at.includes('pubrel')) || (packets.includes('pubrel') && at.includes('pubcomp'))
}
