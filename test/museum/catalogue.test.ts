/** The museum has what its catalogue says, and its catalogue says what it has. */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { catalogue } from './catalogue.ts'

const folder = new URL('./', import.meta.url)

const textOf = (file: string) => readFileSync(new URL(file, folder), 'utf8')

/** The issues that a file names. */
function issuesOf(file: string): string[] {
  return [...new Set(textOf(file).match(/https:\/\/github\.com\/[\w.-]+\/[\w.-]+\/(?:issues|pull)\/\d+/g) ?? [])]
}

const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.test.ts') && name !== 'catalogue.test.ts')

describe('the catalogue of the museum', () => {
  test.each(files)('has every bug that is shown in %s', (file) => {
    const urls = catalogue.filter((entry) => entry.file === file).map(({ url }) => url)
    expect(issuesOf(file).filter((url) => !urls.includes(url))).toEqual([])
  })

  test('names exhibits that are there, each once', () => {
    expect(catalogue.filter(({ file, url }) => !files.includes(file) || !textOf(file).includes(url))).toEqual([])
    expect(new Set(catalogue.map(({ url }) => url)).size).toBe(catalogue.length)
  })
})
