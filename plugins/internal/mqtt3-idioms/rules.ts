/** The idioms: how bad each is, what MQTT 5 has in its place, and whether it is looked for unless somebody asks. */
import type { Level } from '../../../src/index.ts'

/** One idiom. */
export interface Idiom {
  readonly level: Level
  /** What comes behind "MQTT 5 has ...". */
  readonly instead: string
  /** The section of MQTT 5 that describes it. */
  readonly section: string
  readonly statements?: readonly string[]
  /** Once per client id instead of once per connection: it takes several connections to show. */
  readonly perClient?: true
  /** Only looked for when it is named: it is in every packet, or needs a look into payloads. */
  readonly onRequest?: true
}

/** Every idiom that is looked for. */
export const idioms = {
  'legacy-protocol-level': { level: 'info', instead: 'what most of the other advice builds on', section: '3.1.2.2', onRequest: true },
  'connect-mqtt31': { level: 'warning', instead: 'reasons for refusals, and Session Present; even MQTT 3.1.1 has the latter', section: '3.1.2.2' },
  'connect-client-id-empty': { level: 'info', instead: 'an assigned client id in CONNACK, under which a session can go on', section: '3.2.2.3.7' },
  'clean-session-purge': {
    level: 'info',
    instead: 'Clean Start together with a session expiry interval: one CONNECT does both',
    section: '3.1.2.4',
    perClient: true,
  },
  'session-forever': { level: 'info', instead: 'a session expiry interval, which says for how long', section: '3.1.2.11.2' },
  'session-expiry-missing': {
    level: 'warning',
    instead: 'no session beyond the connection without a session expiry interval above 0',
    section: '3.1.2.11.2',
    statements: ['MQTT-3.1.2-23', 'MQTT-4.1.0-2'],
  },
  'session-expiry-infinite': { level: 'info', instead: 'intervals that end, and DISCONNECT can still change them', section: '3.1.2.11.2' },
  'status-topic-with-will': { level: 'info', instead: 'a will delay, with which short interruptions stay unannounced', section: '3.1.3.2.2' },
  'offline-message-before-disconnect': { level: 'info', instead: 'DISCONNECT with reason code 0x04, which publishes the will', section: '3.14.2.1' },
  'retained-cleanup': { level: 'info', instead: 'a message expiry interval, which also ends retained messages', section: '3.3.2.3.3' },
  'resend-while-connected': {
    level: 'warning',
    instead: 'no repeats within a connection; they belong to a resumed session',
    section: '4.4',
    statements: ['MQTT-4.4.0-1'],
  },
  'text-payload-undeclared': { level: 'info', instead: 'a payload format indicator and a content type', section: '3.3.2.3.2', onRequest: true },
  'own-messages-echoed': { level: 'info', instead: 'the subscription option No Local', section: '3.8.3.1' },
  'bridge-level-bit': { level: 'info', instead: 'No Local and Retain As Published for what a bridge needs', section: '3.8.3.1' },
  'resubscribe-existing': {
    level: 'info',
    instead: 'Retain Handling 1 for those who cannot rely on Session Present',
    section: '3.8.3.1',
    perClient: true,
  },
  'subscribe-to-poll-retained': { level: 'info', instead: 'Retain Handling, so that a subscription can stay', section: '3.8.3.1' },
  'share-extension': { level: 'info', instead: 'shared subscriptions as a part of the standard', section: '4.8.2' },
  'topic-alias-unused': { level: 'info', instead: 'topic aliases, and this server takes them', section: '3.3.2.3.4' },
  'overlapping-filters-without-identifier': {
    level: 'info',
    instead: 'subscription identifiers, which tell by which filter a message came',
    section: '3.8.2.1.2',
  },
} as const satisfies Readonly<Record<string, Idiom>>

/** The name of an idiom. */
export type IdiomName = keyof typeof idioms

/** The names of all idioms. */
export const idiomNames: readonly IdiomName[] = Object.keys(idioms).filter((name): name is IdiomName => Object.hasOwn(idioms, name))

/** An idiom by its name. */
export function idiomOf(name: IdiomName): Idiom {
  return idioms[name]
}
