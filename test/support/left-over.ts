/** That nothing is left of clients that are gone, and that the others did not notice. */
import type { JournalRecord, Server, VirtualClock } from 'mqttest'
import { connectMemory, type RawClient } from 'mqttest/testing'
import { expect } from 'vitest'

/** Longer than any session expiry or will delay that MQTT can express, in milliseconds. */
const longerThanAll = (2 ** 32 + 1) * 1000

/** A client that behaves, to be served while others do not. */
export async function bystander(server: Server): Promise<RawClient> {
  const client = connectMemory(server)
  await client.connect({ clientId: 'bystander' })
  return client
}

/** The rules that were broken, in order, each with its connection. */
export function brokenRules(server: Server): string[] {
  return server
    .records({ type: 'violation' })
    .map((record: JournalRecord) => (record.type === 'violation' ? `${record.connection}: ${record.violation.rule}` : ''))
}

/** Numbers of the connections that are open. */
export function openConnections(server: Server): number[] {
  return server.connections.filter((connection) => !connection.closed).map((connection) => connection.number)
}

/** Fails where more is left than the bystander: connections, sessions that are not kept for ever, timers. */
export async function expectOnlyBystander(server: Server, clock: VirtualClock, client: RawClient): Promise<void> {
  await client.settled()
  await clock.advance(longerThanAll)
  const own = server.connections.find((connection) => connection.clientId === 'bystander')
  expect(openConnections(server)).toEqual([own?.number])
  expect(server.sessions.filter((session) => session.expiryMs !== Number.POSITIVE_INFINITY).map((session) => session.clientId)).toEqual(['bystander'])
  expect(clock.pending, 'timers').toBe(0)
  expect(server.report().pluginErrors).toEqual([])
}
