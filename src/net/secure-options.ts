/** How a listener speaks TLS: options and their check, apart from what loads node:tls. */
import type { SecureVersion } from 'node:tls'
import { MqttestError, nameHint } from '../errors.ts'

/** What is wrong with a server's certificate; 'good' is nothing. */
export const certificateKinds = ['good', 'expired', 'not-yet-valid', 'wrong-host', 'unknown-ca', 'self-signed'] as const

/** One of the kinds of certificates. */
export type CertificateKind = (typeof certificateKinds)[number]

/** Where a handshake is stopped, and how. */
export interface HandshakeFault {
  /**
   * 'accept': before anything is read; 'client-hello': after the client's first message, unanswered; 'server-hello': after
   * so many bytes of the server's first answer (`bytes`, 100 by default).
   */
  readonly at: 'accept' | 'client-hello' | 'server-hello'
  /** 'stall' (default): nothing more happens; 'rst' or 'fin' end the connection. */
  readonly how?: 'stall' | 'rst' | 'fin'
  readonly bytes?: number
}

/** How a listener speaks TLS. */
export interface TlsOptions {
  /** What is wrong with the certificate; 'good' (default): signed by `server.ca` for localhost, 127.0.0.1 and ::1. */
  readonly certificate?: CertificateKind
  /** More names and addresses that the certificate is for. */
  readonly hosts?: readonly string[]
  /** A certificate of your own, as PEM, with its key. */
  readonly cert?: string
  readonly key?: string
  /** Whether clients are asked for a certificate, and refused without one that `server.ca` signed. 'none' by default. */
  readonly clientCertificate?: 'none' | 'request' | 'require'
  /** TLS 1.2 and 1.3 by default. */
  readonly minVersion?: SecureVersion
  readonly maxVersion?: SecureVersion
  /** Protocols that are accepted by ALPN; a client that offers others is refused. Not looked at by default. */
  readonly alpn?: readonly string[]
  /** Names that are accepted by SNI; others are refused with an alert. Not looked at by default. */
  readonly sni?: readonly string[]
  /** Stops the handshake at a point. */
  readonly handshake?: HandshakeFault
}

const keys = ['certificate', 'hosts', 'cert', 'key', 'clientCertificate', 'minVersion', 'maxVersion', 'alpn', 'sni', 'handshake'] as const

/** Checks TLS options. Throws MQTTEST_OPTION. */
export function checkTlsOptions(options: TlsOptions): void {
  for (const key of Object.keys(options))
    if (!keys.some((known) => known === key)) throw new MqttestError('MQTTEST_OPTION', `option 'listen.tls': unknown key '${key}'.${nameHint(key, keys)}`)
  const choice = (name: string, value: string | undefined, allowed: readonly string[]) => {
    if (value !== undefined && !allowed.includes(value))
      throw new MqttestError(
        'MQTTEST_OPTION',
        `option 'listen.tls.${name}': expected one of ${allowed.join(', ')}, got ${JSON.stringify(value)}.${nameHint(value, allowed)}`,
      )
  }
  choice('certificate', options.certificate, certificateKinds)
  choice('clientCertificate', options.clientCertificate, ['none', 'request', 'require'])
  const versions = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3']
  choice('minVersion', options.minVersion, versions)
  choice('maxVersion', options.maxVersion, versions)
  choice('handshake.at', options.handshake?.at, ['accept', 'client-hello', 'server-hello'])
  choice('handshake.how', options.handshake?.how, ['stall', 'rst', 'fin'])
  if ((options.cert === undefined) !== (options.key === undefined))
    throw new MqttestError('MQTTEST_OPTION', "option 'listen.tls': a certificate of your own needs both cert and key")
}
