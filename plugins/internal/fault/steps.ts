/** Steps as `fault` has them in JSON: with the matched packet among them, with names to fill in, and repeated. */
import {
  type Command,
  type Connection,
  checkFields,
  commands,
  fillJson,
  type Json,
  MqttestError,
  type Option,
  option,
  type Packet,
  parseDuration,
  parseReasonCode,
  type Step,
  type StepInput,
  type TemplateValues,
} from '../../../src/index.ts'

/** A packet with {names} in its texts; a reason code may be a name. */
export interface PacketTemplate {
  readonly cmd: Command
  readonly [field: string]: unknown
}

/** What stands among the steps of a rule. */
export type FaultStep =
  | 'packet'
  | { readonly packet: '$packet' | PacketTemplate }
  | { readonly repeat: number; readonly steps: readonly FaultStep[] }
  | Exclude<StepInput, { readonly packet: unknown }>

type Fields = { readonly [name: string]: unknown }

const plain = option.steps('the steps', [])

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value)
}

function isThePacket(step: FaultStep): boolean {
  return step === 'packet' || ('packet' in step && step.packet === '$packet')
}

/** Puts values in place of {names}, wherever a text stands; bytes and functions stay as they are. */
export function fill(template: unknown, values: TemplateValues): unknown {
  if (typeof template === 'string') return fillJson(template, values)
  if (Array.isArray(template)) return template.map((item) => fill(item, values))
  if (!isFields(template)) return template
  return Object.fromEntries(Object.entries(template).map(([name, item]) => [name, fill(item, values)]))
}

/** Reason codes by number, where they are given by name. */
export function withCodes(packet: Fields): Fields {
  const code = (value: unknown) => (typeof value === 'string' && !value.includes('{') ? parseReasonCode(value) : value)
  const { reasonCode, returnCode, granted } = packet
  return {
    ...packet,
    ...(reasonCode !== undefined && { reasonCode: code(reasonCode) }),
    ...(returnCode !== undefined && { returnCode: code(returnCode) }),
    ...(Array.isArray(granted) && { granted: granted.map(code) }),
  }
}

/** What the names in a template stand for: the fields of the matched packet, what is known of the connection. */
export function valuesOf(packet: Packet | undefined, connection: Connection): TemplateValues {
  const { clientId, number, connect } = connection
  const about = { connection: number, ...(clientId !== undefined && { clientId }), ...(connect?.username !== undefined && { username: connect.username }) }
  if (packet === undefined) return about
  const fields = asJson(packet)
  const json = packet.cmd === 'publish' ? parsed(packet.payload.toString()) : undefined
  return { ...(isJsonObject(fields) && fields), ...about, ...(json !== undefined && { json }) }
}

function asJson(value: unknown): Json {
  if (Buffer.isBuffer(value)) return value.toString()
  if (Array.isArray(value)) return value.map(asJson)
  if (isFields(value)) return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, asJson(item)]))
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null
}

function isJsonObject(value: Json): value is { readonly [name: string]: Json } {
  return isFields(value)
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Steps with their names filled in; the matched packet stands as `target`, or not at all where there is none. */
export function stepsOf(steps: readonly FaultStep[], target: StepInput | undefined, values: TemplateValues): StepInput[] {
  return steps.flatMap((step): StepInput[] => {
    if (isThePacket(step)) return target === undefined ? [] : [target]
    if (typeof step === 'object' && 'repeat' in step)
      return Array.from({ length: step.repeat }, (_, index) => stepsOf(step.steps, target, { ...values, index: index + 1 })).flat()
    return [...complete(filled(step, values))]
  })
}

function filled(step: unknown, values: TemplateValues): unknown {
  if (!isFields(step) || !isFields(step.packet)) return step
  return { packet: withCodes(isFields(step.packet) ? asFields(fill(step.packet, values)) : {}) }
}

function asFields(value: unknown): Fields {
  return isFields(value) ? value : {}
}

/** The step, complete. Throws MQTTEST_STEP where it is none. */
function complete(step: unknown): readonly Step[] {
  const read = plain.read([step])
  if (read === undefined) throw new MqttestError('MQTTEST_STEP', plain.hint?.([step]).trim() ?? 'not a step')
  return read.value
}

/** Checks steps before anything runs. Throws what is wrong with the first that is none. */
function check(steps: unknown): readonly FaultStep[] {
  if (!Array.isArray(steps)) throw new MqttestError('MQTTEST_STEP', 'expected a list of steps')
  for (const [index, step] of steps.entries()) {
    const where = `step ${index + 1}`
    if (typeof step === 'string' && step !== 'packet')
      throw new MqttestError('MQTTEST_STEP', `${where}: the one step that is a text is 'packet', got '${step}'`)
    if (step === 'packet' || (isFields(step) && step.packet === '$packet')) continue
    if (isFields(step) && 'repeat' in step) {
      if (typeof step.repeat !== 'number' || !Number.isInteger(step.repeat) || step.repeat < 1)
        throw new MqttestError('MQTTEST_STEP', `${where}: repeat: expected a whole number, at least 1, got ${JSON.stringify(step.repeat)}`)
      check(step.steps)
      continue
    }
    try {
      complete(filled(step, {}))
      if (isFields(step) && isFields(step.packet))
        checkFields(
          'packet',
          step.packet,
          commands.filter((cmd) => cmd === asFields(step.packet).cmd),
        )
    } catch (error) {
      throw error instanceof MqttestError ? new MqttestError('MQTTEST_STEP', `${where}: ${error.message}`) : error
    }
  }
  return steps
}

function scaled(step: FaultStep, factor: number): FaultStep {
  if (typeof step === 'string') return step
  if ('repeat' in step) return { ...step, steps: step.steps.map((inner) => scaled(inner, factor)) }
  if ('wait' in step) return { ...step, wait: parseDuration(step.wait) * factor }
  if ('latency' in step) return { ...step, latency: parseDuration(step.latency) * factor }
  return step
}

/** What a check that throws says. */
function problemOf(read: () => unknown): string {
  try {
    read()
    return ''
  } catch (error) {
    return error instanceof MqttestError ? ` ${error.message}` : ''
  }
}

/** An option that is read by a check that throws MqttestError. */
export function checked<T>(about: string, form: string, fallback: T, schema: { [key: string]: unknown }, read: (value: unknown) => T): Option<T, T> {
  return {
    about,
    form,
    fallback,
    schema,
    read: (value) => {
      try {
        return { value: read(value) }
      } catch (error) {
        if (error instanceof MqttestError) return undefined
        throw error
      }
    },
    hint: (value) => problemOf(() => read(value)),
  }
}

/** Steps among which the matched packet is 'packet'. */
export function faultSteps(about: string): Option<readonly FaultStep[], readonly FaultStep[]> {
  const form = "a list of steps, among which 'packet' is the packet itself"
  return {
    ...checked<readonly FaultStep[]>(about, form, [], { type: 'array', items: { type: ['object', 'string'] } }, check),
    scale: (steps, factor) => steps.map((step) => scaled(step, factor)),
  }
}
