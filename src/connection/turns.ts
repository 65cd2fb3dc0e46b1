/**
 * The packets of one connection are handled one after the other: `packetIn` hook, then the broker. While one is decided on, or
 * nothing is heard, those behind it stand in line; CONNECT and AUTH have ways around it, see inbox.ts.
 */
import { andThen, type Soon, soon } from '../hooks/call-hook.ts'
import { authorOf, completePlan, type Plan, type StepInput } from '../steps.ts'
import type { Packet } from '../wire/packet.ts'
import type { Connection } from './connection.ts'

/** Packets in line at which reading pauses until some are handled. */
const highWater = 256

/** Whose turn it is on one connection. */
export class Turns {
  readonly #connection: Connection
  /** Packets that wait for the one before them. */
  #line: { packet: Packet; raw: Buffer }[] = []
  #busy = false

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** Whether a packet is being decided on. */
  get busy(): boolean {
    return this.#busy
  }

  /** Whether so many packets wait that no more should be read. */
  get backlogged(): boolean {
    return this.#line.length >= highWater
  }

  /** Messages at QoS 1 and 2 that nobody has looked at yet. */
  get messages(): number {
    return this.#line.filter(({ packet }) => packet.cmd === 'publish' && packet.qos > 0).length
  }

  /** Puts a packet in line. */
  wait(packet: Packet, raw: Buffer): void {
    this.#line.push({ packet, raw })
    if (this.#line.length === highWater) this.#connection.updateReading()
  }

  /** Lets the packets in line have their turns. */
  goOn(): void {
    const connection = this.#connection
    if (this.#busy) return
    const full = this.backlogged
    while (!this.#busy && !connection.inbox.stalled && !connection.closed) {
      const next = this.#line.shift()
      if (next === undefined) break
      this.handle(next.packet, next.raw)
    }
    if (full) connection.updateReading()
  }

  /** Sends everybody home. */
  clear(): void {
    this.#line = []
  }

  /** Gives a packet to the `packetIn` hook, then to the broker; packets behind it wait while one is decided on. */
  handle(packet: Packet, raw: Buffer): void {
    const failed = (error: unknown) => this.#connection.run.coreFailed(`handling ${packet.cmd.toUpperCase()}`, error, this.#connection)
    try {
      const handled = this.#decide(packet, raw)
      if (!(handled instanceof Promise)) return
      this.#busy = true
      handled
        .then(() => {
          this.#busy = false
          this.goOn()
        })
        .catch(failed)
    } catch (error) {
      failed(error)
    }
  }

  #decide(packet: Packet, raw: Buffer): Soon<void> {
    const connection = this.#connection
    const { run } = connection
    if (!connection.listens) return undefined
    if (connection.phase === 'new' && packet.cmd !== 'connect') {
      if (run.core) connection.violate('first-packet-not-connect', { packet, raw, offset: 0, detail: packet.cmd.toUpperCase() }) // [MQTT-3.1.0-1]
      return undefined
    }
    if (packet.cmd === 'connect') {
      if (connection.phase !== 'new') {
        connection.violate('second-connect', { packet, raw, offset: 0 }) // [MQTT-3.1.0-2]
        return undefined
      }
      connection.introduced(packet)
    }
    if (!run.hookSet.tapsOf(connection).wantsPacketIn(packet)) return run.handle(packet, connection, raw)
    return andThen(
      soon<readonly StepInput[] | undefined>((done) => run.hooks.packetIn.callAsync(packet, connection, (_error, plan) => done(plan ?? undefined))),
      (plan) => {
        if (connection.closed) return undefined
        const handle = () => run.handle(packet, connection, raw)
        return plan === undefined ? handle() : this.#answer(completePlan(plan), packet, handle)
      },
    )
  }

  /** A plugin answers in the broker's place. Where its plan has a { pass }, the packets behind wait until the broker had its turn. */
  #answer(plan: Plan, packet: Packet, handle: () => Soon<void>): Soon<void> {
    let waits = plan.some((step) => 'pass' in step)
    let settle: { resolve: () => void; reject: (error: unknown) => void } | undefined
    const over = () => {
      waits = false
      settle?.resolve()
    }
    const pass = () => {
      const handled = handle()
      if (handled instanceof Promise) handled.then(over, (error: unknown) => settle?.reject(error))
      else over()
      return handled
    }
    const author = authorOf(plan)
    this.#connection.lanes.run(plan, { kind: 'reply', packet, faults: author === undefined ? [] : [author.plugin] }, { done: over, pass })
    if (!waits || this.#connection.closed) return undefined
    return new Promise((resolve, reject) => {
      settle = { resolve, reject }
    })
  }
}
