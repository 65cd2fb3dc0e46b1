/** When what many packets lead to is written: as seldom as can be without anybody waiting for it. */
import { describe, expect, test } from 'vitest'
import { turn, virtualClock } from '../../src/clock.ts'
import { Journal } from '../../src/record/journal.ts'
import { WriteTurns } from '../../src/run/write-turns.ts'

/** What the network gives at most at once; behind it there is more. */
const full = 64 * 1024

function makeWrites() {
  const journal = new Journal(virtualClock())
  const turns = new WriteTurns(journal)
  const said: string[] = []
  return {
    said,
    /** A chunk comes, with so many packets that go to a client each. */
    async read(length: number, packets = 1) {
      turns.read(length)
      turns.soon({ flush: () => said.push(`write after ${length}`) })
      for (let count = 0; count < packets; count++) journal.packet(0, 'in', Buffer.from([0xc0, 0]), 4, undefined)
      await Promise.resolve()
    },
  }
}

describe('a write', () => {
  test('comes when the chunk has been handled', async () => {
    const { said, read } = makeWrites()
    await read(100)
    expect(said).toEqual(['write after 100'])
    await read(full - 1)
    expect(said).toHaveLength(2)
  })

  test('waits for the next chunk where that is there already', async () => {
    const { said, read } = makeWrites()
    await read(full)
    await read(full)
    expect(said).toEqual([])
    await read(100)
    expect(said).toEqual([`write after ${full}`, `write after ${full}`, 'write after 100'])
    await turn()
    expect(said).toHaveLength(3)
  })

  test('waits no longer than to the end of the turn, when there is no next chunk', async () => {
    const { said, read } = makeWrites()
    await read(full)
    expect(said).toEqual([])
    await turn()
    expect(said).toEqual([`write after ${full}`])
    await read(full)
    await turn()
    expect(said).toHaveLength(2)
  })

  test('waits for so many chunks only', async () => {
    const { said, read } = makeWrites()
    for (let chunks = 0; chunks < 7; chunks++) await read(full)
    expect(said).toEqual([])
    await read(full)
    expect(said).toHaveLength(8)
    await read(full)
    expect(said).toHaveLength(8)
    await turn()
    expect(said).toHaveLength(9)
  })

  test('does not wait where one chunk makes many packets', async () => {
    const { said, read } = makeWrites()
    await read(full, 900)
    expect(said).toHaveLength(1)
    for (let chunks = 0; chunks < 10; chunks++) await read(full, 40)
    expect(said.length).toBeGreaterThan(5)
    await turn()
    expect(said).toHaveLength(11)
  })
})
