/** `option.either` and `option.propertyNames`. */
import { definePlugin, option } from 'mqttest'
import { describe, expect, test } from 'vitest'

const chosen = definePlugin({
  meta: { name: 'chosen', api: 1 },
  options: {
    id: option.either(option.choice('a place', ['next', 'zero'], 'next'), option.count('a packet id', 1, { max: 65_535 }), 'which packet id', 'zero'),
    codes: option.optional(
      option.either(option.map(option.reasonCode('a code', 0), 'by filter', {}), option.list(option.reasonCode('a code', 0), 'in order', []), 'codes', []),
    ),
    omit: option.propertyNames('properties that are left out', ['serverKeepAlive']),
  },
  setup: () => undefined,
})
const read = (options?: object) => chosen.create(options).options

describe('an option of either kind', () => {
  test('takes what one of them takes', () => {
    expect(read({ id: 'next' })).toMatchObject({ id: 'next' })
    expect(read({ id: 7 })).toMatchObject({ id: 7 })
    expect(read()).toMatchObject({ id: 'zero', codes: undefined })
    expect(read({ codes: [0, 'not-authorized'] })).toMatchObject({ codes: [0, 0x87] })
    expect(read({ codes: { 'a/#': 'not-authorized' } })).toMatchObject({ codes: new Map([['a/#', 0x87]]) })
  })

  test('refuses what neither takes, and says what both do', () => {
    expect(() => read({ id: 70_000 })).toThrow(/expected one of next, zero; or a whole number from 0 to 65535, got 70000/)
    expect(() => read({ id: 'nxt' })).toThrow(/Did you mean 'next'\?/)
    expect(() => read({ codes: ['not-authorised'] })).toThrow(/Did you mean 'not-authorized'\?/)
  })
})

test('names of properties are checked', () => {
  expect(read()).toMatchObject({ omit: ['serverKeepAlive'] })
  expect(read({ omit: 'maximumQoS' })).toMatchObject({ omit: ['maximumQoS'] })
  expect(() => read({ omit: ['maximumQos'] })).toThrow(/expected a list; each is the name of a property of MQTT 5, .*Did you mean 'maximumQoS'\?/)
})
