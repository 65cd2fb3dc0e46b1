/** Raw clients that are connected already, and short ways to say what they usually say. */
import type { PacketOf, ProtocolVersion, QoS, Server, SubscriptionRequest } from 'mqttest'
import { connectMemory, type RawClient } from 'mqttest/testing'

/** What a CONNECT may say, and in which version. */
export type JoinOptions = Parameters<RawClient['connect']>[0] & { readonly version?: ProtocolVersion }

/** A connected client on an in-memory pair; MQTT 5 unless told otherwise. */
export async function join(server: Server, clientId: string, options: JoinOptions = {}): Promise<RawClient> {
  const { version = 5, ...connect } = options
  const client = connectMemory(server, version)
  await client.connect({ clientId, ...connect })
  return client
}

/** The same, with its CONNACK. */
export async function joined(server: Server, clientId: string, options: JoinOptions = {}): Promise<{ client: RawClient; connack: PacketOf<'connack'> }> {
  const { version = 5, ...connect } = options
  const client = connectMemory(server, version)
  return { client, connack: await client.connect({ clientId, ...connect }) }
}

/** Subscribes to one filter, and resolves with what was granted. */
export async function subscribe(client: RawClient, topic: string, qos: QoS = 0, more: Partial<SubscriptionRequest> = {}, identifier?: number): Promise<number> {
  const properties = identifier === undefined ? {} : { properties: { subscriptionIdentifier: identifier } }
  const { granted } = await client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos, ...more }], ...properties }).next('suback')
  return granted[0] ?? -1
}

/** The messages that a client has received, in short: topic and payload. */
export function messages(client: RawClient): string[] {
  return client.received.flatMap((packet) => (packet.cmd === 'publish' ? [`${packet.topic} ${packet.payload}`.trim()] : []))
}

/** What a client has received since CONNACK, in short: type, packet id, reason code where it is not 0. */
export function answers(client: RawClient): string[] {
  return client.received
    .filter((packet) => packet.cmd !== 'connack' && packet.cmd !== 'suback')
    .map((packet) => {
      const id = 'messageId' in packet && packet.messageId !== undefined ? ` ${packet.messageId}` : ''
      const code = 'reasonCode' in packet && (packet.reasonCode ?? 0) > 0 ? ` 0x${packet.reasonCode?.toString(16)}` : ''
      const name = packet.cmd === 'publish' ? `publish${packet.dup ? ' DUP' : ''}` : packet.cmd
      return `${name}${id}${code}`
    })
}
