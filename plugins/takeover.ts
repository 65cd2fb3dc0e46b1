import { type Connection, type Decision, decide, definePlugin, option, type StepInput } from '../src/index.ts'

/** How many client ids are remembered for flapping at most; those that were quiet for long are forgotten first. */
const remembered = 1000

/**
 * Two clients want the same client id: which of them stays, and what is said to the other. Or the server makes a takeover up
 * although nobody came.
 *
 *     takeover()                                              the first stays, the newcomer is refused
 *     takeover({ tell: 'nothing' })                           the first is closed without a word, as in MQTT 3
 *     takeover({ order: 'after' })                            it hears of it only when the newcomer is in
 *     takeover({ flapping: '1s' })                            taken over twice within a second, the newcomer is held and closed
 *     takeover({ madeUp: '5s' })                              DISCONNECT 0x8E after five seconds, out of nowhere
 */
export const takeover = definePlugin({
  meta: {
    name: 'takeover',
    api: 1,
    group: 'sessions',
    summary: 'A client with the id of another one is refused, held, or lives beside it; or a client is told of a takeover that never was.',
    spec: ['MQTT-3.1.4-3', 'MQTT-4.8.0-1', 'MQTT-3.14.4-1', 'MQTT-3.1.2-8', 'MQTT-3.1.3-9'],
    finds: 'clients that come back at once when they were taken over, and push each other out for ever',
    seenIn: [
      'https://github.com/aws/aws-iot-device-sdk-java-v2/issues/580',
      'https://github.com/shamblett/mqtt5_client/issues/143',
      'https://github.com/jagheterfredrik/wallbox-mqtt-bridge/pull/107',
    ],
  },
  options: {
    policy: option.optional(
      option.choice(
        'who stays: the newest, the oldest, both (each with a session of its own), or the newest if it has the same user name; unless given, the oldest, or the newest where an option says how it takes over',
        ['newest', 'oldest', 'both', 'same-user'],
        'oldest',
      ),
    ),
    answer: option.answer('what a newcomer gets who may not take over', 'client-identifier-not-valid'),
    tell: option.either(
      option.reasonCode('a reason code', 'session-taken-over'),
      option.choice('or nothing', ['nothing', 'reset'], 'nothing'),
      'what the other one hears before it is closed: a reason code (MQTT 5 only), nothing, or a reset',
      'session-taken-over',
    ),
    order: option.choice('whether the other one is closed before or after the newcomer gets its CONNACK', ['before', 'after'], 'before'),
    hold: option.duration('how long CONNACK for a newcomer who takes over is held', 0),
    will: option.choice('whether the will of the other one is published: as agreed on, always and at once, or never', ['agreed', 'always', 'never'], 'agreed'),
    flapping: option.optional(option.duration('too many takeovers of a client id within this time are flapping', '1s')),
    flappingCount: option.count('how many takeovers within that time are too many', 2, { min: 1 }),
    flappingHold: option.duration('how long a newcomer waits for its answer then', '1s'),
    flappingAnswer: option.answer('what it gets', 'close'),
    ban: option.duration('for how long after that nobody with this client id gets in', 0),
    madeUp: option.optional(option.duration('a takeover is made up so long after CONNACK', '1s')),
    madeUpPacket: option.optional(option.count('a takeover is made up at the packet with this number, in place of its answer; CONNECT is 1', 2, { min: 2 })),
  },
  check({ policy, order, hold, will }) {
    const wrong = order !== 'before' ? 'order' : hold > 0 ? 'hold' : will !== 'agreed' ? 'will' : undefined
    return wrong !== undefined && (policy === 'oldest' || policy === 'both')
      ? `option '${wrong}' goes with newest and same-user, not with ${policy}`
      : undefined
  },
  setup({ hooks, on, play, clock, name }, options) {
    const { answer, tell, order, hold, will, flapping, flappingCount, flappingHold, flappingAnswer, ban, madeUp, madeUpPacket } = options
    const isPlain = tell === 0x8e && order === 'before' && hold === 0 && will === 'agreed' && flapping === undefined
    const policy = options.policy ?? (isPlain && madeUp === undefined && madeUpPacket === undefined ? 'oldest' : 'newest')
    const takesOver = () => ({ now: false })
    /** When each client id was taken over of late. */
    const takeovers = new Map<string, number[]>()
    const bannedUntil = new Map<string, number>()
    /** Newcomers that are held, with the call that lets them go on. */
    const held = new Map<Connection, () => void>()

    const way: Partial<Decision> = {
      ...(tell === 'nothing' ? { existing: 'close' } : tell === 'reset' ? { existing: 'reset' } : tell === 0x8e ? {} : { thenDisconnect: tell }),
      ...(order === 'after' && { order }),
    }

    function isFlapping(clientId: string): boolean {
      if (flapping === undefined) return false
      const since = clock.now() - flapping
      const recent = [...(takeovers.get(clientId) ?? []).filter((time) => time > since), clock.now()]
      takeovers.delete(clientId)
      takeovers.set(clientId, recent)
      const [oldest] = takeovers.size > remembered ? takeovers.keys() : []
      if (oldest !== undefined) takeovers.delete(oldest)
      return recent.length >= flappingCount
    }

    /** A decision that is made so long from now, or when the connection ends. */
    function later(connection: Connection, decision: Decision | undefined): Promise<Decision | undefined> | Decision | undefined {
      if (flappingHold === 0) return decision
      return new Promise((resolve) => {
        const go = () => {
          timer.cancel()
          held.delete(connection)
          resolve(decision)
        }
        const timer = clock.after(flappingHold, go)
        held.set(connection, go)
      })
    }

    on(hooks.authorize, { kind: 'takeover' }, (decision, request, connection) => {
      const { packet, existing } = request
      if (isFlapping(packet.clientId)) {
        if (ban > 0) bannedUntil.set(packet.clientId, clock.now() + ban)
        return later(connection, decide(decision, flappingAnswer, request, connection))
      }
      const isRefused = policy === 'oldest' || (policy === 'same-user' && packet.username !== existing.connect?.username)
      if (isRefused) return decide(decision, answer, request, connection)
      if (policy === 'both') return { ...decision, action: 'keep-both' as const }
      connection.state(takesOver).now = true
      return { ...decision, ...way }
    })

    if (ban > 0)
      on(hooks.authorize, { kind: 'connect' }, (decision, request, connection) => {
        const until = bannedUntil.get(request.packet.clientId)
        if (until === undefined) return undefined
        if (until > clock.now()) return decide(decision, flappingAnswer, request, connection)
        bannedUntil.delete(request.packet.clientId)
        return undefined
      })

    if (flapping !== undefined) hooks.disconnect.tap(name, (connection) => held.get(connection)?.())

    if (hold > 0)
      on(hooks.send, { cmd: 'connack' }, (steps, _cause, connection) => (connection.state(takesOver).now ? [{ wait: hold, block: true }, ...steps] : undefined))

    if (will !== 'agreed')
      hooks.will.tap(name, (plan, _info, connection) =>
        connection.successor === undefined ? undefined : will === 'never' ? { ...plan, publish: false } : { ...plan, publish: true, delayMs: 0 },
      )

    function ending({ version }: Connection): StepInput[] {
      if (tell === 'reset') return [{ close: 'rst' }]
      if (tell === 'nothing' || version !== 5) return [{ close: 'fin' }]
      return [{ packet: { cmd: 'disconnect', reasonCode: tell } }, { close: 'fin' }]
    }
    if (madeUp !== undefined)
      hooks.session.tap(name, (_plan, _packet, connection) => {
        play(connection, [{ until: 'connack' }, { wait: madeUp }, ...ending(connection)])
        return undefined
      })
    if (madeUpPacket !== undefined) on(hooks.packetIn, { nth: madeUpPacket }, (_packet, connection) => ending(connection))

    return () => {
      for (const go of [...held.values()]) go()
    }
  },
})
