/** The plugins and packs that come with mqttest, by name. Known only through what plugins/index.ts and plugins/packs/index.ts export. */
import { isPackFactory } from '../pack.ts'
import { isFactory } from '../plugin.ts'

let known: Promise<ReadonlyMap<string, unknown>> | undefined

/** Every built-in plugin and pack by its name. Loaded when first asked for. */
export function builtIns(): Promise<ReadonlyMap<string, unknown>> {
  known ??= load()
  return known
}

/** The names of what is built in. */
export async function builtInNames(): Promise<string[]> {
  return [...(await builtIns()).keys()]
}

async function load(): Promise<ReadonlyMap<string, unknown>> {
  const [plugins, packs] = await Promise.all<object>([import('../../plugins/index.ts'), import('../../plugins/packs/index.ts')])
  const names = new Map<string, unknown>()
  for (const value of Object.values({ ...plugins, ...packs })) if (isFactory(value) || isPackFactory(value)) names.set(value.meta.name, value)
  return names
}
