/** What a plugin changed, as a line for people: 'puback 7 delayed 200 ms by ack-delay'. Called only when somebody reads. */
import { isDeepStrictEqual } from 'node:util'
import type { Step } from '../steps.ts'
import type { Packet } from '../wire/packet.ts'
import { describeReason } from '../wire/reason-codes.ts'
import type { FaultRecord } from './journal.ts'

/** One line of the fault ledger. */
export function describeFault(fault: FaultRecord): string {
  return `${whatChanged(fault)} by ${fault.plugin}`
}

function whatChanged({ hook, packet, about, before, after }: FaultRecord): string {
  const name = packet === undefined ? 'nothing' : nameOf(packet)
  switch (hook) {
    case 'send':
      return `${name} ${planned(stepsOf(before), stepsOf(after))}`
    case 'wire':
      return `${bytesOf(stepsOf(before))} bytes ${about === 'in' ? 'from' : 'for'} the client ${planned(stepsOf(before), stepsOf(after))}`
    case 'packetIn':
      return Array.isArray(after) ? `${name} ${answered(stepsOf(after))}` : `${name} changed (${fieldsChanged(before, after)})`
    case 'connection':
      return `connection ${answered(stepsOf(after))}`
    case 'play':
      return `${listed(stepsOf(after))} played`
    case 'authorize': {
      const subject =
        about === 'takeover' || about === 'reauth' ? about : packet?.cmd === 'subscribe' || packet?.cmd === 'unsubscribe' ? `${name} ${about}` : name
      return `decision on ${subject} changed (${fieldsChanged(before, after)})`
    }
    case 'session':
      return `session changed (${fieldsChanged(before, after)})`
    case 'route':
      return `deliveries of ${about} changed (${lengthOf(before)} → ${lengthOf(after)})`
    case 'retained':
      return `retained messages for a subscription changed (${lengthOf(before)} → ${lengthOf(after)})`
    case 'will':
      return `will changed (${fieldsChanged(before, after)})`
    case 'packetId':
      return `packet id ${String(after)} chosen after ${String(before)}`
    case 'timer':
      return `timer ${about} changed (${milliseconds(before)} → ${milliseconds(after)})`
    case 'violation':
      return `violation ${about} changed (${String(before)} → ${String(after)})`
    default:
      return String(after)
  }
}

/** 'puback 7', 'publish 3 a/b', 'connect'. */
function nameOf(packet: Packet): string {
  const id = 'messageId' in packet && packet.messageId !== undefined ? ` ${packet.messageId}` : ''
  return `${packet.cmd}${id}${packet.cmd === 'publish' ? ` ${packet.topic}` : ''}`
}

/** What became of what was to be sent. */
function planned(before: readonly Step[], after: readonly Step[]): string {
  if (after.length === 0) return 'dropped'
  const at = placeOf(before, after)
  if (at === undefined) {
    const [one, other] = [before[0], after[0]]
    if (before.length === 1 && after.length === 1 && one !== undefined && other !== undefined && 'packet' in one && 'packet' in other)
      if (one.packet.cmd === other.packet.cmd) return `changed (${fieldsChanged(one.packet, other.packet)})`
    return `replaced with ${listed(after)}`
  }
  const first = after.slice(0, at)
  const last = after.slice(at + before.length)
  return [...preceded(first, 'delayed'), ...followed(last)].join(', ')
}

/** What a plan in the broker's place says about a packet. */
function answered(steps: readonly Step[]): string {
  if (steps.length === 0) return 'ignored'
  const at = steps.findIndex((step) => 'pass' in step)
  if (at < 0) return `answered with ${listed(steps)}`
  const parts = [...preceded(steps.slice(0, at), 'handled after'), ...followed(steps.slice(at + 1))]
  return parts.length === 0 ? 'handled by the broker' : parts.join(', ')
}

