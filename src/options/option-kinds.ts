/** `option`: every kind of option there is, those of option.ts and those that speak of MQTT. */
import { MqttestError } from '../errors.ts'
import { checkFilter, type Filter } from '../hooks/filter.ts'
import type { HookName } from '../hooks/hooks.ts'
import { type Bytes, completePlan, completeProperties, type Plan, type PropertiesInput, type StepInput, toBuffer } from '../steps.ts'
import type { Command, Properties } from '../wire/packet.ts'
import { propertyRows } from '../wire/properties.ts'
import { answer } from './answer.ts'
import { make, type Option, type OptionInput, type OptionOutput, type OptionTable, plainKinds, readOptions, scaleOptions } from './option.ts'
import { type PayloadInput, toPayload } from './payload.ts'

/** What a reader that throws for bad input says about it. */
function problemOf(read: () => unknown): string {
  try {
    read()
    return ''
  } catch (error) {
    return error instanceof MqttestError ? ` ${error.message}` : ''
  }
}

function attempt<T>(read: () => T): { value: T } | undefined {
  try {
    return { value: read() }
  } catch (error) {
    if (error instanceof MqttestError) return undefined
    throw error
  }
}

/** Packet types, out of some: `option.packets('which ones come late', ['puback', 'suback'], ['puback'])`. */
function packets<const C extends Command>(about: string, among: readonly [C, ...C[]], fallback: readonly NoInfer<C>[]) {
  return plainKinds.list(plainKinds.choice('a packet type', among, among[0]), about, fallback)
}

/** Steps, as hooks return them: packets, bytes, waits, closes. */
function steps(about: string, fallback: readonly StepInput[]): Option<readonly StepInput[], Plan> {
  const read = (value: unknown) => {
    if (!Array.isArray(value)) throw new MqttestError('MQTTEST_STEP', 'expected a list of steps.')
    return completePlan(value)
  }
  return make(
    about,
    'a list of steps, such as [{ wait: 100 }, { packet: { cmd: ... } }, { close: ... }]',
    fallback,
    { type: 'array', items: { type: 'object' } },
    (value) => attempt(() => read(value)),
    (value) => problemOf(() => read(value)),
  )
}

/** A filter for a hook. */
function filter(hook: HookName, about: string, fallback: Filter): Option<Filter, Filter> {
  const read = (value: unknown): Filter => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new MqttestError('MQTTEST_OPTION', 'expected an object.')
    checkFilter(hook, value)
    return value
  }
  return make(
    about,
    'a filter such as { cmd, topic, qos, nth }',
    fallback,
    { type: 'object' },
    (value) => attempt(() => read(value)),
    (value) => problemOf(() => read(value)),
  )
}

/** Properties of MQTT 5 by name. */
function properties(about: string, fallback: PropertiesInput): Option<PropertiesInput, Properties> {
  const names = propertyRows.map((row) => row.name)
  return make(
    about,
    'an object of properties of MQTT 5',
    fallback,
    { type: 'object', propertyNames: { enum: names } },
    (value) => attempt(() => completeProperties(value)),
    (value) => problemOf(() => completeProperties(value)),
  )
}

/** Names of properties of MQTT 5: those of a packet that something is done with. */
function propertyNames(about: string, fallback: readonly (keyof Properties)[]) {
  const names = propertyRows.map((row) => row.name)
  return plainKinds.list({ ...plainKinds.choice('a property', names, 'reasonString'), form: 'the name of a property of MQTT 5' }, about, fallback)
}

/** Bytes, as hex digits. */
function bytes(about: string, fallback: Bytes): Option<Bytes, Buffer> {
  return make(about, "bytes as hex digits, such as '30 00'", fallback, { type: 'string', pattern: '^([0-9a-fA-F]{2}|\\s)*$' }, (value) =>
    typeof value === 'string' || value instanceof Uint8Array ? attempt(() => toBuffer(value)) : undefined,
  )
}

/** A payload: text, or what JSON can hold in its place; the plugin gets it as it was written, for {@link toPayload} or a template. */
function payload(about: string, fallback: PayloadInput): Option<PayloadInput, PayloadInput> {
  const read = (value: unknown) => {
    if (!isPayload(value)) throw new MqttestError('MQTTEST_STEP', 'expected a text, bytes or an object.')
    toPayload(value, 'payload')
    return value
  }
  return make(
    about,
    'a text, { hex }, { base64 }, { json } or { size, fill }',
    fallback,
    { type: ['string', 'object'] },
    (value) => attempt(() => read(value)),
    (value) => problemOf(() => read(value)),
  )
}

function isPayload(value: unknown): value is PayloadInput {
  return typeof value === 'string' || (typeof value === 'object' && value !== null && !Array.isArray(value))
}

/** An object with keys of its own, each described like an option: the rules of a list, for example. */
function object<T extends OptionTable>(about: string, fields: T, fallback: OptionInput<T>): Option<OptionInput<T>, OptionOutput<T>> {
  const read = (value: unknown): OptionOutput<T> => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new MqttestError('MQTTEST_OPTION', 'expected an object.')
    return readOptions('in it', fields, value)
  }
  const properties = Object.fromEntries(Object.entries(fields).map(([name, { schema, about }]) => [name, { ...schema, description: about }]))
  const described = make<OptionInput<T>, OptionOutput<T>>(
    about,
    `an object of ${Object.keys(fields).join(', ')}`,
    fallback,
    { type: 'object', properties, additionalProperties: false },
    (value) => attempt(() => read(value)),
    (value) => problemOf(() => read(value)),
  )
  return { ...described, fields, scale: (values, factor) => scaleOptions(fields, { ...values }, factor) as OptionOutput<T> }
}

/** The builders of option descriptions. `about` is one sentence with the unit; the last argument is the default. */
export const option = { ...plainKinds, answer, packets, steps, filter, properties, propertyNames, bytes, payload, object } as const
