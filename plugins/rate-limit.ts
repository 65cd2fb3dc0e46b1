import { type Connection, decide, definePlugin, encode, fillTemplate, option, type Packet } from '../src/index.ts'

const atMost = (about: string) => option.optional(option.count(about, 100, { min: 0 }))

/** Client ids and topics of which something is remembered; beyond that the oldest are forgotten. */
const mostKept = 10_000

/** What was taken in one stretch of time. It begins in the future where messages are delayed that far already. */
interface Stretch {
  beginsMs: number
  messages: number
  bytes: number
  /** Since when messages are delayed without a break. */
  delayedSinceMs: number | undefined
  /** Somebody was told that it is full. */
  told: boolean
}

/** What was taken on one connection in all. */
interface Total {
  messages: number
  bytes: number
}

/**
 * Messages above a rate, or above a quota, are refused or delayed; who goes on may be banned for a while.
 *
 *     rateLimit({ messages: 100, answer: 'ignore' })                                   100 per second, the rest is lost
 *     rateLimit({ bytes: 524_288, delay: 'reader' })                                   more than 512 KiB per second is read later
 *     rateLimit({ messages: 100, delay: 'reader', patience: '10s', answer: 'close' })   and who goes on like that is thrown out
 *     rateLimit({ messages: 1, topics: 'devices/+/state', answer: 'close' })           one state per second
 *     rateLimit({ messages: 30, window: '1m', per: 'client-id', notify: '{username}/throttle',
 *                 ban: '30s', banFactor: 2, banMaximum: '1h', answer: 'close' })        growing bans
 *
 * A stretch begins with its first message; what was refused does not count.
 */
