/** Scripts of `replay`: as options, as the lines of a file, as the lines of a dump. */
import { type Command, checkFields, commands, MqttestError, type OptionOutput, option } from '../../../src/index.ts'
import { checked, type FaultStep, faultSteps } from '../fault/steps.ts'
import { isDumpLine, scriptOfDump } from './exchanges.ts'

type Fields = { readonly [name: string]: unknown }

/** One packet that is expected, and what is said then. */
export interface Line {
  readonly cmd: Command
  readonly where: object
  readonly say: readonly FaultStep[]
}

/** The lines by connection, in order. */
export type Lines = ReadonlyMap<number, readonly Line[]>

/** A packet type, or the fields that must be the same. */
type Expectation = Command | { readonly cmd: Command; readonly [field: string]: unknown }

const expectation = checked<Expectation>('the packet of the client', 'a packet type, or an object of cmd and other fields', 'connect', {}, (value) => {
  const fields: Fields = typeof value === 'string' ? { cmd: value } : isFields(value) ? value : {}
  const cmd = commands.find((one) => one === fields.cmd)
  if (cmd === undefined) throw new MqttestError('MQTTEST_STEP', `expected a packet type as 'cmd', got ${JSON.stringify(fields.cmd)}`)
  checkFields('expect', fields, [cmd])
  return { ...fields, cmd }
})

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const fields = {
  connection: option.optional(option.count('on which connection, counted from 0; that of the line before unless given', 0)),
  expect: expectation,
  say: faultSteps('what is said then; {messageId} is the packet id that the client took'),
} as const

/** One line of a script as an option. */
export const lineOption = option.object('one packet that is expected', fields, {})

/** The lines by connection. */
export function scriptOf(all: readonly OptionOutput<typeof fields>[]): Lines {
  const lines = new Map<number, Line[]>()
  let number = 0
  for (const { connection = number, expect, say } of all) {
    number = connection
    const own = lines.get(number) ?? []
    lines.set(number, own)
    const { cmd, ...where } = typeof expect === 'string' ? { cmd: expect } : expect
    own.push({ cmd, where, say })
  }
  return lines
}

/** The lines that a file holds; or what is wrong with it. Connections count in the order in which they come. */
export function scriptFrom(text: string): Lines | string {
  const found: Fields[] = []
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    const value = parsed(line)
    if (!isFields(value)) return `line ${index + 1} is no object in JSON`
    found.push(value)
  }
  const isDump = found.some(isDumpLine)
  const numbers = new Map<unknown, number>()
  const all: OptionOutput<typeof fields>[] = []
  for (const [index, line] of (isDump ? scriptOfDump(found) : found).entries()) {
    const read = lineOption.read(line)
    if (read === undefined) return `${isDump ? 'exchange' : 'line'} ${index + 1}:${lineOption.hint?.(line) ?? ' not a line of a script'}`
    const { connection = 0 } = read.value
    if (!numbers.has(connection)) numbers.set(connection, numbers.size)
    all.push({ ...read.value, connection: numbers.get(connection) ?? 0 })
  }
  return all.length === 0 ? 'nothing is in it' : scriptOf(all)
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
