// Joins what src/ became into few files, since each file that a program imports costs it a third of a millisecond, and
// each CommonJS package three to ten: together more than twice what the rest of a start takes.
//
//   dist/src/index.js, testing.js, cli/main.js   the entries
//   dist/src/chunks/                             what they share, and what is loaded only when it is used
//
// Plugins stay files of their own: they import the public entry as anybody's do, and most of them are never loaded.
// Packages that every start needs are joined in, with their licences; those that are loaded when they are used are not.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { build } from 'esbuild'

const entries = ['src/index.js', 'src/testing.js', 'src/cli/main.js']

/** What every start, or every command line, needs. */
const joined = new Set(['tapable', 'mqtt-packet', 'commander', 'process-nextick-args'])

/** How many folders below dist/ a file lies that looks for others beside it: src/cli/ as well as src/chunks/. */
const depth = 2
const up = '../'.repeat(depth)

/** Decides what becomes part of a bundle. */
function boundaries(dist) {
  return {
    name: 'boundaries',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^\.\.?\// }, ({ path, resolveDir }) => {
        const target = relative(dist, resolve(resolveDir, path))
        if (!target.startsWith(`plugins${sep}`)) return undefined
        return { path: `${up}${target.split(sep).join('/')}`, external: true }
      })
      // mqtt-packet says on a debug channel of its own what it writes: nothing that the record does not have.
      onResolve({ filter: /^debug$/ }, () => ({ path: 'debug', namespace: 'silent' }))
      onLoad({ filter: /.*/, namespace: 'silent' }, () => ({ contents: 'module.exports = () => () => undefined' }))
      onResolve({ filter: /^[^./]/ }, ({ path }) => {
        const [name] = /^(@[^/]+\/)?[^/]+/.exec(path) ?? [path]
        return joined.has(name) ? undefined : { path, external: true }
      })
    },
  }
}

/** The folder of the package that a file belongs to. */
function packageOf(file) {
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder))
    if (existsSync(join(folder, 'package.json')) && dirname(folder).endsWith('node_modules')) return folder
  throw new Error(`${file} belongs to no package`)
}

/** What is joined in, and under what terms. */
function terms(folders) {
  const texts = folders.map((folder) => {
    const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry))
    if (file === undefined) throw new Error(`${name} comes without the text of its licence`)
    return `${name} ${version}\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`
  })
  return `Parts of these packages are joined into the files beside this one.\n\n${texts.join(`\n${'-'.repeat(72)}\n\n`)}`
}

/** Replaces the modules in dist/src by bundles. */
export async function bundle(dist) {
  const src = join(dist, 'src')
  const modules = readdirSync(src, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.js'))
    .map((entry) => join(entry.parentPath, entry.name))
  const { outputFiles, metafile } = await build({
    absWorkingDir: dist,
    entryPoints: entries.map((entry) => join(dist, entry)),
    outdir: src,
    outbase: src,
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    write: false,
    metafile: true,
    // Packages that are CommonJS ask for Node's own modules by require.
    banner: { js: "import { createRequire as requireFrom } from 'node:module'\nconst require = requireFrom(import.meta.url)" },
    plugins: [boundaries(dist)],
    logLevel: 'warning',
  })
  for (const file of modules) rmSync(file)
  for (const { path, text } of outputFiles) {
    const place = relative(dist, path).split(sep)
    const looksAround = text.replace('requireFrom(import.meta.url)', '').includes('import.meta.url') || text.includes(`"${up}plugins/`)
    if (looksAround && place.length !== depth + 1)
      throw new Error(`${place.join('/')} looks for files beside it, and lies in another folder than it was written for`)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  }
  const packages = Object.keys(metafile.inputs).flatMap((input) => (input.includes('node_modules/') ? [packageOf(resolve(dist, input))] : []))
  writeFileSync(join(src, 'LICENSES.txt'), terms([...new Set(packages)].sort()))
}
