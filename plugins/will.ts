import { definePlugin, option, type Timer, topicMatches, type Will } from '../src/index.ts'

/**
 * What the server makes of a will: it is never published, or although the client said goodbye, twice, too late, or while the client
 * is still there.
 *
 *     will({ publish: 'never' })                    nobody hears that the client is gone
 *     will({ publish: 'always' })                   also after DISCONNECT, which is to drop it [MQTT-3.14.4-3]
 *     will({ takeover: 'never' })                   a client that is taken over has no will
 *     will({ delay: '1500ms', firm: true })         the will comes when the client has long been back
 *     will({ early: '5s' })                         the client hears that it is dead while it lives
 */
export const will = definePlugin({
  meta: {
    name: 'will',
    api: 1,
    group: 'sessions',
    summary: 'Wills are not published, or against the agreement, more than once, late, or early.',
    spec: ['MQTT-3.1.2-8', 'MQTT-3.1.2-10', 'MQTT-3.1.3-9', 'MQTT-3.14.4-3', 'MQTT-3.1.2-14', 'MQTT-3.1.2-15'],
    finds: 'clients that trust in a will alone to tell who is there, or do not say again that they are when an old will comes',
    seenIn: ['https://github.com/jagheterfredrik/wallbox-mqtt-bridge/pull/107', 'https://github.com/espressif/esp-mqtt/issues/208'],
  },
  options: {
    publish: option.choice('when the will is published: as agreed on, never, or always, after DISCONNECT as well', ['agreed', 'never', 'always'], 'agreed'),
    takeover: option.choice('the same for a client that is taken over by another one', ['agreed', 'never', 'always'], 'agreed'),
    copies: option.count('how often it is published', 1, { min: 1 }),
    delay: option.duration('added to its delay; the end of the session, which for a clean session is that of the connection, cuts it short unless firm', 0),
    firm: option.flag('a will that waits is published although the client is back or its session over', false),
    early: option.optional(option.duration('it is published so long after CONNACK as well, while the client is still there', '1s')),
    retain: option.optional(option.flag('whether it is retained, whatever the client said', true)),
    qos: option.optional(option.count('its QoS, whatever the client said', 0, { max: 2 })),
    topic: option.optional(option.list(option.text('a topic filter', '#'), 'only wills with a topic that matches', [])),
  },
  check({ publish, takeover, copies, delay, firm, early, retain, qos }) {
    const isPlain = publish === 'agreed' && takeover === 'agreed' && copies === 1 && delay === 0 && !firm
    return isPlain && early === undefined && retain === undefined && qos === undefined ? 'without an option, wills are what they should be' : undefined
  },
  setup({ hooks, clock, server, acted, name }, { publish, takeover, copies, delay, firm, early, retain, qos, topic }) {
    const isMeant = (one: Will | undefined): one is Will =>
      one !== undefined && (topic === undefined || topic.some((filter) => topicMatches(filter, one.topic)))
    const changed = (one: Will): Will => ({
      ...one,
      ...(retain !== undefined && { retain }),
      ...(qos !== undefined && { qos: qos === 2 ? 2 : qos === 1 ? 1 : 0 }),
    })

    hooks.will.tap(name, (plan, _info, connection) => {
      if (!isMeant(plan.will)) return undefined
      const wanted = connection.successor !== undefined && takeover !== 'agreed' ? takeover : publish
      return {
        ...plan,
        will: retain === undefined && qos === undefined ? plan.will : changed(plan.will),
        publish: wanted === 'agreed' ? plan.publish : wanted === 'always',
        delayMs: plan.delayMs + delay,
        firm: firm || plan.firm,
        copies: plan.copies * copies,
      }
    })

    if (early === undefined) return
    const waiting = (): { timer: Timer | undefined } => ({ timer: undefined })
    hooks.session.tap(name, (_plan, packet, connection) => {
      const one = packet.will
      if (!isMeant(one)) return undefined
      connection.state(waiting).timer = clock.after(early, () => {
        const { topic, payload, qos, retain, properties } = changed(one)
        for (let copy = 0; copy < copies; copy++) server.publish({ topic, payload, qos, retain, ...(properties !== undefined && { properties }) })
        acted(`published the will of ${connection.clientId} while it is there`, connection)
      })
      return undefined
    })
    hooks.disconnect.tap(name, (connection) => connection.state(waiting).timer?.cancel())
  },
})
