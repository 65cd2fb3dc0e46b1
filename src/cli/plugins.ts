/** `mqttest plugins`: what there is, and the page of one. */
import { type CatalogueEntry, catalogue, type OptionEntry } from '../config/catalogue.ts'
import { MqttestError, nameHint } from '../errors.ts'
import { exitCodes } from './explain.ts'
import type { Flags } from './flags.ts'

/** Lists what there is, or shows one. Resolves with the exit code. */
export async function plugins(name: string | undefined, { json = false, config }: Pick<Flags, 'config'> & { readonly json?: boolean }): Promise<number> {
  const all = await catalogue(process.cwd(), config === false ? false : typeof config === 'string' ? config : undefined)
  if (name === undefined) write(json ? JSON.stringify(all, undefined, 2) : list(all))
  else {
    const entry = all.find((one) => one.name === name || one.package === name)
    if (entry === undefined)
      throw new MqttestError(
        'MQTTEST_PLUGIN_UNKNOWN',
        `there is no plugin or pack '${name}' here.${nameHint(
          name,
          all.map((one) => one.name),
        )}`,
      )
    write(json ? JSON.stringify(entry, undefined, 2) : page(entry))
  }
  return exitCodes.ok
}

function write(text: string): void {
  process.stdout.write(`${text}\n`)
}

const headings = ['answers', 'deliveries', 'sessions', 'limits', 'server', 'network', 'general']

function list(all: readonly CatalogueEntry[]): string {
  const builtIn = all.filter((entry) => entry.from === 'built in')
  const groups = new Set([...headings, ...builtIn.map((entry) => entry.group ?? 'other')])
  const sections: [string, readonly CatalogueEntry[]][] = [
    ...[...groups].map((group): [string, CatalogueEntry[]] => [
      group,
      builtIn.filter((entry) => entry.kind === 'plugin' && (entry.group ?? 'other') === group),
    ]),
    ['packs', builtIn.filter((entry) => entry.kind === 'pack')],
    ['installed', all.filter((entry) => entry.from === 'installed')],
    ['in the config', all.filter((entry) => entry.from === 'in the config')],
  ]
  const width = Math.max(...all.map((entry) => entry.name.length))
  const text = sections
    .filter(([, entries]) => entries.length > 0)
    .map(([heading, entries]) =>
      [
        heading,
        ...entries.map((entry) => `  ${entry.name.padEnd(width)}  ${entry.error ? `cannot be loaded: ${entry.error}` : (entry.summary ?? '')}`.trimEnd()),
      ].join('\n'),
    )
    .join('\n\n')
  return `${text}\n\nmqttest plugins <name> shows the options of one; --json for programs.`
}

function page(entry: CatalogueEntry): string {
  const { name, kind, from, summary, finds, spec = [], seenIn = [], options, error, facts = [], leaves = [] } = entry
  const where = entry.package === undefined ? from : `${from}, package ${entry.package}`
  const parts = [
    `${name} (${kind}, ${where})`,
    error === undefined ? (summary ?? '') : `It cannot be loaded: ${error}`,
    finds === undefined ? '' : `Finds ${finds}.`,
    options.length === 0 ? '' : `Options:\n${options.map(optionLine).join('\n')}`,
    error === undefined ? usage(entry) : '',
    (entry.plugins ?? []).length === 0 ? '' : `Plugins: ${entry.plugins?.join(', ')}`,
    facts.length === 0
      ? ''
      : `What it is known from:\n${facts.map(({ says, source, by, unverified }) => `  ${says}${unverified ? ' (unverified)' : ''}${by ? ` [${by}]` : ''}\n      ${source}`).join('\n')}`,
    leaves.length === 0 ? '' : `What it does not imitate:\n${leaves.map((text) => `  ${text}`).join('\n')}`,
    spec.length === 0 ? '' : `Statements: ${spec.join(', ')}`,
    seenIn.length === 0 ? '' : `Seen in:\n${seenIn.map((address) => `  ${address}`).join('\n')}`,
  ]
  return parts.filter((part) => part !== '').join('\n\n')
}

function optionLine(option: OptionEntry): string {
  const fallback = option.default === undefined ? '' : `; default ${JSON.stringify(option.default)}`
  return `  ${option.name}\n      ${option.about}\n      ${option.takes}${fallback}`
}

/** How it is used from a config, from code and from the command line, with an option where there is one with a default to show. */
function usage({ name, options, from, package: of }: CatalogueEntry): string {
  const shown = options.find((option) => option.default !== undefined && typeof option.default !== 'object') ?? options[0]
  const written = of ?? name
  const example = shown === undefined ? undefined : { [shown.name]: shown.default ?? '…' }
  const value = typeof shown?.default === 'string' ? shown.default : JSON.stringify(shown?.default ?? '…')
  return [
    `In a config:  ${example === undefined ? JSON.stringify(written) : JSON.stringify([written, example])}`,
    `On the command line:  --use ${written}${shown === undefined ? '' : `:${shown.name}=${value}`}${from === 'built in' && shown?.alone === true ? `  or  --${name} ${value}` : ''}`,
  ].join('\n')
}
