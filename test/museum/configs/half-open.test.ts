/** Bugs around silence: a server that enforces the keep-alive, a PINGRESP that does not come, a link that is dead without a word. */
import { expect } from 'vitest'
import { publish, subscribe } from '../../support/outcome.ts'
import { exhibit } from './exhibit.ts'

const ping = { cmd: 'pingreq' } as const

exhibit('QMQTT: does not notice that PINGRESP is missing', 'https://github.com/emqx/qmqtt/pull/140', {
  does: 'the first PINGREQ is answered, no later one; the next connection is a good one',
  config: { plugins: [['drop', { packets: ['pingresp'], from: 2 }, { connection: 0 }]] },
  async play({ client, wait }) {
    const first = client().sendConnect({ keepalive: 10 })
    for (let pings = 0; pings < 3; pings++) {
      await wait('10s')
      first.send(ping)
    }
    await wait('11s')
    first.close()
    client().sendConnect({ keepalive: 10 }).send(ping)
  },
  wire: ['0 ← CONNACK 0x00 success', '10000 ms: 0 ← PINGRESP', '41000 ms: 0 ← closed (fin)', '41000 ms: 1 ← CONNACK 0x00 success', '41000 ms: 1 ← PINGRESP'],
})

exhibit(
  'Paho Android: pings once and never again, until the server closes the connection',
  'https://github.com/hannesa2/paho.mqtt.android/issues/863',
  {
    does: 'a client that pings in each keep-alive stays for five of them',
    config: { broker: { keepAliveFactor: 1.5 } },
    async play({ client, wait }) {
      const idle = client().sendConnect({ keepalive: 30 }).send(subscribe('a'))
      for (let periods = 0; periods < 5; periods++) {
        await wait('30s')
        idle.send(ping)
      }
    },
    wire: [
      '0 ← CONNACK 0x00 success',
      '0 ← SUBACK id 9 [0x00]',
      '30000 ms: 0 ← PINGRESP',
      '60000 ms: 0 ← PINGRESP',
      '90000 ms: 0 ← PINGRESP',
      '120000 ms: 0 ← PINGRESP',
      '150000 ms: 0 ← PINGRESP',
    ],
  },
  {
    does: 'a client that pings once is closed one and a half keep-alives later',
    config: { broker: { keepAliveFactor: 1.5 } },
    async play({ client, wait }) {
      const idle = client().sendConnect({ keepalive: 30 }).send(subscribe('a'))
      await wait('30s')
      idle.send(ping)
      await wait('60s')
    },
    wire: ['0 ← CONNACK 0x00 success', '0 ← SUBACK id 9 [0x00]', '30000 ms: 0 ← PINGRESP', '75000 ms: 0 ← closed (fin)'],
    breaks: ['keepalive-timeout'],
  },
)

exhibit('MQTTnet: a busy publisher notices a dead link only when TCP gives up', 'https://github.com/dotnet/MQTTnet/issues/2130', {
  does: 'ten messages are acknowledged, then nothing is, and the link stays as it is',
  config: { plugins: [['half-open', { packet: 'publish', nth: [10] }, { connection: 0 }]] },
  async play({ client, wait, server }) {
    const busy = client().sendConnect({ keepalive: 10 })
    // For fifteen minutes.
    for (let messages = 1; messages <= 450; messages++) {
      await wait('2s')
      busy.send(publish('a', 1, messages))
      if (messages % 5 === 0) busy.send(ping)
    }
    expect(server.connections.map(({ closed }) => closed)).toEqual([false])
  },
  wire: [
    '0 ← CONNACK 0x00 success',
    ...[1, 2, 3, 4, 5].map((id) => `${id * 2000} ms: 0 ← PUBACK id ${id}`),
    '10000 ms: 0 ← PINGRESP',
    ...[6, 7, 8, 9, 10].map((id) => `${id * 2000} ms: 0 ← PUBACK id ${id}`),
  ],
})

exhibit(
  'Eclipse Paho Android Service: keeps a connection for which it has reported a timeout',
  'https://github.com/eclipse-paho/paho.mqtt.android/issues/253',
  {
    does: 'the link is dead for three keep-alives from SUBACK on; then the same connection answers again',
    config: { plugins: [['half-open', { packet: 'suback', for: '30s' }]] },
    async play({ client, wait }) {
      const phone = client().sendConnect({ keepalive: 10 }).send(subscribe('a'))
      for (let periods = 0; periods < 3; periods++) {
        await wait('10s')
        phone.send(ping)
      }
    },
    wire: ['0 ← CONNACK 0x00 success', '0 ← SUBACK id 9 [0x00]', '30000 ms: 0 ← PINGRESP'],
  },
  {
    does: 'the link is dead for ever, and a new connection is a good one',
    config: { plugins: [['half-open', { packet: 'suback' }, { connection: 0 }]] },
    async play({ client, wait }) {
      const phone = client().sendConnect({ keepalive: 10 }).send(subscribe('a'))
      await wait('10s')
      phone.send(ping)
      await wait('10s')
      client().sendConnect({ keepalive: 10, clientId: 'the same phone' }).send(ping)
    },
    wire: ['0 ← CONNACK 0x00 success', '0 ← SUBACK id 9 [0x00]', '20000 ms: 1 ← CONNACK 0x00 success', '20000 ms: 1 ← PINGRESP'],
  },
)
