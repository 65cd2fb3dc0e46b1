/**
 * Acknowledgements that a client owes only because a plugin sent it a packet more often than the protocol does: a client that
 * says PUBACK twice to a message that came twice has done nothing wrong, so the second one is not held against it.
 */
import type { Connection, PluginApi } from '../../src/index.ts'

/** Excuses acknowledgements of a packet id that is not in flight; tells how many more to excuse. */
export type Excuse = (connection: Connection, messageId: number | undefined, acknowledgements: number) => void

/** The connection keeps count, whatever becomes of the plugin meanwhile. */
export function excuseAcknowledgements(_api: PluginApi): Excuse {
  return (connection, messageId, acknowledgements) => {
    if (messageId !== undefined) connection.forgive(messageId, acknowledgements)
  }
}
