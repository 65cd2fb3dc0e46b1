import { type Connection, definePlugin, endConnection, option, type Packet, type Session, type StepInput, selected, selection } from '../src/index.ts'

/** One exchange with a packet id that is under way. */
interface Exchange {
  /** The connection on which a packet was due first, by its number. */
  readonly dueOn: { pubrec?: number; pubcomp?: number; pubrel?: number }
  /** How often its PUBLISH came on one connection. */
  readonly copies: { on: number; count: number }
  /** PUBREC was said once more in place of PUBCOMP. */
  recurred: boolean
}

/** The exchanges of a session that a plugin is about: messages of the client, messages for it. */
interface Exchanges {
  readonly received: Map<number, Exchange>
  readonly sent: Map<number, Exchange>
}

const begin = (): Exchange => ({ dueOn: {}, copies: { on: -1, count: 0 }, recurred: false })

/**
 * The exchange of a QoS 2 message takes another course than PUBLISH, PUBREC, PUBREL, PUBCOMP, in either direction.
 *
 *     qos2Exchange({ pubrec: 'skip' })                 PUBCOMP answers PUBLISH at once
 *     qos2Exchange({ pubcomp: 'after-reconnect' })     the client has to send PUBREL again on its next connection
 *     qos2Exchange({ pubrel: 'twice' })                the client says PUBCOMP twice, or not
 *     qos2Exchange({ repeated: 'close-third' })        the third copy of a message before PUBREL ends the connection
 *
 * Messages from the client have `pubrec`, `pubcomp` and `repeated`, messages for the client `pubrel`; a selection chooses among the
 * messages, from and for the client counted apart. For what is withheld for good use `drop`, for what is late `ack-delay`.
 */
