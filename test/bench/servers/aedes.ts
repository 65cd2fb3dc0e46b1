/**
 * aedes in a process of its own, on a TCP server as its documentation shows it, and with TCP_NODELAY, without which two
 * writes in a row wait 40 ms for each other.
 */
import { createServer } from 'node:net'
import { Aedes } from 'aedes'
import { serve } from './serve.ts'

const broker = await Aedes.createBroker()
const server = createServer({ noDelay: true }, broker.handle)
// A port may be asked for, to be there before the server is: the line that measures the time to CONNACK does.
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => {
  const address = server.address()
  serve(typeof address === 'object' && address !== null ? address.port : 0)
})
