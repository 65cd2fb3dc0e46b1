/** Payloads that only a program of the user's can read: it gets the bytes on stdin, and writes text or JSON to stdout. */
import { spawn } from 'node:child_process'

/** What a decoder made of a payload. */
export interface Decoded {
  /** What it wrote to stdout, where that is not JSON. */
  readonly text?: string
  /** The same where it is JSON. */
  readonly json?: unknown
  /** What it wrote to stderr; or why it failed. */
  readonly error?: string
}

/** Runs a decoder, a command line for the shell, on one payload. Never rejects: what went wrong is part of the outcome. */
export function decodePayload(command: string, payload: Buffer): Promise<Decoded> {
  return new Promise((resolve) => {
    const child = spawn(command, { shell: true, stdio: ['pipe', 'pipe', 'pipe'] })
    const out: Buffer[] = []
    const errors: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => errors.push(chunk))
    // A decoder that does not read to the end is no failure of ours.
    child.stdin.on('error', () => undefined)
    child.once('error', (error) => resolve({ error: error.message }))
    child.once('close', (code) => {
      const said = Buffer.concat(errors).toString().trim()
      const error = code === 0 ? said : said || `the decoder ended with ${code}`
      resolve({ ...read(Buffer.concat(out).toString().trim()), ...(error !== '' && { error }) })
    })
    child.stdin.end(payload)
  })
}

function read(text: string): Decoded {
  if (text === '') return {}
  try {
    return { json: JSON.parse(text) }
  } catch {
    return { text }
  }
}
