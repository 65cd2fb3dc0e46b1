/** What taps return: whether their hook takes it, and whether it is anything else than what they were asked about. */
import type { Delivery } from '../broker/message.ts'
import { completePlan, type Plan } from '../steps.ts'
import type { HookName } from './hooks.ts'

/** What the check of a hook that takes plans has completed. */
export function isPlan(value: unknown): value is Plan {
  return Array.isArray(value)
}

export function isDeliveries(value: unknown): value is readonly Delivery[] {
  return Array.isArray(value)
}

/** What a tap is asked about, as it is before the tap: a packet may be changed in place. */
export function beforeOf(hook: HookName, args: readonly unknown[]): unknown {
  const asked = args[0]
  if (typeof asked !== 'object' || asked === null) return asked
  if (hook === 'packetIn') return snapshot(asked)
  // Nothing was planned or decided before; the connection itself is on record by its number.
  if (hook === 'connection') return undefined
  if (hook === 'packetId') return Reflect.get(asked, 'last')
  if (hook === 'violation') return Reflect.get(asked, 'default')
  return asked
}

/** A packet with copies of the lists and objects in it; bytes are not copied. */
export function snapshot(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
  if (Array.isArray(value)) return value.map(snapshot)
  const copy: { [key: string]: unknown } = {}
  for (const [key, inner] of Object.entries(value)) copy[key] = snapshot(inner)
  return copy
}

/** Whether a packet is what its snapshot says. */
export function sameContent(one: unknown, two: unknown): boolean {
  if (one === two) return true
  if (typeof one !== 'object' || typeof two !== 'object' || one === null || two === null || ArrayBuffer.isView(one)) return false
  const keys = Object.keys(two)
  return keys.length === Object.keys(one).length && keys.every((key) => sameContent(Reflect.get(one, key), Reflect.get(two, key)))
}

export function sameItems(one: readonly unknown[], two: readonly unknown[]): boolean {
  return one.length === two.length && one.every((item, index) => item === two[index])
}

function refuse(expected: string, value: unknown): never {
  throw new TypeError(`expected ${expected}, got ${JSON.stringify(value) ?? String(value)}`)
}

const plan = (value: unknown) => (Array.isArray(value) ? completePlan(value) : refuse('a list of steps', value))
// What an arrow function happens to return means nothing where nothing is asked.
const nothing = () => undefined

/** What each hook takes; returns the value, completed, or throws. */
export const checks: Readonly<Record<HookName, (value: unknown) => unknown>> = {
  serverStart: nothing,
  serverStop: nothing,
  connection: plan,
  wire: plan,
  packetIn: plan,
  authorize: (value) =>
    typeof value === 'object' && value !== null && 'reasonCode' in value && Number.isInteger(value.reasonCode)
      ? value
      : refuse('a decision with a reasonCode', value),
  session: (value) =>
    typeof value === 'object' && value !== null && 'resume' in value && 'expiryMs' in value && 'limits' in value ? value : refuse('the session plan', value),
  route: (value) =>
    isDeliveries(value) && value.every((item) => typeof item === 'object' && item !== null && 'session' in item && 'message' in item)
      ? value
      : refuse('a list of deliveries', value),
  retained: (value) =>
    Array.isArray(value) && value.every((item) => typeof item === 'object' && item !== null && 'topic' in item && 'payload' in item)
      ? value
      : refuse('a list of messages', value),
  will: (value) =>
    typeof value === 'object' && value !== null && 'will' in value && 'publish' in value && 'delayMs' in value ? value : refuse('the plan for the will', value),
  packetId: (value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 65_535 ? value : refuse('a packet id from 0 to 65535', value),
  send: plan,
  timer: (value) => (value === null || (typeof value === 'number' && value >= 0) ? value : refuse('milliseconds, or null for never', value)),
  violation: (value) =>
    value === 'ignore' || value === 'warn' || value === 'fail' || value === 'disconnect' ? value : refuse("'ignore', 'warn', 'fail' or 'disconnect'", value),
  disconnect: nothing,
  record: nothing,
}
