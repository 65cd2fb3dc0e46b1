/** Whose time it is. */
import { type Clock, MqttestError, start, type TimerHost, virtualClock } from 'mqttest'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test, vi } from 'vitest'
import { join } from '../support/client.ts'
import { memoryServer, stopWithTest } from '../support/server.ts'

describe('a virtual clock', () => {
  test('stands still until it is moved', async () => {
    const clock = virtualClock(1_000_000)
    expect([clock.now(), clock.wallTime()]).toEqual([0, 1_000_000])
    await clock.advance('1.5s')
    expect([clock.now(), clock.wallTime()]).toEqual([1500, 1_001_500])
  })

  test('fires timers in the order in which they fall due, and those that do so together in the order in which they began', async () => {
    const clock = virtualClock()
    const fired: [string, number][] = []
    const at = (name: string, delayMs: number) => clock.after(delayMs, () => fired.push([name, clock.now()]))
    at('30', 30)
    at('10 first', 10)
    at('20', 20)
    at('10 second', 10)
    await clock.advance(25)
    expect(fired).toEqual([
      ['10 first', 10],
      ['10 second', 10],
      ['20', 20],
    ])
    expect(clock.pending).toBe(1)
  })

  test('fires what a timer arms, within the same stretch of time, and lets promises settle in between', async () => {
    const clock = virtualClock()
    const seen: string[] = []
    clock.after(10, () => {
      void Promise.resolve()
        .then(() => undefined)
        .then(() => {
          seen.push('settled')
          clock.after(10, () => seen.push(`second at ${clock.now()}`))
        })
    })
    clock.after(15, () => seen.push('between'))
    await clock.advance(20)
    expect(seen).toEqual(['settled', 'between', 'second at 20'])
  })

  test('does not fire what was cancelled, also where another timer does so at the same moment', async () => {
    const clock = virtualClock()
    const fired: string[] = []
    const second = { cancel: () => undefined as void }
    clock.after(10, () => {
      fired.push('first')
      second.cancel()
    })
    Object.assign(
      second,
      clock.after(10, () => fired.push('second')),
    )
    const third = clock.after(5, () => fired.push('third'))
    third.cancel()
    third.cancel()
    await clock.advance(10)
    expect(fired).toEqual(['first'])
    expect(clock.pending).toBe(0)
  })

  test('moves the server by its own `clock`', async () => {
    const server = await memoryServer({ clock: 'virtual', broker: { connectTimeout: '5s' } })
    const client = connectMemory(server)
    await server.clock.advance('5s')
    expect(client.ended).toBe('fin')
    expect(server.clock.now()).toBe(5000)
  })

  test('cannot be moved where it is none', async () => {
    const server = stopWithTest(await start({ listen: false }))
    await expect(server.clock.advance(1)).rejects.toThrow(MqttestError)
    await expect(server.clock.advance(1)).rejects.toThrow("clock.advance needs a virtual clock: start({ clock: 'virtual' })")
  })
})

describe('the real clock', () => {
  test('is not stopped by the fake timers of a test', async () => {
    vi.useFakeTimers()
    try {
      const server = stopWithTest(await start({ listen: false, broker: { connectTimeout: 5 } }))
      const client = connectMemory(server)
      expect(await client.end()).toBe('fin')
      await server.stop()
    } finally {
      vi.useRealTimers()
    }
  })

  test('does not move with them either', async () => {
    vi.useFakeTimers()
    try {
      const server = stopWithTest(await start({ listen: false, broker: { connectTimeout: '1h' } }))
      const client = connectMemory(server)
      await vi.advanceTimersByTimeAsync(7200_000)
      expect(client.ended).toBeUndefined()
      await server.stop()
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('clock: globalThis', () => {
  test('follows the fake timers of a test, on purpose', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
    try {
      const server = stopWithTest(await start({ listen: false, clock: globalThis, broker: { connectTimeout: '1h' } }))
      const client = connectMemory(server)
      await vi.advanceTimersByTimeAsync(3_599_999)
      expect(client.ended).toBeUndefined()
      await vi.advanceTimersByTimeAsync(1)
      expect(await client.end()).toBe('fin')
      await server.stop()
      expect(vi.getTimerCount()).toBe(0)
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('a clock of the test', () => {
  test('is used as it is', async () => {
    const armed: number[] = []
    const clock: Clock = {
      now: () => 42,
      wallTime: () => 1000,
      after(delayMs) {
        armed.push(delayMs)
        return { cancel: () => undefined }
      },
    }
    const server = stopWithTest(await start({ listen: false, clock }))
    await join(server, 'me', { keepalive: 2 })
    expect(armed).toEqual([30_000, 3000])
    expect(server.clock.now()).toBe(42)
  })

  test('may be an object with timer functions', async () => {
    const armed: number[] = []
    const host: TimerHost = {
      setTimeout: (_action, delayMs) => armed.push(delayMs),
      clearTimeout: () => undefined,
      Date: { now: () => 7 },
    }
    const server = stopWithTest(await start({ listen: false, clock: host }))
    await join(server, 'me')
    expect(armed).toEqual([30_000])
  })
})
