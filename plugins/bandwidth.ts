import { definePlugin, option, type StepInput } from '../src/index.ts'

/**
 * A narrow way: so many bytes per second, in pieces. With `piece: 1` they trickle in.
 *
 *     bandwidth({ bytesPerSecond: 2000 })
 *     bandwidth({ out: 100, piece: 1 })                          the client's bytes are fast, the server's trickle
 *     bandwidth({ bytesPerSecond: 1000, burst: 10_000 })         the first 10 KB at once, and again after a rest
 *
 * What waits for its turn is kept by the server, and an end in order comes behind it.
 */
export const bandwidth = definePlugin({
  meta: {
    name: 'bandwidth',
    api: 1,
    group: 'network',
    summary: 'Only so many bytes per second get through, in either direction.',
    spec: ['MQTT-4.2.0-1', 'MQTT-3.1.2-22'],
    finds: 'clients that take a packet that is still coming for a dead link, or pile up what they cannot send',
    seenIn: ['https://github.com/wolfSSL/wolfMQTT/issues/84', 'https://github.com/bertmelis/espMqttClient/issues/34'],
  },
  options: {
    bytesPerSecond: option.optional(
      option.count('how many bytes get through in a second, in each direction; 10000 where in and out are not given either', 10_000, { min: 1 }),
    ),
    in: option.optional(option.count('how many of the client, instead', 10_000, { min: 1 })),
    out: option.optional(option.count('how many of the server, instead', 10_000, { min: 1 })),
    burst: option.count('how many bytes get through at once after a rest', 0),
    piece: option.optional(option.count('bytes that come at a time; what gets through in 50 ms unless given', 1, { min: 1 })),
  },
  setup({ hooks, on, clock }, { bytesPerSecond, in: inRate = bytesPerSecond, out: outRate = bytesPerSecond, burst, piece }) {
    const usual = inRate === undefined && outRate === undefined ? 10_000 : undefined
    for (const [direction, rate] of [['in', inRate ?? usual] as const, ['out', outRate ?? usual] as const]) {
      if (rate === undefined) continue
      const size = piece ?? Math.max(1, Math.round(rate / 20))
      const msPerByte = 1000 / rate
      /** When all that was taken so far is through. */
      const course = () => ({ freeMs: Number.NEGATIVE_INFINITY })

      on(hooks.wire, { direction }, (steps, _way, connection) => {
        const state = connection.state(course)
        const nowMs = clock.now()
        return steps.flatMap((step): readonly StepInput[] => {
          if (!('raw' in step)) return [step]
          const slow: StepInput[] = []
          for (let at = 0; at < step.raw.length; at += size) {
            const raw = step.raw.subarray(at, at + size)
            state.freeMs = Math.max(nowMs, state.freeMs) + raw.length * msPerByte
            slow.push({ latency: Math.max(0, state.freeMs - burst * msPerByte - nowMs) }, { raw })
          }
          return slow
        })
      })
    }
  },
})
