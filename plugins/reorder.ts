import { type Connection, definePlugin, option, type Random, selected, selection, type Timer } from '../src/index.ts'

const types = ['publish', 'puback', 'pubrec', 'pubrel', 'pubcomp', 'suback', 'unsuback', 'pingresp'] as const

/** Packets of one connection that wait for one another. */
interface Group {
  /** Lets each of them go, in the order in which they came. */
  waiting: (() => void)[]
  timer: Timer | undefined
}

/**
 * Packets of the server leave in another order than they were made in. Some of them are collected, until there are `size` of
 * them or none has come for `within`; then they leave together. Those that are not chosen pass them by.
 *
 *     reorder({ packets: 'puback' })                                    acknowledgements come in pairs, the second one first
 *     reorder({ packets: ['puback', 'suback'], size: 10 })              a SUBACK between acknowledgements of messages
 *     reorder({ packets: 'publish', order: 'shuffled', size: 5 })       messages of one topic out of order [MQTT-4.6.0-6]
 *     reorder({ packets: 'puback', order: 'kept', size: 50 })           nothing for a while, then 50 in one write
 *
 * PUBREL must be sent in the order of PUBREC [MQTT-4.6.0-4]; PUBACK and PUBREC in the order of their messages is a duty of the
 * client alone [MQTT-4.6.0-2], so a client must take those of the server in any order.
 */
export const reorder = definePlugin({
  meta: {
    name: 'reorder',
    api: 1,
    group: 'general',
    summary: 'Packets come in another order, or in batches: messages, acknowledgements.',
    spec: ['MQTT-4.6.0-2', 'MQTT-4.6.0-3', 'MQTT-4.6.0-4', 'MQTT-4.6.0-5', 'MQTT-4.6.0-6'],
    finds: 'clients that expect acknowledgements in the order of their requests, instead of looking at the packet id',
    seenIn: [
      'https://github.com/peterhinch/micropython-mqtt/issues/54',
      'https://github.com/bytebeamio/rumqtt/issues/1057',
      'https://github.com/bytebeamio/rumqtt/issues/1014',
    ],
  },
  options: {
    packets: option.packets('which packets are collected', types, ['puback', 'pubrec', 'suback', 'unsuback']),
    order: option.choice(
      'how they leave: the last first, by chance, the first last, or as they came and in one write',
      ['reversed', 'shuffled', 'rotated', 'kept'],
      'reversed',
    ),
    size: option.count('so many are collected', 2, { min: 2 }),
    within: option.duration('those that are there leave when no other came for so long', '200ms'),
    ...selection,
  },
  check({ packets }) {
    return packets.length === 0 ? "option 'packets' is empty: nothing would change its place" : undefined
  },
  setup({ hooks, on, clock, name }, { packets, order, size, within, ...which }) {
    const makeGroup = (): Group => ({ waiting: [], timer: undefined })
    /** Connections with packets that wait. */
    const open = new Set<Connection>()

    const release = (connection: Connection) => {
      const group = connection.state(makeGroup)
      const { waiting } = group
      group.timer?.cancel()
      group.timer = undefined
      group.waiting = []
      open.delete(connection)
      // Not before the plan of the last one waits as well, which it does when the tap has returned.
      queueMicrotask(() => {
        for (const go of arranged(waiting, order, connection.random(name))) go()
      })
    }

    on(hooks.send, selected(which, { cmd: packets }), (steps, _cause, connection) => {
      const group = connection.state(makeGroup)
      const turn = new Promise<void>((go) => group.waiting.push(go))
      group.timer?.cancel()
      open.add(connection)
      if (group.waiting.length < size) group.timer = clock.after(within, () => release(connection))
      else release(connection)
      // A promise, not a signal: another plugin's wait may stand in front of it when its turn comes.
      return [{ until: turn }, ...steps]
    })

    hooks.disconnect.tap(name, (connection) => {
      connection.state(makeGroup).timer?.cancel()
      open.delete(connection)
    })

    // Nobody else would let them go.
    return () => {
      for (const connection of [...open]) release(connection)
    }
  },
})

function arranged<T>(items: readonly T[], order: 'reversed' | 'shuffled' | 'rotated' | 'kept', random: Random): readonly T[] {
  switch (order) {
    case 'reversed':
      return [...items].reverse()
    case 'shuffled':
      return random.shuffle(items)
    case 'rotated':
      return [...items.slice(1), ...items.slice(0, 1)]
    case 'kept':
      return items
  }
}
