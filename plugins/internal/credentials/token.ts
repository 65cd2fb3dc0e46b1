/** Tokens that clouds take as passwords. They are read, not verified: who holds the right key is not what a test of a client is about. */
import type { Json } from '../../../src/index.ts'

/** The kinds of tokens that can be read. */
export const tokenKinds = ['jwt', 'sas'] as const

/** What a token says. */
export interface Token {
  /** Its claims by name; a list has several values. */
  readonly claims: ReadonlyMap<string, readonly string[]>
  /** When it expires, in milliseconds since 1970; undefined where it does not. */
  readonly expiresMs: number | undefined
}

/** Reads a token; undefined where the text is none. */
export function readToken(kind: (typeof tokenKinds)[number], text: string): Token | undefined {
  return kind === 'jwt' ? readWebToken(text) : readSharedAccessSignature(text)
}

/** JSON Web Token (RFC 7519): three parts in base64url, of which the second has the claims; `exp` is in seconds. */
function readWebToken(text: string): Token | undefined {
  const parts = text.split('.')
  const [header, payload] = [readPart(parts[0]), readPart(parts[1])]
  if (parts.length !== 3 || header === undefined || payload === undefined) return undefined
  const claims = new Map(
    Object.entries(payload).map(([name, value]) => [name, [value].flat().map((one) => (typeof one === 'string' ? one : JSON.stringify(one)))]),
  )
  return { claims, expiresMs: typeof payload.exp === 'number' ? payload.exp * 1000 : undefined }
}

function readPart(part: string | undefined): Readonly<Record<string, Json>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part ?? '', 'base64url').toString())
    return isClaims(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isClaims(value: unknown): value is Readonly<Record<string, Json>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Shared access signature, as Azure has it: 'SharedAccessSignature sr=hub%2Fdevices%2Fid&sig=...&se=1700000000'; `se` is in seconds. */
function readSharedAccessSignature(text: string): Token | undefined {
  const fields = /^SharedAccessSignature (.+)$/.exec(text)?.[1]
  if (fields === undefined) return undefined
  const claims = new Map([...new URLSearchParams(fields)].map(([name, value]) => [name, [value]]))
  const expiry = Number(claims.get('se')?.[0] ?? Number.NaN)
  return claims.has('sr') && claims.has('sig') && Number.isFinite(expiry) ? { claims, expiresMs: expiry * 1000 } : undefined
}
