/** Packet ids that are not the right one. */
import { option } from '../../src/index.ts'

const places = ['next', 'previous', 'zero', 'unused'] as const

/** An option for a packet id that is wrong: where it stands beside the right one, or which one it is. */
export function otherId(about: string) {
  return option.optional(option.either(option.choice('a place', places, 'next'), option.count('a packet id', 1, { max: 65_535 }), about, 'next'))
}

/** The id that is meant, for a right one. 'unused' is as far away as it can be, where hardly any client has got to. */
export function idBeside(right: number, wanted: (typeof places)[number] | number): number {
  switch (wanted) {
    case 'next':
      return right >= 65_535 ? 1 : right + 1
    case 'previous':
      return right <= 1 ? 65_535 : right - 1
    case 'zero':
      return 0
    case 'unused':
      return ((right + 32_766) % 65_535) + 1
    default:
      return wanted
  }
}
