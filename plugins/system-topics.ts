import { type Connection, definePlugin, fillJson, fillText, type Json, option, type QoS, type Server } from '../src/index.ts'

/** The names that Mosquitto has for them, without $SYS/broker in front. */
const names = [
  'version',
  'uptime',
  'clients/total',
  'clients/connected',
  'clients/disconnected',
  'clients/maximum',
  'messages/received',
  'messages/sent',
  'messages/stored',
  'publish/messages/received',
  'publish/messages/sent',
  'bytes/received',
  'bytes/sent',
  'retained messages/count',
  'subscriptions/count',
  'shared_subscriptions/count',
] as const

/**
 * The server tells about itself: numbers below `$SYS` at intervals, under Mosquitto's names, and who comes and goes.
 *
 *     systemTopics()                                                          $SYS/broker/uptime and so on, every ten seconds
 *     systemTopics({ interval: 0, presence: '$aws/events/presence/{event}/{clientId}' })
 *     systemTopics({ presence: 'clients/{clientId}', presencePayload: '{event}', presenceRetain: true })
 *
 * The numbers are the real ones of this server. Templates of presence know {clientId}, {username}, {event}, {time} in milliseconds,
 * {address}, {version}, {keepAlive}, {connection}, {reason}, {reasonCode}, {clientInitiated} and, for subscriptions, {filters}.
 */
export const systemTopics = definePlugin({
  meta: {
    name: 'system-topics',
    api: 1,
    group: 'deliveries',
    summary: 'Messages from the server itself: numbers below $SYS at intervals, and events when clients come and go.',
    spec: ['MQTT-4.7.2-1'],
    finds: 'clients that choke on topics they did not ask for, or take what the server says of a client for what the client says',
  },
  options: {
    interval: option.duration('how often the numbers are published, at once for the first time; 0 publishes none', '10s'),
    prefix: option.text('what stands in front of their names', '$SYS/broker'),
    topics: option.list(option.choice('a name', names, 'uptime'), 'which numbers are published', [...names]),
    extra: option.map(option.text('a payload', ''), 'further topics, by name, that stay what they are', {}),
    version: option.text('what the server says it is', 'mqttest'),
    changedOnly: option.flag('only what changed since the last time is published', false),
    retain: option.flag('whether the numbers are retained', true),
    qos: option.count('their QoS', 2, { max: 2 }),
    presence: option.optional(option.text('the topic of events when a client connects and disconnects, a template', '$events/presence/{event}/{clientId}')),
    subscriptions: option.optional(
      option.text('the topic of events when it subscribes and unsubscribes, a template', '$events/subscriptions/{event}/{clientId}'),
    ),
    presencePayload: option.optional(option.json('what the events say: a text or JSON, a template; a few words about the client unless given', '{event}')),
    presenceRetain: option.flag('whether events are retained', false),
    presenceQos: option.count('the QoS of events', 0, { max: 2 }),
    events: option.object(
      'the names of the events',
      {
        connected: option.text('a client is in', 'connected'),
        disconnected: option.text('a client is gone', 'disconnected'),
        subscribed: option.text('it has subscribed', 'subscribed'),
        unsubscribed: option.text('it has unsubscribed', 'unsubscribed'),
      },
      {},
    ),
  },
  check: ({ interval, presence, subscriptions }) =>
    interval === 0 && presence === undefined && subscriptions === undefined ? "with interval 0, give the option 'presence' or 'subscriptions'" : undefined,
  setup({ hooks, on, clock, server, acted, log, name }, options) {
    const { interval, prefix, topics, extra, version, changedOnly, retain, qos, presence, subscriptions, presencePayload, presenceRetain, presenceQos } =
      options
    const { events } = options
    const startedMs = clock.now()
    const before = new Map<string, string>()
    let maximum = 0

    function publishNumbers(): void {
      const values = numbersOf(server)
      maximum = Math.max(maximum, Number(values['clients/connected']))
      const known: { readonly [topic: string]: string | number | undefined } = {
        ...values,
        version,
        uptime: `${Math.floor((clock.now() - startedMs) / 1000)} seconds`,
        'clients/maximum': maximum,
      }
      for (const [topic, value] of [...topics.map((topic) => [topic, known[topic]] as const), ...extra]) {
        const payload = String(value)
        if (changedOnly && before.get(topic) === payload) continue
        before.set(topic, payload)
        server.publish({ topic: `${prefix}/${topic}`, payload, qos: levelOf(qos), retain })
      }
      acted('published its numbers')
      clock.after(interval, publishNumbers)
    }
    if (interval > 0) publishNumbers()

    function tell(template: string, event: string, connection: Connection, more: { readonly [key: string]: Json } = {}): void {
      const { connect, ended } = connection
      const values = {
        clientId: connection.clientId ?? '',
        username: connect?.username ?? '',
        event,
        time: clock.wallTime(),
        address: connection.remoteAddress,
        version: connection.version,
        keepAlive: connect?.keepalive ?? 0,
        connection: connection.number,
        reason: ended?.reason ?? '',
        reasonCode: ended?.reasonCode ?? 0,
        clientInitiated: ended?.by === 'client',
        filters: [],
        ...more,
      }
      const { clientId, time } = values
      const about = { clientId, timestamp: time, eventType: event, ...more }
      const whole =
        presencePayload ?? (ended === undefined ? about : { ...about, clientInitiatedDisconnect: values.clientInitiated, disconnectReason: values.reason })
      const payload = typeof whole === 'string' ? fillText(whole, values) : { json: fillJson(whole, values) }
      const topic = fillText(template, values)
      try {
        server.publish({ topic, payload, qos: levelOf(presenceQos), retain: presenceRetain })
        acted(`${topic}: ${event}`, connection)
      } catch (error) {
        log.error(`${topic} is not published: ${error instanceof Error ? error.message : String(error)}`, connection)
      }
    }

    if (presence !== undefined) {
      const told = () => ({ isIn: false })
      hooks.session.tap(name, (_plan, _packet, connection) => {
        // Behind CONNACK: the client may have subscribed to it itself.
        queueMicrotask(() => {
          if (connection.phase !== 'connected') return
          connection.state(told).isIn = true
          tell(presence, events.connected, connection)
        })
        return undefined
      })
      hooks.disconnect.tap(name, (connection) => {
        if (connection.state(told).isIn) tell(presence, events.disconnected, connection)
      })
    }

    if (subscriptions !== undefined)
      on(hooks.send, { cmd: ['suback', 'unsuback'], kind: 'reply' }, (_steps, { packet }, connection) => {
        const filters =
          packet?.cmd === 'subscribe' ? packet.subscriptions.map(({ topic }) => topic) : packet?.cmd === 'unsubscribe' ? packet.unsubscriptions : []
        const event = packet?.cmd === 'subscribe' ? events.subscribed : events.unsubscribed
        queueMicrotask(() => tell(subscriptions, event, connection, { filters }))
        return undefined
      })
  },
})

