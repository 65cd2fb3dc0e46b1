/**
 * Certificates for tests, made when a listener needs one: a throw-away certificate authority per server, and what it signs,
 * right or wrong on purpose. Nothing is kept on disk, so nothing expires in a repository.
 */
import { webcrypto } from 'node:crypto'
import { chooseClock } from '../clock.ts'
import type { CertificateKind } from './secure-options.ts'

/** A certificate with its key, as PEM. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** The certificates of one server. */
export interface Authority {
  /** The certificate of the authority, as PEM: what a client has to trust. */
  readonly ca: string
  /** A certificate for the server; for 'localhost', '127.0.0.1' and '::1', and more names where they are given. */
  server(kind: CertificateKind, hosts?: readonly string[]): Promise<Certificate>
  /** A certificate for a client, signed by the same authority. */
  client(name: string): Promise<Certificate>
}

const dayMs = 86_400_000
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

/** The library is heavy (some 100 ms): it is loaded when the first certificate has to be made. */
async function loadLibrary() {
  await import('reflect-metadata')
  const x509 = await import('@peculiar/x509')
  x509.cryptoProvider.set(webcrypto)
  return x509
}

type Library = Awaited<ReturnType<typeof loadLibrary>>
type Keys = Awaited<ReturnType<typeof makeKeys>>

function makeKeys() {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
}

async function pemOfKey(key: Keys['privateKey']): Promise<string> {
  const bytes = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key))
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`
}

// Clients judge certificates by the real time, whatever the server's clock does.
const clock = chooseClock('real')

let serial = 0

/** Certificates are told apart by their serial number; time makes it differ between servers. */
function nextSerial(): string {
  serial++
  return (clock.wallTime() * 256 + serial).toString(16).padStart(16, '0')
}

async function makeAuthority(library: Library, name: string) {
  const keys = await makeKeys()
  const now = clock.wallTime()
  const certificate = await library.X509CertificateGenerator.createSelfSigned({
    serialNumber: nextSerial(),
    name: `CN=${name}`,
    notBefore: new Date(now - 400 * dayMs),
    notAfter: new Date(now + 400 * dayMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new library.BasicConstraintsExtension(true, 0, true),
      new library.KeyUsagesExtension(library.KeyUsageFlags.keyCertSign | library.KeyUsageFlags.cRLSign, true),
      await library.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return { keys, certificate }
}

interface Leaf {
  readonly name: string
  readonly from: Date
  readonly until: Date
  readonly usage: 'server' | 'client'
  readonly hosts: readonly string[]
}

async function sign(library: Library, authority: Awaited<ReturnType<typeof makeAuthority>> | undefined, leaf: Leaf): Promise<Certificate> {
  const keys = await makeKeys()
  const extensions = [
    new library.BasicConstraintsExtension(false, undefined, true),
    new library.KeyUsagesExtension(library.KeyUsageFlags.digitalSignature, true),
    new library.ExtendedKeyUsageExtension([leaf.usage === 'server' ? library.ExtendedKeyUsage.serverAuth : library.ExtendedKeyUsage.clientAuth]),
    await library.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ...(leaf.hosts.length === 0
      ? []
      : [
          new library.SubjectAlternativeNameExtension(
            leaf.hosts.map((host) => ({ type: /^[\d.]+$|:/.test(host) ? ('ip' as const) : ('dns' as const), value: host })),
          ),
        ]),
    ...(authority === undefined ? [] : [await library.AuthorityKeyIdentifierExtension.create(authority.keys.publicKey)]),
  ]
  const common = { serialNumber: nextSerial(), notBefore: leaf.from, notAfter: leaf.until, signingAlgorithm: algorithm, extensions }
  const certificate =
    authority === undefined
      ? await library.X509CertificateGenerator.createSelfSigned({ ...common, name: `CN=${leaf.name}`, keys })
      : await library.X509CertificateGenerator.create({
          ...common,
          subject: `CN=${leaf.name}`,
          issuer: authority.certificate.subject,
          publicKey: keys.publicKey,
          signingKey: authority.keys.privateKey,
        })
  return { cert: certificate.toString('pem'), key: await pemOfKey(keys.privateKey) }
}

/** Makes the authority of one server. */
export async function createAuthority(): Promise<Authority> {
  const library = await loadLibrary()
  const trusted = await makeAuthority(library, 'mqttest test authority')
  const usual = ['localhost', '127.0.0.1', '::1']
  return {
    ca: trusted.certificate.toString('pem'),
    async server(kind, hosts = []) {
      const now = clock.wallTime()
      const from = kind === 'not-yet-valid' ? now + 30 * dayMs : now - 300 * dayMs
      const until = kind === 'expired' ? now - 30 * dayMs : now + 60 * dayMs
      const names = kind === 'wrong-host' ? (hosts.length > 0 ? hosts : ['wrong.host.example']) : [...usual, ...hosts]
      const signer = kind === 'self-signed' ? undefined : kind === 'unknown-ca' ? await makeAuthority(library, 'an authority that nobody trusts') : trusted
      return sign(library, signer, { name: names[0] ?? 'localhost', from: new Date(from), until: new Date(until), usage: 'server', hosts: names })
    },
    client(name) {
      const now = clock.wallTime()
      return sign(library, trusted, { name, from: new Date(now - 300 * dayMs), until: new Date(now + 60 * dayMs), usage: 'client', hosts: [] })
    },
  }
}
