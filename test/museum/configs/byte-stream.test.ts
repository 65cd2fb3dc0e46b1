/** Bugs around the stream of bytes: packets in pieces, large ones, malformed ones, and resets. */
import { expect } from 'vitest'
import { publish, subscribe } from '../../support/outcome.ts'
import { exhibit, type Stage } from './exhibit.ts'

const text = (size: number) => JSON.stringify('x'.repeat(size)).slice(0, 60)

exhibit('MQTT.js: does not understand a CONNACK that is cut behind its first byte', 'https://github.com/mqttjs/MQTT.js/pull/10', {
  does: 'CONNACK comes as one byte and, 20 ms later, three',
  config: { plugins: [['chunks', { packets: ['connack'], at: [1], pause: '20ms' }]] },
  async play({ client, wait }) {
    const cut = client(3).sendConnect()
    await wait('20ms')
    cut.send(subscribe('a'))
    await wait()
    expect(cut.chunks.slice(0, 2).map((chunk) => chunk.toString('hex'))).toEqual(['20', '020000'])
  },
  wire: ['20 ms: 0 ← CONNACK 0x00 success', '20 ms: 0 ← SUBACK id 9 [0x00]'],
})

exhibit('libwebsockets: gets the remaining length wrong that spans two reads', 'https://github.com/warmcat/libwebsockets/pull/3522', {
  does: 'a PUBLISH of 303 bytes comes cut inside of its remaining length',
  config: {
    plugins: [
      ['server-publish', { delay: '10ms', topic: 'a/b/c', payload: { size: 293, fill: 'x' } }],
      ['chunks', { packets: ['publish'], at: [2], pause: '20ms' }],
    ],
  },
  async play({ client, wait }) {
    const cut = client().sendConnect().send(subscribe('a/#'))
    await wait('30ms')
    const [head, rest] = cut.chunks.slice(-2)
    expect(head?.toString('hex')).toBe('30ac')
    expect(rest?.subarray(0, 3).toString('hex')).toBe('020005')
  },
  wire: ['0 ← CONNACK 0x00 success', '0 ← SUBACK id 9 [0x00]', `30 ms: 0 ← PUBLISH a/b/c QoS 0 ${text(293)}… (293 bytes)`],
})

exhibit('wolfMQTT: loses the first part of a message that comes in several', 'https://github.com/wolfSSL/wolfMQTT/issues/84', {
  does: 'a message of 8 kB comes in pieces of 1 kB, 50 ms apart',
  config: {
    plugins: [
      ['server-publish', { topic: 'a', payload: { size: 8000, fill: 'x' }, qos: 1 }],
      ['chunks', { packets: ['publish'], size: 1024, pause: '50ms' }],
    ],
  },
  async play({ client, wait }) {
    const slow = client().sendConnect().send(subscribe('a', 1))
    await wait('1s')
    expect(slow.chunks.slice(-8).map(({ length }) => length)).toEqual([1024, 1024, 1024, 1024, 1024, 1024, 1024, 840])
    slow.send({ cmd: 'puback', messageId: 1 })
  },
  wire: ['0 ← CONNACK 0x00 success', '0 ← SUBACK id 9 [0x01]', `400 ms: 0 ← PUBLISH a QoS 1 id 1 ${text(8000)}… (8000 bytes)`],
})

exhibit('arduino-mqtt: disconnects over a message that is larger than its buffer, and meets it again', 'https://github.com/256dpi/arduino-mqtt/issues/120', {
  does: 'on every connection, a retained message of 4 kB follows SUBACK',
  config: { plugins: [['server-publish', { topic: 'a', payload: { size: 4096, fill: 'x' }, retain: true }]] },
  async play({ client, wait }) {
    for (let attempts = 0; attempts < 3; attempts++) {
      const small = client().sendConnect().send(subscribe('a'))
      await wait()
      small.reset()
      await wait('1s')
    }
  },
  wire: ['0', '1000 ms: 1', '2000 ms: 2'].flatMap((when) => [
    `${when} ← CONNACK 0x00 success`,
    `${when} ← SUBACK id 9 [0x00]`,
    `${when} ← PUBLISH a QoS 0 retain ${text(4096)}… (4096 bytes)`,
    `${when} ← closed (rst)`,
  ]),
})

exhibit('MQTT-C: reads beyond its memory over a topic that is longer than its packet', 'https://github.com/LiamBindle/MQTT-C/issues/204', {
  does: 'a PUBLISH of 7 bytes follows SUBACK whose topic has 65535',
  config: { plugins: [['inject', { packet: 'suback', bytes: '30 07 ff ff 41 42 43 44 45' }]] },
  play: async ({ client }) => client().sendConnect().send(subscribe('a')),
  wire: ['0 ← CONNACK 0x00 success', '0 ← SUBACK id 9 [0x00]', '0 ← malformed 3007ffff4142434445'],
})

exhibit('mqtt_client for Dart: a reset is an exception that nobody handles', 'https://github.com/shamblett/mqtt_client/issues/275', {
  does: 'the first connection is reset behind SUBACK; the second stays',
  config: { plugins: [['close-after', { packet: 'suback', direction: 'out', how: 'rst' }, { connection: 0 }]] },
  async play({ client, wait }) {
    client().sendConnect().send(subscribe('a'))
    await wait('1s')
    client().sendConnect().send(subscribe('a'))
    await wait('1h')
  },
  wire: ['0 ← CONNACK 0x00 success', '0 ← SUBACK id 9 [0x00]', '0 ← closed (rst)', '1000 ms: 1 ← CONNACK 0x00 success', '1000 ms: 1 ← SUBACK id 9 [0x00]'],
})

exhibit(
  'Eclipse Paho C: spins where the broker goes away among its messages',
  'https://github.com/eclipse-paho/paho.mqtt.c/issues/916',
  ...(['fin', 'rst'] as const).map((how) => ({
    does: `the broker goes away between a PUBLISH and its PUBACK (${how}), nobody listens for a minute, and then it is back`,
    config: {
      plugins: [
        ['ack-delay', { packets: ['puback'], delay: '20ms' }],
        ['offline', { time: '1s', for: '1m', connections: how }],
      ],
    } as const,
    async play({ client, wait }: Stage) {
      const busy = client(5).sendConnect()
      for (let messages = 1; messages <= 3; messages++) {
        busy.send(publish('a', 1, messages))
        await wait(495)
      }
      for (let attempts = 0; attempts < 2; attempts++) {
        client(5).sendConnect()
        await wait('30s')
      }
      client(5)
        .sendConnect()
        .send(publish('a', 1, 3))
      await wait(20)
    },
    wire: [
      '0 ← CONNACK 0x00 success {topicAliasMaximum=100}',
      '20 ms: 0 ← PUBACK id 1 0x10 no-matching-subscribers',
      '515 ms: 0 ← PUBACK id 2 0x10 no-matching-subscribers',
      `1000 ms: 0 ← closed (${how})`,
      '1485 ms: 1 ← closed (rst)',
      '31485 ms: 2 ← closed (rst)',
      '61485 ms: 3 ← CONNACK 0x00 success {topicAliasMaximum=100}',
      '61505 ms: 3 ← PUBACK id 3 0x10 no-matching-subscribers',
    ],
  })),
)
