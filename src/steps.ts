/**
 * Steps: the one vocabulary of actions. Hooks return them, tests play them, configs and replays hold them as JSON; the
 * plan executor of a connection carries them out. A list of steps is a plan.
 */
import { type Duration, durationForm, readDuration } from './duration.ts'
import { MqttestError, nameHint } from './errors.ts'
import { type PayloadInput, toPayload } from './options/payload.ts'
import { type ConnackPacket, isCommand, type Packet, type Properties, type PublishPacket, packetTypes } from './wire/packet.ts'
import { propertyRows } from './wire/properties.ts'

/** Bytes as a Buffer, a Uint8Array, or text of hex digits (blanks allowed), which is the form that JSON can hold. */
export type Bytes = Uint8Array | string

/**
 * How a connection ends: in order; with a reset; not at all while nothing moves any more; or by half, with a FIN of the server
 * that still reads and handles what comes, but sends nothing any more.
 */
export type CloseHow = 'fin' | 'rst' | 'stall' | 'half'

/** Sends a packet. */
export interface PacketStep {
  readonly packet: Packet
}
/** Sends bytes as they are. */
export interface RawStep {
  readonly raw: Buffer
}
/** Waits, in milliseconds. Other plans go on, unless `block` is set: then nothing else leaves this connection. */
export interface WaitStep {
  readonly wait: number
  readonly block?: boolean
}
/**
 * Waits for a signal by name, for the client's next packet of a type (when the name is one), or for a promise. A function is
 * called when the plan has come so far; where it returns a promise, that is waited for.
 */
export interface UntilStep {
  readonly until: string | PromiseLike<unknown> | (() => unknown)
}
/** On the `wire` hook: holds the bytes that follow for so long after they arrived, in milliseconds. Throughput stays. */
export interface LatencyStep {
  readonly latency: number
}
/** Ends the connection, or stalls it. Steps behind it are not carried out. */
export interface CloseStep {
  readonly close: CloseHow
}
/**
 * On `packetIn`: lets the broker handle the packet as if no plan answered it, and goes on when its answer has left. The
 * packets behind it wait for that moment, so { wait } in front of it makes a slow broker, and { close } behind it one that
 * leaves with its last answer.
 */
export interface PassStep {
  readonly pass: true
}
/**
 * true: gathers what follows into one write, until { cork: false } or the end of the plan. On the `wire` hook it may last `for`
 * so long, in milliseconds, and then gathers what comes meanwhile as well.
 */
export interface CorkStep {
  readonly cork: boolean
  readonly for?: number
}
/**
 * Lets the link stand still while the plan goes on: nothing is read ('in'), nothing is written ('out'), or both; false ends that,
 * and what was held back moves again. With `discard`, what comes in is read and thrown away instead; with `hideEnd`, no FIN or
 * reset of the client is heard until then.
 */
export interface StallStep {
  readonly stall: 'in' | 'out' | 'both' | false
  readonly discard?: boolean
  readonly hideEnd?: boolean
}
/**
 * One frame of a WebSocket: a whole message, binary or text; a fragment, which the next message completes; or a control frame,
 * `close` with a code. Where the connection is no WebSocket, the data of messages and fragments is written as it is, and control
 * frames are nothing.
 */
export interface FrameStep {
  readonly frame: FrameKind
  readonly data: Buffer
  readonly code?: number
}
/** The kinds of frames that a {@link FrameStep} sends. */
export type FrameKind = (typeof frameKinds)[number]
const frameKinds = ['binary', 'text', 'fragment', 'ping', 'pong', 'close'] as const

/** One action, complete and checked. */
export type Step = PacketStep | RawStep | WaitStep | UntilStep | LatencyStep | CloseStep | CorkStep | PassStep | StallStep | FrameStep

/** The same where nothing is changed: what is frozen, or `as const`, fits as well. Bytes stay bytes. */
type Unchanged<T> = T extends Uint8Array ? T : T extends readonly unknown[] | object ? { readonly [Key in keyof T]: Unchanged<T[Key]> } : T

/** Properties of MQTT 5 as an author writes them: bytes in any form that {@link PayloadInput} has. */
export type PropertiesInput = Unchanged<Omit<Properties, 'correlationData' | 'authenticationData'>> & {
  readonly correlationData?: PayloadInput
  readonly authenticationData?: PayloadInput
}

type WithProperties<P> = P extends { properties?: Properties } ? Unchanged<Omit<P, 'properties'>> & { readonly properties?: PropertiesInput } : Unchanged<P>

/** A PUBLISH with what is usual left out: QoS 0, no DUP, no retain; the payload may be text. */
export type PublishInput = { readonly cmd: 'publish'; readonly topic: string; readonly payload?: PayloadInput } & WithProperties<
  Partial<Omit<PublishPacket, 'cmd' | 'topic' | 'payload'>>
