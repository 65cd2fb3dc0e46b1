/** The plugins and packs that come with mqttest, by name. Known only through plugins/by-name.ts, which loads each when asked. */
import { byName } from '../../plugins/by-name.ts'
import { type AnyPackFactory, isPackFactory } from '../plugin/pack.ts'
import { type AnyFactory, isFactory } from '../plugin/plugin.ts'

/** The names of what is built in. */
export function builtInNames(): string[] {
  return Object.keys(byName)
}

/** A built-in plugin or pack; undefined where there is none of that name. */
export async function builtIn(name: string): Promise<AnyFactory | AnyPackFactory | undefined> {
  const load = Object.hasOwn(byName, name) ? byName[name] : undefined
  if (load === undefined) return undefined
  return Object.values(await load()).find((value) => (isFactory(value) || isPackFactory(value)) && value.meta.name === name)
}

/** Every built-in plugin and pack by its name. */
export async function builtIns(): Promise<ReadonlyMap<string, AnyFactory | AnyPackFactory>> {
  const all = new Map<string, AnyFactory | AnyPackFactory>()
  for (const [name, value] of await Promise.all(builtInNames().map(async (known) => [known, await builtIn(known)] as const)))
    if (value !== undefined) all.set(name, value)
  return all
}
