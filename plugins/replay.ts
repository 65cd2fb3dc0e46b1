import { type Connection, definePlugin, describePacket, fitsFilter, option, type Packet, readTextFile, type StepInput } from '../src/index.ts'
import { stepsOf, valuesOf } from './internal/fault/steps.ts'
import { type Line, type Lines, lineOption, scriptFrom, scriptOf } from './internal/replay/script.ts'

/**
 * A server that was recorded answers, or one that is written by hand: not the broker. Each packet of a client is looked for among
 * those that the script still expects on its connection; what stands with it is said, with the packet id that the client took.
 *
 *     replay({ file: 'broker.jsonl' })                     what record-from wrote, or a dump
 *     replay({ script: [
 *       { expect: 'connect', say: [{ packet: { cmd: 'connack', sessionPresent: true } }] },
 *       { expect: { cmd: 'subscribe' }, say: [{ packet: { cmd: 'suback', messageId: '{messageId}', granted: [0x80] } }, { close: 'rst' }] },
 *       { connection: 1, expect: 'connect', say: [] },
 *     ] })
 *
 * Connections beyond the last one of the script are as that one. What comes at another time than it was recorded is answered all the
 * same: a PINGREQ that is not expected by PINGRESP; acknowledgements need no answer.
 */
export const replay = definePlugin({
  meta: {
    name: 'replay',
    api: 1,
    group: 'general',
    summary: 'A recorded server answers, or a script, in place of the broker.',
    finds: 'in an hour what took a day to happen with the real broker',
  },
  options: {
    file: option.optional(option.text('the record: what record-from wrote, or the lines of a dump', 'broker.jsonl')),
    script: option.list(lineOption, 'what is expected, and what is said then', []),
    times: option.choice('whether the pauses of the script are kept', ['recorded', 'none'], 'recorded'),
    factor: option.number('the pauses last so many times as long', 1, { min: 0 }),
    otherwise: option.choice(
      'a client that says something else is reported, and waits, or is closed; or the broker answers it, and nothing is wrong, where it answered CONNECT as well',
      ['wait', 'close', 'broker'],
      'wait',
    ),
  },
  check({ file, script, times, factor }) {
    if ((file === undefined) === (script.length === 0)) return "give one of the options 'file' and 'script'"
    if (times === 'none' && factor !== 1) return "option 'factor' goes with times recorded"
    const lines = file === undefined ? undefined : scriptFrom(readTextFile(file))
    return typeof lines === 'string' ? `${file}: ${lines}` : undefined
  },
  setup({ handle, play, report }, { file, script, times, factor, otherwise }) {
    const read = file === undefined ? scriptOf(script) : scriptFrom(readTextFile(file))
    const lines: Lines = typeof read === 'string' ? new Map() : read
    const last = Math.max(...lines.keys())
    const rest = () => ({ lines: undefined as Line[] | undefined })

    /** What the script still expects on a connection. */
    function expected(connection: Connection): Line[] {
      const own = connection.state(rest)
      own.lines ??= [...(lines.get(Math.min(connection.number, last)) ?? [])]
      return own.lines
    }

    function timed(steps: readonly StepInput[]): StepInput[] {
      return steps.flatMap((step): StepInput[] => {
        if (!('wait' in step)) return [step]
        return times === 'none' ? [] : [{ ...step, wait: Number(step.wait) * factor }]
      })
    }

    /** Packets go by the hook `send`, as those of the broker do, unless they are to leave together. */
    function hooked(connection: Connection, steps: readonly StepInput[]): StepInput[] {
      if (steps.some((step) => 'cork' in step)) return [...steps]
      return steps.map((step) => ('packet' in step ? { until: () => connection.send(step.packet) } : step))
    }

    function unexpected(packet: Packet, connection: Connection, left: readonly Line[]): boolean {
      const { cmd } = packet
      if (cmd === 'disconnect') return false
      if (otherwise === 'broker') return false
      if (cmd === 'puback' || cmd === 'pubcomp') return true
      if (cmd === 'pingreq') {
        play(connection, hooked(connection, [{ packet: { cmd: 'pingresp' } }]))
        return true
      }
      const next = left[0] === undefined ? 'the script is at its end' : `next in the script is ${JSON.stringify({ cmd: left[0].cmd, ...left[0].where })}`
      report({ rule: 'not-in-script', message: `the client says ${describePacket(packet)}; ${next}`, connection })
      if (otherwise === 'close') connection.close('fin', { reason: 'the client left the script' })
      return true
    }

    handle((packet, connection) => {
      const left = expected(connection)
      const at = left.findIndex(({ cmd, where }) => fitsFilter({ cmd, where }, packet))
      const line = left[at]
      if (line === undefined) return unexpected(packet, connection, left)
      left.splice(at, 1)
      const steps = timed(stepsOf(line.say, undefined, valuesOf(packet, connection)))
      if (steps.length > 0) play(connection, hooked(connection, steps))
      // A goodbye is the end, whatever was recorded of it.
      return packet.cmd !== 'disconnect'
    })
  },
})
