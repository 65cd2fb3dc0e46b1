/** The options of the command line. */
import type { RustFlags } from './rust-flags.ts'

/** Levels of the log, from nothing to everything. */
export const logLevels = ['silent', 'error', 'warn', 'info', 'debug', 'trace'] as const

/** One of {@link logLevels}. */
export type LogLevel = (typeof logLevels)[number]

/** Options as commander reads them; what was not given is left out. */
export interface Flags extends RustFlags {
  readonly use?: readonly string[]
  /** A path, or false for --no-config. */
  readonly config?: string | boolean
  readonly port?: string
  readonly host?: string
  readonly socket?: string
  readonly tls?: boolean
  readonly tlsPort?: string
  /** A path, or true for every path. */
  readonly ws?: string | boolean
  readonly wsPort?: string
  readonly dump?: readonly string[]
  readonly dumps?: readonly string[]
  readonly dumpDecode?: string
  readonly dumpFormat?: 'mqttest' | 'rust'
  readonly maxConnections?: number
  readonly maxConnect?: number
  readonly ports?: string
  /** How often -v was given. */
  readonly v?: number
  readonly maxRuntime?: string
  readonly seed?: string
  readonly lint?: 'off' | 'warn' | 'fail'
  readonly logLevel?: LogLevel
  readonly logFormat?: 'line' | 'json'
  readonly verbose?: boolean
}

/** Options before a command and after it: the later ones win, lists are joined. */
export function joinFlags(before: Flags, after: Flags): Flags {
  // --no-config has the default true, which says nothing.
  const config = after.config === true ? before.config : after.config
  const joined = {
    ...before,
    ...after,
    use: [...(before.use ?? []), ...(after.use ?? [])],
    dump: [...(before.dump ?? []), ...(after.dump ?? [])],
    dumps: [...(before.dumps ?? []), ...(after.dumps ?? [])],
  }
  const { v = 0, logLevel = v > 1 ? 'trace' : v === 1 ? 'debug' : undefined } = joined
  return { ...joined, ...(logLevel !== undefined && { logLevel }), ...(config !== undefined && { config }) }
}
