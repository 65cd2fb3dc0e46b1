import { definePlugin, option, type StepInput } from '../src/index.ts'

const answers = ['connack', 'connack-v3', 'connack-v5', 'close', 'reset', 'silence'] as const

const answerChoice = (about: string) => option.choice(about, answers, 'connack-v3')

/**
 * The server speaks some versions of MQTT only.
 *
 *     protocolVersions({ accept: [3, 4] })                               CONNACK with return code 1, in the form of MQTT 3
 *     protocolVersions({ accept: [4], otherwise: { v31: 'close', v5: 'connack-v3' } })
 *     protocolVersions({ accept: [5], otherwise: 'connack-v5' })         reason code 0x84, which an MQTT 3 client cannot read
 *     protocolVersions({ accept: [3, 4, 5], unknown: 'connack-v5' })     the same, for level 6 alone
 *
 * What a client gets whose version is not spoken:
 *
 *   connack      CONNACK in the form of its own version: return code 1, or reason code 0x84 [MQTT-3.1.2-2]
 *   connack-v3   CONNACK with return code 1 in the form of MQTT 3, also in MQTT 5: a server that does not know MQTT 5 has no other
 *   connack-v5   CONNACK with reason code 0x84 in the form of MQTT 5, also in MQTT 3
 *   close        the connection is closed without a word; reset, with a reset
 *   silence      nothing
 */
export const protocolVersions = definePlugin({
  meta: {
    name: 'protocol-versions',
    api: 1,
    group: 'sessions',
    summary: 'Some versions of MQTT are not spoken: CONNACK says so in the form of this or that version, or nothing says it.',
    spec: ['MQTT-3.1.2-1', 'MQTT-3.1.2-2', 'MQTT-3.1.4-1'],
    finds: 'clients that do not try an older version, or cannot read a refusal in the form of another version than theirs',
  },
  options: {
    accept: option.list(option.count('a protocol level', 4, { min: 3, max: 5 }), 'the versions that are spoken: 3 is MQTT 3.1, 4 is MQTT 3.1.1', [3, 4]),
    otherwise: option.either(
      answerChoice('what the others get'),
      option.object(
        'by version',
        { v31: answerChoice('what MQTT 3.1 gets'), v3: answerChoice('what MQTT 3.1.1 gets'), v5: answerChoice('what MQTT 5 gets') },
        {},
      ),
      'what the others get, all of them or each version',
      'connack-v3',
    ),
    unknown: option.optional(
      option.choice(
        'what a protocol level gets that is none of these three; CONNACK in the form of MQTT 3 unless given',
        ['connack-v3', 'connack-v5', 'close', 'reset'],
        'connack-v5',
      ),
    ),
  },
  check: ({ accept, unknown }) =>
    unknown === undefined && [3, 4, 5].every((version) => accept.includes(version)) ? "option 'accept' has every version: nobody is refused" : undefined,
  setup({ hooks, on, play }, { accept, otherwise, unknown }) {
    // In front of the other plugins: a server that does not speak a version cannot make much of the rest.
    on(hooks.packetIn, { cmd: 'connect', stage: -1 }, (_packet, { version }) => {
      if (accept.includes(version)) return undefined
      return refusal(typeof otherwise === 'string' ? otherwise : otherwise[version === 5 ? 'v5' : version === 3 ? 'v31' : 'v3'], version)
    })

    if (unknown !== undefined)
      on(hooks.violation, { kind: 'connect-protocol-level-unsupported' }, (_violation, connection) => {
        play(connection, refusal(unknown, connection.version))
        return 'warn'
      })
  },
})

function refusal(answer: (typeof answers)[number], version: number): readonly StepInput[] {
  if (answer === 'close') return [{ close: 'fin' }]
  if (answer === 'reset') return [{ close: 'rst' }]
  if (answer === 'silence') return [{ stall: 'in', discard: true }]
  const isNew = answer === 'connack-v5' || (answer === 'connack' && version === 5)
  return [{ raw: isNew ? '20 03 00 84 00' : '20 02 00 01' }, { close: 'fin' }]
}
