// Builds dist/: ES modules and declarations by tsc, file by file, then CommonJS from what tsc wrote; then what was src/
// is joined into few files.
//
//   dist/src                         ES modules, see bundle.mjs; the declarations as tsc wrote them
//   dist/plugins                     ES modules, each with its .d.ts
//   dist/cjs/src, dist/cjs/plugins   the same as CommonJS, file by file, without the command line
import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { transform } from 'esbuild'
import { bundle } from './bundle.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = join(root, 'dist')
const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc')

/** Every file under a folder. */
function filesUnder(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

rmSync(dist, { recursive: true, force: true })
const compiled = spawnSync(process.execPath, [tsc, '-p', join(root, '.build/tsconfig.json')], { stdio: 'inherit' })
if (compiled.status !== 0) process.exit(compiled.status ?? 1)

const files = filesUnder(dist)
const cli = join(dist, 'src/cli')
const library = files.filter((file) => !relative(cli, file).match(/^[^.]/))

// import.meta does not exist in CommonJS: a library file that uses it would only fail at the user's.
const modules = library.filter((file) => file.endsWith('.js'))
const impossible = modules.filter((file) => /\bimport\.meta\b/.test(readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')))
if (impossible.length > 0) {
  process.stderr.write(`import.meta is only allowed in src/cli, found in:\n  ${impossible.map((file) => relative(dist, file)).join('\n  ')}\n`)
  process.exit(1)
}

// import('./own-file.js') becomes a call of require, since Jest cannot load ES modules without flags. import(url), which
// loads what users wrote, stays as it is.
const kept = 'importedAsItStands('
for (const file of modules) {
  const source = readFileSync(file, 'utf8').replace(/\bimport\((?!\s*['"])/g, kept)
  const { code } = await transform(source, { format: 'cjs', platform: 'node', target: 'node20', supported: { 'dynamic-import': false } })
  const copy = join(dist, 'cjs', relative(dist, file))
  mkdirSync(dirname(copy), { recursive: true })
  writeFileSync(copy, code.replaceAll(kept, 'import('))
}
for (const file of library.filter((name) => name.endsWith('.d.ts'))) {
  const copy = join(dist, 'cjs', relative(dist, file))
  mkdirSync(dirname(copy), { recursive: true })
  copyFileSync(file, copy)
}
writeFileSync(join(dist, 'cjs/package.json'), `${JSON.stringify({ type: 'commonjs' })}\n`)

// What editors complete JSON and YAML configs with.
const { configSchema } = await import(pathToFileURL(join(dist, 'src/config/schema.js')).href)
writeFileSync(join(dist, 'config.schema.json'), `${JSON.stringify(await configSchema(), undefined, 1)}\n`)

await bundle(dist)

const main = join(cli, 'main.js')
if (existsSync(main)) {
  if (!readFileSync(main, 'utf8').startsWith('#!/usr/bin/env node\n')) throw new Error('src/cli/main.ts has to begin with #!/usr/bin/env node')
  chmodSync(main, 0o755)
}
