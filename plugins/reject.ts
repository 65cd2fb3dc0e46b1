import { type AuthorizeRequest, type Connection, definePlugin, describeReason, fitsPattern, option, reasonCodes } from '../src/index.ts'

const patterns = (about: string) => option.optional(option.list(option.text('a pattern', '*'), about, []))

/** What patterns are held against. */
interface Caller {
  readonly clientId: string
  readonly username: string
  readonly password: string
  readonly address: string
}

type Wanted = { readonly [Key in keyof Caller]: readonly string[] | undefined }

/**
 * CONNECT is refused. Without options everybody is; `clientId`, `username`, `password` and `address` say who, the `unless...`
 * options say who not. In a pattern `*` stands for any text; a user name or password that is missing counts as empty.
 *
 *     reject({ clientId: 'dev-*' })                                    these are refused
 *     reject({ unlessUsername: 'joe', unlessPassword: 'secret' })      all but joe with his password are refused
 *     reject({ reasonCode: 'server-moved', serverReference: 'other:1883' })
 *     [reject({ reasonCode: 'server-busy' }), { connection: 0 }]       the first attempt is refused, the second is not
 */
export const reject = definePlugin({
  meta: {
    name: 'reject',
    api: 1,
    group: 'sessions',
    summary: 'CONNECT is refused, for everybody or by client id, user name, password or address.',
    spec: ['MQTT-3.1.4-2', 'MQTT-3.2.2-4', 'MQTT-3.2.2-5', 'MQTT-3.2.2-6', 'MQTT-3.2.2-7'],
    finds: 'clients that do not come back after a refusal, come back at once and for ever, or hang without an answer',
    seenIn: [
      'https://github.com/mqttjs/MQTT.js/issues/1947',
      'https://github.com/emqx/CocoaMQTT/pull/688',
      'https://github.com/eclipse-paho/paho.mqtt.java/issues/1028',
    ],
  },
  options: {
    clientId: patterns('refuses these client ids'),
    username: patterns('refuses these user names'),
    password: patterns('refuses these passwords'),
    address: patterns('refuses these remote addresses'),
    unlessClientId: patterns('refuses all but these client ids'),
    unlessUsername: patterns('refuses all but these user names'),
    unlessPassword: patterns('refuses all but these passwords'),
    unlessAddress: patterns('refuses all but these remote addresses'),
    reasonCode: option.optional(
      option.reasonCode('why; unless given, not-authorized, or bad-user-name-or-password where unlessUsername or unlessPassword is given', 'not-authorized'),
    ),
    reasonString: option.text('the reason in words, for MQTT 5 clients', ''),
    serverReference: option.text('the server that MQTT 5 clients are to use; goes with use-another-server and server-moved', ''),
    action: option.choice('the refusal is sent, or the connection is closed without it, or nothing happens at all', ['answer', 'close', 'drop'], 'answer'),
  },
  check({ reasonCode, serverReference, action }) {
    if (reasonCode !== undefined && reasonCode < 0x80) return `option 'reasonCode': ${describeReason(reasonCode)} refuses nothing; 0x80 and above do`
    if (serverReference === '') return undefined
    if (reasonCode !== reasonCodes['use-another-server'] && reasonCode !== reasonCodes['server-moved'])
      return "option 'serverReference' goes with reasonCode use-another-server or server-moved"
    return action === 'answer' ? undefined : `option 'serverReference' goes with action answer, not with ${action}`
  },
  setup({ hooks, on }, options) {
    const { clientId, username, password, address, unlessClientId, unlessUsername, unlessPassword, unlessAddress, action, reasonString, serverReference } =
      options
    const refused: Wanted = { clientId, username, password, address }
    const spared: Wanted = { clientId: unlessClientId, username: unlessUsername, password: unlessPassword, address: unlessAddress }
    const aboutCredentials = unlessUsername !== undefined || unlessPassword !== undefined
    const reasonCode = options.reasonCode ?? reasonCodes[aboutCredentials ? 'bad-user-name-or-password' : 'not-authorized']

    on(hooks.authorize, { kind: 'connect' }, (decision, request, connection) => {
      const caller = callerOf(request, connection)
      if (!fits(refused, caller) || (names(spared) && fits(spared, caller))) return undefined
      const told = { ...(reasonString !== '' && { reasonString }), ...(serverReference !== '' && { serverReference }) }
      const properties = reasonString === '' && serverReference === '' ? decision.properties : { ...decision.properties, ...told }
      return { ...decision, reasonCode, action, ...(properties !== undefined && { properties }) }
    })
  },
})

function callerOf({ packet }: AuthorizeRequest, connection: Connection): Caller {
  const connect = packet.cmd === 'connect' ? packet : undefined
  return {
    clientId: connect?.clientId ?? '',
    username: connect?.username ?? '',
    password: connect?.password?.toString() ?? '',
    address: connection.remoteAddress,
  }
}

/** Whether all of what is wanted fits; what is not given fits always. */
function fits(wanted: Wanted, caller: Caller): boolean {
  const fitsOne = (patterns: readonly string[] | undefined, text: string) => patterns === undefined || patterns.some((pattern) => fitsPattern(pattern, text))
  return (
    fitsOne(wanted.clientId, caller.clientId) &&
    fitsOne(wanted.username, caller.username) &&
    fitsOne(wanted.password, caller.password) &&
    fitsOne(wanted.address, caller.address)
  )
}

function names(wanted: Wanted): boolean {
  return Object.values(wanted).some((patterns) => patterns !== undefined)
}
