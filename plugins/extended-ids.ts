import { definePlugin, describeReason, option } from '../src/index.ts'

/**
 * Client ids beyond what every server must take are refused, or only reported: longer than 23 bytes, or with other characters
 * than digits and ASCII letters [MQTT-3.1.3-5]; empty ones are a favour of the server [MQTT-3.1.3-6].
 *
 * The refused client gets its CONNACK with the reason code in MQTT 5 [MQTT-3.1.3-8], with return code 2 in MQTT 3, and then
 * the connection is closed.
 */
export const extendedIds = definePlugin({
  meta: {
    name: 'extended-ids',
    api: 1,
    group: 'sessions',
    summary: 'Client ids that are long, empty or of unusual characters are refused.',
    spec: ['MQTT-3.1.3-5', 'MQTT-3.1.3-6', 'MQTT-3.1.3-8', 'MQTT-3.1.3-9'],
    finds: 'clients that make up ids which not every server takes, or that try a refused id again for ever',
  },
  options: {
    action: option.choice('what happens to a client with such an id: it is refused, or only reported', ['reject', 'warn'], 'reject'),
    maximumLength: option.count('bytes that an id may have', 23),
    characters: option.flag('only 0-9, a-z and A-Z are taken', true),
    empty: option.choice('what happens to a client with an empty id', ['allow', 'warn', 'reject'], 'allow'),
    reasonCode: option.reasonCode('the reason code of the refusal', 'client-identifier-not-valid'),
  },
  check: ({ reasonCode }) => (reasonCode < 0x80 ? `option 'reasonCode': ${describeReason(reasonCode)} refuses nothing; 0x80 and above do` : undefined),
  setup({ hooks, on, report }, { action, maximumLength, characters, empty, reasonCode }) {
    /** What is unusual about an id; undefined where nothing is. */
    function unusual(id: string): { rule: string; message: string } | undefined {
      const bytes = Buffer.byteLength(id)
      if (bytes > maximumLength)
        return { rule: 'client-id-too-long', message: `the client id has ${bytes} bytes; not every server takes more than ${maximumLength}` }
      const other = characters ? [...id].find((character) => !/^[0-9a-zA-Z]$/.test(character)) : undefined
      if (other !== undefined)
        return { rule: 'client-id-characters', message: `the client id has a ${JSON.stringify(other)}; every server takes 0-9, a-z and A-Z only` }
      return undefined
    }

    on(hooks.authorize, { kind: 'connect' }, (decision, request, connection) => {
      if (request.kind !== 'connect') return undefined
      const id = request.packet.clientId
      const found = id === '' ? { rule: 'client-id-is-empty', message: 'the client id is empty, which a server need not take' } : unusual(id)
      const consequence = id === '' ? empty : action
      if (found === undefined || consequence === 'allow') return undefined
      if (consequence === 'reject') return { ...decision, reasonCode, properties: { ...decision.properties, reasonString: found.message } }
      report({ ...found, statements: [id === '' ? 'MQTT-3.1.3-6' : 'MQTT-3.1.3-5'], connection })
      return undefined
    })
  },
})
