/**
 * SCRAM-SHA-256 (RFC 5802, RFC 7677) as a plugin: the worked example of enhanced authentication (section 4.12 of MQTT 5). The whole
 * exchange is one asynchronous tap of `authorize`, read from top to bottom; `connection.exchange` sends AUTH and waits for the answer.
 */
import { createHash, createHmac, pbkdf2Sync, timingSafeEqual } from 'node:crypto'
import { definePlugin, option } from 'mqttest'

/** The name of the method in CONNECT and AUTH. */
export const method = 'SCRAM-SHA-256'

const malformedPacket = 0x81
const notAuthorized = 0x87

/** HMAC with SHA-256. */
export function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

/** The plain hash. */
export function hash(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest()
}

/** Bytes combined bit by bit. */
export function xor(one: Buffer, other: Buffer): Buffer {
  return Buffer.from(one.map((byte, index) => byte ^ (other[index] ?? 0)))
}

/** The attributes of a SCRAM message: 'r=abc,i=4096' → { r: 'abc', i: '4096' }. */
export function attributes(message: string): Readonly<Record<string, string>> {
  return Object.fromEntries(message.split(',').map((part) => [part.slice(0, 1), part.slice(2)]))
}

/** Lets in whoever proves to know a password, which itself never goes over the wire. */
export const scram = definePlugin({
  meta: { name: 'scram', summary: 'enhanced authentication with SCRAM-SHA-256', spec: ['MQTT-4.12.0-2', 'MQTT-4.12.0-3'] },
  options: {
    user: option.text('who is let in', 'user'),
    password: option.text('with which password', 'pencil'),
    iterations: option.count('rounds of PBKDF2', 4096, { min: 4096 }),
  },
  setup({ hooks, on, name }, { user, password, iterations }) {
    on(hooks.authorize, { kind: ['connect', 'reauth'] }, async (decision, request, connection) => {
      if (request.kind !== 'connect' && request.kind !== 'reauth') return decision
      const { authenticationMethod, authenticationData } = request.packet.properties ?? {}
      if (authenticationMethod !== method) return decision // another plugin may know it; else the broker refuses with 0x8C

      // client-first: 'n,,n=user,r=nonce'. No channel binding.
      const clientFirst = authenticationData?.toString() ?? ''
      const bare = clientFirst.replace(/^n,,/, '')
      const { n: claimed, r: clientNonce } = attributes(bare)
      if (bare === clientFirst || claimed === undefined || clientNonce === undefined) return { reasonCode: malformedPacket }

      // server-first: our part of the nonce, the salt, the rounds
      const random = connection.random(name)
      const nonce = clientNonce + random.integer(0, 0xffff_ffff).toString(36)
      const salt = Buffer.from(Array.from({ length: 16 }, () => random.integer(0, 255)))
      const serverFirst = `r=${nonce},s=${salt.toString('base64')},i=${iterations}`
      const answer = await connection.exchange(serverFirst)
      if (answer === undefined) return undefined // the client has gone

      // client-final: 'c=biws,r=nonce,p=proof'
      const clientFinal = answer.properties?.authenticationData?.toString() ?? ''
      const { c: channel, r: repeated, p: proof = '' } = attributes(clientFinal)
      if (channel !== 'biws' || repeated !== nonce) return { reasonCode: notAuthorized }
      const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256')
      const storedKey = hash(hmac(salted, 'Client Key'))
      const told = [bare, serverFirst, clientFinal.replace(/,p=.*$/, '')].join(',')
      const clientKey = xor(Buffer.from(proof, 'base64'), hmac(storedKey, told))
      if (clientKey.length !== 32 || !timingSafeEqual(hash(clientKey), storedKey) || claimed !== user) return { reasonCode: notAuthorized }

      // server-final: we know the password, too
      const verifier = hmac(hmac(salted, 'Server Key'), told).toString('base64')
      return { reasonCode: 0, properties: { authenticationData: Buffer.from(`v=${verifier}`) } }
    })
  },
})
