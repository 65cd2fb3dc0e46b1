import { type Connection, type Delivery, definePlugin, option, type PublishPacket, selected, selection, type Timer } from '../src/index.ts'

/** A message, or the PUBREL behind it, that may have to be sent again. */
interface Unanswered {
  readonly packet: PublishPacket | { readonly cmd: 'pubrel'; readonly messageId: number }
  readonly delivery: Delivery
  /** How often it was sent again. */
  readonly attempts: number
  readonly timer: Timer
}

/**
 * Messages that the client does not acknowledge in time are sent again on the same connection. Servers of MQTT 3 may do so, and
 * many do; MQTT 5 forbids it [MQTT-4.4.0-1].
 *
 *     resend({ after: '20s' })                              once more after 20 seconds
 *     resend({ after: ['1s', '2s', '4s'], giveUp: 'drop' }) three times, then the server forgets the message
 *     resend({ after: '5s', times: 10, newPacketId: true }) again and again, each time as if it were new
 *     resend({ after: '1s', markDup: false })               the repeat does not say what it is [MQTT-3.3.1-1]
 *
 * A client acknowledges each repeat; a second acknowledgement is not held against it. What is in flight when the connection
 * ends is sent again on the next one in any case.
 */
export const resend = definePlugin({
  meta: {
    name: 'resend',
    api: 1,
    group: 'deliveries',
    summary: 'Messages that are not acknowledged in time are sent again on the same connection.',
    spec: ['MQTT-4.4.0-1', 'MQTT-3.3.1-1', 'MQTT-4.3.3-10', 'MQTT-4.3.2-5'],
    finds: 'clients that acknowledge too late and hand the repeat out as another message, or refuse a packet id that they know',
    seenIn: ['https://github.com/eclipse-mosquitto/mosquitto/issues/1751', 'https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html'],
  },
  options: {
    after: option.list(option.duration('a wait', '20s'), 'how long the client may take before each repeat; the last one goes for all that follow', ['20s']),
    times: option.optional(option.count('how often a message is sent again; as often as `after` has waits, unless given', 1, { min: 1 })),
    markDup: option.flag('a repeat has DUP set', true),
    newPacketId: option.flag('a repeat has another packet id, and the one before is free again', false),
    pubrel: option.flag('PUBREL, the second half of QoS 2, is sent again as well', true),
    giveUp: option.choice(
      'what happens when the last repeat has waited as long: keep it in flight for the next connection, drop it, or end the connection',
      ['keep', 'drop', 'close', 'reset'],
      'keep',
    ),
    ...selection,
  },
  check({ after, qos }) {
    if (after.length === 0) return "option 'after' is empty: nothing would be sent again"
    if (qos?.every((level) => level === 0)) return 'messages of QoS 0 are not acknowledged, so they are never sent again'
    return undefined
  },
  setup({ hooks, on, clock, play, acted, name }, { after, times = after.length, markDup, newPacketId, pubrel, giveUp, ...which }) {
    const unanswered = () => new Map<number, Unanswered>()

    function watch(connection: Connection, packet: Unanswered['packet'], delivery: Delivery, attempts: number): void {
      const { messageId } = packet
      if (messageId === undefined) return
      const all = connection.state(unanswered)
      all.get(messageId)?.timer.cancel()
      const timer = clock.after(after[Math.min(attempts, after.length - 1)] ?? 0, () => {
        all.delete(messageId)
        if (isAwaited(connection, packet, delivery)) isLate(connection, messageId, packet, delivery, attempts)
      })
      all.set(messageId, { packet, delivery, attempts, timer })
    }

    function isLate(connection: Connection, messageId: number, packet: Unanswered['packet'], delivery: Delivery, attempts: number): void {
      const { session } = connection
      if (session === undefined) return
      const owed = packet.cmd === 'publish' ? packet.qos : 1
      if (attempts >= times) {
        if (giveUp === 'keep') return
        acted(`${packet.cmd.toUpperCase()} ${messageId} was not acknowledged`, connection)
        if (giveUp === 'drop') {
          connection.forgive(messageId, owed)
          session.acknowledged(messageId)
        } else connection.close(giveUp === 'close' ? 'fin' : 'rst', { reason: 'a message was not acknowledged in time' })
        return
      }
      connection.forgive(messageId, owed)
      let again = packet.cmd === 'publish' ? { ...packet, dup: markDup } : packet
      if (newPacketId && again.cmd === 'publish') {
        const id = session.assign(delivery)
        if (id === undefined) return
        session.acknowledged(messageId)
        again = { ...again, messageId: id }
      }
      // As any other packet, so that the other plugins have their say.
      play(connection, [{ until: () => connection.send(again) }])
      if (connection.closed) acted(`${packet.cmd.toUpperCase()} ${messageId} was sent again`, connection)
      watch(connection, again, delivery, attempts + 1)
    }

    // In front of the other plugins: a message that one of them loses is sent again as well.
    on(hooks.send, { ...selected(which, { cmd: 'publish' }), stage: -1 }, (steps, { delivery }, connection) => {
      for (const step of steps)
        if ('packet' in step && step.packet.cmd === 'publish' && step.packet.qos > 0 && delivery !== undefined) watch(connection, step.packet, delivery, 0)
    })

    if (pubrel)
      on(hooks.send, { cmd: 'pubrel', stage: -1 }, (steps, { kind }, connection) => {
        for (const step of steps) {
          if (!('packet' in step) || step.packet.cmd !== 'pubrel') continue
          const entry = connection.session?.inFlight.get(step.packet.messageId)
          // Of a message that was chosen; on another connection nobody knows any more.
          if (entry !== undefined && (kind === 'resend' || connection.state(unanswered).has(entry.id))) watch(connection, step.packet, entry.delivery, 0)
        }
      })

    hooks.disconnect.tap(name, (connection) => {
      for (const { timer } of connection.state(unanswered).values()) timer.cancel()
    })
  },
})

/** Whether the client still has to acknowledge it. */
function isAwaited(connection: Connection, { cmd, messageId }: Unanswered['packet'], delivery: Delivery): boolean {
  const entry = messageId === undefined ? undefined : connection.session?.inFlight.get(messageId)
  return entry?.delivery === delivery && (entry.awaits === 'pubcomp') === (cmd === 'pubrel')
}
