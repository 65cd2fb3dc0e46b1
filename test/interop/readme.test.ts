/** The README promises nothing that no test shows. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = new URL('../../', import.meta.url)
const section = /^## What the broker supports$([\s\S]*?)^## /m.exec(readFileSync(new URL('README.md', root), 'utf8'))?.[1] ?? ''
const rows = section
  .split('\n')
  .filter((line) => /^\| [^|\s]/.test(line))
  .map((line) => line.slice(2, -2).split(' | '))

describe('what the broker supports', () => {
  test('is a list', () => {
    expect(rows.length).toBeGreaterThan(25)
    for (const row of rows) expect(row, row[0]).toHaveLength(5)
  })

  test.each(rows)('%s', (...row) => {
    const shownIn = /^`(test\/.*\.test\.ts)`$/.exec(row[4] ?? '')?.[1] ?? ''
    expect(existsSync(fileURLToPath(new URL(shownIn, root))), `${row[4]} exists`).toBe(true)
    expect(shownIn).not.toBe('')
    expect(
      row.slice(1, 4).some((version) => version !== ''),
      'some version has it',
    ).toBe(true)
  })
})
