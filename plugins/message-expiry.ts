import { definePlugin, option, type Properties, selected, type Will } from '../src/index.ts'

/** How long a message lives, in seconds; undefined is for ever. */
interface Life {
  /** As subscribers are told. */
  readonly told: number | undefined
  /** As the broker keeps it. */
  readonly kept: number | undefined
}

/**
 * Messages of MQTT 5 live longer or shorter than their publisher said, or subscribers are told a wrong rest of it.
 *
 *     messageExpiry({ expired: 'deliver' })            what has expired comes all the same, with 0 seconds left [MQTT-3.3.2-5]
 *     messageExpiry({ early: '10s' })                  messages vanish ten seconds before their time
 *     messageExpiry({ maximum: '1h', default: '1h' })  the server bounds the life of every message
 *     messageExpiry({ zero: 'never' })                 an interval of 0, which is over at once, means for ever
 *     messageExpiry({ remaining: 'original' })         nobody counts how long a message waited [MQTT-3.3.2-6]
 *
 * Lives are those of messages and wills that clients publish, retained ones included, and of live messages that the server makes.
 */
export const messageExpiry = definePlugin({
  meta: {
    name: 'message-expiry',
    api: 1,
    group: 'deliveries',
    summary: 'Messages expire too early, too late or never, or subscribers are told a wrong Message Expiry Interval.',
    spec: ['MQTT-3.3.2-5', 'MQTT-3.3.2-6', 'MQTT-4.3.3-13'],
    finds: 'clients that act on a message whose time is over, or that fail at an interval of 0, a missing one, or one that they did not set',
    seenIn: ['https://learn.microsoft.com/en-us/azure/event-grid/mqtt-support'],
  },
  options: {
    expired: option.choice('what becomes of a message whose time is over: it is dropped, or delivered nevertheless', ['drop', 'deliver'], 'drop'),
    early: option.duration('so long before its time a message expires', 0),
    maximum: option.optional(option.duration('a longer life is cut to this', '1h')),
    default: option.optional(option.duration('the life of a message whose publisher said nothing', '1h')),
    zero: option.choice('what an interval of 0 means', ['at-once', 'one-second', 'never'], 'at-once'),
    remaining: option.choice(
      'what a subscriber is told: what is left, what the publisher said, always 0, or nothing',
      ['right', 'original', 'zero', 'missing'],
      'right',
    ),
    topic: option.optional(option.list(option.text('a topic filter', '#'), 'only messages whose topic matches', [])),
  },
  check({ expired, early, maximum, default: given, zero, remaining }) {
    if (expired === 'drop' && early === 0 && maximum === undefined && given === undefined && zero === 'at-once' && remaining === 'right')
      return "give one of the options 'expired', 'early', 'maximum', 'default', 'zero' and 'remaining'"
    if (expired === 'deliver' && early > 0) return "options 'early' and 'expired: deliver' contradict each other"
    return undefined
  },
  setup({ hooks, on, clock }, { expired, early, maximum, default: given, zero, remaining, topic }) {
    /** What subscribers are told, where the broker keeps something else; by payload, which goes through the broker as it is. */
    const told = new WeakMap<Buffer, number>()
    const which = selected({ topic })

    function lifeOf(interval: number | undefined): Life {
      if (interval === 0 && zero === 'never') return { told: undefined, kept: undefined }
      const asked = interval === 0 && zero === 'one-second' ? 1 : (interval ?? (given === undefined ? undefined : given / 1000))
      if (asked === undefined) return { told: undefined, kept: undefined }
      const life = maximum === undefined ? asked : Math.min(asked, maximum / 1000)
      return { told: life, kept: expired === 'deliver' ? undefined : Math.max(0, life - early / 1000) }
    }

    /** The properties of a message that has the life it shall have; the same object where nothing is changed. */
    function withLife(properties: Properties | undefined, payload: Buffer): Properties | undefined {
      const interval = properties?.messageExpiryInterval
      const life = lifeOf(interval)
      if (life.told !== undefined && life.told !== life.kept) told.set(payload, life.told)
      if (life.kept === interval) return properties
      const { messageExpiryInterval: _asked, ...rest } = properties ?? {}
      return life.kept === undefined ? rest : { ...rest, messageExpiryInterval: life.kept }
    }

    if (expired === 'deliver' || early > 0 || maximum !== undefined || given !== undefined || zero !== 'at-once') {
      on(hooks.packetIn, { ...which, cmd: 'publish' }, (packet) => {
        const properties = withLife(packet.properties, packet.payload)
        if (properties !== undefined && properties !== packet.properties) packet.properties = properties
      })
      on(hooks.will, which, (plan) => {
        const will: Will = { ...plan.will }
        const properties = withLife(will.properties, will.payload)
        if (properties === undefined || properties === will.properties) return undefined
        return { ...plan, will: { ...will, properties } }
      })
      on(hooks.route, { ...which, kind: 'inject' }, (deliveries, message) => {
        const interval = message.expiresAtMs === undefined ? undefined : (message.expiresAtMs - message.takenAtMs) / 1000
        const life = lifeOf(interval)
        if (life.told !== undefined && life.told !== life.kept) told.set(message.payload, life.told)
        if (life.kept === interval) return undefined
        const expiresAtMs = life.kept === undefined ? undefined : message.takenAtMs + life.kept * 1000
        return deliveries.map((delivery) => ({ ...delivery, message: { ...delivery.message, expiresAtMs } }))
      })
    }

    if (expired === 'drop' && early === 0 && remaining === 'right') return
    on(hooks.send, { ...which, cmd: 'publish' }, (steps, { delivery }, { version }) => {
      if (delivery === undefined || version !== 5) return undefined
      const { message } = delivery
      const seconds = told.get(message.payload) ?? (message.expiresAtMs === undefined ? undefined : (message.expiresAtMs - message.takenAtMs) / 1000)
      if (seconds === undefined) return undefined
      const leftMs = message.takenAtMs + seconds * 1000 - clock.now()
      const right = Math.max(0, Math.ceil(leftMs / 1000))
      const interval = remaining === 'right' ? right : remaining === 'original' ? Math.ceil(seconds) : remaining === 'zero' ? 0 : undefined
      return steps.map((step) => {
        if (!('packet' in step) || step.packet.cmd !== 'publish') return step
        const { messageExpiryInterval: before, ...rest } = step.packet.properties ?? {}
        if (before === interval) return step
        return { packet: { ...step.packet, properties: interval === undefined ? rest : { ...rest, messageExpiryInterval: interval } } }
      })
    })
  },
})
