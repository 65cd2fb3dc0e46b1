/** What a client meets behind a gateway that does too much with too little. */
import { lossyGateway } from 'mqttest/packs'
import { connectMemory, playScenario, scenarios } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { messages } from '../support/client.ts'
import { heard, publish, subscribe } from '../support/outcome.ts'
import { virtualServer } from '../support/server.ts'

type Options = Parameters<typeof lossyGateway>[0]

/** Nothing happens but what a test asks for. */
const calm = { intensity: 1, loss: 0, duplicates: 0, pingrespLoss: 0, delay: 0, jitter: 0 } as const

async function gateway(options: Options, version: 4 | 5 = 5, seed = 'test') {
  const { server, clock } = await virtualServer({ seed, plugins: [lossyGateway(options)] })
  const come = async (clientId: string) => {
    const client = connectMemory(server, version).sendConnect({ clientId })
    await clock.advance('3s')
    return client
  }
  return { server, clock, come, client: await come('dev') }
}

describe.each([4, 5] as const)('lossy-gateway, MQTT %i', (version) => {
  test('messages of QoS 0 get lost, on either side; those with an acknowledgement do not', async () => {
    const { server, clock, client } = await gateway({ ...calm, loss: 0.5 }, version)
    client.send(subscribe('a', 1))
    await clock.advance(0)
    for (let number = 0; number < 40; number++) {
      client.send({ ...publish(`kept/${number}`, 0), retain: true }, publish('a', 1, number + 1))
      server.publish({ topic: 'a', payload: 'q0' })
      server.publish({ topic: 'a', payload: 'q1', qos: 1 })
      await clock.advance('1s')
    }
    const got = messages(client)
    expect(got.filter((one) => one === 'a q1')).toHaveLength(40)
    expect(got.filter((one) => one === 'a x')).toHaveLength(40)
    for (const count of [got.filter((one) => one === 'a q0').length, server.retained.length]) {
      expect(count).toBeGreaterThan(5)
      expect(count).toBeLessThan(35)
    }
    expect(client.received.filter(({ cmd }) => cmd === 'puback')).toHaveLength(40)
  })

  test('messages of QoS 0 come twice; others do not', async () => {
    const { server, clock, client } = await gateway({ ...calm, duplicates: 1 }, version)
    client.send(subscribe('a', 1))
    await clock.advance(0)
    server.publish({ topic: 'a', payload: 'q0' })
    server.publish({ topic: 'a', payload: 'q1', qos: 1 })
    await clock.advance(49)
    expect(messages(client)).toEqual(['a q0', 'a q1'])
    await clock.advance(1)
    expect(messages(client)).toEqual(['a q0', 'a q1', 'a q0'])
  })

  test('every answer comes late, and not after the same time, but in order', async () => {
    const { clock, client } = await gateway({ ...calm, delay: '300ms', jitter: '2s' }, version)
    client.send(subscribe('a'), publish('a', 1, 1), publish('a', 1, 2), { cmd: 'pingreq' })
    await clock.advance(299)
    expect(client.received.filter(({ cmd }) => cmd !== 'publish')).toHaveLength(1)
    await clock.advance(2001)
    expect(client.received.flatMap(({ cmd }) => (cmd === 'publish' ? [] : [cmd]))).toEqual(['connack', 'suback', 'puback', 'puback', 'pingresp'])
  })

  test('PINGRESP is lost now and then', async () => {
    const { clock, client } = await gateway({ ...calm, pingrespLoss: 0.5 }, version)
    for (let count = 0; count < 40; count++) client.send({ cmd: 'pingreq' })
    await clock.advance('1s')
    const count = client.received.length - 1
    expect(count).toBeGreaterThan(5)
    expect(count).toBeLessThan(35)
  })

  test('under load, whoever sends one more loses the connection', async () => {
    const { clock, come, client } = await gateway({ ...calm, load: 3 }, version)
    const other = await come('other')
    other.send(publish('a', 1, 1), publish('a', 1, 2))
    client.send(publish('a', 1, 1), publish('a', 1, 2))
    await clock.advance(10)
    expect(other.ended).toBeUndefined()
    expect(heard(client).replaceAll(' 16', '')).toBe(version === 5 ? 'puback, disconnect 0x96, fin' : 'puback, fin')
  })
})

describe('lossy-gateway', () => {
  test('timeScale: answers are sooner', async () => {
    const { clock, client } = await gateway({ ...calm, delay: '1s', timeScale: 0.01 })
    client.send({ cmd: 'pingreq' })
    await clock.advance(9)
    expect(client.received).toHaveLength(1)
    await clock.advance(1)
    expect(client.received).toHaveLength(2)
  })

  test('the same seed gives the same, another one something else', async () => {
    const traces = async (seed: string) => {
      const { server, clock } = await virtualServer({ seed, plugins: [lossyGateway({ intensity: 1 })] })
      const all: string[] = []
      for (const scenario of scenarios) all.push(...(await playScenario({ server, clock }, scenario)))
      return all
    }
    const once = await traces('one')
    expect(await traces('one')).toEqual(once)
    expect(await traces('two')).not.toEqual(once)
  })
})
