/** The servers that are measured, each in a process of its own. */
import { execFile, fork, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { promisify } from 'node:util'
import type { Compiled } from './compile.ts'
import type { ServerMessage } from './servers/serve.ts'

/** A server that runs. */
export interface Running {
  readonly port: number
  /** Resident memory in bytes; `collect` asks for a collection of garbage first, where there is one. */
  memory(collect: boolean): Promise<number>
  stop(): Promise<void>
}

/** A server that can be measured. */
export interface Target {
  readonly name: string
  start(): Promise<Running>
  /** A command that listens at a port; undefined where there is none. */
  readonly command: ((port: number) => Promise<{ file: string; args: string[]; over(): void }>) | undefined
  /** The argument of unit-test.js; undefined where the server is no library. */
  readonly unitTest: string | undefined
  /** What a program imports; undefined where the server is no library. */
  readonly module: string | undefined
}

/** A port that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}

function isMessage(message: unknown): message is ServerMessage {
  return typeof message === 'object' && message !== null && ('port' in message || 'rss' in message)
}

async function startNode(file: string, args: string[]): Promise<Running> {
  const child = fork(file, args, { execArgv: ['--expose-gc'] })
  const next = () =>
    new Promise<ServerMessage>((resolve, reject) => {
      child.once('message', (message) => (isMessage(message) ? resolve(message) : reject(new Error('a message that nobody knows'))))
      child.once('exit', (code) => reject(new Error(`${file} ended with ${code}`)))
    })
  const first = await next()
  return {
    port: 'port' in first ? first.port : 0,
    async memory(collect) {
      const answer = next()
      child.send(collect ? 'collect' : 'rss')
      const message = await answer
      return 'rss' in message ? message.rss : 0
    },
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill()
      await ended
    },
  }
}

/** Whether somebody listens at a port. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/** No limits that the others do not have, and no privileges to drop. */
function mosquittoConfig(port: number): string {
  return [
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    'max_queued_messages 0',
    'max_queued_bytes 0',
    'max_inflight_messages 0',
    'max_inflight_bytes 0',
    'set_tcp_nodelay true',
    'log_type none',
    '',
  ].join('\n')
}

async function mosquittoCommand(file: string, port: number) {
  const folder = mkdtempSync(`${tmpdir()}/mqttest-bench-`)
  writeFileSync(`${folder}/mosquitto.conf`, mosquittoConfig(port))
  return { file, args: ['-c', `${folder}/mosquitto.conf`], over: () => rmSync(folder, { recursive: true, force: true }) }
}

async function startMosquitto(file: string): Promise<Running> {
  const port = await freePort()
  const { args, over } = await mosquittoCommand(file, port)
  const child = spawn(file, args, { stdio: 'ignore' })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  while (!(await answers(port))) {
    if (child.exitCode !== null) throw new Error(`mosquitto ended with ${child.exitCode}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return {
    port,
    async memory() {
      const { stdout } = await promisify(execFile)('ps', ['-o', 'rss=', '-p', String(child.pid)])
      return Number(stdout) * 1024
    },
    async stop() {
      child.kill()
      await ended
      over()
    },
  }
}

/** All servers that are here. `also` are other builds of mqttest, by name; `plugins` are for another one of the same build. */
export function findTargets(compiled: Compiled, also: ReadonlyMap<string, string>, plugins: readonly unknown[]): Target[] {
  const node = (args: string[]) => async (port: number) => ({ file: process.execPath, args: [...args, String(port)], over: () => undefined })
  const mqttest = (name: string, module: string, cli: string | undefined): Target => ({
    name,
    start: () => startNode(`${compiled.bench}servers/mqttest.js`, [module]),
    command: cli === undefined ? undefined : node([cli, '--port']),
    unitTest: module,
    module,
  })
  const targets = [mqttest('mqttest', compiled.mqttest, compiled.cli)]
  if (plugins.length > 0)
    targets.push({
      ...mqttest('with plugins', compiled.mqttest, undefined),
      start: () => startNode(`${compiled.bench}servers/mqttest.js`, [compiled.mqttest, JSON.stringify(plugins)]),
    })
  targets.push({
    name: 'aedes',
    start: () => startNode(`${compiled.bench}servers/aedes.js`, []),
    command: node([`${compiled.bench}servers/aedes.js`]),
    unitTest: 'aedes',
    module: import.meta.resolve('aedes'),
  })
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/usr/local/sbin', '/opt/homebrew/sbin']
  const file = folders.map((folder) => `${folder}/mosquitto`).find((path) => existsSync(path))
  if (file !== undefined)
    targets.push({
      name: 'mosquitto',
      start: () => startMosquitto(file),
      command: (port) => mosquittoCommand(file, port),
      unitTest: undefined,
      module: undefined,
    })
  for (const [name, module] of also) targets.push(mqttest(name, module, undefined))
  return targets
}
