/**
 * Plugins: what they are, how one is made, how its options are checked. A plugin is known by its shape and its name, never
 * by class or reference, so that two copies of mqttest in one tree do not matter.
 */
import type { AuthorizeRequest } from '../broker/authorize.ts'
import type { Clock } from '../clock.ts'
import type { Connection } from '../connection/connection.ts'
import { MqttestError } from '../errors.ts'
import type { OneOrMore } from '../hooks/filter.ts'
import type { HookTap, PluginHooks, TapFilter } from '../hooks/plugin-hooks.ts'
import type { Level } from '../lint/rules.ts'
import type { Upstream, UpstreamListener, UpstreamOptions } from '../net/upstream.ts'
import { type OptionInput, type OptionOutput, type OptionTable, readOptions, scaleOptions } from '../options/option.ts'
import type { Random } from '../random.ts'
import type { Server } from '../server.ts'
import type { StepInput } from '../steps.ts'
import type { Command, Packet, PacketOf } from '../wire/packet.ts'

/** The version of the plugin interface that this mqttest has. A plugin for another one is refused with one clear message. */
export const pluginApi = 1

/** What a plugin says about itself. */
export interface PluginMeta {
  /** Kebab-case; the plugin's identity. Outside of mqttest: 'vendor/name' or the name of the package. */
  readonly name: string
  /** The version of the plugin interface that it was written for: 1. */
  readonly api?: number
  /** One sentence: what a client notices. */
  readonly summary?: string
  /** The heading under which lists show it; the built-in ones are in answers, deliveries, sessions, limits, server, network, general. */
  readonly group?: string
  /** Ids of the statements that it is about: 'MQTT-4.4.0-1'. */
  readonly spec?: readonly string[]
  /** The mistake in a client that it brings to light. */
  readonly finds?: string
  /** Where the behaviour was seen in the wild. */
  readonly seenIn?: readonly string[]
}

/** Something that a plugin saw a client do. Without `connection` it is about the whole run. */
export interface Finding {
  /** Kebab-case name of the rule. */
  readonly rule: string
  /** One sentence: what is wrong, with what was found. */
  readonly message: string
  /** 'warning' by default. */
  readonly level?: Level
  readonly statements?: readonly string[]
  readonly connection?: Connection
}

/** Writes to the record, under the plugin's name. */
export interface PluginLog {
  info(message: string, connection?: Connection): void
  warn(message: string, connection?: Connection): void
  error(message: string, connection?: Connection): void
}

/**
 * Taps a hook for the events that match a filter. The function gets what the hook gives: of `packetIn` the packet that `cmd`
 * names, of `authorize` the request that `kind` (or `cmd`) names.
 */
export type On = <H extends AnyTap, const C extends Command, const K extends string>(
  hook: H,
  filter: TapFilter & { readonly cmd?: OneOrMore<C>; readonly kind?: OneOrMore<K> },
  tap: NarrowTap<H, C, K>,
) => void

/** Any hook, for {@link On}. */
type AnyTap = PluginHooks[keyof PluginHooks]

/** What {@link On} takes for a hook, once the filter has said which events it is about. */
type NarrowTap<H, C extends Command, K extends string> =
  H extends HookTap<infer Args, infer Result> ? (...args: NarrowArgs<Args, C, K>) => Result | undefined | void | Promise<Result | undefined | void> : never

type NarrowArgs<Args extends readonly unknown[], C extends Command, K extends string> = {
  [Index in keyof Args]: Args[Index] extends AuthorizeRequest
    ? Extract<AuthorizeRequest, { readonly kind: K; readonly packet: { readonly cmd: C } }>
    : Packet extends Args[Index]
      ? PacketOf<C>
      : Args[Index]
}

