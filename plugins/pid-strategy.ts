import { definePlugin, option, type PacketIdState, type Random } from '../src/index.ts'

const highest = 65_535

const strategies = ['sequential', 'descending', 'random', 'reuse', 'fixed', 'never-reuse', 'near-wrap', 'mirror'] as const

/** What is remembered about the ids of one session. */
interface Course {
  /** The id that was used last; undefined before the first. */
  last: number | undefined
  /** The distance between two ids of `never-reuse`. */
  stride: number
}

/**
 * The server chooses the packet ids of its messages in its own way. A client must take any id from 1 to 65535, in any order:
 * all that it may rely on is that an id is not in use twice at a time [MQTT-2.2.1-4], and `fixed` breaks that as well.
 *
 *   sequential    first, first + 1, ... and from 65535 on to 1
 *   descending    first, first − 1, ... and from 1 on to 65535
 *   random        any that is free
 *   reuse         the lowest that is free: an id comes back as soon as it is acknowledged
 *   never-reuse   scattered, and none comes back before all 65535 were used
 *   near-wrap     sequential from 65533 on, so that 1 comes after the third message
 *   mirror        the id that the client used last itself, so that the same id is under way in both directions, which is legal
 *                 (section 2.2.1); the next that is free where it is in use already
 *   fixed         always the same, free or not; 0 is illegal [MQTT-2.2.1-3]
 *
 * A session keeps its course over reconnects; a new session begins anew.
 */
export const pidStrategy = definePlugin({
  meta: {
    name: 'pid-strategy',
    api: 1,
    group: 'sessions',
    summary: 'The packet ids of messages to the client are descending, random, reused at once, always the same, those of the client itself, or wrap soon.',
    spec: ['MQTT-2.2.1-3', 'MQTT-2.2.1-4', 'MQTT-2.3.1-4'],
    finds: 'clients that expect ascending ids, take a reused id for a repeat, mix up the two directions, or do not survive the wrap from 65535 to 1',
    seenIn: ['https://github.com/lpeterse/haskell-mqtt/pull/16'],
  },
  options: {
    strategy: option.choice('how the next id is chosen', strategies, 'random'),
    first: option.optional(option.count('the id that sequential, descending and reuse begin with: 1 or 65535 unless given', 1, { max: highest })),
    id: option.optional(option.count('the one id of fixed: 1 unless given', 1, { max: highest })),
  },
  check({ strategy, first, id }) {
    if (first !== undefined && strategy !== 'sequential' && strategy !== 'descending' && strategy !== 'reuse')
      return `option 'first' goes with sequential, descending and reuse, not with ${strategy}`
    if (id !== undefined && strategy !== 'fixed') return `option 'id' goes with fixed, not with ${strategy}`
    return undefined
  },
  setup({ hooks, on, name }, { strategy, first, id = 1 }) {
    const courses = new WeakMap<object, Course>()
    /** The id that the client of a session used last. */
    const mirrored = new WeakMap<object, number>()

    if (strategy === 'mirror')
      on(hooks.packetIn, { cmd: ['publish', 'subscribe', 'unsubscribe'] }, ({ messageId }, connection) => {
        if (messageId !== undefined && connection.session !== undefined) mirrored.set(connection.session, messageId)
      })

    hooks.packetId.tap(name, (ids, connection) => {
      if (strategy === 'fixed') return id
      // All ids are in flight: the message has to wait for one.
      if (ids.inUse.size >= highest) return undefined
      const random = connection.random(name)
      const session = connection.session ?? connection
      const course = courses.get(session) ?? { last: undefined, stride: strategy === 'never-reuse' ? strideFrom(random) : 1 }
      courses.set(session, course)
      course.last = strategy === 'mirror' ? free(ids, mirrored.get(session) ?? 1, 1) : next(ids, course, random)
      return course.last
    })

    function next(ids: PacketIdState, { last, stride }: Course, random: Random): number {
      // An id 0 is meant, and comes first; no way of counting on leads to it.
      if (first === 0 && (last === undefined || strategy === 'reuse') && !ids.inUse.has(0)) return 0
      switch (strategy) {
        case 'descending':
          return free(ids, last === undefined ? (first ?? highest) : last - 1, -1)
        case 'random':
          return free(ids, random.integer(1, highest), 1)
        case 'reuse':
          return free(ids, Math.max(1, first ?? 1), 1)
        case 'never-reuse':
          return free(ids, last === undefined ? random.integer(1, highest) : last + stride, stride)
        default:
          return free(ids, last === undefined ? (first ?? (strategy === 'near-wrap' ? 65_533 : 1)) : last + 1, 1)
      }
    }
  },
})

/** The first free id from one on, in steps that wrap at both ends. */
function free(ids: PacketIdState, from: number, step: number): number {
  let id = wrapped(from)
  while (ids.inUse.has(id)) id = wrapped(id + step)
  return id
}

function wrapped(id: number): number {
  return ((((id - 1) % highest) + highest) % highest) + 1
}

/** A distance that visits all 65535 = 3 · 5 · 17 · 257 ids before it comes back to the first. */
function strideFrom(random: Random): number {
  let stride = random.integer(1000, highest - 1000)
  while ([3, 5, 17, 257].some((factor) => stride % factor === 0)) stride++
  return stride
}
