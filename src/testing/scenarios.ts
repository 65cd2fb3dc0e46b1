/**
 * Conversations between ordinary clients and a server: what plugins are tried on. Each is a list of steps, so that it can be
 * cut off at any place, mixed with another one, and played again under other names.
 *
 * Topics lie under a place that the caller names; client ids are letters and digits.
 */
import type { Duration } from '../duration.ts'
import type { ServerMessage } from '../server.ts'
import type { Bytes, PacketInput } from '../steps.ts'
import type { ProtocolVersion, QoS } from '../wire/packet.ts'
import type { ConnectInput } from './raw-client.ts'

/** A client opens a connection and sends CONNECT; its client id is its name unless the options say otherwise. */
export interface ConnectStep {
  readonly connect: string
  readonly version: ProtocolVersion
  readonly options: ConnectInput
  /** Acknowledges nothing on its own. */
  readonly silent: boolean
}

/** One thing that happens in a scenario. */
export type ScenarioStep =
  | ConnectStep
  | { readonly client: string; readonly send: readonly (PacketInput | Bytes)[] }
  | { readonly client: string; readonly close: 'fin' | 'rst' }
  | { readonly server: ServerMessage }
  | { readonly wait: Duration }

/** A conversation. */
export interface Scenario {
  readonly name: string
  /** What happens, with topics under a place such as 'home/main'. */
  steps(home: string): readonly ScenarioStep[]
}

const open = (name: string, version: ProtocolVersion, options: ConnectInput = {}): ConnectStep => ({ connect: name, version, options, silent: false })
const openSilent = (name: string, version: ProtocolVersion, options: ConnectInput = {}): ConnectStep => ({ connect: name, version, options, silent: true })
const says = (client: string, ...send: readonly (PacketInput | Bytes)[]): ScenarioStep => ({ client, send })
const closes = (client: string, close: 'fin' | 'rst'): ScenarioStep => ({ client, close })
const subscribe = (messageId: number, topic: string, qos: QoS = 0): PacketInput => ({ cmd: 'subscribe', messageId, subscriptions: [{ topic, qos }] })
const publish = (topic: string, payload: string, qos: QoS = 0, messageId?: number): PacketInput => ({
  cmd: 'publish',
  topic,
  payload,
  qos,
  ...(messageId !== undefined && { messageId }),
})
const goodbye: PacketInput = { cmd: 'disconnect' }
const ping: PacketInput = { cmd: 'pingreq' }

/** One connection that sends and gets every packet there is in ordinary traffic: what plugins are interrupted in. */
const everyPacket = (version: ProtocolVersion, name: string): Scenario => ({
  name,
  steps: (home) => [
    open('anna', version, { keepalive: 60, will: { topic: `${home}/will`, payload: Buffer.from('gone'), qos: 0, retain: false } }),
    says('anna', subscribe(1, `${home}/light/+`, 2)),
    says('anna', publish(`${home}/light/1`, 'on')),
    says('anna', publish(`${home}/light/1`, 'dim', 1, 2)),
    says('anna', publish(`${home}/light/2`, 'off', 2, 3)),
    says('anna', ping),
    { server: { topic: `${home}/light/3`, payload: 'from the server', qos: 1 } },
    { server: { topic: `${home}/light/3`, payload: 'exactly once', qos: 2 } },
    { wait: 300 },
    says('anna', publish(`${home}/light/1`, 'a', 1, 4), publish(`${home}/light/1`, 'b', 1, 5), ping),
    says('anna', { cmd: 'unsubscribe', messageId: 6, unsubscriptions: [`${home}/light/+`] }),
    says('anna', goodbye),
    closes('anna', 'fin'),
  ],
})

/** The conversations with one connection and every kind of packet, for MQTT 3.1.1 and 5.0. */
export const interruptible: readonly Scenario[] = [everyPacket(4, '3.1.1: one client, every packet'), everyPacket(5, '5.0: one client, every packet')]

