import { type Connection, definePlugin, option } from '../src/index.ts'

/**
 * A restart with notice: a message may announce it; then the server drains, which means that nobody new gets in and those who are
 * there are sent away one by one; then nobody listens; then the server is back at the same port.
 *
 *     maintenance({ time: '1m', drain: '10s', for: '30s' })
 *     maintenance({ clients: 3, reasonCode: 'use-another-server', serverReference: 'other:1883' })
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
  },
  check({ topic, notice, refusal }) {
    if (topic === '' && notice > 0) return "option 'notice' goes with 'topic'"
    return refusal < 0x80 ? "option 'refusal': a code below 0x80 refuses nothing" : undefined
  },
  setup({ hooks, on, server, clock, acted, log }, options) {
    const { time, clients, topic, payload, notice, drain, newcomers, refusal, reasonCode, reasonString, serverReference, for: forMs } = options
    const explanation = { ...(reasonString !== '' && { reasonString }), ...(serverReference !== '' && { serverReference }) }
    let phase: 'up' | 'announced' | 'draining' | 'down' | 'over' = 'up'
    let accepted = 0

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
      void server.offline({ mode: 'refused', connections: 'fin' })
      if (forMs !== undefined) clock.after(forMs, comeBack)
    }

    const comeBack = () => {
      phase = 'over'
      server.online().catch((error: unknown) => log.error(error instanceof Error ? error.message : String(error)))
    }

    if (newcomers === 'connack')
      on(hooks.authorize, { kind: 'connect' }, (decision) =>
        phase === 'draining' ? { ...decision, action: 'answer', reasonCode: refusal, properties: { ...decision.properties, ...explanation } } : undefined,
      )
    const afterMs = time ?? (clients === undefined ? 60_000 : undefined)
    if (afterMs !== undefined) clock.after(afterMs, begin)
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
