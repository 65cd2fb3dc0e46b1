/** The lines of the table: what is measured, and how. See README.md for what each one means. */
import { execFile, spawn } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { promisify } from 'node:util'
import type { Job, LoadResult } from './load.ts'
import { connect } from './packets.ts'
import { freePort, type Target } from './targets.ts'
import type { UnitTestResult } from './unit-test.ts'

/** How much work a measurement gets. */
export interface Effort {
  readonly ms: number
  readonly unitTests: number
  readonly roundTrips: number
  readonly connections: number
  readonly starts: number
}

export const fullEffort: Effort = { ms: 1000, unitTests: 300, roundTrips: 2000, connections: 2000, starts: 7 }
/** Short, but long enough that the code has been compiled: in the first tenths of a second that is what would be measured. */
export const quickEffort: Effort = { ms: 500, unitTests: 40, roundTrips: 200, connections: 300, starts: 2 }

/** What a measurement has at hand. */
export interface Bench {
  readonly folder: string
  readonly effort: Effort
}

/** One line of the table. */
export interface Line {
  readonly name: string
  readonly unit: string
  /** Whether more is better, as for rates, or less, as for times and memory. */
  readonly better: 'more' | 'less'
  /** The ratio to aedes that is wanted: at least, where more is better, else at most. */
  readonly wanted: number
  /** Resolves with undefined where a server has no such thing. */
  measure(target: Target, bench: Bench): Promise<number | undefined>
}

/**
 * What is wanted of every rate, recording included: it is what we promise, and a line that comes near it is looked into before
 * users notice. A machine that does something else meanwhile takes more from the faster of two servers, so a run with noise
 * in it may miss; that is shown in the table, and is no error.
 */
const wantedRate = 1.5

type JobWithoutPort = Job extends infer J ? (J extends Job ? Omit<J, 'port'> : never) : never

/** Starts a server, lets the load generator work on it, and stops it. */
async function underLoad(target: Target, bench: Bench, job: JobWithoutPort): Promise<number> {
  const server = await target.start()
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [`${bench.folder}load.js`, JSON.stringify({ ...job, port: server.port })], {
      timeout: 60_000,
    })
    const result: LoadResult = JSON.parse(stdout)
    return result.value
  } finally {
    await server.stop()
  }
}

function throughput(name: string, qos: 0 | 1 | 2, bytes: number, subscribers = 1): Line {
  return {
    name,
    unit: subscribers > 1 ? 'deliveries/s' : 'messages/s',
    better: 'more',
    wanted: wantedRate,
    measure: (target, bench) => underLoad(target, bench, { kind: 'throughput', qos, bytes, subscribers, ms: bench.effort.ms }),
  }
}

/** How the cost of finding something grows with what is not looked for. */
function curve(name: string, kind: 'subscriptions' | 'retained', count: number): Line {
  return {
    name,
    unit: kind === 'retained' ? 'µs' : 'messages/s',
    better: kind === 'retained' ? 'less' : 'more',
    wanted: kind === 'retained' ? 1 : wantedRate,
    measure: (target, bench) => underLoad(target, bench, { kind, count, ms: bench.effort.ms }),
  }
}

function connects(name: string, abreast: number): Line {
  return {
    name,
    unit: 'connects/s',
    better: 'more',
    wanted: wantedRate,
    measure: (target, bench) => underLoad(target, bench, { kind: 'connects', abreast, ms: bench.effort.ms }),
  }
}

function unitTest(name: string, wanted: number, pick: (result: UnitTestResult) => number, count: (effort: Effort) => number): Line {
  return {
    name,
    unit: 'ms',
    better: 'less',
    wanted,
    async measure(target, { folder, effort }) {
      if (target.unitTest === undefined) return undefined
      const { stdout } = await promisify(execFile)(process.execPath, [`${folder}unit-test.js`, target.unitTest, String(count(effort))])
      return pick(JSON.parse(stdout))
    },
  }
}

/** Opens idle connections and asks for the memory before and after. */
async function memoryPerConnection(target: Target, { folder, effort }: Bench): Promise<number> {
  const server = await target.start()
  try {
    const load = (connections: number) => spawn(process.execPath, [`${folder}load.js`, JSON.stringify({ kind: 'idle', connections, port: server.port })])
    const ready = (child: ReturnType<typeof load>) => new Promise((resolve) => child.stdout.once('data', resolve))
    // The first connections bring code and buffers that are no property of a connection.
    const warmUp = load(100)
    await ready(warmUp)
    const before = await server.memory(true)
    const child = load(effort.connections)
    await ready(child)
    const after = await server.memory(true)
    warmUp.stdin.end()
    child.stdin.end()
    return (after - before) / 1024 / effort.connections
  } finally {
    await server.stop()
  }
}

