import { definePlugin, option, type Packet, type Verdict } from '../src/index.ts'

const verdict = (about: string) => option.choice(about, ['ignore', 'warn', 'fail', 'disconnect'], 'warn')

/**
 * The reader of the specification has other ideas of what a broken rule is worth: what is usually only recorded ends the
 * connection, or what usually ends it is let pass. Rules go by the names that the record gives them; those that plugins report count.
 *
 *     verdicts({ levels: { warning: 'disconnect' } })                      whoever is warned about is gone
 *     verdicts({ rules: { 'packet-id-in-use': 'disconnect' } })
 *     verdicts({ levels: { error: 'warn' } })                              nothing is wrong enough to end a connection
 *     verdicts({ unknownPacketId: 'not-found' })                           0x92 for PUBREL and PUBREC of an exchange that is not there
 *
 * A malformed packet that is let pass is skipped where it cannot be read, and handled where it can.
 */
export const verdicts = definePlugin({
  meta: {
    name: 'verdicts',
    api: 1,
    group: 'server',
    summary: 'Rules that a client breaks end the connection, or are let pass, against what is usual.',
    spec: ['MQTT-4.13.1-1', 'MQTT-2.2.1-3', 'MQTT-2.2.1-5', 'MQTT-3.6.2-1', 'MQTT-3.7.2-1'],
    finds: 'clients that only work because most servers look away, and those that do not end an exchange over packet-identifier-not-found',
  },
  options: {
    rules: option.map(verdict('what is done about it'), 'what is done about a broken rule, by its name in the record', {}),
    levels: option.object(
      'what is done about all others, by their level',
      {
        error: option.optional(verdict('about errors, which usually end the connection')),
        warning: option.optional(verdict('about warnings, which are usually recorded')),
        info: option.optional(verdict('about what is usually only noted')),
      },
      {},
    ),
    unknownPacketId: option.choice(
      'what PUBREL and PUBCOMP say in MQTT 5 of a packet id that is not in flight: as usual, or packet-identifier-not-found, and the connection stays',
      ['usual', 'not-found'],
      'usual',
    ),
  },
  check: ({ rules, levels, unknownPacketId }) =>
    rules.size === 0 && Object.values(levels).every((one) => one === undefined) && unknownPacketId === 'usual'
      ? "everything is as usual: give 'rules', 'levels' or 'unknownPacketId'"
      : undefined,
  setup({ hooks, on, name }, { rules, levels, unknownPacketId }) {
    /** Packets about exchanges that are not there. */
    const unknown = new WeakSet<Packet>()

    hooks.violation.tap(name, ({ rule, level, packet }, { version }): Verdict | undefined => {
      const wanted = rules.get(rule) ?? levels[level]
      if (rule !== 'ack-unknown-packet-id' || unknownPacketId === 'usual' || version !== 5) return wanted
      if (packet?.cmd !== 'pubrel' && packet?.cmd !== 'pubrec') return wanted
      // What the answer says is the answer: after the loss of a session this is no mistake (tables 3-6 and 3-7).
      unknown.add(packet)
      return wanted === 'disconnect' ? 'warn' : wanted
    })

    if (unknownPacketId === 'usual') return
    on(hooks.send, { cmd: ['pubrel', 'pubcomp'] }, (steps, { packet: asked }) => {
      if (asked === undefined || !unknown.has(asked)) return undefined
      return steps.map((step) =>
        'packet' in step && (step.packet.cmd === 'pubrel' || step.packet.cmd === 'pubcomp') ? { packet: { ...step.packet, reasonCode: 0x92 } } : step,
      )
    })
  },
})
