/**
 * When on a connection a plugin acts, as options that plugins share: at a packet, which a {@link selection} chooses, or so long
 * after CONNACK; right behind CONNACK where neither is said. Spread {@link moment} into a plugin's options, let
 * {@link momentProblem} check them, and give them to {@link atMoment} with the plan that is to be carried out.
 */
import type { Connection } from '../connection/connection.ts'
import type { PluginApi } from '../plugin/plugin.ts'
import type { StepInput } from '../steps.ts'
import { type Command, commands, type Packet } from '../wire/packet.ts'
import type { OptionOutput } from './option.ts'
import { option } from './option-kinds.ts'
import { type Selection, selected, selection } from './selection.ts'

/** The options; without any of them the moment is right behind CONNACK. */
export const moment = {
  packet: option.optional(option.choice('acts at a packet of this type; connack where neither this nor time is given', commands, 'connack')),
  sender: option.optional(
    option.choice('whose packet; unless given, the way a packet takes when the client publishes or asks', ['client', 'server'], 'server'),
  ),
  when: option.choice(
    'where at the packet: before it, instead of it (of the answer, where it is from the client), or after it',
    ['before', 'instead', 'after'],
    'after',
  ),
  time: option.optional(option.duration('acts so long after CONNACK', '1s')),
  ...selection,
} as const

/** What a plugin gets of {@link moment}. */
export type Moment = OptionOutput<typeof moment>

const fromClient: readonly Command[] = ['connect', 'subscribe', 'unsubscribe', 'pingreq']
const fromServer: readonly Command[] = ['connack', 'suback', 'unsuback', 'pingresp']
/** Where both sides send a packet, the exchange that the client begins is meant: its PUBLISH, the server's PUBACK. */
const answersToClient: readonly Command[] = ['puback', 'pubrec', 'pubcomp']

/** What is wrong with the options of a moment, in a few words; undefined where nothing is. */
export function momentProblem({ packet, sender, when, time, ...which }: Moment): string | undefined {
  if (packet !== undefined && sender === 'server' && fromClient.includes(packet)) return `only a client sends ${packet}: take sender client`
  if (packet !== undefined && sender === 'client' && fromServer.includes(packet)) return `only a server sends ${packet}: take sender server`
  if (packet !== undefined) return undefined
  if (sender !== undefined) return "option 'sender' goes with 'packet'"
  if (time !== undefined && when !== 'after') return "option 'when' goes with 'packet'"
  // There is one CONNACK: only chance has a choice there.
  const key = Object.keys(selected(which satisfies Selection)).find((name) => time !== undefined || name !== 'probability')
  return key === undefined ? undefined : `option '${key}' goes with 'packet'`
}

/**
 * Carries out a plan at a moment; `plan` is asked when the moment has come, and may have nothing to do there.
 *
 *   packet of the client   `before` it is handled behind the plan, unless that ends or stalls the connection; `instead` it is
 *                          handled but not answered; `after` its answer leaves first
 *   packet of the server   the plan stands in front of it, in its place, or behind it
 */
export function atMoment(
  { hooks, on, play, name }: Pick<PluginApi, 'hooks' | 'on' | 'play' | 'name'>,
  { packet, sender, when, time, ...which }: Moment,
  plan: (connection: Connection) => readonly StepInput[] | undefined,
): void {
  const cmd = packet ?? (time === undefined ? 'connack' : undefined)
  const sent = cmd !== undefined && (sender ?? (fromServer.includes(cmd) || answersToClient.includes(cmd) ? 'server' : 'client')) === 'server'

  if (cmd !== undefined && sent)
    on(hooks.send, selected(which, { cmd }), (steps, _cause, connection) => {
      const then = plan(connection)
      if (then === undefined) return undefined
      return when === 'before' ? [...then, ...steps] : when === 'instead' ? then : [...steps, ...then]
    })

  if (cmd !== undefined && !sent) {
    const unanswered = new WeakSet<Packet>()
    on(hooks.packetIn, selected(which, { cmd }), (incoming, connection) => {
      const then = plan(connection)
      if (then === undefined) return undefined
      // What leaves the connection as it is does not keep the packet from being handled behind it.
      if (when === 'before') return then.some((step) => 'close' in step || 'stall' in step) ? then : [...then, { pass: true }]
      if (when === 'instead') unanswered.add(incoming)
      return [{ pass: true }, ...then]
    })
    if (when === 'instead') hooks.send.tap(name, (_steps, cause) => (cause.packet !== undefined && unanswered.has(cause.packet) ? [] : undefined))
  }

  if (time !== undefined)
    on(hooks.send, { cmd: 'connack', reasonCode: 0 }, (steps, _cause, connection) => {
      const then = plan(connection)
      if (then === undefined) return undefined
      if (time === 0) return [...steps, ...then]
      play(connection, [{ wait: time }, ...then])
      return undefined
    })
}
