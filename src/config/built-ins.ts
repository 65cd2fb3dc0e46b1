/** The plugins and packs that come with mqttest, by name. Known only through what plugins/index.ts exports. */
import { isFactory } from '../plugin.ts'

let known: Promise<ReadonlyMap<string, unknown>> | undefined

/** Every built-in plugin by its name, every built-in pack by its name in kebab-case. Loaded when first asked for. */
export function builtIns(): Promise<ReadonlyMap<string, unknown>> {
  known ??= load()
  return known
}

/** The names of what is built in. */
export async function builtInNames(): Promise<string[]> {
  return [...(await builtIns()).keys()]
}

async function load(): Promise<ReadonlyMap<string, unknown>> {
  const exported: object = await import('../../plugins/index.ts')
  const names = new Map<string, unknown>()
  for (const [name, value] of Object.entries(exported)) {
    if (isFactory(value)) names.set(value.meta.name, value)
    else if (Array.isArray(value)) names.set(kebab(name), value)
  }
  return names
}

function kebab(name: string): string {
  return name.replace(/[A-Z]|(?<=[a-z])\d/g, (letter) => `-${letter.toLowerCase()}`)
}
