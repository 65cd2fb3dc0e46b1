/** Bugs of clients that read bytes: packets that are cut, that never end, or that do not fit the request. */
import { ackWrong, chunks, closeAfter, suback } from 'mqttest/plugins'
import { expect } from 'vitest'
import { type Frame, FrameReader } from '../../src/wire/frame.ts'
import { Malformed } from '../../src/wire/malformed.ts'
import { exhibit, now } from './exhibit.ts'

/** Wants the whole remaining length in one read, once that has brought a byte of it. */
class ImpatientReader extends FrameReader {
  override push(chunk: Buffer, sink: (frame: Frame) => boolean): Malformed | undefined {
    const isCutInLength = this.held === 0 && chunk.length > 1 && chunk.length < 5 && chunk.subarray(1).every((byte) => byte > 127)
    return isCutInLength ? new Malformed('remaining-length-malformed', chunk.length) : super.push(chunk, sink)
  }
}

const places = [1, 2, 3, 4, 5]

exhibit('mqtt-packet of MQTT.js: finds a remaining length invalid that comes in two reads', {
  url: 'https://github.com/mqttjs/mqtt-packet/issues/95',
  config: () => ({ plugins: places.map((place) => chunks({ packets: ['publish'], nth: [place], at: [place], pause: '50ms' })) }),
  buggy: { reader: () => new ImpatientReader() },
  fixed: { reader: () => new FrameReader() },
  async play({ server, client, clock }) {
    await clock.advance('1s')
    await client.subscribe(['bulk'], 1)
    for (const _ of places) {
      server.publish({ topic: 'bulk', payload: 'x'.repeat(20_000), qos: 1 })
      await clock.advance('500ms')
    }
  },
  async assertion(server) {
    const { ended } = await server.connection(0)
    expect(ended, 'the end of the connection').toBeUndefined()
    expect(server.report().packets.in.puback).toBe(places.length)
  },
  says: /the end of the connection/,
})

exhibit('espMqttClient: goes on inside of the packet that the last connection left off in', {
  url: 'https://github.com/bertmelis/espMqttClient/issues/34',
  config: () => ({ plugins: [[closeAfter({ bytes: 1500, direction: 'out', how: 'rst', grace: '5s' }), { connection: 0 }]] }),
  buggy: { reader: always(new FrameReader()) },
  fixed: { reader: () => new FrameReader() },
  async play({ server, client, clock }) {
    await clock.advance('1s')
    await client.subscribe(['bulk'])
    server.publish({ topic: 'bulk', payload: 'x'.repeat(65_536) })
    await clock.advance('1m')
  },
  async assertion(server) {
    await (await server.connection(1)).expect('subscribe', {}, now)
    expect(server.report().connections).toBe(2)
  },
  says: /expected SUBSCRIBE/,
})

/** The same one at each call. */
function always<T>(one: T): () => T {
  return () => one
}

exhibit('MQTT.js: takes any acknowledgement with the right packet id for the SUBACK, however many codes it has', {
  url: 'https://github.com/mqttjs/MQTT.js/pull/2061',
  config: () => ({
    plugins: [
      [suback({ count: 'extra' }), { connection: 0 }],
      [suback({ count: 'missing' }), { connection: 1 }],
      [ackWrong({ packets: ['suback'], type: 'puback' }), { connection: 2 }],
    ],
  }),
  both: { version: 5, unknownAcknowledgement: 'disconnect' },
  buggy: { matches: 'id' },
  fixed: { matches: 'type-and-codes' },
  async play({ client, clock }) {
    void client.subscribe(['a', 'b'])
    await clock.advance('10s')
  },
  async assertion(server) {
    for (const number of [0, 1, 2]) await (await server.connection(number, now)).expect('disconnect', { reasonCode: 0x82 }, now)
    await (await server.connection(3, now)).expect('subscribe', {}, now)
  },
  says: /expected DISCONNECT/,
})
