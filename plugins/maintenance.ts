import { type Connection, definePlugin, option, type Session } from '../src/index.ts'

/**
 * A restart with notice: a message may announce it; then the server drains, which means that nobody new gets in and those who are
 * there are sent away one by one; then nobody listens; then the server is back at the same port.
 *
 *     maintenance({ time: '1m', drain: '10s', for: '30s' })
 *     maintenance({ clients: 3, reasonCode: 'use-another-server', serverReference: 'other:1883' })
 *     maintenance({ time: '1m', for: '10s', rounds: 3, sessions: 'lose' })      three restarts, a minute apart; nothing is kept over any
 *     maintenance({ time: '1m', topic: 'server/status', payload: 'going down', notice: '5s' })
 *
 * Clients before MQTT 5 know no DISCONNECT of a server: they see the connection close.
 */
export const maintenance = definePlugin({
  meta: {
    name: 'maintenance',
    api: 1,
    group: 'server',
    summary: 'The server announces that it goes down, sends its clients away one by one, and comes back.',
    spec: ['MQTT-3.14.0-1', 'MQTT-3.2.2-6', 'MQTT-3.2.2-7', 'MQTT-3.14.4-1'],
    finds: 'clients that do not come back after a planned restart, or come back at once and for ever while they are turned down',
    seenIn: ['https://github.com/home-assistant/core/issues/7958', 'https://github.com/kbialek/deye-inverter-mqtt/pull/298'],
  },
  options: {
    time: option.optional(option.duration('begins so long after the start; 1m where clients are not given either', '1m')),
    clients: option.optional(option.count('begins when so many clients got their CONNACK', 1, { min: 1 })),
    topic: option.text('a message on this topic announces it', ''),
    payload: option.text('what that message says', 'maintenance'),
    notice: option.duration('how long after the message the server begins to drain', 0),
    drain: option.duration('how long it takes until the last client is gone', '1s'),
    newcomers: option.choice('what becomes of those who come meanwhile: a CONNACK that refuses, or nobody who listens', ['connack', 'refused'], 'connack'),
    refusal: option.reasonCode('why CONNACK refuses', 'server-unavailable'),
    reasonCode: option.reasonCode('why DISCONNECT sends clients away', 'server-shutting-down'),
    reasonString: option.text('the reason in words, in both', ''),
    serverReference: option.text('the server that clients are to use, in both', ''),
    for: option.optional(option.duration('how long the server is down once all are gone; for ever unless given', '10s')),
    rounds: option.count('how often all of this happens; each time, `time` and `clients` count from when the server is back', 1, { min: 1 }),
    loses: option.list(
      option.choice('a kind of memory', ['sessions', 'retained'], 'sessions'),
      'what the server has lost when it is back: sessions, and retained messages',
      [],
    ),
    sessions: option.choice('what becomes of the sessions while the server is down', ['keep', 'lose'], 'keep'),
  },
  check({ topic, notice, refusal, for: forMs, rounds }) {
    if (topic === '' && notice > 0) return "option 'notice' goes with 'topic'"
    if (rounds > 1 && forMs === undefined) return "option 'rounds' needs 'for': a server that stays away does not go again"
    return refusal < 0x80 ? "option 'refusal': a code below 0x80 refuses nothing" : undefined
  },
  setup({ hooks, on, server, clock, acted, log, name }, options) {
    const {
      time,
      clients,
      topic,
      payload,
      notice,
      drain,
      newcomers,
      refusal,
      reasonCode,
      reasonString,
      serverReference,
      for: forMs,
      rounds,
      loses,
      sessions,
    } = options
    const explanation = { ...(reasonString !== '' && { reasonString }), ...(serverReference !== '' && { serverReference }) }
    let phase: 'up' | 'announced' | 'draining' | 'down' | 'over' = 'up'
    let accepted = 0
    let round = 1
    /** Sessions of the time before. */
    let lost = new WeakSet<Session>()

    const begin = () => {
      if (phase !== 'up') return
      phase = 'announced'
      acted('the server goes down for maintenance')
      if (topic !== '') server.publish({ topic, payload })
      if (notice > 0) clock.after(notice, sendAway)
      else sendAway()
    }

    const sendAway = () => {
      phase = 'draining'
      const there = server.connections.filter(({ closed }) => !closed)
      for (const [place, connection] of there.entries()) clock.after((drain * (place + 1)) / there.length, () => goodbye(connection))
      clock.after(drain, goDown)
      if (newcomers === 'refused') void server.offline({ mode: 'refused', connections: 'keep' })
    }

    const goodbye = (connection: Connection) => connection.disconnect(reasonCode, 'maintenance', explanation)

    const goDown = () => {
      phase = 'down'
      // Whoever did not leave, such as a client in the middle of its CONNECT.
      void server.offline({ mode: 'refused', connections: 'fin', loses })
      if (forMs !== undefined) clock.after(forMs, comeBack)
    }

    const comeBack = () => {
      phase = round < rounds ? 'up' : 'over'
      if (sessions === 'lose') lost = new WeakSet(server.sessions)
      round++
      accepted = 0
      wait()
      server.online().catch((error: unknown) => log.error(error instanceof Error ? error.message : String(error)))
    }

    if (newcomers === 'connack')
      on(hooks.authorize, { kind: 'connect' }, (decision) =>
        phase === 'draining' ? { ...decision, action: 'answer', reasonCode: refusal, properties: { ...decision.properties, ...explanation } } : undefined,
      )
    if (sessions === 'lose')
      hooks.session.tap(name, (plan, _packet, { clientId }) => {
        const stored = plan.resume ? server.sessions.find((session) => session.clientId === clientId) : undefined
        return stored !== undefined && lost.has(stored) ? { ...plan, resume: false, sessionPresent: false } : undefined
      })
    const afterMs = time ?? (clients === undefined ? 60_000 : undefined)
    const wait = () => {
      if (afterMs !== undefined && phase === 'up') clock.after(afterMs, begin)
    }
    wait()
    if (clients !== undefined)
      on(hooks.send, { cmd: 'connack', reasonCode: 0 }, () => {
        // Behind this CONNACK, which leaves first.
        if (++accepted === clients) void Promise.resolve().then(begin)
      })
    return () => {
      // A server that stops does not come back.
      if (phase === 'draining' || phase === 'down') server.online().catch(() => undefined)
      phase = 'over'
    }
  },
})
