import { type CloseHow, type Command, commands, definePlugin, option, type StepInput, selected, selection } from '../src/index.ts'

const fromClient: readonly Command[] = ['connect', 'subscribe', 'unsubscribe', 'pingreq']
const fromServer: readonly Command[] = ['connack', 'suback', 'unsuback', 'pingresp']
/** Where both sides send a packet, the exchange that the client begins is meant: its PUBLISH, the server's PUBACK. */
const answersToClient: readonly Command[] = ['puback', 'pubrec', 'pubcomp']

const { topic, qos, from, every, probability } = selection

/** What was seen of one connection. */
interface Course {
  /** Packets from the client. */
  received: number
  bytes: number
  /** The end has begun: nothing more is handled, or cut off. */
  over: boolean
  /** Nothing more is sent. */
  mute: boolean
}

/**
 * The server ends the connection: after so many packets, bytes or so much time, or at a packet; whichever comes first.
 *
 *     closeAfter({ packet: 'puback', nth: 2, when: 'instead' })      the second PUBLISH is taken, but not acknowledged
 *     closeAfter({ packet: 'suback', when: 'after', how: 'rst' })    a reset right behind SUBACK
 *     closeAfter({ packet: 'publish', topic: 'big/#', probability: 0.1 })    at one of ten of these messages
 *     closeAfter({ bytes: 1500, direction: 'out' })                  in the middle of what is sent
 *
 *     closeAfter({ packet: 'publish', how: 'half' })                 FIN, while what the client says still counts
 *     closeAfter({ time: '1m', linger: '1h' })                       a close that takes its time: the client has to close its side
 *
 * At a packet from the client, `before` does not handle it, `instead` handles it but does not answer, `after` lets the answer
 * out first, however late it is. At a packet from the server, it is sent with `after` only.
 */
