/**
 * Bugs for which the config alone is shown: with it, the server does on the wire what provokes them. What ordinary clients say,
 * such as `subscribe('a', 1)` and `publish('a', 1, 7)`, stands in test/support/outcome.ts.
 */
import type { Duration, ProtocolVersion, Server, StartOptions, VirtualClock } from 'mqttest'
import type { RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { virtualServer } from '../../support/server.ts'
import { visit } from '../../support/visitor.ts'

/** What a test has at hand. */
export interface Stage {
  readonly server: Server
  readonly clock: VirtualClock
  /** Opens the next connection, which says nothing on its own; MQTT 3.1.1 unless told otherwise. */
  client(version?: ProtocolVersion): RawClient
  /** Lets time go by; 0 is long enough for everything that comes at once. */
  wait(duration?: Duration): Promise<void>
}

/** One config, and what the server does with it. */
export interface Show {
  /** What the server does, in words. */
  readonly does: string
  /** As a config file holds it: plugins by name, nothing that JSON cannot say. */
  readonly config: StartOptions
  /** What clients say, and when. */
  readonly play: (stage: Stage) => Promise<unknown>
  /**
   * All that the server says to them, each line with the time, unless that is 0, and the number of the client's connection:
   * '0 ← CONNACK success', '500 ms: 1 ← PUBACK id 7', '10000 ms: 1 ← closed (rst)'.
   */
  readonly wire: readonly string[]
  /** The rules that clients break on purpose. */
  readonly breaks?: readonly string[]
}

/** Shows what configs do: `describe('client: what it did wrong')` with a test for each. */
export function exhibit(title: string, url: string, ...shows: readonly Show[]): void {
  describe(`${title} (${url})`, () => {
    for (const { does, config, play, wire, breaks = [] } of shows)
      test(does, async () => {
        expect(JSON.parse(JSON.stringify(config))).toEqual(config)
        const { server, clock } = await virtualServer(config)
        const seen: string[] = []
        let clients = 0
        const wait = (duration: Duration = 0) => clock.advance(duration)
        await play({ server, clock, wait, client: (version = 4) => visit(server, clock, version, clients++, seen) })
        await wait()
        expect(seen).toEqual(wire)
        const report = await server.stop()
        expect(report.faults.neverFired).toEqual([])
        expect(report.violations.map(({ rule }) => rule)).toEqual(breaks)
      })
  })
}
