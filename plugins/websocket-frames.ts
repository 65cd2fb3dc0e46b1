import { atMoment, type Connection, definePlugin, moment, momentProblem, option, type StepInput } from '../src/index.ts'

/** The codes that may stand in a close frame (RFC 6455, section 7.4). */
const isCloseCode = (code: number) => (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999)

/**
 * MQTT over WebSocket: frames are no packets [MQTT-6.0.0-2]. One packet may come in several messages, or in several fragments of
 * one, several in one message, with control frames in between. Connections that are no WebSocket are left alone.
 *
 *     websocketFrames()                                    each byte in a message of its own
 *     websocketFrames({ size: 100, fragments: true })      messages in fragments of 100 bytes
 *     websocketFrames({ join: '20ms' })                    what leaves within 20 ms is one message
 *     websocketFrames({ text: true })                      against the rules [MQTT-6.0.0-1]
 *     websocketFrames({ strict: 1002 })                    a server that takes a frame for a packet
 *     websocketFrames({ close: 1012, time: '10s' })        a close frame with a code, right behind CONNACK unless told when
 *
 * To cut packets at chosen places, put `chunks` in front of it: each of its pieces is a message here.
 */
export const websocketFrames = definePlugin({
  meta: {
    name: 'websocket-frames',
    api: 1,
    group: 'network',
    summary: 'Packets and WebSocket frames do not begin and end together; text, empty and control frames come.',
    spec: ['MQTT-6.0.0-1', 'MQTT-6.0.0-2'],
    finds: 'clients over WebSocket that take a frame for a packet',
    seenIn: [
      'https://github.com/hivemq/hivemq-mqtt-web-client/issues/22',
      'https://github.com/sclausen/ngx-mqtt/issues/232',
      'https://github.com/eclipse-paho/paho.mqtt.javascript/pull/204',
    ],
  },
  options: {
    size: option.optional(option.count('bytes in a frame at most; 1 where nothing else is done', 1, { min: 1 })),
    fragments: option.flag('pieces are fragments of one message; false makes each a message', false),
    join: option.optional(option.duration('gathers for so long instead, and sends what came together as one message', '20ms')),
    empty: option.flag('an empty frame stands in front of each', false),
    ping: option.flag('a ping stands in front of each', false),
    text: option.flag('messages are text', false),
    strict: option.optional(
      option.count('ends the connection with a close frame of this code when a message of the client is not exactly one packet', 1002, {
        min: 1000,
        max: 4999,
      }),
    ),
    close: option.optional(option.count('ends the connection with a close frame of this code', 1000, { min: 1000, max: 4999 })),
    reason: option.text('the reason in the close frame', ''),
    ...moment,
  },
  check({ size, fragments, join, empty, ping, text, strict, close, reason, ...when }) {
    if (join !== undefined && (size !== undefined || fragments || empty || ping || text)) return "option 'join' goes alone: use the plugin twice"
    if (fragments && text) return "options 'fragments' and 'text' do not go together"
    if (strict !== undefined && !isCloseCode(strict)) return "option 'strict': a code that may be sent is 1000 to 1003, 1007 to 1014, or 3000 to 4999"
    if (close !== undefined && !isCloseCode(close)) return "option 'close': a code that may be sent is 1000 to 1003, 1007 to 1014, or 3000 to 4999"
    if (Buffer.byteLength(reason) > 123) return "option 'reason' has at most 123 bytes"
    if (close !== undefined) return momentProblem(when)
    if (reason !== '') return "option 'reason' goes with 'close'"
    return when.packet !== undefined || when.time !== undefined ? "options 'packet' and 'time' go with 'close'" : undefined
  },
  setup(api, { size, fragments, join, empty, ping, text, strict, close, reason, ...when }) {
    const { hooks, on, play } = api
    const isWebSocket = ({ carrier }: Connection) => carrier === 'ws' || carrier === 'wss'
    const isElse = join !== undefined || empty || ping || text || strict !== undefined || close !== undefined
    const largest = size ?? (isElse ? undefined : 1)

    /** One message, with what stands in front of its frames. */
    const framesOf = (bytes: Buffer): readonly StepInput[] => {
      const frames: StepInput[] = []
      const step = largest ?? bytes.length
      for (let at = 0; at < bytes.length; at += step) {
        const data = bytes.subarray(at, at + step)
        const isLast = at + step >= bytes.length
        if (ping) frames.push({ frame: 'ping' })
        if (empty) frames.push({ frame: fragments ? 'fragment' : text ? 'text' : 'binary' })
        frames.push(fragments && !isLast ? { frame: 'fragment', data } : text ? { frame: 'text', data } : { raw: data })
      }
      return frames
    }

    if (join !== undefined || largest !== undefined || empty || ping || text)
      on(hooks.wire, { direction: 'out' }, (steps, _way, connection) => {
        if (!isWebSocket(connection)) return undefined
        if (join !== undefined) return [{ cork: true, for: join }, ...steps]
        return steps.flatMap((step) => ('raw' in step ? framesOf(step.raw) : [step]))
      })

    if (strict !== undefined)
      on(hooks.wire, { direction: 'in' }, (steps, _way, connection) => {
        if (!isWebSocket(connection) || steps.every((step) => !('raw' in step) || isOnePacket(step.raw))) return undefined
        play(connection, [{ frame: 'close', code: strict }, { close: 'fin' }])
        return []
      })

    if (close !== undefined)
      atMoment(api, when, (connection) =>
        isWebSocket(connection) ? [{ frame: 'close', code: close, data: Buffer.from(reason) }, { close: 'fin' }] : undefined,
      )
  },
})

/** Whether bytes are one packet, with nothing missing and nothing behind it. */
function isOnePacket(bytes: Buffer): boolean {
  let length = 0
  for (let at = 1; at < Math.min(bytes.length, 5); at++) {
    const digit = bytes[at] ?? 0
    length += (digit & 127) * 128 ** (at - 1)
    if (digit < 128) return bytes.length === 1 + at + length
  }
  return false
}
