/** Bugs around coming back: storms, loops, pauses that only grow, clients that give up. */
import type { Duration } from 'mqttest'
import { publish, subscribe } from '../../support/outcome.ts'
import { exhibit, type Stage } from './exhibit.ts'

const ping = { cmd: 'pingreq' } as const

/** One attempt to connect every so often. */
async function attempts({ client, wait }: Stage, pauses: readonly Duration[]): Promise<void> {
  for (const pause of pauses) {
    await wait(pause)
    client().sendConnect().send(ping)
  }
}

exhibit('deye-inverter-mqtt: waits two minutes more when the server has long been back', 'https://github.com/kbialek/deye-inverter-mqtt/pull/298', {
  does: 'the server goes away for three minutes; whoever comes a moment later is let in',
  config: { plugins: [['offline', { time: '10s', for: '3m' }]] },
  play: (stage) => attempts(stage, ['0s', '11s', '1m', '118999ms', '1ms']),
  wire: [
    '0 ← CONNACK 0x00 success',
    '0 ← PINGRESP',
    '10000 ms: 0 ← closed (rst)',
    '11000 ms: 1 ← closed (rst)',
    '71000 ms: 2 ← closed (rst)',
    '189999 ms: 3 ← closed (rst)',
    '190000 ms: 4 ← CONNACK 0x00 success',
    '190000 ms: 4 ← PINGRESP',
  ],
})

exhibit('MQTT.js: disconnects and reconnects for ever once the network is back', 'https://github.com/mqttjs/MQTT.js/issues/1825', {
  does: 'the link is dead, nobody listens for a minute, and then a strict server closes at nine filters, or at a second connection',
  config: {
    plugins: [
      ['half-open', { packet: 'suback' }, { connection: 0 }],
      ['offline', { time: '20s', for: '1m' }],
      ['subscribe-limits', { filters: 8 }],
      ['takeover', { policy: 'oldest', answer: 'close' }],
    ],
  },
  async play({ client, wait }) {
    const filters = Array.from({ length: 9 }, (_, index) => `a/${index}`)
    const first = client().sendConnect({ keepalive: 10 }).send(subscribe('a'))
    await wait('10s')
    first.send(ping)
    await wait('11s')
    client().sendConnect()
    await wait('1m')
    client().sendConnect().send(subscribe(filters))
    await wait('1s')
    client()
      .sendConnect()
      .send(subscribe(filters.slice(1)))
    await wait('1s')
    client().sendConnect()
  },
  wire: [
    '0 ← CONNACK 0x00 success',
    '0 ← SUBACK id 9 [0x00]',
    '20000 ms: 0 ← closed (rst)',
    '21000 ms: 1 ← closed (rst)',
    '81000 ms: 2 ← CONNACK 0x00 success',
    '81000 ms: 2 ← closed (fin)',
    '82000 ms: 3 ← CONNACK 0x00 success',
    '82000 ms: 3 ← SUBACK id 9 [0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00]',
    '83000 ms: 4 ← closed (fin)',
  ],
})

exhibit('EMS-ESP32: never comes back when the host of the server was rebooted', 'https://github.com/emsesp/EMS-ESP32/issues/912', {
  does: 'all connections are reset, new ones are not answered for two minutes, and then the server is back',
  config: { plugins: [['offline', { time: '10s', for: '120s', mode: 'unanswered' }]] },
  play: (stage) => attempts(stage, ['0s', '11s', '1m', '1m']),
  wire: ['0 ← CONNACK 0x00 success', '0 ← PINGRESP', '10000 ms: 0 ← closed (rst)', '131000 ms: 3 ← CONNACK 0x00 success', '131000 ms: 3 ← PINGRESP'],
})