export const qos2Exchange = definePlugin({
  meta: {
    name: 'qos2-exchange',
    api: 1,
    group: 'answers',
    summary: 'The exchange of a QoS 2 message skips, repeats or withholds one of its packets.',
    spec: ['MQTT-4.3.3-4', 'MQTT-4.3.3-5', 'MQTT-4.3.3-6', 'MQTT-4.3.3-8', 'MQTT-4.3.3-10', 'MQTT-4.3.3-11', 'MQTT-4.3.3-12', 'MQTT-4.4.0-1', 'MQTT-2.2.1-4'],
    finds: 'clients whose QoS 2 messages get stuck, arrive twice, or block all others, when the exchange does not go the usual way',
    seenIn: [
      'https://github.com/hivemq/hivemq-mqtt-client/issues/377',
      'https://github.com/eclipse-paho/paho.mqtt.python/issues/613',
      'https://github.com/mqttjs/MQTT.js/issues/1001',
      'https://github.com/eclipse-mosquitto/mosquitto/issues/1751',
    ],
  },
  options: {
    pubrec: option.choice(
      'the answer to PUBLISH: as usual; PUBCOMP at once; none before the client sends it again on its next connection',
      ['usual', 'skip', 'after-reconnect'],
      'usual',
    ),
    pubcomp: option.choice(
      'the answer to PUBREL: as usual; PUBREC once more, and PUBCOMP for the next PUBREL; none before the next connection',
      ['usual', 'pubrec-again', 'after-reconnect'],
      'usual',
    ),
    repeated: option.choice(
      'what becomes of a PUBLISH that comes again before PUBREL: as usual; PUBREC for each, also without DUP; nothing; the end of the connection at the second or third copy',
      ['usual', 'answer', 'ignore', 'close', 'close-third'],
      'usual',
    ),
    repeatedAnswer: option.answer('how the connection ends then; a code goes out in DISCONNECT', 'close'),
    pubrel: option.choice(
      'PUBREL for a message to the client: as usual; at once behind PUBLISH as well; twice; only on the next connection; on this connection, but not again on the next; never',
      ['usual', 'early', 'twice', 'after-reconnect', 'not-again', 'never'],
      'usual',
    ),
    ...selection,
  },
  check({ pubrec, pubcomp, repeated, pubrel, qos }) {
    if (pubrec === 'usual' && pubcomp === 'usual' && repeated === 'usual' && pubrel === 'usual')
      return "give one of the options 'pubrec', 'pubcomp', 'repeated' and 'pubrel'"
    if (pubrec === 'skip' && (pubcomp !== 'usual' || repeated !== 'usual')) return "pubrec skip leaves nothing for 'pubcomp' and 'repeated'"
    return qos === undefined || qos.includes(2) ? undefined : "option 'qos': only messages of QoS 2 have such an exchange"
  },
  setup({ hooks, on }, { pubrec, pubcomp, repeated, repeatedAnswer, pubrel, qos: _two, ...which }) {
    const sessions = new WeakMap<Session, Exchanges>()

    function of({ session }: Connection): Exchanges | undefined {
      if (session === undefined) return undefined
      const known = sessions.get(session) ?? { received: new Map(), sent: new Map() }
      sessions.set(session, known)
      return known
    }

    /** Whether a packet was due first on this connection, and so has to wait for the next. */
    function isFirst({ dueOn }: Exchange, packet: keyof Exchange['dueOn'], { number }: Connection): boolean {
      dueOn[packet] ??= number
      return dueOn[packet] === number
    }

    /** Counts a PUBLISH of an exchange that came: 1 is the first on its connection, which may well be a repetition. */
    function copiesOf({ copies }: Exchange, { number }: Connection): number {
      copies.count = copies.on === number ? copies.count + 1 : 1
      copies.on = number
      return copies.count
    }

    if (pubrec !== 'usual' || pubcomp !== 'usual' || repeated !== 'usual') {
      const isNew = (connection: Connection, id = 0) => connection.session?.received.has(id) === false
      // An id that is used again is another exchange, which may not be chosen.
      on(hooks.packetIn, { cmd: 'publish', qos: 2, stage: -101 }, ({ messageId = 0 }, connection) => {
        if (isNew(connection, messageId)) of(connection)?.received.delete(messageId)
      })
      on(hooks.packetIn, { ...selected({ ...which, qos: [2] }), cmd: 'publish', stage: -100 }, ({ messageId = 0 }, connection) => {
        if (isNew(connection, messageId)) of(connection)?.received.set(messageId, begin())
      })
    }

    if (repeated !== 'usual')
      on(hooks.packetIn, { cmd: 'publish', qos: 2 }, (packet, connection) => {
        const exchange = of(connection)?.received.get(packet.messageId ?? 0)
        const copies = exchange === undefined ? 1 : copiesOf(exchange, connection)
        if (copies === 1) return undefined
        if (repeated === 'ignore') return []
        if (repeated === 'close' || (repeated === 'close-third' && copies > 2)) {
          endConnection(connection, repeatedAnswer, 'a message came again before its PUBREL')
          return []
        }
        // The broker repeats PUBREC for what claims to be a repetition [MQTT-4.3.3-10].
        packet.dup = true
        return undefined
      })

    if (pubrec !== 'usual')
      on(hooks.send, { cmd: 'pubrec' }, (steps, _cause, connection) =>
        steps.flatMap((step): StepInput[] => {
          if (!('packet' in step) || step.packet.cmd !== 'pubrec' || (step.packet.reasonCode ?? 0) >= 0x80) return [step]
          const { messageId } = step.packet
          const exchange = of(connection)?.received.get(messageId)
          if (exchange === undefined) return [step]
          if (pubrec === 'after-reconnect') return isFirst(exchange, 'pubrec', connection) ? [] : [step]
          connection.session?.received.delete(messageId)
          connection.forgive(messageId, 1)
          return [{ packet: { cmd: 'pubcomp', messageId } }]
        }),
      )

    if (pubcomp !== 'usual')
      on(hooks.send, { cmd: 'pubcomp' }, (steps, _cause, connection) =>
        steps.flatMap((step): StepInput[] => {
          if (!('packet' in step) || step.packet.cmd !== 'pubcomp') return [step]
          const { messageId } = step.packet
          const exchange = of(connection)?.received.get(messageId)
          if (exchange === undefined) return [step]
          if (pubcomp === 'after-reconnect') return isFirst(exchange, 'pubcomp', connection) ? [] : [step]
          if (exchange.recurred) return [step]
          exchange.recurred = true
          connection.session?.received.add(messageId)
          return [{ packet: { cmd: 'pubrec', messageId } }]
        }),
      )

    if (pubrel === 'usual') return
    on(hooks.send, { cmd: 'publish', qos: 2, stage: -101 }, (steps, { kind }, connection) => {
      if (kind === 'delivery') for (const step of steps) if ('packet' in step) of(connection)?.sent.delete(idOf(step.packet))
    })
    on(hooks.send, selected({ ...which, qos: [2] }, { cmd: 'publish' }), (steps, { kind }, connection) => {
      const plan: StepInput[] = []
      for (const step of steps) {
        plan.push(step)
        if (!('packet' in step) || step.packet.cmd !== 'publish' || kind !== 'delivery') continue
        const messageId = idOf(step.packet)
        of(connection)?.sent.set(messageId, begin())
        if (pubrel !== 'early') continue
        connection.forgive(messageId, 1)
        plan.push({ packet: { cmd: 'pubrel', messageId } })
      }
      return plan
    })
    if (pubrel === 'early') return
    on(hooks.send, { cmd: 'pubrel' }, (steps, { kind }, connection) =>
      steps.flatMap((step): StepInput[] => {
        if (!('packet' in step) || step.packet.cmd !== 'pubrel') return [step]
        const { messageId } = step.packet
        const exchange = of(connection)?.sent.get(messageId)
        if (exchange === undefined) return [step]
        switch (pubrel) {
          case 'twice':
            connection.forgive(messageId, 1)
            return [step, step]
          case 'after-reconnect':
            return isFirst(exchange, 'pubrel', connection) ? [] : [step]
          case 'not-again':
            if (kind !== 'resend') return [step]
            // The server has forgotten the exchange.
            connection.session?.acknowledged(messageId)
            return []
          default:
            return []
        }
      }),
    )
  },
})

function idOf(packet: Packet): number {
  return 'messageId' in packet ? (packet.messageId ?? 0) : 0
}
