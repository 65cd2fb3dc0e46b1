/** The property table of MQTT 5 (section 2.2.2.2): number, form on the wire, and the packets that may carry it. */
import { type Command, type Properties, packetTypes } from './packet.ts'

/** How a property's value stands on the wire. */
export type PropertyForm = 'byte' | 'flag' | 'uint16' | 'uint32' | 'varint' | 'string' | 'binary' | 'pair'

/** One row of the table. */
export interface PropertyRow {
  readonly id: number
  readonly name: keyof Properties
  readonly form: PropertyForm
  /** Bit n is set when packet type n may carry it; bit 0 stands for the will properties in CONNECT. */
  readonly carriers: number
  /** Whether 0 is forbidden. */
  readonly notZero: boolean
}

/** The bit of {@link PropertyRow.carriers} that stands for a will. */
const willCarrier = 0

const table: PropertyRow[] = []

function row(id: number, name: keyof Properties, form: PropertyForm, carriers: (Command | 'will')[], notZero = false) {
  const bits = carriers.reduce((mask, carrier) => mask | (1 << (carrier === 'will' ? willCarrier : packetTypes[carrier])), 0)
  table[id] = { id, name, form, carriers: bits, notZero }
}

const answers: Command[] = ['connack', 'puback', 'pubrec', 'pubrel', 'pubcomp', 'suback', 'unsuback', 'disconnect', 'auth']

row(0x01, 'payloadFormatIndicator', 'flag', ['publish', 'will'])
row(0x02, 'messageExpiryInterval', 'uint32', ['publish', 'will'])
row(0x03, 'contentType', 'string', ['publish', 'will'])
row(0x08, 'responseTopic', 'string', ['publish', 'will'])
row(0x09, 'correlationData', 'binary', ['publish', 'will'])
row(0x0b, 'subscriptionIdentifier', 'varint', ['publish', 'subscribe'], true)
row(0x11, 'sessionExpiryInterval', 'uint32', ['connect', 'connack', 'disconnect'])
row(0x12, 'assignedClientIdentifier', 'string', ['connack'])
row(0x13, 'serverKeepAlive', 'uint16', ['connack'])
row(0x15, 'authenticationMethod', 'string', ['connect', 'connack', 'auth'])
row(0x16, 'authenticationData', 'binary', ['connect', 'connack', 'auth'])
row(0x17, 'requestProblemInformation', 'flag', ['connect'])
row(0x18, 'willDelayInterval', 'uint32', ['will'])
row(0x19, 'requestResponseInformation', 'flag', ['connect'])
row(0x1a, 'responseInformation', 'string', ['connack'])
row(0x1c, 'serverReference', 'string', ['connack', 'disconnect'])
row(0x1f, 'reasonString', 'string', answers)
row(0x21, 'receiveMaximum', 'uint16', ['connect', 'connack'], true)
row(0x22, 'topicAliasMaximum', 'uint16', ['connect', 'connack'])
row(0x23, 'topicAlias', 'uint16', ['publish'], true)
row(0x24, 'maximumQoS', 'byte', ['connack'])
row(0x25, 'retainAvailable', 'flag', ['connack'])
row(0x26, 'userProperties', 'pair', ['connect', 'publish', 'will', 'subscribe', 'unsubscribe', ...answers])
row(0x27, 'maximumPacketSize', 'uint32', ['connect', 'connack'], true)
row(0x28, 'wildcardSubscriptionAvailable', 'flag', ['connack'])
row(0x29, 'subscriptionIdentifiersAvailable', 'flag', ['connack'])
row(0x2a, 'sharedSubscriptionAvailable', 'flag', ['connack'])

/** The row of a property, or undefined for a number that the standard does not know. */
export function propertyRow(id: number): PropertyRow | undefined {
  return table[id]
}

/** Every row, by number. */
export const propertyRows: readonly PropertyRow[] = table.filter((entry) => entry !== undefined)
