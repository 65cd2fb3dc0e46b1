/**
 * The load generator: a process of its own, raw sockets, packets encoded before the clock runs and sent in large writes.
 * It must never be the limit, so it does nothing with an answer but count it and, where the protocol asks, acknowledge it.
 *
 * Started with a job as JSON; prints its result as JSON. The job 'idle' waits for the end of its standard input.
 */
import { createConnection, type Socket } from 'node:net'
import { Acknowledgements, connect, disconnect, follow, publish, type Sink, subscribe, types } from './packets.ts'

/** What the generator is asked to do. `ms` is how long it measures; it warms up for half of that before. */
export type Job = { readonly port: number } & (
  | { readonly kind: 'connects'; readonly abreast: number; readonly ms: number }
  | { readonly kind: 'throughput'; readonly qos: 0 | 1 | 2; readonly bytes: number; readonly subscribers: number; readonly ms: number }
  | { readonly kind: 'latency'; readonly count: number }
  | { readonly kind: 'subscriptions'; readonly count: number; readonly ms: number }
  | { readonly kind: 'retained'; readonly count: number; readonly ms: number }
  | { readonly kind: 'idle'; readonly connections: number }
)

/** Connections or deliveries per second, microseconds, or the number of idle connections. */
export interface LoadResult {
  readonly value: number
}

const host = '127.0.0.1'

interface Client {
  readonly socket: Socket
  /** Replaces what is told of the packets that come. */
  onPacket: Sink
  /** Called after each chunk. */
  onChunk: () => void
}

/** Opens a connection; resolves at CONNACK. */
function open(port: number, clientId: string): Promise<Client> {
  return new Promise((resolve, reject) => {
    // One buffer for all that is read: nothing of it is kept, and there is no garbage.
    const onread = {
      buffer: Buffer.allocUnsafeSlow(64 * 1024),
      callback(length: number, buffer: Uint8Array) {
        parse(Buffer.from(buffer.buffer, buffer.byteOffset, length))
        client.onChunk()
        return true
      },
    }
    const socket = createConnection({ host, port, noDelay: true, onread })
    const client: Client = {
      socket,
      onPacket: (type) => {
        if (type === types.connack) resolve(client)
      },
      onChunk: () => undefined,
    }
    const parse = follow((type, id) => client.onPacket(type, id))
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('the server closed the connection')))
    socket.write(connect(clientId))
  })
}

function subscribed(client: Client, topic: string | readonly string[], qos: number): Promise<void> {
  return new Promise((resolve) => {
    client.onPacket = (type) => {
      if (type === types.suback) resolve()
    }
    client.socket.write(subscribe(topic, qos))
  })
}

const now = () => Number(process.hrtime.bigint() / 1000n) / 1000

async function connects(job: Job & { kind: 'connects' }): Promise<number> {
  let count = 0
  let over = false
  const one = async (lane: number) => {
    for (let round = 0; !over; round++) {
      const client = await open(job.port, `c${lane}-${round}`)
      count++
      client.socket.end(disconnect)
    }
  }
  const lanes = Array.from({ length: job.abreast }, (_, lane) => one(lane))
  await pause(job.ms / 2)
  const [before, from] = [count, now()]
  await pause(job.ms)
  const rate = ((count - before) * 1000) / (now() - from)
  over = true
  await Promise.all(lanes)
  return rate
}

async function throughput(job: Job & { kind: 'throughput' }): Promise<number> {
  const { port, qos, bytes, subscribers, ms } = job
  const topic = 'bench/topic'
  let delivered = 0
  let acked = 0
  const publisher = await open(port, 'publisher')
  for (let index = 0; index < subscribers; index++) {
    const subscriber = await open(port, `subscriber-${index}`)
    await subscribed(subscriber, topic, qos)
    const replies = new Acknowledgements()
    subscriber.onPacket = (type, id) => {
      if (type === types.publish) {
        delivered++
        if (qos === 1) replies.add(0x40, id)
        else if (qos === 2) replies.add(0x50, id)
      } else if (type === types.pubrel) replies.add(0x70, id)
    }
    subscriber.onChunk = () => {
      const reply = replies.take()
      if (reply !== undefined) subscriber.socket.write(reply)
      go()
    }
  }
  // What may be under way: enough that the server always has work, little enough that nobody has to drop anything.
  // aedes takes no more than 1,000 messages of QoS 2 that are not released yet.
  const batch = Math.max(4, Math.min(256, Math.floor((128 * 1024) / bytes), subscribers > 1 ? 32 : qos === 2 ? 96 : 256))
  const batches = 8
  const payload = Buffer.alloc(bytes, 'x')
  // Ids are used again when twice the window has passed: the older use is over by then.
  const writes = Array.from({ length: batches * 2 }, (_, write) =>
    Buffer.concat(Array.from({ length: batch }, (_, index) => publish(topic, payload, qos, write * batch + index + 1))),
  )
  let written = 0
  function go(): void {
    const done = qos === 0 ? delivered / subscribers : Math.min(delivered / subscribers, acked)
    while ((written + 1) * batch - done <= batches * batch) {
      publisher.socket.write(writes[written % writes.length] ?? Buffer.alloc(0))
      written++
    }
  }
  const replies = new Acknowledgements()
  publisher.onPacket = (type, id) => {
    if (type === types.puback || type === types.pubcomp) acked++
    else if (type === types.pubrec) replies.add(0x62, id)
  }
  publisher.onChunk = () => {
    const reply = replies.take()
    if (reply !== undefined) publisher.socket.write(reply)
    go()
  }
  go()
  await pause(ms / 2)
  const [before, from] = [delivered, now()]
  await pause(ms)
  const rate = ((delivered - before) * 1000) / (now() - from)
  if (delivered === before) throw new Error(`nothing was delivered: ${written * batch} sent, ${acked} acknowledged, ${delivered} delivered`)
  return rate
}

