/** Several plugins at once, as a bug needs them: by name, in any order, twice, on one connection or another. */
import type { Duration, PluginEntry, ProtocolVersion, Server } from 'mqttest'
import type { ConnectInput, RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { publish, subscribe, unsubscribe } from '../support/outcome.ts'
import { virtualServer } from '../support/server.ts'
import { visit } from '../support/visitor.ts'

interface Stage {
  readonly server: Server
  /** The next connection, whose CONNECT was answered, if it is. */
  hello(version?: ProtocolVersion, connect?: ConnectInput): Promise<RawClient>
  wait(duration?: Duration): Promise<void>
}

/** What the clients hear; all plugins have to act. */
async function heard(plugins: readonly PluginEntry[], play: (stage: Stage) => Promise<unknown>): Promise<string[]> {
  const { server, clock } = await virtualServer({ plugins: [...plugins] })
  const seen: string[] = []
  let clients = 0
  const wait = (duration: Duration = 0) => clock.advance(duration)
  const hello = async (version: ProtocolVersion = 4, connect: ConnectInput = {}) => {
    const client = visit(server, clock, version, clients++, seen).sendConnect(connect)
    await wait()
    return client
  }
  await play({ server, hello, wait })
  await wait()
  expect(server.report().faults.neverFired).toEqual([])
  return [...seen]
}

/** Each order of two plugins. */
const bothOrders = (one: PluginEntry, other: PluginEntry) => [[one, other] as const, [other, one] as const]

const keep = { clean: false }

describe('around CONNACK', () => {
  const orders = bothOrders(['server-publish', { at: 'before-connack', topic: 'early' }], ['ack-delay', { packets: ['connack'], delay: '2s' }])
  test.each(orders)('a message comes at once, and CONNACK 2 s behind it', async (...plugins) => {
    const wire = await heard(plugins, async ({ hello, wait }) => {
      await hello()
      await wait('5s')
    })
    expect(wire).toEqual(['0 ← PUBLISH early QoS 0 "message 1"', '2000 ms: 0 ← CONNACK 0x00 success'])
  })

  test('a new message of QoS 1 comes before the old one comes again, and comes once', async () => {
    const wire = await heard([['server-publish', { at: 'after-connack', topic: 'new', qos: 1 }, { connection: 1 }]], async ({ server, hello, wait }) => {
      const first = await hello(4, keep)
      first.send(subscribe('old', 1))
      await wait()
      server.publish({ topic: 'old', payload: 'x', qos: 1 })
      await wait()
      first.reset()
      await wait()
      await hello(4, keep)
    })
    expect(wire.slice(4)).toEqual(['1 ← CONNACK 0x00 success session present', '1 ← PUBLISH new QoS 1 id 2 "message 1"', '1 ← PUBLISH old QoS 1 id 1 DUP "x"'])
  })
})

describe('acknowledgements', () => {
  test('the first is lost, the second late, the third refuses, the fourth comes twice: each plugin counts what the server meant to send', async () => {
    const plugins: PluginEntry[] = [
      ['drop', { packets: ['puback'], nth: [1] }],
      ['ack-delay', { packets: ['puback'], nth: [2], delay: '1s' }],
      ['ack-code', { packets: ['puback'], nth: [3], reasonCode: 'quota-exceeded' }],
      ['duplicate', { packets: ['puback'], nth: [4] }],
    ]
    const wire = await heard(plugins, async ({ hello, wait }) => {
      const client = await hello(5)
      client.send(subscribe('sink'), ...[1, 2, 3, 4].map((id) => publish('sink', 1, id)))
      await wait('2s')
    })
    expect(wire.filter((line) => line.includes('PUBACK'))).toEqual([
      '0 ← PUBACK id 3 0x97 quota-exceeded',
      '0 ← PUBACK id 4',
      '0 ← PUBACK id 4',
      '1000 ms: 0 ← PUBACK id 2',
    ])
  })

  test('in reverse, in one write, and the last of them refuses; in MQTT 3.1.1 it cannot', async () => {
    const plugins: PluginEntry[] = [
      ['reorder', { packets: ['puback'], size: 3 }],
      ['ack-code', { packets: ['puback'], nth: [3], reasonCode: 'quota-exceeded' }, { protocolVersion: 5 }],
    ]
    const wire = await heard(plugins, async ({ hello, wait }) => {
      for (const version of [5, 4] as const) {
        const client = await hello(version, { clientId: `version ${version}` })
        client.send(subscribe('sink', 0, 9), ...[1, 2, 3].map((id) => publish('sink', 1, id)))
        await wait()
        expect(client.chunks.at(-1)).toHaveLength(version === 5 ? 13 : 12)
      }
    })
    expect(wire.filter((line) => line.includes('PUBACK'))).toEqual([
      '0 ← PUBACK id 3 0x97 quota-exceeded',
      '0 ← PUBACK id 2',
      '0 ← PUBACK id 1',
      '1 ← PUBACK id 3',
      '1 ← PUBACK id 2',
      '1 ← PUBACK id 1',
    ])
  })

  test('PUBCOMP is lost, the connection reset, and the session comes back without what was under way', async () => {
    const plugins: PluginEntry[] = [
      ['drop', { packets: ['pubcomp'] }, { connection: 0 }],
      ['close-after', { time: '5s', how: 'rst' }, { connection: 0 }],
      ['session-override', { inFlight: 'lose' }],
      ['verdicts', { unknownPacketId: 'not-found' }],
    ]
    const wire = await heard(plugins, async ({ hello, wait }) => {
      const lasting = { clean: false, properties: { sessionExpiryInterval: 600 } }
      const first = await hello(5, lasting)
      first.send(publish('a', 2, 1), { cmd: 'pubrel', messageId: 1 })
      await wait('6s')
      const second = await hello(5, lasting)
      second.send({ cmd: 'pubrel', messageId: 1 })
      await wait()
    })
    expect(wire.slice(2)).toEqual([
      '5000 ms: 0 ← closed (rst)',
      '6000 ms: 1 ← CONNACK 0x00 success session present {topicAliasMaximum=100}',
      '6000 ms: 1 ← PUBCOMP id 1 0x92 packet-identifier-not-found',
    ])
  })
})

describe('a packet in front of the right one', () => {
  test.each([
    ['ack-wrong', { type: 'pubrec', and: 'before' }],
    ['fault', { on: { cmd: 'puback', direction: 'out' }, do: { before: [{ packet: { cmd: 'pubrec', messageId: 7 } }] } }],
  ] as const)('by %s does not hide it from ack-delay', async (name, options) => {
    const plugins: PluginEntry[] = [
      [name, options],
      ['ack-delay', { packets: ['puback'], delay: '1s' }],
    ]
    const wire = await heard(plugins, async ({ hello, wait }) => {
      const client = await hello()
      client.send(publish('a', 1, 7))
      await wait('1s')
    })
    expect(wire.find((line) => line.includes('PUBACK'))).toBe('1000 ms: 0 ← PUBACK id 7')
  })
})

describe('subscriptions', () => {
  test('SUBACK is lost, and the messages behind it are not', async () => {
    const plugins: PluginEntry[] = [
      ['server-publish', { topic: 'a', delay: '1s' }],
      ['drop', { packets: ['suback'] }],
    ]
    const wire = await heard(plugins, async ({ hello, wait }) => {
      const client = await hello()
      client.send(subscribe('a'))
      await wait('2s')
    })
    expect(wire.slice(1)).toEqual(['1000 ms: 0 ← PUBLISH a QoS 0 "message 1"'])
  })

  test('SUBACK that refuses comes late, behind messages with its own packet id', async () => {
    const plugins: PluginEntry[] = [
      ['server-publish', { at: 'before-suback', ignoreLimits: true, qos: 1, messageId: 9 }],
      ['suback', { codes: ['not-authorized'] }],
      ['ack-delay', { packets: ['suback'], delay: '1s' }],
    ]
    const wire = await heard(plugins, async ({ hello, wait }) => {
      const client = await hello(5)
      client.send(subscribe('a', 0, 9))
      await wait('2s')
    })
    expect(wire.slice(1)).toEqual(['0 ← PUBLISH mqttest/1 QoS 1 id 9 "message 1"', '1000 ms: 0 ← SUBACK id 9 [0x87]'])
  })

  test('a message and its copy come behind UNSUBACK', async () => {
    const plugins: PluginEntry[] = [
      ['delivery-delay', { delay: '1s' }],
      ['duplicate', { packets: ['publish'], packetId: 'new' }],
    ]
    const wire = await heard(plugins, async ({ server, hello, wait }) => {
      const client = await hello()
      client.send(subscribe('a', 1))
      await wait()
      server.publish({ topic: 'a', payload: 'x', qos: 1 })
      await wait('500ms')
      client.send(unsubscribe('a'))
      await wait('2s')
    })
    expect(wire.slice(2)).toEqual(['500 ms: 0 ← UNSUBACK id 11', '1000 ms: 0 ← PUBLISH a QoS 1 id 1 "x"', '1000 ms: 0 ← PUBLISH a QoS 1 id 2 "x"'])
  })
})

describe('what one plugin sends', () => {
  test('the next one can act on: the end comes with the fifth message beyond the receive maximum', async () => {
    const plugins: PluginEntry[] = [
      ['server-publish', { qos: 1, count: 9, ignoreLimits: true }],
      ['server-disconnect', { packet: 'publish', sender: 'server', nth: [5], reasonCode: 'quota-exceeded' }],
    ]
    const wire = await heard(plugins, async ({ hello, wait }) => {
      const client = await hello(5, { properties: { receiveMaximum: 2 } })
      client.send(subscribe('a'))
      await wait()
    })
    expect(wire.slice(6)).toEqual(['0 ← PUBLISH mqttest/5 QoS 1 id 5 "message 5"', '0 ← DISCONNECT 0x97 quota-exceeded', '0 ← closed (fin)'])
  })

  test('is counted with the rest: the reset comes with the repeat of the message', async () => {
    const plugins: PluginEntry[] = [
      ['resend', { after: ['2s'] }],
      ['close-after', { packet: 'publish', direction: 'out', nth: 2, how: 'rst' }],
    ]
    const wire = await heard(plugins, async ({ server, hello, wait }) => {
      const client = await hello()
      client.send(subscribe('a', 1))
      await wait()
      server.publish({ topic: 'a', payload: 'x', qos: 1 })
      await wait('5s')
    })
    expect(wire.slice(2)).toEqual(['0 ← PUBLISH a QoS 1 id 1 "x"', '2000 ms: 0 ← PUBLISH a QoS 1 id 1 DUP "x"', '2000 ms: 0 ← closed (rst)'])
  })

  test('bytes in front of a PUBLISH do not keep it from being acknowledged', async () => {
    const wire = await heard([['inject', { packet: 'publish', when: 'before', bytes: 'd0 00' }]], async ({ hello, wait }) => {
      const client = await hello()
      client.send(publish('a', 1, 7))
      await wait()
    })
    expect(wire.slice(1)).toEqual(['0 ← PINGRESP', '0 ← PUBACK id 7'])
  })
})

describe('connection by connection', () => {
  test('CONNACK is lost, then refuses, then comes late', async () => {
    const plugins: PluginEntry[] = [
      ['drop', { packets: ['connack'] }, { connection: 0 }],
      ['connack', { reasonCode: 'server-unavailable', afterRefusal: 'close' }, { connection: 1 }],
      ['ack-delay', { packets: ['connack'], delay: '4s' }, { connection: 2 }],
    ]
    const wire = await heard(plugins, async ({ hello, wait }) => {
      for (const clientId of ['a', 'b', 'c']) {
        await hello(4, { clientId })
        await wait('5s')
      }
    })
    expect(wire).toEqual(['5000 ms: 1 ← CONNACK 0x03 server-unavailable', '5000 ms: 1 ← closed (fin)', '14000 ms: 2 ← CONNACK 0x00 success'])
  })

  test('the same plugin twice: another maximum packet size on the next connection, and none on the third', async () => {
    const plugins: PluginEntry[] = [
      ['packet-size', { maximum: 100 }, { connection: 0 }],
      ['packet-size', { maximum: 50 }, { connection: 1 }],
    ]
    const wire = await heard(plugins, async ({ hello, wait }) => {
      for (const clientId of ['a', 'b', 'c']) {
        const client = await hello(5, { clientId })
        client.send(publish('a', 1, 7, { size: 80 }))
        await wait()
      }
    })
    expect(wire.filter((line) => !line.includes('CONNACK'))).toEqual([
      '0 ← PUBACK id 7 0x10 no-matching-subscribers',
      '1 ← DISCONNECT 0x95 packet-too-large',
      '1 ← closed (fin)',
      '2 ← PUBACK id 7 0x10 no-matching-subscribers',
    ])
  })
})
