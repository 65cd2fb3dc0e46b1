/** What a rule of `fault` does: its options, and the steps that come of them. */
import {
  type Connection,
  checkFields,
  commands,
  MqttestError,
  type Option,
  type OptionInput,
  type OptionOutput,
  option,
  type Packet,
  type StepInput,
} from '../../../src/index.ts'
import { checked, faultSteps, fill, stepsOf, valuesOf, withCodes } from './steps.ts'

type Fields = { readonly [name: string]: unknown }

const replacement = checked<Fields>(
  'these fields of the packet are others; null takes one away',
  'an object of fields of a packet',
  {},
  { type: 'object' },
  (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new MqttestError('MQTTEST_STEP', 'expected an object.')
    checkFields('replace', value, commands)
    return withCodes(Object.fromEntries(Object.entries(value)))
  },
)

/** What can be done, in the order in which it is done. */
const acts = {
  delay: option.optional(option.duration('it comes so much later; with duplicate, each copy does', '1s')),
  jitter: option.duration('up to so much is added to the delay, at random', 0),
  block: option.flag('nothing else leaves the connection during the delay', false),
  replace: option.optional(replacement),
  before: option.optional(faultSteps('steps in front of the packet')),
  steps: option.optional(faultSteps("steps in place of the packet; 'packet' among them is the packet")),
  answer: option.optional(faultSteps('steps in place of what the broker would do with the packet of the client')),
  duplicate: option.optional(option.count('so many copies follow the packet', 1, { min: 1 })),
  close: option.optional(option.choice('the end, in place of the packet', ['fin', 'rst', 'stall', 'half'], 'fin')),
  after: option.optional(faultSteps('steps behind the packet, or behind what stands in its place')),
  offline: option.optional(option.duration('the server goes away, with every connection, and comes back after so long', '5s')),
  report: option.optional(option.text('says that the client is wrong, in these words', 'the client should not do that')),
} as const

type ActInput = OptionInput<typeof acts>

/** What a rule does. */
export type Act = OptionOutput<typeof acts>

const table = option.object('what happens', acts, {})

/** The option `do`: 'drop', 'nothing', or what happens. */
export const actOption: Option<ActInput | 'drop' | 'nothing', Act> = {
  ...table,
  form: `'drop', 'nothing' or ${table.form}`,
  schema: { anyOf: [{ enum: ['drop', 'nothing'] }, table.schema] },
  read: (value) => table.read(value === 'drop' ? { steps: [] } : value === 'nothing' ? {} : value),
  hint: (value) => (typeof value === 'string' ? '' : (table.hint?.(value) ?? '')),
}

/** What is wrong with an act for an event, in a few words; undefined where nothing is. */
export function actProblem(act: Act, event: 'in' | 'out' | 'connection' | 'time' | 'disconnect'): string | undefined {
  const { jitter, block, delay, steps, answer, close, duplicate, replace, before, after } = act
  const given = Object.entries({ steps, answer, close }).flatMap(([name, value]) => (value === undefined ? [] : [`'${name}'`]))
  if (given.length > 1) return `${given.join(' and ')} both stand in place of the packet: give one of them`
  if (delay === undefined && (jitter > 0 || block)) return "'jitter' and 'block' go with 'delay'"
  if (event === 'disconnect' && [...given, delay, duplicate, replace, before, after].some((one) => one !== undefined))
    return "the connection is gone: what is left to do is 'offline', 'report', or nothing but to arm another rule"
  const isPacket = event === 'in' || event === 'out'
  if (!isPacket && (duplicate !== undefined || replace !== undefined || answer !== undefined))
    return `'duplicate', 'replace' and 'answer' are about a packet, and this rule acts at ${event === 'time' ? 'a time' : 'the beginning of a connection'}`
  if (event === 'in' && duplicate !== undefined) return "'duplicate' is for packets of the server: the broker handles a packet of the client once"
  if (event === 'in' && replace?.cmd !== undefined) return "'replace' cannot make another packet of what the client sent: 'answer' it yourself"
  if (event === 'out' && answer !== undefined) return "'answer' is for packets of the client; what the server sends is replaced by 'steps'"
  return undefined
}

/** The packet with other fields; a field that is null is taken away. */
function replaced(packet: Packet, fields: Fields): Fields {
  const { properties, ...rest } = fields
  const before: Fields = { ...(packet.cmd !== 'pingreq' && packet.cmd !== 'pingresp' && packet.properties) }
  const merged = typeof properties === 'object' && properties !== null ? withoutNull({ ...before, ...properties }) : before
  return withoutNull({ ...packet, ...rest, ...(properties !== undefined && { properties: properties === null ? null : merged }) })
}

function withoutNull(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null))
}

/** A step with the packet that `replace` makes. */
export function replacedPacket({ replace }: Act, packet: Packet, connection: Connection): { readonly step: StepInput; readonly packet: Packet } | undefined {
  if (replace === undefined) return undefined
  const fields = fill(replace, valuesOf(packet, connection))
  const other = replaced(packet, withCodes(typeof fields === 'object' && fields !== null ? Object.fromEntries(Object.entries(fields)) : {}))
  const [step] = stepsOf([{ packet: { ...other, cmd: commands.find((cmd) => cmd === other.cmd) ?? packet.cmd } }], undefined, {})
  return step !== undefined && 'packet' in step && isComplete(step.packet) ? { step, packet: step.packet } : undefined
}

function isComplete(packet: object): packet is Packet {
  return 'cmd' in packet
}

/** The steps that stand in place of `target`, which is the matched packet, or nothing. */
export function expand(act: Act, target: StepInput | undefined, packet: Packet | undefined, connection: Connection, chance: () => number): StepInput[] {
  const values = valuesOf(packet, connection)
  const { delay = 0, jitter, block, duplicate = 0, close } = act
  const late = (): StepInput[] => {
    const wait = delay + (jitter > 0 ? chance() * jitter : 0)
    return wait > 0 ? [{ wait, block }] : []
  }
  const parts = (steps: Act['steps']) => stepsOf(steps ?? [], target, values)
  const place = act.steps ?? act.answer
  const main: StepInput[] = close !== undefined ? [{ close }] : place !== undefined ? parts(place) : target === undefined ? [] : [target]
  const copies = target === undefined ? [] : Array.from({ length: duplicate }, () => [...late(), target]).flat()
  return [...(duplicate > 0 ? [] : late()), ...parts(act.before), ...main, ...copies, ...parts(act.after)]
}