/** Everything that a plugin may touch. Switching the plugin off takes all of it back. */
export interface PluginApi {
  /** The plugin's own name. */
  readonly name: string
  /** Every hook; see hooks.ts. */
  readonly hooks: PluginHooks
  /** Taps a hook with a filter: `on(hooks.send, { cmd: 'puback', nth: 2 }, (steps) => [])`. */
  readonly on: On
  /** Time. A plugin has no timers of its own; what it starts here ends with it. */
  readonly clock: Clock
  /** Chance, seeded by the run's seed and the plugin's name; per connection through `connection.random`. */
  readonly random: Random
  /** Reports something that a client did wrong or could do better. */
  readonly report: (finding: Finding) => void
  readonly log: PluginLog
  /**
   * Carries out steps on a connection beside everything else: for what happens later and answers nothing. They end with the
   * connection and with the plugin, and count as the plugin's doing once they are done.
   */
  readonly play: (connection: Connection, steps: readonly StepInput[]) => void
  /** Waits, in milliseconds, in an asynchronous tap; goes on at once when the connection ends or the plugin is switched off. */
  readonly pause: (connection: Connection, delayMs: number) => Promise<void>
  /** Notes something that the plugin did and no hook sees, in a few words; the plugin then counts as having acted. */
  readonly acted: (what: string, connection?: Connection) => void
  /**
   * Stands for the broker: what the hooks let through is the handler's. Where it returns false, the broker has it after all; on a
   * connection where CONNECT was not the broker's nothing is. Of several plugins that were added, the last one is asked first.
   */
  readonly handle: (handler: (packet: Packet, connection: Connection) => boolean) => void
  /**
   * Connects to another server as a client: 'mqtt://host:port', 'mqtts://host:port'. Ends with the plugin. Throws MQTTEST_OPTION where
   * the address is none.
   */
  readonly dial: (url: string, listener: UpstreamListener, options?: UpstreamOptions) => Upstream
  readonly server: Server
}

/** Called when the plugin is switched off. */
export type Teardown = () => void

/** A Standard Schema (zod, valibot, arktype, ...), which a plugin may use in place of a table of options. */
export interface StandardSchema<In = unknown, Out = unknown> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    validate(
      value: unknown,
    ):
      | { readonly value: Out; readonly issues?: undefined }
      | { readonly issues: readonly { readonly message: string; readonly path?: readonly unknown[] | undefined }[] }
      | Promise<unknown>
    readonly types?: { readonly input: In; readonly output: Out } | undefined
  }
}

/** How a plugin describes its options. */
export type OptionsSchema = OptionTable | StandardSchema

/** What an author may write for the options. */
export type SchemaInput<S> = S extends StandardSchema<infer In, unknown> ? In : OptionInput<S>

/** What `setup` gets. */
export type SchemaOutput<S> = S extends StandardSchema<unknown, infer Out> ? Out : OptionOutput<S>

/** A plugin as its author writes it, options not yet given. A plain object of this shape is enough. */
export interface PluginDefinition<S extends OptionsSchema = OptionsSchema> {
  readonly meta: PluginMeta
  readonly options?: S
  /** What is wrong with options that are each right, in a few words; undefined where they go together. */
  check?(options: SchemaOutput<S>): string | undefined
  setup(api: PluginApi, options: SchemaOutput<S>): Teardown | undefined | void | Promise<Teardown | undefined | void>
}

/** A plugin with its options, ready to be used by a server. Its type is the same in every copy of mqttest, ES module or CommonJS. */
export interface Plugin {
  readonly meta: PluginMeta
  /** The options as they were given, before the defaults. */
  readonly given: unknown
  /** The options as `setup` gets them. */
  readonly options: unknown
  /** `api` is a {@link PluginApi}; not named here, since its classes are others in another copy. */
  install(api: unknown): Teardown | undefined | void | Promise<Teardown | undefined | void>
  /** The same plugin with every duration among its options multiplied. Plugins whose options are a Standard Schema stay as they are. */
  scaled?(factor: number): Plugin
  readonly '~mqttest': 'plugin'
}

/** Makes a plugin from its options; carries what is known about it. */
export interface PluginFactory<Name extends string = string, In = never> {
  (options?: In): Plugin
  readonly meta: PluginMeta & { readonly name: Name }
  /** The description of the options; empty where there are none. */
  readonly options: OptionsSchema
  /** The definition without its types, for those who have the options as data. */
  readonly create: (options?: unknown) => Plugin
}

