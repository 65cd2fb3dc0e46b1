import { definePlugin, option } from '../src/index.ts'

/**
 * The server goes away as a whole, and comes back at the same port: from the start, after some time, or after some connections. A
 * client must come back by itself, without a storm of attempts, and subscribe again where its session is gone.
 *
 *     offline({ for: '10s' })                                          not there when the client starts
 *     offline({ time: '1m', for: '3m', connections: 'fin' })           a restart
 *     offline({ time: '1m', for: '3m', loses: ['sessions', 'retained'] })    a restart without a disk
 *     offline({ closed: 1, for: '5s' })                                refused where the client comes back at once
 *     offline({ connects: 1, for: '2s', again: true })                 each connection is cut, and has to wait
 *
 * Unless `for` is given it stays away. Where the server is joined in the same process, there is no port: such a client is reset.
 */
export const offline = definePlugin({
  meta: {
    name: 'offline',
    api: 1,
    group: 'server',
    summary: 'The server goes away for a while: nobody listens, or nobody answers.',
    finds: 'clients that give up, wait ever longer, or do not subscribe again when their server is back',
    seenIn: [
      'https://github.com/mqttjs/MQTT.js/issues/1001',
      'https://github.com/Koenkk/zigbee2mqtt/issues/31864',
      'https://github.com/emsesp/EMS-ESP32/issues/912',
      'https://github.com/bytebeamio/rumqtt/issues/295',
      'https://github.com/kbialek/deye-inverter-mqtt/pull/298',
      'https://github.com/home-assistant/core/issues/7958',
      'https://github.com/emsesp/EMS-ESP/issues/631',
      'https://github.com/buxtronix/phev2mqtt/pull/63',
    ],
  },
  options: {
    mode: option.choice(
      'what new connections meet: nobody who listens, a reset, or a server that never answers',
      ['refused', 'reset', 'unanswered'],
      'refused',
    ),
    for: option.optional(option.duration('how long the server is away; for ever unless given', '30s')),
    connections: option.choice('what becomes of the connections that are there', ['rst', 'fin', 'stall', 'keep'], 'rst'),
    time: option.optional(option.duration('goes away so long after the start', '1m')),
    connects: option.optional(option.count('goes away when so many clients got their CONNACK', 1, { min: 1 })),
    closed: option.optional(option.count('goes away when so many connections have ended', 1, { min: 1 })),
    loses: option.list(
      option.choice('a kind of memory', ['sessions', 'retained'], 'sessions'),
      'what the server has lost when it is back: sessions, of those who do not stay connected, and retained messages',
      [],
    ),
    again: option.flag('counts and waits anew once it is back', false),
  },
  check({ for: forMs, time, connects, closed, again }) {
    if (!again) return undefined
    if (forMs === undefined) return "option 'again' needs 'for': a server that stays away does not go again"
    if (forMs === 0 && time === 0) return 'with 0 ms on either side it would never rest'
    return time === undefined && connects === undefined && closed === undefined ? "option 'again' goes with 'time', 'connects' and 'closed'" : undefined
  },
  setup({ hooks, on, server, clock, acted, log, name }, { mode, for: forMs, connections, time, connects, closed, loses, again }) {
    let away = false
    let over = false
    let accepted = 0
    let ended = 0

    const leave = async () => {
      if (away || over) return
      away = true
      over = !again
      acted(forMs === undefined ? 'the server goes away' : `the server goes away for ${forMs} ms`)
      await server.offline({ mode, connections, loses })
      if (forMs !== undefined) clock.after(forMs, comeBack)
    }
    const comeBack = () => {
      away = false
      server.online().catch((error: unknown) => log.error(error instanceof Error ? error.message : String(error)))
      begin()
    }
    const begin = () => {
      accepted = 0
      ended = 0
      if (time !== undefined && !over) clock.after(time, () => void leave())
    }

    begin()
    if (connects !== undefined)
      on(hooks.send, { cmd: 'connack', reasonCode: 0 }, () => {
        // Behind this CONNACK, which leaves first.
        if (++accepted === connects) void Promise.resolve().then(leave)
      })
    if (closed !== undefined)
      hooks.disconnect.tap(name, () => {
        if (++ended === closed) void leave()
      })
    if (time === undefined && connects === undefined && closed === undefined) {
      // Before anybody can come; on a server that is there already, at once.
      const running = clock.after(0, () => void leave())
      hooks.serverStart.tap(name, () => {
        running.cancel()
        return leave()
      })
    }
    return () => {
      over = true
      // A server that stops does not come back.
      if (away) server.online().catch(() => undefined)
    }
  },
})
