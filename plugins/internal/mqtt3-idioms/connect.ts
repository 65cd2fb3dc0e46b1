/** Idioms in CONNECT, CONNACK and DISCONNECT. */
import type { ConnackPacket, ConnectPacket, DisconnectPacket } from '../../../src/index.ts'
import type { ClientHistory, ConnectionHistory, Tell } from './history.ts'

const never = 0xffff_ffff

/** Looks at a CONNECT. */
export function lookAtConnect(packet: ConnectPacket, history: ConnectionHistory, client: ClientHistory, tell: Tell): void {
  history.connect = packet
  const { protocolVersion: level, clean, clientId, bridgeMode } = packet
  if (level === 4) tell('legacy-protocol-level', 'the client speaks MQTT 3.1.1')
  if (level === 3) tell('connect-mqtt31', 'the client speaks MQTT 3.1')
  if (bridgeMode === true) tell('bridge-level-bit', 'the top bit of the protocol level says that the client is a bridge, a custom of one server')
  if (level < 5) {
    if (clientId === '' && clean) tell('connect-client-id-empty', 'the client leaves its client id to the server, and never learns it')
    if (!clean) tell('session-forever', 'clean session 0 asks for a session without an end')
    if (!clean && client.purged) tell('clean-session-purge', 'a connection before this one was only made to end the old session')
  } else {
    const expiry = packet.properties?.sessionExpiryInterval ?? 0
    if (!clean && expiry === 0) tell('session-expiry-missing', 'Clean Start 0 without a session expiry interval: the session ends with the connection')
    if (expiry === never) tell('session-expiry-infinite', 'the session is to be kept for ever')
  }
  client.purged = false
}

/** Looks at what the server answers. */
export function lookAtConnack(packet: ConnackPacket, history: ConnectionHistory): void {
  const { session, version } = history.connection
  history.topicAliasMaximum = version === 5 ? (packet.properties?.topicAliasMaximum ?? 0) : 0
  history.identifiersAvailable = packet.properties?.subscriptionIdentifiersAvailable !== false
  if (packet.sessionPresent && session !== undefined) history.inherited = new Set([...session.subscriptions.keys()].slice(0, 1000))
}

/** Looks at a DISCONNECT. */
export function lookAtDisconnect(packet: DisconnectPacket, history: ConnectionHistory, client: ClientHistory, tell: Tell): void {
  const { connect } = history
  if (connect === undefined) return
  client.purged = connect.protocolVersion < 5 && connect.clean && history.received === 2
  if (history.saysGoodbye && packet.reasonCode !== 0x04)
    tell('offline-message-before-disconnect', `the client publishes to ${connect.will?.topic}, the topic of its will, and leaves`)
}
