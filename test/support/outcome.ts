/** What a client gets for what it says, in a few words. */
import type { Packet, PacketInput, Server } from 'mqttest'
import { type ConnectInput, connectMemory, type RawClient } from 'mqttest/testing'

/** 'puback 0x87', 'suback 1,0x80', 'publish a'. Code 0 of an acknowledgement is left out. */
export function spoken(packet: Packet): string {
  const hex = (code: number) => (code >= 0x80 ? `0x${code.toString(16)}` : `${code}`)
  if (packet.cmd === 'publish') return `publish ${packet.topic}`
  if ('granted' in packet && packet.granted !== undefined) return `${packet.cmd} ${packet.granted.map(hex).join(',')}`
  const code = packet.cmd === 'connack' ? (packet.reasonCode ?? packet.returnCode) : 'reasonCode' in packet ? packet.reasonCode : undefined
  return code === undefined || code === 0 ? packet.cmd : `${packet.cmd} ${hex(code)}`
}

/** All that came behind CONNACK, and how the connection ended. */
export function heard(client: RawClient, from = 1): string {
  return [...client.received.slice(from).map(spoken), ...(client.ended === undefined ? [] : [client.ended])].join(', ')
}

/** A client that is connected. */
export async function joining(server: Server, version: 3 | 4 | 5 = 4, connect: ConnectInput = {}): Promise<RawClient> {
  const client = connectMemory(server, version)
  await client.connect({ clientId: 'me', ...connect })
  return client
}

/** What a client gets for its CONNECT: 'connack', 'connack 5, fin', 'fin'. */
export async function welcomed(server: Server, version: 3 | 4 | 5, connect: ConnectInput = {}): Promise<string> {
  return exchanged(connectMemory(server, version).sendConnect({ clientId: 'me', ...connect }))
}

/** Says something, and tells what came since: up to the answer of a PINGREQ, which is left out, or to the end. */
export async function exchanged(client: RawClient, ...inputs: readonly (PacketInput | string)[]): Promise<string> {
  const before = client.received.length
  client.send(...inputs, { cmd: 'pingreq' })
  await Promise.race([client.next('pingresp').catch(() => undefined), client.end().catch(() => undefined)])
  return heard(client, before).replace(/(, )?pingresp$/, '')
}

/** A PUBLISH; at QoS 1 and 2 its packet id is 7 unless given. */
export const publish = (topic: string, qos: 0 | 1 | 2 = 1, messageId = 7, payload: string | { readonly size: number } | { readonly hex: string } = 'x') =>
  ({ cmd: 'publish', topic, qos, payload, ...(qos > 0 && { messageId }) }) as const

/** A SUBSCRIBE to some filters. */
export const subscribe = (topics: string | readonly string[], qos: 0 | 1 | 2 = 0, messageId = 9) =>
  ({ cmd: 'subscribe', messageId, subscriptions: [topics].flat().map((topic) => ({ topic, qos })) }) as const

/** An UNSUBSCRIBE from some filters. */
export const unsubscribe = (topics: string | readonly string[], messageId = 11) =>
  ({ cmd: 'unsubscribe', messageId, unsubscriptions: [topics].flat() }) as const
