/** The last message of each topic that was published with retain [MQTT-3.3.1-5]. */
import type { Run } from '../run/run.ts'
import { hasWildcard } from '../wire/topic-syntax.ts'
import type { Message } from './message.ts'
import { TopicTree } from './topic-tree.ts'

/** Retained messages by topic. */
export class Retained {
  readonly #run: Run
  readonly #tree = new TopicTree<Message>()

  constructor(run: Run) {
    this.#run = run
  }

  get size(): number {
    return this.#tree.size
  }

  /** Keeps a message; one without payload deletes what is there [MQTT-3.3.1-6, -7]. */
  store(message: Message): void {
    if (message.payload.length === 0) this.#tree.delete(message.topic)
    else this.#tree.set(message.topic, message)
  }

  delete(topic: string): boolean {
    return this.#tree.delete(topic)
  }

  clear(): void {
    this.#tree.clear()
  }

  /** The messages that a filter matches and that have not expired. */
  matching(filter: string): Message[] {
    const found: Message[] = []
    if (hasWildcard(filter)) this.#tree.matchFilter(filter, (message) => found.push(message))
    else {
      const one = this.#tree.get(filter)
      if (one !== undefined) found.push(one)
    }
    return this.#unexpired(found)
  }

  /** All of them that have not expired. */
  all(): Message[] {
    return this.#unexpired(this.#tree.values())
  }

  #unexpired(messages: readonly Message[]): Message[] {
    const now = this.#run.clock.now()
    return messages.filter((message) => {
      if (message.expiresAtMs === undefined || message.expiresAtMs > now) return true
      this.#tree.delete(message.topic) // [MQTT-3.3.2-5]
      return false
    })
  }
}
