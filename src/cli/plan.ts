/** What a command line starts: the config file with the options of the command line on top. */
import { type Duration, readDuration } from '../duration.ts'
import { MqttestError } from '../errors.ts'
import { type ListenOptions, placesOf } from '../net/listen-options.ts'
import { isFree, isInUse } from '../net/listener.ts'
import type { PluginEntry } from '../plugin/pack.ts'
import type { Server } from '../server.ts'
import { mergeOptions, type StartOptions, start } from '../start.ts'
import type { Flags } from './flags.ts'
import { rustUses } from './rust-flags.ts'

/** A server that was started, and what there is to say about how. */
export interface Started {
  readonly server: Server
  readonly notes: readonly { readonly level: 'info' | 'warn'; readonly text: string }[]
}

/** Starts the server that a command line asks for. `usualPort` is tried first where nobody said which port. */
export async function startFrom(flags: Flags, usualPort?: number): Promise<Started> {
  const notes: Started['notes'][number][] = []
  const folder = process.cwd()
  const loaded = await configOf(flags, folder)
  if (loaded !== undefined) notes.push({ level: 'info', text: `config ${loaded.file}` })
  let options = mergeOptions(loaded?.options ?? {}, await optionsOf(flags, folder))
  if (options.listen === false) throw new MqttestError('MQTTEST_OPTION', 'the config says listen: false, so there would be no server to reach')
  if (options.listen === undefined && options.port === undefined && usualPort !== undefined) {
    const server = await startIfFree(usualPort, options, flags)
    if (server !== undefined) return { server, notes }
    notes.push({ level: 'warn', text: `port ${usualPort} is in use: took a free one instead; --port chooses` })
    options = { ...options, port: 0 }
  }
  return { server: await start(withMorePlaces(options, flags)), notes }
}

/** Asks first, since a start that fails has set up its plugins; still somebody else may be faster. */
async function startIfFree(port: number, options: StartOptions, flags: Flags): Promise<Server | undefined> {
  if (!(await isFree(port, options.host))) return undefined
  try {
    return await start(withMorePlaces({ ...options, port }, flags))
  } catch (error) {
    if (isInUse(error)) return undefined
    throw error
  }
}

/** The places of --tls and --ws, beside those that there are. */
function withMorePlaces(options: StartOptions, { tls, tlsPort, ws, wsPort, host = options.host }: Flags): StartOptions {
  const at = (port: string | undefined) => ({ ...(port !== undefined && { port: portOf(port) }), ...(host !== undefined && { host }) })
  const more: ListenOptions[] = []
  if (tls === true || tlsPort !== undefined) more.push({ tls: true, ...at(tlsPort) })
  if (ws !== undefined || wsPort !== undefined) more.push({ ws: ws ?? true, ...at(wsPort) })
  if (more.length === 0) return options
  const { port: _port, host: _host, listen: _listen, ...rest } = options
  return { ...rest, listen: [...placesOf(options), ...more] }
}

async function configOf({ config }: Flags, folder: string) {
  if (config === false) return undefined
  const { loadConfig } = await import('../config/load.ts')
  return loadConfig(typeof config === 'string' ? config : undefined, folder)
}

async function optionsOf(flags: Flags, folder: string): Promise<StartOptions> {
  const { host, socket, maxRuntime, seed, lint, dumpDecode: decode, dumpFormat: format } = flags
  // The names that the Rust tool has for the same.
  const { port = flags.ports, maxConnections = flags.maxConnect } = flags
  const dump = [...(flags.dump ?? []), ...(flags.dumps ?? [])]
  if (dump.length === 0 && (decode !== undefined || format !== undefined))
    throw new MqttestError('MQTTEST_OPTION', `${decode === undefined ? '--dump-format' : '--dump-decode'} says how a dump is written: give --dump as well`)
  const tcp: ListenOptions | undefined =
    socket === undefined || port !== undefined || host !== undefined
      ? { ...(port !== undefined && { port: portOf(port) }), ...(host !== undefined && { host }) }
      : undefined
  return {
    plugins: await pluginsOf(flags, folder),
    ...(socket === undefined ? tcp : { listen: [...(tcp === undefined ? [] : [tcp]), { path: socket }] }),
    ...(dump.length > 0 && { dump: { file: dump, ...(decode !== undefined && { decode }), ...(format !== undefined && { format }) } }),
    ...(maxConnections !== undefined && { maxConnections }),
    ...(maxRuntime !== undefined && { maxRuntime: durationOf(maxRuntime) }),
    ...(seed !== undefined && { seed }),
    ...(lint !== undefined && { lint }),
  }
}

async function pluginsOf(flags: Flags, folder: string): Promise<PluginEntry[]> {
  const use = [...rustUses(flags), ...(flags.use ?? [])]
  if (use.length === 0) return []
  const { resolveUse } = await import('../config/use.ts')
  const entries: PluginEntry[] = []
  for (const word of use) entries.push(...(await resolveUse(word, folder)))
  return entries
}

function portOf(text: string): ListenOptions['port'] {
  const [from = 0, to] = text.split('-').map(Number)
  return to === undefined ? from : `${from}-${to}`
}

function durationOf(text: string): Duration {
  return readDuration(text) ?? 0
}
