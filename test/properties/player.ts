/** A client that keeps to the rules, cuts its bytes as it is told, and writes down what it published and got. */
import type { Packet, PacketInput, ProtocolVersion, PublishPacket, QoS, Server } from 'mqttest'
import { connectMemory, type RawClient } from 'mqttest/testing'
import { cutAt, encoded } from '../support/bytes.ts'

/** Who plays, and how. */
export interface PlayerOptions {
  readonly name: string
  readonly version: ProtocolVersion
  /** MQTT 5: how many messages it takes without an answer. */
  readonly receiveMaximum: number
}

/** One message as it came to a player. */
export interface Arrival {
  readonly payload: string
  readonly qos: QoS
}

interface Outgoing {
  readonly packet: PacketInput & { readonly cmd: 'publish'; readonly qos?: QoS }
  released: boolean
}

/** A client with a session that lasts. */
export class Player {
  readonly options: PlayerOptions
  readonly arrivals: Arrival[] = []
  /** What went wrong, in words. */
  readonly faults: string[] = []
  readonly #server: Server
  #client: RawClient | undefined
  #read = 0
  #lastId = 0
  /** Its own messages that are not answered yet, in order. */
  readonly #outgoing = new Map<number, Outgoing>()
  /** QoS 2 messages that came and are not released yet. */
  readonly #held = new Set<number>()
  /** Packet ids that the server uses now. */
  readonly #inFlight = new Set<number>()
  /** SUBSCRIBE and UNSUBSCRIBE that are not answered yet, by packet id. */
  readonly #asked = new Map<number, 'suback' | 'unsuback'>()
  #lastAsked = 60_000
  /** Answers that it owes, in order. */
  #owed: PacketInput[] = []

  constructor(server: Server, options: PlayerOptions) {
    this.#server = server
    this.options = options
  }

  /** What is still open: its own messages and requests, and the messages of the server. */
  get open(): number {
    return this.#outgoing.size + this.#inFlight.size + this.#asked.size
  }

