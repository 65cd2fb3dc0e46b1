/** The fields of packets by name: so that a misspelt one is found where it is written. */
import { MqttestError, nameHint } from '../errors.ts'
import type { Command, PacketOf } from './packet.ts'
import { propertyRows } from './properties.ts'

type Fields = { readonly [C in Command]: { readonly [Name in Exclude<keyof PacketOf<C>, 'cmd'>]-?: true } }

const acknowledgement = { messageId: true, reasonCode: true, properties: true, form: true } as const

const fields: Fields = {
  connect: {
    protocolId: true,
    protocolVersion: true,
    clean: true,
    clientId: true,
    keepalive: true,
    username: true,
    password: true,
    will: true,
    properties: true,
    bridgeMode: true,
  },
  connack: { sessionPresent: true, reasonCode: true, returnCode: true, properties: true },
  publish: { topic: true, payload: true, qos: true, dup: true, retain: true, messageId: true, properties: true },
  puback: acknowledgement,
  pubrec: acknowledgement,
  pubrel: acknowledgement,
  pubcomp: acknowledgement,
  subscribe: { messageId: true, subscriptions: true, properties: true },
  suback: { messageId: true, granted: true, properties: true },
  unsubscribe: { messageId: true, unsubscriptions: true, properties: true },
  unsuback: { messageId: true, granted: true, properties: true },
  pingreq: {},
  pingresp: {},
  disconnect: { reasonCode: true, properties: true },
  auth: { reasonCode: true, properties: true },
}

/**
 * Checks the names of some fields of a packet, and of the properties among them. Throws MQTTEST_STEP, with the nearest right
 * name, for one that none of the packet types has.
 */
export function checkFields(what: string, given: object, types: readonly Command[]): void {
  const known = ['cmd', ...new Set(types.flatMap((type) => Object.keys(fields[type])))]
  for (const [name, value] of Object.entries(given)) {
    if (!known.includes(name))
      throw new MqttestError('MQTTEST_STEP', `${what}: no field '${name}' in ${types.map((type) => type.toUpperCase()).join(', ')}.${nameHint(name, known)}`)
    if (name !== 'properties') continue
    const properties = propertyRows.map((row) => row.name)
    const wrong = typeof value === 'object' && value !== null ? Object.keys(value).find((property) => !properties.some((one) => one === property)) : undefined
    if (wrong !== undefined) throw new MqttestError('MQTTEST_STEP', `${what}: MQTT 5 has no property '${wrong}'.${nameHint(wrong, properties)}`)
  }
}
