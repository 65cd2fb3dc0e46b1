import { type Connection, decide, definePlugin, endConnection, option, type Timer } from '../src/index.ts'

const seconds = (about: string) => option.optional(option.count(`${about}, in seconds`, 60, { max: 65_535 }))

const fromClient = ['publish', 'puback', 'pubrec', 'pubrel', 'pubcomp', 'subscribe', 'unsubscribe', 'pingreq', 'auth'] as const

/** What the plugin knows about one connection. */
interface Watch {
  /** The keep-alive that the client knows of, in seconds. */
  knownSeconds: number
  /** When the last packet came that counts. */
  lastMs: number
  timer: Timer | undefined
}

/**
 * The server has its own idea of the keep-alive: it enforces another one, later, in other steps, by other packets, or never.
 *
 *     keepAlive({ minimum: 30, maximum: 1200, zero: 1200 })       told to MQTT 5 clients, enforced for all
 *     keepAlive({ maximum: 60, announce: 'never' })               nobody is told
 *     keepAlive({ factor: 1.25, grid: '10s', answer: 'close' })   checked every 10 seconds; closed without DISCONNECT
 *     keepAlive({ answer: 'allow' })                              dead clients are kept for ever
 *
 * A client that is cut off although it kept to what it knows has broken no rule, and none is recorded.
 */
export const keepAlive = definePlugin({
  meta: {
    name: 'keep-alive',
    api: 1,
    group: 'limits',
    summary: 'The server enforces another keep-alive than the client asked for, or enforces it in its own way, or not at all.',
    spec: ['MQTT-3.1.2-21', 'MQTT-3.1.2-22', 'MQTT-3.1.2-23', 'MQTT-3.1.2-24', 'MQTT-3.2.2-21'],
    finds: 'clients that ignore Server Keep Alive, ping too late, or do not come back when an idle connection is cut',
    seenIn: ['https://github.com/hannesa2/paho.mqtt.android/issues/863'],
  },
  options: {
    minimum: seconds('the least that is enforced'),
    maximum: seconds('the most that is enforced'),
    zero: seconds('what a keep-alive of 0 counts as; unless given it stays off'),
    outside: option.answer('what a CONNECT with less than the minimum or more than the maximum gets; allow takes the nearest', 'allow'),
    mqtt3: option.flag('the same holds for MQTT 3 clients, who cannot be told', true),
    announce: option.choice(
      'when CONNACK says which keep-alive is in force: where it is not the one that was asked for, always or never',
      ['changed', 'always', 'never'],
      'changed',
    ),
    announced: seconds('what CONNACK says, where that is not what is enforced'),
    factor: option.optional(option.number('how many keep-alives a client may be silent; 1.5 unless given', 1.5, { min: 0.1, max: 1000 })),
    grid: option.duration('silence is only looked at this often, on the clock of the server; 0 at any time', 0),
    resetBy: option.optional(option.packets('only these packets count as a sign of life; all bytes unless given', fromClient, ['pingreq'])),
    answer: option.optional(option.answer('what a silent client gets; allow keeps it for ever; DISCONNECT with keep-alive-timeout unless given', 'close')),
  },
  check({ minimum, maximum, zero, announce, announced, factor, grid, resetBy, answer }) {
    if (minimum !== undefined && maximum !== undefined && minimum > maximum) return "option 'minimum' is more than 'maximum'"
    if (announced !== undefined && announce === 'never') return "option 'announced' needs the option 'announce'"
    if ([minimum, maximum, zero, announced, factor, resetBy, answer].every((one) => one === undefined) && announce !== 'always' && grid === 0)
      return "nothing differs from what the client asks for: give 'minimum', 'maximum', 'zero', 'announced', 'factor', 'grid', 'resetBy' or 'answer'"
    return undefined
  },
  setup({ hooks, on, clock, name }, { minimum = 0, maximum = 65_535, zero, outside, mqtt3, announce, announced, factor, grid, resetBy, answer }) {
    const watch = (): Watch => ({ knownSeconds: 0, lastMs: 0, timer: undefined })

    on(hooks.authorize, { kind: 'connect' }, (decision, request, connection) => {
      const asked = request.packet.keepalive
      const state = connection.state(watch)
      state.knownSeconds = asked
      if (connection.version !== 5 && !mqtt3) return undefined
      const enforced = asked === 0 ? (zero ?? 0) : Math.min(Math.max(asked, minimum), maximum)
      const refused = asked > 0 && enforced !== asked ? decide(decision, outside, request, connection, 'the keep-alive is out of range') : undefined
      if (refused !== undefined) return refused
      const told = announced ?? enforced
      const isTold = connection.version === 5 && (announce === 'always' || (announce === 'changed' && told !== asked))
      if (isTold) state.knownSeconds = told
      if (enforced === asked && !isTold) return undefined
      return { ...decision, keepAlive: enforced, ...(isTold && { properties: { ...decision.properties, serverKeepAlive: told } }) }
    })

    const isOwnWatch = grid > 0 || resetBy !== undefined
    if (isOwnWatch || factor !== undefined || answer !== undefined)
      on(hooks.timer, { kind: 'keepalive' }, (delayMs, _timer, connection) => {
        if (connection === undefined) return undefined
        if (answer !== undefined && answer.of(connection.version) === undefined) return null
        const limitMs = factor === undefined || connection.session === undefined ? delayMs : connection.session.keepAlive * 1000 * factor
        if (!isOwnWatch || limitMs === null) return limitMs
        connection.state(watch).lastMs = clock.now()
        look(connection, limitMs)
        return null
      })

    /** Ends the connection where it was silent for too long; looks again when that may be so. */
    function look(connection: Connection, limitMs: number): void {
      const state = connection.state(watch)
      state.timer?.cancel()
      if (connection.closed) return
      const lastMs = resetBy === undefined ? connection.lastReceivedMs : state.lastMs
      const dueMs = grid > 0 ? Math.ceil((lastMs + limitMs) / grid) * grid : lastMs + limitMs
      const leftMs = dueMs - clock.now()
      if (leftMs > 0) state.timer = clock.after(leftMs, () => look(connection, limitMs))
      else connection.violate('keepalive-timeout', { detail: `${Math.round(clock.now() - lastMs)} ms` })
    }

    if (resetBy !== undefined)
      on(hooks.packetIn, { cmd: resetBy, stage: -1 }, (_packet, connection) => {
        connection.state(watch).lastMs = clock.now()
      })
    if (isOwnWatch) hooks.disconnect.tap(name, (connection) => connection.state(watch).timer?.cancel())

    on(hooks.violation, { kind: 'keepalive-timeout' }, ({ message }, connection) => {
      const silentMs = clock.now() - connection.lastReceivedMs
      const { knownSeconds } = connection.state(watch)
      const isItsFault = knownSeconds > 0 && silentMs >= knownSeconds * 1500 // [MQTT-3.1.2-22]
      if (isItsFault && answer === undefined) return undefined
      if (answer === undefined) connection.disconnect(0x8d, message)
      else endConnection(connection, answer, message)
      return isItsFault ? 'warn' : 'ignore'
    })
  },
})
