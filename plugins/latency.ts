import { definePlugin, option } from '../src/index.ts'

/**
 * A long way: everything arrives later, in order, and as much at a time as before. What a client sends comes to the server after
 * `in`, what the server sends comes to the client after `out`; a round trip takes both.
 *
 *     latency({ delay: '300ms' })                     600 ms from PUBLISH to PUBACK
 *     latency({ delay: 0, out: '50ms', jitter: '200ms' })
 */
export const latency = definePlugin({
  meta: {
    name: 'latency',
    api: 1,
    group: 'network',
    summary: 'Everything arrives later, in order, without loss of throughput.',
    spec: ['MQTT-4.6.0-1', 'MQTT-4.6.0-2', 'MQTT-4.6.0-3'],
    finds: 'clients whose timeouts are too short for a long way, or that wait for each answer before they send the next packet',
  },
  options: {
    delay: option.duration('how long bytes are on their way, in each direction', '100ms'),
    in: option.optional(option.duration('how long those of the client are, instead', '100ms')),
    out: option.optional(option.duration('how long those of the server are, instead', '100ms')),
    jitter: option.duration('up to so much is added, at random; what is behind then waits as well', 0),
  },
  setup({ hooks, on, name }, { delay, in: inMs = delay, out: outMs = delay, jitter }) {
    for (const [direction, delayMs] of [['in', inMs] as const, ['out', outMs] as const]) {
      if (delayMs + jitter === 0) continue
      on(hooks.wire, { direction }, (steps, _way, connection) => {
        const chanceMs = jitter > 0 ? connection.random(`${name} ${direction}`).next() * jitter : 0
        return [{ latency: delayMs + chanceMs }, ...steps]
      })
    }
  },
})
