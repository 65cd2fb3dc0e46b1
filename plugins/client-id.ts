import { type Answers, type Connection, type ConnectPacket, decide, definePlugin, fillText, fitsTemplate, option } from '../src/index.ts'

const emptyAnswer = (about: string) =>
  option.optional(
    option.either(option.choice('the server makes up an id, in every version', ['assign'], 'assign'), option.answer(about, 'allow'), about, 'assign'),
  )

/**
 * Only some client ids are taken; and what becomes of an empty one. What extended-ids does for the ids that every server must
 * take, this does for the rules of one server.
 *
 *     clientId({ minimum: 1, maximum: 128, pattern: '[^$].*' })
 *     clientId({ equals: ['{username}'], answer: { v3: 'close', v5: 'not-authorized' } })
 *     clientId({ emptyKept: 'client-identifier-not-valid' })            also in MQTT 5, as EMQX and BifroMQ do it
 *     clientId({ empty: 'assign', assigned: 'auto-{random}' })          also in MQTT 3.1, and with clean session 0
 *     clientId({ assigned: '{number}', assignedLength: 60_000 })        an id that hardly fits into CONNACK
 *     clientId({ tell: 'never' })                                       and the client does not hear of it [MQTT-3.2.2-16]
 */
export const clientId = definePlugin({
  meta: {
    name: 'client-id',
    api: 1,
    group: 'sessions',
    summary: 'Client ids are refused by length, form or user; a client without one is refused, or gets an odd one.',
    spec: ['MQTT-3.1.3-4', 'MQTT-3.1.3-5', 'MQTT-3.1.3-6', 'MQTT-3.1.3-7', 'MQTT-3.1.3-8', 'MQTT-3.1.3-9', 'MQTT-3.2.2-16'],
    finds: 'clients that make up ids which the server does not take, or that lose the id that it assigns and come back as somebody else',
  },
  options: {
    minimum: option.optional(option.count('bytes that an id must have; an empty one as well, where `empty` is not given', 1, { min: 1 })),
    maximum: option.optional(option.count('bytes that an id may have', 23)),
    pattern: option.optional(option.text('a regular expression that the whole id must match', '[0-9a-zA-Z]+')),
    prefix: option.optional(option.list(option.text('how an id begins', 'dev-'), 'an id must begin in one of these ways', [])),
    equals: option.optional(option.list(option.text('what an id is; {username} is filled in, * is any text', '{username}'), 'an id must be one of these', [])),
    answer: option.answer('what a CONNECT gets with an id that is not taken', 'client-identifier-not-valid'),
    empty: emptyAnswer('what a CONNECT gets without an id: the usual answer of its version unless given; assign lets it in, in every version'),
    emptyKept: emptyAnswer('the same where the session is to be kept, with clean session or clean start 0; like `empty` unless given'),
    assigned: option.optional(
      option.text('the id that the server makes up: {random} is eight digits, {number} the connection, {username} the user', 'auto-{random}'),
    ),
    assignedLength: option.count('bytes that it has at least; x is added', 0, { max: 65_535 }),
    tell: option.choice(
      'what CONNACK of MQTT 5 says about it: the truth, nothing, another one, or it tells also those their id who had one',
      ['truth', 'never', 'wrong', 'always'],
      'truth',
    ),
  },
  check({ minimum, maximum, pattern, prefix, equals, empty, emptyKept, assigned, assignedLength, tell }) {
    const isNothing = [minimum, maximum, pattern, prefix, equals, empty, emptyKept, assigned].every((one) => one === undefined)
    if (isNothing && assignedLength === 0 && tell === 'truth') return 'without an option, every id is taken, and assigned as usual'
    if (minimum !== undefined && maximum !== undefined && minimum > maximum) return "option 'minimum' is more than 'maximum'"
    if (pattern !== undefined && readPattern(pattern) === undefined) return `option 'pattern': ${pattern} is no regular expression`
    return undefined
  },
  setup({ hooks, on, name }, { minimum = 0, maximum = 65_535, pattern, prefix, equals, answer, empty, emptyKept, assigned, assignedLength, tell }) {
    const form = pattern === undefined ? undefined : readPattern(pattern)
    const makesId = assigned !== undefined || assignedLength > 0
    const answerToEmpty = ({ clean }: ConnectPacket): Answers | 'assign' | undefined =>
      (clean ? empty : (emptyKept ?? empty)) ?? (minimum > 0 ? answer : undefined)

    function problemOf(id: string, connection: Connection): string | undefined {
      const bytes = Buffer.byteLength(id)
      if (bytes < minimum || bytes > maximum) return `the client id has ${bytes} bytes, and must have ${minimum} to ${maximum}`
      if (form?.test(id) === false) return 'the client id does not have the right form'
      if (prefix?.some((start) => id.startsWith(start)) === false) return 'the client id does not begin as it must'
      if (equals?.some((one) => fitsTemplate(one, id, connection)) === false) return 'the client id is not that of the user'
      return undefined
    }

    function made(connection: Connection): string {
      const values = {
        random: connection.random(name).integer(0, 0xffff_ffff).toString(16).padStart(8, '0'),
        number: connection.number,
        username: connection.connect?.username ?? '',
      }
      return fillText(assigned ?? 'auto-{random}', values).padEnd(assignedLength, 'x')
    }

    on(hooks.authorize, { kind: 'connect' }, (decision, request, connection) => {
      const { packet } = request
      if (packet.clientId !== '') {
        const problem = problemOf(packet.clientId, connection)
        return problem === undefined ? undefined : decide(decision, answer, request, connection, problem)
      }
      const chosen = answerToEmpty(packet)
      const refused = chosen === undefined || chosen === 'assign' ? undefined : decide(decision, chosen, request, connection, 'the client id is empty')
      return refused ?? (makesId ? { ...decision, assignedClientId: made(connection) } : undefined)
    })

    // What MQTT 3 forbids is judged here as well.
    if (empty !== undefined || emptyKept !== undefined || minimum > 0)
      on(hooks.violation, { kind: ['connect-client-id-empty', 'connect-empty-client-id-persistent'] }, ({ packet }, connection) => {
        const chosen = packet?.cmd === 'connect' ? answerToEmpty(packet) : undefined
        return chosen === undefined || (chosen !== 'assign' && chosen.of(connection.version) === undefined) ? undefined : 'warn'
      })

    if (tell === 'truth') return
    on(hooks.send, { cmd: 'connack', reasonCode: 0 }, (steps, _cause, connection) => {
      if (connection.version !== 5) return undefined
      return steps.map((step) => {
        if (!('packet' in step) || step.packet.cmd !== 'connack') return step
        const { assignedClientIdentifier: own, ...properties } = step.packet.properties ?? {}
        const told = tell === 'always' ? connection.clientId : own === undefined || tell === 'never' ? undefined : `not-${own}`
        if (told === own) return step
        return { packet: { ...step.packet, properties: { ...properties, ...(told !== undefined && { assignedClientIdentifier: told }) } } }
      })
    })
  },
})

/** A regular expression for all of a text; undefined where it is none. */
function readPattern(pattern: string): RegExp | undefined {
  try {
    return new RegExp(`^(?:${pattern})$`, 'su')
  } catch {
    return undefined
  }
}
