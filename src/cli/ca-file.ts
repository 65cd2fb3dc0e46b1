/** The certificate of the server's authority as a file, for the command of `exec`. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A file that is there until `remove` is called. */
export interface AuthorityFile {
  /** MQTT_CA_FILE, and NODE_EXTRA_CA_CERTS for commands that are Node. */
  readonly env: Readonly<Record<'MQTT_CA_FILE' | 'NODE_EXTRA_CA_CERTS', string>>
  remove(): void
}

/** Writes the certificate. What NODE_EXTRA_CA_CERTS named before goes on to be trusted. */
export function writeAuthority(ca: string, trustedBefore: string | undefined): AuthorityFile {
  const folder = mkdtempSync(join(tmpdir(), 'mqttest-ca-'))
  const file = join(folder, 'ca.pem')
  writeFileSync(file, ca)
  let extra = file
  const before = textOf(trustedBefore)
  if (before !== undefined) {
    extra = join(folder, 'with-extra.pem')
    writeFileSync(extra, `${before}\n${ca}`)
  }
  return { env: { MQTT_CA_FILE: file, NODE_EXTRA_CA_CERTS: extra }, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

/** A file that cannot be read is none: Node only warns of it. */
function textOf(file: string | undefined): string | undefined {
  if (file === undefined || file === '') return undefined
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
