import { definePlugin, type OptionOutput, option } from '../src/index.ts'
import { actOption, actProblem } from './internal/fault/act.ts'
import { eventOf, matcherOption } from './internal/fault/matcher.ts'
import { follow, type Rule } from './internal/fault/rules.ts'

const ruleOptions = {
  name: option.optional(option.text('what other rules call it', 'first')),
  on: option.optional(matcherOption),
  do: option.optional(actOption),
  armedBy: option.optional(option.list(option.text('the name of a rule, or previous', 'previous'), 'it waits until one of these rules has acted', [])),
  disarmedBy: option.optional(option.list(option.text('the name of a rule, or previous', 'previous'), 'it rests once one of these rules has acted', [])),
  per: option.choice('whether it counts, and is armed, on each connection or over the run', ['connection', 'run'], 'connection'),
  times: option.optional(option.count('how often it acts at most, over all connections', 1, { min: 1 })),
} as const

type RuleOptions = OptionOutput<typeof ruleOptions>

/**
 * Any fault, as data: what it waits for (`on`), and what then happens (`do`). For what no other plugin does.
 *
 *     fault({ on: { cmd: 'puback', nth: 2 }, do: 'drop' })
 *     fault({ on: { cmd: 'suback' }, do: { delay: '12s' } })
 *     fault({ on: { cmd: 'publish', direction: 'in', qos: 2 }, do: { answer: [{ packet: { cmd: 'puback', messageId: '{messageId}' } }] } })
 *     fault({ on: { cmd: 'connack', connection: 1 }, do: { replace: { sessionPresent: true }, after: [{ wait: '1s' }, { close: 'rst' }] } })
 *
 * As many rules as there must be; one may arm another:
 *
 *     fault({ rules: [
 *       { name: 'second', on: { cmd: 'puback', nth: 2 } },
 *       { armedBy: 'second', on: { cmd: 'subscribe', nth: 1 }, do: { close: 'fin' } },
 *       { armedBy: 'previous', per: 'run', on: { connection: true }, do: { close: 'rst' }, times: 3 },
 *     ] })
 *
 * Texts inside of packets may name fields of the matched packet, and {clientId}, {username}, {connection}, {json.key} of its payload:
 * '{messageId}' alone is the number itself. A rule acts on what the rules before it have made of the packet.
 */
export const fault = definePlugin({
  meta: {
    name: 'fault',
    api: 1,
    group: 'general',
    summary: 'Anything: at a packet, a time or a connection, packets are lost, late, changed, doubled or others, by rules that are data.',
    finds: 'whatever no other plugin brings to light',
    seenIn: ['https://github.com/mqttjs/MQTT.js/pull/2064', 'https://github.com/dotnet/MQTTnet/issues/2145', 'https://github.com/LiamBindle/MQTT-C/issues/204'],
  },
  options: {
    on: ruleOptions.on,
    do: ruleOptions.do,
    rules: option.list(option.object('one rule', ruleOptions, {}), 'several rules, in order', []),
  },
  check(options) {
    const rules = rulesOf(options)
    return typeof rules === 'string' ? rules : undefined
  },
  setup(api, options) {
    const rules = rulesOf(options)
    if (typeof rules !== 'string') follow(api, rules)
  },
})

/** The rules, complete; or what is wrong with one of them. */
function rulesOf({ on, do: act, rules }: Pick<RuleOptions, 'on' | 'do'> & { readonly rules: readonly RuleOptions[] }): readonly Rule[] | string {
  if (rules.length > 0 && (on !== undefined || act !== undefined)) return "give either 'on' and 'do', or 'rules'"
  if (rules.length === 0 && on === undefined) return "give 'on' and 'do', or 'rules'"
  if (rules.length === 0 && act === undefined) return "give the option 'do': what happens"
  const all: readonly RuleOptions[] =
    rules.length > 0 ? rules : [{ name: undefined, on, do: act, armedBy: undefined, disarmedBy: undefined, per: 'connection', times: undefined }]
  const made: (Rule & { armedBy: Rule[]; disarmedBy: Rule[] })[] = []
  for (const [index, rule] of all.entries()) {
    const where = rules.length === 0 ? '' : `rule ${index + 1}${rule.name === undefined ? '' : ` '${rule.name}'`}: `
    if (rule.on === undefined) return `${where}give 'on': what it waits for`
    const event = eventOf(rule.on)
    if ('problem' in event) return `${where}on: ${event.problem}`
    const happens = rule.do ?? nothing
    const problem = actProblem(happens, event.kind)
    if (problem !== undefined) return `${where}do: ${problem}`
    if (happens === nothing && !all.some((other, at) => namesIn(other, at, all).includes(rule)))
      return `${where}give 'do', or let another rule be 'armedBy' this one`
    // A connection begins once, and is gone once: that is counted over the run.
    const per = event.kind === 'connection' || event.kind === 'disconnect' ? 'run' : rule.per
    made.push({ name: rule.name, on: rule.on, kind: event.kind, act: happens, armedBy: [], disarmedBy: [], per, times: rule.times ?? Number.POSITIVE_INFINITY })
  }
  for (const [index, rule] of all.entries())
    for (const key of ['armedBy', 'disarmedBy'] as const)
      for (const name of rule[key] ?? []) {
        const at = name === 'previous' ? index - 1 : all.findIndex((other) => other.name === name)
        const other = made[at]
        if (other === undefined) return `rule ${index + 1}: ${key}: ${name === 'previous' ? 'there is no rule before it' : `no rule is named '${name}'`}`
        made[index]?.[key].push(other)
      }
  return made
}

/** The rules that a rule looks at. */
function namesIn(rule: RuleOptions, index: number, all: readonly RuleOptions[]): (RuleOptions | undefined)[] {
  return [...(rule.armedBy ?? []), ...(rule.disarmedBy ?? [])].map((name) => (name === 'previous' ? all[index - 1] : all.find((other) => other.name === name)))
}

const nothing = actOption.read('nothing')?.value ?? impossible()

function impossible(): never {
  throw new TypeError("'nothing' can be read")
}
