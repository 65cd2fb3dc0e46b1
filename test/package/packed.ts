/** The package as it is published, installed into empty projects outside of this one. */
import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
const fixtures = fileURLToPath(new URL('fixtures/', import.meta.url))

/** What a command came to. */
export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command to its end. What this test runner and npm have set does not reach it. */
export function run(folder: string, command: string, words: readonly string[]): Promise<Outcome> {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_ENV|TEST|NODE_OPTIONS)|^npm_(package|lifecycle)/.test(name)))
  return new Promise((resolve) => {
    execFile(command, words, { cwd: folder, encoding: 'utf8', env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, stdout, stderr })
    })
  })
}

/** Runs a command that has to succeed; gives what it wrote to stdout. */
export async function output(folder: string, command: string, words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(folder, command, words)
  if (code !== 0) throw new Error(`${command} ${words.join(' ')} ended with ${code}\n${stdout}\n${stderr}`)
  return stdout.trim()
}

/** Projects with the package installed, in a folder that is removed at the end. */
export class Packed {
  readonly folder = mkdtempSync(join(tmpdir(), 'mqttest-packed-'))
  #tarballs: string[] = []

  /** Packs mqttest and the plugins of strangers. */
  async pack(): Promise<void> {
    for (const source of [root, join(fixtures, 'mqttest-plugin-flaky-gateway'), join(fixtures, 'acme-mqttest-plugin-flaky-gateway')])
      await output(source, 'npm', ['pack', '--silent', '--pack-destination', this.folder])
    this.#tarballs = readdirSync(this.folder)
      .filter((name) => name.endsWith('.tgz'))
      .map((name) => join(this.folder, name))
  }

  /** Makes a project with the files of fixtures/project, and installs what was packed. */
  async project(name: string, type: 'module' | 'commonjs'): Promise<string> {
    const folder = join(this.folder, name)
    mkdirSync(folder)
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, private: true, ...(type === 'module' && { type }) }))
    cpSync(join(fixtures, 'project'), folder, { recursive: true })
    const node = JSON.parse(readFileSync(join(root, 'node_modules/@types/node/package.json'), 'utf8')).version
    await output(folder, 'npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', ...this.#tarballs, `@types/node@${node}`])
    return folder
  }

  /** Compiles TypeScript files of a project with the compiler of this repository. Gives what it complains about. */
  async compile(
    folder: string,
    options: { readonly module: string; readonly moduleResolution: string; readonly noEmit?: boolean },
    files: readonly string[],
  ): Promise<string> {
    const compilerOptions = { target: 'es2022', strict: true, skipLibCheck: false, types: ['node'], outDir: 'out', rootDir: '.', ...options }
    const file = join(folder, 'tsconfig.check.json')
    writeFileSync(file, JSON.stringify({ compilerOptions, files }))
    const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc')
    const { stdout, stderr } = await run(folder, process.execPath, [compiler, '-p', file])
    return `${stdout}${stderr}`.trim()
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
