/** Servers that end with their test, and leave nothing behind. */
import { type Server, type StartOptions, start, type VirtualClock, virtualClock } from 'mqttest'
import { expect, onTestFinished } from 'vitest'

/** A server on virtual time, and its clock. */
export interface VirtualServer {
  readonly server: Server
  readonly clock: VirtualClock
}

/** Stops a server when its test ends, unless the test did so itself; a run that failed then fails the test. */
export function stopWithTest(server: Server): Server {
  let over = false
  const ended = () => {
    over = true
  }
  server.finished.then(ended, ended)
  onTestFinished(async () => {
    if (!over) await server.stop()
  })
  return server
}

/** A server that listens nowhere, for in-memory pairs, on virtual time. No timer may outlive it. */
export async function virtualServer(options: StartOptions = {}): Promise<VirtualServer> {
  const clock = virtualClock()
  const server = await start({ listen: false, clock, seed: 'test', ...options })
  onTestFinished(() => {
    expect(clock.pending, 'timers that outlive the server').toBe(0)
  })
  return { server: stopWithTest(server), clock }
}

/** The same where only the server is needed. */
export async function memoryServer(options: StartOptions = {}): Promise<Server> {
  return (await virtualServer(options)).server
}

/** A server on a free port, on real time. */
export async function tcpServer(options: StartOptions = {}): Promise<Server> {
  return stopWithTest(await start({ seed: 'test', ...options }))
}
