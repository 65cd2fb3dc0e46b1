/** The waits of one connection end in the order in which they fall due, whatever the timers of the host do. */
import { type Clock, start, type Timer } from 'mqttest'
import { connectMemory } from 'mqttest/testing'
import { expect, onTestFinished, test } from 'vitest'

/** Timers that fire in any order, as those of a busy host do, and up to a millisecond early. */
function unrulyClock() {
  const timers = new Map<Timer, { dueMs: number; action: () => void }>()
  let nowMs = 0
  const clock: Clock = {
    now: () => nowMs,
    wallTime: () => nowMs,
    after(delayMs, action) {
      const timer = { cancel: () => void timers.delete(timer) }
      timers.set(timer, { dueMs: nowMs + delayMs, action })
      return timer
    },
  }
  return {
    clock,
    /** Latest first. */
    fireAll(atMs: number) {
      nowMs = atMs
      for (let due = [...timers]; due.length > 0; due = [...timers].filter(([, { dueMs }]) => dueMs - 1 <= nowMs)) {
        for (const [timer, { action }] of due.reverse()) {
          timers.delete(timer)
          action()
        }
      }
    },
  }
}

test('plans of one connection do not overtake one another', async () => {
  const { clock, fireAll } = unrulyClock()
  const server = await start({ listen: false, clock, seed: 'test', broker: { connectTimeout: 0 } })
  onTestFinished(async () => void (await server.stop()))
  const client = connectMemory(server)
  await client.connect()
  const connection = await server.connection()
  for (const [wait, topic] of [
    [30, 'third'],
    [10, 'first'],
    [20, 'second'],
    [30, 'fourth'],
  ] as const)
    void connection.play([{ wait }, { packet: { cmd: 'publish', topic } }])
  fireAll(29.5)
  await client.count(5)
  expect(client.received.flatMap((packet) => (packet.cmd === 'publish' ? packet.topic : []))).toEqual(['first', 'second', 'third', 'fourth'])
})
