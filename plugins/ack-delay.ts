import { type Connection, definePlugin, option, selected, selection } from '../src/index.ts'

const acknowledgements = ['puback', 'pubrec', 'pubrel', 'pubcomp', 'suback', 'unsuback', 'connack', 'pingresp'] as const

/**
 * Acknowledgements come late. A client must wait for them: on the same connection it may not send again in MQTT 5
 * [MQTT-4.4.0-1], and it must keep the packet id in use until they are there [MQTT-2.2.1-3].
 *
 *     ackDelay({ delay: '2s', nth: 100 })                one of a hundred comes late
 *     ackDelay({ delay: '1s', topic: 'alarm/#' })        those of messages, and of subscriptions, on some topics
 *
 * A late CONNACK holds back everything else, since it is the first packet of a server [MQTT-3.2.0-1]. The other late packets
 * do not: messages for the client go on.
 */
export const ackDelay = definePlugin({
  meta: {
    name: 'ack-delay',
    api: 1,
    group: 'answers',
    summary: 'Acknowledgements come late.',
    spec: ['MQTT-4.4.0-1', 'MQTT-2.2.1-3', 'MQTT-4.6.0-2', 'MQTT-3.2.0-1'],
    finds: 'clients that send again, give up, or reuse a packet id while an acknowledgement is on its way',
    seenIn: [
      'https://github.com/eclipse-paho/paho.mqtt.c/issues/673',
      'https://github.com/dotnet/MQTTnet/issues/970',
      'https://github.com/novastone-media/MQTT-Client-Framework/issues/249',
    ],
  },
  options: {
    packets: option.list(option.choice('an acknowledgement', acknowledgements, 'puback'), 'which acknowledgements come late', ['puback', 'suback']),
    delay: option.duration('how long each of them waits; 0 answers at once', '200ms'),
    jitter: option.duration('up to so much is added to each wait, at random', 0),
    growth: option.duration('added to the wait for every late acknowledgement before it on the connection', 0),
    keepOrder: option.flag('late acknowledgements leave in the order of what they answer; false lets a shorter wait overtake a longer one', true),
    ...selection,
  },
  setup({ hooks, on, clock, name }, { packets, delay, jitter, growth, keepOrder, ...which }) {
    const lateness = () => ({ acknowledgements: 0, dueMs: 0 })

    /** How long the next acknowledgement of a connection waits. */
    function wait(connection: Connection): number {
      const state = connection.state(lateness)
      const chance = jitter > 0 ? connection.random(name).next() * jitter : 0
      // Once: time goes on between two looks at a real clock.
      const nowMs = clock.now()
      const dueMs = nowMs + delay + growth * state.acknowledgements++ + chance
      // The next one is not due before this one; those that are due together leave in order.
      state.dueMs = keepOrder ? Math.max(dueMs, state.dueMs) : dueMs
      return state.dueMs - nowMs
    }

    if (packets.length === 0) return
    on(hooks.send, selected(which, { cmd: packets }), (steps, _cause, connection) => {
      const waitMs = wait(connection)
      if (waitMs === 0) return undefined
      // What another plugin has put in front of it does not wait.
      const at = Math.max(
        0,
        steps.findIndex((step) => 'packet' in step && packets.some((cmd) => cmd === step.packet.cmd)),
      )
      const block = steps.slice(at).some((step) => 'packet' in step && step.packet.cmd === 'connack')
      return [...steps.slice(0, at), { wait: waitMs, block }, ...steps.slice(at)]
    })
  },
})
