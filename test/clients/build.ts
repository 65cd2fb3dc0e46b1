/** Builds the client programs that stand beside the tests, once for each state of their sources and of their tools. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const cache = fileURLToPath(new URL('../../node_modules/.cache/mqttest-clients/', import.meta.url))

/** How long a step of a build may take, in milliseconds. */
const patienceMs = 10 * 60_000

/** A command line, and variables for it. */
export interface Step {
  readonly run: readonly [program: string, ...words: string[]]
  readonly env?: Readonly<Record<string, string>>
}

/** What a build has to do with. */
export interface Folders {
  /** Where the sources are. */
  readonly source: string
  /** Where the program goes. */
  readonly out: string
  /** Shared by all builds of this program. */
  readonly work: string
}

/** How a program is built. */
export interface Recipe {
  /** Folder beside this file. */
  readonly folder: string
  /** Each has to work, or the program is skipped; what they print is part of what the build depends on. */
  readonly tools: readonly (Step & { readonly missing: string })[]
  /** What comes from elsewhere. Where it cannot be had, the program is skipped. */
  fetch(folders: Folders): readonly Step[]
  /** What has to work then. */
  build(folders: Folders): readonly Step[]
}

/** A program that was built, or why it was not: `missing` is no fault of the project's, `broken` is. */
export type Built = { readonly out: string; readonly source: string } | { readonly missing: string } | { readonly broken: string }

function execute({ run, env }: Step, cwd: string): Promise<{ readonly failed: string | undefined; readonly output: string }> {
  const [program, ...words] = run
  return new Promise((resolve) => {
    execFile(program, words, { cwd, env: { ...process.env, ...env }, timeout: patienceMs, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      const output = `${stdout}${stderr}`
      resolve({ failed: error === null ? undefined : `${output.trim().slice(-8000) || error.message}\n(${program} ${words.join(' ')})`, output })
    })
  })
}

async function firstFailure(steps: readonly Step[], cwd: string): Promise<string | undefined> {
  for (const step of steps) {
    const { failed } = await execute(step, cwd)
    if (failed !== undefined) return failed
  }
  return undefined
}

/** The line that says what went wrong. */
function errorLine(text: string): string {
  const lines = text.trim().split('\n')
  return lines.find((line) => /^\W*error/i.test(line)) ?? lines.at(-2) ?? ''
}

/** Builds a program, unless that was done before. */
export async function build(recipe: Recipe): Promise<Built> {
  const source = fileURLToPath(new URL(`./${recipe.folder}/`, import.meta.url))
  const hash = createHash('sha256')
  for (const name of readdirSync(source, { recursive: true, withFileTypes: true }))
    if (name.isFile()) hash.update(name.name).update(readFileSync(join(name.parentPath, name.name)))
  for (const tool of recipe.tools) {
    const { failed, output } = await execute(tool, source)
    if (failed !== undefined) return { missing: tool.missing }
    hash.update(output)
  }
  const anywhere = { source: '', out: '', work: '' }
  hash.update(JSON.stringify([recipe.fetch(anywhere), recipe.build(anywhere)]))
  const out = join(cache, `${recipe.folder}-${hash.digest('hex').slice(0, 16)}`)
  if (existsSync(out)) return { out, source }

  const work = join(cache, `${recipe.folder}-work`)
  const begun = `${out}-${process.pid}-${Math.random().toString(36).slice(2)}`
  mkdirSync(work, { recursive: true })
  mkdirSync(begun, { recursive: true })
  const folders = { source, out: begun, work }
  try {
    const unfetched = await firstFailure(recipe.fetch(folders), source)
    if (unfetched !== undefined) return { missing: `what it needs could not be downloaded: ${errorLine(unfetched)}` }
    const broken = await firstFailure(recipe.build(folders), source)
    if (broken !== undefined) return { broken }
    try {
      renameSync(begun, out)
    } catch (error) {
      // Somebody else built the same meanwhile.
      if (!existsSync(out)) throw error
    }
    return { out, source }
  } finally {
    rmSync(begun, { recursive: true, force: true })
  }
}
