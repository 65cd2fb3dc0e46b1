/** Why a TLS handshake failed, in words that a reader of the record understands. */

/** What OpenSSL says, in lower case, and what it means. */
const meanings: Readonly<Record<string, string>> = {
  'wrong version number': 'what it sent is not TLS',
  'http request': 'what it sent is plain HTTP, not TLS',
  'unsupported protocol': 'it speaks no version of TLS that is allowed here',
  'no shared cipher': 'it has no cipher in common with the server',
  'no application protocol': 'it offers no ALPN protocol that is accepted here',
}

/** Why a handshake failed, after "a client did not get through: ". */
export function handshakeReason(error: Error): string {
  const code: unknown = Reflect.get(error, 'code')
  const reason: unknown = Reflect.get(error, 'reason')
  if (code === 'ECONNRESET') return 'it was gone before the TLS handshake was done'
  if (code === 'ERR_TLS_HANDSHAKE_TIMEOUT') return 'it did not finish the TLS handshake in time'
  if (typeof reason !== 'string') return error.message
  // OpenSSL 3.5 calls SSL/TLS what was SSLv3 before.
  const alert = /^(?:tlsv1|tlsv13|sslv3|ssl\/tls) alert (.*)$/i.exec(reason)?.[1]
  if (alert !== undefined) return `it refused the handshake with the alert '${alert}'`
  const meaning = meanings[reason.toLowerCase()]
  return meaning === undefined ? `the TLS handshake failed: ${reason}` : `${meaning} (${reason})`
}

/** Why a client's certificate was refused. */
export function certificateReason(code: unknown): string {
  // Node's word for no certificate at all.
  if (code === 'UNABLE_TO_GET_ISSUER_CERT') return 'it showed no certificate'
  return `its certificate was refused: ${String(code)}`
}
