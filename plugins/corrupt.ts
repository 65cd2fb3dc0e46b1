import { type Connection, definePlugin, option, type PacketPart, packetsOnWire, type StepInput, wireSelection } from '../src/index.ts'

/**
 * Bytes change on their way: bits flip, bytes are set, added or missing. TCP has a checksum that lets one error in many through;
 * a proxy, a driver or a bad memory has none. A client must survive it, and close over what is malformed [MQTT-4.13.1-1].
 *
 *     corrupt()                                                          one bit of each packet
 *     corrupt({ rate: 0.001 })                                           one byte in a thousand has a wrong bit, decided by the seed
 *     corrupt({ packets: ['publish'], nth: [2], set: { 1: 0xff } })      the remaining length of the second PUBLISH
 *     corrupt({ packets: ['publish'], truncate: 10, close: 'stall' })    the rest never comes
 *     corrupt({ packets: ['suback'], insert: '00 00' })                  garbage in front of SUBACK
 *
 * Places count from the beginning of a packet, or, where they are negative, from its end.
 */
export const corrupt = definePlugin({
  meta: {
    name: 'corrupt',
    api: 1,
    group: 'network',
    summary: 'Bytes change on their way, or are missing, or too many.',
    spec: ['MQTT-4.13.1-1', 'MQTT-4.2.0-1'],
    finds: 'clients that crash, hang or go on with garbage when bytes are wrong',
    seenIn: ['https://github.com/bertmelis/espMqttClient/issues/34', 'https://github.com/LiamBindle/MQTT-C/issues/204'],
  },
  options: {
    flip: option.optional(option.count('how many bits of each packet flip, at random; 1 where nothing else is done', 1, { min: 1 })),
    rate: option.probability('how likely a bit of each byte flips', 0),
    set: option.map(option.count('a byte', 0, { max: 255 }), 'bytes by their place: { "1": 255 } sets the second', {}),
    truncate: option.count('how many bytes are missing at the end', 0),
    insert: option.bytes('bytes that are added', ''),
    insertAt: option.number('where they are added', 0),
    close: option.choice('what follows the packet: nothing special, or the end', ['open', 'fin', 'rst', 'stall'], 'open'),
    direction: option.choice('which way: out is what the client receives', ['out', 'in', 'both'], 'out'),
    ...wireSelection,
  },
  check({ set, insert, insertAt }) {
    for (const place of set.keys()) if (!/^-?\d+$/.test(place)) return `option 'set': places are whole numbers, got '${place}'`
    if (!Number.isInteger(insertAt)) return "option 'insertAt' is a whole number"
    return insertAt !== 0 && insert.length === 0 ? "option 'insertAt' goes with 'insert'" : undefined
  },
  setup({ hooks, on, name }, { flip, rate, set, truncate, insert, insertAt, close, direction, ...which }) {
    const isPlain = rate === 0 && set.size === 0 && truncate === 0 && insert.length === 0
    const flips = flip ?? (isPlain && close === 'open' ? 1 : 0)
    const follow = packetsOnWire(name, which)
    const settings = [...set].map(([place, byte]) => [Number(place), byte] as const)
    const placeIn = (place: number, { length = Number.NaN }: PacketPart) => (place >= 0 ? place : length + place)

    /** The part as it arrives. The bytes are copied: others may be sent the same ones. */
    const spoilt = (part: PacketPart, connection: Connection): Buffer => {
      const { offset, length = Number.POSITIVE_INFINITY } = part
      const random = connection.random(name)
      const bytes = Buffer.from(part.bytes)
      const flipAt = (at: number) => bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << Math.floor(random.next() * 8)), at)
      // Of a packet that comes in parts, the first is hit.
      if (offset === 0) for (let count = 0; count < flips; count++) flipAt(Math.floor(random.next() * bytes.length))
      if (rate > 0) for (let at = 0; at < bytes.length; at++) if (random.chance(rate)) flipAt(at)
      for (const [place, byte] of settings) {
        const at = placeIn(place, part) - offset
        if (at >= 0 && at < bytes.length) bytes[at] = byte
      }
      const kept = bytes.subarray(0, Math.max(0, length - truncate - offset))
      const at = placeIn(insertAt, part) - offset
      return insert.length > 0 && at >= 0 && at < bytes.length ? Buffer.concat([kept.subarray(0, at), insert, kept.subarray(at)]) : kept
    }

    for (const way of direction === 'both' ? (['in', 'out'] as const) : [direction])
      on(hooks.wire, { direction: way }, (steps, _way, connection) =>
        steps.flatMap((step): readonly StepInput[] => {
          if (!('raw' in step)) return [step]
          const parts = follow(step.raw, way, connection)
          if (!parts.some(({ chosen }) => chosen)) return [step]
          const found: StepInput[] = []
          let together: Buffer[] = []
          for (const part of parts) {
            together.push(part.chosen ? spoilt(part, connection) : part.bytes)
            if (!part.chosen || close === 'open' || part.offset + part.bytes.length !== part.length) continue
            found.push({ raw: Buffer.concat(together) }, { close })
            together = []
          }
          const rest = Buffer.concat(together)
          return rest.length === 0 ? found : [...found, { raw: rest }]
        }),
      )
  },
})
