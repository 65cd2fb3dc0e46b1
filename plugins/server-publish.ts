import {
  type Command,
  type Connection,
  type Delivery,
  definePlugin,
  fillText,
  type Message,
  option,
  type PayloadInput,
  type Properties,
  type PublishPacket,
  type StepInput,
  toPayload,
} from '../src/index.ts'

const moments = ['connection', 'before-connack', 'after-connack', 'before-suback', 'after-suback', 'packet'] as const
const fromClient: readonly [Command, ...Command[]] = ['publish', 'puback', 'pubrec', 'pubrel', 'pubcomp', 'subscribe', 'unsubscribe', 'pingreq', 'auth']

/**
 * The server sends messages of its own, that nobody published and maybe nobody subscribed to.
 *
 *     serverPublish({ at: 'before-suback', count: 3 })                         messages in front of SUBACK [MQTT-3.8.4-2]
 *     serverPublish({ at: 'after-suback', retain: true, count: 1000 })         a flood of retained messages
 *     serverPublish({ at: 'after-connack', delay: '5s', interval: '5s', count: 100 })
 *     serverPublish({ at: 'packet', packet: 'pingreq', topic: 'to/{clientId}', payload: { json: { number: '{number}' } }, qos: 1 })
 *     serverPublish({ count: 100, qos: 2, ignoreLimits: true })                beyond the client's receive maximum [MQTT-3.3.4-9]
 *     serverPublish({ ignoreLimits: true, properties: { topicAlias: 5 } })     an alias above the client's maximum [MQTT-3.1.2-26]
 *
 * Messages go through the session, as if a subscription matched: they wait for room in flight, and are sent again on the next
 * connection. With `ignoreLimits` they are sent as they are, whatever the client allows.
 */
