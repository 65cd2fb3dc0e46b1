import { type Cause, type Connection, definePlugin, option, selected, selection } from '../src/index.ts'

const kinds = ['live', 'queued', 'retained'] as const

/**
 * Messages come late to their subscribers. The session counts them as sent: those of QoS 1 and 2 take up room of the client's
 * receive maximum while they wait, and come again on the next connection when this one ends first.
 *
 *     deliveryDelay({ delay: '2s', topic: 'slow/#' })         messages on some topics are slow; the others overtake them
 *     deliveryDelay({ jitter: '1s', keepOrder: false })       messages overtake one another [MQTT-4.6.0-6]
 *     deliveryDelay({ kinds: 'retained', afterSuback: '3s' }) retained messages come when the client no longer expects them
 *     deliveryDelay({ kinds: 'queued', perSecond: 10 })       what waited for a session comes at ten messages a second
 */
export const deliveryDelay = definePlugin({
  meta: {
    name: 'delivery-delay',
    api: 1,
    group: 'deliveries',
    summary: 'Messages come late to their subscribers, or no faster than so many a second.',
    spec: ['MQTT-4.6.0-5', 'MQTT-4.6.0-6', 'MQTT-3.8.4-2', 'MQTT-3.3.1-8'],
    finds: 'clients that take SUBACK, or silence behind it, for the end of the retained messages, or wait for a message with too little patience',
    seenIn: ['https://github.com/eclipse-paho/paho.mqtt.java/issues/999'],
  },
  options: {
    delay: option.optional(option.duration('how long each message waits; 200ms, unless another option makes it wait', '200ms')),
    jitter: option.duration('up to so much is added to each wait, at random', 0),
    growth: option.duration('added to the wait for every late message before it on the connection', 0),
    keepOrder: option.flag('late messages leave in the order in which they were made; false lets a shorter wait overtake a longer one', true),
    afterSuback: option.duration('no message leaves sooner than so long after the last SUBACK', 0),
    perSecond: option.optional(option.number('at most so many messages a second leave; the others wait in line', 10, { min: 0.001, max: 1_000_000 })),
    kinds: option.list(
      option.choice('a kind of message', kinds, 'live'),
      'which messages: those that are published now, those that waited for the session or are sent again, and retained ones',
      ['live', 'queued', 'retained'],
    ),
    ...selection,
  },
  check({ kinds }) {
    return kinds.length === 0 ? "option 'kinds' is empty: no message would be late" : undefined
  },
  setup({ hooks, on, clock, name }, { delay, jitter, growth, keepOrder, afterSuback, perSecond, kinds: wanted, ...which }) {
    const lateness = () => ({ messages: 0, dueMs: 0, subackMs: Number.NEGATIVE_INFINITY, freeMs: 0 })
    const isOtherwiseLate = jitter > 0 || growth > 0 || afterSuback > 0 || perSecond !== undefined
    const delayMs = delay ?? (isOtherwiseLate ? 0 : 200)

    /** How long the next message of a connection waits. */
    function wait(connection: Connection): number {
      const state = connection.state(lateness)
      const chance = jitter > 0 ? connection.random(name).next() * jitter : 0
      // Once: time goes on between two looks at a real clock.
      const nowMs = clock.now()
      let dueMs = Math.max(nowMs + delayMs + growth * state.messages++ + chance, state.subackMs + afterSuback)
      if (keepOrder) dueMs = Math.max(dueMs, state.dueMs)
      if (perSecond !== undefined) {
        dueMs = Math.max(dueMs, state.freeMs)
        state.freeMs = dueMs + 1000 / perSecond
      }
      state.dueMs = dueMs
      return dueMs - nowMs
    }

    if (afterSuback > 0)
      on(hooks.send, { cmd: 'suback' }, (_steps, _cause, connection) => {
        connection.state(lateness).subackMs = clock.now()
      })

    on(hooks.send, selected(which, { cmd: 'publish' }), (steps, cause, connection) => {
      if (!wanted.includes(kindOf(cause, connection))) return undefined
      const waitMs = wait(connection)
      return waitMs > 0 ? [{ wait: waitMs }, ...steps] : undefined
    })
  },
})

function kindOf({ kind, delivery }: Cause, { openedMs }: Connection): (typeof kinds)[number] {
  if (delivery?.message.reason === 'retained') return 'retained'
  return kind === 'resend' || (delivery !== undefined && delivery.message.takenAtMs < openedMs) ? 'queued' : 'live'
}
