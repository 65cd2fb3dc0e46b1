import { type Connection, decide, definePlugin, option, type QoS } from '../src/index.ts'

/**
 * The server does not have every QoS. What is above the maximum is refused or lowered: messages, subscriptions and wills.
 *
 *     maximumQos({ maximum: 1 })                                                announced in MQTT 5, closed on
 *     maximumQos({ maximum: 1, publishAnswer: 'allow', acknowledge: 'puback' }) QoS 2 is taken at QoS 1, and PUBACK answers it
 *     maximumQos({ maximum: 1, publishAnswer: 'ignore', announce: false })      QoS 2 is never answered
 *     maximumQos({ maximum: 2, announced: 2 })                                  a value that the property does not have
 */
export const maximumQos = definePlugin({
  meta: {
    name: 'maximum-qos',
    api: 1,
    group: 'limits',
    summary: 'QoS above a maximum is refused, lowered, or answered as if it were lower.',
    spec: ['MQTT-3.2.2-9', 'MQTT-3.2.2-10', 'MQTT-3.2.2-11', 'MQTT-3.2.2-12', 'MQTT-3.8.4-8', 'MQTT-4.3.3-1'],
    finds: 'clients that ignore Maximum QoS, wait for ever for the PUBREC of a QoS 2 message, or do not look at the QoS that was granted',
    seenIn: [
      'https://github.com/eclipse-paho/paho.mqtt.c/issues/1617',
      'https://github.com/mqttjs/MQTT.js/issues/572',
      'https://github.com/apache/shenyu/issues/6743',
      'https://github.com/redboltz/mqtt_cpp/issues/843',
      'https://github.com/hivemq/hivemq-mqtt-client/issues/389',
    ],
  },
  options: {
    maximum: option.count('the highest QoS that there is', 1, { max: 2 }),
    publishAnswer: option.answer('what a PUBLISH above it gets; allow takes the message at the maximum', { disconnect: 'qos-not-supported' }),
    acknowledge: option.choice(
      'how a message is acknowledged that is taken at the maximum: as its own QoS wants it, or always with PUBACK',
      ['as-sent', 'puback'],
      'as-sent',
    ),
    subscribeAnswer: option.answer('what a filter above it gets; allow grants the maximum', 'allow'),
    willAnswer: option.answer('what a CONNECT gets whose will is above it; allow lowers the will', 'qos-not-supported'),
    announce: option.flag('CONNACK says in MQTT 5 what the maximum is, where it is below 2', true),
    announced: option.optional(option.count('what CONNACK says, where that is not `maximum`; 2 and above are illegal', 1, { max: 255 })),
  },
  check({ maximum, announce, announced }) {
    if (announced !== undefined && !announce) return "option 'announced' needs the option 'announce'"
    return maximum === 2 && announced === undefined ? 'QoS 2 is the highest: nothing is above it' : undefined
  },
  setup({ hooks, on, report }, { maximum, publishAnswer, acknowledge, subscribeAnswer, willAnswer, announce, announced }) {
    const highest: QoS = maximum === 0 ? 0 : maximum === 1 ? 1 : 2
    const above = ([1, 2] as const).filter((qos) => qos > highest)
    const told = announce ? (announced ?? (highest < 2 ? highest : undefined)) : undefined

    on(hooks.authorize, { kind: 'connect' }, (decision, request, connection) => {
      const { will } = request.packet
      if (will !== undefined && will.qos > highest) {
        const refused = decide(decision, willAnswer, request, connection, `a will at QoS ${will.qos} is not supported`)
        if (refused !== undefined) return refused
        will.qos = highest
      }
      return told !== undefined && connection.version === 5 ? { ...decision, properties: { ...decision.properties, maximumQoS: told } } : undefined
    })
    if (above.length === 0) return

    function blame(connection: Connection, qos: QoS): void {
      if (told === undefined || connection.version !== 5 || qos <= told) return
      report({ rule: 'publish-qos-above-maximum', message: `the QoS is ${qos}, the announced maximum ${told}`, statements: ['MQTT-3.2.2-11'], connection })
    }

    on(hooks.authorize, { kind: 'publish', qos: above }, (decision, request, connection) => {
      const { packet } = request
      blame(connection, packet.qos)
      const refused = decide(decision, publishAnswer, request, connection, `QoS ${packet.qos} is not supported`)
      if (refused !== undefined) return refused
      if (acknowledge === 'puback') packet.qos = 1
      return { ...decision, maximumQos: highest }
    })

    on(hooks.authorize, { kind: 'subscribe' }, (decision, request, connection) =>
      request.subscription.qos > highest
        ? (decide(decision, subscribeAnswer, request, connection, `QoS ${request.subscription.qos} is not supported`) ?? { ...decision, maximumQos: highest })
        : undefined,
    )
  },
})
