/** Values that stand alone, such as `ack-delay:200ms`: which option they are for. */
import type { Option } from '../options/option.ts'

type Described = Pick<Option<unknown, unknown>, 'read'>

/** What no option would have as a value of its own: whoever takes it takes any text. */
const anyText = '\u0000'

/**
 * The first option that takes one of some readings of a value, and that reading. One that takes any text is only meant where it is
 * the very first: else a mistyped duration would be taken for a topic.
 */
export function takerOf(
  options: readonly (readonly [name: string, option: Described])[],
  readings: readonly unknown[],
): readonly [name: string, value: unknown] | undefined {
  for (const [index, [name, option]] of options.entries()) {
    if (index > 0 && option.read(anyText) !== undefined) continue
    const value = readings.find((reading) => option.read(reading) !== undefined)
    if (value !== undefined) return [name, value]
  }
  return undefined
}
