/** The strings of MQTT (section 1.5.4): what is refused, and that nothing that is taken changes on its way. */
import fc from 'fast-check'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { Malformed } from '../../src/wire/malformed.ts'
import { decodeUtf8, readText } from '../../src/wire/strings.ts'
import { framed, hex, text } from '../support/bytes.ts'
import { soundText } from '../support/packets.ts'
import { memoryServer } from '../support/server.ts'

/** What reading some bytes gives: text, or the rule and the byte. */
function read(bytes: Buffer, start = 0, end = bytes.length): string | { rule: string; offset: number } {
  try {
    return readText(bytes, start, end)
  } catch (problem) {
    if (problem instanceof Malformed) return { rule: problem.rule, offset: problem.offset }
    throw problem
  }
}

describe('a string that is not well-formed is refused [MQTT-1.5.4-1]:', () => {
  test.each([
    ['a continuation byte alone', "'ab' 80", 2],
    ['a lead byte at the end', "'ab' c3", 2],
    ['a lead byte before a letter', "c3 'a'", 0],
    ['two of three bytes', 'e282', 0],
    ['three of four bytes', 'f09d84', 0],
    ['U+002F in two bytes', 'c0af', 0],
    ['U+0000 in two bytes', 'c080', 0],
    ['U+002F in three bytes', "'a' e080af", 1],
    ['U+002F in four bytes', 'f08080af', 0],
    ['U+D800, the first surrogate', 'eda080', 0],
    ['U+DFFF, the last surrogate', 'edbfbf', 0],
    ['a pair of surrogates', 'eda0b4 edb49e', 0],
    ['U+110000', 'f4908080', 0],
    ['a lead byte of five', 'f888808080', 0],
    ['fe', 'fe', 0],
    ['an offending byte behind letters of two, three and four bytes', 'c3a4 e282ac f09d849e ff', 9],
  ])('%s', (_what, bytes, offset) => {
    expect(read(hex(bytes))).toEqual({ rule: 'utf8-ill-formed', offset })
  })

  test('wherever it stands in its packet', () => {
    const bytes = hex("'before' c3a4 ff 'behind'")
    expect(read(bytes, 6, 9)).toEqual({ rule: 'utf8-ill-formed', offset: 8 })
    expect(read(bytes, 0, 8)).toBe('beforeä')
  })

  test('a letter that the end of the string cuts in two, although the packet goes on', () => {
    expect(read(hex('c3a4'), 0, 1)).toEqual({ rule: 'utf8-ill-formed', offset: 0 })
  })

  test('exactly where the platform says so', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 6 }), (array) => {
        const bytes = Buffer.from(array)
        const result = read(bytes)
        expect(typeof result === 'object' && result.rule === 'utf8-ill-formed').toBe(decodeUtf8(bytes) === undefined)
        if (typeof result === 'object' && result.rule === 'utf8-ill-formed') expect(decodeUtf8(bytes.subarray(0, result.offset))).toBeDefined()
      }),
      { numRuns: 3000 },
    )
  })
})

describe('a string is refused for', () => {
  test.each([
    ['U+0000', "'a' 00 'b'", 'utf8-null-character', 1],
    ['U+0000 behind longer letters', 'c3a4 e282ac 00', 'utf8-null-character', 5],
    ['U+0001', '01', 'utf8-disallowed-code-point', 0],
    ['U+001F', '1f', 'utf8-disallowed-code-point', 0],
    ['a line feed', "'a' 0a", 'utf8-disallowed-code-point', 1],
    ['U+007F', '7f', 'utf8-disallowed-code-point', 0],
    ['U+0080', 'c280', 'utf8-disallowed-code-point', 0],
    ['U+009F', 'c29f', 'utf8-disallowed-code-point', 0],
    ['U+FDD0', 'efb790', 'utf8-disallowed-code-point', 0],
    ['U+FDEF', 'efb7af', 'utf8-disallowed-code-point', 0],
    ['U+FFFE', 'efbfbe', 'utf8-disallowed-code-point', 0],
    ['U+FFFF', 'efbfbf', 'utf8-disallowed-code-point', 0],
    ['U+1FFFE', 'f09fbfbe', 'utf8-disallowed-code-point', 0],
    ['U+10FFFF', "'a' f48fbfbf", 'utf8-disallowed-code-point', 1],
  ])('%s', (_what, bytes, rule, offset) => {
    expect(read(hex(bytes))).toEqual({ rule, offset })
  })
})

describe('a string is taken with', () => {
  test.each([
    ['nothing in it', '', ''],
    ['a blank and a tilde', "' ~'", ' ~'],
    ['U+00A0', 'c2a0', '\u00a0'],
    ['a byte order mark in front, which stays [MQTT-1.5.4-3]', "efbbbf 'a'", '\ufeffa'],
    ['a byte order mark alone', 'efbbbf', '\ufeff'],
    ['two byte order marks', 'efbbbf efbbbf', '\ufeff\ufeff'],
    ['U+FFFD, which is a letter like any other', 'efbfbd', '\ufffd'],
    ['U+FDCF and U+FDF0', 'efb78f efb7b0', '\ufdcf\ufdf0'],
    ['U+D7FF and U+E000', 'ed9fbf ee8080', '\ud7ff\ue000'],
    ['U+10000', 'f0908080', '\u{10000}'],
    ['U+10FFFD', 'f48fbfbd', '\u{10fffd}'],
  ])('%s', (_what, bytes, result) => {
    expect(read(hex(bytes))).toBe(result)
  })

  test('any letters that are allowed, byte for byte', () => {
    fc.assert(
      fc.property(soundText(), (value) => {
        expect(read(Buffer.from(value))).toBe(value)
      }),
    )
  })

  test('65,535 bytes', () => {
    const long = 'ä'.repeat(32_767).concat('a')
    expect(read(Buffer.from(long))).toBe(long)
  })
})

test('a topic comes out of the broker as it went in, byte order mark and all', async () => {
  const server = await memoryServer()
  const client = connectMemory(server)
  await client.connect()
  const topic = '\ufeffä/𝄞'
  client.send(framed(0x82, '0001', text(topic), '00'))
  await client.next('suback')
  client.send(framed(0x30, text(topic), "'x'"))
  expect(await client.next('publish')).toMatchObject({ topic })
  client.send(framed(0x30, text(topic.slice(1)), "'x'"))
  await client.settled()
  expect(client.received.filter((packet) => packet.cmd === 'publish')).toHaveLength(1)
})

test('a payload and a password may hold any bytes', async () => {
  const server = await memoryServer()
  const client = connectMemory(server)
  const bytes = hex('00 ff c0af eda080')
  expect(await client.connect({ username: 'u', password: bytes })).toMatchObject({ returnCode: 0 })
  client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 't', qos: 0 }] }, { cmd: 'publish', topic: 't', payload: bytes })
  expect((await client.next('publish')).payload).toEqual(bytes)
  expect((await server.connection()).connect?.password).toEqual(bytes)
})
