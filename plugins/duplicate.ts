import { type Connection, definePlugin, option, type Packet, type Step, type StepInput, selected, selection } from '../src/index.ts'

const fromServer = ['publish', 'connack', 'puback', 'pubrec', 'pubrel', 'pubcomp', 'suback', 'unsuback', 'pingresp', 'auth', 'disconnect'] as const

/**
 * Packets of the server come more than once.
 *
 *     duplicate()                                          every message twice, under the same packet id
 *     duplicate({ qos: 0, every: 10 })                     every tenth message of QoS 0, which a client takes for a second one
 *     duplicate({ packetId: 'new' })                       at least once, as some servers do: two deliveries of one message
 *     duplicate({ packets: 'puback', delay: '1s' })        the second PUBACK may hit another PUBLISH that has the id by then
 *     duplicate({ packets: 'connack', delay: '5s' })       a second CONNACK in the middle of the connection [MQTT-3.2.0-2]
 *
 * A copy of a message of QoS 2 with the same id must not reach the application [MQTT-4.3.3-10]; one of QoS 1 does. What a
 * client acknowledges once more because of it is not held against the client.
 */
export const duplicate = definePlugin({
  meta: {
    name: 'duplicate',
    api: 1,
    group: 'general',
    summary: 'Packets come twice, or more often: messages, acknowledgements, CONNACK.',
    spec: ['MQTT-4.3.2-5', 'MQTT-4.3.3-10', 'MQTT-3.3.1-1', 'MQTT-3.3.1-3', 'MQTT-3.2.0-2'],
    finds: 'clients that hand a message of QoS 2 out twice, or let an answer that they had already end something else',
    seenIn: [
      'https://github.com/mqttjs/MQTT.js/pull/2064',
      'https://github.com/eclipse-mosquitto/mosquitto/issues/1751',
      'https://github.com/dotnet/MQTTnet/issues/970',
    ],
  },
  options: {
    packets: option.packets('which packets come again', fromServer, ['publish']),
    times: option.count('how many copies of each there are', 1, { min: 1 }),
    delay: option.duration('the wait in front of each copy', 0),
    packetId: option.choice(
      'the copy of a message of QoS 1 or 2 has the same packet id, or a new one as a delivery of its own, where the receive maximum has room',
      ['same', 'new'],
      'same',
    ),
    asDup: option.flag('the copy of a message of QoS 1 or 2 has DUP set', false),
    ...selection,
  },
  check({ packets, packetId, asDup }) {
    if (packets.length === 0) return "option 'packets' is empty: nothing would come twice"
    if (!packets.includes('publish') && (packetId === 'new' || asDup)) return "options 'packetId' and 'asDup' are about messages: packets publish"
    return undefined
  },
  setup({ hooks, on }, { packets, times, delay, packetId, asDup, ...which }) {
    on(hooks.send, selected(which, { cmd: packets }), (steps, cause, connection) => {
      const originals = steps.filter((step) => isOne(step, packets))
      const copies: StepInput[] = []
      for (let copy = 0; copy < times; copy++) {
        if (delay > 0) copies.push({ wait: delay })
        for (const { packet } of originals) {
          if (packet.cmd !== 'publish' || packet.qos === 0) {
            forgive(connection, packet)
            copies.push({ packet })
            continue
          }
          const { session } = connection
          if (packetId === 'same' || cause.delivery === undefined || session === undefined) {
            forgive(connection, packet)
            copies.push({ packet: { ...packet, dup: asDup || packet.dup } })
            continue
          }
          const messageId = session.inFlight.size < session.limits.receiveMaximum ? session.assign(cause.delivery) : undefined
          if (messageId !== undefined) copies.push({ packet: { ...packet, messageId, dup: asDup } })
        }
      }
      return [...steps, ...copies]
    })
  },
})

type PacketStep = Extract<Step, { packet: Packet }>

function isOne(step: Step, packets: readonly string[]): step is PacketStep {
  return 'packet' in step && packets.includes(step.packet.cmd)
}

/** What a client says to a copy when the id is over by then is right: for QoS 2, PUBREC and PUBCOMP. */
function forgive(connection: Connection, packet: Packet): void {
  if (packet.cmd === 'publish' && packet.messageId !== undefined) connection.forgive(packet.messageId, packet.qos)
  else if (packet.cmd === 'pubrec' || packet.cmd === 'pubrel') connection.forgive(packet.messageId, 1)
}
