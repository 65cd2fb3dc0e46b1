#!/usr/bin/env node
/** The command `mqttest`. */
import { explain } from './explain.ts'
import { program } from './program.ts'

// Whoever reads our output may stop to read it; that is no reason to fail.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)

let code: number
try {
  code = await program(process.argv.slice(2))
} catch (error) {
  code = explain(error, process.argv.includes('--verbose'))
}
// Something in a config may keep the process alive; what was written has to be out before it ends.
process.exitCode = code
process.stdout.write('', () => process.stderr.write('', () => process.exit(code)))
