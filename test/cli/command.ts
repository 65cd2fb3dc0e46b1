/** The command line as a process of its own, from the sources. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterEach } from 'vitest'

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const loader = import.meta.resolve('tsx')
const running = new Set<ChildProcess>()

afterEach(() => {
  for (const child of running) child.kill('SIGKILL')
})

/** How a command ended. */
export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** What the ready line says. */
export interface Ready {
  readonly url: string
  readonly port: number
  readonly host: string
  readonly urls: readonly string[]
  readonly pid: number
  readonly seed: string
  /** The certificate to trust, with --tls. */
  readonly ca?: string
}

/** A command that runs. */
export interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  /** The ready line. Rejects where the command ends without one. */
  readonly ready: Promise<Ready>
  /** Resolves when stderr has a text. Rejects where the command ends without it. */
  says(text: string | RegExp): Promise<void>
}

/** Options of a run. */
export interface RunOptions {
  /** The root by default, so that no config of the repository is found. */
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
}

/** Starts the command. Colours are off, since stderr is no terminal. */
export function run(words: readonly string[], { cwd = '/', env = {} }: RunOptions = {}): Running {
  const child = spawn(process.execPath, ['--import', loader, main, ...words], {
    cwd,
    env: { ...process.env, FORCE_COLOR: undefined, NO_COLOR: undefined, ...env },
  })
  running.add(child)
  let stdout = ''
  let stderr = ''
  const watchers = new Set<() => void>()
  const wake = () => {
    for (const watcher of [...watchers]) watcher()
  }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    wake()
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    wake()
  })
  let over = false
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (code, signal) => {
      running.delete(child)
      over = true
      wake()
      resolve({ code, signal, stdout, stderr })
    })
  })
  const until = <T>(find: () => T | undefined) =>
    new Promise<T>((resolve, reject) => {
      const look = () => {
        const found = find()
        if (found === undefined && !over) return
        watchers.delete(look)
        if (found === undefined) reject(new Error(`the command ended too early; stdout: ${stdout}; stderr: ${stderr}`))
        else resolve(found)
      }
      watchers.add(look)
      look()
    })
  const ready = until(() => (stdout.startsWith('{') && stdout.includes('\n') ? readyLine(stdout) : undefined))
  ready.catch(() => undefined)
  const says = (text: string | RegExp) =>
    until(() => ((typeof text === 'string' ? stderr.includes(text) : text.test(stderr)) ? true : undefined)).then(() => undefined)
  return { child, ended, ready, says }
}

function readyLine(stdout: string): Ready {
  return JSON.parse(stdout.slice(0, stdout.indexOf('\n')))
}
