/** The JSON Schema of a config file, which editors complete JSON and YAML with. Written into the package when it is built. */
import { isPackFactory } from '../plugin/pack.ts'
import { isFactory } from '../plugin/plugin.ts'
import type { Settings } from '../settings.ts'
import type { startOptionKeys } from '../start.ts'
import { builtIns } from './built-ins.ts'

/** A JSON Schema. */
export interface JsonSchema {
  readonly [keyword: string]: unknown
}

const duration: JsonSchema = {
  type: ['number', 'string'],
  minimum: 0,
  pattern: '^\\d+(\\.\\d+)?(ms|s|m|h)?$',
  description: "Milliseconds, or text such as '200ms', '1.5s', '10m', '1h'.",
}
const text: JsonSchema = { type: 'string' }
const flag: JsonSchema = { type: 'boolean' }
const whole = (minimum = 0, maximum?: number): JsonSchema => ({ type: 'integer', minimum, ...(maximum !== undefined && { maximum }) })
const oneOrMore = (item: JsonSchema): JsonSchema => ({ anyOf: [item, { type: 'array', items: item }] })
const closed = (properties: { readonly [name: string]: JsonSchema }): JsonSchema => ({ type: 'object', properties, additionalProperties: false })
const say = (schema: JsonSchema, description: string): JsonSchema => ({ ...schema, description })

const scope = say(
  closed({
    connection: say(oneOrMore(whole()), 'Connection numbers, counted from 0 in the order of acceptance.'),
    every: say(whole(1), 'Every n-th connection, beginning with connection `from`.'),
    from: say(whole(), 'The first connection that counts.'),
    clientId: say(oneOrMore(text), 'Client ids; * stands for any text.'),
    username: say(oneOrMore(text), 'User names; * stands for any text.'),
    address: say(oneOrMore(text), 'Remote addresses; * stands for any text.'),
    protocolVersion: say(oneOrMore({ enum: [3, 4, 5] }), 'Protocol levels.'),
    times: say(whole(), 'How often the plugin may act, over all connections.'),
  }),
  'On which connections, and how often.',
)

const port: JsonSchema = { anyOf: [whole(0, 65_535), { type: 'string', pattern: '^\\d+-\\d+$' }] }

const listen = closed({
  port: say(port, "A port, or a range such as '1883-2000'; 0 takes a free one."),
  host: say(text, "'127.0.0.1' by default."),
  path: say(text, 'A unix socket.'),
  tls: say({ type: ['boolean', 'object'] }, 'TLS, right or wrong on purpose.'),
  ws: say({ type: ['boolean', 'string', 'object'] }, 'WebSocket, on every path or on one.'),
})

const settings: { readonly [Key in keyof Settings]: JsonSchema } = {
  receiveMaximum: say(whole(1, 65_535), 'QoS 1 and 2 messages that a client may have unacknowledged; 65535 by default.'),
  maximumPacketSize: say(whole(2, 268_435_460), 'Largest packet that is taken, in bytes.'),
  topicAliasMaximum: say(whole(0, 65_535), 'Highest topic alias that a client may use; 100 by default.'),
  maximumQos: say({ enum: [0, 1, 2] }, 'Highest QoS; 2 by default.'),
  retainAvailable: flag,
  wildcardSubscriptionAvailable: flag,
  sharedSubscriptionAvailable: flag,
  subscriptionIdentifiersAvailable: flag,
  serverKeepAlive: say(whole(0, 65_535), 'Keep-alive that replaces what an MQTT 5 client asks for, in seconds.'),
  keepAliveFactor: say({ type: 'number', minimum: 0 }, 'How many times the keep-alive a client may be silent; 1.5 by default.'),
  connectTimeout: say(duration, "How long a connection may last without CONNECT; '30s' by default."),
  overlap: say({ enum: ['one', 'each'] }, 'Copies of a message that matches several subscriptions of a session.'),
  unknownPacketId: say({ enum: ['accept', 'not-found'] }, 'What PUBREL and PUBCOMP say of a packet id that is not in flight.'),
  queueLimit: say(whole(), 'Messages kept for a session that is offline or slow; 100000 by default.'),
  outboundLimit: say(whole(), 'Bytes that may wait to be read by a client; 16 MiB by default.'),
}

