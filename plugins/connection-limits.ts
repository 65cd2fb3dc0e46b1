import { type Answers, type Connection, type ConnectPacket, decide, definePlugin, option } from '../src/index.ts'

const atMost = (about: string, most: number) => option.optional(option.count(about, most, { min: 0 }))

/** Client ids whose attempts are remembered; beyond that the oldest are forgotten. */
const mostKept = 10_000

/** Why a CONNECT is refused. */
interface Refusal {
  readonly answers: Answers
  readonly reason: string
}

/** What was decided about a connection, and what it counts for. */
interface Admission {
  decided: boolean
  refusal: Refusal | undefined
  keys: readonly string[]
  accepted: boolean
}

/** Attempts in one stretch of time, and until when there is a ban. */
interface Attempts {
  beginsMs: number
  count: number
  bannedUntilMs: number
}

/**
 * Only so many connections at a time, and only so many attempts in a while; more are refused, held, or closed at once.
 *
 *     connectionLimits({ total: 100, answer: { v3: 'not-authorized', v5: 'quota-exceeded' } })
 *     connectionLimits({ ratePerClientId: 1 })                                    one CONNECT per second and client id
 *     connectionLimits({ ratePerClientId: 15, window: '1m', ban: '5m', rateAnswer: 'banned' })
 *     connectionLimits({ perClientId: 1, answer: 'close', hold: '1s' })           who is there stays; the newcomer waits and goes
 *     connectionLimits({ sockets: 10 })                                           closed before CONNECT is read
 *
 * A client that takes its own session over does not count twice, except for `perClientId`. Refused attempts are attempts as well.
 */