  /** Connects, and says again what was not answered. */
  async connect(): Promise<void> {
    const { name, version, receiveMaximum } = this.options
    const client = connectMemory(this.#server, version)
    this.#client = client
    this.#read = 0
    this.#owed = []
    this.#asked.clear()
    await client.connect({ clientId: name, clean: false, keepalive: 60, ...(version === 5 && { properties: { sessionExpiryInterval: 3600, receiveMaximum } }) })
    for (const [messageId, { packet, released }] of this.#outgoing) this.#say([released ? { cmd: 'pubrel', messageId } : { ...packet, dup: true }], [])
  }

  /** Subscribes, or changes the QoS of a subscription; does not wait for the answer. */
  subscribe(filter: string, qos: QoS, cuts: readonly number[]): void {
    this.#say([{ cmd: 'subscribe', messageId: this.#ask('suback'), subscriptions: [{ topic: filter, qos }] }], cuts)
  }

  /** Ends a subscription, whether there is one or not. */
  unsubscribe(filter: string, cuts: readonly number[]): void {
    this.#say([{ cmd: 'unsubscribe', messageId: this.#ask('unsuback'), unsubscriptions: [filter] }], cuts)
  }

  #ask(answer: 'suback' | 'unsuback'): number {
    this.#lastAsked = this.#lastAsked === 65_535 ? 60_001 : this.#lastAsked + 1
    this.#asked.set(this.#lastAsked, answer)
    return this.#lastAsked
  }

  /** Publishes several messages in one go, cut at some places. */
  publish(messages: readonly { topic: string; payload: string; qos: QoS }[], cuts: readonly number[]): void {
    const packets = messages.map(({ topic, payload, qos }): PacketInput => {
      if (qos === 0) return { cmd: 'publish', topic, payload, qos }
      do this.#lastId = (this.#lastId % 60_000) + 1
      while (this.#outgoing.has(this.#lastId))
      const packet = { cmd: 'publish', topic, payload, qos, messageId: this.#lastId } as const
      this.#outgoing.set(this.#lastId, { packet, released: false })
      return packet
    })
    this.#say(packets, cuts)
  }

  /** Reads what came, and gives some of the answers that it owes. */
  answer(count: number, cuts: readonly number[]): void {
    this.read()
    this.#say(this.#owed.splice(0, count), cuts)
  }

  /** Loses its connection. */
  async drop(): Promise<void> {
    this.read()
    this.#client?.reset()
    await this.#client?.end()
  }

  /** Waits until the server has answered all that was said. */
  async settle(): Promise<void> {
    this.#say([{ cmd: 'pingreq' }], [])
    await this.#client?.next('pingresp')
    this.read()
  }

  /** Ends its session with a goodbye. */
  async leave(): Promise<void> {
    this.#say([this.options.version === 5 ? { cmd: 'disconnect', properties: { sessionExpiryInterval: 0 } } : { cmd: 'disconnect' }], [])
    await this.#client?.end()
  }

  /** Reads what came. */
  read(): void {
    const received = this.#client?.received ?? []
    for (; this.#read < received.length; this.#read++) {
      const packet = received[this.#read]
      if (packet !== undefined) this.#take(packet)
    }
  }

  #take(packet: Packet): void {
    switch (packet.cmd) {
      case 'publish':
        this.#arrived(packet)
        return
      case 'puback':
      case 'pubcomp': {
        const own = this.#outgoing.get(packet.messageId)
        const fits = own !== undefined && own.packet.qos === (packet.cmd === 'puback' ? 1 : 2)
        if (!fits) this.faults.push(`${packet.cmd} ${packet.messageId} for nothing`)
        this.#outgoing.delete(packet.messageId)
        return
      }
      case 'pubrec': {
        const own = this.#outgoing.get(packet.messageId)
        if (own?.packet.qos !== 2 || own.released) this.faults.push(`pubrec ${packet.messageId} for nothing`)
        else own.released = true
        this.#owed.push({ cmd: 'pubrel', messageId: packet.messageId })
        return
      }
      case 'pubrel':
        this.#held.delete(packet.messageId)
        this.#owed.push({ cmd: 'pubcomp', messageId: packet.messageId })
        return
      case 'suback':
      case 'unsuback':
        if (this.#asked.get(packet.messageId) !== packet.cmd) this.faults.push(`${packet.cmd} ${packet.messageId} for nothing`)
        this.#asked.delete(packet.messageId)
        return
      case 'disconnect':
        this.faults.push(`disconnected: ${packet.reasonCode}`)
        return
      default:
        return
    }
  }

  #arrived({ qos, messageId = 0, dup, payload }: PublishPacket): void {
    const again = this.#inFlight.has(messageId)
    if (qos === 0) {
      this.arrivals.push({ payload: String(payload), qos })
      return
    }
    if (again && !dup) this.faults.push(`packet id ${messageId} is in flight twice`)
    this.#inFlight.add(messageId)
    if (this.options.version === 5 && this.#inFlight.size > this.options.receiveMaximum) this.faults.push('more in flight than the receive maximum')
    if (qos === 1) this.arrivals.push({ payload: String(payload), qos })
    else if (!this.#held.has(messageId)) {
      this.#held.add(messageId)
      this.arrivals.push({ payload: String(payload), qos })
    }
    this.#owed.push({ cmd: qos === 1 ? 'puback' : 'pubrec', messageId })
  }

  #say(packets: readonly PacketInput[], cuts: readonly number[]): void {
    // A delivery is over when its last answer is given.
    for (const packet of packets) if (packet.cmd === 'puback' || packet.cmd === 'pubcomp') this.#inFlight.delete(packet.messageId)
    const bytes = Buffer.concat(packets.map((packet) => encoded(packet, this.options.version)))
    for (const chunk of cutAt(bytes, cuts)) this.#client?.send(chunk)
  }
}
