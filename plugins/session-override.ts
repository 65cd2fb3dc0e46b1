import { definePlugin, option } from '../src/index.ts'

/**
 * The session is not what client and server agreed on, or CONNACK does not say what it is. A client must take its own state
 * from Session Present [MQTT-3.2.2-4, MQTT-3.2.2-5], and must subscribe again after a 0.
 *
 *   keep     the session goes on although the client asked for a clean one [MQTT-3.1.2-4]
 *   forget   the session is gone although the server promised to keep it, as after a restart without a disk
 *   expire   the session lives for `expiry` after the connection, whatever the client asked for; a clean session of MQTT 3,
 *            which ends with its connection, is left alone
 *   obey     the session is as agreed: for a wrong `sessionPresent` alone
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
    mode: option.choice('what becomes of the session', ['keep', 'forget', 'expire', 'obey'], 'forget'),
    expiry: option.optional(option.duration('how long the session lives without a connection, for keep (for ever unless given) and expire', 0)),
    sessionPresent: option.choice('what CONNACK says about the session: the truth, always that it is there, or never', ['truth', 'always', 'never'], 'truth'),
    announce: option.flag('CONNACK tells an MQTT 5 client the expiry that it really gets', true),
  },
  check({ mode, expiry, sessionPresent }) {
    if (mode === 'expire' && expiry === undefined) return "mode expire needs the option 'expiry'"
    if (expiry !== undefined && (mode === 'forget' || mode === 'obey')) return `option 'expiry' goes with keep and expire, not with ${mode}`
    if (mode === 'obey' && sessionPresent === 'truth') return "mode obey does nothing without the option 'sessionPresent'"
    return undefined
  },
  setup({ hooks, on, name }, { mode, expiry, sessionPresent, announce }) {
    hooks.session.tap(name, (plan, packet, connection) => {
      const resume = mode === 'keep' ? plan.stored : mode === 'forget' ? false : plan.resume
      // What goes beyond the connection is the server's to decide; what does not is over with it.
      const ends = connection.version !== 5 && packet.clean
      const expiryMs = mode === 'keep' ? (expiry ?? Number.POSITIVE_INFINITY) : mode === 'expire' && !ends ? (expiry ?? plan.expiryMs) : plan.expiryMs
      return { ...plan, resume, expiryMs, sessionPresent: sessionPresent === 'truth' ? resume : sessionPresent === 'always' }
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
