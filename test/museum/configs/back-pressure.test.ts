/** Bugs around what cannot be sent: a server that does not read, and one that is away for long. */
import { connectTcp } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { publish } from '../../support/outcome.ts'
import { tcpServer } from '../../support/server.ts'
import { exhibit } from './exhibit.ts'

const stopsReading = 'https://github.com/eclipse-paho/paho.mqtt.c/issues/1027'

exhibit('Eclipse Paho C: sends no PINGREQ while something is unsent, and then too strict for the next connection', stopsReading, {
  does: 'nothing is read behind CONNACK and nothing comes, for two keep-alives; the second connection is a good one for a minute',
  config: { plugins: [['half-open', { reading: false }, { connection: 0 }]] },
  async play({ client, wait, server }) {
    const blocked = client().sendConnect({ keepalive: 10 })
    await wait()
    for (let messages = 1; messages <= 1000; messages++) blocked.send(publish('a', 0, 0, { size: 10_000 }))
    await wait('20s')
    expect(server.records({ type: 'packet', cmd: 'publish' })).toEqual([])
    blocked.reset()
    const good = client().sendConnect({ keepalive: 10 })
    for (let periods = 0; periods < 6; periods++) {
      await wait('10s')
      good.send({ cmd: 'pingreq' })
    }
  },
  wire: [
    '0 ← CONNACK 0x00 success',
    '20000 ms: 0 ← closed (rst)',
    '20000 ms: 1 ← CONNACK 0x00 success',
    ...[30, 40, 50, 60, 70, 80].map((seconds) => `${seconds}000 ms: 1 ← PINGRESP`),
  ],
})

describe(`the same on a socket (${stopsReading})`, () => {
  test('what a client publishes stays in its own system', async () => {
    const server = await tcpServer({ clock: 'virtual', plugins: [['half-open', { reading: false }, { connection: 0 }]] })
    const blocked = await connectTcp(server)
    await blocked.connect({ keepalive: 10 })
    for (let messages = 1; messages <= 1000; messages++) blocked.send(publish('a', 0, 0, { size: 10_000 }))
    await (await connectTcp(server)).connect({ clientId: 'another one' })
    expect(server.records({ type: 'packet', cmd: 'publish' })).toEqual([])
    expect(blocked.ended).toBeUndefined()
  })
})

exhibit(
  'ESP-IDF: keeps every QoS 1 message until its memory is full, while the server is away',
  'https://github.com/espressif/esp-idf/issues/5668',
  {
    does: 'the server goes away when the client is there, refuses everybody for seven hours, and is back',
    config: { plugins: [['offline', { time: '1m', for: '7h' }]] },
    async play({ client, wait }) {
      client()
        .sendConnect()
        .send(publish('a', 1, 1))
      for (const pause of ['2m', '1h', '6h'] as const) {
        await wait(pause)
        client()
          .sendConnect()
          .send(publish('a', 1, 2))
      }
    },
    wire: [
      '0 ← CONNACK 0x00 success',
      '0 ← PUBACK id 1',
      '60000 ms: 0 ← closed (rst)',
      '120000 ms: 1 ← closed (rst)',
      '3720000 ms: 2 ← closed (rst)',
      '25320000 ms: 3 ← CONNACK 0x00 success',
      '25320000 ms: 3 ← PUBACK id 2',
    ],
  },
  {
    does: 'nobody answers in that while',
    config: { plugins: [['offline', { time: '1m', for: '7h', mode: 'unanswered', connections: 'stall' }]] },
    async play({ client, wait }) {
      client()
        .sendConnect()
        .send(publish('a', 1, 1))
      for (const pause of ['2m', '1h', '6h'] as const) {
        await wait(pause)
        client()
          .sendConnect({ clientId: pause })
          .send(publish('a', 1, 2))
      }
    },
    wire: ['0 ← CONNACK 0x00 success', '0 ← PUBACK id 1', '25320000 ms: 3 ← CONNACK 0x00 success', '25320000 ms: 3 ← PUBACK id 2'],
  },
)
