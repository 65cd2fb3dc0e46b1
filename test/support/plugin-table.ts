/** The part of plugins/README.md that is made from what the plugins say about themselves. */
import type { AnyFactory, Option, OptionTable } from 'mqttest'
import { type AnyPackFactory, isPackFactory } from '../../src/plugin/pack.ts'
import { isFactory } from '../../src/plugin/plugin.ts'
import { flattenPlugins, noLookup } from '../../src/plugin/plugin-list.ts'

/** A plugin that is described by a table of options, as all built-in ones are. */
interface Described extends AnyFactory {
  readonly options: unknown
}

/** Every plugin among the exports of a module, by name. */
export function pluginsOf(exported: object): readonly Described[] {
  return Object.values(exported)
    .filter(isDescribed)
    .sort((one, two) => (one.meta.name < two.meta.name ? -1 : 1))
}

function isDescribed(value: unknown): value is Described {
  return isFactory(value) && 'options' in value
}

/** One table with a row per plugin, then the options of each. */
export function pluginTable(exported: object): string {
  const plugins = pluginsOf(exported)
  const overview = table(
    ['plugin', 'what a client notices', 'finds'],
    plugins.map(({ meta }) => [`[\`${meta.name}\`](#${meta.name})`, withoutStop(meta.summary ?? ''), meta.finds ?? '']),
  )
  return [overview, ...plugins.map(section)].join('\n\n')
}

/** The headings under which the inventory shows the plugins, in this order. */
const headings = {
  answers: 'what the server answers',
  deliveries: 'messages for the client',
  sessions: 'CONNECT, sessions and packet ids',
  limits: 'a picky broker',
  server: 'the life of the server',
  network: 'below the packets',
  general: 'everything else',
} as const

/** The inventory in README.md: every plugin by its group, every pack. */
export function inventory(plugins: object, packs: object): string {
  const all = pluginsOf(plugins)
  const groups = Object.entries(headings).map(([group, about]) => {
    const rows = all
      .filter(({ meta }) => meta.group === group)
      .map(({ meta }) => [`[\`${meta.name}\`](plugins/README.md#${meta.name})`, withoutStop(meta.summary ?? '')])
    return table([`**${group}**: ${about}`, 'what a client notices'], rows)
  })
  const rows = packsOf(packs).map(({ meta }) => [`[\`${meta.name}\`](plugins/packs/${meta.name}.md)`, withoutStop(meta.summary ?? '')])
  return [...groups, table(['**packs**: sets of plugins', 'what a client meets'], rows)].join('\n\n')
}

/** Every pack among the exports of a module, by name. */
export function packsOf(exported: object): readonly AnyPackFactory[] {
  return Object.values(exported)
    .filter(isPackFactory)
    .sort((one, two) => (one.meta.name < two.meta.name ? -1 : 1))
}

/** The page of a pack: what it is, its options, what it is known from, what it leaves out. */
export function packPage({ meta, options, create }: AnyPackFactory): string {
  const plugins = [...new Set(flattenPlugins(create(), noLookup).map(({ plugin }) => plugin.meta.name))].sort()
  const { facts = [], leaves = [] } = meta
  const known = facts.map(({ says, source, by, unverified }) => [
    `${says}${unverified ? ' *(unverified: off unless it is asked for)*' : ''}`,
    /^https?:/.test(source) ? `<${source}>` : source,
    by === undefined ? '' : `[\`${by}\`](../README.md#${by})`,
  ])
  return [
    `# ${meta.name}`,
    meta.summary ?? '',
    "```ts\n// mqttest.config.ts\nimport { defineConfig } from 'mqttest'\n\nexport default defineConfig({ plugins: ['" + meta.name + "'] })\n```",
    `\`['${meta.name}', { timeScale: 0.01 }]\` makes its times a hundredth; \`--use ${meta.name}\` on the command line; \`import … from 'mqttest/packs/${meta.name}'\` in code.`,
    '## Options',
    table(['option', '', 'default', 'takes'], rowsOf(options)),
    '## What it is made of',
    plugins.map((name) => `[\`${name}\`](../README.md#${name})`).join(', '),
    ...(known.length > 0 ? ['## What is known, and from where', table(['fact', 'source', 'imitated by'], known)] : []),
    ...(leaves.length > 0 ? ['## What it does not imitate', leaves.map((text) => `- ${text}`).join('\n')] : []),
  ].join('\n\n')
}

function section({ meta, options }: Described): string {
  const rows = isTable(options) ? rowsOf(options) : []
  const parts = [`### ${meta.name}`, `${meta.summary ?? ''}${meta.finds === undefined ? '' : ` Finds ${meta.finds}.`}`]
  if (rows.length > 0) parts.push(table(['option', '', 'default', 'takes'], rows))
  if (meta.spec !== undefined && meta.spec.length > 0) parts.push(`Statements: ${meta.spec.join(', ')}.`)
  if (meta.seenIn !== undefined && meta.seenIn.length > 0) parts.push(`Seen in ${meta.seenIn.map(link).join(', ')}.`)
  return parts.join('\n\n')
}

/** A row for each option, and below it for each key inside of it; what is the same inside of several options is said once. */
function rowsOf(options: OptionTable, within = '', said = new Set<OptionTable>()): string[][] {
  let before = ''
  return Object.entries(options).flatMap(([name, one]) => {
    // A long list of choices is said once.
    const form = one.form === before && one.form.length > 60 ? 'the same' : one.form
    before = one.form
    const row = [`\`${within}${name}\``, one.about, fallback(one), form]
    if (one.fields === undefined || said.has(one.fields)) return [row]
    said.add(one.fields)
    return [row, ...rowsOf(one.fields, `${within}${name}.`, said)]
  })
}

function isTable(options: unknown): options is OptionTable {
  return typeof options === 'object' && options !== null && !('~standard' in options)
}

function fallback({ fallback: value }: Option<unknown, unknown>): string {
  return value === undefined ? '' : `\`${JSON.stringify(value).replaceAll('"', "'")}\``
}

/** 'owner/name#7' for an address on GitHub. */
function link(address: string): string {
  const match = /github\.com\/([^/]+\/[^/]+)\/(?:issues|pull)\/(\d+)/.exec(address)
  return match === null ? address : `[${match[1]}#${match[2]}](${address})`
}

function withoutStop(sentence: string): string {
  return sentence.replace(/\.$/, '')
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n')
}
