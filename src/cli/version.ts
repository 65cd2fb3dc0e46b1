/** The version of this mqttest. */
import { readFileSync } from 'node:fs'

/** What package.json says: it is two folders up from the source, three from what is built. */
export function version(): string {
  for (const up of ['../../package.json', '../../../package.json']) {
    try {
      const description: unknown = JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8'))
      if (typeof description === 'object' && description !== null && 'version' in description && 'name' in description && description.name === 'mqttest')
        return String(description.version)
    } catch {
      // Not there: the next place.
    }
  }
  return 'unknown'
}
