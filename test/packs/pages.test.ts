/** The inventory in README.md and the pages of the packs are made from what plugins and packs say (UPDATE_README=1 rewrites them). */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import * as packs from 'mqttest/packs'
import * as plugins from 'mqttest/plugins'
import { describe, expect, test } from 'vitest'
import { flattenPlugins, noLookup } from '../../src/plugin/plugin-list.ts'
import { inventory, packPage, packsOf, pluginsOf } from '../support/plugin-table.ts'

const root = new URL('../../', import.meta.url)
const update = process.env.UPDATE_README === '1'

function isAsMade(path: string, wanted: string): void {
  const file = new URL(path, root)
  if (update) writeFileSync(file, wanted)
  else expect(existsSync(file) ? readFileSync(file, 'utf8') : undefined).toBe(wanted)
}

test('README.md lists every plugin and every pack', () => {
  const text = readFileSync(new URL('README.md', root), 'utf8')
  const wanted = text.replace(
    /(<!-- inventory -->\n)[\s\S]*?(<!-- \/inventory -->)/,
    (_all, begin: string, end: string) => `${begin}\n${inventory(plugins, packs)}\n\n${end}`,
  )
  for (const { meta } of [...pluginsOf(plugins), ...packsOf(packs)])
    expect(wanted, `a row for '${meta.name}': is its group one of those in plugin.ts?`).toContain(`[\`${meta.name}\`](`)
  isAsMade('README.md', wanted)
})

describe('every pack', () => {
  const names = pluginsOf(plugins).map(({ meta }) => meta.name)

  test.each(packsOf(packs).map((pack) => [pack.meta.name, pack] as const))('%s has a page, a file and an export of its name', (name, pack) => {
    isAsMade(`plugins/packs/${name}.md`, `${packPage(pack)}\n`)
    expect(existsSync(new URL(`plugins/packs/${name}.ts`, root))).toBe(true)
    const camel = name.replace(/-[a-z0-9]/g, (part) => part.slice(1).toUpperCase())
    expect(Reflect.get(packs, camel)).toBe(pack)
  })

  test.each(packsOf(packs).map((pack) => [pack.meta.name, pack] as const))(
    '%s is made of built-in plugins, and says which of them imitates what',
    (_name, pack) => {
      const members = flattenPlugins(pack.create(), noLookup).map(({ plugin }) => plugin.meta.name)
      expect(members.filter((member) => !names.includes(member))).toEqual([])
      for (const { says, source, by, unverified } of pack.meta.facts ?? []) {
        expect(says).toMatch(/^[A-Z0-9`'$#].*\.$/)
        expect(source).toMatch(/\S/)
        // What nobody has checked is off, so it need not be among the plugins.
        if (by !== undefined && unverified !== true) expect(members, says).toContain(by)
      }
      for (const text of pack.meta.leaves ?? []) expect(text).toMatch(/^[A-Z].*\.$/)
    },
  )
})

test('no page is about a pack that does not exist', () => {
  const pages = readdirSync(new URL('plugins/packs/', root)).filter((name) => name.endsWith('.md'))
  expect(pages.filter((page) => !packsOf(packs).some(({ meta }) => `${meta.name}.md` === page))).toEqual([])
})
