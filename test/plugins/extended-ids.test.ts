/** What a client sees of `extended-ids`. */
import { extendedIds } from 'mqttest/plugins'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { memoryServer } from '../support/server.ts'

type Options = Parameters<typeof extendedIds>[0]

/** What becomes of a client id: the CONNACK, the end, and what was reported. */
async function connectAs(clientId: string, options: Options = {}, version: 3 | 4 | 5 = 4) {
  const server = await memoryServer({ plugins: [extendedIds(options)] })
  const client = connectMemory(server, version)
  const connack = await client.connect({ clientId })
  const isRefused = (connack.reasonCode ?? connack.returnCode ?? 0) > 0
  if (isRefused) expect(await client.end()).toBe('fin')
  else await client.settled()
  return { connack, isRefused, violations: server.report().violations.map(({ rule, message, statements }) => ({ rule, message, statements })) }
}

const long = 'x'.repeat(24)

describe('extended-ids', () => {
  test('what every server must take is taken: 1 to 23 bytes of digits and letters', async () => {
    for (const id of ['a', 'Az09', 'x'.repeat(23)]) expect(await connectAs(id)).toMatchObject({ isRefused: false, violations: [] })
  })

  test('a client id of 24 bytes is refused: return code 2, then the connection is closed', async () => {
    expect((await connectAs(long)).connack).toEqual({ cmd: 'connack', sessionPresent: false, returnCode: 2 })
    expect((await connectAs(long, {}, 3)).connack).toMatchObject({ returnCode: 2 })
  })

  test('in MQTT 5 the refusal is 0x85, and says why', async () => {
    expect((await connectAs(long, {}, 5)).connack).toEqual({
      cmd: 'connack',
      sessionPresent: false,
      reasonCode: 0x85,
      properties: { reasonString: 'the client id has 24 bytes; not every server takes more than 23' },
    })
  })

  test('bytes are counted, not characters', async () => {
    expect((await connectAs('ä'.repeat(12), { characters: false })).isRefused).toBe(true)
    expect((await connectAs('ä'.repeat(11), { characters: false })).isRefused).toBe(false)
  })

  test('other characters are refused', async () => {
    for (const id of ['dev-1', 'a b', 'a/b', 'ä', '🙂']) expect((await connectAs(id)).isRefused).toBe(true)
    expect((await connectAs('dev-1', {}, 5)).connack.properties?.reasonString).toBe('the client id has a "-"; every server takes 0-9, a-z and A-Z only')
  })

  test('characters: false takes all of them', async () => {
    expect((await connectAs('dev-1', { characters: false })).isRefused).toBe(false)
    expect((await connectAs(`${long}-`, { characters: false })).isRefused).toBe(true)
  })

  test('maximumLength is the length', async () => {
    expect((await connectAs(long, { maximumLength: 24 })).isRefused).toBe(false)
    expect((await connectAs('abc', { maximumLength: 2 })).isRefused).toBe(true)
  })

  test('action: warn lets the client in and reports', async () => {
    expect(await connectAs(long, { action: 'warn' })).toMatchObject({
      isRefused: false,
      violations: [{ rule: 'client-id-too-long', statements: ['MQTT-3.1.3-5'] }],
    })
    expect(await connectAs('dev-1', { action: 'warn' })).toMatchObject({ isRefused: false, violations: [{ rule: 'client-id-characters' }] })
  })

  test('an empty id is allowed unless told otherwise', async () => {
    expect(await connectAs('')).toMatchObject({ isRefused: false, violations: [] })
    expect(await connectAs('', { empty: 'warn' })).toMatchObject({
      isRefused: false,
      violations: [{ rule: 'client-id-is-empty', statements: ['MQTT-3.1.3-6'] }],
    })
    expect((await connectAs('', { empty: 'reject' })).connack).toMatchObject({ returnCode: 2 })
    expect((await connectAs('', { empty: 'reject' }, 5)).connack).toMatchObject({ reasonCode: 0x85 })
  })

  test('empty is not the business of action', async () => {
    expect((await connectAs('', { action: 'warn', empty: 'reject' })).isRefused).toBe(true)
  })

  test('reasonCode is the reason code, by name or number', async () => {
    expect((await connectAs(long, { reasonCode: 'banned' }, 5)).connack.reasonCode).toBe(0x8a)
    expect((await connectAs(long, { reasonCode: 0x88 })).connack.returnCode).toBe(3)
  })

  test('one client is refused while another comes in', async () => {
    const server = await memoryServer({ plugins: [['extended-ids', {}]] })
    const [one, two] = [connectMemory(server), connectMemory(server)]
    one.sendConnect({ clientId: long })
    two.sendConnect({ clientId: 'short' })
    expect([(await one.next('connack')).returnCode, (await two.next('connack')).returnCode]).toEqual([2, 0])
  })

  test('the call that use() returns takes it off', async () => {
    const server = await memoryServer()
    const off = server.use(extendedIds())
    expect((await connectMemory(server).connect({ clientId: long })).returnCode).toBe(2)
    off()
    expect((await connectMemory(server).connect({ clientId: long })).returnCode).toBe(0)
  })

  test('mistakes in its options are told at once', () => {
    expect(() => extendedIds.create({ maximumLenght: 5 })).toThrow("unknown option 'maximumLenght'. Did you mean 'maximumLength'?")
    expect(() => extendedIds.create({ action: 'refuse' })).toThrow(/option 'action': expected one of reject, warn/)
    expect(() => extendedIds.create({ reasonCode: 'baned' })).toThrow(/Did you mean 'banned'\?/)
    expect(() => extendedIds({ reasonCode: 'success' })).toThrow("option 'reasonCode': 0x00 success refuses nothing; 0x80 and above do")
  })
})
