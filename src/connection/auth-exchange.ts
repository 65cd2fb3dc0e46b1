/** AUTH packets to and fro: enhanced authentication, as far as one connection goes (MQTT 5, section 4.12). */
import type { AuthPacket } from '../wire/packet.ts'
import { causes } from './cause.ts'
import type { Connection } from './connection.ts'

/** What the server asks next: fields of an AUTH packet, or the authentication data alone. */
export type Challenge = Omit<AuthPacket, 'cmd'> | Buffer | string

/** The exchange of one connection; one challenge at a time is open. */
export class AuthExchange {
  readonly #connection: Connection
  #answer: ((packet: AuthPacket | undefined) => void) | undefined

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** The authentication method that CONNECT named. */
  get method(): string | undefined {
    return this.#connection.connect?.properties?.authenticationMethod
  }

  /** Whether an answer of the client is awaited. */
  get open(): boolean {
    return this.#answer !== undefined
  }

  /** Sends AUTH; resolves with the client's answer, or with undefined where the connection ends instead. */
  ask(challenge: Challenge): Promise<AuthPacket | undefined> {
    const connection = this.#connection
    const packet = typeof challenge === 'string' || Buffer.isBuffer(challenge) ? { properties: { authenticationData: Buffer.from(challenge) } } : challenge
    const properties = { ...(this.method !== undefined && { authenticationMethod: this.method }), ...packet.properties }
    connection.sendPacket({ cmd: 'auth', reasonCode: 0x18, ...packet, properties }, causes.exchange)
    connection.outbox.flush()
    return new Promise((resolve) => {
      if (connection.closed) resolve(undefined)
      else this.#answer = resolve
    })
  }

  /** The client's AUTH, while one is awaited. */
  answered(packet: AuthPacket, raw: Buffer): void {
    const method = packet.properties?.authenticationMethod
    if (method !== this.method)
      this.#connection.violate(method === undefined ? 'auth-method-missing' : 'auth-method-mismatch', { packet, raw, offset: 0 }) // [MQTT-4.12.0-5]
    else if (packet.reasonCode !== 0x18) this.#connection.violate('auth-unexpected', { packet, raw, offset: 2 })
    else this.end(packet)
  }

  /** Gives whoever asked the answer, or undefined: there will be none. */
  end(packet: AuthPacket | undefined): void {
    const answer = this.#answer
    this.#answer = undefined
    answer?.(packet)
  }
}
