/** Two traces of one conversation, compared. */

/** The line in which two traces differ first, with the line before it, for people; undefined where they are the same. */
export function firstDifference(
  expected: readonly string[],
  actual: readonly string[],
  names: readonly [expected: string, actual: string],
): string | undefined {
  const length = Math.max(expected.length, actual.length)
  let at = 0
  while (at < length && expected[at] === actual[at]) at++
  if (at === length) return undefined
  const width = Math.max(...names.map((name) => name.length), 'both'.length)
  const line = (name: string, text: string | undefined) => `  ${name.padEnd(width)}  ${text ?? '(nothing more)'}`
  return [...(at > 0 ? [line('both', expected[at - 1])] : []), line(names[0], expected[at]), line(names[1], actual[at])].join('\n')
}
