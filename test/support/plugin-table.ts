/** The part of plugins/README.md that is made from what the plugins say about themselves. */
import type { AnyFactory, Option, OptionTable } from 'mqttest'

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
  return typeof value === 'function' && 'meta' in value && 'create' in value && 'options' in value
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

function section({ meta, options }: Described): string {
  const rows = isTable(options) ? rowsOf(options) : []
  const parts = [`### ${meta.name}`, `${meta.summary ?? ''}${meta.finds === undefined ? '' : ` Finds ${meta.finds}.`}`]
  if (rows.length > 0) parts.push(table(['option', '', 'default', 'takes'], rows))
  if (meta.spec !== undefined && meta.spec.length > 0) parts.push(`Statements: ${meta.spec.join(', ')}.`)
  if (meta.seenIn !== undefined && meta.seenIn.length > 0) parts.push(`Seen in ${meta.seenIn.map(link).join(', ')}.`)
  return parts.join('\n\n')
}

function rowsOf(options: OptionTable): string[][] {
  let before = ''
  return Object.entries(options).map(([name, one]) => {
    // A long list of choices is said once.
    const form = one.form === before && one.form.length > 60 ? 'the same' : one.form
    before = one.form
    return [`\`${name}\``, one.about, fallback(one), form]
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
