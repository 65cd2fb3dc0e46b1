import { type Connection, definePlugin, option, type Packet } from '../src/index.ts'
import { lookAtConnack, lookAtConnect, lookAtDisconnect } from './internal/mqtt3-idioms/connect.ts'
import { BoundedMap, type ClientHistory, ConnectionHistory, type Tell } from './internal/mqtt3-idioms/history.ts'
import { lookAtPublish, lookAtPubrel } from './internal/mqtt3-idioms/publish.ts'
import { type IdiomName, idiomNames, idiomOf } from './internal/mqtt3-idioms/rules.ts'
import { lookAtRetained, lookAtSubscribe, lookAtUnsubscribe } from './internal/mqtt3-idioms/subscribe.ts'

/** Clients that are remembered over their connections. */
const clientsKept = 1000

const rule = option.choice('an idiom', idiomNames, 'session-forever')

/**
 * Advice, never a fault: habits from MQTT 3 that MQTT 5 has something better for, and habits that break with MQTT 5. Each is
 * reported once per connection, or once per client id where it takes several connections to show. What the client gets is not
 * changed at all.
 *
 * Two rules are looked for only when `also` or `rules` names them: `legacy-protocol-level`, which every MQTT 3.1.1 client
 * breaks, and `text-payload-undeclared`, which looks into payloads.
 */
export const mqtt3Idioms = definePlugin({
  meta: {
    name: 'mqtt3-idioms',
    api: 1,
    group: 'sessions',
    summary: 'Nothing: habits from MQTT 3 are only reported, with what MQTT 5 has in their place.',
    spec: ['MQTT-3.1.2-23', 'MQTT-4.1.0-2', 'MQTT-4.4.0-1'],
    finds: 'clients that were ported from MQTT 3 to MQTT 5 by exchanging the version number, or that could gain from it',
  },
  options: {
    rules: option.optional(option.list(rule, 'looks for these idioms only; unless given, for all but the two that must be asked for', [])),
    also: option.list(rule, 'looks for these idioms as well', []),
    except: option.list(rule, 'does not look for these idioms', []),
  },
  setup({ hooks, on, report, name }, { rules, also, except }) {
    const wanted = new Set<IdiomName>([...(rules ?? idiomNames.filter((one) => idiomOf(one).onRequest !== true)), ...also])
    for (const one of except) wanted.delete(one)
    const histories = new WeakMap<Connection, ConnectionHistory>()
    const clients = new BoundedMap<string, ClientHistory>(clientsKept)
    const nobody = (): ClientHistory => ({ reported: new Set(), purged: false })

    const historyOf = (connection: Connection) => {
      const history = histories.get(connection) ?? new ConnectionHistory(connection)
      histories.set(connection, history)
      return history
    }

    const clientOf = (connection: Connection): ClientHistory => {
      const id = connection.connect?.clientId
      // Clients without an id have nothing in common.
      if (id === undefined || id === '') return connection.state(nobody)
      const client = clients.get(id) ?? nobody()
      // Asked for again: the clients that were not heard of for the longest time are let go first.
      clients.delete(id)
      clients.set(id, client)
      return client
    }

    function look(packet: Packet, connection: Connection): void {
      const history = historyOf(connection)
      const client = clientOf(connection)
      const tell: Tell = (found, what) => {
        const { level, instead, section, statements = [], perClient } = idiomOf(found)
        const { reported } = perClient ? client : history
        if (!wanted.has(found) || reported.has(found)) return
        reported.add(found)
        report({ rule: found, level, statements, connection, message: `${what}. MQTT 5 has ${instead} (section ${section})` })
      }
      history.received++
      if (packet.cmd === 'connect') lookAtConnect(packet, history, client, tell)
      else if (packet.cmd === 'publish') lookAtPublish(packet, history, tell, wanted.has('text-payload-undeclared'))
      else if (packet.cmd === 'pubrel') lookAtPubrel(packet, history, tell)
      else if (packet.cmd === 'subscribe') lookAtSubscribe(packet, history, tell)
      else if (packet.cmd === 'unsubscribe') lookAtUnsubscribe(packet, history, tell)
      else if (packet.cmd === 'disconnect') lookAtDisconnect(packet, history, client, tell)
    }

    // An observer: what the client sent, before another plugin answers or changes it.
    hooks.packetIn.tap({ name, stage: -100 }, (packet, connection) => look(packet, connection))
    on(hooks.send, { cmd: 'connack' }, (steps, _cause, connection) => {
      for (const step of steps) if ('packet' in step && step.packet.cmd === 'connack') lookAtConnack(step.packet, historyOf(connection))
    })
    if (wanted.has('subscribe-to-poll-retained'))
      on(hooks.route, { kind: 'retained' }, (deliveries, message) => {
        for (const { session } of deliveries) if (session.connection !== undefined) lookAtRetained(message.topic, historyOf(session.connection))
      })
  },
})