/** Milliseconds from starting a command to the CONNACK of the server that it is. */
async function spawnToConnack(target: Target): Promise<number | undefined> {
  if (target.command === undefined) return undefined
  const port = await freePort()
  const { file, args, over } = await target.command(port)
  const from = performance.now()
  // Not here, where the project's own config file would be found.
  const child = spawn(file, args, { stdio: 'ignore', cwd: tmpdir() })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  try {
    for (;;) {
      if (child.exitCode !== null) throw new Error(`${target.name} ended with ${child.exitCode}: ${[file, ...args].join(' ')}`)
      if (await greets(port)) return performance.now() - from
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  } finally {
    child.kill()
    await ended
    over()
  }
}

function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port })
    socket.once('connect', () => socket.write(connect('first')))
    socket.once('data', () => {
      resolve(true)
      socket.destroy()
    })
    socket.once('error', () => resolve(false))
  })
}

/** Milliseconds that a program takes longer because it imports a module. */
async function importCost(target: Target): Promise<number | undefined> {
  const { module } = target
  if (module === undefined) return undefined
  const file = `${tmpdir()}/mqttest-bench-import-${process.pid}.mjs`
  const time = async (text: string) => {
    writeFileSync(file, text)
    const from = performance.now()
    await promisify(execFile)(process.execPath, [file])
    return performance.now() - from
  }
  try {
    const empty = await time('')
    return (await time(`import ${JSON.stringify(module)}\n`)) - empty
  } finally {
    rmSync(file, { force: true })
  }
}

async function medianOf(times: number, measure: () => Promise<number | undefined>): Promise<number | undefined> {
  const values: number[] = []
  for (let index = 0; index < times; index++) {
    const value = await measure()
    if (value === undefined) return undefined
    values.push(value)
  }
  return values.sort((one, two) => one - two)[Math.floor(values.length / 2)]
}

/** Every line, in the order of the table. */
export const lines: readonly Line[] = [
  unitTest(
    'unit test',
    0.75,
    (result) => result.median,
    (effort) => effort.unitTests,
  ),
  unitTest(
    'unit test, first',
    1,
    (result) => result.first,
    () => 0.7,
  ),
  connects('connects, one by one', 1),
  connects('connects, 50 abreast', 50),
  throughput('QoS 0, 64 B', 0, 64),
  throughput('QoS 1, 64 B', 1, 64),
  throughput('QoS 2, 64 B', 2, 64),
  throughput('QoS 0, 10 KB', 0, 10_240),
  throughput('QoS 1, 10 KB', 1, 10_240),
  throughput('QoS 2, 10 KB', 2, 10_240),
  throughput('fan-out 1 to 50, QoS 0', 0, 64, 50),
  throughput('fan-out 1 to 50, QoS 1', 1, 64, 50),
  ...[100, 1000, 10_000, 100_000].map((count) => curve(`subscriptions, 5 of ${count}`, 'subscriptions', count)),
  ...[100, 1000, 10_000, 100_000].map((count) => curve(`subscriptions, retained 5 of ${count}`, 'retained', count)),
  {
    name: 'latency, QoS 1',
    unit: 'µs',
    better: 'less',
    wanted: 1,
    measure: (target, bench) => underLoad(target, bench, { kind: 'latency', count: bench.effort.roundTrips }),
  },
  {
    name: 'idle memory',
    unit: 'MiB',
    better: 'less',
    wanted: 1,
    async measure(target) {
      const server = await target.start()
      const bytes = await server.memory(false)
      await server.stop()
      return bytes / 1024 / 1024
    },
  },
  { name: 'memory per idle connection', unit: 'KiB', better: 'less', wanted: 1, measure: memoryPerConnection },
  { name: 'spawn to CONNACK', unit: 'ms', better: 'less', wanted: 1, measure: (target, { effort }) => medianOf(effort.starts, () => spawnToConnack(target)) },
  { name: 'import', unit: 'ms', better: 'less', wanted: 1, measure: (target, { effort }) => medianOf(effort.starts, () => importCost(target)) },
]
