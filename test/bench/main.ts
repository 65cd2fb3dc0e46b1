/** `npm run bench`: measures mqttest beside other brokers, and prints medians and ratios. See README.md. */
import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { twentyBystanders } from './bystanders.ts'
import { compile } from './compile.ts'
import { type Effort, fullEffort, lines, quickEffort } from './lines.ts'
import { type LineResult, table, toJson } from './table.ts'
import { findTargets } from './targets.ts'

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string' },
    only: { type: 'string', multiple: true },
    servers: { type: 'string' },
    also: { type: 'string', multiple: true },
    bystanders: { type: 'boolean' },
    plugins: { type: 'string' },
    json: { type: 'string' },
    quick: { type: 'boolean' },
  },
})

const effort: Effort = options.quick === true ? quickEffort : fullEffort
const rounds = Number(options.rounds ?? (options.quick === true ? 1 : 5))
const only = options.only
const chosen = lines.filter((line) => only === undefined || only.some((part) => line.name.toLowerCase().includes(part.toLowerCase())))
if (chosen.length === 0) throw new Error(`no line has ${only?.join(' or ')} in its name; there are: ${lines.map((line) => line.name).join(' · ')}`)

const compiled = await compile()
const also = new Map((options.also ?? []).map((entry): [string, string] => [entry.slice(0, entry.indexOf('=')), resolve(entry.slice(entry.indexOf('=') + 1))]))
const wanted = options.servers?.split(',')
const plugins: readonly unknown[] = options.plugins === undefined ? (options.bystanders === true ? twentyBystanders : []) : JSON.parse(options.plugins)
const targets = findTargets(compiled, also, plugins).filter((target) => wanted === undefined || wanted.includes(target.name))
const servers = targets.map((target) => target.name)
console.log(`${compiled.note}; Node ${process.version}; ${rounds} ${rounds === 1 ? 'round' : 'rounds'}`)
if (!servers.includes('mosquitto') && wanted === undefined) console.log('mosquitto is not installed: left out')
if (compiled.cli === undefined) console.log('spawn to CONNACK of mqttest needs dist/: run npm run build first')

const results = chosen.map((line) => ({ line, values: new Map<string, (number | undefined)[]>() })) satisfies LineResult[]
const failures: string[] = []
for (let round = 0; round < rounds; round++) {
  for (const { line, values } of results) {
    if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${round + 1}/${rounds} ${line.name}`)
    // Another one begins each round: none is always first.
    for (const [index] of targets.entries()) {
      const target = targets[(index + round) % targets.length]
      if (target === undefined) continue
      const measured = await line.measure(target, { folder: compiled.bench, effort }).catch((error: unknown) => {
        failures.push(`${line.name}, ${target.name}: ${error instanceof Error ? error.message : String(error)}`)
        return undefined
      })
      const list = values.get(target.name) ?? []
      list[round] = measured
      values.set(target.name, list)
    }
  }
}
if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')

console.log(`\n${table(results, servers)}`)
for (const failure of failures) console.error(`FAILED ${failure}`)
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(toJson(results, servers), null, 2)}\n`)
// Noise decides about a single ratio; only a measurement that did not work at all is an error.
process.exitCode = failures.length > 0 ? 1 : 0
