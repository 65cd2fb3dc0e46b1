/** What a client sees of `inject`. */
import { ackDelay, inject } from 'mqttest/plugins'
import type { RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { malformed, malformedNames } from '../../plugins/internal/inject/malformed.ts'
import { decode } from '../../src/wire/decode.ts'
import { Malformed } from '../../src/wire/malformed.ts'
import { framesOf } from '../support/bytes.ts'
import { join } from '../support/client.ts'
import { virtualServer } from '../support/server.ts'

const publish = (messageId: number) => ({ cmd: 'publish', topic: 'a', qos: 1, messageId }) as const
const hex = (client: RawClient) => Buffer.concat(client.chunks).toString('hex')

async function connected(options: Parameters<typeof inject>[0], version: 3 | 4 | 5 = 4) {
  const { server, clock } = await virtualServer({ plugins: [inject(options)] })
  return { server, clock, client: await join(server, 'dev', { version }) }
}

/** What a good decoder makes of bytes. */
function verdict(bytes: Buffer, version: 4 | 5): string {
  const { frames, problem, held } = framesOf([bytes])
  if (problem !== undefined) return 'malformed'
  if (held > 0) return 'incomplete'
  const found = frames.map((frame) => decode(frame, version, 'server'))
  return found.every((packet) => packet instanceof Malformed) ? 'malformed' : 'good'
}

describe('inject', () => {
  test('a packet of type 0 behind CONNACK unless told otherwise', async () => {
    const { server, client } = await connected({})
    expect(hex(client)).toBe('200200000000')
    await client.settled()
    expect(server.report().faults.applied).toEqual([{ plugin: 'inject', count: 1 }])
  })

  test('bytes: as they are, at a packet', async () => {
    for (const [when, expected] of [
      ['before', '20020000 d000 40020001'],
      ['instead', '20020000 d000'],
      ['after', '20020000 40020001 d000'],
    ] as const) {
      const { client, clock } = await connected({ bytes: 'd0 00', packet: 'puback', when })
      client.send(publish(1))
      await clock.advance(0)
      expect(hex(client)).toBe(expected.replaceAll(' ', ''))
    }
  })

  test('at the n-th packet of the client; other packets are answered as ever', async () => {
    const { client, clock } = await connected({ bytes: 'd000', packet: 'publish', nth: 2, when: 'before' })
    client.send(publish(1), publish(2), publish(3))
    await clock.advance(0)
    expect(hex(client)).toBe('2002000040020001d0004002000240020003')
  })

  test('time: so long after CONNACK', async () => {
    const { client, clock } = await connected({ bytes: 'd000', time: '1s' })
    await clock.advance(999)
    expect(hex(client)).toBe('20020000')
    await clock.advance(1)
    expect(hex(client)).toBe('20020000d000')
  })

  test('time: a client that goes before leaves no timer', async () => {
    const { client, clock } = await connected({ time: '1h' })
    client.reset()
    await clock.advance(0)
    expect(clock.pending).toBe(0)
  })

  test('close: the end comes behind the bytes', async () => {
    for (const [close, ended] of [
      ['fin', 'fin'],
      ['rst', 'rst'],
      ['stall', undefined],
      ['open', undefined],
    ] as const) {
      const { client, clock } = await connected({ bytes: '30', close, packet: 'publish' })
      client.send(publish(1), publish(2))
      await clock.advance(0)
      expect(client.ended).toBe(ended)
      expect(hex(client)).toBe(close === 'open' ? '2002000040020001304002000230' : '200200004002000130')
    }
  })

  test.each(malformedNames)('malformed: %s is none of the good packets', (name) => {
    // These are good packets at a wrong time, or of a kind that the decoder, which reads servers leniently, does not mind.
    const untimely = ['connack-again', 'unknown-acknowledgement', 'type-15', 'publish-topic-empty']
    const excused = [...untimely, 'length-not-minimal', 'connack-unknown-code', 'suback-unknown-code', 'suback-empty']
    const unfinished = ['length-too-long', 'length-huge', 'length-cut-short']
    for (const version of [4, 5] as const) {
      const bytes = malformed(name, version)
      if (bytes === undefined) continue
      const expected = unfinished.includes(name) ? 'incomplete' : 'malformed'
      if (!excused.includes(name)) expect(verdict(bytes, version), `${bytes.toString('hex')} in version ${version}`).toBe(expected)
    }
    expect(malformed(name, 5)).toBeDefined()
  })

  test('malformed: the form is that of the version', async () => {
    expect(hex((await connected({ malformed: 'publish-qos-3' }, 4)).client)).toBe('20020000' + '360600016100' + '0178')
    expect(hex((await connected({ malformed: 'publish-qos-3' }, 5)).client)).toBe('2006000003220064' + '36070001610001' + '0078')
  })

  test('malformed: what only MQTT 5 can say does not come to older clients', async () => {
    for (const version of [3, 4] as const) {
      const { server, client } = await connected({ malformed: 'topic-alias-zero', close: 'fin' }, version)
      await client.settled()
      expect(server.report().faults.neverFired).toEqual(['inject'])
    }
    const { client } = await connected({ malformed: 'topic-alias-zero' }, 5)
    expect(client.malformed).toHaveLength(1)
  })

  test('two clients: each at its own packet', async () => {
    const { server, client, clock } = await connected({ bytes: '00', packet: 'publish', nth: 1 })
    const other = await join(server, 'other', { version: 4 })
    client.send(publish(1))
    await clock.advance(0)
    other.send(publish(2), publish(3))
    await clock.advance(0)
    expect([hex(client), hex(other)]).toEqual(['200200004002000100', '2002000040020002' + '00' + '40020003'])
  })

  test('beside ack-delay: behind the late answer', async () => {
    const { server, clock } = await virtualServer({ plugins: [ackDelay({ delay: 50 }), inject({ bytes: '00', packet: 'publish' })] })
    const client = await join(server, 'dev', { version: 4 })
    client.send(publish(1))
    await clock.advance(49)
    expect(hex(client)).toBe('20020000')
    await clock.advance(1)
    expect(hex(client)).toBe('200200004002000100')
  })

  test('mistakes in its options are told at once', () => {
    expect(() => inject({ bytes: '00', malformed: 'type-0' })).toThrow("give one of the options 'bytes' and 'malformed'")
    expect(() => inject({ bytes: '' })).toThrow("option 'bytes' is empty")
    expect(() => inject({ bytes: '0' })).toThrow(/option 'bytes'/)
    expect(() => inject.create({ malformed: 'publish-qos3' })).toThrow("Did you mean 'publish-qos-3'?")
    expect(() => inject({ nth: 2 })).toThrow("option 'nth' goes with 'packet'")
  })
})
