/** Types of what a test asks of a connection: checked by tsc; nothing here runs. */
import type { Connection, Packet } from 'mqttest'

declare const connection: Connection

// A type of packet that is named is that of the packets.
export const topics: string[] = connection.packets({ cmd: 'publish' }).map(({ topic, payload }) => `${topic} ${payload.length}`)
export const ids: number[] = connection.packets({ dir: 'in', cmd: 'puback' }).map(({ messageId }) => messageId)

// Without one they are any.
export const all: Packet[] = connection.packets()
export const sent: Packet[] = connection.packets({ dir: 'out' })
// @ts-expect-error not every packet has a topic
export const mistaken: string[] = connection.packets({ dir: 'out' }).map(({ topic }) => topic)
// @ts-expect-error SUBSCRIBE has no topic of its own
export const other: string[] = connection.packets({ cmd: 'subscribe' }).map(({ topic }) => topic)