export const rateLimit = definePlugin({
  meta: {
    name: 'rate-limit',
    api: 1,
    group: 'limits',
    summary: 'Messages above a rate or quota are refused, lost, delayed or punished.',
    spec: ['MQTT-3.3.5-2', 'MQTT-4.3.2-1', 'MQTT-4.3.3-1', 'MQTT-4.13.2-1'],
    finds: 'clients that lose refused messages, repeat them at once and so make it worse, or come back into a ban without a pause',
    seenIn: ['https://github.com/GoogleCloudPlatform/google-cloud-iot-arduino/issues/148', 'https://github.com/faststream-community/zMQTT/issues/65'],
  },
  options: {
    messages: atMost('so many messages are taken in each stretch of time'),
    bytes: atMost('packets of so many bytes are taken in each stretch of time'),
    window: option.duration('how long a stretch of time is', '1s'),
    per: option.choice('what is counted together', ['connection', 'client-id', 'topic', 'all'], 'connection'),
    topics: option.optional(option.list(option.text('a topic filter', '#'), 'only messages on these topics count, and are limited', [])),
    quotaMessages: atMost('so many messages are taken on a connection in all'),
    quotaBytes: atMost('packets of so many bytes are taken on a connection in all'),
    answer: option.answer('what a PUBLISH above the rate or quota gets', 'quota-exceeded'),
    delay: option.choice(
      'reader and ack take what is above the rate later: the server reads nothing until then, or only the acknowledgement comes late',
      ['none', 'reader', 'ack'],
      'none',
    ),
    patience: option.optional(option.duration('how long messages are delayed without a break before the next one gets the answer instead', '10s')),
    notify: option.optional(option.text('a topic that gets a message when the rate or quota is exceeded; {clientId} and {username} are filled in', 'throttle')),
    notifyPayload: option.text('the payload of that message', 'message rate too high'),
    ban: option.optional(option.duration('so long CONNECT is refused to a client id that exceeded the rate or quota', '30s')),
    banFactor: option.number('how much longer each ban is than the one before', 1, { min: 1, max: 1000 }),
    banMaximum: option.optional(option.duration('the longest ban', '1h')),
    banAnswer: option.answer('what CONNECT gets while the client id is banned', 'banned'),
  },
  check({ messages, bytes, quotaMessages, quotaBytes, window, delay, patience, ban, banFactor, banMaximum }) {
    const hasRate = messages !== undefined || bytes !== undefined
    if (!hasRate && quotaMessages === undefined && quotaBytes === undefined)
      return "give one of the options 'messages', 'bytes', 'quotaMessages' and 'quotaBytes'"
    if (window === 0) return "option 'window' is longer than 0"
    if (delay !== 'none' && (!hasRate || messages === 0)) return "option 'delay' goes with a rate above 0"
    if (patience !== undefined && delay === 'none') return "option 'patience' needs the option 'delay'"
    if (ban === undefined && (banFactor !== 1 || banMaximum !== undefined)) return "options 'banFactor' and 'banMaximum' need the option 'ban'"
    return undefined
  },
  setup({ hooks, on, clock, server }, options) {
    const { messages = Number.POSITIVE_INFINITY, bytes = Number.POSITIVE_INFINITY, window, per, topics, delay, patience = Number.POSITIVE_INFINITY } = options
    const { quotaMessages = Number.POSITIVE_INFINITY, quotaBytes = Number.POSITIVE_INFINITY } = options
    const { answer, notify, notifyPayload, ban, banFactor, banMaximum = Number.POSITIVE_INFINITY, banAnswer } = options
    const stretch = (): Stretch => ({ beginsMs: clock.now(), messages: 0, bytes: 0, delayedSinceMs: undefined, told: false })
    const total = (): Total & { told: boolean } => ({ messages: 0, bytes: 0, told: false })
    const stretches = new Map<string, Stretch>()
    const bans = new Map<string, { untilMs: number; lengthMs: number }>()
    /** What was found about a message: when it is its turn, or that it has none. */
    const turns = new WeakMap<Packet, number | 'never'>()
    const filter = topics === undefined ? {} : { topic: topics }

    function stretchFor(topic: string, connection: Connection): Stretch {
      if (per === 'connection') return connection.state(stretch)
      const key = per === 'all' ? '' : per === 'topic' ? topic : (connection.clientId ?? '')
      const found = stretches.get(key) ?? stretch()
      keep(stretches, key, found)
      return found
    }

    /** Counts a message in, once. Returns when it is its turn. */
    function turnOf(packet: Packet, current: Stretch, size: number): number | 'never' {
      const known = turns.get(packet)
      if (known !== undefined) return known
      const turn = counted(current, size)
      turns.set(packet, turn)
      return turn
    }

    function counted(current: Stretch, size: number): number | 'never' {
      const now = clock.now()
      if (now >= current.beginsMs + window) Object.assign(current, stretch())
      if (current.messages + 1 > messages || current.bytes + size > bytes) {
        if (delay === 'none') return 'never'
        current.delayedSinceMs ??= now
        if (now - current.delayedSinceMs >= patience) return 'never'
        Object.assign(current, { beginsMs: current.beginsMs + window, messages: 0, bytes: 0, told: false })
      }
      current.messages++
      current.bytes += size
      return Math.max(now, current.beginsMs)
    }

    function offended(connection: Connection, where: { told: boolean }): void {
      if (notify !== undefined && !where.told) {
        where.told = true
        server.publish({ topic: fillTemplate(notify, connection), payload: notifyPayload })
      }
      const { clientId } = connection
      if (ban === undefined || clientId === undefined) return
      const last = bans.get(clientId)
      if (last !== undefined && clock.now() < last.untilMs) return
      const lengthMs = Math.min(last === undefined ? ban : last.lengthMs * banFactor, banMaximum)
      keep(bans, clientId, { untilMs: clock.now() + lengthMs, lengthMs })
    }

    on(hooks.authorize, { kind: 'publish', ...filter }, (decision, request, connection) => {
      const { size, topic, packet } = request
      const sum = connection.state(total)
      if (sum.messages + 1 > quotaMessages || sum.bytes + size > quotaBytes) {
        offended(connection, sum)
        return decide(decision, answer, request, connection, 'the quota of this connection is used up')
      }
      const current = stretchFor(topic, connection)
      if (turnOf(packet, current, size) === 'never') {
        offended(connection, current)
        return decide(decision, answer, request, connection, 'too many messages')
      }
      sum.messages++
      sum.bytes += size
      return undefined
    })

    if (delay === 'reader')
      on(hooks.packetIn, { cmd: 'publish', ...filter }, (packet, connection) => {
        const size = bytes === Number.POSITIVE_INFINITY ? 0 : encode(packet, connection.version).length
        const turn = turnOf(packet, stretchFor(packet.topic, connection), size)
        return turn === 'never' || turn <= clock.now() ? undefined : [{ wait: turn - clock.now() }, { pass: true }]
      })

    if (delay === 'ack')
      on(hooks.send, { cmd: ['puback', 'pubrec'], kind: 'reply' }, (steps, { packet }) => {
        const turn = packet === undefined ? undefined : turns.get(packet)
        return turn === undefined || turn === 'never' || turn <= clock.now() ? undefined : [{ wait: turn - clock.now() }, ...steps]
      })

    if (ban !== undefined)
      on(hooks.authorize, { kind: 'connect' }, (decision, request, connection) => {
        const last = bans.get(request.packet.clientId)
        return last !== undefined && clock.now() < last.untilMs ? decide(decision, banAnswer, request, connection, 'banned for a while') : undefined
      })
  },
})

function keep<V>(kept: Map<string, V>, key: string, value: V): void {
  if (!kept.has(key) && kept.size >= mostKept) kept.delete(kept.keys().next().value ?? '')
  kept.set(key, value)
}
