// Packs the package as it would be published, in a folder of its own, and has publint and attw look at it.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
// Entries behind a pattern are not looked at unless they are named.
const entries = ['.', 'testing', 'plugins', 'plugins/ack-delay']

function run(command, args) {
  const done = spawnSync(command, args, { cwd: root, encoding: 'utf8' })
  if (done.status === 0) return
  process.stderr.write(`${command} ${args.join(' ')}\n${done.stdout ?? ''}${done.stderr ?? ''}${done.error?.message ?? ''}\n`)
  process.exitCode = 1
}

const folder = mkdtempSync(join(tmpdir(), 'mqttest-package-'))
try {
  run('npm', ['pack', '--silent', '--pack-destination', folder])
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'))
  if (tarball !== undefined) {
    const path = join(folder, tarball)
    run('npx', ['--no-install', 'publint', 'run', path, '--strict'])
    run('npx', ['--no-install', 'attw', path, '--profile', 'node16', '--entrypoints', ...entries])
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
if (process.exitCode === undefined) process.stdout.write('the package is in good shape\n')
