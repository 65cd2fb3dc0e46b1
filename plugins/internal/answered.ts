/** Which packets of a client a plugin is about that changes their acknowledgements: chosen when they come, asked for in every hook. */
import { type Filter, type Packet, type PluginApi, selected } from '../../src/index.ts'

/** The acknowledgements that answer one packet. */
export type Acknowledgement = 'puback' | 'pubrec' | 'pubrel' | 'pubcomp' | 'suback' | 'unsuback'

type Selection = Parameters<typeof selected>[0]

/**
 * Chooses, as a selection says, among the packets that some acknowledgements answer: by the topic and the QoS of the message,
 * by the filters of a SUBSCRIBE. Messages, acknowledgements, and requests for subscriptions are counted apart.
 */
export function choose({ hooks, on }: Pick<PluginApi, 'hooks' | 'on'>, packets: readonly Acknowledgement[], which: Selection) {
  const chosen = new WeakSet<Packet>()
  const among = (filter: Filter) => on(hooks.packetIn, { ...filter, stage: -100 }, (packet: Packet) => void chosen.add(packet))
  const has = (packet: Acknowledgement) => packets.includes(packet)

  const levels = [...(has('puback') ? [1] : []), ...(has('pubrec') ? [2] : [])].filter((qos) => which.qos === undefined || which.qos.includes(qos))
  if (levels.length > 0) among(selected({ ...which, qos: levels }, { cmd: 'publish' }))
  if (has('pubrel') || has('pubcomp'))
    among(selected(which, { cmd: has('pubrel') && has('pubcomp') ? ['pubrec', 'pubrel'] : has('pubrel') ? 'pubrec' : 'pubrel' }))
  if (has('suback') || has('unsuback'))
    among(selected(which, { cmd: has('suback') && has('unsuback') ? ['subscribe', 'unsubscribe'] : has('suback') ? 'subscribe' : 'unsubscribe' }))

  return (packet: Packet | undefined): packet is Packet => packet !== undefined && chosen.has(packet)
}

/** The topic of a selection as a part of a filter: what is chosen can have no other, so nobody is asked about the rest. */
export function topicOf({ topic }: Selection): Pick<Filter, 'topic'> {
  return topic === undefined ? {} : { topic }
}
