import { type Delivery, definePlugin, option, type PublishPacket, type QoS, type Session, selected, selection } from '../src/index.ts'

const flagChoices = ['right', 'set', 'cleared', 'inverted'] as const
type FlagChoice = (typeof flagChoices)[number]

/**
 * Messages come with the wrong flags: DUP, retain, QoS, subscription identifiers, or another topic.
 *
 *     deliveryFlags({ setDup: 'cleared' })                        what is sent again looks new [MQTT-3.3.1-1]
 *     deliveryFlags({ setDup: 'set' })                            what is new looks like a repeat; it must be taken all the same
 *     deliveryFlags({ setRetain: 'cleared', retain: true })       retained messages look live [MQTT-3.3.1-8]
 *     deliveryFlags({ setQos: 'higher' })                         a QoS that was not granted [MQTT-3.8.4-8]
 *     deliveryFlags({ identifiers: 'missing' })                   nothing tells which subscription it is [MQTT-3.3.4-3]
 *     deliveryFlags({ setTopic: 'home/#' })                       a topic with a wildcard [MQTT-3.3.2-2]
 *
 * Another QoS is no lie: the exchange that belongs to it follows. The other options of the same names as in PUBLISH (`topic`,
 * `qos`, `retain`, `dup`) say which messages.
 */
export const deliveryFlags = definePlugin({
  meta: {
    name: 'delivery-flags',
    api: 1,
    group: 'deliveries',
    summary: 'Messages come with a wrong DUP or retain flag, another QoS, wrong subscription identifiers or another topic.',
    spec: ['MQTT-3.3.1-1', 'MQTT-3.3.1-2', 'MQTT-3.3.1-3', 'MQTT-3.3.1-8', 'MQTT-3.3.1-12', 'MQTT-3.3.2-2', 'MQTT-3.3.4-3', 'MQTT-3.8.4-8'],
    finds: 'clients that throw new messages away for their DUP flag, rely on the QoS they asked for, or hand messages out by identifiers alone',
    seenIn: ['https://github.com/home-assistant/core/pull/169604', 'https://github.com/faststream-community/zMQTT/pull/35'],
  },
  options: {
    setDup: option.choice('the DUP flag; of messages of QoS 0, where it is malformed, only if `qos` names 0', flagChoices, 'right'),
    setRetain: option.choice('the retain flag', flagChoices, 'right'),
    setQos: option.choice(
      'the QoS: right, one level lower or higher, or this one; a higher one only where the receive maximum has room',
      ['right', 'lower', 'higher', '0', '1', '2'],
      'right',
    ),
    identifiers: option.choice(
      'the subscription identifiers of an MQTT 5 client: right, none, the first one alone, one more, or another one in place of all',
      ['right', 'missing', 'first', 'extra', 'other'],
      'right',
    ),
    identifier: option.count('the identifier that is added by extra and other; 0 is malformed', 268_435_455, { max: 268_435_455 }),
    setTopic: option.optional(option.text('the topic; also an empty one, or one with wildcards, which are malformed', 'other')),
    ...selection,
  },
  check({ setDup, setRetain, setQos, identifiers, setTopic }) {
    if (setDup === 'right' && setRetain === 'right' && setQos === 'right' && identifiers === 'right' && setTopic === undefined)
      return "give one of the options 'setDup', 'setRetain', 'setQos', 'identifiers' and 'setTopic'"
    return undefined
  },
  setup({ hooks, on }, { setDup, setRetain, setQos, identifiers, identifier, setTopic, ...which }) {
    const dupFromQos = which.qos?.includes(0) === true ? 0 : 1
    /** Deliveries that have their other QoS already, and keep it when they are sent again. */
    const settled = new WeakSet<Delivery>()

    function withOtherQos(packet: PublishPacket, delivery: Delivery, session: Session): PublishPacket {
      const qos = setQos === 'right' ? packet.qos : qosOf(packet.qos, setQos)
      if (qos === packet.qos || settled.has(delivery)) return packet
      if (packet.qos === 0 && session.inFlight.size >= session.limits.receiveMaximum) return packet
      // It takes the place of the one in flight.
      if (packet.messageId !== undefined) session.acknowledged(packet.messageId)
      const { messageId: _before, ...rest } = packet
      const other: Delivery = { ...delivery, qos }
      settled.add(other)
      const messageId = session.assign(other)
      return messageId === undefined ? { ...rest, qos: 0, dup: false } : { ...rest, qos, messageId }
    }

    function changed(packet: PublishPacket, delivery: Delivery | undefined, session: Session | undefined, version: number): PublishPacket {
      const now = delivery === undefined || session === undefined ? packet : withOtherQos(packet, delivery, session)
      const withFlags = {
        ...now,
        retain: flagOf(now.retain, setRetain),
        dup: now.qos >= dupFromQos ? flagOf(now.dup, setDup) : now.dup,
        topic: setTopic ?? now.topic,
      }
      return version === 5 && identifiers !== 'right' ? withIdentifiers(withFlags, identifiers, identifier) : withFlags
    }

    on(hooks.send, selected(which, { cmd: 'publish' }), (steps, { delivery }, connection) => {
      let isOther = false
      const plan = steps.map((step) => {
        if (!('packet' in step) || step.packet.cmd !== 'publish') return step
        const packet = changed(step.packet, delivery, connection.session, connection.version)
        if (isSame(packet, step.packet)) return step
        isOther = true
        return { packet }
      })
      return isOther ? plan : undefined
    })
  },
})

function flagOf(flag: boolean, choice: FlagChoice): boolean {
  return choice === 'right' ? flag : choice === 'inverted' ? !flag : choice === 'set'
}

function qosOf(qos: QoS, choice: 'lower' | 'higher' | '0' | '1' | '2'): QoS {
  if (choice === 'lower') return qos === 2 ? 1 : 0
  if (choice === 'higher') return qos === 0 ? 1 : 2
  return choice === '0' ? 0 : choice === '1' ? 1 : 2
}

function withIdentifiers(packet: PublishPacket, choice: 'missing' | 'first' | 'extra' | 'other', identifier: number): PublishPacket {
  const { subscriptionIdentifier, ...others } = packet.properties ?? {}
  const right = [subscriptionIdentifier ?? []].flat()
  const wrong = choice === 'missing' ? [] : choice === 'first' ? right.slice(0, 1) : choice === 'extra' ? [...right, identifier] : [identifier]
  if (wrong.length === right.length && wrong.every((one, index) => one === right[index])) return packet
  return { ...packet, properties: wrong.length === 0 ? others : { ...others, subscriptionIdentifier: wrong.length === 1 ? (wrong[0] ?? 0) : wrong } }
}

function isSame(one: PublishPacket, two: PublishPacket): boolean {
  return one.dup === two.dup && one.retain === two.retain && one.qos === two.qos && one.topic === two.topic && one.properties === two.properties
}
