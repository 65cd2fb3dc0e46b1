/** `mqttest init`: a config, or a package for a plugin or a pack of one's own. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { searchPlaces } from '../../config/find.ts'
import { MqttestError } from '../../errors.ts'
import { exitCodes } from '../explain.ts'
import { namesOf } from './names.ts'
import type { NewFiles } from './package-files.ts'

const configText = `import { defineConfig } from 'mqttest'

export default defineConfig({
  // Every plugin and pack by name; \`npx mqttest plugins\` lists them, \`npx mqttest plugins ack-delay\` shows one.
  plugins: [
    ['ack-delay', { delay: '200ms' }],
    // The first connection only: ['reject', { reasonCode: 'server-unavailable' }, { connection: 0 }],
    // A file of your own: './my-plugin.ts',
  ],
})
`

/** Writes a config into the working folder, or a package into a new folder of it. Resolves with the exit code. */
export async function init(what: 'config' | 'plugin' | 'pack', name?: string): Promise<number> {
  const here = process.cwd()
  if (what === 'config') {
    const there = searchPlaces.find((place) => (place === 'package.json' ? hasConfig(join(here, place)) : existsSync(join(here, place))))
    if (there !== undefined) throw new MqttestError('MQTTEST_STATE', `there is a config here already: ${there}`)
    writeFileSync(join(here, 'mqttest.config.ts'), configText)
    say('mqttest.config.ts is written. Next: npx mqttest')
    return exitCodes.ok
  }
  const names = namesOf(what, name ?? (what === 'plugin' ? 'my-quirk' : 'my-quirks'))
  const folder = join(here, names.folder)
  if (existsSync(folder) && readdirSync(folder).length > 0)
    throw new MqttestError('MQTTEST_STATE', `the folder ${names.folder} is there already, and not empty`)
  const files = what === 'plugin' ? (await import('./plugin-files.ts')).pluginFiles(names) : (await import('./pack-files.ts')).packFiles(names)
  write(folder, files)
  say(`${names.package} is written to ${names.folder}/. Next: cd ${names.folder} && npm install && npm test`)
  return exitCodes.ok
}

function hasConfig(file: string): boolean {
  try {
    return 'mqttest' in JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return false
  }
}

function write(folder: string, files: NewFiles): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
