/**
 * Chance. The only randomness in the code, and all of it comes from one seed, so that a run can be repeated.
 *
 * Each user draws from a stream of its own, named after it: adding a plugin does not change what another one draws.
 */
/** A repeatable stream of chance. */
export interface Random {
  /** A number from 0 up to but not including 1. */
  next(): number
  /** A whole number from `low` to `high`, both included. */
  integer(low: number, high: number): number
  /** True with the given probability, 0 to 1. */
  chance(probability: number): boolean
  /** One of the items. Throws a RangeError when there are none. */
  pick<T>(items: readonly T[]): T
  /** The same items in another order; the argument is left as it is. */
  shuffle<T>(items: readonly T[]): T[]
  /** That many bytes. */
  bytes(length: number): Buffer
  /** A stream of its own, decided by this stream's seed and the name alone. */
  fork(name: string): Random
}

/** A fresh seed, short enough to be typed: eight characters of 0-9 and a-z. */
export function freshSeed(): string {
  // Not node:crypto: nobody has to be kept from guessing it, and to load that takes longer than to start a server.
  return Math.floor(Math.random() * 2 ** 40)
    .toString(36)
    .padStart(8, '0')
}

/** Four 32-bit words out of a text (cyrb128 mixing), the state of the generator. */
function wordsOf(text: string): [number, number, number, number] {
  let [a, b, c, d] = [1779033703, 3144134277, 1013904242, 2773480762]
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    a = b ^ Math.imul(a ^ code, 597399067)
    b = c ^ Math.imul(b ^ code, 2869860233)
    c = d ^ Math.imul(c ^ code, 951274213)
    d = a ^ Math.imul(d ^ code, 2716044179)
  }
  return [a, b, c, d]
}

/** A stream of chance that is the same for the same seed (the generator is sfc32). */
export function randomFrom(seed: string): Random {
  let [a, b, c, d] = wordsOf(seed)
  const word = () => {
    const sum = (((a + b) | 0) + d) | 0
    d = (d + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return sum >>> 0
  }
  for (let warmUp = 0; warmUp < 12; warmUp++) word()
  const next = () => word() / 4294967296
  const integer = (low: number, high: number) => low + Math.floor(next() * (high - low + 1))
  return {
    next,
    integer,
    chance: (probability) => next() < probability,
    pick(items) {
      const index = integer(0, items.length - 1)
      const item = items[index]
      if (index < 0 || item === undefined) throw new RangeError('pick needs at least one item')
      return item
    },
    shuffle(items) {
      const mixed = [...items]
      for (let index = mixed.length - 1; index > 0; index--) {
        const other = integer(0, index)
        const [one, two] = [mixed[index], mixed[other]]
        if (one !== undefined && two !== undefined) {
          mixed[index] = two
          mixed[other] = one
        }
      }
      return mixed
    },
    bytes(length) {
      const buffer = Buffer.allocUnsafe(length)
      for (let index = 0; index < length; index++) buffer[index] = word() & 0xff
      return buffer
    },
    fork: (name) => randomFrom(`${seed}/${name}`),
  }
}
