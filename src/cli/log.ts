/** What is said on stderr: the record as it grows, through pino, as lines for people or as JSON lines. */
import { styleText } from 'node:util'
import { describeRecord } from '../record/describe.ts'
import { recordJson } from '../record/dump.ts'
import type { JournalRecord } from '../record/journal.ts'
import type { Server } from '../server.ts'
import type { LogLevel } from './flags.ts'

/** Level of one line. */
export type LineLevel = Exclude<LogLevel, 'silent'>

/** How the log is written. */
export interface LogSettings {
  readonly level: LogLevel
  readonly format: 'line' | 'json'
}

/** The log of one command. */
export interface Log {
  readonly format: 'line' | 'json'
  shows(level: LineLevel): boolean
  /** `details` stand in JSON lines only. */
  say(level: LineLevel, text: string, details?: object): void
}

/** What a line for people is made of. */
interface LineFields {
  readonly at?: string
  readonly kind?: string
  readonly msg: string
  readonly level: number
}

/** Opens the log. pino is imported only where something is shown. */
export async function openLog({ level, format }: LogSettings): Promise<Log> {
  if (level === 'silent') return { format, shows: () => false, say: () => undefined }
  const { pino } = await import('pino')
  // In this process and at once: a transport of pino's would be a thread, and would lose the last lines.
  const stream = format === 'json' ? process.stderr : { write: (json: string) => void process.stderr.write(readable(JSON.parse(json), hasColours())) }
  const logger = pino(
    { level, base: null, timestamp: format === 'json', formatters: format === 'json' ? { level: (label) => ({ level: label }) } : {} },
    stream,
  )
  return {
    format,
    shows: (one) => logger.isLevelEnabled(one),
    say: (one, text, details = {}) => logger[one](details, text),
  }
}

/** Says what a server has on record so far, and from now on. */
export function follow(server: Server, log: Log): void {
  const say = (record: JournalRecord) => {
    const level = levelOf(record)
    if (log.shows(level)) log.say(level, textOf(record, log), log.format === 'json' ? recordJson(record) : { at: placeOf(record), kind: kindOf(record) })
  }
  for (const record of server.records()) say(record)
  server.onRecord(say)
}

function levelOf(record: JournalRecord): LineLevel {
  if (record.type === 'violation') return record.violation.level === 'info' ? 'info' : 'warn'
  return record.type === 'note' ? record.level : 'info'
}

/** At 'debug' a packet says why it was sent, at 'trace' its bytes follow. */
function textOf(record: JournalRecord, log: Log): string {
  const text = describeRecord(record)
  if (record.type !== 'packet' || log.format === 'json' || !log.shows('debug')) return text
  const cause = record.cause === undefined ? '' : `  (${record.cause})`
  return `${text}${cause}${log.shows('trace') ? `\n${' '.repeat(13)}${record.raw.toString('hex')}` : ''}`
}

function placeOf(record: JournalRecord): string {
  const seconds = `${(record.atMs / 1000).toFixed(3)}s`.padStart(9)
  return `${seconds} ${record.connection === undefined ? '' : `#${record.connection} `}`
}

function kindOf(record: JournalRecord): string {
  return record.type === 'packet' ? record.direction : record.type
}

type Style = Parameters<typeof styleText>[0]

const styles: { readonly [kind: string]: Style } = { in: 'cyan', out: 'green', fault: 'magenta', open: 'gray', close: 'gray', violation: 'yellow' }

function readable({ at = '', kind = '', msg, level }: LineFields, colours: boolean): string {
  if (!colours) return `${at}${msg}\n`
  // pino's numbers: 40 is a warning, 50 an error.
  const style = level >= 50 ? 'red' : level >= 40 ? 'yellow' : styles[kind]
  return `${at === '' ? '' : styleText('gray', at, { validateStream: false })}${style === undefined ? msg : styleText(style, msg, { validateStream: false })}\n`
}

/** Colours where a person looks at a terminal that has them, or where FORCE_COLOR asks for them; never under NO_COLOR. */
function hasColours(): boolean {
  const { NO_COLOR, FORCE_COLOR } = process.env
  if (NO_COLOR !== undefined && NO_COLOR !== '') return false
  if (FORCE_COLOR !== undefined) return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false'
  return process.stderr.isTTY === true && process.stderr.hasColors()
}
