/** Bugs around the will. */
import { expect } from 'vitest'
import { subscribe } from '../../support/outcome.ts'
import { exhibit, type Stage } from './exhibit.ts'

const will = { topic: 'gone', payload: Buffer.from('device'), qos: 0, retain: false } as const

/** A device with a will that leaves, before a client that hears of it. */
async function leaves({ client, wait, server }: Stage, goodbye: readonly string[], by: 'disconnect' | 'fin'): Promise<void> {
  client().sendConnect({ clientId: 'witness' }).send(subscribe('gone'))
  const device = client().sendConnect({ clientId: 'device', will })
  await wait('1s')
  device.send(...goodbye).close()
  await wait('1s')
  const connection = await server.connection({ clientId: 'device' })
  await connection.expectClose({ by: 'client', how: by })
  const last = connection.packets({ dir: 'in' }).at(-1)
  expect(last?.cmd).toBe(goodbye.length > 0 ? 'disconnect' : 'connect')
}

exhibit(
  'esp-mqtt: closes the connection without DISCONNECT, and so its will is published',
  'https://github.com/espressif/esp-mqtt/issues/208',
  {
    does: 'a client that closes is gone, and the record says that it closed without DISCONNECT',
    config: {},
    play: (stage) => leaves(stage, [], 'fin'),
    wire: [
      '0 ← CONNACK 0x00 success',
      '0 ← SUBACK id 9 [0x00]',
      '1 ← CONNACK 0x00 success',
      '1000 ms: 1 ← closed (fin)',
      '1000 ms: 0 ← PUBLISH gone QoS 0 "device"',
    ],
  },
  {
    does: 'a client that says DISCONNECT first has no will any more',
    config: {},
    play: (stage) => leaves(stage, ['e0 00'], 'disconnect'),
    wire: ['0 ← CONNACK 0x00 success', '0 ← SUBACK id 9 [0x00]', '1 ← CONNACK 0x00 success', '1000 ms: 1 ← closed (fin)'],
  },
)
