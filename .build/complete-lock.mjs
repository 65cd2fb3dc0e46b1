// Puts packages into the lock file that npm left out since the registry in use has none for other platforms; without them
// `npm ci` refuses the lock file everywhere. Run it after `npm install` where the test of the lock file says so.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const file = fileURLToPath(new URL('../package-lock.json', import.meta.url))
const lock = JSON.parse(readFileSync(file, 'utf8'))

const systems = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32']
const processors = ['arm', 'arm64', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'wasm32', 'x64']

/** What the name of a package says about where it runs: '@biomejs/cli-linux-x64-musl'. */
function platformOf(name) {
  const words = name.split(/[-/]/)
  const cpu = words.filter((word) => processors.includes(word))
  const os = words.filter((word) => systems.includes(word))
  const libc = words.flatMap((word) => (/^musl/.test(word) ? ['musl'] : /^gnu/.test(word) ? ['glibc'] : []))
  return { ...(cpu.length > 0 && { cpu }), ...(libc.length > 0 && os.includes('linux') && { libc }), ...(os.length > 0 && { os }) }
}

/** Whether a package that is needed from a place is in the lock file: there, or in a folder around. */
function isThere(place, name) {
  for (let at = place; ; at = at.includes('/node_modules/') ? at.slice(0, at.lastIndexOf('/node_modules/')) : '') {
    if (lock.packages[`${at === '' ? '' : `${at}/`}node_modules/${name}`] !== undefined) return true
    if (at === '') return false
  }
}

let added = 0
for (const [place, { optionalDependencies = {}, dev }] of Object.entries(lock.packages))
  for (const [name, version] of Object.entries(optionalDependencies)) {
    if (isThere(place, name)) continue
    const platform = platformOf(name)
    // Only a version that is named exactly can be put down without asking anybody.
    if (!/^\d/.test(version) || (platform.os === undefined && platform.cpu === undefined)) continue
    lock.packages[`node_modules/${name}`] = { version, ...(dev && { dev }), optional: true, ...platform }
    added++
  }

lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([one], [other]) => one.localeCompare(other, 'en')))
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
process.stdout.write(`${added} packages added\n`)
