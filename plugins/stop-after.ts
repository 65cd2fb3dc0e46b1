import { definePlugin, option, type Timer } from '../src/index.ts'

/**
 * The server stops by itself: after some connections have come and gone, after some time, or when nobody is connected for a
 * while. For runs without a test that would stop it, such as a server in a script. With a scope, only connections in it count.
 *
 * The start options `maxConnections` and `maxRuntime` do something similar for the server as a whole; this one can be added
 * while it runs, and taken off.
 */
export const stopAfter = definePlugin({
  meta: {
    name: 'stop-after',
    api: 1,
    group: 'server',
    summary: 'The server stops after some connections, some time, or some quiet.',
    finds: 'clients that do not come to an end when their server goes for good',
  },
  options: {
    connections: option.optional(option.count('stops when so many connections have come and gone', 1, { min: 1 })),
    time: option.optional(option.duration('stops after so long', '1m')),
    idle: option.optional(option.duration('stops when nobody was connected for so long', '10s')),
  },
  check: ({ connections, time, idle }) =>
    connections === undefined && time === undefined && idle === undefined ? "give one of the options 'connections', 'time' and 'idle'" : undefined,
  setup({ hooks, clock, server, acted, name }, { connections, time, idle }) {
    let gone = 0
    let open = server.connections.filter((connection) => !connection.closed).length
    let quiet: Timer | undefined

    const stop = (reason: string) => {
      acted(`stops the server: ${reason}`)
      // Whoever waits for the end has `finished`, which rejects as well where the run failed.
      server.stop(reason).catch(() => undefined)
    }
    const watchQuiet = () => {
      quiet?.cancel()
      if (idle !== undefined && open === 0) quiet = clock.after(idle, () => stop(`nobody was connected for ${idle} ms`))
    }

    if (time !== undefined) clock.after(time, () => stop(`${time} ms are over`))
    watchQuiet()
    hooks.connection.tap(name, () => {
      open++
      quiet?.cancel()
    })
    hooks.disconnect.tap(name, () => {
      open = Math.max(0, open - 1)
      gone++
      if (gone === connections) stop(`${gone} ${gone === 1 ? 'connection' : 'connections'} came and went`)
      else watchQuiet()
    })
  },
})
