import { type AuthorizeRequest, type Connection, type Decision, decide, definePlugin, option, type Properties, toPayload } from '../src/index.ts'

/** A request that may begin an exchange. */
type Request = Extract<AuthorizeRequest, { kind: 'connect' | 'reauth' }>

/**
 * Enhanced authentication of MQTT 5 by a script: the server asks so many rounds, whatever the method means by them, and lets the
 * client in, or not. Without options it asks one question, and takes any answer.
 *
 *     enhancedAuth({ methods: ['PLAIN-CHAT'], rounds: ['who?', { hex: '00ff' }], finalData: 'welcome' })
 *     enhancedAuth({ rounds: ['2 + 2'], expected: ['4'], failure: 'banned' })
 *     enhancedAuth({ rounds: ['one', 'two'], silentAfter: 1 })        the second question never comes
 *     enhancedAuth({ method: 'OTHER' })                               AUTH names another method than CONNECT [MQTT-4.12.0-5]
 *     enhancedAuth({ rounds: [], unasked: '1s' })                     AUTH 0x19, which only a client may send, out of nowhere
 *     enhancedAuth({ methods: [], unknown: 'accept' })                methods are not looked at, as if nobody had named one
 *
 * The same is played when a client authenticates anew. Clients that name no method are left alone, unless `anybody` is set.
 */
