/**
 * Plugins as options of the command line: `--ack-delay 200ms` is short for `--use ack-delay:200ms`, for every built-in plugin and
 * pack. Only words before the command that is to be run are looked at, and nothing is loaded where every option is known.
 */
import type { Command } from 'commander'
import { MqttestError, nearestName } from '../errors.ts'

/** Options of a command by how they are written, and whether a word follows. */
function arityOf(commands: readonly Command[]): ReadonlyMap<string, 'none' | 'maybe' | 'one'> {
  const arity = new Map<string, 'none' | 'maybe' | 'one'>([
    ['--help', 'none'],
    ['-h', 'none'],
  ])
  for (const { short, long, required, optional } of commands.flatMap((command) => command.options))
    for (const name of [short, long]) if (name) arity.set(name, required ? 'one' : optional ? 'maybe' : 'none')
  return arity
}

/** The words with every option that is the name of a plugin replaced by `--use`. Throws MQTTEST_OPTION where its value is missing. */
export async function withPluginFlags(words: readonly string[], root: Command): Promise<string[]> {
  const arity = arityOf([root, ...root.commands])
  const commands = root.commands.map((command) => command.name())
  const replaced: string[] = []
  let inCommand = false
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? ''
    const next = words[at + 1]
    if (word === '--' || (!word.startsWith('-') && (inCommand || !commands.includes(word)))) return [...replaced, ...words.slice(at)]
    if (!word.startsWith('-')) {
      inCommand = true
      replaced.push(word)
      continue
    }
    const [flag = '', ...rest] = word.split('=')
    const known = arity.get(flag) ?? (/^-[^-]/.test(word) ? arity.get(word.slice(0, 2)) && 'none' : undefined)
    if (known === undefined && flag.startsWith('--')) {
      const use = await useOf(flag, rest.length > 0 ? rest.join('=') : undefined, next, arity)
      if (use !== undefined) {
        replaced.push('--use', use)
        if (rest.length === 0) at++
        continue
      }
    }
    replaced.push(word)
    if (rest.length === 0 && next !== undefined && (known === 'one' || (known === 'maybe' && !next.startsWith('-')))) {
      replaced.push(next)
      at++
    }
  }
  return replaced
}

/** The word for --use, where an option is the name of a plugin. */
async function useOf(flag: string, given: string | undefined, next: string | undefined, known: ReadonlyMap<string, unknown>): Promise<string | undefined> {
  const { builtInNames } = await import('../config/built-ins.ts')
  const names = builtInNames()
  const name = flag.slice(2)
  if (!names.includes(name)) {
    const plugins = names.map((other) => `--${other}`)
    const nearest = nearestName(flag, [...known.keys(), ...plugins])
    // commander itself has a word for what is near to one of its own.
    if (nearest !== undefined && plugins.includes(nearest)) throw new MqttestError('MQTTEST_OPTION', `unknown option '${flag}'. Did you mean '${nearest}'?`)
    return undefined
  }
  const value = given ?? next
  if (value === undefined || (given === undefined && /^-[^,]/.test(value)))
    throw new MqttestError('MQTTEST_OPTION', `${flag} takes a value; to use the plugin with its defaults: --use ${name}`)
  // A slash behind the colon would make it a path.
  return /^[\\/]/.test(value) ? `${name}:${JSON.stringify(value)}` : `${name}:${value}`
}
