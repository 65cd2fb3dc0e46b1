/** What a client sees of `connect-veto`. */
import type { Properties, Will } from 'mqttest'
import { connectVeto, will as willPlugin } from 'mqttest/plugins'
import { type ConnectInput, connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { join, joined, messages, subscribe } from '../support/client.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

type Options = NonNullable<Parameters<typeof connectVeto>[0]>

const will = (more: Partial<Will> = {}): Will => ({ topic: 'gone', payload: Buffer.from('x'), qos: 0, retain: false, ...more })

const says = (properties: Properties): ConnectInput => ({ properties })

/** For each CONNECT the code of CONNACK, or how the connection ended without one. */
async function codes(options: Options, connects: readonly ConnectInput[], version: 3 | 4 | 5 = 5) {
  const server = await memoryServer({ plugins: [connectVeto(options)] })
  const all: (number | string)[] = []
  for (const connect of connects) {
    const client = connectMemory(server, version).sendConnect(connect)
    const answer = await Promise.race([client.next('connack'), client.end()])
    all.push(typeof answer === 'string' ? answer : (answer.reasonCode ?? answer.returnCode ?? -1))
  }
  return all
}

describe('connect-veto', () => {
  const refused = 0x83
  const numbers: readonly (readonly [Options, readonly [ConnectInput, ConnectInput]])[] = [
    [{ above: { topicAliasMaximum: 10 } }, [says({ topicAliasMaximum: 10 }), says({ topicAliasMaximum: 11 })]],
    [{ below: { topicAliasMaximum: 1 } }, [says({ topicAliasMaximum: 1 }), {}]],
    [{ above: { receiveMaximum: 100 } }, [says({ receiveMaximum: 100 }), {}]],
    [{ below: { receiveMaximum: 10 } }, [says({ receiveMaximum: 10 }), says({ receiveMaximum: 9 })]],
    [{ above: { maximumPacketSize: 1000 } }, [says({ maximumPacketSize: 1000 }), {}]],
    [{ below: { maximumPacketSize: 1000 } }, [{}, says({ maximumPacketSize: 999 })]],
    [{ above: { sessionExpiryInterval: 3600 } }, [{}, says({ sessionExpiryInterval: 0xffff_ffff })]],
    [{ below: { sessionExpiryInterval: 1 } }, [says({ sessionExpiryInterval: 1 }), {}]],
    [{ above: { userProperties: 1 } }, [says({ userProperties: { a: ['1', '2'] } }), says({ userProperties: { a: '1', b: '2' } })]],
    [{ above: { keepalive: 60 } }, [{ keepalive: 60 }, { keepalive: 0 }]],
    [{ below: { keepalive: 30 } }, [{ keepalive: 0 }, { keepalive: 29 }]],
    [{ above: { willQos: 1 } }, [{ will: will({ qos: 1 }) }, { will: will({ qos: 2 }) }]],
    [{ below: { willQos: 1 } }, [{}, { will: will() }]],
    [{ above: { willSize: 3 } }, [{ will: will({ payload: Buffer.alloc(3) }) }, { will: will({ payload: Buffer.alloc(4) }) }]],
    [{ above: { willTopicSize: 4 } }, [{ will: will() }, { will: will({ topic: 'goné' }) }]],
    [{ above: { willDelay: 5 } }, [{ will: will({ properties: { willDelayInterval: 5 } }) }, { will: will({ properties: { willDelayInterval: 6 } }) }]],
    [{ below: { willDelay: 1 } }, [{}, { will: will() }]],
  ]
  for (const [options, connects] of numbers)
    test(`${JSON.stringify(options)}: up to there a client gets in, and not beyond`, async () => {
      expect(await codes(options, connects)).toEqual([0, refused])
    })

  const traits: readonly (readonly [string, ConnectInput, ConnectInput])[] = [
    ['will', { will: will() }, {}],
    ['retained-will', { will: will({ retain: true }) }, { will: will() }],
    ['empty-will', { will: will({ payload: Buffer.alloc(0) }) }, { will: will() }],
    ['clean', {}, { clean: false }],
    ['kept-session', says({ sessionExpiryInterval: 1 }), { clean: false }],
    ['username', { username: 'joe' }, {}],
    ['password', { password: Buffer.from('x') }, { username: 'joe' }],
    ['user-properties', says({ userProperties: { a: 'b' } }), {}],
    ['request-response', says({ requestResponseInformation: true }), says({ requestResponseInformation: false })],
  ]
  for (const [trait, having, lacking] of traits)
    test(`has and lacks ${trait}: who has it is refused, or who does not`, async () => {
      const create = (option: object) => memoryServer({ plugins: [connectVeto.create(option)] })
      const [has, lacks] = [await create({ has: trait }), await create({ lacks: [trait] })]
      const code = async (server: typeof has, connect: ConnectInput) => (await joined(server, 'me', connect)).connack.reasonCode
      expect([await code(has, having), await code(has, lacking), await code(lacks, having), await code(lacks, lacking)]).toEqual([refused, 0, 0, refused])
    })

  test('has bridge: a level with its top bit set; in MQTT 3 a session is kept that is not clean', async () => {
    expect(await codes({ has: ['bridge'] }, [{ bridgeMode: true }, {}], 4)).toEqual([3, 0])
    expect(await codes({ has: ['kept-session'] }, [{ clean: false }, {}], 4)).toEqual([3, 0])
  })

  test('what only MQTT 5 has is not looked at before', async () => {
    const below = { topicAliasMaximum: 1, sessionExpiryInterval: 1, willDelay: 1, userProperties: 1 }
    expect(await codes({ below, above: { receiveMaximum: 1, maximumPacketSize: 1 } }, [{ will: will() }], 4)).toEqual([0])
    expect(await codes({ above: { willQos: 0 } }, [{ will: will({ qos: 1 }) }], 3)).toEqual([3])
  })

  test('willTopic: wills for some topics are refused', async () => {
    expect(
      await codes({ willTopic: ['a/#', '$SYS/+'] }, [{ will: will({ topic: 'a/b' }) }, { will: will({ topic: '$SYS/x' }) }, { will: will() }, {}]),
    ).toEqual([refused, refused, 0, 0])
  })

  test('the first thing that is wrong is said in MQTT 5, and the connection is closed', async () => {
    const server = await memoryServer({ plugins: [connectVeto({ above: { topicAliasMaximum: 10 }, has: ['will'] })] })
    const { client, connack } = await joined(server, 'me', { will: will(), properties: { topicAliasMaximum: 20 } })
    expect(connack.properties?.reasonString).toBe('topicAliasMaximum is 20, and may be 0 to 10')
    expect(await client.end()).toBe('fin')
    expect(server.report().faults.applied).toMatchObject([{ plugin: 'connect-veto', count: 1 }])
  })

  test('answer: any code, a close, or nothing', async () => {
    const answer = { v3: 'close', v5: 'quota-exceeded' } as const
    expect([await codes({ has: ['will'], answer }, [{ will: will() }]), await codes({ has: ['will'], answer }, [{ will: will() }], 4)]).toEqual([
      [0x97],
      ['fin'],
    ])
  })

  test('answer accept lets the client in, but without a will that is not allowed', async () => {
    const server = await memoryServer({ plugins: [connectVeto({ above: { willSize: 1, topicAliasMaximum: 0 }, answer: 'accept' })] })
    const heard = await join(server, 'heard')
    await subscribe(heard, 'gone')
    for (const [id, payload] of [
      ['one', 'xx'],
      ['two', 'y'],
    ] as const) {
      const client = await join(server, id, { will: will({ payload: Buffer.from(payload) }), properties: { topicAliasMaximum: 5 } })
      client.reset()
    }
    await heard.next('publish')
    await heard.settled()
    expect(messages(heard)).toEqual(['gone y'])
  })

  test('willDelayMinimum and willDelayMaximum: the will waits longer, or not as long, as it should', async () => {
    const waited = async (options: Options, seconds: number) => {
      const { server, clock } = await virtualServer({ plugins: [connectVeto(options)] })
      const heard = await join(server, 'heard')
      await subscribe(heard, 'gone')
      const client = await join(server, 'me', { will: will({ properties: { willDelayInterval: seconds } }), properties: { sessionExpiryInterval: 1000 } })
      client.reset()
      for (let at = 0; at < 200; at++) {
        await clock.advance(at === 0 ? 0 : 1000)
        if (messages(heard).length > 0) return at
      }
      return undefined
    }
    expect([await waited({ willDelayMaximum: '5s' }, 100), await waited({ willDelayMaximum: '5s' }, 3)]).toEqual([5, 3])
    expect([await waited({ willDelayMinimum: '5s' }, 0), await waited({ willDelayMinimum: '5s' }, 30)]).toEqual([5, 30])
  })

  test('goes with other plugins, and with others at the same time', async () => {
    const server = await memoryServer({ plugins: [connectVeto({ has: ['retained-will'] }), willPlugin({ publish: 'never' })] })
    const heard = await join(server, 'heard')
    await subscribe(heard, 'gone')
    const [refusedOne, other] = [connectMemory(server, 5), connectMemory(server, 4)]
    refusedOne.sendConnect({ clientId: 'one', will: will({ retain: true }) })
    other.sendConnect({ clientId: 'two', will: will() })
    await other.next('connack')
    await refusedOne.end()
    other.reset()
    await heard.settled()
    expect(messages(heard)).toEqual([])
  })

  test('mistakes in its options are told at once', () => {
    expect(() => connectVeto()).toThrow('nothing is refused')
    expect(() => connectVeto({ above: {} })).toThrow('nothing is refused')
    expect(() => connectVeto({ has: ['will'], lacks: ['will'] })).toThrow('everybody is refused, with will and without')
    expect(() => connectVeto({ willDelayMinimum: 5, willDelayMaximum: 4 })).toThrow("option 'willDelayMinimum' is more than 'willDelayMaximum'")
    expect(() => connectVeto.create({ above: { topicAliasMaximun: 1 } })).toThrow(/unknown option 'topicAliasMaximun'. Did you mean 'topicAliasMaximum'/)
  })
})
