/**
 * Whatever lawful clients do, in whatever pieces their bytes come, however often they lose their connection or take it over, and whenever they
 * subscribe and unsubscribe: what the three levels of quality of service promise is kept (section 4.3), nothing comes that
 * nobody asked for, and nothing is left behind.
 */
import fc from 'fast-check'
import { type QoS, type Server, start, topicMatches, virtualClock } from 'mqttest'
import { expect, test } from 'vitest'
import { Player } from './player.ts'

const topics = ['t/a', 't/b'] as const
const filters = ['t/#', 't/a', '+/b'] as const
const qos = fc.constantFrom<QoS[]>(0, 1, 2)
const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 })
const who = fc.nat({ max: 2 })

const action = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('publish' as const),
      who,
      cuts,
      messages: fc.array(fc.record({ topic: fc.constantFrom(...topics), qos }), { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('subscribe' as const), who, cuts, filter: fc.constantFrom(...filters), qos }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('unsubscribe' as const), who, cuts, filter: fc.constantFrom(...filters) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('answer' as const), who, cuts, count: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('settle' as const), who }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('drop' as const), who }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('takeover' as const), who }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('return' as const), who }) },
)

const player = fc.record({ version: fc.constantFrom(3 as const, 4 as const, 5 as const), qos, receiveMaximum: fc.constantFrom(1, 2, 5, 65_535) })

interface Sent {
  readonly from: number
  readonly topic: string
  readonly payload: string
  readonly qos: QoS
}

/** What the server took, in its own order: who was subscribed to what when a message came. */
interface Taken {
  /** The QoS at which a message is due to a player each time that it was routed, by `payload player`. */
  readonly due: ReadonlyMap<string, readonly QoS[]>
  /** The same in order. */
  readonly order: readonly { readonly name: string; readonly topic: string; readonly payload: string; readonly level: QoS }[]
  /** Filters that players have at the end, by client id. */
  readonly subscriptions: ReadonlyMap<string, ReadonlyMap<string, QoS>>
}

/** Reads from the record what has to come to whom. */
function takenBy(server: Server): Taken {
  const names = new Map<number, string>()
  const subscriptions = new Map<string, Map<string, QoS>>()
  const due = new Map<string, QoS[]>()
  const order: Taken['order'][number][] = []
  const seen = new Set<string>()
  for (const record of server.records({ type: 'packet', dir: 'in' })) {
    if (record.type !== 'packet' || record.packet === undefined) continue
    const { packet, connection } = record
    if (packet.cmd === 'connect') {
      names.set(connection, packet.clientId)
      if (!subscriptions.has(packet.clientId)) subscriptions.set(packet.clientId, new Map())
    }
    const own = subscriptions.get(names.get(connection) ?? '')
    if (packet.cmd === 'subscribe') for (const { topic, qos: granted } of packet.subscriptions) own?.set(topic, granted)
    if (packet.cmd === 'unsubscribe') for (const topic of packet.unsubscriptions) own?.delete(topic)
    if (packet.cmd !== 'publish') continue
    const payload = String(packet.payload)
    // A QoS 2 message that is sent again is the same one [MQTT-4.3.3-12]; at QoS 1 it may be a new one.
    if (packet.qos === 2 && seen.has(payload)) continue
    seen.add(payload)
    for (const [name, granted] of subscriptions) {
      const levels = [...granted].filter(([filter]) => topicMatches(filter, packet.topic)).map(([, level]) => level)
      if (levels.length === 0) continue
      const level = ([0, 1, 2] as const)[Math.min(packet.qos, Math.max(...levels))] ?? 0
      const key = `${payload} ${name}`
      due.set(key, [...(due.get(key) ?? []), level])
      order.push({ name, topic: packet.topic, payload, level })
    }
  }
  return { due, order, subscriptions }
}

/** Whether the items of one list stand in another in the same order, others between them. */
function isWithin(items: readonly string[], all: readonly string[]): boolean {
  let place = 0
  for (const one of all) if (one === items[place]) place++
  return place === items.length
}

