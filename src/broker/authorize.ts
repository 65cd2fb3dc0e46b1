/** What a server may refuse: asked before the broker commits to it. */
import type { Connection } from '../connection/connection.ts'
import type { Run } from '../run/run.ts'
import type { AuthPacket, ConnectPacket, Properties, PublishPacket, QoS, SubscribePacket, SubscriptionRequest, UnsubscribePacket } from '../wire/packet.ts'

/** What is asked for, by a packet that was so many bytes long as it came. */
export type AuthorizeRequest = { readonly size: number } & (
  | { readonly kind: 'connect'; readonly packet: ConnectPacket; readonly topic?: undefined }
  | { readonly kind: 'takeover'; readonly packet: ConnectPacket; readonly existing: Connection; readonly topic?: undefined }
  | { readonly kind: 'publish'; readonly packet: PublishPacket; readonly topic: string }
  | { readonly kind: 'subscribe'; readonly packet: SubscribePacket; readonly topic: string; readonly subscription: SubscriptionRequest }
  | { readonly kind: 'unsubscribe'; readonly packet: UnsubscribePacket; readonly topic: string }
  | { readonly kind: 'reauth'; readonly packet: AuthPacket; readonly topic?: undefined }
)

/** The answer to a request. */
export interface Decision {
  /**
   * Below 0x80 allows. In MQTT 3, CONNACK gets the return code that comes nearest; 1 to 0x7f are return codes already, and
   * refuse a CONNECT as well.
   */
  readonly reasonCode: number
  /** Properties for the answering packet (MQTT 5). */
  readonly properties?: Properties
  /**
   * connect: the keep-alive that is enforced, in seconds, whatever CONNECT and CONNACK say. A client only hears of another one from
   * the property serverKeepAlive [MQTT-3.2.2-21].
   */
  readonly keepAlive?: number
  /** connect: the id that the client gets in place of an empty one. */
  readonly assignedClientId?: string
  /** subscribe: the QoS that is granted at most; publish: at which the message is taken at most, however it is acknowledged. */
  readonly maximumQos?: QoS
  /** publish: false takes the message without its retain flag, so that it is not kept. */
  readonly retain?: false
  /**
   * What is done. 'answer' (the default) answers with the reason code; 'accept' answers as if it were allowed, and does nothing;
   * 'drop' does not answer; 'disconnect' sends DISCONNECT with the reason code in MQTT 5, and closes; 'close' closes without a
   * word; 'reset' does so with a reset; 'keep-both' (takeover) leaves the existing connection alone, with its session: the new one
   * gets a session of its own.
   */
  readonly action?: 'answer' | 'accept' | 'drop' | 'disconnect' | 'close' | 'reset' | 'keep-both'
  /**
   * Reason code of a DISCONNECT that follows the answer; in MQTT 3 the connection is closed behind the answer. takeover: of the
   * DISCONNECT that the existing connection gets, 0x8E unless given.
   */
  readonly thenDisconnect?: number
  /**
   * publish, subscribe, unsubscribe: what is asked for is answered before it is carried out, and carried out so many milliseconds
   * later, 0 right behind the answer. With a delay the answer says success: nobody knows yet what becomes of it.
   */
  readonly effectDelay?: number
  /** takeover: how the existing connection ends: with DISCONNECT in MQTT 5 (the default), or closed or reset without a word. */
  readonly existing?: 'disconnect' | 'close' | 'reset'
  /** takeover: the existing connection ends before the new one gets its CONNACK (the default), or behind it. */
  readonly order?: 'before' | 'after'
}

/** Nothing against it. */
export const allowed: Decision = Object.freeze({ reasonCode: 0 })

/** Asks the `authorize` hook; calls back at once where nobody tapped it for such a request or every tap is synchronous. */
export function authorize(run: Run, request: AuthorizeRequest, connection: Connection, initial: Decision, then: (decision: Decision) => void): void {
  if (!run.hookSet.tapsOf(connection).wantsAuthorize(request.kind, request.packet)) {
    then(initial)
    return
  }
  run.hooks.authorize.callAsync(initial, request, connection, (_error, decision) => then(decision ?? initial))
}

/** Whether the connection ended because of a decision: then nothing is answered. */
export function endedBy(connection: Connection, { action, reasonCode, properties }: Decision, what: string): boolean {
  const ending = { reason: `${what} was refused`, reasonCode }
  if (action === 'disconnect') connection.disconnect(reasonCode >= 0x80 ? reasonCode : 0x87, ending.reason, properties)
  else if (action === 'close') connection.close('fin', ending)
  else if (action === 'reset') connection.close('rst', ending)
  else return false
  return true
}

/** Ends the connection behind the answer where the decision says so. */
export function endAfterAnswer(connection: Connection, { thenDisconnect }: Decision, what: string): void {
  if (thenDisconnect !== undefined && !connection.closed) connection.disconnect(thenDisconnect, `${what} was refused`)
}
