/**
 * Calls the asynchronous hooks so that nothing is put off without need: with synchronous taps only, the answer is there at
 * once, and the packets of a connection are handled in order without a tick.
 */

/** A value that is there, or that will come. */
export type Soon<T> = T | Promise<T>

/** Runs a callback-style call; returns its result at once where it was called back at once. */
export function soon<T>(call: (done: (result: T) => void) => void): Soon<T> {
  let result: { value: T } | undefined
  let later: ((value: T) => void) | undefined
  call((value) => {
    result = { value }
    later?.(value)
  })
  if (result !== undefined) return (result as { value: T }).value
  return new Promise((resolve) => {
    later = resolve
  })
}

/** Goes on with a value, at once where it is there. */
export function andThen<T, U>(value: Soon<T>, next: (value: T) => Soon<U>): Soon<U> {
  return value instanceof Promise ? value.then(next) : next(value)
}
