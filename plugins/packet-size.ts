import { type Answer, type Command, type Connection, commands, decide, definePlugin, encode, endConnection, endsAtOnce, option } from '../src/index.ts'

const bytes = (about: string) => option.optional(option.count(`${about}, in bytes`, 100_000, { min: 0 }))

/** What only a server sends has no limit, and CONNECT has its own answer. */
const fromServer: readonly Command[] = ['connack', 'suback', 'unsuback', 'pingresp']
/** Packets that the broker decides on, so that a code can be answered to them. */
const requests: readonly Command[] = ['connect', 'publish', 'subscribe', 'unsubscribe']

/**
 * Packets above a size are refused: from the client, or not sent to it. What CONNACK announces to MQTT 5 clients is one thing,
 * what is enforced another.
 *
 *     packetSize({ maximum: 131_072, answer: 'close' })                          announced, and closed on
 *     packetSize({ maximum: 65_536, announce: false, answer: 'quota-exceeded' })     nobody is told; the packet alone is refused
 *     packetSize({ packets: { subscribe: 100_000, puback: 10_000 } })            by packet type
 *
 * Where the answer ends the connection, it does so at the header of the packet, while the client is still sending the rest.
 */
export const packetSize = definePlugin({
  meta: {
    name: 'packet-size',
    api: 1,
    group: 'limits',
    summary: 'Packets or payloads above a size are refused, or not sent to the client.',
    spec: ['MQTT-3.2.2-15', 'MQTT-3.1.2-24', 'MQTT-3.1.2-25'],
    finds: 'clients that ignore Maximum Packet Size, or send the packet that closed the connection again and again',
    seenIn: [
      'https://github.com/LabOverWire/mqtt-lib/pull/103',
      'https://github.com/eclipse-paho/paho.mqtt.java/issues/987',
      'https://github.com/eclipse-mosquitto/mosquitto/issues/3713',
      'https://github.com/moquette-io/moquette/pull/971',
    ],
  },
  options: {
    maximum: bytes('the largest packet that is taken, with its header'),
    packets: option.map(option.count('a number of bytes', 100_000), 'the largest packet of some types, by type, in bytes', {}),
    payload: bytes('the largest payload that is taken'),
    toClient: bytes('the largest packet that is sent to a client; larger messages are dropped'),
    answer: option.answer('what a packet that is too large gets', { disconnect: 'packet-too-large' }),
    connectAnswer: option.answer('what a CONNECT that is too large gets', 'packet-too-large'),
    early: option.flag('the connection is ended before all of the packet came, where the answer ends it at all', true),
    announce: option.flag('CONNACK says in MQTT 5 what the largest packet is', true),
    announced: bytes('what CONNACK says, where that is not `maximum`'),
  },
  check({ maximum, packets, payload, toClient, announce, announced }) {
    const wrong = [...packets.keys()].find((cmd) => !commands.some((one) => one === cmd) || fromServer.some((one) => one === cmd))
    if (wrong !== undefined) return `option 'packets': '${wrong}' is no packet that a client sends`
    if (announced !== undefined && (!announce || announced === 0)) return "option 'announced' is at least 1, and needs the option 'announce'"
    return [maximum, payload, toClient, announced].every((one) => one === undefined) && packets.size === 0
      ? "nothing is limited: give one of the options 'maximum', 'packets', 'payload', 'toClient' and 'announced'"
      : undefined
  },
  setup({ hooks, on, report, name }, { maximum, packets, payload, toClient, answer, connectAnswer, early, announce, announced = maximum }) {
    const limitOf = (cmd: Command) => packets.get(cmd) ?? maximum
    const limited = commands.filter((cmd) => !fromServer.includes(cmd) && limitOf(cmd) !== undefined)
    const isTooLarge = (cmd: Command, size: number) => size > (limitOf(cmd) ?? size)
    const isTold = (connection: Connection) => announce && announced !== undefined && connection.version === 5
    /** Whether a packet of a type can be refused by its header. What is no request cannot carry a code: that ends the connection, too. */
    function endsEarly(cmd: Command, version: number): boolean {
      const ends = (one: Answer) => endsAtOnce(one) || (!requests.includes(cmd) && one !== undefined && one.reasonCode >= 0x80)
      return early && cmd !== 'connect' && (cmd === 'publish' ? [0, 1, 2].every((qos) => ends(answer.of(version, qos))) : ends(answer.of(version)))
    }

    if (announce && announced !== undefined && announced > 0)
      on(hooks.authorize, { kind: 'connect' }, (decision, _request, connection) =>
        connection.version === 5 ? { ...decision, properties: { ...decision.properties, maximumPacketSize: announced } } : undefined,
      )

    if (limited.length > 0 || toClient !== undefined)
      hooks.session.tap(name, (plan, _packet, connection) => {
        for (const cmd of limited) if (endsEarly(cmd, connection.version)) connection.limitPackets(limitOf(cmd) ?? 0, [cmd])
        if (toClient === undefined || plan.limits.maximumPacketSize <= toClient) return undefined
        return { ...plan, limits: { ...plan.limits, maximumPacketSize: toClient } }
      })

    if (limited.length > 0)
      on(hooks.violation, { kind: 'packet-too-large' }, ({ message, default: usual }, connection) => {
        // What is only reported was answered already.
        if (usual !== 'disconnect') return undefined
        if (connection.phase !== 'connected' || !endConnection(connection, answer, message)) return undefined
        return isTold(connection) ? 'warn' : 'ignore'
      })

    const kinds = (['connect', 'publish', 'subscribe', 'unsubscribe'] as const).filter(
      (kind) => limited.includes(kind) || (kind === 'publish' && payload !== undefined),
    )
    if (kinds.length > 0)
      on(hooks.authorize, { kind: kinds }, (decision, request, connection) => {
        const { packet, size } = request
        const tooMuch = isTooLarge(packet.cmd, size) || (packet.cmd === 'publish' && packet.payload.length > (payload ?? Number.POSITIVE_INFINITY))
        if (!tooMuch) return undefined
        if (packet.cmd !== 'connect' && isTold(connection) && size > (announced ?? size))
          report({
            rule: 'packet-too-large',
            message: `${packet.cmd.toUpperCase()} has ${size} bytes, ${announced} were announced`,
            statements: ['MQTT-3.2.2-15'],
            connection,
          })
        return decide(decision, packet.cmd === 'connect' ? connectAnswer : answer, request, connection, `${size} bytes are too many`)
      })

    const others = limited.filter((cmd) => !requests.includes(cmd))
    if (others.length > 0)
      on(hooks.packetIn, { cmd: others }, (packet, connection) => {
        const chosen = answer.of(connection.version)
        if (chosen === undefined || !isTooLarge(packet.cmd, encode(packet, connection.version).length)) return undefined
        endConnection(connection, answer, `${packet.cmd.toUpperCase()} is too large`)
        return []
      })
  },
})