export const serverPublish = definePlugin({
  meta: {
    name: 'server-publish',
    api: 1,
    group: 'deliveries',
    summary: 'Messages come that nobody published: at a bad moment, many at once, or beyond what the client allows.',
    spec: ['MQTT-3.8.4-2', 'MQTT-3.2.0-1', 'MQTT-3.3.4-9', 'MQTT-3.1.2-24', 'MQTT-3.1.2-26', 'MQTT-4.3.1-1'],
    finds: 'clients that lose a message before SUBACK, take it for the answer that they wait for, or do not survive a flood',
    seenIn: [
      'https://github.com/sskaje/mqtt/pull/30',
      'https://github.com/eclipse-paho/paho.mqtt.java/issues/999',
      'https://github.com/eclipse-paho/paho.mqtt.embedded-c/issues/6',
      'https://github.com/mqttjs/MQTT.js/issues/1861',
      'https://github.com/mqttjs/MQTT.js/pull/2065',
      'https://github.com/256dpi/arduino-mqtt/issues/120',
      'https://github.com/eclipse-mosquitto/mosquitto/issues/3626',
      'https://github.com/swift-server-community/mqtt-nio/issues/274',
    ],
  },
  options: {
    at: option.choice('when: before anything was read, around CONNACK or SUBACK, or behind the answer to a packet of the client', moments, 'after-suback'),
    packet: option.packets('which packets of the client, for at: packet', fromClient, ['pingreq']),
    nth: option.optional(option.list(option.count('a number', 1, { min: 1 }), 'only at these of them, counted from 1 on each connection', [])),
    every: option.count('only at every so manieth of them', 1, { min: 1 }),
    delay: option.duration('the wait between that moment and the first message', 0),
    count: option.count('how many messages', 1, { min: 1, max: 1_000_000 }),
    interval: option.duration('the wait between two of them', 0),
    topic: option.text('the topic; {clientId} and {number}, which counts on each connection, stand for what they say', 'mqttest/{number}'),
    payload: option.payload('the payload; text and JSON may have the same names in it', 'message {number}'),
    qos: option.count('the QoS', 0, { max: 2 }),
    retain: option.flag('the retain flag', false),
    dup: option.flag('the DUP flag', false),
    properties: option.properties('the properties, for MQTT 5 clients', {}),
    ignoreLimits: option.flag('the messages are sent past the session: receive maximum, maximum packet size and topic alias maximum do not count', false),
    messageId: option.optional(option.count('the packet id of every message, with ignoreLimits; the next free one unless given', 1, { max: 65_535 })),
  },
  check({ at, nth, every, ignoreLimits, messageId, properties, qos, packet, dup }) {
    if (at === 'packet' && packet.length === 0) return "option 'packet' is empty: nothing would be sent"
    if (at === 'connection' && (nth !== undefined || every > 1)) return "options 'nth' and 'every' count packets: a scope says which connections"
    const isRaw = ignoreLimits || at === 'connection'
    if (messageId !== undefined && (!isRaw || qos === 0)) return "option 'messageId' goes with ignoreLimits and a QoS of 1 or 2"
    if (properties.topicAlias !== undefined && !isRaw) return 'the session chooses topic aliases itself: take ignoreLimits'
    if (dup && qos === 0 && !isRaw) return 'a message of QoS 0 has DUP only with ignoreLimits'
    return undefined
  },
  setup({ hooks, on, clock, name }, options) {
    const { at, nth, every, delay, count, interval, ignoreLimits } = options
    const state = () => ({ messages: 0 })
    let isOn = true

    /** The next message for a connection. */
    function next(connection: Connection): PublishPacket {
      const values = { clientId: connection.clientId ?? '', number: ++connection.state(state).messages }
      const { qos, retain, dup, properties } = options
      return {
        cmd: 'publish',
        topic: fillText(options.topic, values),
        payload: filled(options.payload, values),
        qos: qos === 2 ? 2 : qos === 1 ? 1 : 0,
        retain,
        dup,
        ...(Object.keys(properties).length > 0 && { properties }),
      }
    }

    function deliver(connection: Connection): void {
      const { session } = connection
      if (!isOn || session === undefined || connection.closed) return
      session.deliver(deliveryOf(next(connection), session, clock.now()))
    }

    /** The step that sends the next message. */
    function step(connection: Connection): StepInput {
      const { session } = connection
      if (!ignoreLimits && session !== undefined) return { until: () => deliver(connection) }
      const packet = next(connection)
      if (packet.qos === 0) return sending(packet, connection)
      const assigned = options.messageId === undefined ? session?.assign(deliveryOf(packet, session, clock.now())) : undefined
      const messageId = assigned ?? options.messageId ?? connection.state(state).messages
      // The session does not know it: what the client says to it is not held against it.
      if (assigned === undefined) connection.forgive(messageId, packet.qos)
      return sending({ ...packet, messageId }, connection)
    }

    /** The step that sends a message past the session, but not past the other plugins. */
    function sending(packet: PublishPacket, connection: Connection): StepInput {
      return { until: () => connection.send(packet) }
    }

    function messages(connection: Connection): StepInput[] {
      const steps: StepInput[] = delay > 0 ? [{ wait: delay }] : []
      for (let number = 0; number < count; number++) {
        if (number > 0 && interval > 0) steps.push({ wait: interval })
        steps.push(step(connection))
      }
      return steps
    }

    const which = { ...(nth !== undefined && { nth }), ...(every > 1 && { every }) }
    if (at === 'connection') hooks.connection.tap(name, (connection) => messages(connection))
    else if (at === 'packet') on(hooks.packetIn, { cmd: options.packet, ...which }, (_packet, connection) => [{ pass: true }, ...messages(connection)])
    else
      on(hooks.send, { cmd: at.endsWith('connack') ? 'connack' : 'suback', ...which }, (steps, _cause, connection) => {
        if (connection.session === undefined) return undefined
        return at.startsWith('before') ? [...messages(connection), ...steps] : [...steps, ...messages(connection)]
      })

    return () => {
      isOn = false
    }
  },
})

function filled(payload: PayloadInput, values: { readonly clientId: string; readonly number: number }): Buffer {
  const bytes = toPayload(payload, 'payload')
  const isText = typeof payload === 'string' || (typeof payload === 'object' && 'json' in payload)
  return isText ? Buffer.from(fillText(bytes.toString(), values)) : bytes
}

/** A message of the server's own as a delivery to a session. */
function deliveryOf(packet: PublishPacket, session: Delivery['session'], nowMs: number): Delivery {
  const { topic, payload, qos, retain, dup, properties = {} } = packet
  const { topicAlias: _alias, subscriptionIdentifier, messageExpiryInterval, ...forwarded }: Properties = properties
  const message: Message = {
    topic,
    payload,
    qos,
    retain,
    properties: Object.keys(forwarded).length === 0 ? undefined : forwarded,
    reason: 'inject',
    from: undefined,
    clientId: undefined,
    takenAtMs: nowMs,
    expiresAtMs: messageExpiryInterval === undefined ? undefined : nowMs + messageExpiryInterval * 1000,
  }
  return { session, message, qos, retain, dup, subscriptionIdentifiers: [subscriptionIdentifier ?? []].flat() }
}
