/** MQTT.js clients that end with their test. */
import mqtt, { type IClientOptions, type IPublishPacket, type MqttClient } from 'mqtt'
import type { Server } from 'mqttest'
import { onTestFinished } from 'vitest'

/** The versions of MQTT, as MQTT.js is told. */
export const versions = [
  { name: '3.1', level: 3, options: { protocolVersion: 3, protocolId: 'MQIsdp' } },
  { name: '3.1.1', level: 4, options: { protocolVersion: 4 } },
  { name: '5.0', level: 5, options: { protocolVersion: 5 } },
] as const satisfies readonly { name: string; level: number; options: IClientOptions }[]

/** A message as it came. */
export interface Received {
  readonly topic: string
  readonly text: string
  readonly packet: IPublishPacket
}

/** Messages of a client, to be taken one after the other. */
export class Inbox {
  readonly #messages: Received[] = []
  readonly #waiting: ((message: Received) => void)[] = []

  constructor(client: MqttClient) {
    client.on('message', (topic, payload, packet) => {
      const message = { topic, text: payload.toString(), packet }
      const waiting = this.#waiting.shift()
      if (waiting === undefined) this.#messages.push(message)
      else waiting(message)
    })
  }

  /** The next message: one that came already, or the next to come. */
  next(): Promise<Received> {
    const message = this.#messages.shift()
    return message === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(message)
  }

  /** What came and was not taken. */
  get left(): readonly string[] {
    return this.#messages.map((message) => message.text)
  }
}

/** A client with its inbox, not yet connected. Reconnects at once unless told otherwise. */
export function makeClient(server: Server, options: IClientOptions = {}): { client: MqttClient; inbox: Inbox } {
  const client = mqtt.connect(server.url, { reconnectPeriod: 5, connectTimeout: 2000, ...options })
  // Errors show in what a test waits for; without a listener they would end the process.
  client.on('error', () => undefined)
  onTestFinished(() => client.endAsync(true))
  return { client, inbox: new Inbox(client) }
}

/** The next event of a kind. */
export function nextEvent(client: MqttClient, event: 'connect' | 'close' | 'reconnect' | 'offline'): Promise<void> {
  return new Promise((resolve) => client.once(event, () => resolve()))
}

/** The next error of a client. */
export function nextError(client: MqttClient): Promise<Error> {
  return new Promise((resolve) => client.once('error', resolve))
}

/** A client that is connected. */
export async function join(server: Server, options: IClientOptions = {}): Promise<{ client: MqttClient; inbox: Inbox }> {
  const made = makeClient(server, options)
  await new Promise<void>((resolve, reject) => {
    made.client.once('connect', () => resolve())
    made.client.once('error', reject)
  })
  return made
}
