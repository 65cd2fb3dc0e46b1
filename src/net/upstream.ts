/** A connection to another server, as a client of it: TCP or TLS. What is loaded for TLS is loaded when it is needed. */
import { connect, type Socket } from 'node:net'
import { MqttestError } from '../errors.ts'
import { FrameReader } from '../wire/frame.ts'

/** Told what another server says. */
export interface UpstreamListener {
  /** One packet came, in its bytes. */
  packet(bytes: Buffer): void
  /** The connection is over, or never was; `reason` says why, where it is no ordinary end. Called once. */
  closed(how: 'fin' | 'rst', reason: string | undefined): void
}

/** How to connect to another server. */
export interface UpstreamOptions {
  /** The certificates of the authorities that are trusted, as PEM; those of Node unless given. */
  readonly ca?: string | undefined
  /** false: the certificate is not looked at. */
  readonly verify?: boolean | undefined
}

/** A connection to another server. */
export interface Upstream {
  /** Sends bytes; before the connection stands they wait. */
  write(bytes: Buffer): void
  /** Sends what was written, then FIN. */
  end(): void
  /** Ends with a reset, and tells nobody. */
  reset(): void
  /** Ends at once, and tells nobody. */
  destroy(): void
}

const ports: { readonly [protocol: string]: number } = { 'mqtt:': 1883, 'tcp:': 1883, 'mqtts:': 8883, 'tls:': 8883, 'ssl:': 8883 }

/** The place that an address names. Throws MQTTEST_OPTION where it is none. */
function placeOf(url: string): { host: string; port: number; secure: boolean } {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  const usual = parsed === undefined ? undefined : ports[parsed.protocol]
  if (parsed === undefined || usual === undefined || parsed.hostname === '')
    throw new MqttestError('MQTTEST_OPTION', `expected the address of a server, 'mqtt://host:port' or 'mqtts://host:port', got ${JSON.stringify(url)}`)
  return { host: parsed.hostname.replace(/^\[|\]$/g, ''), port: parsed.port === '' ? usual : Number(parsed.port), secure: usual === 8883 }
}

/** Connects to another server. Throws MQTTEST_OPTION where the address is none. */
export function dial(url: string, listener: UpstreamListener, options: UpstreamOptions): Upstream {
  const { host, port, secure } = placeOf(url)
  const reader = new FrameReader()
  let over = false
  let socket: Socket | undefined
  let waiting: Buffer[] = []
  let ending = false

  const close = (how: 'fin' | 'rst', reason?: string) => {
    if (over) return
    over = true
    listener.closed(how, reason)
  }
  const use = (made: Socket) => {
    if (over) {
      made.destroy()
      return
    }
    socket = made
    made.setNoDelay(true)
    made.on('data', (chunk: Buffer) => {
      if (over) return
      const malformed = reader.push(chunk, ({ bytes }) => {
        listener.packet(bytes)
        return !over
      })
      if (malformed === undefined) return
      close('fin', `${url} said what is no packet: ${malformed.detail || malformed.rule}`)
      made.destroy()
    })
    made.on('end', () => close('fin'))
    made.on('error', (error) => close('rst', `${url}: ${error.message}`))
    made.on('close', () => close('fin'))
    for (const bytes of waiting) made.write(bytes)
    waiting = []
    if (ending) made.end()
  }
  if (secure)
    import('node:tls').then(
      ({ connect: connectSecure }) => {
        const { ca, verify = true } = options
        const name = /^[\d.]+$|:/.test(host) ? {} : { servername: host }
        use(connectSecure({ host, port, ...name, ...(ca !== undefined && { ca }), rejectUnauthorized: verify }))
      },
      (error: unknown) => close('rst', String(error)),
    )
  else use(connect({ host, port }))

  return {
    write(bytes) {
      if (over) return
      if (socket === undefined) waiting.push(bytes)
      else if (socket.writable) socket.write(bytes)
    },
    end() {
      ending = true
      socket?.end()
    },
    reset() {
      over = true
      if (secure) socket?.destroy()
      else socket?.resetAndDestroy()
    },
    destroy() {
      over = true
      socket?.destroy()
    },
  }
}
