import type { StartOptions } from '../start.ts'

export async function loadConfig(_path: string | undefined): Promise<{ options: StartOptions } | undefined> {
  return undefined
}