>
/** A CONNACK with what is usual left out: session present false. */
export type ConnackInput = { readonly cmd: 'connack' } & WithProperties<Partial<Omit<ConnackPacket, 'cmd'>>>
/** A packet as an author writes it. */
export type PacketInput = PublishInput | ConnackInput | WithProperties<Exclude<Packet, { cmd: 'publish' | 'connack' }>>

/** A step as an author writes it: durations may be text, bytes may be hex, packets may leave out what is usual. */
export type StepInput =
  | { readonly packet: PacketInput }
  | { readonly raw: Bytes }
  | { readonly wait: Duration; readonly block?: boolean }
  | { readonly until: string | PromiseLike<unknown> | (() => unknown) }
  | { readonly latency: Duration }
  | { readonly close: CloseHow }
  | { readonly cork: boolean; readonly for?: Duration }
  | { readonly stall: StallStep['stall']; readonly discard?: boolean; readonly hideEnd?: boolean }
  | { readonly frame: FrameKind; readonly data?: Bytes; readonly code?: number }
  | { readonly pass: true }

/** A list of steps, carried out in order. */
export type Plan = readonly Step[]

/** Turns bytes in any of their forms into a Buffer. Throws MQTTEST_STEP for text that is not hex digits. */
export function toBuffer(bytes: Bytes): Buffer {
  if (typeof bytes !== 'string') return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const digits = bytes.replace(/\s+/g, '')
  if (!/^([0-9a-f]{2})*$/i.test(digits)) throw new MqttestError('MQTTEST_STEP', `bytes as text are pairs of hex digits, got ${JSON.stringify(bytes)}`)
  return Buffer.from(digits, 'hex')
}

/** Fills in what an author left out of a packet. Throws MQTTEST_STEP where `cmd` is no packet type. */
export function completePacket(input: PacketInput): Packet {
  if (typeof input !== 'object' || input === null || typeof input.cmd !== 'string' || !isCommand(input.cmd)) {
    const cmd: unknown = typeof input === 'object' && input !== null ? Reflect.get(input, 'cmd') : input
    throw new MqttestError(
      'MQTTEST_STEP',
      `a packet needs a 'cmd' that names its type, got ${JSON.stringify(cmd)}.${nameHint(String(cmd), Object.keys(packetTypes))}`,
    )
  }
  if (input.cmd === 'pingreq' || input.cmd === 'pingresp') return input
  const { properties: given, ...rest } = input
  const properties = given === undefined ? {} : { properties: completeProperties(given) }
  if (rest.cmd === 'publish') return { qos: 0, dup: false, retain: false, ...rest, ...properties, payload: toPayload(rest.payload ?? '', 'payload') }
  if (rest.cmd === 'connack') return { sessionPresent: false, ...rest, ...properties }
  const packet = { ...rest, ...properties }
  return isPacket(packet) ? packet : fail(packet)
}

/** Whether the author's lists, which may be frozen, may stand in a packet: nobody changes those of a packet that is sent. */
function isPacket(packet: object): packet is Packet {
  return 'cmd' in packet
}

function isProperties(properties: object): properties is Properties {
  return !Array.isArray(properties)
}

function fail(input: object): never {
  throw new MqttestError('MQTTEST_STEP', `this is no part of a packet: ${JSON.stringify(input)}`)
}

function isPropertiesInput(value: unknown): value is PropertiesInput {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Turns the bytes among properties into Buffers. Throws MQTTEST_STEP, with the nearest right name, for a property that does not exist. */
export function completeProperties(input: unknown): Properties {
  if (!isPropertiesInput(input)) throw new MqttestError('MQTTEST_STEP', `properties are an object, got ${JSON.stringify(input) ?? String(input)}`)
  const unknown = Object.keys(input).find((name) => !propertyRows.some((row) => row.name === name))
  if (unknown !== undefined)
    throw new MqttestError(
      'MQTTEST_STEP',
      `MQTT 5 has no property '${unknown}'.${nameHint(
        unknown,
        propertyRows.map((row) => row.name),
      )}`,
    )
  const { correlationData, authenticationData, ...rest } = input
  const properties = {
    ...rest,
    ...(correlationData !== undefined && { correlationData: toPayload(correlationData, 'correlationData') }),
    ...(authenticationData !== undefined && { authenticationData: toPayload(authenticationData, 'authenticationData') }),
  }
  return isProperties(properties) ? properties : fail(properties)
}

const stepKinds = ['packet', 'raw', 'wait', 'until', 'latency', 'close', 'cork', 'pass', 'stall', 'frame'] as const

/** Checks and completes one step. Throws MQTTEST_STEP, naming what was expected, for anything else. */
function completeStep(input: StepInput): Step {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) throw notAStep(input)
  if ('packet' in input) return { packet: completePacket(input.packet) }
  if ('raw' in input) return { raw: toBuffer(input.raw) }
  if ('wait' in input) {
    const wait = milliseconds('wait', input.wait)
    return input.block === true ? { wait, block: true } : { wait }
  }
  if ('until' in input) {
    const until = input.until
    if (typeof until === 'string' || typeof until === 'function' || (typeof until === 'object' && until !== null && 'then' in until)) return { until }
    throw new MqttestError('MQTTEST_STEP', `step 'until': expected the name of a signal or packet type, a promise or a function, got ${JSON.stringify(until)}`)
  }
  if ('latency' in input) return { latency: milliseconds('latency', input.latency) }
  if ('close' in input) {
    if (input.close === 'fin' || input.close === 'rst' || input.close === 'stall' || input.close === 'half') return { close: input.close }
    throw new MqttestError('MQTTEST_STEP', `step 'close': expected 'fin', 'rst', 'stall' or 'half', got ${JSON.stringify(input.close)}`)
  }
  if ('cork' in input) return { cork: input.cork === true, ...(input.for !== undefined && { for: milliseconds('cork', input.for) }) }
  if ('stall' in input) {
    const { stall } = input
    if (stall !== 'in' && stall !== 'out' && stall !== 'both' && stall !== false)
      throw new MqttestError('MQTTEST_STEP', `step 'stall': expected 'in', 'out', 'both' or false, got ${JSON.stringify(stall)}`)
    return { stall, ...(input.discard === true && { discard: true }), ...(input.hideEnd === true && { hideEnd: true }) }
  }
  if ('frame' in input) return completeFrame(input)
  if ('pass' in input) return { pass: true }
  throw notAStep(input)
}

