/**
 * Every hook, in the order of a connection's life. Taps decide, the core acts: a tap returns a plan made of steps (or a
 * decision), and the core carries it out. `undefined` is no opinion, `[]` is "do nothing".
 *
 * Order on one connection, promised here and held by test/hooks/order.test.ts:
 *
 *     connection → wire in → packetIn connect → authorize → session → send connack → wire out
 *     → (wire in → packetIn → authorize → route → packetId → send → wire out)* → disconnect
 */
import { AsyncSeriesBailHook, AsyncSeriesHook, AsyncSeriesWaterfallHook, SyncBailHook, SyncHook, SyncWaterfallHook } from 'tapable'
import type { AuthorizeRequest, Decision } from '../broker/authorize.ts'
import type { Delivery, Message } from '../broker/message.ts'
import type { Subscription } from '../broker/session.ts'
import type { SessionPlan } from '../broker/session-plan.ts'
import type { WillPlan } from '../broker/wills.ts'
import type { Cause } from '../connection/cause.ts'
import type { Connection } from '../connection/connection.ts'
import type { DisconnectInfo, TimerInfo } from '../connection/lifecycle.ts'
import type { Verdict, Violation } from '../lint/violation.ts'
import type { JournalRecord } from '../record/journal.ts'
import type { Server } from '../server.ts'
import type { Plan, StepInput } from '../steps.ts'
import type { ConnectPacket, Packet } from '../wire/packet.ts'

/** What a tap may return where it decides on a plan. */
export type PlanResult = readonly StepInput[]