export const enhancedAuth = definePlugin({
  meta: {
    name: 'enhanced-auth',
    api: 1,
    group: 'sessions',
    summary: 'Enhanced authentication as a script says: rounds, wrong methods, missing data, silence, refusals, and AUTH that nobody asked for.',
    spec: [
      'MQTT-4.12.0-1',
      'MQTT-4.12.0-2',
      'MQTT-4.12.0-3',
      'MQTT-4.12.0-4',
      'MQTT-4.12.0-5',
      'MQTT-4.12.0-6',
      'MQTT-4.12.0-7',
      'MQTT-4.12.1-1',
      'MQTT-4.12.1-2',
      'MQTT-3.15.2-1',
    ],
    finds: 'clients that hang in an exchange, answer any AUTH, or take CONNACK for granted before the exchange is over',
    seenIn: ['https://github.com/mqttjs/MQTT.js/pull/2057'],
  },
  options: {
    methods: option.optional(option.list(option.text('a method', 'SCRAM-SHA-1'), 'the methods that are known; all unless given', [])),
    unknown: option.answer('what a CONNECT gets with another method; accept lets it in as if it named none', 'bad-authentication-method'),
    rounds: option.list(option.payload('authentication data', 'challenge'), 'what the server says, an AUTH for each, and waits for an answer', ['challenge']),
    expected: option.list(option.payload('authentication data', 'answer'), 'what the client must say to each; anything where the list is shorter', []),
    outcome: option.choice('what comes of it when every answer was taken', ['success', 'failure'], 'success'),
    failure: option.answer('what comes of a wrong answer, or of the outcome failure', 'not-authorized'),
    finalData: option.optional(option.payload('the authentication data of CONNACK, or of the AUTH that ends another authentication', 'done')),
    method: option.optional(option.text('the method that AUTH and CONNACK name, whatever the client named', 'OTHER')),
    omit: option.list(option.choice('a property', ['method', 'data'], 'data'), 'what AUTH and CONNACK leave out', []),
    code: option.reasonCode('the reason code of AUTH', 'continue-authentication'),
    delay: option.duration('how long the server takes for each AUTH, and for the end', 0),
    silentAfter: option.optional(option.count('after so many answers of the client nothing is said any more', 0)),
    anybody: option.flag('clients that named no method are asked as well', false),
    reauthentication: option.optional(
      option.answer('what a client gets at once that authenticates anew; the same rounds unless given', 'bad-authentication-method'),
    ),
    unasked: option.optional(option.duration('an AUTH that nobody asked for comes so long after CONNACK', '1s')),
    unaskedCode: option.reasonCode('its reason code', 're-authenticate'),
  },
  check({ rounds, expected, silentAfter, methods, method, anybody }) {
    if (expected.length > rounds.length) return "option 'expected' is longer than 'rounds'"
    if (silentAfter !== undefined && silentAfter > rounds.length) return `option 'silentAfter': there are ${rounds.length} rounds`
    if (anybody && method === undefined && methods?.[0] === undefined)
      return "option 'anybody': who named no method is asked with the first of 'methods', or 'method'"
    return undefined
  },
  setup({ hooks, on, play, pause, name }, options) {
    const { methods, unknown, rounds, expected, outcome, failure, finalData, method, omit, code, delay, silentAfter, anybody } = options
    const { reauthentication, unasked, unaskedCode } = options
    const answers = expected.map((data) => toPayload(data, 'expected'))

    /** The method and the data as a packet has them; the method is that of the client unless something else is wanted. */
    function properties(connection: Connection, data: typeof finalData): Properties {
      const own = connection.connect?.properties?.authenticationMethod
      const named = omit.includes('method') ? undefined : (method ?? own ?? (anybody ? methods?.[0] : undefined))
      return {
        authenticationMethod: named,
        ...(data !== undefined && !omit.includes('data') && { authenticationData: toPayload(data, 'rounds') }),
      }
    }

    /** Plays the rounds; undefined where the client has gone. */
    async function ask(decision: Decision, request: Request, connection: Connection): Promise<Decision | undefined> {
      const silence = (): Decision => {
        // Nor is a client heard any more that waits for CONNACK.
        if (request.kind === 'connect') connection.stall('in', true)
        return { ...decision, reasonCode: 0, action: 'drop' }
      }
      const success: Decision = { ...decision, reasonCode: 0, properties: { ...decision.properties, ...properties(connection, finalData) } }
      const refused = (why: string) => decide(decision, failure, request, connection, why) ?? success
      for (const [round, data] of rounds.entries()) {
        if (round === silentAfter) return silence()
        if (delay > 0) await pause(connection, delay)
        if (connection.closed) return undefined
        const answer = await connection.exchange({ reasonCode: code, properties: properties(connection, data) })
        if (answer === undefined) return undefined
        const said = answer.properties?.authenticationData ?? Buffer.alloc(0)
        if (answers[round]?.equals(said) === false) return refused(`the answer to round ${round + 1} is wrong`)
      }
      if (silentAfter === rounds.length) return silence()
      if (delay > 0) await pause(connection, delay)
      return outcome === 'success' ? success : refused('the authentication has failed')
    }

    on(hooks.authorize, { kind: ['connect', 'reauth'] }, (decision, request, connection) => {
      if (connection.version !== 5) return undefined
      // Somebody else has something against it already.
      if ((decision.reasonCode >= 0x80 && decision.reasonCode !== 0x8c) || (decision.action ?? 'answer') !== 'answer') return undefined
      const given = request.packet.properties?.authenticationMethod
      if (given === undefined) return anybody && request.kind === 'connect' ? ask(decision, request, connection) : undefined
      if (request.kind === 'reauth' && reauthentication !== undefined) {
        const chosen = decide(decision, reauthentication, request, connection, 'nobody authenticates anew here')
        if (chosen !== undefined) return chosen
      }
      if (methods === undefined || methods.includes(given)) return ask(decision, request, connection)
      const chosen = decide(decision, unknown, request, connection)
      if (chosen === undefined || chosen.action !== 'accept') return chosen
      return { ...chosen, properties: { authenticationMethod: undefined } }
    })

    if (unasked !== undefined)
      hooks.session.tap(name, (_plan, _packet, connection) => {
        if (connection.version === 5)
          play(connection, [
            { until: 'connack' },
            { wait: unasked },
            { packet: { cmd: 'auth', reasonCode: unaskedCode, properties: properties(connection, rounds[0]) } },
          ])
        return undefined
      })
  },
})
