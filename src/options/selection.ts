/**
 * Which events a plugin acts on, as options that all plugins share: spread {@link selection} into a plugin's options, and give
 * what came of it to {@link selected} for the filter of `on`.
 *
 *     options: { packets: option.packets(...), ...selection },
 *     setup({ hooks, on }, { packets, ...which }) {
 *       on(hooks.send, selected(which, { cmd: packets }), () => [])
 */
import type { Filter } from '../hooks/filter.ts'
import type { OptionOutput } from './option.ts'
import { option } from './option-kinds.ts'

const number = (about: string, min: number, max?: number) => option.count(about, min, max === undefined ? { min } : { min, max })

/** The options; all of them may be left out, and then nothing is asked. */
export const selection = {
  topic: option.optional(option.list(option.text('a topic filter', '#'), 'only packets whose topic (or one of whose filters) matches', [])),
  qos: option.optional(option.list(number('a QoS', 0, 2), 'only packets of this QoS', [])),
  retain: option.optional(option.flag('only packets with this retain flag', true)),
  dup: option.optional(option.flag('only packets with this DUP flag', true)),
  messageId: option.optional(option.list(number('a packet id', 0, 65_535), 'only packets with this packet id', [])),
  nth: option.optional(option.list(number('a number', 1), 'only these of all that fit, counted from 1 on each connection', [])),
  from: option.count('the first of all that fit which counts, on each connection', 1, { min: 1 }),
  every: option.count('only every so manieth, from the first that counts', 1, { min: 1 }),
  probability: option.probability('how likely each of them is chosen, decided by the seed', 1),
} as const

/** What a plugin gets of {@link selection}. */
export type Selection = OptionOutput<typeof selection>

/** The filter for `on` that a selection stands for, with what else it must ask. Options that were not given ask nothing. */
export function selected(chosen: Partial<Selection>, more: Filter = {}): Filter {
  const { topic, qos, retain, dup, messageId, nth, from = 1, every = 1, probability = 1 } = chosen
  return {
    ...more,
    ...(topic !== undefined && { topic }),
    ...(qos !== undefined && { qos: qos.filter((level): level is 0 | 1 | 2 => level <= 2) }),
    ...(retain !== undefined && { retain }),
    ...(dup !== undefined && { dup }),
    ...(messageId !== undefined && { messageId }),
    ...(nth !== undefined && { nth }),
    ...(from > 1 && { from }),
    ...(every > 1 && { every }),
    ...(probability < 1 && { probability }),
  }
}
