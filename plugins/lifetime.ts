import { type Answers, type Connection, definePlugin, endConnection, option, type Timer } from '../src/index.ts'

const fromClient = ['publish', 'puback', 'pubrec', 'pubrel', 'pubcomp', 'subscribe', 'unsubscribe', 'pingreq', 'auth'] as const

/** The deadlines of one connection. */
interface Deadlines {
  lastMs: number
  age: Timer | undefined
  idle: Timer | undefined
}

/**
 * No connection lasts for ever: the server ends it when it is old, when nothing happens on it, or when CONNECT does not come.
 *
 *     lifetime({ maximum: '24h' })                                    DISCONNECT with maximum-connect-time in MQTT 5, then closed
 *     lifetime({ maximum: '10s', answer: 'reset' })
 *     lifetime({ idle: '20m' })                                       pings do not count as anything happening
 *     lifetime({ connect: '10s', connectBytes: 65_536 })              so long, and so large, may CONNECT be
 */
export const lifetime = definePlugin({
  meta: {
    name: 'lifetime',
    api: 1,
    group: 'limits',
    summary: 'The server ends connections that are old or idle, or on which CONNECT does not come in time.',
    spec: ['MQTT-3.1.4-1', 'MQTT-4.13.2-1'],
    finds: 'clients that do not come back from an end without an error, come back only after the next ping, or connect before they have something to say',
    seenIn: ['https://github.com/mqttjs/MQTT.js/issues/1861'],
  },
  options: {
    maximum: option.optional(option.duration('how long a connection lasts from its CONNACK on', '1h')),
    answer: option.answer('how it is ended then', { disconnect: 'maximum-connect-time' }),
    idle: option.optional(option.duration('how long nothing may happen on a connection', '10m')),
    activity: option.packets(
      'which packets of the client count as something that happens',
      fromClient,
      fromClient.filter((cmd) => cmd !== 'pingreq'),
    ),
    deliveries: option.flag('messages for the client count as something that happens, too', false),
    idleAnswer: option.answer('how an idle connection is ended', { disconnect: 'administrative-action' }),
    connect: option.optional(option.duration('how long a connection may be without CONNECT', '10s')),
    connectBytes: option.optional(option.count('how large CONNECT may be, in bytes', 65_536, { min: 1 })),
    connectAnswer: option.answer('how a connection is ended whose CONNECT is late or too large; allow waits for ever', 'close'),
  },
  check: ({ maximum, idle, connect, connectBytes }) =>
    [maximum, idle, connect, connectBytes].every((one) => one === undefined)
      ? "nothing is limited: give one of the options 'maximum', 'idle', 'connect' and 'connectBytes'"
      : undefined,
  setup({ hooks, on, clock, acted, name }, { maximum, answer, idle, activity, deliveries, idleAnswer, connect, connectBytes, connectAnswer }) {
    const deadlines = (): Deadlines => ({ lastMs: clock.now(), age: undefined, idle: undefined })

    function end(connection: Connection, answers: Answers, reason: string): void {
      if (!connection.closed && endConnection(connection, answers, reason)) acted(reason, connection)
    }

    function watchIdle(connection: Connection, state: Deadlines, limitMs: number): void {
      const leftMs = state.lastMs + limitMs - clock.now()
      if (leftMs > 0) state.idle = clock.after(leftMs, () => watchIdle(connection, state, limitMs))
      else end(connection, idleAnswer, 'nothing happened for too long')
    }

    if (maximum !== undefined || idle !== undefined) {
      hooks.session.tap(name, (_plan, _packet, connection) => {
        const state = connection.state(deadlines)
        state.lastMs = clock.now()
        if (maximum !== undefined) state.age = clock.after(maximum, () => end(connection, answer, 'the connection is too old'))
        if (idle !== undefined) watchIdle(connection, state, idle)
      })
      hooks.disconnect.tap(name, (connection) => {
        const state = connection.state(deadlines)
        state.age?.cancel()
        state.idle?.cancel()
      })
    }

    if (idle !== undefined) {
      const touch = (connection: Connection) => {
        connection.state(deadlines).lastMs = clock.now()
      }
      if (activity.length > 0) on(hooks.packetIn, { cmd: activity, stage: -1 }, (_packet, connection) => touch(connection))
      if (deliveries) on(hooks.send, { cmd: 'publish' }, (_steps, _cause, connection) => touch(connection))
    }

    if (connect !== undefined)
      on(hooks.timer, { kind: 'connect-timeout' }, (_delayMs, _timer, connection) =>
        connectAnswer.of(connection?.version ?? 4) === undefined ? null : connect,
      )

    if (connectBytes !== undefined) hooks.connection.tap(name, (connection) => connection.limitPackets(connectBytes, ['connect']))

    if (connect !== undefined || connectBytes !== undefined)
      on(hooks.violation, { kind: ['connect-timeout', 'packet-too-large'] }, ({ rule, message }, connection) => {
        const isMine = rule === 'connect-timeout' ? connect !== undefined : connectBytes !== undefined && connection.phase === 'new'
        return isMine && endConnection(connection, connectAnswer, message) ? 'warn' : undefined
      })
  },
})