function completeFrame(input: Extract<StepInput, { readonly frame: unknown }>): FrameStep {
  const frame = frameKinds.find((kind) => kind === input.frame)
  if (frame === undefined) throw new MqttestError('MQTTEST_STEP', `step 'frame': expected one of ${frameKinds.join(', ')}, got ${JSON.stringify(input.frame)}`)
  const data = toBuffer(input.data ?? '')
  const isControl = frame === 'ping' || frame === 'pong' || frame === 'close'
  if (isControl && data.length > 123) throw new MqttestError('MQTTEST_STEP', `step 'frame': a control frame has at most 123 bytes, got ${data.length}`)
  if (input.code !== undefined && !isCloseCode(input.code)) throw new MqttestError('MQTTEST_STEP', `step 'frame': ${closeCodeForm}, got ${input.code}`)
  return { frame, data, ...(input.code !== undefined && { code: input.code }) }
}

const closeCodeForm = 'a code that may be sent is 1000 to 1003, 1007 to 1014, or 3000 to 4999'

/** The codes that may stand in a close frame (RFC 6455, section 7.4). */
function isCloseCode(code: number): boolean {
  return Number.isInteger(code) && ((code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999))
}

function notAStep(input: unknown): MqttestError {
  const key = typeof input === 'object' && input !== null ? Object.keys(input)[0] : undefined
  const hint = key === undefined ? '' : nameHint(key, stepKinds)
  return new MqttestError('MQTTEST_STEP', `expected a step, one of { ${stepKinds.join(' } { ')} }, got ${JSON.stringify(input) ?? String(input)}.${hint}`)
}

function milliseconds(step: string, value: unknown): number {
  const ms = readDuration(value)
  if (ms === undefined) throw new MqttestError('MQTTEST_STEP', `step '${step}': expected ${durationForm}, got ${JSON.stringify(value)}`)
  return ms
}

/** Checks and completes a plan; steps that are complete already stay the objects they are. */
export function completePlan(steps: readonly StepInput[]): Plan {
  if (isSigned(steps)) return steps
  if (!Array.isArray(steps)) throw new MqttestError('MQTTEST_STEP', `expected a list of steps, got ${JSON.stringify(steps) ?? String(steps)}`)
  return steps.map((step) => (isComplete(step) ? step : ownStep(completeStep(step))))
}

/** The plugin that returned a plan, and from which hook. */
export interface PlanAuthor {
  readonly plugin: string
  readonly hook: string
}

const authors = new WeakMap<object, PlanAuthor>()

/** Notes whose plan it is: what cannot be carried out of it later is that plugin's failure. */
export function signPlan(plan: Plan, author: PlanAuthor): Plan {
  authors.set(plan, author)
  return Object.freeze(plan)
}

/** Whose plan it is; undefined for those of the core and of scripts. */
export function authorOf(plan: Plan): PlanAuthor | undefined {
  return authors.get(plan)
}

function isSigned(steps: unknown): steps is Plan {
  return typeof steps === 'object' && steps !== null && authors.has(steps)
}

const completed = new WeakSet<object>()

/** Marks a step that the core made as complete, so that it keeps its identity through hooks. */
export function ownStep<S extends Step>(step: S): S {
  completed.add(step)
  return step
}

function isComplete(step: unknown): step is Step {
  return typeof step === 'object' && step !== null && completed.has(step)
}
