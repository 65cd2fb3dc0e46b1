/**
 * The one vocabulary for what a server does about something that it does not like. The same offence has different answers by
 * protocol version and by QoS, so an answer may be given for each of them.
 *
 *     answer: 'quota-exceeded'                                 the packet's own acknowledgement carries the code
 *     answer: { disconnect: 'packet-too-large' }               DISCONNECT in MQTT 5, and the connection is closed
 *     answer: { v3: 'close', v5: 'not-authorized' }            by version
 *     answer: { v3: 'accept', v5: { answer: 0x87, disconnect: 0x87 }, qos0: 'ignore' }
 */
import type { AuthorizeRequest, Decision } from '../broker/authorize.ts'
import type { Connection } from '../connection/connection.ts'
import { nameHint } from '../errors.ts'
import { type ReasonName, readReasonCode, reasonCodes } from '../wire/reason-codes.ts'
import { make, type Option } from './option.ts'

/**
 * What is done about one packet.
 *
 *   allow     nothing: the packet is handled as if it were right
 *   accept    it is answered as a success, but has no effect
 *   ignore    it has no effect and no answer
 *   close     the connection is closed without a word
 *   reset     the connection is reset
 */
const words = ['allow', 'accept', 'ignore', 'close', 'reset'] as const

/** A reason code as it may be written: a number, '0x97', or its name. */
export type ReasonInput = ReasonName | `0x${string}` | number

/** One answer as it is written. */
export type AnswerInput =
  | (typeof words)[number]
  | ReasonInput
  | { readonly disconnect: ReasonInput }
  | { readonly answer: 'accept' | ReasonInput; readonly disconnect: ReasonInput }

/** Answers as they are written: one, or one for each version; `v31` falls back to `v3`, `qos0` to the version's, a version to the other. */
export type AnswersInput = AnswerInput | { readonly v31?: AnswerInput; readonly v3?: AnswerInput; readonly v5?: AnswerInput; readonly qos0?: AnswerInput }

/** One answer, as a part of a decision; undefined lets the packet pass. */
export type Answer = Pick<Decision, 'reasonCode' | 'action' | 'thenDisconnect'> | undefined

/** The answers that an option holds. */
export interface Answers {
  /** The answer for a version, 3 to 5, and a QoS. */
  of(version: number, qos?: number): Answer
}

const versionKeys = ['v31', 'v3', 'v5', 'qos0'] as const

const form = `${words.join(', ')}, a reason code, { disconnect: code }, { answer: code, disconnect: code }, or one of these for each of ${versionKeys.join(', ')}`

/** `option.answer`: what is done about an offence. */
export function answer(about: string, fallback: AnswersInput): Option<AnswersInput, Answers> {
  return make(
    about,
    form,
    fallback,
    {
      anyOf: [
        { enum: [...words, ...Object.keys(reasonCodes)] },
        { type: 'integer', minimum: 0, maximum: 255 },
        { type: 'string', pattern: '^0x[0-9a-fA-F]{1,2}$' },
        { type: 'object' },
      ],
    },
    (value) => {
      const answers = readAnswers(value)
      return answers === undefined ? undefined : { value: answers }
    },
    (value) => (typeof value === 'string' ? nameHint(value, [...words, ...Object.keys(reasonCodes)]) : ''),
  )
}

/** An allowed answer: read, so that "nothing is done" differs from "not an answer". */
interface Read {
  readonly answer: Answer
}

function readAnswers(value: unknown): Answers | undefined {
  const keys = isRecord(value) ? Object.keys(value) : []
  if (!isRecord(value) || !keys.some((key) => versionKeys.some((name) => name === key))) {
    const one = readAnswer(value)
    return one && { of: () => one.answer }
  }
  if (!keys.every((key) => versionKeys.some((name) => name === key))) return undefined
  const read = new Map<string, Read>()
  for (const key of keys) {
    const one = readAnswer(value[key])
    if (one === undefined) return undefined
    read.set(key, one)
  }
  const first = (...names: readonly (typeof versionKeys)[number][]) => names.map((name) => read.get(name)).find((found) => found !== undefined)?.answer
  return {
    of: (version, qos) =>
      qos === 0 && read.has('qos0')
        ? read.get('qos0')?.answer
        : version === 5
          ? first('v5', 'v3', 'v31')
          : version === 3
            ? first('v31', 'v3', 'v5')
            : first('v3', 'v31', 'v5'),
  }
}

function readAnswer(value: unknown): Read | undefined {
  switch (value) {
    case 'allow':
      return { answer: undefined }
    case 'accept':
      return { answer: { reasonCode: 0, action: 'accept' } }
    case 'ignore':
      return { answer: { reasonCode: 0, action: 'drop' } }
    case 'close':
    case 'reset':
      return { answer: { reasonCode: 0x80, action: value } }
    default:
  }
  if (!isRecord(value)) {
    const code = readReasonCode(value)
    return code === undefined ? undefined : { answer: { reasonCode: code, action: 'answer' } }
  }
  const { answer: own, disconnect, ...rest } = value
  const code = readReasonCode(disconnect)
  if (code === undefined || Object.keys(rest).length > 0) return undefined
  if (own === undefined) return { answer: { reasonCode: code, action: 'disconnect' } }
  if (own === 'accept') return { answer: { reasonCode: 0, action: 'accept', thenDisconnect: code } }
  const first = readReasonCode(own)
  return first === undefined ? undefined : { answer: { reasonCode: first, action: 'answer', thenDisconnect: code } }
}

/**
 * The decision on a request that deserves an answer, for a tap of `authorize`; undefined, no opinion, where the answer is 'allow'.
 * `reasonString` goes into the acknowledgement of an MQTT 5 client that wants to know.
 */
export function decide(decision: Decision, answers: Answers, request: AuthorizeRequest, connection: Connection, reasonString?: string): Decision | undefined {
  const chosen = answers.of(connection.version, request.packet.cmd === 'publish' ? request.packet.qos : undefined)
  if (chosen === undefined) return undefined
  const properties = reasonString === undefined ? decision.properties : { ...decision.properties, reasonString }
  return { ...decision, ...chosen, ...(properties !== undefined && { properties }) }
}

/**
 * Ends a connection as an answer says, for an offence that is no request, such as silence. A code without a packet to carry it goes
 * out in DISCONNECT. Returns whether the connection ended: 'allow', 'accept' and 'ignore' let it be.
 */
export function endConnection(connection: Connection, answers: Answers, reason: string): boolean {
  const chosen = answers.of(connection.version)
  if (chosen === undefined) return false
  const reasonCode = chosen.thenDisconnect ?? chosen.reasonCode
  if (chosen.action === 'close') connection.close('fin', { reason, reasonCode })
  else if (chosen.action === 'reset') connection.close('rst', { reason, reasonCode })
  else if (reasonCode >= 0x80) connection.disconnect(reasonCode, reason)
  else return false
  return true
}

/** Whether an answer ends the connection before anything is acknowledged. */
export function endsAtOnce(answer: Answer): boolean {
  return answer?.action === 'close' || answer?.action === 'reset' || answer?.action === 'disconnect'
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
