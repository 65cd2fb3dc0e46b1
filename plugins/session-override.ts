import { definePlugin, option, type SessionPart } from '../src/index.ts'

/**
 * The session is not what client and server agreed on, or CONNACK does not say what it is. A client must take its own state
 * from Session Present [MQTT-3.2.2-4, MQTT-3.2.2-5], and must subscribe again after a 0.
 *
 *   keep     the session goes on although the client asked for a clean one [MQTT-3.1.2-4]
 *   forget   the session is gone although the server promised to keep it, as after a restart without a disk
 *   expire   the session lives for `expiry` after the connection, whatever the client asked for; a clean session of MQTT 3,
 *            which ends with its connection, is left alone
 *   obey     the session is as agreed: for a wrong `sessionPresent`, or a session that is there by half
 *
 *     sessionOverride({ subscriptions: 'lose' })                       the session is there, but nothing comes any more
 *     sessionOverride({ inFlight: 'lose', sessionPresent: 'truth' })   exchanges at QoS 1 and 2 are forgotten, in both directions
 */
export const sessionOverride = definePlugin({
  meta: {
    name: 'session-override',
    api: 1,
    group: 'sessions',
    summary: 'The session is kept, forgotten or expired against the agreement, or CONNACK is wrong about it.',
    spec: ['MQTT-3.1.2-4', 'MQTT-3.1.2-5', 'MQTT-3.1.2-6', 'MQTT-3.1.2-23', 'MQTT-3.2.2-2', 'MQTT-3.2.2-3', 'MQTT-3.2.2-4', 'MQTT-3.2.2-5'],
    finds: 'clients that do not subscribe again, or keep messages in flight, when the server has lost their session',
    seenIn: [
      'https://github.com/mqttjs/MQTT.js/issues/1288',
      'https://github.com/aws/aws-iot-device-sdk-python-v2/issues/420',
      'https://github.com/thin-edge/thin-edge.io/pull/3462',
    ],
  },
  options: {
    mode: option.optional(
      option.choice('what becomes of the session: forget unless given, or obey where a part of it is lost', ['keep', 'forget', 'expire', 'obey'], 'forget'),
    ),
    subscriptions: option.choice('what becomes of the subscriptions of a session that goes on', ['keep', 'lose'], 'keep'),
    inFlight: option.choice('what becomes of its QoS 1 and 2 exchanges under way, in both directions', ['keep', 'lose'], 'keep'),
    queued: option.choice('what becomes of the messages that wait for the client', ['keep', 'lose'], 'keep'),
    expiry: option.optional(option.duration('how long the session lives without a connection, for keep (for ever unless given) and expire', 0)),
    sessionPresent: option.choice('what CONNACK says about the session: the truth, always that it is there, or never', ['truth', 'always', 'never'], 'truth'),
    announce: option.flag('CONNACK tells an MQTT 5 client the expiry that it really gets', true),
    probability: option.probability('how likely any of this happens at a CONNECT, decided by the seed', 1),
  },
  check(options) {
    const { expiry, sessionPresent } = options
    const mode = modeOf(options)
    const loses = partsOf(options).length > 0
    if (mode === 'forget' && loses) return 'mode forget loses every part of the session'
    if (mode === 'expire' && expiry === undefined) return "mode expire needs the option 'expiry'"
    if (expiry !== undefined && (mode === 'forget' || mode === 'obey')) return `option 'expiry' goes with keep and expire, not with ${mode}`
    if (mode === 'obey' && sessionPresent === 'truth' && !loses) return "mode obey does nothing without the option 'sessionPresent' or a part that is lost"
    return undefined
  },
  setup({ hooks, on }, options) {
    const { expiry, sessionPresent, announce, probability } = options
    const mode = modeOf(options)
    const lose = partsOf(options)
    on(hooks.session, probability < 1 ? { probability } : {}, (plan, packet, connection) => {
      const resume = mode === 'keep' ? plan.stored : mode === 'forget' ? false : plan.resume
      // What goes beyond the connection is the server's to decide; what does not is over with it.
      const ends = connection.version !== 5 && packet.clean
      const expiryMs = mode === 'keep' ? (expiry ?? Number.POSITIVE_INFINITY) : mode === 'expire' && !ends ? (expiry ?? plan.expiryMs) : plan.expiryMs
      return {
        ...plan,
        resume,
        expiryMs,
        sessionPresent: sessionPresent === 'truth' ? resume : sessionPresent === 'always',
        // Nor can a DISCONNECT change it.
        ...((mode === 'keep' || mode === 'expire') && { expiryRange: { minimumMs: expiryMs, maximumMs: expiryMs } }),
        ...(lose.length > 0 && { lose: [...(plan.lose ?? []), ...lose] }),
      }
    })

    if (announce) return
    on(hooks.send, { cmd: 'connack' }, (steps) =>
      steps.map((step) => {
        if (!('packet' in step) || step.packet.cmd !== 'connack' || step.packet.properties?.sessionExpiryInterval === undefined) return step
        const { sessionExpiryInterval: _kept, ...properties } = step.packet.properties
        return { packet: { ...step.packet, properties } }
      }),
    )
  },
})

const parts = ['subscriptions', 'inFlight', 'queued'] as const satisfies readonly SessionPart[]

type Parts = { readonly [Part in SessionPart]: 'keep' | 'lose' }

/** The parts of a session that are lost. */
function partsOf(options: Parts): readonly SessionPart[] {
  return parts.filter((part) => options[part] === 'lose')
}

function modeOf(options: Parts & { readonly mode: 'keep' | 'forget' | 'expire' | 'obey' | undefined }): 'keep' | 'forget' | 'expire' | 'obey' {
  return options.mode ?? (partsOf(options).length > 0 ? 'obey' : 'forget')
}
