/** `mqttest exec -- command`: a server for one command. */
import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'
import { RunFailedError } from '../errors.ts'
import type { Report } from '../record/report.ts'
import type { Server } from '../server.ts'
import { exitCodes, explain } from './explain.ts'
import type { Flags } from './flags.ts'
import { follow, openLog } from './log.ts'
import { startFrom } from './plan.ts'
import { summarize } from './summary.ts'

/** Runs a command against a server of its own. Resolves with the exit code: the command's, unless the server knows better. */
export async function exec(command: readonly string[], flags: Flags): Promise<number> {
  const { server, notes } = await startFrom(flags)
  const [file = '', ...words] = command
  const authority = server.ca === undefined ? undefined : (await import('./ca-file.ts')).writeAuthority(server.ca, process.env.NODE_EXTRA_CA_CERTS)
  const env = { ...process.env, ...server.env, ...authority?.env, MQTTEST_SEED: server.seed }
  // No shell: the words go through as they are.
  const child = spawn(file, words, { stdio: 'inherit', env })
  const ended = endOf(child, file)
  const settings = { level: flags.logLevel ?? 'warn', format: flags.logFormat ?? 'line' } as const
  const log = await openLog(settings)
  for (const note of notes) log.say(note.level, note.text)
  follow(server, log)
  const code = await ended
  authority?.remove()
  const { report, error } = await stopped(server, `'${file}' ended with ${code}`)
  // Where the command did not even run, that nothing happened is no news.
  if (report !== undefined && code !== exitCodes.notFound) summarize(report, log)
  const verdict = error === undefined ? exitCodes.ok : explain(error, flags.verbose === true)
  return code === exitCodes.ok ? verdict : code
}

/** Signals that are meant for the command as much as for us. */
const forwarded = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** The end of the command as an exit code: 128 and the number of the signal where a signal ended it, as shells have it. */
function endOf(child: ChildProcess, file: string): Promise<number> {
  for (const signal of forwarded)
    process.on(signal, () => {
      // Ctrl-C in a terminal reaches the command by itself; twice would be one too many.
      if (!(signal === 'SIGINT' && process.stdin.isTTY)) child.kill(signal)
    })
  return new Promise((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'ENOENT' ? 'there is no such command' : error.code === 'EACCES' ? 'it is not executable' : error.message
      process.stderr.write(`mqttest: cannot run '${file}': ${why}\n`)
      resolve(error.code === 'EACCES' ? exitCodes.notExecutable : exitCodes.notFound)
    })
    child.once('exit', (code, signal) => resolve(signal === null ? (code ?? exitCodes.unexpected) : 128 + constants.signals[signal]))
  })
}

async function stopped(server: Server, reason: string): Promise<{ report: Report | undefined; error: unknown }> {
  try {
    return { report: await server.stop(reason), error: undefined }
  } catch (error) {
    return { report: error instanceof RunFailedError ? error.report : undefined, error }
  }
}
