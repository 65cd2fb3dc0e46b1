/** How a listener speaks TLS: options and their check, apart from what loads node:tls. */
import type { SecureVersion } from 'node:tls'
import { checkChoice, checkKeys, isKeyed, mistake, shown } from './mistake.ts'

/** What is wrong with a server's certificate; 'good' is nothing. */
export const certificateKinds = ['good', 'expired', 'not-yet-valid', 'wrong-host', 'unknown-ca', 'self-signed'] as const

/** One of the kinds of certificates. */
export type CertificateKind = (typeof certificateKinds)[number]

/** Where a handshake is stopped, and how. */
export interface HandshakeFault {
  /**
   * 'accept': before anything is read; 'client-hello': after the client's first message, unanswered; 'server-hello': after
   * so many bytes of the server's first answer (`bytes`, 100 by default), or after all of it where it is shorter.
   */
  readonly at: 'accept' | 'client-hello' | 'server-hello'
  /** 'stall' (default): nothing more happens; 'rst' or 'fin' end the connection. */
  readonly how?: 'stall' | 'rst' | 'fin'
  readonly bytes?: number
  /** So many handshakes are stopped, and those that come later are good; all are stopped unless it is given. */
  readonly times?: number
}

/** How a listener speaks TLS. */
export interface TlsOptions {
  /** What is wrong with the certificate; 'good' (default): signed by `server.ca` for localhost, 127.0.0.1 and ::1. */
  readonly certificate?: CertificateKind
  /** More names and addresses that the certificate is for; of 'wrong-host', all that it is for. */
  readonly hosts?: readonly string[]
  /** A certificate of your own, as PEM, with its key. */
  readonly cert?: string
  readonly key?: string
  /** Whether clients are asked for a certificate, and refused without one that `server.ca` signed. 'none' by default. */
  readonly clientCertificate?: 'none' | 'request' | 'require'
  /** TLS 1.2 and 1.3 by default. */
  readonly minVersion?: SecureVersion
  readonly maxVersion?: SecureVersion
  /** Protocols that are accepted by ALPN; a client that offers only others is refused with an alert. Not looked at by default. */
  readonly alpn?: readonly string[]
  /** Names that are accepted by SNI; a client that asks for another is refused with an alert. Not looked at by default. */
  readonly sni?: readonly string[]
  /** Stops the handshake at a point. */
  readonly handshake?: HandshakeFault
}

const keys = ['certificate', 'hosts', 'cert', 'key', 'clientCertificate', 'minVersion', 'maxVersion', 'alpn', 'sni', 'handshake'] as const
const handshakeKeys = ['at', 'how', 'bytes', 'times'] as const
const versions = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const satisfies readonly SecureVersion[]

/** The oldest and the newest version that a listener speaks; naming one of them moves the other where it has to. */
export function versionsOf({ minVersion, maxVersion = 'TLSv1.3' }: TlsOptions): { minVersion: SecureVersion; maxVersion: SecureVersion } {
  return { minVersion: minVersion ?? (maxVersion < 'TLSv1.2' ? maxVersion : 'TLSv1.2'), maxVersion }
}

/** Checks TLS options. Throws MQTTEST_OPTION. */
export function checkTlsOptions(options: TlsOptions): void {
  checkKeys('listen.tls', options, keys)
  const { certificate, hosts, cert, key, handshake } = options
  checkChoice('listen.tls.certificate', certificate, certificateKinds)
  checkChoice('listen.tls.clientCertificate', options.clientCertificate, ['none', 'request', 'require'])
  checkChoice('listen.tls.minVersion', options.minVersion, versions)
  checkChoice('listen.tls.maxVersion', options.maxVersion, versions)
  const { minVersion, maxVersion } = versionsOf(options)
  if (minVersion > maxVersion) throw mistake('listen.tls', `minVersion ${minVersion} is above maxVersion ${maxVersion}`)
  checkTexts('hosts', hosts)
  checkTexts('alpn', options.alpn)
  checkTexts('sni', options.sni)
  if ((cert === undefined) !== (key === undefined)) throw mistake('listen.tls', 'a certificate of your own needs both cert and key')
  for (const [name, value] of Object.entries({ cert, key }))
    if (value !== undefined && (typeof value !== 'string' || !value.includes('-----BEGIN ')))
      throw mistake(`listen.tls.${name}`, `expected the text of a PEM file ('-----BEGIN ...'), got ${shown(value)}`)
  if (cert !== undefined && (certificate !== undefined || hosts !== undefined))
    throw mistake(
      'listen.tls',
      `'${certificate === undefined ? 'hosts' : 'certificate'}' is about a certificate that is made here; with a 'cert' of your own it says nothing`,
    )
  if (handshake === undefined) return
  if (!isKeyed(handshake)) throw mistake('listen.tls.handshake', `expected an object such as { at: 'client-hello' }, got ${shown(handshake)}`)
  checkKeys('listen.tls.handshake', handshake, handshakeKeys)
  const { at, how, bytes, times } = handshake
  if (at === undefined) throw mistake('listen.tls.handshake.at', 'missing: expected one of accept, client-hello, server-hello')
  checkChoice('listen.tls.handshake.at', at, ['accept', 'client-hello', 'server-hello'])
  checkChoice('listen.tls.handshake.how', how, ['stall', 'rst', 'fin'])
  if (times !== undefined && !(Number.isInteger(times) && times >= 1))
    throw mistake('listen.tls.handshake.times', `expected a whole number, at least 1, got ${shown(times)}`)
  if (bytes === undefined) return
  if (!(Number.isInteger(bytes) && bytes >= 0)) throw mistake('listen.tls.handshake.bytes', `expected a whole number of bytes, got ${shown(bytes)}`)
  if (at !== 'server-hello') throw mistake('listen.tls.handshake.bytes', `counts bytes of the server's answer, of which there is none at '${at}'`)
}

function checkTexts(name: string, value: unknown): void {
  if (value === undefined || (Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'string' && one !== ''))) return
  throw mistake(`listen.tls.${name}`, `expected a list of texts, got ${shown(value)}`)
}
