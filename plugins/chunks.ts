import { definePlugin, option, packetsOnWire, type Step, type StepInput, selected, wireSelection } from '../src/index.ts'

/**
 * Packets come in pieces, or together: TCP promises nothing about where one read ends. A client must put together what belongs
 * together, wherever it is cut, and take apart what comes at once.
 *
 *     chunks()                                               byte by byte
 *     chunks({ packets: ['connack'], at: [1], pause: '20ms' })   CONNACK is cut behind its first byte
 *     chunks({ packets: ['publish'], at: [2, -1] })          behind the first byte of the length, and in front of the last byte
 *     chunks({ size: 1024, pause: '50ms', of: 'write' })     whatever leaves, in pieces of 1 KiB
 *     chunks({ packets: ['suback'], join: '20ms' })          SUBACK leaves together with the messages behind it
 */
export const chunks = definePlugin({
  meta: {
    name: 'chunks',
    api: 1,
    group: 'network',
    summary: 'Packets come in pieces, cut anywhere, or several at once.',
    spec: ['MQTT-4.2.0-1', 'MQTT-6.0.0-2'],
    finds: 'clients that take one read for one packet, or that stumble over a remaining length that is cut',
    seenIn: [
      'https://github.com/mqttjs/mqtt-packet/issues/95',
      'https://github.com/mqttjs/MQTT.js/pull/10',
      'https://github.com/warmcat/libwebsockets/pull/3522',
      'https://github.com/wolfSSL/wolfMQTT/issues/84',
      'https://github.com/peterhinch/micropython-mqtt/issues/54',
    ],
  },
  options: {
    size: option.optional(option.count('cuts into pieces of so many bytes; 1 where neither this nor at nor join is given', 1, { min: 1 })),
    at: option.optional(
      option.list(option.number('a place', 1), 'cuts at these places, in bytes from the beginning, or, where they are negative, from the end', []),
    ),
    pause: option.duration('how long the next piece waits; without a pause the system may put them together again', '1ms'),
    join: option.optional(option.duration('gathers for so long instead, and sends what came together in one write', '20ms')),
    of: option.choice('what is cut: packets, or whatever is written at once', ['packet', 'write'], 'packet'),
    direction: option.choice('which way: out is what the client receives', ['out', 'in', 'both'], 'out'),
    ...wireSelection,
  },
  check({ size, at, join, of, packets }) {
    if (join !== undefined && (size !== undefined || at !== undefined)) return "option 'join' is the opposite of 'size' and 'at': use the plugin twice"
    if (at !== undefined && !at.every(Number.isInteger)) return "option 'at' holds whole numbers"
    if (of === 'write' && packets !== undefined) return "option 'packets' goes with 'of: packet'"
    return undefined
  },
  setup({ hooks, on, name }, { size, at = [], pause, join, of, direction, ...which }) {
    const grid = size ?? (at.length === 0 ? 1 : undefined)
    const follow = packetsOnWire(name, which)

    /** The places in a chunk at which a part of something is cut. `offset` is where it begins in its packet or write. */
    function* placesIn(start: number, { offset, bytes, length }: { offset: number; bytes: Buffer; length: number | undefined }) {
      const end = offset + bytes.length
      for (const place of at) {
        const cut = place >= 0 ? place : (length ?? Number.NaN) + place
        if (cut >= offset && cut < end) yield start + cut - offset
      }
      if (grid !== undefined) for (let cut = Math.ceil(offset / grid) * grid; cut < end; cut += grid) yield start + cut - offset
    }

    const cut = (chunk: Buffer, places: Iterable<number>): readonly StepInput[] => {
      const steps: StepInput[] = []
      let from = 0
      for (const place of [...new Set(places), chunk.length].sort((one, two) => one - two)) {
        if (place <= from) continue
        if (from > 0) steps.push({ wait: pause })
        steps.push({ raw: chunk.subarray(from, place) })
        from = place
      }
      return steps
    }

    for (const way of direction === 'both' ? (['in', 'out'] as const) : [direction]) {
      // Writes are chosen by the filter, packets among the bytes.
      const { packets: _all, ...writes } = which
      on(hooks.wire, of === 'write' ? selected(writes, { direction: way }) : { direction: way }, (steps, _way, connection) => {
        let joins = of === 'write'
        const changed = steps.flatMap((step: Step): readonly StepInput[] => {
          if (!('raw' in step)) return [step]
          if (of === 'write') return join === undefined ? pieces(step, placesIn(0, { offset: 0, bytes: step.raw, length: step.raw.length })) : [step]
          const places: number[] = []
          let start = 0
          for (const part of follow(step.raw, way, connection)) {
            if (part.chosen) joins = true
            if (part.chosen && join === undefined) places.push(...placesIn(start, part))
            start += part.bytes.length
          }
          return pieces(step, places)
        })
        if (join === undefined) return changed
        return joins ? [{ cork: true, for: join }, ...steps] : undefined
      })
    }

    function pieces(step: Step & { readonly raw: Buffer }, places: Iterable<number>): readonly StepInput[] {
      const found = cut(step.raw, places)
      return found.length <= 1 ? [step] : found
    }
  },
})
