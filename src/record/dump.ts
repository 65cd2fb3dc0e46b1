/**
 * The dump: the record as JSON lines, one object a line, to a file or to one per connection. Lines are made in batches, off
 * the path of the packets.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { appendFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Clock, Timer } from '../clock.ts'
import { MqttestError } from '../errors.ts'
import type { DumpOptions } from '../start.ts'
import { decodeUtf8 } from '../wire/strings.ts'
import type { Journal, JournalRecord } from './journal.ts'

/** How long records wait for others before they are written, in milliseconds. */
const batchMs = 50

/** How many records wait at most. */
const batchSize = 1000

/**
 * Begins to write; files of an earlier run are replaced. Returns the call that writes the rest; it rejects where a file
 * failed. Throws at once where a file that is known by name cannot be written.
 */
export function openDump(option: string | readonly string[] | DumpOptions, journal: Journal, clock: Clock): () => Promise<void> {
  const options = dumpOptions(option)
  const names = [options.file].flat()
  const begun = new Set<string>()
  let failure: unknown
  let waiting: JournalRecord[] = []
  let timer: Timer | undefined
  /** Files are written one after the other and closed in between, so that ten thousand connections need one handle. */
  let written = Promise.resolve()

  const begin = (name: string) => {
    if (begun.has(name)) return
    begun.add(name)
    try {
      mkdirSync(dirname(name), { recursive: true })
      writeFileSync(name, '')
    } catch (cause) {
      throw new MqttestError('MQTTEST_OPTION', `option 'dump': cannot write ${name}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    }
  }
  const write = async (batch: readonly JournalRecord[]) => {
    const texts = new Map<string, string[]>()
    for (const record of batch) {
      const line = await lineOf(record, options)
      if (line === undefined) continue
      for (const pattern of names) {
        const perConnection = pattern.includes('{c}')
        if (perConnection && record.connection === undefined) continue
        const name = perConnection ? pattern.replaceAll('{c}', String(record.connection)) : pattern
        const lines = texts.get(name) ?? []
        texts.set(name, lines)
        lines.push(line)
      }
    }
    for (const [name, lines] of texts) {
      begin(name)
      await appendFile(name, `${lines.join('\n')}\n`)
    }
  }
  const flush = () => {
    timer?.cancel()
    timer = undefined
    const batch = waiting
    waiting = []
    written = written
      .then(() => write(batch))
      .catch((error: unknown) => {
        failure ??= error
      })
  }
  for (const name of names) if (!name.includes('{c}')) begin(name)
  const stop = journal.listen((record) => {
    waiting.push(record)
    if (waiting.length >= batchSize) flush()
    else timer ??= clock.after(batchMs, flush)
  })
  return async () => {
    stop()
    flush()
    await written
    if (failure !== undefined) throw failure
  }
}

function dumpOptions(option: string | readonly string[] | DumpOptions): DumpOptions {
  return typeof option === 'object' && 'file' in option ? option : { file: option }
}

/** A record as one line of JSON; undefined where the form of the dump has nothing for it. */
async function lineOf(record: JournalRecord, { format = 'mqttest', payload = 'auto', decode }: DumpOptions): Promise<string | undefined> {
  const message = record.type === 'packet' && record.packet?.cmd === 'publish' ? record.packet : undefined
  const decoded =
    decode === undefined || message === undefined ? undefined : await (await import('./payload-decoder.ts')).decodePayload(decode, message.payload)
  if (format === 'rust') return record.type === 'packet' ? (await import('./rust-dump.ts')).rustLine(record, decoded) : undefined
  return JSON.stringify({ ...recordJson(record, payload), ...(decoded !== undefined && { decoded }) })
}

/** A record as plain data: what a line of the dump holds. */
export function recordJson(record: JournalRecord, payload: DumpOptions['payload'] = 'auto'): object {
  const { type, serial, atMs, wallTime } = record
  const head = { type, serial, at: new Date(wallTime).toISOString(), atMs: Math.round(atMs * 1000) / 1000 }
  if (record.type === 'packet') {
    const { connection, direction, cmd, raw, cause, faults, packet } = record
    return {
      ...head,
      connection,
      dir: direction,
      cmd,
      raw: raw.toString('hex'),
      ...(cause !== undefined && { cause }),
      ...(faults.length > 0 && { faults }),
      packet: plain(packet, payload),
    }
  }
  const { type: _type, serial: _serial, atMs: _atMs, wallTime: _wallTime, ...rest } = record
  return { ...head, ...Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, plain(value, payload)])) }
}

/** Longest depth that a dump follows: what plugins changed may hang on to half the server. */
const deepest = 8

function plain(value: unknown, payload: DumpOptions['payload'], key = '', depth = 0): unknown {
  if (value instanceof Uint8Array)
    return key === 'raw' ? Buffer.from(value).toString('hex') : payloadJson(Buffer.from(value.buffer, value.byteOffset, value.byteLength), payload)
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'function') return undefined
  if (typeof value !== 'object' || value === null) return value
  if (depth >= deepest) return undefined
  if (Array.isArray(value)) return value.map((item) => plain(item, payload, key, depth + 1))
  // Sessions and connections are named, not written out.
  if ('clientId' in value && 'run' in value) return { clientId: value.clientId }
  return Object.fromEntries(Object.entries(value).flatMap(([name, inner]) => (name === 'encoded' ? [] : [[name, plain(inner, payload, name, depth + 1)]])))
}

/** { len, utf8, json } as far as they apply, else { len, base64 }. */
function payloadJson(bytes: Buffer, mode: DumpOptions['payload']): object {
  const text = mode === 'base64' ? undefined : decodeUtf8(bytes)
  if (text === undefined) return { len: bytes.length, base64: bytes.toString('base64') }
  if (!/^\s*[[{"\d-]|^\s*(true|false|null)\s*$/.test(text)) return { len: bytes.length, utf8: text }
  try {
    return { len: bytes.length, utf8: text, json: JSON.parse(text) }
  } catch {
    return { len: bytes.length, utf8: text }
  }
}
