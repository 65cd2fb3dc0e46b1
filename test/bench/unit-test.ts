/**
 * What one unit test costs: start a server in this process, connect, one QoS 1 publish with its acknowledgement, stop.
 * Arguments: 'aedes' or the module of mqttest, and how many tests. Prints the first and the median, in milliseconds.
 */
import { createConnection, createServer } from 'node:net'
import { connect, disconnect, follow, publish, types } from './packets.ts'

/** What is printed. */
export interface UnitTestResult {
  /** The first test of the process, with the import of the server: nothing is warm. */
  readonly first: number
  readonly median: number
}

/** A server that a test can talk to. */
interface Started {
  readonly port: number
  stop(): Promise<unknown>
}

async function startAedes(): Promise<Started> {
  const { Aedes } = await import('aedes')
  const broker = await Aedes.createBroker()
  const server = createServer({ noDelay: true }, broker.handle)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    stop: () => new Promise<void>((resolve) => broker.close(() => server.close(() => resolve()))),
  }
}

async function startMqttest(module: string): Promise<Started> {
  const { start }: typeof import('mqttest') = await import(module)
  return start()
}

const hello = connect('unit-test')
const message = publish('unit/test', Buffer.from('hello'), 1, 1)

async function test(start: () => Promise<Started>): Promise<void> {
  const server = await start()
  await new Promise<void>((resolve, reject) => {
    const socket = createConnection({ host: '127.0.0.1', port: server.port, noDelay: true })
    socket.on('error', reject)
    socket.on(
      'data',
      follow((type) => {
        if (type === types.connack) socket.write(message)
        else if (type === types.puback) {
          socket.end(disconnect)
          resolve()
        }
      }),
    )
    socket.write(hello)
  })
  await server.stop()
}

const [target = 'aedes', count = '100'] = process.argv.slice(2)
const start = target === 'aedes' ? startAedes : () => startMqttest(target)
const times: number[] = []
for (let index = 0; index < Number(count) * 1.5; index++) {
  const from = performance.now()
  await test(start)
  times.push(performance.now() - from)
}
const [first = 0] = times
// The first third warms up.
const sorted = times.slice(Math.floor(Number(count) / 2)).sort((one, two) => one - two)
process.stdout.write(`${JSON.stringify({ first, median: sorted[Math.floor(sorted.length / 2)] ?? 0 } satisfies UnitTestResult)}\n`)
process.exit(0)
