/**
 * Whatever lawful clients do, in whatever pieces their bytes come and however often they lose their connection: what the three
 * levels of quality of service promise is kept (section 4.3), and nothing is left behind.
 */

import fc from 'fast-check'
import { type QoS, start, virtualClock } from 'mqttest'
import { expect, test } from 'vitest'
import { Player } from './player.ts'

const topics = ['t/a', 't/b'] as const
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
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('answer' as const), who, cuts, count: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('settle' as const), who }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('drop' as const), who }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('return' as const), who }) },
)

const player = fc.record({ version: fc.constantFrom(3 as const, 4 as const, 5 as const), qos, receiveMaximum: fc.constantFrom(1, 2, 5, 65_535) })

interface Sent {
  readonly from: number
  readonly topic: string
  readonly payload: string
  readonly qos: QoS
}

test('what each quality of service promises is kept, and nothing is left behind', { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.tuple(player, player, player), fc.array(action, { maxLength: 40 }), async (table, actions) => {
      const clock = virtualClock()
      const server = await start({ listen: false, clock, seed: 'test' })
      const players = table.map((options, index) => new Player(server, { name: `p${index}`, ...options }))
      const away = new Set<number>()
      const sent: Sent[] = []
      let drops = 0
      for (const one of players) {
        await one.connect()
        await one.subscribe('t/#')
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
        } else if (step.kind === 'answer') one.answer(step.count, step.cuts)
        else if (step.kind === 'settle') await one.settle()
        else {
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

      for (const [index, one] of players.entries()) {
        const times = new Map<string, number>()
        for (const { payload } of one.arrivals) times.set(payload, (times.get(payload) ?? 0) + 1)
        for (const message of sent) {
          const count = times.get(message.payload) ?? 0
          const level = Math.min(message.qos, table[index]?.qos ?? 0)
          const what = `message ${message.payload} at QoS ${level} to p${index}`
          if (level === 2 || drops === 0)
            expect(count, what).toBe(1) // exactly once [MQTT-4.3.3-1]
          else if (level === 1) expect(count, what).toBeGreaterThanOrEqual(1)
          else if (message.qos !== 1) expect(count, what).toBeLessThanOrEqual(1)
        }
        for (const { payload, qos: level } of one.arrivals) expect(level).toBe(Math.min(sent[Number(payload)]?.qos ?? 0, table[index]?.qos ?? 0)) // [MQTT-3.8.4-8]
        // Each publisher's messages on one topic and at one QoS come in order, as they come first [MQTT-4.6.0-5].
        const first = [...times.keys()].map(Number)
        for (const [from] of players.entries())
          for (const topic of topics)
            for (const level of [0, 1, 2]) {
              const lane = first.filter((number) => sent[number]?.from === from && sent[number]?.topic === topic && sent[number]?.qos === level)
              expect(lane, `from p${from} on ${topic} at QoS ${level} to p${index}`).toEqual([...lane].sort((a, b) => a - b))
            }
      }

      for (const one of players) await one.leave()
      // MQTT 3 sessions that were kept stay; nothing else does.
      expect(server.sessions.map(({ clientId }) => clientId).sort()).toEqual(table.flatMap(({ version }, index) => (version === 5 ? [] : [`p${index}`])))
      await server.stop()
      expect(clock.pending).toBe(0)
    }),
    { numRuns: 150 },
  )
})
