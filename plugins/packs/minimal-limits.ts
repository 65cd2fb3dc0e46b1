import { definePack, option } from '../../src/index.ts'
import { inFlight, packetSize, subscribeLimits, topicAlias } from '../index.ts'

/**
 * A server that has next to nothing: one message at a time in each direction, small packets, one topic alias, a few filters. All of it is
 * announced and legal, so a client has to get along, or to say in words that it cannot.
 */
export const minimalLimits = definePack({
  meta: {
    name: 'minimal-limits',
    api: 1,
    summary: 'One message at a time, small packets, one topic alias, one filter per SUBSCRIBE: announced, legal, and kept.',
    facts: [
      { says: 'A receive maximum of 1 is legal: one QoS 1 or 2 message at a time.', source: 'MQTT 5.0, section 3.2.2.3.3', by: 'in-flight' },
      { says: 'A server may announce any maximum packet size above 0.', source: 'MQTT 5.0, section 3.2.2.3.6', by: 'packet-size' },
      { says: 'A topic alias maximum of 1 allows one alias at a time.', source: 'MQTT 5.0, section 3.2.2.3.8', by: 'topic-alias' },
      {
        says: 'Brokers limit the filters of one SUBSCRIBE, and end the connection beyond.',
        source: 'https://docs.aws.amazon.com/general/latest/gr/iot-core.html',
        by: 'subscribe-limits',
      },
    ],
    leaves: ['A real broker: none is as poor in everything at once.'],
  },
  options: {
    receiveMaximum: option.count('QoS 1 and 2 messages that may be under way in each direction', 1, { min: 1, max: 65_535 }),
    packetSize: option.count('the largest packet in each direction, in bytes', 256, { min: 32 }),
    topicAliases: option.count('the highest topic alias that is taken', 1, { max: 65_535 }),
    filters: option.count('filters per SUBSCRIBE', 1, { min: 1 }),
  },
  plugins: ({ receiveMaximum, packetSize: bytes, topicAliases, filters }) => [
    inFlight({ maximum: receiveMaximum, window: receiveMaximum }),
    packetSize({ maximum: bytes, toClient: bytes }),
    topicAlias({ announce: topicAliases, maximum: topicAliases }),
    subscribeLimits({ filters }),
  ],
})
