/**
 * Acknowledgements that a client owes only because a plugin sent it a packet more often than the protocol does: a client that
 * says PUBACK twice to a message that came twice has done nothing wrong, so the second one is not held against it.
 */
import type { Connection, PluginApi } from '../../src/index.ts'

/** Excuses acknowledgements of a packet id that is not in flight; tells how many more to excuse. */
export type Excuse = (connection: Connection, messageId: number | undefined, acknowledgements: number) => void

/** Taps the violation that such an acknowledgement is. */
export function excuseAcknowledgements({ hooks, on }: PluginApi): Excuse {
  const owed = () => new Map<number, number>()
  on(hooks.violation, { kind: ['ack-unknown-packet-id', 'ack-wrong-type'] }, ({ packet }, connection) => {
    if (packet === undefined || !('messageId' in packet) || packet.messageId === undefined) return undefined
    const left = connection.state(owed).get(packet.messageId) ?? 0
    if (left === 0) return undefined
    connection.state(owed).set(packet.messageId, left - 1)
    return 'ignore'
  })
  return (connection, messageId, acknowledgements) => {
    if (messageId === undefined) return
    const ids = connection.state(owed)
    ids.set(messageId, (ids.get(messageId) ?? 0) + acknowledgements)
  }
}