function preceded(steps: readonly Step[], waiting: string): string[] {
  if (steps.length === 0) return []
  const waits = steps.map((step) => ('wait' in step ? step.wait : 'latency' in step ? step.latency : undefined))
  const total = waits.reduce((sum: number | undefined, wait) => (sum === undefined || wait === undefined ? undefined : sum + wait), 0)
  return [total === undefined ? `preceded by ${listed(steps)}` : `${waiting} ${milliseconds(total)}`]
}

function followed(steps: readonly Step[]): string[] {
  return steps.length === 0 ? [] : [`followed by ${listed(steps)}`]
}

/** Where in a plan the steps of another one stand, one behind the other. */
function placeOf(some: readonly Step[], all: readonly Step[]): number | undefined {
  for (let at = 0; at + some.length <= all.length; at++) if (some.every((step, index) => isSame(step, all[at + index]))) return at
  return undefined
}

function isSame(one: Step, other: Step | undefined): boolean {
  if (one === other) return true
  if (other === undefined) return false
  if ('packet' in one && 'packet' in other) return isDeepStrictEqual(one.packet, other.packet)
  return 'raw' in one && 'raw' in other && one.raw.equals(other.raw)
}

function listed(steps: readonly Step[]): string {
  const one = (step: Step): string => {
    if ('packet' in step) return nameOf(step.packet)
    if ('raw' in step) return `${step.raw.length} bytes`
    if ('wait' in step) return `wait ${milliseconds(step.wait)}`
    if ('until' in step) return `until ${typeof step.until === 'string' ? step.until : 'a promise'}`
    if ('latency' in step) return `latency ${milliseconds(step.latency)}`
    if ('close' in step) return `close ${step.close}`
    if ('pass' in step) return 'pass'
    if ('stall' in step) return step.stall === false ? 'go on' : `stall ${step.stall}`
    if ('frame' in step) return `frame ${step.frame}`
    return 'cork'
  }
  return steps.length === 0 ? 'nothing' : steps.map(one).join(', ')
}

/** 'topic "a" → "b", qos 1 → 0' for the fields that differ. */
function fieldsChanged(before: unknown, after: unknown): string {
  if (typeof before !== 'object' || before === null || typeof after !== 'object' || after === null) return `${shown('', before)} → ${shown('', after)}`
  const parts: string[] = []
  for (const field of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [one, other] = [shown(field, Reflect.get(before, field)), shown(field, Reflect.get(after, field))]
    if (one !== other) parts.push(`${field} ${one} → ${other}`)
  }
  return parts.join(', ')
}

/** Longest value that a line shows, in characters. */
const valueShown = 60

function shown(field: string, value: unknown): string {
  if (value === undefined) return 'none'
  if (field === 'reasonCode' && typeof value === 'number') return describeReason(value)
  if (typeof value === 'number' && field.endsWith('Ms')) return milliseconds(value)
  const text = value instanceof Uint8Array ? `${value.length} bytes ${Buffer.from(value).toString('hex')}` : (JSON.stringify(value) ?? String(value))
  return text.length > valueShown ? `${text.slice(0, valueShown)}…` : text
}

/** A length of time as a line shows it: whole milliseconds where it is more than a few. */
function milliseconds(value: unknown): string {
  if (value === null || value === Number.POSITIVE_INFINITY) return 'never'
  return typeof value === 'number' ? `${value < 10 ? Number(value.toFixed(2)) : Math.round(value)} ms` : String(value)
}

function bytesOf(steps: readonly Step[]): number {
  return steps.reduce((sum, step) => ('raw' in step ? sum + step.raw.length : sum), 0)
}

function stepsOf(plan: unknown): readonly Step[] {
  return isPlan(plan) ? plan : []
}

/** The guard has completed what stands on record as a plan. */
function isPlan(value: unknown): value is readonly Step[] {
  return Array.isArray(value)
}

function lengthOf(value: unknown): number {
  return Array.isArray(value) ? value.length : 0
}
