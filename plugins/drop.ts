import { type Command, commands, definePlugin, option, type Packet, selected, selection } from '../src/index.ts'

const fromClient: readonly Command[] = ['connect', 'subscribe', 'unsubscribe', 'pingreq']
const fromServer: readonly Command[] = ['connack', 'suback', 'unsuback', 'pingresp']

/**
 * Packets get lost, although the connection stands: as in a server that forgets, or a gateway that throws away.
 *
 *     drop({ packets: 'puback', nth: 2 })                     the second PUBLISH is taken, but never acknowledged
 *     drop({ packets: 'pingresp' })                           the server looks dead to a client that asks
 *     drop({ packets: 'connack' })                            the client is connected, and never hears of it
 *     drop({ every: 3 })                                      every third message does not arrive, and comes after a reconnect
 *     drop({ qos: 1, lose: 'for-good' })                      messages of QoS 1 never arrive, although they were promised
 *     drop({ direction: 'in', packets: 'publish' })           what the client publishes never was; nor is it acknowledged
 *
 * A message of QoS 1 or 2 that is lost on the wire stays in flight: it takes up room of the client's receive maximum, and is
 * sent again on the next connection of the session [MQTT-4.4.0-1].
 */
export const drop = definePlugin({
  meta: {
    name: 'drop',
    api: 1,
    group: 'general',
    summary: 'Packets get lost on their way, in either direction.',
    spec: ['MQTT-4.3.2-4', 'MQTT-4.4.0-1', 'MQTT-3.2.0-1', 'MQTT-3.8.4-1', 'MQTT-3.12.4-1'],
    finds: 'clients that wait for ever for an answer, never free a packet id, or do not notice that a message is missing',
    seenIn: [
      'https://github.com/eclipse-paho/paho.mqtt.java/issues/1028',
      'https://github.com/emqx/qmqtt/pull/140',
      'https://github.com/wolfSSL/wolfMQTT/issues/507',
    ],
  },
  options: {
    packets: option.list(option.choice('a packet type', commands, 'publish'), 'which packets get lost', ['publish']),
    direction: option.choice('whose packets: out is the server, in the client', ['out', 'in'], 'out'),
    lose: option.choice(
      'what becomes of a message of QoS 1 or 2 for the client: lost on-the-wire it comes again after a reconnect; for-good the server counts it as delivered',
      ['on-the-wire', 'for-good'],
      'on-the-wire',
    ),
    after: option.duration('packets get lost only so long after their connection was accepted', 0),
    time: option.optional(option.duration('and for so long; to the end unless given', '10s')),
    ...selection,
  },
  check({ packets, direction, lose }) {
    if (packets.length === 0) return "option 'packets' is empty: nothing would get lost"
    const wrong = packets.find((cmd) => (direction === 'out' ? fromClient : fromServer).includes(cmd))
    if (wrong !== undefined) return direction === 'out' ? `only a client sends ${wrong}: take direction in` : `only a server sends ${wrong}: take direction out`
    if (lose === 'for-good' && (direction === 'in' || !packets.includes('publish')))
      return "option 'lose' is about messages for the client: packets publish, direction out"
    return undefined
  },
  setup({ hooks, on, clock }, { packets, direction, lose, after, time, ...which }) {
    const isTime = ({ openedMs }: { readonly openedMs: number }) => {
      const age = clock.now() - openedMs
      return age >= after && (time === undefined || age < after + time)
    }
    const filter = selected(which, { cmd: packets })
    if (direction === 'in') {
      on(hooks.packetIn, filter, (_packet, connection) => (isTime(connection) ? [] : undefined))
      return
    }
    on(hooks.send, filter, (steps, cause, connection) => {
      if (!isTime(connection)) return undefined
      if (lose === 'for-good' && cause.delivery !== undefined)
        for (const id of steps.map(deliveryId)) if (id !== undefined) connection.session?.acknowledged(id)
      // What another plugin has put beside them is not lost.
      return steps.filter((step) => !('packet' in step && packets.includes(step.packet.cmd)))
    })
  },
})

/** The packet id of a step that is a message of QoS 1 or 2. */
function deliveryId(step: { readonly packet?: Packet } | object): number | undefined {
  return 'packet' in step && step.packet?.cmd === 'publish' && step.packet.qos > 0 ? step.packet.messageId : undefined
}
