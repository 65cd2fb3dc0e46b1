/** Types that authors of plugins rely on: checked by tsc; nothing here runs. */
import {
  type AuthorizeRequest,
  type Command,
  type Connection,
  definePlugin,
  type Filter,
  option,
  type Packet,
  type PacketInput,
  type PluginEntry,
  type Server,
  type StartOptions,
  type Step,
  type StepInput,
  type SubscriptionRequest,
} from 'mqttest'
import type { RawClient } from 'mqttest/testing'

// A list takes what definePlugin takes: a plain object needs no import.
const plain = { meta: { name: 'plain' }, setup() {} }
const withTeardown = { meta: { name: 'with-teardown' }, setup: () => () => undefined }
const withOptions = { meta: { name: 'with-options' }, options: { by: option.duration('how late', 0) }, setup() {} }

export const entries: PluginEntry[] = [
  plain,
  withTeardown,
  withOptions,
  [withOptions, { by: '1s' }],
  [withOptions, { by: 1 }, { times: 2 }],
  [plain, [plain, null]],
]
export const options: StartOptions = {
  plugins: [
    {
      meta: { name: 'inline', api: 1 },
      setup({ hooks, on }) {
        on(hooks.send, { cmd: 'pingresp' }, () => [])
      },
    },
  ],
}

export const noPlugins: PluginEntry[] = [
  // @ts-expect-error no setup
  { meta: { name: 'nothing' } },
  // @ts-expect-error no name
  { meta: {}, setup() {} },
]

export const narrow = definePlugin({
  meta: { name: 'narrow' },
  setup({ hooks, on }) {
    // The packet is the one that the filter names.
    on(hooks.packetIn, { cmd: 'publish' }, (packet, connection) => {
      const topic: string = packet.topic
      connection.signal(topic)
    })
    on(hooks.packetIn, { cmd: ['subscribe', 'unsubscribe'], nth: 2 }, (packet) => {
      const id: number = packet.messageId
      if (packet.cmd === 'subscribe') return [{ packet: { cmd: 'suback', messageId: id, granted: packet.subscriptions.map(() => 0x80) } }]
      return undefined
    })
    // @ts-expect-error a PUBACK has no topic
    on(hooks.packetIn, { cmd: 'puback' }, (packet) => void packet.topic)
    // @ts-expect-error any packet has no topic
    on(hooks.packetIn, { nth: 1 }, (packet) => void packet.topic)

    // So is the request.
    on(hooks.authorize, { kind: 'connect' }, (decision, request) => (request.packet.clientId === 'me' ? { ...decision, reasonCode: 0x87 } : undefined))
    on(hooks.authorize, { kind: 'takeover' }, (_decision, { existing }) => ({ reasonCode: existing.number === 0 ? 0x87 : 0 }))
    on(hooks.authorize, { kind: ['publish', 'subscribe'], topic: 'a/#' }, (decision, request) => {
      const topic: string = request.topic
      return topic === '' ? { ...decision, maximumQos: 1 } : undefined
    })
    on(hooks.authorize, { cmd: 'subscribe' }, (_decision, request) => void request.subscription.qos)
    on(hooks.authorize, {}, (_decision, request) => void request.packet.cmd)
    // @ts-expect-error a request to connect has no subscription
    on(hooks.authorize, { kind: 'connect' }, (_decision, request) => void request.subscription)

    // What is known only at run time narrows nothing; a tap may always be more general.
    const command: Command = 'publish'
    const filter: Filter = { cmd: command }
    on(hooks.packetIn, filter, (packet) => void packet.cmd)
    on(hooks.packetIn, { cmd: 'publish' }, (packet: Packet) => void packet.cmd)
    on(hooks.authorize, { kind: 'publish' }, (_decision, request: AuthorizeRequest) => void request.kind)
    on(hooks.packetIn, { cmd: 'publish' }, async (packet) => [{ wait: packet.payload.length }])

    // Other hooks give what they give.
    on(hooks.send, { cmd: 'puback', kind: 'reply' }, (steps, cause) => (cause.packet?.cmd === 'publish' ? [...steps, ...steps] : undefined))
    on(hooks.timer, { kind: 'keepalive' }, (delayMs) => (delayMs ?? 0) * 2)
    on(hooks.wire, { direction: 'out' }, (steps) => [{ latency: 50 }, ...steps])
    on(hooks.record, { kind: 'packet' }, (record) => void record.serial)

    // @ts-expect-error no key of a filter
    on(hooks.send, { cmd: 'puback', nht: 2 }, () => [])
    // @ts-expect-error no packet type
    on(hooks.send, { cmd: 'pubakc' }, () => [])
    // @ts-expect-error no step
    on(hooks.send, { cmd: 'puback' }, () => [{ wiat: 1 }])
    // @ts-expect-error no decision
    on(hooks.authorize, { kind: 'connect' }, () => ({ code: 1 }))
  },
})

// What an author sends may be frozen, `as const`, or shared by several packets.
const subscriptions = [{ topic: 'a', qos: 1 }] as const satisfies readonly SubscriptionRequest[]
const granted: readonly number[] = Object.freeze([0x00, 0x80])
const properties = { userProperties: { a: ['1', '2'] }, subscriptionIdentifier: [1, 2], reasonString: 'why' } as const
export const frozen: readonly PacketInput[] = [
  { cmd: 'subscribe', messageId: 1, subscriptions },
  { cmd: 'suback', messageId: 1, granted, properties },
  { cmd: 'unsubscribe', messageId: 1, unsubscriptions: ['a'] as const },
  { cmd: 'unsuback', messageId: 1, granted },
  { cmd: 'publish', topic: 'a', properties },
  { cmd: 'connack', reasonCode: 0x87, properties },
  { cmd: 'disconnect', properties },
]
export const steps = [{ packet: { cmd: 'suback', messageId: 1, granted: [0] } }, { wait: 10 }] as const satisfies readonly StepInput[]
export const asSeen = (packet: Packet, more: readonly Step[]): readonly StepInput[] => [{ packet }, ...steps, ...more]
export const everything = (server: Server, connection: Connection, client: RawClient) => {
  for (const packet of frozen) {
    connection.send(packet)
    client.send(packet)
  }
  server.publish({ topic: 'a', properties })
  client.sendConnect({ will: { topic: 'a', payload: Buffer.from(''), qos: 0, retain: false, properties } as const })
}
