import { atMoment, definePlugin, moment, momentProblem, option, type StepInput } from '../src/index.ts'

/**
 * The link dies without a word: no FIN, no reset, no answer; right behind CONNACK unless told when. A client finds out by itself,
 * because PINGRESP does not come [MQTT-3.12.4-1], or never.
 *
 *     halfOpen({ packet: 'suback' })                                          silent from SUBACK on
 *     halfOpen({ packet: 'publish', nth: 10, reading: false })                the client's bytes stay in its own system
 *     halfOpen({ direction: 'in', reading: false, for: '10s' })               the server stops reading, and goes on later: nothing is lost
 *     halfOpen({ packet: 'suback', ends: 'hidden' })                          only the keep-alive of the server tells it that the client is gone
 *     halfOpen({ bytes: 1500, counted: 'out', direction: 'out' })             in the middle of a packet
 *
 * What the server says meanwhile is held back, and comes when the link recovers, as with TCP. What the client says is read and lost
 * with `reading`; without, it waits, until the client's window is full.
 */
export const halfOpen = definePlugin({
  meta: {
    name: 'half-open',
    api: 1,
    group: 'network',
    summary: 'The link goes dead without a word, in one direction or both, for a while or for ever.',
    spec: ['MQTT-3.12.4-1', 'MQTT-3.1.2-22', 'MQTT-4.2.0-1'],
    finds: 'clients that do not notice a dead link, block in a write to it, or lose what they wrote to it',
    seenIn: [
      'https://github.com/hivemq/hivemq-mqtt-client-dotnet/issues/357',
      'https://github.com/hivemq/hivemq-mqtt-client/pull/357',
      'https://github.com/Azure/azure-iot-sdk-c/issues/1541',
      'https://github.com/dotnet/MQTTnet/issues/2130',
      'https://github.com/eclipse-paho/paho.mqtt.android/issues/253',
      'https://github.com/eclipse-paho/paho.mqtt.c/issues/1027',
      'https://github.com/eclipse-paho/paho.mqtt.c/issues/1667',
    ],
  },
  options: {
    direction: option.choice('which way is dead: in is from the client, out to the client', ['both', 'in', 'out'], 'both'),
    reading: option.flag('what the client says is read, and lost; false does not read it', true),
    ends: option.choice(
      'FIN and reset of the client are heard; or they are not while the link is dead, as if its cable were out: the connection stands until the keep-alive is over, and the will comes then',
      ['heard', 'hidden'],
      'heard',
    ),
    for: option.optional(option.duration('how long, after which the link recovers; for ever unless given', '30s')),
    bytes: option.optional(option.count('goes dead after exactly so many bytes, also in the middle of a packet', 1, { min: 1 })),
    counted: option.choice('whose bytes are counted: in is the client, out the server', ['in', 'out'], 'in'),
    ...moment,
  },
  check({ direction, reading, ends, for: _for, bytes, counted, ...when }) {
    if (direction === 'out' && !reading) return "option 'reading' is about what the client says: take direction in or both"
    if (ends === 'hidden' && (direction === 'out' || !reading))
      return "option 'ends': what is hidden goes with direction in or both, and with reading: a server that does not read waits for nobody"
    if (bytes === undefined && counted === 'out') return "option 'counted' goes with 'bytes'"
    return bytes === undefined || when.packet !== undefined || when.time !== undefined ? momentProblem(when) : undefined
  },
  setup(api, { direction, reading, ends, for: forMs, bytes, counted, ...when }) {
    const { on, hooks } = api
    const dead: StepInput = { stall: direction, discard: reading && direction !== 'out', hideEnd: ends === 'hidden' }
    const steps: readonly StepInput[] = forMs === undefined ? [dead] : [dead, { wait: forMs }, { stall: false }]

    if (bytes === undefined || when.packet !== undefined || when.time !== undefined) atMoment(api, when, () => steps)

    if (bytes === undefined) return
    const course = () => ({ left: bytes })
    on(hooks.wire, { direction: counted }, (plan, _way, connection) => {
      const state = connection.state(course)
      if (state.left === 0) return undefined
      const cut: StepInput[] = []
      for (const step of plan) {
        if (!('raw' in step) || state.left === 0 || step.raw.length < state.left) {
          cut.push(step)
          if ('raw' in step && state.left > 0) state.left -= step.raw.length
          continue
        }
        cut.push({ raw: step.raw.subarray(0, state.left) }, ...steps, { raw: step.raw.subarray(state.left) })
        state.left = 0
      }
      return state.left === 0 ? cut : undefined
    })
  },
})
