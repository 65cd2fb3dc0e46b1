/** Everything that is measured runs as compiled JavaScript, as users have it: no loader, no transpiling on the way. */
import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { build } from 'esbuild'

const root = new URL('../../', import.meta.url).pathname
const cache = `${root}node_modules/.cache/mqttest-bench/`

/** Where the compiled files are. */
export interface Compiled {
  /** The module that is imported as 'mqttest'. */
  readonly mqttest: string
  /** The command line tool; undefined where there is no build of it. */
  readonly cli: string | undefined
  /** Folder of the bench's own programs. */
  readonly bench: string
  /** What the reader of the table has to know. */
  readonly note: string
}

function newest(folder: string): number {
  return Math.max(
    0,
    ...readdirSync(folder, { withFileTypes: true, recursive: true }).flatMap((file) =>
      file.isFile() ? [statSync(`${file.parentPath}/${file.name}`).mtimeMs] : [],
    ),
  )
}

/** Compiles the bench, and mqttest where `npm run build` was not run since the last change. */
export async function compile(): Promise<Compiled> {
  mkdirSync(cache, { recursive: true })
  writeFileSync(`${cache}package.json`, '{ "type": "module" }\n')
  const names = ['load', 'unit-test', 'servers/mqttest', 'servers/aedes']
  await build({
    absWorkingDir: root,
    entryPoints: names.map((name) => `test/bench/${name}.ts`),
    outdir: `${cache}bench`,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'error',
  })
  const bench = `${cache}bench/`
  const built = statSync(`${root}dist/src/index.js`, { throwIfNoEntry: false })
  const cli = statSync(`${root}dist/src/cli/main.js`, { throwIfNoEntry: false }) === undefined ? undefined : `${root}dist/src/cli/main.js`
  if (built !== undefined && built.mtimeMs >= newest(`${root}src`))
    return { mqttest: `${root}dist/src/index.js`, cli, bench, note: 'mqttest as built in dist/' }
  await compileSources()
  const why = built === undefined ? 'there is no dist/' : 'dist/ is older than src/'
  return { mqttest: `${cache}mqttest/src/index.js`, cli, bench, note: `mqttest compiled from src/, file by file: ${why}` }
}

async function compileSources(): Promise<void> {
  const config = {
    extends: `${root}tsconfig.json`,
    compilerOptions: { noEmit: false, noCheck: true, rootDir: root, outDir: `${cache}mqttest` },
    include: [`${root}src`],
  }
  writeFileSync(`${cache}tsconfig.json`, JSON.stringify(config))
  await promisify(execFile)(process.execPath, [`${root}node_modules/typescript/bin/tsc`, '-p', `${cache}tsconfig.json`])
}