/** Makes the hooks of one server. Made once per server: making a hook costs more than calling it many times. */
export function createHooks() {
  return {
    /**
     * kind      AsyncSeries
     * called    the server listens, before `start()` resolves (server.ts)
     * before    –                                  after     connection
     * returns   nothing                            throws    `start()` rejects
     */
    serverStart: new AsyncSeriesHook<[server: Server]>(['server'], 'serverStart'),

    /**
     * kind      AsyncSeries
     * called    the last connection is closed, before the report is made (server.ts)
     * before    disconnect                         after     –
     * returns   nothing                            throws    `stop()` rejects
     */
    serverStop: new AsyncSeriesHook<[server: Server, reason: string]>(['server', 'reason'], 'serverStop'),

    /**
     * kind      AsyncSeriesBail
     * called    a connection was accepted, before anything is read (connection/connection.ts)
     * before    serverStart                        after     wire
     * returns   a plan that runs before anything is read: refuse, reset, stall, talk first
     * throws    the connection is reset, `stop()` rejects
     */
    connection: new AsyncSeriesBailHook<[connection: Connection], PlanResult>(['connection'], 'connection'),

    /**
     * kind      SyncWaterfall
     * called    for each chunk that was read, and each that is about to be written (connection/wire-lane.ts)
     * before    connection, send                   after     packetIn
     * returns   steps of bytes, waits, latencies, frames, stalls and closes; first in, first out in each direction
     * throws    the connection is reset, `stop()` rejects
     */
    wire: new SyncWaterfallHook<[steps: Plan, direction: 'in' | 'out', connection: Connection], PlanResult>(['steps', 'direction', 'connection'], 'wire'),

    /**
     * kind      AsyncSeriesBail
     * called    for each packet that was decoded, before the broker sees it (connection/connection.ts)
     * before    wire                               after     authorize, session, send
     * returns   a plan: "I answer this instead of the broker". The packet may be changed in place
     * throws    the connection is reset, `stop()` rejects
     */
    packetIn: new AsyncSeriesBailHook<[packet: Packet, connection: Connection], PlanResult>(['packet', 'connection'], 'packetIn'),

    /**
     * kind      AsyncSeriesWaterfall
     * called    before the broker commits to connect, takeover, publish, subscribe (per filter), unsubscribe, reauth
     *           (broker/authorize.ts)
     * before    packetIn                           after     session, route, send
     * returns   a decision: reason code, properties, assigned client id, action
     * throws    the connection is reset, `stop()` rejects
     */
    authorize: new AsyncSeriesWaterfallHook<[decision: Decision, request: AuthorizeRequest, connection: Connection], Decision>(
      ['decision', 'request', 'connection'],
      'authorize',
    ),

    /**
     * kind      SyncWaterfall
     * called    a session was found or not, before it is opened and CONNACK is made (broker/connect.ts)
     * before    authorize                          after     send
     * returns   the plan for the session: resume, session present, expiry, limits
     * throws    the connection is reset, `stop()` rejects
     */
    session: new SyncWaterfallHook<[plan: SessionPlan, packet: ConnectPacket, connection: Connection], SessionPlan>(
      ['plan', 'packet', 'connection'],
      'session',
    ),

    /**
     * kind      SyncWaterfall
     * called    SUBACK is made, and the retained messages for one of its subscriptions were looked up: none for a shared one; not
     *           called where the retain handling asks for none (broker/subscribe.ts)
     * before    authorize, send                    after     route
     * returns   the messages that it gets: fewer, more, in another order
     * throws    the connection is reset, `stop()` rejects
     */
    retained: new SyncWaterfallHook<[messages: readonly Message[], subscription: Subscription, connection: Connection], readonly Message[]>(
      ['messages', 'subscription', 'connection'],
      'retained',
    ),

    /**
     * kind      SyncWaterfall
     * called    a message has found its subscribers (broker/router.ts)
     * before    authorize                          after     packetId
     * returns   the deliveries: fewer, more, others, in another order
     * throws    the publisher's connection is reset, `stop()` rejects
     */
    route: new SyncWaterfallHook<[deliveries: readonly Delivery[], message: Message], readonly Delivery[]>(['deliveries', 'message'], 'route'),

    /**
     * kind      SyncBail
     * called    a packet id is needed for a delivery (broker/packet-ids.ts)
     * before    route                              after     send
     * returns   the id to use, 0 to 65535, whether it is free or not
     * throws    the connection is reset, `stop()` rejects
     */
    packetId: new SyncBailHook<[ids: PacketIdState, connection: Connection], number>(['ids', 'connection'], 'packetId'),

    /**
     * kind      SyncWaterfall
     * called    the server is about to say something, before it is encoded (connection/connection.ts)
     * before    packetIn, packetId                 after     wire
     * returns   a plan in place of the one packet: late, twice, other, more, nothing
     * throws    the connection is reset, `stop()` rejects
     */
    send: new SyncWaterfallHook<[steps: Plan, cause: Cause, connection: Connection], PlanResult>(['steps', 'cause', 'connection'], 'send'),

    /**
     * kind      SyncWaterfall
     * called    the core arms a timer (timers.ts)
     * before    –                                  after     –
     * returns   milliseconds, or null for never
     * throws    the connection is reset, `stop()` rejects
     */
    timer: new SyncWaterfallHook<[delayMs: number | null, timer: TimerInfo, connection: Connection | undefined], number | null>(
      ['delayMs', 'timer', 'connection'],
      'timer',
    ),

    /**
     * kind      SyncBail
     * called    the client broke a rule (connection/violations.ts)
     * before    wire, packetIn                     after     send, disconnect
     * returns   'ignore', 'warn', 'fail' or 'disconnect'
     * throws    the connection is reset, `stop()` rejects
     */
    violation: new SyncBailHook<[violation: Violation, connection: Connection], Verdict>(['violation', 'connection'], 'violation'),

    /**
     * kind      SyncWaterfall
     * called    a connection that has a will is gone, however it ended; `connection.successor` is who took its session over
     *           (broker/wills.ts)
     * before    –                                  after     route, disconnect
     * returns   the plan for the will: published or not, when, how often, which message
     * throws    `stop()` rejects
     */
    will: new SyncWaterfallHook<[plan: WillPlan, info: DisconnectInfo, connection: Connection], WillPlan>(['plan', 'info', 'connection'], 'will'),

    /**
     * kind      Sync
     * called    the connection is gone and its session detached (connection/connection.ts)
     * before    send                               after     serverStop
     * returns   nothing                            throws    `stop()` rejects
     */
    disconnect: new SyncHook<[connection: Connection, info: DisconnectInfo]>(['connection', 'info'], 'disconnect'),

    /**
     * kind      Sync
     * called    for everything that is put on record, as it happens (record/journal.ts)
     * before    –                                  after     –
     * returns   nothing                            throws    `stop()` rejects
     */
    record: new SyncHook<[record: JournalRecord]>(['record'], 'record'),
  } as const
}

/** What the `packetId` hook is told: the id used last on this session, and which ids are in flight. */
export interface PacketIdState {
  readonly last: number
  readonly inUse: { has(id: number): boolean; readonly size: number }
}

/** The hooks of one server. */
export type Hooks = ReturnType<typeof createHooks>

/** The name of a hook. */
export type HookName = keyof Hooks