async function latency(job: Job & { kind: 'latency' }): Promise<number> {
  const client = await open(job.port, 'client')
  await subscribed(client, 'bench/topic', 1)
  const payload = Buffer.alloc(64, 'x')
  const times: number[] = []
  for (let index = 0; index < job.count * 1.5; index++) {
    const bytes = publish('bench/topic', payload, 1, (index % 60_000) + 1)
    const from = now()
    await new Promise<void>((resolve) => {
      client.onPacket = (type, id) => {
        if (type !== types.publish) return
        client.socket.write(Buffer.from([0x40, 2, id >> 8, id & 255]))
        resolve()
      }
      client.socket.write(bytes)
    })
    times.push((now() - from) * 1000)
  }
  const sorted = times.slice(Math.floor(job.count / 2)).sort((one, two) => one - two)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}

/** Sessions that share the subscriptions. */
const sessions = 1000
/** Subscriptions that match a message, and retained messages that match a filter. */
const matches = 5

/** Fails where something takes so long that there is no use in waiting. */
async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took more than ${ms / 1000} s`)), ms)
  })
  return Promise.race([work, over]).finally(() => clearTimeout(timer))
}

/** Messages per second that match five of many wildcard subscriptions, each in another session. */
async function subscriptions({ port, count, ms }: Job & { kind: 'subscriptions' }): Promise<number> {
  const clients: Client[] = []
  let delivered = 0
  await within(
    30_000,
    `${count} subscriptions`,
    (async () => {
      for (let made = 0; made < Math.min(sessions, count); made += 50)
        clients.push(...(await Promise.all(Array.from({ length: 50 }, (_, index) => open(port, `session-${made + index}`)))))
      const filters = clients.map((): string[] => [])
      // Five filters match each group's topics, in five sessions that stand side by side.
      for (let index = 0; index < count; index++)
        filters[index % clients.length]?.push(`site/${Math.floor(index / matches)}/+/${['#', 'state', '+', 'state/#', '+/#'][index % matches]}`)
      for (const [index, client] of clients.entries()) {
        for (let at = 0; at < (filters[index]?.length ?? 0); at += 50) await subscribed(client, filters[index]?.slice(at, at + 50) ?? [], 0)
        client.onPacket = (type) => {
          if (type === types.publish) delivered++
        }
        client.onChunk = () => go()
      }
    })(),
  )
  const publisher = await open(port, 'publisher')
  const groups = count / matches
  const payload = Buffer.alloc(64, 'x')
  const writes = Array.from({ length: 64 }, (_, write) =>
    Buffer.concat(Array.from({ length: 16 }, (_, index) => publish(`site/${((write * 16 + index) * 7919) % groups}/device/state`, payload, 0, 0))),
  )
  let written = 0
  function go(): void {
    while ((written + 1) * 16 - delivered / matches <= 256) publisher.socket.write(writes[written++ % writes.length] ?? Buffer.alloc(0))
  }
  go()
  await pause(ms / 2)
  const [before, from] = [delivered, now()]
  await pause(ms)
  if (delivered === before) throw new Error(`nothing was delivered: ${written * 16} sent`)
  return ((delivered - before) / matches) * (1000 / (now() - from))
}

/** Microseconds from SUBSCRIBE to the last of five retained messages that its filter matches, out of many. */
async function retained({ port, count, ms }: Job & { kind: 'retained' }): Promise<number> {
  const client = await open(port, 'client')
  const payload = Buffer.alloc(64, 'x')
  let acked = 0
  await within(
    30_000,
    `${count} retained messages`,
    new Promise<void>((resolve) => {
      let sent = 0
      const more = () => {
        for (; sent < count && sent - acked < 256; sent++)
          client.socket.write(publish(`site/${Math.floor(sent / matches)}/device-${sent % matches}/state`, payload, 1, (sent % 60_000) + 1, true))
        if (acked === count) resolve()
      }
      client.onPacket = (type) => {
        if (type === types.puback) acked++
      }
      client.onChunk = more
      more()
    }),
  )
  client.onChunk = () => undefined
  const times: number[] = []
  const from = now()
  for (let index = 0; now() - from < ms * 1.5 || index < 10; index++) {
    const begun = now()
    await new Promise<void>((resolve) => {
      let came = 0
      client.onPacket = (type) => {
        if (type === types.publish && ++came === matches) resolve()
      }
      client.socket.write(subscribe(`site/${(index * 7919) % (count / matches)}/+/state`, 0))
    })
    times.push((now() - begun) * 1000)
  }
  const sorted = times.slice(Math.floor(times.length / 3)).sort((one, two) => one - two)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}

async function idle(job: Job & { kind: 'idle' }): Promise<number> {
  for (let made = 0; made < job.connections; made += 50)
    await Promise.all(Array.from({ length: Math.min(50, job.connections - made) }, (_, index) => open(job.port, `idle-${made + index}`)))
  return job.connections
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

const job: Job = JSON.parse(process.argv[2] ?? '{}')

function work(): Promise<number> {
  switch (job.kind) {
    case 'connects':
      return connects(job)
    case 'throughput':
      return throughput(job)
    case 'latency':
      return latency(job)
    case 'subscriptions':
      return subscriptions(job)
    case 'retained':
      return retained(job)
    case 'idle':
      return idle(job)
  }
}

const value = await work()
process.stdout.write(`${JSON.stringify({ value } satisfies LoadResult)}\n`)
if (job.kind === 'idle') {
  process.stdin.resume()
  await new Promise((resolve) => process.stdin.once('end', resolve))
}
// What is under way is of no interest any more.
process.exit(0)