exhibit('rumqttc: is stuck in an attempt to connect that nobody answers', 'https://github.com/bytebeamio/rumqtt/issues/295', {
  does: 'PINGRESP does not come; new connections are not answered for a minute, and then the server is back',
  config: {
    plugins: [
      ['drop', { packets: ['pingresp'] }, { connection: 0 }],
      ['offline', { closed: 1, for: '60s', mode: 'unanswered' }],
    ],
  },
  async play({ client, wait }) {
    const first = client().sendConnect({ keepalive: 10 }).send(ping)
    await wait('10s')
    first.close()
    for (const pause of ['1s', '59s'] as const) {
      await wait(pause)
      client().sendConnect().send(ping)
    }
  },
  wire: ['0 ← CONNACK 0x00 success', '10000 ms: 0 ← closed (fin)', '70000 ms: 2 ← CONNACK 0x00 success', '70000 ms: 2 ← PINGRESP'],
})

exhibit('Eclipse Paho C: stops trying after some reconnects', 'https://github.com/eclipse-paho/paho.mqtt.c/issues/1215', {
  does: 'ten times the session is there and the connection is closed at the third message; the eleventh is a good one',
  config: {
    plugins: [
      ['session-override', { mode: 'keep', sessionPresent: 'always' }],
      ['close-after', { packet: 'publish', nth: 3, when: 'instead' }, { times: 10 }],
    ],
  },
  async play({ client, wait }) {
    for (let connections = 0; connections < 11; connections++) {
      const backlog = client().sendConnect({ clean: false })
      for (let messages = 1; messages <= 4; messages++) backlog.send({ ...publish('a', 1, messages), dup: connections > 0 })
      await wait('1s')
    }
  },
  wire: [
    ...Array.from({ length: 11 }, (_, number) => (number === 0 ? '0' : `${number}000 ms: ${number}`)).flatMap((when, number) => [
      `${when} ← CONNACK 0x00 success session present`,
      `${when} ← PUBACK id 1`,
      `${when} ← PUBACK id 2`,
      ...(number < 10 ? [`${when} ← closed (fin)`] : [`${when} ← PUBACK id 3`, `${when} ← PUBACK id 4`]),
    ]),
  ],
})

exhibit('HiveMQ Java: clients that were closed while they reconnect live on', 'https://github.com/hivemq/hivemq-mqtt-client/issues/756', {
  does: 'in turn: nobody listens for two seconds, a connection is closed before CONNACK, a connection is good for a second',
  config: {
    plugins: [
      ['offline', { for: '2s' }],
      ['offline', { closed: 2, for: '2s', again: true }],
      ['close-after', { packet: 'connect', when: 'instead' }, { every: 2 }],
      ['close-after', { time: '1s' }, { every: 2, from: 1 }],
    ],
  },
  async play({ client, wait }) {
    let attempt = client().sendConnect()
    for (let time = 0; time < 20; time++) {
      await wait('500ms')
      if (attempt.ended !== undefined) attempt = client().sendConnect()
    }
  },
  wire: [
    '0 ← closed (rst)',
    '500 ms: 1 ← closed (rst)',
    '1000 ms: 2 ← closed (rst)',
    '1500 ms: 3 ← closed (rst)',
    '2000 ms: 4 ← closed (fin)',
    '2500 ms: 5 ← CONNACK 0x00 success',
    '3500 ms: 5 ← closed (fin)',
    '3500 ms: 6 ← closed (rst)',
    '4000 ms: 7 ← closed (rst)',
    '4500 ms: 8 ← closed (rst)',
    '5000 ms: 9 ← closed (rst)',
    '5500 ms: 10 ← closed (fin)',
    '6000 ms: 11 ← CONNACK 0x00 success',
    '7000 ms: 11 ← closed (fin)',
    '7000 ms: 12 ← closed (rst)',
    '7500 ms: 13 ← closed (rst)',
    '8000 ms: 14 ← closed (rst)',
    '8500 ms: 15 ← closed (rst)',
    '9000 ms: 16 ← closed (fin)',
    '9500 ms: 17 ← CONNACK 0x00 success',
  ],
})
