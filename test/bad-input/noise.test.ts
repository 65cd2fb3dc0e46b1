/** Bytes that are no MQTT, or not any more: nothing throws, nothing is left, and the others are served meanwhile. */
import fc from 'fast-check'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { encode } from '../../src/wire/encode.ts'
import type { ProtocolVersion } from '../../src/wire/packet.ts'
import { cutAt, framed, hex } from '../support/bytes.ts'
import { brokenRules, bystander, expectOnlyBystander, openConnections } from '../support/left-over.ts'
import { anyPacketBy } from '../support/packets.ts'
import { virtualServer } from '../support/server.ts'

const versions = [3, 4, 5] as const

const bytesOf = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array))
const places = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 8 })

const connects: Readonly<Record<ProtocolVersion, Buffer>> = {
  3: framed(0x10, "0006 'MQIsdp' 03 02 003c 0005 'noisy'"),
  4: framed(0x10, "0004 'MQTT' 04 02 003c 0005 'noisy'"),
  5: framed(0x10, "0004 'MQTT' 05 02 003c 0b 11 00000010 22 0010 21 0005 0005 'noisy'"),
}

/** A legal stream of a client: CONNECT, then anything. */
const legalStream = fc
  .constantFrom(...versions)
  .chain((version) =>
    fc.array(anyPacketBy('client', version), { maxLength: 6 }).map((packets) => [connects[version], ...packets.map((packet) => encode(packet, version))]),
  )

type Mutation = (bytes: Buffer) => Buffer

const at = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })

/** One change of some bytes. */
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(at, fc.integer({ min: 0, max: 255 })).map(([place, value]) => (bytes: Buffer) => {
    const copy = Buffer.from(bytes)
    copy[Math.floor(place * copy.length)] = value
    return copy
  }),
  fc.tuple(at, fc.integer({ min: 0, max: 7 })).map(([place, bit]) => (bytes: Buffer) => {
    const copy = Buffer.from(bytes)
    const index = Math.floor(place * copy.length)
    copy[index] = (copy[index] ?? 0) ^ (1 << bit)
    return copy
  }),
  at.map((place) => (bytes: Buffer) => bytes.subarray(0, Math.floor(place * bytes.length))),
  fc.tuple(at, fc.integer({ min: 1, max: 5 })).map(([place, count]) => (bytes: Buffer) => {
    const start = Math.floor(place * bytes.length)
    return Buffer.concat([bytes.subarray(0, start), bytes.subarray(start + count)])
  }),
  fc.tuple(at, bytesOf(6)).map(([place, more]) => (bytes: Buffer) => {
    const start = Math.floor(place * bytes.length)
    return Buffer.concat([bytes.subarray(0, start), more, bytes.subarray(start)])
  }),
  fc.tuple(at, at).map(([from, to]) => (bytes: Buffer) => {
    const [start, end] = [from, to].map((place) => Math.floor(place * bytes.length)).sort((one, two) => one - two)
    return Buffer.concat([bytes.subarray(0, end), bytes.subarray(start)])
  }),
)

const endings = fc.constantFrom('close', 'reset', 'stay')

