/** When a plugin acts: the options that plugins share for a moment, and for packets among bytes. */
import { atMoment, definePlugin, moment, momentProblem, packetsOnWire, type StepInput, wireSelection } from 'mqttest'
import { connectMemory, type RawClient } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { virtualServer } from '../support/server.ts'

const mark: readonly StepInput[] = [{ packet: { cmd: 'publish', topic: 'mark' } }]
const marker = definePlugin({
  meta: { name: 'marker' },
  options: moment,
  check: momentProblem,
  setup: (api, which) => atMoment(api, which, (connection) => (connection.clientId === 'spared' ? undefined : mark)),
})
const publish = (messageId: number) => ({ cmd: 'publish', topic: 'a', qos: 1, messageId }) as const
const names = (client: RawClient) => client.received.map((packet) => (packet.cmd === 'publish' ? packet.topic : packet.cmd))

async function seen(options: Parameters<typeof marker>[0], clientId = 'me') {
  const { server, clock } = await virtualServer({ plugins: [marker(options)] })
  const client = connectMemory(server)
  client.sendConnect({ clientId }).send(publish(1), publish(2), { cmd: 'pingreq' })
  await clock.advance(999)
  const before = names(client)
  await clock.advance(1)
  return { before, after: names(client), server, clock }
}

describe('a moment', () => {
  test.each([
    [{}, ['connack', 'mark', 'puback', 'puback', 'pingresp']],
    [{ packet: 'publish' }, ['connack', 'puback', 'mark', 'puback', 'mark', 'pingresp']],
    [{ packet: 'publish', nth: 2 }, ['connack', 'puback', 'puback', 'mark', 'pingresp']],
    [{ packet: 'publish', nth: 2, when: 'before' }, ['connack', 'puback', 'mark', 'puback', 'pingresp']],
    [{ packet: 'publish', nth: 2, when: 'instead' }, ['connack', 'puback', 'mark', 'pingresp']],
    [{ packet: 'puback', nth: 1, when: 'before' }, ['connack', 'mark', 'puback', 'puback', 'pingresp']],
    [{ packet: 'puback', nth: 1, when: 'instead' }, ['connack', 'mark', 'puback', 'pingresp']],
    [{ packet: 'puback', nth: 1, when: 'after' }, ['connack', 'puback', 'mark', 'puback', 'pingresp']],
    [{ packet: 'puback', sender: 'client' }, ['connack', 'puback', 'puback', 'pingresp']],
    [{ packet: 'pingreq', qos: 1 }, ['connack', 'puback', 'puback', 'pingresp']],
    [{ when: 'before' }, ['mark', 'connack', 'puback', 'puback', 'pingresp']],
    [{ time: 0 }, ['connack', 'mark', 'puback', 'puback', 'pingresp']],
  ] as const)('%j', async (options, expected) => {
    expect((await seen(options)).after).toEqual(expected)
  })

  test('instead of an answer: the packet has been handled', async () => {
    const { server } = await seen({ packet: 'publish', when: 'instead' })
    expect(server.records({ cmd: 'puback' })).toEqual([])
  })

  test('of time counts from CONNACK', async () => {
    const { before, after } = await seen({ time: '1s' })
    expect(before).not.toContain('mark')
    expect(after.at(-1)).toBe('mark')
  })

  test('of time does not come on a connection that was refused', async () => {
    const { server, clock } = await virtualServer({ plugins: [marker({ time: 0 }), 'reject'] })
    const client = connectMemory(server).sendConnect()
    await clock.advance(0)
    expect(names(client)).toEqual(['connack'])
  })

  test('may have nothing to do', async () => {
    for (const options of [{}, { packet: 'publish' }, { time: 0 }] as const) expect((await seen(options, 'spared')).after).not.toContain('mark')
  })

  test('is checked', () => {
    expect(() => marker({ packet: 'suback', sender: 'client' })).toThrow('only a server sends suback: take sender server')
    expect(() => marker({ packet: 'pingreq', sender: 'server' })).toThrow('only a client sends pingreq: take sender client')
    expect(() => marker({ nth: 2 })).toThrow("option 'nth' goes with 'packet'")
    expect(() => marker({ time: 1, when: 'before' })).toThrow("option 'when' goes with 'packet'")
    expect(() => marker({ time: 1, probability: 0.5 })).toThrow("option 'probability' goes with 'packet'")
    expect(() => marker({ when: 'before', probability: 0.5 })).not.toThrow()
    expect(() => marker({ sender: 'client' })).toThrow("option 'sender' goes with 'packet'")
  })
})

describe('packets on the wire', () => {
  /** Marks chosen parts with their offset and length: 'publish 0-3/5'. */
  async function parts(options: Parameters<ReturnType<typeof follower>>[0], ...chunks: readonly string[]) {
    const log: string[] = []
    const { server, clock } = await virtualServer({ core: false, plugins: [follower(log)(options)] })
    const client = connectMemory(server)
    for (const chunk of chunks) {
      client.send(chunk)
      await clock.advance(0)
    }
    return log
  }
  const follower = (log: string[]) =>
    definePlugin({
      meta: { name: 'follower' },
      options: wireSelection,
      setup({ on, hooks, name }, which) {
        const follow = packetsOnWire(name, which)
        on(hooks.wire, { direction: 'in' }, (steps, way, connection) => {
          for (const step of steps)
            if ('raw' in step)
              for (const { cmd, offset, bytes, length, chosen } of follow(step.raw, way, connection))
                log.push(`${chosen ? '' : '-'}${cmd} ${offset}-${offset + bytes.length}/${length}`)
          return []
        })
      },
    })

  test('are found in one chunk, and over several', async () => {
    expect(await parts({}, 'c000 e000')).toEqual(['pingreq 0-2/2', 'pingreq 0-2/2'.replace('pingreq', 'disconnect')])
    expect(await parts({}, '30', '05 0001', '61 7878 c000')).toEqual(['publish 0-1/undefined', 'publish 1-4/7', 'publish 4-7/7', 'pingreq 0-2/2'])
  })

  test('have lengths of several bytes, which may be cut', async () => {
    const body = '00'.repeat(200)
    expect(await parts({}, `30 c801 ${body} c000`)).toEqual(['publish 0-203/203', 'pingreq 0-2/2'])
    expect(await parts({}, '30 c8', `01 ${body}`)).toEqual(['publish 0-2/undefined', 'publish 2-203/203'])
  })

  test('cannot be followed behind a length that is none', async () => {
    expect(await parts({}, '30 ffffffff 00', 'c000')).toEqual(['publish 0-6/undefined', 'publish 6-8/undefined'])
  })

  test('are chosen by type, number and chance', async () => {
    const many = 'c000 3000 c000 c000'
    expect(await parts({ packets: ['publish'] }, many)).toEqual(['-pingreq 0-2/2', 'publish 0-2/2', '-pingreq 0-2/2', '-pingreq 0-2/2'])
    expect(await parts({ packets: ['pingreq'], nth: [1, 3] }, many)).toEqual(['pingreq 0-2/2', '-publish 0-2/2', '-pingreq 0-2/2', 'pingreq 0-2/2'])
    expect(await parts({ from: 2, every: 2 }, many)).toEqual(['-pingreq 0-2/2', '-publish 0-2/2', 'pingreq 0-2/2', '-pingreq 0-2/2'])
    expect(await parts({ probability: 0 }, many)).toEqual(['-pingreq 0-2/2', '-publish 0-2/2', '-pingreq 0-2/2', '-pingreq 0-2/2'])
  })
})
