/** What a client sees of `keep-alive`. */
import { keepAlive } from 'mqttest/plugins'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { heard, joining, publish } from '../support/outcome.ts'
import { virtualServer } from '../support/server.ts'

type Options = Parameters<typeof keepAlive>[0]

const serverWith = (options: Options) => virtualServer({ plugins: [keepAlive(options)] })

/** What CONNACK says, and after how many seconds of silence the connection is over. */
async function fate(options: Options, keepalive: number, version: 3 | 4 | 5 = 5, withinSeconds = 3000) {
  const { server, clock } = await serverWith(options)
  const client = connectMemory(server, version)
  const { properties } = await client.connect({ keepalive })
  let second = 0
  for (; client.ended === undefined && second < withinSeconds; second++) await clock.advance(1000)
  const told = properties?.serverKeepAlive
  const blamed = server.report().violations.length > 0
  return `${told === undefined ? '' : `told ${told}, `}${client.ended === undefined ? 'stays' : `${second} s: ${heard(client)}`}${blamed ? ' (blamed)' : ''}`
}

describe('keep-alive', () => {
  test('minimum and maximum: the nearest is enforced, and told to MQTT 5 clients', async () => {
    const options = { minimum: 20, maximum: 40 }
    expect(await fate(options, 2)).toBe('told 20, 30 s: disconnect 0x8d, fin (blamed)')
    expect(await fate(options, 100)).toBe('told 40, 60 s: disconnect 0x8d, fin (blamed)')
    expect(await fate(options, 30)).toBe('45 s: disconnect 0x8d, fin (blamed)')
    expect(await fate(options, 0)).toBe('stays')
  })

  test('MQTT 3 clients are not told, and not blamed for what they cannot know; mqtt3: false leaves them alone', async () => {
    expect(await fate({ maximum: 40 }, 100, 4)).toBe('60 s: fin')
    expect(await fate({ maximum: 40, mqtt3: false }, 100, 4)).toBe('150 s: fin (blamed)')
    expect(await fate({ minimum: 40 }, 10, 3)).toBe('60 s: fin (blamed)')
  })

  test('zero: who switches it off gets one after all', async () => {
    expect(await fate({ zero: 20 }, 0)).toBe('told 20, 30 s: disconnect 0x8d, fin (blamed)')
    expect(await fate({ zero: 20 }, 0, 4)).toBe('30 s: fin')
    expect(await fate({ zero: 20 }, 10)).toBe('15 s: disconnect 0x8d, fin (blamed)')
  })

  test('announce: never, always, or something else than what is enforced', async () => {
    expect(await fate({ maximum: 20, announce: 'never' }, 60)).toBe('30 s: disconnect 0x8d, fin')
    expect(await fate({ announce: 'always' }, 60)).toBe('told 60, 90 s: disconnect 0x8d, fin (blamed)')
    expect(await fate({ maximum: 20, announced: 50 }, 60)).toBe('told 50, 30 s: disconnect 0x8d, fin')
    expect(await fate({ announced: 10 }, 60)).toBe('told 10, 90 s: disconnect 0x8d, fin (blamed)')
  })

  test('outside: CONNECT is refused', async () => {
    const { server } = await serverWith({ minimum: 20, maximum: 40, outside: { v3: 'server-unavailable', v5: 'not-authorized' } })
    expect((await connectMemory(server, 5).connect({ keepalive: 10 })).reasonCode).toBe(0x87)
    expect((await connectMemory(server, 4).connect({ keepalive: 50 })).returnCode).toBe(3)
    expect((await connectMemory(server, 5).connect({ keepalive: 30 })).reasonCode).toBe(0)
  })

  test('factor: how many keep-alives of silence are too many', async () => {
    expect(await fate({ factor: 1.2 }, 20)).toBe('24 s: disconnect 0x8d, fin')
    expect(await fate({ factor: 3 }, 20)).toBe('60 s: disconnect 0x8d, fin (blamed)')
    expect(await fate({ factor: 2, maximum: 10 }, 20, 4)).toBe('20 s: fin')
  })

  test('grid: silence is only looked at every so often', async () => {
    expect(await fate({ grid: '20s' }, 10)).toBe('20 s: disconnect 0x8d, fin (blamed)')
    expect(await fate({ grid: '7s' }, 10, 4)).toBe('21 s: fin (blamed)')
  })

  test('answer: closed without DISCONNECT, with another code, or never', async () => {
    expect(await fate({ answer: 'close' }, 10)).toBe('15 s: fin (blamed)')
    expect(await fate({ answer: 'reset' }, 10)).toBe('15 s: rst (blamed)')
    expect(await fate({ answer: { disconnect: 'administrative-action' } }, 10)).toBe('15 s: disconnect 0x98, fin (blamed)')
    expect(await fate({ answer: 'allow' }, 10)).toBe('stays')
    expect(await fate({ answer: { v3: 'allow', v5: 'close' } }, 10, 4)).toBe('stays')
    expect(await fate({ answer: 'close', grid: '10s' }, 10)).toBe('20 s: fin (blamed)')
  })

  test('resetBy: other packets do not count as a sign of life', async () => {
    const { server, clock } = await serverWith({ resetBy: ['pingreq', 'publish'] })
    const [pings, acknowledges] = [await joining(server, 4, { keepalive: 10 }), await joining(server, 4, { clientId: 'you', keepalive: 10 })]
    for (let count = 0; count < 3; count++) {
      await clock.advance(7000)
      pings.send(count === 1 ? publish('a', 0) : { cmd: 'pingreq' })
      acknowledges.send({ cmd: 'unsubscribe', messageId: 1, unsubscriptions: ['a'] })
    }
    expect([pings.ended, acknowledges.ended]).toEqual([undefined, 'fin'])
    await clock.advance(15_000)
    expect(pings.ended).toBe('fin')
    expect(server.report().violations).toMatchObject([{ rule: 'keepalive-timeout', count: 1 }])
  })

  test('a client that speaks is never cut off, on a grid or not', async () => {
    const all: readonly Options[] = [{ grid: '4s' }, { factor: 1.2 }, { maximum: 10 }]
    for (const options of all) {
      const { server, clock } = await serverWith(options)
      const client = await joining(server, 5, { keepalive: 10 })
      for (let count = 0; count < 10; count++) {
        await clock.advance(11_000)
        client.send({ cmd: 'pingreq' })
        await clock.advance(0)
      }
      expect(client.ended).toBeUndefined()
    }
  })

  test('a connection that ends leaves no timer, nor does the plugin when it is taken off', async () => {
    const { server, clock } = await virtualServer()
    const off = server.use(keepAlive({ grid: '10s', resetBy: 'pingreq' }))
    const [one, two] = [await joining(server, 5, { keepalive: 10 }), await joining(server, 5, { clientId: 'two', keepalive: 10 })]
    one.reset()
    await clock.advance(1)
    expect(clock.pending).toBe(1)
    off()
    expect(clock.pending).toBe(0)
    await clock.advance('1h')
    expect(two.ended).toBeUndefined()
  })

  test('beside session-override both have their say, and it only fires where it changes something', async () => {
    const { server } = await virtualServer({ plugins: [keepAlive({ minimum: 30 }), ['session-override', { mode: 'expire', expiry: '5s' }]] })
    const one = await connectMemory(server, 5).connect({ clientId: 'one', keepalive: 40 })
    expect(server.report().faults.neverFired).toEqual(['keep-alive'])
    const two = await connectMemory(server, 5).connect({ clientId: 'two', keepalive: 20 })
    expect([one.properties, two.properties]).toMatchObject([{ sessionExpiryInterval: 5 }, { sessionExpiryInterval: 5, serverKeepAlive: 30 }])
    expect(server.report().faults.neverFired).toEqual([])
  })

  test('options that contradict each other, or do nothing, are refused', () => {
    expect(() => keepAlive({})).toThrow('nothing differs')
    expect(() => keepAlive({ minimum: 60, maximum: 30 })).toThrow("'minimum' is more than 'maximum'")
    expect(() => keepAlive({ announce: 'never', announced: 3 })).toThrow("needs the option 'announce'")
  })
})
