import { definePlugin, endConnection, option, returnCodeOf, type StepInput } from '../src/index.ts'

/**
 * What a second CONNECT on a connection gets. It is a protocol error, and ends the connection [MQTT-3.1.0-2]; but not with every
 * broker.
 *
 *     secondConnect()                                        a second CONNACK, as RabbitMQ 3.10
 *     secondConnect({ answer: 'ignore' })                    nothing, and the connection goes on
 *     secondConnect({ answer: { v3: 'reset', v5: { answer: 'protocol-error', disconnect: 'protocol-error' } } })
 *
 * The CONNECT itself has no effect: client, session and will stay those of the first one. The violation is put on record whatever
 * the answer is.
 */
export const secondConnect = definePlugin({
  meta: {
    name: 'second-connect',
    api: 1,
    group: 'sessions',
    summary: 'A second CONNECT on a connection is answered with a second CONNACK, or ignored, or the connection ends in another way.',
    spec: ['MQTT-3.1.0-2', 'MQTT-4.13.1-1'],
    finds: 'clients that say CONNECT again on a connection that stands, and take the answer for that of a new one',
  },
  options: {
    answer: option.answer('what it gets: accept is a CONNACK with success, a code one with that code, and the connection goes on behind it', 'accept'),
    sessionPresent: option.flag('what the second CONNACK says of the session', false),
    properties: option.properties('what it has for properties, in MQTT 5', {}),
    delay: option.duration('how long the answer takes', 0),
  },
  check: ({ answer }) =>
    [3, 4, 5].some((version) => answer.of(version) === undefined)
      ? "option 'answer': a second CONNECT cannot be handled as a first one; accept answers it as if it were, ignore does not answer it"
      : undefined,
  setup({ hooks, on, play }, { answer, sessionPresent, properties, delay }) {
    on(hooks.violation, { kind: 'second-connect' }, ({ message }, connection) => {
      const chosen = answer.of(connection.version)
      if (chosen === undefined) return undefined
      const { action, reasonCode, thenDisconnect } = chosen
      const wait: readonly StepInput[] = delay > 0 ? [{ wait: delay }] : []
      const end = { until: () => void endConnection(connection, answer, message) }

      if (action === 'accept' || action === 'answer') {
        const code = connection.version === 5 ? { reasonCode, properties } : { returnCode: returnCodeOf(reasonCode) }
        play(connection, [...wait, { packet: { cmd: 'connack', sessionPresent, ...code } }, ...(thenDisconnect === undefined ? [] : [end])])
      } else if (action !== 'drop') play(connection, [...wait, end])
      return 'warn'
    })
  },
})
