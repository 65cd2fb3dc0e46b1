import { type ConnackPacket, type ConnectPacket, definePlugin, option, type Properties, parseReasonCode, returnCodeOf, type StepInput } from '../src/index.ts'

/**
 * What CONNACK says: a code, session present, properties of MQTT 5. Only what it says: the broker goes on as if it had said
 * the truth, so a client that is told "no" is connected, and a limit that is announced is not enforced.
 *
 *     connack({ reasonCode: 'bad-user-name-or-password' })               refused, it says, but the connection stays
 *     connack({ set: { maximumQoS: 2 }, omit: ['assignedClientIdentifier'] })
 *     connack({ returnCodes: { 'quota-exceeded': 3, '0x87': 7 } })       what MQTT 3 clients read in place of 0x97 and 0x87
 *     connack({ reasonCode: 0x87, times: 2, again: 'success' })          a refusal and an acceptance, one behind the other
 */
export const connack = definePlugin({
  meta: {
    name: 'connack',
    api: 1,
    group: 'answers',
    summary: 'CONNACK has another code, session present flag or properties, or comes more than once.',
    spec: ['MQTT-3.2.0-2', 'MQTT-3.2.2-2', 'MQTT-3.2.2-3', 'MQTT-3.2.2-4', 'MQTT-3.2.2-6', 'MQTT-3.2.2-7', 'MQTT-3.2.2-8', 'MQTT-3.2.2-9', 'MQTT-3.2.2-21'],
    finds: 'clients that do not read what CONNACK says, or trust it without looking at the rest',
    seenIn: [
      'https://github.com/mqttjs/MQTT.js/issues/1947',
      'https://github.com/mqttjs/MQTT.js/pull/2064',
      'https://github.com/eclipse-paho/paho.mqtt.java/issues/987',
      'https://github.com/eclipse-mosquitto/mosquitto/issues/3603',
    ],
  },
  options: {
    which: option.choice('which ones: for clients that are accepted, for those that are refused, or both', ['accepted', 'refused', 'both'], 'accepted'),
    reasonCode: option.optional(option.reasonCode('the code; MQTT 3 clients get the return code that comes nearest', 'not-authorized')),
    returnCode: option.optional(option.count('the code for MQTT 3 clients', 5, { max: 255 })),
    returnCodes: option.map(
      option.count('a return code', 3, { max: 255 }),
      'codes for MQTT 3 clients, by the reason code of MQTT 5 that stands behind them; for refused clients as well',
      {},
    ),
    sessionPresent: option.optional(
      option.either(
        option.flag('one thing', true),
        option.choice('or', ['not-clean'], 'not-clean'),
        'what it says about the session; not-clean is true wherever the client asked for no clean one',
        true,
      ),
    ),
    set: option.optional(option.properties('properties that it gets; nothing is checked', {})),
    omit: option.propertyNames('properties that it loses', []),
    echo: option.propertyNames('properties that it takes from CONNECT; serverKeepAlive and assignedClientIdentifier as well', []),
    afterRefusal: option.choice('what becomes of the connection of a client that was accepted, but is told that it is refused', ['stay', 'close'], 'stay'),
    times: option.count('how often it is sent', 1, { min: 1, max: 1000 }),
    delay: option.duration('how long the second one, and each after it, comes after the one before', 0),
    again: option.optional(option.reasonCode('the code of the second one and those after it; unless given, that of the first', 'success')),
  },
  check({ reasonCode, returnCode, returnCodes, sessionPresent, set, omit, echo, afterRefusal, times, delay, again }) {
    for (const code of returnCodes.keys()) parseReasonCode(code, "option 'returnCodes'")
    const changes = reasonCode ?? returnCode ?? sessionPresent ?? set
    if (changes === undefined && returnCodes.size === 0 && omit.length === 0 && echo.length === 0 && times === 1)
      return "without options it changes nothing: give 'reasonCode', 'returnCode', 'returnCodes', 'sessionPresent', 'set', 'omit', 'echo' or 'times'"
    if (times === 1 && (delay > 0 || again !== undefined)) return `option '${delay > 0 ? 'delay' : 'again'}' goes with 'times'`
    if (afterRefusal === 'close' && reasonCode === undefined && returnCode === undefined) return "option 'afterRefusal' goes with 'reasonCode' and 'returnCode'"
    return undefined
  },
  setup({ hooks, on }, { which, reasonCode, returnCode, sessionPresent, set, omit, echo, afterRefusal, times, delay, again, ...options }) {
    const returnCodes = new Map([...options.returnCodes].map(([reason, code]) => [parseReasonCode(reason), code]))

    const changesProperties = set !== undefined || omit.length > 0 || echo.length > 0

    /** A CONNACK that says a reason code in its version. */
    function saying(packet: ConnackPacket, reason: number | undefined, given?: number): ConnackPacket {
      if (packet.returnCode === undefined) return reason === undefined ? packet : { ...packet, reasonCode: reason }
      const code = given ?? (reason === undefined ? undefined : (returnCodes.get(reason) ?? returnCodeOf(reason)))
      return code === undefined ? packet : { ...packet, returnCode: code }
    }

    function propertiesOf(packet: ConnackPacket, connect: ConnectPacket | undefined): Properties {
      const properties: Properties = { ...packet.properties }
      for (const name of omit) delete properties[name]
      const asked: Properties = { ...connect?.properties, assignedClientIdentifier: connect?.clientId ?? '', serverKeepAlive: connect?.keepalive ?? 0 }
      for (const name of echo) if (asked[name] !== undefined) Object.assign(properties, { [name]: asked[name] })
      return { ...properties, ...set }
    }

    on(hooks.send, { cmd: 'connack' }, (steps, cause, connection) => {
      const accepted = (cause.reasonCode ?? 0) < 0x80
      const chosen = which === 'both' || (which === 'accepted') === accepted
      const change = (packet: ConnackPacket): ConnackPacket => {
        const reason = cause.reasonCode ?? 0
        const known = returnCodes.get(reason)
        if (!chosen) return saying(packet, undefined, known)
        const said = saying(packet, reasonCode, returnCode ?? (reasonCode === undefined ? known : undefined))
        const properties = changesProperties && connection.version === 5 ? { properties: propertiesOf(packet, connection.connect) } : {}
        const isPresent = sessionPresent === 'not-clean' ? connection.connect?.clean === false : sessionPresent
        return { ...said, ...properties, ...(isPresent !== undefined && { sessionPresent: isPresent }) }
      }
      const answers = steps.map((step) => ('packet' in step && step.packet.cmd === 'connack' ? { packet: change(step.packet) } : step))
      if (!chosen) return returnCodes.has(cause.reasonCode ?? 0) ? answers : undefined
      const repeats = steps.flatMap((step): StepInput[] => {
        if (!('packet' in step) || step.packet.cmd !== 'connack') return []
        const packet = change(step.packet)
        return [{ wait: delay }, { packet: again === undefined ? packet : saying(packet, again) }]
      })
      const plan = [...answers, ...Array.from({ length: times - 1 }, () => repeats).flat()]
      return afterRefusal === 'close' && accepted && refuses(answers) ? [...plan, { close: 'fin' }] : plan
    })
  },
})

/** Whether a client that reads these steps is told that it is refused. */
function refuses(steps: readonly StepInput[]): boolean {
  return steps.some((step) => 'packet' in step && step.packet.cmd === 'connack' && ((step.packet.reasonCode ?? 0) >= 0x80 || (step.packet.returnCode ?? 0) > 0))
}