/** All conversations. */
export const scenarios: readonly Scenario[] = [
  ...interruptible,
  {
    name: '3.1: connect, subscribe, publish',
    steps: (home) => [
      open('anna', 3, { keepalive: 30 }),
      says('anna', subscribe(1, `${home}/#`, 1)),
      says('anna', publish(`${home}/a`, 'one', 1, 2), ping),
      says('anna', goodbye),
    ],
  },
  {
    name: '3.1.1: connecting with and without user, will, client id, and as it must not be',
    steps: (home) => [
      open('anna', 4, { username: 'anna', password: Buffer.from('secret'), will: { topic: `${home}/will`, payload: Buffer.from('x'), qos: 2, retain: true } }),
      open('nameless', 4, { clientId: '' }),
      open('unclean', 4, { clientId: '', clean: false }),
      open('future', 4, { protocolVersion: 9 }),
      says('anna', publish(`${home}/a`, 'x'), goodbye),
      open('silent', 4),
      closes('silent', 'fin'),
    ],
  },
  {
    name: '5.0: connecting with properties, without a client id, and as it must not be',
    steps: () => [
      open('anna', 5, {
        username: 'anna',
        password: Buffer.from('secret'),
        properties: { sessionExpiryInterval: 0, receiveMaximum: 10, requestResponseInformation: true, userProperties: { room: 'kitchen' } },
      }),
      open('nameless', 5, { clientId: '' }),
      open('methodic', 5, { properties: { authenticationMethod: 'none-such' } }),
      says('anna', { cmd: 'connect', protocolId: 'MQTT', protocolVersion: 5, clean: true, clientId: 'anna', keepalive: 0 }),
    ],
  },
  {
    name: '3.1.1: subscriptions that overlap, are replaced, are refused, and end',
    steps: (home) => [
      open('anna', 4),
      open('bert', 4),
      says('anna', {
        cmd: 'subscribe',
        messageId: 1,
        subscriptions: [
          { topic: `${home}/a/+`, qos: 0 },
          { topic: `${home}/#`, qos: 2 },
          { topic: `${home}/b`, qos: 1 },
        ],
      }),
      says('bert', publish(`${home}/a/1`, 'x', 1, 1), publish(`${home}/b`, 'y', 2, 2), publish(`${home}`, 'z')),
      says('anna', subscribe(2, `${home}/#`, 0)),
      says('bert', publish(`${home}/b`, 'y', 2, 3)),
      says('anna', { cmd: 'unsubscribe', messageId: 3, unsubscriptions: [`${home}/#`, `${home}/never`] }),
      says('bert', publish(`${home}/b`, 'y', 1, 4), publish(`${home}/c`, 'nobody hears it')),
      says('anna', subscribe(4, `${home}/#/wrong`)),
    ],
  },
  {
    name: '5.0: subscription options and identifiers',
    steps: (home) => [
      open('anna', 5),
      open('bert', 5),
      says('bert', { cmd: 'publish', topic: `${home}/r`, payload: 'kept', retain: true }),
      says('anna', {
        cmd: 'subscribe',
        messageId: 1,
        subscriptions: [{ topic: `${home}/#`, qos: 1, nl: true, rap: true, rh: 1 }],
        properties: { subscriptionIdentifier: 7 },
      }),
      says('anna', publish(`${home}/own`, 'not for me', 1, 2)),
      says('bert', { cmd: 'publish', topic: `${home}/r`, payload: 'new', retain: true, qos: 1, messageId: 1 }),
      says('anna', { cmd: 'subscribe', messageId: 3, subscriptions: [{ topic: `${home}/#`, qos: 1, rh: 1 }] }),
      says('anna', { cmd: 'unsubscribe', messageId: 4, unsubscriptions: [`${home}/#`, `${home}/never`] }),
    ],
  },
  {
    name: '3.1.1: QoS 0, 1 and 2 to a subscriber of each',
    steps: (home) => [
      open('anna', 4),
      open('bert', 4),
      open('carl', 4),
      says('anna', subscribe(1, `${home}/x`, 0)),
      says('bert', subscribe(1, `${home}/x`, 1)),
      says('carl', subscribe(1, `${home}/x`, 2)),
      says('anna', publish(`${home}/x`, '0')),
      says('anna', publish(`${home}/x`, '1', 1, 2)),
      says('anna', publish(`${home}/x`, '2', 2, 3)),
    ],
  },
  {
    name: '3.1.1: the steps of QoS 2, said again',
    steps: (home) => [
      openSilent('anna', 4),
      says('anna', subscribe(1, `${home}/x`, 2)),
      says('anna', publish(`${home}/x`, 'once', 2, 5)),
      says('anna', { cmd: 'publish', topic: `${home}/x`, payload: 'once', qos: 2, messageId: 5, dup: true }),
      says('anna', { cmd: 'pubrel', messageId: 5 }),
      says('anna', { cmd: 'pubrec', messageId: 1 }),
      says('anna', { cmd: 'pubcomp', messageId: 1 }, ping),
    ],
  },
  {
    name: '5.0: messages with properties, expiry, answers',
    steps: (home) => [
      open('anna', 5),
      open('bert', 5, { clean: false, properties: { sessionExpiryInterval: 60 } }),
      says('bert', subscribe(1, `${home}/ask`, 1)),
      says('anna', {
        cmd: 'publish',
        topic: `${home}/ask`,
        payload: '{"q":1}',
        qos: 1,
        messageId: 1,
        properties: {
          payloadFormatIndicator: true,
          contentType: 'application/json',
          responseTopic: `${home}/reply`,
          correlationData: '01',
          messageExpiryInterval: 5,
          userProperties: { a: ['1', '2'] },
        },
      }),
      closes('bert', 'fin'),
      says('anna', { cmd: 'publish', topic: `${home}/ask`, payload: 'too old', qos: 1, messageId: 2, properties: { messageExpiryInterval: 1 } }),
      says('anna', { cmd: 'publish', topic: `${home}/ask`, payload: 'in time', qos: 1, messageId: 3, properties: { messageExpiryInterval: 9 } }),
      says('anna', publish(`${home}/nobody`, 'x', 1, 4)),
      { wait: '2s' },
      open('bert', 5, { clean: false, properties: { sessionExpiryInterval: 60 } }),
    ],
  },
  {
    name: '3.1.1: retained messages: set, replaced, deleted',
    steps: (home) => [
      open('anna', 4),
      says('anna', { cmd: 'publish', topic: `${home}/k`, payload: 'one', retain: true }),
      says('anna', { cmd: 'publish', topic: `${home}/k`, payload: 'two', retain: true, qos: 1, messageId: 1 }),
      open('bert', 4),
      says('bert', subscribe(1, `${home}/+`, 1)),
      says('anna', { cmd: 'publish', topic: `${home}/k`, payload: '', retain: true }),
      says('bert', subscribe(2, `${home}/+`, 1)),
    ],
  },
  {
    name: '3.1.1: wills, after a lost link and after DISCONNECT',
    steps: (home) => [
      open('bert', 4),
      says('bert', subscribe(1, `${home}/#`, 1)),
      open('anna', 4, { will: { topic: `${home}/anna`, payload: Buffer.from('gone'), qos: 1, retain: true } }),
      open('carl', 4, { will: { topic: `${home}/carl`, payload: Buffer.from('gone'), qos: 0, retain: false } }),
      says('carl', goodbye),
      closes('anna', 'rst'),
    ],
  },
  {
    name: '5.0: wills with a delay, and DISCONNECT with a will',
    steps: (home) => [
      open('bert', 5),
      says('bert', subscribe(1, `${home}/#`, 1)),
      open('anna', 5, {
        clean: false,
        properties: { sessionExpiryInterval: 10 },
        will: { topic: `${home}/anna`, payload: Buffer.from('gone'), qos: 1, retain: false, properties: { willDelayInterval: 1 } },
      }),
      open('carl', 5, { will: { topic: `${home}/carl`, payload: Buffer.from('gone'), qos: 0, retain: false } }),
      says('carl', { cmd: 'disconnect', reasonCode: 4 }),
      closes('anna', 'fin'),
      { wait: '2s' },
    ],
  },
  {
    name: '3.1.1: a session is resumed, and what was in flight is sent again',
    steps: (home) => [
      openSilent('anna', 4, { clean: false }),
      says('anna', subscribe(1, `${home}/#`, 2)),
      { server: { topic: `${home}/1`, payload: 'first', qos: 1 } },
      { server: { topic: `${home}/2`, payload: 'second', qos: 2 } },
      { server: { topic: `${home}/3`, payload: 'third', qos: 2 } },
      says('anna', { cmd: 'pubrec', messageId: 3 }),
      closes('anna', 'rst'),
      { server: { topic: `${home}/4`, payload: 'while away', qos: 1 } },
      { server: { topic: `${home}/5`, payload: 'lost', qos: 0 } },
      open('anna', 4, { clean: false }),
      says('anna', goodbye),
      open('anna', 4, { clean: true }),
      says('anna', ping),
    ],
  },
  {
    name: '5.0: a session is resumed in time, and is gone when it expired',
    steps: (home) => [
      open('anna', 5, { clean: true, properties: { sessionExpiryInterval: 2 } }),
      says('anna', subscribe(1, `${home}/#`, 1)),
      closes('anna', 'fin'),
      { server: { topic: `${home}/1`, payload: 'kept', qos: 1 } },
      { wait: '1s' },
      open('anna', 5, { clean: false, properties: { sessionExpiryInterval: 2 } }),
      says('anna', { cmd: 'disconnect', properties: { sessionExpiryInterval: 1 } }),
      { wait: '1500ms' },
      open('anna', 5, { clean: false }),
    ],
  },
  {
    name: '3.1.1: another connection takes the client id over',
    steps: (home) => [
      open('anna', 4, { clean: false }),
      says('anna', subscribe(1, `${home}/#`, 1)),
      open('again', 4, { clientId: 'anna', clean: false }),
      { server: { topic: `${home}/1`, payload: 'for the second', qos: 1 } },
    ],
  },
  {
    name: '5.0: another connection takes the client id over',
    steps: (home) => [
      open('anna', 5, { will: { topic: `${home}/will`, payload: Buffer.from('taken over'), qos: 0, retain: false } }),
      open('bert', 5),
      says('bert', subscribe(1, `${home}/#`)),
      open('again', 5, { clientId: 'anna', clean: false }),
      says('again', ping),
    ],
  },
  {
    name: '3.1.1: keep-alive, kept and not kept',
    steps: () => [open('anna', 4, { keepalive: 1 }), { wait: '1s' }, says('anna', ping), { wait: '1s' }, says('anna', ping), { wait: '2s' }],
  },
  {
    name: '5.0: keep-alive, not kept',
    steps: () => [open('anna', 5, { keepalive: 1 }), { wait: '1s' }, says('anna', ping), { wait: '2s' }],
  },
  {
    name: '5.0: a shared subscription',
    steps: (home) => [
      open('anna', 5),
      open('bert', 5),
      says('anna', subscribe(1, `$share/group/${home}/#`, 1)),
      says('bert', subscribe(1, `$share/group/${home}/#`, 1)),
      { server: { topic: `${home}/1`, payload: 'one', qos: 1 } },
      { server: { topic: `${home}/2`, payload: 'two', qos: 1 } },
      { server: { topic: `${home}/3`, payload: 'three', qos: 0 } },
    ],
  },
  {
    name: '5.0: topic aliases both ways',
    steps: (home) => [
      open('anna', 5, { properties: { topicAliasMaximum: 1 } }),
      says('anna', subscribe(1, `${home}/#`)),
      says('anna', { cmd: 'publish', topic: `${home}/a`, payload: '1', properties: { topicAlias: 1 } }),
      says('anna', { cmd: 'publish', topic: '', payload: '2', properties: { topicAlias: 1 } }),
      says('anna', publish(`${home}/b`, '3')),
      says('anna', { cmd: 'publish', topic: '', payload: '4', properties: { topicAlias: 2 } }),
    ],
  },
  {
    name: '5.0: the client takes one message at a time, and no large packet',
    steps: (home) => [
      openSilent('anna', 5, { properties: { receiveMaximum: 1, maximumPacketSize: 60 } }),
      says('anna', subscribe(1, `${home}/#`, 1)),
      { server: { topic: `${home}/1`, payload: 'one', qos: 1 } },
      { server: { topic: `${home}/2`, payload: 'two', qos: 1 } },
      { server: { topic: `${home}/3`, payload: 'this is too large for the client', qos: 1 } },
      says('anna', { cmd: 'puback', messageId: 1 }),
      says('anna', { cmd: 'puback', messageId: 2 }, ping),
    ],
  },
  {
    name: '3.1.1: what must not be sent',
    steps: (home) => [
      open('anna', 4),
      says('anna', { cmd: 'puback', messageId: 9 }, ping),
      says('anna', publish(`${home}/+`, 'a wildcard')),
      open('bert', 4),
      says('bert', '30 03 00'),
      says('bert', '05 61'),
      open('carl', 4),
      says('carl', 'f0 00'),
    ],
  },
  {
    name: '5.0: what must not be sent',
    steps: (home) => [
      open('anna', 5),
      says('anna', { cmd: 'pubrel', messageId: 9 }, ping),
      says('anna', publish(`${home}/#`, 'a wildcard')),
      open('bert', 5),
      says('bert', '36 05 00 01 61 00 00'),
      open('carl', 5),
      says('carl', { cmd: 'auth', reasonCode: 0x18 }),
    ],
  },
]
