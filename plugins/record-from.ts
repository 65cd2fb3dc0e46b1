import { appendTextFile, type Connection, definePlugin, encode, option, type Upstream, writeTextFile } from '../src/index.ts'
import { Exchanges } from './internal/replay/exchanges.ts'

/**
 * A real broker answers: every connection is forwarded to it, packet by packet, and all that both say is on record. Other plugins
 * bend it as they bend the broker of mqttest; what a client says is checked as ever. With `file`, what the broker said is written
 * as a script for `replay`, connection by connection as they end.
 *
 *     recordFrom({ upstream: 'mqtt://localhost:1883', file: 'broker.jsonl' })
 *     recordFrom({ upstream: 'mqtts://broker.example:8883' })
 *
 * What our broker would decide (authorize, session, route, retained, will, packetId) is the other one's to decide: plugins that bend
 * only that have nothing to do. The other broker is not asked over WebSocket; clients may come as they like.
 */
export const recordFrom = definePlugin({
  meta: {
    name: 'record-from',
    api: 1,
    group: 'general',
    summary: 'A real broker answers, and what it says is written down.',
    finds: 'clients that work with one broker only: record it, bend it, play it again',
  },
  options: {
    upstream: option.text('the address of the broker: mqtt://host:port, or mqtts://host:port', ''),
    file: option.optional(option.text('where the script is written; a file that is there is replaced', 'broker.jsonl')),
    ca: option.optional(option.text('the certificates of the authorities that are trusted with mqtts, as PEM', '')),
    verify: option.flag('false does not look at the certificate of the broker', true),
  },
  check({ upstream }) {
    if (upstream === '') return "give the option 'upstream': the address of the broker"
    return /^(mqtts?|tcp|tls|ssl):\/\/[^/\s]+\/?$/.test(upstream)
      ? undefined
      : `option 'upstream': expected 'mqtt://host:port' or 'mqtts://host:port', got '${upstream}'`
  },
  setup({ hooks, handle, dial, clock, log, acted, name }, { upstream, file, ca, verify }) {
    interface Link {
      readonly server: Upstream
      readonly said: Exchanges
    }
    const links = new Map<Connection, Link>()
    if (file !== undefined) writeTextFile(file, '')

    function open(connection: Connection): Link {
      const age = () => clock.now() - connection.openedMs
      const said = new Exchanges()
      const server = dial(
        upstream,
        {
          packet: (bytes) => said.server(connection.relay(bytes) ?? bytes, age()),
          closed: (how, reason) => {
            if (connection.closed) return
            said.closed(how, age())
            if (reason !== undefined) log.warn(reason, connection)
            connection.close(how, { reason: reason ?? 'the server behind closed the connection' })
          },
        },
        { ca, verify },
      )
      const link = { server, said }
      links.set(connection, link)
      acted(`forwards to ${upstream}`, connection)
      return link
    }

    function write(connection: Connection, { said }: Link): void {
      const lines = said.lines(connection.number).map((line) => `${JSON.stringify(line)}\n`)
      if (file !== undefined) appendTextFile(file, lines.join(''))
    }

    handle((packet, connection) => {
      const link = links.get(connection) ?? (packet.cmd === 'connect' ? open(connection) : undefined)
      if (link === undefined) return false
      link.said.client(packet, clock.now() - connection.openedMs)
      link.server.write(encode(packet, connection.version))
      // Of the end of a connection the server knows itself.
      return packet.cmd !== 'disconnect'
    })

    hooks.disconnect.tap(name, (connection, { how, by }) => {
      const link = links.get(connection)
      if (link === undefined) return
      links.delete(connection)
      if (by === 'client' && how === 'rst') link.server.reset()
      else link.server.end()
      write(connection, link)
    })

    return () => {
      for (const [connection, link] of links) write(connection, link)
    }
  },
})
