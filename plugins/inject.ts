import { atMoment, definePlugin, moment, momentProblem, option } from '../src/index.ts'
import { malformed, malformedNames } from './internal/inject/malformed.ts'

/**
 * Bytes that nobody asked for: any, or one of the {@link malformed} packets by name; right behind CONNACK unless told when. A client
 * must close the connection over what is malformed [MQTT-4.13.1-1], and survive it in any case.
 *
 *     inject({ malformed: 'publish-qos-3' })
 *     inject({ malformed: 'string-beyond-end', packet: 'suback' })
 *     inject({ bytes: '20 02 00 00', packet: 'subscribe', when: 'before' })      CONNACK again, and SUBSCRIBE is not handled
 *     inject({ bytes: 'd0 00', time: '1s' })                                     PINGRESP out of the blue
 *
 * Where MQTT 5 has another form it is taken; what only MQTT 5 can say does not come to older clients.
 */
export const inject = definePlugin({
  meta: {
    name: 'inject',
    api: 1,
    group: 'network',
    summary: 'Bytes come that nobody asked for: malformed packets by name, or any.',
    spec: ['MQTT-4.13.1-1', 'MQTT-2.1.3-1', 'MQTT-1.5.5-1', 'MQTT-1.5.4-1', 'MQTT-3.3.1-4', 'MQTT-3.3.2-2', 'MQTT-2.2.1-3'],
    finds: 'clients that crash, hang or read beyond the end over a malformed packet, or take it for a good one',
    seenIn: [
      'https://github.com/LiamBindle/MQTT-C/issues/204',
      'https://github.com/mqttjs/MQTT.js/pull/2064',
      'https://github.com/mqttjs/MQTT.js/pull/2061',
      'https://github.com/njh/ruby-mqtt/pull/158',
    ],
  },
  options: {
    bytes: option.optional(option.bytes('what comes', '00 00')),
    malformed: option.optional(option.choice('what comes, by name; type-0 where bytes are not given either', malformedNames, 'type-0')),
    close: option.choice('what follows: nothing special, or the end', ['open', 'fin', 'rst', 'stall'], 'open'),
    ...moment,
  },
  check({ bytes, malformed: named, close: _close, ...when }) {
    if (bytes !== undefined && named !== undefined) return "give one of the options 'bytes' and 'malformed'"
    return bytes?.length === 0 ? "option 'bytes' is empty" : momentProblem(when)
  },
  setup(api, { bytes, malformed: named = 'type-0', close, ...when }) {
    atMoment(api, when, ({ version }) => {
      const raw = bytes ?? malformed(named, version)
      if (raw === undefined) return undefined
      return close === 'open' ? [{ raw }] : [{ raw }, { close }]
    })
  },
})
