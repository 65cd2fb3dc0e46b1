/** Programs that tests need, and the command of mqttest, run from the sources. */
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))
const here = fileURLToPath(new URL('./', import.meta.url))

/** A client that somebody else wrote: a script that runs it, and what it prints. */
export interface ForeignClient {
  readonly name: string
  /** Why it cannot be used here; undefined where it can. */
  readonly missing: string | undefined
  /** The command line for a version of MQTT. */
  command(version: string): readonly [program: string, ...words: string[]]
  /** What the script does beyond what all of them do. */
  readonly alsoPrints: readonly string[]
}

function works(program: string, words: readonly string[]): boolean {
  try {
    execFileSync(program, words, { stdio: 'ignore' })
    return true
  } catch (error) {
    // mosquitto_sub --help ends with 1, which is an answer as well.
    return error instanceof Error && !('code' in error && error.code === 'ENOENT') && program.startsWith('mosquitto')
  }
}

const python = ['python3', '/usr/bin/python3'].find((program) => works(program, ['-c', 'import paho.mqtt.client']))
const absent = ['mosquitto_pub', 'mosquitto_sub'].filter((program) => !works(program, ['--help']))

/** The clients that are tried. */
export const foreignClients: readonly ForeignClient[] = [
  {
    name: 'mosquitto_pub and mosquitto_sub',
    missing: absent.length === 0 ? undefined : `${absent.join(' and ')} not found (Debian: mosquitto-clients)`,
    command: (version) => ['sh', join(here, 'mosquitto.sh'), version],
    alsoPrints: [],
  },
  {
    name: 'Eclipse Paho for Python',
    missing: python === undefined ? 'no python3 with paho-mqtt found (Debian: python3-paho-mqtt)' : undefined,
    command: (version) => [python ?? 'python3', '-B', join(here, 'paho_client.py'), version],
    alsoPrints: ['will 1 0 gone'],
  },
]

/** What a program came to. */
export interface Outcome {
  readonly code: number | null
  readonly lines: readonly string[]
  readonly stderr: string
}

/** Runs a program to its end, without blocking the server in this process. */
export function run(program: string, words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  const child = spawn(program, words, { cwd: root, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, lines: stdout.split('\n').filter((line) => line !== ''), stderr }))
  })
}

const mqttest: readonly [string, ...string[]] = [process.execPath, '--import', 'tsx', join(root, 'src/cli/main.ts')]

/** Runs `mqttest` to its end. */
export function runMqttest(words: readonly string[]): Promise<Outcome> {
  const [program, ...before] = mqttest
  return run(program, [...before, ...words])
}

/** A server in a process of its own. */
export interface ServingProcess {
  readonly host: string
  readonly port: number
  readonly env: Readonly<Record<string, string>>
  /** Resolves with the exit code when the process has ended, by itself or by `stop`. */
  readonly ended: Promise<number | null>
  /** Asks it to stop. */
  stop(): Promise<number | null>
}

/** Starts `mqttest` as a server on a free port; it ends with the test. */
export async function serve(words: readonly string[]): Promise<ServingProcess> {
  const [program, ...before] = mqttest
  const child = spawn(program, [...before, '--port', '0', ...words], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const line = await Promise.race([
    new Promise<string>((resolve) => createInterface(child.stdout).once('line', resolve)),
    ended.then((code) => Promise.reject(new Error(`mqttest ended with ${code}\n${stderr}`))),
  ])
  const { url, host, port } = JSON.parse(line)
  return {
    host,
    port,
    env: { MQTT_URL: url, MQTT_HOST: host, MQTT_PORT: String(port) },
    ended,
    stop: () => {
      child.kill('SIGTERM')
      return ended
    },
  }
}

/** A folder that is removed with the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mqttest-clients-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Writes a config file in TypeScript; returns its path. */
export function writeConfig(folder: string, config: object): string {
  const file = join(folder, 'mqttest.config.ts')
  writeFileSync(file, `const config: object = ${JSON.stringify(config)}\nexport default config\n`)
  return file
}

/** The rules that a dump has violations of. */
export function rulesIn(file: string): string[] {
  const records = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
  return records.map((line) => JSON.parse(line)).flatMap((record) => (record.type === 'violation' ? [record.violation?.rule ?? record.rule] : []))
}
