/** Where one server listens, and when: its listeners, the certificates that they share, and the while that it is offline. */
import type { Timer } from '../clock.ts'
import type { Authority } from '../net/certificates.ts'
import type { ListenerOwner } from '../net/layers.ts'
import type { ListenOptions } from '../net/listen-options.ts'
import { type Listener, listen } from '../net/listener.ts'
import type { OfflineOptions } from '../server.ts'

/** What the listeners need of a server. */
export interface ListenersOwner extends Omit<ListenerOwner, 'authority'> {
  /** Arms the timer that ends an offline while. */
  arm(delayMs: number, action: () => void): Timer | undefined
  /** It could not come back when its time was over. */
  stayedOffline(error: unknown): void
}

/** The listeners of one server. */
export class Listeners {
  readonly #owner: ListenersOwner
  readonly #all: Listener[] = []
  #mode: OfflineOptions['mode'] | undefined
  #timer: Timer | undefined
  #authority: Promise<Authority> | undefined
  #ca: string | undefined

  constructor(owner: ListenersOwner) {
    this.#owner = owner
  }

  /** In the order of the option `listen`. */
  get all(): readonly Listener[] {
    return this.#all
  }

  /** The certificate of the authority, as PEM; undefined until somebody needed one. */
  get ca(): string | undefined {
    return this.#ca
  }

  /** What a client meets that comes now; undefined while the server is online. */
  get offline(): OfflineOptions['mode'] | undefined {
    return this.#mode
  }

  /** The throw-away authority, made when the first needs it. */
  authority(): Promise<Authority> {
    this.#authority ??= import('../net/certificates.ts').then(async ({ createAuthority }) => {
      const authority = await createAuthority()
      this.#ca = authority.ca
      return authority
    })
    return this.#authority
  }

  /** Listens at some places, one after the other. */
  async open(places: readonly ListenOptions[]): Promise<void> {
    const { accept, failed } = this.#owner
    for (const place of places) this.#all.push(await listen(place, { accept, failed, authority: () => this.authority() }))
  }

  /** Stops listening; connections live on. Resolves when the places are free. */
  async close(): Promise<void> {
    await Promise.all(this.#all.map((listener) => listener.close()))
  }

  /** Goes offline, until `comeBack`; where nobody shall listen meanwhile, `close` sees to that. */
  leave(mode: 'refused' | 'reset' | 'unanswered'): void {
    this.stay()
    this.#mode = mode
  }

  /** Comes back by itself after so long. */
  comeBackIn(delayMs: number): void {
    this.#timer = this.#owner.arm(delayMs, () => {
      this.comeBack().catch((error: unknown) => this.#owner.stayedOffline(error))
    })
  }

  /** Does not come back by itself any more. */
  stay(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /** Listens again, at the same places. Throws MQTTEST_LISTEN where somebody else has taken one meanwhile. */
  async comeBack(): Promise<void> {
    this.#mode = undefined
    this.stay()
    await Promise.all(this.#all.map((listener) => listener.reopen()))
  }
}
