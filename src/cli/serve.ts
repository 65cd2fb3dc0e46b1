/** `mqttest`: a server until it is told to stop. */
import { RunFailedError } from '../errors.ts'
import { exitCodes, explain } from './explain.ts'
import type { Flags } from './flags.ts'
import { follow, openLog } from './log.ts'
import { startFrom } from './plan.ts'
import { summarize } from './summary.ts'

/** The port that MQTT clients try when they are told nothing. */
const mqttPort = 1883

/** What a shell calls the end by Ctrl-C. */
const interrupted = 130

/** Serves. Resolves with the exit code when the server has stopped. */
export async function serve(flags: Flags): Promise<number> {
  const { server, notes } = await startFrom(flags, mqttPort)
  let asked = false
  const stop = (signal: NodeJS.Signals) => {
    if (asked) process.exit(interrupted)
    asked = true
    server.stop(signal).catch(() => undefined)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop)
  // Whoever waits for the server goes on from here; the rest can come later, the record holds what it misses.
  process.stdout.write(
    `${JSON.stringify({ url: server.url, port: server.port, host: server.host, urls: server.urls, pid: process.pid, seed: server.seed, ca: server.ca })}\n`,
  )
  const log = await openLog({ level: flags.logLevel ?? 'info', format: flags.logFormat ?? 'line' })
  for (const note of notes) log.say(note.level, note.text)
  log.say('info', `listening at ${server.urls.join(', ')}, seed ${server.seed}; Ctrl-C stops`, { type: 'listening', urls: server.urls, seed: server.seed })
  follow(server, log)
  try {
    summarize(await server.finished, log)
    return exitCodes.ok
  } catch (error) {
    if (error instanceof RunFailedError) summarize(error.report, log)
    return explain(error, flags.verbose === true)
  }
}
