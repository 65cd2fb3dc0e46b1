/** `selection` and `selected`: which events a plugin acts on. */
import { definePlugin, selected, selection } from 'mqttest'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { memoryServer } from '../support/server.ts'

const muffle = definePlugin({
  meta: { name: 'muffle', api: 1 },
  options: selection,
  setup: ({ hooks, on }, which) => on(hooks.packetIn, selected(which, { cmd: 'publish' }), () => []),
})

/** The payloads, 1 to 10, that are not muffled; the topic of even ones is 'even', QoS goes 0, 1, 2 and round again. */
async function left(options: Parameters<typeof muffle>[0], seed = 'test') {
  const server = await memoryServer({ plugins: [muffle(options)], seed })
  const client = connectMemory(server, 5)
  await client.connect()
  await client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '#', qos: 0, rap: true }] }).next('suback')
  for (let number = 1; number <= 10; number++) {
    const qos = (['0', '1', '2'] as const).indexOf(`${number % 3 === 0 ? 0 : number % 3 === 1 ? 1 : 2}`)
    client.send({
      cmd: 'publish',
      topic: number % 2 === 0 ? 'even' : 'odd',
      payload: String(number),
      qos: qos === 0 ? 0 : qos === 1 ? 1 : 2,
      ...(qos > 0 && { messageId: number }),
      retain: number > 8,
    })
  }
  await client.settled()
  return client.received.flatMap((packet) => (packet.cmd === 'publish' ? [Number(packet.payload.toString())] : []))
}

describe('a selection', () => {
  test.each([
    [{}, []],
    [{ topic: 'even' }, [1, 3, 5, 7, 9]],
    [{ topic: ['odd', 'x/#'] }, [2, 4, 6, 8, 10]],
    [{ qos: 0 }, [1, 2, 4, 5, 7, 8, 10]],
    [{ qos: [1, 2] }, [3, 6, 9]],
    [{ retain: true }, [1, 2, 3, 4, 5, 6, 7, 8]],
    [{ dup: true }, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]],
    [{ messageId: [1, 2] }, [3, 4, 5, 6, 7, 8, 9, 10]],
    [{ nth: 2 }, [1, 3, 4, 5, 6, 7, 8, 9, 10]],
    [{ topic: 'even', nth: [1, 3] }, [1, 3, 4, 5, 7, 8, 9, 10]],
    [{ from: 3 }, [1, 2]],
    [{ every: 3 }, [1, 2, 4, 5, 7, 8, 10]],
    [{ from: 2, every: 4 }, [1, 2, 3, 4, 6, 7, 8, 10]],
    [{ probability: 0 }, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]],
  ] as const)('%j leaves %j', async (options, expected) => {
    expect(await left(options)).toEqual(expected)
  })

  test('a probability is decided by the seed: the same again for the same, another for another', async () => {
    const first = await left({ probability: 0.5 }, 'one')
    expect(await left({ probability: 0.5 }, 'one')).toEqual(first)
    expect(await left({ probability: 0.5 }, 'two')).not.toEqual(first)
    expect(first.length).toBeGreaterThan(0)
    expect(first.length).toBeLessThan(10)
  })

  test('is counted on each connection by itself', async () => {
    const server = await memoryServer({ plugins: [muffle({ nth: 1 })] })
    for (const clientId of ['one', 'two']) {
      const client = connectMemory(server)
      await client.connect({ clientId })
      client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 1 }, { cmd: 'publish', topic: 'a', qos: 1, messageId: 2 })
      expect(await client.next('puback')).toMatchObject({ messageId: 2 })
    }
  })
})
