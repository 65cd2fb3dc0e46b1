import { definePlugin, option, selection } from '../src/index.ts'
import { choose, topicOf } from './internal/answered.ts'

/**
 * Acknowledgements come too early: a message is acknowledged before it is routed, a SUBSCRIBE before the subscription is made.
 * A client may rely on neither: it is the server's own affair how far a message got that it took.
 *
 *     ackEarly()                                           the client's own message comes behind its PUBACK, not before it
 *     ackEarly({ hold: '2s' })                             what is acknowledged arrives two seconds later
 *     ackEarly({ packets: 'suback', hold: 100 })           what is published right behind SUBACK is missed
 *     ackEarly({ lose: true, every: 10 })                  every tenth message is acknowledged, and never arrives
 *
 * With `hold` and `lose` the code says success: nobody knows yet what becomes of it. What another plugin refuses is refused.
 */
export const ackEarly = definePlugin({
  meta: {
    name: 'ack-early',
    api: 1,
    group: 'answers',
    summary: 'Messages and subscriptions are acknowledged before anything is done about them, and done late, or never.',
    spec: ['MQTT-3.8.4-1', 'MQTT-3.8.4-3', 'MQTT-4.3.2-4', 'MQTT-4.3.3-8', 'MQTT-4.6.0-5'],
    finds: 'clients that take an acknowledgement for the arrival, or count on the order of their own message and its acknowledgement',
  },
  options: {
    packets: option.packets('which acknowledgements come early', ['puback', 'pubrec', 'suback', 'unsuback'], ['puback', 'pubrec']),
    hold: option.duration('how long after it what was acknowledged is done; 0 does it right behind the acknowledgement', 0),
    lose: option.flag('what was acknowledged is never done', false),
    ...selection,
  },
  check({ packets, hold, lose }) {
    if (packets.length === 0) return "option 'packets' is empty: nothing would come early"
    return lose && hold > 0 ? "option 'hold' says nothing beside 'lose'" : undefined
  },
  setup(api, { packets, hold, lose, ...which }) {
    const { hooks, on } = api
    const isChosen = choose(api, packets, which)
    on(hooks.authorize, { kind: ['publish', 'subscribe', 'unsubscribe'], ...topicOf(which) }, (decision, { packet }) => {
      if (!isChosen(packet) || decision.reasonCode >= 0x80 || (decision.action ?? 'answer') !== 'answer') return undefined
      return lose ? { ...decision, action: 'accept' } : { ...decision, effectDelay: hold }
    })
  },
})
