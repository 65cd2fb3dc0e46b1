/**
 * The dump: the record as JSON lines, one object a line, to a file or to one per connection. Lines are made in batches, off
 * the path of the packets.
 */
import { createWriteStream, mkdirSync, type WriteStream } from 'node:fs'
import { dirname } from 'node:path'
import type { Clock, Timer } from '../clock.ts'
import type { DumpOptions } from '../start.ts'
import { decodeUtf8 } from '../wire/strings.ts'
import type { Journal, JournalRecord } from './journal.ts'

/** How long records wait for others before they are written, in milliseconds. */
const batchMs = 50

/** How many records wait at most. */
const batchSize = 1000

/** Begins to write. Returns the call that writes the rest and closes the files; it rejects where a file failed. */
export function openDump(option: string | readonly string[] | DumpOptions, journal: Journal, clock: Clock): () => Promise<void> {
  const options: DumpOptions = typeof option === 'string' || Array.isArray(option) ? { file: option } : (option as DumpOptions)
  const names = [options.file].flat()
  const files = new Map<string, WriteStream>()
  const failures: Error[] = []
  let waiting: JournalRecord[] = []
  let timer: Timer | undefined

  const fileOf = (name: string) => {
    const known = files.get(name)
    if (known !== undefined) return known
    mkdirSync(dirname(name), { recursive: true })
    const file = createWriteStream(name)
    file.on('error', (error) => failures.push(error))
    files.set(name, file)
    return file
  }
  const flush = () => {
    timer?.cancel()
    timer = undefined
    const batch = waiting
    waiting = []
    const texts = new Map<string, string[]>()
    for (const record of batch)
      for (const pattern of names) {
        const perConnection = pattern.includes('{c}')
        if (perConnection && record.connection === undefined) continue
        const name = perConnection ? pattern.replaceAll('{c}', String(record.connection)) : pattern
        const lines = texts.get(name) ?? []
        texts.set(name, lines)
        lines.push(recordLine(record, options.payload))
      }
    for (const [name, lines] of texts) fileOf(name).write(`${lines.join('\n')}\n`)
    // A connection that ended writes nothing more.
    for (const record of batch)
      if (record.type === 'close')
        for (const pattern of names)
          if (pattern.includes('{c}')) {
            const name = pattern.replaceAll('{c}', String(record.connection))
            files.get(name)?.end()
          }
  }
  for (const name of names) if (!name.includes('{c}')) fileOf(name)
  const stop = journal.listen((record) => {
    waiting.push(record)
    if (waiting.length >= batchSize) flush()
    else timer ??= clock.after(batchMs, flush)
  })
  return async () => {
    stop()
    flush()
    await Promise.all([...files.values()].map(closed))
    const failure = failures[0]
    if (failure !== undefined) throw failure
  }
}

function closed(file: WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (file.closed || file.destroyed) {
      resolve()
      return
    }
    file.once('close', () => resolve())
    file.end()
  })
}

/** A record as one line of JSON. Bytes are hex, payloads text, JSON or base64. */
function recordLine(record: JournalRecord, payload: DumpOptions['payload'] = 'auto'): string {
  return JSON.stringify(recordJson(record, payload))
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
