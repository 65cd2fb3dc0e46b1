/** What a server may refuse: asked before the broker commits to it. */
import type { Connection } from '../connection/connection.ts'
import type { Hooks } from '../hooks.ts'
import type { AuthPacket, ConnectPacket, Properties, PublishPacket, QoS, SubscribePacket, SubscriptionRequest, UnsubscribePacket } from '../wire/packet.ts'

/** What is asked for. */
export type AuthorizeRequest =
  | { readonly kind: 'connect'; readonly packet: ConnectPacket; readonly topic?: undefined }
  | { readonly kind: 'takeover'; readonly packet: ConnectPacket; readonly existing: Connection; readonly topic?: undefined }
  | { readonly kind: 'publish'; readonly packet: PublishPacket; readonly topic: string }
  | { readonly kind: 'subscribe'; readonly packet: SubscribePacket; readonly topic: string; readonly subscription: SubscriptionRequest }
  | { readonly kind: 'unsubscribe'; readonly packet: UnsubscribePacket; readonly topic: string }
  | { readonly kind: 'reauth'; readonly packet: AuthPacket; readonly topic?: undefined }

/** The answer to a request. */
export interface Decision {
  /** Below 0x80 allows. In MQTT 3, CONNACK gets the return code that comes nearest. */
  readonly reasonCode: number
  /** Properties for the answering packet (MQTT 5). */
  readonly properties?: Properties
  /** connect: the id that the client gets in place of an empty one. */
  readonly assignedClientId?: string
  /** subscribe: the QoS that is granted at most. */
  readonly maximumQos?: QoS
  /**
   * What is done beside the answer. 'answer' (the default) answers with the reason code; 'drop' does not answer;
   * 'close' closes without an answer, in MQTT 5 with a DISCONNECT; 'accept' answers as if it were allowed, and does
   * nothing; 'keep-both' (takeover) leaves the existing connection alone.
   */
  readonly action?: 'answer' | 'drop' | 'close' | 'accept' | 'keep-both'
}

/** Nothing against it. */
export const allowed: Decision = Object.freeze({ reasonCode: 0 })

/** Asks the `authorize` hook; calls back at once where nobody tapped it or every tap is synchronous. */
export function authorize(hooks: Hooks, request: AuthorizeRequest, connection: Connection, initial: Decision, then: (decision: Decision) => void): void {
  if (!hooks.authorize.isUsed()) {
    then(initial)
    return
  }
  hooks.authorize.callAsync(initial, request, connection, (_error, decision) => then(decision ?? initial))
}