function levelOf(qos: number): QoS {
  return qos === 2 ? 2 : qos === 1 ? 1 : 0
}

function total(counts: { readonly [packet: string]: number | undefined }): number {
  return Object.values(counts).reduce<number>((sum, count) => sum + (count ?? 0), 0)
}

/** What the server counts, by Mosquitto's names. */
function numbersOf(server: Server): { readonly [topic: string]: number } {
  const { packets, bytes } = server.report()
  const { sessions, retained } = server
  const connected = sessions.filter(({ connection }) => connection !== undefined).length
  const filters = sessions.flatMap((session) => [...session.subscriptions.keys()])
  return {
    'clients/total': sessions.length,
    'clients/connected': connected,
    'clients/disconnected': sessions.length - connected,
    'messages/received': total(packets.in),
    'messages/sent': total(packets.out),
    'messages/stored': retained.length + sessions.reduce((sum, { queued, inFlight }) => sum + queued + inFlight.size, 0),
    'publish/messages/received': packets.in.publish ?? 0,
    'publish/messages/sent': packets.out.publish ?? 0,
    'bytes/received': bytes.in,
    'bytes/sent': bytes.out,
    'retained messages/count': retained.length,
    'subscriptions/count': filters.length,
    'shared_subscriptions/count': filters.filter((filter) => filter.startsWith('$share/')).length,
  }
}
