import { type AuthorizeRequest, type Connection, decide, definePlugin, endConnection, fitsTemplate, option, type Timer } from '../src/index.ts'
import { readToken, tokenKinds } from './internal/credentials/token.ts'

const template = (about: string) => option.text(`${about}; {clientId} is filled in, * is any text`, '*')

type ConnectRequest = Extract<AuthorizeRequest, { kind: 'connect' }>

/**
 * Who may connect, and for how long: user names and passwords, or tokens that expire. Without options everybody who says a user
 * name gets in.
 *
 *     credentials({ users: { joe: 'secret' }, failure: { v3: 'not-authorized', v5: 'bad-user-name-or-password' } })
 *     credentials({ usernames: ['hub/{clientId}/*'], token: 'sas', claims: { sr: 'hub/devices/{clientId}' } })
 *     credentials({ token: 'jwt', grace: '10s', expiryAnswer: 'maximum-connect-time' })      DISCONNECT 0xA0 when it is over
 *     credentials({ users: { joe: 'secret' }, failure: 'close', delay: '3s', delayed: 'failures' })
 *
 * Passwords are compared byte by byte; one that is missing is empty. A token is the password. What it says is believed: its
 * signature is not verified. Who names an authentication method in CONNECT shows its credentials there, and is let pass here.
 */
export const credentials = definePlugin({
  meta: {
    name: 'credentials',
    api: 1,
    group: 'sessions',
    summary: 'Only some users get in, with the right password or a token; when that expires the connection ends.',
    spec: ['MQTT-3.1.4-2', 'MQTT-3.1.2-22', 'MQTT-3.2.2-6', 'MQTT-3.2.2-7'],
    finds: 'clients that come back for ever with the same wrong credentials, or do not get a new token when theirs has expired',
    seenIn: ['https://github.com/jkaberg/pyBYD/pull/61', 'https://github.com/mqttjs/MQTT.js/issues/1947'],
  },
  options: {
    users: option.optional(option.map(option.text('a password', ''), 'users by name, each with its password; anybody unless given', {})),
    anonymous: option.flag('whether a client gets in without a user name and a password', false),
    usernames: option.optional(option.list(template('what a user name may be'), 'user names that are allowed at all; all unless given', [])),
    token: option.optional(option.choice('the password of everybody who is not in `users` is such a token, and has not expired', tokenKinds, 'jwt')),
    claims: option.map(template('what it says'), 'what a token has to say, by the name of the claim: aud, sub; sr', {}),
    passwordAlone: option.choice(
      'a password without a user name, in MQTT 5, is that of the user with the empty name, is no credential at all, or is refused',
      ['empty', 'anonymous', 'refuse'],
      'empty',
    ),
    failure: option.answer('what a CONNECT gets that is refused', 'bad-user-name-or-password'),
    delay: option.duration('how long the check takes', 0),
    delayed: option.choice('what takes so long', ['all', 'failures', 'successes'], 'all'),
    endExpired: option.flag('the connection ends when its token expires; false looks at it in CONNECT only', true),
    validFor: option.optional(option.duration('every credential expires so long after CONNACK', '1h')),
    grace: option.duration('for how long after it has expired a credential is still good, in CONNECT and for the connection', 0),
    expiryAnswer: option.answer('what the connection gets when its credential expires; a code goes out in DISCONNECT', 'not-authorized'),
  },
  check({ users, anonymous, usernames, token, claims, validFor, grace, delay, delayed }) {
    if (token === undefined && claims.size > 0) return "option 'claims' goes with 'token'"
    if (token === undefined && validFor === undefined && grace > 0) return "option 'grace' goes with 'token' and 'validFor'"
    if (delay === 0 && delayed !== 'all') return "option 'delayed' goes with 'delay'"
    if (anonymous && users === undefined && usernames === undefined && token === undefined && validFor === undefined && delay === 0)
      return "everybody gets in: give 'users', 'usernames', 'token', 'validFor' or 'delay'"
    return undefined
  },
  setup({ hooks, on, pause, clock, acted, name }, options) {
    const { users, anonymous, usernames, token, claims, passwordAlone, failure, delay, delayed, endExpired, validFor, grace, expiryAnswer } = options
    const stay = (): { timer: Timer | undefined } => ({ timer: undefined })

    const isAnonymous = ({ username, password }: ConnectRequest['packet']) =>
      username === undefined && (password === undefined || passwordAlone === 'anonymous')

    /** What is wrong with the credentials of a client; undefined where nothing is. */
    function problemOf(packet: ConnectRequest['packet'], connection: Connection): string | undefined {
      const { username = '', password = Buffer.alloc(0) } = packet
      if (isAnonymous(packet)) return anonymous ? undefined : 'there is no user name'
      if (packet.username === undefined && passwordAlone === 'refuse') return 'there is a password without a user name'
      if (usernames?.some((one) => fitsTemplate(one, username, connection)) === false) return 'the user name is not allowed'
      const expected = users?.get(username)
      if (expected !== undefined) return Buffer.from(expected).equals(password) ? undefined : 'the password is wrong'
      if (token !== undefined) return problemOfToken(password, connection)
      return users === undefined ? undefined : 'the user is not known'
    }

    function problemOfToken(password: Buffer, connection: Connection): string | undefined {
      const read = token && readToken(token, password.toString())
      if (read === undefined) return `the password is no token of the kind ${token}`
      for (const [claim, wanted] of claims)
        if (!read.claims.get(claim)?.some((value) => fitsTemplate(wanted, value, connection))) return `the token does not say the right ${claim}`
      return read.expiresMs !== undefined && read.expiresMs + grace <= clock.wallTime() ? 'the token has expired' : undefined
    }

    on(hooks.authorize, { kind: 'connect' }, (decision, request, connection) => {
      const { packet } = request
      if (packet.properties?.authenticationMethod !== undefined) return undefined
      const problem = problemOf(packet, connection)
      const answer = () => (problem === undefined ? undefined : decide(decision, failure, request, connection, problem))
      const isLate = delay > 0 && (delayed === 'all' || (delayed === 'failures') === (problem !== undefined))
      if (!isLate) return answer()
      acted(`the credentials are checked for ${delay} ms`, connection)
      return pause(connection, delay).then(answer)
    })

    /** When the credential of a client expires, on the wall clock. */
    function expiryOf(packet: ConnectRequest['packet']): number | undefined {
      if (isAnonymous(packet) || packet.properties?.authenticationMethod !== undefined) return undefined
      const isToken = token !== undefined && endExpired && users?.has(packet.username ?? '') !== true
      const told = isToken ? readToken(token, packet.password?.toString() ?? '')?.expiresMs : undefined
      const given = validFor === undefined ? undefined : clock.wallTime() + validFor
      return told === undefined || given === undefined ? (told ?? given) : Math.min(told, given)
    }

    if (validFor === undefined && (token === undefined || !endExpired)) return
    hooks.session.tap(name, (_plan, packet, connection) => {
      const expiresMs = expiryOf(packet)
      if (expiresMs === undefined) return undefined
      connection.state(stay).timer = clock.after(expiresMs + grace - clock.wallTime(), () => {
        acted('the credential has expired', connection)
        endConnection(connection, expiryAnswer, 'the credential has expired')
      })
      return undefined
    })
    hooks.disconnect.tap(name, (connection) => connection.state(stay).timer?.cancel())
  },
})