export const closeAfter = definePlugin({
  meta: {
    name: 'close-after',
    api: 1,
    group: 'server',
    summary: 'The connection is closed, whole or by half, reset or goes dead after some packets, bytes or time, or at a packet.',
    spec: ['MQTT-4.4.0-1', 'MQTT-4.1.0-1', 'MQTT-3.1.2-23', 'MQTT-4.6.0-1'],
    finds: 'clients that lose messages, send them twice, or wait for ever when the connection breaks at a bad moment',
    seenIn: [
      'https://github.com/hivemq/hivemq-mqtt-client/issues/408',
      'https://github.com/mqttjs/MQTT.js/issues/360',
      'https://github.com/mqttjs/MQTT.js/issues/1001',
      'https://github.com/bertmelis/espMqttClient/issues/34',
    ],
  },
  options: {
    packet: option.optional(option.choice('closes at a packet of this type', commands, 'publish')),
    nth: option.optional(option.count('at which packet of that type, counted from 1 on each connection; the first that fits unless given', 1, { min: 1 })),
    topic,
    qos,
    from,
    every,
    probability,
    packets: option.optional(option.count('closes at the packet from the client with this number; CONNECT is 1', 1, { min: 1 })),
    when: option.choice('where at the packet: before it is handled, instead of its answer, or after its answer', ['before', 'instead', 'after'], 'after'),
    bytes: option.optional(option.count('closes after exactly so many bytes, also in the middle of a packet', 1, { min: 1 })),
    direction: option.optional(
      option.choice(
        'whose packet or bytes: in is the client, out the server; unless given, the way a packet takes when the client publishes, and bytes from the client',
        ['in', 'out'],
        'in',
      ),
    ),
    time: option.optional(option.duration('closes so long after the connection was accepted', '1s')),
    how: option.choice(
      'in order, with a reset, not at all while nothing moves any more, or by half: FIN, while the client is still heard',
      ['fin', 'rst', 'stall', 'half'],
      'fin',
    ),
    grace: option.duration('how long it waits at the end, while nothing that comes is handled any more; not for `time`', 0),
    linger: option.optional(option.duration('how long the server waits behind its FIN for that of the client, before it lets go; 2 s unless given', '2s')),
  },
  check({ packet, nth, packets, bytes, time, direction, how, linger, ...which }) {
    if (packet === undefined && packets === undefined && bytes === undefined && time === undefined)
      return "give one of the options 'packet', 'packets', 'bytes' and 'time'"
    if (packet === undefined && (nth ?? 1) > 1) return "option 'nth' goes with 'packet'"
    const [asked] = Object.keys(selected(which))
    if (packet === undefined && asked !== undefined) return `option '${asked}' goes with 'packet'`
    if (packet !== undefined && direction === 'out' && fromClient.includes(packet)) return `only a client sends ${packet}: take direction in`
    if (packet !== undefined && direction === 'in' && fromServer.includes(packet)) return `only a server sends ${packet}: take direction out`
    if (packet === undefined && bytes === undefined && direction !== undefined) return "option 'direction' goes with 'packet' and 'bytes'"
    if (linger !== undefined && how !== 'fin') return `option 'linger' goes with how fin, not with ${how}`
    return undefined
  },
  setup({ hooks, on, play, name }, { packet, nth, packets, when, bytes, direction, time, how, grace, linger, ...which }) {
    const course = (): Course => ({ received: 0, bytes: 0, over: false, mute: false })
    const end = endOf(how, grace)
    const sent = packet !== undefined && (direction ?? (fromServer.includes(packet) || answersToClient.includes(packet) ? 'out' : 'in')) === 'out'
    const received = packet !== undefined && !sent

    const isChosen = which.from > 1 || which.every > 1 || which.probability < 1
    const number = nth ?? (isChosen ? undefined : 1)
    const chosen = selected(which, { ...(packet !== undefined && { cmd: packet }), ...(number !== undefined && { nth: number }) })

    if (received || packets !== undefined) {
      const finish = (state: Course): readonly StepInput[] => {
        // Who has closed one half still handles what comes on the other.
        state.over = how !== 'half'
        state.mute = when === 'instead'
        return when === 'before' ? end : [{ pass: true }, ...end]
      }
      // In front of the other plugins: whatever they answer, this is the end.
      hooks.packetIn.tap({ name, stage: -1 }, (_packet, connection) => {
        const state = connection.state(course)
        if (state.over) return []
        return ++state.received === packets ? finish(state) : undefined
      })
      if (received) on(hooks.packetIn, { ...chosen, stage: -1 }, (_packet, connection) => finish(connection.state(course)))
      if (when === 'instead') hooks.send.tap(name, (_steps, _cause, connection) => (connection.state(course).mute ? [] : undefined))
    }

    if (sent) on(hooks.send, chosen, (steps) => (when === 'after' ? [...steps, ...end] : end))

    // After one half is closed, the other goes on.
    const heard = how === 'half' && (direction ?? 'in') === 'in'
    if (bytes !== undefined)
      hooks.wire.tap(name, (steps, way, connection) => {
        if (way !== (direction ?? 'in')) return undefined
        const state = connection.state(course)
        if (heard && state.bytes >= bytes) return undefined
        const cut: StepInput[] = []
        for (const step of steps) {
          if (state.bytes >= bytes && !heard) return cut
          if (!('raw' in step) || state.bytes >= bytes) {
            cut.push(step)
            continue
          }
          const part = step.raw.subarray(0, bytes - state.bytes)
          state.bytes += part.length
          cut.push(part.length === step.raw.length ? step : { raw: part })
          if (state.bytes >= bytes) cut.push(...end, ...(heard && part.length < step.raw.length ? [{ raw: step.raw.subarray(part.length) }] : []))
        }
        return state.bytes < bytes ? undefined : cut
      })

    if (linger !== undefined) on(hooks.timer, { kind: 'linger' }, (_delayMs, _timer, connection) => (connection?.ended?.by === 'server' ? linger : undefined))

    if (time !== undefined)
      hooks.connection.tap(name, (connection) => {
        play(connection, [{ wait: time }, { close: how }])
      })
  },
})

function endOf(how: CloseHow, grace: number): readonly StepInput[] {
  return grace > 0 ? [{ wait: grace }, { close: how }] : [{ close: how }]
}
