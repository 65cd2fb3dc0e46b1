/** Clients that write down what they hear. */
import type { ProtocolVersion, Server, VirtualClock } from 'mqttest'
import { RawClient } from 'mqttest/testing'
import { describePacket } from '../../src/record/describe.ts'

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

/**
 * Opens a connection whose client writes down what it hears, each line with the time, unless that is 0, and its number:
 * '0 ← CONNACK success', '500 ms: 1 ← PUBACK id 7', '10000 ms: 1 ← closed (rst)'.
 */
export function visit(server: Server, clock: VirtualClock, version: ProtocolVersion, number: number, seen: string[]): RawClient {
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
