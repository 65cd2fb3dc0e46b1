import { atMoment, type Connection, definePlugin, moment, momentProblem, option, type StepInput } from '../src/index.ts'

/**
 * The server says DISCONNECT, with any reason and in any of the legal encodings, and closes; right behind CONNACK unless told when.
 * A client must not send anything behind it, and close [MQTT-3.14.4-1]; where the reason is "use another server" or "server moved",
 * it finds the other one in `serverReference`.
 *
 *     serverDisconnect({ time: '10s', reasonCode: 'administrative-action' })
 *     serverDisconnect({ packet: 'publish', nth: 3, when: 'instead', reasonCode: 'quota-exceeded' })
 *     serverDisconnect({ reasonCode: 'server-moved', serverReference: 'other:1883' })
 *     serverDisconnect({ packet: 'suback', close: 'open' })          and then nothing, against the rules
 *
 * Before MQTT 5 there is no DISCONNECT of a server: such clients see the connection close, or, with `version3: 'send'`, a packet
 * that some brokers send all the same.
 */
export const serverDisconnect = definePlugin({
  meta: {
    name: 'server-disconnect',
    api: 1,
    group: 'server',
    summary: 'The server says DISCONNECT, for any reason, at any moment, and in any encoding.',
    spec: ['MQTT-3.14.0-1', 'MQTT-3.14.2-1', 'MQTT-3.14.2-2', 'MQTT-3.14.2-3', 'MQTT-3.14.2-4', 'MQTT-3.14.4-1', 'MQTT-3.14.4-2', 'MQTT-4.13.1-1'],
    finds: 'clients that do not know the short forms of DISCONNECT, hide its reason, or come back at once where it tells them not to',
    seenIn: ['https://github.com/shamblett/mqtt5_client/issues/143', 'https://github.com/aws/aws-iot-device-sdk-java-v2/issues/580'],
  },
  options: {
    reasonCode: option.reasonCode('why the client has to go', 'server-shutting-down'),
    reasonString: option.text('the reason in words', ''),
    serverReference: option.text('the server that the client is to use', ''),
    properties: option.properties('further properties, illegal ones as well', {}),
    form: option.choice(
      'how it is encoded without properties: 2 bytes for reason 0 and 3 for others, always 3 bytes, or 4 with a property length of 0',
      ['shortest', 'code', 'length'],
      'shortest',
    ),
    close: option.choice(
      'what follows: FIN, a reset, a dead link, FIN while the client is still heard, or nothing',
      ['fin', 'rst', 'stall', 'half', 'open'],
      'fin',
    ),
    delay: option.duration('how long after DISCONNECT that comes', 0),
    version3: option.choice('what clients before MQTT 5 get: the end alone, or the two bytes of a DISCONNECT as well', ['close', 'send'], 'close'),
    ...moment,
  },
  check({ form, reasonString, serverReference, properties, close, version3, delay, ...when }) {
    const explains = reasonString !== '' || serverReference !== '' || Object.keys(properties).length > 0
    if (form !== 'shortest' && explains) return `form ${form} has no room for properties`
    if (close === 'open' && delay > 0) return "option 'delay' is about what follows DISCONNECT: with close open, nothing does"
    return momentProblem(when)
  },
  setup(api, { reasonCode, reasonString, serverReference, properties, form, close, delay, version3, ...when }) {
    const explained = { ...properties, ...(reasonString !== '' && { reasonString }), ...(serverReference !== '' && { serverReference }) }
    const end: readonly StepInput[] = close === 'open' ? [] : delay > 0 ? [{ wait: delay, block: true }, { close }] : [{ close }]

    const disconnect = ({ version }: Connection): readonly StepInput[] => {
      if (version !== 5) return version3 === 'send' ? [{ raw: 'e000' }] : []
      if (form === 'code') return [{ raw: Uint8Array.of(0xe0, 1, reasonCode) }]
      if (form === 'length') return [{ raw: Uint8Array.of(0xe0, 2, reasonCode, 0) }]
      return [{ packet: { cmd: 'disconnect', reasonCode, properties: explained } }]
    }

    atMoment(api, when, (connection) => {
      const steps = [...disconnect(connection), ...end]
      return steps.length === 0 ? undefined : steps
    })
  },
})
