/** Texts with places to fill in: topics and filters that hold the client id or the user name. */
import type { Connection } from './connection/connection.ts'
import { fitsParts } from './scope.ts'

/**
 * Puts what is known of a connection in place of {clientId} and {username}: 'devices/{clientId}/#'. What is not known is empty.
 */
export function fillTemplate(template: string, connection: Pick<Connection, 'clientId' | 'connect'>): string {
  if (!template.includes('{')) return template
  return template.replaceAll('{clientId}', () => connection.clientId ?? '').replaceAll('{username}', () => connection.connect?.username ?? '')
}

/**
 * Whether a text fits a template in which `*` stands for any text, and {clientId} and {username} for what is known of a connection:
 * '*.example/{clientId}'. A `*` in what is filled in is nothing but a `*`.
 */
export function fitsTemplate(template: string, text: string, connection: Pick<Connection, 'clientId' | 'connect'>): boolean {
  return fitsParts(
    template.split('*').map((part) => fillTemplate(part, connection)),
    text,
  )
}