const startOptions: { readonly [Key in Exclude<(typeof startOptionKeys)[number], 'config' | 'signal' | 'plugins'>]: JsonSchema } = {
  listen: say({ anyOf: [listen, { type: 'array', items: listen }, { const: false }] }, 'Where to listen; false listens nowhere.'),
  port: say(port, 'Port of the one TCP listener, or a range; 0 takes a free one.'),
  host: say(text, "Address of the one TCP listener; '127.0.0.1' by default."),
  core: say(flag, 'false: no broker answers.'),
  broker: say(closed(settings), 'What the broker allows and announces.'),
  lint: say({ enum: ['off', 'warn', 'fail'] }, 'What a rule that a client breaks leads to.'),
  seed: say({ type: ['string', 'number'] }, 'Seed of all chance; a fresh one by default.'),
  clock: say({ enum: ['real', 'virtual'] }, "Whose time it is; 'real' by default."),
  dump: say(
    {
      anyOf: [
        text,
        { type: 'array', items: text },
        closed({
          file: oneOrMore(text),
          payload: { enum: ['auto', 'base64'] },
          decode: say(text, 'A command that gets each payload on stdin and writes text or JSON to stdout.'),
          format: { enum: ['mqttest', 'rust'] },
        }),
      ],
    },
    'Writes the record as JSON lines to a file; {c} in the name makes one file per connection.',
  ),
  journal: say(closed({ records: whole(), bytes: whole() }), 'How much of the record is kept in memory.'),
  maxConnections: say(whole(1), 'Takes so many connections, and stops when the last of them has ended.'),
  maxRuntime: say(duration, 'Stops after so long.'),
  onPluginError: say({ enum: ['fail', 'warn'] }, "'fail': a plugin that throws ends its connection and fails the run."),
}

/** The JSON Schema (draft 7, which editors know best) of a config file, with the options of everything that is built in. */
export async function configSchema(): Promise<JsonSchema> {
  const names: string[] = []
  const definitions: { [name: string]: JsonSchema } = { scope }
  const pairs: JsonSchema[] = []
  for (const [name, value] of await builtIns()) {
    if (!isFactory(value) && !isPackFactory(value)) continue
    names.push(name)
    definitions[name] = say(closed(optionSchemas(value)), value.meta.summary ?? name)
    pairs.push({ type: 'array', items: [{ const: name }, { $ref: `#/definitions/${name}` }, { $ref: '#/definitions/scope' }], minItems: 2, maxItems: 3 })
  }
  const named = say({ anyOf: [{ enum: names }, { type: 'string' }] }, 'A plugin or pack by its name, a package, or a file.')
  const others: JsonSchema = {
    type: 'array',
    items: [{ type: 'string', not: { enum: names } }, { type: ['object', 'null'] }, { $ref: '#/definitions/scope' }],
    minItems: 2,
    maxItems: 3,
  }
  const entry: JsonSchema = {
    anyOf: [named, ...pairs, others, { type: 'array', items: { $ref: '#/definitions/entry' } }, { enum: [null, false] }],
  }
  const file = oneOrMore(text)
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Config of mqttest',
    ...closed({
      $schema: say(text, 'Where this schema is, for editors.'),
      extends: say(file, 'Configs to build on: files relative to this one, or npm packages.'),
      plugins: say({ type: 'array', items: { $ref: '#/definitions/entry' } }, 'Plugins in the order in which their taps run.'),
      ...startOptions,
    }),
    definitions: { ...definitions, entry },
  }
}

function optionSchemas(value: object): { [name: string]: JsonSchema } {
  const table: unknown = 'options' in value ? value.options : undefined
  if (typeof table !== 'object' || table === null) return {}
  return Object.fromEntries(
    Object.entries(table).map(([name, { schema, about, fallback }]) => [
      name,
      { ...schema, description: about, ...(fallback !== undefined && { default: fallback }) },
    ]),
  )
}
