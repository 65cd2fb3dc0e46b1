// Sums vitest's JSON reports in a folder into one last line; fails if a test, or a part of the run, failed.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const [folder = '.', broken = '0'] = process.argv.slice(2)
let [passed, failed, skipped] = [0, 0, 0]
for (const name of readdirSync(folder)) {
  const report = JSON.parse(readFileSync(join(folder, name), 'utf8'))
  passed += report.numPassedTests
  // A file that could not be loaded, or not be set up, has no test that failed.
  const stuck = report.testResults.filter((file) => file.status === 'failed' && !file.assertionResults.some((result) => result.status === 'failed'))
  failed += report.numFailedTests + stuck.length
  skipped += report.numPendingTests
  for (const file of report.testResults)
    for (const result of file.assertionResults)
      if (result.status === 'skipped' || result.status === 'pending') process.stdout.write(`skipped: ${result.fullName}\n`)
}
if (skipped > 0) process.stdout.write(`${skipped} skipped\n`)
// A part of the run that is no test, such as the lint, counts as one.
if (failed === 0) failed = Number(broken)
process.stdout.write(`${passed} passed, ${failed} failed\n`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0