test('what each quality of service promises is kept, nothing comes that nobody asked for, and nothing is left behind', { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.tuple(player, player, player), fc.array(action, { maxLength: 60, size: 'max' }), async (table, actions) => {
      const clock = virtualClock()
      const server = await start({ listen: false, clock, seed: 'test' })
      const players = table.map((options, index) => new Player(server, { name: `p${index}`, ...options }))
      const away = new Set<number>()
      const sent: Sent[] = []
      let drops = 0
      for (const [index, one] of players.entries()) {
        await one.connect()
        one.subscribe('t/#', table[index]?.qos ?? 0, [])
        await one.settle()
      }

      for (const step of actions) {
        const one = players[step.who]
        if (one === undefined) continue
        if (step.kind === 'return') {
          if (away.delete(step.who)) await one.connect()
        } else if (away.has(step.who)) continue
        else if (step.kind === 'publish') {
          const messages = step.messages.map(({ topic, qos: level }): Sent => {
            const message = { from: step.who, topic, qos: level, payload: String(sent.length) }
            sent.push(message)
            return message
          })
          one.publish(messages, step.cuts)
        } else if (step.kind === 'subscribe') one.subscribe(step.filter, step.qos, step.cuts)
        else if (step.kind === 'unsubscribe') one.unsubscribe(step.filter, step.cuts)
        else if (step.kind === 'answer') one.answer(step.count, step.cuts)
        else if (step.kind === 'settle') await one.settle()
        else if (step.kind === 'takeover') {
          // It connects once more, while its older connection stands [MQTT-3.1.4-3].
          drops++
          one.read()
          await one.connect()
        } else {
          drops++
          away.add(step.who)
          await one.drop()
        }
      }

      // Everybody comes back, and answers until nothing is open.
      for (const index of away) await players[index]?.connect()
      for (let round = 0; round < 400; round++) {
        for (const one of players) {
          one.answer(100, [])
          await one.settle()
        }
        if (players.every((one) => one.open === 0) && server.sessions.every((session) => session.inFlight.size + session.queued === 0)) break
      }

      for (const one of players) {
        expect(one.faults).toEqual([])
        expect(one.open).toBe(0) // each message is acknowledged, once [MQTT-4.3.2-4] [MQTT-4.3.3-11]
      }
      expect(server.report().violations).toEqual([])
      for (const session of server.sessions) expect([session.inFlight.size, session.queued, session.received.size]).toEqual([0, 0, 0])

      const { due, order, subscriptions } = takenBy(server)
      for (const session of server.sessions)
        expect([...session.subscriptions].map(([filter, { qos: granted }]) => [filter, granted])).toEqual([...(subscriptions.get(session.clientId) ?? [])])
      for (const [index, one] of players.entries()) {
        const times = new Map<string, number>()
        for (const { payload } of one.arrivals) times.set(payload, (times.get(payload) ?? 0) + 1)
        for (const message of sent) {
          const count = times.get(message.payload) ?? 0
          const levels = due.get(`${message.payload} p${index}`) ?? []
          const what = `message ${message.payload}, due to p${index} at QoS ${levels.join(' and ') || '-'}`
          if (levels.length === 0)
            expect(count, what).toBe(0) // nothing but what is subscribed to, and nothing new behind UNSUBACK [MQTT-3.10.4-2]
          else if (levels.includes(2) || drops === 0)
            expect(count, what).toBe(levels.length) // exactly once [MQTT-4.3.3-1]
          else if (levels.includes(1)) expect(count, what).toBeGreaterThanOrEqual(1)
          else expect(count, what).toBeLessThanOrEqual(levels.length)
        }
        for (const { payload, qos: level } of one.arrivals) expect(due.get(`${payload} p${index}`)).toContain(level) // [MQTT-3.8.4-8]
        // Messages on one topic that are due at one QoS come in the order in which the server took them, as they come first
        // [MQTT-4.6.0-5] [MQTT-4.6.0-6].
        for (const topic of topics)
          for (const level of [0, 1, 2] as const) {
            const routed = order.filter((one) => one.name === `p${index}` && one.topic === topic && one.level === level).map(({ payload }) => payload)
            const came = [
              ...new Set(one.arrivals.filter(({ payload, qos: at }) => at === level && sent[Number(payload)]?.topic === topic).map(({ payload }) => payload)),
            ]
            expect(isWithin(came, routed), `${came} come to p${index} on ${topic} at QoS ${level} in the order of ${routed}`).toBe(true)
          }
      }

      for (const one of players) await one.leave()
      // MQTT 3 sessions that were kept stay; nothing else does.
      expect(server.sessions.map(({ clientId }) => clientId).sort()).toEqual(table.flatMap(({ version }, index) => (version === 5 ? [] : [`p${index}`])))
      await server.stop()
      expect(clock.pending).toBe(0)
    }),
    { numRuns: 200 },
  )
})
