import { definePlugin, option, type SessionPart } from '../src/index.ts'

const never = 0xffff_ffff

/**
 * How long the server keeps a session, and how much of it. What a client asks for is only a wish: it must take the expiry from
 * CONNACK (section 3.2.2.3.2), and in MQTT 3 it is told nothing at all.
 *
 *     sessionLimits({ maximum: '1h' })                          longer sessions are cut to an hour, and CONNACK says so
 *     sessionLimits({ maximum: '10s', announce: 'nothing' })    ... and it does not
 *     sessionLimits({ mqtt3: '2h' })                            a session of MQTT 3 ends as well
 *     sessionLimits({ queueLimit: 10, overflow: 'oldest' })     of what comes meanwhile, the last ten messages are there
 *
 * `persistent: false` keeps no session beyond its connection.
 */
export const sessionLimits = definePlugin({
  meta: {
    name: 'session-limits',
    api: 1,
    group: 'sessions',
    summary: 'Sessions live shorter or longer than asked for, or keep only some messages, or none of their subscriptions.',
    spec: ['MQTT-3.1.2-23', 'MQTT-3.2.2-2', 'MQTT-3.2.2-3', 'MQTT-3.2.2-4', 'MQTT-4.1.0-1', 'MQTT-4.1.0-2'],
    finds: 'clients that do not look at the expiry in CONNACK, or expect every message that came while they were away',
    seenIn: [
      'https://github.com/aws/aws-iot-device-sdk-python-v2/issues/420',
      'https://github.com/mqttjs/MQTT.js/issues/1288',
      'https://github.com/thin-edge/thin-edge.io/pull/3462',
    ],
  },
  options: {
    minimum: option.optional(option.duration('the shortest that an MQTT 5 session is kept', '10s')),
    maximum: option.optional(option.duration('the longest that a session is kept', '1h')),
    mqtt3: option.optional(option.duration('how long a session of MQTT 3 is kept that is not clean; for ever unless given', '2h')),
    persistent: option.flag('false keeps no session beyond its connection', true),
    announce: option.either(
      option.choice('the truth or nothing', ['truth', 'always', 'nothing'], 'truth'),
      option.duration('an expiry', '1h'),
      'which expiry CONNACK tells an MQTT 5 client: the truth where it differs from what was asked for, always the truth, nothing, or this one',
      'truth',
    ),
    queueLimit: option.optional(option.count('how many messages are kept in line for a client', 100)),
    overflow: option.choice(
      'what is dropped where the line is full: the newest message, the oldest, or the whole session',
      ['newest', 'oldest', 'session'],
      'newest',
    ),
    subscriptions: option.choice('what becomes of the subscriptions of a session that goes on', ['keep', 'lose'], 'keep'),
    queued: option.choice('what becomes of the messages in line for it', ['keep', 'lose'], 'keep'),
  },
  check({ minimum, maximum, mqtt3, persistent, announce, queueLimit, overflow, subscriptions, queued }) {
    if (minimum !== undefined && maximum !== undefined && minimum > maximum) return "option 'minimum' is above 'maximum'"
    if (!persistent && minimum !== undefined) return "option 'minimum' does not go with persistent: false"
    const isPlain = minimum === undefined && maximum === undefined && mqtt3 === undefined && persistent && announce === 'truth'
    const keepsAll = queueLimit === undefined && overflow === 'newest' && subscriptions === 'keep' && queued === 'keep'
    return isPlain && keepsAll ? 'without an option, sessions are as agreed on' : undefined
  },
  setup({ hooks, on, name }, options) {
    const { mqtt3, persistent, announce, queueLimit, overflow, subscriptions, queued } = options
    const minimumMs = options.minimum ?? 0
    const maximumMs = persistent ? (options.maximum ?? Number.POSITIVE_INFINITY) : 0
    const lose: SessionPart[] = [...(subscriptions === 'lose' ? ['subscriptions' as const] : []), ...(queued === 'lose' ? ['queued' as const] : [])]
    const isRanged = minimumMs > 0 || maximumMs < Number.POSITIVE_INFINITY

    hooks.session.tap(name, (plan, packet, connection) => {
      // A clean session of MQTT 3 ends with its connection, whatever the limits.
      const ends = connection.version !== 5 && packet.clean
      const askedMs = connection.version === 5 ? plan.expiryMs : (mqtt3 ?? plan.expiryMs)
      const atLeast = connection.version === 5 ? Math.max(minimumMs, askedMs) : askedMs
      return {
        ...plan,
        resume: plan.resume && persistent,
        sessionPresent: plan.sessionPresent && persistent,
        expiryMs: ends ? plan.expiryMs : Math.min(maximumMs, atLeast),
        ...(isRanged && { expiryRange: { minimumMs, maximumMs } }),
        ...(lose.length > 0 && { lose: [...(plan.lose ?? []), ...lose] }),
        limits: queueLimit === undefined && overflow === 'newest' ? plan.limits : { ...plan.limits, overflow, ...(queueLimit !== undefined && { queueLimit }) },
      }
    })

    if (announce === 'truth') return
    on(hooks.send, { cmd: 'connack', reasonCode: 0 }, (steps, _cause, connection) =>
      connection.version !== 5
        ? undefined
        : steps.map((step) => {
            if (!('packet' in step) || step.packet.cmd !== 'connack') return step
            const { sessionExpiryInterval, ...properties } = step.packet.properties ?? {}
            if (announce === 'nothing') return sessionExpiryInterval === undefined ? step : { packet: { ...step.packet, properties } }
            const toldMs = announce === 'always' ? (connection.session?.expiryMs ?? 0) : announce
            const seconds = Math.min(never, Math.ceil(toldMs / 1000))
            return seconds === sessionExpiryInterval ? step : { packet: { ...step.packet, properties: { ...properties, sessionExpiryInterval: seconds } } }
          }),
    )
  },
})
