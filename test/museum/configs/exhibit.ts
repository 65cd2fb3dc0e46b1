/**
 * Bugs for which the config alone is shown: with it, the server does on the wire what provokes them. What ordinary clients say,
 * such as `subscribe('a', 1)` and `publish('a', 1, 7)`, stands in test/support/outcome.ts.
 */
import type { Duration, ProtocolVersion, Server, StartOptions, VirtualClock } from 'mqttest'
import { RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { describePacket } from '../../../src/record/describe.ts'
import { virtualServer } from '../../support/server.ts'

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

/** A client that writes down what it hears, and closes when the server does. */
class Visitor extends RawClient {
  readonly #write: (what: string) => void

  constructor(carrier: ConstructorParameters<typeof RawClient>[0], version: ProtocolVersion, write: (what: string) => void) {
    super(carrier, version)
    this.#write = write
  }

  override data(chunk: Buffer): void {
    const [packets, malformed] = [this.received.length, this.malformed.length]
    super.data(chunk)
    for (const packet of this.received.slice(packets)) this.#write(describePacket(packet))
    for (const bytes of this.malformed.slice(malformed)) this.#write(`malformed ${bytes.toString('hex')}`)
  }

  override closed(how: 'fin' | 'rst'): void {
    if (this.ended === undefined) this.#write(`closed (${how})`)
    super.closed(how)
  }
}

function visit(server: Server, clock: VirtualClock, version: ProtocolVersion, number: number, seen: string[]): RawClient {
  const transport = server.joinMemory()
  const client = new Visitor(transport, version, (what) => void seen.push(`${clock.now() === 0 ? '' : `${clock.now()} ms: `}${number} ← ${what}`))
  transport.listen({
    data: (chunk) => client.data(chunk),
    end: () => {
      client.closed('fin')
      transport.end()
    },
    drain: () => undefined,
    closed: (reset) => client.closed(reset ? 'rst' : 'fin'),
  })
  transport.resume()
  return client
}
