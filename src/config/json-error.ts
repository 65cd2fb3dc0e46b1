/** Where a text stops to be JSON. Node's own message does not always say. */

const token =
  /\s*(?:([{}[\],:])|("(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.]))/y

/** The offset of the first thing that cannot stand where it stands; the end of the text where something is missing. */
export function jsonErrorOffset(text: string): number {
  /** What may come next: a value, a key, what follows a key, or what follows a value. */
  let expected: 'value' | 'value or end' | 'key' | 'key or end' | 'colon' | 'comma or end' = 'value'
  const open: ('{' | '[')[] = []
  token.lastIndex = 0
  let at = 0
  for (;;) {
    const match = token.exec(text)
    const start = at + (/^\s*/.exec(text.slice(at))?.[0].length ?? 0)
    if (match === null) return Math.min(start, text.length)
    at = token.lastIndex
    const [, mark, string, scalar] = match
    const inside = open.at(-1)
    if (expected === 'value' || expected === 'value or end') {
      if (mark === '{' || mark === '[') {
        open.push(mark)
        expected = mark === '{' ? 'key or end' : 'value or end'
        continue
      }
      if (mark === ']' && expected === 'value or end') open.pop()
      else if (string === undefined && scalar === undefined) return start
      expected = 'comma or end'
      continue
    }
    if (expected === 'key' || expected === 'key or end') {
      if (string !== undefined) expected = 'colon'
      else if (mark === '}' && expected === 'key or end') {
        open.pop()
        expected = 'comma or end'
      } else return start
      continue
    }
    if (expected === 'colon') {
      if (mark !== ':') return start
      expected = 'value'
      continue
    }
    if (inside !== undefined && mark === ',') expected = inside === '{' ? 'key' : 'value'
    else if ((inside === '{' && mark === '}') || (inside === '[' && mark === ']')) open.pop()
    else return start
  }
}
