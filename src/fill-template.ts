/** Texts with places to fill in: topics and filters that hold the client id or the user name. */
import type { Connection } from './connection/connection.ts'

/**
 * Puts what is known of a connection in place of {clientId} and {username}: 'devices/{clientId}/#'. What is not known is empty.
 */
export function fillTemplate(template: string, connection: Pick<Connection, 'clientId' | 'connect'>): string {
  if (!template.includes('{')) return template
  return template.replaceAll('{clientId}', () => connection.clientId ?? '').replaceAll('{username}', () => connection.connect?.username ?? '')
}
