/** Projects of users, made for one test: a folder with files, and with `mqttest` installed. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))
const made: string[] = []

afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true })
})

/** Files by their paths; an object is written as JSON. */
export type Files = Readonly<Record<string, string | object>>

/** Makes a project; it is gone after the tests of the file. `type` is that of its package.json. */
export function project(files: Files, type: 'module' | 'commonjs' = 'module'): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'mqttest-')))
  made.push(folder)
  const installed = {
    'package.json': { name: 'a-project', type },
    'node_modules/mqttest/package.json': {
      name: 'mqttest',
      type: 'module',
      exports: { '.': './index.ts', './plugins': './plugins.ts' },
    },
    'node_modules/mqttest/index.ts': `export * from '${root}src/index.ts'\n`,
    'node_modules/mqttest/plugins.ts': `export * from '${root}plugins/index.ts'\n`,
  }
  for (const [path, content] of Object.entries({ ...installed, ...files })) {
    const file = join(folder, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content, null, 2))
  }
  return folder
}

/** The text of a plugin that does nothing, as JavaScript without imports: what an author may publish. */
export function pluginText(name: string, form: 'esm' | 'cjs' = 'esm'): string {
  return `${form === 'esm' ? 'export default' : 'module.exports ='} { meta: { name: '${name}' }, setup() {} }\n`
}