/** A factory whose options are not looked at. */
export interface AnyFactory {
  readonly meta: PluginMeta
  readonly create: (options?: unknown) => Plugin
}

/** Makes a plugin. Throws MQTTEST_PLUGIN_SHAPE where the definition is none. */
export function definePlugin<const Name extends string, S extends OptionsSchema = Record<never, never>>(
  definition: PluginDefinition<S> & { readonly meta: { readonly name: Name } },
): PluginFactory<Name, SchemaInput<S>> {
  checkDefinition(definition)
  const create = (options?: unknown) => instantiate(definition, options)
  return Object.assign((options?: SchemaInput<S>) => create(options), { meta: definition.meta, options: definition.options ?? {}, create })
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether a value is a plugin with its options, from this copy of mqttest or another. */
export function isPlugin(value: unknown): value is Plugin {
  return isRecord(value) && value['~mqttest'] === 'plugin'
}

/** Whether a value is what `definePlugin` returns, from this copy of mqttest or another. */
export function isFactory(value: unknown): value is AnyFactory {
  return (
    typeof value === 'function' && !('~mqttest' in value) && 'create' in value && typeof value.create === 'function' && 'meta' in value && isRecord(value.meta)
  )
}

/** Whether a value has the shape of a plugin definition. */
export function isDefinition(value: unknown): value is PluginDefinition {
  return isRecord(value) && isRecord(value.meta) && typeof value.meta.name === 'string' && typeof value.setup === 'function'
}

function checkDefinition(definition: unknown): void {
  if (!isDefinition(definition)) throw new MqttestError('MQTTEST_PLUGIN_SHAPE', 'a plugin has meta: { name, ... } and setup(api, options)')
  const { name, api = pluginApi } = definition.meta
  if (api !== pluginApi) throw new MqttestError('MQTTEST_PLUGIN_API', `plugin '${name}' is written for plugin API ${api}; this mqttest has API ${pluginApi}`)
}

/** Makes a plugin from a definition and options as data. Throws MQTTEST_OPTION where the options are wrong. */
export function instantiate(definition: PluginDefinition, given: unknown): Plugin {
  checkDefinition(definition)
  const { meta, options: schema = {} } = definition
  const options = isStandardSchema(schema) ? readStandard(meta.name, schema, given) : readOptions(`plugin '${meta.name}'`, schema, given)
  const conflict = definition.check?.(options)
  if (conflict !== undefined) throw new MqttestError('MQTTEST_OPTION', `plugin '${meta.name}': ${conflict}`)
  const made = (values: typeof options): Plugin =>
    Object.freeze({
      meta,
      given,
      options: values,
      install: (api: PluginApi) => definition.setup(api, values),
      scaled: (factor: number) => made(isStandardSchema(schema) ? values : scaleOptions(schema, values, factor)),
      '~mqttest': 'plugin' as const,
    })
  return made(options)
}

/** Whether the options are described by a Standard Schema. */
function isStandardSchema(schema: OptionsSchema): schema is StandardSchema {
  return '~standard' in schema
}

function readStandard(name: string, schema: StandardSchema, given: unknown): Readonly<Record<string, unknown>> {
  const result = schema['~standard'].validate(given ?? {})
  if (result instanceof Promise)
    throw new MqttestError('MQTTEST_PLUGIN_SHAPE', `plugin '${name}': its options are checked asynchronously, which is not supported`)
  if ('issues' in result && result.issues !== undefined) {
    const lines = result.issues.map((issue) => {
      const path = (issue.path ?? []).map((part) => (isRecord(part) ? String(part.key) : String(part))).join('.')
      return path === '' ? issue.message : `option '${path}': ${issue.message}`
    })
    throw new MqttestError('MQTTEST_OPTION', `plugin '${name}': ${lines.join('; ')}`)
  }
  return 'value' in result && isRecord(result.value) ? result.value : {}
}