export const connectionLimits = definePlugin({
  meta: {
    name: 'connection-limits',
    api: 1,
    group: 'limits',
    summary: 'Too many connections at a time, or too many attempts in a while, are refused, held or closed.',
    spec: ['MQTT-3.1.4-2', 'MQTT-3.1.4-3', 'MQTT-3.2.2-7', 'MQTT-3.2.2-5'],
    finds: 'clients that reconnect without a pause, or take a server that is full for one that rejects their credentials',
    seenIn: [
      'https://github.com/mqttjs/MQTT.js/issues/1825',
      'https://github.com/mqttjs/MQTT.js/issues/1947',
      'https://github.com/kbialek/deye-inverter-mqtt/pull/298',
    ],
  },
  options: {
    total: atMost('so many clients may be connected at a time', 100),
    perClientId: atMost('so many connections one client id may have at a time; 1 refuses whoever would take a session over', 1),
    perUser: atMost('so many connections one user name may have at a time', 10),
    perAddress: atMost('so many connections one remote address may have at a time', 10),
    answer: option.answer('what a CONNECT beyond these gets', 'server-busy'),
    rate: atMost('so many CONNECT are taken from all clients in each stretch of time', 100),
    ratePerClientId: atMost('so many CONNECT are taken from one client id in each stretch of time', 1),
    window: option.duration('how long a stretch of time is', '1s'),
    rateAnswer: option.answer('what a CONNECT beyond that gets', 'connection-rate-exceeded'),
    ban: option.duration('so long a client id is refused that came too often, however rarely it comes from then on', 0),
    hold: option.duration('how long the answer to a CONNECT waits that is not taken', 0),
    sockets: atMost('so many connections may be open at a time, with CONNECT or without; more are ended as soon as they are accepted', 100),
    socketsHow: option.choice('how those are ended', ['fin', 'rst'], 'fin'),
  },
  check({ total, perClientId, perUser, perAddress, rate, ratePerClientId, window, ban, sockets }) {
    if ((rate !== undefined || ratePerClientId !== undefined) && window === 0) return "option 'window' is longer than 0"
    if (ban > 0 && ratePerClientId === undefined) return "option 'ban' needs the option 'ratePerClientId'"
    return [total, perClientId, perUser, perAddress, rate, ratePerClientId, sockets].every((one) => one === undefined)
      ? "nothing is limited: give one of the options 'total', 'perClientId', 'perUser', 'perAddress', 'rate', 'ratePerClientId' and 'sockets'"
      : undefined
  },
  setup({ hooks, on, clock, name }, options) {
    const { total, perClientId, perUser, perAddress, answer, rate, ratePerClientId, window, rateAnswer, ban, hold, sockets, socketsHow } = options
    const admission = (): Admission => ({ decided: false, refusal: undefined, keys: [], accepted: false })
    const attempts = new Map<string, Attempts>()
    const counts = new Map<string, number>()
    const byClientId = new Map<string, Connection>()
    const open = new Set<Connection>()

    /** What a client counts for, with the limit of each. */
    function limitsOf({ clientId, username }: ConnectPacket, connection: Connection): [key: string, most: number][] {
      const limits: [string, number | undefined][] = [
        ['all', total],
        [`address ${connection.remoteAddress}`, perAddress],
      ]
      if (clientId !== '') limits.push([`client ${clientId}`, perClientId])
      if (username !== undefined) limits.push([`user ${username}`, perUser])
      return limits.filter((entry): entry is [string, number] => entry[1] !== undefined)
    }

    /** Counts an attempt; tells whether it is one too many. */
    function isTooOften(key: string, most: number | undefined, banMs: number): boolean {
      if (most === undefined) return false
      const now = clock.now()
      const found = attempts.get(key) ?? { beginsMs: now, count: 0, bannedUntilMs: 0 }
      if (!attempts.has(key) && attempts.size >= mostKept) attempts.delete(attempts.keys().next().value ?? '')
      attempts.set(key, found)
      if (now < found.bannedUntilMs) return true
      if (now >= found.beginsMs + window) Object.assign(found, { beginsMs: now, count: 0 })
      if (++found.count <= most) return false
      found.bannedUntilMs = now + banMs
      return true
    }

    function judge(packet: ConnectPacket, connection: Connection): Refusal | undefined {
      const state = connection.state(admission)
      if (state.decided) return state.refusal
      state.decided = true
      const tooMany = isTooOften('all', rate, 0)
      const tooOften = packet.clientId !== '' && isTooOften(packet.clientId, ratePerClientId, ban)
      if (tooMany || tooOften) return (state.refusal = { answers: rateAnswer, reason: 'too many attempts' })
      const mine = byClientId.get(packet.clientId)
      const replaced = mine === undefined ? [] : mine.state(admission).keys
      const limits = limitsOf(packet, connection)
      state.keys = limits.map(([key]) => key)
      const full = limits.some(([key, most]) => (counts.get(key) ?? 0) - (replaced.includes(key) && !key.startsWith('client ') ? 1 : 0) >= most)
      return full ? (state.refusal = { answers: answer, reason: 'too many connections' }) : undefined
    }

    const isAboutConnect = [total, perClientId, perUser, perAddress, rate, ratePerClientId].some((one) => one !== undefined)
    if (isAboutConnect && hold > 0)
      on(hooks.packetIn, { cmd: 'connect' }, (packet, connection) => (judge(packet, connection) === undefined ? undefined : [{ wait: hold }, { pass: true }]))

    if (isAboutConnect)
      on(hooks.authorize, { kind: 'connect' }, (decision, request, connection) => {
        const refusal = judge(request.packet, connection)
        return refusal === undefined ? undefined : decide(decision, refusal.answers, request, connection, refusal.reason)
      })

    if ([total, perClientId, perUser, perAddress].some((one) => one !== undefined)) {
      hooks.session.tap(name, (_plan, _packet, connection) => {
        const state = connection.state(admission)
        state.accepted = true
        byClientId.set(connection.clientId ?? '', connection)
        for (const key of state.keys) counts.set(key, (counts.get(key) ?? 0) + 1)
      })
      hooks.disconnect.tap(name, (connection) => {
        const { accepted, keys } = connection.state(admission)
        if (!accepted) return
        if (byClientId.get(connection.clientId ?? '') === connection) byClientId.delete(connection.clientId ?? '')
        for (const key of keys) {
          const left = (counts.get(key) ?? 1) - 1
          if (left > 0) counts.set(key, left)
          else counts.delete(key)
        }
      })
    }

    if (sockets !== undefined) {
      hooks.connection.tap(name, (connection) => {
        open.add(connection)
        return open.size > sockets ? [{ close: socketsHow }] : undefined
      })
      hooks.disconnect.tap(name, (connection) => void open.delete(connection))
    }
  },
})
