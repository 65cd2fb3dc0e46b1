/** Plays scenarios against a server, and writes down what each client sends and sees, and when. */
import type { VirtualClock } from '../clock.ts'
import type { Transport } from '../net/transport.ts'
import { describePacket } from '../record/describe.ts'
import type { Server } from '../server.ts'
import { type Bytes, completePacket, type PacketInput, toBuffer } from '../steps.ts'
import { decode } from '../wire/decode.ts'
import { encode } from '../wire/encode.ts'
import { FrameReader } from '../wire/frame.ts'
import { Malformed } from '../wire/malformed.ts'
import type { Packet, ProtocolVersion } from '../wire/packet.ts'
import type { ConnectStep, Scenario, ScenarioStep } from './scenarios.ts'

/** How much time goes by after each step of a scenario, in milliseconds. */
const tickMs = 10

/** How much time goes by after the last step, so that what comes late is seen. */
const afterMs = 2000

/** A server on virtual time. */
export interface Stage {
  readonly server: Server
  readonly clock: VirtualClock
}

/** Writes one line: '+20 ms  anna ← PUBACK id 1  (40 02 00 01)'. */
type Write = (line: string) => void

function shown(bytes: Buffer, version: ProtocolVersion, sender: 'client' | 'server'): string {
  let text = 'bytes that are no packet'
  new FrameReader().push(bytes, (frame) => {
    const packet = decode(frame, version, sender)
    if (!(packet instanceof Malformed)) text = describePacket(packet)
    else text = 'a malformed packet'
    return false
  })
  return `${text}  (${bytes.toString('hex')})`
}

/** A client as most are: it acknowledges what it gets, and closes when the server does. */
class Actor {
  readonly #transport: Transport
  readonly #version: ProtocolVersion
  readonly #silent: boolean
  readonly #write: Write
  readonly #reader = new FrameReader()
  #over = false

  constructor(transport: Transport, version: ProtocolVersion, silent: boolean, write: Write) {
    this.#transport = transport
    this.#version = version
    this.#silent = silent
    this.#write = write
    transport.listen({
      data: (chunk) => this.#data(chunk),
      end: () => {
        this.#ended('fin')
        transport.end()
      },
      drain: () => undefined,
      closed: (reset) => this.#ended(reset ? 'rst' : 'fin'),
    })
    transport.resume()
  }

  send(inputs: readonly (PacketInput | Bytes)[]): void {
    if (this.#over) return
    for (const input of inputs) {
      const bytes = typeof input === 'string' || input instanceof Uint8Array ? toBuffer(input) : encode(completePacket(input), this.#version)
      this.#write(`→ ${shown(bytes, this.#version, 'client')}`)
      this.#transport.write(bytes)
    }
  }

  close(how: 'fin' | 'rst'): void {
    if (this.#over) return
    this.#write(`→ closes (${how})`)
    if (how === 'rst') {
      this.#over = true
      this.#transport.reset()
    } else this.#transport.end()
  }

  #data(chunk: Buffer): void {
    const wrong = this.#reader.push(chunk, ({ bytes, ...frame }) => {
      this.#write(`← ${shown(bytes, this.#version, 'server')}`)
      const packet = decode({ bytes, ...frame }, this.#version, 'server')
      if (!this.#silent && !(packet instanceof Malformed)) this.#acknowledge(packet)
      return true
    })
    if (wrong !== undefined) this.#write(`← what is no packet: ${chunk.toString('hex')}`)
  }

  #acknowledge(packet: Packet): void {
    if (!('messageId' in packet) || packet.messageId === undefined) return
    const { messageId } = packet
    if (packet.cmd === 'publish' && packet.qos > 0) this.send([{ cmd: packet.qos === 1 ? 'puback' : 'pubrec', messageId }])
    else if (packet.cmd === 'pubrel') this.send([{ cmd: 'pubcomp', messageId }])
    else if (packet.cmd === 'pubrec' && (packet.reasonCode ?? 0) < 0x80) this.send([{ cmd: 'pubrel', messageId }])
  }

  #ended(how: 'fin' | 'rst'): void {
    if (this.#over) return
    this.#over = true
    if (this.#reader.held > 0) this.#write(`← the beginning of a packet: ${this.#reader.rest().toString('hex')}`)
    this.#write(`← closed (${how})`)
  }
}

/** The clients of one scenario. */
export class Player {
  /** What every client sent and saw, in order, with the time since the player was made. */
  readonly trace: string[] = []
  readonly #stage: Stage
  readonly #suffix: string
  readonly #fromMs: number
  readonly #actors = new Map<string, Actor>()

  /** The suffix is added to each client id. */
  constructor(stage: Stage, suffix = '') {
    this.#stage = stage
    this.#suffix = suffix
    this.#fromMs = stage.clock.now()
  }

  /** Does what one step says; only a step that waits lets time go on. */
  async perform(step: ScenarioStep): Promise<void> {
    const { server, clock } = this.#stage
    if ('connect' in step) this.#connect(step)
    else if ('send' in step) this.#actors.get(step.client)?.send(step.send)
    else if ('close' in step) this.#actors.get(step.client)?.close(step.close)
    else if ('server' in step) server.publish(step.server)
    else await clock.advance(step.wait)
  }

  /** Does what the steps say, and lets a little time go by after each. */
  async play(steps: readonly ScenarioStep[]): Promise<void> {
    for (const step of steps) {
      await this.perform(step)
      await this.tick()
    }
  }

  /** Lets a little time go by. */
  async tick(): Promise<void> {
    await this.#stage.clock.advance(tickMs)
  }

  /** Lets so much time go by that what comes late is seen. */
  async settle(): Promise<void> {
    await this.#stage.clock.advance(afterMs)
  }

  /** Closes every connection. */
  close(how: 'fin' | 'rst'): void {
    for (const actor of this.#actors.values()) actor.close(how)
  }

  #connect({ connect: name, version, options, silent }: ConnectStep): void {
    const { server, clock } = this.#stage
    const write: Write = (line) => {
      this.trace.push(`+${Math.round((clock.now() - this.#fromMs) * 1000) / 1000} ms  ${name} ${line}`)
    }
    const { clientId = name } = options
    const actor = new Actor(server.joinMemory(), version, silent, write)
    this.#actors.set(name, actor)
    actor.send([
      {
        cmd: 'connect',
        protocolId: version === 3 ? 'MQIsdp' : 'MQTT',
        protocolVersion: version,
        clean: true,
        keepalive: 0,
        ...options,
        clientId: clientId === '' ? '' : `${clientId}${this.#suffix}`,
      },
    ])
  }
}

/** Plays a scenario; gives what every client sent and saw, in order: '+20 ms  anna ← PUBACK id 1  (40020001)'. */
export async function playScenario(stage: Stage, scenario: Scenario, home = 'home/main'): Promise<readonly string[]> {
  const player = new Player(stage)
  await player.play(scenario.steps(home))
  await player.settle()
  return player.trace
}
