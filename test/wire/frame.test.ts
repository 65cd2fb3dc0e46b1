/** Chunks in, whole packets out: where the cut falls, what is held, and what the framing itself can have wrong. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FrameReader, largestPacket } from '../../src/wire/frame.ts'
import { Malformed } from '../../src/wire/malformed.ts'
import { cutAt, framed, framesOf, hex, singly, varint } from '../support/bytes.ts'

const packet = fc
  .tuple(fc.integer({ min: 0, max: 255 }), fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.uint8Array({ minLength: 120, maxLength: 300 })))
  .map(([first, body]) => framed(first, Buffer.from(body)))

describe('a stream of packets', () => {
  test('gives the same packets however it is cut into chunks', () => {
    fc.assert(
      fc.property(fc.array(packet, { maxLength: 8 }), fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 }), (packets, places) => {
        const { frames, problem, held } = framesOf(cutAt(Buffer.concat(packets), places))
        expect(problem).toBeUndefined()
        expect(held).toBe(0)
        expect(frames.map((frame) => frame.bytes.toString('hex'))).toEqual(packets.map((bytes) => bytes.toString('hex')))
        for (const { bytes, type, flags, bodyOffset } of frames) {
          expect([type, flags]).toEqual([(bytes[0] ?? 0) >> 4, (bytes[0] ?? 0) & 15])
          expect(bytes.subarray(1, bodyOffset)).toEqual(varint(bytes.length - bodyOffset))
        }
      }),
    )
  })

  test('gives the same packets byte by byte', () => {
    const stream = Buffer.concat([framed(0x30, Buffer.alloc(300, 1)), hex('c000'), framed(0x30, Buffer.alloc(127, 2)), hex('e000')])
    expect(framesOf(singly(stream)).frames.map((frame) => frame.bytes.length)).toEqual([303, 2, 129, 2])
  })

  test('ends where the sink wants no more', () => {
    const reader = new FrameReader()
    const seen: number[] = []
    const sink = (frame: { type: number }) => seen.push(frame.type) < 2
    reader.push(hex('c000 c000 c000'), sink)
    expect(seen).toEqual([12, 12])
  })

  test('ends where the sink wants no more, also behind a packet that came in pieces', () => {
    const reader = new FrameReader()
    const seen: number[] = []
    const sink = (frame: { type: number }) => seen.push(frame.type) < 1
    reader.push(hex('4002 00'), sink)
    reader.push(hex('01 c000'), sink)
    expect(seen).toEqual([4])
  })

  test('may say a length in more bytes than it needs', () => {
    const { frames, problem } = framesOf(singly(hex('c0 80 00 c0 80 80 80 00')))
    expect(problem).toBeUndefined()
    expect(frames.map(({ bodyOffset, bytes }) => [bodyOffset, bytes.length])).toEqual([
      [3, 3],
      [5, 5],
    ])
  })
})

describe('a length', () => {
  test.each([
    [0, '00'],
    [127, '7f'],
    [128, '8001'],
    [16_383, 'ff7f'],
    [16_384, '808001'],
    [2_097_151, 'ffff7f'],
    [2_097_152, '80808001'],
  ])('of %i is %s', (length, bytes) => {
    const body = Buffer.alloc(length)
    const { frames } = framesOf([Buffer.concat([hex(`30 ${bytes}`), body])])
    expect(frames.map((frame) => frame.bytes.length - frame.bodyOffset)).toEqual([length])
  })

  test.each([
    ['whole', (bytes: Buffer) => [bytes]],
    ['byte by byte', singly],
  ])('of five bytes ends the stream, which came %s', (_how, cut) => {
    const { frames, problem } = framesOf(cut(hex('c000 30 80 80 80 80 01 c000')))
    expect(frames).toHaveLength(1)
    expect(problem).toEqual(new Malformed('remaining-length-malformed', 1))
  })

  test('of five bytes is seen at its fourth, before the fifth comes', () => {
    expect(framesOf([hex('30 ff ff ff ff')]).problem?.rule).toBe('remaining-length-malformed')
    expect(framesOf([hex('30 ff ff ff')]).problem).toBeUndefined()
  })

  test('above the limit ends the stream as soon as it is known, with the packet still to come', () => {
    const { frames, problem, held } = framesOf(singly(hex('c000 30 12')), 19)
    expect(frames).toHaveLength(1)
    expect(problem).toEqual(new Malformed('packet-too-large', 1, '20 bytes, allowed are 19'))
    expect(held).toBe(2)
  })

  test('equal to the limit is taken', () => {
    expect(framesOf([framed(0x30, Buffer.alloc(18))], 20).frames).toHaveLength(1)
  })

  test('of the largest packet of the protocol is within the default limit', () => {
    expect(framesOf([hex('30 ff ff ff 7f')]).problem).toBeUndefined()
    expect(largestPacket).toBe(268_435_460)
  })

  test('of 256 MB reserves nothing', () => {
    const readers = Array.from({ length: 1000 }, () => new FrameReader())
    const before = process.memoryUsage()
    for (const reader of readers) reader.push(hex('30 ff ff ff 7f 00'), () => true)
    const after = process.memoryUsage()
    expect(after.rss + after.arrayBuffers - before.rss - before.arrayBuffers).toBeLessThan(100 * 1024 * 1024)
    expect(readers.map((reader) => reader.held)).toEqual(readers.map(() => 6))
  })
})

describe('a reader', () => {
  test('shows what there is of a packet that was cut short', () => {
    const reader = new FrameReader()
    for (const chunk of [hex('c000 30'), hex('0a 00'), hex('01')]) reader.push(chunk, () => true)
    expect(reader.held).toBe(4)
    expect(reader.rest()).toEqual(hex('300a 0001'))
  })

  test('shows the bytes from the one on that it could not read', () => {
    const reader = new FrameReader(10)
    reader.push(hex('c000 30 20 aabb'), () => true)
    expect(reader.rest()).toEqual(hex('30 20 aabb'))
  })

  test('that is closed takes nothing more and holds nothing', () => {
    const reader = new FrameReader()
    reader.push(hex('30 0a 00'), () => true)
    reader.close()
    expect(reader.held).toBe(0)
    expect(reader.push(hex('c000'), () => expect.fail('a packet came'))).toBeUndefined()
  })

  test('that is closed by its sink gives nothing more, and holds nothing', () => {
    const reader = new FrameReader()
    const seen: number[] = []
    reader.push(hex('c000 c000 30'), (frame) => {
      seen.push(frame.type)
      reader.close()
      return false
    })
    expect(seen).toEqual([12])
    expect(reader.held).toBe(0)
  })

  test('says once what is wrong', () => {
    const reader = new FrameReader(10)
    expect(reader.push(hex('30 20'), () => true)?.rule).toBe('packet-too-large')
    expect(reader.push(hex('30 20'), () => true)).toBeUndefined()
  })

  test('obeys a new limit from the next packet on', () => {
    const reader = new FrameReader(10)
    reader.push(framed(0x30, Buffer.alloc(8)), () => true)
    reader.limit = 5
    expect(reader.push(framed(0x30, Buffer.alloc(4)), () => true)?.rule).toBe('packet-too-large')
  })

  test('obeys a limit for one type of packet', () => {
    const reader = new FrameReader(10)
    reader.limitType(3, 5)
    expect(reader.push(framed(0x80, Buffer.alloc(8)), () => true)).toBeUndefined()
    expect(reader.push(framed(0x30, Buffer.alloc(4)), () => true)).toMatchObject({ rule: 'packet-too-large', detail: '6 bytes, allowed are 5' })
  })
})