describe('a server that gets', () => {
  test('random bytes closes the connection or waits for more, and goes on', async () => {
    const { server, clock } = await virtualServer()
    const other = await bystander(server)
    await fc.assert(
      fc.asyncProperty(bytesOf(64), places, endings, async (bytes, cuts, ending) => {
        const client = connectMemory(server)
        for (const chunk of cutAt(bytes, cuts)) client.send(chunk)
        await other.settled()
        if (ending === 'close') client.close()
        if (ending === 'reset') client.reset()
        await expectOnlyBystander(server, clock, other)
      }),
      { numRuns: 300, seed: 1 },
    )
  })

  test('random bytes behind CONNECT does the same', async () => {
    const { server, clock } = await virtualServer()
    const other = await bystander(server)
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...versions), bytesOf(64), places, endings, async (version, bytes, cuts, ending) => {
        const client = connectMemory(server, version)
        client.send(connects[version])
        for (const chunk of cutAt(bytes, cuts)) client.send(chunk)
        await other.settled()
        if (ending === 'close') client.close()
        if (ending === 'reset') client.reset()
        await expectOnlyBystander(server, clock, other)
      }),
      { numRuns: 300, seed: 2 },
    )
  })

  test('a mutated stream, cut into any chunks, never throws; afterwards nothing is left', async () => {
    const { server, clock } = await virtualServer()
    const other = await bystander(server)
    await fc.assert(
      fc.asyncProperty(legalStream, fc.array(mutation, { minLength: 1, maxLength: 3 }), places, endings, async (packets, mutations, cuts, ending) => {
        const stream = mutations.reduce<Buffer>((bytes, mutate) => mutate(bytes), Buffer.concat(packets))
        const client = connectMemory(server)
        for (const chunk of cutAt(stream, cuts)) client.send(chunk)
        await other.settled()
        if (ending === 'close') client.close()
        if (ending === 'reset') client.reset()
        await expectOnlyBystander(server, clock, other)
      }),
      { numRuns: 600 },
    )
  })

  test('a legal stream cut into any chunks says the same as to one that gets it whole', async () => {
    await fc.assert(
      fc.asyncProperty(legalStream, places, async (packets, cuts) => {
        const heard: string[][] = []
        for (const cut of [[], cuts]) {
          const { server } = await virtualServer()
          const client = connectMemory(server)
          for (const chunk of cutAt(Buffer.concat(packets), cut)) client.send(chunk)
          await (await bystander(server)).settled()
          heard.push([Buffer.concat(client.chunks).toString('hex'), client.ended ?? 'open', ...brokenRules(server)])
          await server.stop()
        }
        expect(heard[1]).toEqual(heard[0])
      }),
      { numRuns: 60 },
    )
  })

  test('a packet that is cut short reports it, once, when the client is gone', async () => {
    const packets = [connects[5], framed(0x32, "0001 't' 0001 00 'payload'"), framed(0x82, "0002 00 0001 'a' 00")]
    for (const [index, packet] of packets.entries())
      for (let length = 1; length < packet.length; length++)
        for (const ending of ['close', 'reset'] as const) {
          const { server, clock } = await virtualServer()
          const other = await bystander(server)
          const client = connectMemory(server, 5)
          client.send(...packets.slice(0, index), packet.subarray(0, length))
          await other.settled()
          client[ending]()
          await expectOnlyBystander(server, clock, other)
          expect(brokenRules(server), `${length} bytes of packet ${index}, ${ending}`).toEqual(['1: packet-cut-short'])
          expect(server.records({ type: 'violation' })).toMatchObject([{ violation: { raw: packet.subarray(0, length) }, verdict: 'warn' }])
          await server.stop()
        }
  })

  test('many declared lengths of 256 MB reserves nothing', async () => {
    const { server, clock } = await virtualServer()
    const other = await bystander(server)
    const before = process.memoryUsage().rss
    const clients = Array.from({ length: 200 }, () => connectMemory(server).send(connects[4], hex('30 ff ff ff 7f'), hex("0001 't'")))
    await other.settled()
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * 1024 * 1024)
    expect(openConnections(server)).toHaveLength(2)
    for (const client of clients) client.reset()
    await expectOnlyBystander(server, clock, other)
  })

  test('a length above its limit answers before the packet comes', async () => {
    const { server, clock } = await virtualServer({ broker: { maximumPacketSize: 1000 } })
    const other = await bystander(server)
    const client = connectMemory(server, 5)
    client.send(connects[5], hex('30 ff ff ff 7f'))
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x95 })
    expect(await client.end()).toBe('fin')
    await expectOnlyBystander(server, clock, other)
    expect(brokenRules(server)).toEqual(['1: packet-too-large'])
  })
})
