/** What a client sees of `subscribe-limits`. */
import { subscribeLimits } from 'mqttest/plugins'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { exchanged, heard, joining, publish, subscribe, unsubscribe } from '../support/outcome.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

type Options = Parameters<typeof subscribeLimits>[0]

const serverWith = (options: Options) => memoryServer({ plugins: [subscribeLimits(options)] })

/** What a client gets for packets. */
async function answer(options: Options, version: 3 | 4 | 5, ...packets: readonly Parameters<typeof exchanged>[1][]) {
  return exchanged(await joining(await serverWith(options), version), ...packets)
}

const identified = { ...subscribe('a'), properties: { subscriptionIdentifier: 3 } } as const

describe('subscribe-limits', () => {
  test('filters: a SUBSCRIBE with more closes the connection, unless filtersAnswer says something else', async () => {
    expect(await answer({ filters: 2 }, 4, subscribe(['a', 'b']), subscribe(['c', 'd']))).toBe('suback 0,0, suback 0,0')
    expect(await answer({ filters: 2 }, 4, subscribe(['a', 'b', 'c']))).toBe('fin')
    expect(await answer({ filters: 2, filtersAnswer: { v3: 'close', v5: 'administrative-action' } }, 5, subscribe(['a', 'b', 'c']))).toBe(
      'suback 0x98,0x98,0x98',
    )
  })

  test('unsubscribeFilters: the same for UNSUBSCRIBE', async () => {
    expect(await answer({ unsubscribeFilters: 1 }, 5, unsubscribe('a'))).toBe('unsuback 17')
    expect(await answer({ unsubscribeFilters: 1 }, 5, unsubscribe(['a', 'b']))).toBe('fin')
    expect(await answer({ unsubscribeFilters: 1, unsubscribeAnswer: 'ignore' }, 4, unsubscribe(['a', 'b']))).toBe('')
  })

  test('subscriptions: those beyond are refused, also within one packet; what is there may be renewed', async () => {
    const client = await joining(await serverWith({ subscriptions: 2 }), 5)
    expect(await exchanged(client, subscribe(['a', 'b', 'c']))).toBe('suback 0,0,0x97')
    expect(await exchanged(client, subscribe(['b', 'c']))).toBe('suback 0,0x97')
    expect(await exchanged(client, unsubscribe('a'), subscribe(['c', 'c', 'd']))).toBe('unsuback 0, suback 0,0,0x97')
    expect(await answer({ subscriptions: 1 }, 4, subscribe(['a', 'b']))).toBe('suback 0,0x80')
    expect(await answer({ subscriptions: 0, subscriptionsAnswer: { disconnect: 'quota-exceeded' } }, 5, subscribe('a'))).toBe('disconnect 0x97, fin')
  })

  test('the limit is each session’s own', async () => {
    const server = await serverWith({ subscriptions: 1 })
    for (const clientId of ['me', 'you']) expect(await exchanged(await joining(server, 5, { clientId }), subscribe(['a', 'b']))).toBe('suback 0,0x97')
  })

  test('rate and window: too many SUBSCRIBE packets in a while, whatever they hold', async () => {
    const { server, clock } = await virtualServer({ plugins: [subscribeLimits({ rate: 2, window: '2s', rateAnswer: 'quota-exceeded' })] })
    const client = await joining(server, 5)
    expect(await exchanged(client, subscribe(['a', 'b', 'c']), subscribe('b'), subscribe(['c', 'd']))).toBe('suback 0,0,0, suback 0, suback 0x97,0x97')
    await clock.advance('1s')
    expect(await exchanged(client, subscribe('a'))).toBe('suback 0x97')
    await clock.advance('1s')
    expect(await exchanged(client, subscribe('a'))).toBe('suback 0')
    expect(await answer({ rate: 0 }, 5, subscribe('a'))).toBe('disconnect 0x96, fin')
    expect(await answer({ rate: 0 }, 4, subscribe('a'))).toBe('fin')
  })

  test('wildcards, shared and identifiers: what there is not ends the connection in MQTT 5', async () => {
    expect(await answer({ wildcards: false }, 5, subscribe('a'), subscribe('a/+'))).toBe('suback 0, disconnect 0xa2, fin')
    expect(await answer({ wildcards: false }, 4, subscribe(['a', '#']))).toBe('suback 0,0x80')
    expect(await answer({ shared: false }, 5, subscribe('a/+'), subscribe('$share/g/a'))).toBe('suback 0, disconnect 0x9e, fin')
    expect(await answer({ shared: false }, 4, subscribe('$share/g/a'))).toBe('suback 0')
    expect(await answer({ identifiers: false }, 5, subscribe('a'), identified)).toBe('suback 0, disconnect 0xa1, fin')
  })

  test('wildcardsAnswer, sharedAnswer and identifiersAnswer: or it is refused, or taken after all', async () => {
    expect(await answer({ wildcards: false, wildcardsAnswer: 'wildcard-subscriptions-not-supported' }, 5, subscribe(['a', '#']))).toBe('suback 0,0xa2')
    expect(await answer({ shared: false, sharedAnswer: 'shared-subscriptions-not-supported' }, 5, subscribe(['$share/g/a', 'b']))).toBe('suback 0x9e,0')
    expect(await answer({ identifiers: false, identifiersAnswer: 'subscription-identifiers-not-supported' }, 5, identified)).toBe('suback 0xa1')
    const client = await joining(await serverWith({ wildcards: false, wildcardsAnswer: 'allow' }), 5)
    expect(await exchanged(client, subscribe('#'), publish('a', 0))).toBe('suback 0, publish a')
  })

  test('announce: MQTT 5 clients are told, and blamed; or not', async () => {
    const options = { wildcards: false, shared: false, identifiers: false, wildcardsAnswer: 'allow' } as const
    for (const announce of [true, false]) {
      const server = await serverWith({ ...options, announce })
      const client = connectMemory(server, 5)
      const { properties = {} } = await client.connect()
      const told = [properties.wildcardSubscriptionAvailable, properties.sharedSubscriptionAvailable, properties.subscriptionIdentifiersAvailable]
      expect(told).toEqual(announce ? [false, false, false] : [undefined, undefined, undefined])
      await exchanged(client, subscribe('#'))
      expect(server.report().violations.map(({ rule }) => rule)).toEqual(announce ? ['subscribe-wildcard-unavailable'] : [])
    }
    const one = await connectMemory(await serverWith({ shared: false }), 5).connect()
    expect(one.properties).toMatchObject({ sharedSubscriptionAvailable: false })
    expect(one.properties?.wildcardSubscriptionAvailable).toBeUndefined()
  })

  test('with ack-delay a refusal comes late; the connection may end before it', async () => {
    const { server, clock } = await virtualServer({ plugins: [subscribeLimits({ subscriptions: 0 }), ['ack-delay', { delay: 100 }]] })
    const [me, gone] = [await joining(server, 5), await joining(server, 5, { clientId: 'gone' })]
    for (const client of [me, gone]) client.send(subscribe('a'))
    await clock.advance(50)
    gone.reset()
    await clock.advance(50)
    expect(heard(me)).toBe('suback 0x97')
    expect(clock.pending).toBe(0)
  })

  test('it counts as fired once something was refused; taken off, nothing is', async () => {
    const server = await memoryServer()
    const off = server.use(subscribeLimits({ filters: 1, filtersAnswer: 'quota-exceeded' }))
    const client = await joining(server, 5)
    await exchanged(client, subscribe('a'))
    expect(server.report().faults.neverFired).toEqual(['subscribe-limits'])
    expect(await exchanged(client, subscribe(['a', 'b']))).toBe('suback 0x97,0x97')
    expect(server.report().faults.neverFired).toEqual([])
    off()
    expect(await exchanged(client, subscribe(['a', 'b']))).toBe('suback 0,0')
  })

  test('options that limit nothing are refused', () => {
    expect(() => subscribeLimits({ announce: false })).toThrow('nothing is limited')
    expect(() => subscribeLimits({ rate: 1, window: 0 })).toThrow("'window' is longer than 0")
  })
})
