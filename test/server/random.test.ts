/** Chance that can be repeated. */
import fc from 'fast-check'
import { definePlugin, type Random } from 'mqttest'
import { describe, expect, test } from 'vitest'
import { randomFrom } from '../../src/random.ts'
import { join } from '../support/client.ts'
import { memoryServer } from '../support/server.ts'

const draws = (random: Random, count = 5) => Array.from({ length: count }, () => random.next())

describe('chance', () => {
  test('is the same for the same seed, and another for another', () => {
    expect(draws(randomFrom('a'))).toEqual(draws(randomFrom('a')))
    expect(draws(randomFrom('a'))).not.toEqual(draws(randomFrom('b')))
  })

  test('of a fork depends on the seed and the name alone, not on what was drawn before', () => {
    const one = randomFrom('a')
    draws(one)
    expect(draws(one.fork('x'))).toEqual(draws(randomFrom('a').fork('x')))
    expect(draws(one.fork('x'))).not.toEqual(draws(one.fork('y')))
  })

  test('stays within its bounds', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: -1000, max: 1000 }), fc.nat(1000), (seed, low, span) => {
        const random = randomFrom(seed)
        const number = random.integer(low, low + span)
        expect(Number.isInteger(number) && number >= low && number <= low + span).toBe(true)
        const next = random.next()
        expect(next >= 0 && next < 1).toBe(true)
        expect([random.chance(0), random.chance(1)]).toEqual([false, true])
      }),
    )
  })

  test('is even enough', () => {
    const random = randomFrom('even')
    const counts = new Array<number>(10).fill(0)
    for (let count = 0; count < 10_000; count++) {
      const digit = random.integer(0, 9)
      counts[digit] = (counts[digit] ?? 0) + 1
    }
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150)
  })

  test('shuffles and picks without touching what it is given', () => {
    const items = Object.freeze([1, 2, 3, 4, 5])
    const random = randomFrom('s')
    expect([...random.shuffle(items)].sort()).toEqual([...items])
    expect(items).toContain(random.pick(items))
    expect(() => random.pick([])).toThrow(RangeError)
    expect(random.bytes(9)).toHaveLength(9)
  })
})

describe('the chance of a run', () => {
  /** What two plugins and two connections draw. */
  async function drawn(seed: string, first: readonly string[] = ['one', 'two']): Promise<Record<string, number[]>> {
    const got: Record<string, number[]> = {}
    const plugin = (name: string) =>
      definePlugin({
        meta: { name },
        setup({ hooks, random }) {
          got[name] = draws(random, 2)
          hooks.connection.tap('x', (connection) => {
            got[`${name} ${connection.number}`] = [connection.random(name).next(), connection.random(name).next()]
          })
        },
      })
    const server = await memoryServer({ seed, plugins: first.map((name) => plugin(name)) })
    await join(server, 'a')
    await join(server, 'b')
    expect(server.seed).toBe(seed)
    return got
  }

  test('is repeated by its seed', async () => {
    expect(await drawn('s')).toEqual(await drawn('s'))
    expect(await drawn('s')).not.toEqual(await drawn('t'))
  })

  test('of one plugin does not change with the others', async () => {
    const both = await drawn('s')
    const alone = await drawn('s', ['two'])
    expect(alone).toEqual({ two: both.two, 'two 0': both['two 0'], 'two 1': both['two 1'] })
  })

  test('is fresh where no seed is given, and the report names it', async () => {
    const [one, two] = [await memoryServer({ seed: undefined }), await memoryServer({ seed: undefined })]
    expect(one.seed).not.toBe(two.seed)
    expect((await one.stop()).seed).toBe(one.seed)
  })

  test('takes a number as a seed', async () => {
    expect((await memoryServer({ seed: 42 })).seed).toBe('42')
  })
})
