import { isUtf8 } from 'node:buffer'
import { decide, definePlugin, option, topicMatches } from '../src/index.ts'

/**
 * The server looks into payloads, and refuses what it cannot use.
 *
 *     payloadCheck({ json: 'object', topics: 'v1/devices/me/telemetry' })     closed in MQTT 3, 0x99 in MQTT 5
 *     payloadCheck({ utf8: true, answer: 'accept' })                          acknowledged, and lost
 *     payloadCheck({ indicator: 'payload-format-invalid' })                   text that is none is refused, and the connection stays
 *     payloadCheck({ indicator: 'allow' })                                    the payload format indicator is not checked at all
 *
 * An empty retained message only clears what is kept: it is only refused by `notEmpty`.
 */
export const payloadCheck = definePlugin({
  meta: {
    name: 'payload-check',
    api: 1,
    group: 'limits',
    summary: 'Payloads that are not JSON, not text, empty or of the wrong form are refused.',
    spec: ['MQTT-3.3.5-2', 'MQTT-4.13.1-1'],
    finds: 'clients that repeat a message for ever that the server will never take, or do not look at the code of PUBACK',
    seenIn: ['https://github.com/faststream-community/zMQTT/issues/65'],
  },
  options: {
    topics: option.optional(option.list(option.text('a topic filter', '#'), 'only messages on these topics are looked at; all unless given', [])),
    json: option.choice('whether a payload has to be JSON: no, any value, or an object', ['no', 'value', 'object'], 'no'),
    utf8: option.flag('a payload has to be well-formed UTF-8', false),
    pattern: option.optional(option.text('a regular expression that a payload must fit as a whole, read as UTF-8', '[0-9.]+')),
    notEmpty: option.flag('a payload has to have at least one byte', false),
    answer: option.answer('what a PUBLISH gets', { v3: 'close', v5: 'payload-format-invalid' }),
    willAnswer: option.answer('what a CONNECT with such a will gets', 'payload-format-invalid'),
    indicator: option.optional(
      option.answer(
        'what a PUBLISH gets that is declared as text and is none; allow does not check it; DISCONNECT with payload-format-invalid unless given',
        'allow',
      ),
    ),
  },
  check({ json, utf8, pattern, notEmpty, indicator }) {
    if (pattern !== undefined && regularExpression(pattern) === undefined) return `option 'pattern': '${pattern}' is no regular expression`
    return json === 'no' && !utf8 && pattern === undefined && !notEmpty && indicator === undefined
      ? "nothing is checked: give one of the options 'json', 'utf8', 'pattern', 'notEmpty' and 'indicator'"
      : undefined
  },
  setup({ hooks, on }, { topics, json, utf8, pattern: source, notEmpty, answer, willAnswer, indicator }) {
    const pattern = source === undefined ? undefined : regularExpression(source)
    const isLookedAt = (topic: string) => topics === undefined || topics.some((filter) => topicMatches(filter, topic))

    /** What is wrong with a payload, in a few words. */
    function fault({ payload, retain }: { readonly payload: Buffer; readonly retain: boolean }): string | undefined {
      if (payload.length === 0) {
        if (notEmpty) return 'the payload is empty'
        if (retain) return undefined
      }
      if (utf8 && !isUtf8(payload)) return 'the payload is not well-formed UTF-8'
      if (pattern?.test(payload.toString()) === false) return 'the payload has not the right form'
      if (json === 'no') return undefined
      const value = isUtf8(payload) ? jsonOf(payload.toString()) : undefined
      if (value === undefined) return 'the payload is not JSON'
      return json === 'value' || (typeof value === 'object' && value !== null && !Array.isArray(value)) ? undefined : 'the payload is not a JSON object'
    }

    if (json !== 'no' || utf8 || pattern !== undefined || notEmpty) {
      on(hooks.authorize, { kind: 'publish' }, (decision, request, connection) => {
        const found = isLookedAt(request.topic) ? fault(request.packet) : undefined
        return found === undefined ? undefined : decide(decision, answer, request, connection, found)
      })
      on(hooks.authorize, { kind: 'connect' }, (decision, request, connection) => {
        const { will } = request.packet
        const found = will !== undefined && isLookedAt(will.topic) ? fault(will) : undefined
        return found === undefined ? undefined : decide(decision, willAnswer, request, connection, found)
      })
    }

    if (indicator !== undefined) {
      on(hooks.authorize, { kind: 'publish' }, (decision, request, connection) => {
        const { payload, properties } = request.packet
        const isWrong = properties?.payloadFormatIndicator === true && isLookedAt(request.topic) && !isUtf8(payload)
        return isWrong ? decide(decision, indicator, request, connection, 'the payload is declared as text, but is not well-formed UTF-8') : undefined
      })
      // The server checks it by itself where nothing was refused above.
      on(hooks.violation, { kind: 'payload-format-mismatch' }, ({ packet }) => (packet?.cmd === 'publish' && isLookedAt(packet.topic) ? 'warn' : undefined))
    }
  },
})

/** The value of a JSON text; undefined, which JSON does not have, for any other text. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function regularExpression(pattern: string): RegExp | undefined {
  try {
    return new RegExp(`^(?:${pattern})$`, 'su')
  } catch {
    return undefined
  }
}
